// The public tests of HTTP caches (cache-tests.fyi, by Mark Nottingham): about 370 resources, each asked for a few times.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, start } from "../../bench/world.mjs";
import { BARE, eachOf, ready, startAll } from "../contenders.mjs";
import { groups, source } from "../cache-tests/source.mjs";

export const name = "cache-tests";
export const kinds = ["required", "optimal"];

const here = join(dirname(fileURLToPath(import.meta.url)), "../cache-tests");

export async function load() {
  const where = source();
  const tests = (await groups(where)).flatMap((group) =>
    group.tests.map((test) => ({ id: test.id, kind: test.kind ?? "required", group: group.name, depends: test.depends_on ?? [] })),
  );
  return { version: where.version, pinned: where.pinned, tests, where };
}

/** What the suite says of one cache: for each test `true`, or a name and a message. */
function said(where, port, id) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--no-warnings", join(here, "client.mjs"), JSON.stringify(where), `http://127.0.0.1:${port}`, ...(id ? [id] : [])], {
      stdio: ["ignore", "pipe", process.env.VERBOSE ? "inherit" : "ignore"],
    });
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

/**
 * How a test went, as the suite itself judges: what depends on a test that did not pass, or could not be set up, says nothing
 * of the cache and so does not count as passed.
 */
function judge(tests, results, id) {
  const result = results[id];
  if (result === undefined) return "untested";
  const other = tests.get(id).depends.find((other) => judge(tests, results, other) !== true);
  if (other) return `depends on ${other}`;
  return result === true || (Array.isArray(result) ? `${result[0]}: ${result[1]}` : String(result));
}

export async function run({ where, tests, names, id }) {
  const ports = [await freePort(), await freePort()];
  start(process.execPath, ["--no-warnings", join(here, "origin.mjs"), JSON.stringify(where), ...ports.map(String)]);
  await ready(ports[0]);
  const started = await startAll(names, ports);
  const byId = new Map(tests.map((test) => [test.id, test]));
  // One by one with an ID: what goes over the wire is printed.
  return eachOf(started, id ? 1 : undefined, async ({ name: row, port }) => {
    const results = await said(where, port, id);
    // Alone, a test is judged without those that it depends on; and so is what keeps nothing, on which all depend.
    const outcome = (test) => (id || row === BARE ? judge(new Map([[test, { depends: [] }]]), results, test) : judge(byId, results, test));
    return Object.fromEntries(tests.filter((test) => !id || test.id === id).map((test) => [test.id, outcome(test.id)]));
  });
}
