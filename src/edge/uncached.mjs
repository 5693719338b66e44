// What must be a region's own word, and of now: no cache between here and there may answer for it. A rule of the region's zone can make
// one do so all the same, so such an answer is told from others.

/** Of a fetch: the platform's own cache takes no part. Positive is how long it keeps; this is that it keeps nothing. */
export const UNCACHED = { cacheTtl: -1 };

/**
 * The same for a request of that method: the platform's cache has only to do with GET and HEAD, and to hand this on costs a tenth of a whole fetch.
 * @param {string} method
 */
export const uncached = (method) => (method === "GET" || method === "HEAD" ? UNCACHED : undefined);

// Statuses of Cloudflare's that mean that a stored response was used.
const STORED = /^\s*(HIT|STALE|UPDATING|REVALIDATED)\s*$/i;

/** Whether that is what Cloudflare says of an answer out of its cache. @param {string} cacheStatus */
export const isStored = (cacheStatus) => STORED.test(cacheStatus);

/** By which words an answer says that a cache has given it; empty if it does not. `Age` alone is enough (RFC 9111 section 5.1). @param {Response} response */
export function fromCache({ headers }) {
  const status = headers.get("cf-cache-status");
  if (status !== null && isStored(status)) return `cf-cache-status: ${status}`;
  const age = headers.get("age");
  return age === null ? "" : `age: ${age}`;
}

/**
 * Sends to a region: through the service binding of that name, or if there is none over the network.
 * @param {Env} env @param {string | null | undefined} service @param {string} url @param {RequestInit} init @returns {Promise<Response>}
 */
export function fetchFrom(env, service, url, init) {
  return service ? /** @type {Record<string, Fetcher>} */ (/** @type {unknown} */ (env))[service].fetch(url, init) : fetch(url, init);
}

const MOST_ORIGINS = 64;
const heard = new Map(); // origin, or name of a binding -> how many answers of its came from a cache

/** An answer to a request came from a cache in front of that origin: said once. What becomes of it the core decides. @param {string} origin */
export function hearsFromCache(origin) {
  const count = heard.get(origin) ?? 0;
  if (count === 0 && heard.size >= MOST_ORIGINS) return;
  if (count === 0) console.warn(JSON.stringify({ level: "warn", message: `${origin}: ${IN_ITS_PLACE}` }));
  heard.set(origin, count + 1);
}

const IN_ITS_PLACE =
  "a cache in front of the region answers in its place (CF-Cache-Status), where sessions must see what they wrote. Take its host out of Cache Rules that cache what the application does not declare.";

/** For which origins caches have answered, how often, and a sentence about each, for operators. */
export const cachedOrigins = () => ({ given_by_caches: Object.fromEntries(heard), says: [...heard.keys()].map((origin) => `${origin}: ${IN_ITS_PLACE}`) });

/** A URL that nobody has asked for before. @param {string} url */
export const nonced = (url) => `${url}${url.includes("?") ? "&" : "?"}n=${Date.now()}`;
