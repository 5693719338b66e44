// A prober: an object beside a region that asks every region how it is, and puts what it makes of that into the home store. It
// keeps itself going by its alarm; isolates only begin it. No decision lives here.
import { DurableObject } from "cloudflare:workers";
import { complain } from "./core.mjs";
import { operators } from "./operators.mjs";

const PATIENCE_MS = 2000;
const LONGEST_ANSWER = 64 * 1024;
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
  state = "";

  async begin(region) {
    await this.ctx.storage.put("region", region);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now());
  }

  async alarm() {
    const { probes_every, probe_targets, probed } = operators(this.env);
    const region = await this.ctx.storage.get("region");
    const targets = JSON.parse(probe_targets());
    const every = this.every(probes_every);
    // Switched off, or the region is gone from the configuration: whoever configures it again begins it again.
    if (!every || !targets.some((target) => target.region === region)) return;
    await this.ctx.storage.setAlarm(Date.now() + every);
    try {
      const answers = await Promise.all(targets.map(async (target) => [target.region, await this.ask(target)]));
      const view = (await this.env.HOMES.get("view").catch(() => null)) ?? "";
      const round = JSON.parse(probed(this.state, region, JSON.stringify(Object.fromEntries(answers)), view, every, Date.now()));
      this.state = round.state;
      if (round.put) await this.env.HOMES.put(`probe:${region}`, round.report, { expirationTtl: EXPIRES_S });
    } catch (error) {
      // Of a round that failed nobody hears; the next one comes.
      complain("a prober's round failed", { region, error: String(error) });
    }
  }

  every(probes_every) {
    try {
      return probes_every(String(this.env.PROBES ?? ""));
    } catch (error) {
      complain(String(error));
      return probes_every("");
    }
  }

  async ask({ service, url }) {
    const began = Date.now();
    try {
      const init = { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS), cf: { cacheTtl: -1 } };
      const response = await (service ? this.env[service].fetch(url, init) : fetch(url, init));
      const text = await response.text();
      if (response.status !== 200 || text.length > LONGEST_ANSWER) return { ms: Date.now() - began };
      return { ms: Date.now() - began, health: JSON.parse(text) };
    } catch {
      return { ms: Date.now() - began };
    }
  }
}
