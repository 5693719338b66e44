// What operators see: health, the dashboard and its API, logs, and a configuration that is not served.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "smol-toml";
import { Client, hear, root, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

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
  assert.deepEqual(
    snapshot.regions.map(({ name, reachable, state }) => [name, reachable, state]),
    ["us", "eu", "ap"].map((name) => [name, true, "active"]),
  );
  assert.equal(snapshot.regions[0].health.region, "us");
  assert.deepEqual(
    snapshot.datasets.map(({ name, ownership, home }) => [name, ownership, home]),
    [
      ["catalog", "single-writer", "us"],
      ["cart", "geo-partitioned", null],
      ["likes", "multi-writer", null],
      ["views", "multi-writer", null],
      ["profile", "multi-writer", null],
      ["draft", "multi-writer", null],
      ["notes", "geo-partitioned", null],
    ],
  );
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
  for (const path of ["/control", "/control/seen?path=/", "/replicate?from=us&after=0"])
    assert.equal((await new Client(router.url, "eu").get(path)).status, 404, path);
});

test("a region that does not answer is shown as unreachable", async () => {
  await regions.ap.control({ mode: "refuse" });
  await waitUntil(async () => (await router.snapshot()).regions[2].reachable === false, "ap is unreachable");
  await regions.heal();
  await waitUntil(async () => (await router.snapshot()).regions[2].reachable === true, "ap is reachable");
});

const TOKEN = "the operators' token, which is a long one";
const bearer = { authorization: `Bearer ${TOKEN}` };
const production = (change = (..._) => {}) => topology(regions, (vars) => (delete vars.DEV, change(vars)));

