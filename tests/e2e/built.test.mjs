// What the build does beforehand: it checks and compiles the vars of wrangler.toml, so that an isolate with them starts without asking the
// operators' Wasm; and it tells nobody where it was made.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { compiledBy } from "../../src/tools/compiled.mjs";
import { root, startRegions, startRouter, stopAll, topology, wrangler } from "./harness.mjs";

const BUILD = "build/alone";
/** A module in which there is nothing: a call of the operators' Wasm fails. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

let regions;
before(async () => (regions = await startRegions()));
after(stopAll);

const found = async (url) => (await fetch(new URL("/api/catalog/1", url))).status;

test("an isolate with the vars of its build asks the operators' Wasm for nothing, and one with others asks it", async () => {
  const vars = topology(regions);
  mkdirSync(join(root, BUILD), { recursive: true });
  copyFileSync(join(root, "build/homing_bg.wasm"), join(root, BUILD, "homing_bg.wasm"));
  writeFileSync(join(root, BUILD, "operators_bg.wasm"), EMPTY);
  // The regions' ports are not those of wrangler.toml.
  const [[text, compiled]] = await compiledBy(join(root, "build"), [vars]);
  const known = `\ncompiled_default.set(${JSON.stringify(text)}, ${JSON.stringify(compiled)});\n`;
  writeFileSync(join(root, BUILD, "worker.mjs"), readFileSync(join(root, "build/worker.mjs"), "utf8") + known);
  const [own, other] = [await startRouter({ vars, build: BUILD }), await startRouter({ vars: { ...vars, EDGE_NAME: "other" }, build: BUILD })];
  assert.equal(await found(own.url), 200);
  assert.equal(await found(other.url), 500);
  const whole = await startRouter({ vars: { ...vars, EDGE_NAME: "other" } });
  assert.equal(await found(whole.url), 200);
});

test("the build has compiled the vars of wrangler.toml, as they are bound", async () => {
  const { default: compiled } = await import(join(root, "build/compiled.mjs"));
  const [[text, expected]] = await compiledBy(join(root, "build"), [{ ...wrangler.vars, ANOTHER: "binding" }]);
  assert.equal(compiled.get(text), expected);
  assert.ok(compiled.size === 1 && expected.length > 0);
});

test("vars with an error are not compiled", async () => {
  assert.deepEqual(await compiledBy(join(root, "build"), [{ REGIONS: {} }, {}]), []);
});

test("no file of the build names a folder of the machine that it was built on", () => {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  // The standard library may have been built here too, with crates of its own; what rustup brings names them without a folder.
  const isOurs = (path) => {
    const [, name, version] = /\/([\w-]+)-(\d+\.\d+\.\d+[^/]*)\/[^]*$/.exec(path) ?? [];
    return lock.includes(`name = "${name}"\nversion = "${version}"`);
  };
  const named = (text, folder) =>
    text
      .split(`${folder}/`)
      .slice(1)
      .map((rest) => `${folder}/${rest.split(".rs")[0]}.rs`);
  for (const file of ["homing_bg.wasm", "operators_bg.wasm"]) {
    const text = readFileSync(join(root, "build", file), "latin1");
    assert.ok(named(text, "cargo").some(isOurs), "no place of a panic is named at all");
    assert.deepEqual(named(text, homedir()).filter(isOurs), [], file);
    assert.deepEqual(named(text, root), [], file);
  }
});
