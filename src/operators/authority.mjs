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
import { UNCACHED, fetchFrom, fromCache } from "../edge/uncached.mjs";

/**
 * What a turn wants done (`effect.rs` of the core). `tag` says to whom the outcome belongs.
 * @typedef {{ tag?: { lease?: unknown }, url: string, method: string, service?: string | null, signature?: string | null, timeout?: number, do: "call" }} Call
 * @typedef {{ tag?: object, do: "after", millis: number }} After
 * @typedef {{ tag?: object, do: "find", subject: string }} Find
 * @typedef {{ tag?: object, do: "assign", subject: string, kind: string, home: string, instead_of?: import("../edge/wire.mjs").Home }} Assign
 * @typedef {{ tag?: object, do: "record", subject: string, kind: string, home: string, epoch: number }} Record
 * @typedef {{ tag?: object, do: "count", home: string }} Count
 * @typedef {{ tag?: object, do: "list", home: string, after: string, most: number }} List
 * @typedef {{ tag?: object, do: "publish", key: string, value: string }} Publish
 * @typedef {{ tag?: object, do: "audit", line: object }} Audit
 * @typedef {Call | After | Find | Assign | Record | Count | List | Publish} Effect
 *
 * What came of one: what was answered, why nothing was, or that the time is over.
 * @typedef {{ status: number, body: unknown } | { failed: string } | { status?: undefined, failed?: undefined }} Outcome
 */

const CALL_MS = 5000;
const ALARM_AGAIN_MS = 30_000;
// The lines of the audit log that are kept, and that are shown.
const AUDIT = 10_000;
const SHOWN = 200;

/** @template T @param {Env} env @param {(authority: Remote<Authority>) => Promise<T>} question @param {typeof asked} [ask] */
async function authority(env, question, ask = asked) {
  await settle(env);
  return ask(() => stub(env, "AUTHORITY", "authority", place(env)), question);
}

/** @template S, T @param {() => S} stub @param {(stub: S) => Promise<T>} question */
const once = (stub, question) => question(stub());

/**
 * Puts an input to the authority of this deployment that may be put twice (`asked`): a look (`view` notes first homes, once), a tick, or an
 * order, which is known by its request's id and carried out once.
 * @param {Env} env @param {string} input
 */
export const ask = (env, input) => authority(env, (authority) => authority.take(input));

/** Puts one to it that counts as often as it is put: the figures of a drill, which are added up. @param {Env} env @param {string} input */
export const tell = (env, input) => authority(env, (authority) => authority.take(input), once);

/** Where it stands, and what came of the last time that it published. @param {Env} env @param {boolean} onPlatform */
export const whereabouts = (env, onPlatform) => authority(env, (authority) => authority.stands(onPlatform));

/** Puts a line into its audit log; once, for two lines would say that it was done twice. @param {Env} env @param {object} line */
export const note = (env, line) => authority(env, (authority) => authority.note(line), once);

/**
 * What a cache has said in a region's place is of some time before, and no answer.
 * @param {Response} response @param {string} url @param {string} cached @returns {Promise<Outcome>}
 */
async function distrusted(response, url, cached) {
  await response.body?.cancel();
  const failed = `a cache answers for the region (${cached}). Exclude /.well-known/homing from all caches on its host`;
  complain(failed, { url });
  return { failed };
}

