// What an isolate remembers of the store, without a router: for how long, how much, and what ends it.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const held = new Map();
let looks = 0;
let views = 0;
/** Lets a look into the store take as long as a test wants. */
let gate = Promise.resolve();
/** @type {any} */ (globalThis).caches = {
  default: {
    match: async ({ url }) => {
      looks++;
      const found = held.get(url)?.clone();
      await gate;
      return found;
    },
    put: async ({ url }, response) => void held.set(url, response),
    delete: async (key) => held.delete(key),
  },
};
const { Entry, put } = await import("../../src/edge/entries.mjs");
const { Edits } = await import("../../src/edge/wire.mjs");
const near = await import("../../src/edge/near.mjs");
const { judgedBy } = near;
/** What takes memory. */
function remembered() {
  const { entries, bytes } = near.remembered();
  return { entries, bytes };
}
const { cacheState, forget } = await import("../../src/edge/store.mjs");

const KEY = "https://h/_homing/cache/_/0/_/one.2";
const bytes = (text) => new TextEncoder().encode(text);
const TEXT = "2^a|200";
/** As another isolate stores it: this one hears nothing of that. */
const fields = (key, length, more = {}) => new Headers({ "homing-entry": `${key} ${TEXT}`, "content-length": String(length), ...more });
const lies = (key, body, more) => held.set(key, new Response(body, { headers: fields(key, body.length, more) }));
const said = async (key = KEY) => {
  const entry = await Entry.match(key);
  return entry && Buffer.from(await new Response(/** @type {any} */ (await entry.body(0))).arrayBuffer()).toString();
};
/** Asks until it lies in memory. */
async function heat(key = KEY) {
  await said(key);
  await said(key);
}
/** How often the store is asked while something is done. */
async function looking(work) {
  const before = looks;
  await work();
  return looks - before;
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  gate = Promise.resolve();
  held.clear();
  judgedBy(`view ${++views}`);
});

test("what is asked for twice in a second is asked of the store no more, until a second has passed", async () => {
  lies(KEY, "first");
  assert.equal(await looking(heat), 2);
  lies(KEY, "second"); // another isolate has stored it
  assert.equal(await looking(async () => assert.equal(await said(), "first")), 0);
  mock.timers.tick(999);
  assert.equal(await looking(async () => assert.equal(await said(), "first")), 0);
  mock.timers.tick(1);
  assert.equal(await looking(async () => assert.equal(await said(), "second")), 1);
});

test("a slow body makes nothing older, and a clock that is set back nothing younger", async () => {
  const slow = (/** @type {number} */ ms) =>
    new ReadableStream({
      type: "bytes",
      pull(controller) {
        mock.timers.tick(ms);
        controller.enqueue(bytes("first"));
        controller.close();
      },
    });
  const lie = (/** @type {number} */ ms) =>
    held.set(KEY, { headers: fields(KEY, 5), body: slow(ms), clone: () => ({ headers: fields(KEY, 5), body: slow(ms) }) });
  lie(0);
  await said();
  lie(900);
  await said();
  lies(KEY, "second");
  assert.equal(await said(), "first");
  mock.timers.tick(100);
  assert.equal(await said(), "second", "a second after the look, not after its end");
  await heat();
  lies(KEY, "third");
  mock.timers.setTime(5000);
  assert.equal(await said(), "third");
});

test("of many that look at once, one reads for the memory", async () => {
  lies(KEY, "first");
  await said();
  const entries = await Promise.all(Array.from({ length: 50 }, () => Entry.match(KEY)));
  assert.deepEqual(
    entries.filter((entry) => entry?.whole).map((entry) => entry?.key),
    [KEY],
  );
  assert.equal(await looking(() => said()), 0);
});

test("what is asked for now and then costs no memory", async () => {
  for (let n = 0; n < 100; n++) {
    lies(`${KEY}${n}`, "seldom");
    await said(`${KEY}${n}`);
  }
  lies(KEY, "x");
  await said();
  mock.timers.tick(1000);
  await said();
  assert.deepEqual(remembered(), { entries: 0, bytes: 0 });
});

