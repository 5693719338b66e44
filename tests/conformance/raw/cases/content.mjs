// Parts and conditions: RFC 9110 sections 13 and 14, from the origin and from the cache, which must say the same.
import { ask } from "../judge.mjs";
import { response } from "../wire.mjs";

const get = (target, ...lines) => ask("GET", target, lines);
const MADE = "Mon, 02 Jan 2023 03:04:05 GMT";
const EARLIER = "Sun, 01 Jan 2023 03:04:05 GMT";
const LATER = "Tue, 03 Jan 2023 03:04:05 GMT";
const TEXT = "0123456789";
const FIELDS = [
  "Cache-Control: max-age=3600",
  'ETag: "v1"',
  `Last-Modified: ${MADE}`,
  "Vary: X-Lang",
  "Content-Location: /x.html",
  "Expires: Thu, 01 Jan 2099 00:00:00 GMT",
  "Content-Type: text/plain",
  "Content-Language: en",
];
const STORED = response("200 OK", FIELDS, TEXT);
let places = 0;

/** The same asked of what is stored: whole answers are fetched first, and then nothing may be asked of the origin. */
const hit = (name, rfc, lines, want, { method = "GET", stored = STORED, deed = response("500 No", [], "no"), more = {} } = {}) => {
  const path = `/stored/${places++}`;
  return { name: `from the cache: ${name}`, rfc, stored, store: get(path), send: ask(method, path, lines), deed, want: { sent: 0, ...want }, ...more };
};
const whole = { status: 200, content: TEXT, has: { "content-length": "10", etag: '"v1"' }, hasNot: ["content-range"] };
const part = (content, range) => ({
  status: 206,
  content,
  has: { "content-range": `bytes ${range}/10`, "content-length": String(content.length), etag: '"v1"' },
});
const none = { status: 416, has: { "content-range": "bytes */10" }, hasNot: ["content-type", "content-language", "content-encoding"] };
const kept = {
  status: 304,
  content: "",
  has: { etag: '"v1"', "cache-control": "max-age=3600", vary: "X-Lang", "content-location": "/x.html" },
  hasNot: ["content-type", "content-language", "content-encoding", "content-length"],
};
/** A part or the whole: both are right (RFC 9110 section 14.2: a server may ignore Range). */
const partOrWhole = { status: [200, 206] };

