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
import { UNCACHED, fetchFrom } from "../edge/uncached.mjs";

/**
 * A question to a region.
 * @typedef {{ region: string, of: string, service?: string | null, url: string, headers: Record<string, string> }} Ask
 * What the operators' Wasm knows.
 * @typedef {{ asks: Ask[], hints: Record<string, string>, probes_every: number }} Told
 */

const ADDRESS = "/_homing/api/doctor";
const BOUND = { HOMES: "get", DIRECTORY: "idFromName", AUTHORITY: "idFromName", PROBERS: "idFromName", ASSETS: "fetch" };
const SECRETS = ["SESSION_KEY", "SESSION_KEY_OLD", "ORIGIN_KEY", "ADMIN_TOKEN"];
const SHORTEST_SECRET = 32;
// Sizes of header fields with which an entry is stored; the largest that comes back is told.
const FIELDS = [8, 24, 32].map((kilobytes) => kilobytes * 1024);
// So much of a body that is no JSON is told.
const FIRST = 80;

/** Whether a URL asks for this. @param {string} url */
export const asksForIt = (url) => new URL(url).pathname === ADDRESS;

/**
 * All of it, as JSON; `told` is what the operators' Wasm knows, `wrong` what is wrong with the configuration.
 * @param {Request} request @param {Env} env @param {Told} told @param {string} wrong
 */
export async function examine(request, env, told, wrong) {
  const colo = typeof request.cf?.colo === "string" ? request.cf.colo : null;
  const onPlatform = colo !== null;
  const url = new URL(request.url);
  const itself = {
    ...told,
    asks: undefined,
    hints: undefined,
    at: Date.now(),
    host: url.host,
    colo,
    access: request.headers.has("cf-access-jwt-assertion"),
    configuration: wrong,
    secrets: Object.fromEntries(SECRETS.map((name) => [name, secret(bound(env, name))])),
  };
  if (wrong) return JSON.stringify(itself);
  const services = told.asks.filter(({ service }) => service).map(({ service }) => [service, does(env, service, "fetch")]);
  const bindings = {
    ...Object.fromEntries(Object.entries(BOUND).map(([name, what]) => [name, does(env, name, what)])),
    ...Object.fromEntries(services),
  };
  const regions = [...new Set(told.asks.map(({ region }) => region))];
  return JSON.stringify({
    ...itself,
    bindings,
    cache: await cache(url),
    store: bindings.HOMES ? await store(/** @type {KVNamespace} */ (env.HOMES), regions) : null,
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

/** What is bound or set by that name. @param {Env} env @param {string | null | undefined} name @returns {unknown} */
const bound = (env, name) => /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (env))[name ?? ""];

/** Whether something is bound by that name that does that. @param {Env} env @param {string | null | undefined} name @param {string} what */
const does = (env, name, what) => typeof (/** @type {Record<string, unknown> | undefined} */ (bound(env, name))?.[what]) === "function";

/** @param {unknown} value */
const secret = (value) => (typeof value !== "string" || value === "" ? "none" : value.length < SHORTEST_SECRET ? "short" : "set");

/**
 * What comes of each, by its name; a few at once.
 * @template T @param {string[]} names @param {(name: string) => Promise<T>} work @returns {Promise<Record<string, T>>}
 */
const each = async (names, work) => Object.fromEntries(await few(names, async (name) => [name, await work(name)]));

/** @param {unknown} error */
const reason = (error) => /** @type {Partial<Error> | undefined} */ (error)?.message ?? String(error);

/**
 * What work comes to, with how long it took, or why it failed.
 * @template {object} T @param {() => Promise<T>} work @returns {Promise<(T & { failed?: undefined, ms: number }) | { failed: string, ms: number }>}
 */
async function timed(work) {
  const began = Date.now();
  try {
    const said = await within(PATIENCE_MS, work());
    return { ...said, ms: Date.now() - began };
  } catch (error) {
    return { failed: reason(error), ms: Date.now() - began };
  }
}

/** The edge cache, tried with entries of its own below a name that nobody knows; they go again. @param {URL} url */
async function cache(url) {
  const place = new URL(`/_homing/doctor/${crypto.randomUUID()}`, url).href;
  /** @type {string[]} */
  const keys = [];
  const put = (/** @type {string} */ key, /** @type {number} */ size) => {
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
    return { failed: reason(error) };
  } finally {
    for (const key of keys) await forget(key).catch(() => {});
  }
}

/** @param {(key: string, size: number) => Promise<void>} put @param {string} place */
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

/** What lies in the home store for the edges. @param {KVNamespace} homes @param {string[]} regions */
function store(homes, regions) {
  return timed(async () => {
    const found = await homes.get(["view", ...regions.map((region) => `probe:${region}`)], { cacheTtl: KV_KEEPS_S });
    const reports = Object.fromEntries(regions.map((region) => [region, found.get(`probe:${region}`) ?? null]));
    return { view: found.get("view") ?? null, reports };
  });
}

/** @param {Env} env @param {boolean} onPlatform */
function authority(env, onPlatform) {
  return timed(async () => {
    const { body } = JSON.parse(await ask(env, JSON.stringify({ do: "show" })));
    return { ...(await whereabouts(env, onPlatform)), version: body.version };
  });
}

/** @param {Env} env @param {boolean} onPlatform */
async function shards(env, onPlatform) {
  const all = Object.entries(await each(SHARDS, (shard) => timed(() => directory(env, shard, (shard) => shard.stands(onPlatform)))));
  const places = all.flatMap(([, place]) => ("colo" in place && place.colo ? [place.colo] : []));
  return {
    shards: SHARDS.length,
    ms: Math.max(...all.map(([, { ms }]) => ms)),
    failed: Object.fromEntries(all.filter(([, { failed }]) => failed).map(([shard, { failed }]) => [shard, failed])),
    colos: Object.fromEntries([...new Set(places)].map((colo) => [colo, places.filter((place) => place === colo).length])),
  };
}

/** The questions to a region, one behind the other; one that does not answer the first is asked nothing more. @param {Ask[]} asks @param {Env} env */
async function questions(asks, env) {
  /** @type {Record<string, Awaited<ReturnType<typeof answered>>>} */
  const found = {};
  for (const ask of asks) {
    const answer = await answered(ask, env);
    found[ask.of] = answer;
    if ("failed" in answer) break;
  }
  return found;
}

/** @param {Ask} ask @param {Env} env */
async function answered({ service, url, headers }, env) {
  const began = Date.now();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const init = { headers, redirect: "manual", signal, cf: UNCACHED };
    const response = await fetchFrom(env, service, url, init);
    const ended = Date.now();
    const said = await text(response);
    return { status: response.status, service: Boolean(service), began, ended, fields: Object.fromEntries(response.headers), ...read(said) };
  } catch (error) {
    return { failed: reason(error), timed_out: signal.aborted, began, ended: Date.now() };
  }
}

/** @param {string} text */
function read(text) {
  try {
    if (text.length <= LONGEST_JSON) return { json: JSON.parse(text) };
  } catch {}
  return { text: text.slice(0, FIRST) };
}
