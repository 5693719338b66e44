// Drives the router: hands facts to the core, does what its steps say, reports back. No decision lives here.
// The format of facts, steps and events is described in wire.rs.
import module from "./homing_bg.wasm";
import { watched } from "./body.mjs";
import { copyHead, edit, facts, head } from "./fields.mjs";
import { abandon, api, begin, configure, initSync, resume } from "homing-wasm";

const wasm = initSync({ module });
// A trap leaves the stack pointer where it was; at rest it always has this value.
const stackAtRest = wasm.__stack_pointer.value;
// Bodies up to this are read whole before they are answered, so that a break in one can still be repaired elsewhere.
const SMALL_BODY = 64 * 1024;
const LOOKUP_MS = 250;
// The platform's own cache must not answer for an origin: it knows nothing of pins.
const UNCACHED = { cacheTtl: -1 };

let configured; // undefined until tried, then "" or what is wrong

function setUp(env) {
  const vars = Object.fromEntries(Object.entries(env).filter(([name]) => /^(REGIONS|DATASETS|ROUTES(_\d+)?|IDENTITY)$/.test(name)));
  const dev = env.DEV === true || env.DEV === "true" ? "dev" : "";
  configured = configure(JSON.stringify(vars), env.SESSION_KEY ?? "", env.SESSION_KEY_OLD ?? "", env.ORIGIN_KEY ?? "", `${dev},${env.LOG ?? "all"}`);
  if (configured) complain("the configuration is not served", { complaints: configured });
}

const complain = (message, more) => console.error(JSON.stringify({ level: "error", message, ...more }));

const problem = (status, title, detail) =>
  new Response(JSON.stringify({ type: "about:blank", title, status, detail, reason: "internal" }), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", "homing-reason": "internal", "cache-status": "homing; fwd=bypass" },
  });

/** Calls into Wasm. A panic there ends this request with 500 and nobody else's. */
function call(work) {
  try {
    return work();
  } catch (error) {
    wasm.__stack_pointer.value = stackAtRest;
    complain("the router panicked", { error: String(error) });
    throw new Panic();
  }
}
class Panic extends Error {}
class Unsent extends Error {}

/** What `work` comes to, or an error if that takes longer than so many milliseconds. */
async function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("too late")), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export default {
  async fetch(request, env, ctx) {
    try {
      if (configured === undefined) call(() => setUp(env));
      if (configured) return problem(500, "Internal Server Error", "The configuration has errors; the log lists them, and so does `homing check`.");
      const url = request.url;
      const path = url.indexOf("/", 8);
      if (url.startsWith("/_homing", path) && /^(\/|\?|$)/.test(url.slice(path + 8))) return await api(request, env);
      return await new Drive(request, env, ctx).run();
    } catch (error) {
      if (!(error instanceof Panic)) complain("the edge failed", { error: String(error?.stack ?? error) });
      return problem(500, "Internal Server Error", "The router itself is at fault; the log has the rest.");
    }
  },
};

/** One request on its way through the steps. */
class Drive {
  constructor(request, env, ctx) {
    this.request = request;
    this.env = env;
    this.ctx = ctx;
    this.held = undefined; // the request's body, where it may be needed twice
    this.copy = undefined; // the cache's response
    this.response = undefined; // the last origin's response
    this.body = undefined; // its body: bytes if small, else a stream
    this.id = undefined;
    this.listening = false;
  }

  async run() {
    let step = call(() => begin(Date.now(), facts(this.request)));
    for (;;) {
      if (step[0] === "F") return this.finish(step);
      const lines = step.split("\n");
      this.id ??= Number(lines[1]);
      const event = await (step[0] === "S" ? this.send(lines) : step[0] === "P" ? this.probe(lines[2]) : this.lookUp(lines[2]));
      step = call(() => resume(this.id, Date.now(), event));
    }
  }

  async probe(key) {
    try {
      this.copy = await caches.default.match(key);
    } catch {
      this.copy = undefined;
    }
    return this.copy ? `C\n${copyHead(this.copy)}` : "C";
  }

  async lookUp(key) {
    this.listen();
    try {
      const value = await within(LOOKUP_MS, this.env.HOMES.get(key));
      return value === null ? "HA" : `HV\n${value}`;
    } catch {
      return "HF";
    }
  }

  /** Hears from now on whether the client goes; what takes no time is over sooner than anybody could. */
  listen() {
    if (this.listening) return;
    this.listening = true;
    this.request.signal?.addEventListener("abort", () => abandon(this.id), { once: true });
  }

