// What other caches were reported for, as cases of our own: what may be stored, what a 304 changes, what an expired copy is good for.
// Behind each case stands the report, or where the kind is described; nothing of their text is here.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Client, runtime, sendRaw, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

const plain = runtime === "workerd" ? {} : { skip: "miniflare codes anew" };
let router;
before(async () => {
  router = await startResources();
});

const client = () => new Client(router.url, "eu");
/** What has expired when it comes. */
const OLD = { "cache-control": "max-age=60", age: "60" };
const get = (path, headers = {}, method = "GET") => client().request(method, path, { headers });
const status = (answer) => answer.headers["cache-status"];
/** The copy's answer, without a word to any region; undefined if there is none that may answer. */
const cached = async (path, headers) => {
  const answer = await get(path, { ...headers, "cache-control": "only-if-cached" });
  return answer.status === 504 ? undefined : answer;
};
const stored = (path, headers) => waitUntil(() => cached(path, headers), `a copy of ${path}`);
const expired = (path, headers) => waitUntil(async () => !(await cached(path, headers)), `the copy of ${path} has expired`);
/** By now whatever was to be stored behind an answer is. */
const settled = async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=60" }, "x"]);
  await get(path);
  await stored(path);
};
const never = async (path, headers) => {
  await settled();
  assert.equal(await cached(path, headers), undefined, `${path} is not stored`);
};

// https://github.com/varnishcache/varnish-cache/issues/3535 https://github.com/envoyproxy/envoy/issues/22975
test("a coded body has its own length, and who asked for no coding is not answered from a coded copy", async () => {
  const zip = Buffer.from("1f8b0800000000000003cb48cdc9c95728cf2fca49010085114a0d0b000000", "hex");
  const { path } = resource((request) =>
    /gzip/.test(request.headers["accept-encoding"])
      ? [200, { "content-encoding": "gzip", "cache-control": "max-age=60", "content-length": zip.length }, zip]
      : [200, { "cache-control": "max-age=60", "content-length": 11 }, "hello world"],
  );
  const coded = await get(path, { "accept-encoding": "gzip" });
  assert.deepEqual([coded.bytes.equals(zip), coded.headers["content-length"]], [true, String(zip.length)]);
  await stored(path, { "accept-encoding": "gzip" });
  const plain = await get(path, { "accept-encoding": "identity" });
  assert.deepEqual([plain.text, plain.headers["content-length"], plain.headers["content-encoding"]], ["hello world", "11", undefined]);
});

// https://github.com/varnishcache/varnish-cache/issues/789 https://github.com/code-dot-org/code-dot-org/pull/19551
test("a part that an origin sent passes with its range and is never the whole for the next", async () => {
  const { path } = resource((request) =>
    request.headers.range
      ? [206, { "content-range": "bytes 0-3/10", "cache-control": "max-age=60", etag: '"r"' }, "0123"]
      : [200, { "cache-control": "max-age=60", etag: '"r"' }, "0123456789"],
  );
  const part = await get(path, { range: "bytes=0-3" });
  assert.deepEqual([part.status, part.headers["content-range"], part.text], [206, "bytes 0-3/10", "0123"]);
  const whole = await get(path);
  assert.deepEqual([whole.status, whole.text], [200, "0123456789"]);
});

// https://github.com/apache/trafficserver/pull/12618
test("variants by Accept-Encoding stay apart, whichever comes first", plain, async () => {
  const { path } = resource((request) => {
    const coding = /br/.test(request.headers["accept-encoding"]) ? "br" : /gzip/.test(request.headers["accept-encoding"]) ? "gzip" : undefined;
    return [200, { vary: "Accept-Encoding", "cache-control": "max-age=60", ...(coding ? { "content-encoding": coding } : {}) }, coding ?? "plain"];
  });
  for (let n = 0; n < 2; n++) {
    for (const [asked, body] of /** @type {any[][]} */ ([
      ["gzip", "gzip"],
      ["gzip, br", "br"],
      ["identity", "plain"],
      ["gzip;q=0", "plain"],
    ])) {
      assert.equal((await get(path, { "accept-encoding": asked })).text, body, asked);
      await settled();
    }
  }
});

