import { within } from "./flights.mjs";

/**
 * @typedef {() => Promise<ReadableStreamReadResult<Uint8Array>>} Read
 * What takes in more of a body.
 * @typedef {() => Promise<void>} TakesIn
 * Bytes a second at the least, milliseconds from look to look, and at the most in all.
 * @typedef {{ rate?: number, look?: number, longest?: number }} Pace
 * See `upload`.
 * @typedef {{ body: ReadableStream, over: boolean, broken: import("./wire.mjs").Unsent | undefined, whole: boolean, ended: Promise<void>, rest: () => Promise<TakesIn | undefined>, drained: TakesIn }} Upload
 */

// Bodies pass through as the platform's own streams, which cost no JavaScript: a default reader gets pieces of 4 KiB, and each of them
// costs more than the whole rest of a request. Where a body must be watched, it is read in pieces as large as this.
export const PIECE = 64 * 1024;

/** A stream for a body of that length, or of none that is known, and its end to write to. @param {string | number | null} length */
export const channel = (length) => (length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length)));

/**
 * Moves all bytes from a reader to a writer, in pieces of up to `size`. The hooks: `waits` hears when the source is waited for, `moves`
 * when a piece has come.
 * @param {ReadableStreamBYOBReader} reader @param {WritableStreamDefaultWriter<Uint8Array>} writer @param {{ size?: number, waits: () => void, moves: (bytes: number) => void }} hooks
 */
async function move(reader, writer, { size = PIECE, waits, moves }) {
  let buffer = new ArrayBuffer(size);
  for (;;) {
    waits();
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return (moves(0), writer.close());
    moves(value.byteLength);
    await writer.write(value);
    buffer = /** @type {ArrayBuffer} */ (value.buffer);
  }
}

/**
 * An answer's body that is cut when it stands still for longer than `idle` ms, or breaks off.
 * @param {ReadableStream} body @param {{ idle: number, length: string | null, ctx: ExecutionContext, cut: () => void }} how
 */
export function watched(body, { idle, length, ctx, cut }) {
  const { readable, writable } = channel(length);
  const [reader, writer] = [body.getReader({ mode: "byob" }), writable.getWriter()];
  /** @type {number | undefined} */
  let since; // when it was waited for
  // Looks now and then, and not for each piece: a timer costs as much as a piece.
  const timer = setInterval(() => since !== undefined && Date.now() - since >= idle && cut(), Math.max(idle / 4, 10));
  const pump = async () => {
    try {
      await move(reader, writer, { waits: () => (since = Date.now()), moves: () => (since = undefined) });
    } catch (error) {
      reader.cancel(error).catch(() => {});
      writer.abort(error).catch(() => {});
    } finally {
      clearInterval(timer);
    }
  };
  ctx.waitUntil(pump());
  return readable;
}

// An upload is read in pieces as large as this all the way, so that it is always known who is waited for. That costs what the platform's
// own pump does at 10 MB, and a third more at 1 MB; pieces of 64 KiB cost half more (CPU of workerd without the rest of the router).
const UPLOAD_PIECE = 256 * 1024;

/**
 * A client's body on its way to a region: `body` for the region, `whole` once all of it has come, and `broken` if it has not gone whole and
 * that is the client's doing: whether it was too slow or broke off. The send says by `over` that it has ended; `rest` then ends the upload and takes in
 * what is left of it, before the router answers by itself; what takes in more of it, if that was not all, is returned. What a client sends
 * too slowly is cut (`paced`, which takes `pace`). `waits` and `moves` hear whether the client is waited for: while it is not, the region
 * is, for what it was given.
 * @param {ReadableStream} source @param {{ length: string | null, cut: () => void, waits: () => void, moves: () => void, pace?: Pace }} how @returns {Upload}
 */
