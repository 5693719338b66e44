// Short runs of `make chaos` with a fixed seed; and that the check of `network` finds each thing that it looks for.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { check } from "../chaos/network/check.mjs";
import { Faults } from "../chaos/network/faults.mjs";
import { checkSettled } from "../chaos/network/settled.mjs";
import { root, startOrigin, stopAll, subjectId } from "./harness.mjs";

/** Runs it, prints its figures, and wants to hear of no violation. */
async function chaos(t, { figures, ...env }) {
  const child = spawn(process.execPath, [join(root, "tests/chaos/run.mjs")], { env: { ...process.env, ...env } });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (out += data));
  const status = await new Promise((resolve) => child.once("close", resolve));
  const lines = out.trimEnd().split("\n");
  for (const line of lines.filter((line) => figures.test(line))) t.diagnostic(line);
  // What was wrong, or else all that was said.
  const wrong = lines.findIndex((line) => line.startsWith("VIOLATION"));
  assert.deepEqual([status, lines.at(-1)], [0, "violations: 0"], lines.slice(Math.max(0, wrong)).join("\n"));
}

test("20 s of chaos", (t) => chaos(t, { MODE: "network", SECONDS: "20", SEED: "1", figures: /^(reads|writes|failed)/ }));

test("15 s in which owners move, clients roam, lose sessions and repeat themselves, and copies lag", (t) =>
  chaos(t, { MODE: "lag", SECONDS: "15", SEED: "1", figures: /^(reads local|session reads|writes refused|checked)/ }));

const refusal = (more = {}) => ({ "retry-after": "5", "content-type": "application/problem+json", "homing-reason": "all-regions-failed", ...more });
const readOf = (more) => ({ id: "q1", read: true, kind: "stranger", near: "eu", start: 100_000, end: 100_010, status: 200, headers: {}, ...more });
const writeOf = (more) => ({ ...readOf({ read: false, kind: "session", what: "item", session: "s" }), ...more });
const itemRead = () => readOf({ status: 503, kind: "session", what: "item-read", headers: refusal({ "homing-reason": "home-down" }) });
const appended = { what: "append", list: "tenant:t", session: "s" };
const after = writeOf({ id: "q0", start: 99_900, end: 99_950 });
const sent = (...regions) =>
  Object.fromEntries(
    ["us", "eu", "ap"].map((name) => [name, { sends: regions.filter((region) => region === name).map((at) => ({ id: "q1", at, reached: true })) }]),
  );

const MISTAKES = [
  ["no answer", readOf({ status: undefined, error: "hung up" })],
  ["answered after", readOf({ end: 106_000 })],
  ["answered with 500", readOf({ status: 500 })],
  ["without problem+json", readOf({ status: 503, headers: refusal({ "content-type": "text/html" }) }), sent(), ["us", "eu"]],
  ["without problem+json", readOf({ status: 503, headers: refusal({ "retry-after": undefined }) }), sent(), ["us", "eu"]],
  ["not answered", readOf({ status: 503, headers: refusal() })],
  ["not answered", readOf({ status: 503, headers: refusal() }), sent(), ["us"]],
  [undefined, readOf({ status: 503, headers: refusal() }), sent(), ["us", "eu"]],
  ["never ill", readOf({ status: 503, kind: "session", list: "tenant:t", headers: refusal({ "homing-reason": "home-down" }) }), sent(), ["us"]],
  [undefined, readOf({ status: 503, kind: "session", list: "tenant:t", headers: refusal({ "homing-reason": "home-down" }) }), sent(), ["eu"]],
  ["never ill", itemRead(), sent("eu"), ["eu"]],
  ["not answered", itemRead(), sent(), ["us"]],
  [undefined, itemRead(), sent("eu"), ["us"]],
  ["sent 3 times", readOf(), sent("us", "us", "us")],
  ["sent 3 times", readOf(), sent("us", "eu", "ap")],
  [undefined, readOf(), sent("us", "eu")],
  ["sent twice", writeOf(), sent("us", "us")],
  [undefined, writeOf({ key: true }), sent("us", "us")],
  ["does not own it", writeOf(), sent("eu")],
  ["does not own it", writeOf(appended), sent("us")],
  [undefined, writeOf(appended), sent("eu")],
  ["does not say what became of it", writeOf({ status: 503, headers: refusal() }), sent("us")],
  ["said that it was not", writeOf({ status: 503, headers: refusal({ "homing-write-outcome": "not-sent" }) }), sent("us")],
  ["does not show the item", readOf({ what: "item-read", after, json: { item: null } })],
  [undefined, readOf({ what: "item-read", after, json: { item: null }, headers: { "homing-consistency": "stale" } })],
  ["does not show the like", readOf({ what: "liked", after, json: { liked: false } })],
];

test("the check finds each mistake, and nothing else", () => {
  for (const [what, record, fronts = sent(), ill = []] of MISTAKES) {
    const faults = new Faults();
    faults.happened.push(...ill.map((target) => ({ fault: { target, what: "front" }, began: 99_000, ended: 101_000 })));
    const { wrong } = check({ fronts, assigned: { [subjectId("tenant", "t")]: "eu" } }, faults, [record]);
    assert.deepEqual(
      wrong.map(({ what }) => what).filter((found) => !what || !found.includes(what)),
      [],
      JSON.stringify([what, record]),
    );
    assert.equal(wrong.length, what ? 1 : 0, `${what}: ${JSON.stringify(record)}`);
  }
});

test("the check finds an append that the session's next read does not show", () => {
  const read = readOf({ id: "q2", what: "list", list: "tenant:t", session: "s", kind: "session", json: { notes: [] } });
  const { wrong } = check({ fronts: sent("eu"), assigned: { [subjectId("tenant", "t")]: "eu" } }, new Faults(), [
    writeOf({ ...appended, end: 99_000, start: 98_000 }),
    read,
  ]);
  assert.deepEqual(
    wrong.map(({ record, what }) => [record.id, what]),
    [["q2", "does not show what the session wrote: q1"]],
  );
});

test("the check finds writes that were lost, done twice, or done although refused", async () => {
  const url = await startOrigin((request, response) => response.end(JSON.stringify({ item: request.url.endsWith("there") ? { id: "q1" } : null })));
  const world = { regions: { us: { name: "us", url } }, sends: () => [] };
  const found = async (record, ...list) => (await checkSettled(world, [record], [{ region: "us", key: "tenant:t", list }])).map(({ what }) => what);
  const refused = { status: 503, headers: refusal({ "homing-write-outcome": "not-sent" }) };
  assert.deepEqual(await found(writeOf(appended), "q1"), []);
  assert.deepEqual(await found(writeOf(appended)), ["acknowledged, and lost in us"]);
  assert.deepEqual(await found(writeOf(appended), "q1", "q1"), ["done 2 times in us"]);
  assert.deepEqual(await found(writeOf({ ...appended, ...refused }), "q1"), ["said to be not-sent, and done in us"]);
  assert.deepEqual(await found(writeOf({ path: "/missing" })), ["acknowledged, and lost in us"]);
  assert.deepEqual(await found(writeOf({ path: "/there", ...refused })), ["said to be not-sent, and done in us"]);
  await stopAll();
});
