// Request lines and fields: RFC 9112 sections 2 to 5, RFC 9110 sections 5, 7 and 9.
import { ask } from "../judge.mjs";
import { HOST, response } from "../wire.mjs";

const get = (target, ...lines) => ask("GET", target, lines);
/** A whole request of these lines, with no Host but theirs. */
const raw = (...lines) => [...lines, "", ""].join("\r\n");
const refused = { refused: true };
/** Refused, or understood so. */
const either = (saw) => ({
  also: (talk, seen) => {
    const [answer] = talk.answers;
    if (answer && answer.status >= 500 && ![501, 505].includes(answer.status)) return `a failure of nobody's: ${answer.first}`;
    if (saw && seen.length)
      for (const [name, wanted] of Object.entries(saw))
        if (seen[0][name] !== wanted && seen[0].get(name) !== wanted)
          return `the origin got ${name} ${JSON.stringify(seen[0][name] ?? seen[0].get(name))}, and not ${JSON.stringify(wanted)}`;
  },
});

export const lines = [
  { name: "an empty line before the request", rfc: "9112 2.2", send: `\r\n${get("/x")}`, want: { status: 200, sent: 1 } },
  {
    name: "an empty line between two requests",
    rfc: "9112 2.2",
    send: `${get("/x")}\r\n${get("/y")}`,
    methods: ["GET", "GET"],
    want: { status: 200, sent: 2 },
  },
  { name: "lines that end in LF alone", rfc: "9112 2.2", send: `GET /x HTTP/1.1\nHost: ${HOST}\n\n`, end: "half", want: either({ target: "/x" }) },
  { name: "two blanks in the request line", rfc: "9112 3", send: raw("GET  /x HTTP/1.1", `Host: ${HOST}`), want: either({ target: "/x" }) },
  { name: "a blank in the target", rfc: "9112 3.2", send: raw("GET /x y HTTP/1.1", `Host: ${HOST}`), want: refused },
  { name: "no version", rfc: "9112 3", send: raw("GET /x", `Host: ${HOST}`), want: refused },
  { name: "no target", rfc: "9112 3", send: raw("GET HTTP/1.1", `Host: ${HOST}`), want: refused },
  ...["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/11", "http/1.1", "FTP/1.1", "HTTP/1.1x"].map((version) => ({
    name: `the version ${version}`,
    rfc: "9112 2.3",
    send: raw(`GET /x ${version}`, `Host: ${HOST}`),
    want: either({ target: "/x", version: "HTTP/1.1" }),
  })),
  {
    name: "bytes that are no request",
    rfc: "9112 2.2",
    send: "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n",
    end: "half",
    want: refused,
  },
  { name: "a request that ends in the middle of its head", rfc: "9112 8", send: "GET /x HTTP/1.1\r\nHost: sh", end: "half", want: refused },
  { name: "a folded field", rfc: "9112 5.2", send: get("/x", "X-A: 1", " 2"), want: either({ "x-a": "1 2" }) },
  { name: "a folded field with a tab", rfc: "9112 5.2", send: get("/x", "X-A: 1", "\t2"), want: either({}) },
  { name: "a blank before the first field", rfc: "9112 2.2", send: raw("GET /x HTTP/1.1", ` Host: ${HOST}`, `Host: ${HOST}`), want: either({}) },
  { name: "a blank before a colon", rfc: "9112 5.1", send: get("/x", "X-A : 1"), want: refused },
  { name: "a tab before a colon", rfc: "9112 5.1", send: get("/x", "X-A\t: 1"), want: refused },
  { name: "a blank in a name", rfc: "9112 5.1", send: get("/x", "X A: 1"), want: refused },
  { name: "no colon", rfc: "9112 5", send: get("/x", "X-A"), want: refused },
  { name: "no name", rfc: "9112 5", send: get("/x", ": 1"), want: refused },
  ...["X(A", "X@A", "X/A", "X\u0000A", 'X"A'].map((name) => ({
    name: `the name ${JSON.stringify(name)}`,
    rfc: "9110 5.1",
    send: get("/x", `${name}: 1`),
    want: refused,
  })),
  {
    name: "a name beyond ASCII comes to no origin",
    rfc: "9110 5.1",
    send: get("/x", "X\u00e9: 1", "X-B: 2"),
    want: { also: (talk, seen) => [seen.length && seen[0].get("x-b") !== "2" && "another field is lost"] },
  },
  {
    name: "names of all letters of tokens",
    rfc: "9110 5.6.2",
    send: get("/x", "X!#$%&'*+-.^_`|~9: 1"),
    want: { status: 200, sent: 1, saw: { has: { "x!#$%&'*+-.^_`|~9": "1" } } },
  },
  { name: "CR in a value", rfc: "9110 5.5", send: get("/x", "X-A: 1\r2"), want: either({}) },
  {
    name: "CR in a value that hides a field",
    rfc: "9112 2.2",
    send: get("/x", "X-A: 1\rX-Hidden: 2"),
    want: { also: (talk, seen) => seen.some((request) => request.get("x-hidden")) && "a hidden field came to the origin" },
  },
  { name: "NUL in a value", rfc: "9110 5.5", send: get("/x", "X-A: 1\u00002"), want: refused },
  { name: "an empty value", rfc: "9110 5.5", send: get("/x", "X-A:"), want: { status: 200, sent: 1, saw: { has: { "x-a": "" } } } },
  {
    name: "a value with blanks around it",
    rfc: "9110 5.5",
    send: get("/x", "X-A: \t 1 2 \t "),
    want: { status: 200, sent: 1, saw: { has: { "x-a": "1 2" } } },
  },
  {
    name: "bytes beyond ASCII in a value",
    rfc: "9110 5.5",
    send: get("/x", "X-A: caf\u00e9 \u0080\u00ff", "Cookie: a=\u00e4"),
    want: { status: 200, sent: 1, saw: { has: { "x-a": "caf\u00e9 \u0080\u00ff", cookie: "a=\u00e4" } } },
  },
  {
    name: "UTF-8 in a value",
    rfc: "9110 5.5",
    send: get("/x", "X-A: \u00e2\u0082\u00ac"),
    want: { status: 200, sent: 1, saw: { has: { "x-a": "\u00e2\u0082\u00ac" } } },
  },
  { name: "a field in two lines", rfc: "9110 5.3", send: get("/x", "X-A: 1", "X-A: 2"), want: { status: 200, sent: 1, saw: { has: { "x-a": "1, 2" } } } },
  { name: "lists with empty members", rfc: "9110 5.6.1", send: get("/x", "X-A: ,1,,2,"), want: { status: 200, sent: 1, saw: { has: { "x-a": ",1,,2," } } } },
  {
    name: "names in any case",
    rfc: "9110 5.1",
    send: get("/x", "x-LOWER: 1", "AUTHORIZATION: Basic YTpi"),
    want: { status: 200, sent: 1, saw: { has: { "x-lower": "1", authorization: "Basic YTpi" } } },
  },
  {
    name: "128 fields",
    rfc: "9110 5.4",
    send: get("/x", ...Array.from({ length: 100 }, (_, n) => `X-${n}: 1`)),
    want: { status: 200, sent: 1, saw: { has: { "x-99": "1" } } },
  },
  { name: "too many fields", rfc: "6585 5", send: get("/x", ...Array.from({ length: 200 }, (_, n) => `X-${n}: 1`)), want: { status: 431, sent: 0 } },
  { name: "too large fields", rfc: "6585 5", send: get("/x", `X-A: ${"x".repeat(40_000)}`), want: { status: 431, sent: 0 } },
  {
    name: "a cookie of 16 KiB",
    rfc: "9110 5.4",
    send: get("/x", `Cookie: a=${"x".repeat(16_384)}`),
    want: { status: 200, sent: 1, saw: { has: { cookie: `a=${"x".repeat(16_384)}` } } },
  },
  {
    name: "two Cookie lines",
    rfc: "6265 5.4",
    send: get("/x", "Cookie: a=1", "Cookie: b=2"),
    want: { status: 200, sent: 1, saw: { has: { cookie: "a=1; b=2" } } },
  },
];

