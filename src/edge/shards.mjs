// The shards of the directory, from outside: who is asked about whom.
import { place } from "./core.mjs";
import { few } from "./few.mjs";
import { publish, storedOf } from "./homes.mjs";
import { asked, settle, stub } from "./objects.mjs";

/**
 * @typedef {Remote<import("./directory.mjs").Directory>} Shard
 * A home that is known beforehand, with the epoch by which the regions know it.
 * @typedef {[subject: string, home: string, epoch?: number]} Known
 */

// In the order of their codes, as SQLite sorts, so that all shards one behind the other are in the order of the subjects.
export const SHARDS = [..."-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"];

/**
 * Asks the shard that knows a subject. All that it is asked may be asked twice (`asked`): `known`, `find`, `count`, `list` and `stands` only look;
 * `assign` says again what it has given, and takes a home away only from whom it names with its epoch, which is over after the first
 * time; `confirm` and `record` take in nothing earlier than what is there; `keep` gives nobody another home (it then says of those whom
 * the first time has added that they were there).
 * @template T @param {Env} env @param {string} subject @param {(shard: Shard) => Promise<T>} question
 */
export async function directory(env, subject, question) {
  await settle(env);
  return asked(() => stub(env, "DIRECTORY", subject[0], place(env)), question);
}

/** How many subjects live in a region. @param {Env} env @param {string} home */
export async function count(env, home) {
  const counts = await few(SHARDS, (shard) => directory(env, shard, (shard) => shard.count(home)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Homes that the home store, and not the directory, has elsewhere, `[subject, home]` each; and the others, with the later epoch of both.
 * @param {Env} env @param {Known[]} homes
 */
async function compared(env, homes) {
  const said = await storedOf(
    env,
    homes.map(([subject]) => subject),
  );
  /** @type {Known[]} */
  const plain = [];
  /** @type {[subject: string, home: string][]} */
  const elsewhere = [];
  await few(homes, async ([subject, home, epoch]) => {
    const other = said.get(subject);
    const differs = other && other.home !== home && !(await directory(env, subject, (shard) => shard.find(subject)));
    if (differs) elsewhere.push([subject, other.home]);
    else plain.push([subject, home, Math.max(epoch ?? 1, other?.home === home ? other.epoch : 1)]);
  });
  return { plain, elsewhere };
}

/**
 * Tells the shards of homes that are known beforehand, `[subject, home, epoch]` each, and then the home store (`kv`): what each of them
 * said, added up.
 * @param {Env} env @param {string} kind @param {Known[]} all @param {boolean} dry @param {boolean} kv
 */
export async function keep(env, kind, all, dry, kv) {
  const { plain: homes, elsewhere: inStore } = await compared(env, all);
  const shards = Object.groupBy(homes, ([subject]) => subject[0]);
  const said = await few(Object.values(shards), (homes = []) => directory(env, homes[0][0], (shard) => shard.keep(kind, homes, dry)));
  const sum = (/** @type {"added" | "there"} */ what) => said.reduce((sum, one) => sum + one[what], 0);
  const told = { added: sum("added"), there: sum("there"), elsewhere: inStore.concat(said.flatMap(({ elsewhere }) => elsewhere)) };
  // One of an earlier version does not say what it has kept; edges fill the store by themselves.
  const kept = said.flatMap(({ kept }) => kept ?? []);
  return dry || !kv || !env.HOMES ? told : { ...told, kv: await publish(env, kept) };
}

/**
 * Subjects who live in a region, so many at most, in the order of their ids, from behind one on; none if there are no more.
 * @param {Env} env @param {string} home @param {string} after @param {number} most
 */
export async function list(env, home, after, most) {
  for (const shard of SHARDS.slice(after ? SHARDS.indexOf(after[0]) : 0)) {
    const page = await directory(env, shard, (shard) => shard.list(home, after, most));
    if (page.length > 0) return page;
  }
  return [];
}
