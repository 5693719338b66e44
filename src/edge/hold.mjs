// What all requests of this isolate hold in memory together of bodies that go to a client and to the store: of one it is bounded, but an
// isolate has 128 MB for everybody in it, and clients that do not read are many for who wants them.

/** The most of it, in bytes. Beyond that a body is handed on and not stored. */
export const MOST_TOGETHER = 24 * 1024 * 1024;
/** So long it counts at most: the platform may have cut a request before it could say that it is over. */
const LONGEST_MS = 120_000;

const holds = new Set();
let sum = 0;

/** What one body has of it. */
export class Hold {
  bytes = 0;
  until = Date.now() + LONGEST_MS;

  /** One of so many bytes, if there is room for them. @param {number} bytes */
  static of(bytes) {
    const hold = new Hold();
    return hold.add(bytes) ? hold : undefined;
  }

  /** Whether there was room for so many more. @param {number} bytes */
  add(bytes) {
    if (sum + bytes > MOST_TOGETHER) for (const hold of holds) if (hold.until <= Date.now()) hold.end();
    if (!(sum + bytes <= MOST_TOGETHER)) return false; // nor if it is no number
    holds.add(this);
    sum += bytes;
    this.bytes += bytes;
    return true;
  }

  end() {
    holds.delete(this);
    sum -= this.bytes;
    this.bytes = 0;
  }
}
