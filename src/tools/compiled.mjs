// Checks and compiles what wrangler.toml configures, by the operators' Wasm of this build, so that no isolate has to: a Worker whose vars are
// those goes by what this has written, and one with others asks that Wasm itself. Vars with an error are left out; `homing check` names it.
//   node src/tools/compiled.mjs FOLDER FOLDER_OF_THE_OPERATORS_SIDE   -> FOLDER/compiled.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { topologyOf } from "../edge/vars.mjs";

const root = join(import.meta.dirname, "../..");

/** The compiled form of each of these vars, by their text. @param {string} folder of the operators' side @param {object[]} all @returns {Promise<[string, string][]>} */
export async function compiledBy(folder, all) {
  const operators = await import(join(folder, "operators.js"));
  operators.initSync({ module: new WebAssembly.Module(readFileSync(join(folder, "operators_bg.wasm"))) });
  return all.map(topologyOf).flatMap((vars) => {
    try {
      return [/** @type {[string, string]} */ ([vars, operators.compiled(vars)])];
    } catch (wrong) {
      if (typeof wrong !== "string") throw wrong;
      return [];
    }
  });
}

if (process.argv[1] === import.meta.filename) {
  const [folder, operators] = process.argv.slice(2).map((one) => join(root, one));
  const { vars = {}, env = {} } = /** @type {any} */ (parse)(readFileSync(join(root, "wrangler.toml"), "utf8"));
  const all = await compiledBy(operators, [vars, ...Object.values(env).map(({ vars = {} }) => vars)]);
  writeFileSync(join(folder, "compiled.mjs"), `export default new Map(${JSON.stringify(all, undefined, 1)});\n`);
}
