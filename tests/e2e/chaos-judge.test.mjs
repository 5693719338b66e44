// The judge of `make chaos` itself: a history in which all is well, and for each check one in which that one thing is wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { figures, wasIll } from "../chaos/moving/figures.mjs";
import { judge } from "../chaos/moving/judge.mjs";
import { subjectId } from "./harness.mjs";

const stamp = (epoch, seq) => `${String(epoch).padStart(12, "0")}.${String(seq).padStart(12, "0")}`;
const ada = subjectId("user", "ada");

/** A world in which nothing is wrong: the catalogue is promoted from us to eu, and ada's cart is in ap. */
function well() {
  const op = (origin, seq, dataset, key, value, epoch, at) => ({ origin, seq, dataset, key, value: JSON.stringify(value), stamp: stamp(epoch, seq), at });
  const logs = {
    us: [op("us", 1, "catalog", "x", { id: "w1" }, 1, 1000), op("us", 2, "catalog", "y", { id: "w2" }, 1, 1100)],
    eu: [op("eu", 1, "own", "catalog", { home: "eu", epoch: 2, after: [["us", 2]] }, 0, 2000), op("eu", 2, "catalog", "x", { id: "w3" }, 2, 2100)],
    ap: [op("ap", 1, "cart", ada, ["w4"], 1, 1000), op("ap", 2, "cart", ada, ["w4", "w5"], 1, 1200)],
  };
  const held = () => ({ x: "w3", y: "w2", likes: ["l"], "user:ada": ["w4", "w5"] });
  return { records: story(), logs, finals: { us: held(), eu: held(), ap: held() } };
}

const headers = (more) => ({ "homing-reason": "home", "homing-region": "us", ...more });
const catalog = { dataset: "catalog", unit: "catalog" };
const cart = { dataset: "cart", unit: "user:ada", key: "user:ada" };
const like = { dataset: "likes", key: "l" };

/** What one session did: it wrote and read items, a list of all, a cart and a like. */
function story() {
  const records = [
    { read: false, ...catalog, key: "x", id: "w1", start: 990, json: { region: "us", version: stamp(1, 1) } },
    { read: false, ...catalog, key: "y", id: "w2", start: 1090, json: { region: "us", version: stamp(1, 2) } },
    { read: true, ...catalog, key: "y", start: 1300, json: { version: stamp(1, 2) } },
    { read: false, ...cart, id: "w4", start: 990, json: { region: "ap", version: stamp(1, 1) } },
    { read: false, ...cart, id: "w5", start: 1190, json: { region: "ap", version: stamp(1, 2) } },
    { read: true, ...cart, start: 1400, json: { items: ["w4", "w5"], version: stamp(1, 2) } },
    { read: false, ...catalog, key: "x", id: "w3", start: 2090, json: { region: "eu", version: stamp(2, 2) } },
    { read: true, ...catalog, key: "x", start: 2300, json: { version: stamp(2, 2) } },
    {
      read: true,
      ...catalog,
      start: 2400,
      json: {
        items: [
          { id: "x", item: { id: "w3" } },
          { id: "y", item: { id: "w2" } },
        ],
      },
    },
    { read: false, ...like, id: "l1", start: 2990, json: { region: "ap" } },
    { read: true, ...like, start: 3100, json: { liked: true, count: 1 } },
    {
      read: false,
      ...catalog,
      key: "x",
      id: "w9",
      start: 3200,
      status: 503,
      headers: headers({ "content-type": "application/problem+json", "retry-after": "1", "homing-write-outcome": "not-sent" }),
    },
  ];
  return records.map((record, n) => ({
    n,
    session: "s",
    status: 200,
    headers: headers(),
    end: record.start + 20,
    hadSession: n > 0,
    hasSession: true,
    ...record,
  }));
}

const found = (world) => [...new Set(judge(world).wrong.map(({ check }) => check))];

test("a history in which all is well is found to be so, and every check of sessions was made", () => {
  const { wrong, counts } = judge(well());
  assert.deepEqual(wrong, []);
  const { "likes later": later, "likes missed later": missed, "across-keys": across, "writes-follow-reads": follow, ...made } = counts;
  for (const [check, count] of Object.entries(made)) assert.ok(count > 0 || check === "monotonic-reads", `${check} was never checked`);
  assert.ok(across + follow + later + missed >= 0);
});

