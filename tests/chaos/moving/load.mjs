// The load: sessions that roam between regions and edges, sign in and out, lose their sessions, go away and repeat themselves;
// and metronomes, which write at a steady rate whatever happens, so that every pause shows.
import { Browser } from "./browser.mjs";

export const REGIONS = ["us", "eu", "ap"];
const ITEMS = Array.from({ length: 8 }, (_, at) => `item-${at}`);
/** Users and tenants are new ones after this, so that homes have to be found too, and lists stay short. */
const GENERATION_MS = 30_000;
const USERS = 10;
const TENANTS = 5;
const METRONOME_MS = 200;
/** A metronome that is not answered asks on, but not for ever. */
const MOST_WAITING = 25;
/** Which steps sessions take, and how often. */
const STEPS = {
  item: 24,
  items: 5,
  cart: 14,
  notes: 14,
  liked: 8,
  putItem: 6,
  addToCart: 7,
  addNote: 7,
  like: 5,
  signIn: 2,
  signOut: 0.6,
  lose: 0.8,
  changeUser: 0.4,
};

export class Load {
  constructor({ doors, random, sessions, pause, losing = true }) {
    this.doors = doors;
    this.random = random;
    this.pause = pause;
    this.losing = losing;
    this.records = [];
    this.over = false;
    this.began = Date.now();
    this.ids = 0;
    this.sessions = Array.from({ length: sessions }, (_, at) => new Session(this, at));
    this.metronomes = [
      new Metronome(this, "catalog", "PUT", "/api/catalog/metronome"),
      new Metronome(this, "notes", "POST", "/t/metronome/notes", "metronome"),
    ];
  }

  get generation() {
    return Math.floor((Date.now() - this.began) / GENERATION_MS);
  }

  users() {
    return Array.from({ length: USERS }, (_, at) => `u${this.generation}-${at}`);
  }

  tenants() {
    return Array.from({ length: TENANTS }, (_, at) => `t${this.generation}-${at}`);
  }

  async run() {
    await Promise.all([...this.sessions, ...this.metronomes].map((one) => one.run()));
    for (const { browser } of [...this.sessions, ...this.metronomes]) browser.close();
  }

  /** One request, recorded with all that is known of it; `key` is what it writes to or reads. */
  async ask(browser, what) {
    const record = { n: this.records.length, ...what, start: Date.now(), hadSession: browser.session !== undefined, was: browser.signedIn };
    this.records.push(record);
    const { body, ...answer } = await browser.ask({ ...what, headers: what.idempotent ? { "idempotency-key": what.idempotent } : {} });
    Object.assign(record, answer, { end: Date.now(), hasSession: browser.session !== undefined, is: browser.signedIn });
    return record;
  }
}

/** What a session does follows one another. `era` counts its promises: what ends one begins the next. */
class Session {
  constructor(load, at) {
    this.load = load;
    this.at = at;
    this.random = load.random.fork(`session ${at}`);
    this.era = 0;
    this.likes = [];
    this.browser = new Browser(load.doors, at % 2 === 0 ? "cookie" : "header");
  }

  async run() {
    const names = Object.keys(STEPS);
    const total = Object.values(STEPS).reduce((sum, weight) => sum + weight);
    while (!this.load.over) {
      let at = this.random.next() * total;
      await this[names.find((name) => (at -= STEPS[name]) < 0) ?? "item"]();
      await new Promise((resolve) => setTimeout(resolve, this.random.between(this.load.pause / 2, this.load.pause * 1.5)));
    }
  }

  ask(method, path, more) {
    const { random } = this;
    const place = { edge: random.between(0, this.load.doors.length - 1), near: random.pick(REGIONS) };
    return this.load.ask(this.browser, { session: `${this.at}.${this.era}`, ...place, method, path, ...more });
  }

  /** A read; some clients do not wait for it. */
  read(path, dataset, unit, key) {
    const leaves = this.random.chance(0.01) ? this.random.between(0, 60) : undefined;
    return this.ask("GET", path, { read: true, dataset, unit, key, leaves });
  }

