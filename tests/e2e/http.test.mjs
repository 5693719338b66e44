// What clients and origins may expect of anybody who speaks HTTP between them, with raw sockets at both ends: bytes, lines, interim answers.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { Client, runtime, startRouter, stopAll, waitUntil } from "./harness.mjs";

// miniflare's front and its outbound fetch speak for themselves: fields are joined and recoded there, interim answers taken in.
const plain = runtime === "workerd" ? {} : { skip: "miniflare's front is not the router's" };
let router, origin, answer, close;
const seen = [];

before(async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      seen.push(text);
      text = "";
      socket.end(Buffer.from(answer, "latin1"));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  close = () => server.close();
  origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  const vars = {
    REGIONS: { eu: { origin } },
    ROUTES: [
      { match: "/raw/*", rewrite_location: false },
      { match: "POST /once", idempotent: true },
    ],
    EDGE_NAME: "shop.example",
  };
  router = await startRouter({ vars, bindings: { SESSION_KEY: "s".repeat(32) } });
});
after(async () => (await stopAll(), close()));

/** The whole of an answer, as bytes in latin-1. */
function raw(lines) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(router.url.port, "127.0.0.1", () =>
      socket.write(Buffer.from([...lines, "Host: shop.example", "Connection: close", "", ""].join("\r\n"), "latin1")),
    );
    let text = "";
    const hear = (data) => ((text += data.toString("latin1")), text.endsWith("\r\n\r\nok") && (resolve(text), socket.destroy()));
    socket
      .on("data", hear)
      .on("end", () => resolve(text))
      .on("error", reject);
  });
}
const whole = (...fields) => ["HTTP/1.1 200 OK", "Content-Length: 2", "Connection: close", ...fields, "", "ok"].join("\r\n");
const lines = (text, name) =>
  text
    .split("\r\n\r\n")[0]
    .split("\r\n")
    .filter((line) => line.toLowerCase().startsWith(`${name}: `))
    .map((line) => line.slice(name.length + 2));

test("bytes beyond ASCII in a request's fields reach the region as they came", plain, async () => {
  answer = whole();
  await raw(["GET /bytes HTTP/1.1", "X-Name: caf\xe9", 'If-None-Match: "\xff"', "Cookie: a=\xe4; b=1", "X-UTF: \xc3\xa9", "X-Forwarded-For: evil"]);
  const [request] = seen.slice(-1);
  assert.deepEqual(
    [lines(request, "x-name"), lines(request, "if-none-match"), lines(request, "cookie"), lines(request, "x-utf")],
    [["caf\xe9"], ['"\xff"'], ["a=\xe4; b=1"], ["\xc3\xa9"]],
  );
  assert.deepEqual(lines(request, "x-forwarded-for"), [], "what is taken out is taken out all the same");
  assert.equal(lines(request, "homing-region").length, 1);
});

// workerd itself joins the lines of fields that it knows by name as it reads them, Link and WWW-Authenticate among these.
test("fields in several lines stay several, and none is lost in the cache", plain, async () => {
  const fields = [
    'WWW-Authenticate: Basic realm="a"',
    "WWW-Authenticate: Negotiate",
    "Link: </a>; rel=next",
    "Link: </b>; rel=prev",
    "Content-Security-Policy: default-src 'self'",
    "Content-Security-Policy: img-src *",
    "Server-Timing: a;dur=1",
    "Server-Timing: b",
  ];
  answer = whole("Cache-Control: max-age=60", ...fields);
  const first = await raw(["GET /lines HTTP/1.1"]);
  const hit = await waitUntil(async () => {
    const text = await raw(["GET /lines HTTP/1.1"]);
    return /shop\.example; hit/i.test(text) && text;
  }, "it is stored");
  assert.deepEqual(lines(first, "content-security-policy"), ["default-src 'self'", "img-src *"], first);
  assert.deepEqual(lines(first, "server-timing"), ["a;dur=1", "b"], first);
  for (const text of [first, hit]) {
    assert.equal(lines(text, "content-security-policy").join(", "), "default-src 'self', img-src *", text);
    assert.equal(lines(text, "server-timing").join(", "), "a;dur=1, b", text);
    assert.equal(lines(text, "link").join(", "), "</a>; rel=next, </b>; rel=prev");
    assert.equal(lines(text, "www-authenticate").join(", "), 'Basic realm="a", Negotiate');
  }
});

test("a region gets of several lines what the router has read of them, of many fields as of few", plain, async () => {
  answer = whole();
  const some = ["X-Own: a", "Accept-Language: de", "X-Own: b", "Accept-Language: en"];
  const got = [];
  for (const count of [0, 20]) {
    const more = Array.from({ length: count }, (_, at) => `X-More-${at}: 1`);
    const before = seen.length;
    await raw([`GET /several/${count} HTTP/1.1`, ...some, ...more]);
    got.push(["x-own", "accept-language"].map((name) => lines(seen[before], name)));
  }
  assert.deepEqual(
    got,
    [0, 1].map(() => [["a, b"], ["de, en"]]),
  );
});

