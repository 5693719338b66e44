// What an isolate remembers of the store answers, and never brings back what is gone from there.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Client, runtime, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

let router;
before(async () => {
  router = await startResources();
});

const hit = /^homing; hit; ttl=/;
const get = (path, headers) => new Client(router.url, "eu").request("GET", path, { headers });
const isHit = ({ headers }) => hit.test(headers["cache-status"]);
const remembered = async () => (await router.snapshot()).cache.in_memory.entries;

/** Until an isolate remembers it. */
const heat = (path, headers) => waitUntil(async () => isHit(await get(path, headers)) && (await remembered()) > 0, `${path} is remembered`);

test("what many ask for is remembered for a second, and a write ends it at once", async () => {
  let name = "first";
  const { path, seen } = resource((request) => [200, { "cache-control": "max-age=600" }, request.method === "GET" ? name : ""], "/api/catalog");
  await heat(path);
  const asked = seen.length;
  for (let n = 0; n < 20; n++) assert.equal((await get(path)).text, "first");
  assert.equal(seen.length, asked);
  name = "second";
  await new Client(router.url, "eu").put(path, { name });
  assert.equal((await get(path)).text, "second");
});

const skip = runtime === "miniflare" && "only plain workerd's cache can be emptied from outside";
test("what is gone from the store is not stored again from memory", { skip }, async () => {
  let version = 1;
  const fields = { "cache-control": "max-age=600", vary: "accept-language" };
  const { path } = resource((request) => [200, fields, `${request.headers["accept-language"]} ${version}`]);
  const [en, de] = [{ "accept-language": "en" }, { "accept-language": "de" }];
  const old = () => `en ${version - 1}`;
  await waitUntil(async () => {
    await heat(path, en);
    version++;
    router.purge();
    // A variant beside one that is remembered, and that the store has no more.
    assert.equal((await get(path, de)).text, `de ${version}`);
    return (await get(path, en)).text === old();
  }, "all of that was within the second");
  await waitUntil(async () => (await remembered()) === 0, "it is remembered no more");
  assert.equal((await get(path, en)).text, `en ${version}`);
});

test("nor by a region that confirms it behind an answer", { skip }, async () => {
  let confirmed = false;
  const fields = { "cache-control": "max-age=1, stale-while-revalidate=600", etag: '"1"' };
  const { path } = resource((request) => {
    if (!request.headers["if-none-match"] || confirmed) return [200, { ...fields, etag: confirmed ? '"2"' : '"1"' }, confirmed ? "2" : "1"];
    confirmed = true;
    router.purge();
    return [304, fields, ""];
  });
  // Asked for all the time it is remembered all the time, also when it expires.
  await waitUntil(async () => (await get(path), confirmed), "it is confirmed");
  await waitUntil(async () => (await remembered()) === 0, "it is remembered no more");
  assert.equal((await get(path)).text, "2");
});
