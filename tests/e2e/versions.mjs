// Two versions side by side, as while one is deployed: edges of either build, and Durable Objects that change their version while they
// have work. On the platform each object runs one version at a time and is reset when it gets another one; so it is here.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { root, startVersions as startInRuntime, stopWithAll } from "./harness.mjs";

const FILES = ["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"];

/** Unpacks the released build. */
function released() {
  const [from, to] = [join(root, "tests/e2e/released"), join(root, "build/released")];
  mkdirSync(to, { recursive: true });
  for (const file of FILES) writeFileSync(join(to, file), brotliDecompressSync(readFileSync(join(from, `${file}.br`))));
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

/** Starts edges: `edges` has a name, a build (`before` or `now`), vars, and perhaps `kv: false` for each; `vars` are those of the objects, by
 *  version; `builds` has the build of each version, if they are not called so. */
export async function startVersions({ edges, vars, bindings, builds = { before: "before", now: "now" } }) {
  released();
  const folders = { before: "build/released", now: "build" };
  const { doors, control, stop } = await startInRuntime({
    script: objects(Object.keys(builds)),
    builds: Object.values(builds).map((build) => folders[build]),
    edges: edges.map(({ build, kv = true, ...edge }) => ({ ...edge, build: folders[build], kv })),
    vars,
    bindings,
  });
  stopWithAll(stop);
  return {
    doors,
    /** Gives classes of objects another version: `{ Authority: "now" }`. What they were doing is broken off. */
    deploy: control,
    /** Whether the authority fails whatever it is asked. */
    down: (down) => control({ down }),
  };
}
