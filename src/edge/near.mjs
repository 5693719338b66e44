// Stored responses that this isolate has found in the store a moment ago, in its own memory: one that many ask for at once costs no I/O
// then. The core judges them by the same rules; only what another isolate has changed there meanwhile shows here later, by a second at
// most. They answer, and nothing else: what is stored again must be what the store still has.
import { lasts } from "./remembered.mjs";

/**
 * The fields, and the body if there is one; the entry that they make, once somebody has asked for it.
 * @typedef {{ headers: Headers, bytes: Uint8Array | null, entry?: import("./entries.mjs").Entry }} Found
 * A look into the store under a key: when it began, and whether its body is read for this memory.
 * @typedef {{ at: number, reads: boolean }} Look
 */

const KEPT_MS = 1000;
/** The largest body that is remembered, in bytes, and the most of all that is. */
export const LARGEST = 64 * 1024;
const MOST = 16 * 1024 * 1024;
/** So many keys that were looked for are known. */
const MOST_LOOKS = 4096;

/** @type {Map<string, Found & { size: number, until: number, url?: string }>} from the oldest on */
const entries = new Map();
/** @type {Map<string, string>} the key of what is remembered, by the URL by which it was asked for last */
const keys = new Map();
/** @type {Map<string, Look>} the last of each key */
const looks = new Map();
let size = 0;
let view = ""; // by which they were judged
let givenAgain = 0; // so many answers

/** How much header fields take, in bytes. @param {Headers} headers */
export const sizeOf = (headers) => {
  let size = 0;
  headers.forEach((value, name) => (size += name.length + value.length + 4));
  return size;
};

/** @param {string} key */
function drop(key) {
  const found = entries.get(key);
  if (found === undefined) return;
  size -= found.size;
  if (found.url !== undefined) keys.delete(found.url);
  entries.delete(key);
}

/** Forgets what has been here for its time, and the oldest where there is too much. */
function sweep() {
  const now = Date.now();
  for (const [oldest, { until }] of entries) {
    if (size <= MOST && until > now) break;
    drop(oldest);
  }
}

/** What is remembered of that key. @param {string} key @returns {Found | undefined} */
export function near(key) {
  const found = entries.get(key);
  if (!found) return undefined;
  if (lasts(found.until, KEPT_MS)) return found;
  drop(key);
  looks.set(key, { at: Date.now(), reads: false });
}

/** The key of what is remembered for whoever asks for that URL, if anything is. @param {string} url */
export const keyOf = (url) => keys.get(url);

/** Who asks for that URL has looked for that key. @param {string} url @param {string} key */
export function leads(url, key) {
  const found = entries.get(key);
  if (found === undefined || found.url === url) return;
  const before = found.url?.length ?? 0;
  if (found.url !== undefined) keys.delete(found.url);
  found.url = url;
  keys.set(url, key);
  grow(key, url.length - before);
}

/** What is remembered of that key takes so much more. @param {string} key @param {number} more */
export function grow(key, more) {
  const found = entries.get(key);
  if (found === undefined) return;
  found.size += more;
  size += more;
  sweep();
}

/**
 * The store is about to be asked. Returns something for `keep` if the answer is worth the memory: if the key was looked for within the
 * last second, and no other request is reading it for that.
 * @param {string} key @returns {Look | undefined}
 */
export function looking(key) {
  sweep();
  const at = Date.now();
  const last = looks.get(key);
  const again = last !== undefined && last.at > at - KEPT_MS;
  if (again && last.reads) return undefined;
  if (looks.size >= MOST_LOOKS) looks.clear();
  const one = { at, reads: again };
  looks.set(key, one);
  return again ? one : undefined;
}

/** What the store has said, if nothing has changed there since it was asked. @param {string} key @param {Look} look @param {Found} found */
export function keep(key, look, { headers, bytes }) {
  if (looks.get(key) !== look) return;
  looks.set(key, { at: look.at, reads: false });
  const until = look.at + KEPT_MS;
  if (until <= Date.now()) return;
  drop(key);
  // The fields twice: the last answer's are kept beside them.
  const one = { headers, bytes, size: 2 * key.length + 2 * sizeOf(headers) + (bytes?.byteLength ?? 0), until };
  size += one.size;
  entries.set(key, one);
  sweep();
}

/** Something changes in the store under that key: what is remembered is the old, and so may be what was asked for before. @param {string} key */
export function changed(key) {
  looks.delete(key);
  drop(key);
}

/** Stored responses are judged by that view from now on; another one than before ends all. @param {string} read */
export function judgedBy(read) {
  if (read === "" || read === view) return;
  view = read;
  looks.clear();
  keys.clear();
  entries.clear();
  size = 0;
}

/** An answer from here is given again. */
export const givesAgain = () => givenAgain++;

/** How many are remembered, and their bytes; how many answers were given again. */
export function remembered() {
  sweep();
  return { entries: entries.size, bytes: size, again: givenAgain };
}