const refused = () => headers({ "content-type": "application/problem+json", "retry-after": "1", "homing-write-outcome": "refused" });
/** Another session's write of item y, which the session then sees. */
const seen = (world, version) => {
  world.logs.eu.push({ origin: "eu", seq: 3, dataset: "catalog", key: "y", value: '{"id":"w6"}', stamp: stamp(2, 3), at: 2500 });
  for (const held of Object.values(world.finals)) held.y = "w6";
  world.records.push(
    { ...world.records[2], n: 20, start: 2600, end: 2610, json: { version: stamp(2, 3) } },
    { ...world.records[2], n: 21, start: 2700, end: 2710, json: { version } },
  );
};

/** What is planted, and the check that finds it. */
const PLANTED = {
  "read-your-writes": ({ records }) => void (records[7].json.version = stamp(1, 1)),
  "monotonic-reads": (world) => seen(world, stamp(1, 2)),
  "across-keys": (world) => {
    seen(world, stamp(2, 3));
    // Another session saw x by eu's second write, before which us had written y; then it is shown no y at all.
    const other = { session: "t", hadSession: true };
    world.records.push(
      { ...world.records[7], ...other, n: 30, start: 2600, end: 2610 },
      { ...world.records[2], ...other, n: 31, start: 2700, end: 2710, json: { version: "" } },
    );
  },
  "within-list": ({ records }) =>
    records.push({ ...records[8], n: 40, session: "u", start: 2450, end: 2460, json: { items: [{ id: "x", item: { id: "w3" } }] } }),
  "monotonic-writes": (world) => {
    world.logs.ap[1].value = '["w5"]';
    for (const held of Object.values(world.finals)) held["user:ada"] = ["w5", "w4"];
  },
  "writes-follow-reads": ({ records, logs, finals }) => {
    // It sees w5 in ada's cart, and what it then writes stands over a list without that.
    records.splice(4, 1);
    logs.ap.push({ origin: "ap", seq: 4, dataset: "cart", key: ada, value: '["w4","w7"]', stamp: stamp(1, 4), at: 4000 });
    records.push({ ...records[3], n: 50, id: "w7", start: 3990, end: 4010, json: { region: "ap" } });
    for (const held of Object.values(finals)) held["user:ada"] = ["w4", "w7"];
  },
  phantom: ({ records }) => void (records[2].json.version = stamp(1, 7)),
  "like-missed": ({ records }) => void (records[10].json.count = 0),
  "without-owner": ({ logs, records }) => {
    logs.ap[1].stamp = stamp(0, 2);
    records.splice(4, 2);
  },
  "two-owners": ({ logs }) => void (logs.eu[0].value = '{"home":"ap","epoch":2}'),
  "late-epoch": ({ logs }) => void (logs.us[1].at = 2200),
  "fence-passed": ({ logs }) => logs.us.unshift({ origin: "us", seq: 0, dataset: "own", key: "catalog", value: '{"home":"eu","epoch":2}', stamp: "", at: 900 }),
  "begun-without": ({ logs }) => void (logs.eu[0].value = '{"home":"eu","epoch":2,"after":[["us",1]]}'),
  "applied-twice": ({ logs }) => logs.eu.push({ ...logs.eu[1], seq: 3, stamp: stamp(2, 3) }),
  "acknowledged-lost": ({ finals }) => void (finals.eu["user:ada"] = ["w4"]),
  "acknowledged-elsewhere": ({ records }) => void (records[0].json.region = "ap"),
  "said-not-done": ({ records }) => Object.assign(records[6], { status: 503, headers: refused() }),
  diverged: ({ finals }) => void (finals.ap.y = "w1"),
  "no-answer": ({ records }) => Object.assign(records[2], { status: undefined, error: "ECONNREFUSED" }),
  "connection-reset": ({ records }) => Object.assign(records[2], { status: undefined, error: "ECONNRESET", reused: true }),
  late: ({ records }) => void (records[2].end = records[2].start + 17_000),
  status: ({ records }) => void (records[2].status = 421),
  "no-reason": ({ records }) => delete records[2].headers["homing-reason"],
  "no-retry-after": ({ records }) => delete records[11].headers["retry-after"],
  "not-a-problem": ({ records }) => Object.assign(records[2], { status: 503 }),
  "no-outcome": ({ records }) => delete records[11].headers["homing-write-outcome"],
};

for (const [check, plant] of Object.entries(PLANTED)) {
  test(`the judge finds a planted mistake: ${check}`, () => {
    const world = well();
    plant(world);
    assert.ok(found(world).includes(check), `found ${found(world).join(", ") || "nothing"}`);
  });
}

