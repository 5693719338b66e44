// Whose data a request is: a client who leaves Homing's session out, or carries another user's, and keeps its application's login.
// (Everybody who is signed in on the day that Homing is put in front of an application is such a client.)
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
after(stopAll);

/** A user whose home is there, with one thing in the cart; no other region has been told of either. */
async function livesIn(home, user) {
  for (const name of Object.keys(regions)) if (name !== home) await regions[name].control({ lag_ms: 600_000 });
  const client = new Client(router.url, home);
  await client.post("/login", { user });
  const added = await client.post("/api/cart", { item: `${user}'s` });
  assert.deepEqual([added.status, added.json.region], [200, home]);
  return client;
}

/** Who keeps the login alone. */
function withoutSession(near, user) {
  const client = new Client(router.url, near);
  client.cookies.set("app_user", user);
  return client;
}

/** What the regions have of a cart once all have everything. */
async function converged(user) {
  await regions.heal();
  const all = () =>
    Promise.all(Object.values(regions).map(async (region) => (await fetch(`${region.url}/api/cart`, { headers: { cookie: `app_user=${user}` } })).json()));
  const items = await waitUntil(async () => {
    const carts = (await all()).map((cart) => JSON.stringify(cart.items));
    return new Set(carts).size === 1 && carts[0] !== "[]" && JSON.parse(carts[0]);
  }, "the regions converge");
  return items;
}

const went = (answer) => [answer.status, answer.headers["homing-region"], answer.headers["homing-reason"]];

test("a write without a session ends at the user's home, and nothing that was acknowledged is lost", async () => {
  const first = await livesIn("ap", "ada");
  const other = withoutSession("us", "ada");
  const written = await other.post("/api/cart", { item: "LOST" });
  assert.deepEqual(went(written), [200, "ap", "subject-named"]);
  assert.equal(other.session()[2], subjectId("user", "ada"), "the session has begun");
  assert.equal(other.session()[3], "ap");
  const next = await other.post("/api/cart", { item: "next" });
  assert.deepEqual(went(next), [200, "ap", "home"], "and knows the way");
  assert.deepEqual((await other.get("/api/cart")).json.items, ["ada's", "LOST", "next"], "it reads what it wrote");
  await first.post("/api/cart", { item: "kept" });
  assert.deepEqual(await converged("ada"), ["ada's", "LOST", "next", "kept"]);
});

test("a session of one user with the login of another writes and reads that one's data, at that one's home", async () => {
  await livesIn("ap", "bob");
  await regions.heal();
  const client = await livesIn("us", "eve");
  client.cookies.set("app_user", "bob");
  const written = await client.post("/api/cart", { item: "bob's too" });
  assert.deepEqual(went(written), [200, "ap", "subject-named"]);
  assert.equal(client.session()[2], subjectId("user", "bob"));
  assert.deepEqual(await converged("bob"), ["bob's", "bob's too"]);
  assert.deepEqual(await converged("eve"), ["eve's"]);
  client.cookies.set("app_user", "eve");
  const read = await client.get("/api/cart");
  assert.deepEqual([read.status, read.json.user, read.json.items], [200, "eve", ["eve's"]]);
  assert.equal(client.session()[2], subjectId("user", "eve"));
});

test("a new user's first write without a session makes one region the owner, whoever comes second", async () => {
  await regions.us.control({ lag_ms: 600_000 });
  const [one, two] = [withoutSession("eu", "new"), withoutSession("us", "new")];
  assert.deepEqual(went(await one.post("/api/cart", { item: 1 })), [200, "eu", "subject-named"]);
  assert.deepEqual(went(await two.post("/api/cart", { item: 2 })), [200, "eu", "subject-named"]);
  assert.deepEqual(await converged("new"), [1, 2]);
});

test("a body that streams is refused, and the client's repeat finds its way", async () => {
  await livesIn("ap", "lin");
  const client = withoutSession("us", "lin");
  // More than is held back for a second send.
  const body = JSON.stringify({ item: "x".repeat(100_000) });
  const options = { body, headers: { "content-type": "application/json" } };
  const refused = await client.request("POST", "/api/cart", options);
  assert.deepEqual([refused.status, refused.json.reason, refused.headers["homing-write-outcome"]], [503, "subject-named-in-vain", "refused"]);
  assert.ok(Number(refused.headers["retry-after"]) > 0);
  assert.equal(client.session()[3], "ap");
  assert.deepEqual(went(await client.request("POST", "/api/cart", options)), [200, "ap", "home"]);
  assert.equal((await converged("lin")).length, 2);
});

test("who is nobody is nobody", async () => {
  const answer = await new Client(router.url, "us").post("/api/cart", { item: "tea" });
  assert.deepEqual([answer.status, answer.headers["homing-reason"]], [401, "unidentified"]);
  const units = await (await fetch(`${regions.us.url}/.well-known/homing/ownership?unit=cart`)).json();
  assert.deepEqual(units.units[0].home, null, "nobody owns the carts as a whole");
});
