// The directory's rows by themselves, over the same SQLite and a clock of the test's own: what a client alone has named goes again,
// what an origin has said yes to stays, and nobody is ever owned twice in one epoch.
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, mock, test } from "node:test";

registerHooks({
  resolve: (name, context, next) =>
    name === "cloudflare:workers"
      ? { url: "data:text/javascript,export class DurableObject { constructor(ctx, env) { Object.assign(this, { ctx, env }); } }", shortCircuit: true }
      : next(name, context),
});
const { Directory } = await import("../../src/edge/directory.mjs");

const MINUTE = 60_000;
let database, alarm, now;

/** A new object over the same rows, as after it was put away. */
function directory(env = {}) {
  const exec = (text, ...values) => {
    const rows = database.prepare(text).all(...values);
    return { toArray: () => rows.map((row) => ({ ...row })), one: () => ({ ...rows[0] }) };
  };
  const ctx = { storage: { sql: { exec }, setAlarm: (at) => void (alarm = at) } };
  return /** @type {any} */ (new Directory(/** @type {any} */ (ctx), /** @type {any} */ (env)));
}

/** Lets time pass, and the alarm come when it is due. */
function pass(ms) {
  const end = now + ms;
  while (alarm !== undefined && alarm <= end) {
    now = Math.max(now, alarm);
    alarm = undefined;
    directory().alarm();
  }
  now = end;
}

const assign = (...args) => JSON.parse(directory().assign(...args));

beforeEach(() => {
  [database, alarm, now] = [new DatabaseSync(":memory:"), undefined, 1_800_000_000_000];
  mock.method(Date, "now", () => now);
});

test("whoever makes names up fills nothing: after ten minutes nothing is left, and no sweep ever sees them", () => {
  for (let n = 0; n < 1200; n++)
    assert.deepEqual(assign(`junk${n}`, "tenant", "us", false), { kind: "tenant", home: "us", epoch: 1, new: true, tentative: true });
  assert.deepEqual([directory().count("us"), directory().list("us", "", 64)], [0, []]);
  assert.equal(directory().tentative(), 1200);
  pass(9 * MINUTE);
  assert.equal(directory().tentative(), 1200);
  pass(2 * MINUTE);
  assert.deepEqual([directory().tentative(), directory().count("us"), alarm], [0, 0, undefined]);
});

test("while it is there it counts like any other: there are never two homes", () => {
  assert.equal(assign("acme", "tenant", "us", false).home, "us");
  assert.deepEqual(assign("acme", "tenant", "eu", false), { kind: "tenant", home: "us", epoch: 1, new: false, tentative: true });
  assert.deepEqual(directory().find("acme"), { kind: "tenant", home: "us", epoch: 1 });
  pass(9 * MINUTE);
  // Whoever asks again keeps it.
  assign("acme", "tenant", "eu", false);
  pass(9 * MINUTE);
  assert.equal(assign("acme", "tenant", "eu", false).home, "us");
});

test("who is only asked for gets no home, and is told of the one that is there", () => {
  assert.equal(directory().known("acme"), null);
  assert.deepEqual([directory().tentative(), alarm], [0, undefined]);
  assign("acme", "tenant", "us", false);
  const held = { kind: "tenant", home: "us", epoch: 1, new: false, tentative: true };
  assert.deepEqual(JSON.parse(directory().known("acme")), held);
  pass(9 * MINUTE);
  // An isolate remembers for a minute what it was told, so asking keeps it.
  assert.deepEqual(JSON.parse(directory().known("acme")), held);
  pass(9 * MINUTE);
  assert.deepEqual(JSON.parse(directory().known("acme")), held);
  directory().confirm("acme", "tenant", "us", 1);
  assert.deepEqual(JSON.parse(directory().known("acme")), { kind: "tenant", home: "us", epoch: 1, new: false });
});

