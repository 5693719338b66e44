// A session that writes at two regions within the lag between them: with a position for each region's log it is never shown less than both,
// by the nearest replica that has both, else by the region that has; and if none has both yet, it is refused.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { dice, judge } from "../postgres/load.mjs";
import { PROMISED } from "../mesh/judge.mjs";
import { Client, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const SECRET = "the key with which these tests sign";
const NAMES = ["us", "eu", "ap"];
/** Far longer than all that a test waits for one after the other. */
const LATE = 3_600_000;
let regions, router;
before(async () => void (regions = await startRegions()));
beforeEach(() => regions.heal());
after(stopAll);

/** A router that knows no lag of before, and has heard from each region that it is close behind; with that said after a write. */
async function begin(promise = "session") {
  const vars = topology(regions, (vars) => {
    for (const route of vars.ROUTES) if (route.dataset === "likes") route.read_after_write = promise;
  });
  router = await startRouter({ vars, bindings: { SESSION_KEY: SECRET } });
  for (const near of NAMES) await passes(near);
}

/** Somebody without a session reads beside that region: the router hears how far it is. */
const passes = (near) => new Client(router.url, near).get("/api/views/passer");

const reason = (answer) => answer.headers["homing-reason"];
const at = (answer) => answer.headers["homing-region"];

/** A client beside another region, with the same session. */
function beside(client, near) {
  const other = new Client(client.url, near);
  other.cookies = new Map(client.cookies);
  return other;
}

let pairs = 0;

/** A session that has viewed one page at us, and another at eu, where the first view has not arrived: its client, and what it must be shown. */
async function wroteAtBoth() {
  const name = `pair-${++pairs}`;
  const client = new Client(router.url, "us");
  const first = await client.post(`/api/views/${name}`, { by: 2 });
  assert.deepEqual([first.status, at(first)], [200, "us"], first.text);
  // As long as eu need not have the first one, the second goes to us, too. That session is thrown away.
  let tries = 0;
  return waitUntil(async () => {
    const second = beside(client, "eu");
    const page = `${name}-${++tries}`;
    const answer = await second.post(`/api/views/${page}`, { by: 3 });
    assert.equal(answer.status, 200, answer.text);
    return at(answer) === "eu" && { client: second, pages: { [name]: 2, [page]: 3 } };
  }, "the second write goes to eu");
}

/** Reads both pages beside that region: each answer shows the session's view, or is a refusal. Where and why both were shown, if they were. */
async function reads({ client, pages }, near) {
  const places = [];
  for (const [page, views] of Object.entries(pages)) {
    const answer = await beside(client, near).get(`/api/views/${page}`);
    assert.equal(answer.headers["homing-consistency"], undefined);
    if (answer.status === 200) assert.equal(answer.json.views, views, `${page} near ${near}: ${at(answer)} by ${reason(answer)}`);
    else assert.deepEqual([answer.status, reason(answer), answer.headers["retry-after"] > 0], [503, "position-not-reached", true], answer.text);
    places.push(answer.status === 200 ? [at(answer), reason(answer)] : undefined);
  }
  return places.every(Boolean) ? places : undefined;
}

/** Waits until that region holds both, whatever the router knows of it. */
async function arrived({ pages }, region) {
  for (const [page, views] of Object.entries(pages)) {
    const held = async () => (await (await fetch(new URL(`/api/views/${page}`, regions[region].url))).json()).views;
    await waitUntil(async () => (await held()) === views, `${region} has ${page}`);
  }
}

test("of two regions that have a write each, the one that has the other's too answers, and never the one that lacks the first", async () => {
  await begin();
  await regions.eu.control({ lag_ms: LATE });
  const pair = await wroteAtBoth();
  for (const region of ["us", "ap"]) await arrived(pair, region);
  for (let n = 0; n < 5; n++) {
    for (const near of NAMES) {
      const places = await reads(pair, near);
      assert.ok(
        places?.every(([region]) => region !== "eu"),
        `near ${near}: ${places}`,
      );
    }
  }
  await regions.heal();
  await waitUntil(async () => {
    await passes("eu");
    return (await reads(pair, "eu"))?.every(([region]) => region === "eu");
  }, "eu answers its neighbours again");
});

test("two regions that do not hear each other have a write each: a third one that hears both answers", async () => {
  await begin();
  await regions.eu.control({ cut: ["us"] });
  const pair = await wroteAtBoth();
  await arrived(pair, "ap");
  // Until the router knows of it, each of both is asked, and says that it is behind.
  await reads(pair, "eu");
  await waitUntil(async () => (await reads(pair, "ap"))?.every(([region]) => region === "ap"), "ap answers its neighbours");
  // A nearer one that should have both by now may be asked first, once a second.
  for (const near of NAMES) {
    await waitUntil(async () => (await reads(pair, near))?.every(([region]) => region === "ap"), `ap answers who is near ${near}`);
  }
});

test("nobody has both: it is refused until somebody has, and not shown one of them", async () => {
  await begin();
  await regions.cut(...NAMES);
  const pair = await wroteAtBoth();
  for (let n = 0; n < 3; n++) for (const near of NAMES) assert.equal(await reads(pair, near), undefined, near);
  await regions.heal();
  for (const near of NAMES) await waitUntil(() => reads(pair, near), `it is answered near ${near}`);
});

test("what a session takes back in another region is gone everywhere, though it comes there before what it takes back", async () => {
  await begin();
  await regions.cut(...NAMES);
  const client = new Client(router.url, "us");
  await client.post("/login", { user: "ada" });
  assert.equal(at(await client.put("/api/likes/taken-back", { liked: true })), "us");
  let tries = 0;
  const elsewhere = await waitUntil(async () => {
    const moved = beside(client, "eu");
    return at(await moved.put(`/api/likes/taken-elsewhere-${++tries}`, { liked: true })) === "eu" && moved;
  }, "its writes go to eu");
  const gone = await elsewhere.put("/api/likes/taken-back", { liked: false });
  assert.deepEqual([gone.status, at(gone), gone.json.liked], [200, "eu", false], gone.text);
  await regions.heal();
  const held = async (region) => (await (await fetch(new URL("/api/likes/taken-back", regions[region].url))).json()).count;
  await waitUntil(async () => (await elsewhere.get("/api/likes/taken-back")).json?.count === 0, "the session is shown that it is gone");
  for (const region of NAMES) await waitUntil(async () => (await held(region)) === 0, `it is gone at ${region}`);
});

// Many sessions that roam, on sets that they add to and take from, held against what a session is promised (tests/history).

const ITEMS = ["one", "two"];
const pick = (roll, from) => from[roll(from.length)];

/** What happens to the regions, each for a number of operations. */
const FAULTS = [(name) => regions[name].control({ lag_ms: 3000 }), (name, other) => regions[name].control({ cut: [other] }), () => regions.cut(...NAMES)];

/** One operation of a session: it adds a name to an item's likes, takes one away that it was shown, or looks. */
async function step(session, prefix, lines, kinds = ["read", "read", "read", "write", "change"]) {
  const { client, roll, shown } = session;
  const item = pick(roll, ITEMS);
  const [key, path, seq] = [`${prefix}-${item}`, `/api/likes/${prefix}-${item}`, session.seq++];
  client.headers["homing-dev-near"] = pick(roll, NAMES);
  const [choice, has] = [pick(roll, kinds), shown[item]?.length > 0];
  const kind = choice !== "change" ? choice : has ? "remove" : "write";
  const id = kind === "remove" ? pick(roll, shown[item]) : `${session.name}-${seq}`;
  const start = performance.now();
  const answer = kind === "read" ? await client.get(path) : await client.put(path, { liked: kind === "write", as: id });
  const isDone = answer.status === 200;
  const refused = kind === "read" || ["not-sent", "refused"].includes(answer.headers["homing-write-outcome"]);
  const what = { read: isDone ? { list: answer.json.by } : {}, write: { id }, remove: { ids: [id] } }[kind];
  if (isDone) shown[item] = answer.json.by;
  const status = isDone ? "ok" : refused ? "fail" : "unknown";
  lines.push({ session: session.name, seq, kind, key, ...what, status, start, end: performance.now(), ...(at(answer) ? { region: at(answer) } : {}) });
}

/** Lets sessions roam through so many faults, until all regions are equal; what the checker finds of what was promised. */
async function roam(prefix, faults, seed = 7) {
  /** @type {any[]} */
  const lines = ITEMS.map((item) => ({ kind: "multi-writer", key: `${prefix}-${item}` }));
  const roll = dice(seed);
  let over = false;
  const visitor = async (n) => {
    const client = new Client(router.url, pick(roll, NAMES));
    const name = `${prefix}-s${n}`;
    await client.post("/login", { user: name });
    const session = { name, client, roll: dice(100 * seed + n), shown: {}, seq: 0 };
    while (!over) await step(session, prefix, lines);
  };
  // A client without a session is promised nothing; what it is shown is how old a region's data is.
  const passer = async () => {
    for (let seq = 0; !over; seq++) {
      const session = { name: `${prefix}-passer${seq}`, client: new Client(router.url), roll, shown: {}, seq: 0 };
      await step(session, prefix, lines, ["read"]);
    }
  };
  const visitors = Promise.all([passer(), ...Array.from({ length: 6 }, (_, n) => visitor(n))]);
  const more = (count) => {
    const target = lines.length + count;
    return waitUntil(() => lines.length >= target, `${count} more operations`, 60_000);
  };
  const trouble = async () => {
    for (let done = 0; done < faults; done++) {
      const [name, other] = [pick(roll, NAMES), pick(roll, NAMES)];
      await FAULTS[done % FAULTS.length](name, other === name ? NAMES.find((one) => one !== name) : other);
      await more(60);
      await regions.heal();
      await more(30);
    }
  };
  await Promise.race([trouble(), visitors]).finally(() => (over = true));
  await visitors;
  for (const item of ITEMS) {
    const held = () => Promise.all(NAMES.map(async (region) => (await (await fetch(new URL(`/api/likes/${prefix}-${item}`, regions[region].url))).json()).by));
    const finals = await waitUntil(async () => {
      const all = await held();
      return new Set(all.map((one) => JSON.stringify(one))).size === 1 && all;
    }, `all regions hold the same of ${item}`);
    for (const [n, region] of NAMES.entries()) lines.push({ kind: "final", region, key: `${prefix}-${item}`, list: finals[n] });
  }
  const verdict = judge(
    `two-regions-${prefix}`,
    lines.map((line) => JSON.stringify(line)),
  );
  const count = (kind) => lines.filter((line) => line.kind === kind && line.status === "ok").length;
  return { ...verdict, broken: PROMISED.filter((what) => verdict.found[what] > 0), removed: count("remove"), added: count("write") };
}

test("sessions that roam add to sets and take from them while regions lag and are cut off: each is shown what it was promised", async (t) => {
  await begin();
  const { broken, report, old, removed, added } = await roam("kept", 9);
  t.diagnostic(`${added} added, ${removed} removed, ${old} reads were shown older data`);
  assert.deepEqual(broken, [], report);
  assert.ok(removed > 20 && added > 20 && old > 0, `${added} added, ${removed} removed, ${old} old`);
});

test("without that promise the checker finds writes that their session was not shown", async () => {
  await begin("none");
  const found = new Set();
  let report;
  for (let n = 1; n <= 10; n++) {
    const { broken, ...told } = await roam(`careless-${n}`, 3, n);
    for (const what of broken) found.add(what);
    if (found.has("read-your-writes") && found.has("monotonic-reads")) return;
    report = told.report;
  }
  assert.fail(`it has found ${[...found]}\n${report}`);
});
