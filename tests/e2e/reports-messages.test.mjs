// What other proxies were reported for, as cases of our own: framing, header fields, cookies, redirects, streams; bytes at both ends.
// Behind each case stands the report, or where the kind is described; nothing of their text is here.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Client, FRONT, address, runtime, sendRaw, startRouter, stopAll, waitUntil } from "./harness.mjs";
import { lines } from "./reported.mjs";
import { exchange, fine, message, startRawOrigin, statusOf } from "./reports.mjs";

// miniflare's front recodes, joins and frames anew, and is not the router.
const plain = runtime === "workerd" ? {} : { skip: "miniflare's front is not the router's" };
/** What lies at each path: `answer(request, socket, n)`, and the requests that came. */
const places = new Map();
let router, origin;
before(async () => {
  origin = await startRawOrigin((request, socket, n) => {
    const place = places.get(request.path.split("?")[0]);
    place?.seen.push(request);
    return place ? place.answer(request, socket, n) : message("404 Not Found", "none");
  });
  router = await startRouter({ vars: { REGIONS: { eu: { origin } }, DEV: true }, bindings: { SESSION_KEY: "s".repeat(32) } });
});
after(stopAll);

let number = 0;
function place(answer) {
  const path = `/place/${++number}`;
  const seen = [];
  places.set(path, { answer: typeof answer === "string" ? () => answer : answer, seen });
  return { path, seen };
}
const client = () => new Client(router.url, "eu");

// https://github.com/envoyproxy/envoy/issues/7753 https://github.com/envoyproxy/envoy/issues/14890 https://github.com/seanmonstar/reqwest/issues/838
test("an empty body has the length 0 where the method has bodies, and no frame at all where it has none", async () => {
  const { path, seen } = place(({ method }) => (method === "HEAD" ? fine("") : fine()));
  for (const [line, fields, length] of /** @type {any[][]} */ ([
    ["POST", ["Content-Length: 0"], "0"],
    ["PUT", ["Content-Length: 0"], "0"],
    ["PATCH", ["Content-Length: 0"], "0"],
    ["POST", [], "0"],
    ["GET", [], undefined],
    ["HEAD", [], undefined],
  ])) {
    assert.equal(statusOf(await exchange(router, [`${line} ${path} HTTP/1.1`, ...fields])), 200, line);
    assert.deepEqual(
      [seen.at(-1).method, seen.at(-1).one("content-length"), seen.at(-1).one("transfer-encoding")],
      [line, length, undefined],
      `${line} ${fields}`,
    );
  }
});

// https://github.com/opensearch-project and every search engine behind a proxy: DELETE with a body.
test("a body of a DELETE, of a PATCH and of an unknown length reaches the region whole", async () => {
  const { path, seen } = place(fine());
  for (const [line, fields, body] of /** @type {any[][]} */ ([
    ["DELETE", ["Content-Length: 5"], "12345"],
    ["PATCH", ["Content-Length: 5"], "12345"],
    ["POST", ["Transfer-Encoding: chunked"], "5\r\n12345\r\n0\r\n\r\n"],
    ["DELETE", ["Transfer-Encoding: chunked"], "5;x=y\r\n12345\r\n0\r\n\r\n"],
  ])) {
    const before = seen.length;
    const text = await exchange(router, [`${line} ${path} HTTP/1.1`, ...fields], { body });
    if (statusOf(text) !== 200 && /;x=y/.test(body)) continue; // workerd takes no extensions of chunks
    assert.equal(statusOf(text), 200, `${line} ${fields} ${text}`);
    assert.match(seen.at(-1).body, /12345/);
    assert.equal(seen.length, before + 1);
  }
});

// https://github.com/haproxy/haproxy/issues/1932 https://github.com/haproxy/haproxy/issues/2836
test("the answer to a HEAD has no byte behind its head, however its origin frames it", plain, async () => {
  for (const frame of ["Transfer-Encoding: chunked", "Content-Length: 1000", "X-None: 1"]) {
    const { path } = place((request) => (request.method === "HEAD" ? `HTTP/1.1 200 OK\r\n${frame}\r\nETag: "a"\r\n\r\n` : fine("the body")));
    const next = place(fine("next"));
    const text = await exchange(router, [`HEAD ${path} HTTP/1.1`], {
      body: `GET ${next.path} HTTP/1.1\r\nHost: shop.example\r\n\r\n`,
      enough: (came) => came.includes("next"),
    });
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\nHTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n(?:4\r\n)?next/, `${frame}: ${text}`);
  }
});

