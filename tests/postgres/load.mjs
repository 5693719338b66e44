// Many clients at once through the router, with faults going on, and what each of them did and saw, recorded for the checker
// of session guarantees (tests/history): one JSON object a line.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, root, seal, waitUntil } from "../e2e/harness.mjs";
import { takeOver } from "./app.mjs";

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

const pick = (roll, from) => from[roll(from.length)];

/** A recording: its lines, and how many operations have ended. */
export class Recording {
  lines = [];
  done = 0;
  over = false;
  underway = new Set();

  note(record) {
    this.lines.push(JSON.stringify(record));
    this.done += 1;
  }

  /** Waits until so many more operations have ended. */
  more(count) {
    const target = this.done + count;
    return waitUntil(() => this.done >= target || this.over, `${count} more operations`, 60_000);
  }

  /** Waits until all that is under way now has ended. */
  async calm() {
    await Promise.all(this.underway);
  }
}

/**
 * What one request did, as the checker wants it told; returns the answer.
 * @param {any} client @param {{ session: string, seq: number, key: any, id?: any }} what @param {Recording} recording
 */
async function operation(client, { session, seq, key, id }, recording) {
  const start = performance.now();
  const asking = (id ? client.post(`/lists/${key}`, { id }) : client.get(`/lists/${key}`)).catch(() => undefined);
  recording.underway.add(asking);
  const answer = await asking;
  recording.underway.delete(asking);
  const end = performance.now();
  const region = answer?.headers["homing-region"];
  const header = (name) => answer?.headers[name];
  const note = { reason: header("homing-reason"), status: answer?.status, outcome: header("homing-write-outcome"), again: header("retry-after") };
  const record = { session, seq, kind: id ? "write" : "read", key, ...(id ? { id } : {}), ...outcome(id, answer), start, end };
  recording.note({ ...record, ...(region ? { region } : {}), note });
  return answer;
}

/** One session, one operation after the other, roaming between edges and between places. Some only read; they have had their
 *  sessions from before, since a read starts none. */
