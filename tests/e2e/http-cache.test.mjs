// RFC 9111 through the whole: variants, validation, expired copies, ranges, HEAD, invalidation, collapsed requests; against an
// origin whose every answer the test writes. The rules one by one are tested in the core and by `make conformance`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, hear, startOrigin, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let router;
let number = 0;
let log = "";
const resources = new Map();

/** A resource of its own: `answer(request, n)` gives the n-th answer, `[status, fields, body]`. Returns its path and what it saw. */
function resource(answer) {
  const path = `/resource/${++number}`;
  const seen = [];
  resources.set(path, { answer, seen });
  return { path, seen };
}

before(async () => {
  const origin = await startOrigin(async (request, response) => {
    const { answer, seen } = resources.get(new URL(request.url, "http://x").pathname) ?? { answer: () => [404, {}, ""], seen: [] };
    seen.push({ method: request.method, headers: request.headers });
    const [status, fields, body] = await answer(request, seen.length);
    response.writeHead(status, fields).end(body);
  });
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
  });
  router = await startRouter({ vars, handleLog: hear((text) => (log += text)) });
});
after(async () => {
  await stopAll();
  assert.doesNotMatch(log, /not stored|the edge failed|panicked|not made new/, "the edge complained");
});

const status = (answer) => answer.headers["cache-status"];
const client = () => new Client(router.url, "eu");
const hit = /^homing; hit; ttl=/;

test("a copy that has expired is asked about, and a 304 makes it new", async () => {
  const { path, seen } = resource((request) =>
    request.headers["if-none-match"] === '"a"' ? [304, { etag: '"a"', "cache-control": "max-age=60", "x-new": "2" }] : [200, { etag: '"a"', "cache-control": "max-age=1", "x-new": "1", "x-old": "1" }, "body"],
  );
  assert.equal(status(await client().get(path)), "homing; fwd=uri-miss; fwd-status=200; stored");
  const confirmed = await waitUntil(async () => {
    const answer = await client().get(path);
    return status(answer) === "homing; fwd=stale; fwd-status=304; stored" && answer;
  }, "the copy has expired and was confirmed");
  assert.deepEqual([confirmed.status, confirmed.text, confirmed.headers["x-new"], confirmed.headers["x-old"], confirmed.headers.etag], [200, "body", "2", "1", '"a"']);
  for (let n = 0; n < 3; n++) {
    const again = await client().get(path);
    assert.match(status(again), /^homing; hit; ttl=(60|59|58)/);
    assert.deepEqual([again.status, again.text, again.headers["x-new"], again.headers["x-old"], again.headers["cache-control"]], [200, "body", "2", "1", "max-age=60"]);
  }
  assert.equal(seen.length, 2);
});
