// Isolation drills: through the real command, the authority, and an isolate that hears of them by the view.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Client, command, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions;
let router;

before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
afterEach(() => homing("drill", "stop", "all"));
after(stopAll);

const homing = (...args) => command({ HOMING_URL: router.url.href, USER: "ada" }, ...args);

/** Begins a drill and waits until the edge has heard of it. */
async function begin(kind, region, ...more) {
  const begun = await homing("drill", kind, region, "--percent", "100", "--for", "10m", ...more, "--json");
  assert.equal(begun.status, 0, begun.err);
  const { id } = begun.json.drill;
  await waitUntil(async () => (await router.snapshot()).drill?.id === id, `the edge hears of ${id}`);
  return id;
}

const report = async (id) => (await homing("drill", "report", id, "--json")).json;
const put = (client, n) => client.put(`/api/catalog/drill-${n}`, { name: `${n}` });
const row = (shown, route, access) => shown.routes.find((row) => row.route === route && row.access === access);

test("isolated, eu serves what it has a copy of and refuses what others own; the report says so route by route", async () => {
  const [eu, us] = [new Client(router.url, "eu"), new Client(router.url, "us")];
  const dry = await homing("drill", "isolate", "eu", "--percent", "5", "--for", "10m", "--dry-run");
  assert.match(dry.out, /^would be: all regions but eu count as unreachable for 5% of eu's subjects until /);
  const id = await begin("isolate", "eu", "--abort-if", "none", "--reason", "a first drill");

  for (let n = 0; n < 20; n++) assert.equal((await eu.get(`/api/catalog/alone-${n}`)).headers["homing-region"], "eu");
  for (let n = 0; n < 5; n++) {
    const refused = await put(eu, n);
    assert.deepEqual([refused.status, refused.json.reason, refused.headers["homing-write-outcome"]], [503, "drill-unreachable", "not-sent"]);
    assert.ok(Number(refused.headers["retry-after"]) > 0);
  }
  assert.equal((await eu.post("/api/likes/1", {})).headers["homing-region"], "eu");
  assert.deepEqual([(await put(us, 9)).status, (await us.get("/api/catalog/x")).headers["homing-region"]], [200, "us"]);
  assert.deepEqual(await regions.us.seen("/api/catalog/alone"), [], "us was asked for nothing of it");

  const { regions: health, drill } = await router.snapshot();
  assert.deepEqual([drill.kind, drill.region, drill.percent], ["isolate", "eu", 100]);
  for (const { name, failures, circuit } of health) assert.deepEqual([name, failures, circuit.read.state, circuit.write.state], [name, 0, "closed", "closed"]);

  const shown = await waitUntil(async () => (({ total, ...rest }) => total.requests === 26 && { total, ...rest })(await report(id)), "all is told");
  assert.deepEqual([shown.total.alone, shown.total.refused, shown.total.failed], [21, 5, 0]);
  assert.deepEqual([row(shown, "/api/catalog/*", "read").alone, row(shown, "/api/catalog/*", "write").home], [20, { us: 5 }]);
  const { out } = await homing("drill", "report");
  assert.match(out, /: eu without the others, for 100% of its subjects\n {2}by ada: a first drill\n/);
  assert.match(out, /\n {2}write \/api\/catalog\/\*: needs us \(5 times\): its home; 5 of 5 were refused\n/);
  assert.match(out, /\neu served 80\.7% alone, and 0\.0% came from the edge cache; 0\.0% were stale, 19\.2% refused, 0\.0% failed, of 26 requests\./);

  const second = await homing("drill", "lose", "us", "--percent", "1", "--for", "1m");
  assert.deepEqual([second.status, second.err.startsWith(`error: ${id} is running: `)], [1, true], second.err);
  assert.match((await homing("status")).out, new RegExp(`${id} drill: all regions but eu count as unreachable`));
  assert.match((await homing("drill", "stop", "all", "--reason", "seen enough")).out, new RegExp(`^${id} is stopped`));
  await waitUntil(async () => (await put(eu, 10)).status === 200, "with its next figures the edge hears that it is over");
  assert.equal((await report(id)).says, "stopped by ada");
});

test("without eu, its readers are served by the others", async () => {
  const id = await begin("lose", "eu", "--abort-if", "none");
  const answer = await new Client(router.url, "eu").get("/api/likes/lost");
  assert.deepEqual([answer.status, answer.headers["homing-region"] === "eu"], [200, false]);
  await waitUntil(async () => (await report(id)).total.alone > 0, "it is told");
  assert.match(
    (await homing("drill", "report", id)).out,
    /read \/api\/likes\/\*: would have read eu \(once\) first\n[^]*Without eu the others served 100\.0%, /,
  );
  assert.equal((await homing("drill", "stop", id)).status, 0);
});

test("a drill in which too much goes wrong aborts itself, and all is as before", async () => {
  const id = await begin("isolate", "eu", "--abort-if", "errors>10%");
  // One visitor ends no drill, however often they are refused.
  const alone = new Client(router.url, "eu");
  const statuses = [];
  for (let n = 0; n < 60; n++) statuses.push((await put(n < 20 ? alone : new Client(router.url, "eu"), n)).status);
  assert.deepEqual([statuses.filter((status) => status === 503).length, statuses.at(-1)], [50, 200], "the isolate stops by itself after 50");
  const over = await waitUntil(async () => (({ ended, says }) => ended && { says })(await report(id)), "the authority hears of it");
  assert.match(over.says, /^aborted: \d+ of \d+ requests were refused or failed; the limit is 10%$/);
  assert.match((await homing("audit")).out, new RegExp(`the authority: ${id} aborted: `));
});

test("a drill ends by itself when its time is up", async () => {
  const begun = await homing("drill", "isolate", "eu", "--percent", "100", "--for", "13s", "--abort-if", "none", "--json");
  const client = new Client(router.url, "eu");
  await waitUntil(async () => (await put(client, 1)).status === 503, "it is on");
  await waitUntil(async () => (await put(client, 2)).status === 200, "it is over");
  assert.ok(Date.now() >= begun.json.until, "not before its time");
  const { id } = begun.json.drill;
  await waitUntil(async () => (await report(id)).says === "ended: its time was up", "the authority looks at it then");
});