export const ranges = [
  hit("nothing asked but all", "9110 9.3.1", [], whole),
  hit("a HEAD", "9110 9.3.2", [], { status: 200, has: { "content-length": "10", etag: '"v1"' } }, { method: "HEAD" }),
  hit("bytes=0-4", "9110 14.1.2", ["Range: bytes=0-4"], part("01234", "0-4")),
  hit("bytes=5-", "9110 14.1.2", ["Range: bytes=5-"], part("56789", "5-9")),
  hit("bytes=-3", "9110 14.1.2", ["Range: bytes=-3"], part("789", "7-9")),
  hit("bytes=-30", "9110 14.1.2", ["Range: bytes=-30"], part(TEXT, "0-9")),
  hit("bytes=0-0", "9110 14.1.2", ["Range: bytes=0-0"], part("0", "0-0")),
  hit("bytes=9-9", "9110 14.1.2", ["Range: bytes=9-9"], part("9", "9-9")),
  hit("bytes=5-100", "9110 14.1.2", ["Range: bytes=5-100"], part("56789", "5-9")),
  hit("the unit in capitals", "9110 14.1", ["Range: BYTES=0-4"], partOrWhole),
  hit("bytes=10-", "9110 15.5.17", ["Range: bytes=10-"], none),
  hit("bytes=100-200", "9110 15.5.17", ["Range: bytes=100-200"], none),
  hit("bytes=-0", "9110 14.1.2", ["Range: bytes=-0"], none),
  ...[
    "bytes=5-2",
    "bytes=a-b",
    "bytes=",
    "bytes=-",
    "bytes",
    "bytes 0-4",
    "lines=0-4",
    "bytes=0-4;x",
    "bytes=--4",
    "bytes=0x0-4",
    "bytes=99999999999999999999999-",
    "bytes=+0-4",
  ].map((range) =>
    hit(`a Range that is none: ${range}`, "9110 14.2", [`Range: ${range}`], {
      status: [200, 416],
      also: (talk) => talk.answers[0]?.status === 200 && talk.answers[0].content !== TEXT && "not the whole",
    }),
  ),
  hit("two ranges", "9110 14.2", ["Range: bytes=0-1,5-6"], { status: [200, 206], also: parts }),
  hit("ranges that overlap", "9110 14.2", ["Range: bytes=0-5,3-8,0-"], { status: [200, 206, 416], also: parts }),
  hit("a hundred ranges", "9110 17.15", [`Range: bytes=${Array(100).fill("0-").join(",")}`], {
    status: [200, 206, 416, 400],
    also: (talk) => talk.answers[0]?.content.length > 1000 && "more is sent than there is",
  }),
  hit("ranges with blanks", "9110 14.1.1", ["Range: bytes= 0-1 , 5-6"], { status: [200, 206] }),
  hit("If-Range with the right tag", "9110 13.1.5", ["Range: bytes=0-4", 'If-Range: "v1"'], part("01234", "0-4")),
  hit("If-Range with another tag", "9110 13.1.5", ["Range: bytes=0-4", 'If-Range: "v2"'], whole),
  hit("If-Range with a weak tag", "9110 13.1.5", ["Range: bytes=0-4", 'If-Range: W/"v1"'], whole),
  hit("If-Range with the very date", "9110 13.1.5", ["Range: bytes=0-4", `If-Range: ${MADE}`], partOrWhole),
  hit("If-Range with an earlier date", "9110 13.1.5", ["Range: bytes=0-4", `If-Range: ${EARLIER}`], whole),
  hit("If-Range with a later date", "9110 13.1.5", ["Range: bytes=0-4", `If-Range: ${LATER}`], whole),
  hit("If-Range with what is neither", "9110 13.1.5", ["Range: bytes=0-4", "If-Range: v1"], whole),
  hit("If-Range without Range", "9110 13.1.5", ['If-Range: "v2"'], whole),
  hit("a Range beyond the end, with an If-Range that does not hold", "9110 13.1.5", ["Range: bytes=100-", 'If-Range: "v2"'], whole),
  hit("a HEAD with Range", "9110 14.2", ["Range: bytes=0-4"], { status: 200, has: { "content-length": "10" } }, { method: "HEAD" }),
  hit("a Range with a condition that says it is the same", "9110 13.2.2", ["Range: bytes=0-4", 'If-None-Match: "v1"'], kept),
  hit("a Range with a condition that says it is another", "9110 13.2.2", ["Range: bytes=0-4", 'If-None-Match: "v2"'], part("01234", "0-4")),
  {
    name: "from the origin: a part as it is",
    rfc: "9110 15.3.7",
    send: get("/r/1", "Range: bytes=0-4"),
    deed: response("206 Partial Content", ["Content-Range: bytes 0-4/10", 'ETag: "v1"', "Cache-Control: max-age=60"], "01234"),
    want: { status: 206, content: "01234", sent: 1, has: { "content-range": "bytes 0-4/10", "content-length": "5" } },
  },
  {
    name: "from the origin: several parts as they are",
    rfc: "9110 14.6",
    send: get("/r/2", "Range: bytes=0-1,5-6"),
    deed: response(
      "206 Partial Content",
      ["Content-Type: multipart/byteranges; boundary=B", "Cache-Control: no-store"],
      "--B\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--B--",
    ),
    want: {
      status: 206,
      content: "--B\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--B--",
      sent: 1,
      has: { "content-type": "multipart/byteranges; boundary=B" },
      hasNot: ["content-range"],
    },
  },
  {
    name: "from the origin: 416 as it is",
    rfc: "9110 15.5.17",
    send: get("/r/3", "Range: bytes=100-"),
    deed: response("416 Range Not Satisfiable", ["Content-Range: bytes */10"], ""),
    want: { status: 416, sent: 1, has: { "content-range": "bytes */10" } },
  },
  {
    name: "from the origin: the whole for a Range",
    rfc: "9110 14.2",
    send: get("/r/4", "Range: bytes=0-4"),
    deed: response("200 OK", ["Cache-Control: no-store"], TEXT),
    want: { status: 200, content: TEXT },
  },
  {
    name: "Range comes to an origin whose answers are not stored",
    rfc: "9110 14.2",
    send: get("/r/5", "Range: bytes=0-4", "Cache-Control: no-store"),
    want: { status: 200, saw: { has: { range: "bytes=0-4" } } },
  },
  {
    name: "a write with Range",
    rfc: "9110 14.2",
    send: ask("POST", "/r/6", ["Range: bytes=0-4", "Content-Length: 2"], "{}"),
    want: { status: 200, content: "ok", sent: 1 },
  },
  {
    name: "a PUT of a part",
    rfc: "9110 14.5",
    send: ask("PUT", "/r/7", ["Content-Range: bytes 0-1/10", "Content-Length: 2"], "{}"),
    want: { status: 200, sent: 1, saw: { has: { "content-range": "bytes 0-1/10" } } },
  },
];

