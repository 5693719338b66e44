import { within } from "./flights.mjs";

// Bodies pass through as the platform's own streams, which cost no JavaScript: a default reader gets pieces of 4 KiB, and each of them
// costs more than the whole rest of a request. Where a body must be watched, it is read in pieces as large as this.
export const PIECE = 64 * 1024;

/** A stream for a body of that length, or of none that is known, and its end to write to. */
export const channel = (length) => (length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length)));

/**
 * Moves bytes from a reader to a writer, `most` of them or a little more, or all; returns whether that was the end of the body. The
 * hooks: `waits` hears when the source is waited for, `moves` when a piece has come.
 */
async function move(reader, writer, { most = Infinity, waits, moves }) {
  let buffer = new ArrayBuffer(PIECE);
  for (let sum = 0; sum < most; ) {
    waits();
    const { done, value } = await reader.read(new Uint8Array(buffer));
    moves(done ? 0 : value.byteLength);
    if (done) return true;
    sum += value.byteLength;
    await writer.write(value);
    buffer = value.buffer;
  }
  return false;
}

/** An answer's body that is cut when it stands still for longer than `idle` ms, or breaks off. */
export function watched(body, { idle, length, ctx, cut }) {
  const { readable, writable } = channel(length);
  const [reader, writer] = [body.getReader({ mode: "byob" }), writable.getWriter()];
  let since; // when it was waited for
  // Looks now and then, and not for each piece: a timer costs as much as a piece.
  const timer = setInterval(() => since !== undefined && Date.now() - since >= idle && cut(), Math.max(idle / 4, 10));
  const pump = async () => {
    try {
      await move(reader, writer, { waits: () => (since = Date.now()), moves: () => (since = undefined) });
      await writer.close();
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

// So much of an upload is counted as it comes; what is left of a longer one goes by itself, since its client has shown by then how it sends.
const COUNTED = 128 * 1024;
// What is left may take so long, and a second for each so many bytes.
const PATIENCE_MS = 30_000;

/**
 * A client's body on its way to a region: `body` for the region, and `broken` if it has not gone whole and that is the
 * client's doing. The send says by `over` that it has ended; `rest` then ends the upload and takes in what is left of it, before the
 * router answers by itself. What a client sends too slowly is cut (`paced`). Behind the first part it goes by itself and must be over in
 * the time that its length allows (`patience` and a second for each KiB); who is slow is looked at then: where the client has sent more
 * than was taken, the region has `stalled`. `waits` and `moves` hear whether the client is waited for.
 */
export function upload(source, { length, cut, waits, moves, patience = PATIENCE_MS, rate = LEAST_RATE }) {
  const { readable, writable } = channel(length);
  const state = { body: readable, over: false, late: false, broken: false, stalled: false };
  const slow = () => ((state.broken = true), cut());
  const pace = paced(slow);
  const [reader, writer] = [source.getReader({ mode: "byob" }), writable.getWriter()];
  const counted = { waits: () => (waits(), pace.waits()), moves: (bytes) => (moves(), pace.moves(bytes)), most: length === null ? Infinity : COUNTED };
  let timer;
  const pump = async () => {
    if (await move(reader, writer, counted)) return writer.close();
    reader.releaseLock();
    writer.releaseLock();
    waits();
    timer = setTimeout(() => ((state.late = true), cut()), Math.min(LONGEST_UPLOAD_MS, patience + ((Number(length) - COUNTED) / rate) * 1000));
    await source.pipeTo(writable, { preventAbort: true, preventCancel: true });
    moves();
  };
  const failed = async (error) => {
    const [from, to] = [source.locked ? reader : source.getReader({ mode: "byob" }), writable.locked ? writer : writable.getWriter()];
    state.stalled = state.late && (await gives(from));
    // Of a region that went away the send hears by itself, at once; a client that broke off only this pump sees.
    const region = state.late ? state.stalled : await Promise.race([to.closed.then(() => true, () => true), new Promise((resolve) => setTimeout(() => resolve(state.over), 0))]);
    to.abort(error).catch(() => {});
    if (region) return void (left = () => from.read(new Uint8Array(PIECE)));
    state.broken = true;
    from.cancel(error).catch(() => {});
    cut();
  };
  let left; // reads what the region has not taken
  state.rest = async () => {
    cut();
    await within(UNREAD_MS, state.ended).catch(() => {});
    if (left) await rest(left);
  };
  state.ended = pump().catch(failed).finally(() => (clearTimeout(timer), pace.end()));
  return state;
}

/** Whether bytes wait there to be taken. */
const gives = (reader) => within(100, reader.read(new Uint8Array(PIECE))).then(({ done }) => !done, () => false);

// So much of a body that nobody will read is taken in, within so long. Beyond that the client's connection is given up.
const UNREAD_BYTES = 1024 * 1024;
const UNREAD_MS = 2000;

/**
 * Takes in a request's body that nobody has read and nobody will, before the request is answered. Else workerd closes the connection
 * behind the answer without saying so, and what the client sends on it next is lost (miniflare does so after one byte, plain workerd
 * after 64 KiB). Who waits to be asked for the body (`Expect`) has not sent it, and of one that says that it is longer none is taken.
 */
export async function takeIn({ body, headers }) {
  if (!body || body.locked || headers.has("expect") || Number(headers.get("content-length")) > UNREAD_BYTES) return;
  const reader = body.getReader({ mode: "byob" }); // in large pieces
  await rest(() => reader.read(new Uint8Array(PIECE)));
}

/** The same of what is left, as `read` gives it. */
async function rest(read) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, UNREAD_MS)));
  try {
    for (let left = UNREAD_BYTES; left > 0; ) {
      const piece = await Promise.race([read(), late]);
      if (!piece || piece.done) return;
      left -= piece.value.byteLength;
    }
  } catch {
    // It broke off, and so has the connection.
  } finally {
    clearTimeout(timer);
  }
}

// What a client must send at least while it is waited for, in bytes a second, looked at so often; and how long it may take in all. A
// request holds a place at its region, which others need (the core gives bodies that stream a quarter of them).
const LEAST_RATE = 1024;
const LOOK_MS = 10_000;
const LONGEST_UPLOAD_MS = 3_600_000;

/**
 * Cuts an upload that is too slow for others. Looks now and then at what has moved, and at how long the client was waited for:
 * that an origin is slow to read is not the client's doing. Call `moved(bytes, waited)` with each piece, and `end` at last.
 */
export function paced(cut, { rate = LEAST_RATE, look = LOOK_MS, longest = LONGEST_UPLOAD_MS } = {}) {
  const began = Date.now();
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
    moves: (bytes) => {
      if (state.since !== undefined) state.waited += Date.now() - state.since;
      state.since = undefined;
      state.bytes += bytes;
    },
    end: () => clearInterval(timer),
  };
}

// An answer that is longer is none.
const LONGEST_JSON = 64 * 1024;

/** What a region says in JSON; null if that cannot be read, or is too long. */
export async function json(response) {
  const text = await response.text();
  try {
    return text.length > LONGEST_JSON ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
