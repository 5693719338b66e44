// How regions and the store are asked, without a runtime: what hangs, is too long or fails once must not be worse than that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { json, text } from "../../src/edge/body.mjs";
import { isBound } from "../../src/edge/homes.mjs";
import { Turns } from "../../src/operators/turns.mjs";

const soon = () => new Promise((resolve) => setImmediate(resolve));
const call = (region, tag = {}) => ({ url: `https://${region}.example/.well-known/homing/ownership?n=1`, tag });
const lease = (region) => call(region, { lease: "orders" });

test("regions that hang keep no other region's lease waiting", { timeout: 5000 }, async (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  const turns = new Turns();
  const ends = [];
  const hang = (effect) => new Promise((resolve) => ends.push(() => resolve(effect)));
  for (const region of ["a", "b", "c"]) for (let many = 0; many < 4; many++) turns.take(call(region), hang);
  await soon();
  assert.equal(ends.length, 5, "a few at once, in all");
  const renewed = await turns.take(lease("well"), async (effect) => effect.timeout);
  assert.equal(renewed, 1000, "at once, and not for long: should this one hang, too, the next has its place soon");

  // A region that has hung goes behind the others, with its leases, until it is quick again.
  t.mock.timers.tick(5000);
  ends.splice(0).forEach((end) => end());
  await soon();
  assert.deepEqual([...turns.slow].sort(), ["https://a.example", "https://b.example", "https://c.example"]);
  let begun = false;
  turns.take(lease("a"), async () => (begun = true));
  await soon();
  assert.equal(begun, false);
  assert.equal(await turns.take(lease("well"), async () => "renewed"), "renewed");
  for (let more = 0; more < 9; more++) {
    ends.splice(0).forEach((end) => end());
    await soon();
  }
  assert.deepEqual([begun, turns.slow.size], [true, 0]);
});

test("no more of a region's JSON is read than it may have, and what breaks off is no answer", async () => {
  let pulled = 0;
  const endless = () => new Response(new ReadableStream({ pull: (controller) => void controller.enqueue(new Uint8Array(16_384).fill((pulled++, 32))) }));
  assert.equal(await json(endless()), null);
  assert.ok(pulled < 10, String(pulled));
  assert.ok((await text(endless())).length <= 64 * 1024 + 16_384);
  assert.deepEqual(await json(new Response('{"name":"Zürich"}')), { name: "Zürich" });
  assert.equal(await json(new Response("<html>")), null);
  assert.equal(await json(new Response(null, { status: 204 })), null);
  await assert.rejects(json(new Response(new ReadableStream({ start: (controller) => controller.error(new Error("cut")) }))));
});

test("that there is no home store is said once", () => {
  const said = [];
  const complain = (message) => said.push(message);
  assert.deepEqual(
    [{}, {}, { HOMES: {} }].map((env) => isBound(/** @type {any} */ (env), complain)),
    [false, false, true],
  );
  assert.equal(said.length, 1);
  assert.match(said[0], /HOMES.*wrangler\.toml/);
});

test("a cache that fails once is looked at again, and is not useless for good", async (t) => {
  t.mock.timers.enable({ apis: ["Date"] });
  let fails = 1;
  const held = new Map();
  const put = async ({ url }, response) => {
    if (fails-- > 0) throw new Error("internal error");
    held.set(url, response);
  };
  /** @type {any} */ (globalThis).caches = { default: { put, match: async ({ url }) => held.get(url)?.clone(), delete: async (key) => held.delete(key) } };
  const { cacheState, look, looked } = /** @type {any} */ (await import("../../src/edge/store.mjs"));
  const ctx = { waitUntil() {} };
  const url = "https://shop.example/x";
  look(url, ctx);
  await looked(url);
  assert.equal(cacheState().effective, null, "nothing is known, and no advice is given");
  assert.deepEqual(cacheState().says, []);
  look(url, ctx);
  await looked(url);
  assert.equal(cacheState().effective, null, "not with each request");
  t.mock.timers.tick(30_001);
  look(url, ctx);
  await looked(url);
  assert.equal(cacheState().effective, true);
});