// https://github.com/varnishcache/varnish-cache/issues/818 https://github.com/varnishcache/varnish-cache/issues/1826
test("behind a 204 or 304 with a length, the next answer of that connection is the next one's", async () => {
  for (const head of [
    "204 No Content\r\nX-A: 1",
    '304 Not Modified\r\nContent-Length: 500\r\nETag: "a"',
    '304 Not Modified\r\nTransfer-Encoding: chunked\r\nETag: "a"',
  ]) {
    const { path } = place(`HTTP/1.1 ${head}\r\n\r\n`);
    const next = place(fine("next"));
    for (let n = 0; n < 3; n++) {
      const answer = await client().get(path, { headers: { "if-none-match": '"a"', "cache-control": "no-store" } });
      assert.deepEqual([answer.status, answer.text], [Number(head.slice(0, 3)), ""], head);
      assert.equal((await client().get(next.path, { headers: { "cache-control": "no-store" } })).text, "next", head);
    }
  }
});

// https://github.com/h2o/h2o/pull/725
test("a body that the connection ends, of HTTP/1.0 or 1.1, comes whole", async () => {
  for (const version of ["1.0", "1.1"]) {
    const body = "x".repeat(300_000);
    const { path } = place((_request, socket) => void socket.end(`HTTP/${version} 200 OK\r\nConnection: close\r\n\r\n${body}`));
    const answer = await client().get(path);
    assert.deepEqual([answer.status, answer.text.length], [200, body.length], version);
  }
});

// https://github.com/envoyproxy/envoy/issues/3648 https://github.com/varnishcache/varnish-cache/issues/1691
test("an origin's frame that contradicts itself gives its whole body or an error, never a part of it or more", async () => {
  for (const [fields, right] of /** @type {any[][]} */ ([
    ["Content-Length: 5\r\nContent-Length: 5", "hello"],
    ["Content-Length: 5, 5", "hello"],
    ["Content-Length: 5\r\nContent-Length: 3", undefined],
    ["Content-Length: -5", undefined],
    ["Content-Length: 5x", undefined],
    ["Content-Length: 0x5", undefined],
    ["Content-Length: +5", undefined],
  ])) {
    const { path } = place(
      (_request, socket) => void socket.end(`HTTP/1.1 200 OK\r\n${fields}\r\nConnection: close\r\nCache-Control: max-age=60\r\n\r\nhello`),
    );
    const answer = await client().get(path);
    if (answer.status === 200) assert.equal(answer.text, right ?? "hello", fields);
    else assert.ok([502, 503].includes(answer.status), `${fields}: ${answer.status}`);
    const next = place(fine("next"));
    assert.equal((await client().get(next.path)).text, "next");
  }
});

// https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffer_size: "upstream sent too big header".
test("forty cookies of a kilobyte each come through, one line each, in their order", async () => {
  const cookies = Array.from({ length: 40 }, (_, n) => `c${n}=${"x".repeat(1000)}; Path=/; HttpOnly`);
  const { path } = place(fine("ok", ...cookies.map((cookie) => `Set-Cookie: ${cookie}`)));
  const text = await exchange(router, [`GET ${path} HTTP/1.1`]);
  assert.deepEqual([statusOf(text), lines(text, "set-cookie")], [200, cookies]);
});

// https://github.com/haproxy/haproxy/issues/831 https://github.com/tomMoulard/fail2ban/issues/245
test("cookies of an answer come as they are, whatever stands in them", plain, async () => {
  const cookies = [
    "a=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT; Path=/a,b",
    "__Host-b=2; Secure; Path=/; SameSite=None; Partitioned",
    'c="quoted; no"',
    "d",
    "=e",
    "f=",
    "g=1;;; ;path=/;",
    'h={"a":1,"b":[2]}',
    "i=\xe4\xf6; Priority=High; samesite=lax",
    "a=2; Path=/other",
  ];
  const { path } = place(fine("ok", ...cookies.map((cookie) => `Set-Cookie: ${cookie}`)));
  assert.deepEqual(lines(await exchange(router, [`GET ${path} HTTP/1.1`]), "set-cookie"), cookies);
  const moved = place(["HTTP/1.1 302 Found", "Location: /next", ...cookies.map((cookie) => `Set-Cookie: ${cookie}`), "Content-Length: 0", "", ""].join("\r\n"));
  assert.deepEqual(lines(await exchange(router, [`GET ${moved.path} HTTP/1.1`]), "set-cookie"), cookies);
});

