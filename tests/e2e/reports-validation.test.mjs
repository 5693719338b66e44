// What other caches were reported for, as cases of our own: what a condition and a 304 change, and what an expired response is good for.
// Behind each case stands the report, or where the kind is described; nothing of their text is here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OLD, cached, client, expired, get, router, settled, status, stored } from "./cached.mjs";
import { waitUntil } from "./harness.mjs";
import { resource } from "./resources.mjs";

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
