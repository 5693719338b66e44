// One body for two: the client, who reads as slowly as it likes, and the store, which gets all of it or nothing. What is held in
// memory meanwhile is bounded, whoever is slow; `tee` would hold all that the slower one has not read.
import { within } from "./flights.mjs";

/** The most that is held in memory of one body. */
export const HELD = 1024 * 1024;
/** How far the store may be behind the client, in bytes, and how long the client then waits for it at most. */
const LEEWAY = 256 * 1024;
const PATIENCE_MS = 2000;
/** A client that takes longer is not the one by whom the store is filled: others wait for that. */
const FILL_MS = 10_000;

/** The bytes of some pieces as one. */
export function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** All of a stream, or nothing if that is more than `most`, or not all of it comes. */
export async function collect(stream, most) {
  const pieces = [];
  let size = 0;
  try {
    for await (const piece of stream) {
      size += piece.byteLength;
      if (size > most) return undefined;
      pieces.push(piece);
    }
  } catch {
    return undefined;
  }
  return joined(pieces);
}

/**
 * Parts a body into `answer`, a stream for the client, and `stored`, for the store: a promise of all its bytes, or of nothing if it is
 * too large to hold or breaks; where it says that it is larger than is held, `{ stream, whole }`: what comes of it, and a promise of
 * whether that was all.
 */
export function share(body, length, ctx) {
  const shared = isLarge(length) ? paced(body, Number(length), ctx) : held(body, length, ctx);
  return length === null ? shared : { ...shared, answer: fixed(shared.answer, Number(length), ctx) };
}

/** The same for the store alone, where nobody waits for an answer. */
export function lone(body, length) {
  if (!isLarge(length)) return collect(body, HELD);
  const { readable, writable } = new FixedLengthStream(Number(length));
  return { stream: readable, whole: body.pipeTo(writable).then(() => true, () => false) };
}

const isLarge = (length) => length !== null && Number(length) > HELD;

/** The same stream with a length that the answer can say. */
function fixed(stream, length, ctx) {
  const { readable, writable } = new FixedLengthStream(length);
  ctx.waitUntil(stream.pipeTo(writable).catch(() => {}));
  return readable;
}

/** The client's end: what it is given, as long as it wants that. */
class Client {
  wanted = true;

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

  /** Reads one piece for it; returns that, or nothing if it was the end. Throws if the body breaks. */
  async next(reader) {
    try {
      const { done, value } = await reader.read();
      if (this.wanted && done) this.controller.close();
      else if (this.wanted) this.controller.enqueue(value);
      return done ? undefined : value;
    } catch (error) {
      if (this.wanted) this.controller.error(error);
      throw error;
    }
  }
}

/** Read on whether or not the client does, until it is whole or too large to hold; from then on as the client reads. */
function held(body, length, ctx) {
  const reader = body.getReader();
  const pieces = [];
  let size = 0;
  let more = true; // whether the body has not ended
  const whole = async () => {
    try {
      for (let piece; size <= HELD && (piece = await client.next(reader)); pieces.push(piece)) size += piece.byteLength;
      more = size > HELD;
      return more || (length !== null && size !== Number(length)) ? undefined : joined(pieces);
    } catch {
      more = false;
    } finally {
      pieces.length = 0;
    }
  };
  const onward = async () => {
    await stored;
    if (more && (await client.next(reader)) === undefined) more = false;
  };
  const gone = () => ctx.waitUntil(stored.then(() => more && reader.cancel()).catch(() => {}));
  const client = new Client(() => onward().catch(() => {}), gone);
  const stored = whole();
  return { answer: client.stream, stored };
}

/** Read as the client reads; the store keeps up with it or is left out. When the client goes, as the store does. */
function paced(body, length, ctx) {
  const reader = body.getReader();
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  let storing = true;
  let more = true; // whether the body has not ended
  let behind = 0;
  let settle;
  const whole = new Promise((resolve) => (settle = resolve));
  const giveUp = (why) => {
    if (storing) writer.abort(why).catch(() => {});
    storing = false;
    clearTimeout(timer);
    settle(false);
  };
  const timer = setTimeout(() => giveUp(new Error("the client is slow")), FILL_MS);
  const store = async (piece) => {
    behind += piece.byteLength;
    const written = writer.write(piece).then(() => void (behind -= piece.byteLength), giveUp);
    if (behind > LEEWAY) await within(PATIENCE_MS, written).catch(giveUp);
  };
  const next = async () => {
    try {
      const piece = await client.next(reader);
      if (piece === undefined) {
        more = false;
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
