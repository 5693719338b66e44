// The tables: one for each suite on the terminal, and the one that README shows.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../bench/world.mjs";
import { BARE, ROWS, titleOf } from "./contenders.mjs";

/** Where a table stands, and of which suites: of all, where nothing is said. */
const PLACES = [{ file: "README.md" }, { file: "src/core/cache/README.md", of: ["cache-tests"] }];
const [BEGIN, END] = ["<!-- conformance: `make conformance` writes what stands here -->\n", "<!-- end of conformance -->\n"];

/** How many of the tests of a kind passed, and how many there are. */
function count(tests, results, kind) {
  const of = tests.filter((test) => test.kind === kind);
  return [of.filter((test) => results[test.id] === true).length, of.length];
}

/** Passed and all by group, for each row that was run. */
export function groupTable({ kinds }, tests, rows) {
  const shown = Object.keys(ROWS).filter((row) => rows[row]);
  const cells = (some) =>
    shown.map((row) =>
      kinds
        .map((kind) => count(some, rows[row], kind))
        .map(([passed, all]) => (all ? `${passed}/${all}` : "-"))
        .join("  "),
    );
  const groups = [...new Set(tests.map((test) => test.group ?? ""))];
  const lines = [
    [kinds.join(", "), ...shown],
    ...groups.map((group) => [group, ...cells(tests.filter((test) => (test.group ?? "") === group))]),
    ["all", ...cells(tests)],
  ];
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  return lines
    .map((line) =>
      line
        .map((text, at) => text.padEnd(widths[at]))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

/** README's table: a row for each contender, a column for each kind of each suite. */
export function readmeTable(suites) {
  const columns = suites.flatMap((suite) => suite.kinds.map((kind) => ({ suite, kind, all: suite.tests.filter((test) => test.kind === kind).length })));
  const head = ["", ...columns.map(({ suite, kind, all }) => `${suite.name}${suite.kinds.length > 1 ? `: ${kind}` : ""}, of ${all}`)];
  const rows = Object.keys(ROWS)
    .filter((row) => row !== BARE && suites.some((suite) => suite.rows[row]))
    .map((row) => [titleOf(row), ...columns.map(({ suite, kind }) => (suite.rows[row] ? String(count(suite.tests, suite.rows[row], kind)[0]) : ""))]);
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const table = [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n").replace("|  |", "| |");
  return `${table}\n\nThe suites: ${suites.map((suite) => `${suite.name} ${suite.version}`).join("; ")}.\n`;
}

/** Puts the tables into their places, if all was run; returns a sentence about it. */
export function writeTables(suites, isWhole) {
  if (!isWhole) return "\nthe tables are as they were: they take every suite and every row";
  const changed = PLACES.filter(({ file, of }) => write(join(root, file), readmeTable(suites.filter(({ name }) => !of || of.includes(name)))));
  return changed.length ? `\n${changed.map(({ file }) => file).join(" and ")} showed other figures, and show these now` : "\nREADME.md shows these figures";
}

/** Puts a table between its marks; whether anything is new. */
function write(file, table) {
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file}: found no place for the table, expected the lines ${BEGIN.trim()} and ${END.trim()}`);
  const now = `${text.slice(0, from + BEGIN.length)}\n${table}\n${text.slice(to)}`;
  if (now !== text) writeFileSync(file, now);
  return now !== text;
}