export async function session(name, { routers, keys, operations = Infinity, roll, recording, secret, places, writes, oneIn = 3 }) {
  const clients = routers.map((router) => new Client(router.url));
  const jar = new Map([["__Host-homing", seal(secret)]]);
  for (const client of clients) client.cookies = jar;
  for (let seq = 0; seq < operations && !recording.over; seq++) {
    const client = pick(roll, clients);
    client.headers["homing-dev-near"] = pick(roll, places);
    const id = writes && roll(oneIn) === 0 ? `${name}-${seq}` : undefined;
    const answer = await operation(client, { session: name, seq, key: pick(roll, keys), id }, recording);
    // Nobody comes back at once who is told to come again; the second that clients are told would be most of a test.
    if (answer?.headers["retry-after"]) await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** People without a session, who read once each: nothing is promised to them, and what they get tells the router how far each
 *  copy is. */
export async function passers(name, { routers, keys, operations = Infinity, roll, recording, places }) {
  for (let at = 0; at < operations && !recording.over; at++) {
    const client = new Client(pick(roll, routers).url, pick(roll, places));
    await operation(client, { session: `${name}-${at}`, seq: 0, key: pick(roll, keys) }, recording);
  }
}

/** What the client knows of it. */
function outcome(id, answer) {
  const isDone = answer?.status === 200;
  if (!id) return isDone ? { status: "ok", list: answer.json.items, stale: answer.headers["homing-consistency"] === "stale" } : { status: "fail" };
  const isRefused = ["not-sent", "refused"].includes(answer?.headers["homing-write-outcome"]);
  return { status: isDone ? "ok" : isRefused ? "fail" : "unknown" };
}

const primaryOf = async (cluster) => {
  const flags = await Promise.all(cluster.nodes.map((node) => node.value("select pg_is_in_recovery()")));
  return cluster.nodes[flags.indexOf(false)];
};

/** What goes wrong, each for a number of operations. Given the cluster, its primary, a standby, and the recording. */
export const faults = {
  /** A standby receives, and replays nothing. */
  async lag({ standby, recording, roll }) {
    await standby.pause();
    await recording.more(30 + roll(30));
    await standby.resume();
  },
  /** The link from the primary to a standby is cut. */
  async cut({ primary, standby, recording, roll }) {
    await standby.cutOff();
    await recording.more(30 + roll(30));
    await standby.follow(primary);
  },
  /** A standby's database dies, and comes back with what it had. */
  async death({ standby, recording, roll }) {
    await standby.kill();
    await recording.more(20 + roll(20));
    await standby.start();
  },
  /** Another region becomes the home, as planned: nothing may be lost. */
  async promotion({ cluster, primary, standby, recording }) {
    await cluster.switchOver(primary, standby);
    await standby.query(takeOver(standby.name));
    await recording.more(40);
  },
};

/** Lets one fault follow the other, in that order and over again, until the load is over; says how many there were. */
async function trouble({ cluster }, deeds, recording, roll) {
  let done = 0;
  for (; !recording.over; done++) {
    const primary = await primaryOf(cluster);
    const standby = pick(
      roll,
      cluster.nodes.filter((node) => node !== primary),
    );
    await deeds[done % deeds.length]({ cluster, primary, standby, recording, roll });
    await recording.more(15);
  }
  return done;
}

/**
 * Runs the load with faults going on; returns the history, with the final state of each region, and how many faults there were.
 * @param {any} world @param {any} [how]
 */
export async function load(world, { seed = 1, sessions = 12, operations = 60, keyCount = 4, deeds = [faults.lag], secret } = {}) {
  const { cluster, routers } = world;
  const recording = new Recording();
  const keys = Array.from({ length: keyCount }, (_, at) => `seed${seed}-${at}`);
  const each = { routers, keys, operations, recording, secret, places: cluster.nodes.map((node) => node.name) };
  // A third writes and reads, a third only reads, and a third has no session.
  const clients = Array.from({ length: sessions }, (_, at) => {
    const mine = { ...each, roll: dice(seed * 1000 + at), writes: at % 3 === 0 };
    return at % 3 === 2 ? passers(`p${at}`, mine) : session(`s${at}`, mine);
  });
  const ended = Promise.all(clients).finally(() => (recording.over = true));
  const [, troubles] = await Promise.all([ended, trouble(world, deeds, recording, dice(seed))]);
  return { lines: recording.lines.concat(await finals(cluster, keys)), troubles };
}

/** What each region holds once everything is replicated. */
export async function finals(cluster, keys) {
  const primary = await primaryOf(cluster);
  await Promise.all(cluster.nodes.filter((node) => node !== primary).map((node) => node.catchesUpWith(primary)));
  return held(cluster.nodes, keys);
}

/** What these nodes hold now. */
export async function held(nodes, keys) {
  const lines = [];
  for (const node of nodes) {
    for (const key of keys) {
      const [row] = await node.query("select items from lists where key = $1", [key]);
      lines.push(JSON.stringify({ kind: "final", region: node.name, key, list: row?.items ?? [] }));
    }
  }
  return lines;
}

/** Has the checker judge a history; returns its report, the violations by guarantee, and how many reads were of older data. */
export function judge(name, lines) {
  const folder = join(root, "build/histories");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.jsonl`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  const { stdout, stderr, status } = spawnSync(join(root, "target/debug/history"), [file], { encoding: "utf8" });
  if (![0, 1].includes(status)) throw new Error(`the checker did not judge ${file} (built by \`cargo build -p history\`): ${stderr}`);
  const found = Object.fromEntries([...stdout.matchAll(/^([a-z-]+): (\d+)$/gm)].map(([, what, count]) => [what, Number(count)]));
  const old = Number(/; (\d+) of \d+ reads miss something/.exec(stdout)?.[1] ?? 0);
  return { report: `${file}\n${stdout}`, found, old };
}
