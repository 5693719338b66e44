// What a deployment tells of itself when `homing doctor` asks it: what is bound and set, and what came of asking its cache, home store,
// objects and regions. Nothing is judged here, nothing is changed, and no secret is told. routing/doctor has the meaning of each field.
import { ask, whereabouts } from "./authority.mjs";
import { LONGEST_JSON, text } from "../edge/body.mjs";
import { few } from "../edge/few.mjs";
import { within } from "../edge/flights.mjs";
import { KV_KEEPS_S, PATIENCE_MS } from "../edge/pace.mjs";
import { beside } from "./prober.mjs";
import { SHARDS, directory } from "../edge/shards.mjs";
import { forget, isThere, place as at } from "../edge/store.mjs";
import { UNCACHED } from "../edge/uncached.mjs";

const ADDRESS = "/_homing/api/doctor";
const BOUND = { HOMES: "get", DIRECTORY: "idFromName", AUTHORITY: "idFromName", PROBERS: "idFromName", ASSETS: "fetch" };
const SECRETS = ["SESSION_KEY", "SESSION_KEY_OLD", "ORIGIN_KEY", "ADMIN_TOKEN"];
const SHORTEST_SECRET = 32;
// Sizes of header fields with which an entry is stored; the largest that comes back is told.
const FIELDS = [8, 24, 32].map((kilobytes) => kilobytes * 1024);
// So much of a body that is no JSON is told.
const FIRST = 80;

/** Whether a URL asks for this. */
export const asksForIt = (url) => new URL(url).pathname === ADDRESS;

/** All of it, as JSON; `told` is what the operators' Wasm knows, `wrong` what is wrong with the configuration. */
export async function examine(request, env, told, wrong) {
  const onPlatform = typeof request.cf?.colo === "string";
  const url = new URL(request.url);
  const itself = {
    ...told,
    asks: undefined,
    hints: undefined,
    at: Date.now(),
    host: url.host,
    colo: onPlatform ? request.cf.colo : null,
    access: request.headers.has("cf-access-jwt-assertion"),
    configuration: wrong,
    secrets: Object.fromEntries(SECRETS.map((name) => [name, secret(env[name])])),
  };
  if (wrong) return JSON.stringify(itself);
  const services = told.asks.filter(({ service }) => service).map(({ service }) => [service, typeof env[service]?.fetch === "function"]);
  const bindings = {
    ...Object.fromEntries(Object.entries(BOUND).map(([name, does]) => [name, typeof env[name]?.[does] === "function"])),
    ...Object.fromEntries(services),
  };
  const regions = [...new Set(told.asks.map(({ region }) => region))];
  return JSON.stringify({
    ...itself,
    bindings,
    cache: await cache(url),
    store: bindings.HOMES ? await store(env.HOMES, regions) : null,
    authority: bindings.AUTHORITY ? await authority(env, onPlatform) : null,
    directory: bindings.DIRECTORY ? await shards(env, onPlatform) : null,
    probers:
      bindings.PROBERS && told.probes_every ? await each(regions, (region) => timed(() => beside(env, region, told.hints[region]).stands(onPlatform))) : {},
    regions: await each(regions, (region) =>
      questions(
        told.asks.filter((ask) => ask.region === region),
        env,
      ),
    ),
  });
}

const secret = (value) => (typeof value !== "string" || value === "" ? "none" : value.length < SHORTEST_SECRET ? "short" : "set");

/** What comes of each, by its name; a few at once. */
const each = async (names, work) => Object.fromEntries(await few(names, async (name) => [name, await work(name)]));

/** What work comes to, with how long it took, or why it failed. */
async function timed(work) {
  const began = Date.now();
  try {
    const said = await within(PATIENCE_MS, work());
    return { ...said, ms: Date.now() - began };
  } catch (error) {
    return { failed: error?.message ?? String(error), ms: Date.now() - began };
  }
}

/** The edge cache, tried with entries of its own below a name that nobody knows; they go again. */
async function cache(url) {
  const place = new URL(`/_homing/doctor/${crypto.randomUUID()}`, url).href;
  const keys = [];
  const put = (key, size) => {
    keys.push(key);
    const headers = new Headers({ "cache-control": "public, max-age=60" });
    for (let left = size, n = 0; left > 0; left -= 4096, n++) headers.set(`homing-doctor-${n}`, "x".repeat(4096));
    return caches.default.put(at(key), new Response("doctor", { headers }));
  };
  try {
    await put(`${place}?one`, 0);
    const hit = await isThere(`${place}?one`);
    const queryIgnored = await isThere(`${place}?two`);
    const fields = hit ? await most(put, place) : 0;
    await forget(`${place}?one`);
    return { hit, query_ignored: queryIgnored, deleted: !(await isThere(`${place}?one`)), fields };
  } catch (error) {
    return { failed: error?.message ?? String(error) };
  } finally {
    for (const key of keys) await forget(key).catch(() => {});
  }
}

async function most(put, place) {
  let most = 0;
  for (const size of FIELDS) {
    const key = `${place}?${size}`;
    const came = await put(key, size)
      .then(() => isThere(key))
      .catch(() => false);
    if (!came) break;
    most = size;
  }
  return most;
}

/** What lies in the home store for the edges. */
function store(homes, regions) {
  return timed(async () => {
    const found = await homes.get(["view", ...regions.map((region) => `probe:${region}`)], { cacheTtl: KV_KEEPS_S });
    const reports = Object.fromEntries(regions.map((region) => [region, found.get(`probe:${region}`) ?? null]));
    return { view: found.get("view") ?? null, reports };
  });
}

function authority(env, onPlatform) {
  return timed(async () => {
    const { body } = JSON.parse(await ask(env, JSON.stringify({ do: "show" })));
    return { ...(await whereabouts(env, onPlatform)), version: body.version };
  });
}

async function shards(env, onPlatform) {
  const all = Object.entries(await each(SHARDS, (shard) => timed(() => directory(env, shard, (shard) => shard.stands(onPlatform)))));
  const places = all.map(([, { colo }]) => colo).filter(Boolean);
  return {
    shards: SHARDS.length,
    ms: Math.max(...all.map(([, { ms }]) => ms)),
    failed: Object.fromEntries(all.filter(([, { failed }]) => failed).map(([shard, { failed }]) => [shard, failed])),
    colos: Object.fromEntries([...new Set(places)].map((colo) => [colo, places.filter((place) => place === colo).length])),
  };
}

/** The questions to a region, one behind the other; one that does not answer the first is asked nothing more. */
async function questions(asks, env) {
  const found = {};
  for (const ask of asks) {
    found[ask.of] = await answered(ask, env);
    if (found[ask.of].failed) break;
  }
  return found;
}

async function answered({ service, url, headers }, env) {
  const began = Date.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const init = { headers, redirect: "manual", signal, cf: UNCACHED };
    const response = await (service ? env[service].fetch(url, init) : fetch(url, init));
    const ended = Date.now();
    const said = await text(response);
    return { status: response.status, service: Boolean(service), began, ended, fields: Object.fromEntries(response.headers), ...read(said) };
  } catch (error) {
    return { failed: error?.message ?? String(error), timed_out: signal.aborted, began, ended: Date.now() };
  }
}

function read(text) {
  try {
    if (text.length <= LONGEST_JSON) return { json: JSON.parse(text) };
  } catch {}
  return { text: text.slice(0, FIRST) };
}
