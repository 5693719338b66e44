// The router in miniflare, which `wrangler dev` stands on.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare } from "miniflare";

/** Starts it; resolves to what differs between the runtimes. */
export async function start({ root, build, edges, kv, cache, vars, objects, store, wrangler, port, handleLog, cf }) {
  const bound = Object.fromEntries(objects.map(({ name, className }) => [name, { className, useSQLite: true }]));
  const moods = Object.fromEntries(objects.filter(({ moody }) => moody).map(({ name }) => [name, bound[name]]));
  const elsewhere = (objects, scriptName) => Object.fromEntries(Object.entries(objects).map(([name, object]) => [name, { ...object, scriptName }]));
  // Of a store that tells edges apart, each has its own entrance.
  const homes = (edge) =>
    kv === true
      ? { kvNamespaces: { HOMES: edge === 1 ? "HOMES" : `HOMES-${edge}` } }
      : kv
        ? { serviceBindings: { HOMES: kv === "late" ? { name: "home-store", entrypoint: `Edge${edge}` } : "home-store" } }
        : {};
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
    bindings: vars,
    cache: cache !== "nothing",
    ...homes(1),
    durableObjects: kv === "moody" ? { ...bound, ...elsewhere(moods, "home-store") } : bound,
    assets: {
      directory: join(root, wrangler.assets.directory),
      binding: "ASSETS",
      routerConfig: { invoke_user_worker_ahead_of_assets: true, has_user_worker: true },
    },
  };
  const standIn = {
    name: "home-store",
    modules: true,
    script: store,
    compatibilityDate: wrangler.compatibility_date,
    durableObjects: kv === "moody" ? moods : {},
  };
  // Another edge: the same Durable Objects, an isolate of its own, and a home store to which nothing has come through yet (or late).
  const door = { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] };
  const others = Array.from({ length: edges - 1 }, (_, at) => ({
    ...router,
    ...door,
    name: `router-${at + 2}`,
    ...homes(at + 2),
    durableObjects: elsewhere(bound, "router"),
  }));
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port,
    handleRuntimeStdio: handleLog,
    cf,
    workers: [router, ...others, ...(kv && kv !== true ? [standIn] : [])],
  });
  const stop = () => miniflare.dispose();
  try {
    const url = await miniflare.ready;
    return {
      doors: [url, ...(await Promise.all(others.map(({ name }) => miniflare.unsafeGetDirectURL(name))))],
      stop,
      homes: () => miniflare.getKVNamespace("HOMES", "router"),
      at: async (edge, path, init) =>
        /** @type {any} */ (await miniflare.getWorker(edge === 1 ? "router" : `router-${edge}`)).fetch(new URL(path, "http://localhost"), init),
      askStore: async (init) => /** @type {any} */ (await miniflare.getWorker("home-store")).fetch("http://store/", init),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts edges of several builds beside the one Worker that has the objects of all (versions.mjs). They share one home store. */
export async function startVersions({ root, wrangler, script, builds, vars, bindings, edges, objects, handleLog, cf }) {
  const modulesRoot = join(root, "build");
  const common = { compatibilityDate: wrangler.compatibility_date, compatibilityFlags: wrangler.compatibility_flags, modulesRoot };
  const bound = (elsewhere) => Object.fromEntries(objects.map(({ name, className }) => [name, { className, useSQLite: true, ...elsewhere }]));
  const modulesIn = (build, below) => [
    { type: "ESModule", path: join(modulesRoot, below, "worker.mjs"), contents: readFileSync(join(root, build, "worker.mjs"), "utf8") },
    ...["homing_bg.wasm", "operators_bg.wasm"].map((file) => ({
      type: "CompiledWasm",
      path: join(modulesRoot, below, file),
      contents: readFileSync(join(root, build, file)),
    })),
  ];
  const home = {
    ...common,
    name: "objects",
    modules: [{ type: "ESModule", path: join(modulesRoot, "objects.mjs"), contents: script }, ...builds.flatMap((build, at) => modulesIn(build, `v${at}`))],
    bindings: { ...bindings, VARS: vars },
    kvNamespaces: { HOMES: "HOMES" },
    durableObjects: bound({}),
  };
  const edge = ({ name, build, vars, kv }) => ({
    ...common,
    name,
    modules: modulesIn(build, name),
    modulesRoot: join(modulesRoot, name),
    bindings: { ...vars, ...bindings },
    ...(kv ? { kvNamespaces: { HOMES: "HOMES" } } : {}),
    durableObjects: bound({ scriptName: "objects" }),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  });
  const workers = /** @type {any} */ ([home, ...edges.map(edge)]);
  const miniflare = new Miniflare({ host: "127.0.0.1", port: 0, cf, handleRuntimeStdio: handleLog, workers });
  const stop = () => miniflare.dispose();
  try {
    await miniflare.ready;
    return {
      stop,
      doors: Object.fromEntries(await Promise.all(edges.map(async ({ name }) => [name, await miniflare.unsafeGetDirectURL(name)]))),
      control: async (what) =>
        (await /** @type {any} */ (await miniflare.getWorker("objects")).fetch("http://objects/", { method: "POST", body: JSON.stringify(what) })).json(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts a Worker of one module. */
export async function startScript({ script, vars, date, flags }) {
  const miniflare = new Miniflare({ host: "127.0.0.1", modules: true, script, bindings: vars, compatibilityDate: date, compatibilityFlags: flags });
  return { url: (await miniflare.ready).origin, stop: () => miniflare.dispose() };
}
