// One URL, one meaning: what a hostile client spells otherwise is routed, signed, sent, stored and logged as one text, and no spelling
// leads past a route. In plain workerd raw URLs and hosts reach the router; miniflare's front brings most into their form.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, sendRaw, startOrigin, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const KEY = "o".repeat(32);
let regions, router, mirror;
/** The request lines that the origin of the second router has got. */
const lines = [];
before(async () => {
  regions = await startRegions({ args: ["--origin-key", KEY] });
  router = await startRouter({ vars: topology(regions), bindings: { ORIGIN_KEY: KEY } });
  const origin = await startOrigin((request, response) => {
    // What the authority tells regions is no client's request.
    if (!request.url.startsWith("/.well-known/")) lines.push(`${request.method} ${request.url}`);
    request.resume();
    response
      .setHeader("content-type", "application/json")
      .setHeader("cache-control", "public, max-age=60")
      .end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const everywhere = (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
    vars.IDENTITY.tenant = { host: "{tenant}.example.com" };
    vars.ROUTES = [
      { match: "/notes/*", dataset: "notes" },
      { match: "/api/catalog/*", dataset: "catalog" },
      { match: "/api/cart/*", dataset: "cart" },
    ];
  };
  mirror = await startRouter({ vars: topology(regions, everywhere) });
});
after(stopAll);

const put = (path, fields = []) =>
  sendRaw(router.url, [`PUT ${path} HTTP/1.1`, "Content-Type: application/json", "Content-Length: 15", ...fields], '{"name":"lamp"}');

test("a write that is spelled out of its route is one of its dataset: it goes to the owner, with the fence", async () => {
  for (const path of ["/api/likes/%2e%2e/catalog/spelled-1", "/api\\catalog\\spelled-2", "/api/%63atalog/spelled-3", "/api/likes/.%2E\\catalog/spelled-4"]) {
    const answer = await put(path, ["Homing-Dev-Near: eu"]);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    assert.deepEqual([answer.headers["homing-region"], answer.headers["homing-reason"]], ["us", "home"], path);
    const [seen] = await regions.us.seen(`/api/catalog/spelled-${path.at(-1)}`);
    assert.deepEqual([seen.home, seen.epoch, seen.intent], ["us", "1", "write"], path);
  }
});

test("what servers read in several ways is refused where it would matter, and goes on where it does not", async () => {
  for (const path of [
    "/api/likes/..%2fcatalog/x",
    "//api/catalog/x",
    "/api;v=1/catalog/x",
    "/api/likes/..;/catalog/x",
    "/api%5Ccatalog/x",
    "/api/likes/%252e%252e%252fcatalog/x",
  ]) {
    const answer = await put(path, ["Homing-Dev-Near: eu"]);
    assert.deepEqual([answer.status, answer.headers["homing-reason"], answer.headers["homing-write-outcome"]], [400, "ambiguous-path", "not-sent"], path);
  }
  const answer = await put("/api/catalog/@scope%2Fname;v=1");
  assert.deepEqual([answer.status, answer.headers["homing-reason"]], [200, "home"], answer.text);
});

test("legal URLs pass a region that wants signatures: what is signed is what is sent", async () => {
  for (const path of [
    "/api/catalog/1?name=O'Brien",
    "/api/catalog/{a}^`|[b]",
    '/api/catalog/"<>',
    "/api/catalog/caf\u00e9?q=\u00fc",
    "/api/catalog/%zz%7e?",
    "/api/catalog/!$&'()*+,=:@?a[]={}|^`\"<>%zz",
  ]) {
    const answer = await put(path);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  }
});

test("the origin's request line is what Node's URL makes of the target", async () => {
  const parts = [
    "/",
    "//",
    "\\",
    "a",
    "%41",
    "%7e",
    "%2f",
    "%25",
    "%zz",
    "'",
    '"',
    "<",
    "^",
    "`",
    "{",
    "|",
    "[",
    "\u00e9",
    "~",
    "%2e%2e",
    "..",
    ".",
    ":",
    "@",
    "!",
    "%C3%A9",
    "*",
    "(",
    "+",
    "?",
    "&=",
    "%00b",
  ];
  let seed = 7;
  const next = (n) => (seed = (seed * 48271) % 2147483647) % n;
  let told = 0;
  let others = 0;
  for (let n = 0; n < 300; n++) {
    const target = `/${Array.from({ length: 1 + next(7) }, () => parts[next(parts.length)]).join("")}`;
    lines.length = 0;
    const answer = await sendRaw(mirror.url, [`GET ${target} HTTP/1.1`, "Cache-Control: no-store"]);
    if (answer.status === 400) {
      others++;
      continue;
    }
    assert.equal(answer.status, 200, `${target}: ${answer.text}`);
    const [line] = lines;
    const url = new URL(`http://h${line.slice(4)}`);
    // What the origin got is final for every parser that comes after, and is the client's own by the same parser.
    assert.equal(line, `GET ${url.pathname}${url.search}${line.endsWith("?") && !url.search ? "?" : ""}`, target);
    const own = new URL(`http://h${target}`);
    const form = (path) =>
      path
        .replace(/%(?![0-9a-f]{2})/gi, "%25")
        .replace(/%[0-9a-f]{2}/gi, (code) =>
          /[\w.~-]/.test(decodeURIComponent(/%[0-7]/.test(code) ? code : "%20")) ? decodeURIComponent(code) : code.toUpperCase(),
        );
    assert.equal(url.pathname, form(own.pathname), target);
    assert.equal(url.search, own.search, target);
    told++;
  }
  assert.ok(told > 150 && others > 5, `${told} passed, ${others} were refused`);
});

test("no spelling reads another's copy, and none stores under another's address", async () => {
  const ask = async (path) => sendRaw(mirror.url, [`GET ${path} HTTP/1.1`, "Host: shop.example.com"]);
  const stored = await ask("/about");
  assert.match(stored.headers["cache-status"], /stored/);
  assert.match((await ask("/about")).headers["cache-status"], /hit/);
  // Out of one key's path into another's, in the ways that a store may resolve.
  for (const climb of [
    "/x/%2e%2e/%2e%2e/_/about",
    "/x/..%2F..%2F_/about",
    "/x\\..\\..\\_/about",
    "/%2e%2e/%2e%2e/_/0/_/about",
    "/x/%252e%252e/%252e%252e/_/about",
  ]) {
    const answer = await ask(climb);
    assert.ok(answer.status === 400 || JSON.parse(answer.text).url !== "/about", `${climb}: ${answer.text}`);
  }
  assert.equal(JSON.parse((await ask("/about")).text).url, "/about");
});

test("the router's own addresses are nobody's by another spelling", async () => {
  for (const path of [
    "/%5Fhoming/cache/_/0/_/x",
    "/%5fhoming/api/snapshot",
    "\\_homing\\api\\snapshot",
    "/x/%2e%2e/_homing/api/snapshot",
    "/x/..%2f_homing/",
  ]) {
    const answer = await sendRaw(mirror.url, [`GET ${path} HTTP/1.1`]);
    assert.ok(!answer.text.startsWith('{"url"'), `${path} reached an origin: ${answer.text}`);
  }
});

test("a host in four spellings is one subject; one that is no host is refused", async () => {
  for (const host of ["acme.example.com", "ACME.example.com", "acme.Example.COM", "acme.example.com."]) {
    const answer = await sendRaw(mirror.url, ["GET /notes/1 HTTP/1.1", `Host: ${host}`, "Cache-Control: no-store"]);
    assert.equal(answer.status, 200, `${host}: ${answer.text}`);
    const { headers } = JSON.parse(answer.text);
    assert.equal(headers["homing-subject"], subjectId("tenant", "acme"), host);
    assert.equal(headers["x-forwarded-host"], "acme.example.com", host);
  }
  // Miniflare's front makes 1.2.0.3 of the last.
  for (const host of ["acme..example.com", ...(process.env.RUNTIME === "workerd" ? ["1.2.3"] : [])]) {
    const answer = await sendRaw(mirror.url, ["GET /notes/1 HTTP/1.1", `Host: ${host}`]);
    assert.equal(answer.status, 400, `${host}: ${answer.text}`);
  }
});

test("safe methods empty no cache and leave no pin; a preflight is answered near", async () => {
  const client = new Client(mirror.url, "eu");
  await client.get("/shelf");
  const hit = async () => /hit/.test((await client.get("/shelf")).headers["cache-status"]);
  await waitUntil(hit, "it is stored");
  for (const [method, headers] of /** @type {any[][]} */ ([
    ["OPTIONS", { "access-control-request-method": "PUT" }],
    ["TRACE", {}],
    ["PROPFIND", {}],
    ["REPORT", {}],
    ["SEARCH", {}],
  ])) {
    const answer = await client.request(method, "/shelf", { headers });
    assert.equal(answer.headers["set-cookie"], undefined, method);
    if (method === "TRACE") assert.deepEqual([answer.status, answer.headers.allow?.includes("GET")], [405, true]);
    else assert.deepEqual([answer.status, answer.headers["homing-region"], answer.headers["homing-reason"]], [200, "eu", "nearest"], method);
    assert.ok(await hit(), `${method} has emptied it`);
  }
  assert.equal((await client.post("/shelf", "x")).status, 200);
  assert.ok(!(await hit()), "an unsafe method has");
});

test("only a GET is upgraded: Upgrade on another method is dropped, and the method stays what it is", async () => {
  lines.length = 0;
  const fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
  const answer = await sendRaw(mirror.url, ["POST /shelf HTTP/1.1", ...fields, "Content-Length: 2"], "{}");
  if (answer.status === 200) {
    assert.deepEqual(lines, ["POST /shelf"]);
    assert.equal(JSON.parse(answer.text).headers.upgrade, undefined);
  } else {
    assert.deepEqual([answer.status >= 400, lines], [true, []], answer.text);
  }
});

test("a GET or HEAD that says that it has no content is one", async () => {
  for (const method of ["GET", "HEAD"]) {
    const answer = await sendRaw(router.url, [`${method} /echo HTTP/1.1`, "Content-Length: 0"]);
    assert.equal(answer.status, 200, answer.text);
  }
  const answer = await sendRaw(router.url, ["GET /echo HTTP/1.1", "Content-Length: 2"], "{}");
  assert.deepEqual([answer.status, answer.headers["homing-reason"]], [400, "body-on-get"]);
});
