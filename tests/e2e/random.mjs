// Chance that a seed repeats.

/** Numbers by chance (mulberry32); the same seed gives the same ones. */
export class Random {
  constructor(seed) {
    this.seed = seed >>> 0;
    this.state = this.seed;
  }

  /** From 0 up to, but not including, 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(part) {
    return this.next() < part;
  }

  between(least, most) {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  /** How often in a row something is lost, six times at most. */
  losses(part) {
    let lost = 0;
    while (lost < 6 && this.chance(part)) lost++;
    return lost;
  }

  /** Chance of its own for each name, so that what one consumer draws moves no other's numbers. */
  fork(name) {
    let hash = this.seed ^ 0x811c9dc5;
    for (const letter of String(name)) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
    return new Random(hash);
  }
}
