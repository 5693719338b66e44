// Drives one request: gives its facts to the core, does what its steps say, reports back. No decision lives here; how facts, steps and
// events cross is known to wire.mjs alone.
import { emptiness, lingering, takeIn, upload, watched } from "./body.mjs";
import { known, look, nameOf, wasWrong } from "./clients.mjs";
import { Clock } from "./clock.mjs";
import { Entry, put } from "./entries.mjs";
import { call, complain, passedOver } from "./core.mjs";
import { directory } from "./shards.mjs";
import { tellSoon } from "../operators/drill.mjs";
import { Flight, mayUpdate, updated, within } from "./flights.mjs";
import { put as putHome } from "./homes.mjs";
import { lone, share } from "./shared.mjs";
import { forget, refuses } from "./store.mjs";
import { fetchFrom, hearsFromCache, uncached } from "./uncached.mjs";
import { doubt } from "./view.mjs";
import { fieldsFor, readFields, readHead, readStep, writeEvent, writeFacts, writeOffered } from "./wire.mjs";
import { abandon, again, begin, is_coded, not_stored, resume } from "homing-wasm";

/** @import { Answer, Assign, ClientFields, CoreEvent, Effect, Finish, Home, LookUp, Probe, Send, Source, Step, Store, Unsent } from "./wire.mjs" */

// A request's body up to this is read whole before anything is sent; a response's where the core wants that, so that a break in it can
// still be repaired elsewhere.
const SMALL_BODY = 64 * 1024;
// So long a client may take to send a small body.
const SMALL_BODY_MS = 30_000;
// So long an answer waits until the directory keeps the home of what was written.
const CONFIRM_MS = 1000;

/** What a step takes for granted: the core speaks of it only where it is. @template T @param {T} thing */
function inHand(thing) {
  if (thing === undefined || thing === null) throw new Error("a step about what is not there");
  return /** @type {NonNullable<Exclude<T, void>>} */ (thing);
}

/** Instead of what came of a step: the flow was begun by what its client was supposed to accept, and was not right to. */
const MISTAKEN = Object.freeze({ kind: /** @type {const} */ ("mistaken") });

const isRead = (/** @type {string} */ method) => method === "GET" || method === "HEAD";
const isCoded = (/** @type {string} */ entry) => call(() => is_coded(entry));
const tooSlow = () => /** @type {const} */ ("slow");

/** @param {{ kind: string }} effect @param {unknown} work */
const orComplain = ({ kind }, work) => Promise.resolve(work).catch((error) => complain("an effect failed", { kind, error: String(error) }));

