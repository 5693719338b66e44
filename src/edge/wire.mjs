// The text that crosses between JavaScript and the core in Wasm, as typed objects. Its twin is wire.rs, and tests/golden/wire.txt holds
// both to the same cases; no other JavaScript knows what stands in which line.
//
// Every call into the platform costs about a microsecond, and an iterator over its fields several objects for each: so they are read out by
// `forEach`, once. A step is one object; its edits stay text until they are applied.
import { remember } from "./remembered.mjs";
import { isStored } from "./uncached.mjs";

/**
 * What the core asks for.
 * @typedef {Probe | LookUp | Assign | Send | Answer | Finish} Step
 *
 * Look what the cache has. `wait`: so many milliseconds for another request that fills the place, 0 if not at all. `expired` selects the
 * variant in hand that has expired: what another request makes of that one will do.
 * @typedef {{ kind: "probe", id: number, key: string, wait: number, expired?: string }} Probe
 *
 * Ask the home store.
 * @typedef {{ kind: "look-up", id: number, key: string, timeout: number }} LookUp
 *
 * Ask the directory, which gives a subject without a home the proposed region; an empty one is no proposal. `declined`: the home that
 * says by that epoch that the data is in the proposed one.
 * @typedef {{ kind: "assign", id: number, subject: string, subjectKind: string, proposed: string, timeout: number, named: boolean, declined?: Home }} Assign
 *
 * Send to a region, through a service binding if one is named. Milliseconds; `idle` 0: nobody watches the answer's body. `whole`: a small
 * body is read whole before the answer is told. `body`: what the region gets of the client's. `usual`: the edits that many requests have alike.
 * `listen`: it must be heard at once if the client goes. `writes`: the request may not start over.
 * @typedef {{ kind: "send", id: number, method: string, service: string, url: string, timeout: number, delay: number, idle: number, whole: boolean, body: "empty" | "held" | "upload", upgrade: boolean, listen: boolean, writes: boolean, usual: Edits, edits: Edits }} Send
 *
 * Answer the client, and go on behind the answer; once at a time for each key.
 * @typedef {{ kind: "answer", id: number, key: string, finish: Finish }} Answer
 *
 * Answer the client, if it has no answer yet; the flow is over.
 * @typedef {{ kind: "finish", status: number, source: Source, edits: Edits, store?: Store, effects: Effect[] }} Finish
 *
 * Where an answer comes from: the origin's response; the router's own text; the stored variant in that place, whole or a part of it; the
 * head of that one.
 * @typedef {{ kind: "origin" } | { kind: "own", body: string } | { kind: "stored", at: number, from?: number, length?: number } | { kind: "head", at: number }} Source
 *
 * What to store under a key: the origin's response or a stored variant, with edits, and which variants go on behind it.
 * @typedef {{ key: string, base: { kind: "origin" } | { kind: "stored", at: number }, carried: number[], edits: Edits }} Store
 *
 * What else to do. `forget` a stored response; `publish` a home in the home store; have the directory keep a tentative home (`confirm`),
 * or `tell` it of one that an origin has named; read the view, which is outdated; tell the authority of a drill; keep the answer as a memo of
 * that number (`again`); log a line.
 * @typedef {{ kind: "forget", key: string } | { kind: "publish", key: string, value: string } | { kind: "confirm", subject: string, subjectKind: string, home: Home }
 *   | { kind: "tell", subject: string, subjectKind: string, home: Home } | { kind: "outdated-view" } | { kind: "drill" } | { kind: "memo", id: number } | { kind: "log", line: string }} Effect
 *
 * @typedef {{ home: string, epoch: number }} Home
 */

