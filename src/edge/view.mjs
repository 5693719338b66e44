// The view that the authority publishes, and what the probers have found: read from KV behind the requests, never in front of one.
import { ask } from "../operators/authority.mjs";
import { call, complain } from "./core.mjs";
import { together } from "./datacentre.mjs";
import { judgedBy } from "./near.mjs";
import { DOUBTED_MS, KV_KEEPS_S, WAKE_AGAIN_MS } from "./pace.mjs";
import { topologyOf } from "./vars.mjs";
import { begin } from "../operators/prober.mjs";
import { readVantages, readViewTaken } from "./wire.mjs";
import { measured, published, vantages, view_every } from "homing-wasm";

const KEY = "view";
// Where the store has no view, or one without a dataset of this version: whoever decides is asked, this seldom.
const ASKED_MS = 60_000;
let asked = -ASKED_MS;
/** @type {number} */
let every; // how often all of it is read, in milliseconds
let read = 0; // when anything was read last
let due = 0; // when all of it is to be read again
let doubted = Infinity; // when the view alone is
let wakeAgain = 0; // until when this isolate wakes no prober
let saidUnreadable = false;
let isAwake = false; // whether this isolate has woken the authority

/** How often `VIEW` says. @param {Env} env */
function interval(env) {
  const said = (/** @type {string} */ text) => call(() => view_every(text));
  const ms = said(String(env.VIEW ?? ""));
  if (ms > 0) return ms;
  complain(`VIEW: found ${JSON.stringify(env.VIEW)}, expected a time from a second to 30 s, such as "15s"`);
  return said("");
}

const vantagePoints = () => readVantages(call(() => vantages(Date.now())));

/** What the store holds under these keys, in one question. @param {Env} env @param {string[]} keys @returns {Promise<Map<string, string | null>>} */
async function many(env, keys) {
  const found = await env.HOMES?.get(keys, { cacheTtl: KV_KEEPS_S });
  return found ?? new Map();
}

/** Takes in what was read; what is wanting then. @param {Iterable<[string, string | null]>} found */
function learn(found) {
  let view = "";
  for (const [key, text] of found) {
    if (key === KEY) view = text ?? "";
    else if (text) call(() => measured(text, Date.now()));
  }
  return publish(view);
}

/** Takes in a view. @param {string} view */
function publish(view) {
  judgedBy(view);
  return readViewTaken(call(() => published(view, Date.now())));
}

/** The authority's own word: it notes the first homes then, so that no later version has others. One of an earlier version says nothing. @param {Env} env */
async function askFor(env) {
  const now = Date.now();
  if (!env.AUTHORITY || now < asked + ASKED_MS) return;
  asked = now;
  const { status, body } = JSON.parse(await ask(env, JSON.stringify({ do: "view" }))) ?? {};
  if (status >= 400) complain("the authority does not tell its view", { detail: body.detail });
  if (body?.view) publish(body.view);
}

/** Once in an isolate's life: as long as it lives that version does not learn to read. */
function sayUnreadable() {
  if (!saidUnreadable) complain("the view is of a later format, or broken: this version goes on by the last one that it has read");
  saidUnreadable = true;
}

/** Leases are renewed by an alarm of the authority, which goes on by itself once it has begun. @param {Env} env */
async function wakeAuthority(env) {
  if (isAwake || !Object.values(env.DATASETS ?? {}).some((dataset) => dataset.lease)) return;
  isAwake = true;
  try {
    await ask(env, JSON.stringify({ do: "tick" }));
  } catch (error) {
    isAwake = false;
    complain("the authority cannot be woken", { error: String(error) });
  }
}

/** Wakes the probers of whom nothing was heard lately: they go on by themselves, and what they find is read by every isolate. @param {Env} env */
async function wakeProbers(env) {
  const silent = vantagePoints().filter(({ isSilent }) => isSilent);
  if (silent.length === 0 || Date.now() < wakeAgain) return;
  wakeAgain = Date.now() + WAKE_AGAIN_MS;
  try {
    await begin(env, silent);
  } catch (error) {
    wakeAgain = 0;
    complain("the probers cannot be woken", { error: String(error) });
  }
}

/** @type {Promise<string> | undefined} */
let digested;

/** What tells this router's configuration from that of another one on the same host, which has a view and a store of its own. @param {Env} env */
function digest(env) {
  digested ??= crypto.subtle
    .digest("SHA-256", new TextEncoder().encode(topologyOf(env)))
    .then((bytes) => [...new Uint8Array(bytes, 0, 8)].map((byte) => byte.toString(16)).join("-"));
  return digested;
}

/** Reads all of it, together with the other isolates of this data centre. @param {Env} env @param {ExecutionContext} ctx @param {string} url */
async function readAll(env, ctx, url) {
  const probes = env.PROBERS && env.PROBES !== "off";
  const keys = [KEY, ...(probes ? vantagePoints().map(({ region }) => `probe:${region}`) : [])];
  /** @type {Awaited<ReturnType<typeof together>>} */
  const reading = await together(url, { keys, every, of: await digest(env) }, (keys) => {
    // Beside it: what an object does not answer must not keep anybody from what the store has.
    ctx.waitUntil(wakeAuthority(env));
    return many(env, keys);
  }).catch((error) => {
    complain("the view cannot be read", { error: String(error) });
    return { found: [], at: 0 };
  });
  const wanting = learn(reading.found);
  if (wanting.unreadable) sayUnreadable();
  // However it came here, it is as old as when the store was asked.
  if (reading.at) due = Math.min(due, reading.at + every);
  // The isolate that has asked the store sees to it for the others.
  if (reading.own && probes && env.HOMES) await wakeProbers(env);
  if (wanting.incomplete) await askFor(env);
  await reading.left;
}

/** Reads the view anew, if that was not done lately. @param {Env} env @param {ExecutionContext} ctx @param {string} url */
export function refresh(env, ctx, url) {
  const now = Date.now();
  if (now < due && now < doubted) return;
  const all = now >= due;
  every ??= interval(env);
  if (all) due = now + every;
  [read, doubted] = [now, Infinity];
  const reading = all ? readAll(env, ctx, url) : many(env, [KEY]).then(learn);
  ctx.waitUntil(reading.catch((error) => complain("the view cannot be had", { error: String(error) })));
}

/** An origin knows more than this isolate: the next request reads the view, if the last reading is a second ago. */
export function doubt() {
  doubted = Math.min(doubted, read + DOUBTED_MS);
}
