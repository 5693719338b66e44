// Entries of the edge cache without a router: whose they are, and how large their fields become.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const held = new Map();
/** A store that keeps what it gets; `under` says which key it takes a key for. */
let under = (key) => key;
/** @type {any} */ (globalThis).caches = {
  default: {
    match: async ({ url }) => held.get(under(url))?.clone(),
    put: async ({ url }, response) => void held.set(under(url), response),
    delete: async (key) => held.delete(under(key)),
  },
};
const { Entry, put } = await import("../../src/edge/entries.mjs");
const { cacheState } = await import("../../src/edge/store.mjs");

const ONE = "https://h/_homing/cache/_/0/_/one.2";
const OTHER = "https://h/_homing/cache/_/0/_/other.2";
const bytes = (text) => new TextEncoder().encode(text);
const variants = (...names) => `2^${names.map((name) => `${name}|200`).join("^")}`;

/** Stores an entry with this text, with its first variant's fields and body, and what goes on of the one in hand. */
const store = (key, text, fields, body, entry, carried = []) =>
  put(key, new Headers({ "homing-entry": text, "content-length": body.length, ...fields }), bytes(body), entry, carried);
const said = async (entry, at) => Buffer.from(await new Response(await entry.body(at)).arrayBuffer()).toString();

beforeEach(() => {
  held.clear();
  under = (key) => key;
});

test("what lies in the store for another key is nothing, whatever makes the store hand it out", async () => {
  await store(ONE, variants("a"), {}, "of one");
  const entry = await Entry.match(ONE);
  assert.deepEqual([entry.text, await said(entry, 0)], [variants("a"), "of one"]);
  // A rule of the zone cuts off what tells keys apart: a hostile client stores its page under one, and others ask for another.
  under = (key) => key.slice(0, key.lastIndexOf("/"));
  await store(ONE, variants("a"), {}, "of one");
  assert.equal(await Entry.match(OTHER), undefined);
  assert.equal(await said(await Entry.match(ONE), 0), "of one");
  assert.deepEqual([cacheState().mixes, cacheState().effective], [true, null]);
});

test("an entry carries as many variants as there is room for in header fields, the newest first", async () => {
  const long = { "content-security-policy": "x".repeat(5000) };
  let entry;
  for (let n = 0; n < 8; n++) {
    const names = Array.from({ length: n + 1 }, (_, at) => `v${n - at}`);
    await store(
      ONE,
      variants(...names),
      { ...long, "x-name": `v${n}` },
      `body ${n}`,
      entry,
      names
        .slice(1)
        .map((_, at) => at)
        .slice(0, entry ? entry.text.split("^").length - 1 : 0),
    );
    entry = await Entry.match(ONE);
    let size = 0;
    for (const [name, value] of held.get(ONE).headers) size += name.length + value.length + 4;
    assert.ok(size <= 24 * 1024, `${size} bytes of fields with ${n + 1} variants`);
  }
  assert.deepEqual([entry.text, entry.bodies], [variants("v7", "v6", "v5", "v4"), "6,6,6,6"]);
  for (const [at, n] of [7, 6, 5, 4].entries()) assert.deepEqual([entry.fields(at).get("x-name"), await said(entry, at)], [`v${n}`, `body ${n}`]);
});

test("one response with more fields than a store has room for is not stored, and that is an error", async () => {
  await assert.rejects(store(ONE, variants("a"), { "x-long": "x".repeat(24 * 1024) }, "body"), /24576 bytes/);
  assert.equal(held.size, 0);
});

test("an entry of several variants whose body breaks, or is not as long as it says, is a miss", async () => {
  const broken = () => new ReadableStream({ type: "bytes", pull: (controller) => controller.error(new Error("it broke")) });
  for (const body of [broken, () => bytes("of")]) {
    await store(ONE, variants("a"), {}, "of a");
    await store(ONE, variants("b", "a"), {}, "of b", await Entry.match(ONE), [0]);
    const { headers } = held.get(ONE);
    assert.equal(headers.get("homing-bodies"), "4,4");
    held.set(ONE, { headers, clone: () => new Response(body(), { headers }) });
    assert.equal(await Entry.match(ONE), undefined);
    assert.equal(held.has(ONE), false, "nobody finds it again");
  }
});

test("the body of an entry is read once, also if that failed", async () => {
  const headers = { "homing-entry": `${ONE} ${variants("a")}` };
  held.set(ONE, {
    headers,
    clone: () => new Response(new ReadableStream({ type: "bytes", pull: (controller) => controller.error(new Error("it broke")) }), { headers }),
  });
  const entry = await Entry.match(ONE);
  assert.deepEqual([await entry.bytes(), await entry.bytes()], [undefined, undefined]);
});
