// `make bench`: Homing beside hand-written JavaScript in plain workerd, interleaved in one run; README.md says how to read it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cacheStore, contender, freePort, get, install, load, origin, root } from "./world.mjs";

const ROUNDS = Number(process.env.ROUNDS || 7);
const SECONDS = Number(process.env.SECONDS_PER_ROUND || 3);
const COLD_STARTS = Number(process.env.COLD_STARTS || 7);
const SECRET = "a secret for the benchmark, of 32 letters or more";
const BODY = JSON.stringify({ name: "lamp" });
const JSON_BODY = { method: "PUT", body: BODY, headers: { "content-type": "application/json" } };

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const spread = (list) => `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)}-${Math.max(...list).toFixed(2)})`;

/** What each scenario sends, and by what an answer shows that the contender does its job. */
const SCENARIOS = {
  "read miss": { path: "/plain/1", against: ["fetch", "hono"], right: (answer) => answer.status === 200 },
  "cache hit": { path: "/cached/1", against: ["cache", "hono"], right: (answer, name) => answer.status === 200 && (name === "cache" || answer.headers["homing-reason"] === "cache-hit") },
  "pinned read": { path: "/catalog/1", against: ["fetch", "hono"], pinned: true, right: (answer, name) => answer.status === 200 && (name === "fetch" || answer.headers["homing-reason"] === "pinned-home") },
  write: { path: "/catalog/1", against: ["fetch", "hono"], request: JSON_BODY, right: (answer, name) => answer.status === 200 && (name === "fetch" || /__Host-homing=/.test(answer.headers["set-cookie"])) },
};

async function contenders() {
  const [us, eu, ap] = await origin();
  const cache = await cacheStore();
  // No place is known of a client here, so the first region is the nearest; the catalogue's home is another.
  const topology = {
    REGIONS: { eu: { origin: `http://127.0.0.1:${eu}` }, us: { origin: `http://127.0.0.1:${us}`, default_home: true }, ap: { origin: `http://127.0.0.1:${ap}` } },
    DATASETS: { catalog: { ownership: "single-writer", home: "us" } },
    ROUTES: [{ match: "/catalog/*", dataset: "catalog", read_after_write: "session" }],
  };
  const hono = join(mkdtempSync(join(tmpdir(), "homing-hono-")), "hono.mjs");
  execFileSync(join(root, "node_modules/.bin/esbuild"), [join(root, "benches/contenders/hono.mjs"), "--bundle", "--format=esm", "--platform=neutral", "--main-fields=module,main", "--conditions=worker,import", "--minify-syntax", "--log-level=warning", `--outfile=${hono}`]);
  const own = (file) => join(root, "benches/contenders", file);
  const vars = { ORIGIN: `http://127.0.0.1:${eu}` };
  const all = [
    contender("homing", { "worker.mjs": join(root, "build/worker.mjs"), "homing_bg.wasm": join(root, "build/homing_bg.wasm") }, { ...topology, LOG: "off", SESSION_KEY: SECRET }, cache, await freePort()),
    contender("fetch", { "worker.mjs": own("fetch.mjs") }, vars, cache, await freePort()),
    contender("cache", { "worker.mjs": own("cache.mjs") }, vars, cache, await freePort()),
    contender("hono", { "worker.mjs": hono }, { ...topology, SESSION_KEY: SECRET }, cache, await freePort()),
  ];
  return Object.fromEntries(all.map((one) => [one.name, one]));
}

/** The request of a scenario; a pinned one has just written. */
async function prepare(one, { request = {}, pinned }) {
  if (!pinned) return request;
  const { headers } = await get(one.port, "/catalog/1", JSON_BODY);
  const session = headers["set-cookie"]?.find((line) => line.startsWith("__Host-homing"))?.split(";")[0];
  return { headers: { cookie: session ?? "__Host-homing=none" } };
}

async function check(one, scenario, request) {
  const answer = await get(one.port, scenario.path, request);
  if (!scenario.right(answer, one.name)) throw new Error(`${one.name} does not do its job on ${scenario.path}: ${JSON.stringify(answer)}`);
}

async function measure(one, scenario, seconds) {
  const request = await prepare(one, scenario);
  // The copy is stored after its answer, so the first look may be too early.
  for (let patience = 50; ; patience--) {
    try {
      await check(one, scenario, request);
      break;
    } catch (error) {
      if (!patience) throw error;
    }
  }
  const before = one.cpu();
  const figures = await load(one.port, scenario.path, seconds, request);
  const cpu = ((one.cpu() - before) / figures.requests) * 1000;
  if (figures.failed) throw new Error(`${one.name}: ${figures.failed} of ${figures.requests} requests failed`);
  await check(one, scenario, request);
  return { ...figures, cpu };
}

async function compare(all) {
  const results = {};
  for (const [title, scenario] of Object.entries(SCENARIOS)) {
    const names = ["homing", ...scenario.against];
    for (const name of names) await measure(all[name], scenario, 1);
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

/** From the start of the process to its first answer. */
async function coldStarts(all) {
  const took = { homing: [], fetch: [] };
  for (let n = 0; n < COLD_STARTS; n++) {
    for (const name of ["homing", "fetch"]) {
      await all[name].stop();
      const began = performance.now();
      await all[name].start();
      took[name].push(performance.now() - began);
    }
  }
  return took;
}

function table(results) {
  const rows = [["", "against", "CPU/request", "requests/s", "p50", "p99"]];
  for (const [title, rounds] of Object.entries(results)) {
    const of = (name, figure) => median(rounds.map((round) => round[name][figure]));
    rows.push([title, "(absolute)", `${of("homing", "cpu").toFixed(0)} us`, of("homing", "rate").toFixed(0), `${of("homing", "p50").toFixed(2)} ms`, `${of("homing", "p99").toFixed(2)} ms`]);
    for (const name of SCENARIOS[title].against) {
      const ratio = (figure) => spread(rounds.map((round) => round.homing[figure] / round[name][figure]));
      rows.push(["", `/ ${name}`, ratio("cpu"), ratio("rate"), ratio("p50"), ratio("p99")]);
    }
  }
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()).join("\n");
}

install();
const all = await contenders();
for (const one of Object.values(all)) await one.start();
console.log(`Homing / contender, medians of ${ROUNDS} interleaved rounds of ${SECONDS} s, (least-most). CPU is workerd's alone; lower is better, but for requests/s.\n`);
const results = await compare(all);
console.log(table(results));
const cold = await coldStarts(all);
const wasm = readFileSync(join(root, "build/homing_bg.wasm"));
const glue = readFileSync(join(root, "build/worker.mjs"));
const kb = (bytes) => `${(bytes.length / 1024).toFixed(0)} KB`;
const zipped = (bytes) => gzipSync(bytes, { level: 9 });
console.log(`\ncold start, process to first answer: ${median(cold.homing).toFixed(0)} ms, ${spread(cold.homing.map((ms, at) => ms / cold.fetch[at]))} of fetch's`);
console.log(`size: Wasm ${kb(wasm)}, gzipped ${kb(zipped(wasm))}; JavaScript ${kb(glue)}, gzipped ${kb(zipped(glue))}`);
writeFileSync(join(root, "build/bench.json"), JSON.stringify({ rounds: ROUNDS, seconds: SECONDS, results, cold, wasm: { raw: wasm.length, gzipped: zipped(wasm).length } }, null, 1));
process.exit(0);
