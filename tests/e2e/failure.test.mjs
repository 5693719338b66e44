// What happens when regions fail, each in its own way: reads go elsewhere once, writes never do and say what became of them.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, vars, router;
before(async () => {
  regions = await startRegions();
  // Short deadlines, so that a black hole is found out soon.
  vars = topology(regions, (vars) => {
    for (const route of vars.ROUTES) route.deadline = "1s";
  });
});
after(stopAll);
// A router of its own for each test: what one has learned of a region, of a route and of a visitor does not reach into the next, and
// nobody waits until breakers have closed again.
beforeEach(async () => {
  await Promise.all([regions.heal(), router?.stop()]);
  router = await startRouter({ vars });
});

const reason = (answer) => answer.headers["homing-reason"];
const requestsTo = async (path) => (await Promise.all(Object.values(regions).map((region) => region.seen(path)))).map((seen) => seen.length);

/** @type {[any, string, string][]} */
const FAULTS = [
  // What the region does, why a read fails over, what may be said of a write.
  [{ mode: "refuse" }, "failover-broken", "unknown"], // workerd cannot tell a refused connection from a broken one
  [{ mode: "hang" }, "failover-timeout", "unknown"],
  [{ mode: "slow", slow_ms: 60_000 }, "failover-timeout", "unknown"],
  [{ mode: "reset" }, "failover-broken", "unknown"],
  [{ mode: "error" }, "failover-status", "unknown"],
];

for (const [fault, why, outcome] of FAULTS) {
  test(`${fault.mode}: a read fails over to one other region`, async () => {
    await regions.eu.control(fault);
    const path = `/api/likes/${fault.mode}`;
    const read = await new Client(router.url, "eu").get(path);
    assert.deepEqual([read.status, reason(read), read.json.region], [200, why, "us"]);
    const decision = await router.decision(path);
    // A connection that broke before an answer came may have been closed as it was used: it is tried there once more.
    const again = why === "failover-broken" ? [`${why} eu`, "retried eu"] : [];
    const trace = ["nearest eu", ...again, `${why} eu`, `${why} us`];
    assert.deepEqual(decision.trace.slice(-trace.length), trace);
    assert.equal(decision.attempts, again.length > 0 ? 3 : 2);
    assert.equal(decision.crossed, true);
  });

  test(`${fault.mode}: a write goes nowhere else and says what became of it`, async () => {
    await regions.us.control(fault);
    const path = `/api/catalog/${fault.mode}`;
    const write = await new Client(router.url, "eu").put(path, { name: "lamp" });
    const status = why === "failover-timeout" ? 504 : 503;
    assert.deepEqual([write.status, write.headers["homing-write-outcome"]], [status, outcome]);
    assert.ok(fault.mode === "error" || Number(write.headers["retry-after"]) > 0, "says when to try again");
    await regions.heal();
    assert.deepEqual((await requestsTo(path)).slice(1), [0, 0], "no other region saw it");
  });
}

const PAGES = [
  // What Cloudflare answers in a region's place: status and `cf-error-type`; then as above. Few enough at a time that no breaker opens.
  ["520", "failover-broken", "unknown"],
  ["521", "failover-connect", "not-sent"],
  ["530", "failover-broken", "unknown"],
  ["530-1016", "failover-connect", "not-sent"],
  ["530-1033", "failover-connect", "not-sent"],
  ["403-1003", "failover-broken", "unknown"],
  ["404-1042", "failover-broken", "unknown"],
];