/** One request on its way through the steps. */
export class Drive {
  /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx @param {boolean} [startedOver] whether it was begun before, and wrongly */
  constructor(request, env, ctx, startedOver = false) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    this.startedOver = startedOver;
    /** @type {ClientFields | undefined} */
    this.client = undefined; // its fields
    /** @type {import("./clients.mjs").Told | undefined} */
    this.supposed = undefined; // what the platform has told of it before, where it was not asked now
    /** @type {string | undefined} */
    this.alike = undefined; // what those have in common who ask alike
    /** @type {ArrayBuffer | undefined} */
    this.held = undefined; // the request's body, if it is small
    /** @type {import("./body.mjs").Upload | undefined} */
    this.sent = undefined; // the upload of it, if it streamed
    /** @type {Entry | undefined} */
    this.entry = undefined; // the cache's entry
    /** @type {number | undefined} */
    this.memo = undefined; // by which the answer may be given again
    /** @type {Response | undefined} */
    this.response = undefined; // the last origin's response
    /** @type {ArrayBuffer | ReadableStream | null | undefined} */
    this.body = undefined; // its body: bytes if small, else a stream
    /** @type {number | undefined} the flow's, once it has asked for something */
    this.id = undefined;
    this.listening = false;
    /** @type {Flight | undefined} */
    this.flight = undefined; // where others wait for this one
    /** @type {Flight | undefined} */
    this.followed = undefined; // where this one waits for another
    this.hasGone = false; // whether the client has gone, and this with it
    this.left = false; // or goes on for others
    this.storing = false; // whether a body streams into the cache
    /** @type {{ entry: Entry | undefined } | undefined} */
    this.behind = undefined; // once the client has its answer, and the entry that it came from
    /** @type {(() => void) | undefined} */
    this.cut = undefined; // ends the send that is under way
  }

  /** What this isolate remembers is answered at once: a promise costs more than all of that. @param {string} url @returns {Response | Promise<Response>} */
  run(url) {
    const { body } = this.request;
    return body ? this.receive(body).then((unsent) => this.begin(url, true, unsent)) : this.begin(url, false);
  }

  /** @param {string} url @param {boolean} hasBody @param {Unsent | "none"} [unsent] @returns {Response | Promise<Response>} */
  begin(url, hasBody, unsent) {
    const { method, headers } = this.request; // each look costs a call
    const entry = (this.entry = Entry.of(url));
    const client = (this.client = readFields(headers, entry && passedOver()));
    const told = this.told(client, isRead(method) && !hasBody && client.mayRepeat && !entry?.isCoded(isCoded));
    const body = unsent ?? ((isRead(method) ? client.hasContent : hasBody) ? "some" : "none");
    const { facts, alike } = writeFacts(method, url, client, told, body);
    const { latitude, longitude } = told;
    const memo = entry && alike !== undefined ? entry.memo((this.alike = alike)) : undefined;
    if (entry && memo && call(() => again(memo.id, Date.now(), latitude, longitude))) return entry.again(memo);
    const step = readStep(call(() => begin(Date.now(), latitude, longitude, facts, writeOffered(entry))));
    return step.kind === "finish" ? /** @type {Response | Promise<Response>} */ (this.finish(step)) : this.goOn(step);
  }

  /** What the platform tells of the client: what it has told before, if it `may` be supposed that this is so still. @param {ClientFields} client @param {boolean} may */
  told({ address, program }, may) {
    const name = nameOf(address, program);
    if (may && !this.startedOver) this.supposed = known(name);
    return this.supposed ?? look(this.request, name);
  }

  /**
   * Whether the client does accept what it was supposed to: asked before something that is coded goes out to it, and before something is sent that
   * may not be sent twice. One that has its answer, or has gone, gets nothing any more.
   */
  isRight() {
    if (this.supposed === undefined || this.behind || this.left || this.hasGone) return true;
    const { address, program } = inHand(this.client);
    const isRight = look(this.request, nameOf(address, program)).accepts === this.supposed.accepts;
    if (isRight) this.supposed = undefined;
    return isRight;
  }

  /**
   * Forgets the flow, and starts over with what the client does accept. Nothing of what was done shows, and all that was sent were reads. Who waits
   * for this request goes on waiting.
   */
  async startOver() {
    wasWrong();
    if (this.id !== undefined) abandon(this.id, Date.now());
    this.id = undefined;
    this.entry?.drop();
    this.drop();
    const next = new Drive(this.request, this.env, this.ctx, true);
    next.flight = this.flight;
    this.flight = undefined;
    try {
      return await next.begin(this.request.url, false);
    } finally {
      if (!next.storing) next.flight?.land();
    }
  }

  /** @param {Step} step @returns {Promise<Response>} */
  async goOn(step) {
    try {
      return inHand(await this.steps(step));
    } catch (error) {
      if (this.id !== undefined) abandon(this.id, Date.now());
      throw error;
    } finally {
      if (!this.storing) this.flight?.land();
    }
  }

  /** @param {Step} step @returns {Promise<Response | void>} */
  async steps(step) {
    for (;;) {
      if (step.kind === "finish") return this.finish(step);
      const id = (this.id ??= step.id);
      if (step.kind === "answer") return this.answerAndGoOn(step);
      const event = await this.step(step);
      if (event.kind === "mistaken") return this.startOver();
      step = readStep(call(() => resume(id, Date.now(), writeEvent(event))));
    }
  }

  /** @param {Probe | LookUp | Assign | Send} step @returns {CoreEvent | typeof MISTAKEN | Promise<CoreEvent | typeof MISTAKEN>} */
  step(step) {
    if (step.kind === "probe" && step.expired === undefined && (this.entry = Entry.lookedFor(step.key, this.request.url))) {
      return this.hears({ kind: "cache", waited: false, entry: this.entry }); // nothing is waited for
    }
    if (step.kind === "send" && step.writes && !this.isRight()) return MISTAKEN;
    if (step.kind !== "send" || step.listen) this.listen();
    switch (step.kind) {
      case "probe":
        return this.probe(step);
      case "look-up":
        return this.lookUp(step);
      case "assign":
        return this.assign(step);
      case "send":
        return this.send(step);
    }
  }

  /**
   * Looks what lies there. `expired` is the variant in hand that has expired: what another request makes of that one will do.
   * @param {Probe} step @returns {Promise<CoreEvent | typeof MISTAKEN>}
   */
  async probe({ key, wait, expired }) {
    if (expired === undefined) this.entry = await Entry.inStore(key); // this isolate does not remember it: `step` has looked
    const place = expired === undefined ? key : `${key} ${expired}`;
    const fills = wait > 0 && (expired !== undefined || !this.entry);
    const flight = fills ? Flight.to(place) : undefined;
    const isOwn = flight !== undefined && flight === this.flight; // of before it started over
    if (flight && !isOwn) await this.follow(flight, key, wait);
    else if (fills && !isOwn) this.lead(place);
    return this.hears({ kind: "cache", waited: flight !== undefined && !isOwn, entry: this.entry });
  }

  /** What the cache has, if it may be answered to this client. @param {Extract<CoreEvent, { kind: "cache" }>} event */
  hears(event) {
    return this.supposed !== undefined && this.entry?.isCoded(isCoded) && !this.isRight() ? MISTAKEN : event;
  }

  /** @param {Flight} flight @param {string} key @param {number} wait */
  async follow(flight, key, wait) {
    flight.followers++;
    this.followed = flight;
    await within(wait, flight.landed).catch(() => {});
    this.unfollow();
    this.entry?.drop();
    this.entry = await Entry.match(key);
  }

  unfollow() {
    if (this.followed) this.followed.followers--;
    this.followed = undefined;
  }

  /** Others of this isolate that want the same wait for this request, even if its client goes. @param {string} place */
  lead(place) {
    this.flight?.land();
    this.flight = new Flight(place);
    this.ctx.waitUntil(this.flight.landed);
  }

  /** Answers, and goes on behind the answer, unless another request is at that for the same key. @param {Answer} step */
  async answerAndGoOn({ id, key, finish }) {
    const { entry } = this;
    const answer = await this.finish(finish);
    if (!mayUpdate(key)) {
      abandon(id, Date.now());
      return answer;
    }
    this.behind = { entry };
    const update = async () => this.steps(readStep(call(() => resume(id, Date.now(), writeEvent({ kind: "answered" })))));
    this.ctx.waitUntil(
      update()
        .catch((error) => complain("a stored response was not updated", { error: String(error) }))
        .finally(() => updated(key)),
    );
    return answer;
  }

  /** @param {LookUp} step @returns {Promise<CoreEvent>} */
  async lookUp({ key, timeout }) {
    try {
      const value = await within(timeout, inHand(this.env.HOMES).get(key));
      return value === null ? { kind: "no-home" } : { kind: "home", value };
    } catch {
      return { kind: "home-failed" };
    }
  }

  /** @param {Assign} step @returns {Promise<CoreEvent>} */
  async assign({ subject, subjectKind, proposed, named, declined, timeout }) {
    try {
      const question = (/** @type {import("./shards.mjs").Shard} */ shard) =>
        proposed === "" ? shard.known(subject) : shard.assign(subject, subjectKind, proposed, named, declined);
      const value = await within(timeout, directory(this.env, subject, question));
      return value === null ? { kind: "no-home" } : { kind: "home", value };
    } catch (error) {
      complain("the directory failed", { error: String(error) });
      return { kind: "home-failed" };
    }
  }

  /**
   * Hears from now on whether the client goes: before anything is waited for, since the platform resumes nothing for who has gone. But for a send
   * that holds nothing others wait for: a listener costs the platform a tenth of that.
   */
  listen() {
    if (this.listening) return;
    this.listening = true;
    const { signal } = this.request;
    if (signal?.aborted) this.gone();
    else if (signal) signal.onabort = () => this.gone(); // cheaper than a listener
  }

  gone() {
    this.unfollow();
    this.left = this.behind !== undefined || (this.flight?.followers ?? 0) > 0;
    if (this.left) return;
    this.hasGone = true;
    if (this.id !== undefined) abandon(this.id, Date.now());
    this.cut?.();
    this.flight?.land();
  }

  /** @param {Send} step @returns {Promise<CoreEvent | typeof MISTAKEN>} */
  async send({ method, service, url, timeout, delay, idle, whole, body: sends, upgrade, usual, edits }) {
    this.drop();
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (this.hasGone) return { kind: "lost" }; // the flow is forgotten: what a region did for it nobody would learn of
    const headers = fieldsFor(inHand(this.client), { usual, edits });
    const abort = new AbortController();
    this.cut = () => abort.abort();
    const clock = new Clock(timeout, () => abort.abort());
    let sent;
    try {
      if (sends === "upload") sent = this.upload(abort, clock);
      const body = sends === "held" ? this.held : (sent?.body ?? null);
      if (!sent) clock.start(); // an upload's first piece is waited for
      /** @type {RequestInit} */
      const init = { method, headers, body, redirect: "manual", signal: abort.signal, encodeResponseBody: "manual", cf: uncached(method) };
      const response = await fetchFrom(this.env, service, url, init);
      clock.fix(); // an upload that goes on holds nothing back; it ends with a small body, and a large one is watched on its own
      this.response = response;
      const head = readHead(response, service !== "");
      const length = head.length === null ? null : Number(head.length);
      if (length !== null && length > Number.MAX_SAFE_INTEGER) throw abort.abort(); // no body is so long: the answer is broken
      if (head.stored) hearsFromCache(service || new URL(url).origin);
      if (response.status === 304 && (await this.lost())) return { kind: "unreadable" };
      if (head.isCoded && !this.isRight()) {
        this.body = response.body;
        return MISTAKEN;
      }
      if (upgrade && response.webSocket)
        this.body = null; // a handshake that is refused has a body like any answer
      else if (whole && length !== null && length <= SMALL_BODY) this.body = await response.arrayBuffer();
      else if (idle > 0 && response.body) this.body = watched(response.body, { idle, length: head.length, ctx: this.ctx, cut: () => abort.abort() });
      else this.body = response.body; // the platform's own, which costs nothing to hand on
      return head;
    } catch {
      const begun = this.response !== undefined;
      this.response = this.body = undefined;
      if (sent?.broken) return { kind: "unsent", why: sent.broken };
      // workerd says "Network connection lost." of a refused connection too, so nothing more can be known.
      return { kind: clock.rang ? "timed-out" : begun ? "broken" : "lost" };
    } finally {
      if (sent) sent.over = true;
      clock.end();
      this.cut = undefined;
    }
  }

  /** Whether the entry in hand cannot be read, and is in hand no longer. */
  async lost() {
    if (!this.entry || this.behind || (await this.entry.isReadable())) return false;
    this.entry = undefined;
    return true;
  }

  /**
   * Takes in a small body before anything is decided: so nobody who sends one slowly holds a place at a region, and none of the
   * request's time is spent waiting for it. Returns "slow" or "broken" if it did not come, "none" for a GET's that has nothing in it, and else nothing.
   * @param {ReadableStream} body @returns {Promise<Unsent | "none" | undefined>}
   */
  async receive(body) {
    const { method, headers } = this.request;
    const length = headers.get("content-length");
    if (isRead(method)) return length === null ? within(SMALL_BODY_MS, emptiness(body)).catch(tooSlow) : undefined;
    if (length === null || !(Number(length) <= SMALL_BODY)) return;
    const came = this.request.arrayBuffer().then(
      (bytes) => void (this.held = bytes),
      () => /** @type {const} */ ("broken"),
    );
    return within(SMALL_BODY_MS, came).catch(tooSlow);
  }

  /** The client's body as it streams: while it is waited for, no other clock runs. @param {AbortController} abort @param {Clock} clock */
  upload(abort, clock) {
    const sent = upload(inHand(this.request.body), {
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

  /** The answer, if the client has none yet. @param {Finish} step @returns {Response | void | Promise<Response | void>} */
  finish(step) {
    // A request that follows must find what this one has done.
    return step.store ? this.keep(step.store, step.source).then(() => this.settle(step)) : this.settle(step);
  }

  /** @param {Finish} step */
  settle(step) {
    /** @type {Promise<unknown>[]} */
    const pending = [];
    for (const effect of step.effects) this.effect(effect, pending);
    return pending.length > 0 ? Promise.all(pending).then(() => this.answer(step)) : this.answer(step);
  }

  /** @param {Finish} step @returns {Response | void | Promise<Response>} */
  answer({ status, source, edits }) {
    if (this.behind) return this.drop();
    if (source.kind === "origin") {
      this.entry?.drop();
      // Made of the origin's own, it keeps what no list of fields tells: a WebSocket, and how the body is coded.
      const answer = new Response(this.whileItSends(status), this.response);
      edits.applyTo(answer.headers);
      return answer;
    }
    this.drop();
    if (source.kind !== "own") {
      const { alike } = this;
      if (alike !== undefined && this.memo !== undefined) this.entry?.keep({ alike, id: this.memo, status }, source.at, edits);
      return inHand(this.entry).answer(source, status, edits);
    }
    this.entry?.drop();
    return this.own(status, source.body, edits);
  }

  /** The router's own answer. @param {number} status @param {string} said @param {import("./wire.mjs").Edits} edits */
  async own(status, said, edits) {
    const more = await (this.sent ? this.sent.rest() : this.held ? undefined : takeIn(this.request));
    const headers = new Headers();
    edits.applyTo(headers);
    const text = this.request.method === "HEAD" ? null : said;
    return new Response(more && text ? lingering(text, new TextEncoder().encode(text).length, more, this.ctx) : text, { status, headers });
  }

  /** The origin's body for the client; one that refuses an upload before its end lingers for that. @param {number} status */
  whileItSends(status) {
    const { sent, body } = this;
    if (!sent || sent.whole || status < 400 || !body) return body;
    return lingering(body, inHand(this.response).headers.get("content-length"), sent.drained, this.ctx);
  }

  /**
   * Stores what that says, beside an answer from that source.
   * @param {Store} store @param {Source} source
   */
  async keep({ key, base, carried, edits }, source) {
    let { entry } = this;
    if ((this.behind || entry?.remembered) && (base.kind === "stored" || carried.length > 0)) {
      // The answer took the body, or it is a memory of one; what lies there now may be another's, and nothing brings back what is gone.
      const there = await Entry.inStore(key);
      if (!there?.isLike(inHand(this.behind ? this.behind.entry : entry))) return there?.drop();
      if (this.behind) entry = there;
      else there.drop();
    }
    const alone = this.left || this.behind !== undefined;
    let headers;
    /** @type {import("./entries.mjs").Stored | ReadableStream | Promise<Uint8Array | undefined>} */
    let body;
    if (base.kind === "origin") {
      headers = new Headers(inHand(this.response).headers);
      body = this.body ?? null;
      // Both need a body that streams, but for one that nobody waits for.
      const length = headers.get("content-length");
      if (body instanceof ReadableStream) ({ stored: body, answer: this.body } = alone ? { stored: lone(body, length) } : share(body, length, this.ctx));
    } else {
      const stored = inHand(entry);
      headers = stored.fields(base.at);
      body = await stored.share(base.at, source.kind === "stored" && !alone, this.ctx);
      if (body === false) return void (await forget(key).catch(() => {}));
    }
    edits.applyTo(headers);
    // Before the entry in hand is let go.
    if (carried.length > 0) await entry?.bytes();
    const comes = body instanceof Promise || (body && "stream" in body);
    const stored = put(key, headers, body, entry, carried).catch((error) => this.refused(key, error));
    if (alone || !comes) return stored;
    this.storing = true;
    this.ctx.waitUntil(stored.then(() => this.flight?.land()));
  }

  /** The store did not take what was to lie under that key: nobody waits for it to, for a while. @param {string} key @param {unknown} error */
  refused(key, error) {
    refuses(error);
    complain("not stored", { error: String(error) });
    call(() => not_stored(key, Date.now()));
  }

  /** Carries out an effect; what an answer must wait for goes into `pending`. @param {Effect} effect @param {Promise<unknown>[]} pending */
  effect(effect, pending) {
    switch (effect.kind) {
      case "log":
        return console.log(effect.line);
      case "outdated-view":
        return doubt();
      case "drill":
        return tellSoon(this.env, this.ctx);
      case "memo":
        this.memo = effect.id;
        return;
      case "forget":
        return void pending.push(orComplain(effect, forget(effect.key)));
      case "publish":
        return this.ctx.waitUntil(orComplain(effect, this.env.HOMES?.put(effect.key, effect.value)));
      case "confirm":
        return void pending.push(this.confirm(effect));
      case "tell":
        return this.tell(effect);
    }
  }

  /** Tells the directory of an ownership that an origin has named, and that it may have lost. @param {Extract<Effect, { kind: "tell" }>} effect */
  tell({ subject, subjectKind, home: { home, epoch } }) {
    const told = directory(this.env, subject, (shard) => shard.confirm(subject, subjectKind, home, epoch));
    this.ctx.waitUntil(told.catch((error) => complain("the directory was not told of a home", { error: String(error) })));
  }

  /**
   * Has the directory keep a home that it had assigned for some minutes, and tells the home store. The answer waits for that for a
   * while, so that who is told that something was written has a home; what takes longer goes on behind it.
   * @param {Extract<Effect, { kind: "confirm" }>} effect
   */
  confirm({ subject, subjectKind, home: { home, epoch } }) {
    const once = async () => {
      const kept = await directory(this.env, subject, (shard) => shard.confirm(subject, subjectKind, home, epoch));
      this.ctx.waitUntil(putHome(this.env, subject, kept).catch(() => {}));
    };
    const again = (/** @type {number} */ ms) => (/** @type {unknown} */ error) =>
      new Promise((resolve) => setTimeout(resolve, ms)).then(once, () => Promise.reject(error));
    const done = once()
      .catch(again(1000))
      .catch(again(5000))
      .catch((error) => complain("a home was not confirmed", { error: String(error) }));
    this.ctx.waitUntil(done);
    return within(CONFIRM_MS, done).catch(() => {});
  }
}
