// The edge cache: what it answers, what it never stores, and what it keeps for the hour when every region fails.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { Client, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
after(stopAll);

const reason = (answer) => answer.headers["homing-reason"];
const status = (answer) => answer.headers["cache-status"];
let number = 0;
/** A path of its own for each test, whose answer has these header fields. */
const respond = (...fields) => `/respond?n=${++number}&${fields.map((field) => `header=${encodeURIComponent(field)}`).join("&")}`;
const isStored = (client, path, options) => waitUntil(async () => reason(await client.get(path, options)) === "cache-hit", `${path} is stored`);

test("a fresh copy answers without asking anybody", async () => {
  const client = new Client(router.url, "eu");
  const first = await client.get("/api/catalog/hit");
  assert.equal(status(first), "homing; fwd=uri-miss; fwd-status=200; stored");
  await isStored(client, "/api/catalog/hit");
  const asked = (await regions.eu.seen("/api/catalog/hit")).length;
  const hit = await client.get("/api/catalog/hit");
  assert.match(status(hit), /^homing; hit; ttl=(10|9|8|7|6|5|4)$/);
  assert.equal(hit.headers["homing-region"], "eu", "the region that made it");
  assert.match(hit.headers.age, /^\d+$/);
  assert.equal(hit.headers["cache-control"], "public, max-age=10", "the origin's own words, not the store's");
  assert.equal(hit.headers.etag, first.headers.etag);
  assert.deepEqual(hit.json, first.json);
  assert.deepEqual([hit.headers["homing-entry"], hit.headers["cf-cache-status"]], [undefined, undefined]);
  assert.equal((await regions.eu.seen("/api/catalog/hit")).length, asked, "no origin was asked");
});

test("a hit touches the home store as little as an origin", async () => {
  const moody = await startRouter({ vars: topology(regions), kv: "moody" });
  const client = new Client(moody.url, "eu");
  await client.get("/api/catalog/store");
  await moody.mood("slow");
  await isStored(client, "/api/catalog/store");
  assert.equal((await moody.decision("/api/catalog/store")).trace.join(), "session-absent,cache-hit");
  await moody.stop();
});

test("If-None-Match is answered from the copy", async () => {
  const client = new Client(router.url, "eu");
  const path = respond("Cache-Control: max-age=60", 'ETag: "v1"');
  await client.get(path);
  await isStored(client, path);
  for (const tags of ['"v1"', 'W/"v1"', '"v0", "v1"', "*"]) {
    const unchanged = await client.get(path, { headers: { "if-none-match": tags } });
    assert.deepEqual([unchanged.status, unchanged.text, unchanged.headers.etag], [304, "", '"v1"']);
  }
  assert.equal((await client.get(path, { headers: { "if-none-match": '"v2"' } })).status, 200);
});

test("what a shared cache must not store is not stored", async () => {
  const client = new Client(router.url, "eu");
  const cases = {
    "cache-control": [
      respond("Cache-Control: max-age=60, no-store"),
      respond("Cache-Control: private, max-age=60"),
      respond("Cache-Control: no-cache, max-age=60"),
    ],
    "set-cookie": [respond("Cache-Control: max-age=60", "Set-Cookie: a=b")],
    vary: [respond("Cache-Control: max-age=60", "Vary: *")],
    stale: [respond("Cache-Control: max-age=0"), respond("Expires: 0"), respond("Cache-Control: max-age=60", "Age: 61")],
    "no-freshness": [respond()],
    // What speaks of one request (a client can make an origin say most of these), though the origin says that it is for all; and a failure that does not say so.
    status: [
      `${respond("Cache-Control: max-age=60, must-understand")}&status=299`,
      ...[400, 401, 403, 408, 413, 416, 417, 421, 429, 431].map((status) => `${respond("Cache-Control: public, max-age=60")}&status=${status}`),
      `${respond("ETag: 1")}&status=500`,
    ],
  };
  for (const [detail, paths] of Object.entries(cases)) {
    for (const path of paths) {
      assert.match(status(await client.get(path)), new RegExp(`; detail=${detail}$`), path);
      // A copy would be stored by the time that a second, storable, response is.
      const after = respond("Cache-Control: max-age=60");
      await client.get(after);
      await isStored(client, after);
      assert.notEqual(reason(await client.get(path)), "cache-hit", path);
    }
  }
});

test("an authorised answer is stored only where it says that it is for all", async () => {
  const client = new Client(router.url, "eu");
  const authorised = { headers: { authorization: "Basic YTpi" } };
  const mine = respond("Cache-Control: max-age=60");
  assert.match(status(await client.get(mine, authorised)), /detail=authorization$/);
  const all = respond("Cache-Control: public, max-age=60");
  assert.match(status(await client.get(all, authorised)), /stored$/);
  await isStored(client, all, authorised);
  assert.equal(reason(await client.get(mine, authorised)), "nearest");
});

test("personal data is not cached, and where the route asks for it, for its subject and its credentials alone", async () => {
  const vars = topology(regions, (vars) => void vars.ROUTES.unshift({ match: "/respond/*", dataset: "cart", cache: true }));
  const personal = await startRouter({ vars });
  const path = respond("Cache-Control: max-age=60");
  const signedIn = async (user) => {
    const client = new Client(personal.url, "eu");
    await client.post("/login", { user });
    return client;
  };
  const ada = await signedIn("ada");
  const first = await ada.get(path);
  await isStored(ada, path);
  const other = await (await signedIn("eve")).get(path);
  assert.match(status(other), /uri-miss/);
  assert.notEqual(other.json.count, first.json.count);
  assert.equal(reason(await new Client(personal.url, "eu").get(path)), "nearest", "nobody's request finds nothing");
  // A hostile client has ada's session itself, as a cookie or as the header, with credentials of its own or none.
  const session = ada.session().join(".");
  for (const headers of [
    { cookie: `__Host-homing=${session}` },
    { "homing-session": session },
    { cookie: `app_user=eve; __Host-homing=${session}` },
    { "homing-session": session, cookie: "app_user=ada; x=1" },
    { "homing-session": session, authorization: "Bearer eve" },
  ]) {
    for (const method of ["HEAD", "GET"]) {
      const answer = await new Client(personal.url, "eu").request(method, path, { headers });
      assert.equal(reason(answer), "nearest", JSON.stringify(headers));
    }
  }
  assert.equal(reason(await ada.get(path)), "cache-hit", "hers is still there");
  await personal.stop();
  assert.match(status(await new Client(router.url, "eu").get("/t/acme/notes")), /fwd=bypass/);
});