// http://www.ibm.com/support/docview.wss?uid=swg1PI58218
test("a 304 that says nothing of freshness never reaches a client that set no condition", async () => {
  const { path } = resource((request) => (request.headers["if-none-match"] ? [304, {}] : [200, { etag: '"a"', ...OLD }, "body"]));
  await get(path);
  await settled();
  const answer = await get(path);
  assert.deepEqual([answer.status, answer.text], [200, "body"]);
});

// https://github.com/apache/trafficserver/issues/1575 https://github.com/varnishcache/varnish-cache/pull/3364
test("an expired copy stands in for a region that fails, but not against must-revalidate, which stale-while-revalidate does not undo", async () => {
  for (const [more, code, body] of /** @type {any[][]} */ ([
    ["", 200, "body"],
    [", must-revalidate", 503, "down"],
    [", must-revalidate, stale-while-revalidate=60, stale-if-error=60", 503, "down"],
    [", no-cache", 503, "down"],
  ])) {
    const { path } = resource((_request, n) => (n === 1 ? [200, { etag: '"a"', ...OLD, "cache-control": `max-age=60${more}` }, "body"] : [503, {}, "down"]));
    await get(path);
    await settled();
    await expired(path);
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.text], [code, body], more);
  }
});

// https://github.com/apache/trafficserver/issues/7417 https://github.com/squid-cache/squid/pull/652
test("a stored 404 that has expired gives way to the next 404, and to a 200", async () => {
  const { path } = resource((_request, n) => (n < 3 ? [404, { ...OLD, etag: `"${n}"` }, `none ${n}`] : [200, { "cache-control": "max-age=60" }, "there"]));
  await get(path);
  await settled();
  assert.equal((await get(path)).text, "none 2");
  await settled();
  await expired(path);
  assert.deepEqual([(await get(path)).text, (await stored(path)).text], ["there", "there"]);
});

// https://github.com/squid-cache/squid/pull/1927
test("those who waited for an answer that must not be reused each get a whole one", async () => {
  const { path, seen } = resource((_request, n) => [200, { "cache-control": "max-age=0, must-revalidate", etag: `"${n}"` }, `body ${n}`]);
  const answers = await Promise.all(Array.from({ length: 10 }, () => get(path)));
  for (const answer of answers) assert.match(`${answer.status} ${answer.text}`, /^200 body \d+$/);
  assert.ok(seen.length <= 10);
});

// https://trac.nginx.org/nginx/ticket/1723 is of this kind: HEAD made a GET, and the other way round.
test("a HEAD reaches its origin as one, and its answer is no body for a GET", async () => {
  const { path, seen } = resource((request) => [200, { "cache-control": "max-age=60", "content-length": 4 }, request.method === "HEAD" ? undefined : "body"]);
  const head = await get(path, {}, "HEAD");
  assert.deepEqual([head.status, head.headers["content-length"], seen[0].method], [200, "4", "HEAD"]);
  await never(path);
  assert.equal((await get(path)).text, "body");
  await stored(path);
  const again = await get(path, {}, "HEAD");
  assert.deepEqual([again.headers["content-length"], again.text, seen.length], ["4", "", 2]);
});

// A 304 that carries a length of its own (https://bz.apache.org/bugzilla/show_bug.cgi?id=56990 is of this kind).
test("a 304's own Content-Length, Content-Type, Content-Encoding and Content-Range change nothing of the copy", async () => {
  const odd = {
    "content-length": "0",
    "content-type": "text/x-none",
    "content-encoding": "gzip",
    "content-range": "bytes 0-0/1",
    "transfer-encoding": "identity",
  };
  for (const name of Object.keys(odd).filter((name) => name !== "transfer-encoding")) {
    const { path } = resource((request) =>
      request.headers["if-none-match"]
        ? `HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n${name}: ${odd[name]}\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n`
        : [200, { etag: '"a"', ...OLD, "content-type": "text/plain" }, "body"],
    );
    await get(path);
    await settled();
    for (let n = 0; n < 2; n++) {
      const answer = await get(path);
      assert.deepEqual(
        [answer.status, answer.text, answer.headers["content-encoding"], answer.headers["content-range"]],
        [200, "body", undefined, undefined],
        name,
      );
      if (answer.headers["content-length"]) assert.equal(answer.headers["content-length"], "4", name);
      await settled();
    }
  }
});

