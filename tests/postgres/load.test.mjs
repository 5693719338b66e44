// Concurrent clients through the router while standbys lag, links are cut, databases die and the home moves; the checker of
// session guarantees (tests/history) judges what they recorded. With a mistake planted it must find something, or it proves nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startRouter, stopAll as stopRouters } from "../e2e/harness.mjs";
import { Lists } from "./app.mjs";
import { faults, judge, load } from "./load.mjs";
import { ReadsSayNothing, ReceivedForReplayed } from "./mistakes.mjs";
import { startApp, startDatabase, stopAll, topology } from "./support.mjs";

const SECRET = "the key with which these tests sign";
let cluster;
before(async () => (cluster = await startDatabase()));
after(async () => {
  await stopRouters();
  await stopAll();
});

/** Runs a load and has it judged; two edges that know nothing of each other, unless one is enough. @param {any} t @param {any} how */
async function run(t, { Kind = Lists, edges = 2, cacheControl, route, ...options }) {
  const apps = Object.fromEntries(await Promise.all(cluster.nodes.map(async (node) => [node.name, await startApp(node, Kind, { cacheControl })])));
  const vars = topology(apps, route);
  const routers = await Promise.all(Array.from({ length: edges }, () => startRouter({ vars, bindings: { SESSION_KEY: SECRET } })));
  const { lines, troubles } = await load({ cluster, routers }, { secret: SECRET, ...options });
  await Promise.all(routers.map((router) => router.stop()));
  const verdict = judge(t.name.replaceAll(/[^a-z]+/g, "-"), lines);
  t.diagnostic(`${troubles} faults; ${verdict.report.split("\n").slice(1, 5).join("; ")}`);
  return { ...verdict, troubles, operations: lines.map((line) => JSON.parse(line)) };
}

const lagOnly = [faults.lag];
const few = { operations: 50, keyCount: 1, edges: 1, deeds: lagOnly };

test("without a promise to sessions the checker finds reads that went back", async (t) => {
  const { found, report } = await run(t, { seed: 1, ...few, route: { read_after_write: "none" } });
  assert.ok(found["read-your-writes"] > 0 && found["monotonic-reads"] > 0, report);
});

test("with standbys that report what they received the checker finds reads that went back", async (t) => {
  const { found, report } = await run(t, { seed: 2, ...few, Kind: ReceivedForReplayed });
  assert.ok(found["monotonic-reads"] > 0, report);
});

test("with reads that report no position the checker finds what was seen and then not", async (t) => {
  const { found, report } = await run(t, { seed: 3, ...few, Kind: ReadsSayNothing });
  assert.ok(found["monotonic-reads"] > 0, report);
  assert.equal(found["read-your-writes"], undefined, report);
});

/** How often a reason decided the reads that were answered. */
const decided = (operations, reason) => operations.filter(({ kind, status, note }) => kind === "read" && status === "ok" && note.reason === reason).length;

test("with a shared cache and lag, no session guarantee is violated", async (t) => {
  const { found, old, report, operations } = await run(t, { seed: 4, operations: 60, deeds: lagOnly, cacheControl: "public, max-age=60" });
  assert.equal(found.violations, 0, report);
  assert.ok(old > 0, `somebody must have been shown older data, or the lag did nothing:\n${report}`);
  assert.ok(decided(operations, "cache-hit") > 0, "and somebody was answered by the cache");
});

test("with lag, cut links, dying databases and promotions, no session guarantee is violated and no write is lost", async (t) => {
  const deeds = [faults.lag, faults.cut, faults.lag, faults.death, faults.lag, faults.promotion];
  const { found, old, report, troubles, operations } = await run(t, { seed: 5, operations: 120, deeds });
  assert.equal(found.violations, 0, report);
  assert.ok(troubles >= deeds.length, "each fault happened");
  assert.ok(old > 0, `somebody must have been shown older data, or the faults did nothing:\n${report}`);
  assert.ok(decided(operations, "position-reached") > 0, "a copy that had reached a session's position answered");
  assert.ok(decided(operations, "misdirected") + decided(operations, "position-of-old-epoch") > 0, "a session met a new epoch");
});
