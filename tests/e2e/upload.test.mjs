// An upload on its way to a region, without a router: who is at fault when it takes too long.
import assert from "node:assert/strict";
import { test } from "node:test";

// The platform's streams, as far as an upload uses them.
/** @type {any} */ (globalThis).FixedLengthStream ??= class {
  constructor() {
    const { readable, writable } = new TransformStream();
    this.readable = readable;
    this.writable = writable;
  }
};
const { upload } = /** @type {any} */ (await import("../../src/edge/body.mjs"));

const MIB = 1024 * 1024;

/** The upload of a client that sends so many bytes and then a few every 10 ms, or none for ever, to a region that takes so many. */
function begin(sent, take, few = 0) {
  let left = sent;
  const pull = async (controller) => {
    if (left <= 0) await new Promise((resolve) => few > 0 && setTimeout(resolve, 10));
    const piece = new Uint8Array(left > 0 ? 65_536 : few);
    left -= piece.byteLength;
    controller.enqueue(piece);
  };
  const source = new ReadableStream({ type: "bytes", pull }, { highWaterMark: 0 });
  const seen = { cut: false, waitsFor: undefined };
  const cut = () => ((seen.cut = true), reader.cancel().catch(() => {}));
  const state = upload(source, { length: 4 * MIB, cut, waits: () => (seen.waitsFor = "client"), moves: () => (seen.waitsFor = "region"), pace: { look: 100 } });
  const reader = state.body.getReader();
  const taking = async () => {
    for (let size = 0; size < take; ) {
      const { done, value } = await reader.read();
      if (done) return;
      size += value.byteLength;
    }
  };
  taking().catch(() => {});
  return { state, seen };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 500));

test("an upload that its region takes no more of is the region's stall, however long that is, and not the client's", async () => {
  const { state, seen } = begin(4 * MIB, MIB);
  await soon();
  assert.deepEqual([seen.waitsFor, seen.cut, state.broken], ["region", false, undefined]);
  await state.rest();
});

test("a client that sends the first MiB at once and then nothing holds its place for two looks at most", async () => {
  const { state, seen } = begin(MIB, 4 * MIB);
  await soon();
  assert.deepEqual([seen.cut, state.broken], [true, "slow"]);
});

test("a client that trickles behind a fast beginning is at fault itself: bytes on their way are no backlog of the region's", async () => {
  const { state, seen } = begin(192 * 1024, 4 * MIB, 1);
  await soon();
  assert.deepEqual([seen.cut, state.broken], [true, "slow"]);
});

test("a slow client that keeps the least rate goes on", async () => {
  const { state, seen } = begin(0, 4 * MIB, 100); // several hundred bytes in each look, where 102 are asked for
  await soon();
  const { broken } = state;
  await state.rest();
  assert.equal(broken, undefined, JSON.stringify(seen));
});
