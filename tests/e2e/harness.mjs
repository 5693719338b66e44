// What the end-to-end tests and `make dev` stand on: region processes and the router in workerd, over real sockets.
import { execFile, spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { parse } from "smol-toml";
import { all as allMoods, moodyStore } from "./moody.mjs";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const wrangler = parse(readFileSync(join(root, "wrangler.toml"), "utf8"));
const binary = join(root, "target/debug/demo-region");

const started = new Set();

/** Stops all that was started here and still runs; every file of tests ends with it, so that a failed test leaves nothing behind. */
export const stopAll = () => Promise.allSettled([...started].map((stop) => stop()));

/** What is to be stopped with the rest. */
export const stopWithAll = (stop) => started.add(stop);

/** Hears all that a router writes to its log. */
export const hear = (take) => (out, err) => [out, err].forEach((stream) => stream.on("data", (data) => take(String(data))));

/** Waits until `condition` returns something true; never sleeps for its own sake. */
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

/** Two free ports, 1000 apart, for a region and its control address. */
async function freePort() {
  const listens = (port) =>
    new Promise((resolve) => {
      const server = net.createServer().once("error", () => resolve(0));
      server.listen(port, "127.0.0.1", () => {
        const { port: got } = server.address();
        server.close(() => resolve(got));
      });
    });
  for (;;) {
    // Below the ports that the system gives to outgoing connections, which could take it while a region is dead.
    const port = 20_000 + Math.floor(Math.random() * 11_000);
    if ((await listens(port)) && (await listens(port + 1000))) return port;
  }
}

export class Region {
  constructor(name, port, data, args = []) {
    Object.assign(this, { name, port, data, args, url: `http://127.0.0.1:${port}`, controlUrl: `http://127.0.0.1:${port + 1000}` });
  }

  async start(stdio = "ignore") {
    this.child = spawn(binary, ["--name", this.name, "--listen", `127.0.0.1:${this.port}`, "--data", this.data, ...this.args], { stdio });
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
    let gone = false;
    this.exited.then(() => (gone = true));
    await waitUntil(async () => {
      if (gone) throw new Error(`region ${this.name} ended at once; is port ${this.port} or ${this.port + 1000} taken?`);
      // Somebody else's region, on a port that was free a moment ago, is not this one.
      const { region } = await (await fetch(`${this.url}/.well-known/homing`)).json();
      if (region !== this.name) throw new Error(`another region answers on port ${this.port}: ${region}`);
      return true;
    }, `region ${this.name} answers`);
    return this;
  }

  /** Sets faults: `{ mode: "hang" }`, `{ lag_ms: 3000 }`, … */
  async control(command) {
    const response = await fetch(`${this.controlUrl}/control`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(command) });
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
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

/** Starts the regions us, eu and ap; `link(from, to, url)` may give another URL by which one of them reaches another. */
export async function startRegions({ ports, args = [], stdio, link = (from, to, url) => url } = {}) {
  const data = mkdtempSync(join(tmpdir(), "homing-"));
  const names = Object.keys(wrangler.vars.REGIONS);
  const places = {};
  for (const [at, name] of names.entries()) places[name] = ports?.[at] ?? (await freePort());
  const peer = async (name, to) => ["--peer", `${to}=${await link(name, to, `http://127.0.0.1:${places[to]}`)}`];
  const peers = async (name) => (await Promise.all(names.filter((to) => to !== name).map((to) => peer(name, to)))).flat();
  const regions = await Promise.all(names.map(async (name) => new Region(name, places[name], data, [...(await peers(name)), ...args])));
  await Promise.all(regions.map((region) => region.start(stdio)));
  const all = Object.fromEntries(regions.map((region) => [region.name, region]));
  const stop = async () => {
    started.delete(stop);
    await Promise.all(regions.map((region) => region.kill()));
    rmSync(data, { recursive: true, force: true });
  };
  started.add(stop);
  // Miniflare ends the process itself on a signal, so the regions must go with the process and not only by `stop`.
  process.once("exit", () => {
    for (const region of regions) region.child?.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true });
  });
  Object.defineProperty(all, "stop", { value: stop });
  Object.defineProperty(all, "heal", { value: () => Promise.all(regions.map((region) => region.control({ mode: "ok", paths: [], lag_ms: 0, cut: [] }))) });
  return all;
}

/** An origin of the test's own, for what a demo region does not do. */
export async function startOrigin(answer) {
  const server = http.createServer(answer);
  // A connection that is closed for having been idle, just when it is used again, would be a fault that nobody asked for.
  server.keepAliveTimeout = 600_000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  started.add(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))));
  return `http://127.0.0.1:${server.address().port}`;
}

/** The shipped topology, with these regions for the demo's. */
export function topology(regions, change = (vars) => vars) {
  const vars = structuredClone(wrangler.vars);
  for (const [name, region] of Object.entries(vars.REGIONS)) region.origin = regions?.[name]?.url ?? region.origin;
  return change(vars) ?? vars;
}

/** The Durable Objects, as wrangler.toml binds them. */
const objects = Object.fromEntries(wrangler.durable_objects.bindings.map(({ name, class_name }) => [name, { className: class_name, useSQLite: true }]));