export const methods = [
  { name: "GET", rfc: "9110 9.3.1", send: get("/x"), want: { status: 200, content: "ok", sent: 1, saw: { method: "GET", target: "/x" } } },
  {
    name: "HEAD",
    rfc: "9110 9.3.2",
    send: ask("HEAD", "/x"),
    deed: response("200 OK", [], "").replace("Content-Length: 0", "Content-Length: 5"),
    want: { status: 200, has: { "content-length": "5" }, sent: 1, saw: { method: "HEAD" } },
  },
  {
    name: "HEAD, no length known",
    rfc: "9110 9.3.2",
    send: ask("HEAD", "/x"),
    deed: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    want: { status: 200, sent: 1 },
  },
  {
    name: "HEAD to an origin that sends a body all the same",
    rfc: "9110 9.3.2",
    send: ask("HEAD", "/x"),
    deed: (request, socket) => socket.end(response("200 OK", ["Connection: close"], "oops!")),
    want: { status: 200, has: { "content-length": "5" } },
  },
  {
    name: "HEAD, and the body comes on a connection that is kept",
    rfc: "9112 9.3",
    send: ask("HEAD", "/x"),
    deed: response("200 OK", [], "oops!"),
    want: { status: 200, has: { "content-length": "5" } },
  },
  {
    name: "OPTIONS",
    rfc: "9110 9.3.7",
    send: ask("OPTIONS", "/x", ["Origin: https://a.example", "Access-Control-Request-Method: PUT"]),
    want: { status: 200, sent: 1, saw: { method: "OPTIONS", content: "" } },
  },
  { name: "OPTIONS *", rfc: "9112 3.2.4", send: ask("OPTIONS", "*"), want: { status: 200, sent: 1, saw: { method: "OPTIONS", target: "*" } } },
  {
    name: "OPTIONS with Max-Forwards: 0",
    rfc: "9110 7.6.2",
    send: ask("OPTIONS", "/x", ["Max-Forwards: 0"]),
    want: { status: 200, sent: 0, has: { allow: /GET/ } },
  },
  {
    name: "OPTIONS with Max-Forwards: 5",
    rfc: "9110 7.6.2",
    send: ask("OPTIONS", "/x", ["Max-Forwards: 5"]),
    want: { status: 200, sent: 1, saw: { has: { "max-forwards": "4" } } },
  },
  { name: "OPTIONS with a Max-Forwards that is none", rfc: "9110 7.6.2", send: ask("OPTIONS", "/x", ["Max-Forwards: -1"]), want: { status: [200, 400] } },
  { name: "a GET with Max-Forwards: 0, which may be passed over", rfc: "9110 7.6.2", send: get("/x", "Max-Forwards: 0"), want: { status: 200, sent: 1 } },
  {
    name: "TRACE",
    rfc: "9110 9.3.8",
    send: ask("TRACE", "/x", ["Cookie: secret"]),
    want: { status: [405, 501], sent: 0, also: (talk) => /secret/.test(talk.answers[0]?.content) && "it shows the client's secrets" },
  },
  { name: "TRACE with Max-Forwards: 0", rfc: "9110 7.6.2", send: ask("TRACE", "/x", ["Max-Forwards: 0"]), want: { status: [200, 405, 501], sent: 0 } },
  { name: "CONNECT", rfc: "9110 9.3.6", send: raw("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"), want: refused },
  { name: "CONNECT to this machine", rfc: "9110 9.3.6", send: raw("CONNECT 127.0.0.1:22 HTTP/1.1", "Host: 127.0.0.1:22"), want: refused },
  ...[
    "PUT",
    "PATCH",
    "DELETE",
    "POST",
    "PROPFIND",
    "REPORT",
    "SEARCH",
    "MKCOL",
    "LOCK",
    "UNLOCK",
    "COPY",
    "MOVE",
    "PURGE",
    "PROPPATCH",
    "MERGE",
    "SUBSCRIBE",
    "NOTIFY",
  ].map((method) => ({
    name: `${method} goes as it is`,
    rfc: "9110 16.1",
    send: ask(method, "/x", ["Content-Length: 0"]),
    want: { status: 200, sent: 1, saw: { method } },
  })),
  ...["QUERY", "M-SEARCH", "LINK", "FOO", "BAN"].map((method) => ({
    name: `${method} goes as it is`,
    rfc: "9110 9.1",
    send: ask(method, "/x", ["Content-Length: 0"]),
    want: { status: 200, sent: 1, saw: { method } },
  })),
  { name: "get, which is another method than GET", rfc: "9110 9.1", send: ask("get", "/x"), want: either({ method: "get" }) },
  { name: "a method that is no token", rfc: "9110 9.1", send: ask("G@T", "/x"), want: refused },
  {
    name: "the methods that are safe are read, whatever the method: nothing is pinned, and no copy goes",
    rfc: "9110 9.2.1",
    send: ask("PROPFIND", "/x", ["Content-Length: 0"]),
    want: { status: 200, hasNot: ["set-cookie", "homing-session"] },
  },
];

