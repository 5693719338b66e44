// The rules of positions, each against a real primary and its standbys: the right way holds, and with the mistake that the rule
// forbids the anomaly is seen. Every schedule is forced: replay is paused, requests are held; nothing is left to timing.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { waitUntil } from "../e2e/harness.mjs";
import { Lists, place, takeOver } from "./app.mjs";
import { BarePosition, CheckedInOneStatement, DeletionForgotten, EpochOutOfBand, GATE, PlaceInsideTransaction, PositionBeforeRead } from "./mistakes.mjs";
import { PositionInsideTransaction, SealedByAnEarlierPlace, SealsNothing, ShowsBeforeRead } from "./mistakes.mjs";
import { ask, holdAt, startApp, startDatabase, stopAll } from "./support.mjs";

after(stopAll);

describe("one primary, two standbys", () => {
  let cluster, us, eu, ap;
  before(async () => {
    cluster = await startDatabase();
    [us, eu, ap] = await Promise.all(cluster.nodes.map((node) => startApp(node)));
  });

  test("an answer says how far its copy is, and who may write", async () => {
    const written = await ask(us, "contract", { id: "w1", home: "us", epoch: 1 });
    assert.deepEqual([written.status, written.wrote, written.token.epoch], [200, "1", "1"]);
    assert.match(written.token.position, /^lists=[0-9A-F]+\/[0-9A-F]+$/);
    await cluster.eu.catchesUpWith(cluster.us);
    const read = await ask(eu, "contract", { token: written.token });
    assert.deepEqual([read.status, read.items, read.wrote, read.token.epoch], [200, ["w1"], "0", "1"]);
    assert.ok(place(read.lsn) >= place(written.lsn));
    const misdirected = await ask(eu, "contract", { id: "w2", home: "eu", epoch: 1 });
    assert.deepEqual([misdirected.status, misdirected.owner, misdirected.wrote], [421, ["us", "1"], "0"]);
    const later = await ask(us, "contract", { id: "w3", home: "us", epoch: 2 });
    assert.deepEqual([later.status, later.owner], [421, ["us", "1"]], "who claims a later epoch knows of an owner that this region does not");
    const asHome = await ask(eu, "contract", { home: "eu", epoch: 1 });
    assert.deepEqual([asHome.status, asHome.owner], [421, ["us", "1"]], "a read that must be answered by the home");
    assert.deepEqual((await ask(us, "contract")).items, ["w1"], "what was refused is not there");
    const health = await (await fetch(`${eu.url}/.well-known/homing`)).json();
    assert.deepEqual([health.region, health.epochs.lists, Object.keys(health.lag_ms)], ["eu", 1, ["us"]]);
  });

  test("a copy that has not reached the position says so, with nothing of the data", async () => {
    await cluster.eu.pause();
    const { token } = await ask(us, "behind", { id: "w1" });
    const behind = await ask(eu, "behind", { token });
    assert.deepEqual([behind.status, behind.behind, behind.empty], [503, "1", true]);
    const elsewhere = await ask(eu, "behind");
    assert.deepEqual([elsewhere.status, elsewhere.items], [200, []], "who demands nothing is answered");
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    assert.deepEqual((await ask(eu, "behind", { token })).items, ["w1"]);
    const without = await ask(eu, "behind", { token: { position: token.position, epoch: "0" } });
    assert.equal(without.behind, "1", "a position without its epoch is not reached");
  });

  /** The standby has replayed all that the transaction wrote, and not its commit. */
  async function rule1(Kind, key, what = "token") {
    const app = await startApp(cluster.us, Kind);
    const held = holdAt(app, "written");
    const writing = ask(app, key, { id: "w1" });
    await held.arrived;
    await cluster.eu.catchesUpWith(cluster.us);
    await cluster.eu.pause();
    held.release();
    const token = (await writing)[what];
    const read = await ask(eu, key, { token });
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    assert.deepEqual((await ask(eu, key, { token })).items, ["w1"], "once it is replayed it is seen");
    return read;
  }

  test("rule 1: the position of a write is read after its commit", async () => {
    const right = await rule1(Lists, "rule-1");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await rule1(PositionInsideTransaction, "rule-1-wrong");
    assert.deepEqual([wrong.status, wrong.items], [200, []], "a position from inside of the transaction is reached without the write");
  });

  test("rule 1 of what a write shows: it has no place before its commit", async () => {
    const right = await rule1(Lists, "shows-1", "seen");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await rule1(PlaceInsideTransaction, "shows-1-wrong", "seen");
    assert.deepEqual([wrong.status, wrong.items], [200, []], "a place from inside of the transaction is reached without the write");
  });

  /** The write is replayed while a read that demands it is under way. */
  async function rule2(Kind, key) {
    const app = await startApp(cluster.eu, Kind);
    const gate = await cluster.eu.connect();
    await gate.query("select pg_advisory_lock($1)", [GATE]);
    await cluster.eu.pause();
    const { token } = await ask(us, key, { id: "w1" });
    let answered = false;
    const reading = ask(app, key, { token }).finally(() => (answered = true));
    const waiting = () => cluster.eu.value("select count(*)::int from pg_locks where locktype = 'advisory' and not granted");
    await waitUntil(async () => answered || (await waiting()) === 1, "the read has its snapshot, or its answer");
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    await gate.end();
    const read = await reading;
    assert.deepEqual((await ask(app, key, { token })).items, ["w1"], "a later read is answered, and sees it");
    return read;
  }

  test("rule 2: the position that is checked is read before the read's snapshot is taken", async () => {
    const right = await rule2(Lists, "rule-2");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await rule2(CheckedInOneStatement, "rule-2-wrong");
    assert.deepEqual([wrong.status, wrong.items], [200, []], "one statement gives the old row and the newer position");
  });

  /** A second write commits while a reader is about to seal the first one's note; the reader's next read meets a copy that has the first. */
  async function sealing(Kind, key) {
    const [writer, reader] = [await startApp(cluster.us, SealsNothing), await startApp(cluster.us, Kind)];
    await ask(writer, key, { id: "w1" });
    const held = holdAt(reader, "sealing");
    const first = ask(reader, key);
    await held.arrived;
    await cluster.eu.catchesUpWith(cluster.us);
    await cluster.eu.pause();
    await ask(writer, key, { id: "w2" });
    held.release();
    assert.deepEqual((await first).items, ["w1"]);
    const { items, shows, seen } = await ask(reader, key);
    assert.deepEqual([items, shows !== undefined], [["w1", "w2"], true]);
    const next = await ask(eu, key, { token: seen });
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    return next;
  }

  test("rule 2 of what a read shows: a note's place is taken after the snapshot that sees the note", async () => {
    const right = await sealing(Lists, "shows-2");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await sealing(SealedByAnEarlierPlace, "shows-2-wrong");
    assert.deepEqual([wrong.status, wrong.items], [200, ["w1"]], "the session saw w2, and sees it no more");
  });

  /** The write is replayed between a read's check and the read itself; the session's next read meets a slower copy. */
  async function rule3(Kind, key, what = "token") {
    const app = await startApp(cluster.eu, Kind);
    await Promise.all([cluster.eu.pause(), cluster.ap.pause()]);
    const held = holdAt(app, "admitted");
    const reading = ask(app, key);
    await held.arrived;
    await ask(us, key, { id: "w1" });
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    held.release();
    const { items, [what]: token } = await reading;
    assert.deepEqual(items, ["w1"]);
    const next = await ask(ap, key, { token });
    await cluster.ap.resume();
    await cluster.ap.catchesUpWith(cluster.us);
    assert.deepEqual((await ask(ap, key, { token })).items, ["w1"]);
    return next;
  }

  test("rule 3: the position that a read hands out is taken after it", async () => {
    const right = await rule3(Lists, "rule-3");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await rule3(PositionBeforeRead, "rule-3-wrong");
    assert.deepEqual([wrong.status, wrong.items], [200, []], "the session saw it, and sees it no more");
  });

  test("rule 3 of what a read shows: it is asked after the read", async () => {
    const right = await rule3(Lists, "shows-3", "seen");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await rule3(ShowsBeforeRead, "shows-3-wrong", "seen");
    assert.deepEqual([wrong.status, wrong.items], [200, []], "the session saw it, and sees it no more");
  });

  /** A list is deleted while a standby lags; who has seen that it is gone meets the standby. */
  async function deleted(Kind, key) {
    const app = await startApp(cluster.us, Kind);
    await ask(app, key, { id: "w1" });
    await cluster.eu.catchesUpWith(cluster.us);
    await cluster.eu.pause();
    await ask(app, key, { remove: true });
    const { items, shows, seen } = await ask(us, key);
    assert.deepEqual([items, shows !== undefined], [[], true]);
    const next = await ask(eu, key, { token: seen });
    await cluster.eu.resume();
    await cluster.eu.catchesUpWith(cluster.us);
    assert.deepEqual((await ask(eu, key, { token: seen })).items, []);
    return next;
  }

  test("a deletion is a write: a list that is gone shows it", async () => {
    const right = await deleted(Lists, "gone");
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await deleted(DeletionForgotten, "gone-wrong");
    assert.deepEqual([wrong.status, wrong.items], [200, ["w1"]], "the session saw it gone, and it is back");
  });

  test("what a read shows is its own list's last write, at every copy, and stays where that is", async () => {
    const never = await ask(us, "never");
    assert.deepEqual([never.items, never.shows], [[], "0/0"], "nobody has written it");
    const written = await ask(us, "own", { id: "w1" });
    await ask(us, "another", { id: "w2" });
    await cluster.eu.catchesUpWith(cluster.us);
    for (const app of [us, eu]) {
      const read = await ask(app, "own");
      assert.deepEqual([read.items, read.shows], [["w1"], written.shows]);
      assert.ok(place(read.lsn) > place(read.shows), "the copy is further");
    }
    await ask(await startApp(cluster.us, SealsNothing), "own", { id: "w3" });
    await cluster.eu.catchesUpWith(cluster.us);
    const open = await ask(eu, "own");
    assert.deepEqual([open.items, open.shows], [["w1", "w3"], undefined], "a standby cannot seal it; how far it is counts");
    const sealed = await ask(us, "own");
    assert.ok(place(sealed.shows) > place(written.shows));
    await cluster.eu.catchesUpWith(cluster.us);
    assert.equal((await ask(eu, "own")).shows, sealed.shows, "once somebody has asked at the primary, it is");
  });
});