for (const some of [PAGES.slice(0, 4), PAGES.slice(4)]) {
  test(`a page of Cloudflare's is no answer of the region: ${some.map(([page]) => page).join(", ")}`, async () => {
    const pages = await startOrigin((request, response) => {
      const [, status, kind] = request.url.match(/(\d{3})-?(\d*)$/) ?? [null, "404", ""];
      request
        .resume()
        .on("end", () => response.writeHead(status, kind ? { "cf-error-type": kind, "cf-error-origin": "edge" } : {}).end(`error code: ${kind || status}`));
    });
    await router.stop();
    router = await startRouter({ vars: topology(regions, ({ REGIONS }) => void (REGIONS.us.origin = REGIONS.ap.origin = pages)) });
    for (const [page, why, outcome] of some) {
      const read = await new Client(router.url, "ap").get(`/api/likes/${page}`);
      assert.deepEqual([read.status, reason(read), read.headers["homing-region"]], [200, why, "eu"], page);
      const write = await new Client(router.url, "eu").put(`/api/catalog/${page}`, { name: "lamp" });
      assert.deepEqual([write.status, write.headers["homing-write-outcome"]], [503, outcome], page);
    }
    const turnedAway = await new Client(router.url, "ap").get("/about/403-1020");
    assert.deepEqual([turnedAway.status, turnedAway.text], [403, "error code: 1020"], "whom its zone turns away is told so");
  });
}

test("a region that dies and comes back", async () => {
  const client = new Client(router.url, "ap");
  await regions.ap.kill();
  assert.equal((await client.get("/api/likes/dead")).status, 200);
  await regions.ap.start();
  await waitUntil(async () => (await client.get("/api/likes/dead")).json.region === "ap", "reads are near again");
});

test("an answer of the application is not a failure: 500 and 404 pass, 503 of the last region too", async () => {
  const client = new Client(router.url, "eu");
  for (const status of [500, 501, 404, 429]) {
    const answer = await client.get(`/respond?status=${status}`);
    assert.deepEqual([answer.status, reason(answer), answer.json.region], [status, "nearest", "eu"]);
  }
  const unavailable = await client.get("/respond?status=503");
  assert.deepEqual([unavailable.status, reason(unavailable)], [503, "all-regions-failed"]);
  assert.equal(unavailable.json.region, "us", "in its own words");
});

test("at most two regions see one request", async () => {
  for (const region of [regions.us, regions.eu, regions.ap]) await region.control({ mode: "reset", paths: ["/api/likes/two"] });
  const answer = await new Client(router.url, "eu").get("/api/likes/two");
  assert.deepEqual([answer.status, reason(answer), answer.json.reason], [503, "all-regions-failed", "all-regions-failed"]);
  assert.match(answer.headers["content-type"], /^application\/problem\+json/);
  assert.match(answer.headers["proxy-status"], /^homing; error=connection_terminated/);
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  assert.deepEqual(await requestsTo("/api/likes/two"), [1, 2, 0], "a connection that broke is tried once more");
});

test("a pinned read while home is down: stale where the route allows it, and it says so", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/down", { name: "lamp" });
  await regions.us.control({ mode: "error" });
  const read = await client.get("/api/catalog/down");
  assert.deepEqual([read.status, reason(read), read.json.region], [200, "home-down-stale", "eu"]);
  assert.match(read.headers["homing-consistency"], /^stale(; age=\d+)?$/);
});

test("a pinned read while home is down: refused where the route says so", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "refused" });
  // A near copy is asked first once it should have what the session has seen, on a slow machine before home is; this one never has.
  await regions.us.control({ lag_ms: 3_600_000 });
  await client.post("/api/cart", { item: "tea" });
  client.headers["homing-dev-near"] = "us";
  await regions.eu.control({ mode: "reset" });
  const read = await client.get("/api/cart");
  assert.deepEqual([read.status, reason(read)], [503, "home-down"]);
  assert.ok(Number(read.headers["retry-after"]) > 0);
  assert.ok((await regions.us.seen("/api/cart")).length <= 1, "nobody else is asked in home's place");
});

test("a write with an Idempotency-Key is repeated once, at its home, and done once", async () => {
  const client = new Client(router.url, "eu");
  const key = { "idempotency-key": "order-1" };
  await regions.us.control({ mode: "reset", paths: ["/api/catalog/repeated"] });
  const failed = await client.put("/api/catalog/repeated", { name: "lamp" }, { headers: key });
  assert.equal(failed.headers["homing-write-outcome"], "unknown");
  assert.deepEqual((await router.decision("/api/catalog/repeated")).trace.slice(-5), [
    "home us",
    "failover-broken us",
    "retried us",
    "failover-broken us",
    "write-unknown us",
  ]);
  assert.deepEqual(await requestsTo("/api/catalog/repeated"), [2, 0, 0]);
  await regions.heal();
  const first = await client.put("/api/catalog/repeated", { name: "lamp" }, { headers: key });
  const second = await client.put("/api/catalog/repeated", { name: "lamp" }, { headers: key });
  assert.equal(second.json.version, first.json.version);
});

