// One body for two: the client, who reads as slowly as it likes, and the store, which gets all of it or nothing. What is held in
// memory meanwhile is bounded, whoever is slow; `tee` holds all that the slower one has not read, so it is for small ones.
import { PIECE, channel } from "./body.mjs";
import { within } from "./flights.mjs";
import { Hold } from "./hold.mjs";

/**
 * What the store gets of a body: all its bytes, or nothing if they do not all come; or a stream, and whether that was all.
 * @typedef {Promise<Uint8Array | undefined>} Bytes
 * @typedef {{ stream: ReadableStream, whole: Promise<boolean> }} Stream
 */

/** The most that is held in memory of one body. */
export const HELD = 1024 * 1024;
/** How far the store may be behind the client, in bytes, and how long the client then waits for it at most. */
const LEEWAY = 256 * 1024;
const PATIENCE_MS = 2000;
/** A client that takes longer is not the one by whom the store is filled: others wait for that. */
const FILL_MS = 10_000;

/** The bytes of some pieces as one. @param {Uint8Array[]} pieces */
export function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/**
 * The next piece of a body, as large as may be: a small one is copied, so that what is kept of it is no larger than it is.
 * @param {ReadableStreamBYOBReader} reader
 */
async function take(reader) {
  const { done, value } = await reader.read(new Uint8Array(PIECE));
  if (done) return undefined;
  return value.byteLength < PIECE / 2 ? value.slice() : value;
}

/** All of a stream, or nothing if that is more than `most`, or not all of it comes. @param {ReadableStream} stream @param {number} most @returns {Bytes} */
export async function collect(stream, most) {
  const reader = stream.getReader({ mode: "byob" });
  /** @type {Uint8Array[]} */
  const pieces = [];
  let size = 0;
  try {
    for (let piece; (piece = await take(reader)) !== undefined; pieces.push(piece)) {
      size += piece.byteLength;
      if (size > most) {
        reader.cancel().catch(() => {});
        return undefined;
      }
    }
  } catch {
    return undefined;
  }
  return joined(pieces);
}

/**
 * Parts a body into `answer`, a stream for the client, and `stored`, for the store: a promise of all its bytes, or of nothing if it is
 * too large to hold or breaks; where it says that it is larger than is held, `{ stream, whole }`: what comes of it, and a promise of
 * whether that was all. Where this isolate holds enough of others, the body is handed on as it is and the store gets nothing.
 * @param {ReadableStream} body @param {string | null} length @param {ExecutionContext} ctx @returns {{ answer: ReadableStream, stored: Bytes | Stream }}
 */
export function share(body, length, ctx) {
  if (length === null) return held(body, ctx);
  const size = Number(length);
  const hold = Hold.of(isLarge(length) ? LEEWAY : 2 * size);
  if (!hold) return { answer: body, stored: Promise.resolve(undefined) };
  if (!isLarge(length)) return doubled(body, size, hold, ctx);
  const shared = paced(body, size, ctx);
  shared.stored.whole.then(() => hold.end());
  return { ...shared, answer: fixed(shared.answer, size, ctx).answer };
}

/**
 * Of a body that is small enough the platform itself may hold what the slower one has not read. Whether a client has read all of a
 * very small one is not looked at: most of that is on its way by then.
 * @param {ReadableStream} body @param {number} length @param {Hold} hold @param {ExecutionContext} ctx
 */
function doubled(body, length, hold, ctx) {
  const [branch, own] = body.tee();
  const whole = (/** @type {ArrayBuffer} */ bytes) => (bytes.byteLength === length ? new Uint8Array(bytes) : undefined);
  const stored = new Response(own).arrayBuffer().then(whole, () => undefined);
  const { answer, gone } = length > PIECE ? fixed(branch, length, ctx) : { answer: branch, gone: undefined };
  Promise.all([stored, gone]).then(() => hold.end());
  return { answer, stored };
}

/** The same for the store alone, where nobody waits for an answer. @param {ReadableStream} body @param {string | null} length @returns {Bytes | Stream} */
export function lone(body, length) {
  if (!isLarge(length)) return alone(body, length === null ? HELD : Number(length));
  const { readable, writable } = channel(length);
  return {
    stream: readable,
    whole: body.pipeTo(writable).then(
      () => true,
      () => false,
    ),
  };
}

/** @param {ReadableStream} body @param {number} size @returns {Bytes} */
async function alone(body, size) {
  const hold = Hold.of(size);
  if (!hold) {
    body.cancel().catch(() => {});
    return undefined;
  }
  return collect(body, HELD).finally(() => hold.end());
}

/** @param {string | null} length @returns {length is string} */
const isLarge = (length) => length !== null && Number(length) > HELD;

