// REDbot (redbot.org, by Mark Nottingham) looks at an ordinary application through each proxy, twice, and at the application itself: what
// it complains of through the proxy alone is the proxy's doing. It asks on its own for coded bodies, parts and confirmations.
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eachOf, startAll } from "../contenders.mjs";
import { notRun, python } from "../python.mjs";
import { application, paths } from "../redbot/application.mjs";

export const name = "REDbot";
export const kinds = ["required"];

const RELEASE = "redbot==2.7.1";
const RUN = join(dirname(fileURLToPath(import.meta.url)), "../redbot/run.py");
const ROUNDS = ["first", "again"];

export async function load() {
  try {
    const command = python("redbot", [RELEASE]);
    const tests = ROUNDS.flatMap((round) => paths.map((path) => ({ id: `${round} ${path}`, path, group: round, kind: "required" })));
    return { version: `${RELEASE.split("==")[1]} (pypi.org/project/redbot)`, pinned: true, command, tests };
  } catch (error) {
    return notRun(name, error);
  }
}

async function look(command, port, path) {
  const { stdout } = await promisify(execFile)(command, [RUN, `http://127.0.0.1:${port}${path}`], { encoding: "utf8", timeout: 120_000 });
  return JSON.parse(stdout);
}

const complaints = ({ notes }) =>
  new Map(notes.filter(([level]) => level === "bad" || level === "warning").map(([level, note, says]) => [note, `${level}: ${says}`]));

/** `true`, or what REDbot has to say of what a proxy makes of an answer that it does not say of the answer itself. */
function added(direct, found) {
  if (found.errors.length) return found.errors.join("; ");
  if (found.status !== direct.status) return `${found.status}, and not ${direct.status}`;
  const own = complaints(direct);
  const more = [...complaints(found)].filter(([note]) => !own.has(note)).map(([note, says]) => `${note}, ${says}`);
  return more.length === 0 || more.join("; ");
}

export async function run({ names, tests, command, id }) {
  if (tests.length === 0) return {};
  const origin = await application();
  const some = tests.filter((test) => !id || test.id === id);
  const direct = {};
  for (const path of new Set(some.map((test) => test.path))) direct[path] = await look(command, origin.port, path);
  const rows = await eachOf(await startAll(names, [origin.port, origin.port]), undefined, async ({ name: row, port }) => {
    const results = {};
    for (const test of some) {
      const found = await look(command, port, test.path);
      results[test.id] = added(direct[test.path], found);
      if (id) console.log(`${row}: ${JSON.stringify(found, null, 1)}`);
    }
    return results;
  });
  origin.stop();
  return rows;
}
