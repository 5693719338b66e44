// What operators see: health, the dashboard and its API, logs, and a configuration that is not served.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parse } from "smol-toml";
import { Client, hear, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, router;
let log = "";
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions), handleLog: hear((text) => (log += text)) });
});
after(stopAll);

test("healthz answers, whatever the regions do", async () => {
  await Promise.all(Object.values(regions).map((region) => region.control({ mode: "hang" })));
  const health = await new Client(router.url).get("/_homing/healthz");
  assert.deepEqual([health.status, health.json], [200, { status: "ok" }]);
  await regions.heal();
});

test("the dashboard and its parts are served, under one prefix that no path of the application meets", async () => {
  const client = new Client(router.url);
  const page = await client.get("/_homing/");
  assert.equal(page.status, 200);
  assert.match(page.headers["content-type"], /text\/html/);
  const parts = [...page.text.matchAll(/(?:src|href)="([^"#:]+)"/g)].map(([, path]) => path);
  assert.ok(parts.length >= 2, "a script and a style");
  for (const part of parts) assert.equal((await client.get(new URL(part, new URL("/_homing/", router.url)).pathname)).status, 200, part);
  assert.equal((await client.get("/index.html")).headers["homing-reason"], "nearest");
});

test("the snapshot tells of regions, datasets and the last decisions with their reasons", async () => {
  await new Client(router.url, "ap").get("/echo?secret=1");
  const snapshot = await router.snapshot();
  assert.deepEqual(snapshot.regions.map(({ name, reachable, state }) => [name, reachable, state]), ["us", "eu", "ap"].map((name) => [name, true, "active"]));
  assert.equal(snapshot.regions[0].health.region, "us");
  assert.deepEqual(snapshot.datasets.map(({ name, ownership, home }) => [name, ownership, home]), [["catalog", "single-writer", "us"], ["cart", "geo-partitioned", null], ["likes", "multi-writer", null], ["notes", "geo-partitioned", null]]);
  const [last] = snapshot.decisions;
  assert.deepEqual([last.method, last.path, last.region, last.reason, last.status, last.trace.at(-1)], ["GET", "/echo", "ap", "nearest", 200, "nearest ap"]);
});

test("/_homing leads to the dashboard", async () => {
  const answer = await new Client(router.url).get("/_homing");
  assert.deepEqual([answer.status, answer.headers.location], [308, "/_homing/"]);
});

test("a page that polls an idle router gets 304", async () => {
  const client = new Client(router.url);
  const unchanged = await waitUntil(async () => {
    const { headers } = await client.get("/_homing/api/snapshot");
    const again = await client.get("/_homing/api/snapshot", { headers: { "if-none-match": headers.etag } });
    return again.status === 304 && again;
  }, "nothing has changed");
  assert.equal(unchanged.text, "");
});

test("a request that is refused at the door is logged too", async () => {
  await new Client(router.url).request("POST", `/${"x".repeat(9000)}`).then((answer) => assert.equal(answer.headers["homing-write-outcome"], "not-sent"));
  const line = await waitUntil(() => log.split("\n").find((line) => line.includes('"url-too-long"')), "the line is logged");
  assert.deepEqual([JSON.parse(line).method, JSON.parse(line).status], ["POST", 414]);
});

test("what the demo keeps for its peers does not answer through the router", async () => {
  for (const path of ["/control", "/control/seen?path=/", "/replicate?from=us&after=0"]) assert.equal((await new Client(router.url, "eu").get(path)).status, 404, path);
});

test("a region that does not answer is shown as unreachable", async () => {
  await regions.ap.control({ mode: "refuse" });
  await waitUntil(async () => (await router.snapshot()).regions[2].reachable === false, "ap is unreachable");
  await regions.heal();
  await waitUntil(async () => (await router.snapshot()).regions[2].reachable === true, "ap is reachable");
});

test("with an ADMIN_TOKEN the API wants it, and without one it is closed outside of development", async () => {
  const bindings = { SESSION_KEY: "s".repeat(32), ADMIN_TOKEN: "the operators' token" };
  const guarded = await startRouter({ vars: topology(regions, (vars) => void delete vars.DEV), bindings });
  const client = new Client(guarded.url);
  assert.equal((await client.get("/_homing/api/snapshot")).status, 401);
  assert.equal((await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer wrong" } })).status, 401);
  const opened = await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer the operators' token" } });
  assert.equal(opened.status, 200);
  const again = await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer the operators' token", "if-none-match": opened.headers.etag } });
  assert.ok([200, 304].includes(again.status));
  await guarded.stop();
  const closed = await startRouter({ vars: topology(regions, (vars) => void delete vars.DEV), bindings: { SESSION_KEY: "s".repeat(32) } });
  const answer = await new Client(closed.url).get("/_homing/api/snapshot");
  assert.deepEqual([answer.status, /wrangler secret put ADMIN_TOKEN/.test(answer.text)], [403, true]);
});

test("one line of JSON is logged for each request, without queries, cookies or bodies", async () => {
  const client = new Client(router.url, "eu", { authorization: "Bearer canary-authorization" });
  await client.post("/login?token=canary-query", { user: "canary-user" }, { headers: { cookie: "x=canary-cookie" } });
  await client.post("/api/cart/canary", "canary-body", { headers: { "idempotency-key": "canary-key" } });
  const line = await waitUntil(() => log.split("\n").find((line) => line.includes('"/api/cart/canary"')), "the line is logged");
  const { at, ms, ...record } = JSON.parse(line);
  assert.equal(typeof at, "number");
  assert.equal(typeof ms, "number");
  assert.deepEqual([record.method, record.access, record.dataset], ["POST", "write", "cart"]);
  assert.doesNotMatch(log, /canary-(authorization|query|user|cookie|body|key)/);
});

test("a topology with errors is not served: 500 for all, and the log lists every error", async () => {
  let complaints = "";
  const vars = topology(regions, (vars) => {
    vars.DATASETS.catalog.home = "mars";
    delete vars.DATASETS.likes.conflicts;
  });
  const broken = await startRouter({ vars, handleLog: hear((text) => (complaints += text)) });
  for (const path of ["/", "/api/catalog/1"]) {
    const answer = await new Client(broken.url).get(path);
    assert.deepEqual([answer.status, answer.json.reason], [500, "internal"]);
    assert.match(answer.json.detail, /homing check/);
  }
  await waitUntil(() => /vars\.DATASETS\.catalog\.home/.test(complaints) && /vars\.DATASETS\.likes/.test(complaints), "both errors are logged");
});

test("a missing or short SESSION_KEY is said outside of development", async () => {
  for (const [bindings, found] of [[{}, /SESSION_KEY: found nothing/], [{ SESSION_KEY: "short" }, /SESSION_KEY: found 5 characters/]]) {
    let said = "";
    const vars = topology(regions, (vars) => void delete vars.DEV);
    const closed = await startRouter({ vars, bindings, handleLog: hear((text) => (said += text)) });
    assert.equal((await new Client(closed.url).get("/")).status, 500);
    await waitUntil(() => found.test(said), String(found));
  }
});

test("a GET that writes, and a POST that only reads, are found, with the route lines to paste", async () => {
  const client = new Client(router.url, "us");
  for (let n = 0; n < 3; n++) await client.get(`/respond?header=homing-wrote:1&n=${n}`);
  for (let n = 0; n < 20; n++) await client.post("/respond?header=homing-wrote:0", {});
  const { json } = await client.get("/_homing/api/suggestions");
  const about = (what) => json.suggestions.find(({ toml }) => toml.includes(what));
  assert.deepEqual(about("GET /respond").toml, '[[vars.ROUTES]]\nmatch = "GET /respond"\naccess = "write"\n');
  assert.match(about("GET /respond").why, /^3 answers to GET \/respond said that it wrote/);
  assert.match(about("POST /respond").toml, /access = "read"/);
  const { text } = await client.get("/_homing/api/suggestions.toml");
  const pasted = parse(text);
  assert.ok(pasted.vars.ROUTES.some(({ match, access }) => match === "GET /respond" && access === "write"));
  // With these lines the same request is a write.
  const told = await startRouter({ vars: topology(regions, (vars) => void vars.ROUTES.push(...pasted.vars.ROUTES)) });
  assert.equal((await new Client(told.url, "eu").get("/respond?header=homing-wrote:1")).headers["homing-region"], "us");
  assert.deepEqual((await new Client(told.url).get("/_homing/api/suggestions")).json.suggestions, []);
});
