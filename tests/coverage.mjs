// node tests/coverage.mjs LINES.info REGIONS.json: the share of the core's lines and regions that ran, without its tests' own, and the
// files of which least ran. llvm-cov's own sum would count the unit tests that stand in the same files, all of which run.
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const [linesOf, regionsOf] = process.argv.slice(2);
const LEAST = 12;

/** @typedef {{ lines: number, ran: number, regions: number, entered: number }} File */
/** @type {Map<string, { until: number, of: File } | undefined>} */
const files = new Map();

/** The file of the core, and the line at which its tests begin; nothing for what is no file of the core, or holds tests alone. */
function file(/** @type {string} */ path) {
  if (files.has(path)) return files.get(path);
  const name = relative(root, path);
  const isCode = name.startsWith("src/core/") && !name.endsWith("_tests.rs") && !name.endsWith("/tests.rs");
  const text = isCode ? readFileSync(path, "utf8").split("\n") : [];
  const tests = text.findIndex((line, at) => line === "#[cfg(test)]" && /^(mod|#\[path)/.test(text[at + 1] ?? ""));
  const entry = isCode ? { until: tests < 0 ? Infinity : tests, of: { lines: 0, ran: 0, regions: 0, entered: 0 } } : undefined;
  files.set(path, entry);
  return entry;
}

let at;
for (const line of readFileSync(linesOf, "utf8").split("\n")) {
  if (line.startsWith("SF:")) at = file(line.slice(3));
  const [, number, count] = /^DA:(\d+),(\d+)/.exec(line) ?? [];
  if (!at || !number || Number(number) > at.until) continue;
  at.of.lines++;
  if (count !== "0") at.of.ran++;
}

// One piece of source may be compiled many times: generics, and the crate once with its tests and once without. It ran if one of them did.
/** @type {Map<string, boolean>} */
const regions = new Map();
for (const { functions } of JSON.parse(readFileSync(regionsOf, "utf8")).data)
  for (const { filenames, regions: own } of functions)
    for (const [line, column, toLine, toColumn, count, which, , kind] of own) {
      const place = `${filenames[which]}\n${line}:${column}-${toLine}:${toColumn}`;
      if (kind === 0 && line <= (file(filenames[which])?.until ?? 0)) regions.set(place, (regions.get(place) ?? false) || count > 0);
    }
for (const [place, ran] of regions) {
  const of = /** @type {{ of: File }} */ (file(place.split("\n")[0])).of;
  of.regions++;
  if (ran) of.entered++;
}

const share = (/** @type {number} */ part, /** @type {number} */ whole) => `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
const all = [...files].flatMap(([path, entry]) => (entry && entry.of.regions > 0 ? [{ name: relative(root, path), ...entry.of }] : []));
const sum = (/** @type {keyof File} */ key) => all.reduce((total, one) => total + one[key], 0);
const missing = (/** @type {File} */ one) => one.regions - one.entered;
for (const one of all.sort((a, b) => missing(b) - missing(a)).slice(0, LEAST))
  console.log(`${one.name}: ${share(one.ran, one.lines)} of the lines, ${share(one.entered, one.regions)} of the regions; ${missing(one)} regions did not run`);
console.log(`the core: ${share(sum("ran"), sum("lines"))} of ${sum("lines")} lines, ${share(sum("entered"), sum("regions"))} of ${sum("regions")} regions`);
