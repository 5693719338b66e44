// The authority: one object that keeps the ledger, does what its turns say, and reports what came of it. No decision lives here.
import { DurableObject } from "cloudflare:workers";
import { json } from "../edge/body.mjs";
import { colo } from "../edge/colo.mjs";
import { complain, place } from "../edge/core.mjs";
import { count, directory, list } from "../edge/shards.mjs";
import { isBound, stored } from "../edge/homes.mjs";
import { asked, settle, stub } from "../edge/objects.mjs";
import { turn } from "./operators.mjs";
import { isPage } from "../edge/page.mjs";
import { Turns } from "./turns.mjs";
import { UNCACHED, fromCache } from "../edge/uncached.mjs";

const CALL_MS = 5000;
const ALARM_AGAIN_MS = 30_000;
// The lines of the audit log that are kept, and that are shown.
const AUDIT = 10_000;
const SHOWN = 200;

async function authority(env, question, ask = asked) {
  await settle(env);
  return ask(() => stub(env, "AUTHORITY", "authority", place(env)), question);
}

const once = (stub, question) => question(stub());

/** Puts an input to the authority of this deployment that may be put twice (`asked`): a look (`view` notes first homes, once), a tick, or an order, which is known by its
 *  request's id and carried out once. */
export const ask = (env, input) => authority(env, (authority) => authority.take(input));

/** Puts one to it that counts as often as it is put: the figures of a drill, which are added up. */
export const tell = (env, input) => authority(env, (authority) => authority.take(input), once);

/** Where it stands, and what came of the last time that it published. */
export const whereabouts = (env, onPlatform) => authority(env, (authority) => authority.stands(onPlatform));

/** Puts a line into its audit log; once, for two lines would say that it was done twice. */
export const note = (env, line) => authority(env, (authority) => authority.note(line), once);

/** What a cache has said in a region's place is of some time before, and no answer. */
async function distrusted(response, url, cached) {
  await response.body?.cancel();
  const failed = `a cache answers for the region (${cached}); take /.well-known/homing out of all caches of its host`;
  complain(failed, { url });
  return { failed };
}

export class Authority extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("create table if not exists ledger (one integer primary key check (one = 1), text text not null)");
    this.sql.exec("create table if not exists audit (n integer primary key autoincrement, line text not null)");
    this.ledger = this.sql.exec("select text from ledger").toArray()[0]?.text ?? "";
    this.turns = new Turns();
  }

  /** One turn: the ledger is stored before anything is done. Returns the reply as JSON. */
  async take(input) {
    if (input === "audit") return JSON.stringify({ status: 200, body: this.audit() });
    // Asked for first: what is written without waiting in between is written whole, the ledger with the alarm or neither.
    const alarm = await this.ctx.storage.getAlarm();
    const { ledger, effects, reply, wake } = turn(this.env, this.ledger, input);
    if (ledger !== this.ledger) {
      this.sql.exec("insert into ledger values (1, ?1) on conflict do update set text = ?1", ledger);
      this.ledger = ledger;
    }
    for (const effect of effects) if (effect.do === "audit") this.note(effect.line);
    // What is under way is looked at again, in case this object dies in between. Who comes to look does not put that off.
    const at = Date.now() + wake;
    if (wake && (alarm === null || alarm > at)) await this.ctx.storage.setAlarm(at);
    for (const effect of effects) if (effect.do !== "audit") this.effect(effect);
    return JSON.stringify(reply);
  }

  async alarm() {
    try {
      await this.take(JSON.stringify({ do: "tick" }));
    } catch (error) {
      // The platform gives an alarm up that fails often, and what is under way would stand still when the cause is mended.
      complain("the authority's alarm failed", { error: String(error) });
      await this.ctx.storage.setAlarm(Date.now() + ALARM_AGAIN_MS);
    }
  }

  effect(effect) {
    const done = (effect.do === "call" ? this.turns.take(effect, (call) => this.call(call)) : this[effect.do](effect)).then(
      (outcome) => outcome && this.take(JSON.stringify({ do: "heard", tag: effect.tag, ...outcome })),
    );
    this.ctx.waitUntil(done.catch((error) => complain("the authority failed", { effect: effect.do, error: String(error) })));
  }

  async call({ method, service, url, signature, timeout = CALL_MS }) {
    try {
      const headers = signature ? { "homing-signature": signature } : {};
      const init = { method, headers, redirect: "manual", signal: AbortSignal.timeout(timeout), cf: UNCACHED };
      const response = await (service ? this.env[service].fetch(url, init) : fetch(url, init));
      const cached = fromCache(response);
      if (cached) return await distrusted(response, url, cached);
      const said = await json(response);
      // A 409 of the platform's is no region's word that somebody else owns it.
      return isPage(response, service) ? { failed: `Cloudflare answers ${response.status} in its place` } : { status: response.status, body: said };
    } catch (error) {
      return { failed: String(error) };
    }
  }

  async after({ millis }) {
    await new Promise((resolve) => setTimeout(resolve, millis));
    return {};
  }

  async find({ subject }) {
    // Whom only the home store knows moves like anybody, with all the questions to the regions.
    return this.told(directory(this.env, subject, (shard) => shard.find(subject)).then((known) => known ?? stored(this.env, subject)));
  }

  async assign({ subject, kind, home, instead_of: insteadOf }) {
    const assign = (shard) => shard.assign(subject, kind, home, true, insteadOf).then(() => shard.find(subject));
    return this.told(directory(this.env, subject, assign));
  }

  async record({ subject, kind, home, epoch }) {
    return this.told(directory(this.env, subject, (shard) => shard.record(subject, kind, home, epoch)));
  }

  async count({ home }) {
    return this.told(count(this.env, home));
  }

  async list({ home, after, most }) {
    return this.told(list(this.env, home, after, most));
  }

  async told(word) {
    try {
      return { status: 200, body: (await word) ?? null };
    } catch (error) {
      return { failed: String(error) };
    }
  }

  async publish({ key, value }) {
    const told = isBound(this.env, complain) ? await this.told(this.env.HOMES.put(key, value)) : { failed: "no home store is bound as HOMES" };
    await this.ctx.storage.put("published", { at: Date.now(), failed: told.failed ?? null });
    return told;
  }

  /** Where it stands, and what came of the last time that it published, for `homing doctor`. */
  async stands(onPlatform) {
    const published = (await this.ctx.storage.get("published")) ?? null;
    return { colo: await colo(onPlatform), alarm: await this.ctx.storage.getAlarm(), published };
  }

  note(line) {
    const { n } = this.sql.exec("insert into audit (line) values (?) returning n", JSON.stringify(line)).one();
    this.sql.exec("delete from audit where n <= ?", n - AUDIT);
  }

  /** The latest lines of the audit log, the newest first. */
  audit() {
    return this.sql
      .exec("select n, line from audit order by n desc limit ?", SHOWN)
      .toArray()
      .map(({ n, line }) => ({ n, ...JSON.parse(line) }));
  }
}