export class Authority extends DurableObject {
  /** @param {DurableObjectState} ctx @param {Env} env */
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("create table if not exists ledger (one integer primary key check (one = 1), text text not null)");
    this.sql.exec("create table if not exists audit (n integer primary key autoincrement, line text not null)");
    this.ledger = String(this.sql.exec("select text from ledger").toArray()[0]?.text ?? "");
    this.turns = new Turns();
  }

  /** One turn: the ledger is stored before anything is done. Returns the reply as JSON. @param {string} input */
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
    const at = Date.now() + (wake ?? 0);
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

  /** @param {Effect} effect */
  effect(effect) {
    const done = this.outcome(effect).then((outcome) => this.take(JSON.stringify({ do: "heard", tag: effect.tag, ...outcome })));
    this.ctx.waitUntil(done.catch((error) => complain("the authority failed", { effect: effect.do, error: String(error) })));
  }

  /** Carries an effect out. @param {Effect} effect @returns {Promise<Outcome>} */
  outcome(effect) {
    switch (effect.do) {
      case "call":
        return this.turns.take(effect, (call) => this.call(call));
      case "after":
        return this.after(effect);
      case "find":
        return this.find(effect);
      case "assign":
        return this.assign(effect);
      case "record":
        return this.record(effect);
      case "count":
        return this.told(count(this.env, effect.home));
      case "list":
        return this.told(list(this.env, effect.home, effect.after, effect.most));
      case "publish":
        return this.publish(effect);
    }
  }

  /** @param {Call} call @returns {Promise<Outcome>} */
  async call({ method, service, url, signature, timeout = CALL_MS }) {
    try {
      /** @type {{ [name: string]: string }} */
      const headers = signature ? { "homing-signature": signature } : {};
      const init = { method, headers, redirect: "manual", signal: AbortSignal.timeout(timeout), cf: UNCACHED };
      const response = await fetchFrom(this.env, service, url, init);
      const cached = fromCache(response);
      if (cached) return await distrusted(response, url, cached);
      const said = await json(response);
      // A 409 of the platform's is no region's word that somebody else owns it.
      return isPage(response, service) ? { failed: `Cloudflare answers ${response.status} instead of the region` } : { status: response.status, body: said };
    } catch (error) {
      return { failed: String(error) };
    }
  }

  /** @param {After} effect @returns {Promise<Outcome>} */
  async after({ millis }) {
    await new Promise((resolve) => setTimeout(resolve, millis));
    return {};
  }

  /** @param {Find} effect */
  async find({ subject }) {
    // Whom only the home store knows moves like anybody, with all the questions to the regions.
    return this.told(directory(this.env, subject, (shard) => shard.find(subject)).then((known) => known ?? stored(this.env, subject)));
  }

  /** @param {Assign} effect */
  async assign({ subject, kind, home, instead_of: insteadOf }) {
    const assign = (/** @type {import("../edge/shards.mjs").Shard} */ shard) =>
      shard.assign(subject, kind, home, true, insteadOf).then(() => shard.find(subject));
    return this.told(directory(this.env, subject, assign));
  }

  /** @param {Record} effect */
  async record({ subject, kind, home, epoch }) {
    return this.told(directory(this.env, subject, (shard) => shard.record(subject, kind, home, epoch)));
  }

  /** @param {Promise<unknown>} word @returns {Promise<Outcome>} */
  async told(word) {
    try {
      return { status: 200, body: (await word) ?? null };
    } catch (error) {
      return { failed: String(error) };
    }
  }

  /** @param {Publish} effect */
  async publish({ key, value }) {
    const told =
      isBound(this.env, complain) && this.env.HOMES ? await this.told(this.env.HOMES.put(key, value)) : { failed: "no home store is bound as HOMES" };
    await this.ctx.storage.put("published", { at: Date.now(), failed: "failed" in told ? (told.failed ?? null) : null });
    return told;
  }

  /** Where it stands, and what came of the last time that it published, for `homing doctor`. @param {boolean} onPlatform */
  async stands(onPlatform) {
    const published = (await this.ctx.storage.get("published")) ?? null;
    return { colo: await colo(onPlatform), alarm: await this.ctx.storage.getAlarm(), published };
  }

  /** @param {object} line */
  note(line) {
    const { n } = this.sql.exec("insert into audit (line) values (?) returning n", JSON.stringify(line)).one();
    this.sql.exec("delete from audit where n <= ?", Number(n) - AUDIT);
  }

  /** The latest lines of the audit log, the newest first. */
  audit() {
    return this.sql
      .exec("select n, line from audit order by n desc limit ?", SHOWN)
      .toArray()
      .map(({ n, line }) => ({ n, ...JSON.parse(String(line)) }));
  }
}
