// Who waits for whom at a cold address: one for all where its answer can be shared, and nobody where it cannot be.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, startOrigin, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const TOGETHER = 6;
/** What is at the origin now, and how much has been, by address; answers held there go when `open` says so. */
const here = new Map();
const seen = new Map();
let open = (..._) => true;
let waiting = [];
let router;

before(async () => {
  const origin = await startOrigin(async (request, response) => {
    const { pathname: path } = new URL(request.url, "http://origin");
    seen.set(path, (seen.get(path) ?? 0) + 1);
    here.set(path, (here.get(path) ?? 0) + 1);
    const done = new Promise((resolve) => waiting.push({ path, resolve }));
    look();
    await done;
    here.set(path, here.get(path) - 1);
    response.writeHead(200, { "cache-control": path.endsWith("shared") ? "max-age=60" : "private", "content-length": 2 }).end("ok");
  });
  router = await startRouter({
    vars: topology(undefined, (vars) => {
      for (const region of Object.values(vars.REGIONS)) region.origin = origin;
      vars.ROUTES.unshift({ match: "GET /poll/*" }, { match: "GET /feed/*" }, { match: "GET /mixed/*" });
    }),
  });
});
after(stopAll);
beforeEach(() => (open = () => true));

function look() {
  for (const one of waiting) if (open(one.path)) one.resolve();
  waiting = waiting.filter(({ path }) => !open(path));
}

const cacheStatus = (answer) => answer.headers["cache-status"];
const waited = (answers) => answers.filter((answer) => /collapsed/.test(cacheStatus(answer))).length;
/** So many clients ask at once, each with a cookie of its own or none; the answers. */
const crowd = (path, cookie) =>
  Promise.all(Array.from({ length: TOGETHER }, (_, n) => new Client(router.url, "eu", cookie ? { cookie: `visitor=${n}` } : {}).get(path)));

for (const [who, cookie] of [
  ["without cookies", false],
  ["with cookies", true],
]) {
  test(`six polls of one address, ${who}, are at the origin at once from the second round on`, async () => {
    const path = `/poll/one-${cookie}`;
    const first = await crowd(path, cookie);
    assert.ok(first.every(({ status }) => status === 200));
    // No answer comes before all six are there: whoever waited for another would wait in vain, for three seconds.
    open = (path) => here.get(path) === TOGETHER;
    const second = await crowd(path, cookie);
    assert.deepEqual([waited(second), second.map(({ status }) => status)], [0, Array(TOGETHER).fill(200)], second.map(cacheStatus).join());
  });
}

test("nor do those of new addresses wait, where nothing of the route could be stored lately; until something can be", async () => {
  for (const old of ["a", "b"]) await crowd(`/feed/${old}`);
  open = (path) => here.get(path) === TOGETHER;
  for (let address = 0; address < 3; address++) {
    const polls = await crowd(`/feed/new-${address}`);
    assert.equal(waited(polls), 0, polls.map(cacheStatus).join());
  }
  open = () => true;
  await new Client(router.url, "eu").get("/feed/first-shared");
  await crowd("/feed/second-shared");
  await waitUntil(async () => /hit/.test(cacheStatus(await new Client(router.url, "eu").get("/feed/second-shared"))), "it is stored");
  open = (path) => waiting.filter((one) => one.path === path).length > 0 && gate;
  let gate = false;
  const third = crowd("/feed/third-shared");
  await waitUntil(() => here.get("/feed/third-shared") === 1, "one is there for all");
  gate = true;
  look();
  assert.equal(waited(await third), TOGETHER - 1);
  assert.equal(seen.get("/feed/third-shared"), 1);
});

test("somebody who asks for what cannot be stored lets nobody crowd where things are", async () => {
  const client = new Client(router.url, "eu");
  await client.get("/mixed/known-shared");
  for (let n = 0; n < 20; n++) await client.get(`/mixed/made-up-${n}`);
  let gate = false;
  open = () => gate;
  const asked = crowd("/mixed/popular-shared");
  await waitUntil(() => here.get("/mixed/popular-shared") === 1, "one is there for all");
  gate = true;
  look();
  const answers = await asked;
  assert.deepEqual([seen.get("/mixed/popular-shared"), waited(answers)], [1, TOGETHER - 1], answers.map(cacheStatus).join());
});
