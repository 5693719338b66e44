// Regions behind fault proxies, with proxies between them too, and what the tests of faults have in common.
import { Client, startRegions, startRouter, stopWithAll, topology } from "./harness.mjs";
import { FaultProxy } from "./proxy.mjs";

/** For one attempt; a whole request has half as much again: that is what the second region has after a first one that hangs, and a sound
 *  one must be able to answer in it, on a machine that is busy with something else, too. */
export const DEADLINE_MS = 2000;
export const TOTAL_MS = 3000;

/** Regions, each behind a proxy of its own (`fronts.eu`), and each reaching the others through proxies (`links["eu-us"]`: eu asks us). */
export async function startWorld({ seed = 1 } = {}) {
  const fronts = {};
  const links = {};
  const through = async (url) => {
    const proxy = await FaultProxy.start(url, { seed });
    stopWithAll(() => proxy.stop());
    return proxy;
  };
  const regions = await startRegions({ link: async (from, to, url) => (links[`${from}-${to}`] = await through(url)).url });
  for (const region of Object.values(regions)) fronts[region.name] = await through(region.url);
  return new World(regions, fronts, links);
}

class World {
  constructor(regions, fronts, links) {
    this.regions = regions;
    this.fronts = fronts;
    this.links = links;
    this.asked = 0;
    this.underWay = new Set();
    this.assigned = undefined; // what the directory has given, in the end
  }

  /** A router of its own for each test, so that what one has learned of a region does not reach into the next. @param {any} [how] */
  router({ change = (..._) => {}, ...options } = {}) {
    const vars = topology(this.fronts, (vars) => {
      for (const route of vars.ROUTES) route.deadline = `${DEADLINE_MS}ms`;
      change(vars);
    });
    return startRouter({ vars, ...options });
  }

  /** What the routers have sent for that request, as the proxies saw it: `{ region, at, reached }`. */
  sends(id) {
    const of = ([region, { sends }]) => sends.filter((send) => send.id === id).map((send) => ({ region, ...send }));
    return Object.entries(this.fronts).flatMap(of);
  }

  async heal() {
    await Promise.all([...Object.values(this.fronts), ...Object.values(this.links)].map((proxy) => proxy.set("pass")));
    await this.regions.heal();
  }

  /** Asks with an id of its own: the answer, how long it took, and what was sent for it. */
  async ask(client, method, path, options = {}) {
    const id = `r${this.asked++}`;
    const began = performance.now();
    const asking = client.request(method, path, { ...options, headers: { ...options.headers, "x-request": id } });
    this.underWay.add(asking);
    const answer = await asking.finally(() => this.underWay.delete(asking));
    const sends = this.sends(id);
    const sent = { sends: sends.length, regions: new Set(sends.map(({ region }) => region)).size, first: sends[0]?.region };
    return { ...answer, id, method, path, ms: performance.now() - began, ...sent };
  }

  /** So many requests, so many of them at a time. */
  async load(count, atATime, ask) {
    const asked = [];
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const at = next++;
        asked[at] = await ask(at);
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
    return asked;
  }

  reads(router, near, name, count, atATime = 8) {
    return this.load(count, atATime, (at) => this.ask(new Client(router.url, near), "GET", `/api/likes/${name}-${at}`));
  }

  writes(router, near, name, count, atATime = 12) {
    return this.load(count, atATime, (at) => this.ask(new Client(router.url, near), "PUT", `/api/catalog/${name}-${at}`, { body: { name: "lamp" } }));
  }
}

export const percentile = (asked, part) => {
  const sorted = asked.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted.length ? Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]) : 0;
};
export const most = (asked, what) => asked.reduce((most, one) => Math.max(most, one[what]), 0);
export const answered = (asked) => asked.filter(({ status }) => status === 200);
export const isHonest = ({ status, headers }) =>
  (status === 503 || status === 504) && /^application\/problem\+json/.test(headers["content-type"]) && Number(headers["retry-after"]) > 0;

/** The line of figures about reads: the first after the fault began, and those after it that took two sends or one. @param {any[]} reads */
export function readFigures([first, ...others]) {
  const all = [first, ...others];
  const over = others.filter(({ sends }) => sends > 1);
  const times = (asked) => `${percentile(asked, 0.5)}/${percentile(asked, 0.99)} ms`;
  return `${all.length} reads, ${answered(all).length} answered, first ${Math.round(first.ms)} ms, p50/p99 ${times(others)}, failed over later ${over.length} in ${times(over)}, attempts max ${most(all, "sends")}, regions max ${most(all, "regions")}`;
}

/** The same about writes, and how often the origins saw them. */
export function writeFigures(world, asked) {
  const sends = asked.map(({ id }) => world.sends(id));
  const outcomes = {};
  for (const { status, headers } of asked) outcomes[headers["homing-write-outcome"] ?? status] = (outcomes[headers["homing-write-outcome"] ?? status] ?? 0) + 1;
  const told = Object.entries(outcomes)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ");
  const reached = sends.filter((sends) => sends.some(({ reached }) => reached)).length;
  return `writes ${asked.length} (${told}), sent ${sends.flat().length}, reached an origin ${reached}, twice ${sends.filter((sends) => sends.length > 1).length}`;
}
