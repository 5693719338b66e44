// Drives one request: gives its facts to the core, does what its steps say, reports back. No decision lives here.
// The format of facts, steps and events is described in wire.rs.
import { emptiness, lingering, takeIn, upload, watched } from "./body.mjs";
import { Clock } from "./clock.mjs";
import { Entry, put } from "./copies.mjs";
import { call, complain } from "./core.mjs";
import { directory } from "./shards.mjs";
import { tellSoon } from "../operators/drill.mjs";
import { edit, edited, facts, head } from "./fields.mjs";
import { Flight, mayUpdate, updated, within } from "./flights.mjs";
import { put as putHome } from "./homes.mjs";
import { lone, share } from "./shared.mjs";
import { forget, refuses } from "./store.mjs";
import { UNCACHED, hearsFromCache } from "./uncached.mjs";
import { doubt } from "./view.mjs";
import { abandon, begin, not_stored, resume } from "homing-wasm";

// A request's body up to this is read whole before anything is sent; a response's where the core wants that, so that a break in it can
// still be repaired elsewhere.
const SMALL_BODY = 64 * 1024;
// So long a client may take to send a small body.
const SMALL_BODY_MS = 30_000;
// So long an answer waits until the directory keeps the home of what was written.
const CONFIRM_MS = 1000;

