// What the end-to-end tests and `make dev` stand on: region processes and the router in workerd, over real sockets. RUNTIME=workerd runs
// the router in plain workerd, as the platform does, in place of miniflare, whose front parses URLs and recodes bodies before the Worker.
import { execFile, spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { lateStore } from "./late.mjs";
import { all as allMoods, moodyStore } from "./moody.mjs";
import { freePort } from "./ports.mjs";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const wrangler = /** @type {any} */ (parse)(readFileSync(join(root, "wrangler.toml"), "utf8"));
const binary = join(root, "target/debug/demo-region");

/** In which of the two the router runs here. */
export const runtime = process.env.RUNTIME || "miniflare";
const {
  start: startRuntime,
  startScript: startInRuntime,
  startVersions: startVersionsInRuntime,
} = await import({ miniflare: "./runtime/miniflare.mjs", workerd: "./runtime/workerd.mjs" }[runtime] ?? fail());
/** Where clients are, unless they say so: near Frankfurt. */
const CF = { latitude: "50.1", longitude: "8.7", continent: "EU" };
/** What the platform's front, which plain workerd has none of, says of a client. */
export const FRONT = runtime === "workerd" ? { "mf-cf-blob": JSON.stringify(CF), "cf-connecting-ip": "127.0.0.1" } : {};

function fail() {
  throw new Error(`RUNTIME is ${JSON.stringify(runtime)}; it can be "miniflare" or "workerd"`);
}

const started = new Set();

/** Stops all that was started here and still runs; every file of tests ends with it, so that a failed test leaves nothing behind. */
export const stopAll = () => Promise.allSettled([...started].map((stop) => stop()));

/** What is to be stopped with the rest. */
export const stopWithAll = (stop) => started.add(stop);

/** Hears all that a router writes to its log. */
export const hear = (take) => (out, err) => [out, err].forEach((stream) => stream.on("data", (data) => take(String(data))));

/**
 * Waits until `condition` returns something true; never sleeps for its own sake.
 * @param {() => any} condition @param {string} [what] @param {number} [patience] @returns {Promise<any>}
 */
export async function waitUntil(condition, what = String(condition), patience = 15_000) {
  const end = Date.now() + patience;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (Date.now() > end) throw new Error(`still not so after ${patience} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

export class Region {
  constructor(name, port, data, args = []) {
    this.name = name;
    this.port = port;
    this.data = data;
    this.args = args;
    this.url = `http://127.0.0.1:${port}`;
    this.controlUrl = `http://127.0.0.1:${port + 1000}`;
  }

  /** @param {any} [stdio] */
  async start(stdio = ["ignore", "ignore", "pipe"]) {
    this.child = spawn(binary, ["--name", this.name, "--listen", `127.0.0.1:${this.port}`, "--data", this.data, ...this.args], { stdio });
    this.exited = new Promise((resolve) => this.child.once("exit", resolve).once("error", resolve));
    let gone = false;
    let said = "";
    this.child.stderr?.on("data", (data) => (said = (said + data).slice(-2000)));
    this.exited.then(() => (gone = true));
    await waitUntil(async () => {
      if (gone) return true;
      // Somebody else's region, on a port that was free a moment ago, is not this one.
      const { region } = await (await fetch(`${this.url}/.well-known/homing`)).json();
      if (region !== this.name) throw new Error(`another region answers on port ${this.port}: ${region}`);
      return true;
    }, `region ${this.name} answers`);
    if (gone) throw new Error(`region ${this.name} ended at once, on port ${this.port} with ${this.port + 1000}. It said:\n${said}`);
    return this;
  }

  /** Sets faults: `{ mode: "hang" }`, `{ lag_ms: 3000 }`, … */
  async control(command) {
    const response = await fetch(`${this.controlUrl}/control`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(command),
    });
    if (!response.ok) throw new Error(`control of ${this.name}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** The faults in force, and how many requests have reached it. */
  async state() {
    return (await fetch(`${this.controlUrl}/control`)).json();
  }

  /** The requests that reached it, newest first. */
  async seen(path = "/") {
    return (await fetch(`${this.controlUrl}/control/seen?path=${encodeURIComponent(path)}`)).json();
  }

  async kill() {
    this.child?.kill("SIGKILL");
    await this.exited;
  }
}

/**
 * Starts the regions us, eu and ap, with arguments (of each, or `args(name)`); `link(from, to, url)` may give another URL by which one of
 * them reaches another.
 * @param {{ ports?: number[], args?: any, stdio?: any, link?: (from: string, to: string, url: string) => any }} [how] @returns {Promise<any>}
 */
export async function startRegions({ ports, args = [], stdio, link = (from, to, url) => url } = {}) {
  const data = mkdtempSync(join(tmpdir(), "homing-"));
  const names = Object.keys(wrangler.vars.REGIONS);
  const places = {};
  for (const [at, name] of names.entries()) places[name] = ports?.[at] ?? (await freePort());
  const peer = async (name, to) => ["--peer", `${to}=${await link(name, to, `http://127.0.0.1:${places[to]}`)}`];
  const peers = async (name) => (await Promise.all(names.filter((to) => to !== name).map((to) => peer(name, to)))).flat();
  const regions = await Promise.all(
    names.map(async (name) => new Region(name, places[name], data, [...(await peers(name)), ...(typeof args === "function" ? args(name) : args)])),
  );
  const stop = async () => {
    started.delete(stop);
    await Promise.all(regions.map((region) => region.kill()));
    rmSync(data, { recursive: true, force: true });
  };
  // Before any of them runs: one that fails to start must not leave the others behind.
  started.add(stop);
  // Miniflare ends the process itself on a signal, so the regions must go with the process and not only by `stop`.
  process.once("exit", () => {
    for (const region of regions) region.child?.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true });
  });
  await Promise.all(regions.map((region) => region.start(stdio)));
  const all = Object.fromEntries(regions.map((region) => [region.name, region]));
  Object.defineProperty(all, "stop", { value: stop });
  // All links between these regions.
  const cut = (...names) => Promise.all(names.map((name) => all[name].control({ cut: names.filter((other) => other !== name) })));
  Object.defineProperty(all, "cut", { value: cut });
  Object.defineProperty(all, "heal", { value: () => Promise.all(regions.map((region) => region.control({ mode: "ok", paths: [], lag_ms: 0, cut: [] }))) });
  return all;
}

/** An origin of the test's own, for what a demo region does not do. */
export async function startOrigin(answer) {
  const server = http.createServer(answer);
  // A connection that is closed for having been idle, just when it is used again, would be a fault that nobody asked for.
  server.keepAliveTimeout = 600_000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  started.add(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))));
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/** The shipped topology, with these regions for the demo's. @param {any} regions @param {(vars: any) => any} [change] @returns {any} */
export function topology(regions, change = (vars) => vars) {
  const vars = structuredClone(wrangler.vars);
  for (const [name, region] of Object.entries(vars.REGIONS)) region.origin = regions?.[name]?.url ?? region.origin;
  return change(vars) ?? vars;
}

/** The Durable Objects, as wrangler.toml binds them; which of them a moody store stands in for. */
const objects = wrangler.durable_objects.bindings.map(({ name, class_name }) => ({
  name,
  className: class_name,
  moody: ["DIRECTORY", "AUTHORITY"].includes(name),
}));

/** Starts the router, at one edge or several; `build` is `build` or `build/test` (with the planted panic); `kv: "moody"` gives it a store with moods,
 *  `kv: "late"` one whose entries reach other edges late; `cache` is the manner of its cache's store (cache.mjs); miniflare's knows "nothing" alone.
 *  @param {{ vars?: any, bindings?: object, build?: string, port?: number, kv?: boolean | string, edges?: number, cache?: string, handleLog?: Function }} options */
export async function startRouter({ vars, bindings = {}, build = "build", port = 0, kv = true, edges = 1, cache, handleLog } = {}) {
  // Where a test counts what regions see, nobody else may ask them. And no test waits as long for the view as is cheap.
  const all = { ...vars, PROBES: "off", VIEW: "1s", ...bindings };
  const options = { root, build, edges, kv, vars: all, objects, store: kv === "late" ? lateStore : moodyStore, wrangler, port, cache, cf: CF, front: FRONT };
  const router = await startRuntime({ ...options, handleLog: handleLog ?? ((out, err) => (out.resume(), err.resume())) });
  const stop = async () => {
    started.delete(stop);
    await router.stop();
  };
  started.add(stop);
  const [url] = router.doors;
  return {
    url,
    /** Where each edge listens; the first is `url`. */
    doors: router.doors,
    stop,
    /** The first edge's home store, from outside. */
    homes: router.homes,
    /** A request to the edge of that number; the first is 1, which also listens at `url`. */
    at: router.at,
    /** Removes what is stored in the edge caches, as another isolate or an operator does: no edge hears of it. Plain workerd's alone. */
    purge: router.purge,
    /** The mood of a moody store: ok, slow or fails; or those of its parts, `{ kv: "slow" }`. */
    mood: (mood) => router.askStore({ method: "POST", body: JSON.stringify(typeof mood === "string" ? allMoods(mood) : mood) }),
    /** The homes that a moody directory has assigned. */
    assigned: async () => (await router.askStore()).json(),
    snapshot: async () => (await fetch(new URL("/_homing/api/snapshot", url))).json(),
    /** The latest decision about that path. */
    decision: async function (path) {
      return waitUntil(async () => (await this.snapshot()).decisions.find((decision) => decision.path === path), `a decision about ${path}`);
    },
  };
}

/** Starts edges of several builds with the objects of all, as versions.mjs wants it; resolves to where they listen. @param {any} options */
export const startVersions = (options) =>
  startVersionsInRuntime({ root, wrangler, objects, cf: CF, handleLog: (out, err) => (out.resume(), err.resume()), ...options });

/** Starts a Worker of one module, with these vars; resolves to where it listens and how it is stopped. */
export async function startScript(options) {
  const { url, stop } = await startInRuntime(options);
  started.add(stop);
  return { url, stop: () => (started.delete(stop), stop()) };
}

/** Sends an HTTP/1.1 request as these bytes, as no client of good manners would write it; resolves to the answer, taken apart. Nobody
 *  between here and the router mends it in plain workerd; miniflare's front does. `lines` are the request line and the fields after it. */
export function sendRaw(url, lines, body = "") {
  const { hostname, port, host } = new URL(url);
  const fields = lines.some((line) => /^host:/i.test(line)) ? lines : [lines[0], `Host: ${host}`, ...lines.slice(1)];
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname);
    const chunks = [];
    socket.on("error", reject).on("data", (chunk) => chunks.push(chunk));
    socket.setTimeout(20_000, () => socket.destroy(new Error(`no answer to ${lines[0]} within 20 s`)));
    socket.on("end", () => {
      const text = Buffer.concat(chunks).toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      const [first = "", ...rest] = text.slice(0, end).split("\r\n");
      const headers = {};
      for (const line of rest) {
        const name = line.slice(0, line.indexOf(":")).toLowerCase();
        headers[name] = [headers[name], line.slice(line.indexOf(":") + 1).trim()].filter((value) => value !== undefined).join(", ");
      }
      resolve({ status: Number(first.split(" ")[1]), headers, text: text.slice(end + 4) });
    });
    const front = Object.entries(FRONT).map(([name, value]) => `${name}: ${value}`);
    socket.end(Buffer.concat([Buffer.from([...fields, ...front, "Connection: close", "", ""].join("\r\n")), Buffer.from(body)]));
  });
}

/** A connection on which requests go one behind the other, as bytes: `send` what the client says, `answer` waits for the next answer and
 *  takes it apart. An answer that the connection's end leaves out is an error that says so. */
export function converse(url) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  let bytes = "";
  let over;
  let moved = (..._) => {};
  socket.on("data", (data) => ((bytes += data.toString("latin1")), moved()));
  socket.on("error", (error) => ((over = /** @type {NodeJS.ErrnoException} */ (error).code), moved())).on("close", () => ((over ??= "closed"), moved()));
  const end = () => socket.destroy();
  started.add(end);
  /** The first answer in what has come, and how long it is; undefined if that is not all of it. */
  const taken = () => {
    const head = bytes.indexOf("\r\n\r\n");
    if (head < 0) return;
    const [first, ...rest] = bytes.slice(0, head).split("\r\n");
    const headers = Object.fromEntries(rest.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
    const status = Number(first.split(" ")[1]);
    let at = head + 4;
    let text = "";
    if (headers["transfer-encoding"] === "chunked") {
      for (;;) {
        const line = bytes.indexOf("\r\n", at);
        if (line < 0) return;
        const size = parseInt(bytes.slice(at, line), 16);
        if (bytes.length < line + 2 + size + 2) return;
        text += bytes.slice(line + 2, line + 2 + size);
        at = line + 2 + size + 2;
        if (size === 0) break;
      }
    } else {
      const length = Number(headers["content-length"] ?? 0);
      if (bytes.length < at + length) return;
      text = bytes.slice(at, (at += length));
    }
    bytes = bytes.slice(at);
    return { status, headers, text };
  };
  const answer = async (patience = 20_000) => {
    const end = Date.now() + patience;
    for (;;) {
      const answer = taken();
      if (answer) return answer;
      if (over || Date.now() > end) throw new Error(`no answer (${over ?? "nothing comes"}); what came: ${JSON.stringify(bytes)}`);
      await new Promise((resolve) => ((moved = resolve), setTimeout(resolve, end - Date.now()).unref()));
    }
  };
  return { socket, end, send: (text) => socket.write(text), answer };
}

/** Runs `homing` with these variables; resolves to its exit status, its JSON where it speaks JSON, and what it said. @returns {Promise<any>} */
export const command = (env, ...args) => commandIn(process.cwd(), env, ...args);

/** The same in that folder. @returns {Promise<any>} */
export function commandIn(cwd, env, ...args) {
  return new Promise((resolve) => {
    execFile(join(root, "target/debug/homing"), args, { cwd, env: { ...process.env, ...env }, timeout: 60_000 }, (error, out, err) => {
      let json;
      try {
        json = JSON.parse(out);
      } catch {}
      resolve({ status: error?.code ?? 0, out, err, json });
    });
  });
}

/** The id by which the router knows a subject. */
export const subjectId = (kind, name) => createHash("sha256").update(`${kind}:${name}`).digest("base64url").slice(0, 22);

/** Seals a session with any claims, as only a holder of the key can; `subject`, `home` and `epoch` are the user's, unless `kind` says otherwise. */
export function seal(
  secret,
  { subject = "-", home = "-", epoch = 0, kind = "user", issued = Date.now(), expires = Date.now() + 86_400_000, pins = [], version = 2 } = {},
) {
  const key = createHash("sha256").update(`homing-key-id:${secret}`).digest("base64url").slice(0, 4);
  const own = home === "-" ? subject : `${subject}:${home}:${epoch}`;
  const subjects = version === 1 ? [subject, home, epoch] : kind === "user" ? [own, "-"] : ["-", own];
  const text = [version, key, ...subjects, issued, expires, pins.join("~")].join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** Claims of a sealed session, unsigned part only: [version, key, user, home, epoch, issued, expires, pins], then [tenant, home, epoch]. */
export function claims(sealed) {
  const [version, key, user, tenant, issued, expires, pins] = sealed.split(".");
  const own = (text) => [...text.split(":"), "-", "-"].slice(0, 3);
  return [version, key, ...own(user), issued, expires, pins, own(tenant)];
}

let clients = 0;

/** An address of its own for each client, as the platform says it: each is another visitor, and all are of this machine, or nobody
 *  would let them choose a region or ask the API in development. */
export const address = () => `127.18.${(++clients >> 8) & 255}.${clients & 255}`;

/** All clients' connections are kept, as agents, browsers and proxies keep them: what an answer leaves behind on one is the next request's
 *  trouble. None is used that has been idle for long, which its server may be closing just then. */
const agent = new http.Agent({ keepAlive: true, timeout: 2000 });
let asked = Date.now();

/** The same, where this process was too busy for the agent's timers. */
function kept() {
  const now = Date.now();
  if (now - asked > 2000) for (const sockets of Object.values(agent.freeSockets)) for (const socket of [...(sockets ?? [])]) socket.destroy();
  asked = now;
  return agent;
}

/** A client with a cookie jar, an address and a place; every request is a fresh look at raw status, headers and body. */
export class Client {
  constructor(url, near, headers = {}) {
    this.url = url;
    this.headers = { ...FRONT, "cf-connecting-ip": address(), ...(near ? { "homing-dev-near": near } : {}), ...headers };
    this.cookies = new Map();
  }

  /** @param {string} method @param {string} path @param {{ headers?: object, body?: any, raw?: boolean, patience?: number }} [how] @returns {Promise<any>} */
  request(method, path, { headers = {}, body, raw = false, patience = 20_000 } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const isJson = body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body);
    const payload = isJson ? JSON.stringify(body) : body;
    const options = {
      method,
      agent: kept(),
      headers: {
        ...this.headers,
        ...(cookie ? { cookie } : {}),
        ...(isJson ? { "content-type": "application/json" } : {}),
        ...(payload !== undefined ? { "content-length": Buffer.byteLength(payload) } : {}),
        ...headers,
      },
    };
    return new Promise((resolve, reject) => {
      const request = http.request(new URL(path, this.url), options, (response) => {
        for (const line of response.headers["set-cookie"] ?? []) this.take(line);
        if (raw) return resolve(response);
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString();
          let json;
          try {
            json = JSON.parse(text);
          } catch {}
          resolve({ status: response.statusCode, headers: response.headers, raw: response.rawHeaders, bytes, text, json });
        });
      });
      request.on("error", reject);
      request.setTimeout(patience, () => request.destroy(new Error(`no answer to ${method} ${path} within ${patience} ms`)));
      request.end(payload);
    });
  }

  take(line) {
    const [pair] = line.split(";");
    const at = pair.indexOf("=");
    if (/max-age=0/i.test(line)) this.cookies.delete(pair.slice(0, at));
    else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }

  get(path, options) {
    return this.request("GET", path, options);
  }

  post(path, body, options) {
    return this.request("POST", path, { body, ...options });
  }

  put(path, body, options) {
    return this.request("PUT", path, { body, ...options });
  }

  /** The session's claims. */
  session() {
    const sealed = this.cookies.get("__Host-homing");
    return sealed && claims(sealed);
  }
}