/**
 * What came of a step.
 * @typedef {{ kind: "cache", waited: boolean, entry?: { text: string, bodies: string | null } } | { kind: "answered" } | FoundHome | Outcome} CoreEvent
 * Of the home store or the directory.
 * @typedef {{ kind: "home", value: string } | { kind: "no-home" } | { kind: "home-failed" }} FoundHome
 * Of a send. `lost`: no answer began; `broken`: one had; `unsent`: the client's body did not come; `unreadable`: the region has confirmed a
 * stored response that cannot be read.
 * @typedef {Heard | { kind: "timed-out" } | { kind: "lost" } | { kind: "broken" } | { kind: "unreadable" } | { kind: "unsent", why: Unsent }} Outcome
 * The fields as text, and besides the length of the body, if the response says one, whether a cache on the way has given it, and whether it is coded.
 * @typedef {{ kind: "response", status: number, closes: boolean, fields: string, length: string | null, stored: boolean, isCoded: boolean }} Heard
 * @typedef {"slow" | "broken"} Unsent
 */

/** The lines of a text, one behind the other. */
class Lines {
  #text;
  #at = 0;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  /** The next; empty where there is none. */
  next() {
    const end = this.#text.indexOf("\n", this.#at);
    const line = end < 0 ? this.rest() : this.#text.slice(this.#at, end);
    this.#at = end < 0 ? this.#text.length + 1 : end + 1;
    return line;
  }

  /** Those up to an empty one, each with its end. */
  block() {
    const from = this.#at;
    const end = this.#text[from] === "\n" ? from : this.#text.indexOf("\n\n", from) + 1;
    this.#at = end + 1;
    return this.#text.slice(from, end);
  }

  /** The last, if there is one more: that may be an empty one. */
  last() {
    return this.#at <= this.#text.length ? this.next() : undefined;
  }

  /** All that is left. */
  rest() {
    return this.#text.slice(this.#at);
  }
}

/** Edits of header fields: a line each. */
export class Edits {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /** Calls back with each: `-` removes, `=` sets, `+` adds. @param {(sign: string, name: string, value?: string) => void} what */
  forEach(what) {
    const { text } = this;
    for (let at = 0, end; at < text.length; at = end + 1) {
      end = text.indexOf("\n", at);
      const sign = text[at];
      const tab = sign === "-" ? end : text.indexOf("\t", at);
      what(sign, text.slice(at + 1, tab), tab < end ? text.slice(tab + 1, end) : undefined);
    }
  }

  /** Applies them to the platform's fields. @param {Headers} headers */
  applyTo(headers) {
    /** @type {string | undefined} */
    let gone; // What comes again as it was stays: its lines, and bytes that are no UTF-8, only the platform's own fields have.
    this.forEach((sign, name, value = "") => {
      const stays = sign === "+" && name === gone && value === headers.get(name);
      if (gone !== undefined && !stays) headers.delete(gone);
      gone = sign === "-" ? name : undefined;
      if (sign === "=") headers.set(name, value);
      else if (sign === "+" && !stays) headers.append(name, value);
    });
    if (gone !== undefined) headers.delete(gone);
  }

  /** As data, for tests: each as its sign, name and value. */
  toJSON() {
    /** @type {string[][]} */
    const edits = [];
    this.forEach((...edit) => edits.push(edit.filter((part) => part !== undefined)));
    return edits;
  }
}

/** So many kinds of fields are kept ready, of edits that are no longer than this. */
const MOST_READY = 64;
const LONGEST_READY = 1024;
/** @type {Map<string, { headers: Headers, names: Set<string> }>} by the edits that make them */
const ready = new Map();

/** The platform's fields that those edits make of none, and their names. @param {Edits} edits */
function readyBy(edits) {
  let made = ready.get(edits.text);
  if (made !== undefined && ready.size >= MOST_READY) remember(ready, edits.text, made, MOST_READY); // it is the newest from now on
  if (made === undefined) {
    const headers = new Headers();
    edits.applyTo(headers);
    made = { headers, names: new Set(headers.keys()) };
    if (edits.text.length <= LONGEST_READY) remember(ready, edits.text, made, MOST_READY);
  }
  return made;
}