/**
 * The same stream with a length that the answer can say, and a promise of when all of it is gone.
 * @param {ReadableStream} stream @param {number} length @param {ExecutionContext} ctx
 */
function fixed(stream, length, ctx) {
  const { readable, writable } = channel(length);
  const gone = stream.pipeTo(writable).catch(() => {});
  ctx.waitUntil(gone);
  return { answer: readable, gone };
}

/** The client's end: what it is given, as long as it wants that. */
class Client {
  wanted = true;

  /** @param {() => void | Promise<void>} pull @param {() => void | Promise<void>} gone */
  constructor(pull, gone) {
    this.stream = new ReadableStream({
      start: (controller) => void (this.controller = controller),
      pull,
      cancel: () => {
        this.wanted = false;
        return gone();
      },
    });
  }

  /** Whether it has read all that it was given, or wants no more. */
  get done() {
    return !this.wanted || (this.controller.desiredSize ?? 0) > 0;
  }

  end() {
    if (this.wanted) this.controller.close();
    this.wanted = false;
  }

  /** Reads one piece for it; returns that, or nothing if it was the end. Throws if the body breaks. @param {ReadableStreamBYOBReader} reader */
  async next(reader) {
    try {
      const piece = await take(reader);
      if (this.wanted && piece !== undefined) this.controller.enqueue(piece);
      return piece;
    } catch (error) {
      if (this.wanted) this.controller.error(error);
      this.wanted = false;
      throw error;
    }
  }
}

/**
 * Of no length that is known: read on whether or not the client does, until it is whole or too large to hold; from then on as the client reads.
 * @param {ReadableStream} body @param {ExecutionContext} ctx @returns {{ answer: ReadableStream, stored: Bytes }}
 */
function held(body, ctx) {
  const reader = body.getReader({ mode: "byob" });
  const hold = new Hold();
  /** @type {Uint8Array[]} */
  const pieces = [];
  let size = 0;
  let more = true; // whether the body has not ended
  const whole = async () => {
    try {
      for (let piece; size <= HELD && (piece = await client.next(reader)); pieces.push(piece)) {
        // Twice: the client may not have read it when all of it is put together for the store.
        size += hold.add(2 * piece.byteLength) ? piece.byteLength : Infinity;
      }
      more = size > HELD;
      return more ? undefined : joined(pieces);
    } catch {
      more = false;
    } finally {
      pieces.length = 0;
    }
  };
  // Called when the client has read all that there was, and once at the beginning.
  const onward = async () => {
    await stored;
    if (!client.done) return;
    hold.end();
    if (more && (await client.next(reader)) === undefined) more = false;
    if (!more) client.end();
  };
  const gone = () => {
    const over = async () => {
      await stored;
      hold.end();
      if (more) await reader.cancel();
    };
    ctx.waitUntil(over().catch(() => {}));
  };
  const client = new Client(() => onward().catch(() => {}), gone);
  const stored = whole();
  return { answer: client.stream, stored };
}

/**
 * Read as the client reads; the store keeps up with it or is left out. When the client goes, as the store does.
 * @param {ReadableStream} body @param {number} length @param {ExecutionContext} ctx
 */
function paced(body, length, ctx) {
  const reader = body.getReader({ mode: "byob" });
  const { readable, writable } = channel(length);
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  let storing = true;
  let more = true; // whether the body has not ended
  let behind = 0;
  const { promise: whole, resolve: settle } = /** @type {PromiseWithResolvers<boolean>} */ (Promise.withResolvers());
  const giveUp = (/** @type {unknown} */ why) => {
    if (storing) writer.abort(why).catch(() => {});
    storing = false;
    clearTimeout(timer);
    settle(false);
  };
  const timer = setTimeout(() => giveUp(new Error("the client is slow")), FILL_MS);
  const store = async (/** @type {Uint8Array} */ piece) => {
    behind += piece.byteLength;
    const written = writer.write(piece).then(() => void (behind -= piece.byteLength), giveUp);
    if (behind > LEEWAY) await within(PATIENCE_MS, written).catch(giveUp);
  };
  const next = async () => {
    try {
      const piece = await client.next(reader);
      if (piece === undefined) {
        more = false;
        client.end();
        clearTimeout(timer);
        if (storing) writer.close().then(() => settle(true), giveUp);
      } else if (storing) await store(piece);
    } catch (error) {
      more = false;
      giveUp(error);
    }
  };
  const onward = async () => {
    while (more && storing) await next();
    if (more) await reader.cancel();
  };
  const client = new Client(next, () => ctx.waitUntil(onward().catch(() => {})));
  return { answer: client.stream, stored: { stream: readable, whole } };
}
