// `make size`: what the hot path's Wasm consists of, and what each part of it adds to the gzipped module; README.md says how to read it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { readWasm } from "./wasm.mjs";

const root = join(import.meta.dirname, "../..");
const FILE = process.env.WASM || join(root, "build/profile/homing_bg.wasm");
const TOP = Number(process.env.TOP || 40);
const bound = Number(/^LARGEST=\$\(\((\d+) \* 1024\)\)/m.exec(readFileSync(join(root, "src/tools/build.sh"), "utf8"))?.[1]) * 1024;

const module = readFileSync(FILE);
const { sections, functions, data, imported, table, exported } = readWasm(module);
const custom = sections.filter(({ name }) => name === "name");

/** The module without those places, gzipped. @param {{ from: number, to: number }[]} places */
function gzippedWithout(places) {
  const kept = [];
  let at = 0;
  for (const { from, to } of [...custom, ...places].sort((a, b) => a.from - b.from)) kept.push(module.subarray(at, from)), (at = to);
  return gzipSync(Buffer.concat([...kept, module.subarray(at)]), { level: 9 }).length;
}

const whole = gzippedWithout([]);
/** What those places add to the gzipped module. @param {{ from: number, to: number }[]} places */
const gzipped = (places) => whole - gzippedWithout(places);
const size = (/** @type {{ from: number, to: number }[]} */ places) => places.reduce((sum, { from, to }) => sum + to - from, 0);

/** @param {string} title @param {string[]} head @param {(string | number)[][]} rows */
function print(title, head, rows) {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at].length)));
  const line = (/** @type {string[]} */ row) => row.map((cell, at) => (at ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join("  ");
  console.log(`\n${title}\n${all.map((row) => line(row).trimEnd()).join("\n")}`);
}

/** @param {any[]} list @param {(one: any) => string} key @returns {[string, any[]][]} */
function grouped(list, key) {
  const groups = new Map();
  for (const one of list) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return [...groups].sort(([, a], [, b]) => size(b) - size(a));
}

/** Whose code a function is: the crate, and of the core the folder and its part. A trait's method is its type's. @param {{ name: string, index: number }} func */
function owner({ name, index }) {
  // What is called once, the optimiser has put into its caller.
  if (exported.has(index)) return `export ${exported.get(index)}`;
  const core = /homing_core::([a-z_]+)(?:::([a-z_]+))?/.exec(name);
  if (core) return `homing_core::${core[1]}${core[2] && (core[1] === "topology" || core[1] === "observe") ? `::${core[2]}` : ""}`;
  const [, crate, part] = /(?:^|[<& ])([a-z_][a-z0-9_]*)::([a-z_0-9]*)/.exec(name) ?? [];
  return ["core", "alloc", "std"].includes(crate) ? `${crate}::${part}` : (crate ?? "other");
}

/**
 * What would go with each function: itself, and what is reached by it alone (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm").
 * Who is called through the table is reached from everywhere.
 */
function retained() {
  const roots = [...exported.keys(), ...table].filter((index) => index >= imported.length);
  const calls = new Map(functions.map(({ index, calls }) => [index, [...calls]]));
  const order = [];
  const seen = new Set();
  const visit = (/** @type {number} */ index) => {
    if (seen.has(index) || index < imported.length) return;
    seen.add(index);
    for (const callee of calls.get(index) ?? []) visit(callee);
    order.push(index);
  };
  for (const root of roots) visit(root);
  const rank = new Map(order.map((index, at) => [index, at]));
  const ROOT = order.length;
  const by = order.map(() => []);
  for (const root of roots) by[rank.get(root)].push(ROOT);
  for (const index of order) for (const callee of calls.get(index) ?? []) if (rank.has(callee)) by[rank.get(callee)].push(rank.get(index));
  const dominator = new Array(order.length + 1);
  dominator[ROOT] = ROOT;
  const both = (/** @type {number} */ a, /** @type {number} */ b) => {
    while (a !== b) a < b ? (a = dominator[a]) : (b = dominator[b]);
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = ROOT - 1; at >= 0; at--) {
      const known = by[at].filter((one) => dominator[one] !== undefined);
      const found = known.reduce((a, b) => both(a, b));
      if (dominator[at] !== found) (dominator[at] = found), (changed = true);
    }
  }
  const parts = new Map(functions.map((func) => [func.index, func]));
  const kept = new Map(order.map((index) => [index, [parts.get(index)]]));
  // Who is dominated comes before who dominates.
  order.forEach((index, at) => {
    if (dominator[at] !== ROOT) kept.get(order[dominator[at]]).push(...kept.get(index));
  });
  return kept;
}

