// `make conformance`: the public cache tests against Homing and other caches; README.md says how to read it.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { freePort, get, start } from "../../benches/world.mjs";
import { ALL, startAll } from "./contenders.mjs";
import { groups, install, judge } from "./suite.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const id = process.env.ID;
const names = process.env.CONTENDERS?.split(",").map((name) => name.trim()) ?? (id ? ["homing"] : ALL);

async function ready(port) {
  for (const end = Date.now() + 30_000; ; ) {
    try {
      return await get(port, "/");
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100)); // a server is starting; nothing can be waited on but time
    }
  }
}

/** The suite against one cache, in a process of its own. */
function results(port) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--no-warnings", join(here, "client.mjs"), `http://127.0.0.1:${port}`, ...(id ? [id] : [])], { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk));
    child.once("exit", () => {
      const at = text.lastIndexOf("\nRESULTS");
      if (id) console.log(text.slice(0, at));
      if (at < 0) reject(new Error(`the suite's client said:\n${text}`));
      else resolve(JSON.parse(text.slice(at + 8)));
    });
  });
}

const kindOf = (test) => test.kind ?? "required";

/** Passed and all, of one kind, by group and in total. */
function count(all, tests, found, kind) {
  const of = (list) => {
    const counted = list.filter((test) => kindOf(test) === kind);
    return [counted.filter((test) => judge(tests, found, test.id) === "pass").length, counted.length];
  };
  return { groups: all.map(({ tests: list }) => of(list)), total: of(all.flatMap((group) => group.tests)) };
}

function table(all, tests, found) {
  const shown = Object.keys(found);
  const rows = [["", ...shown.map((name) => `${name}`)]];
  const cell = (name, at) => {
    if (!found[name]) return "not installed";
    const [required, optimal] = ["required", "optimal"].map((kind) => count(all, tests, found[name], kind));
    const [r, o] = at === undefined ? [required.total, optimal.total] : [required.groups[at], optimal.groups[at]];
    return `${r[1] ? r.join("/") : "-"}  ${o[1] ? o.join("/") : "-"}`;
  };
  all.forEach((group, at) => rows.push([group.name, ...shown.map((name) => cell(name, at))]));
  rows.push(["all", ...shown.map((name) => cell(name))]);
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows.map((row) => row.map((text, at) => text.padEnd(widths[at])).join("   ").trimEnd()).join("\n");
}

/** What differs from expected.toml: failures that nobody has explained, and explanations of what passes. */
function surprises(tests, found) {
  const expected = parse(readFileSync(join(here, "expected.toml"), "utf8")).fails ?? {};
  const list = [];
  for (const test of tests.values()) {
    if (kindOf(test) === "check") continue;
    const outcome = judge(tests, found, test.id);
    const why = Array.isArray(found[test.id]) ? found[test.id][1] : "";
    if (outcome !== "pass" && !Object.hasOwn(expected, test.id)) list.push(`${test.id} (${kindOf(test)}) is "${outcome}": ${why}; mend it, or say in expected.toml why it must be so`);
    if (outcome === "pass" && Object.hasOwn(expected, test.id)) list.push(`${test.id} passes; take it out of expected.toml`);
  }
  for (const name of Object.keys(expected)) if (!tests.has(name)) list.push(`${name} is in expected.toml, but not in the suite`);
  return list;
}

install();
const all = await groups();
const tests = new Map(all.flatMap((group) => group.tests).map((test) => [test.id, test]));
if (id && !tests.has(id)) throw new Error(`ID: found "${id}", expected a test of the suite`);
const origin = await freePort();
start(process.execPath, ["--no-warnings", join(here, "origin.mjs"), String(origin)]);
await ready(origin);
const ports = await startAll(names, origin);
const found = {};
for (const [name, port] of Object.entries(ports)) {
  if (port === undefined) {
    found[name] = undefined;
    continue;
  }
  await ready(port);
  process.stderr.write(`${name} …\r`);
  found[name] = await results(port);
}
if (id) {
  // Alone, without the tests that it depends on.
  for (const name of names) console.log(`${name}: ${found[name] ? JSON.stringify(found[name][id]) : "not installed"}`);
  process.exit(0);
}
console.log("Tests passed, required and optimal, by group.\n");
console.log(table(all, tests, found));
if (!found.homing) process.exit(0);
const wrong = surprises(tests, found.homing);
if (process.env.VERBOSE) for (const test of tests.values()) if (judge(tests, found.homing, test.id) !== "pass") console.log(test.id, kindOf(test), judge(tests, found.homing, test.id), JSON.stringify(found.homing[test.id]));
for (const line of wrong) console.log(`\nunexpected: ${line}`);
console.log("");
for (const kind of ["required", "optimal"]) console.log(`${kind} ${count(all, tests, found.homing, kind).total.join("/")}`);
process.exit(wrong.length ? 1 : 0);
