// Operators, who change owners and the states of regions all the while, and give some of it up on the way.
import { subjectId } from "../../e2e/harness.mjs";
import { REGIONS } from "./load.mjs";

/** Between two orders. */
const PAUSE_MS = [600, 2600];
/** More changes than this are not under way at a time. */
const MOST_CHANGES = 3;
/** A state is ended after this. */
const STATE_MS = [1500, 5000];
/** When a change is given up, if it is: so long after the order. */
const ABORT_MS = [0, 2500];
const ORDERS = { promote: 5, move: 8, sweep: 1, state: 1.5, abort: 2, force: 3 };
const over = (change) => ["done", "aborted", "undone"].includes(change?.phase);

export class Operators {
  /** `dead()` names the regions that have died. */
  constructor(world, load, random, say, dead) {
    this.world = world;
    this.load = load;
    this.random = random;
    this.say = say;
    this.dead = dead;
    this.changes = [];
    this.states = [];
    this.under = new Set();
    this.asked = 0;
  }

  async run(until) {
    await sleep(1500);
    while (Date.now() < until) {
      await this.order();
      await sleep(this.random.between(...PAUSE_MS));
    }
    await Promise.all(this.under);
  }

  async order() {
    const total = Object.values(ORDERS).reduce((sum, weight) => sum + weight);
    let at = this.random.next() * total;
    const what = Object.keys(ORDERS).find((name) => (at -= ORDERS[name]) < 0) ?? "move";
    if (what === "state") return this.begin(this.state());
    if (this.under.size >= MOST_CHANGES) return;
    if (what === "force") return this.force();
    if (what === "sweep") return this.begin(this.change({ command: "promote-region", ...this.twoRegions() }));
    const order =
      what === "promote" || (what === "abort" && this.random.chance(0.5))
        ? { command: "promote", dataset: "catalog", to: this.random.pick(REGIONS) }
        : this.move();
    this.begin(this.change(order, what === "abort" ? this.random.between(ABORT_MS[0], ABORT_MS[1]) : undefined));
  }

  /** A dead owner's catalogue goes to another region, and what it had not handed on is lost. */
  force() {
    const [region] = this.dead();
    if (region)
      this.begin(this.change({ command: "promote", dataset: "catalog", to: this.random.pick(REGIONS.filter((name) => name !== region)), accept_loss: true }));
  }

  /** The changes that were made so: unit, and by which epoch the new owner began. */
  forced() {
    return this.changes.filter(({ phase, forced }) => phase === "done" && forced).map(({ order, epoch }) => ({ unit: order.dataset, epoch: epoch + 1 }));
  }

  begin(work) {
    const one = work.catch((error) => this.say(`an operator was not served: ${error.message}`)).finally(() => this.under.delete(one));
    this.under.add(one);
  }

  twoRegions() {
    const region = this.random.pick(REGIONS);
    return { region, to: this.random.pick(REGIONS.filter((other) => other !== region)) };
  }

  move() {
    const [kind, name] = this.random.chance(0.3)
      ? ["tenant", "metronome"]
      : this.random.chance(0.5)
        ? ["tenant", this.random.pick(this.load.tenants())]
        : ["user", this.random.pick(this.load.users())];
    return { command: "move", kind, subject: subjectId(kind, name), to: this.random.pick(REGIONS), name: `${kind}:${name}` };
  }

  /** Orders a change, sees it to its end, and notes it. @param {any} order @param {number} [abortAfter] */
  async change({ name, ...order }, abortAfter) {
    const given = Date.now();
    const { status, json } = await this.post(order);
    const told = json?.change ?? json?.sweep ?? json;
    const id = told?.id;
    const entry = { order, name: name ?? order.dataset ?? order.region, id, given, status, says: told?.says ?? json?.detail };
    this.changes.push(entry);
    if (status !== 202 || id === undefined) return;
    if (abortAfter !== undefined) {
      await sleep(abortAfter);
      await this.post({ command: "abort", change: id });
      entry.aborted = true;
    }
    await this.follow(entry, 60_000);
  }

  async follow(entry, patience) {
    const end = Date.now() + patience;
    while (Date.now() < end) {
      const change = await this.get(`changes/${entry.id}`);
      // A sweep has no phase: it is over when it is not on any more.
      const isOver = change?.phase ? over(change) : change?.ended != null;
      if (isOver) {
        Object.assign(entry, {
          phase: change.phase ?? "over",
          from: change.from ?? change.region,
          to: change.to,
          epoch: change.epoch,
          forced: change.forced === true,
          began: change.began,
          ended: change.ended ?? Date.now(),
          paused_for: change.paused_for,
          says: change.says,
        });
        this.say(
          `${entry.order.command} ${entry.name} ${entry.from} -> ${entry.to}: ${entry.phase}${entry.paused_for != null ? `, writes waited ${entry.paused_for} ms` : ""} (${change.says ?? ""})`,
        );
        return;
      }
      entry.last = change;
      await sleep(60);
    }
  }

  async state() {
    const region = this.random.pick(REGIONS);
    const state = this.random.pick(["draining", "draining", "read-only", "down"]);
    const { status, json } = await this.post({ command: "state", region, state, for: "5m" });
    if (status !== 200) return;
    const entry = { region, state, began: Date.now(), ended: Infinity };
    this.states.push(entry);
    this.say(`${region} is ${state}`);
    await sleep(this.random.between(...STATE_MS));
    while ((await this.post({ command: "state", region, state: "active" })).status !== 200) await sleep(200);
    entry.ended = Date.now();
    this.say(`${region} is active again (${json?.version ?? ""})`);
  }

  async activate() {
    for (const region of REGIONS) await this.post({ command: "state", region, state: "active" });
  }

  async post(order) {
    const body = { request: `chaos-${process.pid}-${this.asked++}`, actor: "chaos", reason: "to see what happens", ...order };
    return this.call("orders", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  }

  async get(path) {
    return (await this.call(path)).json;
  }

  async call(path, options) {
    const response = await fetch(new URL(`/_homing/api/${path}`, this.world.router.url), {
      ...options,
      headers: { ...options?.headers, ...this.world.front },
      signal: AbortSignal.timeout(20_000),
    });
    return { status: response.status, json: await response.json().catch(() => undefined) };
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