test("what this isolate stores or forgets is not what it remembers", async () => {
  lies(KEY, "first");
  await heat();
  await put(KEY, new Headers({ "homing-entry": TEXT, "content-length": "6" }), bytes("second"), undefined, []);
  assert.equal(await said(), "second");
  await heat();
  await forget(KEY);
  assert.equal(await said(), undefined);
  lies(KEY, "third");
  await heat();
  held.delete(KEY); // another isolate has forgotten it, and a new view comes
  judgedBy("");
  judgedBy(`view ${views}`);
  assert.equal(await said(), "third", "no view, or the same one, is no new one");
  judgedBy(`view ${++views}`);
  assert.equal(await said(), undefined);
});

test("a look that began before a change does not bring back the old", async () => {
  lies(KEY, "old");
  await said();
  const { promise, resolve } = /** @type {PromiseWithResolvers<void>} */ (Promise.withResolvers());
  gate = promise;
  const late = said(); // has seen the old, and is slow to say so
  const gone = forget(KEY);
  resolve();
  assert.deepEqual([await late, await gone], ["old", true], "who asked before is told what was there");
  assert.deepEqual([remembered().entries, await said()], [0, undefined]);
});

test("several variants, no body, and a body that breaks", async () => {
  lies(KEY, "onetwo", { "homing-bodies": "3,3" });
  await heat();
  const entry = await Entry.match(KEY);
  const second = Buffer.from(/** @type {Uint8Array} */ (await entry?.body(1))).toString();
  assert.deepEqual([remembered().entries, second], [1, "two"]);
  const empty = `${KEY}.empty`;
  held.set(empty, new Response(null, { status: 200, headers: { "homing-entry": `${empty} ${TEXT}` } }));
  await heat(empty);
  assert.equal(await looking(async () => assert.equal(await (await Entry.match(empty))?.body(0), null)), 0);
  const broken = `${KEY}.broken`;
  lies(broken, "half", { "content-length": "400" });
  await said(broken);
  assert.equal(await Entry.match(broken), undefined, "which is known before anything is decided by it");
  assert.equal(held.has(broken), false);
});

test("it stays within its bounds, and what was there first goes first", async () => {
  const large = "x".repeat(64 * 1024);
  for (let n = 0; n < 300; n++) {
    lies(`${KEY}${n}`, large);
    await heat(`${KEY}${n}`);
  }
  const { entries, bytes: most } = remembered();
  assert.ok(most <= 16 * 1024 * 1024 && most > 15 * 1024 * 1024 && entries > 200, `${entries} entries, ${most} bytes`);
  assert.deepEqual([await looking(() => said(`${KEY}299`)), await looking(() => said(`${KEY}0`))], [0, 1]);
  assert.deepEqual(cacheState().in_memory, near.remembered(), "operators see it");
  lies(KEY, `${large}x`);
  await heat();
  assert.equal(await looking(() => said()), 1, "one that is larger is not remembered");
  mock.timers.tick(1000);
  assert.deepEqual(remembered(), { entries: 0, bytes: 0 }, "nor is anything for longer than its time");
});

test("fields count as what they are", async () => {
  const long = { "content-security-policy": "x".repeat(20_000) };
  for (let n = 0; n < 1000; n++) {
    lies(`${KEY}${n}`, "x", long);
    await heat(`${KEY}${n}`);
  }
  const { entries, bytes: most } = remembered();
  assert.ok(entries < 420 && most <= 16 * 1024 * 1024, `${entries} entries, ${most} bytes`);
});

test("who gets the same answer shares its fields, and nobody gets another's", async () => {
  lies(KEY, "first", { "x-own": "1" });
  await heat();
  const answer = async (/** @type {string} */ edits) => {
    const entry = /** @type {import("../../src/edge/entries.mjs").Entry} */ (await Entry.match(KEY));
    return (await entry.answer({ kind: "stored", at: 0 }, 200, new Edits(edits))).headers;
  };
  const one = await answer("-x-own\n+set-cookie\ta=1\n");
  assert.deepEqual([one.get("set-cookie"), one.get("x-own")], ["a=1", null]);
  one.set("set-cookie", "changed behind the router");
  assert.equal((await answer("-x-own\n+set-cookie\ta=1\n")).get("set-cookie"), "a=1");
  assert.equal((await answer("+set-cookie\ta=2\n")).get("set-cookie"), "a=2");
  assert.deepEqual([(await answer("")).get("set-cookie"), (await answer("")).get("x-own")], [null, "1"]);
});

