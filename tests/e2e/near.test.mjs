// What an isolate remembers of the store, without a router: for how long, how much, and what ends it.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const held = new Map();
let looks = 0;
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
    delete: async ({ url }) => held.delete(url),
  },
};
const { Entry, put } = await import("../../src/edge/entries.mjs");
const { changedAll, held: inMemory } = await import("../../src/edge/near.mjs");
const { cacheState, forget } = await import("../../src/edge/store.mjs");

const KEY = "https://h/_homing/cache/_/0/_/one.2";
const bytes = (text) => new TextEncoder().encode(text);
const TEXT = "2^a|200";
/** As another isolate stores it: this one hears nothing of that. */
const lies = (key, body, fields = {}) =>
  held.set(key, new Response(body, { headers: { "homing-entry": `${key} ${TEXT}`, "content-length": String(body.length), ...fields } }));
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
  changedAll();
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

test("what is asked for now and then costs no memory", async () => {
  for (let n = 0; n < 100; n++) {
    lies(`${KEY}${n}`, "seldom");
    await said(`${KEY}${n}`);
  }
  lies(KEY, "x");
  await said();
  mock.timers.tick(1000);
  await said();
  assert.deepEqual(inMemory(), { places: 0, bytes: 0 });
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
  changedAll();
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
  assert.deepEqual([inMemory().places, await said()], [0, undefined]);
});

test("several variants, no body, and a body that breaks", async () => {
  lies(KEY, "onetwo", { "homing-bodies": "3,3" });
  await heat();
  const entry = await Entry.match(KEY);
  const second = Buffer.from(/** @type {Uint8Array} */ (await entry?.body(1))).toString();
  assert.deepEqual([inMemory().places, second], [1, "two"]);
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
  const { places, bytes: most } = inMemory();
  assert.ok(most <= 16 * 1024 * 1024 && most > 15 * 1024 * 1024 && places > 200, `${places} places, ${most} bytes`);
  assert.deepEqual([await looking(() => said(`${KEY}299`)), await looking(() => said(`${KEY}0`))], [0, 1]);
  assert.deepEqual(cacheState().in_memory, inMemory(), "operators see it");
  lies(KEY, `${large}x`);
  await heat();
  assert.equal(await looking(() => said()), 1, "one that is larger is not kept");
});
