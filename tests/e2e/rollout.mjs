// A plan of `homing plan --json`, carried out as it is printed: its commands are run, its files are deployed while the edges of the file
// before still run, and what the application must do is done by whoever tests it. Meanwhile clients write, and note what was acknowledged.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "smol-toml";
import { Client, commandIn, startRegions, stopAll, topology, waitUntil, wrangler } from "./harness.mjs";
import { startVersions } from "./versions.mjs";

const TOKEN = "the token of the operators, which is long";
const BINDINGS = {
  SESSION_KEY: "the key of all sessions in this test, long",
  ADMIN_TOKEN: TOKEN,
  PROBES: "off",
  // An edge learns of a drain or an owner within a second, not a minute.
  VIEW: "1s",
};
const NEAR = ["us", "eu", "ap"];

/** Regions, the two files, the plan, and edges of each file that it deploys. Both files are the shipped one with these regions and these
 *  changes of its vars; `before` prepares what they need beside the regions. @param {{ old?: (vars: any) => void, new?: (vars: any) => void,
 *  before?: (regions: any) => any, args?: any, users?: string[] }} how */
export async function plannedWorld({ old = () => {}, new: changed = () => {}, before = () => {}, args = [], users = [] }) {
  const regions = await startRegions({ args });
  await before(regions);
  const folder = mkdtempSync(join(tmpdir(), "homing-plan-"));
  const write = (name, change) => writeFileSync(join(folder, name), stringify({ ...wrangler, vars: topology(regions, (vars) => void change(vars)) }));
  write("OLD.toml", old);
  write("NEW.toml", changed);
  writeFileSync(join(folder, "users.txt"), users.map((name) => `user:${name}\n`).join(""));
  const planned = await commandIn(folder, {}, "plan", "OLD.toml", "NEW.toml", "--write", "--json");
  assert.equal(planned.status, 0, planned.out + planned.err);
  const plan = planned.json;
  const files = ["OLD.toml", ...plan.between.map(({ name }) => name), "NEW.toml"];
  const vars = Object.fromEntries(files.map((file) => [file, /** @type {any} */ (parse(readFileSync(join(folder, file), "utf8"))).vars]));
  const edges = files.map((file, place) => ({ name: `edge-${place}`, build: "now", vars: vars[file] }));
  const builds = Object.fromEntries(files.map((file) => [file, "now"]));
  const { doors, deploy } = await startVersions({ edges, vars, bindings: BINDINGS, builds });
  const door = (file) => doors[`edge-${files.indexOf(file)}`];
  const objects = (file) => deploy({ Authority: file, Directory: file, Prober: file });
  await objects("OLD.toml");
  return new Rollout({ regions, folder, plan, door, objects, write });
}

/** The words of a command line: blanks part them, but in quotes of either kind. */
const words = (line) => [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain);

/** Which region owns each single-writer dataset, by the router that runs. */
export const homes = async (world) =>
  Object.fromEntries(Object.entries((await world.homing("status", "--json")).json.datasets).map(([name, { home }]) => [name, home]));
/** What a region knows of a unit's owner. */
export const owner = async (region, unit) => (await (await fetch(`${region.url}/.well-known/homing/ownership?unit=${unit}`)).json()).units[0];
/** The regions that writes of that path have reached lately. */
export const writers = async (world, path) => {
  const seen = await Promise.all(Object.values(world.regions).map(async (region) => [region.name, await region.seen(path)]));
  return seen.filter(([, requests]) => requests.some(({ intent }) => intent === "write")).map(([name]) => name);
};
/** Whether a region takes writes of likes by the new file. A client that has just written elsewhere goes on there, so a new one comes each time. */
export const takesLikes = (world, region) => async () => {
  await new Client(world.door("NEW.toml"), region).put("/api/likes/newcomer", { liked: true });
  return (await writers(world, "/api/likes")).includes(region);
};
/** Starts the regions again with other arguments, one after the other. */
export async function restarted(world, change) {
  for (const region of Object.values(world.regions)) {
    region.args = change(region.args);
    await region.kill();
    await region.start();
  }
}
/** Arguments without that option and its value. */
export const without = (args, option) => args.filter((arg, at) => arg !== option && args[at - 1] !== option);

/** Holds what was acknowledged against the regions, says how much that was, and ends the world. */
export async function isSound(world, load, names = ["us", "eu", "ap"]) {
  await nothingIsLost(
    load,
    names.map((name) => world.regions[name]),
  );
  const refused = {};
  for (const { reason } of load.refused) refused[reason] = (refused[reason] ?? 0) + 1;
  console.log(`# ${world.done.length} steps; ${load.acknowledged()} writes acknowledged; refused: ${JSON.stringify(refused)}`);
  await stopAll();
}

class Rollout {
  constructor({ regions, folder, plan, door, objects, write }) {
    this.regions = regions;
    /** Writes another file beside the two. */
    this.write = write;
    this.folder = folder;
    this.plan = plan;
    this.door = door;
    this.objects = objects;
    /** The file that is deployed. */
    this.running = "OLD.toml";
    /** The titles of the steps that were carried out. @type {string[]} */
    this.done = [];
    this.load = new Load([door("OLD.toml")]);
  }

