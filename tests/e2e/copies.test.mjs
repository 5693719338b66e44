// What lies in the store of the edge cache: bodies that are coded, entries with many fields, and a store that is of no use. In plain workerd,
// whose cache decodes what says that it is coded, and in miniflare, whose cache does not.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Client, hear, runtime, sendRaw, startOrigin, startRouter, topology, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

let router;
before(async () => {
  router = await startResources();
});

const status = (answer) => answer.headers["cache-status"];
const hit = /^homing; hit; ttl=/;
const get = (path, headers, method = "GET") => new Client(router.url, "eu").request(method, path, { headers });
const stored = (path, headers) =>
  waitUntil(async () => {
    const answer = await get(path, headers);
    return hit.test(status(answer)) && answer;
  }, `${path} is stored`);

/** Bytes that no coding makes smaller, the same each time. */
function noise(size) {
  const bytes = Buffer.alloc(size);
  let state = 42;
  for (let at = 0; at < size; at++) bytes[at] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  return bytes;
}

const SIZES = { "64 KiB at most": 3000, "more than 64 KiB": 100_000, "more than 1 MiB, stored apart": 1_500_000 };
const CODINGS = { gzip: gzipSync, br: (bytes) => brotliCompressSync(bytes, { params: { 0: 1 } }), zstd: (bytes) => zstdCompressSync(bytes) };
// No coding is at work between here and the router that looks at other types than text.
const TYPE = { "content-type": "application/x-noise" };
const takes = (coding) => ({ "accept-encoding": coding === "gzip" ? "gzip" : "br, gzip, zstd" });

for (const [coding, encode] of Object.entries(CODINGS)) {
  for (const [what, size] of Object.entries(SIZES)) {
    test(`a copy in ${coding} is what its origin made: ${what}`, async () => {
      const body = encode(noise(size));
      const fields = { ...TYPE, etag: '"1"', "content-encoding": coding, "cache-control": "max-age=2", "content-length": body.length };
      const { path, seen } = resource((request) =>
        request.headers["if-none-match"] ? [304, { etag: '"1"', "cache-control": "max-age=60" }, ""] : [200, fields, body],
      );
      const whole = (answer, round) => {
        assert.deepEqual([answer.status, answer.headers["content-encoding"]], [200, coding], round);
        assert.ok(answer.bytes.equals(body), `${round}: ${answer.bytes.length} bytes in place of ${body.length}`);
      };
      const parts = async () => {
        const [from, to] = [1000, 1999];
        const part = await get(path, { ...takes(coding), range: `bytes=${from}-${to}` });
        assert.deepEqual([part.status, part.headers["content-encoding"], part.headers["content-range"]], [206, coding, `bytes ${from}-${to}/${body.length}`]);
        assert.ok(part.bytes.equals(body.subarray(from, to + 1)), "a part of what is coded");
        const head = await get(path, takes(coding), "HEAD");
        assert.deepEqual([head.status, head.headers["content-encoding"], head.headers["content-length"], head.text], [200, coding, String(body.length), ""]);
      };
      whole(await get(path, takes(coding)), "miss");
      whole(await stored(path, takes(coding)), "hit");
      await parts();
      const confirmed = await waitUntil(async () => {
        const answer = await get(path, takes(coding));
        return /fwd-status=304/.test(status(answer)) && answer;
      }, "it expires and is confirmed");
      whole(confirmed, "confirmed");
      whole(await stored(path, takes(coding)), "hit of what was confirmed");
      await parts();
      assert.equal(seen.filter((request) => !request.headers["if-none-match"]).length, 1, "its origin was asked for it once");
    });
  }
}

test("variants in several codings live side by side, each as it was made", async () => {
  const plain = noise(5000);
  const of = { gzip: gzipSync(plain), br: brotliCompressSync(plain), identity: plain };
  const { path, seen } = resource((request) => {
    const accepts = request.headers["accept-encoding"] ?? "";
    const coding = /br/.test(accepts) ? "br" : /gzip/.test(accepts) ? "gzip" : "identity";
    const coded = coding === "identity" ? {} : { "content-encoding": coding };
    return [200, { ...TYPE, ...coded, vary: "Accept-Encoding", etag: `"${coding}"`, "cache-control": "max-age=60" }, of[coding]];
  });
  const as = (coding) => ({ "accept-encoding": coding === "br" ? "br, gzip" : coding });
  for (const coding of Object.keys(of)) {
    await get(path, as(coding));
    await stored(path, as(coding));
  }
  // While a variant is being stored its origin may be asked again.
  const asked = seen.length;
  for (let round = 0; round < 2; round++) {
    for (const [coding, bytes] of Object.entries(of)) {
      const answer = await get(path, as(coding));
      assert.match(status(answer), hit, coding);
      assert.equal(answer.headers["content-encoding"], coding === "identity" ? undefined : coding);
      assert.ok(answer.bytes.equals(bytes), coding);
      const part = await get(path, { ...as(coding), range: "bytes=10-19" });
      assert.ok(part.bytes.equals(bytes.subarray(10, 20)), `a part of ${coding}`);
    }
  }
  assert.equal(seen.length, asked);
});

