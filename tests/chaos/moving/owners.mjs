// What the logs alone say: one owner at a time, each write once, nothing lost.
import { isBehind, placeOf } from "./log.mjs";

/** Who has written what by which epoch. */
export function owners(log, say) {
  const units = Map.groupBy(log.writes, ({ unit }) => unit);
  for (const [unit, writes] of units) {
    const announced = log.announced.filter((one) => one.unit === unit);
    for (const { id, origin, stamp } of writes.filter(({ epoch }) => epoch === 0))
      say("without-owner", `${origin} wrote ${id} to ${unit}, and nobody owned that (${stamp})`);
    const epochs = Map.groupBy(
      writes.filter(({ epoch }) => epoch > 0),
      ({ epoch }) => epoch,
    );
    for (const [epoch, of] of epochs) {
      const homes = new Set([...of.map(({ origin }) => origin), ...announced.filter((one) => one.epoch === epoch).map(({ home }) => home)]);
      if (homes.size > 1) say("two-owners", `${unit} was written or owned by ${[...homes].join(" and ")} in epoch ${epoch}`);
    }
    overlaps(unit, epochs, say);
    fences(unit, writes, announced, say);
    beginnings(unit, writes, announced, say);
  }
}

/** A new owner has all that was written by earlier epochs when it begins, by its own word of how far the logs were. */
function beginnings(unit, writes, announced, say) {
  for (const begun of announced.filter(({ home, origin }) => home === origin)) {
    const missed = writes.filter((write) => isBehind(write, begun));
    for (const { id, origin, stamp } of missed)
      say("begun-without", `${begun.home} began to own ${unit} by epoch ${begun.epoch} without ${id}, which ${origin} had written (${stamp})`);
  }
}

/** By the one clock of this machine: nobody writes by an epoch once somebody has written by a later one. */
function overlaps(unit, epochs, say) {
  const ordered = [...epochs].sort(([one], [other]) => one - other);
  for (const [at, [epoch, writes]] of ordered.entries()) {
    const later = ordered.slice(at + 1).flatMap(([, of]) => of);
    const first = later.reduce((least, { at }) => Math.min(least, at), Infinity);
    const late = writes.filter((write) => write.at > first);
    for (const { id, origin } of late) say("late-epoch", `${origin} wrote ${id} to ${unit} by epoch ${epoch}, after somebody had written by a later one`);
  }
}

/** In a region's own order: no write by an epoch behind what the region has itself announced. */
function fences(unit, writes, announced, say) {
  for (const { origin, epoch, seq } of announced) {
    const passed = writes.filter((write) => write.origin === origin && write.seq > seq && write.epoch < epoch);
    for (const { id } of passed) say("fence-passed", `${origin} wrote ${id} to ${unit} by an epoch before ${epoch}, which it had announced`);
  }
}

/** What clients were told of their writes, against what became of them. */
export function outcomes({ records, log, finals }, say) {
  for (const [id, applied] of log.ids) {
    if (applied.length > 1)
      say(
        "applied-twice",
        `${id} was applied ${applied.length} times: ${applied.map(({ origin, stamp }) => `${origin} ${stamp}`).join(", ")}`,
        records.findLast((record) => record.id === id),
      );
  }
  const attempts = Map.groupBy(
    records.filter(({ id }) => id !== undefined),
    ({ id }) => id,
  );
  for (const [id, tries] of attempts) {
    const acknowledged = tries.find(({ status }) => status === 200);
    if (acknowledged && !log.lost.has(id)) acknowledges(acknowledged, id, { log, finals }, say);
    const denied = tries.every(({ headers }) => /^(not-sent|refused)$/.test(headers?.["homing-write-outcome"] ?? ""));
    if (denied && isApplied(tries[0], { log, finals }))
      say("said-not-done", `${id} was said to be ${tries[0].headers["homing-write-outcome"]}, and was done`, tries[0]);
  }
}

/** Where that is liked in the end. The logs of what several regions write are forgotten when all have them. */
const liking = (finals, item) => Object.keys(finals).filter((region) => finals[region].likes.includes(item));

const isApplied = (record, { log, finals }) =>
  record.dataset === "likes" ? liking(finals, record.key).length > 0 : log.ids.has(record.id) || log.lost.has(record.id);

function acknowledges(record, id, { log, finals }, say) {
  if (record.dataset === "likes") {
    const there = liking(finals, record.key);
    if (there.length < Object.keys(finals).length)
      say("acknowledged-lost", `the like ${record.key} was acknowledged by ${record.json?.region}, and in the end only [${there}] has it`, record);
    return;
  }
  const write = log.of(id);
  if (!write) return say("acknowledged-lost", `${id} was acknowledged by ${record.json?.region} and is in no log`, record);
  if (!record.repeat && log.ids.get(id).every(({ origin }) => origin !== record.json?.region))
    say("acknowledged-elsewhere", `${id} was acknowledged by ${record.json?.region}, and it is in the log of ${write.origin}`, record);
  for (const [region, held] of Object.entries(finals)) {
    const last = held[record.key];
    const there = Array.isArray(last) ? last.includes(id) : last !== undefined && (last === id || log.of(last)?.stamp > write.stamp);
    if (!there)
      say("acknowledged-lost", `${id} was acknowledged by ${write.origin} by epoch ${write.epoch}, and ${region} does not have it in the end`, record);
  }
}

/** All regions hold the same in the end, and for each item the newest version that there is. */
export function converged({ log, finals }, say) {
  const regions = Object.keys(finals);
  const keys = new Set(regions.flatMap((region) => Object.keys(finals[region])));
  for (const key of keys) {
    const held = regions.map((region) => JSON.stringify(finals[region][key]));
    if (new Set(held).size > 1) say("diverged", `${key}: ${regions.map((region, at) => `${region} ${held[at]?.slice(-80)}`).join(", ")}`);
    const place = key.includes(":") ? undefined : placeOf({ dataset: "catalog", key });
    const newest = place && log.places.get(place)?.at(-1);
    if (newest && newest.id !== finals[regions[0]][key]) say("diverged", `${key} is ${held[0]}, and its newest version is ${newest.id}`);
  }
}
