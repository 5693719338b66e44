// How long a request is: RFC 9112 sections 6 and 7. A message that contradicts itself is its client's fault, and nobody may take what is
// left of it for another request.
import { ask } from "../judge.mjs";

const post = (lines, body, target = "/up") => ask("POST", target, lines, body);
const chunked = (body, ...lines) => post(["Transfer-Encoding: chunked", ...lines], body);
const taken = (content) => ({ status: 200, content: "ok", sent: 1, saw: { method: "POST", content } });
const refused = { refused: true };
/** Either is well: refused, or understood as it was meant. */
const either = (content) => ({
  also: (talk, seen) => {
    const whole = seen.filter((request) => request.whole);
    const [answer] = talk.answers;
    if (answer && (answer.status >= 502 || answer.status === 500)) return `a failure of nobody's: ${answer.first}`;
    if (whole.length > 1) return `${whole.length} requests came to the origin: ${whole.map(({ first }) => first)}`;
    if (whole.length === 1 && whole[0].content !== content) return `the origin got ${JSON.stringify(whole[0].content)}`;
  },
});
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";

export const framing = [
  { name: "a length", rfc: "9112 6.2", send: post(["Content-Length: 5"], "hello"), want: taken("hello") },
  { name: "a length of 0", rfc: "9110 8.6", send: post(["Content-Length: 0"]), want: taken("") },
  { name: "neither length nor coding: no body", rfc: "9112 6.3", send: post([]), want: taken("") },
  { name: "a length with zeros in front", rfc: "9110 8.6", send: post(["Content-Length: 005"], "hello"), want: taken("hello") },
  { name: "chunks", rfc: "9112 7.1", send: chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), want: taken("hello world") },
  {
    name: "chunks of sizes in capitals and with zeros in front",
    rfc: "9112 7.1",
    send: chunked("A\r\n0123456789\r\n0000b\r\n0123456789a\r\n00\r\n\r\n"),
    want: taken("01234567890123456789a"),
  },
  { name: "no chunk but the last", rfc: "9112 7.1", send: chunked("0\r\n\r\n"), want: taken("") },
  { name: "the coding's name in capitals", rfc: "9112 7", send: post(["Transfer-Encoding: CHUNKED"], "5\r\nhello\r\n0\r\n\r\n"), want: taken("hello") },
  { name: "a chunk extension", rfc: "9112 7.1.1", send: chunked("5;a=b\r\nhello\r\n0\r\n\r\n"), want: { status: 200, sent: 1, saw: { content: "hello" } } },
  {
    name: "a quoted chunk extension",
    rfc: "9112 7.1.1",
    send: chunked('5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'),
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "an extension of the last chunk",
    rfc: "9112 7.1.1",
    send: chunked("5\r\nhello\r\n0;a\r\n\r\n"),
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "trailers, which are no fields",
    rfc: "9112 7.1.2",
    send: chunked("5\r\nhello\r\n0\r\nX-Late: 1\r\nContent-Length: 99\r\nHost: evil\r\n\r\n", "Trailer: X-Late"),
    want: { ...taken("hello"), saw: { content: "hello", hasNot: ["x-late"], has: { host: /^127/ } } },
  },
  ...["FFFFFFFFFFFFFFFFF", "0x5", "-5", "+5", "5_0", "g", "", "5 5", "\u00b5"].map((size) => ({
    name: `a chunk size that is none: "${size}"`,
    rfc: "9112 7.1",
    send: chunked(`${size}\r\nhello\r\n0\r\n\r\n`),
    want: refused,
  })),
  { name: "a chunk size with blanks behind", rfc: "9112 7.1", send: chunked("5  \r\nhello\r\n0\r\n\r\n"), want: either("hello") },
  { name: "a chunk longer than its size", rfc: "9112 7.1", send: chunked("5\r\nhelloXX\r\n0\r\n\r\n"), want: refused },
  { name: "a chunk shorter than its size", rfc: "9112 7.1", send: chunked("9\r\nhello\r\n0\r\n\r\n"), want: refused, end: "half" },
  { name: "no line end behind a chunk", rfc: "9112 7.1", send: chunked("5\r\nhello0\r\n\r\n"), want: refused, end: "half" },
  { name: "chunk lines ended by LF alone", rfc: "9112 2.2", send: chunked("5\nhello\n0\n\n"), want: either("hello"), end: "half" },
  { name: "a chunk size that ends in CR alone", rfc: "9112 2.2", send: chunked("5\rhello\r\n0\r\n\r\n"), want: refused, end: "half" },
  { name: "no last chunk, and the client closes", rfc: "9112 8", send: chunked("5\r\nhello\r\n"), end: "half", want: { refused: true, status: 400 } },
  { name: "no last chunk, and the client breaks off", rfc: "9112 8", send: chunked("5\r\nhello\r\n"), end: "reset", want: { refused: true } },
  {
    name: "no last chunk of a long body, and the client closes",
    rfc: "9112 8",
    send: chunked(`20000\r\n${"x".repeat(0x20000)}\r\n`),
    end: "half",
    want: { refused: true },
  },
  {
    name: "short of its length, and the client closes",
    rfc: "9112 8",
    send: post(["Content-Length: 50"], "hello"),
    end: "half",
    want: { refused: true, also: is400 },
  },
  {
    name: "short of a long length, and the client closes",
    rfc: "9112 8",
    send: post(["Content-Length: 200000"], "x".repeat(1000)),
    end: "half",
    want: { refused: true, also: is400 },
  },
  { name: "nothing of its length, and the client closes", rfc: "9112 8", send: post(["Content-Length: 5"]), end: "half", want: { refused: true, also: is400 } },
  {
    name: "nothing of a long length, and the client closes",
    rfc: "9112 8",
    send: post(["Content-Length: 200000"]),
    end: "half",
    want: { refused: true, also: is400 },
  },
  { name: "short of its length, and the client breaks off", rfc: "9112 8", send: post(["Content-Length: 50"], "hello"), end: "reset", want: refused },
  {
    name: "short of a long length, and the client breaks off",
    rfc: "9112 8",
    send: post(["Content-Length: 200000"], "x".repeat(70_000)),
    end: "reset",
    want: refused,
  },
  {
    name: "longer than its length: the rest is another request, or none",
    rfc: "9112 6.3",
    send: post(["Content-Length: 5"], "helloXXXX"),
    next: false,
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "a length beside a coding",
    rfc: "9112 6.3",
    send: post(["Content-Length: 5", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a coding beside a length",
    rfc: "9112 6.3",
    send: post(["Transfer-Encoding: chunked", "Content-Length: 5"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a length that is too short beside a coding",
    rfc: "9112 6.3",
    send: post(["Content-Length: 1", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a length that is too long beside a coding",
    rfc: "9112 6.3",
    send: post(["Content-Length: 50", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a long length beside a coding",
    rfc: "9112 6.3",
    send: post(["Content-Length: 500000", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a length of 0 beside a coding",
    rfc: "9112 6.3",
    send: post(["Content-Length: 0", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  {
    name: "a request hidden behind a coding (CL.TE)",
    rfc: "9112 11.2",
    send: post([`Content-Length: ${5 + smuggled.length}`, "Transfer-Encoding: chunked"], `0\r\n\r\n${smuggled}`),
    want: noneSmuggled(),
  },
  {
    name: "a request hidden in a chunk (TE.CL)",
    rfc: "9112 11.2",
    send: post(["Content-Length: 4", "Transfer-Encoding: chunked"], `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`),
    want: noneSmuggled(),
  },
  ...[
    "chunked, chunked",
    "identity",
    "xchunked",
    "chunked, identity",
    "gzip, chunked",
    '"chunked"',
    "chunked;q=1",
    "chunked,",
    ", chunked",
    "\u000bchunked",
    "chunked\u0000",
    "",
  ].map((coding) => ({
    name: `Transfer-Encoding: ${JSON.stringify(coding)}`,
    rfc: "9112 6.1",
    send: post([`Transfer-Encoding: ${coding}`], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  })),
  {
    name: "Transfer-Encoding in two lines",
    rfc: "9112 6.1",
    send: post(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "5\r\nhello\r\n0\r\n\r\n"),
    want: either("hello"),
  },
  { name: "a coding in a folded line", rfc: "9112 5.2", send: post(["Transfer-Encoding:", " chunked"], "5\r\nhello\r\n0\r\n\r\n"), want: either("hello") },
  {
    name: "a blank before the colon of Transfer-Encoding",
    rfc: "9112 5.1",
    send: post(["Transfer-Encoding : chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: refused,
  },
  { name: "a blank before the colon of Content-Length", rfc: "9112 5.1", send: post(["Content-Length : 5"], "hello"), want: refused },
  ...["+5", "-1", "-5", "0x5", "5.0", "5e0", "5 5", "five", "99999999999999999999999999", "18446744073709551621", "\u00b5"].map((length) => ({
    name: `Content-Length: ${length}`,
    rfc: "9112 6.3",
    send: post([`Content-Length: ${length}`], "hello"),
    want: refused,
  })),
  { name: "an empty Content-Length", rfc: "9112 6.3", send: post(["Content-Length:"], "hello"), want: refused },
  { name: "Content-Length: 5, 5", rfc: "9112 6.3", send: post(["Content-Length: 5, 5"], "hello"), want: either("hello") },
  { name: "Content-Length: 5, 6", rfc: "9112 6.3", send: post(["Content-Length: 5, 6"], "hello!"), want: refused },
  { name: "the same length in two lines", rfc: "9112 6.3", send: post(["Content-Length: 5", "Content-Length: 5"], "hello"), want: either("hello") },
  { name: "two lengths in two lines", rfc: "9112 6.3", send: post(["Content-Length: 5", "Content-Length: 6"], "hello!"), want: refused },
  { name: "a GET with a length of 0", rfc: "9110 8.6", send: ask("GET", "/get", ["Content-Length: 0"]), want: { status: 200, sent: 1 } },
  { name: "a HEAD with a length of 0", rfc: "9110 8.6", send: ask("HEAD", "/get", ["Content-Length: 0"]), want: { status: 200, sent: 1 } },
  { name: "a DELETE with a length of 0", rfc: "9110 8.6", send: ask("DELETE", "/get", ["Content-Length: 0"]), want: { status: 200, sent: 1 } },
  { name: "an OPTIONS with a length of 0", rfc: "9110 8.6", send: ask("OPTIONS", "/get", ["Content-Length: 0"]), want: { status: 200, sent: 1 } },
  {
    name: "a GET with a body: refused, and nothing of it is another request",
    rfc: "9110 9.3.1",
    send: ask("GET", "/get", [`Content-Length: ${smuggled.length}`], smuggled),
    want: { status: [200, 400], also: unsmuggled },
  },
  {
    name: "a GET with chunks: refused, and nothing of it is another request",
    rfc: "9110 9.3.1",
    send: ask("GET", "/get", ["Transfer-Encoding: chunked"], `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`),
    want: { status: [200, 400], also: unsmuggled },
  },
  {
    name: "a GET with chunks in which nothing is",
    rfc: "9110 9.3.1",
    send: ask("GET", "/get", ["Transfer-Encoding: chunked"], "0\r\n\r\n"),
    want: { status: 200, sent: 1, saw: { content: "" } },
  },
  {
    name: "a HEAD with chunks in which nothing is",
    rfc: "9110 9.3.2",
    send: ask("HEAD", "/get", ["Transfer-Encoding: chunked"], "0\r\n\r\n"),
    want: { status: 200, sent: 1, saw: { content: "" } },
  },
  { name: "a HEAD with a body", rfc: "9110 9.3.2", send: ask("HEAD", "/get", ["Content-Length: 5"], "hello"), want: { status: [200, 400], also: unsmuggled } },
  {
    name: "a DELETE with a body",
    rfc: "9110 9.3.5",
    send: ask("DELETE", "/get", ["Content-Length: 5"], "hello"),
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "an OPTIONS with a body",
    rfc: "9110 9.3.7",
    send: ask("OPTIONS", "/get", ["Content-Length: 5"], "hello"),
    want: { status: 200, sent: 1, saw: { content: "hello" } },
  },
  {
    name: "a PATCH in chunks",
    rfc: "9112 7.1",
    send: ask("PATCH", "/get", ["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    want: { status: 200, sent: 1, saw: { method: "PATCH", content: "hello" } },
  },
  {
    name: "a body of 70,000 bytes",
    rfc: "9112 6.2",
    send: post(["Content-Length: 70000"], "x".repeat(70_000)),
    want: { status: 200, sent: 1, saw: { content: "x".repeat(70_000) } },
  },
  {
    name: "chunks of 70,000 bytes",
    rfc: "9112 7.1",
    send: chunked(`11170\r\n${"x".repeat(70_000)}\r\n0\r\n\r\n`),
    want: { status: 200, sent: 1, saw: { content: "x".repeat(70_000) } },
  },
  {
    name: "a body of every byte",
    rfc: "9110 6.4",
    send: post(["Content-Length: 256"], String.fromCharCode(...Array(256).keys())),
    want: { status: 200, sent: 1, saw: { content: String.fromCharCode(...Array(256).keys()) } },
  },
];

/** A body that breaks off is the client's fault, where an answer still reaches it. */
function is400(talk) {
  const [answer] = talk.answers;
  if (answer && answer.status !== 400) return `status ${answer.status}, and not 400`;
}

function unsmuggled(talk, seen) {
  if (seen.some(({ target }) => target === "/smuggled")) return "what stood in a body came to the origin as a request";
}

/** A second request may be what its client has sent behind the first, where the first ends there; it may not come in the first one's place. */
function noneSmuggled() {
  return {
    also: (talk, seen) => {
      const [answer] = talk.answers;
      if (answer && answer.status >= 500 && answer.status !== 501) return `a failure of nobody's: ${answer.first}`;
      const both = seen.filter(({ whole }) => whole);
      // Whoever lets both through has to say so to the client, or close (RFC 9112 section 6.3).
      if (both.some(({ target }) => target === "/smuggled") && !/close/i.test(answer?.get("connection") ?? "") && !talk.closed)
        return "what stood in a body came to the origin as a request";
    },
  };
}