const sees = (target, more = {}) => ({ status: 200, sent: 1, saw: { target, ...more } });
/** Refused by the router, or sent so that origin and router read the same. */
const safely = (target) => ({
  also: (talk, seen) => {
    const [answer] = talk.answers;
    if (answer && answer.status >= 500 && answer.status !== 501) return `a failure of nobody's: ${answer.first}`;
    if (seen.length && target !== undefined && seen[0].target !== target) return `the origin got ${seen[0].target}, and not ${target}`;
  },
});

export const targets = [
  {
    name: "absolute form",
    rfc: "9112 3.2.2",
    send: raw(`GET http://${HOST}/x?q HTTP/1.1`, `Host: ${HOST}`),
    want: sees("/x?q", { has: { "x-forwarded-host": HOST } }),
  },
  {
    name: "absolute form, whose host counts",
    rfc: "9112 3.2.2",
    send: raw(`GET http://${HOST}/x HTTP/1.1`, "Host: evil.example"),
    want: sees("/x", { has: { "x-forwarded-host": HOST } }),
  },
  { name: "absolute form without a path", rfc: "9112 3.2.2", send: raw(`GET http://${HOST} HTTP/1.1`, `Host: ${HOST}`), want: sees("/") },
  { name: "absolute form of https", rfc: "9112 3.2.2", send: raw(`GET https://${HOST}/x HTTP/1.1`, `Host: ${HOST}`), want: safely("/x") },
  { name: "absolute form with a user", rfc: "9110 4.2.4", send: raw(`GET http://user:word@${HOST}/x HTTP/1.1`, `Host: ${HOST}`), want: refused },
  { name: "another scheme", rfc: "9110 7.1", send: raw("GET ftp://example.com/x HTTP/1.1", `Host: ${HOST}`), want: refused },
  { name: "authority form with GET", rfc: "9112 3.2.3", send: raw("GET example.com:80 HTTP/1.1", `Host: ${HOST}`), want: refused },
  { name: "asterisk form with GET", rfc: "9112 3.2.4", send: raw("GET * HTTP/1.1", `Host: ${HOST}`), want: refused },
  { name: "no slash in front", rfc: "9112 3.2.1", send: raw("GET x HTTP/1.1", `Host: ${HOST}`), want: refused },
  { name: "a query", rfc: "3986 3.4", send: get("/x?a=b&a=c?d/e"), want: sees("/x?a=b&a=c?d/e") },
  { name: "an empty query", rfc: "3986 6.2.3", send: get("/x?"), want: sees("/x?") },
  {
    name: "a query of its own letters",
    rfc: "3986 3.4",
    send: get("/x?a=%20+%2B&b=%zz&c=[]{}|\\^`"),
    want: { status: 200, sent: 1, saw: { target: /^\/x\?a=%20\+%2B&b=%zz&c=/ } },
  },
  { name: "a fragment", rfc: "9112 3.2", send: get("/x#f"), want: safely("/x") },
  { name: "..", rfc: "3986 5.2.4", send: get("/x/../y"), want: sees("/y") },
  { name: ".. above the root", rfc: "3986 5.2.4", send: get("/../../y"), want: sees("/y") },
  { name: "%2e%2e", rfc: "3986 6.2.2", send: get("/x/%2e%2E/y"), want: sees("/y") },
  { name: "a backslash", rfc: "WHATWG URL", send: get("/x\\..\\y"), want: safely("/y") },
  { name: "%5c", rfc: "3986 2.2", send: get("/x%5cy"), want: safely("/x%5Cy") },
  { name: "%2f", rfc: "3986 2.2", send: get("/x%2fy"), want: safely("/x%2Fy") },
  { name: "//", rfc: "3986 3.3", send: get("/x//y"), want: safely("/x//y") },
  { name: "// in front", rfc: "9112 3.2.1", send: get("//evil.example/x"), want: safely("//evil.example/x") },
  { name: ";", rfc: "3986 3.3", send: get("/x;v=1/y;"), want: safely("/x;v=1/y;") },
  { name: "%00", rfc: "3986 7.3", send: get("/x%00y"), want: refused },
  { name: "%zz", rfc: "3986 2.1", send: get("/x%zz"), want: safely() },
  { name: "a single %", rfc: "3986 2.1", send: get("/100%"), want: safely() },
  { name: "bytes beyond ASCII", rfc: "3986 2.5", send: get("/caf\u00c3\u00a9?q=\u00c3\u00bc"), want: safely("/caf%C3%A9?q=%C3%BC") },
  { name: "bytes that are no UTF-8", rfc: "3986 2.5", send: get("/caf\u00e9"), want: safely() },
  { name: "a target of 8,000 bytes", rfc: "9110 4.1", send: get(`/${"x".repeat(7999)}`), want: sees(`/${"x".repeat(7999)}`) },
  { name: "a target of 9,000 bytes", rfc: "9110 15.5.15", send: get(`/${"x".repeat(8999)}`), want: { status: 414, sent: 0 } },
  { name: "a target of 60,000 bytes", rfc: "9110 15.5.15", send: get(`/${"x".repeat(59_999)}`), want: { status: [414, 431], sent: 0 } },
  {
    name: "a write to a target of 9,000 bytes, with its body",
    rfc: "9110 15.5.15",
    send: ask("POST", `/${"x".repeat(8999)}`, ["Content-Length: 5"], "hello"),
    want: { status: 414, sent: 0 },
  },
  { name: "the router's own place, spelled %5f", rfc: "3986 6.2.2", send: get("/%5fhoming/api/snapshot"), want: { status: [400, 401, 403, 404], sent: 0 } },
  { name: "the router's own place, spelled %68", rfc: "3986 6.2.2", send: get("/_%68oming/healthz"), want: { status: [200, 400, 401, 403, 404], sent: 0 } },
  {
    name: "the router's own place, by way of another",
    rfc: "3986 5.2.4",
    send: get("/x/%2e%2e/_homing/api/snapshot"),
    want: { status: [400, 401, 403, 404], sent: 0 },
  },
  { name: "the router's own place in capitals is another", rfc: "3986 6.2.2.1", send: get("/_HOMING/api"), want: { status: [200, 400, 404] } },
  { name: "the contract's own address", rfc: "8615", send: get("/.well-known/homing"), want: { status: 404, sent: 0 } },
  {
    name: "the router's health: a date, and no cache keeps it",
    rfc: "9110 6.6.1",
    send: get("/_homing/healthz"),
    want: { sent: 0, has: { "cache-control": "no-store" }, also: (talk) => talk.answers[0]?.all("date").length !== 1 && "no Date" },
  },
  {
    name: "the operators' answers have a date, and no cache keeps them",
    rfc: "9110 6.6.1",
    send: get("/_homing/api/snapshot"),
    want: { status: [401, 403], sent: 0, has: { "cache-control": "no-store" }, also: (talk) => talk.answers[0]?.all("date").length !== 1 && "no Date" },
  },
];

