// `make bench-instructions`: what a request costs in instructions of plain workerd, as valgrind counts them. They are nearly the same in every run,
// whatever else the machine does; README.md says how to read them.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { contenders, prepare, SCENARIOS } from "./scenarios.mjs";
import { get, install, scratch, start } from "./world.mjs";

/** V8 optimises what is called often: until then a request costs several times as much. */
const WARM_UP = Number(process.env.WARM_UP || 4000);
/** What else is left to chance: when other threads have compiled or collected something, and the order of hash tables. */
const V8 = ["--single-threaded", "--predictable-gc-schedule", "--random-seed=7", "--hash-seed=7"];
const REQUESTS = Number(process.env.REQUESTS || 250);
/** Of so many parts the least counts: in the others V8 has compiled or collected more than its share. */
const PARTS = 4;
const CONNECTIONS = 4;
const PATIENCE_MS = 120_000;
/** A pin lives for a few seconds, and a request takes fifty times as long as elsewhere. */
const BETWEEN_PINS = 250;
const asked = (process.env.ROW || "read miss,cache hit,pinned read,shared hit,write").split(",").map((title) => title.trim());
const unknown = asked.find((title) => !SCENARIOS[title] || SCENARIOS[title].subject);
if (unknown !== undefined) throw new Error(`ROW: found "${unknown}", expected a scenario of the router beside others`);

const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });

/** @param {number} port @param {string} path @param {any} how @returns {Promise<void>} */
const ask = (port, path, { method = "GET", headers = {}, body }) =>
  new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, path, method, headers, agent }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${path} is answered ${answer.statusCode}`));
      answer.on("end", resolve).resume();
    });
    // A connection that the server has closed a moment ago is no fault of the request.
    request.on("error", (error) => (request.reusedSocket ? ask(port, path, { method, headers, body }).then(resolve, reject) : reject(error)));
    request.end(body);
  });

/** So many requests, over a few connections. */
async function load(one, scenario, count) {
  for (let left = count; left > 0; left -= BETWEEN_PINS) {
    const request = await prepare(one, scenario);
    let some = Math.min(left, BETWEEN_PINS);
    const connection = async () => {
      while (some-- > 0) await ask(one.port, scenario.path, request);
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  }
}

/** Instructions of a request: the least of the parts. */
async function counted(one, title) {
  const out = join(scratch, `instructions-${one.name}-${title.replaceAll(" ", "-")}`);
  const valgrind = ["--tool=callgrind", `--callgrind-out-file=${out}`, "--smc-check=all-non-file"];
  const child = start("valgrind", [...valgrind, one.command, ...one.args], { stdio: "ignore" });
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    try {
      await get(one.port, "/plain/1");
      break;
    } catch (error) {
      if (Date.now() > end || child.exitCode !== null) throw error;
    }
  }
  const control = (flag) => execFileSync("callgrind_control", [flag, String(child.pid)], { stdio: "ignore" });
  const scenario = SCENARIOS[title];
  await load(one, scenario, WARM_UP);
  const parts = [];
  for (let part = 1; part <= PARTS; part++) {
    control("--zero");
    await load(one, scenario, REQUESTS);
    control("--dump");
    const [, sum] = /^(?:summary|totals): (\d+)/m.exec(readFileSync(`${out}.${part}`, "utf8")) ?? [];
    if (sum === undefined) throw new Error("valgrind has counted nothing");
    parts.push(Number(sum) / REQUESTS);
  }
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  return Math.min(...parts);
}

install();
const all = await contenders({ log: process.env.LOG || "off", build: process.env.BUILD, before: process.env.BEFORE, v8: V8 });
const named = process.env.BEFORE ? ["before"] : undefined;
console.log(`thousands of instructions of workerd for a request; the least of ${PARTS} parts of ${REQUESTS} requests, after ${WARM_UP}`);
for (const title of asked) {
  const others = named ?? SCENARIOS[title].against.filter((name) => name !== "anonymous");
  const own = await counted(all.homing, title);
  console.log(`${title.padEnd(14)} homing ${(own / 1000).toFixed(0)}`);
  for (const name of others) {
    const other = await counted(all[name], title);
    console.log(`${"".padEnd(14)} ${name} ${(other / 1000).toFixed(0)}, ratio ${(own / other).toFixed(3)}`);
  }
}
process.exit(0);
