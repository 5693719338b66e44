/**
 * A body that is cut when its source stands still for too long or breaks off. The hooks: `cut` does the cutting, `waits` and
 * `moves` hear when the source is waited for and when a piece came, `dropped` hears that nobody reads on.
 */
export function watched(body, { idle, length, ctx, cut, waits, moves, dropped = cut }) {
  const reader = body.getReader();
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
        moves?.();
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
