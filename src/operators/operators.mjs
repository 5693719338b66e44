// The operators' side: a Wasm of its own, which nothing on the way of a request touches, set up when it is first needed.
import module from "./operators_bg.wasm";
import * as core from "homing-operators";
import { snapshot, suggestions } from "homing-wasm";
import { ask, note } from "./authority.mjs";
import { call, settings } from "../edge/core.mjs";
import { examine } from "./doctor.mjs";
import { keep } from "../edge/shards.mjs";
import { cacheState, looked } from "../edge/store.mjs";

let wasm;
let stackAtRest;
let wrong = ""; // what is wrong with the configuration

function ready(env) {
  if (wasm) return;
  const loaded = core.initSync({ module });
  wrong = core.configure(...settings(env));
  [wasm, stackAtRest] = [loaded, loaded.__stack_pointer.value];
}

/** Calls into the operators' Wasm, set up. What it throws is for the caller to say; a trap there harms no later call. */
export function operate(env, work) {
  ready(env);
  if (wrong) throw new Error(wrong);
  try {
    return work(core);
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    throw error;
  }
}

/** Answers a request to `/_homing/*`; where the configuration is wrong, only what `homing doctor` asks. */
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

/** Tells the directory of homes that are known beforehand; what is to be noted goes into the audit log. */
async function keepHomes(env, { kind, homes, dry_run, kv, note: what, actor, reason }) {
  if (what) await note(env, { at: Date.now(), actor, reason, dry_run, what });
  return JSON.stringify({ status: 200, body: { ...(await keep(env, kind, homes, dry_run, kv)), dry_run } });
}

/** One turn of the authority: what comes in, and what it comes to. */
export const turn = (env, ledger, input) => operate(env, (core) => JSON.parse(core.authority(ledger, input, Date.now())));