function parts(talk) {
  const [answer] = talk.answers;
  if (answer?.status === 200 && answer.content !== TEXT) return "not the whole";
  if (answer?.status === 206 && !/^multipart\/byteranges/.test(answer.get("content-type") ?? "") && !answer.get("content-range"))
    return "a part that says not which";
}

export const conditions = [
  hit("If-None-Match with the tag", "9110 13.1.2", ['If-None-Match: "v1"'], kept),
  hit("If-None-Match with its weak form", "9110 13.1.2", ['If-None-Match: W/"v1"'], kept),
  hit("If-None-Match with a list", "9110 13.1.2", ['If-None-Match: "a,b", "v1" , W/"c"'], kept),
  hit("If-None-Match in two lines", "9110 13.1.2", ['If-None-Match: "a"', 'If-None-Match: "v1"'], kept),
  hit("If-None-Match: *", "9110 13.1.2", ["If-None-Match: *"], kept),
  hit("If-None-Match with another tag", "9110 13.1.2", ['If-None-Match: "v2"'], whole),
  hit("If-None-Match with a tag without quotes", "9110 8.8.3", ["If-None-Match: v1"], { status: [200, 304] }),
  hit("If-None-Match that is empty", "9110 13.1.2", ["If-None-Match:"], whole),
  hit("If-None-Match counts before If-Modified-Since: the same", "9110 13.2.2", ['If-None-Match: "v1"', `If-Modified-Since: ${EARLIER}`], kept),
  hit("If-None-Match counts before If-Modified-Since: another", "9110 13.2.2", ['If-None-Match: "v2"', `If-Modified-Since: ${LATER}`], whole),
  hit("If-Modified-Since with the very date", "9110 13.1.3", [`If-Modified-Since: ${MADE}`], kept),
  hit("If-Modified-Since with a later date", "9110 13.1.3", [`If-Modified-Since: ${LATER}`], kept),
  hit("If-Modified-Since with an earlier date", "9110 13.1.3", [`If-Modified-Since: ${EARLIER}`], whole),
  hit("If-Modified-Since in the form of RFC 850", "9110 5.6.7", ["If-Modified-Since: Monday, 02-Jan-23 03:04:05 GMT"], kept),
  hit("If-Modified-Since in the form of asctime", "9110 5.6.7", ["If-Modified-Since: Mon Jan  2 03:04:05 2023"], kept),
  hit("If-Modified-Since that is no date", "9110 13.1.3", ["If-Modified-Since: yesterday"], whole),
  hit("If-Modified-Since: 0", "9110 13.1.3", ["If-Modified-Since: 0"], whole),
  hit("a HEAD with If-None-Match", "9110 13.1.2", ['If-None-Match: "v1"'], kept, { method: "HEAD" }),
  hit("a 304 has a date and says how old it is", "9110 15.4.5", ['If-None-Match: "v1"'], {
    ...kept,
    has: { ...kept.has, age: /^\d+$/ },
    also: (talk) => talk.answers[0]?.all("date").length !== 1 && "no Date",
  }),
  hit(
    "If-Match is the origin's to judge",
    "9110 13.1.1",
    ['If-Match: "v1"'],
    { status: 412, sent: 1, saw: { has: { "if-match": '"v1"' } } },
    { deed: response("412 Precondition Failed", [], "") },
  ),
  hit(
    "If-Unmodified-Since is the origin's to judge",
    "9110 13.1.4",
    [`If-Unmodified-Since: ${EARLIER}`],
    { status: 412, sent: 1, saw: { has: { "if-unmodified-since": EARLIER } } },
    { deed: response("412 Precondition Failed", [], "") },
  ),
  hit("only-if-cached", "9111 5.2.1.7", ["Cache-Control: only-if-cached"], whole),
  hit(
    "no-cache asks the origin",
    "9111 5.2.1.4",
    ["Cache-Control: no-cache"],
    { status: 200, content: "new", sent: 1 },
    { deed: response("200 OK", FIELDS, "new") },
  ),
  hit(
    "Pragma: no-cache asks the origin",
    "9111 5.4",
    ["Pragma: no-cache"],
    { status: 200, content: "new", sent: 1 },
    { deed: response("200 OK", FIELDS, "new") },
  ),
  hit(
    "max-age=0 asks the origin, whose 304 is for the router",
    "9111 4.3.4",
    ["Cache-Control: max-age=0"],
    { status: 200, content: TEXT, sent: 1, saw: { has: { "if-none-match": '"v1"' } } },
    { deed: 'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n' },
  ),
  hit(
    "no-cache with the client's own condition: its 304 is for the client",
    "9111 4.3.3",
    ["Cache-Control: no-cache", 'If-None-Match: "v1"'],
    { status: 304, sent: 1 },
    { deed: 'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n' },
  ),
  hit("another variant is asked for", "9111 4.1", ["X-Lang: de"], { status: 200, content: "neu", sent: 1 }, { deed: response("200 OK", FIELDS, "neu") }),
  { name: "only-if-cached, and nothing is", rfc: "9111 5.2.1.7", send: get("/c/0", "Cache-Control: only-if-cached"), want: { status: 504, sent: 0 } },
  {
    name: "from the origin: a 304 to the client's own condition",
    rfc: "9110 15.4.5",
    send: get("/c/1", 'If-None-Match: "v1"'),
    deed: 'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nCache-Control: max-age=60\r\nVary: X-Lang\r\n\r\n',
    want: { status: 304, content: "", sent: 1, has: { etag: '"v1"', "cache-control": "max-age=60", vary: /X-Lang/ } },
  },
  {
    name: "from the origin: a 200 to the client's own condition, which still holds",
    rfc: "9110 13.1.2",
    send: get("/c/2", 'If-None-Match: "v1"'),
    deed: response("200 OK", ["Cache-Control: no-store", 'ETag: "v1"'], TEXT),
    want: { status: [200, 304] },
  },
  {
    name: "a write with If-Match",
    rfc: "9110 13.1.1",
    send: ask("PUT", "/c/3", ['If-Match: "v1"', "Content-Length: 2"], "{}"),
    deed: response("412 Precondition Failed", [], ""),
    want: { status: 412, sent: 1, saw: { has: { "if-match": '"v1"' } } },
  },
  {
    name: "a write with If-None-Match: *",
    rfc: "9110 13.1.2",
    send: ask("PUT", "/c/4", ["If-None-Match: *", "Content-Length: 2"], "{}"),
    want: { status: 200, sent: 1, saw: { has: { "if-none-match": "*" } } },
  },
  {
    name: "a write with If-Unmodified-Since",
    rfc: "9110 13.1.4",
    send: ask("DELETE", "/c/5", [`If-Unmodified-Since: ${MADE}`]),
    want: { status: 200, sent: 1, saw: { has: { "if-unmodified-since": MADE } } },
  },
];
