// What belongs to one connection: RFC 9112 section 9, RFC 9110 sections 7.6 and 10.1.1; and uploads that are answered before they end.
import { createHash } from "node:crypto";
import { ask } from "../judge.mjs";
import { HOST, response } from "../wire.mjs";

const get = (target, ...lines) => ask("GET", target, lines);
const raw = (...lines) => [...lines, "", ""].join("\r\n");
const goes = (lines, hasNot, has = {}) => ({ send: get("/x", ...lines), want: { status: 200, sent: 1, saw: { hasNot, has } } });
const comes = (fields, hasNot, has = {}) => ({
  send: get("/x"),
  deed: response("200 OK", ["Cache-Control: no-store", ...fields]),
  want: { status: 200, content: "ok", hasNot, has },
});

export const connection = [
  { name: "Connection: close", rfc: "9112 9.6", ...goes(["Connection: close"], []), next: false },
  {
    name: "Connection: close is obeyed",
    rfc: "9112 9.6",
    send: get("/x", "Connection: close"),
    want: { status: 200, also: (talk) => !talk.closed && talk.next && !talk.next.nothing && "the connection stays open" },
  },
  {
    name: "what Connection names goes no further",
    rfc: "9110 7.6.1",
    ...goes(["Connection: x-a, X-B", "X-A: 1", "X-B: 2", "X-C: 3"], ["x-a", "x-b"], { "x-c": "3" }),
  },
  { name: "two Connection lines", rfc: "9110 7.6.1", ...goes(["Connection: x-a", "Connection: keep-alive, x-b", "X-A: 1", "X-B: 2"], ["x-a", "x-b"]) },
  { name: "Connection names nothing that is there", rfc: "9110 7.6.1", ...goes(["Connection: , x-none ,,"], ["x-none"]) },
  {
    name: "Connection cannot name ours away",
    rfc: "9110 7.6.1",
    ...goes(["Connection: via, x-forwarded-host, homing-region, cdn-loop, host, forwarded"], [], {
      via: /homing/,
      "x-forwarded-host": HOST,
      "homing-region": "eu",
      "cdn-loop": /homing/,
    }),
  },
  {
    name: "Connection cannot name the length away",
    rfc: "9110 7.6.1",
    send: ask("POST", "/x", ["Connection: content-length", "Content-Length: 5"], "hello"),
    want: { status: [200, 400], also: (talk, seen) => seen.length && seen[0].content !== "hello" && `the origin got ${seen[0].content}` },
  },
  {
    name: "Connection names too much",
    rfc: "9110 7.6.1",
    send: get("/x", `Connection: ${Array.from({ length: 60 }, (_, n) => `x-${n}`).join(", ")}`),
    want: { status: [200, 431] },
  },
  ...[
    ["Keep-Alive: timeout=5", "keep-alive"],
    ["Proxy-Connection: keep-alive", "proxy-connection"],
    ["TE: trailers, deflate;q=0.5", "te"],
    ["Trailer: X-T", "trailer"],
    ["Proxy-Authorization: Basic YTpi", "proxy-authorization"],
    ["Proxy-Authenticate: Basic", "proxy-authenticate"],
    ["Upgrade: h2c", "upgrade"],
    ["Upgrade: websocket2", "upgrade"],
  ].map(([line, name]) => ({ name: `${line} goes no further`, rfc: "9110 7.6.1", ...goes([line], [name]) })),
  {
    name: "an upgrade to h2c is passed over, with its settings",
    rfc: "9113 3.1",
    ...goes(["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"], ["upgrade", "http2-settings"]),
  },
  {
    name: "an upgrade of a POST is passed over",
    rfc: "9110 7.8",
    send: ask(
      "POST",
      "/x",
      ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Content-Length: 2"],
      "{}",
    ),
    want: { status: 200, sent: 1, saw: { content: "{}", hasNot: ["upgrade"] } },
  },
  {
    name: "Via says the router, behind who was there before",
    rfc: "9110 7.6.3",
    ...goes(["Via: 1.0 fred, 1.1 p.example"], [], { via: "1.0 fred, 1.1 p.example, 1.1 homing" }),
  },
  { name: "a loop ends", rfc: "8586 2", send: get("/x", "CDN-Loop: homing, other, homing"), want: { status: 508, sent: 0 } },
  { name: "a loop of a bare proxy ends", rfc: "9110 7.6.3", send: get("/x", "Via: 1.1 homing, 1.1 homing"), want: { status: 508, sent: 0 } },
  {
    name: "fields of the connection in an answer come no further",
    rfc: "9110 7.6.1",
    ...comes(
      ["Keep-Alive: timeout=5", "Proxy-Connection: x", "Connection: x-a, keep-alive", "X-A: 1", "X-B: 2", "Upgrade: h2c"],
      ["keep-alive", "proxy-connection", "x-a", "upgrade"],
      { "x-b": "2" },
    ),
  },
  {
    name: "an answer's Connection cannot name our fields away",
    rfc: "9110 7.6.1",
    ...comes(["Connection: homing-region, cache-status, date"], [], { "homing-region": /./, "cache-status": /./ }),
    next: undefined,
  },
  { name: "Authorization is for the origin and comes to it", rfc: "9110 11.6.2", ...goes(["Authorization: Bearer x"], [], { authorization: "Bearer x" }) },
];

