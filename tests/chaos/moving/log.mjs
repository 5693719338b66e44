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

export class Log {
  /** `logs` are the operations by region, each in its order. */
  constructor(logs) {
    /** Of owned data: { id, list, place, unit, origin, epoch, stamp, at, seq }; what was announced: { unit, home, epoch, after, origin, at, seq }. */
    Object.assign(this, { writes: [], announced: [], likes: new Map(), ids: new Map(), places: new Map() });
    for (const ops of Object.values(logs)) for (const op of ops) this.take(op);
    const inOrder = (one, other) => (one.stamp < other.stamp ? -1 : 1);
    for (const versions of [...this.places.values(), ...this.ids.values()]) versions.sort(inOrder);
  }

  take({ origin, seq, dataset, key, value, stamp, at }) {
    if (dataset === "own") {
      const { home, epoch, after } = parse(value) ?? {};
      this.announced.push({ unit: key, home, epoch, after: new Map(after), origin, at, seq });
    } else if (dataset === "likes") {
      this.likes.set(key, [...(this.likes.get(key) ?? []), { origin, at }]);
    } else if (OWNED.has(dataset)) {
      const held = parse(value);
      const list = Array.isArray(held) ? held.map(nameOf) : undefined;
      const write = { id: list ? list.at(-1) : held?.id, list, place: `${dataset}/${key}`, unit: dataset === "catalog" ? dataset : `~${key}`, origin, epoch: Number(stamp.split(".")[0]), stamp, at, seq };
      this.writes.push(write);
      this.ids.set(write.id, [...(this.ids.get(write.id) ?? []), write]);
      this.places.set(write.place, [...(this.places.get(write.place) ?? []), write]);
    }
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
