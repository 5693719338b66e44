// The text that crosses between JavaScript and the core in Wasm, as typed objects. Its twin is wire.rs, and tests/golden/wire.txt holds
// both to the same cases; no other JavaScript knows what stands in which line.
//
// Every call into the platform costs about a microsecond, and an iterator over its fields several objects for each: so they are read out by
// `forEach`, once. A step costs one split and one object; its edits stay text until they are applied.
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
 * body is read whole before the answer is told. `body`: what the region gets of the client's.
 * @typedef {{ kind: "send", id: number, method: string, service: string, url: string, timeout: number, delay: number, idle: number, whole: boolean, body: "empty" | "held" | "upload", upgrade: boolean, edits: Edits }} Send
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
 * or `tell` it of one that an origin has named; read the view, which is outdated; tell the authority of a drill; log a line.
 * @typedef {{ kind: "forget", key: string } | { kind: "publish", key: string, value: string } | { kind: "confirm", subject: string, subjectKind: string, home: Home }
 *   | { kind: "tell", subject: string, subjectKind: string, home: Home } | { kind: "outdated-view" } | { kind: "drill" } | { kind: "log", line: string }} Effect
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
 * The fields as text, and besides the length of the body, if the response says one, and whether a cache on the way has given it.
 * @typedef {{ kind: "response", status: number, closes: boolean, fields: string, length: string | null, stored: boolean }} Heard
 * @typedef {"slow" | "broken"} Unsent
 */

/** Edits of header fields: lines of a step, from one on, up to an empty one. */
export class Edits {
  #lines;
  #at;

  /** @param {string[]} lines @param {number} at */
  constructor(lines, at) {
    this.#lines = lines;
    this.#at = at;
  }

  /** Applies them to the platform's fields. @param {Headers} headers */
  applyTo(headers) {
    const lines = this.#lines;
    for (let at = this.#at; lines[at]; at++) {
      const line = lines[at];
      const tab = line.indexOf("\t");
      if (line[0] === "-") {
        const name = line.slice(1);
        // What comes again as it was stays: its lines, and bytes that are no UTF-8, only the platform's own fields have.
        const next = lines[at + 1];
        if (next.startsWith(`+${name}\t`) && next.slice(name.length + 2) === headers.get(name)) at++;
        else headers.delete(name);
      } else if (line[0] === "=") headers.set(line.slice(1, tab), line.slice(tab + 1));
      else headers.append(line.slice(1, tab), line.slice(tab + 1));
    }
  }

  /**
   * Fields with them, as a new object without a prototype: cheaper than a list of the platform's, which it is where text does not hold them.
   * @param {ClientFields} client
   */
  over({ fields, native }) {
    if (native) {
      const headers = new Headers(native);
      this.applyTo(headers);
      return headers;
    }
    const lines = this.#lines;
    const changed = Object.create(null);
    for (const name in fields) changed[name] = fields[name];
    for (let at = this.#at; lines[at]; at++) {
      const line = lines[at];
      const tab = line.indexOf("\t");
      const name = line.slice(1, tab < 0 ? undefined : tab);
      const value = line.slice(tab + 1);
      if (line[0] === "-") delete changed[name];
      else changed[name] = line[0] === "+" && name in changed ? `${changed[name]}, ${value}` : value;
    }
    return changed;
  }

  /** As data, for tests: each as its sign, name and value. */
  toJSON() {
    const edits = [];
    for (let at = this.#at; this.#lines[at]; at++) {
      const line = this.#lines[at];
      const tab = line.indexOf("\t");
      edits.push(tab < 0 ? [line[0], line.slice(1)] : [line[0], line.slice(1, tab), line.slice(tab + 1)]);
    }
    return edits;
  }
}

const ORIGIN = Object.freeze({ kind: /** @type {const} */ ("origin") });

/** @param {string} text @returns {Step} */
export function readStep(text) {
  const lines = text.split("\n");
  const id = Number(lines[1]);
  switch (lines[0]) {
    case "probe":
      return { kind: "probe", id, key: lines[2], wait: Number(lines[3]), expired: lines[4] };
    case "look-up":
      return { kind: "look-up", id, key: lines[2], timeout: Number(lines[3]) };
    case "assign":
      return {
        kind: "assign",
        id,
        subject: lines[2],
        subjectKind: lines[3],
        proposed: lines[4],
        timeout: Number(lines[5]),
        named: lines[6] === "named",
        declined: lines[7] ? declined(lines[7]) : undefined,
      };
    case "send":
      return {
        kind: "send",
        id,
        method: lines[2],
        service: lines[3],
        url: lines[4],
        timeout: Number(lines[5]),
        delay: Number(lines[6]),
        idle: Number(lines[7]),
        whole: lines[8] === "whole",
        body: /** @type {Send["body"]} */ (lines[9]),
        upgrade: lines[10] === "upgrade",
        edits: new Edits(lines, 11),
      };
    case "answer":
      return { kind: "answer", id, key: lines[2], finish: finish(lines, 3) };
    case "finish":
      return finish(lines, 1);
    default:
      throw new Error(`a step that nobody knows: ${lines[0]}`);
  }
}

