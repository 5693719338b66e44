// What an origin may answer, and what it may not: RFC 9112 sections 4, 6 and 8, RFC 9110 sections 8, 15 and 6.6.1.
import { gzipSync, brotliCompressSync } from "node:zlib";
import { ask } from "../judge.mjs";
import { response } from "../wire.mjs";

const get = (target, ...lines) => ask("GET", target, lines);
/** Says these bytes, and then closes, or is gone by force. */
const says = (text) => (request, socket) => socket.end(Buffer.from(text, "latin1"));
const breaks = (text) => (request, socket) => socket.write(Buffer.from(text, "latin1"), () => setTimeout(() => socket.resetAndDestroy(), 10));
const head = (...lines) => [...lines, "", ""].join("\r\n");
const answer = (name, rfc, deed, want, lines = []) => ({ name, rfc, send: get("/a", "Cache-Control: no-store", ...lines), deed, want });
/** Nobody can make sense of it: the origin's failure, said as such, and never a piece of it as if it were whole. */
const bad = { status: [502, 503, 504], blames: true };

/** An answer that breaks off may break off for the client too, so it is not held against what is true of whole ones. */
const cutAnswer = (name, rfc, deed) => ({ ...answer(name, rfc, deed, { blames: true, cut: true }), next: false });

const zipped = gzipSync("hello hello hello").toString("latin1");
const brotli = brotliCompressSync(Buffer.from("hello hello hello")).toString("latin1");

export const framings = [
  answer("a length", "9112 6.3", response("200 OK", [], "hello"), { status: 200, content: "hello", has: { "content-length": "5" } }),
  answer("a length of 0", "9112 6.3", response("200 OK", [], ""), { status: 200, content: "" }),
  answer("chunks", "9112 7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", {
    status: 200,
    content: "hello world",
  }),
  answer("chunks with extensions", "9112 7.1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;c\r\n\r\n", {
    status: 200,
    content: "hello",
  }),
  answer(
    "chunks with trailers, which are no fields",
    "9112 7.1.2",
    (request, socket) =>
      socket.end(
        "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: evil=1\r\n\r\n",
      ),
    { status: 200, content: "hello", hasNot: ["set-cookie"] },
  ),
  answer("trailers on a connection that is kept", "9112 7.1.2", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", {
    status: 200,
    content: "hello",
  }),
  answer("a body that the connection's end ends", "9112 6.3", says(head("HTTP/1.1 200 OK", "Connection: close") + "hello"), { status: 200, content: "hello" }),
  answer("an empty body that the connection's end ends", "9112 6.3", says(head("HTTP/1.1 200 OK")), { status: 200, content: "" }),
  answer("a length beside chunks", "9112 6.3", says(head("HTTP/1.1 200 OK", "Content-Length: 99", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n"), {
    status: [200, 502, 503],
    blames: true,
    also: (talk) => talk.answers[0]?.status === 200 && talk.answers[0].content !== "hello" && talk.answers[0].whole && "another body",
  }),
  answer("the same length twice", "9112 6.3", says(head("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 5") + "hello"), {
    status: [200, 502, 503],
    blames: true,
  }),
  answer("two lengths", "9112 6.3", says(head("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6") + "hello!"), bad),
  ...["five", "-1", "+5", "5, 6", "0x5", "99999999999999999999999"].map((length) =>
    answer(`Content-Length: ${length}`, "9112 6.3", says(head("HTTP/1.1 200 OK", `Content-Length: ${length}`) + "hello"), bad),
  ),
  answer("Transfer-Encoding: gzip, chunked", "9112 6.1", says(head("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked") + "5\r\nhello\r\n0\r\n\r\n"), bad),
  answer("Transfer-Encoding: odd", "9112 6.1", says(head("HTTP/1.1 200 OK", "Transfer-Encoding: odd") + "hello"), bad),
  cutAnswer("short of its length", "9112 8", says(head("HTTP/1.1 200 OK", "Content-Length: 50") + "hello")),
  cutAnswer("short of its length, by force", "9112 8", breaks(head("HTTP/1.1 200 OK", "Content-Length: 50") + "hello")),
  cutAnswer("short of a long length", "9112 8", says(head("HTTP/1.1 200 OK", "Content-Length: 500000") + "x".repeat(100_000))),
  cutAnswer("no last chunk, by force", "9112 8", breaks(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + "5\r\nhello\r\n")),
  answer("longer than its length, and it closes", "9112 6.3", says(head("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close") + "helloXXXX"), {
    status: 200,
    content: "hello",
  }),
  answer("longer than its length, on a connection that is kept", "9112 9.2", head("HTTP/1.1 200 OK", "Content-Length: 5") + "helloXXXX", {
    status: 200,
    content: "hello",
  }),
  {
    ...answer("a whole answer more than was asked for", "9112 9.2", response("200 OK", [], "hello") + response("200 OK", [], "evil!"), {
      status: 200,
      content: "hello",
    }),
    hangUp: true,
  },
  answer("70,000 bytes", "9112 6.2", response("200 OK", [], "x".repeat(70_000)), { status: 200, content: "x".repeat(70_000) }),
  answer("every byte", "9110 6.4", response("200 OK", [], String.fromCharCode(...Array(256).keys())), {
    status: 200,
    content: String.fromCharCode(...Array(256).keys()),
  }),
];

