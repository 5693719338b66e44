// What requests of this isolate share, plain data but for promises that tell nothing: who is filling which place of the cache,
// and which places are made new behind an answer. Each ends by itself, since its request may be gone.
/** @type {Map<string, Flight>} */
const flights = new Map();
/** @type {Map<string, number>} */
const updates = new Map();
const LONGEST_MS = 30_000;
/** From so many on, those are looked for whose request the platform has cut before it could say that it is over. */
const MANY = 256;

/** Forgets what is over by its time. @template T @param {Map<string, T>} places @param {(value: T) => number} end */
function sweep(places, end) {
  if (places.size < MANY) return;
  const now = Date.now();
  for (const [key, value] of places) if (end(value) <= now) places.delete(key);
}

/** How many places are remembered. */
export const remembered = () => flights.size + updates.size;

/** A request that fills a place of the cache, and that others wait for. */
export class Flight {
  followers = 0;
  until = Date.now() + LONGEST_MS;

  /** The one that is on its way to that place. @param {string} key */
  static to(key) {
    const flight = flights.get(key);
    return flight && flight.until > Date.now() ? flight : undefined;
  }

  /** @param {string} key */
  constructor(key) {
    const { promise, resolve } = /** @type {PromiseWithResolvers<void>} */ (Promise.withResolvers());
    this.landed = promise;
    this.land = () => {
      if (flights.get(key) === this) flights.delete(key);
      resolve();
    };
    sweep(flights, (flight) => flight.until);
    flights.set(key, this);
  }
}

/** Whether nobody makes that place new yet; whoever asks does so from now on, until `updated`. @param {string} key */
export function mayUpdate(key) {
  if ((updates.get(key) ?? 0) > Date.now()) return false;
  sweep(updates, (until) => until);
  updates.set(key, Date.now() + LONGEST_MS);
  return true;
}

/** @param {string} key */
export const updated = (key) => updates.delete(key);

/**
 * What `work` comes to, or an error if that takes longer than so many milliseconds.
 * @template T @param {number} ms @param {T | Promise<T>} work @returns {Promise<T>}
 */
export async function within(ms, work) {
  const { promise: late, reject } = /** @type {PromiseWithResolvers<never>} */ (Promise.withResolvers());
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