test("a write without the key is not repeated, nor one that streams", async () => {
  await regions.us.control({ mode: "reset", paths: ["/api/catalog/once", "/api/catalog/streams"] });
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/once", { name: "lamp" });
  assert.deepEqual(await requestsTo("/api/catalog/once"), [1, 0, 0]);
  const large = JSON.stringify({ name: "x".repeat(80_000) });
  await client.put("/api/catalog/streams", large, { headers: { "idempotency-key": "order-2", "content-type": "application/json" } });
  assert.deepEqual(await requestsTo("/api/catalog/streams"), [1, 0, 0]);
});

test("a body that breaks off after it began ends broken, never short", async () => {
  const origin = await startOrigin((_, response) => {
    response.writeHead(200, { "content-length": 1_000_000 });
    response.write("x".repeat(100_000), () => response.destroy());
  });
  const breaking = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.eu.origin = origin)) });
  const response = await new Client(breaking.url, "eu").get("/large", { raw: true });
  await assert.rejects(async () => {
    for await (const chunk of response) void chunk;
  });
  assert.equal(response.complete, false);
});

test("a small body that breaks off is repaired elsewhere: always where its route says so, else while its region does such things", async () => {
  const origin = await startOrigin((_, response) => {
    response.writeHead(200, { "content-length": 1000 });
    response.write("x".repeat(500), () => response.socket.resetAndDestroy());
  });
  const vars = topology(regions, (vars) => {
    vars.REGIONS.eu.origin = origin;
    vars.ROUTES.unshift({ match: "/respond/*", repair: true });
  });
  const breaking = await startRouter({ vars });
  const read = (path) => new Client(breaking.url, "eu").get(path).catch((error) => error);
  const repaired = await read("/respond/repair");
  assert.equal(repaired.headers["homing-region"], "us", "the next region's answer");
  // The region is known to break off now, so nobody else sees it.
  const next = await read("/respond?next");
  assert.deepEqual([next.status, next.headers["homing-region"]], [200, "us"]);
});

test("a body that stands still is cut where its route says so, towards both sides", async () => {
  let cut = false;
  const origin = await startOrigin((_, response) => {
    response.on("close", () => (cut = true));
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("the beginning");
  });
  const vars = topology(regions, (vars) => {
    vars.REGIONS.eu.origin = origin;
    vars.ROUTES.push({ match: "/endless", body_idle: "1s" });
  });
  const endless = await startRouter({ vars });
  const response = await new Client(endless.url, "eu").get("/endless", { raw: true });
  let text = "";
  // workerd ends a chunked body the same way whether it is whole or cut; only a Content-Length tells them apart.
  for await (const chunk of response) text += chunk;
  assert.equal(text, "the beginning");
  await waitUntil(() => cut, "the origin's connection is closed");
  assert.equal((await endless.snapshot()).in_flight, 0);
});

test("a request whose body stands still is ended at its idle limit, and is no fault of the region", async () => {
  const { default: net } = await import("node:net");
  // With a home store that fails, whoever is new is told so as soon as anybody looks: nobody does for a body that never comes.
  const moody = await startRouter({ vars: topology(regions), kv: "moody" });
  await moody.mood("fails");
  const stalled = async (to, request, length, outcome, more = "") => {
    const socket = net.connect(Number(new URL(to.url).port), "127.0.0.1");
    socket.write(`${request} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{"name":${more}`);
    const head = await new Promise((resolve) => socket.once("data", (data) => resolve(String(data))));
    socket.destroy();
    assert.match(head, /^HTTP\/1.1 408 /);
    assert.match(head, /homing-reason: request-incomplete/i);
    assert.match(head, new RegExp(`homing-write-outcome: ${outcome}`, "i"));
  };
  await Promise.all([
    stalled(router, "PUT /api/catalog/stalled", 1000, "not-sent"),
    stalled(router, "PUT /api/catalog/endless", 1_000_000, "unknown"),
    // A beginning that comes at once buys no patience for the rest.
    stalled(router, "PUT /api/catalog/begun", 4_000_000, "unknown", " ".repeat(200_000)),
    stalled(moody, "POST /t/stalled/notes", 1000, "not-sent"),
  ]);
  assert.equal((await router.snapshot()).regions.find((region) => region.name === "us").circuit.write.failures, 0);
});

