// What the probers find of the regions, and what edges do by it: agreement takes reads away, a link that is cut takes sessions away,
// and one vantage point alone moves nothing.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  const vars = topology(regions, (vars) => {
    for (const route of vars.ROUTES) route.deadline = "1s";
  });
  router = await startRouter({ vars, bindings: { PROBES: "1s" } });
});
after(stopAll);
beforeEach(() => regions.heal());

const matrix = async () => (await router.snapshot()).matrix;
const pair = async (region, peer) => (await matrix()).pairs.find((pair) => pair.region === region && pair.peer === peer);

/** Waits for that of the matrix. An isolate reads it behind requests, so it gets some. */
const until = (condition, what) =>
  waitUntil(
    async () => {
      await fetch(new URL("/_homing/healthz", router.url));
      return condition();
    },
    what,
    60_000,
  );

test("every region is seen from a vantage point beside each, with what it says of its peers", async () => {
  await until(async () => (await matrix()).vantages.length === 3, "three vantage points have told");
  const { vantages, unreachable } = await matrix();
  assert.deepEqual(vantages.map(({ from }) => from).sort(), ["ap", "eu", "us"]);
  for (const vantage of vantages) for (const name of ["us", "eu", "ap"]) assert.equal(vantage.regions[name].ok, true);
  assert.deepEqual(unreachable, []);
  assert.equal((await pair("eu", "us")).reachable, true);
  console.log(`from ${vantages[0].from}: ${JSON.stringify(vantages[0].regions)}`);
});

test("a region that its peers cannot reach keeps what it owns and loses the sessions that it cannot satisfy", async () => {
  await until(async () => (await pair("eu", "us"))?.reachable === true, "eu reaches us");
  await regions.eu.control({ cut: ["us"] });
  await until(async () => (await pair("eu", "us")).reachable === false, "eu is known not to reach us");
  assert.deepEqual((await matrix()).unreachable, [], "every edge reaches it");
  // Anybody's read stays near, for as long as the bound of the data allows.
  const anybody = await new Client(router.url, "eu").get("/api/catalog/cut");
  assert.deepEqual([anybody.headers["homing-region"], anybody.headers["homing-reason"]], ["eu", "nearest"]);
  // A session's read goes home, long after any window has passed, and at once.
  const client = new Client(router.url, "eu");
  assert.equal((await client.put("/api/catalog/cut", { name: "lamp" })).status, 200);
  const read = await client.get("/api/catalog/cut");
  assert.deepEqual([read.status, read.headers["homing-region"]], [200, "us"]);
  assert.match(read.text, /lamp/);
  const { trace } = await router.decision("/api/catalog/cut");
  assert.ok(trace.includes("peer-unreachable eu") || trace.includes("position-not-reached eu"), String(trace));
  // What it owns is written there.
  const owner = new Client(router.url, "eu");
  await owner.post("/login", { user: "cut-off" });
  assert.equal((await owner.post("/api/cart", { item: "tea" })).headers["homing-region"], "eu");
});

test("what the vantage points agree on takes reads away before anything has failed at this edge", async () => {
  await until(async () => (await matrix()).unreachable.length === 0, "all are reached");
  const before = (await router.snapshot()).regions.find(({ name }) => name === "ap").failures;
  await regions.ap.control({ mode: "error", paths: ["/.well-known"] });
  await until(async () => (await matrix()).unreachable.includes("ap"), "they agree that ap is gone");
  const read = await new Client(router.url, "ap").get("/api/likes/agreed");
  assert.deepEqual([read.status, read.headers["homing-region"] === "ap"], [200, false]);
  assert.ok((await router.decision("/api/likes/agreed")).trace.includes("region-unreachable ap"));
  assert.equal((await router.snapshot()).regions.find(({ name }) => name === "ap").failures, before, "nobody found out by failing");
  await regions.heal();
  await until(async () => (await matrix()).unreachable.length === 0, "they agree that it is back");
  assert.equal((await new Client(router.url, "ap").get("/api/likes/agreed")).headers["homing-region"], "ap");
});

test("a page of the platform in a region's place is no sign of it, whatever its status", async () => {
  const page = await startOrigin((request, response) =>
    response.writeHead(403, { "cf-error-type": "1003", "cf-error-origin": "edge" }).end("error code: 1003"),
  );
  await router.stop();
  router = await startRouter({ vars: topology(regions, ({ REGIONS }) => void (REGIONS.eu.origin = page)), bindings: { PROBES: "1s" } });
  await until(async () => (await matrix()).unreachable.includes("eu"), "nobody reaches eu");
});