test("each check that the judge makes has its planted mistake", async () => {
  const { readFileSync } = await import("node:fs");
  const text = ["answers", "owners", "sessions"].map((file) => readFileSync(new URL(`../chaos/moving/${file}.mjs`, import.meta.url), "utf8")).join("");
  const said = [...text.matchAll(/say\("([a-z-]+)"/g)].map(([, check]) => check);
  assert.ok(said.length > 15);
  assert.deepEqual(
    [...new Set(said)].filter((check) => !(check in PLANTED)),
    [],
  );
});

test("what a forced change has lost is no violation, and the same is one if the change was planned", () => {
  const world = well();
  // us acknowledged it, and eu, which began without the old owner, never had it; one session saw it.
  world.logs.us.push({ origin: "us", seq: 3, dataset: "catalog", key: "y", value: '{"id":"w8"}', stamp: stamp(1, 3), at: 1950 });
  /** @type {any} */
  const write = { ...world.records[1], n: 100, session: "t", id: "w8", start: 1940, end: 1960, json: { region: "us", version: stamp(1, 3) } };
  world.records.push(
    write,
    { ...world.records[2], n: 101, session: "t", start: 1970, end: 1980, json: /** @type {any} */ ({ version: stamp(1, 3) }) },
    { ...world.records[2], n: 102, session: "t", start: 2500, end: 2510 },
  );
  assert.deepEqual(found({ ...world, forced: [{ unit: "catalog", epoch: 2 }] }), []);
  assert.ok(found(world).includes("begun-without") && found(world).includes("acknowledged-lost"), found(world).join());
});

/** What is excused: each of these is no violation. */
const EXCUSED = {
  "what a session has seen ends with the session": ({ records }) =>
    records.push({ ...records[7], n: 60, session: "s2", start: 2700, end: 2710, json: { version: stamp(1, 1) } }),
  "what was promised to the user before": ({ records }) => {
    records.push(
      { ...records[3], n: 60, status: 503, headers: refused(), id: "w12", was: ada, is: "another", start: 2500, end: 2510 },
      { ...records[7], n: 61, start: 2700, end: 2710, json: { version: stamp(1, 1) } },
    );
  },
  "an answer that says it is stale": ({ records }) => {
    records[7].json.version = stamp(1, 1);
    records[7].headers["homing-consistency"] = "stale; age=3";
  },
  "what a client without a session has seen is not kept": ({ records }) => {
    const nobody = { session: "t", hadSession: false, hasSession: false };
    records.push(
      { ...records[7], ...nobody, n: 70, start: 2600, end: 2610 },
      { ...records[7], ...nobody, n: 71, start: 2700, end: 2710, json: { version: stamp(1, 1) } },
    );
  },
  "a write of unknown outcome may be there or not": ({ records }) => {
    records.push(
      { ...records[6], n: 80, id: "w10", status: undefined, left: true },
      { ...records[6], n: 81, id: "w11", status: 504, headers: headers({ "homing-write-outcome": "unknown" }) },
    );
  },
  "a repeat that was refused, of a write that was done": ({ records }) => records.push({ ...records[6], n: 90, repeat: true, status: 503, headers: refused() }),
  "a like that is looked for after its window": ({ records }) => Object.assign(records[10], { start: 4200, end: 4210, json: { liked: false, count: 0 } }),
};

for (const [what, change] of Object.entries(EXCUSED)) {
  test(`the judge excuses ${what}`, () => {
    const world = well();
    change(world);
    assert.deepEqual(
      judge(world).wrong.map(({ check, what }) => `${check}: ${what}`),
      [],
    );
  });
}

test("the figures are of what was asked while nothing was ill", () => {
  const { records } = well();
  const disorder = { happened: [{ what: "mode", region: "us", mode: "hang", began: 1000, ended: 1200 }] };
  const run = { records, lasting: 3000, healed: 3150, disorder, operators: { changes: [], states: [] } };
  assert.deepEqual([wasIll(run, 3190, 3199), wasIll(run, 3201, 3210)], [true, false]);
  const told = figures({ ...run, disorder: { happened: [] } }).join("\n");
  assert.match(told, /reads local 0.0 %/);
  assert.match(told, /refused while nothing was ill: 14.3 % of 7 \(catalog home not-sent 1\)/);
  assert.match(told, /failed after all was healed: writes of catalog 50 ms/);
});