/** Where a client has more, they are copied as the platform has them: then that takes less than to set each. */
const MOST_SET = 9;

/**
 * What a region gets of a client's fields. Those that many requests are sent with alike are copied from what is kept ready: to set one costs the
 * platform three times as much, and to read it out of an object more than that.
 * @param {Pick<ClientFields, "list" | "headers" | "isText">} client @param {{ usual: Edits, edits: Edits }} changes
 */
export function fieldsFor({ list, headers: native, isText }, { usual, edits }) {
  if (!isText || list.length > 2 * MOST_SET) {
    const headers = new Headers(native);
    // Several lines of one field are what has been read of them: a region must not see other cookies than the router.
    if (isText) for (let at = 0; at < list.length; at += 2) if (list[at + 1].includes(", ")) headers.set(list[at], list[at + 1]);
    edits.applyTo(headers);
    usual.applyTo(headers);
    return headers;
  }
  /** @type {Map<string, string>} */
  const own = new Map();
  const add = (/** @type {string} */ name, /** @type {string} */ value) => own.set(name, own.has(name) ? `${own.get(name)}, ${value}` : value);
  for (let at = 0; at < list.length; at += 2) add(list[at], list[at + 1]); // only Set-Cookie comes in several lines
  edits.forEach((sign, name, value = "") => {
    if (sign === "-") own.delete(name);
    else if (sign === "+") add(name, value);
    else own.set(name, value);
  });
  const common = readyBy(usual);
  const headers = new Headers(common.headers);
  for (const [name, value] of own) if (!common.names.has(name)) headers.set(name, value);
  return headers;
}

const ORIGIN = Object.freeze({ kind: /** @type {const} */ ("origin") });

/** @param {string} text @returns {Step} */
export function readStep(text) {
  const lines = new Lines(text);
  const kind = lines.next();
  if (kind === "finish") return finish(lines);
  const id = Number(lines.next());
  switch (kind) {
    case "probe":
      return { kind, id, key: lines.next(), wait: Number(lines.next()), expired: lines.last() };
    case "look-up":
      return { kind, id, key: lines.next(), timeout: Number(lines.next()) };
    case "assign":
      return {
        kind,
        id,
        subject: lines.next(),
        subjectKind: lines.next(),
        proposed: lines.next(),
        timeout: Number(lines.next()),
        named: lines.next() === "named",
        declined: declined(lines.next()),
      };
    case "send":
      return {
        kind,
        id,
        method: lines.next(),
        service: lines.next(),
        url: lines.next(),
        timeout: Number(lines.next()),
        delay: Number(lines.next()),
        idle: Number(lines.next()),
        whole: lines.next() === "whole",
        body: /** @type {Send["body"]} */ (lines.next()),
        upgrade: lines.next() === "upgrade",
        listen: lines.next() === "listen",
        writes: lines.next() === "write",
        usual: new Edits(lines.block()),
        edits: new Edits(lines.block()),
      };
    case "answer":
      return { kind, id, key: lines.next(), finish: finish(lines) };
    default:
      throw new Error(`a step that nobody knows: ${kind}`);
  }
}

/** @param {Lines} lines from the status on @returns {Finish} */
function finish(lines) {
  const status = Number(lines.next());
  const [kind, ...places] = lines.next().split(" ");
  const edits = new Edits(lines.block());
  const key = lines.next();
  const store = key === "" ? undefined : stored(key, lines);
  const effects = [];
  for (let line; (line = lines.next()) !== ""; ) effects.push(effect(line));
  return { kind: "finish", status, source: source(kind, places.map(Number), lines), edits, store, effects };
}

/** @param {string} kind @param {number[]} places @param {Lines} lines where a body of the router's own begins @returns {Source} */
function source(kind, [at, from, length], lines) {
  switch (kind) {
    case "origin":
      return ORIGIN;
    case "own":
      return { kind, body: lines.rest() };
    case "head":
      return { kind, at };
    case "stored":
      return length === undefined ? { kind, at } : { kind, at, from, length };
    default:
      throw new Error(`a source that nobody knows: ${kind}`);
  }
}

