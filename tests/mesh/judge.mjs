// What must be so of a record. Sets are judged by tests/history, all else here, rule by rule; sets from which members are taken once more
// here, for what they show in the end. Each finding is a word for the promise that was broken, and a sentence.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../e2e/harness.mjs";
import { judge as history } from "../postgres/load.mjs";
import { placed } from "./placed.mjs";

/** What a session is promised of many writers, by the words of tests/history. Nobody is promised to see two owners' writes in the order in
 *  which another session made them. */
export const PROMISED = ["read-your-writes", "monotonic-reads", "duplicate", "phantom", "durability", "convergence"];

/**
 * The findings, by word.
 * @param {string} name @param {{ operations: any[], keys: Record<string, Set<string>> }} recording @param {Record<string, any>} finals
 */
export function judge(name, recording, finals) {
  /** @type {{ what: string, sentence: string, operation?: any }[]} */
  const findings = [];
  const find = (what, operation, sentence) =>
    findings.push({ what, sentence: `${operation.session} ${operation.seq}, ${operation.key}: ${sentence}`, operation });
  const of = (kind) => recording.operations.filter((operation) => operation.of === kind);
  const sets = judgeSets(name, recording, finals);
  for (const what of PROMISED) for (let n = 0; n < (sets.found[what] ?? 0); n++) findings.push({ what, sentence: `tests/history: ${sets.report}` });
  equal(finals, findings);
  const [one] = Object.values(finals);
  churned(of("churned"), one.churned, find);
  counted(of("views"), one.views, find);
  fields(of("profile"), one.profile, find);
  registers(of("draft"), one.draft, find);
  placed(recording.operations, find);
  if (findings.length > 0) keep(name, recording);
  return {
    findings,
    words: new Set(findings.map(({ what }) => what)),
    old: sets.old,
    report: findings
      .slice(0, 10)
      .map(({ what, sentence, operation }, at) => [`${what}: ${sentence}`, ...(operation && at < 3 ? story(operation, recording) : [])].join("\n  "))
      .join("\n"),
  };
}

/** What the session did last with that key: where, what it had seen of each owner by then, and what it was told. */
function story({ session, key, seq }, { operations }) {
  const own = operations.filter((operation) => operation.session === session && operation.key === key && operation.seq <= seq);
  return own
    .sort((one, other) => one.seq - other.seq)
    .slice(-4)
    .map(({ seq, kind, status, region, value, asked, told }) => `${seq} ${kind} ${status}: ${JSON.stringify({ region, value, asked, told })}`);
}

/** All that was done, for whoever looks into a finding. */
const keep = (name, { operations }) =>
  writeFileSync(join(root, "build/histories", `${name}-all.jsonl`), operations.map((operation) => `${JSON.stringify(operation)}\n`).join(""));

/** As tests/history wants it told. */
function judgeSets(name, { operations, keys }, finals) {
  const kinds = ["grown", "churned"];
  /** @type {any[]} */
  const lines = kinds.flatMap((kind) => [...keys[kind]]).map((key) => ({ kind: "multi-writer", key }));
  for (const { session, seq, of, kind, key, id, removed, status, value, start, end, region } of operations) {
    if (!kinds.includes(of)) continue;
    const what = id ? { id } : removed ? { ids: [removed] } : kind === "read" && status === "ok" ? { list: value } : {};
    lines.push({ session, seq, kind: removed ? "remove" : kind, key, ...what, status, start, end, region });
  }
  for (const [region, held] of Object.entries(finals))
    for (const kind of kinds) for (const key of keys[kind]) lines.push({ kind: "final", region, key, list: held[kind][key] });
  return history(
    name,
    lines.map((line) => JSON.stringify(line)),
  );
}

/** All nodes show the same. */
function equal(finals, findings) {
  const [[first, reference], ...others] = Object.entries(finals);
  for (const [name, held] of others) {
    for (const [kind, keys] of Object.entries(reference)) {
      for (const [key, value] of Object.entries(keys)) {
        const [here, there] = [value, held[kind][key]].map((shown) => canonical(kind, shown));
        if (here !== there) findings.push({ what: "convergence", sentence: `${key}: ${first} holds ${here}, ${name} holds ${there}` });
      }
    }
  }
}

const canonical = (kind, value) => JSON.stringify(kind === "profile" ? Object.entries(value).sort() : value);

/** Runs through each session's operations of each key, in order. */
function bySession(operations) {
  const all = new Map();
  for (const operation of operations) {
    const of = `${operation.session} ${operation.key}`;
    if (!all.has(of)) all.set(of, []);
    all.get(of).push(operation);
  }
  return [...all.values()].map((own) => own.sort((one, other) => one.seq - other.seq));
}

