// The directory gives every subject one home, whoever asks and whenever.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const EDGES = ["us", "eu", "ap"];
let regions;
let router;

before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions), edges: EDGES.length });
});
after(stopAll);

const note = async (edge, tenant) => {
  const headers = { "homing-dev-near": EDGES[edge - 1], "content-type": "application/json" };
  const response = await router.at(edge, `/t/${tenant}/notes`, { method: "POST", headers, body: JSON.stringify(`from edge ${edge}`) });
  return { status: response.status, reason: response.headers.get("homing-reason"), region: response.headers.get("homing-region"), ...(await response.json()) };
};

test("edges that meet a new subject at the same moment agree on its home", async () => {
  const tenants = Array.from({ length: 12 }, (_, at) => `tenant-${at}`);
  await Promise.all(
    tenants.map(async (tenant, n) => {
      // Another edge asks first each time.
      const answers = await Promise.all(EDGES.map((_, at) => note(((at + n) % EDGES.length) + 1, tenant)));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200],
        JSON.stringify(answers),
      );
      assert.equal(new Set(answers.map(({ region }) => region)).size, 1, JSON.stringify(answers));
      // All three notes are there: nobody wrote elsewhere.
      assert.equal(Math.max(...answers.map(({ notes }) => notes.length)), 3);
    }),
  );
  // Which of them that was, was chance; whoever asks alone has its way.
  for (const [at, near] of EDGES.entries()) assert.equal((await note(at + 1, `alone-${at}`)).region, near);
});

test("a home store that has not heard of a subject proves nothing", async () => {
  const first = await note(1, "late");
  assert.equal(first.region, "us");
  const stored = await waitUntil(async () => (await router.homes()).get(`home:${subjectId("tenant", "late")}`), "the home store hears of it");
  assert.equal(stored, '{"epoch":1,"home":"us"}');
  const second = await note(2, "late");
  assert.deepEqual([second.status, second.region, second.notes.length], [200, "us", 2]);
});

test("a directory that fails assigns nothing, and what is known goes on", async () => {
  const moody = await startRouter({ vars: topology(regions), kv: "moody" });
  const client = new Client(moody.url, "eu");
  assert.equal((await client.post("/t/known/notes", { text: "a" })).status, 200);
  await moody.mood("fails");
  assert.equal((await client.post("/t/known/notes", { text: "b" })).status, 200);
  const refused = await client.post("/t/unknown/notes", { text: "c" });
  assert.deepEqual([refused.status, refused.json.reason, refused.headers["homing-write-outcome"]], [503, "home-unknown", "not-sent"]);
  assert.ok(Number(refused.headers["retry-after"]) > 0);
  assert.match(refused.headers["content-type"], /problem\+json/);
  assert.equal((await client.get("/t/unknown/notes")).status, 200);
  await moody.mood("slow");
  const slow = await client.post("/t/unknown/notes", { text: "d" });
  assert.deepEqual([slow.status, slow.json.reason], [503, "home-unknown"]);
  await moody.mood("ok");
  assert.equal((await client.post("/t/unknown/notes", { text: "e" })).status, 200);
  await moody.stop();
});

test("whoever makes names up leaves nothing behind, and is stopped after twenty", async () => {
  const client = new Client(router.url, "us");
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => client.post(`/t/made-up-${n}/notes/no/such/thing`, {})));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([404]));
  await waitUntil(async () => (await client.post("/t/made-up-more/notes/no/such/thing", {})).status === 429, "no more names for now");
  const refused = await client.post("/t/made-up-more/notes", { text: "a" });
  if (refused.status !== 200)
    assert.deepEqual(
      [refused.status, refused.json.reason, refused.headers["homing-write-outcome"], refused.headers["retry-after"]],
      [429, "too-many-subjects", "not-sent", "5"],
    );
  assert.equal((await new Client(router.url, "us").post("/t/real/notes", { text: "a" })).status, 200, "others name theirs");
  const homes = await router.homes();
  await waitUntil(() => homes.get(`home:${subjectId("tenant", "real")}`), "the home store hears of who is real");
  for (let n = 0; n < 20; n++) assert.equal(await homes.get(`home:${subjectId("tenant", `made-up-${n}`)}`), null);
});

test("whoever has made too many names up is told of tenants that exist, though this edge knows nothing of them", async () => {
  assert.equal((await note(1, "exists")).region, "us");
  const visitor = new Client(router.doors[1], "eu");
  const made = async (n) => (await visitor.post(`/t/invented-${n}/notes/no/such/thing`, {})).status;
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, (_, n) => made(n)))), new Set([404]));
  await waitUntil(async () => (await made("more")) === 429, "no more names for now");
  const written = await visitor.post("/t/exists/notes", { text: "from the visitor" });
  assert.deepEqual([written.status, written.json.region, written.json.notes.length], [200, "us", 2]);
});
