// Entries of the edge cache, as entry.rs of the core describes them: one stored response for each key. Its own fields are those
// of its first variant; where there are more, theirs stand in `homing-fields-N` as JSON, the lengths of the bodies in
// `homing-bodies`, and the bodies one behind the other in its body.
import { edit } from "./fields.mjs";

const ENTRY = "homing-entry";
const BODIES = "homing-bodies";
/** The most that is held in memory to put several variants into one entry. */
const MOST = 1024 * 1024;

/** Statuses whose responses have no body. */
const NO_BODY = new Set([204, 205, 304]);

const ascii = (text) => text.replace(/[^ -~]/g, (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"));

/** All of a stream, or nothing if that is more than `most`. */
async function collect(stream, most) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.byteLength;
    if (length > most) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** The bytes of a stream from one place on, so many of them. */
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
  static async match(key) {
    const response = await caches.default.match(key).catch(() => undefined);
    return response && new Entry(response);
  }

  constructor(response) {
    this.response = response;
    this.whole = undefined; // the bytes of its body, once they are read
    this.bodies = response.headers.get(BODIES);
    this.lengths = this.bodies === null ? undefined : this.bodies.split(",").map(Number);
  }

  /** The entry as text: what the core asks of it. */
  head() {
    const { headers } = this.response;
    return `${headers.get(ENTRY) ?? ""}\n${this.bodies ?? headers.get("content-length") ?? ""}`;
  }

  /** The fields of the variant in that place, without what belongs to the entry. */
  fields(at) {
    if (at > 0) return new Headers(JSON.parse(this.response.headers.get(`homing-fields-${at}`)));
    const headers = new Headers(this.response.headers);
    headers.delete(BODIES);
    // The store's own word on this hit; stored again, it would stand there twice and count for nothing.
    headers.delete("cf-cache-status");
    for (let n = 1; n < (this.lengths?.length ?? 0); n++) headers.delete(`homing-fields-${n}`);
    return headers;
  }

  /** Its body, all of it, as bytes; nothing if it is more than is held in memory. */
  async bytes() {
    return (this.whole ??= await collect(this.response.body ?? [], MOST));
  }

  /** The body of a variant, or a part of it; `from` and `length` may be left out. */
  async body(at, from, length) {
    if (this.whole === undefined && this.lengths === undefined) {
      return length === undefined ? this.response.body : part(this.response.body, from, length);
    }
    const whole = await this.bytes();
    const start = this.start(at) + (from ?? 0);
    return whole.subarray(start, length === undefined ? this.start(at + 1) : start + length);
  }

  /** The body of a variant for the store, so that there is one for the answer too, if that needs it. */
  async share(at, needed) {
    const size = this.response.headers.get("content-length");
    if (this.lengths !== undefined || (size !== null && Number(size) <= MOST)) {
      await this.bytes();
      return this.body(at);
    }
    const { body, headers } = this.response;
    if (!needed || body === null) return body;
    const [stored, answered] = body.tee();
    this.response = { body: answered, headers };
    return stored;
  }

  start(at) {
    if (this.lengths === undefined) return at === 0 ? 0 : this.whole.byteLength;
    return this.lengths.slice(0, at).reduce((sum, length) => sum + length, 0);
  }

  /** The answer with the variant's fields, changed by the edits of these lines; returns where they end, too. */
  async answer(source, status, lines, at) {
    const [place, from, length] = source.slice(1).split(" ").map(Number);
    // The cache hands bodies out coded as they were stored.
    const body = source[0] !== "c" || NO_BODY.has(status) ? null : await this.body(place, from, length);
    if (body === null) this.drop();
    const headers = this.lengths === undefined ? this.response.headers : this.fields(place);
    const response = new Response(body, { status, headers, encodeBody: "manual" });
    edit(response.headers, lines, at);
    return response;
  }

  drop() {
    if (this.whole === undefined) this.response.body?.cancel().catch(() => {});
  }
}

/**
 * Stores an entry under a key: the first variant with these fields and this body (bytes or a stream), and variants of the entry
 * in hand behind it. True if it is stored.
 */
export async function put(key, headers, body, held, carried) {
  if (carried.length > 0) {
    const bodies = [body instanceof ReadableStream ? await collect(body, MOST) : (body ?? new Uint8Array())];
    const whole = bodies[0] && (await held.bytes());
    for (const at of whole ? carried : []) bodies.push(await held.body(at));
    const sum = bodies.reduce((sum, bytes) => sum + (bytes?.byteLength ?? 0), 0);
    // Too much to hold at once: the next answer begins anew and alone.
    if (bodies.length <= carried.length || sum > MOST) return void (await caches.default.delete(key));
    for (const [n, at] of carried.entries()) {
      const fields = held.fields(at);
      for (const own of [ENTRY, "content-length"]) fields.delete(own);
      headers.set(`homing-fields-${n + 1}`, ascii(JSON.stringify([...fields])));
    }
    headers.set(BODIES, bodies.map((bytes) => bytes.byteLength).join());
    headers.delete("content-length");
    body = new Uint8Array(await new Blob(bodies).arrayBuffer());
  }
  await caches.default.put(key, new Response(body, { headers, encodeBody: "manual" }));
  return true;
}
