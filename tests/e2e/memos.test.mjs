// Answers that the router gives again: as they would be given, to nobody else, and counted like any other.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Client, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

let router;
before(async () => {
  router = await startResources((vars) => void (vars.LOG = "off"));
});

/** Each time by another client; nobody says where it stands. */
const get = (path, headers = {}) => new Client(router.url, undefined).request("GET", path, { headers });
const again = async () => (await router.snapshot()).cache.in_memory.again;
const counted = async () => {
  const { requests, cache_hits } = (await router.snapshot()).totals;
  return { requests, hits: cache_hits };
};
const hit = /^homing; hit; ttl=(\d+)$/;

/** Asks until an answer was given again. The answers. */
async function until(ask) {
  const before = await again();
  const answers = [];
  await waitUntil(async () => (answers.push(await ask()), (await again()) > before), "an answer is given again");
  return answers;
}

test("the same answer again is a hit like any other, and counts", async () => {
  const { path, seen } = resource(() => [200, { "cache-control": "max-age=600", etag: '"1"', "x-own": "1" }, "said"]);
  await waitUntil(async () => hit.test((await get(path)).headers["cache-status"]), "it is stored");
  const [asked, before] = [seen.length, await counted()];
  const answers = await until(async () => {
    for (let n = 0; n < 20; n++) await get(path);
    return get(path);
  });
  for (const { status, text, headers } of answers) {
    assert.deepEqual([status, text, headers.etag, headers["x-own"], headers["homing-reason"]], [200, "said", '"1"', "1", "cache-hit"]);
    const [, ttl] = hit.exec(headers["cache-status"]) ?? [];
    assert.equal(Number(ttl) + Number(headers.age), 600);
  }
  const [count, after] = [21 * answers.length, await counted()];
  assert.deepEqual([after.requests - before.requests, after.hits - before.hits, seen.length], [count, count, asked]);
});

test("who asks otherwise gets another answer", async () => {
  for (const name of ["accept", "cookie", "accept-language", "user-agent"]) {
    const { path } = resource((request) => [200, { "cache-control": "public, max-age=600", vary: name }, String(request.headers[name])]);
    const ask = async () => {
      for (const value of ["a=1", "a=1", "a=1", "b=2", "b=2", "b=2", "a=1", "b=2"]) assert.equal((await get(path, { [name]: value })).text, value);
    };
    // The fields in which clients differ without asking otherwise: of these nothing is given again, where a response names one of them.
    if (name === "accept") await until(ask);
    else for (let n = 0; n < 5; n++) await ask();
  }
});

test("cookies that nobody reads tell nobody apart, and a session's do", async () => {
  const { path, seen } = resource((request) => [200, { "cache-control": "max-age=600" }, request.headers.cookie ?? "none"]);
  let count = 0;
  const answers = await until(() => get(path, { cookie: `_ga=${count++}; theme=dark` }));
  assert.deepEqual([...new Set(answers.map(({ text }) => text))].length, 1, "all are shown what the first of them made the region say");
  const [before, asked] = [await again(), seen.length];
  for (let n = 0; n < 5; n++) assert.equal((await get(path, { cookie: "_ga=1; __Host-homing=not-one-of-ours" })).status, 200);
  assert.equal(await again(), before, "who shows a session is decided on, whatever comes of it");
  assert.equal(seen.length, asked);
});

test("a range, a condition, a method and a wish are of one request", async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=600", etag: '"1"' }, "said"]);
  await until(() => get(path));
  const status = async (headers) => (await get(path, headers)).status;
  assert.deepEqual([await status({ range: "bytes=0-1" }), await status({ "if-none-match": '"1"' })], [206, 304]);
  assert.equal((await new Client(router.url, undefined).request("HEAD", path)).text, "");
  assert.match((await get(path, { "cache-control": "no-cache" })).headers["cache-status"], /fwd=request/);
});

test("a write ends it at once", async () => {
  let name = "first";
  const { path } = resource((request) => [200, { "cache-control": "max-age=600" }, request.method === "GET" ? name : ""], "/api/catalog");
  await until(() => get(path));
  for (const next of ["second", "third"]) {
    name = next;
    await new Client(router.url, undefined).put(path, { name });
    assert.equal((await get(path)).text, next);
    for (const { text } of await until(() => get(path))) assert.equal(text, next);
  }
});

test("a link that carries a session has the key of the plain one, and none of its answers", async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=600" }, "said"]);
  for (let n = 0; n < 3; n++) {
    await until(() => get(path));
    for (let m = 0; m < 5; m++) {
      const { status, headers } = await get(`${path}?homing-session=c1.nobody.signed.it`);
      assert.deepEqual([status, headers["referrer-policy"]], [200, "no-referrer"]);
    }
  }
});
