// The operators' side: a Wasm of its own, which nothing on the way of a request touches, set up when it is first needed.
import module from "./operators_bg.wasm";
import * as core from "homing-operators";
import { snapshot, suggestions } from "homing-wasm";
import { ask, note } from "./authority.mjs";
import { call, settings } from "../edge/core.mjs";
import { examine } from "./doctor.mjs";
import { keep } from "../edge/shards.mjs";
import { cacheState, looked } from "../edge/store.mjs";

/** @type {ReturnType<typeof core.initSync> | undefined} */
let wasm;
/** @type {number} */
let stackAtRest;
let wrong = ""; // what is wrong with the configuration

/** @param {Env} env @returns {ReturnType<typeof core.initSync>} */
function ready(env) {
  if (wasm) return wasm;
  const loaded = core.initSync({ module });
  wrong = core.configure(...settings(env));
  [wasm, stackAtRest] = [loaded, loaded.__stack_pointer.value];
  return loaded;
}

/**
 * Calls into the operators' Wasm, set up. What it throws is for the caller to say; a trap there harms no later call.
 * @template T @param {Env} env @param {(wasm: typeof core) => T} work
 */
export function operate(env, work) {
  const loaded = ready(env);
  if (wrong) throw new Error(wrong);
  try {
    return work(core);
  } catch (error) {
    loaded.__stack_pointer.value = stackAtRest;
    throw error;
  }
}

/** Answers a request to `/_homing/*`; where the configuration is wrong, only what `homing doctor` asks. @param {Request} request @param {Env} env */
export async function api(request, env) {
  ready(env);
  await looked(request.url);
  return core.api(request, env, {
    ask: (input) => ask(env, input),
    keepHomes: (list) => keepHomes(env, JSON.parse(list)),
    snapshot: () => call(() => snapshot(Date.now())),
    cache: () => JSON.stringify(cacheState()),
    examine: (told) => examine(request, env, JSON.parse(told), wrong),
    suggestions: (asToml) => call(() => suggestions(asToml)),
  });
}

/**
 * Tells the directory of homes that are known beforehand; what is to be noted goes into the audit log.
 * @param {Env} env @param {{ kind: string, homes: import("../edge/shards.mjs").Known[], dry_run: boolean, kv: boolean, note?: string, actor: string, reason: string }} order
 */
async function keepHomes(env, { kind, homes, dry_run, kv, note: what, actor, reason }) {
  if (what) await note(env, { at: Date.now(), actor, reason, dry_run, what });
  return JSON.stringify({ status: 200, body: { ...(await keep(env, kind, homes, dry_run, kv)), dry_run } });
}

/**
 * One turn of the authority: what comes in, and what it comes to.
 * @param {Env} env @param {string} ledger @param {string} input @returns {{ ledger: string, effects: (import("./authority.mjs").Effect | import("./authority.mjs").Audit)[], reply: unknown, wake?: number }}
 */
export const turn = (env, ledger, input) => operate(env, (core) => JSON.parse(core.authority(ledger, input, Date.now())));
