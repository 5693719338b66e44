// The home of data in PostgreSQL moves while clients go on: the real command, the authority, applications on the origin kit, and
// pg_promote. The checker of session guarantees (tests/history) judges what the clients recorded.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stopAll as stopRouters } from "../e2e/harness.mjs";
import { place } from "./app.mjs";
import { startCluster, stopAll as stopClusters } from "./cluster.mjs";
import { SECRET, alwaysReached, conformance, startApp, startWorld, stopKit } from "./kit.mjs";
import { Recording, dice, finals, held, judge, passers, session } from "./load.mjs";

let world;
let cluster;
before(async () => ({ cluster } = world = await startWorld()));
after(async () => {
  await stopRouters();
  stopKit();
  await stopClusters();
});

/** The home's database, and the other two. */
async function roles({ nodes }) {
  const standby = await Promise.all(nodes.map((node) => node.value("select pg_is_in_recovery()")));
  return [...nodes].sort((one, other) => standby[nodes.indexOf(one)] - standby[nodes.indexOf(other)]);
}

/** Clients that go on until they are stopped: nine write and read, three read, three have no session. */
function begin(t, { router, cluster }, seed) {
  const recording = new Recording();
  const keys = Array.from({ length: 4 }, (_, at) => `seed${seed}-${at}`);
  const routers = router.doors.map((url) => ({ url }));
  const each = { routers, keys, recording, secret: SECRET, places: cluster.nodes.map(({ name }) => name), oneIn: 2 };
  const clients = Array.from({ length: 15 }, (_, at) => {
    const mine = { ...each, roll: dice(seed * 1000 + at), writes: at < 9 };
    return at < 12 ? session(`s${at}`, mine) : passers(`p${at}`, mine);
  });
  const stop = async () => {
    recording.over = true;
    await Promise.all(clients);
  };
  t.after(stop);
  return { recording, keys, stop };
}

const operations = (lines) => lines.map((line) => JSON.parse(line));
const writes = (lines) => operations(lines).filter(({ kind }) => kind === "write");

/** The longest time in which no client got a write acknowledged, in milliseconds. */
function silence(lines) {
  const ends = writes(lines)
    .filter(({ status }) => status === "ok")
    .map(({ end }) => end)
    .sort((one, other) => one - other);
  return Math.max(...ends.slice(1).map((end, at) => end - ends[at]));
}

/** Nothing failed but writes that had to wait, and those were told so. */
function onlyWaited(lines) {
  for (const { kind, status, note, ...rest } of operations(lines).filter(({ kind, status }) => kind !== "final" && status !== "ok")) {
    const told = JSON.stringify({ kind, status, note, ...rest });
    assert.deepEqual([kind, note.status, note.outcome], ["write", 503, "refused"], told);
    assert.ok(Number(note.again) > 0, told);
  }
}

function tell(t, lines, { paused_for: paused }) {
  const all = writes(lines);
  const count = (status) => all.filter((write) => write.status === status).length;
  t.diagnostic(
    `writes waited ${paused} ms by the authority's word, ${Math.round(silence(lines))} ms passed without one at the clients; ` +
      `${count("ok")} acknowledged, ${count("fail")} answered 503, ${count("unknown")} unknown`,
  );
}

const verdict = (t, lines) => judge(t.name.replaceAll(/[^a-z]+/g, "-"), lines);

/** Appends to a list, through the router; resolves to the answer. */
async function append({ url }, list, id, headers) {
  const post = { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ id }) };
  const response = await fetch(new URL(`/lists/${list}`, url), post);
  assert.equal(response.status, 200);
  return response.json();
}

/** Orders that promotion under load, and waits until clients have written at the new home. */
async function promote({ homing }, to, recording) {
  const promoted = await homing("promote", "lists", "--to", to, "--reason", "a test");
  assert.deepEqual([promoted.status, promoted.json?.phase], [0, "done"], promoted.said);
  await recording.more(80);
  return promoted.json;
}

