// The objects that hold what must not be lost, the directory's shards and the authority: how they are reached, and what is asked twice.
import { within } from "./flights.mjs";

/** A question that took longer to fail is not put again: the request that waits for the answer has none of that time left. */
const AGAIN_MS = 1000;
/** Where the home store says for which jurisdiction the objects were made, and how long that is waited for. */
const KEY = "jurisdiction";
const PATIENCE_MS = 500;
const LOOK_AGAIN_MS = 30_000;

/** In development there is no jurisdiction, since workerd knows none. @param {Env} env */
const isDevelopment = ({ DEV }) => DEV === true || DEV === "true";

/** The jurisdiction that the objects must not leave, if one is configured. @param {Env} env */
const jurisdiction = (env) => (isDevelopment(env) ? "" : env.JURISDICTION) || "";

/**
 * A new stub of the object of that name, which is made as `options` say if there is none.
 * @template {"DIRECTORY" | "AUTHORITY"} B @param {Env} env @param {B} binding @param {string} name @param {DurableObjectNamespaceGetDurableObjectOptions} options @returns {Remote<Objects[B]>}
 */
export function stub(env, binding, name, options) {
  const inside = jurisdiction(env);
  const namespace = inside ? env[binding].jurisdiction(inside) : env[binding];
  return /** @type {any} */ (namespace.get(namespace.idFromName(name), options));
}

/**
 * What an object answers. It is asked once more, by a new stub (the old one stays broken), where the platform says that this helps: a
 * deploy or a failing machine resets objects (`retryable`); one that has too much to do already (`overloaded`) is left alone. The first
 * question may have been carried out all the same, so this is for what may be asked twice.
 * @template S, T @param {() => S} stub @param {(stub: S) => Promise<T>} question @returns {Promise<T>}
 */
export async function asked(stub, question) {
  const began = Date.now();
  try {
    return await question(stub());
  } catch (thrown) {
    const error = /** @type {{ retryable?: boolean, overloaded?: boolean } | undefined} */ (thrown);
    if (!error?.retryable || error.overloaded || Date.now() - began > AGAIN_MS) throw thrown;
    return question(stub());
  }
}

let settled = false;
let lookAgain = 0; // when the home store is asked again that did not say

/**
 * Throws if the objects that are configured are not those in which this deployment keeps its homes. An object of one jurisdiction and
 * that of the same name outside of it are two, so whoever configures another one later, or none, would find an empty directory, and
 * everybody would get a home anew. While the home store does not say, the objects are asked as configured: it is a cache, and without
 * it nothing else fails either.
 * @param {Env} env
 */
export async function settle(env) {
  if (settled || isDevelopment(env) || !env.HOMES || Date.now() < lookAgain) return;
  const wanted = jurisdiction(env);
  let isUsed, said;
  try {
    // In this order: the mark is there before anything else is.
    isUsed = wanted !== "" && (await within(PATIENCE_MS, hasHomes(env.HOMES)));
    said = await within(PATIENCE_MS, env.HOMES.get(KEY));
  } catch {
    // Not by each request, which would all wait for it.
    lookAgain = Date.now() + LOOK_AGAIN_MS;
    return;
  }
  const there = said ?? (isUsed ? "" : wanted);
  if (there !== wanted) {
    const named = (/** @type {string} */ name) => (name === "" ? "none" : JSON.stringify(name));
    throw new Error(
      `JURISDICTION: found ${named(wanted)}, but this deployment keeps its homes in ${named(there)}; write that again: it is chosen once, before the first deployment`,
    );
  }
  if (said === null && wanted !== "") await env.HOMES.put(KEY, wanted);
  settled = true;
}

/** Whether anybody has a home, or anything was ordered. @param {KVNamespace} homes */
async function hasHomes(homes) {
  return (await homes.get("view")) !== null || (await homes.list({ prefix: "home:", limit: 1 })).keys.length > 0;
}
