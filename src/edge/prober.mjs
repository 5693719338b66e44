// A prober: an object beside a region that asks every region how it is, and puts what it makes of that into the home store. It
// keeps itself going by its alarm; isolates only begin it. No decision lives here.
import { DurableObject } from "cloudflare:workers";
import { json } from "./body.mjs";
import { complain } from "./core.mjs";
import { operate } from "./operators.mjs";
import { isPage } from "./page.mjs";

const PATIENCE_MS = 2000;
const AGAIN_MS = 30_000;
// What nobody repeats any more goes away by itself.
const EXPIRES_S = 600;

/** Begins a prober beside each region; those that are there already go on. */
export const begin = (env, vantages) =>
  Promise.all(
    vantages.map(([region, locationHint]) => {
      const id = env.PROBERS.idFromName(region);
      return env.PROBERS.get(id, locationHint ? { locationHint } : {}).begin(region);
    }),
  );

export class Prober extends DurableObject {
  async begin(region) {
    await this.ctx.storage.put("region", region);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now());
  }

  async alarm() {
    // First of all: the platform gives an alarm up that fails often.
    await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    try {
      await this.round();
    } catch (error) {
      // Of a round that failed nobody hears; the next one comes.
      complain("a prober's round failed", { error: String(error) });
    }
  }

  async round() {
    const region = await this.ctx.storage.get("region");
    const targets = JSON.parse(operate(this.env, (core) => core.probe_targets()));
    const every = this.every();
    // Switched off, or the region is gone from the configuration: whoever configures it again begins it again.
    if (!every || !targets.some((target) => target.region === region)) return this.ctx.storage.deleteAlarm();
    await this.ctx.storage.setAlarm(Date.now() + every);
    const answers = await Promise.all(targets.map(async (target) => [target.region, await this.ask(target)]));
    const view = (await this.env.HOMES.get("view").catch(() => null)) ?? "";
    // Stored, for between two rounds the platform may put the object out of memory.
    const state = (await this.ctx.storage.get("state")) ?? "";
    const said = JSON.stringify(Object.fromEntries(answers));
    const round = JSON.parse(operate(this.env, (core) => core.probed(state, region, said, view, every, Date.now())));
    await this.ctx.storage.put("state", round.state);
    if (round.put) await this.env.HOMES.put(`probe:${region}`, round.report, { expirationTtl: EXPIRES_S });
  }

  every() {
    const every = (said) => operate(this.env, (core) => core.probes_every(said));
    try {
      return every(String(this.env.PROBES ?? ""));
    } catch (error) {
      complain(String(error));
      return every("");
    }
  }

  async ask({ service, url }) {
    const began = Date.now();
    try {
      const init = { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS), cf: { cacheTtl: -1 } };
      const response = await (service ? this.env[service].fetch(url, init) : fetch(url, init));
      const said = await json(response);
      const ms = Date.now() - began;
      if (response.status >= 500 || isPage(response, service)) return { ms };
      // Whoever has no such address, or says nothing there that can be read, is there all the same.
      return { ms, health: (response.status === 200 && said) || {} };
    } catch {
      return { ms: Date.now() - began };
    }
  }
}