test("a planned promotion loses no acknowledged write, and the only error is 503 while writes wait", async (t) => {
  const [old, next, third] = await roles(cluster);
  const { recording, keys, stop } = begin(t, world, 1);
  const repeated = () => append(world.router, "repeated", "once", { "idempotency-key": "promoted" });
  const first = await repeated();
  await recording.more(150);
  // The other standby is to have nothing that the new home does not have, so that it can follow it.
  await third.cutOff();
  const change = await promote(world, next.name, recording);
  assert.deepEqual(await repeated(), first, "the new home knows what was done at the old one");
  assert.deepEqual(await next.value("select items from lists where key = 'repeated'"), ["once"]);
  await third.follow(next);
  await recording.more(80);
  await cluster.rejoin(old, next);
  await recording.more(80);
  await stop();
  const lines = recording.lines.concat(await finals(cluster, keys));
  tell(t, lines, change);
  onlyWaited(lines);
  const { found, report } = verdict(t, lines);
  assert.equal(found.violations, 0, report);
  assert.ok(
    writes(lines).some(({ region, status }) => region === next.name && status === "ok"),
    "clients have written at the new home",
  );
});

test("a standby that goes on following the old home's log, which grows longer than the new one's, answers nothing wrong", async (t) => {
  const [old, next, third] = await roles(cluster);
  const { recording, keys, stop } = begin(t, world, 2);
  await recording.more(80);
  const change = await promote(world, next.name, recording);
  await old.query("select pg_logical_emit_message(false, '', repeat('what vacuum writes, say', 50000))");
  await third.catchesUpWith(old);
  await recording.more(150);
  assert.ok(place(await third.lsn()) > place(await next.lsn()), "else nothing is shown here");
  for (const node of [third, old]) {
    await cluster.rejoin(node, next);
    // A read is tried at two regions: it must not meet both while they are away.
    await recording.calm();
  }
  await recording.more(80);
  await stop();
  const lines = recording.lines.concat(await finals(cluster, keys));
  tell(t, lines, change);
  onlyWaited(lines);
  const { found, report } = verdict(t, lines);
  assert.equal(found.violations, 0, report);
});

test("a copy that does not catch up is not promoted; the old home serves on, and nothing is lost", async (t) => {
  const [home, next] = await roles(cluster);
  const { recording, keys, stop } = begin(t, world, 3);
  await recording.more(80);
  await next.pause();
  await recording.more(80);
  const refused = await world.homing("promote", "lists", "--to", next.name);
  assert.deepEqual([refused.status, refused.json?.phase], [1, "aborted"], refused.said);
  assert.match(refused.json.says, new RegExp(`^${next.name}'s replica does not advance; ${home.name} keeps serving$`));
  await recording.more(80);
  await next.resume();
  await recording.more(80);
  await stop();
  assert.equal(await home.value("select pg_is_in_recovery()"), false);
  const lines = recording.lines.concat(await finals(cluster, keys));
  tell(t, lines, refused.json);
  onlyWaited(lines);
  const { found, report } = verdict(t, lines);
  assert.equal(found.violations, 0, report);
});

test("the example of the kit keeps the contract", async () => {
  const alone = await startCluster(["us"]);
  const held = await conformance(await startApp(alone.us));
  assert.equal(held.status, 0, held.said);
});

test("a new home that says it has caught up, and has not, loses acknowledged writes, and the checker finds them", async (t) => {
  const wrong = await startWorld({ before: { eu: alwaysReached } });
  const { recording, keys, stop } = begin(t, wrong, 4);
  await recording.more(80);
  await wrong.cluster.eu.cutOff();
  await recording.more(80);
  const change = await promote(wrong, "eu", recording);
  await stop();
  const lines = recording.lines.concat(await held([wrong.cluster.eu], keys));
  tell(t, lines, change);
  const { found, report } = verdict(t, lines);
  assert.ok(found.durability > 0, report);
});
