// Read-after-write by positions: exact, as near as it can be, and kept by the cache that everybody shares.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, seal, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const SECRET = "the key with which these tests sign";
let regions, router;
before(async () => {
  regions = await startRegions();
  const vars = topology(regions, (vars) => {
    vars.ROUTES.unshift(
      { match: "/api/catalog/refuses/*", dataset: "catalog", read_after_write: "session", on_home_down: "refuse" },
      { match: "/api/cart/*", dataset: "cart", read_after_write: "session", cache: false },
    );
  });
  router = await startRouter({ vars, bindings: { SESSION_KEY: SECRET } });
});
beforeEach(() => regions.heal());
after(stopAll);

const reason = (answer) => answer.headers["homing-reason"];
const place = (answer) => [reason(answer), answer.headers["homing-region"]];
const pins = (client) => client.session()?.[7] ?? "";
const where = async (region) => (await (await fetch(`${region.url}/.well-known/homing`)).json()).position.catalog;
/** Somebody whose reading tells the router how far that region is. */
const scout = async (near, id) => place(await new Client(router.url, near).get(`/api/catalog/scout-${id}`));

async function caughtUp(name) {
  await waitUntil(async () => (await where(regions[name])) === (await where(regions.us)), `${name} has all of us`);
}

test("a write leaves a position, not a window", async () => {
  const client = new Client(router.url, "eu");
  const answer = await client.put("/api/catalog/p1", { name: "lamp" });
  assert.match(pins(client), /^catalog:p:us:\d+:1:[0-9a-f]+$/);
  assert.equal(answer.headers["homing-position"], undefined, "the contract's fields do not reach the client");
  assert.equal(answer.headers["homing-epoch"], undefined);
});

test("the session reads its write at home while the near copy lacks it, and near as soon as it is known to have it", async () => {
  await regions.eu.control({ lag_ms: 20_000 });
  const [writer, other] = [new Client(router.url, "eu"), new Client(router.url, "eu")];
  const written = await writer.put("/api/catalog/p2", { name: "lamp" });
  const read = await writer.get("/api/catalog/p2");
  assert.deepEqual([...place(read), read.json.version], ["pinned-home", "us", written.json.version]);
  assert.equal(place(await other.get("/api/catalog/p2?other"))[1], "eu", "everybody else reads near");
  await regions.eu.control({ lag_ms: 0 });
  await caughtUp("eu");
  assert.deepEqual(await scout("eu", "p2"), ["nearest", "eu"]);
  const near = await writer.get("/api/catalog/p2?again");
  assert.deepEqual([...place(near), near.json.version], ["position-reached", "eu", written.json.version]);
});

test("the origin is told what its answer must show, and by which ownership", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/p3", { name: "lamp" });
  await caughtUp("eu");
  await scout("eu", "p3");
  await client.get("/api/catalog/p3");
  const [seen] = await regions.eu.seen("/api/catalog/p3");
  assert.deepEqual([seen.home, seen.epoch, seen.min_position], ["us", "1", `catalog=${parseInt(pins(client).split(":").at(-1), 16)}`]);
});

test("a copy that turns out to be behind sends the read home, once", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/p4", { name: "lamp" });
  await regions.eu.control({ lag_ms: 20_000 });
  const written = await client.put("/api/catalog/p4", { name: "candle" });
  // The pin is old enough for the near copy to be expected to have it, but it has not.
  const [dataset, sort, home, , epoch, position] = pins(client).split(":");
  const old = [dataset, sort, home, Date.now() - 40_000, epoch, position].join(":");
  client.cookies.set("__Host-homing", seal(SECRET, { pins: [old] }));
  // A copy that was seen short of a position is left alone for a second.
  let read, asked;
  await waitUntil(async () => {
    asked = (await regions.eu.seen("/api/catalog/p4?behind")).length;
    read = await client.get("/api/catalog/p4?behind");
    return reason(read) === "position-not-reached";
  }, "the near copy is tried");
  assert.deepEqual([...place(read), read.json.version], ["position-not-reached", "us", written.json.version]);
  assert.equal((await regions.eu.seen("/api/catalog/p4?behind")).length, asked + 1);
  const { trace, attempts } = await router.decision("/api/catalog/p4");
  assert.equal(attempts, 2);
  assert.ok(trace.includes("position-expected eu") && trace.includes("position-not-reached eu"), String(trace));
});