const hosted = (...lines) => raw("GET /x HTTP/1.1", ...lines);
export const hosts = [
  { name: "no Host", rfc: "9112 3.2", send: hosted("X-A: 1"), want: refused },
  { name: "an empty Host", rfc: "9112 3.2", send: hosted("Host:"), want: refused },
  { name: "two Hosts", rfc: "9112 3.2", send: hosted(`Host: ${HOST}`, "Host: evil.example"), want: refused },
  { name: "the same Host twice", rfc: "9112 3.2", send: hosted(`Host: ${HOST}`, `Host: ${HOST}`), want: refused },
  { name: "a Host with a port", rfc: "9110 7.2", send: hosted(`Host: ${HOST}:8080`), want: sees("/x", { has: { "x-forwarded-host": `${HOST}:8080` } }) },
  { name: "a Host with the scheme's own port", rfc: "9110 4.2.3", send: hosted(`Host: ${HOST}:80`), want: sees("/x", { has: { "x-forwarded-host": HOST } }) },
  { name: "a Host in capitals", rfc: "9110 4.2.3", send: hosted("Host: SHOP.Example"), want: sees("/x", { has: { "x-forwarded-host": HOST } }) },
  { name: "a Host with a dot behind", rfc: "3986 3.2.2", send: hosted(`Host: ${HOST}.`), want: safely("/x") },
  { name: "an IPv4 address as Host", rfc: "9110 7.2", send: hosted("Host: 192.0.2.1"), want: sees("/x", { has: { "x-forwarded-host": "192.0.2.1" } }) },
  {
    name: "an IPv6 address as Host",
    rfc: "9110 7.2",
    send: hosted("Host: [2001:db8::1]:8080"),
    want: sees("/x", { has: { "x-forwarded-host": "[2001:db8::1]:8080" } }),
  },
  ...[
    "a b",
    `${HOST}/x`,
    `${HOST}?x`,
    `${HOST}#x`,
    `user@${HOST}`,
    `${HOST}:x`,
    `${HOST}:99999`,
    `${HOST}:80:80`,
    "[::1",
    "a..b",
    "shop\\example",
    "<script>",
    `${HOST}, evil.example`,
    "%73hop.example\u0000",
  ].map((host) => ({ name: `Host: ${JSON.stringify(host)}`, rfc: "9112 3.2", send: hosted(`Host: ${host}`), want: refused })),
  { name: "a Host in UTF-8", rfc: "9110 7.2", send: hosted("Host: caf\u00c3\u00a9.example"), want: safely("/x") },
  { name: "a Host with a space in front of the colon", rfc: "9112 5.1", send: hosted(`Host : ${HOST}`), want: refused },
  {
    name: "the origin's own host is named to the origin",
    rfc: "9110 7.2",
    send: hosted(`Host: ${HOST}`),
    want: sees("/x", { has: { host: /^127\.0\.0\.1:\d+$/ } }),
  },
  {
    name: "a client's X-Forwarded-Host is not believed",
    rfc: "7239 8.1",
    send: hosted(`Host: ${HOST}`, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example", "X-Host: evil.example", "X-Original-URL: /admin"),
    want: sees("/x", { has: { "x-forwarded-host": HOST, forwarded: /^(?!.*evil)/ }, hasNot: ["x-host", "x-original-url"] }),
  },
];
