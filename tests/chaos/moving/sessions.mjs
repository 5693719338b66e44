// What each session was promised, against what it was shown: all of one owner's data has one order (epoch, then place in the log), and
// what a session has written or seen of that is a place in it. Whatever it is shown later is at least as new.
import { placeOf, unitOf } from "./log.mjs";

/** A like is to be seen by its session for so long at least: the shortest window is 1 s, of which a busy machine may take some. */
const WINDOW_MS = 750;
export const isStale = ({ headers }) => /^stale/.test(headers?.["homing-consistency"] ?? "");

export function sessions({ records, log }, say) {
  const counts = {
    "read-your-writes": 0,
    "monotonic-reads": 0,
    "across-keys": 0,
    "monotonic-writes": 0,
    "writes-follow-reads": 0,
    likes: 0,
    "likes later": 0,
    "likes missed later": 0,
  };
  const ordered = records.filter(({ session, end }) => session !== undefined && end !== undefined);
  for (const [session, of] of Map.groupBy(ordered, ({ session }) => session)) new Session(session, log, say, counts).walk(of);
  return counts;
}

class Session {
  constructor(name, log, say, counts) {
    /** By unit: the newest that it has written or seen. */
    this.name = name;
    this.log = log;
    this.say = say;
    this.counts = counts;
    this.newest = new Map();
    this.own = new Set();
    this.seen = new Set();
    this.likes = new Map();
  }

  walk(records) {
    for (const record of records) {
      // Another user is signed in from this answer on, whoever noticed: what was promised to the one before is over.
      if (record.was !== undefined && record.is !== record.was) for (const kept of [this.newest, this.own, this.seen, this.likes]) kept.clear();
      if (record.status !== 200 || record.dataset === undefined) continue;
      if (record.dataset === "likes") this.like(record);
      else if (record.read) this.read(record);
      else this.write(record);
    }
  }

  /**
   * What a read shows: place and version; the catalogue as a whole shows all its items, and those that it lacks. Of an item there only
   * the id is known: should that have been applied twice, which is another check's, it is of a version between `least` and `stamp`.
   */
  shown(record) {
    if (record.key !== undefined) return [{ place: placeOf(record), stamp: record.json?.version ?? "", least: record.json?.version ?? "" }];
    const items = new Map((record.json?.items ?? []).map(({ id, item }) => [`catalog/${id}`, item?.id]));
    const places = new Set([...items.keys(), ...[...this.log.places.keys()].filter((place) => place.startsWith("catalog/"))]);
    return [...places].map((place) => {
      const id = items.get(place);
      const lost = this.log.lost.get(id);
      return { place, stamp: (this.log.lastOf(id) ?? lost)?.stamp ?? "", least: (this.log.of(id) ?? lost)?.stamp ?? "" };
    });
  }

  read(record) {
    const shown = this.shown(record);
    const unit = unitOf(record.unit);
    for (const { place, least } of shown) this.phantom(record, place, least);
    // What says itself that it may be stale promises nothing, and shows a session nothing that it could miss later.
    if (isStale(record)) return;
    const before = this.newest.get(unit) ?? "";
    const here = shown.reduce((most, { least }) => (least > most ? least : most), "");
    for (const { place, stamp } of shown) {
      if (this.misses(record, place, stamp, before)) continue;
      if (record.key === undefined && record.hadSession && (this.log.upTo(place, here)?.stamp ?? "") > stamp) {
        this.say("within-list", `the list shows what was written by ${here}, and not ${this.log.upTo(place, here).id} of ${place}`, record);
      }
    }
    // Nobody keeps what a client without a session has seen.
    if (!record.hadSession && !record.hasSession) return;
    for (const { place, stamp } of shown) if (stamp) this.seen.add(this.log.at(place, stamp)?.id);
    this.raise(unit, here);
  }

  misses(record, place, stamp, before) {
    const expected = this.log.upTo(place, before);
    const check = !expected || this.own.has(expected.id) ? "read-your-writes" : this.seen.has(expected.id) ? "monotonic-reads" : "across-keys";
    if (expected) this.counts[check]++;
    if (!expected || stamp >= expected.stamp) return false;
    this.say(
      check,
      `${place} is shown by ${stamp || "nothing"}; the session ${check === "across-keys" ? "has seen what followed" : check === "monotonic-reads" ? "had seen" : "had written"} ${expected.id} (${expected.stamp}, its own mark is ${before})`,
      record,
    );
    return true;
  }

  /** What was never written, or not before the read was over. */
  phantom(record, place, stamp) {
    if (stamp === "") return;
    const version = this.log.at(place, stamp);
    if (!version && ![...this.log.lost.values()].some((lost) => lost.place === place && lost.stamp === stamp))
      this.say("phantom", `${place} is shown by ${stamp}, which no region has in its log`, record);
    else if (version?.at > record.end) this.say("phantom", `${place} is shown by ${stamp}, which was written later`, record);
  }

  write(record) {
    const write = this.log.of(record.id);
    // That it is nowhere is another check's.
    if (!write) return;
    const before = this.newest.get(write.unit) ?? "";
    const isNew = !this.own.has(record.id) && !record.repeat;
    const last = this.log.upTo(write.place, before);
    if (isNew && before) {
      const check = this.own.has(last?.id) ? "monotonic-writes" : "writes-follow-reads";
      this.counts[check]++;
      if (write.stamp <= before) this.say(check, `${record.id} was written by ${write.stamp}, behind ${before}, which the session had seen`, record);
      else if (last?.list?.some((id) => !write.list.includes(id)))
        this.say(check, `${record.id} was written over a list without ${last.list.filter((id) => !write.list.includes(id))}`, record);
    }
    this.own.add(record.id);
    this.raise(write.unit, write.stamp);
  }

  raise(unit, stamp) {
    if (stamp > (this.newest.get(unit) ?? "")) this.newest.set(unit, stamp);
  }

  like(record) {
    if (!record.read) return void this.likes.set(record.key, record.end);
    const written = this.likes.get(record.key);
    if (written === undefined || isStale(record)) return;
    const soon = record.start - written < WINDOW_MS;
    this.counts[soon ? "likes" : "likes later"]++;
    if (record.json?.count > 0) return;
    if (soon) this.say("like-missed", `the like ${record.key} of ${record.start - written} ms before is not shown`, record);
    else this.counts["likes missed later"]++;
  }
}