// https://github.com/apache/trafficserver/issues/8720 and its like: a 304 that is an answer to the client's validator, not to ours.
test("a 304 to the client's own validator does not renew a copy of something else", async () => {
  const { path } = resource((request, n) => {
    if (n === 1) return [200, { etag: '"old"', ...OLD }, "old"];
    return /"new"/.test(request.headers["if-none-match"])
      ? [304, { etag: '"new"', "cache-control": "max-age=60" }]
      : [200, { etag: '"new"', "cache-control": "max-age=60" }, "new"];
  });
  await get(path);
  await settled();
  assert.equal((await get(path, { "if-none-match": '"new"' })).status, 304);
  const other = await get(path);
  assert.deepEqual([other.status, other.text], [200, "new"]);
});

// Conditional leaders: the answer to one client's condition is nobody else's.
test("who waits for a request that gets a 304 is given a body", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async (request, n) => {
    if (n === 1) await gate;
    return request.headers["if-none-match"]
      ? [304, { etag: '"a"', "cache-control": "max-age=60" }]
      : [200, { etag: '"a"', "cache-control": "max-age=60" }, "body"];
  });
  const leader = get(path, { "if-none-match": '"a"' });
  await waitUntil(() => seen.length === 1, "the first has asked");
  const follower = get(path);
  await waitUntil(async () => (await router.snapshot()).in_flight === 2, "both are on their way");
  release();
  assert.deepEqual([(await leader).status, (await follower).status, (await follower).text], [304, 200, "body"]);
});

// https://portswigger.net/web-security/web-cache-poisoning/exploiting-design-flaws
test("fields that are no part of the key do not reach what is stored", async () => {
  const names = [
    "x-forwarded-host",
    "x-host",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "forwarded",
  ];
  for (const name of names) {
    const { path } = resource((request) => [200, { "cache-control": "max-age=60" }, `said: ${request.headers[name] ?? ""}`]);
    assert.doesNotMatch((await get(path, { [name]: "evil.example" })).text, /evil/, name);
    assert.doesNotMatch((await stored(path)).text, /evil/, name);
  }
});

// https://nathandavison.com/blog/abusing-http-hop-by-hop-request-headers
test("a field that Connection names is missing for the origin, and so it selects no variant", async () => {
  const { path } = resource((request) => [
    200,
    { vary: "Accept-Language, X-Theme", "cache-control": "max-age=60" },
    `in ${request.headers["accept-language"] ?? "nothing"}, ${request.headers["x-theme"] ?? "bare"}`,
  ]);
  const german = { "accept-language": "de", "x-theme": "dark" };
  assert.equal((await get(path, { ...german, connection: "close, Accept-Language, X-Theme" })).text, "in nothing, bare");
  await settled();
  assert.equal((await get(path, german)).text, "in de, dark");
});

// https://portswigger.net/research/web-cache-entanglement
test("every byte of a query is part of the key: no order, no separator, no tracking parameter is taken for nothing", async () => {
  const { path } = resource((request) => [200, { "cache-control": "max-age=60" }, request.url]);
  for (const query of [
    "",
    "?a=1",
    "?a=1&b=2",
    "?b=2&a=1",
    "?a=1;b=2",
    "?a=1&utm_content=x",
    "?a=1&utm_content=x;a=2",
    "?a=1&a=2",
    "?A=1",
    "?a=%31",
    "?a=1&",
    "?a[]=1",
    "?callback=evil",
  ]) {
    assert.equal((await get(path + query)).text, path + query);
    assert.equal((await stored(path + query)).text, path + query);
  }
});

// https://portswigger.net/web-security/web-cache-deception
test("what looks like a file is stored by its answer's word alone, never by its name", async () => {
  for (const name of ["account.css", "account;x.js", "account%0a.png", "account%3f.css", "account/x.css", "robots.txt", "index.html"]) {
    const { path } = resource(() => [200, { "content-type": "text/html", "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT" }, "mine"], `/private-${name}`);
    await get(path, { cookie: "user=1" });
    await never(path);
  }
});

