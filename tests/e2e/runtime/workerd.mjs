// The router in plain workerd, as the platform runs it: no front parses URLs, recodes bodies or joins fields before the Worker sees them.
// One process holds all edges; each has an isolate, a KV namespace (kv.mjs) and a cache (cache.mjs) of its own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import workerd from "workerd";
import { cacheServer } from "./cache.mjs";

// A run that is interrupted takes with it what it has started, by the hooks at exit; miniflare sees to that itself.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

const text = (value) => JSON.stringify(String(value));
const list = (items) => `[${items.join(", ")}]`;
const named = (name, what) => `(name = ${text(name)}, ${what})`;
const variable = ([name, value]) => named(name, typeof value === "string" ? `text = ${text(value)}` : `json = ${text(JSON.stringify(value))}`);

/**
 * A Worker as a service; `objects` are the classes of the Durable Objects that live in it. They have SQL on disk only.
 * @param {string} name @param {{ modules: any, bindings?: any[], objects?: any[], flags?: any[], cache?: any }} what @param {any} dates
 */
function worker(name, { modules, bindings = [], objects = [], flags = [], cache }, { compatibility_date: date }) {
  const namespaces = objects.map((object) => `(className = ${text(object)}, uniqueKey = ${text(object)}, enableSql = true)`);
  const stored = objects.length ? `, durableObjectNamespaces = ${list(namespaces)}, durableObjectStorage = (localDisk = "objects-disk")` : "";
  const cached = cache ? `, cacheApiOutbound = ${text(cache)}` : "";
  return named(
    name,
    `worker = (modules = ${list(modules)}, bindings = ${list(bindings)}, compatibilityDate = ${text(date)}, compatibilityFlags = ${list(flags.map(text))}${stored}${cached})`,
  );
}

const embedded = (path) => [named("worker", `esModule = embed ${text(path)}`)];

/** Workerd's configuration for these edges, whose names are `names`. */
function configuration({ root, build, names, kv, vars, objects, store, wrangler, port, folder, caches }) {
  const moody = objects.filter((object) => kv === "moody" && object.moody).map(({ className }) => className);
  const mine = objects.map(({ className }) => className).filter((name) => !moody.includes(name));
  const modules = modulesIn(build);
  const entrance = (at) => (kv === "late" ? `(name = "home-store", entrypoint = "Edge${at + 1}")` : text("home-store"));
  const homes = (at) => (kv && kv !== true ? [`(name = "HOMES", service = ${entrance(at)})`] : kv ? [`(name = "HOMES", kvNamespace = "homes-${at + 1}")`] : []);
  // Another edge has the same Durable Objects, and a home store to which nothing has come through yet.
  const bound =
    (at) =>
    ({ name, className }) => {
      const where = moody.includes(className) ? "home-store" : at > 0 ? "router" : undefined;
      return named(name, `durableObjectNamespace = ${where ? `(className = ${text(className)}, serviceName = ${text(where)})` : text(className)}`);
    };
  const edge = (name, at) => {
    const bindings = [...Object.entries(vars).map(variable), ...homes(at), ...objects.map(bound(at)), `(name = "ASSETS", service = "assets")`];
    return worker(name, { modules, bindings, objects: at === 0 ? mine : [], flags: wrangler.compatibility_flags, cache: `cache-${at + 1}` }, wrangler);
  };
  const services = [
    ...names.map(edge),
    ...caches.map(cacheService),
    ...(kv === true ? names.map((_, at) => worker(`homes-${at + 1}`, { modules: embedded("/tests/e2e/runtime/kv.mjs") }, wrangler)) : []),
    ...(kv && kv !== true ? [worker("home-store", { modules: [named("worker", `esModule = ${text(store)}`)], objects: moody }, wrangler)] : []),
    worker("assets", { modules: embedded("/tests/e2e/runtime/assets.mjs"), bindings: [`(name = "FILES", service = "files")`] }, wrangler),
    named("files", `disk = (path = ${text(join(root, wrangler.assets.directory))})`),
    named("objects-disk", `disk = (path = ${text(folder)}, writable = true)`),
    NETWORK,
  ];
  const sockets = [
    ...names.map((name, at) => socket(name, name, at === 0 ? port : 0)),
    ...(kv ? [socket("store", kv === true ? "homes-1" : "home-store")] : []),
  ];
  return written(services, sockets);
}

const written = (services, sockets) =>
  `using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (services = ${list(services)}, sockets = ${list(sockets)});\n`;
const NETWORK = named("internet", `network = (allow = ["private", "public", "local"])`);
const socket = (name, service, port = 0) => named(name, `address = "127.0.0.1:${port}", http = (cfBlobHeader = "MF-CF-Blob"), service = ${text(service)}`);
const cacheService = (server, at) => named(`cache-${at + 1}`, `external = (address = "127.0.0.1:${server.address().port}", http = ())`);
const modulesIn = (folder, below = "") => [
  named(`${below}worker.mjs`, `esModule = embed "/${folder}/worker.mjs"`),
  ...["homing_bg.wasm", "operators_bg.wasm"].map((file) => named(`${below}${file}`, `wasm = embed "/${folder}/${file}"`)),
];