// https://github.com/haproxy/haproxy/issues/1818
test("a request's cookies come as they are, but for ours", plain, async () => {
  const { path, seen } = place(fine());
  for (const [cookie, expected] of /** @type {any[][]} */ ([
    ['a=1; a=2; b="x; y"', 'a=1; a=2; b="x; y"'],
    ['a={"k":[1,2]}; b', 'a={"k":[1,2]}; b'],
    ["$Version=1; a=1; $Path=/", "$Version=1; a=1; $Path=/"],
    ["a=1;b=2;  c=3", "a=1;b=2;  c=3"],
    ["__Host-homing=junk; a=1", "a=1"],
    ["a=1; __Host-homing=junk", "a=1"],
    ["__Host-homing=junk", undefined],
    ["__host-homing=theirs; a=1", "__host-homing=theirs; a=1"],
    ["a=__Host-homing=x", "a=__Host-homing=x"],
  ])) {
    await exchange(router, [`GET ${path} HTTP/1.1`, `Cookie: ${cookie}`]);
    assert.equal(seen.at(-1).one("cookie"), expected, cookie);
  }
});

// https://github.com/kubernetes/ingress-nginx/pull/166 https://github.com/kubernetes/ingress-nginx/issues/1406 https://github.com/kubernetes/ingress-nginx/issues/5222
test("a redirect goes where its application says, and to the public port where it named its own", async () => {
  const { port } = new URL(origin);
  for (const [said, expected] of /** @type {any[][]} */ ([
    ["/a?b=c#d", "/a?b=c#d"],
    ["?page=2", "?page=2"],
    ["../up", "../up"],
    ["//cdn.example/x", "//cdn.example/x"],
    ["https://login.example/?next=%2Fa", "https://login.example/?next=%2Fa"],
    [`http://127.0.0.1:${port}/a?to=http://127.0.0.1:${port}/b`, `${router.url.origin}/a?to=http://127.0.0.1:${port}/b`],
    [`http://127.0.0.1:${port}`, router.url.origin],
    [`//127.0.0.1:${port}/x`, `//${router.url.host}/x`],
    ["app://open", "app://open"],
    ["/caf\xe9", "/caf\xe9"],
  ])) {
    const { path } = place(`HTTP/1.1 302 Found\r\nLocation: ${said}\r\nContent-Length: 0\r\n\r\n`);
    const text = await exchange(router, [`GET ${path} HTTP/1.1`, `Host: ${router.url.host}`]);
    assert.deepEqual([statusOf(text), lines(text, "location")], [302, [expected]], said);
  }
});

test("a status that nobody knows passes with its body", async () => {
  for (const status of [203, 226, 299, 305, 306, 399, 418, 420, 451, 460, 499, 505, 507, 511, 598, 599]) {
    const { path } = place(message(`${status} Odd`, "said"));
    const answer = await client().get(path);
    assert.deepEqual([answer.status, answer.text], [status, "said"]);
  }
});

// https://github.com/sozu-proxy/sozu/pull/1175 https://github.com/privacyidea/privacyidea/issues/2668 https://github.com/envoyproxy/envoy/issues/5889
test("Forwarded quotes what has to be, and a client of IPv6 is named in brackets there and without in X-Forwarded-For", plain, async () => {
  const { path, seen } = place(fine());
  await client().get(path, { headers: { "cf-connecting-ip": "2001:db8::1", forwarded: 'for="[::1]";by=evil', "x-forwarded-for": "1.2.3.4, 5.6.7.8" } });
  const request = seen.at(-1);
  assert.deepEqual([request.all("x-forwarded-for"), request.all("forwarded")], [["2001:db8::1"], [`for="[2001:db8::1]";host="${router.url.host}";proto=http`]]);
});

test("Via keeps who stood before, in one list that ends with us", async () => {
  const { path, seen } = place(fine());
  await client().get(path, { headers: { via: ["1.0 fred, 1.1 p.example.net (a, b)", "2 other"] } });
  assert.equal(seen.at(-1).one("via"), "1.0 fred, 1.1 p.example.net (a, b), 2 other, 1.1 homing");
});

