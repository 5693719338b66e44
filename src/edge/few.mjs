// Few at once: where many are asked, each waits for its turn before anything of it begins, its timer too.
import { AT_ONCE } from "./pace.mjs";

/**
 * Lets so many pieces of work go on at once; the others wait, first come, first served.
 * @param {number} [most] @returns {<T>(work: () => Promise<T>) => Promise<T>}
 */
export function turnstile(most = AT_ONCE) {
  /** @type {(() => void)[]} */
  const waiting = [];
  let free = most;
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return async (work) => {
    if (free > 0) free--;
    else await /** @type {Promise<void>} */ (new Promise((resolve) => waiting.push(resolve)));
    try {
      return await work();
    } finally {
      leave();
    }
  };
}

/** What the work comes to for each of the items, in their order; a few at once. @template I, T @param {I[]} items @param {(item: I) => Promise<T>} work */
export function few(items, work) {
  const pass = turnstile();
  return Promise.all(items.map((item) => pass(() => work(item))));
}
