// One body for a client and the store, without a router: what is held in memory, whoever is slow, and what the store is told.
import assert from "node:assert/strict";
import { test } from "node:test";

// The platform's stream of a length that is known; it passes what it gets, and one that ends short has broken.
/** @type {any} */ (globalThis).FixedLengthStream ??= class {
  constructor(length) {
    let left = length;
    const flush = (controller) => left === 0 || controller.error(new TypeError("too short"));
    Object.assign(
      this,
      (({ readable, writable }) => ({ readable, writable }))(
        new TransformStream({ transform: (piece, controller) => ((left -= piece.byteLength), controller.enqueue(piece)), flush }),
      ),
    );
  }
};
// Stand-ins of the platform's streams go in and come out.
const { HELD, lone, share } = /** @type {any} */ (await import("../../src/edge/shared.mjs"));
const { MOST_TOGETHER } = await import("../../src/edge/hold.mjs").catch(() => ({ MOST_TOGETHER: 24 * 1024 * 1024 }));

const PIECE = 64 * 1024;
const waits = [];
const ctx = { waitUntil: (work) => waits.push(work) };

/** A body of so many bytes that counts what was taken from it; it breaks off after `until`. */
function source(length, until = Infinity) {
  const taken = { bytes: 0 };
  const body = new ReadableStream(
    {
      type: "bytes",
      pull(controller) {
        if (taken.bytes >= until) return controller.error(new Error("it broke"));
        if (taken.bytes >= length) return (controller.close(), controller.byobRequest?.respond(0));
        const piece = new Uint8Array(Math.min(PIECE, length - taken.bytes)).fill(taken.bytes / PIECE);
        taken.bytes += piece.byteLength;
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken };
}

async function sizeOf(stream) {
  let size = 0;
  for await (const piece of stream) size += piece.byteLength;
  return size;
}

const soon = (ms = 100) => new Promise((resolve) => setTimeout(resolve, ms));
const MIB = 1024 * 1024;

test("a client that reads nothing makes nobody hold more than a little, however large the body is", async () => {
  for (const length of [8 * MIB, null]) {
    const { body, taken } = source(8 * MIB);
    const { answer, stored } = share(body, length, ctx);
    const store = stored.stream && sizeOf(stored.stream).catch(() => {});
    await soon();
    // One piece more than is held is what shows that it is too large.
    assert.ok(taken.bytes <= HELD + 2 * PIECE, `${taken.bytes} bytes of a body whose length is ${length}`);
    await answer.cancel();
    await store;
  }
});

test("a store that takes nothing is left out, and the client gets all of it", async () => {
  const { body, taken } = source(4 * MIB);
  const { answer, stored } = share(body, 4 * MIB, ctx);
  const reading = sizeOf(answer);
  await soon();
  assert.ok(taken.bytes <= MIB, `${taken.bytes} bytes are ahead of the store`);
  assert.equal(await reading, 4 * MIB);
  assert.equal(await stored.whole, false);
});

test("what is small or does not say its length is stored whole or not at all", async () => {
  const { answer, stored } = share(source(MIB / 2).body, null, ctx);
  assert.equal(await sizeOf(answer), MIB / 2);
  assert.equal((await stored).byteLength, MIB / 2);
  for (const [length, until] of [
    [MIB / 2, MIB / 4],
    [2 * MIB, Infinity],
  ]) {
    const { answer, stored } = share(source(length, until).body, null, ctx);
    const read = sizeOf(answer).catch(() => "broke");
    assert.equal(await stored, undefined);
    assert.equal(await read, until === Infinity ? length : "broke");
  }
});

test("the store is told whether all of a large body has come", async () => {
  for (const part of [(body) => share(body, 4 * MIB, ctx), (body) => ({ stored: lone(body, 4 * MIB) })]) {
    for (const [until, whole] of [
      [Infinity, true],
      [2 * MIB, false],
    ]) {
      const { answer, stored } = part(source(4 * MIB, Number(until)).body);
      const store = sizeOf(stored.stream).catch(() => "broke");
      const client = answer && sizeOf(answer).catch(() => "broke");
      assert.equal(await stored.whole, whole);
      assert.equal(await store, whole ? 4 * MIB : "broke");
      if (client) assert.equal(await client, whole ? 4 * MIB : "broke");
    }
  }
});

test("when the client goes, a store that has begun gets the rest", async () => {
  const { answer, stored } = share(source(4 * MIB).body, 4 * MIB, ctx);
  const store = sizeOf(stored.stream);
  const reader = answer.getReader();
  await reader.read();
  await reader.cancel();
  assert.deepEqual([await store, await stored.whole], [4 * MIB, true]);
});

test("many clients that read nothing make an isolate hold no more than it has room for; what is beyond is handed on unstored", async () => {
  for (const length of [MIB - 1, null]) {
    const all = Array.from({ length: 100 }, () => {
      const { body, taken } = source(MIB - 1);
      return { ...share(body, length, ctx), taken };
    });
    await soon(300);
    const held = all.reduce((sum, { taken }) => sum + taken.bytes, 0);
    assert.ok(held <= MOST_TOGETHER + 100 * 2 * PIECE, `${held} bytes are held of bodies whose length is ${length}`);
    const stored = await Promise.all(all.map(({ stored }) => stored));
    const many = stored.filter(Boolean).length;
    // What does not say its length counts as it grows: a hundred at once grow until there is room for none.
    assert.ok(many < 25 && (many > 5 || length === null), `${many} are stored`);
    assert.deepEqual(
      await Promise.all(all.map(({ answer }) => sizeOf(answer))),
      all.map(() => MIB - 1),
      "each client gets its own whole",
    );
  }
});

test("what was held counts no more, however it ended: read, left or broken", async () => {
  for (let n = 0; n < 40; n++) {
    for (const length of [MIB - 1, null]) {
      const read = share(source(MIB - 1).body, length, ctx);
      assert.equal(await sizeOf(read.answer), MIB - 1);
      assert.equal((await read.stored)?.byteLength, MIB - 1, `number ${n}, of length ${length}`);
      const left = share(source(MIB - 1).body, length, ctx);
      await left.answer.cancel();
      await left.stored;
      const broken = share(source(MIB - 1, MIB / 2).body, length, ctx);
      await sizeOf(broken.answer).catch(() => {});
      assert.equal(await broken.stored, undefined);
      await soon(0);
    }
    assert.equal((await lone(source(MIB / 2).body, MIB / 2)).byteLength, MIB / 2);
    const large = share(source(2 * MIB).body, 2 * MIB, ctx);
    const sizes = await Promise.all([sizeOf(large.stored.stream), sizeOf(large.answer)]);
    assert.deepEqual([...sizes, await large.stored.whole], [2 * MIB, 2 * MIB, true]);
  }
});
