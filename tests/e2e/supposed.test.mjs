// What a client accepts: the platform tells it for each request, and it takes long to read. So the router supposes it of a client that it knows, and
// looks where that matters: nobody may get what they cannot decode, and nothing that writes may be sent twice.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Client, runtime, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

const WORDS = "hello, hello, hello, hello, hello";
const PLACE = { latitude: "50.1", longitude: "8.7", continent: "EU" };

/** @type {any} */
let router;
// One for each: whoever finds that it was wrong to suppose something supposes nothing for a while.
beforeEach(async () => {
  router = await startResources((vars) => void vars.ROUTES.unshift({ match: "/taps/*", access: "write" }));
});
afterEach(() => router.stop());

/** One program at one address, of which the platform tells what it accepts this time; its field says what the platform accepts. */
function someone() {
  const client = new Client(router.url, undefined, { "user-agent": "curl/8.14.1" });
  // Miniflare's front writes down what the field says, and then writes another.
  const told = (accepts) => ({ "accept-encoding": "gzip, br", "mf-cf-blob": JSON.stringify({ ...PLACE, clientAcceptEncoding: accepts }) });
  const fields = (accepts) => (runtime === "workerd" ? told(accepts) : { "accept-encoding": accepts });
  return (path, accepts, { method = "GET", headers = {}, body = undefined } = {}) =>
    client.request(method, path, { headers: { ...fields(accepts), ...headers }, body });
}

/** An origin's answer that is coded for whoever asks for that. */
const coded = (more) => (request) => {
  const isCoded = /gzip/.test(request.headers["accept-encoding"]);
  const fields = { "content-type": "application/octet-stream", vary: "accept-encoding", ...more, ...(isCoded ? { "content-encoding": "gzip" } : {}) };
  return [200, fields, isCoded ? gzipSync(WORDS) : WORDS];
};

/** What the regions were asked to send, of all requests that they saw. */
const asked = (seen) => seen.map((request) => request.headers["accept-encoding"]);

const isPlain = (answer) => assert.deepEqual([answer.status, answer.headers["content-encoding"], answer.text], [200, undefined, WORDS]);
const isCoded = (answer) => assert.deepEqual([answer.status, answer.headers["content-encoding"], answer.bytes.equals(gzipSync(WORDS))], [200, "gzip", true]);

test("who accepts nothing this time gets no coded answer, whatever the program accepted before", async () => {
  const { path, seen } = resource(coded({ "cache-control": "private" }));
  const get = someone();
  isCoded(await get(path, "gzip, deflate, br"));
  isCoded(await get(path, "gzip, deflate, br"));
  isPlain(await get(path, ""));
  assert.deepEqual(asked(seen), ["br, gzip", "br, gzip", "br, gzip", "identity"], "the region is asked once more, and only then");
});

test("nobody doubles a region's load by accepting something else each time", async () => {
  const { path, seen } = resource(coded({ "cache-control": "private" }));
  const all = [someone(), someone()];
  for (const get of all) isCoded(await get(path, "gzip"));
  for (let round = 0; round < 5; round++) for (const get of all) isPlain(await get(path, "")), isCoded(await get(path, "gzip"));
  assert.equal(seen.length, 2 + 20 + 1, "twice for the first of them alone");
});

test("what is not coded anybody gets, and nobody is asked twice", async () => {
  const { path, seen } = resource(() => [200, { "content-type": "application/octet-stream", "cache-control": "private" }, WORDS]);
  const get = someone();
  for (const accepts of ["gzip, br", "", "gzip, br", "zstd"]) isPlain(await get(path, accepts));
  assert.equal(seen.length, 4);
});

