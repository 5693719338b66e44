// What requests of this isolate share, plain data but for promises that tell nothing: who is filling which place of the cache,
// and which places are made new behind an answer. Each ends by itself, since its request may be gone.
const flights = new Map();
const updates = new Map();
const LONGEST_MS = 30_000;
/** From so many on, those are looked for whose request the platform has cut before it could say that it is over. */
const MANY = 256;

/** Forgets what is over by its time. */
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

  /** The one that is on its way to that place. */
  static to(key) {
    const flight = flights.get(key);
    return flight && flight.until > Date.now() ? flight : undefined;
  }

  constructor(key) {
    this.landed = new Promise((resolve) => {
      this.land = () => {
        if (flights.get(key) === this) flights.delete(key);
        resolve();
      };
    });
    sweep(flights, (flight) => flight.until);
    flights.set(key, this);
  }
}

/** Whether nobody makes that place new yet; whoever asks does so from now on, until `updated`. */
export function mayUpdate(key) {
  if (updates.get(key) > Date.now()) return false;
  sweep(updates, (until) => until);
  updates.set(key, Date.now() + LONGEST_MS);
  return true;
}

export const updated = (key) => updates.delete(key);

/** What `work` comes to, or an error if that takes longer than so many milliseconds. */
export async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
