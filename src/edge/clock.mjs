/**
 * The time that a region has: for its head, or for the end of a small body. A client's upload stops it while the client is waited for and
 * starts it anew with each piece, for which no timer is set anew: one is set where none runs, and looks at where the end lies by then.
 */
export class Clock {
  rang = false; // whether the time was over
  #fixed = false; // whether an upload moves it no more
  #until = Infinity; // stopped
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {number} ms @param {() => void} ring */
  constructor(ms, ring) {
    this.ms = ms;
    this.ring = ring;
  }

  stop() {
    if (!this.#fixed) this.#until = Infinity;
  }

  start() {
    if (this.#fixed) return;
    this.#until = Date.now() + this.ms;
    this.#look(this.ms);
  }

  /** It goes on, and no upload moves it any more. */
  fix() {
    if (this.#until === Infinity) this.start();
    this.#fixed = true;
  }

  end() {
    this.#fixed = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  /** @param {number} ms */
  #look(ms) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const left = this.#until - Date.now();
      if (left > 0) return left < Infinity && this.#look(left);
      this.rang = true;
      this.ring();
    }, ms);
  }
}
