// Which faults there are, when a seed has them happen, and afterwards what was whole at what time.

/** A region that has been mended may still be answering what came meanwhile, and copies of it may be catching up. */
export const GRACE_MS = 3000;
const REGIONS = ["us", "eu", "ap"];
const LINKS = REGIONS.flatMap((from) => REGIONS.filter((to) => to !== from).map((to) => `${from}-${to}`));

/** What may happen to a connection, with the options of the proxy. */
const NETWORK = [
  ["refuse", {}],
  ["blackhole", {}],
  ["loss", { p: 0.3 }],
  ["latency", { ms: 500, jitter: 450 }],
  ["throttle", { bytes: 1, every: 50 }],
  ["reset", { after: 250 }],
  ["half-open", { way: "up" }],
  ["half-open", { way: "down" }],
];
const PROCESS = ["kill -9", "SIGSTOP"];
/** What the region does itself. */
const MODES = [{ mode: "error" }, { mode: "hang" }, { mode: "slow", slow_ms: 700 }, { mode: "reset" }, { mode: "refuse" }];
const MOODS = [
  { kv: "fails" },
  { kv: "slow" },
  { directory: "fails" },
  { directory: "slow" },
  { kv: "fails", directory: "fails", authority: "fails" },
  { kv: "slow", directory: "slow" },
];

/** Tracks run beside each other; on each, one fault at a time. Times are milliseconds: how long it lasts, and the pause after it. */
const TRACKS = [
  { name: "regions", lasts: [1500, 5000], pause: [500, 4000], draw: anyOfRegion },
  // So that sometimes two regions are ill at once.
  { name: "another region", lasts: [1000, 4000], pause: [6000, 15_000], draw: anyOfRegion },
  { name: "links", lasts: [1000, 8000], pause: [500, 3000], draw: (random) => network("link", random.pick(LINKS), random) },
  { name: "stores", lasts: [1000, 5000], pause: [1000, 5000], draw: (random) => ({ what: "stores", target: "stores", moods: random.pick(MOODS) }) },
];

function anyOfRegion(random) {
  const target = random.pick(REGIONS);
  const kind = random.next();
  if (kind < 0.55) return network("front", target, random);
  if (kind < 0.8) return { what: "process", target, kind: random.pick(PROCESS) };
  return { what: "mode", target, mode: random.pick(MODES) };
}

function network(what, target, random) {
  const [kind, options] = random.pick(NETWORK);
  return { what, target, kind, options };
}

/** All faults of that seed: `{ begins, ends, …what it is }`, in milliseconds from the start. The first moments are calm. */
export function schedule(random, lasting) {
  return TRACKS.flatMap((track) => {
    const own = random.fork(track.name);
    const faults = [];
    for (let at = 2000 + own.between(0, track.pause[0]); ; ) {
      const ends = at + own.between(...track.lasts);
      if (ends > lasting - 1000) return faults;
      faults.push({ track: track.name, begins: at, ends, ...track.draw(own) });
      at = ends + own.between(...track.pause);
    }
  }).sort((one, other) => one.begins - other.begins);
}

export function told({ what, target, kind, options, mode, moods }) {
  const details = (what) =>
    Object.entries(what ?? {})
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  if (what === "stores") return `stores: ${details(moods)}`;
  if (what === "mode") return `${target}: ${details(mode)}`;
  return `${what === "link" ? "link " : ""}${target}: ${kind}${details(options) ? ` (${details(options)})` : ""}`;
}

/** Brings faults about, and remembers from when to when they were. */
export class Faults {
  constructor(world, router, say) {
    this.world = world;
    this.router = router;
    this.say = say;
    this.happened = [];
    this.now = new Map();
  }

  /** Two tracks may want the same region; it has the one fault, and the other is left out. */
  async begin(fault) {
    const key = `${fault.what === "link" ? "link" : ""}${fault.target}`;
    if (this.now.has(key)) return;
    const entry = { fault, began: Date.now(), ended: Infinity };
    this.now.set(key, entry);
    this.happened.push(entry);
    this.say(`${told(fault)}, for ${((fault.ends - fault.begins) / 1000).toFixed(1)} s`);
    await this.act(fault, true);
  }

  async end(fault) {
    const key = `${fault.what === "link" ? "link" : ""}${fault.target}`;
    const entry = this.now.get(key);
    if (entry?.fault !== fault) return;
    await this.act(fault, false);
    this.now.delete(key);
    entry.ended = Date.now();
    this.say(`${told(fault)}: over`);
  }

  act({ what, target, kind, options, mode, moods }, begins) {
    const region = this.world.regions[target];
    if (what === "front") return this.world.fronts[target].set(...(begins ? [kind, options] : ["pass"]));
    if (what === "link") return this.world.links[target].set(...(begins ? [kind, options] : ["pass"]));
    if (what === "stores") return this.router.mood(begins ? moods : "ok");
    if (what === "mode") return region.control(begins ? { paths: [], ...mode } : { mode: "ok" });
    if (kind === "SIGSTOP") return region.child.kill(begins ? "SIGSTOP" : "SIGCONT");
    return begins ? region.kill() : region.start();
  }

  /** Whether nothing was wrong with that region, or the way to it, from the one time to the other, nor for a while before. */
  fine(region, from, to, grace = GRACE_MS) {
    const ill = ({ fault, began, ended }) => fault.target === region && began <= to && ended + grace >= from;
    return !this.happened.some(ill);
  }

  ill(from, to) {
    return REGIONS.filter((region) => !this.fine(region, from, to));
  }

  /** Whether anything at all was wrong. */
  calm(from, to) {
    return !this.happened.some(({ began, ended }) => began <= to && ended + GRACE_MS >= from);
  }
}
