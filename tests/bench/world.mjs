// What the benchmark stands on: an origin, a store for the Cache API, and one plain workerd for each contender.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, copyFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import workerd from "workerd";
import { freePort } from "../e2e/ports.mjs";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const { compatibility_date, compatibility_flags } = /** @type {any} */ (parse)(readFileSync(join(root, "wrangler.toml"), "utf8"));
export const scratch = mkdtempSync(join(tmpdir(), "homing-bench-"));
const children = new Set();

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** nginx is the origin and wrk the load; on Debian they are installed where missing. */
export function install() {
  const missing = ["nginx", "wrk"].filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
  if (!missing.length) return;
  if (process.getuid() !== 0 || spawnSync("sh", ["-c", "command -v apt-get"]).status !== 0)
    throw new Error(`the benchmark needs ${missing.join(" and ")}; install them (Debian: apt-get install ${missing.join(" ")})`);
  console.log(`installing ${missing.join(", ")}`);
  execFileSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], { stdio: ["ignore", "ignore", "inherit"] });
}

export { freePort };

export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** Until something answers on the port, with that status where it matters; as often as it can be asked. */
async function answers(port, child, status) {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      const answer = await get(port, "/plain/1");
      if (status && answer.status !== status) throw new Error(`port ${port} answers ${answer.status}: ${answer.text}`);
      return answer;
    } catch (error) {
      if (Date.now() > end || child.exitCode !== null) throw error;
    }
  }
}

/** @param {number} port @param {string} path @param {{ method?: string, headers?: any, body?: any, bytes?: number }} [how] @returns {Promise<any>} */
export function get(port, path, { method = "GET", headers = {}, body, bytes } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk)).on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject).end(body ?? (bytes && "x".repeat(bytes)));
  });
}

/** One nginx on several ports: regions that answer at once. Returns their ports by name. */
export async function origin(names, sizes = []) {
  mkdirSync(join(scratch, "sized"));
  for (const size of sizes) writeFileSync(join(scratch, "sized", String(size)), Buffer.alloc(size, "x"));
  const ports = {};
  for (const name of names) ports[name] = await freePort();
  const answer = (name) => `return 200 '{"region":"${name}","item":{"name":"lamp","price":12,"text":"${"x".repeat(200)}"}}';`;
  const servers = Object.entries(ports).map(
    ([name, port]) => `server {
      listen 127.0.0.1:${port}; default_type application/json; keepalive_requests 1000000000;
      location /catalog/ { add_header Homing-Wrote $wrote; add_header Homing-Lag "us=0"; ${answer(name)} }
      location /docs/ { add_header Homing-Wrote $wrote; add_header Homing-Position "docs=1; least=1"; add_header Homing-Epoch 1; ${answer(name)} }
      location /shared/ { add_header Homing-Wrote $wrote; add_header Homing-Position "docs=1; least=1"; add_header Homing-Epoch 1; add_header Cache-Control "public, max-age=3600"; add_header ETag '"v1"'; ${answer(name)} }
      location /cached/ { add_header Cache-Control "public, max-age=3600"; add_header ETag '"v1"'; ${answer(name)} }
      location /sized/ { root ${scratch}; etag off; add_header Last-Modified ""; add_header Cache-Control no-store; }
      location /kept/ { alias ${scratch}/sized/; add_header Cache-Control "public, max-age=3600"; }
      location / { ${answer(name)} }
    }`,
  );
  // nginx leaves out a header field without a value.
  const map = "map $request_method $wrote { default 1; GET ''; }";
  const config = `daemon off; master_process off; pid ${scratch}/nginx.pid; error_log stderr crit; events { worker_connections 4096; }
    http { access_log off; client_body_temp_path ${scratch}/body; ${map} ${servers.join("\n")} }`;
  writeFileSync(join(scratch, "nginx.conf"), config);
  const child = start("nginx", ["-p", scratch, "-c", join(scratch, "nginx.conf")]);
  for (const port of Object.values(ports)) await answers(port, child);
  return ports;
}

