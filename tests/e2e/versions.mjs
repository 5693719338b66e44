// Two versions side by side, as while one is deployed: edges of either build, and Durable Objects that change their version while they
// have work. On the platform each object runs one version at a time and is reset when it gets another one; so it is here.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { Miniflare } from "miniflare";
import { root, stopWithAll, wrangler } from "./harness.mjs";

const FILES = ["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"];
const CF = { latitude: "50.1", longitude: "8.7", continent: "EU" };

/** The folder of the released build, unpacked. */
function released() {
  const [from, to] = [join(root, "tests/e2e/released"), join(root, "build/released")];
  mkdirSync(to, { recursive: true });
  for (const file of FILES) writeFileSync(join(to, file), brotliDecompressSync(readFileSync(join(from, `${file}.br`))));
  return to;
}

/** A topology in the words that the released build knows already. @param {any} vars */
export function inReleasedWords(vars) {
  for (const dataset of Object.values(vars.DATASETS)) {
    for (const word of ["merge", "per", "minimum"]) delete dataset.conflicts?.[word];
    if (dataset.ownership === "multi-writer") delete dataset.position;
  }
  return vars;
}

/** The Worker that has the objects: each is of the version that is deployed for its class, with that version's vars. */
const objects = (versions) => `
  import { DurableObject } from "cloudflare:workers";
  ${versions.map((_, at) => `import * as v${at} from "./v${at}/worker.mjs";`).join("\n  ")}
  // A module keeps what it was configured with, so each version is a module of its own, though it be of the same build.
  const builds = { ${versions.map((version, at) => `${JSON.stringify(version)}: v${at}`).join(", ")} };
  const [first] = Object.keys(builds);
  const deployed = { Authority: first, Directory: first, Prober: first };
  const bindings = { Authority: "AUTHORITY", Directory: "DIRECTORY", Prober: "PROBERS" };
  const alive = new Set();
  let down = false;
  function hosted(name) {
    class Hosted extends DurableObject {
      constructor(ctx, env) {
        super(ctx, env);
        const version = deployed[name];
        this.inner = new builds[version][name](ctx, { ...env, ...env.VARS[version] });
        alive.add(name + " " + ctx.id);
      }
      reset() {
        this.ctx.abort("another version is deployed");
      }
    }
    const methods = Object.values(builds).flatMap((build) => Object.getOwnPropertyNames(build[name].prototype));
    for (const method of new Set(methods)) {
      if (method === "constructor") continue;
      Hosted.prototype[method] = function (...args) {
        if (down && name === "Authority") throw new Error("on purpose: the authority is down");
        return this.inner[method](...args);
      };
    }
    return Hosted;
  }
  export const Authority = hosted("Authority");
  export const Directory = hosted("Directory");
  export const Prober = hosted("Prober");
  export default {
    async fetch(request, env) {
      const { down: isDown, ...versions } = await request.json();
      down = isDown ?? down;
      Object.assign(deployed, versions);
      for (const one of [...alive]) {
        const [name, id] = one.split(" ");
        if (!versions[name]) continue;
        alive.delete(one);
        const namespace = env[bindings[name]];
        await namespace.get(namespace.idFromString(id)).reset().catch(() => {});
      }
      return Response.json(deployed);
    },
  };`;

const modulesIn = (folder, below) => [
  { type: "ESModule", path: join(root, "build", below, "worker.mjs"), contents: readFileSync(join(folder, "worker.mjs"), "utf8") },
  ...FILES.slice(1).map((file) => ({ type: "CompiledWasm", path: join(root, "build", below, file), contents: readFileSync(join(folder, file)) })),
];

/** Starts edges: `edges` has a name, a build (`before` or `now`), vars, and perhaps `kv: false` for each; `vars` are those of the objects, by
 *  version; `builds` has the build of each version, if they are not called so. */
export async function startVersions({ edges, vars, bindings, builds = { before: "before", now: "now" } }) {
  const folders = { before: released(), now: join(root, "build") };
  const common = { compatibilityDate: wrangler.compatibility_date, compatibilityFlags: wrangler.compatibility_flags, modulesRoot: join(root, "build") };
  const bound = (scriptName) =>
    Object.fromEntries(
      wrangler.durable_objects.bindings.map(({ name, class_name }) => [
        name,
        { className: class_name, useSQLite: true, ...(scriptName ? { scriptName } : {}) },
      ]),
    );
  const home = {
    ...common,
    name: "objects",
    modules: [
      { type: "ESModule", path: join(root, "build/objects.mjs"), contents: objects(Object.keys(builds)) },
      ...Object.values(builds).flatMap((build, at) => modulesIn(folders[build], `v${at}`)),
    ],
    bindings: { ...bindings, VARS: vars },
    kvNamespaces: { HOMES: "HOMES" },
    durableObjects: bound(),
  };
  const edge = ({ name, build, vars, kv = true }) => ({
    ...common,
    name,
    modules: modulesIn(folders[build], build),
    modulesRoot: join(root, "build", build),
    bindings: { ...vars, ...bindings },
    ...(kv ? { kvNamespaces: { HOMES: "HOMES" } } : {}),
    durableObjects: bound("objects"),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  });
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: CF,
    handleRuntimeStdio: (out, err) => (out.resume(), err.resume()),
    workers: [home, ...edges.map(edge)],
  });
  stopWithAll(() => miniflare.dispose());
  await miniflare.ready;
  const control = async (what) =>
    (await /** @type {any} */ (await miniflare.getWorker("objects")).fetch("http://objects/", { method: "POST", body: JSON.stringify(what) })).json();
  return {
    doors: Object.fromEntries(await Promise.all(edges.map(async ({ name }) => [name, await miniflare.unsafeGetDirectURL(name)]))),
    /** Gives classes of objects another version: `{ Authority: "now" }`. What they were doing is broken off. */
    deploy: control,
    /** Whether the authority fails whatever it is asked. */
    down: (down) => control({ down }),
    homes: () => miniflare.getKVNamespace("HOMES", "objects"),
  };
}
