// The operators' side: what its Wasm is asked for. No request touches it, but for the first of an isolate whose vars the build has not seen.
import { snapshot, suggestions } from "homing-wasm";
import { ask, note } from "./authority.mjs";
import { call, settings } from "../edge/core.mjs";
import { examine } from "./doctor.mjs";
import { keep } from "../edge/shards.mjs";
import { cacheState, looked } from "../edge/store.mjs";
import { inside } from "./wasm.mjs";

/** @type {string | undefined} */
let configured; // undefined until tried, then "" or what is wrong with the configuration

/** @param {Env} env @returns {string} */
const ready = (env) => (configured ??= inside((core) => core.configure(...settings(env))));

/**
 * Calls into the operators' Wasm, set up. What it throws is for the caller to say.
 * @template T @param {Env} env @param {(wasm: typeof import("homing-operators")) => T} work
 */
export function operate(env, work) {
  const wrong = ready(env);
  if (wrong) throw new Error(wrong);
  return inside(work);
}

/** Answers a request to `/_homing/*`; where the configuration is wrong, only what `homing doctor` asks. @param {Request} request @param {Env} env */
export async function api(request, env) {
  const wrong = ready(env);
  await looked(request.url);
  /** @type {import("homing-operators").Router} */
  const router = {
    ask: (input) => ask(env, input),
    keepHomes: (list) => keepHomes(env, JSON.parse(list)),
    snapshot: () => call(() => snapshot(Date.now())),
    cache: () => JSON.stringify(cacheState()),
    examine: (told) => examine(request, env, JSON.parse(told), wrong),
    suggestions: () => call(suggestions),
  };
  return inside((core) => core.api(request, env, router));
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
