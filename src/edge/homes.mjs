// The homes in the home store (KV), from where the directory is: a cache of it, whose word is confirmed before it counts for somebody new.
import { few } from "./few.mjs";

// So many keys are read in one question, the platform's bound.
const KEYS = 100;

/** @import { Home } from "./wire.mjs" */

let isMissed = false;

/**
 * Whether there is a home store at all, which `homing check` sees to; if not, `complain` hears of it, once.
 * @param {Env} env @param {(message: string) => void} complain
 */
export function isBound(env, complain) {
  if (!env.HOMES && !isMissed) {
    complain("no home store is bound as HOMES, so nothing is published; add the KV namespace to wrangler.toml and deploy");
    isMissed = true;
  }
  return Boolean(env.HOMES);
}

/** @param {string} subject */
const key = (subject) => `home:${subject}`;

/** What is written there, if it is an ownership by a region of this version. @param {Env} env @param {string | null | undefined} text @returns {Home | null} */
function read(env, text) {
  try {
    const { home, epoch } = JSON.parse(text ?? "null") ?? {};
    return env.REGIONS?.[home] && Number.isSafeInteger(epoch) && epoch > 0 ? { home, epoch } : null;
  } catch {
    return null;
  }
}

/**
 * What the home store says of a subject, or null. Of one whom the directory does not know that may be the word of a directory that has
 * been lost, or of who has written there by hand: nobody may be given another home past it, and the region that it names says whether it is so.
 * @param {Env} env @param {string} subject
 */
export async function stored(env, subject) {
  return read(env, await env.HOMES?.get(key(subject)));
}

/** The same of many, by subject. @param {Env} env @param {string[]} subjects */
export async function storedOf(env, subjects) {
  /** @type {Map<string, Home>} */
  const found = new Map();
  for (let at = 0; env.HOMES && at < subjects.length; at += KEYS) {
    for (const [name, text] of await env.HOMES.get(subjects.slice(at, at + KEYS).map(key))) {
      const said = read(env, text);
      if (said) found.set(name.slice(key("").length), said);
    }
  }
  return found;
}

/** Puts a home that the directory has kept into the home store, if there is one. @param {Env} env @param {string} subject @param {Home} home */
export const put = async (env, subject, { home, epoch }) => env.HOMES?.put(key(subject), JSON.stringify({ epoch, home }));

/**
 * Puts such homes there, `[subject, home, epoch]` each; how many, and how many it did not take.
 * @param {Env} env @param {[subject: string, home: string, epoch: number][]} kept
 */
export async function publish(env, kept) {
  let failed = 0;
  await few(kept, ([subject, home, epoch]) => put(env, subject, { home, epoch }).catch(() => failed++));
  return { put: kept.length - failed, failed };
}
