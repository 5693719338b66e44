// `make bench`: Homing beside hand-written JavaScript in plain workerd, interleaved in one run; README.md says how to read it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ofBench, shown } from "./aims.mjs";
import { resets } from "./resets.mjs";
import { contenders, measure, MIB, SCENARIOS } from "./scenarios.mjs";
import { install, load, root } from "./world.mjs";

const ROUNDS = Number(process.env.ROUNDS || 7);
const SECONDS = Number(process.env.SECONDS_PER_ROUND || 3);
const WARM_UP = 3;
const COLD_STARTS = Number(process.env.COLD_STARTS || 7);
const LOG = process.env.LOG || "off";
/** The build folder of another commit: then only that one is measured beside this one, in every scenario. */
const BEFORE = process.env.BEFORE;

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
const spread = (list) => `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)}-${Math.max(...list).toFixed(2)})`;

/** Not a scenario of one request: p99 of small requests, while another client uploads 100 MB again and again, and while none does. */
const BESIDE = "beside an upload";
/** Neither is this: the Wasm's memory after very many clients have gone. */
const RESETS = "resets";
const UPLOAD = { method: "POST", bytes: 100 * MIB, connections: 1 };
/** Whose uploads and cold starts are measured too. */
const BESIDES = BEFORE ? "before" : "fetch";
const SMALL = { path: "/plain/1", connections: 8 };
if (BEFORE)
  for (const [title, scenario] of Object.entries(SCENARIOS)) {
    scenario.against = ["before"];
    if (scenario.subject) delete SCENARIOS[title];
  }
const asked = process.env.SCENARIOS?.split(",").map((title) => title.trim());
const unknown = asked?.find((title) => !SCENARIOS[title] && title !== BESIDE && title !== RESETS);
if (unknown !== undefined) throw new Error(`SCENARIOS: found "${unknown}", expected some of: ${[...Object.keys(SCENARIOS), BESIDE, RESETS].join(", ")}`);

async function compare(all) {
  const results = {};
  for (const [title, scenario] of Object.entries(SCENARIOS)) {
    if (asked && !asked.includes(title)) continue;
    const names = namesOf(scenario);
    // Who is measured in one scenario alone runs while it does.
    if (scenario.subject) for (const name of names) await all[name].start();
    for (const name of names) await measure(all[name], scenario, WARM_UP);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const order = names.map((_, at) => names[(at + round) % names.length]);
      const figures = {};
      for (const name of order) figures[name] = await measure(all[name], scenario, SECONDS);
      rounds.push(figures);
      process.stderr.write(`\r${title}: round ${round + 1} of ${ROUNDS}   `);
    }
    process.stderr.write("\r".padEnd(40) + "\r");
    results[title] = rounds;
    if (scenario.subject) for (const name of names) await all[name].stop();
  }
  return results;
}

/** Whose figure is divided, and those by which it is. */
const namesOf = ({ subject = "homing", against }) => [subject, ...against];

/** Small requests without and with an upload beside them, round by round: p99 in milliseconds. */
async function beside(all) {
  const rounds = { homing: [], [BESIDES]: [] };
  const small = (one) => load(one.port, SMALL.path, SECONDS, { connections: SMALL.connections });
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of round % 2 ? ["homing", BESIDES] : [BESIDES, "homing"]) {
      const one = all[name];
      const alone = await small(one);
      const upload = load(one.port, "/up/1", SECONDS + 2, UPLOAD);
      await new Promise((resolve) => setTimeout(resolve, 1000)); // until it is under way
      const with_ = await small(one);
      const { requests: uploads } = await upload;
      rounds[name].push({ alone: alone.p99, beside: with_.p99, ratio: with_.p99 / alone.p99, uploads });
    }
  }
  return rounds;
}

/** From the start of the process to its first answer. */
async function coldStarts(all) {
  const took = { homing: [], [BESIDES]: [] };
  for (let n = 0; n < COLD_STARTS; n++) {
    for (const name of n % 2 ? ["homing", BESIDES] : [BESIDES, "homing"]) {
      await all[name].stop();
      const began = performance.now();
      await all[name].start();
      took[name].push(performance.now() - began);
    }
  }
  return took;
}

const FIGURES = ["cpu", "rate", "p50", "p99"];

