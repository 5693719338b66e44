// The regions' own logs, read as a judge reads them: which write was applied where, by which epoch, in which order.
import { subjectId } from "../../e2e/harness.mjs";

/** The data that has one owner at a time. */
const OWNED = new Set(["catalog", "cart", "notes"]);

/** `catalog`, or `~` and the subject's id, of a unit as the load names it. */
export const unitOf = (name) => (name === "catalog" ? name : `~${subjectId(...name.split(":"))}`);
/** Where the value lies, in its dataset. */
export const placeOf = ({ dataset, key }) => (dataset === "catalog" || dataset === "likes" ? `${dataset}/${key}` : `${dataset}/${unitOf(key).slice(1)}`);

const parse = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
const nameOf = (entry) => entry?.id ?? entry;

/** Whether it was written by an earlier epoch, and the new owner did not have it when it began. */
export const isBehind = (write, { unit, epoch, after, origin }) =>
  write.unit === unit && write.epoch < epoch && write.origin !== origin && write.seq > (after.get(write.origin) ?? 0);

export class Log {
  /** `logs` are the operations by region, each in its order; `forced` the changes that were made without the old owner: { unit, epoch }. */
  constructor(logs, forced = []) {
    /** Of owned data: { id, list, place, unit, origin, epoch, stamp, at, seq }; what was announced: { unit, home, epoch, after, origin, at, seq }. */
    this.writes = [];
    this.announced = [];
    this.ids = new Map();
    this.places = new Map();
    this.lost = new Map();
    const ops = Object.values(logs).flat();
    for (const op of ops.filter(({ dataset }) => dataset === "own")) this.hear(op);
    const begun = this.announced.filter(({ unit, epoch, home, origin }) => home === origin && forced.some((one) => one.unit === unit && one.epoch === epoch));
    for (const op of ops.filter(({ dataset }) => dataset !== "own")) this.take(op, begun);
    const inOrder = (one, other) => (one.stamp < other.stamp ? -1 : 1);
    for (const versions of [...this.places.values(), ...this.ids.values()]) versions.sort(inOrder);
  }

  hear({ origin, seq, key, value, at }) {
    const { home, epoch, after } = parse(value) ?? {};
    this.announced.push({ unit: key, home, epoch, after: new Map(after), origin, at, seq });
  }

  take({ origin, seq, dataset, key, value, stamp, at }, begun) {
    if (!OWNED.has(dataset)) return;
    const held = parse(value);
    const list = Array.isArray(held) ? held.map(nameOf) : undefined;
    const write = {
      id: list ? list.at(-1) : held?.id,
      list,
      place: `${dataset}/${key}`,
      unit: dataset === "catalog" ? dataset : `~${key}`,
      origin,
      epoch: Number(stamp.split(".")[0]),
      stamp,
      at,
      seq,
    };
    // What a forced change has declared lost is as if it had never been, for whatever was promised.
    if (begun.some((one) => isBehind(write, one))) return void this.lost.set(write.id, write);
    this.writes.push(write);
    this.ids.set(write.id, [...(this.ids.get(write.id) ?? []), write]);
    this.places.set(write.place, [...(this.places.get(write.place) ?? []), write]);
  }

  /** The write of that id that counts: its first. */
  of(id) {
    return this.ids.get(id)?.[0];
  }

  /** Its last, should it have been applied twice. */
  lastOf(id) {
    return this.ids.get(id)?.at(-1);
  }

  /** The newest version of that place up to that stamp. */
  upTo(place, stamp) {
    return this.places.get(place)?.findLast((version) => version.stamp <= stamp);
  }

  at(place, stamp) {
    return this.places.get(place)?.find((version) => version.stamp === stamp);
  }
}
