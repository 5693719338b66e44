// RFC 9111 through the whole: variants, validation, expired copies, ranges, HEAD, invalidation, collapsed requests; against an
// origin whose every answer the test writes. The rules one by one are tested in the core and by `make conformance`.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Client, waitUntil } from "./harness.mjs";
import { resource, resources, startResources } from "./resources.mjs";

let router;
before(async () => {
  router = await startResources();
});

const status = (answer) => answer.headers["cache-status"];
const client = () => new Client(router.url, "eu");
const hit = /^homing; hit; ttl=/;

test("a copy that has expired is asked about, and a 304 makes it new", async () => {
  const { path, seen } = resource((request) =>
    request.headers["if-none-match"] === '"a"'
      ? [304, { etag: '"a"', "cache-control": "max-age=60", "x-new": "2" }]
      : [200, { etag: '"a"', "cache-control": "max-age=1", "x-new": "1", "x-old": "1" }, "body"],
  );
  assert.equal(status(await client().get(path)), "homing; fwd=uri-miss; fwd-status=200; stored");
  const confirmed = await waitUntil(async () => {
    const answer = await client().get(path);
    return status(answer) === "homing; fwd=stale; fwd-status=304; stored" && answer;
  }, "the copy has expired and was confirmed");
  assert.deepEqual(
    [confirmed.status, confirmed.text, confirmed.headers["x-new"], confirmed.headers["x-old"], confirmed.headers.etag],
    [200, "body", "2", "1", '"a"'],
  );
  for (let n = 0; n < 3; n++) {
    const again = await client().get(path);
    assert.match(status(again), /^homing; hit; ttl=(60|59|58)/);
    assert.deepEqual(
      [again.status, again.text, again.headers["x-new"], again.headers["x-old"], again.headers["cache-control"]],
      [200, "body", "2", "1", "max-age=60"],
    );
  }
  assert.equal(seen.length, 2);
});

test("variants of one URL live side by side, each with its own fields and body", async () => {
  const { path, seen } = resource((request) => {
    const language = /^de/.test(request.headers["accept-language"]) ? "de" : "en";
    const body = { de: "Grüße", en: "greetings, and more of them" }[language];
    return [
      200,
      {
        vary: "Accept-Language",
        "content-language": language,
        "x-language": Buffer.from(`ü ${language}`).toString("latin1"),
        etag: `"${language}"`,
        "cache-control": "max-age=60",
      },
      body,
    ];
  });
  const get = (language, more) => client().get(path, { headers: { "accept-language": language, ...more } });
  assert.equal(status(await get("de-DE, de;q=0.5")), "homing; fwd=uri-miss; fwd-status=200; stored");
  // It may have waited for the copy of the first, which is stored behind its answer.
  assert.match(status(await get("en")), /^homing; fwd=vary-miss;( collapsed=\?0;)? fwd-status=200; stored$/);
  await waitUntil(async () => hit.test(status(await get("en"))), "both are stored");
  for (let n = 0; n < 2; n++) {
    const german = await get("de-DE,de;q=0.50");
    assert.match(status(german), hit, "spaces and zeros do not matter");
    assert.deepEqual(
      [german.text, german.headers["content-language"], Buffer.from(german.headers["x-language"], "latin1").toString(), german.headers.etag],
      ["Grüße", "de", "ü de", '"de"'],
    );
    const english = await get("en");
    assert.match(status(english), hit);
    assert.deepEqual([english.text, english.headers["content-language"], english.headers.etag], ["greetings, and more of them", "en", '"en"']);
    assert.ok(!Object.keys(english.headers).some((name) => /^homing-(entry|fields|bodies)/.test(name)), "the entry's own fields stay in the edge");
  }
  const first = await get("en;q=0.8, fr;q=0.7");
  assert.match(status(first), hit, "a copy in the language that is wanted most");
  assert.equal(first.text, "greetings, and more of them");
  assert.deepEqual(
    [(await get("de-DE,de;q=0.5", { "if-none-match": '"de"' })).status, (await get("de-DE,de;q=0.5", { "if-none-match": '"en"' })).status],
    [304, 200],
  );
  const part = await get("en", { range: "bytes=0-8" });
  assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, "greetings", "bytes 0-8/27"]);
  assert.equal(seen.length, 2);
});