for (const method of ["GET", "HEAD"])
  test(`${method}: a stored coded answer is for who accepts it, from the memory of the isolate and from the store`, async () => {
    const { path, seen } = resource(coded({ "cache-control": "max-age=60" }));
    const { path: other } = resource(() => [200, { "cache-control": "private" }, WORDS]);
    const knownFor = async (accepts) => {
      const get = someone();
      await get(other, accepts);
      return get;
    };
    const get = await knownFor("gzip");
    const isHit = async () => /; hit/.test((await get(path, "gzip")).headers["cache-status"]);
    const inMemory = async () => (await router.snapshot()).cache.in_memory.entries;
    for (const [where, here] of /** @type {any[][]} */ ([
      ["memory", async () => (await isHit()) && (await inMemory()) > 0],
      ["store", async () => (await inMemory()) === 0],
    ])) {
      await waitUntil(here, `it is in the ${where}`);
      const answer = await (await knownFor("gzip"))(path, "", { method });
      assert.deepEqual([answer.status, answer.headers["content-encoding"], answer.text], [200, undefined, method === "GET" ? WORDS : ""], where);
      const before = seen.length;
      assert.equal((await get(path, "gzip", { method })).headers["content-encoding"], "gzip", where);
      assert.equal(seen.length, before, "which is there for others");
    }
  });

test("who waits for what a request fills waits on when that starts over", async () => {
  const gate = Promise.withResolvers();
  const { path, seen } = resource(async (request, n) => {
    // It has expired when it comes; from then on it is coded for who wants that.
    if (n === 1) return [200, { "cache-control": "max-age=60", age: "61", etag: '"1"' }, WORDS];
    await gate.promise;
    return coded({ "cache-control": "max-age=60" })(request);
  });
  const { path: other } = resource(() => [200, { "cache-control": "private" }, WORDS]);
  const first = someone();
  await first(path, "gzip");
  await waitUntil(async () => (await first(path, "gzip", { headers: { "cache-control": "only-if-cached, max-stale" } })).status === 200, "it is stored");
  await first(other, "gzip");
  const all = [first(path, "")];
  await waitUntil(() => seen.length === 2, "it is asked about");
  for (let one = 0; one < 10; one++) all.push(someone()(path, ""));
  await waitUntil(async () => (await router.snapshot()).in_flight === 11, "the others wait");
  gate.resolve(undefined);
  for (const answer of await Promise.all(all)) isPlain(answer);
  assert.deepEqual(asked(seen).slice(1), ["gzip", "identity"]);
});

test("a write is sent with what its client accepts, and once", async () => {
  const { path, seen } = resource(coded({}));
  const send = someone();
  isCoded(await send(path, "gzip"));
  isPlain(await send(path, "", { method: "POST", body: "a" }));
  isCoded(await send(path, "gzip", { method: "POST", body: "a" }));
  assert.equal(seen.length, 3);
});

test("a page that is gone to, and a part, are asked for once", async () => {
  const { path, seen } = resource(coded({ "cache-control": "private" }));
  for (const headers of [{ "sec-fetch-mode": "navigate" }, { range: "bytes=0-99" }]) {
    const get = someone();
    await get(path, "gzip");
    isPlain(await get(path, "", { headers }));
  }
  assert.deepEqual(asked(seen), ["gzip", "identity", "gzip", "identity"]);
});

test("a GET that writes is sent once", async () => {
  const { path, seen } = resource(coded({}), "/taps");
  const { path: read } = resource(coded({ "cache-control": "private" }));
  const get = someone();
  await get(read, "gzip");
  isPlain(await get(path, ""));
  isCoded(await get(path, "gzip"));
  assert.equal(seen.length, 2);
});

test("where a client is it is for the next request, too", async () => {
  const { path } = resource(() => [200, { "cache-control": "private" }, WORDS]);
  const client = new Client(router.url, undefined, { "user-agent": "a browser" });
  const regions = [];
  for (const cf of [{ continent: "AS", latitude: "35.7", longitude: "139.7" }, undefined])
    regions.push((await client.get(path, { headers: cf ? { "mf-cf-blob": JSON.stringify(cf) } : {} })).headers["homing-region"]);
  assert.deepEqual(regions, ["ap", "ap"]);
});
