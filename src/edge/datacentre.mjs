// What the isolates of one data centre read of the home store together: one of them asks it, and leaves what it got in the data centre's
// cache for the others. In a cache of its own, which no request and no rule for the application's paths reaches.
import { within } from "./flights.mjs";
import { place } from "./store.mjs";

const NAME = "homing-view";
const PATIENCE_MS = 1000;

/** What was found, key and text each, and when. @typedef {{ key?: string, at: number, found: [string, string | null][] }} Reading */

/** What was left there under that key less than `every` ms ago. @param {string} key @param {number} every @returns {Promise<Reading | undefined>} */
async function left(key, every) {
  try {
    const found = await within(
      PATIENCE_MS,
      caches.open(NAME).then((cache) => cache.match(place(key))),
    );
    const reading = found && (await found.json());
    const age = Date.now() - reading?.at;
    // What the cache has kept for longer than it should, or what another clock has left, counts no more.
    // So does what a rule of the zone hands out for another key.
    return reading?.key === key && age >= 0 && age < every ? reading : undefined;
  } catch {
    // Without a cache everybody asks for itself.
  }
}

/** @param {string} key @param {Reading} reading @param {number} every */
async function leave(key, reading, every) {
  const headers = { "cache-control": `max-age=${Math.ceil(every / 1000)}`, "content-type": "application/json" };
  try {
    await (await caches.open(NAME)).put(place(key), new Response(JSON.stringify(reading), { headers }));
  } catch {
    // As above.
  }
}

/**
 * What the home store holds under these keys, and when it was asked: `{ at, found }`, with `[key, text]` for each. Of the data centre's
 * cache, if it was left there by a router of the same configuration (`of`) less than `every` ms ago; or else of `ask`, which is then `own`. Where the platform has no cache (`*.workers.dev`, behind Access), everybody asks.
 * @param {string} url @param {{ keys: string[], every: number, of: string }} what @param {(keys: string[]) => Promise<Map<string, string | null>>} ask @returns {Promise<Reading & { own?: boolean, left?: Promise<void> }>}
 */
export async function together(url, { keys, every, of }, ask) {
  // The request is anybody's, and its host may be none that is a URL.
  const key = URL.parse(`/_homing/read/1/${of}/${keys.join(",")}`, url)?.href;
  const found = key && (await left(key, every));
  if (found) return found;
  const reading = { key, at: Date.now(), found: [...(await ask(keys))] };
  return { ...reading, own: true, left: key ? leave(key, reading, every) : undefined };
}