/** @param {string[]} lines @param {number} at the place of the status @returns {Finish} */
function finish(lines, at) {
  const ends = lines.indexOf("", at + 2); // of the edits
  const stores = lines[ends + 1] !== "";
  const first = stores ? lines.indexOf("", ends + 3) + 1 : ends + 2;
  const effects = [];
  let next = first;
  for (; lines[next] !== ""; next++) effects.push(effect(lines[next]));
  return {
    kind: "finish",
    status: Number(lines[at]),
    source: source(lines, at + 1, next + 1),
    edits: new Edits(lines, at + 2),
    store: stores ? store(lines, ends + 1) : undefined,
    effects,
  };
}

/** @param {string[]} lines @param {number} at @param {number} own where a body of the router's own begins @returns {Source} */
function source(lines, at, own) {
  const [kind, place, from, length] = lines[at].split(" ");
  switch (kind) {
    case "origin":
      return ORIGIN;
    case "own":
      return { kind, body: lines.slice(own).join("\n") };
    case "head":
      return { kind, at: Number(place) };
    case "stored":
      return length === undefined ? { kind, at: Number(place) } : { kind, at: Number(place), from: Number(from), length: Number(length) };
    default:
      throw new Error(`a source that nobody knows: ${kind}`);
  }
}

/** @param {string[]} lines @param {number} at @returns {Store} */
function store(lines, at) {
  const [kind, ...places] = lines[at + 1].split(" ");
  const carried = places.map(Number);
  return {
    key: lines[at],
    base: kind === "origin" ? ORIGIN : { kind: "stored", at: Number(carried.shift()) },
    carried,
    edits: new Edits(lines, at + 2),
  };
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
    default:
      throw new Error(`an effect that nobody knows: ${kind}`);
  }
}

/** @param {string} text @returns {Home} */
function declined(text) {
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
 * The client's header fields: as an object, and where text cannot hold what stands in one (bytes beyond ASCII that are no UTF-8) as the
 * platform has them.
 * @typedef {{ fields: Record<string, string>, native?: Headers }} ClientFields
 */

// Only the platform has the tables of Unicode (UTS 46), so a host that needs them is brought into its form here; what is no URL then is none for the core.
const FOREIGN = /^[^:]*:\/\/[^/\\?#]*(?:xn--|[^\0-\x7f])/i;
/** @param {string} url */
const known = (url) => (FOREIGN.test(url) ? (URL.parse(url)?.href ?? "") : url);

/**
 * What is known of a request before anything is decided, as text; its fields go into `client` too. `unsent`: why a small body has not
 * come, or that nothing is in it.
 * @param {Request} request @param {string} url @param {ClientFields} client @param {Unsent | "none"} [unsent]
 */
export function writeFacts(request, url, client, unsent) {
  const { method, headers, cf } = request;
  const { fields } = client;
  // The platform overwrites Accept-Encoding; what the client itself accepts stands here.
  const accepts = cf?.clientAcceptEncoding;
  let text = "";
  let content = false;
  headers.forEach((value, name) => {
    // Only Set-Cookie comes in several lines.
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
    if (value.includes("\ufffd")) client.native = headers;
    if (name === "content-length" || name === "transfer-encoding") content = true;
    if (accepts === undefined || name !== "accept-encoding") text += `\n${name}\n${value}`;
  });
  if (accepts) text += `\naccept-encoding\n${accepts}`;
  // The body of a GET is never sent on, so only its length could be of interest.
  if (method !== "GET" && method !== "HEAD") content = request.body !== null;
  return `${method}\n${known(url)}\n${cf?.continent ?? ""}\n${unsent ?? (content ? "some" : "none")}${text}`;
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
  headers.forEach((value, name) => {
    if (name === "content-length") length = value;
    if (name === "cf-cache-status") stored = isStored(value);
    if (name === "content-length" || name === "transfer-encoding") framed = true;
    fields += `\n${name}\n${value}`;
  });
  return { kind: "response", status, closes: !framed, fields, length, stored };
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
