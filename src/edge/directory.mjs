// The directory: where each subject lives. Its word is the last; the home store (KV) only repeats it. It is sharded by the first
// character of the subject's id, which is a hash, into 64 objects (`shards.mjs` asks them).
import { DurableObject } from "cloudflare:workers";
import { colo } from "./colo.mjs";
import { stored } from "./homes.mjs";

/**
 * @import { Home } from "./wire.mjs"
 * @typedef {{ kind: string, home: string, epoch: number }} Row
 */

// How long a home is kept that was assigned on a client's word alone. Longer than an isolate remembers one (`HOME_FRESH`).
const TENTATIVE_MS = 600_000;
// So many rows go at once, so that no request waits long behind the cleaning.
const AT_ONCE = 500;

/**
 * Homes in SQLite. A subject that only a client has named is `tentative`: anybody can make one up. It is a subject like others when an
 * origin has said yes to it (`confirm`), and else goes by itself. While it is there it counts like any other, so that
 * there are never two homes. Once it has gone, whoever gets the subject next gets a later epoch (`floors`): should the write that was
 * refused to everybody's knowledge have been done after all, there are still never two owners of one epoch.
 */
export class Directory extends DurableObject {
  /** @param {DurableObjectState} ctx @param {Env} env */
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("create table if not exists homes (subject text primary key, kind text not null, home text not null, epoch integer not null) without rowid");
    this.sql.exec("create index if not exists residents on homes (home, subject)");
    this.sql.exec(
      "create table if not exists tentative (subject text primary key, kind text not null, home text not null, epoch integer not null, until integer not null) without rowid",
    );
    this.sql.exec("create index if not exists ends on tentative (until)");
    this.sql.exec("create table if not exists moved (subject text primary key) without rowid");
    this.sql.exec("create table if not exists floors (one integer primary key check (one = 1), epoch integer not null)");
  }

  /**
   * The subject's ownership as JSON; without one it gets that home, once, whoever else asks at the same time; for good if an origin has
   * named it. One whom only the home store knows gets what stands there, and the region there says yes or no, as to every claim. `insteadOf`: the very region that has that home by that epoch says that the data is elsewhere, and so has written nothing.
   * @param {string} subject @param {string} kind @param {string} home @param {boolean} named @param {Home} [insteadOf] @returns {string | Promise<string>}
   */
  assign(subject, kind, home, named, insteadOf) {
    if (insteadOf) this.correct(subject, kind, home, named, insteadOf);
    if (!this.env.HOMES || this.find(subject)) return this.give(subject, kind, home, named, null);
    // Where the store cannot be asked nobody new gets a home: the one that stands there may have an owner.
    return stored(this.env, subject).then((said) => this.give(subject, kind, home, named, said));
  }

  /**
   * The same, once the home store has been asked; somebody else may have come meanwhile.
   * @param {string} subject @param {string} kind @param {string} home @param {boolean} named @param {Home | null} said
   */
  give(subject, kind, home, named, said) {
    const known = this.row("homes", subject);
    if (known) return JSON.stringify({ ...known, new: false });
    const held = this.row("tentative", subject) ?? (said && { kind, ...said });
    const found = held ?? { kind, home, epoch: this.floor() + 1 };
    if (named) this.settle(subject, found);
    else this.hold(subject, found);
    return JSON.stringify({ ...found, new: !held, ...(named ? {} : { tentative: true }) });
  }

  /**
   * Another home in place of one that its region declines, by the next epoch: only if that still counts, and no operator has ordered it.
   * Whom a client alone has named stays tentative: to decline somebody is no yes.
   * @param {string} subject @param {string} kind @param {string} home @param {boolean} named @param {Home} declined
   */
  correct(subject, kind, home, named, declined) {
    const kept = this.row("homes", subject);
    const held = kept ?? this.row("tentative", subject) ?? { kind, ...declined };
    const isIt = held.home === declined.home && held.epoch === declined.epoch;
    const ordered = this.sql.exec("select 1 from moved where subject = ?", subject).toArray().length > 0;
    if (!isIt || ordered) return;
    const next = { kind: held.kind, home, epoch: Math.max(held.epoch, this.floor()) + 1 };
    if (kept || named) return this.settle(subject, next);
    this.sql.exec("delete from tentative where subject = ?", subject);
    this.hold(subject, next);
  }

  /**
   * Homes that are known beforehand, `[subject, home]` each, or with the epoch by which the regions know it: those who have none get it for
   * good, nobody gets another one, and no epoch goes back. How many were `added` and were `there` already, what was `kept`, `[subject, home, epoch]`
   * each, and who lives `elsewhere`: `[subject, home]` each. `dry`: only says so.
   * @param {string} kind @param {[subject: string, home: string, epoch?: number][]} homes @param {boolean} dry
   */
  keep(kind, homes, dry) {
    const told = {
      added: 0,
      there: 0,
      elsewhere: /** @type {[subject: string, home: string][]} */ ([]),
      kept: /** @type {[subject: string, home: string, epoch: number][]} */ ([]),
    };
    for (const [subject, home, epoch = 1] of homes) {
      const held = this.find(subject);
      if (held && (held.home !== home || held.kind !== kind)) {
        told.elsewhere.push([subject, held.home]);
        continue;
      }
      told[held ? "there" : "added"]++;
      if (dry) continue;
      const next = { kind, home, epoch: Math.max(epoch, held ? held.epoch : this.floor() + 1) };
      this.settle(subject, next);
      told.kept.push([subject, home, next.epoch]);
    }
    return told;
  }

  /**
   * The subject's ownership as JSON, or null: nobody gets one by being asked for. Who asks for a tentative one keeps it, as with `assign`.
   * @param {string} subject
   */
  known(subject) {
    const known = this.row("homes", subject);
    if (known) return JSON.stringify({ ...known, new: false });
    const held = this.row("tentative", subject);
    if (held) this.hold(subject, held);
    return held ? JSON.stringify({ ...held, new: false, tentative: true }) : null;
  }

  /**
   * An origin has said yes to a subject who has that home: what counts from now on.
   * @param {string} subject @param {string} kind @param {string} home @param {number} epoch @returns {Row}
   */
  confirm(subject, kind, home, epoch) {
    const held = this.find(subject);
    // It may have gone meanwhile, and somebody else may have got a later one.
    const found = held && held.epoch > epoch ? held : { kind, home, epoch };
    this.settle(subject, found);
    return found;
  }

  /** The subject's ownership, or undefined. @param {string} subject @returns {Row | undefined} */
  find(subject) {
    return this.row("homes", subject) ?? this.row("tentative", subject);
  }

  /**
   * Takes in a later ownership; returns what counts then. Of one that nobody knew here nobody was paused and nothing was granted: a region
   * that knows better may still say so (`correct`), or that subject would be locked out.
   * @param {string} subject @param {string} kind @param {string} home @param {number} epoch
   */
  record(subject, kind, home, epoch) {
    const held = this.find(subject);
    const next = { kind, home, epoch: held ? epoch : Math.max(epoch, this.floor() + 1) };
    this.settle(subject, held && held.epoch >= epoch ? held : next);
    const found = /** @type {Row} */ (this.find(subject));
    // The first epoch is nobody's grant.
    const granted = epoch > 1 && found.home === home && found.epoch === epoch;
    if (granted) this.sql.exec("insert into moved values (?) on conflict do nothing", subject);
    return found;
  }

  /** How many live there; who is tentative does not. @param {string} home */
  count(home) {
    return Number(this.sql.exec("select count(*) as n from homes where home = ?", home).one().n);
  }

  /** @param {string} home @param {string} after @param {number} most */
  list(home, after, most) {
    return this.sql.exec("select subject, kind from homes where home = ? and subject > ? order by subject limit ?", home, after, most).toArray();
  }

  /** Where it stands, for `homing doctor`. @param {boolean} onPlatform */
  async stands(onPlatform) {
    return { colo: await colo(onPlatform) };
  }

  /** How many are tentative; for tests. */
  tentative() {
    return this.sql.exec("select count(*) as n from tentative").one().n;
  }

  alarm() {
    this.clean(Date.now());
  }

  /** Lets go of what nobody has said yes to. @param {number} now */
  clean(now) {
    const over = this.sql
      .exec("delete from tentative where subject in (select subject from tentative where until <= ? order by until limit ?) returning epoch", now, AT_ONCE)
      .toArray();
    const floor = over.reduce((floor, { epoch }) => Math.max(floor, Number(epoch)), 0);
    if (floor > this.floor()) this.sql.exec("insert into floors values (1, ?1) on conflict do update set epoch = ?1", floor);
    this.wake(now);
  }

  /** @param {"homes" | "tentative"} table @param {string} subject @returns {Row | undefined} */
  row(table, subject) {
    return /** @type {SqlStorageCursor<Row>} */ (this.sql.exec(`select kind, home, epoch from ${table} where subject = ?`, subject)).toArray()[0];
  }

  /** The latest epoch of any subject that has gone: nobody who comes after it gets an earlier one. */
  floor() {
    return Number(this.sql.exec("select epoch from floors").toArray()[0]?.epoch ?? 0);
  }

  /** @param {string} subject @param {Row} ownership */
  settle(subject, { kind, home, epoch }) {
    this.sql.exec(
      "insert into homes values (?, ?, ?, ?) on conflict do update set home = excluded.home, epoch = excluded.epoch where excluded.epoch > homes.epoch",
      subject,
      kind,
      home,
      epoch,
    );
    this.sql.exec("delete from tentative where subject = ?", subject);
  }

  /** @param {string} subject @param {Row} ownership */
  hold(subject, { kind, home, epoch }) {
    const now = Date.now();
    this.sql.exec(
      "insert into tentative values (?, ?, ?, ?, ?) on conflict do update set until = excluded.until",
      subject,
      kind,
      home,
      epoch,
      now + TENTATIVE_MS,
    );
    this.wake(now);
  }

  /** The alarm is always that of the row that ends first, so that whoever comes later never puts it off. @param {number} now */
  wake(now) {
    const [{ first }] = this.sql.exec("select min(until) as first from tentative").toArray();
    if (first !== null) this.ctx.storage.setAlarm(Math.max(Number(first), now + 1000));
  }
}