// https://cpdos.org
test("an error that one request's form has made is not stored for others, whatever it says", async () => {
  for (const code of [400, 401, 403, 406, 408, 409, 411, 412, 413, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431]) {
    const { path } = resource((request) =>
      request.headers["x-odd"] ? [code, { "cache-control": "public, max-age=60" }, "broken"] : [200, { "cache-control": "max-age=60" }, "fine"],
    );
    await get(path, { "x-odd": "1" });
    assert.deepEqual([(await get(path)).status, (await get(path)).text], [200, "fine"], String(code));
  }
  // A failure may be stored for seconds, by its own word, but takes no place of what is there.
  for (const code of [500, 502, 503, 504]) {
    const { path } = resource((request) =>
      request.headers["x-odd"] ? [code, { "cache-control": "public, max-age=60" }, "broken"] : [200, { "cache-control": "max-age=60" }, "fine"],
    );
    await get(path);
    await stored(path);
    await get(path, { "x-odd": "1", "cache-control": "no-cache" });
    await settled();
    assert.deepEqual([(await get(path)).status, (await get(path)).text], [200, "fine"], String(code));
  }
});

// https://portswigger.net/web-security/cors and https://textslashplain.com/2018/08/02/cors-and-vary/
test("an answer for one Origin is none for another, nor for a request without one", async () => {
  const { path } = resource((request) => [
    200,
    { vary: "Origin", "cache-control": "max-age=60", ...(request.headers.origin ? { "access-control-allow-origin": request.headers.origin } : {}) },
    "x",
  ]);
  for (const origin of [undefined, "https://a.example", "https://b.example", "null"]) {
    await get(path, origin ? { origin } : {});
    await settled();
  }
  for (const origin of [undefined, "https://a.example", "https://b.example", "null"]) {
    const answer = await stored(path, origin ? { origin } : {});
    assert.equal(answer.headers["access-control-allow-origin"], origin);
  }
});

// https://github.com/varnishcache/varnish-cache/issues/1172
test("Vary in several lines, in any case, with empty members, selects by all of it", async () => {
  const { path } = resource((request) => [
    200,
    { vary: ["accept-LANGUAGE,", ", X-Theme"], "cache-control": "max-age=60" },
    `${request.headers["accept-language"]} ${request.headers["x-theme"]}`,
  ]);
  for (const [language, theme] of /** @type {any[][]} */ ([
    ["de", "a"],
    ["de", "b"],
    ["en", "a"],
    ["en", "b"],
  ])) {
    assert.equal((await get(path, { "accept-language": language, "x-theme": theme })).text, `${language} ${theme}`);
    await settled();
  }
});

// https://trac.nginx.org/nginx/ticket/1102 is of this kind: fields of one line, or of the first alone.
test("Cache-Control in several lines and in any case counts as one, and the strictest word of it", async () => {
  for (const lines of [
    ["max-age=60", "no-store"],
    ["max-age=60", "Private"],
    ["public", "max-age=60, NO-STORE"],
    ['max-age=60, private="X-A', '"', "no-store"],
    ["max-age=60, max-age=0"],
    ["max-age=60,", "max-age=0"],
  ]) {
    const { path } = resource(() => [200, { "cache-control": lines }, "x"]);
    await get(path);
    await never(path);
  }
});

test("a lifetime that is no number is none, and one that is too large is long", async () => {
  for (const [said, keeps] of /** @type {any[][]} */ ([
    ["max-age=-1", false],
    ["max-age=1.5", false],
    ["max-age=", false],
    ["max-age", false],
    ["max-age=60s", false],
    ['max-age="60"', true],
    ["max-age=99999999999999999999", true],
    ["MAX-AGE=060", true],
    ["s-maxage=0, max-age=60", false],
    ["max-age=60, s-maxage=abc", false],
  ])) {
    const { path } = resource(() => [200, { "cache-control": said }, "x"]);
    await get(path);
    if (keeps) assert.equal((await stored(path)).status, 200, said);
    else await never(path);
  }
});

// https://github.com/apache/trafficserver/issues/3211 and the like: clocks of origins that are wrong.
test("Expires counts from the origin's own Date, and what is no date has expired", async () => {
  const at = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();
  for (const [fields, keeps] of /** @type {any[][]} */ ([
    [{ date: at(3600), expires: at(3660) }, true],
    [{ date: at(-30), expires: at(-29) }, false],
    [{ date: at(0), expires: "0" }, false],
    [{ date: at(0), expires: "-1" }, false],
    [{ date: at(0), expires: "" }, false],
    [{ expires: at(60), "cache-control": "max-age=0" }, false],
    [{ expires: "0", "cache-control": "max-age=60" }, true],
    [{ expires: at(60), "cache-control": "s-maxage=0" }, false],
  ])) {
    const { path } = resource(() => [200, fields, "x"]);
    await get(path);
    if (keeps) assert.equal((await stored(path)).status, 200, JSON.stringify(fields));
    else await never(path);
  }
});

