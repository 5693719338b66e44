// For the tests of cases that other caches were reported for: a router whose origin's every answer the test writes, and what its cache shows.
import assert from "node:assert/strict";
import { before } from "node:test";
import { Client, waitUntil } from "./harness.mjs";
import { resource, startResources } from "./resources.mjs";

export let router;
before(async () => {
  router = await startResources();
});

export const client = () => new Client(router.url, "eu");
/** What has expired when it comes. */
export const OLD = { "cache-control": "max-age=60", age: "60" };
export const get = (path, headers = {}, method = "GET") => client().request(method, path, { headers });
export const status = (answer) => answer.headers["cache-status"];
/** The stored response, without a word to any region; undefined if there is none that may answer. */
export const cached = async (path, headers) => {
  const answer = await get(path, { ...headers, "cache-control": "only-if-cached" });
  return answer.status === 504 ? undefined : answer;
};
export const stored = (path, headers) => waitUntil(() => cached(path, headers), `a stored response of ${path}`);
export const expired = (path, headers) => waitUntil(async () => !(await cached(path, headers)), `the stored response of ${path} has expired`);
/** By now whatever was to be stored behind an answer is. */
export const settled = async () => {
  const { path } = resource(() => [200, { "cache-control": "max-age=60" }, "x"]);
  await get(path);
  await stored(path);
};
export const never = async (path, headers) => {
  await settled();
  assert.equal(await cached(path, headers), undefined, `${path} is not stored`);
};