/** Starts the router, at one edge or several; `build` is `build` or `build/test` (with the planted panic); `kv: "moody"` gives it a store with moods. */
export async function startRouter({ vars, bindings = {}, build = "build", port = 0, kv = true, edges = 1, handleLog } = {}) {
  const router = {
    name: "router",
    modules: [
      { type: "ESModule", path: join(root, build, "worker.mjs") },
      { type: "CompiledWasm", path: join(root, build, "homing_bg.wasm") },
      { type: "CompiledWasm", path: join(root, build, "operators_bg.wasm") },
    ],
    modulesRoot: join(root, build),
    compatibilityDate: wrangler.compatibility_date,
    compatibilityFlags: wrangler.compatibility_flags,
    // Where a test counts what regions see, nobody else may ask them.
    bindings: { ...vars, PROBES: "off", ...bindings },
    ...(kv === true ? { kvNamespaces: ["HOMES"] } : kv ? { serviceBindings: { HOMES: "moody-store" } } : {}),
    durableObjects: kv === "moody" ? { ...objects, DIRECTORY: { className: "Directory", scriptName: "moody-store" }, AUTHORITY: { className: "Authority", scriptName: "moody-store" } } : objects,
    assets: { directory: join(root, wrangler.assets.directory), binding: "ASSETS", routerConfig: { invoke_user_worker_ahead_of_assets: true, has_user_worker: true } },
  };
  const store = { name: "moody-store", modules: true, script: moodyStore, compatibilityDate: wrangler.compatibility_date, durableObjects: { DIRECTORY: { className: "Directory", useSQLite: true }, AUTHORITY: { className: "Authority", useSQLite: true } } };
  // Another edge: the same Durable Objects, an isolate of its own, and a home store to which nothing has come through yet.
  const remote = Object.fromEntries(Object.entries(objects).map(([name, object]) => [name, { ...object, scriptName: "router" }]));
  const door = { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] };
  const others = Array.from({ length: edges - 1 }, (_, at) => ({ ...router, ...door, name: `router-${at + 2}`, kvNamespaces: { HOMES: `HOMES-${at + 2}` }, durableObjects: remote }));
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port,
    handleRuntimeStdio: handleLog ?? ((out, err) => (out.resume(), err.resume())),
    cf: { latitude: "50.1", longitude: "8.7", continent: "EU" },
    workers: kv === "moody" ? [router, store] : [router, ...others],
  });
  const stop = async () => {
    started.delete(stop);
    await miniflare.dispose();
  };
  started.add(stop);
  const url = await miniflare.ready;
  return {
    url,
    /** Where each edge listens; the first is `url`. */
    doors: [url, ...(await Promise.all(others.map(({ name }) => miniflare.unsafeGetDirectURL(name))))],
    stop,
    homes: () => miniflare.getKVNamespace("HOMES", "router"),
    /** A request to the edge of that number; the first is 1, which also listens at `url`. */
    at: async (edge, path, init) => (await miniflare.getWorker(edge === 1 ? "router" : `router-${edge}`)).fetch(new URL(path, "http://localhost"), init),
    /** The mood of a moody store: ok, slow or fails; or those of its parts, `{ kv: "slow" }`. */
    mood: async (mood) => (await miniflare.getWorker("moody-store")).fetch("http://store/", { method: "POST", body: JSON.stringify(typeof mood === "string" ? allMoods(mood) : mood) }),
    /** The homes that a moody directory has assigned. */
    assigned: async () => (await (await miniflare.getWorker("moody-store")).fetch("http://store/")).json(),
    snapshot: async () => (await fetch(new URL("/_homing/api/snapshot", url))).json(),
    /** The latest decision about that path. */
    decision: async function (path) {
      return waitUntil(async () => (await this.snapshot()).decisions.find((decision) => decision.path === path), `a decision about ${path}`);
    },
  };
}

/** Runs `homing` with these variables; resolves to its exit status, its JSON where it speaks JSON, and what it said. */
export function command(env, ...args) {
  return new Promise((resolve) => {
    execFile(join(root, "target/debug/homing"), args, { env: { ...process.env, ...env }, timeout: 60_000 }, (error, out, err) => {
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

/** Seals a session with any claims, as only a holder of the key can. */
export function seal(secret, { subject = "-", home = "-", epoch = 0, issued = Date.now(), expires = Date.now() + 86_400_000, pins = [] } = {}) {
  const key = createHash("sha256").update(`homing-key-id:${secret}`).digest("base64url").slice(0, 4);
  const text = ["1", key, subject, home, epoch, issued, expires, pins.join("~")].join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** A client with a cookie jar and a place; every request is a fresh look at raw status, headers and body. */
export class Client {
  constructor(url, near, headers = {}) {
    this.url = url;
    this.headers = { ...(near ? { "homing-dev-near": near } : {}), ...headers };
    this.cookies = new Map();
  }

  request(method, path, { headers = {}, body, raw = false, patience = 20_000 } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const isJson = body !== undefined && typeof body !== "string" && !Buffer.isBuffer(body);
    const payload = isJson ? JSON.stringify(body) : body;
    const options = {
      method,
      agent: false,
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

  /** The session's claims, unsigned part only: [version, key, subject, home, epoch, issued, expires, pins]. */
  session() {
    return this.cookies.get("__Host-homing")?.split(".");
  }
}
