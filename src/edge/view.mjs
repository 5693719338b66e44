// The view that the authority publishes, and what the probers have found: read from KV behind the requests, never in front of one.
import { ask } from "./authority.mjs";
import { call, complain } from "./core.mjs";
import { begin } from "./prober.mjs";
import { measured, published, vantages } from "homing-wasm";

const EVERY_MS = 10_000;
// However many origins know more than this isolate: one question to the store costs what a hundred requests do.
const DOUBTED_MS = 1000;
const KEY = "view";
let read = -EVERY_MS;
let due = 0;
// Where the store has no view, or one without a dataset of this version: whoever decides is asked, this seldom.
const ASKED_MS = 60_000;
let asked = -ASKED_MS;
const woken = new Set();

/** Does that once in an isolate's life: what it begins goes on by itself, by alarms. */
async function once(what, work) {
  if (woken.has(what)) return;
  woken.add(what);
  try {
    await work();
  } catch (error) {
    woken.delete(what);
    complain(`${what} cannot be woken`, { error: String(error) });
  }
}

/** Leases are renewed by an alarm of the authority. */
async function wake(env, regions) {
  if (Object.values(env.DATASETS ?? {}).some((dataset) => dataset.lease)) await once("the authority", () => ask(env, JSON.stringify({ do: "tick" })));
  if (env.PROBERS && env.PROBES !== "off") await once("the probers", () => begin(env, regions));
}

/** What the store holds under these keys, in one question. */
async function many(env, keys) {
  const found = await env.HOMES?.get(keys);
  return found ?? new Map();
}

/** The authority's own word: it notes the first homes then, so that no later version has others. One of an earlier version says nothing. */
async function askFor(env, now) {
  if (!env.AUTHORITY || now < asked + ASKED_MS) return;
  asked = now;
  const { status, body } = JSON.parse(await ask(env, JSON.stringify({ do: "view" }))) ?? {};
  if (status >= 400) complain("the authority does not tell its view", { detail: body.detail });
  if (body?.view) call(() => published(body.view, Date.now()));
}

/** Reads the view anew, if that was not done lately. */
export function refresh(env, ctx) {
  const now = Date.now();
  if (now < due) return;
  [read, due] = [now, now + EVERY_MS];
  const regions = call(() => vantages()).split("\n").map((line) => line.split("\t"));
  const learn = async () => {
    const found = await many(env, [KEY, ...regions.map(([name]) => `probe:${name}`)]).catch((error) => {
      complain("the view cannot be read", { error: String(error) });
      return new Map();
    });
    for (const [key, text] of found) if (text && key !== KEY) call(() => measured(text, Date.now()));
    if (!call(() => published(found.get(KEY) ?? "", Date.now()))) await askFor(env, now);
  };
  ctx.waitUntil(wake(env, regions));
  ctx.waitUntil(learn().catch((error) => complain("the authority does not tell its view", { error: String(error) })));
}

/** An origin knows more than this isolate: the next request reads the view, if the last one is a second ago. */
export function doubt() {
  due = Math.min(due, read + DOUBTED_MS);
}
