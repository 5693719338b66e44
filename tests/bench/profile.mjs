// `make profile`: where a request's CPU goes, function by function, for each scenario of the benchmark; README.md says how to read it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { contenders, measure, SCENARIOS } from "./scenarios.mjs";
import { plain as plainName } from "./wasm.mjs";
import { get, install, root } from "./world.mjs";

const REQUESTS = Number(process.env.REQUESTS || 5000);
const TOP = Number(process.env.TOP || 25);
const BUILD = join(root, "build/profile");
const WARM_UP = 3;
const STARTS = Number(process.env.COLD_STARTS || 5);
const COLD = "cold start";
/** How often the sampler looks, in microseconds. */
const INTERVAL = 200;
/** Bodies that take a connection for long are the platform's work alone: by default only small ones are looked at. */
const small = Object.keys(SCENARIOS).filter((title) => !/\d/.test(title));
const asked = process.env.ROW ? process.env.ROW.split(",").map((title) => title.trim()) : [...small, COLD];
const unknown = asked.find((title) => !SCENARIOS[title] && title !== COLD);
if (unknown !== undefined) throw new Error(`ROW: found "${unknown}", expected some of: ${[...Object.keys(SCENARIOS), COLD].join(", ")}`);

/** Who is beside: the least that the platform can do for such a request. */
const BESIDE = ["fetch", "cache"];

/** A session with V8's inspector of a workerd (Chrome DevTools Protocol, domain Profiler). @param {number} port */
async function inspect(port) {
  let found;
  for (const end = Date.now() + 20_000; !found?.length; )
    found = await fetch(`http://127.0.0.1:${port}/json`).then(
      (answer) => /** @type {Promise<any[]>} */ (answer.json()),
      (error) => {
        if (Date.now() > end) throw error;
      },
    );
  const socket = new WebSocket(found[0].webSocketDebuggerUrl);
  await new Promise((resolve, reject) => ((socket.onopen = resolve), (socket.onerror = reject)));
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data);
    const wait = waiting.get(id);
    waiting.delete(id);
    if (error) wait?.reject(new Error(JSON.stringify(error)));
    else wait?.resolve(result);
  };
  let last = 0;
  /** @param {string} method @param {Record<string, unknown>} [params] @returns {Promise<any>} */
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  await send("Profiler.enable");
  await send("Profiler.setSamplingInterval", { interval: INTERVAL });
  return {
    start: () => send("Profiler.start"),
    stop: async () => (await send("Profiler.stop")).profile,
    close: () => socket.close(),
  };
}

const OUTSIDE = "outside JavaScript (HTTP, event loop)";
const JAVASCRIPT = "worker.mjs";
const LINE = "line";
const GLUE = /StringToWasm|StringFromWasm|decodeText|^__wb|ArrayMemory0|^(begin|resume|abandon|configure|published)$/;

/** Whose a function is. @param {{ functionName: string, url: string }} frame */
function group({ functionName: name, url }) {
  if (name === "(garbage collector)") return "garbage collection";
  if (name === "(program)") return OUTSIDE;
  if (name.startsWith("(")) return "idle";
  if (url.startsWith("wasm:") || url.endsWith(".wasm")) return "Wasm";
  if (!url || url.startsWith("node:") || url.startsWith("workerd:")) return "the platform's functions";
  return GLUE.test(name) ? "crossing into Wasm" : JAVASCRIPT;
}

const nameOf = ({ functionName, url, lineNumber }) => plainName(functionName) || (url ? `line ${lineNumber + 1}` : "unnamed");

/** How often each function was seen itself: by its group and its name, and of the platform's by who calls it. */
function seen({ nodes, samples }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parent = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])));
  const found = new Map();
  // Counted, not timed: while another process has the core, the time between two looks grows and the work does not.
  for (const id of samples) {
    const { callFrame } = byId.get(id);
    const whose = group(callFrame);
    const caller = parent.get(id)?.callFrame;
    const tellsCaller = caller && (whose === "the platform's functions" || !callFrame.functionName);
    const key = `${whose}\t${nameOf(callFrame)}${tellsCaller ? ` <- ${nameOf(caller)}` : ""}`;
    if (whose !== "idle") found.set(key, (found.get(key) ?? 0) + 1);
  }
  // What an optimised function calls of the platform counts as its own: the line tells which call it is.
  for (const { callFrame, positionTicks = [] } of nodes)
    if (group(callFrame) === JAVASCRIPT) for (const { line, ticks } of positionTicks) add(found, [[`${LINE}\t${line}`, ticks]]);
  return found;
}

/** Adds what one profile has seen to what others have. */
function add(sum, more) {
  for (const [key, count] of more) sum.set(key, (sum.get(key) ?? 0) + count);
}

/**
 * Loads of a second each, with the sampler and without, until there were so many requests; each begins with requests of its own (a pin lives
 * for five seconds). The sampler's own cost lies evenly on all that it sees, so what it has seen shares out the CPU without it.
 */