/** For each scenario and contender: Homing's figure divided by the contender's of the same round. */
function compared(results) {
  const of = (rounds, subject, name, figure) => rounds.map((round) => round[subject][figure] / round[name][figure]);
  const pair = (rounds, subject, name) => Object.fromEntries(FIGURES.map((figure) => [figure, of(rounds, subject, name, figure)]));
  const scenario = ([title, rounds]) => {
    const [subject, ...others] = namesOf(SCENARIOS[title]);
    return [title, Object.fromEntries(others.map((name) => [name, pair(rounds, subject, name)]))];
  };
  return Object.fromEntries(Object.entries(results).map(scenario));
}

function table(results, ratios) {
  const rows = [["", "", "CPU/request", "requests/s", "p50", "p99"]];
  for (const [title, rounds] of Object.entries(results)) {
    const names = namesOf(SCENARIOS[title]);
    for (const [at, name] of names.entries()) {
      const of = (figure) => median(rounds.map((round) => round[name][figure]));
      rows.push([at ? "" : title, name, `${of("cpu").toFixed(0)} us`, of("rate").toFixed(0), `${of("p50").toFixed(2)} ms`, `${of("p99").toFixed(2)} ms`]);
    }
    for (const [name, ratio] of Object.entries(ratios[title])) rows.push(["", `/ ${name}`, ...FIGURES.map((figure) => spread(ratio[figure]))]);
  }
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Of the copies that were measured: a build may have gone on meanwhile. */
function sizes({ folder }) {
  const zipped = (bytes) => ({ raw: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length });
  return {
    wasm: zipped(readFileSync(join(folder, "homing_bg.wasm"))),
    operators: zipped(readFileSync(join(folder, "operators_bg.wasm"))),
    javascript: zipped(readFileSync(join(folder, "worker.mjs"))),
  };
}

const summary = (lists) =>
  Object.fromEntries(
    Object.entries(lists).map(([name, list]) => [
      name,
      Array.isArray(list) ? { median: median(list), least: Math.min(...list), most: Math.max(...list) } : summary(list),
    ]),
  );

install();
const all = await contenders({ log: LOG, before: BEFORE });
for (const name of ["homing", "before", "fetch", "cache", "hono"]) await all[name]?.start();
console.log(`Medians of ${ROUNDS} interleaved rounds of ${SECONDS} s; "/ NAME" is Homing's figure divided by that contender's of the same round, (least-most).
CPU is workerd's alone. Lower is better, but for requests/s. LOG is "${LOG}" for all.\n`);
const results = await compare(all);
const ratios = compared(results);
console.log(table(results, ratios));
const small = !asked || asked.includes(BESIDE) ? await beside(all) : {};
for (const [name, rounds] of Object.entries(small)) {
  const of = (figure) => spread(rounds.map((round) => round[figure]));
  console.log(
    `\np99 of small requests, ${name}: ${of("alone")} ms alone, ${of("beside")} ms beside uploads of 100 MB, ratio ${of("ratio")}; ${of("uploads")} uploads meanwhile`,
  );
}
const cold = await coldStarts(all);
cold.ratio = cold.homing.map((ms, at) => ms / cold[BESIDES][at]);
const size = sizes(all.homing);
const kb = (bytes) => `${(bytes / 1024).toFixed(0)} KB`;
console.log(
  `\ncold start, process to first answer: homing ${median(cold.homing).toFixed(0)} ms, ${BESIDES} ${median(cold[BESIDES]).toFixed(0)} ms, ratio ${spread(cold.ratio)}`,
);
console.log(
  `size: Wasm ${kb(size.wasm.raw)}, gzipped ${kb(size.wasm.gzipped)}; operators' side ${kb(size.operators.raw)}, gzipped ${kb(size.operators.gzipped)}; JavaScript ${kb(size.javascript.raw)}, gzipped ${kb(size.javascript.gzipped)}; upload ${kb(size.wasm.gzipped + size.operators.gzipped + size.javascript.gzipped)} gzipped`,
);
let memory;
if (!BEFORE && (!asked || asked.includes(RESETS))) memory = await resets(await all[RESETS].start());
const aims = ofBench({
  cpu: (title, name) => ratios[title]?.[name] && median(ratios[title][name].cpu),
  cold: BEFORE ? undefined : median(cold.ratio),
  wasm: size.wasm.gzipped,
  memory,
});
console.log(`\n${shown(aims)}`);
const told = {
  aims: aims.map(({ figure, found, most }) => ({ figure, found, most })),
  rounds: ROUNDS,
  seconds: SECONDS,
  log: LOG,
  ratios: summary(ratios),
  beside: small,
  cold: summary(cold),
  size,
  results,
};
writeFileSync(join(root, "build/bench.json"), JSON.stringify(told, null, 1));
process.exit(0);
