// When the authority calls whom. The platform lets six connections of an object wait for their headers; leases must not lapse because
// regions that hang have them all.
import { turnstile } from "../edge/few.mjs";
import { AT_ONCE } from "../edge/pace.mjs";

// So many calls of one region are under way at once.
const EACH = 2;
/** A region that takes longer is slow, until it answers sooner; a lease that goes in front is given up by then, and comes again. */
export const QUICK_MS = 1000;

/** @param {number} ms @param {number} [timeout] */
const longest = (ms, timeout) => Math.min(ms, timeout ?? ms);

/** Turns by region. A lease of a region that was quick the last time waits for no other call; all else a few at once, and each region a few of those. */
export class Turns {
  /** @type {Set<string>} */
  slow = new Set();
  /** @type {Map<string, ReturnType<typeof turnstile>>} */
  #regions = new Map();
  // One place is left for leases.
  #ordinary = turnstile(AT_ONCE);
  #places = turnstile(AT_ONCE + 1);

  /**
   * Does the work, which gets its effect, when it is its turn.
   * @template {{ url: string, timeout?: number, tag?: { lease?: unknown } }} E, T @param {E} effect @param {(effect: E) => Promise<T>} work @returns {Promise<T>}
   */
  take(effect, work) {
    const region = effect.url.slice(0, effect.url.indexOf("/", 8));
    if (effect.tag?.lease && !this.slow.has(region)) {
      const short = { ...effect, timeout: longest(QUICK_MS, effect.timeout) };
      return this.#places(() => this.#timed(region, () => work(short)));
    }
    const own = this.#regions.get(region) ?? turnstile(EACH);
    this.#regions.set(region, own);
    return own(() => this.#ordinary(() => this.#places(() => this.#timed(region, () => work(effect)))));
  }

  /** @template T @param {string} region @param {() => Promise<T>} work */
  async #timed(region, work) {
    const began = Date.now();
    try {
      return await work();
    } finally {
      if (Date.now() - began < QUICK_MS) this.slow.delete(region);
      else this.slow.add(region);
    }
  }
}
