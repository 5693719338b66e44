// The view that the authority publishes: read from KV behind the requests, never in front of one.
import { ask } from "./authority.mjs";
import { call, complain } from "./core.mjs";
import { published } from "homing-wasm";

const EVERY_MS = 10_000;
const KEY = "view";
let read = -EVERY_MS;
let woken = false;

/** Leases are renewed by an alarm of the authority, which goes on by itself once somebody has begun it. */
async function wake(env) {
  if (woken || !Object.values(env.DATASETS ?? {}).some((dataset) => dataset.lease)) return;
  await ask(env, JSON.stringify({ do: "tick" }));
  woken = true;
}

/** Reads the view anew, if that was not done lately. */
export function refresh(env, ctx) {
  const now = Date.now();
  if (now - read < EVERY_MS) return;
  read = now;
  const learn = async () => {
    const text = await env.HOMES?.get(KEY);
    if (text) call(() => published(text, Date.now()));
  };
  ctx.waitUntil(wake(env).catch((error) => complain("the authority cannot be woken", { error: String(error) })));
  ctx.waitUntil(learn().catch((error) => complain("the view cannot be read", { error: String(error) })));
}

/** An origin knows more than this isolate: the next request reads the view. */
export function doubt() {
  read = -EVERY_MS;
}