/** An origin that accepts and never answers: its port, and how many connections it has. */
export async function blackHole() {
  const state = { connections: 0 };
  const server = net.createServer((socket) => {
    state.connections++;
    socket.on("error", () => {}).resume();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  server.unref();
  return Object.assign(state, { port: /** @type {import("node:net").AddressInfo} */ (server.address()).port });
}

/** An origin for uploads: nginx answers before it has read them. */
export async function sink() {
  const port = await freePort();
  await answers(port, start(process.execPath, [join(root, "tests/bench/sink.mjs"), String(port)]));
  return port;
}

/** What `caches.default` of plain workerd talks to: GET, PUT of a whole response as text, PURGE. A process of its own, so that its CPU is nobody's. */
export async function cacheStore() {
  const port = await freePort();
  const child = start(process.execPath, [join(root, "tests/bench/store.mjs"), String(port)]);
  await answers(port, child);
  return port;
}

/** In which field a client says what the platform would tell of it. */
export const CF_HEADER = "cf-blob";

const binding = (name, value) =>
  typeof value === "string" ? `(name = "${name}", text = ${JSON.stringify(value)})` : `(name = "${name}", json = ${JSON.stringify(JSON.stringify(value))})`;

/**
 * Writes a contender's folder: its modules and workerd's configuration. V8's inspector listens where a port for it is given; V8 goes by
 * these flags.
 * @param {string} name @param {Record<string, string>} modules @param {Record<string, unknown>} vars @param {number} cache @param {number} port
 * @param {{ inspector?: number, v8?: string[] }} [how]
 */
export function contender(name, modules, vars, cache, port, { inspector, v8 = [] } = {}) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const [file, from] of Object.entries(modules)) copyFileSync(from, join(folder, file));
  const list = Object.keys(modules).map((file) => `(name = "${file}", ${file.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${file}")`);
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = .worker), (name = "internet", network = (allow = ["private", "public", "local"])),
        (name = "cache", external = (address = "127.0.0.1:${cache}", http = ())) ],
      sockets = [(name = "http", address = "127.0.0.1:${port}", http = (cfBlobHeader = "${CF_HEADER}"), service = "main")],
      v8Flags = ${JSON.stringify(v8)} );
    const worker :Workerd.Worker = (
      modules = [${list.join(", ")}], bindings = [${Object.entries(vars)
        .map(([key, value]) => binding(key, value))
        .join(", ")}],
      compatibilityDate = "${compatibility_date}", compatibilityFlags = ${JSON.stringify(compatibility_flags)}, cacheApiOutbound = "cache" );`,
  );
  const [command, args] = [workerd.default, ["serve", ...(inspector ? [`--inspector-addr=127.0.0.1:${inspector}`] : []), join(folder, "config.capnp")]];
  return {
    name,
    port,
    folder,
    inspector,
    command,
    args,
    async start() {
      this.launch();
      await answers(port, this.child, 200);
      return this;
    },
    /** Starts the process, which has answered nothing yet. */
    launch() {
      this.child = start(command, args);
    },
    async stop() {
      const gone = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGKILL");
      await gone;
    },
    /** CPU time so far, in milliseconds (proc(5): fields 14 and 15, in hundredths of a second). */
    cpu() {
      const fields = readFileSync(`/proc/${this.child.pid}/stat`, "utf8").split(") ")[1].split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    /** CPU time of the threads that live, in microseconds: finer, but without those that have ended (Documentation/scheduler/sched-stats of Linux). */
    cpuOfThreads() {
      const threads = `/proc/${this.child.pid}/task`;
      return readdirSync(threads).reduce((sum, thread) => sum + Number(readFileSync(join(threads, thread, "schedstat"), "utf8").split(" ")[0]) / 1000, 0);
    },
  };
}

let loads = 0;

/**
 * One round of load: requests, failures, rate and latencies in milliseconds.
 * @param {number} port @param {string} path @param {number} seconds @param {{ method?: string, headers?: any, body?: any, bytes?: number, connections?: number }} [how]
 */
export function load(port, path, seconds, { method = "GET", headers = {}, body, bytes, connections = 32 } = {}) {
  const script = join(scratch, `load-${++loads}.lua`); // two may run at once
  const fields = Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`);
  const report = `function done(s, l) local e = s.errors
    io.write(string.format("JSON{\\"requests\\":%d,\\"failed\\":%d,\\"micros\\":%d,\\"p50\\":%.3f,\\"p99\\":%.3f}\\n", s.requests, e.connect + e.read + e.write + e.status + e.timeout, s.duration, l:percentile(50) / 1000, l:percentile(99) / 1000)) end`;
  writeFileSync(
    script,
    [`wrk.method = "${method}"`, ...fields, body ? `wrk.body = ${JSON.stringify(body)}` : bytes ? `wrk.body = string.rep("x", ${bytes})` : "", report].join(
      "\n",
    ),
  );
  return new Promise((resolve, reject) => {
    const child = start("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `http://127.0.0.1:${port}${path}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    /** @type {import("node:stream").Readable} */ (child.stdout).on("data", (chunk) => (text += chunk));
    child.once("exit", () => {
      const found = /JSON(\{.*\})/.exec(text);
      if (!found) return reject(new Error(`wrk said:\n${text}`));
      const { micros, ...figures } = JSON.parse(found[1]);
      resolve({ ...figures, rate: figures.requests / (micros / 1e6) });
    });
  });
}