async function loaded(one, scenario) {
  const inspector = await inspect(one.inspector);
  // V8 keeps the lines of what it optimises while a sampler runs, so one runs from the first request on.
  await inspector.start();
  await measure(one, scenario, WARM_UP);
  await inspector.stop();
  const samples = new Map();
  let [requests, alone, cpu] = [0, 0, 0];
  while (requests < REQUESTS) {
    const plain = await measure(one, scenario, 1);
    alone += plain.requests;
    cpu += plain.cpu * plain.requests;
    await inspector.start();
    requests += (await measure(one, scenario, 1)).requests;
    add(samples, seen(await inspector.stop()));
  }
  inspector.close();
  return shared(samples, cpu / alone, requests);
}

/** The first request of processes that were just started; the sampler's cost is in it. What they did before it is told beside it. */
async function started(one) {
  const samples = new Map();
  let [starting, cpu] = [0, 0];
  for (let n = 0; n < STARTS; n++) {
    if (one.child) await one.stop();
    one.launch();
    const inspector = await inspect(one.inspector);
    const before = one.cpuOfThreads();
    await inspector.start();
    await get(one.port, "/plain/1");
    add(samples, seen(await inspector.stop()));
    cpu += one.cpuOfThreads() - before;
    starting += before;
    inspector.close();
  }
  console.log(
    `\n${one.name}, ${COLD}: ${(starting / STARTS / 1000).toFixed(1)} ms of CPU until the Worker was loaded, ${(cpu / STARTS / 1000).toFixed(1)} ms for its first request`,
  );
  return shared(samples, cpu / STARTS, STARTS);
}

/** That CPU of a request, in microseconds, shared out among functions, and among the lines of worker.mjs. */
function shared(samples, cpu, requests) {
  const parts = [...samples].map(([key, count]) => ({ group: key.split("\t")[0], name: key.split("\t")[1], count, micros: 0 }));
  const functions = parts.filter(({ group }) => group !== LINE);
  const all = functions.reduce((sum, { count }) => sum + count, 0);
  for (const part of parts) part.micros = (cpu * part.count) / all;
  const inOrder = (list) => list.sort((a, b) => b.micros - a.micros);
  const groups = new Map();
  for (const { group, micros } of functions) groups.set(group, (groups.get(group) ?? 0) + micros);
  return { requests, samples: all, cpu, groups, functions: inOrder(functions), lines: inOrder(parts.filter(({ group }) => group === LINE)) };
}

function print(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell.padStart(widths[at])))
        .join("  ")
        .trimEnd(),
    );
}

function report(title, found, name, least) {
  const { cpu } = found;
  console.log(`\n${title}: ${cpu.toFixed(0)} us of CPU a request, ${name} ${least.cpu.toFixed(0)} us; ${found.samples} samples of ${found.requests} requests`);
  const names = [...new Set([...found.groups.keys(), ...least.groups.keys()])].sort((a, b) => (found.groups.get(b) ?? 0) - (found.groups.get(a) ?? 0));
  const whole = names.map((whose) => row(found.groups.get(whose) ?? 0, cpu, (least.groups.get(whose) ?? 0).toFixed(1), whose));
  print([["us", "share", name, "group"], ...whole]);
  const inside = found.functions.filter(({ group }) => group !== OUTSIDE);
  print([["us", "share", "group", "function"], ...inside.slice(0, TOP).map(({ micros, group, name }) => row(micros, cpu, group, name))]);
  const lines = found.lines.slice(0, TOP / 2);
  print([["us", "share", "line", "of build/profile/worker.mjs"], ...lines.map(({ micros, name }) => row(micros, cpu, name, SOURCE[Number(name) - 1].trim()))]);
}

const SOURCE = readFileSync(join(BUILD, "worker.mjs"), "utf8").split("\n");
const row = (micros, whole, ...more) => [micros.toFixed(1), `${((100 * micros) / whole).toFixed(1)} %`, ...more];

install();
const all = await contenders({ log: process.env.LOG || "off", build: BUILD, inspected: true });
console.log(`Self time in plain workerd, sampled each ${INTERVAL} us; beside it the Worker that only passes requests on, or only caches.`);
const least = new Map();
/** Of a process that was just started: what is optimised before its sampler runs has no lines. */
const fresh = async (name, scenario) => {
  const one = all[name];
  if (one.child) await one.stop();
  return loaded(await one.start(), scenario);
};
for (const title of asked) {
  if (title === COLD) {
    report(title, await started(all.homing), "fetch", await started(all.fetch));
    continue;
  }
  const scenario = SCENARIOS[title];
  const name = scenario.against.find((one) => BESIDE.includes(one)) ?? scenario.against[0];
  const found = await fresh(scenario.subject ?? "homing", scenario);
  const key = JSON.stringify([name, scenario.path, scenario.request]);
  if (!least.has(key)) least.set(key, await fresh(name, scenario));
  report(title, found, name, least.get(key));
}
process.exit(0);