/** Sets from which members are taken, too. A member is added once, so what is removed by whom has seen it never comes back. */
function churned(operations, finals, find) {
  const removals = new Set(operations.filter(({ removed, status }) => removed && status !== "fail").map(({ removed }) => removed));
  const added = new Map(operations.filter(({ id }) => id).map((operation) => [operation.id, operation]));
  for (const own of bySession(operations)) {
    const [has, gone] = [new Set(), new Set()];
    for (const operation of own.filter(({ status }) => status === "ok")) {
      const shown = new Set(operation.value);
      for (const id of has) if (!shown.has(id) && !removals.has(id) && operation.kind === "read") find("read-your-writes", operation, `${id} is missing`);
      for (const id of gone) if (shown.has(id) && operation.kind === "read") find("removed-again-there", operation, `${id} was removed by this session`);
      if (operation.id) has.add(operation.id);
      if (operation.removed) gone.add(operation.removed);
      for (const id of shown) if (!added.has(id) || added.get(id).status === "fail") find("phantom", operation, `${id} was never added`);
    }
  }
  for (const operation of operations) {
    const held = new Set(finals[operation.key]);
    if (operation.removed && operation.status === "ok" && held.has(operation.removed))
      find("removed-again-there", operation, `${operation.removed} is there in the end`);
    if (operation.id && operation.status === "ok" && !removals.has(operation.id) && !held.has(operation.id))
      find("durability", operation, `${operation.id} is lost`);
    if (operation.id && operation.status === "fail" && held.has(operation.id)) find("phantom", operation, `${operation.id} was refused`);
  }
}

const sum = (operations, status) => operations.filter((operation) => operation.by && operation.status === status).reduce((total, { by }) => total + by, 0);

/** Counters that only rise: in the end all that was acknowledged, and no more than was tried. */
function counted(operations, finals, find) {
  for (const own of bySession(operations)) {
    let [least, mine] = [0, 0];
    for (const operation of own.filter(({ status }) => status === "ok")) {
      if (operation.by) mine += operation.by;
      if (operation.kind === "read" && operation.value < mine)
        find("read-your-writes", operation, `shows ${operation.value}, and this session alone has counted ${mine}`);
      if (operation.kind === "read" && operation.value < least) find("monotonic-reads", operation, `shows ${operation.value} after ${least}`);
      if (operation.kind === "read") least = operation.value;
    }
  }
  for (const [key, value] of Object.entries(finals)) {
    const here = operations.filter((operation) => operation.key === key);
    const [least, perhaps] = [sum(here, "ok"), sum(here, "unknown")];
    const [any] = here;
    if (value < least) find("durability", any, `counts ${value}, and ${least} were acknowledged`);
    if (value > least + perhaps) find("phantom", any, `counts ${value}, and ${least + perhaps} were tried`);
  }
}

/** Records by field: in the end the latest stamp's value; and no session is shown an older value than it has written. */
function fields(operations, finals, find) {
  const stamps = new Map(operations.filter(({ id }) => id).map(({ id, stamp }) => [id, stamp]));
  for (const own of bySession(operations)) {
    const mine = {};
    for (const operation of own.filter(({ status }) => status === "ok")) {
      for (const [field, stamp] of Object.entries(mine)) {
        const shown = operation.value?.[field];
        if (operation.kind === "read" && !(stamps.get(shown) >= stamp))
          find("read-your-writes", operation, `${field} is ${shown}, older than what this session wrote`);
      }
      if (operation.field) mine[operation.field] = operation.stamp;
    }
  }
  for (const operation of operations.filter(({ field }) => field)) {
    const shown = finals[operation.key]?.[operation.field];
    if (operation.status === "ok" && !(stamps.get(shown) >= operation.stamp))
      find("durability", operation, `${operation.field} is ${shown} in the end, which is older`);
    if (operation.status === "fail" && shown === operation.id) find("phantom", operation, "was refused, and stands in the end");
  }
}

/** Registers: what was written is shown until something has replaced it, and what a session has replaced itself it is not shown again. */
function registers(operations, finals, find) {
  const written = new Map(operations.filter(({ id }) => id).map((operation) => [operation.id, operation]));
  for (const own of bySession(operations)) {
    const mine = [];
    for (const operation of own.filter(({ status }) => status === "ok")) {
      const shown = operation.value ?? [];
      if (operation.kind === "read" && mine.length > 0 && shown.length === 0)
        find("read-your-writes", operation, "shows nothing after a write of this session");
      const undone = mine.slice(0, -1).find((id) => shown.includes(id));
      if (operation.kind === "read" && undone) find("removed-again-there", operation, `${undone} was replaced by this session itself`);
      for (const id of shown) if (written.get(id)?.status === "fail" || !written.has(id)) find("phantom", operation, `${id} was refused or never written`);
      if (operation.id) mine.push(operation.id);
    }
  }
  for (const operation of operations.filter(({ id, status }) => id && status === "ok")) {
    if (finals[operation.key].length === 0) find("durability", operation, "nothing is left in the end");
  }
}
