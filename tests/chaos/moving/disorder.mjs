// What goes wrong beside the operators, by seed: tracks run beside each other, on each one fault at a time.
import { REGIONS } from "./load.mjs";
import { sleep } from "./operators.mjs";

const AUTHORITY = /^\/\.well-known\/homing\/ownership\?op=/;
/** What a region does itself, and what becomes of connections to it. */
const MODES = ["refuse", "hang", "slow", "error", "reset"];
const NETWORK = [
  ["latency", { ms: 300, jitter: 250 }],
  ["blackhole", {}],
  ["reset", { after: 250 }],
  ["half-open", { way: "down" }],
  ["lost", { p: 0.4 }],
];
/** Times in milliseconds: how long it lasts, and the pause after it. `in` says which modes of the run have it. */
const TRACKS = [
  {
    name: "lag",
    in: ["lag", "all"],
    lasts: [1500, 7000],
    pause: [500, 4000],
    draw: (random) => ({ what: "lag", region: random.pick(REGIONS), lag_ms: random.between(200, 5000) }),
  },
  {
    name: "more lag",
    in: ["lag", "all"],
    lasts: [1500, 7000],
    pause: [2000, 8000],
    draw: (random) => ({ what: "lag", region: random.pick(REGIONS), lag_ms: random.between(200, 2000) }),
  },
  { name: "cut", in: ["lag", "all"], lasts: [800, 8000], pause: [1500, 6000], draw: (random) => ({ what: "cut", ...pair(random) }) },
  {
    name: "authority",
    in: ["lag", "all"],
    lasts: [1500, 4000],
    pause: [2000, 6000],
    draw: (random) => ({ what: "front", region: random.pick(REGIONS), kind: "lost", options: { p: 0.5, paths: AUTHORITY } }),
  },
  {
    name: "modes",
    in: ["all"],
    lasts: [500, 7000],
    pause: [1500, 6000],
    draw: (random) => ({ what: "mode", region: random.pick(REGIONS), mode: random.pick(MODES) }),
  },
  { name: "die", in: ["all"], lasts: [300, 4000], pause: [8000, 20_000], draw: (random) => ({ what: "die", region: random.pick(REGIONS) }) },
  { name: "network", in: ["all"], lasts: [500, 5000], pause: [3000, 9000], draw: (random) => network(random) },
];

function pair(random) {
  const region = random.pick(REGIONS);
  return { region, other: random.pick(REGIONS.filter((name) => name !== region)) };
}

function network(random) {
  const [kind, options] = random.pick(NETWORK);
  return { what: "front", region: random.pick(REGIONS), kind, options };
}

export class Disorder {
  constructor(world, mode, random, say) {
    this.world = world;
    this.mode = mode;
    this.random = random;
    this.say = say;
    this.happened = [];
    this.now = new Set();
  }

  async run(until) {
    await Promise.all(TRACKS.filter((track) => track.in.includes(this.mode)).map((track) => this.track(track, until)));
  }

  async track({ name, lasts, pause, draw }, until) {
    const random = this.random.fork(name);
    await sleep(1000 + random.between(0, pause[0]));
    while (Date.now() < until) {
      const fault = draw(random);
      const lasting = Math.min(random.between(...lasts), until - Date.now());
      await this.hold(fault, lasting);
      await sleep(Math.min(random.between(...pause), Math.max(0, until - Date.now())));
    }
  }

  /** Two tracks may want the same thing: it has the one fault, and the other is left out. */
  async hold(fault, lasting) {
    const key = `${{ die: "mode" }[fault.what] ?? fault.what} ${fault.region}`;
    if (this.now.has(key)) return sleep(lasting);
    this.now.add(key);
    const entry = { ...fault, began: Date.now(), ended: Infinity };
    this.happened.push(entry);
    this.say(`${told(fault)}, for ${(lasting / 1000).toFixed(1)} s`);
    await this.act(entry, true);
    await sleep(lasting);
    await this.act(entry, false);
    this.now.delete(key);
    entry.ended = Date.now();
  }

  async act(fault, begins) {
    const region = this.world.regions[fault.region];
    if (fault.what === "front") return this.world.fronts[fault.region].set(...(begins ? [fault.kind, fault.options] : ["pass"]));
    if (fault.what === "mode") return region.control({ mode: begins ? fault.mode : "ok", paths: [], slow_ms: 1500 });
    if (fault.what === "die") return begins ? region.kill() : this.revive(fault);
    return this.replication(fault, begins);
  }

  /** Started again, it has forgotten the faults that it had; those of replication still hold. */
  async revive({ region }) {
    await this.world.regions[region].start();
    for (const { what, region: other, ...fault } of this.happened.filter((entry) => entry.ended === Infinity && entry.region === region)) {
      if (what === "lag" || what === "cut") await this.replication({ what, region: other, ...fault }, true);
    }
  }

  replication({ what, region, lag_ms, other }, begins) {
    const command = what === "lag" ? { lag_ms: begins ? lag_ms : 0 } : { cut: begins ? [other] : [] };
    // One that is dead hears nothing, and is told when it lives again.
    return this.world.regions[region].control(command).catch(() => {});
  }

  /** The regions that have no process now. */
  dead() {
    return this.happened.filter(({ what, ended }) => what === "die" && ended === Infinity).map(({ region }) => region);
  }

  async heal() {
    for (const front of Object.values(this.world.fronts)) await front.set("pass");
    await this.world.regions.heal();
  }
}

export const told = ({ what, region, other, kind, mode, lag_ms }) =>
  ({
    lag: `${region} lags by ${lag_ms} ms`,
    cut: `${region} and ${other} are cut off`,
    front: `front of ${region}: ${kind}`,
    mode: `${region}: ${mode}`,
    die: `${region} dies`,
  })[what];

/** Faults by which a region, or the way to it, does not do its work; lag and cuts between regions are none of those. */
export const isIllness = ({ what, options }) => what === "mode" || what === "die" || (what === "front" && options?.paths === undefined);