/** What the data consists of: paths of sources for panics, the places in them, other text, and the rest. */
function dataKinds() {
  const bytes = Buffer.concat(data.map(({ from, to }) => module.subarray(from, to)));
  const text = bytes.toString("latin1");
  let paths = 0;
  let places = 0;
  for (const segment of data) {
    const part = module.subarray(segment.from, segment.to);
    for (const found of part.toString("latin1").matchAll(/[\w./-]*?[\w-]\.rs/g)) {
      paths += found[0].length;
      // A place is pointer, length, line and column. Two paths that touch are found as one text, of which each has a pointer of its own.
      const pointer = Buffer.alloc(4);
      pointer.writeUInt32LE(segment.address + found.index);
      for (let at = bytes.indexOf(pointer); at >= 0; at = bytes.indexOf(pointer, at + 1)) places++;
    }
  }
  const letters = text.match(/[\x20-\x7e\n]{4,}/g)?.reduce((sum, run) => sum + run.length, 0) ?? 0;
  return { paths, places: places * 16, letters: letters - paths, rest: bytes.length - letters - places * 16 };
}

/** What only those exports and functions reach together. @param {string[]} without */
function onlyReachedBy(without) {
  const gone = new Set(functions.filter(({ index, name }) => without.includes(name) || without.includes(exported.get(index))).map(({ index }) => index));
  const calls = new Map(functions.map(({ index, calls }) => [index, calls]));
  const seen = new Set();
  const next = [...exported.keys(), ...table];
  for (let index = next.pop(); index !== undefined; index = next.pop())
    if (!seen.has(index) && !gone.has(index)) seen.add(index), next.push(...(calls.get(index) ?? []));
  return functions.filter(({ index }) => !seen.has(index));
}

const kb = (/** @type {number} */ bytes) => (bytes / 1024).toFixed(1);
const kept = retained();
console.log(
  `${FILE.replace(`${root}/`, "")}: ${kb(module.length - size(custom))} KB without its names, ${kb(whole)} KB gzipped of at most ${kb(bound)}: ${kb(bound - whole)} KB are free.
"gzipped" is what the module would be smaller by without that part, "retained" the same for a function with all that only it reaches.`,
);
print(
  "sections, KB",
  ["raw", "gzipped", "section"],
  sections.filter((one) => one.name !== "name" && one.to - one.from > 64).map((one) => [kb(size([one])), kb(gzipped([one])), one.name]),
);
print(
  "functions by owner, KB",
  ["raw", "gzipped", "functions", "owner"],
  grouped(functions, owner).map(([name, list]) => [kb(size(list)), kb(gzipped(list)), list.length, name]),
);
print(
  `the ${TOP} largest functions, bytes`,
  ["raw", "gzipped", "retained raw", "retained gzipped", "function"],
  functions
    .toSorted((a, b) => size([b]) - size([a]))
    .slice(0, TOP)
    .map((func) => {
      const all = kept.get(func.index) ?? [func];
      return [size([func]), gzipped([func]), size(all), gzipped(all), func.name];
    }),
);
print(
  "exports, bytes",
  ["retained raw", "retained gzipped", "functions", "export"],
  [...exported]
    .map(([index, name]) => [size(kept.get(index) ?? []), gzipped(kept.get(index) ?? []), (kept.get(index) ?? []).length, name])
    .sort((a, b) => Number(b[0]) - Number(a[0]))
    .filter(([raw]) => Number(raw) > 400),
);
print(
  "several functions of one name (instances of a generic one, or its closures), bytes",
  ["raw", "but the largest", "functions", "name"],
  grouped(functions, ({ name }) => name)
    .filter(([, list]) => list.length > 1)
    .map(([name, list]) => [size(list), size(list) - Math.max(...list.map((one) => size([one]))), list.length, name])
    .sort((a, b) => Number(b[1]) - Number(a[1]))
    .slice(0, TOP / 2),
);
const kinds = dataKinds();
print(
  "data, bytes",
  ["raw", "kind"],
  [
    [kinds.paths, "paths of sources, for panics"],
    [kinds.places, "places in them"],
    [kinds.letters, "other text"],
    [kinds.rest, "tables and the rest"],
  ],
);
for (const names of (process.env.WITHOUT ?? "").split(" ").filter(Boolean)) {
  const left = onlyReachedBy(names.split(","));
  print(
    `only reached by ${names}: ${kb(size(left))} KB, gzipped ${kb(gzipped(left))} KB`,
    ["raw", "function"],
    left
      .toSorted((a, b) => size([b]) - size([a]))
      .slice(0, TOP)
      .map((func) => [size([func]), func.name]),
  );
}