/** What an ordinary server makes of a request: one range of bytes, or all of them (RFC 9110 section 14). */
function ranged(bytes, request, fields) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  if (first === undefined) return [200, fields, bytes];
  const from = first === "" ? bytes.length - Number(last) : Number(first);
  const to = first === "" || last === "" ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1);
  return [206, { ...fields, "content-range": `bytes ${from}-${to}/${bytes.length}` }, bytes.subarray(from, to + 1)];
}

for (const [what, coding, size] of /** @type {any[][]} */ ([
  ["as they are", undefined, 5000],
  ["in gzip", "gzip", 5000],
  ["of more than 1 MiB", undefined, 1_500_000],
])) {
  test(`a part that was asked for answers what lies inside, and nothing else: bytes ${what}`, async () => {
    const bytes = coding ? gzipSync(noise(size)) : noise(size);
    const fields = { ...TYPE, etag: '"1"', "cache-control": "max-age=600", ...(coding && { "content-encoding": coding }) };
    const { path, seen } = resource((request) => {
      const [code, said, body] = ranged(bytes, request, fields);
      return [code, { ...said, "content-length": body.length }, body];
    });
    const part = (range, more) => get(path, { ...takes("gzip"), range, ...more });
    const last = bytes.length - 1;
    assert.equal((await part(`bytes=1000-${last}`)).status, 206);
    // Who asked its origin meanwhile would have its own part stored in the place of the first.
    const lies = (range) => waitUntil(async () => hit.test(status(await part(range, { "cache-control": "only-if-cached" }))), `${range} is stored`);
    await lies("bytes=1500-1599");
    const asked = seen.length;
    for (const [range, from, to] of /** @type {any[][]} */ ([
      ["bytes=1000-1000", 1000, 1000],
      ["bytes=1234-2345", 1234, 2345],
      ["bytes=-7", last - 6, last],
      ["bytes=1500-", 1500, last],
      [`bytes=1000-${last}`, 1000, last],
    ])) {
      const answer = await part(range);
      assert.deepEqual(
        [answer.status, answer.headers["content-range"], answer.headers["content-length"], answer.headers["content-encoding"]],
        [206, `bytes ${from}-${to}/${bytes.length}`, String(to - from + 1), coding],
        range,
      );
      assert.match(status(answer), hit, range);
      assert.ok(answer.bytes.equals(bytes.subarray(from, to + 1)), range);
    }
    assert.equal((await part("bytes=1500-1599", { "if-none-match": '"1"' })).status, 304);
    assert.equal(seen.length, asked, "all of that came from the part");
    const before = await part("bytes=999-1000");
    assert.match(status(before), /fwd=partial/);
    assert.ok(before.bytes.equals(bytes.subarray(999, 1001)));
    const whole = await get(path, takes("gzip"));
    assert.deepEqual([whole.status, whole.headers["content-range"]], [200, undefined], "a part is never taken for the whole");
    assert.ok(whole.bytes.equals(bytes));
    await stored(path, takes("gzip"));
    assert.ok((await part("bytes=0-9")).bytes.equals(bytes.subarray(0, 10)));
  });
}

test("parts of one state lie side by side, and one of another state ends them", async () => {
  let state = 1;
  const bytes = () => Buffer.from(`${state}`.repeat(10));
  const { path, seen } = resource((request) => ranged(bytes(), request, { ...TYPE, etag: `"${state}"`, "cache-control": "max-age=600" }));
  const part = (range) => get(path, { range });
  for (const range of ["bytes=0-1", "bytes=4-5", "bytes=8-9"]) {
    await part(range);
    await waitUntil(async () => hit.test(status(await get(path, { range, "cache-control": "only-if-cached" }))), `${range} is stored`);
  }
  const asked = seen.length;
  for (const range of ["bytes=0-0", "bytes=4-5", "bytes=-1"]) assert.match((await part(range)).text, /^1+$/);
  assert.equal(seen.length, asked, "all three are there");
  state = 2;
  assert.equal((await part("bytes=2-3")).text, "22");
  await waitUntil(async () => hit.test(status(await part("bytes=2-3"))), "it is stored");
  for (const range of ["bytes=0-1", "bytes=4-5", "bytes=8-9"]) assert.equal((await part(range)).text, "22", "nothing of the old state is left");
});

