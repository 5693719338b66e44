// Positions through the router: the real Wasm in workerd before three applications on a real primary and its standbys.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Client, seal, startRouter, stopAll as stopRouters, waitUntil } from "../e2e/harness.mjs";
import { takeOver } from "./app.mjs";
import { startApp, startDatabase, stopAll, topology } from "./support.mjs";

after(async () => {
  await stopRouters();
  await stopAll();
});

const SECRET = "the key with which these tests sign";
const region = (answer) => answer.headers["homing-region"];
const reason = (answer) => answer.headers["homing-reason"];
const seen = (answer) => [region(answer), answer.json?.items];

/** The databases, an application beside each, and a router before them. */
async function startWorld(options) {
  const cluster = await startDatabase();
  const apps = Object.fromEntries(await Promise.all(cluster.nodes.map(async (node) => [node.name, await startApp(node, undefined, options)])));
  const router = await startRouter({ vars: topology(apps), bindings: { SESSION_KEY: SECRET } });
  return { cluster, apps, router, client: (near) => new Client(router.url, near) };
}

/** Reads as somebody else does near a region, so that the router learns how far that region's copy is. */
const look = (world, near, path) => world.client(near).get(path);

describe("lag", () => {
  let world, cluster;
  before(async () => ({ cluster } = world = await startWorld()));
  afterEach(async () => {
    await Promise.all([cluster.eu.resume(), cluster.ap.resume()]);
    await Promise.all([cluster.eu.catchesUpWith(cluster.us), cluster.ap.catchesUpWith(cluster.us)]);
  });

  test("a session reads its own write, from home while the nearest copy lags, and nearby once it has it", async () => {
    const path = "/lists/own";
    await cluster.eu.pause();
    const [writer, other] = [world.client("eu"), world.client("eu")];
    const written = await writer.post(path, { id: "w1" });
    assert.deepEqual([written.status, region(written)], [200, "us"]);
    assert.deepEqual(seen(await writer.get(path)), ["us", ["w1"]]);
    assert.deepEqual(seen(await other.get(path)), ["eu", []], "everybody else still reads at the nearest");
    assert.deepEqual(seen(await writer.get(path)), ["us", ["w1"]], "which the router now knows to be behind");
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    await look(world, "eu", path);
    assert.deepEqual(seen(await writer.get(path)), ["eu", ["w1"]]);
  });

  test("the position is exact: what was written elsewhere later does not matter", async () => {
    const path = "/lists/exact";
    const writer = world.client("eu");
    await writer.post(path, { id: "w1" });
    await cluster.eu.catchesUpWith(cluster.us);
    await cluster.eu.pause();
    await world.client("us").post(path, { id: "w2" });
    await look(world, "eu", path);
    assert.deepEqual(seen(await writer.get(path)), ["eu", ["w1"]], "a lagging copy answers who demands no more than it has");
  });

  test("a session that has read at home stays near, whatever is written elsewhere", async () => {
    const path = "/lists/idle";
    await world.client("us").post(path, { id: "w1" });
    const reader = world.client("us");
    reader.cookies.set("__Host-homing", seal(SECRET));
    await cluster.eu.catchesUpWith(cluster.us);
    await cluster.eu.pause();
    await world.client("us").post("/lists/busy", { id: "w2" });
    assert.deepEqual(seen(await reader.get(path)), ["us", ["w1"]]);
    reader.headers["homing-dev-near"] = "eu";
    await look(world, "eu", path);
    assert.deepEqual(seen(await reader.get(path)), ["eu", ["w1"]], "home was further, and showed no more than eu has");
    const list = await world.client("us").request("DELETE", path);
    assert.deepEqual([list.status, region(list)], [200, "us"]);
    reader.headers["homing-dev-near"] = "us";
    assert.deepEqual(seen(await reader.get(path)), ["us", []]);
    reader.headers["homing-dev-near"] = "eu";
    assert.deepEqual(seen(await reader.get(path)), ["us", []], "that it is gone is newer than eu");
  });

  test("a session that only read does not go back when it meets a slower copy", async () => {
    const path = "/lists/monotonic";
    await cluster.ap.pause();
    await world.client("us").post(path, { id: "w1" });
    await cluster.eu.catchesUpWith(cluster.us);
    const reader = world.client("eu");
    // A read starts no session; this one has had its since the user signed in, say.
    reader.cookies.set("__Host-homing", seal(SECRET));
    assert.deepEqual(seen(await reader.get(path)), ["eu", ["w1"]]);
    reader.headers["homing-dev-near"] = "ap";
    assert.deepEqual(seen(await world.client("ap").get(path)), ["ap", []], "the slower copy is what others get there");
    for (let n = 0; n < 3; n++) {
      const read = await reader.get(path);
      assert.notEqual(region(read), "ap");
      assert.deepEqual(read.json.items, ["w1"], "and that one copy had it clears nothing: the next may be slower (rule 12)");
    }
    reader.headers["homing-dev-near"] = "eu";
    assert.deepEqual(seen(await reader.get(path)), ["eu", ["w1"]]);
    reader.headers["homing-dev-near"] = "ap";
    assert.deepEqual((await reader.get(path)).json.items, ["w1"], "reached at eu, still demanded at ap");
  });

  test("a region whose copies differ: one that is behind says so, and home answers, once", async () => {
    const path = "/lists/copies";
    const writer = world.client("eu");
    await writer.post(path, { id: "w1" });
    await cluster.ap.pause();
    await writer.post(path, { id: "w2" });
    await cluster.eu.catchesUpWith(cluster.us);
    await look(world, "eu", path);
    assert.equal(region(await writer.get(path)), "eu", "the router knows that eu has reached it");
    // Behind eu's address stands a second copy, which has not: here the database of ap, paused.
    const { eu, ap } = world.apps;
    const quick = eu.lists.pool;
    eu.lists.pool = ap.lists.pool;
    const read = await writer.get(path);
    eu.lists.pool = quick;
    assert.deepEqual([read.status, ...seen(read)], [200, "us", ["w1", "w2"]]);
    const decision = await world.router.decision(path);
    assert.equal(decision.attempts, 2, "eu, then home, and nobody else");
  });

  test("a copy that has reached the position answers while home is down", async () => {
    const path = "/lists/home-down";
    const writer = world.client("eu");
    await writer.post(path, { id: "w1" });
    await cluster.eu.catchesUpWith(cluster.us);
    await look(world, "eu", path);
    await cluster.us.kill();
    try {
      const read = await writer.get(path);
      assert.deepEqual([read.status, ...seen(read), read.headers["homing-consistency"]], [200, "eu", ["w1"], undefined]);
      const write = await writer.post(path, { id: "w2" });
      assert.deepEqual([write.status, write.headers["homing-write-outcome"]], [503, "refused"], reason(write));
    } finally {
      await cluster.us.start();
    }
  });
});

