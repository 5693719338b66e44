// excuses.toml against what was found: each failure of Homing must stand in it, and nothing that passes may.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";

const FILE = join(dirname(fileURLToPath(import.meta.url)), "excuses.toml");
/** What an excuse may be: the section of a standard, our own choice, or something that no Worker can do. */
const FORM = /^(RFC \d+ section \d+(\.\d+)*|policy|platform): ./;

/** The excuses of one suite for one row: those for all rows, and its own. */
function excusesOf(all, suite, row) {
  const own = all[suite] ?? {};
  const forAll = Object.entries(own).filter(([, reason]) => typeof reason === "string");
  return new Map([...forAll, ...Object.entries(own[row] ?? {})]);
}

/** What is wrong with the file itself. */
export function misshapen(suites, rows) {
  const list = [];
  for (const [suite, entries] of Object.entries(parse(readFileSync(FILE, "utf8")))) {
    if (!suites.includes(suite)) list.push(`excuses.toml: found [${suite}], expected one of the suites: ${suites.join(", ")}`);
    for (const [key, value] of Object.entries(entries)) {
      const each = typeof value === "string" ? [[key, value]] : Object.entries(value);
      if (typeof value !== "string" && !rows.includes(key))
        list.push(`excuses.toml: found [${suite}.${key}], expected one of Homing's rows: ${rows.join(", ")}`);
      for (const [id, reason] of each)
        if (!FORM.test(reason)) list.push(`excuses.toml: ${suite} ${id}: found "${reason}", expected "RFC 9111 section 4.3: …", "policy: …" or "platform: …"`);
    }
  }
  return list;
}

/**
 * What differs: failures that nobody has explained, and explanations of what passes, is not there, or is not the platform's. `bare` is
 * what a Worker that only fetches has passed, if it was run.
 */
export function surprises({ suite, row, tests, results, bare = {} }) {
  const excuses = excusesOf(parse(readFileSync(FILE, "utf8")), suite, row);
  const list = [];
  for (const { id, kind } of tests) {
    const passed = results[id] === true;
    if (!passed && !excuses.has(id))
      list.push(`${suite}, ${row}: ${id} (${kind}): ${results[id] ?? "not run"}; mend it, or say in excuses.toml why it must be so`);
    if (bare[id] === true && excuses.get(id)?.startsWith("platform"))
      list.push(`${suite}, ${row}: ${id} is excused by the platform, and passes in a Worker that only fetches`);
    if (passed && excuses.has(id)) list.push(`${suite}, ${row}: ${id} passes; take it out of excuses.toml`);
  }
  const known = new Set(tests.map(({ id }) => id));
  for (const id of excuses.keys()) if (!known.has(id)) list.push(`${suite}, ${row}: ${id} is in excuses.toml, but not in the suite`);
  return list;
}