/** Runs workerd in a folder of its own, by what `configure` makes of that and of the edges' caches; resolves to the sockets' ports. */
async function serve({ root, edges, cache: manner, sockets, handleLog }, configure) {
  const folder = mkdtempSync(join(tmpdir(), "homing-workerd-"));
  const caches = await Promise.all(Array.from({ length: edges }, () => cache(manner)));
  writeFileSync(join(folder, "config.capnp"), configure(folder, caches));
  const child = spawn(workerd.default, ["serve", join(folder, "config.capnp"), `--import-path=${root}`, "--control-fd=3"], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const kill = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", kill);
  const gone = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  let said = "";
  const listen = (data) => (said += data);
  child.stderr.on("data", listen);
  handleLog(child.stdout, child.stderr);
  const stop = async () => {
    process.off("exit", kill);
    child.kill("SIGKILL");
    await gone;
    for (const server of caches) server.close().closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const early = gone.then(() => Promise.reject(new Error(`workerd ended at once; it said:\n${said}`)));
    const ports = await Promise.race([listening(child.stdio[3], sockets), early]);
    child.stderr.off("data", listen);
    const purge = () => caches.forEach((server) => server.purge());
    return { url: (name) => ports[name] && new URL(`http://127.0.0.1:${ports[name]}`), purge, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts it; resolves to what differs between the runtimes. */
export async function start(options) {
  const names = Array.from({ length: options.edges }, (_, at) => (at === 0 ? "router" : `router-${at + 1}`));
  const sockets = names.length + (options.kv ? 1 : 0);
  const { url, purge, stop } = await serve({ ...options, sockets }, (folder, caches) => configuration({ ...options, names, folder, caches }));
  const [doors, store] = [names.map(url), url("store")];
  const key = (name) => new URL(encodeURIComponent(name), store);
  return {
    doors,
    stop,
    homes: () => ({
      get: async (name) => fetch(key(name)).then((answer) => (answer.status === 404 ? null : answer.text())),
      put: async (name, value) => void (await fetch(key(name), { method: "PUT", body: value })),
    }),
    at: (edge, path, init) => fetch(new URL(path, doors[edge - 1]), { redirect: "manual", ...init, headers: { ...options.front, ...init?.headers } }),
    purge,
    askStore: (init) => fetch(store, init),
  };
}

/** Starts edges of several builds beside the one Worker that has the objects of all (versions.mjs). They share one home store. */
export async function startVersions({ root, wrangler, script, builds, vars, bindings, edges, objects, handleLog }) {
  const { compatibility_flags: flags } = wrangler;
  const homes = `(name = "HOMES", kvNamespace = "homes")`;
  const bound = (where) => objects.map(({ name, className }) => named(name, `durableObjectNamespace = ${where(className)}`));
  const configure = (folder, caches) => {
    const home = worker(
      "objects",
      {
        modules: [named("objects.mjs", `esModule = ${text(script)}`), ...builds.flatMap((build, at) => modulesIn(build, `v${at}/`))],
        bindings: [...Object.entries({ ...bindings, VARS: vars }).map(variable), homes, ...bound(text)],
        objects: objects.map(({ className }) => className),
        flags,
      },
      wrangler,
    );
    const edge = ({ name, build, vars, kv }, at) => {
      const there = bound((className) => `(className = ${text(className)}, serviceName = "objects")`);
      const all = [...Object.entries({ ...vars, ...bindings }).map(variable), ...(kv ? [homes] : []), ...there];
      return worker(name, { modules: modulesIn(build), bindings: all, flags, cache: `cache-${at + 1}` }, wrangler);
    };
    const store = worker("homes", { modules: embedded("/tests/e2e/runtime/kv.mjs") }, wrangler);
    const disk = named("objects-disk", `disk = (path = ${text(folder)}, writable = true)`);
    return written(
      [home, ...edges.map(edge), ...caches.map(cacheService), store, disk, NETWORK],
      [socket("objects", "objects"), ...edges.map(({ name }) => socket(name, name))],
    );
  };
  const { url, stop } = await serve({ root, edges: edges.length, cache: undefined, sockets: edges.length + 1, handleLog }, configure);
  return {
    stop,
    doors: Object.fromEntries(edges.map(({ name }) => [name, url(name)])),
    control: async (what) => (await fetch(url("objects"), { method: "POST", body: JSON.stringify(what) })).json(),
  };
}

/** A store for one edge's cache, of that manner, which listens. */
function cache(manner) {
  const server = cacheServer(manner);
  return new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", () => resolve(server)));
}

/** The ports of so many sockets, once all of them listen. */
function listening(stream, count) {
  const ports = {};
  let text = "";
  return new Promise((resolve) => {
    stream.on("data", (data) => {
      const lines = (text += data).split("\n");
      text = lines.pop();
      for (const { event, socket, port } of lines.map((line) => JSON.parse(line))) if (event === "listen") ports[socket] = port;
      if (Object.keys(ports).length === count) resolve(ports);
    });
  });
}

/** Starts a Worker of one module. */
export async function startScript({ script, vars, date, flags }) {
  const folder = mkdtempSync(join(tmpdir(), "homing-script-"));
  const modules = [named("worker", `esModule = ${text(script)}`)];
  const bindings = Object.entries(vars).map(variable);
  const services = [
    worker("script", { modules, bindings, flags }, { compatibility_date: date }),
    named("internet", `network = (allow = ["private", "public", "local"], tlsOptions = (trustBrowserCas = true))`),
  ];
  const sockets = [named("script", `address = "127.0.0.1:0", http = (), service = "script"`)];
  writeFileSync(join(folder, "config.capnp"), written(services, sockets));
  const child = spawn(workerd.default, ["serve", join(folder, "config.capnp"), "--control-fd=3"], { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const gone = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  const stop = async () => {
    child.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const early = gone.then(() => Promise.reject(new Error("workerd ended at once")));
  const ports = await Promise.race([listening(child.stdio[3], 1), early]).catch(async (error) => (await stop(), Promise.reject(error)));
  return { url: `http://127.0.0.1:${ports.script}`, stop };
}