test("a part in chunks that is shorter than it says, or says what cannot be, is cut into nothing", async () => {
  const said = [
    ["bytes 0-5/10", "01234"],
    ["bytes 4-9/10", "56789"],
  ];
  for (const [range, body] of said) {
    // Without a length nobody sees before its end that something is missing.
    const { path, seen } = resource(() => [206, { ...TYPE, "cache-control": "max-age=600", "content-range": range, "transfer-encoding": "chunked" }, body]);
    for (let n = 1; n <= 3; n++) {
      assert.equal((await get(path, { range: "bytes=6-7" })).text, body);
      assert.equal(seen.length, n, "its origin is asked each time");
    }
  }
});

test("fields of variants keep their bytes, or are of none", async () => {
  // A byte that is no UTF-8 cannot stand in text, and a second variant's fields are text.
  const { path } = resource((request) => {
    const theme = request.headers["x-theme"];
    return [200, { ...TYPE, vary: "X-Theme", "x-name": `${theme} \xfc`, "cache-control": "max-age=600" }, theme];
  });
  for (let round = 0; round < 3; round++) {
    for (const theme of ["dark", "light"]) {
      const answer = await get(path, { "x-theme": theme });
      assert.deepEqual([answer.text, answer.headers["x-name"]], [theme, `${theme} \xfc`]);
    }
  }
});

test("operators see that the cache is of use, and each isolate has looked once", async () => {
  const { cache } = await router.snapshot();
  assert.deepEqual([cache.effective, Object.values(cache.hosts), cache.says], [true, [true], []]);
});

/** A router whose cache has a store of that manner, and the text of its log. */
async function withStore(cache) {
  const asked = { conditionally: 0 };
  const origin = await startOrigin((request, response) => {
    const long = request.url === "/long" ? { "content-security-policy": "x".repeat(25_000) } : {};
    if (request.headers["if-none-match"] && ++asked.conditionally) return response.writeHead(304, { etag: '"1"' }).end();
    const always = request.url === "/asked" ? { "cache-control": "no-cache", etag: '"1"' } : {};
    response.writeHead(200, { "cache-control": "max-age=60", "content-type": "text/x-plain", ...long, ...always }).end(`this is ${request.url}`);
  });
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
  });
  let log = "";
  const router = await startRouter({ vars, cache, handleLog: hear((text) => (log += text)) });
  return { router, asked, log: () => log, get: (path) => new Client(router.url, "eu").get(path) };
}

// Only the store of plain workerd is the tests' own.
const own = { skip: runtime !== "workerd" };

test("a cache that keeps nothing, as on workers.dev, is found out behind the first request", own, async () => {
  const { router, get } = await withStore("nothing");
  assert.equal((await get("/a")).status, 200);
  const cache = await waitUntil(async () => {
    const { cache } = await router.snapshot();
    return cache.effective !== null && cache;
  }, "it is known");
  assert.deepEqual([cache.effective, cache.says.length], [false, 1]);
  assert.match(cache.says[0], /keeps nothing there: .*workers\.dev or behind Cloudflare Access/);
});

test("a store that takes several keys for one hands nobody what lies there for another", own, async () => {
  const { router, get, log } = await withStore("mixed");
  // Everybody asks for two addresses in turn; what was stored last is what the store hands out for both.
  for (let round = 0; round < 3; round++) {
    for (const path of ["/mine", "/yours"]) assert.equal((await get(path)).text, `this is ${path}`);
  }
  const { cache } = await router.snapshot();
  assert.deepEqual([cache.effective, cache.mixes], [false, true]);
  await waitUntil(() => log().split("take several URLs for one").length === 2, "said once");
});

test("a copy that its origin confirms and that breaks as it is read is none: the origin is asked for a new one", own, async () => {
  const { router, asked } = await withStore("breaking");
  const get = () => new Client(router.url, "eu").get("/asked");
  assert.equal((await get()).text, "this is /asked");
  const answer = await waitUntil(async () => {
    const answer = await get();
    return asked.conditionally > 0 && answer;
  }, "the copy is asked about");
  assert.deepEqual([answer.status, answer.text], [200, "this is /asked"]);
  assert.match(status(answer), /^homing; fwd=uri-miss; (collapsed=\?0; )?fwd-status=200/, "as if there had been none");
});

test("what cannot be stored is heard of, and nobody waits for it to be", async () => {
  const { router, log } = await withStore();
  // More header fields than an entry may have; and no client of Node's takes so many.
  for (let n = 0; n < 3; n++) assert.equal((await sendRaw(`${router.url}`, ["GET /long HTTP/1.1"])).status, 200);
  await waitUntil(() => /not stored/.test(log()), "it is logged");
  const { cache } = await router.snapshot();
  assert.ok(cache.refused > 0 && cache.says.some((line) => /has refused/.test(line)), JSON.stringify(cache));
  assert.deepEqual((await router.decision("/long")).trace, ["session-absent", "nearest eu"], "it was not looked for");
});
