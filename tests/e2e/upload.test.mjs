// An upload on its way to a region, without a router: who is at fault when it takes too long.
import assert from "node:assert/strict";
import { test } from "node:test";

// The platform's streams, as far as an upload uses them.
globalThis.FixedLengthStream ??= class {
  constructor() {
    const { readable, writable } = new TransformStream();
    Object.assign(this, { readable, writable });
  }
};
const { upload } = await import("../../src/edge/body.mjs");

const MIB = 1024 * 1024;

/** The upload of a client that sends so many bytes and then waits for ever, to a region that takes so many. */
function begin(sent, take) {
  let left = sent;
  const pull = (controller) => {
    if (left <= 0) return new Promise(() => {});
    left -= 65_536;
    controller.enqueue(new Uint8Array(65_536));
  };
  const source = new ReadableStream({ type: "bytes", pull }, { highWaterMark: 0 });
  const state = upload(source, { length: 4 * MIB, cut: () => void reader.cancel().catch(() => {}), waits() {}, moves() {}, patience: 300, rate: Infinity });
  const reader = state.body.getReader();
  const taking = async () => {
    for (let size = 0; size < take; ) {
      const { done, value } = await reader.read();
      if (done) return;
      size += value.byteLength;
    }
  };
  taking().catch(() => {});
  return state;
}

test("an upload that its region takes no more of is the region's stall, and not the client's", async () => {
  const state = begin(4 * MIB, MIB);
  await state.ended;
  assert.deepEqual([state.stalled, state.broken], [true, false]);
});

test("an upload of which no more comes is its client's", async () => {
  const state = begin(MIB, 4 * MIB);
  await state.ended;
  assert.deepEqual([state.stalled, state.broken], [false, true]);
});
