// Many are asked, few at once: the platform lets six connections of an invocation wait for their headers and holds back the rest, with
// their timers running. Workerd does not, so who asked all at once looks well here and fails there.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { few } from "../../src/edge/few.mjs";
import { startOrigin, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

after(stopAll);

const REGIONS = 20;
/** What the platform allows. */
const SIX = 6;

/** A platform of six connections: a fetch beyond them waits, with its timer running. */
function platform() {
  const waiting = [];
  let open = 0;
  let most = 0;
  const fetch = async (ms, signal) => {
    if (open >= SIX) await new Promise((resolve) => waiting.push(resolve));
    most = Math.max(most, ++open);
    try {
      await new Promise((resolve) => setTimeout(resolve, Math.min(ms, 60)));
      if (signal.aborted) throw new Error("late");
    } finally {
      open--;
      waiting.shift()?.();
    }
  };
  return { fetch, most: () => most };
}

test("whoever is asked late has its whole time, and nobody waits at the platform", async () => {
  const { fetch, most } = platform();
  // Most regions hang for longer than is waited for; those at the end are well.
  const regions = Array.from({ length: REGIONS }, (_, at) => (at < 15 ? 60 : 5));
  const ask = (ms) =>
    fetch(ms, AbortSignal.timeout(40)).then(
      () => "well",
      () => "ill",
    );
  assert.deepEqual(
    await few(regions, ask),
    regions.map((ms) => (ms === 5 ? "well" : "ill")),
  );
  assert.equal(most(), 5);
});

/** An origin for all regions, whose health addresses take a while; how many of them are asked at once, at most. */
async function slowOrigin() {
  const seen = { now: 0, most: 0, total: 0 };
  const url = await startOrigin((request, response) => {
    seen.total++;
    seen.most = Math.max(seen.most, ++seen.now);
    setTimeout(() => (seen.now--, response.writeHead(200, { "content-type": "application/json" }).end("{}")), 100);
  });
  const vars = topology({}, (vars) => {
    vars.REGIONS = Object.fromEntries(Array.from({ length: REGIONS }, (_, at) => [`r${at}`, { origin: url, location: { lat: at, lon: at } }]));
    vars.DATASETS = {};
    vars.ROUTES = [];
    delete vars.IDENTITY;
  });
  return { seen, vars };
}

test("the dashboard's snapshot asks five regions at once", async () => {
  const { seen, vars } = await slowOrigin();
  const router = await startRouter({ vars });
  const { regions } = await router.snapshot();
  assert.equal(regions.length, REGIONS);
  assert.deepEqual([seen.total, seen.most], [REGIONS, 5]);
  await router.stop();
});

test("a prober asks five regions at once, and what it measures is not the time that it waited", async () => {
  const { seen, vars } = await slowOrigin();
  for (const name of Object.keys(vars.REGIONS).slice(1)) delete vars.REGIONS[name].location;
  const router = await startRouter({ vars, bindings: { PROBES: "45s" }, kv: true });
  await fetch(new URL("/_homing/healthz", router.url));
  const homes = await router.homes();
  const report = JSON.parse(await waitUntil(() => homes.get("probe:r19"), "the last prober has told"));
  for (const { ok, ms } of Object.values(report.regions)) assert.ok(ok && ms < 1000, `asked for ${ms} ms`);
  // Twenty probers, each for itself.
  assert.ok(seen.most <= 5 * REGIONS, `${seen.most} at once`);
  await router.stop();
});
