// One client as there are many: it keeps its connections open, and its session in a cookie or in `Homing-Session`.
import http from "node:http";
import { FRONT, address } from "../../e2e/harness.mjs";

/** Nobody waits for longer: the router's own deadlines are 15 s for reads and 35 s for writes. */
const PATIENCE_MS = 45_000;
/** A connection that rests for longer is closed here: workerd closes those that have rested for 5 s, and might do so just as it is used again. */
const REST_MS = 3000;
const COOKIE = "__Host-homing";

export class Browser {
  /** Each edge is reached by connections of its own. `kind` is `cookie` or `header`. */
  constructor(doors, kind) {
    this.doors = doors;
    this.kind = kind;
    this.cookies = new Map();
    this.token = undefined;
    this.address = address();
    this.agents = doors.map(() => new http.Agent({ keepAlive: true, maxSockets: 32, timeout: REST_MS }));
  }

  get session() {
    return this.kind === "cookie" ? this.cookies.get(COOKIE) : this.token;
  }

  /** The user of whom the session says that it is: anybody can read that. */
  get signedIn() {
    const who = this.session?.split(".")[2]?.split(":")[0];
    return who === "-" ? undefined : who;
  }

  get user() {
    return this.cookies.get("app_user");
  }

  loseSession() {
    this.cookies.delete(COOKIE);
    this.token = undefined;
  }

  close() {
    for (const agent of this.agents) agent.destroy();
  }

  headers(near, payload, more) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return {
      ...FRONT,
      "cf-connecting-ip": this.address,
      "homing-dev-near": near,
      ...(cookie ? { cookie } : {}),
      ...(this.kind === "header" ? { "homing-session": this.token ?? "-" } : {}),
      ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
      ...more,
    };
  }

  /**
   * Asks: `{ status, headers, json }`, or `{ error, reused }`. `leaves` is after how many milliseconds the client goes away; with
   * `loses` it goes when the answer's head comes, of which it keeps nothing.
   */
  ask({ edge, near, method, path, body, headers, leaves, loses }) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options = { method, timeout: PATIENCE_MS, agent: this.agents[edge], headers: this.headers(near, payload, headers) };
    return new Promise((resolve) => {
      const request = http.request(new URL(path, this.doors[edge]), options, (response) => {
        if (loses) return end({ left: true });
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", (error) => end({ error: `in the body: ${/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message}` }));
        response.on("end", () => {
          if (!response.complete) return end({ error: "in the body: not complete" });
          this.take(response.headers);
          clearTimeout(leaving);
          resolve({ status: response.statusCode, headers: response.headers, json: parsed(Buffer.concat(chunks)) });
        });
      });
      const end = (what) => {
        clearTimeout(leaving);
        resolve(what);
        request.destroy();
      };
      const leaving = leaves === undefined ? undefined : setTimeout(() => end({ left: true }), leaves);
      request.on("error", (error) => end({ error: /** @type {NodeJS.ErrnoException} */ (error).code ?? error.message, reused: request.reusedSocket }));
      request.setTimeout(PATIENCE_MS, () => end({ error: `no answer within ${PATIENCE_MS} ms` }));
      request.end(payload);
    });
  }

  take(headers) {
    if (this.kind === "header") this.token = headers["homing-session"] ?? this.token;
    for (const line of headers["set-cookie"] ?? []) {
      const [pair] = line.split(";");
      const at = pair.indexOf("=");
      if (/max-age=0/i.test(line)) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}

function parsed(bytes) {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