  homing(...args) {
    const url = this.door(this.running).href;
    return commandIn(this.folder, { HOMING_URL: url, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);
  }

  /** Carries out every step, while clients write, until that holds. `application` has what the application does, by the beginning of the
   *  step's title. @param {Record<string, () => any>} [application] @param {() => any} [until] */
  async carryOut(application = {}, until = () => true) {
    this.load.begin();
    await this.load.goesOn();
    for (const step of this.plan.steps) {
      if (step.by === "application") await this.byApplication(step, application);
      for (const line of step.commands) await this.run(line, step);
      for (const line of step.check) await this.run(line, step);
      await this.load.goesOn();
      this.done.push(step.title);
    }
    assert.equal(this.running, "NEW.toml");
    await waitUntil(until, "what the plan is for comes about", 90_000);
    return this.load.stop();
  }

  async byApplication(step, application) {
    const found = Object.keys(application).find((title) => step.title.startsWith(title));
    assert.ok(found, `the test does what the application must do: ${step.title}`);
    await application[found]();
  }

  async run(line, step) {
    const [program, ...args] = words(line.replaceAll("$HOMING_URL", this.door(this.running).origin));
    if (program === "curl") return assert.equal((await fetch(args.at(-1))).status, 200, line);
    if (program === "npx") return this.deploy(step.deploys);
    assert.equal(program, "homing", line);
    // In a deployment it is asked of the router that runs, and afterwards of the one that was deployed.
    const { status, out, err } = await this.homing(...args);
    assert.equal(status, 0, `${step.title}: ${line}\n${out}${err}`);
    if (this.running === step.deploys) assert.doesNotMatch(out, /against the deployed router/, line);
  }

  /** New edges beside the old ones, then the objects, then the old edges go. Clients write all the while. */
  async deploy(file) {
    this.load.doors = [this.door(this.running), this.door(file)];
    await this.load.goesOn();
    await this.objects(file);
    await this.load.goesOn();
    this.load.doors = [this.door(file)];
    this.running = file;
    await this.load.settles();
  }
}

/** Clients that write a catalogue, a cart each and likes, until they are stopped. */
class Load {
  constructor(doors) {
    /** The edges that clients come to. @type {any[]} */
    this.doors = doors;
    this.going = false;
    this.rounds = 0;
    /** What was acknowledged: ids of the catalogue and of likes, and each user's items. @type {string[]} */
    this.catalog = [];
    /** @type {string[]} */
    this.likes = [];
    /** @type {Map<string, string[]>} */
    this.carts = new Map();
    /** @type {any[]} */
    this.refused = [];
    /** @type {string[]} */
    this.wrong = [];
    /** @type {Promise<void>[]} */
    this.clients = [];
  }

  begin() {
    this.going = true;
    this.clients = Array.from({ length: 5 }, (_, at) => this.one(at).catch((error) => void this.wrong.push(`client ${at}: ${error}`)));
  }

  async one(at) {
    const user = `user-${at}`;
    const client = new Client(this.door(), NEAR[at % NEAR.length]);
    this.carts.set(user, []);
    await client.post("/login", { user });
    for (let n = 0; this.going; n++) {
      const id = `${at}-${n}`;
      const note = (list) => (answer) => this.note(list, id, answer);
      await this.send(client, "PUT", `/api/catalog/${id}`, { name: id }).then(note(this.catalog));
      await this.send(client, "POST", "/api/cart", { item: id }).then(note(this.carts.get(user)));
      await this.send(client, "PUT", `/api/likes/${id}`, { liked: true }).then(note(this.likes));
      this.rounds++;
    }
  }

  door() {
    return this.doors[Math.floor(Math.random() * this.doors.length)];
  }

  send(client, method, path, body) {
    client.url = this.door();
    return client.request(method, path, { body });
  }

  /** Who is not told yes is told whether anything was done. */
  note(list, id, { status, headers, text }) {
    if (status === 200) return list.push(id);
    const outcome = headers["homing-write-outcome"];
    this.refused.push({ id, status, outcome, reason: headers["homing-reason"] });
    if (!["refused", "not-sent", "unknown"].includes(outcome)) this.wrong.push(`${id}: ${status} ${outcome} ${text}`);
  }

  acknowledged() {
    return this.catalog.length + this.likes.length + [...this.carts.values()].flat().length;
  }

  goesOn(count = 20) {
    const before = this.acknowledged();
    return waitUntil(() => this.acknowledged() > before + count, "writes go on", 30_000);
  }

  /** Every client has begun a round since: no request is under way to an edge that is gone. */
  settles() {
    const before = this.rounds;
    return waitUntil(() => this.rounds > before + 10, "the clients go on", 30_000);
  }

  async stop() {
    this.going = false;
    await Promise.all(this.clients);
    return this;
  }
}

const bodyOf = async (url, headers = {}) => (await fetch(url, { headers })).json();

/** Holds every acknowledged write against what those regions show in the end. */
export async function nothingIsLost(load, regions) {
  assert.deepEqual(load.wrong, []);
  for (const { name, url } of regions) {
    await waitUntil(async () => {
      const there = new Set((await bodyOf(`${url}/api/catalog`)).items.map(({ id }) => id));
      const likes = new Set((await bodyOf(`${url}/api/likes`)).items.filter(({ count }) => count > 0).map(({ id }) => id));
      const lost = load.catalog.filter((id) => !there.has(id)).concat(load.likes.filter((id) => !likes.has(id)));
      for (const [user, items] of load.carts) {
        const cart = new Set((await bodyOf(`${url}/api/cart`, { cookie: `app_user=${user}` })).items);
        lost.push(...items.filter((id) => !cart.has(id)).map((id) => `${user}'s ${id}`));
      }
      if (lost.length > 0) throw new Error(`acknowledged, and not in ${name}: ${lost.slice(0, 9)} and more, ${lost.length} in all`);
      return true;
    }, `${name} has all that was acknowledged`);
  }
}
