// Locality: what crosses regions is counted with its reason, and a route that lets too much cross says so, once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, hear, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, router;
let log = "";
before(async () => {
  regions = await startRegions();
  const vars = topology(regions, (vars) => {
    vars.ROUTES.find((route) => route.dataset === "catalog").max_cross_region = "5%";
  });
  router = await startRouter({ vars, handleLog: hear((text) => (log += text)) });
});
after(stopAll);

const rowOf = async (match) => (await router.snapshot()).locality.routes.find((route) => route.match === match);
const alarms = () =>
  log
    .split("\n")
    .filter((line) => line.includes("max_cross_region"))
    .map((line) => JSON.parse(line));

/** So many reads of something new each, so that the cache answers none, and whoever writes is somebody else. */
async function read(near, times, from = 0) {
  for (let at = 0; at < times; at++) assert.ok((await new Client(router.url, near).get(`/api/catalog/${near}-${from + at}`)).status < 500);
}

async function write(near, times) {
  for (let at = 0; at < times; at++) assert.ok((await new Client(router.url, near).put(`/api/catalog/w${at}`, { name: "lamp" })).status < 500);
}

test("reads stay in the nearest region, writes go home and say so", async () => {
  await read("eu", 5);
  await write("eu", 2);
  await write("us", 1);
  const row = await rowOf("/api/catalog/*");
  assert.deepEqual(
    [row.requests, row.crossed, row.local, row.budget, row.over, row.regions, row.reasons],
    [8, 2, "75%", "5%", false, { us: { requests: 1, crossed: 0 }, eu: { requests: 7, crossed: 2 } }, { home: 2 }],
  );
  assert.deepEqual(alarms(), []);
});

test("a route that goes over its budget is shown so, and one line of the log tells of it", async () => {
  await write("eu", 8);
  await read("eu", 90, 100);
  await waitUntil(() => alarms().length > 0, "the alarm is logged");
  const [{ at, ...alarm }] = alarms();
  assert.equal(typeof at, "number");
  const expected = { level: "warn", route: "/api/catalog/*", budget: "5%", share: "10%", requests: 100, crossed: 10, reasons: { home: 10 } };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, alarm[name]])), expected);
  assert.equal((await rowOf("/api/catalog/*")).over, true);
  await read("eu", 20, 300);
  assert.equal(alarms().length, 1, "it is told once");
});

test("a route without a budget, and what no route takes, are counted and never over", async () => {
  await new Client(router.url, "ap").get("/echo");
  await new Client(router.url, "ap").get("/api/likes/1");
  const { locality, totals } = await router.snapshot();
  const rows = locality.routes.filter((route) => route.budget === null);
  assert.deepEqual(
    rows.map(({ match, over, crossed }) => [match, over, crossed]),
    [
      ["/api/likes/*", false, 0],
      [null, false, 0],
    ],
  );
  assert.equal(
    locality.requests,
    locality.routes.reduce((sum, route) => sum + route.requests, 0),
  );
  assert.equal(locality.crossed, totals.cross_region);
});

test("a read whose nearest region is down crosses for what failed", async () => {
  await regions.eu.control({ mode: "refuse" });
  assert.equal((await new Client(router.url, "eu").get("/api/likes/2")).status, 200);
  await regions.heal();
  const { reasons } = await rowOf("/api/likes/*");
  assert.equal(
    Object.values(reasons).reduce((sum, times) => sum + times, 0),
    1,
  );
  assert.match(Object.keys(reasons)[0], /^failover-/);
});
