// Clients that repeat a write with its Idempotency-Key: after an answer that was lost, after the home has moved, after it died.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, command, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const KEY = "the key between router and regions, long enough";
const TOKEN = "the token of the operators, which is long";
let regions, router;
before(async () => {
  regions = await startRegions({ args: ["--origin-key", KEY] });
  router = await startRouter({ vars: topology(regions), bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN } });
});
beforeEach(() => regions.heal());
after(stopAll);

const homing = (...args) => command({ HOMING_URL: router.url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);
const keyed = (key) => ({ headers: { "idempotency-key": key } });

test("a session that only repeats a write, since it never had the answer, reads what it wrote", async () => {
  await new Client(router.url, "us").put("/api/catalog/lost", { name: "old" });
  for (const name of ["eu", "ap"]) await regions[name].control({ lag_ms: 600_000 });
  // The answer of the first goes nowhere, and the session in it.
  const lost = await new Client(router.url, "eu").put("/api/catalog/lost", { name: "new" }, keyed("lost-1"));
  const client = new Client(router.url, "eu");
  const repeated = await client.put("/api/catalog/lost", { name: "new" }, keyed("lost-1"));
  assert.deepEqual([repeated.status, repeated.json], [200, lost.json], "the same answer");
  assert.ok(client.session(), "a write's session");
  const read = await client.get("/api/catalog/lost");
  assert.deepEqual([read.status, read.json.item], [200, { name: "new" }]);
  await regions.heal();
  // By their own word they are behind until they have looked again, and nobody is moved to them.
  for (const name of ["eu", "ap"])
    await waitUntil(
      async () => Math.max(...Object.values((await (await fetch(`${regions[name].url}/.well-known/homing`)).json()).lag_ms)) < 1000,
      `${name} has caught up`,
    );
});

test("a repeat is known wherever the data's home is by then", async () => {
  const note = (near) => new Client(router.url, near).post("/t/keys/notes", { text: "once" }, keyed("note-1"));
  const first = await note("us");
  assert.deepEqual([first.status, first.json.region], [200, "us"]);
  for (const to of ["eu", "ap", "us"]) {
    const moved = await homing("move", "tenant:keys", "--to", to, "--json");
    assert.equal(moved.status, 0, moved.out + moved.err);
    const repeated = await note("us");
    assert.deepEqual([repeated.status, repeated.headers["homing-region"], repeated.json], [200, to, first.json]);
  }
  const { json } = await new Client(router.url, "us").get("/t/keys/notes");
  assert.deepEqual(json.notes, [{ text: "once" }]);
});

test("a repeat is known after a promotion, and after the region that did it has died", async () => {
  const put = (near, name) => new Client(router.url, near).put("/api/catalog/promoted", { name }, keyed("promoted-1"));
  const first = await put("us", "lamp");
  assert.equal(first.json.region, "us");
  assert.equal((await homing("promote", "catalog", "--to", "eu")).status, 0);
  assert.equal((await new Client(router.url, "eu").put("/api/catalog/promoted", { name: "newer" })).status, 200);
  await regions.us.kill();
  await regions.eu.kill();
  await Promise.all([regions.us.start(), regions.eu.start()]);
  const repeated = await put("us", "lamp");
  assert.deepEqual([repeated.status, repeated.headers["homing-region"], repeated.json], [200, "eu", first.json]);
  assert.deepEqual(
    (await new Client(router.url, "eu").get("/api/catalog/promoted?look")).json.item,
    { name: "newer" },
    "and does not come over what came later",
  );
  assert.equal((await put("us", "another thing")).status, 422);
});

test("a key that one user has used shows another user nothing, and does that one's own write", async () => {
  const as = async (user) => {
    const client = new Client(router.url, "eu");
    await client.post("/login", { user });
    return client.post("/api/cart", { item: "tea" }, keyed("cart-1"));
  };
  assert.deepEqual((await as("keys-ada")).json.items, ["tea"]);
  const other = await as("keys-eve");
  assert.deepEqual([other.json.user, other.json.items], ["keys-eve", ["tea"]]);
});