test("stale-while-revalidate: who comes late waits for nobody, and one request makes the copy new", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async (_request, n) => {
    if (n === 2) await gate;
    return [200, { "cache-control": "max-age=1, stale-while-revalidate=600" }, `body ${n}`];
  });
  await client().get(path);
  const stale = await waitUntil(async () => {
    const answer = await client().get(path);
    return /detail=stale-while-revalidate$/.test(status(answer)) && answer;
  }, "the copy has expired and is shown");
  assert.deepEqual([stale.text, stale.headers["homing-reason"]], ["body 1", "cache-updating"]);
  await waitUntil(async () => seen.length === 2, "it is being made new");
  for (let n = 0; n < 5; n++) assert.equal((await client().get(path)).text, "body 1");
  assert.equal(seen.length, 2, "by one request alone");
  release();
  // Who has looked before it was stored may have started the next one.
  await waitUntil(async () => /^body [23]$/.test((await client().get(path)).text), "it is new");
});

test("requests for the same cold place at once are one", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async () => (await gate, [200, { "cache-control": "max-age=60" }, "body"]));
  const all = Array.from({ length: 20 }, () => client().get(path));
  await waitUntil(async () => (await router.snapshot()).in_flight === 20, "twenty are on their way");
  release();
  const answers = await Promise.all(all);
  for (const answer of answers) assert.deepEqual([answer.status, answer.text], [200, "body"]);
  assert.equal(answers.filter((answer) => /^homing; fwd=uri-miss; collapsed; ttl=/.test(status(answer))).length, 19);
  assert.equal(seen.length, 1);
});

test("requests for the same expired response at once are one", async () => {
  let ended = 0;
  const { path, seen } = resource(async (_request, n) => {
    // Nobody is answered before all twenty of this round have come.
    if (n > 1) await waitUntil(async () => (await router.snapshot()).in_flight + ended >= 20, "twenty are on their way");
    return [200, { "cache-control": "max-age=1" }, `body ${n}`];
  });
  await client().get(path);
  let most = 0;
  await waitUntil(async () => {
    const before = seen.length;
    ended = 0;
    await Promise.all(Array.from({ length: 20 }, async () => (await client().get(path), ended++)));
    most = Math.max(most, seen.length - before);
    return seen.length > 3;
  }, "it has expired more than once");
  assert.equal(most, 1, "of twenty one asks");
});

test("those that waited in vain ask for themselves", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = resource(async (_request, n) => (n === 1 ? await gate : 0, [200, { "cache-control": "private" }, `body ${n}`]));
  const all = Array.from({ length: 5 }, () => client().get(path));
  await waitUntil(async () => (await router.snapshot()).in_flight === 5, "five are on their way");
  release();
  const bodies = (await Promise.all(all)).map((answer) => answer.text);
  assert.equal(new Set(bodies).size, 5, `each has its own: ${bodies}`);
  assert.equal(seen.length, 5);
});

test("a write ends the copies of what its answer names", async () => {
  const other = resource((_request, n) => [200, { "cache-control": "max-age=60" }, `body ${n}`]);
  const { path } = resource((request, n) =>
    request.method === "POST" ? [201, { location: other.path }, ""] : [200, { "cache-control": "max-age=60" }, `own ${n}`],
  );
  for (const each of [path, other.path]) {
    await client().get(each);
    await waitUntil(async () => hit.test(status(await client().get(each))), "it is stored, behind the answer");
  }
  assert.equal((await new Client(router.url, "eu").post(path, {})).status, 201);
  for (const each of [path, other.path]) assert.match(status(await client().get(each)), /^homing; fwd=uri-miss; fwd-status=200; stored$/, each);
});

test("a POST that says that its answer is what a GET would get, and for how long, is stored", async () => {
  // It is stored behind its answer: a GET that comes too soon asks the region, and is none of this test's.
  await waitUntil(async () => {
    const { path, seen } = resource(() => [200, { "content-location": path, "cache-control": "max-age=60" }, "as it is now"]);
    assert.equal(status(await new Client(router.url, "eu").post(path, {})), "homing; fwd=method; fwd-status=200; stored");
    const answer = await client().get(path);
    if (!hit.test(status(answer))) return false;
    assert.deepEqual([answer.text, seen.length], ["as it is now", 1]);
    return true;
  }, "a GET finds what a POST has stored");
});