const ADDRESS = "https://h/one";

test("what is remembered is found by the URL by which it was looked for, as long as it is remembered", async () => {
  lies(KEY, "first");
  await said();
  assert.deepEqual([Entry.lookedFor(KEY, ADDRESS), Entry.of(ADDRESS)], [undefined, undefined], "it is not remembered yet");
  await said();
  const entry = Entry.lookedFor(KEY, ADDRESS);
  assert.ok(entry && Entry.of(ADDRESS) === entry && Entry.of(`${ADDRESS}?`) === undefined);
  const before = remembered().bytes;
  const long = `${ADDRESS}?${"x".repeat(1000)}`;
  Entry.lookedFor(KEY, long);
  assert.ok(Entry.of(long) === entry && Entry.of(ADDRESS) === undefined, "the last one");
  assert.equal(remembered().bytes, before + long.length - ADDRESS.length, "it takes the place of the one before");
  mock.timers.tick(1000);
  assert.equal(Entry.of(long), undefined);
  await heat();
  assert.deepEqual([Entry.of(long), Entry.of(ADDRESS)], [undefined, undefined], "nor when it is remembered anew, before somebody has looked for it");
});

/** Two who ask alike get an answer each. The memo that is then there for such. */
const answered = (/** @type {string} */ alike, id = 1) => {
  const entry = Entry.lookedFor(KEY, ADDRESS);
  for (let n = 0; n < 2; n++) entry?.keep({ alike, id, status: 200 }, 0, new Edits("=age\t1\n"));
  return entry?.memo(alike);
};

test("a memo is what was answered, and ends with what is remembered", async () => {
  lies(KEY, "first");
  for (const end of [() => mock.timers.tick(1000), () => forget(KEY).then(() => lies(KEY, "first")), () => judgedBy(`view ${++views}`)]) {
    await heat();
    const memo = answered("one", 7);
    assert.deepEqual([memo?.id, memo?.status, memo?.headers.get("age"), Buffer.from(memo?.body ?? "").toString()], [7, 200, "1", "first"]);
    assert.equal(Entry.of(ADDRESS)?.memo("other"), undefined);
    await end();
    await heat();
    assert.ok(Entry.near(KEY));
    assert.deepEqual([Entry.of(ADDRESS), Entry.lookedFor(KEY, ADDRESS)?.memo("one")], [undefined, undefined]);
  }
});

test("of those who ask like nobody before or after them there is no memo", async () => {
  lies(KEY, "first");
  await heat();
  for (let n = 0; n < 20; n++) (await Entry.match(KEY))?.keep({ alike: `${n % 3}`, id: n, status: 200 }, 0, new Edits(""));
  assert.deepEqual((await Entry.match(KEY))?.memos, []);
});

test("an entry has a few memos, the latest, and what they take counts", async () => {
  lies(KEY, "first");
  await heat();
  Entry.lookedFor(KEY, ADDRESS);
  const before = remembered().bytes;
  for (let n = 0; n < 20; n++) answered(`${n}`.repeat(100), n);
  const ids = Entry.of(ADDRESS)?.memos.map(({ id }) => id);
  assert.deepEqual(ids, [12, 13, 14, 15, 16, 17, 18, 19]);
  assert.ok(remembered().bytes > before + 1500);
  const after = remembered().bytes;
  for (let n = 0; n < 20; n++) answered("19".repeat(100), n);
  assert.deepEqual(
    [Entry.of(ADDRESS)?.memos.length, Entry.of(ADDRESS)?.memo("19".repeat(100))?.id, remembered().bytes],
    [8, 19, after],
    "it takes its own place",
  );
});