test("an origin's yes keeps it for good", () => {
  assign("acme", "tenant", "us", false);
  assert.deepEqual(directory().confirm("acme", "tenant", "us", 1), { kind: "tenant", home: "us", epoch: 1 });
  directory().confirm("acme", "tenant", "us", 1);
  pass(60 * MINUTE);
  assert.deepEqual(assign("acme", "tenant", "eu", false), { kind: "tenant", home: "us", epoch: 1, new: false });
  assert.deepEqual([directory().count("us"), directory().tentative()], [1, 0]);
  // Whom an origin has named is kept at once, also if a client had named them before.
  assign("ada", "user", "eu", false);
  assert.deepEqual(assign("ada", "user", "us", true), { kind: "user", home: "eu", epoch: 1, new: false });
  assert.equal(assign("bob", "user", "us", true).tentative, undefined);
  assert.deepEqual([directory().count("eu"), directory().count("us")], [1, 2]);
});

test("who comes after one that has gone has a later epoch, and a yes that comes too late takes nothing back", () => {
  assert.equal(assign("acme", "tenant", "us", false).epoch, 1);
  pass(11 * MINUTE);
  assert.deepEqual(assign("acme", "tenant", "eu", false), { kind: "tenant", home: "eu", epoch: 2, new: true, tentative: true });
  // An upload of half an hour ends at the first home; the second one may have been written to.
  assert.deepEqual(directory().confirm("acme", "tenant", "us", 1), { kind: "tenant", home: "eu", epoch: 2 });
  assert.equal(assign("other", "tenant", "us", false).epoch, 2, "one more for each generation that has gone, not for each subject");
  pass(11 * MINUTE);
  assert.deepEqual(directory().confirm("other", "tenant", "us", 2), { kind: "tenant", home: "us", epoch: 2 }, "nobody came in between");
});

test("the alarm is that of the row that ends first, whoever comes later and whenever the object is put away", () => {
  assign("first", "tenant", "us", false);
  for (let n = 0; n < 9; n++) {
    pass(MINUTE);
    assign(`later${n}`, "tenant", "us", false);
  }
  pass(MINUTE + 1000);
  assert.equal(directory().find("first"), undefined);
  assert.ok(directory().find("later8"));
});

test("a move by the authority is later than any first home; rows of before are read as they are", () => {
  database.exec(
    "create table homes (subject text primary key, kind text not null, home text not null, epoch integer not null) without rowid; insert into homes values ('old', 'user', 'us', 3)",
  );
  assert.deepEqual(assign("old", "user", "eu", false), { kind: "user", home: "us", epoch: 3, new: false });
  assign("acme", "tenant", "us", false);
  assert.deepEqual(directory().record("acme", "tenant", "eu", 2), { kind: "tenant", home: "eu", epoch: 2 });
  assert.deepEqual(directory().record("acme", "tenant", "us", 1), { kind: "tenant", home: "eu", epoch: 2 });
  assert.deepEqual([directory().count("eu"), directory().tentative()], [1, 0]);
});

test("a home that its own region declines is corrected, while it is that very one, and never one that an operator has ordered", () => {
  const declined = (subject, home, epoch) => assign(subject, "user", "eu", true, { home, epoch });
  assign("ada", "user", "us", true);
  assert.deepEqual(declined("ada", "ap", 1), { kind: "user", home: "us", epoch: 1, new: false }, "somebody else's");
  assert.deepEqual(declined("ada", "us", 2), { kind: "user", home: "us", epoch: 1, new: false }, "nobody has that epoch");
  assert.deepEqual(declined("ada", "us", 1), { kind: "user", home: "eu", epoch: 2, new: false });
  assert.deepEqual(declined("ada", "us", 1), { kind: "user", home: "eu", epoch: 2, new: false }, "whoever is late hears the same");
  directory().record("ada", "user", "us", 3);
  assert.deepEqual(declined("ada", "us", 3), { kind: "user", home: "us", epoch: 3, new: false }, "by order");
  // An order about somebody whom nobody knew here took nothing from any region: the one that has the data may say so, or they are locked out.
  for (let times = 0; times < 2; times++) assert.equal(directory().record("grace", "user", "us", 1).home, "us", "asked again where an answer was lost");
  assert.deepEqual(declined("grace", "us", 1), { kind: "user", home: "eu", epoch: 2, new: false });
  // Whom a client alone has named is tentative still: anybody can make up names that regions decline.
  assign("acme", "tenant", "us", false);
  assert.deepEqual(assign("acme", "tenant", "eu", false, { home: "us", epoch: 1 }), { kind: "tenant", home: "eu", epoch: 2, new: false, tentative: true });
  assert.deepEqual([directory().find("acme"), directory().tentative()], [{ kind: "tenant", home: "eu", epoch: 2 }, 1]);
  pass(11 * MINUTE);
  assert.equal(directory().find("acme"), undefined);
  assert.equal(assign("acme", "tenant", "us", false).epoch, 3, "and leaves its epoch");
  // The directory has lost what it knew.
  assert.deepEqual(declined("lost", "us", 4), { kind: "user", home: "eu", epoch: 5, new: false });
  assert.deepEqual(assign("lost tenant", "tenant", "eu", false, { home: "us", epoch: 4 }), {
    kind: "tenant",
    home: "eu",
    epoch: 5,
    new: false,
    tentative: true,
  });
});