// https://github.com/nginx/nginx/issues and mailing lists: background updates that take the client's Range with them.
for (const [what, headers, method] of /** @type {any[][]} */ ([
  ["a Range", { range: "bytes=0-1" }, "GET"],
  ["a condition", { "if-none-match": '"1"' }, "GET"],
  ["a HEAD", {}, "HEAD"],
])) {
  test(`what is fetched behind an expired answer is the whole, although ${what} asked for it`, async () => {
    const { path, seen } = resource((request, n) => {
      const fields = { etag: `"${n}"`, "cache-control": "max-age=60, stale-while-revalidate=600", ...(n === 1 ? { age: "60" } : {}) };
      if (n > 1 && request.headers.range) return [206, { ...fields, "content-range": "bytes 0-1/6" }, "bo"];
      if (n > 1 && request.headers["if-none-match"]?.includes(`"${n}"`)) return [304, fields];
      return [200, fields, request.method === "HEAD" ? undefined : `body ${n}`];
    });
    await get(path);
    await settled();
    await waitUntil(async () => /stale-while-revalidate/.test(status(await get(path, headers, method))), "the copy has expired and is shown");
    const fresh = await waitUntil(async () => {
      const copy = await cached(path);
      return copy && copy.text !== "body 1" && copy;
    }, "it was made new");
    assert.match(fresh.text, /^body \d$/);
    assert.equal(fresh.status, 200);
    assert.ok(seen.length <= 3, `${seen.length}`);
  });
}

test("what fails behind an expired answer costs nobody the copy", async () => {
  const { path, seen } = resource((_request, n) =>
    n === 1 ? [200, { ...OLD, "cache-control": "max-age=60, stale-while-revalidate=600" }, "body"] : [500, {}, "broken"],
  );
  await get(path);
  await settled();
  await waitUntil(async () => /stale-while-revalidate/.test(status(await get(path))), "the copy has expired and is shown");
  await waitUntil(() => seen.length > 1, "a new one was asked for");
  for (let n = 0; n < 3; n++) assert.deepEqual([(await get(path)).status, (await get(path)).text], [200, "body"]);
});

test("no-cache and private for one field keep that field to its client, and the rest for all", async () => {
  for (const said of ['no-cache="set-cookie"', 'private="Set-Cookie, X-User"', 'no-cache="X-User"']) {
    const cookie = /cookie/i.test(said) ? { "set-cookie": "a=1" } : {};
    const { path } = resource(() => [200, { "cache-control": `max-age=60, ${said}`, ...cookie, "x-user": "me", "x-all": "1" }, "body"]);
    const first = await get(path);
    assert.equal(first.headers["x-user"], "me");
    const copy = await stored(path);
    assert.deepEqual([copy.headers["set-cookie"], copy.headers["x-all"], copy.text], [undefined, "1", "body"], said);
    if (/x-user/i.test(said)) assert.equal(copy.headers["x-user"], undefined, said);
  }
});

// https://www.rfc-editor.org/errata and https://github.com/apache/trafficserver/issues: invalidation by what failed, or of another host.
test("a write that failed, and one that names another host, end no copy of ours", async () => {
  const { path } = resource((request) =>
    request.method === "GET"
      ? [200, { "cache-control": "max-age=60" }, "body"]
      : [Number(request.headers["x-code"]), { location: "http://other.example/x" }, ""],
  );
  for (const code of ["400", "403", "409", "422"]) {
    await get(path);
    await stored(path);
    await client().post(path, {}, { headers: { "x-code": code } });
    assert.equal((await cached(path))?.text, "body", code);
  }
  await client().post(path, {}, { headers: { "x-code": "302" } });
  assert.equal(await cached(path), undefined, "302: a form that was sent, and the browser goes on to read");
});