test("what a session has seen never goes back, though it wrote nothing of it", async () => {
  await regions.ap.control({ lag_ms: 20_000 });
  const [reader, writer] = [new Client(router.url, "us"), new Client(router.url, "us")];
  await reader.post("/login", { user: "ada" });
  const written = await writer.put("/api/catalog/p5", { name: "lamp" });
  const first = await reader.get("/api/catalog/p5?first");
  assert.equal(first.json.version, written.json.version);
  // Now it turns up beside a region that lacks what it has seen.
  reader.headers["homing-dev-near"] = "ap";
  const second = await reader.get("/api/catalog/p5?second");
  assert.equal(second.json.version, written.json.version);
  assert.notEqual(second.headers["homing-region"], "ap");
});

test("a shared copy answers the session that wrote as well, once it certainly shows the write", async () => {
  await regions.eu.control({ lag_ms: 20_000 });
  const [writer, other] = [new Client(router.url, "eu"), new Client(router.url, "eu")];
  const path = "/api/catalog/p6";
  await other.get(path);
  await waitUntil(async () => reason(await other.get(path)) === "cache-hit", "a copy of before the write is there");
  const written = await writer.put(path, { name: "lamp" });
  await waitUntil(async () => reason(await other.get(path)) === "cache-hit", "the region that lags has filled the cache again");
  const own = await writer.get(path);
  assert.deepEqual([reason(own), own.json.version], ["pinned-home", written.json.version], "no hit for who wrote");
  for (const [who, client] of Object.entries({ writer, other })) {
    await waitUntil(async () => reason(await client.get(path)) === "cache-hit", `${who} hits`);
    assert.equal((await client.get(path)).json.version, written.json.version, `${who} hits what home made`);
  }
});

test("a user's own data: by the home and epoch of the user", async () => {
  await regions.us.control({ lag_ms: 20_000 });
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "positions" });
  const written = await client.post("/api/cart", { item: "tea" });
  assert.equal(written.json.region, "eu");
  assert.match(pins(client), /^cart\/u:p:eu:\d+:1:[0-9a-f]+$/);
  client.headers["homing-dev-near"] = "us";
  const read = await client.get("/api/cart");
  assert.deepEqual([...place(read), read.json.items], ["pinned-home", "eu", ["tea"]]);
});

test("home is down: refused, or stale and said so with its age", async () => {
  const client = new Client(router.url, "us");
  await client.put("/api/catalog/refuses/p8", { name: "lamp" });
  await regions.eu.control({ lag_ms: 20_000 });
  await regions.ap.control({ lag_ms: 20_000 });
  await client.put("/api/catalog/p8", { name: "lamp" });
  await new Client(router.url, "eu").get("/api/catalog/lag?p8");
  await regions.us.control({ mode: "hang", paths: ["/api/catalog"] });
  const patient = { patience: 25_000 };
  const [refused, stale] = await Promise.all([client.get("/api/catalog/refuses/p8?x", patient), client.get("/api/catalog/p8?x", patient)]);
  assert.deepEqual([refused.status, reason(refused)], [504, "home-down"]);
  assert.match(refused.headers["retry-after"], /^\d+$/);
  assert.deepEqual([stale.status, reason(stale)], [200, "home-down-stale"]);
  assert.match(stale.headers["homing-consistency"], /^stale(; age=\d+)?$/);
});

test("a position of an older epoch is met by the later owner's log, and becomes one of it", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/p9", { name: "lamp" });
  for (const region of Object.values(regions)) await region.control({ own: { dataset: "catalog", home: "ap", epoch: 2 } });
  // This write is refused by us, which names ap; the router learns and follows.
  const moved = await new Client(router.url, "us").put("/api/catalog/p9-moved", { name: "candle" });
  assert.equal(moved.json.region, "ap");
  const read = await client.get("/api/catalog/p9?after");
  // By a copy nearer than home that has the beginning of that log, if one says so; eu lags too much to be asked.
  const near = ["position-expected", "position-reached"].includes(reason(read));
  assert.ok(near || ["position-of-old-epoch", "position-not-reached"].includes(reason(read)), reason(read));
  assert.equal(read.headers["homing-region"] === "ap", !near);
  assert.match(pins(client), /^catalog:p:ap:\d+:2:[0-9a-f]+$/);
});

test("a session that has seen more than it can remember still reads what it wrote", async () => {
  const client = new Client(router.url, "us");
  for (const region of ["us", "eu"]) await regions[region].control({ lag_ms: 60_000 });
  await client.post("/t/forgotten/notes", { n: 0 });
  for (let n = 0; n < 8; n++) await client.post(`/t/forgotten-${n}/notes`, { n });
  client.headers["homing-dev-near"] = "eu";
  const read = await client.get("/t/forgotten/notes");
  assert.ok(read.headers["homing-consistency"]?.startsWith("stale") || read.json.notes?.length === 1, `${read.status} ${place(read)} ${read.text}`);
});
