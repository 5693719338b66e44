// A prober: an object beside a region that asks every region how it is, and puts what it makes of that into the home store. It
// keeps itself going by its alarm; isolates only begin it. No decision lives here.
import { DurableObject } from "cloudflare:workers";
import { json } from "../edge/body.mjs";
import { colo } from "../edge/colo.mjs";
import { complain } from "../edge/core.mjs";
import { few } from "../edge/few.mjs";
import { isBound } from "../edge/homes.mjs";
import { operate } from "./operators.mjs";
import { KV_KEEPS_S, PATIENCE_MS, REPORT_EXPIRES_S } from "../edge/pace.mjs";
import { isPage } from "../edge/page.mjs";
import { UNCACHED, fetchFrom, fromCache, nonced } from "../edge/uncached.mjs";

/** Where a region is asked. @typedef {{ region: string, service?: string | null, url: string }} Target */

const AGAIN_MS = 30_000;

/**
 * The prober beside that region: the first caller says where it is to be.
 * @param {Env} env @param {string} region @param {string} [locationHint] @returns {Remote<Prober>}
 */
export const beside = (env, region, locationHint) =>
  /** @type {any} */ (
    env.PROBERS.get(env.PROBERS.idFromName(region), locationHint ? { locationHint: /** @type {DurableObjectLocationHint} */ (locationHint) } : {})
  );

/**
 * Begins a prober beside each of these regions; those that are there already go on.
 * @param {Env} env @param {{ region: string, locationHint: string }[]} vantages
 */
export const begin = (env, vantages) => few(vantages, ({ region, locationHint }) => beside(env, region, locationHint).begin(region));

export class Prober extends DurableObject {
  seen = { at: 0, view: "" };

  /** Where it stands, and when it goes round again, for `homing doctor`. @param {boolean} onPlatform */
  async stands(onPlatform) {
    return { colo: await colo(onPlatform), alarm: await this.ctx.storage.getAlarm() };
  }

  /** @param {string} region */
  async begin(region) {
    const { storage } = this.ctx;
    if ((await storage.get("region")) !== region) await storage.put("region", region);
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now());
  }

  async alarm() {
    try {
      await this.round();
    } catch (error) {
      // Of a round that failed nobody hears; the next one comes. The platform gives an alarm up that fails often, so none does.
      complain("a prober's round failed", { error: String(error) });
      if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    }
  }

  async round() {
    const { storage } = this.ctx;
    const region = /** @type {string} */ (await storage.get("region"));
    const { every, targets, view } = this.plan();
    // Switched off, or the region is gone from the configuration: whoever configures it again begins it again.
    if (!every || !targets.some((target) => target.region === region)) return storage.deleteAlarm();
    // Once a round, for each is a row that is paid for; and first of all, so that whatever fails, there is a next one.
    await storage.setAlarm(Date.now() + every);
    const answers = await few(targets, async (target) => [target.region, await this.ask(target)]);
    if (view) await this.look();
    // Stored, for between two rounds the platform may put the object out of memory.
    const state = /** @type {string} */ ((await storage.get("state")) ?? "");
    const said = JSON.stringify(Object.fromEntries(answers));
    const round = JSON.parse(operate(this.env, (core) => core.probed(state, region, said, this.seen.view, every, Date.now())));
    if (round.state !== state) await storage.put("state", round.state);
    if (round.put && isBound(this.env, complain)) await this.env.HOMES?.put(`probe:${region}`, round.report, { expirationTtl: REPORT_EXPIRES_S });
  }

  /** @returns {{ every: number, targets: Target[], view: boolean, wrong?: string }} */
  plan() {
    const plan = JSON.parse(operate(this.env, (core) => core.probe_plan(String(this.env.PROBES ?? ""))));
    if (plan.wrong) complain(plan.wrong);
    return plan;
  }

  /** Reads the view, if it was not read lately. */
  async look() {
    if (Date.now() - this.seen.at < KV_KEEPS_S * 1000) return;
    try {
      this.seen = { at: Date.now(), view: (await /** @type {KVNamespace} */ (this.env.HOMES).get("view", { cacheTtl: KV_KEEPS_S })) ?? "" };
    } catch {
      // What was read before is as good as can be had.
    }
  }

  /** @param {Target} target */
  async ask({ service, url }) {
    const began = Date.now();
    try {
      const init = { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS), cf: UNCACHED };
      const response = await fetchFrom(this.env, service, nonced(url), init);
      const said = await json(response);
      const ms = Date.now() - began;
      if (response.status >= 500 || isPage(response, service)) return { ms };
      // Somebody is there, and what was said some time before counts for nothing.
      const cached = fromCache(response);
      if (cached) complain("a cache answers for a region's health address", { url, cached });
      if (cached) return { ms, health: {} };
      // Whoever has no such address, or says nothing there that can be read, is there all the same.
      return { ms, health: (response.status === 200 && said) || {} };
    } catch {
      return { ms: Date.now() - began };
    }
  }
}
