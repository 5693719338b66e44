// Many clients at once through the router, with faults going on, and what each of them did and saw, recorded for the checker
// of session guarantees (tests/history): one JSON object a line.
import { Client, waitUntil } from "../e2e/harness.mjs";
import { takeOver } from "./app.mjs";

/** Numbers that look random and are the same for the same seed (mulberry32). */
function dice(seed) {
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
class Recording {
  lines = [];
  done = 0;

  note(record) {
    this.lines.push(JSON.stringify(record));
    this.done += 1;
  }

  /** Waits until so many more operations have ended. */
  more(count) {
    const target = this.done + count;
    return waitUntil(() => this.done >= target || this.over, `${count} more operations`);
  }
}

/** One session: one operation after the other, roaming between edges and between places. Every other session only reads. */
async function session(name, { routers, keys, operations, roll, recording, places, writes }) {
  const clients = routers.map((router) => new Client(router.url));
  const jar = new Map();
  for (const client of clients) client.cookies = jar;
  for (let seq = 0; seq < operations; seq++) {
    const [client, key, isWrite] = [pick(roll, clients), pick(roll, keys), writes && roll(3) === 0];
    client.headers["homing-dev-near"] = pick(roll, places);
    const id = `${name}-${seq}`;
    const record = { session: name, seq, kind: isWrite ? "write" : "read", key, ...(isWrite ? { id } : {}) };
    const start = performance.now();
    const answer = await (isWrite ? client.post(`/lists/${key}`, { id }) : client.get(`/lists/${key}`)).catch(() => undefined);
    const end = performance.now();
    const region = answer?.headers["homing-region"];
    recording.note({ ...record, ...outcome(isWrite, answer), start, end, ...(region ? { region } : {}) });
  }
}

/** What the client knows of it. */
function outcome(isWrite, answer) {
  const isDone = answer?.status === 200;
  if (!isWrite) return isDone ? { status: "ok", list: answer.json.items, stale: answer.headers["homing-consistency"] === "stale" } : { status: "fail" };
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

/** Lets one fault follow the other, in that order and over again, until the load is over. */
async function trouble({ cluster }, deeds, recording, roll) {
  for (let at = 0; !recording.over; at++) {
    const primary = await primaryOf(cluster);
    const standby = pick(roll, cluster.nodes.filter((node) => node !== primary));
    await deeds[at % deeds.length]({ cluster, primary, standby, recording, roll });
    await recording.more(15);
  }
}

/** Runs the load with faults going on; returns the history, with the final state of each region. */
export async function load(world, { seed = 1, sessions = 12, operations = 60, keyCount = 4, deeds = [faults.lag] } = {}) {
  const { cluster, routers } = world;
  const recording = new Recording();
  const keys = Array.from({ length: keyCount }, (_, at) => `seed${seed}-${at}`);
  const each = { routers, keys, operations, recording, places: cluster.nodes.map((node) => node.name) };
  const clients = Array.from({ length: sessions }, (_, at) => session(`s${at}`, { ...each, roll: dice(seed * 1000 + at), writes: at % 2 === 0 }));
  const ended = Promise.all(clients).finally(() => (recording.over = true));
  await Promise.all([ended, trouble(world, deeds, recording, dice(seed))]);
  return recording.lines.concat(await finals(cluster, keys));
}

/** What each region holds once everything is replicated. */
async function finals(cluster, keys) {
  const primary = await primaryOf(cluster);
  await Promise.all(cluster.nodes.filter((node) => node !== primary).map((node) => node.catchesUpWith(primary)));
  const lines = [];
  for (const node of cluster.nodes) {
    for (const key of keys) {
      const [row] = await node.query("select items from lists where key = $1", [key]);
      lines.push(JSON.stringify({ kind: "final", region: node.name, key, list: row?.items ?? [] }));
    }
  }
  return lines;
}