test("homes that are known beforehand are kept for good, and take nobody's", () => {
  assign("ada", "user", "us", true);
  assign("tent", "user", "eu", false);
  assign("other", "user", "us", false);
  const list = [
    ["ada", "eu"],
    ["tent", "eu"],
    ["other", "eu"],
    ["new", "eu"],
  ];
  const told = {
    added: 1,
    there: 1,
    elsewhere: [
      ["ada", "us"],
      ["other", "us"],
    ],
  };
  assert.deepEqual(directory().keep("user", list, true), { ...told, kept: [] });
  assert.equal(directory().find("new"), undefined, "a dry run");
  const kept = [
    ["tent", "eu", 1],
    ["new", "eu", 1],
  ];
  assert.deepEqual(directory().keep("user", list, false), { ...told, kept });
  assert.deepEqual(directory().keep("user", list, false), { ...told, added: 0, there: 2, kept }, "once more");
  pass(11 * MINUTE);
  assert.deepEqual([directory().count("eu"), directory().tentative()], [2, 0]);
  assert.deepEqual(directory().keep("tenant", [["new", "eu"]], false).elsewhere, [["new", "eu"]], "another kind is another subject");
});

test("homes that the regions know by an epoch are kept by that one, and no epoch goes back", () => {
  assert.deepEqual(
    directory().keep(
      "user",
      [
        ["ada", "eu", 5],
        ["bob", "eu"],
      ],
      false,
    ).kept,
    [
      ["ada", "eu", 5],
      ["bob", "eu", 1],
    ],
  );
  assert.deepEqual(
    directory().keep(
      "user",
      [
        ["ada", "eu", 3],
        ["bob", "eu", 2],
      ],
      false,
    ).kept,
    [
      ["ada", "eu", 5],
      ["bob", "eu", 2],
    ],
  );
  assert.deepEqual(directory().find("bob"), { kind: "user", home: "eu", epoch: 2 });
});

test("nobody new gets a home past what the home store says, nor while it cannot be asked", async () => {
  const texts = { acme: '{"home":"eu","epoch":3}', odd: '{"home":"mars","epoch":3}', none: '{"home":"eu","epoch":0}', torn: "{" };
  let answer = (subject) => Promise.resolve(texts[subject] ?? null);
  const HOMES = { get: (key) => answer(key.slice(5)) };
  const asked = async (...args) => JSON.parse(await directory({ HOMES, REGIONS: { us: {}, eu: {} } }).assign(...args));
  assert.deepEqual(await asked("acme", "tenant", "us", false), { kind: "tenant", home: "eu", epoch: 3, new: false, tentative: true });
  for (const subject of ["odd", "none", "torn", "unheard of"])
    assert.deepEqual(await asked(subject, "tenant", "us", true), { kind: "tenant", home: "us", epoch: 1, new: true });
  // Two ask at the same moment, while the store takes its time: the first has its way.
  let let_go;
  answer = () => new Promise((resolve) => (let_go = [...(let_go ?? []), resolve]));
  const two = [asked("both", "tenant", "us", true), asked("both", "tenant", "eu", true)];
  let_go.forEach((resolve) => resolve(null));
  assert.deepEqual(
    (await Promise.all(two)).map(({ home, epoch }) => `${home}@${epoch}`),
    ["us@1", "us@1"],
  );
  answer = () => Promise.reject(new Error("KV is down"));
  await assert.rejects(async () => asked("new", "tenant", "us", true), /KV is down/);
  assert.equal(directory().find("new"), undefined, "it may have an owner");
  assert.equal((await asked("both", "tenant", "eu", true)).home, "us", "who is known needs no store");
});
