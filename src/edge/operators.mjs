// The operators' side: a Wasm of its own, which nothing on the way of a request touches, set up when it is first needed.
import module from "./operators_bg.wasm";
import { api as answer, authority, configure, initSync } from "homing-operators";
import { snapshot, suggestions } from "homing-wasm";
import { ask } from "./authority.mjs";
import { call, settings } from "./core.mjs";

let wasm;
let stackAtRest;

function ready(env) {
  if (wasm) return;
  const loaded = initSync({ module });
  const wrong = configure(...settings(env));
  if (wrong) throw new Error(wrong);
  [wasm, stackAtRest] = [loaded, loaded.__stack_pointer.value];
}

/** Answers a request to `/_homing/*`. */
export function api(request, env) {
  ready(env);
  return answer(request, env, {
    ask: (input) => ask(env, input),
    snapshot: (health) => call(() => snapshot(Date.now(), health)),
    suggestions: (asToml) => call(() => suggestions(asToml)),
  });
}

/** One turn of the authority: what comes in, and what it comes to. */
export function turn(env, ledger, input) {
  ready(env);
  try {
    return JSON.parse(authority(ledger, input, Date.now()));
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    throw error;
  }
}
