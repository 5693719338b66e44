// What the regions hold when all is healed, by their own word; and what the checker of histories says of all lists.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, waitUntil } from "../../e2e/harness.mjs";
import { header, isStale, listOf } from "./check.mjs";

const checker = join(root, "target/debug/history");

async function held(region, list) {
  const [kind, name] = list.split(":");
  const path = kind === "tenant" ? `/t/${name}/notes` : "/api/cart";
  const answer = await fetch(new URL(path, region.url), { headers: kind === "user" ? { cookie: `app_user=${name}` } : {} });
  return listOf({ json: await answer.json() });
}

/** Every list as each region holds it, once all regions hold the same. */
export async function finalLists(world, records) {
  const names = [...new Set(records.filter(({ list }) => list).map(({ list }) => list))];
  const finals = [];
  for (const list of names) {
    const all = async () =>
      Promise.all(Object.values(world.regions).map(async (region) => ({ region: region.name, key: list, list: await held(region, list) })));
    const same = async () => ((copies) => copies.every((copy) => String(copy.list) === String(copies[0].list)) && copies)(await all());
    finals.push(...(await waitUntil(same, `${list} is the same everywhere`, 30_000).catch(all)));
  }
  return finals;
}

/** Acknowledged writes are there, everywhere and once; refused ones are not. */
export async function checkSettled(world, records, finals) {
  const wrong = [];
  const say = (record, what) => wrong.push({ record, what, sends: world.sends(record.id) });
  const refused = (record) => /^(not-sent|refused)$/.test(header(record, "homing-write-outcome") ?? "");
  for (const record of records.filter(({ what }) => what === "append")) {
    for (const { region, list } of finals.filter(({ key }) => key === record.list)) {
      const times = list.filter((id) => id === record.id).length;
      if (record.status === 200 && times === 0) say(record, `acknowledged, and lost in ${region}`);
      if (times > 1) say(record, `done ${times} times in ${region}`);
      if (refused(record) && times > 0) say(record, `said to be ${header(record, "homing-write-outcome")}, and done in ${region}`);
    }
  }
  for (const record of records.filter(({ what }) => what === "item" || what === "like")) {
    for (const region of Object.values(world.regions)) {
      const json = await (await fetch(new URL(record.path, region.url))).json();
      // Asked as nobody, whose like it is not: each of these items is liked by one client.
      const there = record.what === "item" ? json.item?.id === record.id : json.count > 0;
      if (record.status === 200 && !there) say(record, `acknowledged, and lost in ${region.name}`);
      if (refused(record) && there) say(record, `said to be ${header(record, "homing-write-outcome")}, and done in ${region.name}`);
    }
  }
  return wrong;
}

function line(record) {
  const { session, step: seq, list: key, start, end, status, id, what } = record;
  const outcome = header(record, "homing-write-outcome");
  const common = { session, seq, key, start, end };
  if (what === "append") return { kind: "write", ...common, id, status: status === 200 ? "ok" : /^(not-sent|refused)$/.test(outcome) ? "fail" : "unknown" };
  return { kind: "read", ...common, status: status === 200 ? "ok" : "fail", ...(status === 200 ? { list: listOf(record), stale: isStale(record) } : {}) };
}

/** What the checker of `tests/history` finds in the lists: monotonic reads and writes, one order, no phantoms, convergence. */
export function checkHistory(records, finals) {
  if (!existsSync(checker)) return { told: "the checker of histories is not built (cargo build -p history)", violations: 0 };
  const lines = [...records.filter(({ list }) => list).map(line), ...finals.map((final) => ({ kind: "final", ...final }))];
  const { stdout, stderr, status } = spawnSync(checker, ["-"], {
    input: lines.map((line) => JSON.stringify(line)).join("\n"),
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  const violations = Number(/violations: (\d+)\s*$/.exec(stdout)?.[1] ?? NaN);
  if (status === 2 || Number.isNaN(violations)) return { told: `the history cannot be judged: ${stderr}${stdout}`, violations: 1 };
  return { told: violations > 0 ? stdout : `the checker of histories found nothing in ${lines.length} operations`, violations };
}
