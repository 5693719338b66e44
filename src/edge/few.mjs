// Few at once: where many are asked, each waits for its turn before anything of it begins, its timer too.
import { AT_ONCE } from "./pace.mjs";

/** Lets so many pieces of work go on at once; the others wait, first come, first served. */
export function turnstile(most = AT_ONCE) {
  const waiting = [];
  let free = most;
  const leave = () => (waiting.length > 0 ? waiting.shift()() : free++);
  return async (work) => {
    if (free > 0) free--;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      leave();
    }
  };
}

/** What the work comes to for each of the items, in their order; a few at once. */
export function few(items, work) {
  const pass = turnstile();
  return Promise.all(items.map((item) => pass(() => work(item))));
}