export function upload(source, { length, cut, waits, moves, pace: by }) {
  const { readable, writable } = channel(length);
  /** @type {Upload} */
  const state = {
    body: readable,
    over: false,
    broken: undefined,
    whole: false,
    ended: Promise.resolve(),
    rest: async () => undefined,
    drained: async () => {},
  };
  const pace = paced(() => ((state.broken = "slow"), cut()), by);
  const [reader, writer] = [source.getReader({ mode: "byob" }), writable.getWriter()];
  const size = length === null ? PIECE : Math.min(UPLOAD_PIECE, Number(length));
  const failed = async (/** @type {unknown} */ error) => {
    // Of a region that went away the send hears by itself, at once; a client that broke off only this pump sees.
    const region =
      !isOdd() &&
      (await Promise.race([
        writer.closed.then(
          () => true,
          () => true,
        ),
        new Promise((resolve) => setTimeout(() => resolve(state.over), 0)),
      ]));
    writer.abort(error).catch(() => {});
    if (region) return void (left = () => reader.read(new Uint8Array(PIECE)));
    state.broken ??= "broken";
    reader.cancel(error).catch(() => {});
    cut();
  };
  /** @type {Read | undefined} */
  let left; // reads what the region has not taken
  state.rest = async () => {
    cut();
    await within(UNREAD_MS, state.ended).catch(() => {});
    return left && rest(left);
  };
  // For `lingering`: the region may take the rest itself.
  state.drained = async () => {
    await within(UNREAD_MS, state.ended).catch(() => {});
    await (await state.rest())?.();
  };
  let missing = length === null ? NaN : Number(length); // no number is never less than one
  // Chunks beside a length can be of any other (RFC 9112 section 6.3).
  const isOdd = () => missing < 0 || (state.whole && missing > 0);
  const took = (/** @type {number} */ bytes) => (moves(), pace.moves(bytes), (missing -= bytes), (state.whole = bytes === 0));
  const hooks = { size, waits: () => (waits(), pace.waits()), moves: took };
  state.ended = move(reader, writer, hooks)
    .catch(failed)
    .finally(() => pace.end());
  return state;
}

/**
 * "none" if a body has nothing in it, as chunks that some clients send with every GET; "broken" if it broke off; else nothing.
 * @param {ReadableStream} body @returns {Promise<"none" | "broken" | undefined>}
 */
export async function emptiness(body) {
  const reader = body.getReader();
  try {
    return (await reader.read()).done ? "none" : undefined;
  } catch {
    return "broken";
  } finally {
    reader.releaseLock();
  }
}

// So much of a body that nobody will read is taken in, within so long, before the request is answered.
const UNREAD_BYTES = 1024 * 1024;
const UNREAD_MS = 2000;
// What a client then still sends is taken in for so long, until it pauses for so long.
const LINGERING_MS = 10_000;
const PAUSE_MS = 1000;

/**
 * Takes in a request's body that nobody has read and nobody will, before the request is answered. Else workerd closes the connection
 * behind the answer without saying so, and what the client sends on it next is lost (miniflare does so after one byte, plain workerd
 * after 64 KiB). Who waits to be asked for the body (`Expect`) has not sent it, and of one that says that it is longer none is taken.
 * What takes in more of it, if that was not all, is returned, for `lingering`.
 * @param {Request} request @returns {Promise<TakesIn | undefined>}
 */
export async function takeIn({ body, headers }) {
  if (!body || body.locked || headers.has("expect")) return;
  const reader = body.getReader({ mode: "byob" }); // in large pieces
  const read = () => reader.read(new Uint8Array(PIECE));
  if (Number(headers.get("content-length")) > UNREAD_BYTES) return () => drain(read);
  return rest(read);
}

/** The same of what is left, as `read` gives it. @param {Read} read @returns {Promise<TakesIn | undefined>} */
async function rest(read) {
  const { promise: late, resolve } = /** @type {PromiseWithResolvers<undefined>} */ (Promise.withResolvers());
  const timer = setTimeout(resolve, UNREAD_MS, undefined);
  try {
    for (let left = UNREAD_BYTES; left > 0; ) {
      const piece = await Promise.race([read(), late]);
      if (!piece) break;
      if (piece.done) return;
      left -= piece.value.byteLength;
    }
    return () => drain(read);
  } catch {
    // It broke off, and so has the connection.
  } finally {
    clearTimeout(timer);
  }
}