// https://httpd.apache.org/security/CVE-2011-3192.txt
test("ranges that overlap, are many, go backwards or are of another unit do not make more than the whole", async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=60", etag: '"a"', "content-length": 10 }, "0123456789"]);
  await get(path);
  await stored(path);
  for (const [range, code, text] of /** @type {any[][]} */ ([
    [`bytes=${"0-,".repeat(1000)}0-0`, 200, "0123456789"],
    ["bytes=0-3,2-5", 200, "0123456789"],
    ["bytes=5-2", 200, "0123456789"],
    ["lines=0-1", 200, "0123456789"],
    ["bytes=a-b", 200, "0123456789"],
    ["bytes=-0", 416, ""],
    ["bytes=10-", 416, ""],
    ["bytes=-99", 206, "0123456789"],
    ["bytes=9-99999999999999999999", 206, "9"],
    ["bytes=0-0", 206, "0"],
  ])) {
    const answer = await get(path, { range });
    assert.deepEqual([answer.status, answer.text], [code, text], range.slice(0, 30));
  }
});

test("If-Range by a weak or another validator, or by a date that is not the copy's, gets the whole", async () => {
  const modified = "Mon, 01 Jan 2024 00:00:00 GMT";
  const { path } = resource(() => [200, { "cache-control": "max-age=60", etag: '"a"', "last-modified": modified }, "0123456789"]);
  const weak = resource(() => [200, { "cache-control": "max-age=60", etag: 'W/"a"' }, "0123456789"]);
  for (const each of [path, weak.path]) await get(each), await stored(each);
  for (const [at, said, code] of /** @type {any[][]} */ ([
    [path, '"a"', 206],
    [path, 'W/"a"', 200],
    [path, '"b"', 200],
    [path, '"a", "b"', 200],
    [path, "Mon, 01 Jan 2024 00:00:01 GMT", 200],
    [path, modified, 206],
    [weak.path, 'W/"a"', 200],
    [weak.path, '"a"', 200],
  ])) {
    assert.equal((await get(at, { range: "bytes=0-1", "if-range": said })).status, code, said);
  }
});

test("If-None-Match is compared weakly, as a list, with commas in its tags, and before If-Modified-Since", async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=60", etag: '"a,b"', "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT" }, "body"]);
  await get(path);
  await stored(path);
  for (const [headers, code] of /** @type {any[][]} */ ([
    [{ "if-none-match": '"a,b"' }, 304],
    [{ "if-none-match": 'W/"a,b"' }, 304],
    [{ "if-none-match": '"x", "a,b"' }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"a"' }, 200],
    [{ "if-none-match": "a,b" }, 200],
    [{ "if-none-match": '"x"', "if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT" }, 200],
    [{ "if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT" }, 304],
    [{ "if-modified-since": "Sun, 31 Dec 2023 23:59:59 GMT" }, 200],
    [{ "if-modified-since": "yesterday" }, 200],
  ])) {
    const answer = await get(path, headers);
    assert.deepEqual([answer.status, answer.text], [code, code === 200 ? "body" : ""], JSON.stringify(headers));
  }
});

test("a 204 and an empty 200 are kept as what they are", async () => {
  for (const [code, fields] of /** @type {any[][]} */ ([
    [204, {}],
    [200, { "content-length": 0 }],
  ])) {
    const { path } = resource(() => [code, { "cache-control": "max-age=60", ...fields }, undefined]);
    await get(path);
    for (const method of ["GET", "HEAD"]) {
      const answer = await waitUntil(async () => {
        const again = await get(path, {}, method);
        return /hit/.test(status(again)) && again;
      }, `a copy of a ${code}`);
      assert.deepEqual([answer.status, answer.text], [code, ""]);
      assert.equal(answer.headers["content-length"], code === 204 ? undefined : "0", `${method} ${code}`);
    }
    assert.equal((await get(path, { range: "bytes=0-1" })).status, code === 204 ? 204 : 416);
  }
});

// https://portswigger.net/research/practical-web-cache-poisoning: what the Host is not.
test("a copy of one host, scheme or port is none of another's", async () => {
  const { path } = resource((request) => [200, { "cache-control": "max-age=60" }, `of ${request.headers["x-forwarded-host"]}`]);
  for (const host of ["a.example", "b.example", "a.example:8080", "A.Example", "a.example."]) {
    const answer = await sendRaw(router.url, [`GET ${path} HTTP/1.1`, `Host: ${host}`]);
    await settled();
    if (answer.status === 200) assert.match(answer.text, new RegExp(`of ${host.toLowerCase().replace(/\.$/, "").replaceAll(".", "\\.")}`), host);
  }
});

