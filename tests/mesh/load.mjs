// Many sessions at once on data of every rule, with faults going on, and a record of what each did and saw.
import { waitUntil } from "../e2e/harness.mjs";
import { dice } from "../postgres/load.mjs";
import { Session, look } from "./session.mjs";

const pick = (roll, from) => from[roll(from.length)];

/** How many operations one generation of keys gets: what is shown of one stays small. */
const GENERATION = 600;

/** Nobody waits longer for what certainly comes, in milliseconds. A machine that is busy with something else too gets there as well. */
export const PATIENCE = 180_000;

/** The datasets of the application under test (its DATASETS) by their rules. */
export const RULES = { tags: "set", views: "counter", profile: "last-write-wins", draft: "register" };
const FIELDS = ["name", "city", "colour"];

/** What happened, and until when more of it is to happen. */
export class Recording {
  /** @type {any[]} */
  operations = [];
  over = false;
  generation = 0;
  since = 0;

  constructor({ size = GENERATION } = {}) {
    this.size = size;
    this.keys = { grown: new Set(), churned: new Set(), views: new Set(), profile: new Set(), draft: new Set() };
  }

  /** A key of this kind, of the generation that it is. */
  key(kind) {
    if (this.operations.length - this.since >= this.size) this.next();
    const key = `${kind}-${this.generation}`;
    this.keys[kind].add(key);
    return key;
  }

  /** Begins the next generation. */
  next() {
    this.generation++;
    this.since = this.operations.length;
  }

  /** Waits until so many more operations have ended. */
  more(count) {
    const target = this.operations.length + count;
    return waitUntil(() => this.operations.length >= target || this.over, `${count} more operations`, PATIENCE);
  }
}

/** One session's next step: on any of the rules, one write for two reads. */
async function step(session, recording) {
  const { roll } = session;
  const kind = pick(roll, ["grown", "grown", "churned", "churned", "views", "profile", "draft"]);
  const dataset = kind === "grown" || kind === "churned" ? "tags" : kind;
  const key = recording.key(kind);
  const isWrite = roll(3) === 0;
  const record = { session: session.name, seq: session.seq++, kind: isWrite ? "write" : "read", of: kind, dataset, key };
  const doing = isWrite ? change(session, kind, key, record.seq) : undefined;
  const done = isWrite ? await session.write(dataset, key, doing.change) : await session.read(dataset, key);
  if (kind === "churned" && done.status === "ok" && Array.isArray(done.value)) session.shown = { key, members: done.value };
  recording.operations.push({ ...record, ...doing, ...done });
}

/** What a write of that kind does. Of a set, a session removes what it was shown last, or has just added. */
function change(session, kind, key, seq) {
  const id = `${session.name}-${seq}`;
  const { roll, shown } = session;
  switch (kind) {
    case "grown":
      return { id, change: { add: [id] } };
    case "churned": {
      if (shown?.key !== key || shown.members.length === 0 || roll(2) === 0) return { id, change: { add: [id] } };
      const gone = roll(2) === 0 ? shown.members.at(-1) : pick(roll, shown.members);
      return { removed: gone, change: { remove: [gone] } };
    }
    case "views": {
      const by = 1 + roll(3);
      return { by, change: by };
    }
    case "profile": {
      const field = pick(roll, FIELDS);
      return { field, id, change: { [field]: id } };
    }
    default:
      return { id, change: id };
  }
}

/** That many sessions, which begin with nothing. */
export function beginners(apps, { sessions = 9, seed = 1 } = {}) {
  return Array.from({ length: sessions }, (_, at) => new Session(`s${at}`, { apps, roll: dice(seed * 1000 + at) }));
}

/** One operation after the other, until the recording is over. */
async function goesOn(session, recording) {
  while (!recording.over) await step(session, recording);
}

/**
 * Runs these sessions while `trouble` happens, and for that long at least.
 * @param {{ sessions: Session[], recording?: Recording, seconds?: number, trouble?: (recording: Recording) => Promise<void> }} how
 */
export async function load({ sessions, recording = new Recording(), seconds = 0, trouble = async () => {} }) {
  recording.over = false;
  const visitors = Promise.all(sessions.map((session) => goesOn(session, recording)));
  const time = new Promise((resolve) => setTimeout(resolve, seconds * 1000).unref());
  const troubled = trouble(recording);
  try {
    await Promise.race([Promise.all([time, troubled]), visitors]);
  } finally {
    recording.over = true;
    await visitors;
  }
  return recording;
}

/** Waits until each node has all that the others have of all datasets. */
export async function level(apps) {
  const places = async (app, dataset) => JSON.stringify(Object.entries((await look(app, dataset, "none")).at).sort());
  for (const dataset of Object.keys(RULES)) {
    let all = [];
    const isLevel = async () => {
      all = await Promise.all(Object.values(apps).map((app) => places(app, dataset)));
      return new Set(all).size === 1;
    };
    await waitUntil(isLevel, `every node has of ${dataset} what every other one has`, PATIENCE).catch((error) => {
      throw new Error(
        `${error.message}: ${Object.keys(apps)
          .map((name, at) => `${name} ${all[at]}`)
          .join("; ")}`,
      );
    });
  }
}

/** What each node shows of each key in the end: node → kind → key → value. */
export async function finals(apps, recording) {
  const held = {};
  for (const [name, app] of Object.entries(apps)) {
    held[name] = {};
    for (const [kind, keys] of Object.entries(recording.keys)) {
      const dataset = kind === "grown" || kind === "churned" ? "tags" : kind;
      held[name][kind] = Object.fromEntries(await Promise.all([...keys].map(async (key) => [key, (await look(app, dataset, key)).value])));
    }
  }
  return held;
}