/** One request on its way through the steps. */
export class Drive {
  constructor(request, env, ctx) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    this.fields = Object.create(null); // the request's header fields
    this.held = undefined; // the request's body, if it is small
    this.sent = undefined; // the upload of it, if it streamed
    this.copy = undefined; // the cache's entry
    this.response = undefined; // the last origin's response
    this.body = undefined; // its body: bytes if small, else a stream
    this.id = undefined;
    this.listening = false;
    this.flight = undefined; // where others wait for this one
    this.followed = undefined; // where this one waits for another
    this.left = false; // whether the client has gone, and this goes on for others
    this.storing = false; // whether a body streams into the cache
    this.behind = undefined; // once the client has its answer, and the entry that it came from
    this.cut = undefined; // ends the send that is under way
  }

  async run(url) {
    try {
      const unsent = await this.receive();
      const { latitude, longitude } = this.request.cf ?? {}; // as text
      const told = facts(this.request, url, this.fields, unsent);
      return await this.steps(call(() => begin(Date.now(), parseFloat(latitude), parseFloat(longitude), told)));
    } catch (error) {
      if (this.id !== undefined) abandon(this.id, Date.now());
      throw error;
    } finally {
      if (!this.storing) this.flight?.land();
    }
  }

  async steps(step) {
    for (;;) {
      const lines = step.split("\n");
      if (step[0] === "F") return this.finish(lines);
      this.id ??= Number(lines[1]);
      if (step[0] === "G") return this.answerAndGoOn(lines);
      const event = await this.step(step[0], lines);
      step = call(() => resume(this.id, Date.now(), event));
    }
  }

  step(kind, lines) {
    this.listen();
    if (kind === "S") return this.send(lines);
    if (kind === "P") return this.probe(lines[2], Number(lines[3]), lines[4]);
    return kind === "H" ? this.lookUp(lines[2], Number(lines[3])) : this.assign(lines.slice(2, 5), lines[6] === "1", lines[7], Number(lines[5]));
  }

  /** Looks what lies there. `expired` is the variant in hand that has expired: what another request makes of that one will do. */
  async probe(key, wait, expired) {
    if (expired === undefined) this.copy = await Entry.match(key);
    const place = expired === undefined ? key : `${key} ${expired}`;
    const fills = wait > 0 && (expired !== undefined || !this.copy);
    const flight = fills ? Flight.to(place) : undefined;
    if (flight) await this.follow(flight, key, wait);
    else if (fills) this.lead(place);
    const waited = flight ? 1 : 0;
    return this.copy ? `C\n${waited}\n${this.copy.head()}` : `C\n${waited}`;
  }

  async follow(flight, key, wait) {
    flight.followers++;
    this.followed = flight;
    await within(wait, flight.landed).catch(() => {});
    this.unfollow();
    this.copy?.drop();
    this.copy = await Entry.match(key);
  }

  unfollow() {
    if (this.followed) this.followed.followers--;
    this.followed = undefined;
  }

  /** Others of this isolate that want the same wait for this request, even if its client goes. */
  lead(place) {
    this.flight = new Flight(place);
    this.ctx.waitUntil(this.flight.landed);
  }

  /** Answers, and goes on behind the answer, unless another request is at that for the same key. */
  async answerAndGoOn([, , key, ...lines]) {
    const head = this.copy.head();
    const answer = await this.finish(lines);
    if (!mayUpdate(key)) {
      abandon(this.id, Date.now());
      return answer;
    }
    this.behind = { key, head };
    const update = async () => this.steps(call(() => resume(this.id, Date.now(), "G")));
    this.ctx.waitUntil(
      update()
        .catch((error) => complain("a copy was not made new", { error: String(error) }))
        .finally(() => updated(key)),
    );
    return answer;
  }

  async lookUp(key, ms) {
    try {
      const value = await within(ms, this.env.HOMES.get(key));
      return value === null ? "HA" : `HV\n${value}`;
    } catch {
      return "HF";
    }
  }

  async assign([subject, kind, region], named, declined, ms) {
    const [home, epoch] = declined.split("\t");
    const insteadOf = declined ? { home, epoch: Number(epoch) } : undefined;
    try {
      const question = (shard) => (region === "" ? shard.known(subject) : shard.assign(subject, kind, region, named, insteadOf));
      const value = await within(ms, directory(this.env, subject, question));
      return value === null ? "HA" : `HV\n${value}`;
    } catch (error) {
      complain("the directory failed", { error: String(error) });
      return "HF";
    }
  }

  /** Hears from now on whether the client goes: before anything is waited for, since the platform resumes nothing for who has gone. */
  listen() {
    if (this.listening) return;
    this.listening = true;
    const { signal } = this.request;
    if (signal?.aborted) this.gone();
    else if (signal) signal.onabort = () => this.gone(); // cheaper than a listener
  }

  gone() {
    this.unfollow();
    this.left = this.behind !== undefined || this.flight?.followers > 0;
    if (this.left) return;
    abandon(this.id, Date.now());
    this.cut?.();
    this.flight?.land();
  }

  async send(lines) {
    const [, , method, service, url, timeout, delay, idle, whole, replay, upgrade] = lines;
    this.drop();
    if (delay !== "0") await new Promise((resolve) => setTimeout(resolve, Number(delay)));
    const headers = edited(this.fields, lines, 11);
    const abort = new AbortController();
    this.cut = () => abort.abort();
    const clock = new Clock(Number(timeout), () => abort.abort());
    let sent;
    try {
      if (replay === "s") sent = this.upload(abort, clock);
      const body = replay === "b" ? this.held : (sent?.body ?? null);
      if (!sent) clock.start(); // an upload's first piece is waited for
      const init = { method, headers, body, redirect: "manual", signal: abort.signal, encodeResponseBody: "manual", cf: UNCACHED };
      const response = await (service ? this.env[service].fetch(url, init) : fetch(url, init));
      clock.fix(); // an upload that goes on holds nothing back; it ends with a small body, and a large one is watched on its own
      this.response = response;
      const { text, length, stored } = head(response, service !== "");
      if (length > Number.MAX_SAFE_INTEGER) throw abort.abort(); // no body is so long: the answer is broken
      if (stored) hearsFromCache(service || new URL(url).origin);
      if (response.status === 304 && (await this.lost())) return "AL";
      if (upgrade === "1" && response.webSocket)
        this.body = null; // a handshake that is refused has a body like any answer
      else if (whole === "1" && length !== null && Number(length) <= SMALL_BODY) this.body = await response.arrayBuffer();
      else if (idle !== "0" && response.body) this.body = watched(response.body, { idle: Number(idle), length, ctx: this.ctx, cut: () => abort.abort() });
      else this.body = response.body; // the platform's own, which costs nothing to hand on
      return `A\n${text}`;
    } catch {
      const begun = this.response !== undefined;
      this.response = this.body = undefined;
      // workerd says "Network connection lost." of a refused connection too, so nothing more can be known.
      return sent?.broken || (clock.rang ? "T" : begun ? "B" : "L");
    } finally {
      if (sent) sent.over = true;
      clock.end();
      this.cut = undefined;
    }
  }

  /** Whether the copy in hand cannot be read, and is in hand no longer. */
  async lost() {
    if (!this.copy || this.behind || (await this.copy.isReadable())) return false;
    this.copy = undefined;
    return true;
  }

  /**
   * Takes in a small body before anything is decided: so nobody who sends one slowly holds a place at a region, and none of the
   * request's time is spent waiting for it. Returns 2 if it came too slowly, 3 if it broke off, 0 for a GET's that has nothing in it, and else nothing.
   */
  async receive() {
    const { method, headers, body } = this.request;
    if (!body) return;
    const length = headers.get("content-length");
    if (method === "GET" || method === "HEAD") return length === null ? within(SMALL_BODY_MS, emptiness(body)).catch(() => 2) : undefined;
    if (length === null || !(Number(length) <= SMALL_BODY)) return;
    const came = this.request.arrayBuffer().then(
      (bytes) => void (this.held = bytes),
      () => 3,
    );
    return within(SMALL_BODY_MS, came).catch(() => 2);
  }

  /** The client's body as it streams: while it is waited for, no other clock runs. */
  upload(abort, clock) {
    const sent = upload(this.request.body, {
      length: this.request.headers.get("content-length"),
      cut: () => abort.abort(),
      waits: () => clock.stop(),
      moves: () => clock.start(),
    });
    this.ctx.waitUntil(sent.ended);
    this.sent = sent;
    return sent;
  }

  /** Lets go of a response that is not answered, so that its connection is free. */
  drop() {
    if (this.body instanceof ReadableStream) this.body.cancel().catch(() => {});
    this.response = this.body = undefined;
  }

  async finish(lines) {
    const status = Number(lines[1]);
    const source = lines[2];
    const store = lines.indexOf("", 3) + 1;
    const effects = lines[store] ? lines.indexOf("", store) + 1 : store + 1;
    // A request that follows must find what this one has done.
    if (lines[store]) await this.keep(lines, store, source);
    const [pending, end] = this.effects(lines, effects);
    if (pending.length > 0) await Promise.all(pending);
    if (this.behind) return this.drop();
    if (source[0] === "o") {
      this.copy?.drop();
      // Made of the origin's own, it keeps what no list of fields tells: a WebSocket, and how the body is coded.
      const answer = new Response(this.whileItSends(status), this.response);
      edit(answer.headers, lines, 3);
      return answer;
    }
    this.drop();
    if (source[0] !== "t") return this.copy.answer(source, status, lines, 3);
    this.copy?.drop();
    const more = await (this.sent ? this.sent.rest() : this.held ? undefined : takeIn(this.request));
    const headers = new Headers();
    edit(headers, lines, 3);
    const text = this.request.method === "HEAD" ? null : lines.slice(end + 1).join("\n");
    return new Response(more && text ? lingering(text, new TextEncoder().encode(text).length, more, this.ctx) : text, { status, headers });
  }

  /** The origin's body for the client; one that refuses an upload before its end lingers for that. */
  whileItSends(status) {
    const { sent, body } = this;
    if (!sent || sent.whole || status < 400 || body === null) return body;
    return lingering(body, this.response.headers.get("content-length"), sent.drained, this.ctx);
  }

  /** Stores what line `at` and those after it say: key, base and variants that go on, edits. */
  async keep(lines, at, source) {
    const key = lines[at];
    const [base, ...carried] = lines[at + 1].split(" ");
    let { copy } = this;
    if (this.behind && (base !== "o" || carried.length > 0)) {
      // The answer took the body; what lies there now may be another's.
      copy = await Entry.match(key);
      if (copy?.head() !== this.behind.head) return;
    }
    const alone = this.left || this.behind !== undefined;
    let headers, body;
    if (base === "o") {
      headers = new Headers(this.response.headers);
      body = this.body;
      // Both need a body that streams, but for one that nobody waits for.
      const length = headers.get("content-length");
      if (body instanceof ReadableStream) ({ stored: body, answer: this.body } = alone ? { stored: lone(body, length) } : share(body, length, this.ctx));
    } else {
      headers = copy.fields(Number(base.slice(1)));
      body = await copy.share(Number(base.slice(1)), source[0] === "c" && !alone, this.ctx);
      if (body === false) return void (await forget(key).catch(() => {}));
    }
    edit(headers, lines, at + 2);
    // Before the copy in hand is let go.
    if (carried.length > 0) await copy.bytes();
    const comes = body instanceof Promise || body?.stream !== undefined;
    const stored = put(key, headers, body, copy, carried.map(Number)).catch((error) => this.refused(key, error));
    if (alone || !comes) return stored;
    this.storing = true;
    this.ctx.waitUntil(stored.then(() => this.flight?.land()));
  }

  /** The store did not take what was to lie under that key: nobody waits for it to, for a while. */
  refused(key, error) {
    refuses(error);
    complain("not stored", { error: String(error) });
    call(() => not_stored(key, Date.now()));
  }

  /** Carries out the effects from line `at` on; returns those that an answer must wait for, and where the empty line is that ends them. */
  effects(lines, at) {
    const pending = [];
    for (; lines[at]; at++) this.effect(lines[at][0], lines[at].slice(1), pending);
    return [pending, at];
  }

  effect(kind, text, pending) {
    if (kind === "l") return console.log(text);
    if (kind === "v") return doubt();
    if (kind === "d") return tellSoon(this.env, this.ctx);
    if (kind === "c") return pending.push(this.confirm(...text.split("\t")));
    if (kind === "r") return this.tell(...text.split("\t"));
    const tab = text.indexOf("\t");
    const work = kind === "x" ? forget(text) : this.env.HOMES?.put(text.slice(0, tab), text.slice(tab + 1));
    const done = Promise.resolve(work).catch((error) => complain("an effect failed", { kind, error: String(error) }));
    if (kind === "x") pending.push(done);
    else this.ctx.waitUntil(done);
  }

  /** Tells the directory of an ownership that an origin has named, and that it may have lost. */
  tell(subject, kind, value) {
    const { home, epoch } = JSON.parse(value);
    const told = directory(this.env, subject, (shard) => shard.confirm(subject, kind, home, epoch));
    this.ctx.waitUntil(told.catch((error) => complain("the directory was not told of a home", { error: String(error) })));
  }

  /**
   * Has the directory keep a home that it had assigned for some minutes, and tells the home store. The answer waits for that for a
   * while, so that who is told that something was written has a home; what takes longer goes on behind it.
   */
  confirm(subject, kind, value) {
    const { home, epoch } = JSON.parse(value);
    const once = async () => {
      const kept = await directory(this.env, subject, (shard) => shard.confirm(subject, kind, home, epoch));
      this.ctx.waitUntil(putHome(this.env, subject, kept).catch(() => {}));
    };
    const again = (ms) => (error) => new Promise((resolve) => setTimeout(resolve, ms)).then(once, () => Promise.reject(error));
    const done = once()
      .catch(again(1000))
      .catch(again(5000))
      .catch((error) => complain("a home was not confirmed", { error: String(error) }));
    this.ctx.waitUntil(done);
    return within(CONFIRM_MS, done).catch(() => {});
  }
}