// https://github.com/bbc/flashheart/pull/37, and every cache that has a lock for it: the herd at the moment of expiry.
test("requests that find the same expired copy are one at its origin", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async (request, n) => {
    if (n > 1) await gate;
    return n > 1 && request.headers["if-none-match"] ? [304, { etag: '"a"', "cache-control": "max-age=60" }] : [200, { etag: '"a"', ...OLD }, "body"];
  });
  await get(path);
  await settled();
  const all = Array.from({ length: 20 }, () => get(path));
  await waitUntil(async () => (await router.snapshot()).in_flight === 20, "twenty are on their way");
  release();
  for (const answer of await Promise.all(all)) assert.deepEqual([answer.status, answer.text], [200, "body"]);
  assert.equal(seen.length, 2);
});

// https://github.com/apache/trafficserver/pull/12618 is of this kind too: one variant's trouble is not another's.
test("who finds an expired variant does not wait for whoever asks about another", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async (request, n) => {
    if (n > 2 && request.headers["accept-language"] === "de") await gate;
    return [200, { etag: `"${n}"`, vary: "Accept-Language", "cache-control": "max-age=60", ...(n < 3 ? OLD : {}) }, request.headers["accept-language"]];
  });
  for (const language of ["de", "en"]) {
    await get(path, { "accept-language": language });
    await settled();
  }
  const german = get(path, { "accept-language": "de" });
  await waitUntil(() => seen.length === 3, "it is asked about");
  const english = await get(path, { "accept-language": "en" });
  assert.equal(english.text, "en");
  assert.doesNotMatch(english.headers["cache-status"], /collapsed/, "it has waited for nobody");
  release();
  assert.equal((await german).text, "de");
});

// https://bz.apache.org/bugzilla is full of it: old servers call it x-gzip, and some code twice.
test("a copy whose coding has an old name, or is one of several, is not for who cannot decode it", plain, async () => {
  for (const coding of ["x-gzip", "X-GZIP", "identity, gzip"]) {
    const { path } = resource((request) => [
      200,
      { "cache-control": "max-age=60", ...(/gzip/.test(request.headers["accept-encoding"]) ? { "content-encoding": coding } : {}) },
      /gzip/.test(request.headers["accept-encoding"]) ? "coded" : "plain",
    ]);
    assert.equal((await get(path, { "accept-encoding": "gzip" })).text, "coded");
    await stored(path, { "accept-encoding": "gzip" });
    const identity = await get(path, { "accept-encoding": "identity" });
    assert.deepEqual([identity.text, identity.headers["content-encoding"]], ["plain", undefined], coding);
  }
});

// https://github.com/squid-cache/squid/pull/2400 https://github.com/squid-cache/squid/pull/378
test("a 304 that names other fields in Vary gives nobody another's variant", async () => {
  const { path } = resource((request, n) =>
    n > 1 && request.headers["if-none-match"]
      ? [304, { etag: '"a"', vary: "X-Size", "cache-control": "max-age=60" }]
      : [200, { etag: request.headers["x-theme"] === "dark" ? '"a"' : '"b"', vary: "X-Theme", ...OLD }, request.headers["x-theme"]],
  );
  await get(path, { "x-theme": "dark" });
  await settled();
  assert.equal((await get(path, { "x-theme": "dark" })).text, "dark");
  await settled();
  assert.equal((await get(path, { "x-theme": "light" })).text, "light");
});

// https://github.com/haproxy/haproxy/issues/987
test("codings and languages in several lines count all", plain, async () => {
  const { path } = resource((request) => [
    200,
    { vary: "Accept-Encoding, Accept-Language", "cache-control": "max-age=60" },
    `${request.headers["accept-encoding"]}; ${request.headers["accept-language"]}`,
  ]);
  const both = await get(path, { "accept-encoding": ["gzip", "br"], "accept-language": ["de", "en;q=0.5"] });
  assert.match(both.text, /^br, ?gzip; de, ?en;q=0\.5$/);
  await settled();
  assert.match((await get(path, { "accept-encoding": ["gzip"], "accept-language": ["de"] })).text, /^gzip; de$/);
});