// https://bishopfox.com/blog/h2c-smuggling-request
test("an upgrade to anything but a WebSocket is not asked for", plain, async () => {
  const { path, seen } = place(fine());
  const text = await exchange(router, [
    `GET ${path} HTTP/1.1`,
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "Connection: Upgrade, HTTP2-Settings, close",
  ]);
  assert.equal(statusOf(text), 200);
  assert.deepEqual([seen.at(-1).one("upgrade"), seen.at(-1).one("http2-settings")], [undefined, undefined]);
});

// https://github.com/haproxy/haproxy/issues/2876
test("a WebSocket that is refused says so with all that its region says", async () => {
  for (const [status, fields] of /** @type {any[][]} */ ([
    ["401 Unauthorized", ['WWW-Authenticate: Bearer realm="x"']],
    ["404 Not Found", []],
    ["429 Too Many Requests", ["Retry-After: 7"]],
    ["302 Found", ["Location: /login"]],
    ["426 Upgrade Required", ["Sec-WebSocket-Version: 13"]],
  ])) {
    const { path } = place(message(status, "because", ...fields));
    const answer = await new Promise((resolve, reject) => {
      const headers = {
        ...FRONT,
        "cf-connecting-ip": address(),
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
      };
      const request = http.get(new URL(path, router.url), { agent: false, headers }, (response) => {
        let text = "";
        response.on("data", (data) => (text += data)).on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
      });
      request.on("upgrade", () => reject(new Error("upgraded"))).on("error", reject);
    });
    assert.deepEqual([answer.status, answer.text], [Number(status.slice(0, 3)), "because"], status);
    for (const line of fields) assert.equal(answer.headers[line.split(":")[0].toLowerCase()], line.slice(line.indexOf(":") + 2));
  }
});

// https://github.com/nginx/nginx/issues/1505 https://github.com/owncloud/core/pull/9924
test("events reach each of several clients of one address as they are sent, and none waits for another", async () => {
  const open = [];
  const { path, seen } = place((_request, socket) => {
    open.push(socket);
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nc\r\ndata: first\n\r\n");
  });
  const streams = await Promise.all(
    Array.from({ length: 4 }, () =>
      client().get(path, { raw: true, headers: { accept: "text/event-stream", "accept-encoding": "gzip", "last-event-id": "41" } }),
    ),
  );
  const firsts = await Promise.all(streams.map((stream) => new Promise((resolve) => stream.once("data", (data) => resolve(String(data))))));
  assert.deepEqual(new Set(firsts), new Set(["data: first\n"]));
  assert.deepEqual([seen.length, seen[0].one("last-event-id")], [4, "41"]);
  for (const stream of streams) stream.destroy();
});

// https://github.com/envoyproxy/envoy/issues: gRPC-Web has its trailers in the body, which is no text.
test("a body of gRPC-Web goes both ways by the byte, and its status stands where it stood", async () => {
  const frame = String.fromCharCode(...Array.from({ length: 256 }, (_, n) => n));
  const { path, seen } = place(() =>
    message("200 OK", `${frame}\x80\x00\x00\x00\x0fgrpc-status:0\r\n`, "Content-Type: application/grpc-web+proto", "Grpc-Status: 0", "Grpc-Message: a%20b"),
  );
  const answer = await client().request("POST", path, {
    body: Buffer.from(frame, "latin1"),
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", te: "trailers", "grpc-timeout": "1S" },
  });
  assert.deepEqual([answer.bytes.toString("latin1").startsWith(frame), answer.bytes.length, seen.at(-1).body === frame], [true, 256 + 20, true]);
  assert.deepEqual([answer.headers["grpc-status"], answer.headers["grpc-message"], seen.at(-1).one("grpc-timeout"), seen.length], ["0", "a%20b", "1S", 1]);
});

// https://nginx.org/en/docs/http/ngx_http_core_module.html#underscores_in_headers: dropped there without a word.
test("fields with underscores, with nothing in them, in several lines and unheard of pass", plain, async () => {
  const { path, seen } = place(fine());
  await exchange(router, [`GET ${path} HTTP/1.1`, "X_Custom_Id: 7", "X-Empty:", "X-Many: 1", "X-Many: 2", "X-!#$%&'*+.^`|~: odd", "X-Tab: a\tb"]);
  const { one } = seen.at(-1);
  assert.deepEqual([one("x_custom_id"), seen.at(-1).all("x-empty"), one("x-many"), one("x-!#$%&'*+.^`|~"), one("x-tab")], ["7", [""], "1, 2", "odd", "a\tb"]);
});

