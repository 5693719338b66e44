// What an isolation drill shows here, told to the authority behind the requests; it says when the drill is over.
import { tell as tellAuthority } from "./authority.mjs";
import { call, complain } from "../edge/core.mjs";
import { drill_over, drilled } from "homing-wasm";

const EVERY_MS = 2000;
let told = -EVERY_MS;
let due = 0; // when the next telling should be done at the latest; whoever was to do it may have been ended before

/** @param {Env} env @param {number} wait */
async function tell(env, wait) {
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  [told, due] = [Date.now(), 0];
  const input = call(() => drilled());
  if (!input) return;
  const { body } = JSON.parse(await tellAuthority(env, input));
  if (body?.over) call(() => drill_over(JSON.parse(input).drill, Date.now()));
}

/**
 * There is something to tell: at once, or as soon as the last time is long enough ago. What is lost is figures.
 * @param {Env} env @param {ExecutionContext} ctx
 */
export function tellSoon(env, ctx) {
  const now = Date.now();
  if (now < due) return;
  const wait = Math.max(0, told + EVERY_MS - now);
  due = now + wait + EVERY_MS;
  ctx.waitUntil(tell(env, wait).catch((error) => complain("the edge could not report its drill figures", { error: String(error) })));
}