test("a region that failed five times in a row is not asked: its breaker is open", async () => {
  await regions.ap.control({ mode: "reset" });
  const client = () => new Client(router.url, "ap");
  const circuit = async () => (await router.snapshot()).regions.find((region) => region.name === "ap").circuit;
  for (let n = 0; n < 5; n++) await client().get(`/api/likes/suspect${n}`);
  assert.deepEqual(
    [(await circuit()).read.state, (await circuit()).routes],
    ["closed", [{ route: "/api/likes/*", access: "read" }]],
    "one route, whoever asks",
  );
  const read = await client().get("/api/likes/suspect");
  assert.deepEqual([read.status, reason(read), read.json.region], [200, "nearest", "eu"]);
  assert.deepEqual((await requestsTo("/api/likes/suspect")).at(2), 6, "it is not asked in vain, but for the first lost connection that may have been closed");
  await client().get("/api/catalog/suspect");
  assert.equal((await circuit()).read.state, "open", "another route: the region");
  await client().get("/other/suspect");
  assert.deepEqual((await requestsTo("/other/suspect")).at(2), 0);
});

/** Writes to the home of the catalogue, each by another visitor, on one route and another in turn; what each came to. */
async function writes(count) {
  const write = (n) => new Client(router.url, "us").request("PUT", n % 2 ? `/api/catalog/burst${n}` : `/api/catalog/other/${n}`, { body: { name: "lamp" } });
  return Promise.all(Array.from({ length: count }, (_, n) => write(n)));
}

test("a region that fails for a second: its writes are answered within three, and a second time costs no more", async (t) => {
  await router.stop();
  router = await startRouter({ vars: topology(regions, (vars) => void vars.ROUTES.unshift({ match: "/api/catalog/other/*", dataset: "catalog" })) });
  const isOpen = async () => (await router.snapshot()).regions.find(({ name }) => name === "us").circuit.write.state === "open";
  for (const time of ["first", "second", "third"]) {
    const end = performance.now() + 1000;
    await regions.us.control({ mode: "error" });
    await waitUntil(async () => (await writes(10)).some((answer) => reason(answer) === "breaker-open") && performance.now() > end, "its breaker is open");
    const [refused] = (await writes(10)).filter((answer) => reason(answer) === "breaker-open");
    assert.deepEqual([refused.headers["homing-write-outcome"], refused.headers["retry-after"]], ["not-sent", "1"]);
    await regions.us.control({ mode: "ok" });
    const healed = performance.now();
    await waitUntil(async () => (await writes(1))[0].status !== 503, "a write is answered");
    const ms = Math.round(performance.now() - healed);
    t.diagnostic(`the ${time} time: writes are answered ${ms} ms after the healing`);
    assert.ok(ms < 3000, `the ${time} time after ${ms} ms`);
    const after = await writes(20);
    assert.deepEqual(
      after.map(reason).filter((why) => why === "breaker-open"),
      [],
      "one is answered, and all go",
    );
    assert.equal(await isOpen(), false);
  }
});

test("a read that its region answers is news of it: writes go at once", async () => {
  await regions.us.control({ mode: "error" });
  const write = () => new Client(router.url, "us").put("/api/catalog/news", { name: "lamp" });
  await waitUntil(async () => reason(await write()) === "breaker-open", "the route's breaker is open");
  await regions.us.control({ mode: "ok" });
  assert.equal((await new Client(router.url, "us").get("/api/catalog/news?fresh")).json.region, "us");
  assert.equal((await write()).status, 200);
});
