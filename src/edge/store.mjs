// The platform's store behind the edge cache: its places, and whether it is of any use. On workers.dev and behind Cloudflare Access it
// takes everything, keeps nothing and says neither; a rule of the zone may make it take several places for one.
import { within } from "./flights.mjs";
import { changed, remembered } from "./near.mjs";
import { cachedOrigins } from "./uncached.mjs";

/** Rules of the zone about what may be cached do not count here: a Worker's own word goes before them. */
const HERE = { cf: { cacheEverything: true } };

/** A place of the store. @param {string} key */
export const place = (key) => new Request(key, HERE);

/** Forgets what lies in a place: its URL names it, and no rule has a say in that. @param {string} key */
export function forget(key) {
  changed(key);
  return caches.default.delete(key).finally(() => changed(key));
}

// So many hosts are looked at, and what was stored there is looked for so often, with so many milliseconds in between.
const MOST_HOSTS = 8;
const LOOKS_MS = [0, 100, 1000];
const PATIENCE_MS = 500;

// What threw is looked at again after so long.
const AGAIN_MS = 30_000;

const hosts = new Map(); // origin -> a promise that ends once it is known, then whether the store keeps what is stored there; or from when on to look `again`
let mixes = false;
let refused = 0;
let why = ""; // it last refused something

/** The scheme and host of a URL. @param {string} url */
function originOf(url) {
  const end = url.indexOf("/", 8);
  return end < 0 ? url : url.slice(0, end);
}

/** Finds out, once for each host, behind a request, whether the store keeps what it gets. @param {string} url @param {ExecutionContext} ctx */
export function look(url, ctx) {
  const origin = originOf(url);
  // A host that is none can be anybody's.
  if (hosts.has(origin) ? !(hosts.get(origin).again <= Date.now()) : hosts.size >= MOST_HOSTS || !URL.canParse(url)) return;
  const looked = keeps(origin).then((kept) => hosts.set(origin, kept));
  hosts.set(origin, looked);
  ctx.waitUntil(looked);
}

/** Waits a little until that is known. @param {string} url */
export const looked = (url) => within(PATIENCE_MS, hosts.get(originOf(url))).catch(() => {});

/** @param {string} origin */
async function keeps(origin) {
  const [mine, other] = [crypto.randomUUID(), crypto.randomUUID()].map((name) => `${origin}/_homing/probe/${name}`);
  try {
    await caches.default.put(place(mine), new Response("here", { headers: { "cache-control": "max-age=60" } }));
    for (const ms of LOOKS_MS) {
      if (ms) await new Promise((resolve) => setTimeout(resolve, ms));
      if (!(await isThere(mine))) continue;
      if (await isThere(other)) mixed();
      await forget(mine);
      return true;
    }
    return false;
  } catch (error) {
    // That may pass, and says nothing of what the store keeps.
    why = String(error);
    return { again: Date.now() + AGAIN_MS };
  }
}

/** Whether anything lies in that place. @param {string} key */
export async function isThere(key) {
  const found = await caches.default.match(place(key));
  found?.body?.cancel().catch(() => {});
  return found !== undefined;
}

/** The store has handed out for one place what lies in another. */
export function mixed() {
  if (!mixes) console.error(JSON.stringify({ level: "error", message: MIXED }));
  mixes = true;
}

/** It did not take what was to be stored. @param {unknown} error */
export function refuses(error) {
  refused++;
  why = String(error);
}

const MIXED =
  "A rule of the zone makes the cache take several URLs for one: such stored responses count for nothing. Take /_homing/ out of rules about cache keys.";
const NOTHING =
  "The cache keeps nothing there: the platform has none for Workers on workers.dev or behind Cloudflare Access. Give the router a domain of its own, or a route of your zone.";

/** What is known of it, for operators. `effective` is null while nothing is. */
export function cacheState() {
  const known = [...hosts].filter(([, kept]) => typeof kept === "boolean");
  const useless = known.filter(([, kept]) => !kept).map(([origin]) => origin);
  const effective = known.length === 0 ? null : useless.length === 0 && !mixes;
  const { given_by_caches, says } = cachedOrigins();
  if (useless.length > 0) says.push(`${useless.join(", ")}: ${NOTHING}`);
  if (mixes) says.push(MIXED);
  if (refused > 0) says.push(`The cache has refused ${refused} responses; the last time because of: ${why}`);
  return { effective, hosts: Object.fromEntries(known), mixes, refused, why, in_memory: remembered(), given_by_caches, says };
}
