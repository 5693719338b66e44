// A session as the router carries it for data with many writers: what it has seen of each owner's log, and the latest stamp that it
// knows. Its edges' clocks are far apart, and it roams between them and between nodes.
import { setTimeout as later } from "node:timers/promises";

/** How far the edges' clocks are off, in milliseconds: by less than is believed of a stamp. */
const SKEWS = [-25_000, 0, 25_000];

const hex = (number, digits) => number.toString(16).padStart(digits, "0");

/** The number of each owner's log that a field names for a dataset: how far the node is, was at least before a read, and what the answer
 *  shows. */
function positions(field, dataset) {
  const [at, least, shows] = [{}, {}, {}];
  for (const member of (field ?? "").split(",")) {
    const [, owner, place, rest] = /^\s*([\w-]+@[\w-]+)=(\d+)(.*)$/.exec(member) ?? [];
    const [of, name] = owner?.split("@") ?? [];
    if (of !== dataset) continue;
    at[name] = Number(place);
    least[name] = Number(/; ?least=(\d+)/.exec(rest)?.[1] ?? 0);
    shows[name] = Number(/; ?shows=(\d+)/.exec(rest)?.[1] ?? place);
  }
  return { at, least, shows };
}

export class Session {
  /** What it has seen: dataset → owner → number. @type {Record<string, Record<string, number>>} */
  marks = {};
  clock = "";
  seq = 0;
  /** Where it wrote and was not told a position: that node alone has the write for certain, until it has told one. @type {Record<string, string>} */
  pinned = {};

  constructor(name, { apps, roll }) {
    this.name = name;
    this.apps = apps;
    this.roll = roll;
  }

  /** Later than all that it has written or seen, whatever this edge's clock says. */
  stamp() {
    const now = Date.now() + SKEWS[this.roll(SKEWS.length)];
    const [millis, count] = this.clock ? this.clock.split("-").map((part) => Number.parseInt(part, 16)) : [0, 0];
    const [at, next] = now > millis ? [now, 0] : [millis, count + 1];
    this.clock = `${hex(at, 12)}-${hex(next, 4)}-${hex(this.roll(2 ** 31), 8)}`;
    return this.clock;
  }

  headers(dataset, intent) {
    const marks = Object.entries(this.marks[dataset] ?? {}).map(([owner, number]) => `${dataset}@${owner}=${number}`);
    return {
      "homing-intent": intent,
      "homing-dataset": dataset,
      ...(marks.length > 0 ? { "homing-min-position": marks.join(", ") } : {}),
      ...(intent === "write" ? { "homing-clock": this.stamp(), "content-type": "application/json" } : {}),
    };
  }

  /** Takes in what an answer tells, as the router does, and says what that was. */
  learn(dataset, answer, name, wrote) {
    const told = positions(answer.headers.get("homing-position"), dataset);
    const { at, shows } = told;
    const marks = (this.marks[dataset] ??= {});
    if (wrote && at[name] === undefined) this.pinned[dataset] = name;
    else if (this.pinned[dataset] === name && at[name] !== undefined) {
      marks[name] = Math.max(marks[name] ?? 0, at[name]);
      delete this.pinned[dataset];
    }
    for (const [owner, number] of Object.entries(shows)) marks[owner] = Math.max(marks[owner] ?? 0, number);
    const heard = answer.headers.get("homing-clock") ?? "";
    if (heard > this.clock) this.clock = heard;
    return told;
  }

  /** Asks nodes in an order made by chance until one has what the session has seen; none may have it while links are cut. */
  async read(dataset, key) {
    const start = performance.now();
    const names = this.pinned[dataset] ? [this.pinned[dataset]] : this.order();
    for (const name of names) {
      const answer = await ask(`${this.apps[name].url}/${dataset}/${key}`, { headers: this.headers(dataset, "read") });
      if (answer?.status !== 200) continue;
      const asked = { ...this.marks[dataset] };
      const told = this.learn(dataset, answer, name, false);
      return { status: "ok", region: name, value: answer.json.value, asked, told, start, end: performance.now() };
    }
    await later(20);
    return { status: "fail", start, end: performance.now() };
  }

  /** Writes at one node. What it has seen goes along, and is no reason to refuse. */
  async write(dataset, key, change) {
    const start = performance.now();
    const [name] = this.order();
    const headers = this.headers(dataset, "write");
    const answer = await ask(`${this.apps[name].url}/${dataset}/${key}`, { method: "POST", headers, body: JSON.stringify(change) });
    const isDone = answer?.status === 200;
    const asked = { ...this.marks[dataset] };
    const told = isDone ? this.learn(dataset, answer, name, true) : undefined;
    if (!isDone) await later(20);
    const status = isDone ? "ok" : answer?.headers.get("homing-wrote") === "0" ? "fail" : "unknown";
    // A node gives a later stamp to what it writes over one; whoever got no answer knows none.
    const stamp = isDone ? (answer.json?.stamp ?? headers["homing-clock"]) : "~";
    return { status, region: name, value: answer?.json?.value, asked, told, stamp, start, end: performance.now() };
  }

  order() {
    const names = Object.keys(this.apps);
    return names
      .map((name) => ({ name, at: this.roll(1 << 20) }))
      .sort((one, other) => one.at - other.at)
      .map(({ name }) => name);
  }
}

/** An answer with its JSON, if there is any; nothing where the node cannot be reached. @param {string} url @param {any} how */
async function ask(url, how) {
  try {
    const answer = await fetch(url, { ...how, signal: AbortSignal.timeout(5000) });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, json: text.startsWith("{") ? JSON.parse(text) : undefined };
  } catch {
    return undefined;
  }
}

/** What a node shows, and how far it is, without a session. */
export async function look(app, dataset, key) {
  const answer = await ask(`${app.url}/${dataset}/${key}`, { headers: { "homing-intent": "read", "homing-dataset": dataset } });
  if (answer?.status !== 200) throw new Error(`${app.url}/${dataset}/${key}: ${answer?.status ?? "no answer"} ${JSON.stringify(answer?.json)}`);
  return { value: answer.json.value, at: positions(answer.headers.get("homing-position"), dataset).at };
}
