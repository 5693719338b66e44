// `make bench`: Homing beside hand-written JavaScript in plain workerd, interleaved in one run; README.md says how to read it.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cacheStore, contender, freePort, get, install, load, origin, root, scratch, sink } from "./world.mjs";

const ROUNDS = Number(process.env.ROUNDS || 7);
const SECONDS = Number(process.env.SECONDS_PER_ROUND || 3);
const WARM_UP = 3;
// A pin lives for five seconds, and a round ends with a look whether it still held.
const MOST_PINNED_SECONDS = 4;
const COLD_STARTS = Number(process.env.COLD_STARTS || 7);
const LOG = process.env.LOG || "off";
/** The build folder of another commit: then only that one is measured beside this one, in every scenario. */
const BEFORE = process.env.BEFORE;
const SECRET = "a secret for the benchmark, of 32 letters or more";
const BODY = JSON.stringify({ name: "lamp" });
const JSON_BODY = { method: "PUT", body: BODY, headers: { "content-type": "application/json" } };

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
const spread = (list) => `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)}-${Math.max(...list).toFixed(2)})`;

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES = [10 * KIB, 100 * KIB, MIB, 10 * MIB];
/** A scenario for each size of a body; a few connections are enough for large ones. */
const sized = (name, sizes, of) =>
  Object.fromEntries(
    sizes.map((size) => [`${size < MIB ? `${size / KIB} KB` : `${size / MIB} MB`} ${name}`, { connections: size < MIB ? 16 : 4, ...of(size) }]),
  );

/**
 * What each scenario sends, and what an answer must show; `fetch` and `cache` know one region only and give no reasons.
 * The region is seen in the body, which is the origin's own word.
 */
const SCENARIOS = {
  "read miss": { path: "/plain/1", against: ["fetch", "hono"], region: "eu", reason: "nearest" },
  "cache hit": { path: "/cached/1", against: ["cache", "hono"], region: "eu", reason: "cache-hit", hit: true },
  "pinned read": { path: "/catalog/1", against: ["fetch", "hono"], region: "us", reason: "pinned-home", pinned: true },
  // A session with a position, whose write the nearest copy is known to have; "anonymous" is Homing itself without the session.
  "near read": { path: "/docs/1", against: ["anonymous", "fetch"], region: "eu", reason: "position-reached", marked: true },
  "shared hit": { path: "/shared/1", against: ["anonymous", "cache"], region: "eu", reason: "cache-hit", hit: true, marked: true },
  write: { path: "/catalog/1", against: ["fetch", "hono"], region: "us", reason: "home", request: JSON_BODY, session: true },
  ...sized("down", SIZES, (size) => ({ path: `/sized/${size}`, against: ["fetch"], reason: "nearest", size })),
  ...sized("up", [MIB, 10 * MIB], (size) => ({ path: "/up/1", against: ["fetch"], region: "eu", reason: "home", request: { method: "POST", bytes: size } })),
  ...sized("hit", [MIB], (size) => ({ path: `/kept/${size}`, against: ["cache"], reason: "cache-hit", hit: true, size })),
};
/** Not a scenario of one request: p99 of small requests, while another client uploads 100 MB again and again, and while none does. */
const BESIDE = "beside an upload";
const UPLOAD = { method: "POST", bytes: 100 * MIB, connections: 1 };
/** Whose uploads and cold starts are measured too. */
const BESIDES = BEFORE ? "before" : "fetch";
const SMALL = { path: "/plain/1", connections: 8 };
if (BEFORE) for (const scenario of Object.values(SCENARIOS)) scenario.against = ["before"];
const asked = process.env.SCENARIOS?.split(",").map((title) => title.trim());
const unknown = asked?.find((title) => !SCENARIOS[title] && title !== BESIDE);
if (unknown !== undefined) throw new Error(`SCENARIOS: found "${unknown}", expected some of: ${[...Object.keys(SCENARIOS), BESIDE].join(", ")}`);

function complaint(answer, name, { region, reason, hit, session, size }) {
  const plain = name === "fetch" || name === "cache" || name === "anonymous";
  if (answer.status !== 200) return `status ${answer.status}`;
  if (size === undefined ? JSON.parse(answer.text).region !== (plain ? "eu" : region) : answer.text.length !== size)
    return size === undefined ? "the wrong region" : `${answer.text.length} bytes`;
  if (!plain && answer.headers["homing-reason"] !== reason) return `reason ${answer.headers["homing-reason"]}`;
  if (name === "cache" && hit && answer.headers["cf-cache-status"] !== "HIT") return "no hit";
  if (!plain && session && !answer.headers["set-cookie"]?.some((line) => line.startsWith("__Host-homing="))) return "no session";
  return undefined;
}