// https://github.com/haproxy/haproxy/issues/2203 https://github.com/haproxy/haproxy/issues/2048
test("s-maxage goes before max-age in each direction, and a client that says no-cache gets a new answer that others get too", async () => {
  const { path, seen } = resource((_request, n) => [200, { "cache-control": "public, max-age=0, s-maxage=60" }, `body ${n}`]);
  await get(path);
  assert.equal((await stored(path)).text, "body 1");
  assert.equal((await get(path, { "cache-control": "no-cache" })).text, "body 2");
  await settled();
  assert.equal((await get(path)).text, "body 2");
  assert.equal((await get(path, { pragma: "no-cache" })).text, "body 3");
  assert.equal(seen.length, 3);
});

// https://github.com/envoyproxy/envoy/issues/15830 https://github.com/envoyproxy/envoy/issues/46947 https://github.com/envoyproxy/envoy/issues/31420
test("an answer without Date is fresh for its time, has an Age from the cache, also once it was confirmed, and its own length", async () => {
  const plainly = (head, body = "") => `HTTP/1.1 ${head}\r\nETag: "a"\r\nConnection: close\r\n${body ? `Content-Length: ${body.length}\r\n` : ""}\r\n${body}`;
  const { path, seen } = resource((request) =>
    request.headers["if-none-match"] ? plainly("304 Not Modified\r\nCache-Control: max-age=60") : plainly("200 OK\r\nCache-Control: max-age=1", "body"),
  );
  await get(path);
  assert.match((await stored(path)).headers.age, /^\d+$/);
  await expired(path);
  await get(path);
  const again = await stored(path);
  assert.deepEqual([again.text, again.headers.age, seen.length], ["body", "0", 2]);
});

// http://mailman.nginx.org/pipermail/nginx/2009-August/014631.html
test("what is gone by the time that it is made new is gone for the next client", async () => {
  const { path } = resource((_request, n) =>
    n === 1 ? [200, { ...OLD, "cache-control": "max-age=60, stale-while-revalidate=600" }, "body"] : [404, { "cache-control": "max-age=60" }, "gone"],
  );
  await get(path);
  await settled();
  await waitUntil(async () => /stale-while-revalidate/.test(status(await get(path))), "the copy has expired and is shown");
  await waitUntil(async () => (await get(path)).status === 404, "it is gone");
});

// https://github.com/apache/trafficserver/issues/6649
test("while its origin fails, an expired copy answers each time, not only the first", async () => {
  const { path } = resource((_request, n) =>
    n === 1 ? [200, { etag: '"a"', ...OLD, "cache-control": "max-age=60, stale-if-error=600" }, "body"] : [500, {}, "broken"],
  );
  await get(path);
  await settled();
  for (let n = 0; n < 4; n++) {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.text], [200, "body"], String(n));
    assert.match(status(answer), /stale-if-error/);
  }
});

// https://github.com/jonbaldie/varnish/issues/76 https://github.com/jonbaldie/varnish/issues/92
test("a host with its default port, an empty one or zeros before it is the host, for copies and for what ends them", plain, async () => {
  const { path, seen } = resource((request, n) => (request.method === "PUT" ? [204, {}, undefined] : [200, { "cache-control": "max-age=60" }, `body ${n}`]));
  const ask = (host, method = "GET") =>
    sendRaw(router.url, [`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...(method === "PUT" ? ["Content-Length: 0"] : [])]);
  await ask("a.example");
  await settled();
  for (const host of ["a.example:80", "a.example:", "a.example:080", "A.EXAMPLE:80"]) assert.match((await ask(host)).headers["cache-status"], /hit/, host);
  assert.equal(seen.length, 1);
  await ask("a.example:80", "PUT");
  assert.doesNotMatch((await ask("a.example")).headers["cache-status"], /hit/);
});

// https://forum.nginx.org/read.php?21,245951,245951
test("a 304 to the client's own condition, whatever it says of caching, leaves no empty page for the next", async () => {
  const { path } = resource((request) =>
    request.headers["if-modified-since"]
      ? [304, { "cache-control": "max-age=60", "last-modified": request.headers["if-modified-since"] }]
      : [200, { "cache-control": "max-age=60" }, "body"],
  );
  assert.equal((await get(path, { "if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT" })).status, 304);
  await settled();
  for (let n = 0; n < 2; n++) assert.deepEqual([(await get(path)).status, (await get(path)).text], [200, "body"]);
});
