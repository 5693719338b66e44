// Stamps of multi-writer writes through the real router: what an origin tells and a session carries, between two edges and two versions.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, startOrigin, startRouter, stopAll, topology } from "./harness.mjs";
import { inReleasedWords, startVersions } from "./versions.mjs";

const BINDINGS = { SESSION_KEY: "the key with which these tests sign", PROBES: "off" };
/** The stamp that the origin tells, and those of the writes that it got. */
let tells;
const got = [];
let vars, router;
before(async () => {
  const url = await startOrigin((request, response) => {
    if (request.headers["homing-clock"]) got.push(request.headers["homing-clock"]);
    request.resume();
    response.writeHead(200, { "cache-control": "no-store", ...(tells ? { "homing-clock": tells } : {}) });
    response.end("{}");
  });
  vars = topology({ us: { url }, eu: { url }, ap: { url } });
  router = await startRouter({ vars, bindings: BINDINGS, edges: 2 });
});
beforeEach(() => (tells = undefined));
after(stopAll);

const stamp = (ahead) => `${(Date.now() + ahead).toString(16).padStart(12, "0")}-0003-0000cafe`;
let paths = 0;
const path = () => `/api/likes/stamps-${++paths}`;

/** Writes, and returns the write's stamp. */
async function writes(client) {
  const answer = await client.put(path(), {});
  assert.deepEqual([answer.status, answer.headers["homing-clock"]], [200, undefined], answer.text);
  assert.match(got.at(-1), /^[0-9a-f]{12}-[0-9a-f]{4}-[0-9a-f]{8}$/);
  return got.at(-1);
}

/** Reads while the origin tells that stamp. */
async function isTold(client, told) {
  tells = told;
  const answer = await client.get(path());
  assert.deepEqual([answer.status, answer.headers["homing-clock"]], [200, undefined], answer.text);
  tells = undefined;
}

test("a session's writes rise from edge to edge, over what it was told elsewhere", async () => {
  const client = new Client(router.doors[0], "us");
  const first = await writes(client);
  const told = stamp(30_000);
  await isTold(client, told);
  client.url = router.doors[1];
  const second = await writes(client);
  assert.ok(second > told && told > first, `${second} after ${told} after ${first}`);
  client.url = router.doors[0];
  assert.ok((await writes(client)) > second);
});

test("an isolate follows what it was told within a minute, whoever writes", async () => {
  const told = stamp(50_000);
  await isTold(new Client(router.url, "us"), told);
  assert.ok((await writes(new Client(router.url, "us"))) > told);
});

test("further ahead an isolate does not follow, and says so; the session that has read it does", async () => {
  const client = new Client(router.url, "us");
  await writes(client);
  const told = stamp(150_000);
  await isTold(client, told);
  assert.ok((await writes(new Client(router.url, "us"))) < told, "a stranger's");
  const [one, two] = [await writes(client), await writes(client)];
  assert.ok(one > told && two > one, `${two} after ${one} after ${told}`);
  const { totals, decisions } = await router.snapshot();
  assert.ok(totals.clocks_ahead > 0);
  assert.ok(
    decisions.some(({ trace }) => trace.includes("clock-ahead us")),
    "it is told",
  );
});

test("a version without the clock carries it along", async () => {
  const known = inReleasedWords(vars);
  const edges = ["before", "now"].map((build) => ({ name: build, build, vars: known }));
  const { doors } = await startVersions({ edges, vars: { before: known, now: known }, bindings: BINDINGS });
  const client = new Client(doors.now, "us");
  const clock = () => /(?:^|~)(@:p:@:0:0:[0-9a-f]+)/.exec(client.session()?.[7] ?? "")?.[1];
  await writes(client);
  const told = stamp(40_000);
  await isTold(client, told);
  const held = clock();
  assert.ok(held, client.session()?.[7]);
  client.url = doors.before;
  assert.ok((await writes(client)) < told, "it does not know what that is");
  assert.equal(clock(), held, "and keeps it");
  client.url = doors.now;
  assert.ok((await writes(client)) > told);
});