test("a large body streams into the cache and out of it, whole and in part", async () => {
  const body = Buffer.from(Array.from({ length: 3 * 1024 * 1024 }, (_, n) => n % 251));
  const { path, seen } = resource(() => [200, { "cache-control": "max-age=60", etag: '"large"', "content-length": body.length }, body]);
  assert.ok((await client().get(path)).bytes.equals(body));
  const stored = await waitUntil(async () => {
    const answer = await client().get(path);
    return hit.test(status(answer)) && answer;
  }, "it is stored");
  assert.ok(stored.bytes.equals(body));
  const asked = seen.length;
  for (const [range, from, to] of /** @type {any[][]} */ ([
    ["bytes=1000000-1999999", 1_000_000, 2_000_000],
    ["bytes=-7", body.length - 7, body.length],
    ["bytes=3145727-", body.length - 1, body.length],
  ])) {
    const part = await client().get(path, { headers: { range } });
    assert.deepEqual(
      [part.status, part.headers["content-range"], part.headers["content-length"]],
      [206, `bytes ${from}-${to - 1}/${body.length}`, String(to - from)],
    );
    assert.ok(part.bytes.equals(body.subarray(from, to)), range);
  }
  const beyond = await client().get(path, { headers: { range: "bytes=3145728-" } });
  assert.deepEqual([beyond.status, beyond.headers["content-range"], beyond.text], [416, "bytes */3145728", ""]);
  assert.equal(seen.length, asked);
});

test("a session that has written reads its own write through the shared cache, and everybody hits", async () => {
  let value = 1;
  const { path, seen } = resource((request) => {
    const fields = { "homing-position": `catalog=${value}; least=${value}`, "homing-home": "us", "homing-epoch": "1" };
    if (request.method === "PUT") return [200, { "homing-wrote": "1", "homing-position": `catalog=${++value}`, "homing-home": "us", "homing-epoch": "1" }, ""];
    return [200, { ...fields, "cache-control": "max-age=60" }, `value ${value}`];
  }, "/api/catalog");
  const other = `${path}-other`;
  resources.set(other, resources.get(path));
  await client().get(path);
  const writer = client();
  await writer.put(other, {});
  const mine = await writer.get(path);
  assert.deepEqual([mine.text, /fwd=request/.test(status(mine))], ["value 2", true]);
  await waitUntil(async () => hit.test(status(await writer.get(path))), "it is stored, behind the answer");
  const asked = seen.length;
  for (const reader of [writer, client(), client()]) {
    const answer = await reader.get(path);
    assert.match(status(answer), hit);
    assert.equal(answer.text, "value 2");
  }
  assert.equal(seen.length, asked);
});

test("the answer to a HEAD makes an expired copy new, and one that is of something else ends it", async () => {
  const { path, seen } = resource((request, n) => {
    if (request.method !== "HEAD") return [200, { etag: `"${n}"`, "cache-control": "max-age=1", "content-length": 6 }, `body ${n}`];
    return n === 2
      ? [200, { etag: '"1"', "cache-control": "max-age=2", "content-length": 6, "x-new": "1" }, ""]
      : [200, { etag: '"other"', "cache-control": "max-age=60" }, ""];
  });
  const cached = async () => (await client().get(path, { headers: { "cache-control": "only-if-cached" } })).status === 200;
  const expired = async () => !(await cached());
  await client().get(path);
  await waitUntil(cached, "it is stored");
  await waitUntil(expired, "the copy has expired");
  assert.equal(status(await client().request("HEAD", path)), "homing; fwd=stale; fwd-status=200; stored");
  const renewed = await client().get(path);
  assert.match(status(renewed), hit);
  assert.deepEqual([renewed.text, renewed.headers["x-new"], renewed.headers["content-length"]], ["body 1", "1", "6"]);
  await waitUntil(expired, "it has expired again");
  assert.equal(status(await client().request("HEAD", path)), "homing; fwd=stale; fwd-status=200");
  assert.equal((await client().get(path)).text, "body 4");
  assert.deepEqual(
    seen.map(({ method }) => method),
    ["GET", "HEAD", "HEAD", "GET"],
  );
});