// eu lags when us dies, and is promoted all the same. ap has replayed what eu never got: its log is the longer one, and another.
describe("rule 4: a position counts by its epoch", () => {
  let cluster, eu, ap, old, fresh;
  before(async () => {
    cluster = await startDatabase();
    await cluster.eu.cutOff();
    const us = await startApp(cluster.us);
    old = (await ask(us, "list", { id: "lost" })).token;
    await cluster.us.query("select pg_logical_emit_message(false, '', repeat('long', 100000))");
    await cluster.ap.catchesUpWith(cluster.us);
    await cluster.us.kill();
    await cluster.eu.promote();
    await cluster.eu.query(takeOver("eu"));
    [eu, ap] = await Promise.all([startApp(cluster.eu), startApp(cluster.ap)]);
    const written = await ask(eu, "list", { id: "w2", home: "eu", epoch: 2 });
    assert.deepEqual([written.status, written.token.epoch], [200, "2"]);
    fresh = written.token;
    assert.ok(place(await cluster.ap.lsn()) > place(written.lsn), "the log of the old epoch is longer, else nothing is shown here");
  });

  test("a longer log of an older epoch has not reached it", async () => {
    const right = await ask(ap, "list", { token: fresh });
    assert.deepEqual([right.status, right.behind], [503, "1"]);
    const wrong = await ask(await startApp(cluster.ap, BarePosition), "list", { token: fresh });
    assert.deepEqual([wrong.status, wrong.items], [200, ["lost"]], "a bare position counts as reached, without the write");
  });

  test("the epoch travels in band, with the data", async () => {
    const right = await ask(eu, "list");
    assert.deepEqual([right.items, right.token.epoch], [["w2"], "2"]);
    for (const token of [right.token, right.seen]) assert.equal((await ask(ap, "list", { token })).behind, "1");
    const late = await startApp(cluster.eu, EpochOutOfBand);
    const wrong = await ask(late, "list");
    assert.deepEqual([wrong.items, wrong.token.epoch], [["w2"], "1"], "data of the new epoch under the old one's label");
    for (const token of [wrong.token, wrong.seen]) {
      const next = await ask(ap, "list", { token });
      assert.deepEqual([next.status, next.items], [200, ["lost"]], "the session saw w2, and sees it no more");
    }
  });

  test("the new home answers a position of the old epoch, and hands out one of its own", async () => {
    const read = await ask(eu, "list", { token: old });
    assert.deepEqual([read.status, read.items, read.token.epoch], [200, ["w2"], "2"], "what a forced promotion lost is lost, and said nowhere else");
    assert.equal((await ask(ap, "list", { token: read.token })).behind, "1");
  });
});
