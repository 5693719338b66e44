// The core in Wasm, and calls into it.
import module from "./homing_bg.wasm";
import compiled from "homing-compiled";
import { configure, cookies_read, home_hint, initSync, passed_over, warnings } from "homing-wasm";
import { inside } from "../operators/wasm.mjs";
import { topologyOf } from "./vars.mjs";
import { readNames } from "./wire.mjs";

const wasm = initSync({ module });
// A trap leaves the stack pointer where it was; at rest it always has this value.
const stackAtRest = wasm.__stack_pointer.value;

/** What the core could not survive; said already. */
export class Panic extends Error {}

/** @param {string} message @param {object} [more] */
export const complain = (message, more) => console.error(JSON.stringify({ level: "error", message, ...more }));
/** @param {string} message */
const warn = (message) => message && console.warn(JSON.stringify({ level: "warn", message }));

/** Calls into Wasm. A panic there ends this request with 500 and nobody else's. @template T @param {() => T} work */
export function call(work) {
  try {
    return work();
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    complain("the router panicked", { error: String(error) });
    throw new Panic();
  }
}

/** What is configured, as the core wants it. @param {Env} env @returns {[vars: string, key: string, oldKey: string, originKey: string, flags: string]} */
export function settings(env) {
  const dev = env.DEV === true || env.DEV === "true" ? "dev" : "";
  return [topologyOf(env), env.SESSION_KEY ?? "", env.SESSION_KEY_OLD ?? "", env.ORIGIN_KEY ?? "", `${dev},${env.LOG ?? "all"}`];
}

/** @type {string | undefined} */
let configured; // undefined until tried, then "" or what is wrong

/** Configures the core by vars that are checked and compiled: those of the build were so then, others (changed in the dashboard) are here. @param {Env} env */
function configureBy(env) {
  const [vars, ...others] = settings(env);
  let known = compiled.get(vars);
  try {
    known ??= inside((operators) => operators.compiled(vars));
  } catch (wrong) {
    if (typeof wrong === "string") return wrong;
    // That Wasm failed, and not the vars: the next request tries again.
    complain("the configuration could not be checked", { error: String(wrong) });
    throw new Panic();
  }
  return call(() => configure(known, ...others));
}

/** Configures the core, once per isolate. Returns what is wrong with the configuration. @param {Env} env */
export function configuration(env) {
  if (configured === undefined) {
    configured = configureBy(env);
    if (configured) complain("the configuration is not served", { complaints: configured });
    else call(warnings).split("\n").forEach(warn);
  }
  return configured;
}

/** @type {import("./wire.mjs").Passed | undefined} */
let passed;

/** In what those who ask alike may differ. */
export const passedOver = () => (passed ??= { fields: new Set(readNames(call(passed_over))), cookies: readNames(call(cookies_read)) });

/** @type {DurableObjectNamespaceGetDurableObjectOptions | undefined} */
let options;

/** How objects are made that stand beside no region in particular: near the default home, whoever asks for them first. @param {Env} env */
export function place(env) {
  if (options === undefined) {
    const locationHint = configuration(env) ? "" : call(home_hint);
    options = locationHint ? { locationHint } : {};
  }
  return options;
}