  /** A write of something new. Some carry a key; some clients go away, or lose the answer, and of those with a key most ask again. */
  async write(method, path, dataset, unit, key, body) {
    const { random } = this;
    const id = `w${this.at}.${this.load.ids++}`;
    const idempotent = random.chance(0.4) ? `key-${id}` : undefined;
    const unlucky = random.next();
    const fate = unlucky < 0.04 ? { leaves: random.between(0, 80) } : unlucky < 0.08 ? { loses: true } : {};
    const what = { read: false, dataset, unit, key, id, idempotent, body: body(id) };
    let record = await this.ask(method, path, { ...what, ...fate });
    for (let tries = 0; idempotent && tries < 3 && mayBeRepeated(record); tries++) {
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 1500)));
      record = await this.ask(method, path, { ...what, repeat: true });
    }
    // A client that is not sure repeats a write that was done, too: a double click, a queue that delivers twice.
    if (idempotent && record.status === 200 && random.chance(0.15)) {
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 2500)));
      record = await this.ask(method, path, { ...what, repeat: true });
    }
    return record;
  }

  item = () => {
    const item = this.random.pick(ITEMS);
    return this.read(`/api/catalog/${item}`, "catalog", "catalog", item);
  };
  items = () => this.read("/api/catalog", "catalog", "catalog", undefined);
  putItem = () => {
    const item = this.random.pick(ITEMS);
    return this.write("PUT", `/api/catalog/${item}`, "catalog", "catalog", item, (id) => ({ id }));
  };
  cart = () => (this.browser.user ? this.read("/api/cart", "cart", `user:${this.browser.user}`, `user:${this.browser.user}`) : this.signIn());
  addToCart = () => {
    const { user } = this.browser;
    return user ? this.write("POST", "/api/cart", "cart", `user:${user}`, `user:${user}`, (id) => ({ item: id })) : this.signIn();
  };
  notes = () => {
    const tenant = this.random.pick(this.load.tenants());
    return this.read(`/t/${tenant}/notes`, "notes", `tenant:${tenant}`, `tenant:${tenant}`);
  };
  addNote = () => {
    const tenant = this.random.pick(this.load.tenants());
    return this.write("POST", `/t/${tenant}/notes`, "notes", `tenant:${tenant}`, `tenant:${tenant}`, (id) => ({ id }));
  };
  /** A like, at times looked at soon after, with other reads in between. */
  like = async () => {
    const like = `like-${this.at}-${this.load.ids++}`;
    this.likes.push(like);
    await this.write("PUT", `/api/likes/${like}`, "likes", undefined, like, () => ({ liked: true }));
    if (this.random.chance(0.2))
      for (const tenant of this.load.tenants()) await this.read(`/t/${tenant}/notes`, "notes", `tenant:${tenant}`, `tenant:${tenant}`);
    if (this.random.chance(0.25)) await this.read(`/api/likes/${like}`, "likes", undefined, like);
  };
  liked = () => {
    const like = this.likes.length > 0 && this.random.chance(0.7) ? this.likes.at(-1) : `like-${this.random.between(0, 20)}-${this.random.between(0, 50)}`;
    return this.read(`/api/likes/${like}`, "likes", undefined, like);
  };

  signIn = async () => {
    const user = this.random.pick(this.load.users());
    const record = await this.ask("POST", "/login", { read: false, dataset: undefined, body: { user } });
    // What of its promises outlasts a sign-in is a matter of what it was signed in as; nothing is asked here beyond it.
    if (record.status === 200 && user !== this.user) this.era++;
    this.user = record.status === 200 ? user : this.user;
  };
  signOut = async () => {
    if (!this.browser.user) return this.items();
    const record = await this.ask("POST", "/logout", { read: false, dataset: undefined });
    this.era++;
    if (record.status === 200) this.user = undefined;
  };
  /** Another user by the application's cookie alone: nobody tells the router. */
  changeUser = async () => {
    if (!this.load.losing) return this.signIn();
    const user = this.random.pick(this.load.users());
    this.browser.cookies.set("app_user", user);
    this.user = user;
    this.era++;
    return this.random.chance(0.5) ? this.cart() : this.addToCart();
  };
  /** The session is gone, and the application's cookie is not. */
  lose = () => {
    if (!this.load.losing) return this.item();
    this.browser.loseSession();
    this.era++;
    return this.random.pick([this.cart, this.addToCart, this.item, this.addNote])();
  };
}

const mayBeRepeated = (record) =>
  record.left || record.error !== undefined || record.headers?.["homing-write-outcome"] === "unknown" || record.status === 503 || record.status === 504;

/** Writes at a steady rate, without waiting for its answers. */
class Metronome {
  constructor(load, dataset, method, path, tenant) {
    this.load = load;
    this.dataset = dataset;
    this.method = method;
    this.path = path;
    this.tenant = tenant;
    this.waiting = 0;
    this.random = load.random.fork(`metronome ${dataset}`);
    this.browser = new Browser(load.doors, "cookie");
  }

  async run() {
    const asked = [];
    for (let next = Date.now(); !this.load.over; next += METRONOME_MS) {
      if (this.waiting < MOST_WAITING) asked.push(this.write());
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next + METRONOME_MS - Date.now())));
    }
    await Promise.all(asked);
  }

  async write() {
    const id = `m${this.load.ids++}`;
    const { dataset, tenant, method, path, random } = this;
    const unit = tenant ? `tenant:${tenant}` : dataset;
    this.waiting++;
    const place = { edge: random.between(0, this.load.doors.length - 1), near: random.pick(REGIONS) };
    // Its requests overlap, so that they are nobody's session; each is one of its own.
    await this.load.ask(this.browser, {
      session: `metronome ${id}`,
      metronome: dataset,
      ...place,
      method,
      path,
      read: false,
      dataset,
      unit,
      key: tenant ? unit : "metronome",
      id,
      body: { id },
    });
    this.waiting--;
  }
}