/** And of what is left of that, behind the answer's last byte. @param {Read} read */
async function drain(read) {
  const end = Date.now() + LINGERING_MS;
  try {
    while (Date.now() < end && !(await within(PAUSE_MS, read())).done);
  } catch {
    // It has paused, or gone.
  }
}

/**
 * An answer to a client that is still sending: all of its bytes go at once, and its end when `take` has taken in the rest. Else the platform
 * resets the connection behind its end, and who sends all of a body before it looks for an answer never sees it (RFC 9112 section 9.6).
 * @param {ReadableStream | ArrayBuffer | string} body @param {string | number | null} length @param {TakesIn} take @param {ExecutionContext} ctx
 */
export function lingering(body, length, take, ctx) {
  const { readable, writable } = channel(length);
  const stream = body instanceof ReadableStream ? body : /** @type {ReadableStream} */ (new Response(body).body);
  const [reader, writer] = [stream.getReader({ mode: "byob" }), writable.getWriter()];
  const pump = async () => {
    // By its length: the end of a region's answer workerd tells only when the upload is over, and if that breaks, never.
    for (let left = length === null ? Infinity : Number(length); left > 0; ) {
      const { done, value } = await reader.read(new Uint8Array(PIECE));
      if (done) break;
      await writer.write(value);
      left -= value.byteLength;
    }
    await take();
    await writer.close();
  };
  ctx.waitUntil(pump().catch((error) => writer.abort(error).catch(() => {})));
  return readable;
}

// What a client must send at least while it is waited for, in bytes a second, looked at so often; and how long it may take in all. A
// request holds a place at its region, which others need (the core gives bodies that stream a quarter of them).
const LEAST_RATE = 1024;
const LOOK_MS = 10_000;
const LONGEST_UPLOAD_MS = 3_600_000;

/**
 * Cuts an upload that is too slow for others. Looks now and then at what has moved, and at how long the client was waited for:
 * that an origin is slow to read is not the client's doing. Call `moved(bytes, waited)` with each piece, and `end` at last.
 * @param {() => void} cut @param {Pace} [pace]
 */
export function paced(cut, { rate = LEAST_RATE, look = LOOK_MS, longest = LONGEST_UPLOAD_MS } = {}) {
  const began = Date.now();
  /** @type {{ bytes: number, waited: number, since: number | undefined }} */
  const state = { bytes: 0, waited: 0, since: undefined };
  const timer = setInterval(() => {
    const now = Date.now();
    const waited = state.waited + (state.since === undefined ? 0 : now - state.since);
    // A tenth of the time is for the timer's own lateness.
    const slow = waited >= look * 0.9 && state.bytes < (rate * look) / 1000;
    Object.assign(state, { bytes: 0, waited: 0, since: state.since === undefined ? undefined : now });
    if (slow || now - began > longest) {
      clearInterval(timer);
      cut();
    }
  }, look);
  return {
    waits: () => (state.since = Date.now()),
    moves: (/** @type {number} */ bytes) => {
      if (state.since !== undefined) state.waited += Date.now() - state.since;
      state.since = undefined;
      state.bytes += bytes;
    },
    end: () => clearInterval(timer),
  };
}

// An answer that is longer is none.
export const LONGEST_JSON = 64 * 1024;

/**
 * What a region says, as text; of what is longer than JSON may be (`LONGEST_JSON`) no more is read than shows that. Throws if it breaks off, which `collect` does not tell.
 * @param {Response} response
 */
export async function text(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let said = "";
  while (reader && said.length <= LONGEST_JSON) {
    const { done, value } = await reader.read();
    if (done) return said + decoder.decode();
    said += decoder.decode(value, { stream: true });
  }
  reader?.cancel().catch(() => {});
  return said;
}

/** What a region says in JSON; null if that cannot be read, or is too long. @param {Response} response */
export async function json(response) {
  const said = await text(response);
  try {
    return said.length > LONGEST_JSON ? null : JSON.parse(said);
  } catch {
    return null;
  }
}
