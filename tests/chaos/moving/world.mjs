// Three regions behind fronts, two edges, and a home store that is late at the second edge.
import { FRONT, startRegions, startRouter, stopWithAll, topology, wrangler } from "../../e2e/harness.mjs";
import { FaultProxy } from "../../e2e/proxy.mjs";

const EDGES = 2;

/** @param {{ seed: number, build?: string }} how */
export async function startMovingWorld({ seed, build }) {
  const regions = await startRegions();
  const fronts = {};
  for (const region of Object.values(regions)) {
    fronts[region.name] = await FaultProxy.start(region.url, { seed });
    stopWithAll(() => fronts[region.name].stop());
  }
  const bindings = { SESSION_KEY: "the key of the sessions, which both edges have", PROBES: wrangler.vars.PROBES, LOG: process.env.LOG ? "all" : "off" };
  const handleLog = process.env.LOG ? await toFile(process.env.LOG) : undefined;
  const router = await startRouter({ vars: topology(fronts), bindings, edges: EDGES, kv: "late", build, handleLog });
  return { regions, fronts, router, front: FRONT };
}

async function toFile(path) {
  const { createWriteStream } = await import("node:fs");
  const file = createWriteStream(path);
  return (out, err) => [out, err].forEach((stream) => stream.on("data", (data) => file.write(data)));
}

/** Each region's own log, whole: what it applied as owner, in order, and what it announced. By the address that its peers use. */
export async function logs(world) {
  const of = async (region) => {
    const ops = [];
    for (;;) {
      const more = await (await fetch(`${region.controlUrl}/replicate?from=judge&after=${ops.at(-1)?.seq ?? 0}`)).json();
      if (more.length === 0) return [region.name, ops];
      ops.push(...more);
    }
  };
  return Object.fromEntries(await Promise.all(Object.values(world.regions).map(of)));
}

/** What each region holds of the catalogue and of those lists, and what is liked: by region, then by key. */
export async function finals(world, keys) {
  const get = async (region, path, headers = {}) => (await fetch(new URL(path, region.controlUrl), { headers })).json();
  const of = async (region) => {
    const held = {};
    for (const { id, item } of (await get(region, "/api/catalog")).items) held[id] = item?.id;
    held.likes = (await get(region, "/api/likes")).items.filter(({ count }) => count > 0).map(({ id }) => id);
    for (const key of keys) {
      const [kind, name] = key.split(":");
      const { items, notes } = kind === "user" ? await get(region, "/api/cart", { cookie: `app_user=${name}` }) : await get(region, `/t/${name}/notes`);
      held[key] = (items ?? notes ?? []).map((entry) => entry?.id ?? entry);
    }
    return [region.name, held];
  };
  return Object.fromEntries(await Promise.all(Object.values(world.regions).map(of)));
}

/** Whether every region has followed every other's log to its end, a moment ago. */
export async function replicated(world) {
  const of = async (region) => (await (await fetch(`${region.controlUrl}/.well-known/homing`)).json()).lag_ms;
  const lags = (await Promise.all(Object.values(world.regions).map(of))).flatMap((lag) => Object.values(lag));
  return lags.every((lag) => lag !== null && lag < 400);
}