// https://github.com/haproxy/haproxy/issues: pipelined requests, and clients that half-close behind their request.
test("requests in one piece are answered in their order, and one behind which the client says no more is answered", plain, async () => {
  const slow = place(async () => (await new Promise((resolve) => setTimeout(resolve, 50)), fine("slow")));
  const quick = place(fine("quick"));
  const more = [quick.path, slow.path].map((path, n) => `GET ${path}?${n} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
  const text = await exchange(router, [`GET ${slow.path} HTTP/1.1`], { body: more, enough: (came) => came.match(/slow|quick/g)?.length === 3 });
  assert.match(text, /slow[^]*quick[^]*slow/);
  const closing = await sendRaw(router.url, [`GET ${slow.path} HTTP/1.1`]);
  assert.deepEqual([closing.status, closing.text], [200, "slow"]);
});

// https://github.com/varnishcache/varnish-cache/pull/3416
test("what an origin says of its own connection is not said to the client", plain, async () => {
  const { path } = place(
    fine(
      "ok",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "Proxy-Authenticate: Basic",
      "Connection: keep-alive, X-Hop",
      "X-Hop: 1",
      "TE: x",
      "Trailer: X-T",
      "Upgrade: h2c",
      "X-Stays: 1",
    ),
  );
  const text = await exchange(router, [`GET ${path} HTTP/1.1`]);
  for (const name of ["keep-alive", "proxy-connection", "proxy-authenticate", "x-hop", "upgrade", "te"]) assert.deepEqual(lines(text, name), [], name);
  assert.deepEqual(lines(text, "x-stays"), ["1"]);
});

// https://www.rfc-editor.org/rfc/rfc9112#section-5.2, and what Squid and Apache were reported for: folded lines.
test("a folded line of an answer becomes no field of its own", plain, async () => {
  const { path } = place(fine("ok", "X-Folded: a\r\n X-Evil: 1"));
  const text = await exchange(router, [`GET ${path} HTTP/1.1`]);
  assert.deepEqual(lines(text, "x-evil"), []);
  assert.ok([200, 502, 503].includes(statusOf(text)), text);
  const next = place(fine("next"));
  assert.equal((await client().get(next.path)).text, "next");
});

// https://fetch.spec.whatwg.org/#http-cors-protocol: a preflight is no GET, and nobody's copy.
test("a preflight reaches its region, is not stored, and costs no copy", async () => {
  const { path, seen } = place((request) =>
    request.method === "OPTIONS"
      ? message(
          "204 No Content",
          "",
          "Access-Control-Allow-Origin: https://a.example",
          "Access-Control-Max-Age: 600",
          "Cache-Control: max-age=600",
          "Vary: Origin",
        ).replace("Content-Length: 0\r\n", "")
      : fine("body", "Cache-Control: max-age=60"),
  );
  await client().get(path);
  await waitUntil(async () => /hit/.test((await client().get(path)).headers["cache-status"]), "it is stored");
  for (let n = 0; n < 2; n++) {
    const answer = await client().request("OPTIONS", path, {
      headers: { origin: "https://a.example", "access-control-request-method": "PUT", "access-control-request-headers": "x-a" },
    });
    assert.deepEqual(
      [answer.status, answer.headers["access-control-allow-origin"], answer.headers["access-control-max-age"]],
      [204, "https://a.example", "600"],
    );
  }
  assert.match((await client().get(path)).headers["cache-status"], /hit/);
  assert.deepEqual(
    seen.map(({ method }) => method),
    ["GET", "OPTIONS", "OPTIONS"],
  );
});

// https://github.com/varnishcache/varnish-cache/issues/1729 https://github.com/varnishcache/varnish-cache/issues/1954
test("chunks go before a length in an answer, and no frame at all is read to its end", async () => {
  const { path } = place("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  const both = await client().get(path);
  assert.ok(both.text === "hello" || [502, 503].includes(both.status), `${both.status} ${both.text}`);
  const none = place((_request, socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nThe quick brown fox"));
  assert.equal((await client().get(none.path)).text, "The quick brown fox");
  const next = place(fine("next"));
  assert.equal((await client().get(next.path)).text, "next");
});
