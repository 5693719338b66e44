// Entries of the edge cache, as entry.rs of the core describes them: one stored response for each key. Its own fields are those
// of its first variant; where there are more, theirs stand in `homing-fields-N` as JSON, the lengths of the bodies in
// `homing-bodies`, and the bodies one behind the other in its body. In front of the entry's text stands its key: what a store hands out
// for another one, as a rule of the zone may make it, is nothing.
//
// A body that is too large to be held lies in a place of its own, which `homing-body` names: a store may keep what has come of one that
// broke off, so an entry is made only when all of it has come.
import { within } from "./flights.mjs";
import { LARGEST, changed, givesAgain, grow, keep, keyOf, leads, looking, near, sizeOf } from "./near.mjs";
import { HELD as MOST, collect, lone, share } from "./shared.mjs";
import { forget, isThere, mixed, place } from "./store.mjs";

/** What is stored of a body: bytes, a stream of them, nothing; false if it has not come whole. @typedef {Uint8Array | ArrayBuffer | import("./shared.mjs").Stream | null | false} Stored */

const ENTRY = "homing-entry";
const BODIES = "homing-bodies";
const BODY = "homing-body";
/** The most that the header fields of an entry take, in bytes: a store refuses more than it has room for (there were 32 KB for all of a message, until lately). */
const MOST_FIELDS = 24 * 1024;

/**
 * An answer to be given again, to those who ask alike. The core knows it by a number, and says whether it may be.
 * @typedef {{ alike: string, id: number, status: number, body: Uint8Array | null, headers: Headers, size: number }} Memo
 */
/** So many are kept of an entry, the latest. */
const MOST_MEMOS = 8;

/** Statuses whose responses have no body. */
const NO_BODY = new Set([204, 205, 304]);

