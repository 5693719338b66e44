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
const stored = (path, headers) => waitUntil(async () => {
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
      const { path, seen } = resource((request) => (request.headers["if-none-match"] ? [304, { etag: '"1"', "cache-control": "max-age=60" }, ""] : [200, fields, body]));
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
  assert.equal(seen.length, 3);
});

test("operators see that the cache is of use, and each isolate has looked once", async () => {
  const { cache } = await router.snapshot();
  assert.deepEqual([cache.effective, Object.values(cache.hosts), cache.says], [true, [true], []]);
});

/** A router whose cache has a store of that manner, and the text of its log. */
async function withStore(cache) {
  const origin = await startOrigin((request, response) => {
    const long = request.url === "/long" ? { "content-security-policy": "x".repeat(25_000) } : {};
    response.writeHead(200, { "cache-control": "max-age=60", "content-type": "text/x-plain", ...long }).end(`this is ${request.url}`);
  });
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
  });
  let log = "";
  const router = await startRouter({ vars, cache, handleLog: hear((text) => (log += text)) });
  return { router, log: () => log, get: (path) => new Client(router.url, "eu").get(path) };
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

test("what cannot be stored is heard of, and nobody waits for it to be", async () => {
  const { router, log } = await withStore();
  // More header fields than an entry may have; and no client of Node's takes so many.
  for (let n = 0; n < 3; n++) assert.equal((await sendRaw(`${router.url}`, ["GET /long HTTP/1.1"])).status, 200);
  await waitUntil(() => /not stored/.test(log()), "it is logged");
  const { cache } = await router.snapshot();
  assert.ok(cache.refused > 0 && cache.says.some((line) => /has refused/.test(line)), JSON.stringify(cache));
  assert.deepEqual((await router.decision("/long")).trace, ["session-absent", "nearest eu"], "it was not looked for");
});
