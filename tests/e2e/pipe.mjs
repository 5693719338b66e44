// One direction of a connection through a fault proxy: a queue of pieces, each with the time at which it goes on.

const SEGMENT = 1400;
/** How long a lost segment is waited for; doubled for each further loss of the same one. */
const RTO_MS = 200;
/** More than this is not read ahead of a slow reader. */
const MOST_HELD = 256 * 1024;
const END = Symbol("the end of the stream");

export class Pipe {
  constructor(connection, way) {
    this.connection = connection;
    this.way = way;
    this.queue = [];
    this.held = 0;
    this.last = 0;
    this.passed = 0;
  }

  get source() {
    return this.way === "up" ? this.connection.near : this.connection.far;
  }

  /** From now on it has somewhere to flow. */
  flow(sink) {
    this.sink = sink;
    this.pump();
  }

  take(data) {
    if (this.connection.swallows(this.way)) return void (this.connection.lost = true);
    for (let at = 0; at < data.length; at += SEGMENT) this.add(data.subarray(at, at + SEGMENT));
    if (this.held > MOST_HELD) this.source.pause();
    this.pump();
  }

  end() {
    if (this.connection.swallows(this.way)) return void (this.connection.lost = true);
    this.add(END);
    this.pump();
  }

  add(data) {
    this.last = Math.max(this.last, Date.now() + this.delay());
    this.held += data === END ? 0 : data.length;
    this.queue.push({ data, at: this.last });
  }

  delay() {
    const { fault, random } = this.connection;
    if (fault.kind === "loss") return RTO_MS * (2 ** random.losses(fault.p) - 1);
    if (fault.kind === "latency") return fault.ms + random.between(-(fault.jitter ?? 0), fault.jitter ?? 0);
    return 0;
  }

  /** Sends on whatever may go by now, and comes back for the rest. */
  pump() {
    clearTimeout(this.timer);
    while (this.queue.length > 0 && this.sink && !this.sink.destroyed) {
      const [head] = this.queue;
      const wait = head.at - Date.now();
      if (wait > 0) return void (this.timer = setTimeout(() => this.pump(), wait));
      if (!this.step(head)) return;
    }
    this.resume();
  }

  /** Sends the head on, or a piece of it; whether more may follow at once. */
  step(head) {
    const { fault } = this.connection;
    if (head.data === END) {
      this.queue.shift();
      this.sink.end();
      return true;
    }
    if (this.way === "down" && this.connection.losesAnswer()) return this.connection.reset() ?? false;
    const throttled = fault.kind === "throttle" && (fault.way ?? this.way) === this.way;
    const slow = throttled && head.data.length > fault.bytes;
    const piece = slow ? head.data.subarray(0, fault.bytes) : head.data;
    if (fault.kind === "reset" && this.way === "down" && this.passed + piece.length >= fault.after) {
      this.sink.write(piece.subarray(0, fault.after - this.passed), () => this.connection.reset());
      this.stop();
      return false;
    }
    if (throttled) head.at = Date.now() + fault.every;
    if (slow) head.data = head.data.subarray(fault.bytes);
    else this.queue.shift();
    if (!slow && throttled && this.queue[0]) this.queue[0].at = head.at;
    return this.write(piece);
  }

  write(piece) {
    this.held -= piece.length;
    this.passed += piece.length;
    const more = this.sink.write(piece);
    if (!more) this.source.pause();
    return true;
  }

  resume() {
    if (this.source && this.held <= MOST_HELD && !this.sink?.writableNeedDrain) this.source.resume();
  }

  /** Another fault is in force: what it swallows is gone, and what waited for an earlier one goes on. */
  changed() {
    this.passed = 0;
    this.last = 0;
    if (this.connection.swallows(this.way)) {
      if (this.queue.length > 0) this.connection.lost = true;
      this.queue = [];
      this.held = 0;
    }
    for (const piece of this.queue) piece.at = 0;
    this.pump();
  }

  stop() {
    clearTimeout(this.timer);
    this.queue = [];
    this.sink = undefined;
  }
}
