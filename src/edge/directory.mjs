// The directory: where each subject lives. Its word is the last; the home store (KV) only repeats it. It is sharded by the first
// character of the subject's id, which is a hash, into 64 objects.
import { DurableObject } from "cloudflare:workers";

/** The shard that knows a subject. */
export const directory = (env, subject) => env.DIRECTORY.get(env.DIRECTORY.idFromName(subject[0]));

export class Directory extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("create table if not exists homes (subject text primary key, home text not null, epoch integer not null) without rowid");
  }

  /** The subject's ownership as JSON; without one it gets that home, once, whoever else asks at the same time. */
  assign(subject, home) {
    const { rowsWritten } = this.sql.exec("insert into homes values (?, ?, 1) on conflict do nothing", subject, home);
    return JSON.stringify({ ...this.find(subject), new: rowsWritten > 0 });
  }

  /** The subject's ownership, or undefined. */
  find(subject) {
    return this.sql.exec("select home, epoch from homes where subject = ?", subject).toArray()[0];
  }
}