test("the query is in the key, and the path is in it in its normal form", async () => {
  const client = new Client(router.url, "eu");
  const path = respond("Cache-Control: max-age=60");
  await client.get(path);
  await isStored(client, path);
  assert.match(status(await client.get(`${path}&x=1`)), /uri-miss/);
  assert.equal(reason(await client.get(path.replace("/respond", "/%72espond"))), "cache-hit");
});

test("request directives are kept: no-cache, no-store, only-if-cached, Range", async () => {
  const client = new Client(router.url, "eu");
  const path = respond("Cache-Control: max-age=60");
  const none = await client.get(path, { headers: { "cache-control": "only-if-cached" } });
  assert.deepEqual([none.status, none.json.reason], [504, "only-if-cached"]);
  await client.get(path, { headers: { "cache-control": "no-store" } });
  assert.match(status(await client.get(path)), /uri-miss/, "no-store stored nothing");
  await isStored(client, path);
  assert.equal((await client.get(path, { headers: { "cache-control": "only-if-cached" } })).status, 200);
  assert.equal(reason(await client.get(path, { headers: { "cache-control": "no-cache" } })), "nearest");
  assert.equal(reason(await client.get(path, { headers: { pragma: "no-cache" } })), "nearest");
  const whole = (await client.get(path)).text;
  const part = await client.get(path, { headers: { range: "bytes=1-4" } });
  assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, whole.slice(1, 5), `bytes 1-4/${whole.length}`]);
  const head = await client.request("HEAD", path);
  assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", String(whole.length)]);
  for (const answer of [part, head]) assert.match(status(answer), /^homing; hit; ttl=/);
});

test("a successful write makes the copy of its target useless, a failed one does not", async () => {
  const client = new Client(router.url, "us");
  const read = () => new Client(router.url, "us").get("/api/catalog/changed");
  await read();
  await isStored(new Client(router.url, "us"), "/api/catalog/changed");
  await regions.us.control({ mode: "error", paths: ["/api/catalog/changed"] });
  await client.put("/api/catalog/changed", { name: "one" });
  await regions.heal();
  assert.equal(reason(await read()), "cache-hit");
  const written = await client.put("/api/catalog/changed", { name: "two" });
  await waitUntil(async () => (await read()).json.version === written.json.version, "readers without a session see the write");
});

test("when every region fails, an expired copy is shown and says so", async () => {
  const client = new Client(router.url, "eu");
  const path = respond("Cache-Control: max-age=1, stale-if-error=600");
  const strict = respond("Cache-Control: max-age=1, must-revalidate");
  const first = await client.get(path);
  await client.get(strict);
  await waitUntil(async () => /fwd=stale/.test(status(await client.get(path))), "the copy has expired");
  for (const region of Object.values(regions)) await region.control({ mode: "error", paths: ["/respond"] });
  const stale = await waitUntil(async () => {
    const answer = await client.get(path);
    return reason(answer) === "cache-stale" && answer;
  }, "the stale copy is shown");
  assert.deepEqual([stale.status, stale.json.region], [200, first.json.region]);
  assert.match(stale.headers["homing-consistency"], /^stale; age=[1-9]\d*$/);
  assert.match(status(stale), /^homing; fwd=stale(; fwd-status=\d+)?; ttl=-?\d+; detail=stale-if-error$/);
  assert.ok(Number(stale.headers.age) >= 1);
  const refused = await waitUntil(async () => {
    const answer = await client.get(strict);
    return reason(answer) !== "cache-hit" && answer;
  }, "the strict copy has expired");
  assert.equal(refused.status, 503);
  await regions.heal();
});

test("codings pass through as the origin made them, from the copy too", async () => {
  const words = "hello, hello, hello, hello, hello";
  const origin = await startOrigin((request, response) => {
    const coded = /gzip/.test(request.headers["accept-encoding"] ?? "");
    const fields = { "cache-control": "max-age=60", "content-type": "text/plain", vary: "Accept-Encoding" };
    response.writeHead(200, coded ? { ...fields, "content-encoding": "gzip" } : fields).end(coded ? gzipSync(words) : words);
  });
  const plain = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.eu.origin = origin)) });
  const client = new Client(plain.url, "eu");
  const gzip = () => client.request("GET", "/zip", { headers: { "accept-encoding": "gzip" } });
  for (const round of ["miss", "hit"]) {
    const answer = await gzip();
    assert.equal(answer.headers["content-encoding"], "gzip", round);
    assert.equal(gunzipSync(answer.bytes).toString(), words, round);
    if (round === "miss") await waitUntil(async () => reason(await gzip()) === "cache-hit", "the coded copy is stored");
  }
  const identity = await client.get("/zip");
  assert.match(status(identity), /fwd=vary-miss/, "who cannot decode the copy gets an answer of their own");
  assert.deepEqual([identity.headers["content-encoding"], identity.text], [undefined, words]);
  await plain.stop();
});