test("an answer without Date gets one, and so has its copy; what caches behind have said stands before our word", async () => {
  answer = whole("Cache-Control: max-age=60", "Cache-Status: behind; hit");
  const client = new Client(router.url, "eu");
  const first = await client.get("/dateless");
  assert.ok(Math.abs(Date.parse(first.headers.date) - Date.now()) < 5000, first.headers.date);
  assert.equal(first.headers["cache-status"], "behind; hit, shop.example; fwd=uri-miss; fwd-status=200; stored");
  const hit = await waitUntil(async () => {
    const again = await client.get("/dateless");
    return /shop\.example; hit/.test(again.headers["cache-status"]) && again;
  }, "it is stored");
  assert.match(hit.headers["cache-status"], /^behind; hit, shop\.example; hit; ttl=\d+$/);
  assert.equal(hit.headers.date, first.headers.date);
});

test("a region's own address is the public one for the client, from the cache too, but where a route means it", async () => {
  const client = new Client(router.url, "eu");
  const own = [
    "HTTP/1.1 301 Moved Permanently",
    "Content-Length: 0",
    "Connection: close",
    `Location: ${origin}/new?a=b#c`,
    `Link: <${origin}/a>; rel=next`,
    "Cache-Control: max-age=60",
    "",
    "",
  ].join("\r\n");
  answer = own;
  const moved = async (path) => client.get(path);
  const first = await moved("/old");
  assert.equal(first.headers.location, `${router.url.origin}/new?a=b#c`);
  const hit = await waitUntil(async () => {
    const again = await moved("/old");
    return /hit/.test(again.headers["cache-status"]) && again;
  }, "it is stored");
  assert.deepEqual([hit.headers.location, hit.headers.link], [`${router.url.origin}/new?a=b#c`, `<${router.url.origin}/a>; rel=next`]);
  assert.equal((await moved("/raw/old")).headers.location, `${origin}/new?a=b#c`);
});

test("an interim answer is said to be one, at once and once, and opens no breaker", plain, async () => {
  const client = new Client(router.url, "eu");
  for (const interim of ["103 Early Hints", "100 Continue", "999 Odd"]) {
    answer = `HTTP/1.1 ${interim}\r\nLink: </a>; rel=preload\r\n\r\n${whole()}`;
    for (let n = 0; n < 7; n++) {
      const read = await client.get(`/interim-${n}`);
      assert.deepEqual(
        [read.status, read.headers["homing-reason"], read.headers["proxy-status"]],
        [502, "not-final", "shop.example; error=http_protocol_error"],
        interim,
      );
    }
    const before = seen.length;
    const write = await client.post("/once", {}, { headers: { "idempotency-key": "1" } });
    assert.deepEqual(
      [write.status, write.headers["homing-reason"], write.headers["homing-write-outcome"], seen.length - before],
      [502, "not-final", "unknown", 1],
      interim,
    );
  }
  answer = whole();
  assert.deepEqual([(await client.get("/sound")).status, (await client.post("/sound", {})).status], [200, 200]);
});

test("an OPTIONS goes as far as it is meant to", async () => {
  answer = whole();
  const client = new Client(router.url, "eu");
  const before = seen.length;
  const here = await client.request("OPTIONS", "/far", { headers: { "max-forwards": "0" } });
  assert.deepEqual([here.status, seen.length], [200, before]);
  assert.match(here.headers.allow, /OPTIONS/);
  await client.request("OPTIONS", "/far", { headers: { "max-forwards": "3" } });
  assert.deepEqual(lines(seen.at(-1), "max-forwards"), ["2"]);
});

test("a trace that nobody can read begins anew, without the state of the old", async () => {
  answer = whole();
  const client = new Client(router.url, "eu");
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await client.get("/trace?good", { headers: { traceparent: trace, tracestate: "a=1, b=2" } });
  assert.deepEqual([lines(seen.at(-1), "traceparent"), lines(seen.at(-1), "tracestate")], [[trace], ["a=1, b=2"]]);
  for (const headers of [{ traceparent: `${trace}-junk`, tracestate: "a=1" }, { traceparent: [trace, trace], tracestate: "a=1" }, { tracestate: "a=1" }]) {
    await client.get("/trace?bad", { headers });
    const [begun, more] = lines(seen.at(-1), "traceparent");
    assert.match(begun, /^00-(?!0af76519)[0-9a-f]{32}-[0-9a-f]{16}-02$/);
    assert.deepEqual([more, lines(seen.at(-1), "tracestate")], [undefined, []]);
  }
});
