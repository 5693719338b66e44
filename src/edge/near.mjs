// What this isolate has found in the store a moment ago, in its own memory: an address that many ask for at once costs no I/O then. What
// lies here is what the store would have said, so the core judges it by the same rules; it is a second old at most, which is how much
// later than others this isolate learns what another one of its data centre has stored or removed.

/**
 * The fields, and the body if there is one.
 * @typedef {{ headers: Headers, bytes: Uint8Array | null }} Found
 * When a place was asked for.
 * @typedef {{ at: number }} Asked
 */

const KEPT_MS = 1000;
/** The largest body that lies here, in bytes, and the most of all of them, with their fields. */
export const LARGEST = 64 * 1024;
const MOST = 16 * 1024 * 1024;
/** So many bytes are counted for the fields of one, and for its place here. */
const BESIDES = 2048;
/** So many places that were asked for are remembered. */
const MOST_ASKED = 4096;

/** @type {Map<string, Found & { until: number }>} from the oldest on */
const places = new Map();
/** @type {Map<string, Asked>} */
const asked = new Map();
let size = 0;

/** @param {string} key */
function drop(key) {
  const found = places.get(key);
  if (!found) return;
  places.delete(key);
  size -= found.bytes === null ? BESIDES : found.bytes.byteLength + BESIDES;
}

/** What lies here under a key. @param {string} key @returns {Found | undefined} */
export function near(key) {
  const found = places.get(key);
  if (!found || found.until > Date.now()) return found;
  drop(key);
}

/**
 * Whether what the store has there is worth the memory, which it is when it is asked for twice in a second; if so, what to tell it by
 * (`keep`).
 * @param {string} key @returns {Asked | undefined}
 */
export function wanted(key) {
  const now = Date.now();
  const last = asked.get(key);
  if (last !== undefined && last.at > now - KEPT_MS) return last;
  if (asked.size >= MOST_ASKED) asked.clear();
  asked.set(key, { at: now });
}

/** What the store has said, if nothing has changed there since it was asked. @param {string} key @param {Asked} since @param {Found} found */
export function keep(key, since, { headers, bytes }) {
  if (asked.get(key) !== since) return;
  drop(key);
  size += (bytes?.byteLength ?? 0) + BESIDES;
  const now = Date.now();
  places.set(key, { headers, bytes, until: now + KEPT_MS });
  for (const [oldest, { until }] of places) {
    if (size <= MOST && until > now) break;
    drop(oldest);
  }
}

/** Something changes in the store under that key: what lies here is the old, and so may be what was asked for before. @param {string} key */
export function changed(key) {
  asked.delete(key);
  drop(key);
}

/** What counts may have changed for all. */
export function changedAll() {
  asked.clear();
  places.clear();
  size = 0;
}

/** How much lies here. */
export const held = () => ({ places: places.size, bytes: size });
