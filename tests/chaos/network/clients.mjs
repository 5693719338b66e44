// The load: strangers who only read, at a steady rate whatever happens, and sessions that write and read what they wrote.
import { Client } from "../../e2e/harness.mjs";

const NEAR = ["us", "eu", "ap"];
/** A stranger asks so often near each region. */
const STRANGER_MS = 100;
/** A session takes its next step no sooner than this after the last. */
const STEP_MS = 60;
/** Tenants and users are new ones after this, so that homes have to be found under faults too. */
const GENERATION_MS = 8000;

export class Load {
  constructor(url, random) {
    this.url = url;
    this.random = random;
    this.records = [];
    this.over = false;
    this.began = Date.now();
    this.items = ["first"];
    this.likes = ["first"];
  }

  get generation() {
    return Math.floor((Date.now() - this.began) / GENERATION_MS);
  }

  async run() {
    const strangers = NEAR.map((near) => this.stranger(near));
    // Two sessions near different regions share a tenant.
    const sessions = NEAR.flatMap((near, at) => [0, 1].map((second) => new Session(this, near, `${near}${second}`, (at + second) % 3).run()));
    await Promise.all([...strangers, ...sessions]);
  }

  /** One request, recorded; what is known of it beside goes along. */
  async ask(client, method, path, more = {}) {
    const id = `q${this.records.length}`;
    /** @type {any} */
    const record = { id, method, path, near: client.headers["homing-dev-near"], read: method === "GET", start: Date.now(), ...more };
    this.records.push(record);
    const headers = { "x-request": id, ...(more.key ? { "idempotency-key": id } : {}) };
    try {
      const answer = await client.request(method, path, { body: more.body?.(id), headers });
      record.status = answer.status;
      record.headers = answer.headers;
      record.json = answer.json;
    } catch (error) {
      record.error = String(error);
    }
    record.end = Date.now();
    return record;
  }

  /** Does not wait for its answers. */
  async stranger(near) {
    const random = this.random.fork(`stranger ${near}`);
    const asked = [];
    while (!this.over) {
      const path = random.pick([
        () => "/api/catalog",
        () => `/api/catalog/${random.pick(this.items)}`,
        () => `/api/likes/${random.pick(this.likes)}`,
        () => `/t/tenant-${random.between(0, 2)}-${this.generation}/notes`,
      ])();
      asked.push(this.ask(new Client(this.url, near), "GET", path, { kind: "stranger" }));
      await new Promise((resolve) => setTimeout(resolve, STRANGER_MS));
    }
    await Promise.all(asked);
  }
}

/**
 * A client with cookies: its steps follow each other. A session remembers eight pins, and one that reads and writes everything here
 * of one tenant and one user needs seven: so each generation has a session of its own, and one tenant.
 */
class Session {
  constructor(load, near, name, shared) {
    this.load = load;
    this.near = near;
    this.name = name;
    this.shared = shared;
    this.random = load.random.fork(name);
    this.steps = 0;
    this.generation = -1;
  }

  async run() {
    while (!this.load.over) {
      const next = Date.now() + STEP_MS;
      await this.step();
      const left = next - Date.now();
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
    }
  }

  /** Of a list: `what` it is, `list` which one. */
  ask(method, path, more) {
    return this.load.ask(this.client, method, path, { session: `${this.name}-${this.generation}`, kind: "session", step: this.steps++, ...more });
  }

  step() {
    if (this.generation !== this.load.generation || !this.user) return this.signIn();
    return this.random.pick([this.note, this.notes, this.notes, this.cart, this.carts, this.like, this.item])();
  }

  async signIn() {
    if (this.generation !== this.load.generation) this.client = new Client(this.load.url, this.near);
    this.generation = this.load.generation;
    const user = `${this.name}-${this.generation}`;
    const record = await this.ask("POST", "/login", { body: () => ({ user }), what: "login" });
    this.user = record.status === 200 ? user : undefined;
  }

  get tenant() {
    return `tenant-${this.shared}-${this.generation}`;
  }

  note = () => {
    const { tenant } = this;
    return this.ask("POST", `/t/${tenant}/notes`, { body: (id) => ({ id }), what: "append", list: `tenant:${tenant}` });
  };

  notes = () => {
    const { tenant } = this;
    return this.ask("GET", `/t/${tenant}/notes`, { what: "list", list: `tenant:${tenant}` });
  };

  cart = () => this.ask("POST", "/api/cart", { body: (id) => ({ item: id }), what: "append", list: `user:${this.user}` });

  carts = () => this.ask("GET", "/api/cart", { what: "list", list: `user:${this.user}` });

  /** A like, and at once a look at it. */
  like = async () => {
    const like = `${this.name}-${this.steps}`;
    const written = await this.ask("PUT", `/api/likes/${like}`, { body: () => ({ liked: true }), what: "like" });
    if (written.status === 200) this.load.likes.push(like);
    await this.ask("GET", `/api/likes/${like}`, { what: "liked", after: written });
  };

  /** An item of the catalogue, every other time with a key by which it may be repeated, and a look at it. */
  item = async () => {
    const item = `${this.name}-${this.steps}`;
    const written = await this.ask("PUT", `/api/catalog/${item}`, { body: (id) => ({ id }), what: "item", key: this.random.chance(0.5) });
    if (written.status === 200) this.load.items.push(item);
    await this.ask("GET", `/api/catalog/${item}`, { what: "item-read", after: written });
  };
}