/** @param {string} key @param {Lines} lines behind it @returns {Store} */
function stored(key, lines) {
  const [kind, ...places] = lines.next().split(" ");
  const carried = places.map(Number);
  const base = kind === "origin" ? ORIGIN : { kind: /** @type {const} */ ("stored"), at: Number(carried.shift()) };
  return { key, base, carried, edits: new Edits(lines.block()) };
}

/** @param {string} line @returns {Effect} */
function effect(line) {
  const tab = line.indexOf("\t");
  const kind = tab < 0 ? line : line.slice(0, tab);
  const said = line.slice(tab + 1);
  switch (kind) {
    case "log":
      return { kind, line: said };
    case "forget":
      return { kind, key: said };
    case "publish": {
      const [key, value] = said.split("\t");
      return { kind, key, value };
    }
    case "confirm":
    case "tell": {
      const [subject, subjectKind, value] = said.split("\t");
      const { home, epoch } = JSON.parse(value);
      return { kind, subject, subjectKind, home: { home, epoch } };
    }
    case "outdated-view":
    case "drill":
      return { kind };
    case "memo":
      return { kind, id: Number(said) };
    default:
      throw new Error(`an effect that nobody knows: ${kind}`);
  }
}

/** @param {string} text @returns {Home | undefined} */
function declined(text) {
  if (text === "") return undefined;
  const [home, epoch] = text.split("\t");
  return { home, epoch: Number(epoch) };
}

/** @param {CoreEvent} event @returns {string} */
export function writeEvent(event) {
  switch (event.kind) {
    case "cache":
      return `cache\n${event.waited ? "waited" : "alone"}${event.entry ? `\n${event.entry.text}\n${event.entry.bodies ?? ""}` : ""}`;
    case "home":
      return `home\n${event.value}`;
    case "response":
      return `response\n${event.status}${event.closes ? " close" : ""}${event.fields}`;
    case "unsent":
      return `unsent\n${event.why}`;
    case "answered":
    case "no-home":
    case "home-failed":
    case "unreadable":
    case "timed-out":
    case "lost":
    case "broken":
      return event.kind;
  }
}

/**
 * A client's header fields: names and values, one behind the other; and as the platform has them, where text cannot hold what stands in one (bytes
 * beyond ASCII that are no UTF-8). Beside them the text of all but what it accepts, and those that are read out for what comes before anything is decided.
 * `mayRepeat`: whether it does no harm to send the request twice. A page that a browser goes to may be a link that signs in once, and a part must be
 * coded as the part before it. `alike`: what those who ask alike for the URL have in common.
 * @typedef {{ list: string[], headers: Headers, isText: boolean, text: string, alike?: string, accepts?: string, address?: string, program?: string, hasContent: boolean, mayRepeat: boolean }} ClientFields
 */

/** What comes along with a request: what is remembered of its URL, if anything is. @param {{ key: string, text: string, bodies: string | null } | undefined} entry */
export const writeOffered = (entry) => (entry ? `${entry.key}\n${entry.text}\n${entry.bodies ?? ""}` : "");

/** The names that `passed_over` and `cookies_read` say. @param {string} text */
export const readNames = (text) => text.split("\n");

/** The fields in which those who ask alike may differ, and the cookies that are read: who has none of these may differ in `Cookie`. @typedef {{ fields: Set<string>, cookies: string[] }} Passed */

/** What is longer, or has more fields, may be refused for that alone: nobody asks alike then. */
const LONGEST_ALIKE = 8 * 1024;
const MOST_ALIKE = 64;