async function contenders() {
  const { us, eu, ap } = await origin(["us", "eu", "ap"], SIZES);
  const uploads = await sink();
  const cache = await cacheStore();
  // No place is known of a client here, so the first region is the nearest; the catalogue's home is another.
  const topology = {
    REGIONS: {
      eu: { origin: `http://127.0.0.1:${eu}` },
      us: { origin: `http://127.0.0.1:${us}`, default_home: true },
      ap: { origin: `http://127.0.0.1:${ap}` },
      sink: { origin: `http://127.0.0.1:${uploads}` },
    },
    DATASETS: {
      catalog: { ownership: "single-writer", home: "us" },
      docs: { ownership: "single-writer", home: "us", position: "counter" },
      files: { ownership: "single-writer", home: "sink" },
    },
    ROUTES: [
      { match: "/catalog/*", dataset: "catalog", read_after_write: "session" },
      { match: "/docs/*", dataset: "docs", read_after_write: "session" },
      { match: "/shared/*", dataset: "docs", read_after_write: "session" },
      { match: "/up/*", dataset: "files" },
    ],
  };
  const hono = join(scratch, "hono.mjs");
  execFileSync(join(root, "node_modules/.bin/esbuild"), [
    join(root, "tests/bench/contenders/hono.mjs"),
    "--bundle",
    "--format=esm",
    "--platform=neutral",
    "--main-fields=module,main",
    "--conditions=worker,import",
    "--minify-syntax",
    "--log-level=warning",
    `--outfile=${hono}`,
  ]);
  const own = (file) => join(root, "tests/bench/contenders", file);
  const vars = { ORIGIN: `http://127.0.0.1:${eu}`, UPLOADS: `http://127.0.0.1:${uploads}` };
  const built = (folder) => Object.fromEntries(["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"].map((file) => [file, join(folder, file)]));
  const router = async (name, folder) => contender(name, built(folder), { ...topology, LOG, SESSION_KEY: SECRET }, cache, await freePort());
  const all = [
    await router("homing", join(root, "build")),
    ...(BEFORE ? [await router("before", BEFORE)] : []),
    contender("fetch", { "worker.mjs": own("fetch.mjs") }, vars, cache, await freePort()),
    contender("cache", { "worker.mjs": own("cache.mjs") }, vars, cache, await freePort()),
    contender("hono", { "worker.mjs": hono }, { ...topology, LOG, SESSION_KEY: SECRET }, cache, await freePort()),
  ];
  const [homing] = all;
  const anonymous = { name: "anonymous", port: homing.port, cpu: () => homing.cpu() };
  return { ...Object.fromEntries(all.map((one) => [one.name, one])), anonymous };
}

/** The request of a scenario; a pinned one has just written, and so has one with a mark. */
async function prepare(one, { path, request = {}, pinned, marked, connections }) {
  if (one.name === "anonymous" || !(pinned || marked)) return { connections, ...request };
  const { headers } = await get(one.port, marked ? path : "/catalog/1", JSON_BODY);
  // Somebody else's read tells the router how far the nearest copy is.
  if (marked) await get(one.port, "/docs/scout");
  const session = headers["set-cookie"]?.find((line) => line.startsWith("__Host-homing"))?.split(";")[0];
  // Who signs no sessions is sent as long a header.
  return { headers: { cookie: session ?? `__Host-homing=${"x".repeat(120)}` } };
}

async function check(one, scenario, request) {
  const answer = await get(one.port, scenario.path, request);
  const wrong = complaint(answer, one.name, scenario);
  if (wrong) throw new Error(`${one.name} does not do its job on ${scenario.path}: ${wrong}; ${JSON.stringify(answer)}`);
}

async function measure(one, scenario, seconds) {
  const request = await prepare(one, scenario);
  // The copy is stored after its answer, so the first looks may be too early.
  for (let patience = scenario.hit ? 50 : 0; ; patience--) {
    try {
      await check(one, scenario, request);
      break;
    } catch (error) {
      if (patience <= 0) throw error;
    }
  }
  const before = one.cpu();
  const figures = await load(one.port, scenario.path, scenario.pinned ? Math.min(seconds, MOST_PINNED_SECONDS) : seconds, request);
  const cpu = ((one.cpu() - before) / figures.requests) * 1000;
  if (figures.failed) throw new Error(`${one.name}: ${figures.failed} of ${figures.requests} requests failed`);
  await check(one, scenario, request);
  return { ...figures, cpu };
}

async function compare(all) {
  const results = {};
  for (const [title, scenario] of Object.entries(SCENARIOS)) {
    if (asked && !asked.includes(title)) continue;
    const names = ["homing", ...scenario.against];
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
  }
  return results;
}

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
  const of = (rounds, name, figure) => rounds.map((round) => round.homing[figure] / round[name][figure]);
  const pair = (rounds, name) => Object.fromEntries(FIGURES.map((figure) => [figure, of(rounds, name, figure)]));
  const scenario = ([title, rounds]) => [title, Object.fromEntries(SCENARIOS[title].against.map((name) => [name, pair(rounds, name)]))];
  return Object.fromEntries(Object.entries(results).map(scenario));
}

function table(results, ratios) {
  const rows = [["", "", "CPU/request", "requests/s", "p50", "p99"]];
  for (const [title, rounds] of Object.entries(results)) {
    const names = ["homing", ...SCENARIOS[title].against];
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
const all = await contenders();
for (const one of Object.values(all)) await one.start?.();
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
const told = { rounds: ROUNDS, seconds: SECONDS, log: LOG, ratios: summary(ratios), beside: small, cold: summary(cold), size, results };
writeFileSync(join(root, "build/bench.json"), JSON.stringify(told, null, 1));
process.exit(0);
