// `make conformance`: suites that nobody here wrote, against Homing and other proxies; README.md says how to read it.
//
// A suite is a module in suites/ with
//   name     as in the tables and in excuses.toml
//   kinds    the kinds of its tests that are counted, each a column
//   load()   -> { version, pinned, tests: [{ id, kind, group }], … }: `pinned` if it is what the tables are made with
//   run({ names, id, ...what load() gave }) -> { ROW: { ID: true, or why it did not pass } } for those of the named rows that it is about;
//            none, where it cannot be run here, of which it has to say why
// Nothing else knows the suites: a file more is a suite more.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesOf } from "./checkout.mjs";
import { BARE, OURS, ROWS, isThere } from "./contenders.mjs";
import { misshapen, surprises } from "./excuses.mjs";
import { groupTable, writeTables } from "./table.mjs";

const suites = join(dirname(fileURLToPath(import.meta.url)), "suites");
const list = (text) => text?.split(",").map((name) => name.trim());
const { ID: id, VERBOSE } = process.env;
const names = list(process.env.CONTENDERS) ?? (id ? ["homing"] : Object.keys(ROWS));

async function chosen() {
  const all = await Promise.all(filesOf(suites, ".mjs").map((file) => import(join(suites, file))));
  const wanted = list(process.env.SUITES) ?? all.map((suite) => suite.name);
  const unknown = wanted.find((name) => !all.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Error(`SUITES: found "${unknown}", expected some of: ${all.map((suite) => suite.name).join(", ")}`);
  return { all, some: all.filter((suite) => wanted.includes(suite.name)) };
}

const { all, some } = await chosen();
const wrong = misshapen(
  all.map((suite) => suite.name),
  OURS,
);
const done = [];
for (const suite of some) {
  const loaded = await suite.load();
  if (id && !loaded.tests.some((test) => test.id === id)) continue;
  console.log(`\n${suite.name}, ${loaded.version}`);
  const rows = await suite.run({ ...loaded, names, id });
  done.push({ ...suite, ...loaded, rows });
  if (id) {
    for (const [row, results] of Object.entries(rows)) console.log(`${row}: ${results[id] === true ? "passes" : results[id]}`);
    continue;
  }
  console.log(`\n${groupTable(suite, loaded.tests, rows)}`);
  const counted = loaded.tests.filter(({ kind }) => suite.kinds.includes(kind));
  for (const row of OURS.filter((name) => rows[name])) {
    if (VERBOSE) for (const test of loaded.tests) if (rows[row][test.id] !== true) console.log(`${row}: ${test.id} (${test.kind}): ${rows[row][test.id]}`);
    if (loaded.pinned) wrong.push(...surprises({ suite: suite.name, row, tests: counted, results: rows[row], bare: rows[BARE] }));
    else console.log(`${row} is not judged: excuses.toml is about another version of ${suite.name}`);
  }
}
if (id && !done.length) throw new Error(`ID: found "${id}", expected a test of ${some.map((suite) => suite.name).join(", ")}`);
if (id) process.exit(0);
for (const line of wrong) console.log(`unexpected: ${line}`);
const isWhole =
  some.length === all.length &&
  done.every((suite) => suite.pinned && suite.rows.homing) &&
  Object.keys(ROWS).every((row) => names.includes(row) && isThere(row));
console.log(wrong.length ? `\n${wrong.length} unexpected` : writeTables(done, isWhole));
process.exit(wrong.length ? 1 : 0);