// Only the platform has the tables of Unicode (UTS 46), so a host that needs them is brought into its form here; what is no URL then is none for the core.
const FOREIGN = /^[^:]*:\/\/[^/\\?#]*(?:xn--|[^\0-\x7f])/i;
/** @param {string} url */
const known = (url) => (FOREIGN.test(url) ? (URL.parse(url)?.href ?? "") : url);

/**
 * Reads a client's fields out. `passed`: in what those who ask alike may differ, if it is of use who does.
 * @param {Headers} headers @param {Passed} [passed] @returns {ClientFields}
 */
export function readFields(headers, passed) {
  /** @type {ClientFields} */
  const client = { list: [], headers, isText: true, text: "", alike: passed && "", hasContent: false, mayRepeat: true };
  headers.forEach((value, name) => {
    client.list.push(name, value);
    if (value.includes("\ufffd")) client.isText = false;
    if (name === "accept-encoding") return void (client.accepts = value);
    if (name === "content-length" || name === "transfer-encoding") client.hasContent = true;
    else if (name === "cf-connecting-ip") client.address = value;
    else if (name === "user-agent") client.program = value;
    else if (name === "range" || (name === "sec-fetch-mode" && value === "navigate")) client.mayRepeat = false;
    const field = `\n${name}\n${value}`;
    client.text += field;
    if (passed === undefined) return;
    if (!passed.fields.has(name) || (name === "cookie" && passed.cookies.some((cookie) => value.includes(cookie)))) client.alike += field;
    else if (name === "cookie") client.alike += "\ncookie"; // some of them, whichever
  });
  return client;
}

/**
 * What is known of a request before anything is decided, as text, and what those who ask alike have in common, if anybody can. `told`: what the
 * platform tells of its client; `body`: whether it has one, why a small one has not come, or that nothing is in it.
 * @param {string} method @param {string} url @param {ClientFields} client @param {{ continent: string, accepts?: string }} told @param {Unsent | "none" | "some"} body
 */
export function writeFacts(method, url, { list, isText, text, alike, accepts }, told, body) {
  // The platform overwrites Accept-Encoding; what the client itself accepts it tells besides.
  const accepted = told.accepts ?? accepts;
  const all = accepted ? `${text}\naccept-encoding\n${accepted}` : text;
  const isAlike = alike !== undefined && isText && all.length <= LONGEST_ALIKE && list.length <= 2 * MOST_ALIKE;
  return {
    facts: `${method}\n${known(url)}\n${told.continent}\n${body}${all}`,
    // Several URLs may have one key: what a link carries goes by none.
    alike: isAlike ? `${method}\n${url}\n${told.continent}\n${body}\n${accepted ?? ""}${alike}` : undefined,
  };
}

/**
 * Reads a response's head. `told` is whether the platform tells a stream that broke from one that is whole, however it is framed: a
 * connection that is closed in the middle of a body without frame looks like its end.
 * @param {Response} response @param {boolean} told @returns {Heard}
 */
export function readHead({ status, headers, body }, told) {
  let fields = "";
  let length = null;
  let framed = told || body === null;
  let stored = false;
  let isCoded = false;
  headers.forEach((value, name) => {
    if (name === "content-length") length = value;
    if (name === "content-encoding") isCoded = true;
    if (name === "cf-cache-status") stored = isStored(value);
    if (name === "content-length" || name === "transfer-encoding") framed = true;
    fields += `\n${name}\n${value}`;
  });
  return { kind: "response", status, closes: !framed, fields, length, stored, isCoded };
}

/**
 * The regions: the name of each, where the object should be that looks from there (empty: anywhere), and whether nothing was heard from
 * there lately.
 * @param {string} text
 */
export function readVantages(text) {
  return text.split("\n").map((line) => {
    const [region, locationHint, silent] = line.split("\t");
    return { region, locationHint, isSilent: Boolean(silent) };
  });
}

/** What `published` says of the view: whether the authority itself is to be asked, and whether the view cannot be read. @param {number} bits */
export const readViewTaken = (bits) => ({ incomplete: (bits & 1) !== 0, unreadable: (bits & 2) !== 0 });