test("with an ADMIN_TOKEN the API wants it, and without one it is closed outside of development", async () => {
  const guarded = await startRouter({ vars: production(), bindings: { SESSION_KEY: "s".repeat(32), ADMIN_TOKEN: TOKEN } });
  const client = new Client(guarded.url);
  assert.equal((await client.get("/_homing/api/snapshot")).status, 401);
  for (let n = 0; n < 10; n++) assert.equal((await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer wrong" } })).status, 401);
  assert.equal((await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer wrong" } })).status, 429);
  const opened = await client.get("/_homing/api/snapshot", { headers: bearer });
  assert.equal(opened.status, 200, "who guesses, from wherever, shuts nobody out");
  const again = await client.get("/_homing/api/snapshot", { headers: { ...bearer, "if-none-match": opened.headers.etag } });
  assert.ok([200, 304].includes(again.status));
  await guarded.stop();
  const closed = await startRouter({ vars: production(), bindings: { SESSION_KEY: "s".repeat(32) } });
  const answer = await new Client(closed.url).get("/_homing/api/snapshot");
  assert.deepEqual([answer.status, /wrangler secret put ADMIN_TOKEN/.test(answer.text)], [403, true]);
  await closed.stop();
});

test("an ADMIN_TOKEN that can be guessed opens nothing, says so, and stops no request", async () => {
  let said = "";
  const guarded = await startRouter({ vars: topology(regions), bindings: { ADMIN_TOKEN: "letmein" }, handleLog: hear((text) => (said += text)) });
  const client = new Client(guarded.url);
  for (let n = 0; n < 3; n++) {
    const answer = await client.get("/_homing/api/snapshot", { headers: { authorization: "Bearer letmein" } });
    assert.deepEqual([answer.status, /fewer than 32 characters/.test(answer.json.detail)], [403, true]);
  }
  await waitUntil(() => /ADMIN_TOKEN has fewer than 32 characters/.test(said), "it is logged");
  assert.equal(said.match(/ADMIN_TOKEN has fewer/g).length, 1, "once");
  assert.equal((await client.get("/echo")).status, 200);
  await guarded.stop();
});

test("in development without a token nobody but this machine is heard: not by another name, not through the platform", async () => {
  const order = { request: "hostile", actor: "eve", reason: "because", command: "state", region: "ap", state: "down", for: "1h" };
  const eve = (headers) => new Client(router.url, undefined, headers);
  for (const headers of [
    { host: "app.example.com" },
    { host: "127.evil.com" },
    { host: "localhost.evil.com" },
    { "cf-ray": "8f0e1d2c3b4a5968-FRA" },
    { "cf-connecting-ip": "192.0.2.7" },
  ]) {
    for (const answer of [await eve(headers).get("/_homing/api/snapshot"), await eve(headers).post("/_homing/api/orders", order)]) {
      assert.deepEqual([answer.status, /No ADMIN_TOKEN/.test(answer.json?.detail)], [403, true], JSON.stringify(headers));
    }
    // Nor do they choose their region; the edge stands in Europe.
    assert.equal((await eve({ ...headers, "homing-dev-near": "ap" }).get("/echo")).headers["homing-region"], "eu", JSON.stringify(headers));
  }
  assert.equal((await new Client(router.url, "ap").get("/echo")).headers["homing-region"], "ap");
  assert.equal((await new Client(router.url, "ap", { host: "shop.localhost" }).get("/echo")).headers["homing-region"], "ap");
  assert.deepEqual(
    (await router.snapshot()).regions.map(({ state }) => state),
    ["active", "active", "active"],
  );
});

test("a page of another site gives no orders, neither here in development nor with the token of somebody's", async () => {
  const guarded = await startRouter({ vars: topology(regions), bindings: { ADMIN_TOKEN: TOKEN } });
  const order = { request: "page", actor: "eve", reason: "because", command: "state", region: "ap", state: "draining", for: "1h", dry_run: true };
  for (const { url, fields } of [
    { url: router.url, fields: {} },
    { url: guarded.url, fields: bearer },
  ]) {
    const client = new Client(url, undefined, fields);
    const give = (headers) => client.post("/_homing/api/orders", JSON.stringify(order), { headers });
    // What a form or a script of any page may send without being asked about it first.
    for (const kind of ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      assert.equal((await give({ "content-type": kind })).status, 415, kind);
    }
    assert.equal((await give({})).status, 415);
    const json = { "content-type": "application/json" };
    for (const site of ["cross-site", "same-site"]) assert.equal((await give({ ...json, "sec-fetch-site": site })).status, 403, site);
    for (const origin of ["https://evil.example", "null", `http://localhost:1`]) assert.equal((await give({ ...json, origin })).status, 403, origin);
    const asked = { origin: "https://evil.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization" };
    const preflight = await client.request("OPTIONS", "/_homing/api/orders", { headers: asked });
    assert.deepEqual([preflight.status, Object.keys(preflight.headers).filter((name) => name.startsWith("access-control-"))], [403, []]);
    // The dashboard's own, and the command's.
    assert.equal((await give({ ...json, "sec-fetch-site": "same-origin", origin: url.origin })).status, 200);
    assert.equal((await give(json)).status, 200);
  }
  await guarded.stop();
});

/** What everything under /_homing/ must say, whoever has made it. */
function assertShielded(answer, what) {
  const { headers } = answer;
  const csp = Object.fromEntries(headers["content-security-policy"]?.split("; ").map((part) => [part.split(" ")[0], part.slice(part.indexOf(" ") + 1)]) ?? []);
  const expected = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(csp[name], value, `${what}: ${name}`);
  assert.doesNotMatch(headers["content-security-policy"], /unsafe|\*/, what);
  const fields = ["x-frame-options", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"];
  assert.deepEqual(
    fields.map((name) => headers[name]),
    ["DENY", "nosniff", "no-referrer", "same-origin", "same-origin"],
    what,
  );
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith("access-control-")),
    [],
    what,
  );
  assert.ok(/no-store/.test(headers["cache-control"]) || /\.(js|css)$|_homing\/$|index\.html$/.test(what), `${what}: ${headers["cache-control"]}`);
}

test("everything under /_homing/ forbids framing, sniffing, inline scripts and other sites: files, API, errors", async () => {
  const client = new Client(router.url);
  const statuses = {};
  for (const path of [
    "/_homing/",
    "/_homing/index.html",
    "/_homing/app.js",
    "/_homing/style.css",
    "/_homing/no-such.js",
    "/_homing",
    "/_homing?x",
    "/_homing/healthz",
    "/_homing/api/snapshot",
    "/_homing/api/authority",
    "/_homing/api/suggestions.toml",
    "/_homing/api/no-such",
  ]) {
    const answer = await client.get(path);
    statuses[path] = answer.status;
    assertShielded(answer, path);
  }
  assert.deepEqual([statuses["/_homing/"], statuses["/_homing/no-such.js"], statuses["/_homing/api/no-such"]], [200, 404, 404]);
  assertShielded(await client.post("/_homing/api/orders", "x"), "an order that is none");
  assertShielded(await client.post("/_homing/", "x"), "a POST to the page");
  assertShielded(await client.get("/_homing/api/snapshot", { headers: { "cf-ray": "1" } }), "closed");
  const broken = await startRouter({ vars: topology(regions, (vars) => void (vars.DATASETS.catalog.home = "mars")) });
  const answer = await new Client(broken.url).get("/_homing/healthz");
  assert.equal(answer.status, 500);
  assertShielded(answer, "a configuration with errors");
  await broken.stop();
});

test("with an ADMIN_HOST the operators' side is on that host and on no other", async () => {
  const bindings = { SESSION_KEY: "s".repeat(32), ADMIN_TOKEN: TOKEN };
  const guarded = await startRouter({ vars: production((vars) => void (vars.ADMIN_HOST = "homing.example.com")), bindings });
  const at = (host) => new Client(guarded.url, undefined, host ? { ...bearer, host } : bearer);
  for (const host of ["homing.example.com", "HOMING.example.com:8443"]) {
    for (const path of ["/_homing/", "/_homing/app.js", "/_homing/healthz", "/_homing/api/snapshot"])
      assert.equal((await at(host).get(path)).status, 200, host + path);
  }
  for (const host of ["app.example.com", "homing.example.com.evil.com", undefined]) {
    for (const path of ["/_homing/", "/_homing", "/_homing/app.js", "/_homing/healthz", "/_homing/api/snapshot", "/_homing/api/no-such"]) {
      const answer = await at(host).get(path);
      assert.equal(answer.status, 404, host + path);
      assert.doesNotMatch(answer.text, /homing\.example/);
      assertShielded(answer, `another host: ${path}x`);
    }
  }
  // The application is where it was.
  assert.equal((await at("app.example.com").get("/echo")).status, 200);
  await guarded.stop();
});

test("what the Durable Objects do is for the router's own calls: none of them answers requests or sockets", () => {
  const files = ["src/edge", "src/operators"].flatMap((folder) => readdirSync(join(root, folder)).map((file) => [file, join(root, folder, file)]));
  const classes = files.map(([file, path]) => [file, readFileSync(path, "utf8")]).filter(([, text]) => /extends DurableObject/.test(text));
  assert.deepEqual(classes.map(([file]) => file).sort(), ["authority.mjs", "directory.mjs", "prober.mjs"]);
  for (const [file, text] of classes) assert.doesNotMatch(text, /^\s+(async\s+)?(fetch|connect|webSocket\w*)\s*[(=]/m, file);
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

test("that regions which others may reach are asked without a signature is said once in the log, and in the snapshot", async () => {
  const vars = topology(regions, (vars) => void (vars.REGIONS.ap.origin = "https://ap.example.invalid"));
  for (const [bindings, warned] of /** @type {any[][]} */ ([
    [{}, 1],
    [{ ORIGIN_KEY: "a key that the regions do not look at" }, 0],
  ])) {
    let said = "";
    const other = await startRouter({ vars, bindings, handleLog: hear((text) => (said += text)) });
    const client = new Client(other.url, "us");
    for (const path of ["/echo", "/echo?again"]) assert.equal((await client.get(path)).status, 200);
    const { warnings } = await other.snapshot();
    assert.deepEqual(
      warnings.map((warning) => warning.slice(0, 29)),
      Array(warned).fill("Requests to ap are not signed"),
    );
    await waitUntil(() => said.includes('"/echo"'), "requests are logged");
    assert.equal(said.split("Requests to ap are not signed").length - 1, warned, said);
    await other.stop();
  }
});

test("a missing or short SESSION_KEY is said outside of development", async () => {
  for (const [bindings, found] of /** @type {any[][]} */ ([
    [{}, /SESSION_KEY: found nothing/],
    [{ SESSION_KEY: "short" }, /SESSION_KEY: found 5 characters/],
  ])) {
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
  const pasted = /** @type {any} */ (parse(text));
  assert.ok(pasted.vars.ROUTES.some(({ match, access }) => match === "GET /respond" && access === "write"));
  // With these lines the same request is a write.
  const told = await startRouter({ vars: topology(regions, (vars) => void vars.ROUTES.push(...pasted.vars.ROUTES)) });
  assert.equal((await new Client(told.url, "eu").get("/respond?header=homing-wrote:1")).headers["homing-region"], "us");
  assert.deepEqual((await new Client(told.url).get("/_homing/api/suggestions")).json.suggestions, []);
});
