// The directory: where each subject lives. Its word is the last; the home store (KV) only repeats it. It is sharded by the first
// character of the subject's id, which is a hash, into 64 objects.
import { DurableObject } from "cloudflare:workers";

// In the order of their codes, as SQLite sorts, so that all shards one behind the other are in the order of the subjects.
const SHARDS = [..."-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"];

/** The shard that knows a subject. */
export const directory = (env, subject) => env.DIRECTORY.get(env.DIRECTORY.idFromName(subject[0]));

/** How many subjects live in a region. */
export async function count(env, home) {
  const counts = await Promise.all(SHARDS.map((shard) => directory(env, shard).count(home)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Subjects who live in a region, so many at most, in the order of their ids, from behind one on; none if there are no more. */
export async function list(env, home, after, most) {
  for (const shard of SHARDS.slice(after ? SHARDS.indexOf(after[0]) : 0)) {
    const page = await directory(env, shard).list(home, after, most);
    if (page.length > 0) return page;
  }
  return [];
}

export class Directory extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("create table if not exists homes (subject text primary key, kind text not null, home text not null, epoch integer not null) without rowid");
    this.sql.exec("create index if not exists residents on homes (home, subject)");
  }

  /** The subject's ownership as JSON; without one it gets that home, once, whoever else asks at the same time. */
  assign(subject, kind, home) {
    const { rowsWritten } = this.sql.exec("insert into homes values (?, ?, ?, 1) on conflict do nothing", subject, kind, home);
    return JSON.stringify({ ...this.find(subject), new: rowsWritten > 0 });
  }

  /** The subject's ownership, or undefined. */
  find(subject) {
    return this.sql.exec("select kind, home, epoch from homes where subject = ?", subject).toArray()[0];
  }

  /** Takes in a later ownership; returns what counts then. */
  record(subject, kind, home, epoch) {
    const sql = "insert into homes values (?, ?, ?, ?) on conflict do update set home = excluded.home, epoch = excluded.epoch where excluded.epoch > homes.epoch";
    this.sql.exec(sql, subject, kind, home, epoch);
    return this.find(subject);
  }

  count(home) {
    return this.sql.exec("select count(*) as n from homes where home = ?", home).one().n;
  }

  list(home, after, most) {
    return this.sql.exec("select subject, kind from homes where home = ? and subject > ? order by subject limit ?", home, after, most).toArray();
  }
}