/** @param {string} text */
const ascii = (text) => text.replace(/[^ -~]/g, (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"));

/** The bytes of a stream from one place on, so many of them. @param {ReadableStream} stream @param {number} from @param {number} length */
function part(stream, from, length) {
  let skip = from;
  let left = length;
  const cut = new TransformStream({
    transform(chunk, controller) {
      const start = Math.min(skip, chunk.byteLength);
      const piece = chunk.subarray(start, start + Math.min(left, chunk.byteLength - start));
      skip -= start;
      left -= piece.byteLength;
      if (piece.byteLength) controller.enqueue(piece);
      if (left === 0) controller.terminate();
    },
  });
  return stream.pipeThrough(cut).pipeThrough(new FixedLengthStream(length));
}

/** An entry in hand. */
export class Entry {
  /** What is stored under that key: as this isolate remembers it, or else as the store has it. @param {string} key @returns {Promise<Entry | undefined>} */
  static async match(key) {
    return Entry.near(key) ?? Entry.inStore(key);
  }

  /** What this isolate remembers of that key: one and the same for all who ask. @param {string} key @returns {Entry | undefined} */
  static near(key) {
    const found = near(key);
    // One without a body would read that for each.
    if (!found?.bytes) return found && new Entry(key, found.headers, null, undefined, true);
    found.entry ??= new Entry(key, found.headers, null, found.bytes, true);
    return found.entry;
  }

  /** The same for whoever asks for that URL. @param {string} url */
  static of(url) {
    const key = keyOf(url);
    return key === undefined ? undefined : Entry.near(key);
  }

  /** The same of a key for which somebody looks who asks for that URL. @param {string} key @param {string} url */
  static lookedFor(key, url) {
    const entry = Entry.near(key);
    if (entry) leads(url, key);
    return entry;
  }

  /** What the store has under that key. @param {string} key @returns {Promise<Entry | undefined>} */
  static async inStore(key) {
    const looked = looking(key);
    const response = await find(key);
    if (!response) return undefined;
    const { headers, body } = response;
    const where = headers.get(BODY);
    if (where) {
      body?.cancel().catch(() => {});
      const apart = await find(where);
      return apart && new Entry(key, headers, apart.body);
    }
    const entry = new Entry(key, headers, body);
    const kept = looked !== undefined && entry.isSmall();
    // What cannot be read is none, where that is known before anything is decided by it.
    if (body !== null && (kept || entry.lengths !== undefined) && !(await entry.isReadable())) return undefined;
    if (kept) keep(key, looked, { headers, bytes: entry.whole ?? null });
    return entry;
  }

  /** @param {string} key @param {Headers} headers @param {ReadableStream | null} stream @param {Uint8Array} [whole] @param {boolean} [remembered] */
  constructor(key, headers, stream, whole, remembered = false) {
    this.key = key;
    this.remembered = remembered; // whether it may be gone from the store
    this.headers = headers;
    /** What the core knows it by: the text, and the lengths of its bodies. */
    this.text = (headers.get(ENTRY) ?? "").slice(key.length + 1);
    this.stream = stream; // its body
    /** @type {Promise<Uint8Array | undefined> | undefined} */
    this.reading = undefined; // a promise of the bytes of that
    this.whole = whole; // those, once they are read
    this.bodies = headers.get(BODIES) ?? headers.get("content-length");
    this.lengths = this.bodies?.includes(",") ? this.bodies.split(",").map(Number) : undefined; // of several
    /** @type {{ at: number, text: string, headers: Headers } | undefined} */
    this.last = undefined; // the fields of the last answer, by what made them
    /** @type {Memo[]} */
    this.memos = [];
    /** @type {string | undefined} */
    this.alike = undefined; // how the last one asked for whom there was none
    /** @type {boolean | undefined} */
    this.coded = undefined; // whether a variant is, once somebody has asked
  }

  /** Whether its body is so small, and known to be, that it may lie in the memory of this isolate. */
  isSmall() {
    if (this.stream === null) return true;
    const length = this.lengths ? this.start(this.lengths.length) : Number(this.bodies ?? NaN);
    return length <= LARGEST;
  }

  /** Whether a variant's body is coded, so that not everybody can decode it: `reads` finds it in the text, for the store does not see it. @param {(text: string) => boolean} reads */
  isCoded(reads) {
    return (this.coded ??= reads(this.text));
  }

  /** Whether it is the same as that one, for the core. @param {Entry} other */
  isLike({ text, bodies }) {
    return this.text === text && this.bodies === bodies;
  }

  /** The fields of the variant in that place, without what belongs to the entry. @param {number} at */
  fields(at) {
    if (at > 0) return new Headers(JSON.parse(this.headers.get(`homing-fields-${at}`) ?? "[]"));
    const headers = new Headers(this.headers);
    for (const own of [BODIES, BODY]) headers.delete(own);
    if (this.bodies !== null && this.lengths === undefined) headers.set("content-length", this.bodies);
    // The store's own word on this hit; stored again, it would stand there twice and count for nothing.
    headers.delete("cf-cache-status");
    for (let n = 1; n < (this.lengths?.length ?? 0); n++) headers.delete(`homing-fields-${n}`);
    return headers;
  }

  /** Its body, all of it, as bytes; nothing if it breaks, or is more than is held in memory or not what it says. It is read once. */
  async bytes() {
    if (this.whole !== undefined) return this.whole;
    this.reading ??= this.stream ? collect(this.stream, MOST) : Promise.resolve(new Uint8Array());
    const whole = await this.reading;
    if (whole?.byteLength === this.length(whole)) this.whole = whole;
    return this.whole;
  }

  /** How long it must be. @param {Uint8Array | undefined} whole */
  length(whole) {
    if (this.lengths) return this.start(this.lengths.length);
    return this.stream && this.bodies !== null ? Number(this.bodies) : whole?.byteLength;
  }

  /** Whether its body, or the variants of it, can be read, so far as they are held for that. One that cannot be nobody finds again. */
  async isReadable() {
    if (this.isLarge() || (await this.bytes()) !== undefined) return true;
    await forget(this.key).catch(() => {});
    return false;
  }

  isLarge() {
    return this.lengths === undefined && (this.bodies === null ? this.stream !== null : Number(this.bodies) > MOST);
  }

  /**
   * The body of a variant, or a part of it; `from` and `length` may be left out.
   * @param {number} at @param {number} [from] @param {number} [length] @returns {Promise<ReadableStream | Uint8Array | null>}
   */
  async body(at, from, length) {
    if (this.whole === undefined && this.lengths === undefined) {
      return length === undefined ? this.stream : this.stream && part(this.stream, from ?? 0, length);
    }
    // Several variants were read before anything was decided by them (`inStore`).
    return this.cut(/** @type {Uint8Array} */ (await this.bytes()), at, from, length);
  }

  /** The same of all bodies. @param {Uint8Array} whole @param {number} at @param {number} [from] @param {number} [length] */
  cut(whole, at, from = 0, length = undefined) {
    const start = this.start(at) + from;
    return whole.subarray(start, length === undefined ? this.start(at + 1) : start + length);
  }

  /**
   * The body of a variant for the store, so that there is one for the answer too, if that needs it; false if not all of it is there.
   * @param {number} at @param {boolean} needed @param {ExecutionContext} ctx @returns {Promise<Stored>}
   */
  async share(at, needed, ctx) {
    if (this.whole !== undefined || (!this.isLarge() && this.stream !== null)) {
      return (await this.bytes()) === undefined ? false : /** @type {Promise<Uint8Array>} */ (this.body(at));
    }
    if (this.stream === null) return null;
    if (!needed) return (await lone(this.stream, this.bodies)) ?? false;
    const { answer, stored } = share(this.stream, this.bodies, ctx);
    this.stream = answer;
    return (await stored) ?? false;
  }

  /** @param {number} at */
  start(at) {
    if (this.lengths === undefined) return at === 0 ? 0 : (this.whole?.byteLength ?? 0);
    return this.lengths.slice(0, at).reduce((sum, length) => sum + length, 0);
  }

  /**
   * The answer with the variant's fields and these edits.
   * @param {Extract<import("./wire.mjs").Source, { at: number }>} source @param {number} status @param {import("./wire.mjs").Edits} edits
   * @returns {Response | Promise<Response>}
   */
  answer(source, status, edits) {
    const part = source.kind === "head" || NO_BODY.has(status) ? undefined : source;
    if (!this.remembered) return this.read(source.at, part, status, edits);
    const body = part && this.whole ? this.cut(this.whole, part.at, part.from, part.length) : null;
    // The cache hands bodies out coded as they were stored.
    return new Response(body, { status, headers: this.edited(source.at, edits), encodeBody: "manual" });
  }

  /**
   * The same of one that the store has.
   * @param {number} at @param {Extract<import("./wire.mjs").Source, { kind: "stored" }> | undefined} part @param {number} status @param {import("./wire.mjs").Edits} edits
   */
  async read(at, part, status, edits) {
    const body = part ? await this.body(part.at, part.from, part.length) : null;
    if (body === null) this.drop();
    const response = new Response(body, { status, headers: this.shown(at), encodeBody: "manual" });
    edits.applyTo(response.headers);
    return response;
  }

  /** The fields of the variant in that place that an answer is made of. @param {number} at */
  shown(at) {
    return this.lengths !== undefined || this.headers.has(BODY) ? this.fields(at) : this.headers;
  }

  /**
   * The same with these edits. Within a second most who ask get the very same, so the last ones are kept: the platform copies fields for a third of
   * what it takes to change them.
   * @param {number} at @param {import("./wire.mjs").Edits} edits
   */
  edited(at, edits) {
    if (this.last?.at !== at || this.last.text !== edits.text) {
      const headers = new Headers(this.shown(at));
      edits.applyTo(headers);
      this.last = { at, text: edits.text, headers };
    }
    return this.last.headers;
  }

  /**
   * Keeps the answer that was just given, for those who ask alike, if two such have come in a row: many are the only ones of their kind. It takes
   * the place of the one that such had before.
   * @param {Pick<Memo, "alike" | "id" | "status">} memo @param {number} at @param {import("./wire.mjs").Edits} edits
   */
  keep({ alike, id, status }, at, edits) {
    const isOfMany = this.alike === alike;
    this.alike = alike;
    if (!isOfMany || this.whole === undefined) return;
    const size = () => this.memos.reduce((sum, memo) => sum + memo.size, 0);
    const before = size();
    const others = this.memos.filter((memo) => memo.alike !== alike);
    if (others.length >= MOST_MEMOS) others.shift();
    const body = NO_BODY.has(status) ? null : this.cut(this.whole, at);
    const headers = this.edited(at, edits);
    this.memos = [...others, { alike, id, status, body, headers, size: alike.length + sizeOf(headers) }];
    grow(this.key, size() - before);
  }

  /** The answer that somebody got who asked alike. @param {string} alike */
  memo(alike) {
    return this.memos.find((memo) => memo.alike === alike);
  }

  /** The answer of a memo, again. @param {Memo} memo */
  again({ status, body, headers }) {
    givesAgain();
    return new Response(body, { status, headers, encodeBody: "manual" });
  }

  drop() {
    if (this.whole === undefined) this.stream?.cancel().catch(() => {});
  }
}

/** What lies in the store under a key, and nothing that lies there for another. @param {string} key */
async function find(key) {
  const found = await caches.default.match(place(key)).catch(() => undefined);
  if (!found || found.headers.get(ENTRY)?.startsWith(`${key} `)) return found;
  found.body?.cancel().catch(() => {});
  mixed();
}

/** @param {Stored} body @returns {body is import("./shared.mjs").Stream} */
const isStream = (body) => body instanceof Object && "stream" in body;

/**
 * Makes the fields of a response those of an entry: its key, and the fields of the variants behind the first, as many of them as there is
 * room for. Returns their places.
 * @param {string} key @param {Headers} headers @param {Entry | undefined} held @param {number[]} carried
 */
function bind(key, headers, held, carried) {
  const [format, first, ...texts] = (headers.get(ENTRY) ?? "").split("^");
  let text = `${key} ${format}^${first}`;
  headers.delete(ENTRY);
  let room = MOST_FIELDS - sizeOf(headers) - text.length;
  if (room < 0) throw new Error(`the header fields take more than ${MOST_FIELDS} bytes`);
  /** @type {number[]} */
  const places = [];
  for (const [n, at] of carried.entries()) {
    if (!held) break;
    const fields = held.fields(at);
    for (const own of [ENTRY, "content-length"]) fields.delete(own);
    const line = ascii(JSON.stringify([...fields]));
    // Bytes that are no UTF-8 come out of the platform as this, and would be stored as this.
    if (line.includes("\\ufffd")) continue;
    room -= texts[n].length + line.length + 32;
    if (room < 0) break;
    headers.set(`homing-fields-${places.length + 1}`, line);
    text += `^${texts[n]}`;
    places.push(at);
  }
  headers.set(ENTRY, text);
  return places;
}

/**
 * Stores an entry under a key: the first variant with these fields and this body (bytes, or what is shared with the client), and
 * variants of the entry in hand behind it. True if it is stored.
 * @param {string} key @param {Headers} headers @param {Stored | Promise<Uint8Array | undefined>} body @param {Entry | undefined} held @param {number[]} carried
 */
export async function put(key, headers, body, held, carried) {
  if (body instanceof Promise) body = (await body) ?? false;
  if (body === false) return false;
  // It is what it says, or nothing: of a part that did not say its length, the core does.
  const said = headers.get("content-length");
  if (said !== null && body instanceof Uint8Array && body.byteLength !== Number(said)) return false;
  const streams = isStream(body) ? body : undefined;
  /** @type {Uint8Array | ArrayBuffer | null} */
  let bytes = isStream(body) ? null : body;
  let places;
  try {
    places = bind(key, headers, held, carried);
  } catch (error) {
    streams?.stream.cancel().catch(() => {});
    throw error;
  }
  if (held && places.length > 0) {
    const first = streams ? await collect(streams.stream, MOST) : (bytes ?? new Uint8Array());
    const bodies = first && (await held.bytes()) ? [first] : [];
    // Read whole, a variant's body is bytes.
    for (const at of bodies.length > 0 ? places : []) bodies.push(/** @type {Uint8Array} */ (await held.body(at)));
    const sum = bodies.reduce((sum, { byteLength }) => sum + byteLength, 0);
    // Too much to hold at once: the next answer begins anew and alone.
    if (bodies.length <= places.length || sum > MOST) {
      await forget(key);
      return false;
    }
    headers.set(BODIES, bodies.map(({ byteLength }) => byteLength).join());
    headers.delete("content-length");
    bytes = new Uint8Array(await new Blob(bodies).arrayBuffer());
  } else if (streams) {
    const where = await apart(key, headers, streams);
    if (where === undefined) return false;
    headers.set(BODY, where);
    headers.set(BODIES, headers.get("content-length") ?? "");
    headers.delete("content-length");
  }
  changed(key);
  await caches.default.put(place(key), new Response(bytes, { headers, encodeBody: "manual" })).finally(() => changed(key));
  return true;
}

/**
 * Stores a body in a place of its own, where nobody looks before an entry names it; returns that place, if all of it has come.
 * @param {string} key @param {Headers} headers @param {import("./shared.mjs").Stream} body
 */
async function apart(key, headers, { stream, whole }) {
  const where = new URL(`/_homing/bodies/${crypto.randomUUID()}`, key).href;
  const own = { "cache-control": headers.get("cache-control") ?? "", "content-length": headers.get("content-length") ?? "", [ENTRY]: `${where} body` };
  try {
    await caches.default.put(place(where), new Response(stream, { headers: own }));
    if (await whole) {
      if (await isThere(where)) return where;
      throw new Error("the store did not take it"); // which it does not say itself (413)
    }
  } catch (error) {
    // It is the store's fault only if the body has not broken.
    if ((await within(100, whole).catch(() => true)) === true) throw error;
  }
  await forget(where).catch(() => {});
}