/** A client that waits for the interim answer before its body. */
const waits = (how) => ({ after: how });
const soon = (text) =>
  new Promise((resolve) => {
    const end = Date.now() + 300;
    const look = () => (/^HTTP\/1\.1 100/.test(text()) || Date.now() > end ? resolve(undefined) : setTimeout(look, 5));
    look();
  });

export const expect = [
  {
    name: "Expect: 100-continue, and the body comes at once",
    rfc: "9110 10.1.1",
    send: ask("POST", "/x", ["Expect: 100-continue", "Content-Length: 5"], "hello"),
    want: { status: 200, sent: 1, saw: { content: "hello", hasNot: ["expect"] }, also: asked },
    interim: true,
  },
  {
    name: "Expect: 100-continue, and the client waits a while",
    rfc: "9110 10.1.1",
    send: [ask("POST", "/x", ["Expect: 100-continue", "Content-Length: 5"]), waits(soon), "hello"],
    want: { status: 200, sent: 1, saw: { content: "hello", hasNot: ["expect"] } },
    interim: true,
  },
  {
    name: "Expect: 100-continue with chunks",
    rfc: "9110 10.1.1",
    send: ask("POST", "/x", ["Expect: 100-continue", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: { status: 200, sent: 1, saw: { content: "hello", hasNot: ["expect"] } },
    interim: true,
  },
  {
    name: "Expect in capitals",
    rfc: "9110 10.1.1",
    send: ask("POST", "/x", ["Expect: 100-Continue", "Content-Length: 5"], "hello"),
    want: { status: 200, sent: 1, saw: { content: "hello", hasNot: ["expect"] } },
    interim: true,
  },
  {
    name: "Expect on a GET",
    rfc: "9110 10.1.1",
    send: get("/x", "Expect: 100-continue"),
    want: { status: 200, sent: 1, saw: { hasNot: ["expect"] } },
    interim: true,
  },
  {
    name: "an expectation that nobody knows",
    rfc: "9110 10.1.1",
    send: ask("POST", "/x", ["Expect: 200-ok", "Content-Length: 5"], "hello"),
    want: { status: [200, 417] },
  },
  {
    name: "a refusal of what expects, whose body comes after a while",
    rfc: "9110 10.1.1",
    send: [ask("POST", `/${"x".repeat(9000)}`, ["Expect: 100-continue", "Content-Length: 5"]), waits(soon), "hello"],
    next: false,
    want: { status: 414, sent: 0 },
  },
  {
    name: "a refusal of a long upload that waits to be asked for",
    rfc: "9110 10.1.1",
    send: ask("POST", `/${"x".repeat(9000)}`, ["Expect: 100-continue", "Content-Length: 500000"]),
    next: false,
    want: { status: 414, sent: 0 },
  },
];

function asked(talk) {
  return talk.answers.length !== 1 && `${talk.answers.length} answers`;
}

export const pipelines = [
  {
    name: "three requests at once",
    rfc: "9112 9.3.2",
    send: get("/a") + get("/b") + get("/c"),
    methods: ["GET", "GET", "GET"],
    deed: named,
    want: { status: 200, sent: 3, content: "/c", also: (talk) => talk.answers.map(({ content }) => content).join() !== "/a,/b,/c" && "not in their order" },
  },
  {
    name: "a write between two reads",
    rfc: "9112 9.3.2",
    send: get("/a") + ask("POST", "/b", ["Content-Length: 5"], "hello") + get("/c"),
    methods: ["GET", "POST", "GET"],
    deed: named,
    want: { status: 200, sent: 3, content: "/c" },
  },
  {
    name: "chunks between two reads",
    rfc: "9112 9.3.2",
    send: get("/a") + ask("POST", "/b", ["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n") + get("/c"),
    methods: ["GET", "POST", "GET"],
    deed: named,
    want: { status: 200, sent: 3, content: "/c" },
  },
  {
    name: "a HEAD before a GET",
    rfc: "9112 9.3.2",
    send: ask("HEAD", "/a") + get("/b"),
    methods: ["HEAD", "GET"],
    deed: (request, socket) => socket.write(request.method === "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : response("200 OK", [], "/b")),
    want: { status: 200, sent: 2, content: "/b" },
  },
  {
    name: "a refused request before a GET",
    rfc: "9112 9.3.2",
    send: ask("TRACE", "/a") + get("/b"),
    methods: ["TRACE", "GET"],
    deed: named,
    want: { status: 200, sent: 1, content: "/b" },
  },
  {
    name: "a refused upload before a GET",
    rfc: "9112 9.3",
    send: ask("POST", `/${"x".repeat(9000)}`, ["Content-Length: 5"], "hello") + get("/b"),
    methods: ["POST", "GET"],
    deed: named,
    want: { status: 200, sent: 1, content: "/b" },
  },
  {
    name: "nothing behind Connection: close",
    rfc: "9112 9.6",
    send: get("/a", "Connection: close") + get("/b"),
    methods: ["GET", "GET"],
    deed: named,
    want: { status: 200, also: (talk, seen) => seen.length > 1 && "a second request came to the origin" },
    next: false,
  },
];

function named(request, socket) {
  socket.write(response("200 OK", ["Cache-Control: no-store"], request.target));
}

const old = (...lines) => raw("GET /x HTTP/1.0", ...lines);
export const old10 = [
  {
    name: "HTTP/1.0",
    rfc: "9112 9.3",
    send: old(`Host: ${HOST}`),
    want: { status: 200, content: "ok", sent: 1, saw: { version: "HTTP/1.1" }, also: (talk) => talk.next && !talk.next.nothing && "the connection stays open" },
  },
  { name: "HTTP/1.0 without Host", rfc: "9112 3.2", send: old("X-A: 1"), want: { status: [200, 400] } },
  { name: "HTTP/1.0 with keep-alive", rfc: "9112 9.3", send: old(`Host: ${HOST}`, "Connection: keep-alive"), want: { status: 200, content: "ok", sent: 1 } },
  {
    name: "a POST of HTTP/1.0",
    rfc: "9112 6.3",
    send: `POST /x HTTP/1.0\r\nHost: ${HOST}\r\nContent-Length: 5\r\n\r\nhello`,
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "a POST of HTTP/1.0 with chunks, which it has none of",
    rfc: "9112 6.1",
    send: `POST /x HTTP/1.0\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    want: { also: (talk, seen) => seen.some(({ whole, content }) => whole && content !== "hello") && "the origin got something else" },
  },
  {
    name: "chunks of the origin are none for HTTP/1.0",
    rfc: "9112 7",
    send: old(`Host: ${HOST}`),
    deed: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    want: { status: 200, content: "hello", also: (talk) => talk.answers[0]?.chunked && "chunked" },
  },
  {
    name: "an origin of HTTP/1.0 with a length",
    rfc: "9112 2.3",
    send: get("/x"),
    deed: (request, socket) => socket.end("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    want: { status: 200, content: "hello" },
  },
  {
    name: "an origin of HTTP/1.0 that closes",
    rfc: "9112 6.3",
    send: get("/x"),
    deed: (request, socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nhello"),
    want: { status: 200, content: "hello" },
  },
];

/** Answers as soon as the head has come; then `what` becomes of the connection. */
const early = (status, then) => ({
  early: (request, socket) => (
    socket.write(response(status, ["Cache-Control: no-store", 'WWW-Authenticate: Basic realm="x"', ...(then ? ["Connection: close"] : [])], "no")),
    then?.(socket)
  ),
});
const close = (socket) => socket.end();
const slams = (socket) => setTimeout(() => socket.destroy(), 20);
/** A client that sends the first half, waits for an answer, and then sends the rest if it is still asked for. */
const answered = (text) =>
  new Promise((resolve) => {
    const end = Date.now() + 1500;
    const look = () => (/\r\n\r\n/.test(text()) || Date.now() > end ? resolve(undefined) : setTimeout(look, 5));
    look();
  });
const halves = (head, first, rest) => [head + first, { after: answered }, rest];

export const uploads = ["413 Content Too Large", "401 Unauthorized", "404 Not Found", "200 OK"].flatMap((status) => {
  const code = Number(status.slice(0, 3));
  const has = { "www-authenticate": 'Basic realm="x"' };
  return [
    ["and the connection is kept", undefined],
    ["and it closes", close],
    ["and it closes with what came unread", slams],
  ].flatMap(([how, then]) => [
    {
      name: `an early ${code} to an upload of 200,000 bytes, ${how}`,
      rfc: "9112 9.3",
      send: halves(ask("POST", "/up", ["Content-Length: 200000"]), "x".repeat(100_000), "x".repeat(100_000)),
      deed: early(status, then),
      want: { status: code, content: "no", has },
    },
    {
      name: `an early ${code} to chunks, ${how}`,
      rfc: "9112 9.3",
      send: halves(ask("POST", "/up", ["Transfer-Encoding: chunked"]), `186a0\r\n${"x".repeat(100_000)}\r\n`, `186a0\r\n${"x".repeat(100_000)}\r\n0\r\n\r\n`),
      deed: early(status, then),
      want: { status: code, content: "no", has },
    },
    {
      name: `an early ${code} to a small upload, ${how}`,
      rfc: "9112 9.3",
      send: ask("POST", "/up", ["Content-Length: 500"], "x".repeat(500)),
      deed: early(status, then),
      want: { status: code, content: "no", has },
    },
  ]);
});

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const accepts = (request, socket) => {
  const accept = createHash("sha1")
    .update(`${request.get("sec-websocket-key")}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
  );
};
const shake = (...lines) => get("/ws", "Connection: Upgrade", "Upgrade: websocket", KEY, "Sec-WebSocket-Version: 13", ...lines);
export const upgrades = [
  {
    name: "a WebSocket",
    rfc: "6455 4.2.2",
    send: shake("Sec-WebSocket-Protocol: chat"),
    next: false,
    deed: accepts,
    want: {
      status: 101,
      saw: { has: { "sec-websocket-version": "13", "sec-websocket-protocol": "chat", upgrade: /websocket/i } },
      has: { "sec-websocket-protocol": "chat" },
    },
  },
  ...["403 Forbidden", "426 Upgrade Required", "200 OK", "401 Unauthorized"].map((status) => ({
    name: `a refused WebSocket keeps its answer: ${status}`,
    rfc: "6455 4.2.2",
    send: shake(),
    deed: (request, socket) => socket.end(response(status, ["X-Why: a", "Connection: close", "Content-Type: text/plain"], "because")),
    next: false,
    want: { status: Number(status.slice(0, 3)), content: "because", has: { "x-why": "a", "content-type": "text/plain" } },
  })),
];
