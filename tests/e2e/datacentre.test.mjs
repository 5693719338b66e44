// What isolates of one data centre read together, without a runtime.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { together } from "../../src/edge/datacentre.mjs";

const EVERY = 30_000;
const URL_OF = "https://example.com/somewhere?secret=1";
const KEYS = ["view", "probe:us"];

/** A cache that keeps all for ever, whatever it is told, as a zone's rule may have it. */
let kept, asked;
beforeEach((/** @type {any} */ t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  [kept, asked] = [new Map(), 0];
  const at = (name, key) => `${name} ${key.url}`;
  /** @type {any} */ (globalThis).caches = {
    open: async (name) => ({ match: async (key) => kept.get(at(name, key))?.clone(), put: async (key, response) => void kept.set(at(name, key), response) }),
  };
});

/** One isolate reads. */
async function read(keys = KEYS, { url = URL_OF, of = "1f" } = {}) {
  const ask = async () => (asked++, new Map(keys.map((key) => [key, `${key} as of ${Date.now()}`])));
  const reading = await together(url, { keys, every: EVERY, of }, ask);
  await reading.left;
  return reading;
}

test("one isolate asks, the others find what it has read, and know how old that is", async (t) => {
  const first = await read();
  t.mock.timers.tick(20_000);
  const second = await read();
  assert.deepEqual([asked, first.own, second.own], [1, true, undefined]);
  assert.deepEqual([second.at, second.found], [first.at, first.found]);
  assert.equal(second.at + EVERY - Date.now(), 10_000, "it is to be read again when the first is");
  t.mock.timers.tick(10_000);
  assert.equal((await read()).own, true, "what is older than the interval counts no more, however long the cache keeps it");
  assert.equal(asked, 2);
});

test("what another clock has left in the future is not believed", async (t) => {
  await read();
  t.mock.timers.setTime(900_000);
  assert.equal((await read()).at, 900_000);
});

test("a deployment that wants other keys finds nothing of this one's", async () => {
  await read();
  assert.equal((await read(["view"])).own, true);
  for (const key of kept.keys()) assert.ok(!key.includes("secret"), key);
});

test("another router on the same host has a view of its own", async () => {
  await read();
  assert.equal((await read(KEYS, { of: "2e" })).own, true);
});

test("a host that is no URL keeps nobody from the store: whoever sends such requests is often the first", async () => {
  const { found, own } = await read(KEYS, { url: "https://a%b.example.com/" });
  assert.deepEqual([own, found.length, kept.size], [true, 2, 0]);
});

test("what a rule of the zone hands out for another key is nobody's", async () => {
  await read();
  const [found] = kept.values();
  /** @type {any} */ (globalThis).caches = { open: async () => ({ match: async () => found.clone(), put: async () => {} }) };
  assert.equal((await read()).own, undefined);
  assert.equal((await read(["view"])).own, true);
});

test("without a cache that works everybody asks, and nobody fails", async () => {
  const broken = async () => {
    throw new Error("no cache here");
  };
  for (const cache of [
    { match: async () => undefined, put: async () => {} },
    { match: broken, put: broken },
    { match: async () => new Response("{"), put: broken },
  ]) {
    /** @type {any} */ (globalThis).caches = { open: async () => cache };
    assert.equal((await read()).own, true);
    assert.equal((await read()).own, true);
  }
  /** @type {any} */ (globalThis).caches = { open: broken };
  assert.equal((await read()).own, true);
});