describe("a planned promotion", () => {
  test("a position of the old epoch is answered by the new home, which hands out one of the new epoch", async () => {
    const world = await startWorld();
    const { cluster } = world;
    const path = "/lists/promoted";
    const [writer, idle] = [world.client("ap"), world.client("ap")];
    await writer.post(path, { id: "w1" });
    await idle.post(path, { id: "w2" });
    await cluster.ap.catchesUpWith(cluster.us);
    await look(world, "ap", path);
    assert.equal(region(await writer.get(path)), "ap");

    await cluster.switchOver(cluster.us, cluster.eu);
    await cluster.eu.query(takeOver("eu"));
    await Promise.all([cluster.ap.catchesUpWith(cluster.eu), cluster.us.catchesUpWith(cluster.eu)]);
    const read = await writer.get(path);
    assert.deepEqual([read.status, ...seen(read)], [200, "eu", ["w1", "w2"]], "the old position is compared with nothing of the new epoch");
    await look(world, "ap", path);
    assert.deepEqual(seen(await writer.get(path)), ["ap", ["w1", "w2"]], "and the fresh one is");

    const written = await writer.post(path, { id: "w3" });
    assert.deepEqual([written.status, region(written)], [200, "eu"], "writes find the new home");
    assert.deepEqual((await writer.get(path)).json.items, ["w1", "w2", "w3"]);
    // A copy of the new epoch has all of the old one, which is all that this session has seen.
    const woken = await idle.get(path);
    assert.ok(["ap", "eu"].includes(region(woken)), "a session that slept through it");
    assert.deepEqual(woken.json.items.slice(0, 2), ["w1", "w2"]);
    await cluster.ap.catchesUpWith(cluster.eu);
    await look(world, "ap", path);
    assert.deepEqual(seen(await idle.get(path)), ["ap", ["w1", "w2", "w3"]]);
  });
});

describe("the cache", () => {
  test("a stored copy counts for a session if it has reached the session's position, and for everybody else anyway", async () => {
    const world = await startWorld({ cacheControl: "public, max-age=60" });
    const { cluster } = world;
    const path = "/lists/cached";
    const [writer, other] = [world.client("eu"), world.client("eu")];
    const isHit = (answer) => reason(answer) === "cache-hit";
    await waitUntil(async () => isHit(await other.get(path)), "a copy of before the write is there");
    await cluster.eu.pause();
    await writer.post(path, { id: "w1" });
    const near = await other.get(path);
    assert.deepEqual(near.json.items, [], "the write made the copy useless, and the nearest region does not have it yet");
    await waitUntil(async () => isHit(await other.get(path)), "the old state is stored again");
    const read = await writer.get(path);
    assert.deepEqual([isHit(read), ...seen(read)], [false, "us", ["w1"]], "the writer is not shown it");
    await waitUntil(async () => isHit(await writer.get(path)), "what home answered is found by the writer");
    assert.deepEqual((await writer.get(path)).json.items, ["w1"]);
    const shared = await other.get(path);
    assert.ok(isHit(shared), "and by everybody else");
    assert.deepEqual(shared.json.items, ["w1"]);
  });
});