  async send(lines) {
    this.listen();
    const [, , method, service, url, timeout, delay, idle, replay, upgrade] = lines;
    this.drop();
    if (delay !== "0") await new Promise((resolve) => setTimeout(resolve, Number(delay)));
    const headers = new Headers(this.request.headers);
    edit(headers, lines, 10);
    const abort = new AbortController();
    let late = false;
    let timer;
    const watch = (ms) => (timer = setTimeout(() => ((late = true), abort.abort()), Number(ms)));
    // The time to headers, or to the end of a small body. An upload may go on after they came, and then touches it no more.
    const clock = { over: false, stop: () => clock.over || clearTimeout(timer), start: () => clock.over || (clearTimeout(timer), watch(timeout)) };
    let upload;
    try {
      if (replay === "s") upload = this.upload(Number(idle), abort, clock);
      const body = replay === "b" ? await this.whole(Number(idle)) : (upload?.body ?? null);
      clock.start();
      const init = { method, headers, body, redirect: "manual", signal: abort.signal, encodeResponseBody: "manual", cf: UNCACHED };
      const response = await (service ? this.env[service].fetch(url, init) : fetch(url, init));
      clock.over = true; // it ends with a small body; a large one is watched on its own
      this.response = response;
      const said = head(response);
      const length = response.headers.get("content-length");
      if (upgrade === "1") this.body = null;
      else if (length !== null && Number(length) <= SMALL_BODY) this.body = await response.arrayBuffer();
      else if (response.body) this.body = watched(response.body, { idle: Number(idle), length, ctx: this.ctx, cut: () => abort.abort() });
      return `A\n${said}`;
    } catch (error) {
      this.response = this.body = undefined;
      // workerd says "Network connection lost." of a refused connection too, so nothing more can be known.
      return upload?.broken || error instanceof Unsent ? "U" : late ? "T" : "B";
    } finally {
      clearTimeout(timer);
    }
  }

  /** The client's small body, held for a second attempt. */
  async whole(idle) {
    try {
      return (this.held ??= await within(idle, this.request.arrayBuffer()));
    } catch {
      throw new Unsent();
    }
  }

  /** The client's body as it streams: while it is waited for it may stand still for so long, and no other clock runs. */
  upload(idle, abort, clock) {
    const state = { broken: false };
    state.body = watched(this.request.body, {
      idle,
      length: this.request.headers.get("content-length"),
      ctx: this.ctx,
      cut: () => ((state.broken = true), abort.abort()),
      waits: clock.stop,
      moves: clock.start,
      dropped: () => {}, // the origin has answered without reading all of it
    });
    return state;
  }

  /** Lets go of a response that is not answered, so that its connection is free. */
  drop() {
    if (this.body instanceof ReadableStream) this.body.cancel().catch(() => {});
    this.response = this.body = undefined;
  }

  finish(step) {
    const lines = step.split("\n");
    const status = Number(lines[1]);
    const source = lines[2];
    if (source === "t") {
      this.drop();
      const headers = new Headers();
      const at = this.effects(lines, edit(headers, lines, 3) + 1);
      return new Response(this.request.method === "HEAD" ? null : lines.slice(at + 1).join("\n"), { status, headers });
    }
    if (source !== "o") {
      this.drop();
      // The cache hands bodies out coded as they were stored.
      const answer = new Response(source === "c" ? this.copy.body : null, { status, headers: this.copy.headers, encodeBody: "manual" });
      this.effects(lines, edit(answer.headers, lines, 3) + 1);
      return answer;
    }
    const at = lines.indexOf("", 3) + 1;
    if (lines[at]) this.keep(lines, at);
    // Made of the origin's own, it keeps what no list of fields tells: a WebSocket, and how the body is coded.
    const answer = new Response(this.body, this.response);
    edit(answer.headers, lines, 3);
    this.effects(lines, lines[at] ? lines.indexOf("", at) + 1 : at + 1);
    return answer;
  }

  /** Stores the origin's answer under the key of line `at`, with the edits that follow it. */
  keep(lines, at) {
    let body = this.body;
    if (body instanceof ReadableStream) [body, this.body] = body.tee();
    const copy = new Response(body, this.response);
    edit(copy.headers, lines, at + 1);
    this.ctx.waitUntil(caches.default.put(lines[at], copy).catch((error) => complain("not stored", { error: String(error) })));
  }

  /** Carries out the effects from line `at` on; returns the place of the empty line that ends them. */
  effects(lines, at) {
    for (; lines[at]; at++) this.effect(lines[at][0], lines[at].slice(1));
    return at;
  }

  effect(kind, text) {
    if (kind === "l") return console.log(text);
    const tab = text.indexOf("\t");
    const work = kind === "x" ? caches.default.delete(text) : this.env.HOMES?.put(text.slice(0, tab), text.slice(tab + 1));
    this.ctx.waitUntil(Promise.resolve(work).catch((error) => complain("an effect failed", { kind, error: String(error) })));
  }
}