export const statuses = [
  answer("no phrase", "9112 4", head("HTTP/1.1 200 ", "Content-Length: 2") + "ok", { status: 200, content: "ok" }),
  answer("no phrase, and no blank", "9112 4", head("HTTP/1.1 200", "Content-Length: 2") + "ok", { status: 200, content: "ok" }),
  answer("a phrase of its own", "9112 4", response("200 Fine By Me"), { status: 200 }),
  ...[
    "201 Created",
    "202 Accepted",
    "203 Non-Authoritative",
    "207 Multi-Status",
    "226 IM Used",
    "299 Odd",
    "300 Multiple Choices",
    "400 Bad Request",
    "402 Payment Required",
    "404 Not Found",
    "405 Method Not Allowed",
    "409 Conflict",
    "410 Gone",
    "418 Teapot",
    "421 Misdirected",
    "422 Unprocessable",
    "425 Too Early",
    "428 Precondition Required",
    "429 Too Many",
    "431 Too Large",
    "451 Legal",
    "499 Odd",
    "500 Error",
    "501 Not Implemented",
    "505 Version",
    "511 Network",
    "599 Odd",
  ].map((status) =>
    answer(`${status} goes as it is`, "9110 15", response(status, ["X-A: 1"], "why"), {
      status: Number(status.slice(0, 3)),
      content: "why",
      has: { "x-a": "1" },
    }),
  ),
  ...["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"].map((status) =>
    answer(`${status} is the client's to follow`, "9110 15.4", response(status, ["Location: /elsewhere"], "go"), {
      status: Number(status.slice(0, 3)),
      content: "go",
      sent: 1,
      has: { location: "/elsewhere" },
    }),
  ),
  ...["502 Bad Gateway", "503 Unavailable", "504 Timeout"].map((status) =>
    answer(`${status} of the only region`, "9110 15.6", response(status, ["X-A: 1"], "why"), {
      status: [Number(status.slice(0, 3))],
      content: "why",
      blames: true,
    }),
  ),
  ...["204 No Content", "205 Reset Content", "304 Not Modified"].map((status) =>
    answer(
      `${status} has no body`,
      "9110 15",
      head(`HTTP/1.1 ${status}`, "X-A: 1", ...(status[2] === "5" ? ["Content-Length: 0"] : [])),
      { status: Number(status.slice(0, 3)), content: "", has: { "x-a": "1" } },
      status[2] === "4" && status[0] === "3" ? ['If-None-Match: "a"'] : [],
    ),
  ),
  answer("a 204 with a length of 0", "9110 8.6", head("HTTP/1.1 204 No Content", "Content-Length: 0"), { status: 204, content: "" }),
  answer("a 204 with a body", "9110 15.3.5", says(head("HTTP/1.1 204 No Content", "Content-Length: 5", "Connection: close") + "hello"), {
    status: [204, 502, 503],
    content: /^$|problem|status/,
    blames: true,
  }),
  answer("a 204 with chunks", "9112 6.1", says(head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked", "Connection: close") + "0\r\n\r\n"), {
    status: [204, 502, 503],
    blames: true,
  }),
  answer("a 205 with a body", "9110 15.3.6", says(head("HTTP/1.1 205 Reset Content", "Content-Length: 5", "Connection: close") + "hello"), {
    status: [205, 502, 503],
    blames: true,
    also: (talk) => talk.answers[0]?.status === 205 && talk.answers[0].content !== "" && "it has a body",
  }),
  answer(
    "a 304 with the length of what it is about",
    "9110 8.6",
    head("HTTP/1.1 304 Not Modified", "Content-Length: 500", 'ETag: "a"'),
    { status: 304, content: "", has: { etag: '"a"' } },
    ['If-None-Match: "a"'],
  ),
  answer(
    "a 304 with a body",
    "9110 15.4.5",
    says(head("HTTP/1.1 304 Not Modified", "Content-Length: 5", "Connection: close") + "hello"),
    { status: 304, content: "" },
    ['If-None-Match: "a"'],
  ),
  answer("a 304 that nobody asked for", "9110 15.4.5", head("HTTP/1.1 304 Not Modified", 'ETag: "a"'), { status: [304, 502, 503], blames: true }),
  ...["100 Continue", "102 Processing", "103 Early Hints"].map((interim) =>
    answer(
      `${interim} before the answer`,
      "9110 15.2",
      `HTTP/1.1 ${interim}\r\nLink: </a>; rel=preload\r\n\r\n${response("200 OK", ["Connection: close"], "hello")}`,
      { status: 200, content: "hello" },
    ),
  ),
  answer(
    "two interim answers",
    "9110 15.2",
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n${response("200 OK", ["Connection: close"], "hello")}`,
    { status: 200, content: "hello" },
  ),
  answer("101 that nobody asked for", "9110 15.2.2", says(head("HTTP/1.1 101 Switching Protocols", "Upgrade: x", "Connection: upgrade")), bad),
  ...["600 Odd", "999 Odd"].map((status) => answer(`${status} is no status`, "9110 15", says(response(status, ["Connection: close"])), { status: [500, 502] })),
  ...[
    "HTTP/1.1 99 Odd",
    "HTTP/1.1 abc",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1",
    "HTTP/3 200 OK",
    "ICY 200 OK",
    "hello",
    "200 OK",
    "\u0000\u0001\u0002",
  ].map((first) =>
    answer(`a first line that is none: ${JSON.stringify(first)}`, "9112 4", says(`${first}\r\nContent-Length: 2\r\n\r\nok`), {
      ...bad,
      status: [502, 503, 504],
    }),
  ),
  answer("nothing, and it closes", "9112 8", (request, socket) => socket.end(), bad),
  answer("nothing, and it breaks off", "9112 8", (request, socket) => socket.resetAndDestroy(), bad),
  answer("half a head, and it closes", "9112 8", says("HTTP/1.1 200 OK\r\nContent-Le"), bad),
];

const fields = (name, rfc, lines, has, hasNot) => answer(name, rfc, response("200 OK", lines, "hello"), { status: 200, content: "hello", has, hasNot });
export const answerFields = [
  fields("no Date: one is given", "9110 6.6.1", [], { date: /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/ }),
  fields("its Date stays", "9110 6.6.1", ["Date: Sun, 06 Nov 1994 08:49:37 GMT"], { date: "Sun, 06 Nov 1994 08:49:37 GMT" }),
  fields("several Set-Cookie", "9110 5.3", ["Set-Cookie: a=1, x", "Set-Cookie: b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT"], {
    "set-cookie": ["a=1, x", "b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT"],
  }),
  fields("Server and what nobody knows", "9110 5.1", ["Server: nginx/1", "X-Odd_name: 1"], { server: "nginx/1", "x-odd_name": "1" }),
  fields("bytes beyond ASCII", "9110 5.5", ["X-A: caf\u00e9 \u0080\u00ff"], { "x-a": "caf\u00e9 \u0080\u00ff" }),
  fields("an empty value", "9110 5.5", ["X-A:"], { "x-a": "" }),
  fields("a value with blanks around it", "9110 5.5", ["X-A:  \t1\t "], { "x-a": "1" }),
  fields("WWW-Authenticate in two lines", "9110 11.6.1", ['WWW-Authenticate: Basic realm="a"', "WWW-Authenticate: Negotiate"], {
    "www-authenticate": 'Basic realm="a", Negotiate',
  }),
  fields("CSP in two lines", "CSP3", ["Content-Security-Policy: a", "Content-Security-Policy: b"], { "content-security-policy": "a, b" }),
  fields("the contract's fields are not the client's", "policy", ["Homing-Position: a=1", "Homing-Wrote: 0", "Homing-Lag: us=0"], {}, [
    "homing-position",
    "homing-wrote",
    "homing-lag",
  ]),
  fields(
    "what is for this cache alone",
    "9213 2",
    ["CDN-Cache-Control: max-age=5", "Cloudflare-CDN-Cache-Control: max-age=6", "Surrogate-Control: max-age=7"],
    { "cdn-cache-control": "max-age=5" },
    ["cloudflare-cdn-cache-control", "surrogate-control"],
  ),
  fields("Age of a cache behind", "9111 5.1", ["Age: 30", "Cache-Control: max-age=100"], { age: /^3\d$/ }),
  fields("no Content-Type stays none", "9110 8.3", [], {}, ["content-type"]),
  fields("Content-Length stays, with a type and without a coding", "9110 8.6", ["Content-Type: text/html"], {
    "content-length": "5",
    "content-type": "text/html",
  }),
  fields("Location to another host", "9110 10.2.2", ["Location: https://elsewhere.example/x"], { location: "https://elsewhere.example/x" }),
  fields("Alt-Svc of a region would lead clients past the router", "7838 2.1", ['Alt-Svc: h3=":443"'], {}, ["alt-svc"]),
  fields("Accept-Ranges and Content-Disposition", "9110 14.3", ["Accept-Ranges: bytes", 'Content-Disposition: attachment; filename="a"'], {
    "accept-ranges": "bytes",
    "content-disposition": 'attachment; filename="a"',
  }),
  fields(
    "30 Set-Cookie",
    "9110 5.3",
    Array.from({ length: 30 }, (_, n) => `Set-Cookie: c${n}=1`),
    { "set-cookie": Array.from({ length: 30 }, (_, n) => `c${n}=1`) },
  ),
  fields("a folded line", "9112 5.2", ["X-A: 1", " 2"], {}),
  answer("lines that end in LF alone", "9112 2.2", says("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok"), {
    status: [200, 502, 503],
    blames: true,
  }),
  answer("a field without a colon", "9112 5", says(head("HTTP/1.1 200 OK", "X-A", "Content-Length: 2") + "ok"), { status: [200, 502, 503], blames: true }),
  answer("a blank before a colon", "9112 5.1", says(head("HTTP/1.1 200 OK", "X-A : 1", "Content-Length: 2", "Connection: close") + "ok"), {
    status: [200, 502, 503],
    blames: true,
  }),
  answer("NUL in a value", "9110 5.5", says(head("HTTP/1.1 200 OK", "X-A: 1\u00002", "Content-Length: 2", "Connection: close") + "ok"), {
    status: [200, 502, 503],
    blames: true,
    also: (talk) => /\0/.test(talk.answers[0]?.get("x-a") ?? "") && "NUL comes to the client",
  }),
  answer("a head of 40,000 bytes", "9110 5.4", response("200 OK", [`X-A: ${"x".repeat(40_000)}`], "hello"), { status: [200, 502, 503], blames: true }),
];

const coded = (name, lines, body, want, asks) => answer(name, "9110 8.4", response("200 OK", lines, body), { status: 200, content: body, ...want }, asks);
export const codings = [
  coded(
    "gzip as it is",
    ["Content-Encoding: gzip", "Vary: Accept-Encoding"],
    zipped,
    { has: { "content-encoding": "gzip", "content-length": String(zipped.length) } },
    ["Accept-Encoding: gzip"],
  ),
  coded("br as it is", ["Content-Encoding: br"], brotli, { has: { "content-encoding": "br" } }, ["Accept-Encoding: br"]),
  coded("gzip for who has not asked", ["Content-Encoding: gzip"], zipped, { has: { "content-encoding": "gzip" } }),
  coded("a coding that is none", ["Content-Encoding: gzip"], "no gzip", { has: { "content-encoding": "gzip" } }, ["Accept-Encoding: gzip"]),
  coded("identity", ["Content-Encoding: identity"], "hello", {}),
  coded("aes128gcm, which nobody here knows", ["Content-Encoding: aes128gcm"], "hello", { has: { "content-encoding": "aes128gcm" } }),
  coded("two codings", ["Content-Encoding: br, gzip"], zipped, { has: { "content-encoding": "br, gzip" } }, ["Accept-Encoding: gzip, br"]),
  {
    name: "gzip in chunks",
    rfc: "9110 8.4",
    send: get("/a", "Accept-Encoding: gzip", "Cache-Control: no-store"),
    deed: head("HTTP/1.1 200 OK", "Content-Encoding: gzip", "Transfer-Encoding: chunked") + `${zipped.length.toString(16)}\r\n${zipped}\r\n0\r\n\r\n`,
    want: { status: 200, content: zipped, has: { "content-encoding": "gzip" } },
  },
  {
    name: "HEAD of gzip",
    rfc: "9110 9.3.2",
    send: ask("HEAD", "/a", ["Accept-Encoding: gzip", "Cache-Control: no-store"]),
    deed: head("HTTP/1.1 200 OK", "Content-Encoding: gzip", `Content-Length: ${zipped.length}`),
    want: { status: 200, has: { "content-encoding": "gzip", "content-length": String(zipped.length) } },
  },
  {
    name: "a 304 about gzip",
    rfc: "9110 15.4.5",
    send: get("/a", "Accept-Encoding: gzip", "Cache-Control: no-store", 'If-None-Match: "z"'),
    deed: head("HTTP/1.1 304 Not Modified", 'ETag: "z"', "Content-Encoding: gzip"),
    want: { status: 304, content: "", has: { etag: '"z"' } },
  },
  {
    name: "a part of gzip",
    rfc: "9110 14.2",
    send: get("/a", "Accept-Encoding: gzip", "Range: bytes=2-5", "Cache-Control: no-store"),
    deed: response("206 Partial Content", ["Content-Encoding: gzip", `Content-Range: bytes 2-5/${zipped.length}`], zipped.slice(2, 6)),
    want: { status: 206, content: zipped.slice(2, 6), has: { "content-encoding": "gzip" } },
  },
  ...["gzip", "br"].flatMap((coding) => {
    const body = coding === "gzip" ? zipped : brotli;
    const stored = response(
      "200 OK",
      ["Cache-Control: max-age=60", `Content-Encoding: ${coding}`, "Vary: Accept-Encoding", 'ETag: "z"', "Content-Type: text/plain"],
      body,
    );
    const ask = (...lines) => get(`/coded/${coding}`, `Accept-Encoding: gzip, ${coding}`, ...lines);
    return [
      {
        name: `from the cache: ${coding}`,
        rfc: "9110 8.4",
        stored,
        store: ask(),
        send: ask(),
        want: { status: 200, content: body, sent: 0, has: { "content-encoding": coding, "content-length": String(body.length) } },
      },
      {
        name: `from the cache: a part of ${coding}`,
        rfc: "9110 14.2",
        stored,
        store: ask(),
        send: ask("Range: bytes=2-5"),
        want: { status: 206, content: body.slice(2, 6), sent: 0, has: { "content-encoding": coding, "content-range": `bytes 2-5/${body.length}` } },
      },
      {
        name: `from the cache: ${coding} for who takes none`,
        rfc: "9110 12.5.3",
        stored,
        store: ask(),
        send: get(`/coded/${coding}`, "Accept-Encoding: identity"),
        deed: response("200 OK", ["Cache-Control: max-age=60", "Vary: Accept-Encoding", "Content-Type: text/plain"], "plain"),
        want: { status: 200, content: "plain", sent: 1, hasNot: ["content-encoding"] },
      },
    ];
  }),
];
