// What becomes of reads and writes when a region fails, whatever the way; counted at the origins' side, by proxies and regions.
// Each test prints its figures. What it asserts is structure: who saw what, and that the router's own deadlines were kept.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, stopAll } from "./harness.mjs";
import { TOTAL_MS, answered, isHonest, readFigures, startWorld, writeFigures } from "./world.mjs";

let world;
before(async () => {
  world = await startWorld({ seed: 11 });
});
after(stopAll);

/** Gateway failures in a row after which a region is no longer asked. */
const LEARNED = 5;
/** A machine that is busy with something else is late by no more than this. */
const GENEROUS_MS = 3000;
const AT_A_TIME = 8;

const by = (kind, options) => ({
  begin: (region) => world.fronts[region].set(kind, options),
  end: (region) => world.fronts[region].set("pass"),
});

const FAULTS = {
  "kill -9": {
    begin: (region) => world.regions[region].kill(),
    end: (region) => world.regions[region].start(),
    forgets: true,
  },
  SIGSTOP: {
    begin: (region) => world.regions[region].child.kill("SIGSTOP"),
    end: (region) => world.regions[region].child.kill("SIGCONT"),
  },
  "refused connections": by("refuse"),
  "black hole": by("blackhole"),
  "30 % packet loss": { ...by("loss", { p: 0.3 }), partial: true },
  "400 ms away, with jitter": { ...by("latency", { ms: 200, jitter: 150 }), partial: true },
  "slow-loris, a byte in 100 ms": by("throttle", { bytes: 1, every: 100 }),
  "reset in the head": by("reset", { after: 100 }),
  "reset mid-body": { ...by("reset", { after: 400 }), repair: true },
  "half-open, answers vanish": by("half-open", { way: "down" }),
  "half-open, requests vanish": by("half-open", { way: "up" }),
};

/** A router that has open connections to all regions, as one that is in use has. */
async function routerInUse(change) {
  const router = await world.router({ change });
  for (const near of ["us", "eu", "ap"]) await world.reads(router, near, "before", AT_A_TIME, AT_A_TIME);
  return router;
}

for (const [name, fault] of /** @type {[string, any][]} */ (Object.entries(FAULTS))) {
  const slug = name.replace(/\W+/g, "-");

  test(`${name}: reads go to one other region, and are all answered`, async (t) => {
    // What breaks in the middle of an answer is repaired where its route says so.
    const router = await routerInUse((vars) => vars.ROUTES.forEach((route) => (route.repair = fault.repair ?? false)));
    await fault.begin("eu");
    const first = await world.ask(new Client(router.url, "eu"), "GET", `/api/likes/${slug}`);
    const reads = [first, ...(await world.reads(router, "eu", slug, fault.partial ? 79 : 199, AT_A_TIME))];
    await fault.end("eu");
    t.diagnostic(`${name}: ${readFigures(reads)}`);
    assert.equal(answered(reads).length, reads.length, JSON.stringify(reads.find(({ status }) => status !== 200)?.json));
    for (const read of reads) {
      // A lost connection is tried once more at the same region.
      assert.ok(read.sends <= 3 && read.regions <= 2, `${read.path}: ${read.sends} sends`);
      assert.ok(read.ms < TOTAL_MS + GENEROUS_MS, `${read.path} took ${read.ms} ms`);
    }
    const failedOver = reads.filter(({ sends, first }) => sends > 1 && first === "eu").length;
    if (!fault.partial) assert.ok(failedOver <= LEARNED + AT_A_TIME, `${failedOver} reads asked a dead region first`);
    await router.stop();
  });

  test(`${name}: writes go to their home or nowhere, once, and say what became of them`, async (t) => {
    const router = await routerInUse();
    await fault.begin("us");
    const writes = await world.writes(router, "eu", slug, 36);
    await fault.end("us");
    t.diagnostic(`${name}: ${writeFigures(world, writes)}`);
    for (const write of writes) {
      const sends = world.sends(write.id);
      assert.ok(sends.length <= 1 && sends.every(({ region }) => region === "us"), JSON.stringify([write.path, sends]));
      if (write.status === 200) assert.ok(await isStored("us", write), `${write.path} was acknowledged`);
      else assert.ok(isHonest(write) && /^(unknown|not-sent)$/.test(write.headers["homing-write-outcome"]), `${write.status} ${write.text}`);
      if (write.headers["homing-write-outcome"] === "not-sent") assert.deepEqual(sends, [], `${write.path} was not sent`);
    }
    const paths = Object.fromEntries(writes.map(({ path }) => [path, 0]));
    for (const region of Object.values(world.regions))
      for (const { target, method } of await region.seen(`/api/catalog/${slug}-`)) if (method === "PUT") paths[target]++;
    assert.ok(Math.max(...Object.values(paths)) <= 1, "no origin saw one twice");
    await router.stop();
  });
}

/** Whether that region holds what was written, by its own word and not through the router. */
async function isStored(region, { path }) {
  const { item } = await (await fetch(new URL(path, world.regions[region].url))).json();
  return item !== null;
}
