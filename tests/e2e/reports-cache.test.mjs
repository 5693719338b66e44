// What other caches were reported for, as cases of our own: what is stored, and whom a stored response may answer.
// Behind each case stands the report, or where the kind is described; nothing of their text is here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { get, never, router, settled, status, stored } from "./cached.mjs";
import { runtime, sendRaw, waitUntil } from "./harness.mjs";
import { resource } from "./resources.mjs";

const plain = runtime === "workerd" ? {} : { skip: "miniflare codes anew" };

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
