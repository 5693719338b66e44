// A TCP proxy that does to connections what networks do. It stands in front of a region, or between two regions.
//
// What it cannot show, since the kernel has accepted a connection before the proxy hears of it: a lost SYN and a black hole look
// like a connection that is open and silent, and a region without a process like one that is reset at once (`refuse` is real:
// nobody listens). Lost ACKs, reordering, congestion windows and path MTUs are left out; a loss costs waiting and nothing more.
import net from "node:net";
import { Pipe } from "./pipe.mjs";
import { Random } from "./random.mjs";

/** Modes in which bytes vanish and nobody hears that a connection was closed. */
const SILENT = new Set(["blackhole", "half-open"]);
/** How long a lost SYN is waited for; doubled for each further one. */
const SYN_MS = 1000;

export class FaultProxy {
  /** Starts one in front of the region at that URL. */
  static async start(target, { seed = 1 } = {}) {
    const proxy = new FaultProxy(new URL(target), new Random(seed));
    await proxy.listen();
    return proxy;
  }

  constructor(target, random) {
    this.target = target;
    this.random = random;
    this.fault = { kind: "pass" };
    this.connections = new Set();
    this.accepted = 0;
    /** Each request head with a field `x-request`, in the order in which they came: `{ id, at, reached }`. */
    this.sends = [];
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens at the port that it had before, if it had one. */
  async listen() {
    for (let tries = 0; ; tries++) {
      // Below the ports that the system gives to outgoing connections, which could take it while nobody listens.
      const port = this.port ?? 10_500 + Math.floor(Math.random() * 9_000);
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
      const error = await new Promise((resolve) => server.once("error", resolve).listen(port, "127.0.0.1", () => resolve(undefined)));
      if (!error) {
        this.port = port;
        this.server = server;
        return;
      }
      if (tries > 100) throw error;
    }
  }

  accept(socket) {
    this.connections.add(new Connection(this, socket, this.random.fork(this.accepted++)));
  }

  /**
   * Sets what happens from now on, to open connections too:
   * `pass`; `refuse`; `blackhole`; `loss {p}`; `latency {ms, jitter}`; `throttle {bytes, every, way}`; `reset {after}` so many
   * bytes of answers; `half-open {way}`; `lost {p, paths}`: the region acts, and with that chance its answer is lost with the
   * connection, of requests whose target that expression matches. `way` is `up` (towards the region) or `down`; a throttle without one is both ways.
   */
  async set(kind, options = {}) {
    const before = this.fault.kind;
    if (before === "refuse" && kind !== "refuse") await this.listen();
    this.fault = { kind, ...options };
    if (kind === "refuse" && before !== "refuse") this.server.close();
    for (const connection of this.connections) connection.changed();
  }

  async stop() {
    this.server.close();
    for (const connection of this.connections) connection.reset();
  }
}

/** The client's side is near, the region's is far. */
class Connection {
  constructor(proxy, near, random) {
    this.proxy = proxy;
    this.near = near;
    this.random = random;
    this.lost = false;
    this.tail = "";
    this.up = new Pipe(this, "up");
    this.down = new Pipe(this, "down");
    this.listen(near, this.up);
    near.on("data", (data) => this.note(data));
    this.open();
  }

  get fault() {
    return this.proxy.fault;
  }

  /** Whether what goes that way vanishes. */
  swallows(way) {
    return this.fault.kind === "blackhole" || (this.fault.kind === "half-open" && this.fault.way === way);
  }

  open() {
    // Accepted, and never answered.
    if (this.fault.kind === "blackhole") return void (this.lost = true);
    const lost = this.fault.kind === "loss" ? this.random.losses(this.fault.p) : 0;
    const connect = () => {
      if (this.near.destroyed) return;
      const { hostname, port } = this.proxy.target;
      this.far = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
      this.listen(this.far, this.down);
      this.up.flow(this.far);
    };
    this.down.flow(this.near);
    if (lost === 0) connect();
    else this.opening = setTimeout(connect, SYN_MS * (2 ** lost - 1));
  }

  listen(socket, pipe) {
    socket.on("data", (data) => pipe.take(data));
    socket.on("end", () => pipe.end());
    socket.on("drain", () => (pipe === this.up ? this.down : this.up).resume());
    socket.on("error", () => {});
    socket.on("close", (broken) => this.closed(broken));
  }

  closed(broken) {
    if (SILENT.has(this.fault.kind)) return void (this.lost = true);
    if (broken || this.bothEnded()) this.reset();
  }

  bothEnded() {
    return this.near.destroyed && (!this.far || this.far.destroyed);
  }

  /** Notes whose request heads come by, whether they go on or not. */
  note(data) {
    const text = this.tail + data.toString("latin1");
    const head = /^[A-Z]+ (\S+) HTTP\/1\.1\r\n/.exec(data.toString("latin1", 0, 2000));
    // Whoever asks here waits for the answer before asking again on the same connection.
    if (head) this.target = head[1];
    const field = /\r\nx-request: *(\S+)\r\n/gi;
    let read = 0;
    for (let match; (match = field.exec(text)); read = field.lastIndex - 2) {
      this.proxy.sends.push({ id: match[1], at: Date.now(), reached: !this.swallows("up") });
    }
    this.tail = text.slice(Math.max(read, text.length - 200));
  }

  /** Whether the answer that begins to come is lost; asked once for each. */
  losesAnswer() {
    const { kind, p, paths } = this.fault;
    if (kind !== "lost" || this.target === undefined) return false;
    const { target } = this;
    this.target = undefined;
    return (!paths || paths.test(target)) && this.random.chance(p);
  }

  /** Another fault is in force. Whoever has lost bytes is not mended by its end: a middlebox has forgotten the connection. */
  changed() {
    const { kind } = this.fault;
    if (kind === "refuse" || (this.lost && !SILENT.has(kind))) return this.reset();
    this.up.changed();
    this.down.changed();
  }

  reset() {
    clearTimeout(this.opening);
    this.up.stop();
    this.down.stop();
    this.proxy.connections.delete(this);
    for (const socket of [this.near, this.far]) if (socket && !socket.destroyed) cut(socket);
  }
}

/** Resets a socket, but for one that we have ended: while its FIN is pending Node would keep it for ever, and turn in circles at exit. */
const cut = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());
