/**
 * A body that is cut when its source stands still for too long or breaks off. The hooks: `cut` does the cutting, `waits` and
 * `moves` hear when the source is waited for and when a piece came (its bytes, and whether the body has ended), `dropped` hears that nobody reads on.
 */
export function watched(body, { idle, length, ctx, cut, waits, moves, dropped = cut, reader = body.getReader() }) {
  let wanted = true;
  const stream = new ReadableStream({
    async pull(controller) {
      waits?.();
      const timer = setTimeout(cut, idle);
      try {
        const { done, value } = await reader.read();
        if (!wanted) return;
        if (done) controller.close();
        else controller.enqueue(value);
        moves?.(done ? 0 : value.byteLength, done);
      } catch (error) {
        if (!wanted) return;
        cut();
        controller.error(error);
      } finally {
        clearTimeout(timer);
      }
    },
    cancel() {
      wanted = false;
      dropped();
    },
  });
  if (length === null) return stream;
  // Keeps Content-Length.
  const { readable, writable } = new FixedLengthStream(Number(length));
  ctx.waitUntil(stream.pipeTo(writable).catch(() => {}));
  return readable;
}

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
  await rest(() => reader.read(new Uint8Array(64 * 1024)));
}

/** The same of what is left, as `read` gives it. */
export async function rest(read) {
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
