// The fault proxy itself: that it does what its modes say, before anything is concluded from what happens behind it.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { startOrigin, stopAll, stopWithAll, waitUntil } from "./harness.mjs";
import { FaultProxy } from "./proxy.mjs";
import { Random } from "./random.mjs";

const BODY = "0123456789".repeat(500);
let proxy, heard;
before(async () => {
  heard = [];
  const origin = await startOrigin((request, response) => {
    heard.push(request.headers["x-request"]);
    response.writeHead(200, { "content-length": BODY.length }).end(BODY);
  });
  proxy = await FaultProxy.start(origin, { seed: 7 });
  stopWithAll(() => proxy.stop());
});
after(stopAll);

/** A connection that asks once; `text` grows with what comes. */
async function asks(id) {
  const socket = net.connect(proxy.port, "127.0.0.1");
  const asked = { socket, text: "", ended: undefined };
  socket.on("data", (data) => (asked.text += data));
  socket.on("error", (error) => (asked.ended ??= /** @type {NodeJS.ErrnoException} */ (error).code));
  socket.on("end", () => (asked.ended ??= "end"));
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Request: ${id}\r\n\r\n`);
  return asked;
}
const whole = (asked) => waitUntil(() => asked.text.endsWith(BODY), "the whole answer");

test("pass: all goes by, and each request is noted once, however it is cut", async () => {
  const asked = await asks("a1");
  await whole(asked);
  asked.text = "";
  for (const piece of ["GET / HTTP/1.1\r\nHost: x\r\nX-Requ", "est: a2\r", "\n\r\n"]) {
    asked.socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await whole(asked);
  asked.socket.destroy();
  assert.deepEqual(
    proxy.sends.map(({ id, reached }) => [id, reached]),
    [
      ["a1", true],
      ["a2", true],
    ],
  );
});

test("refuse: nobody listens, and open connections are reset; afterwards it is the same address", async () => {
  const open = await asks("b1");
  await whole(open);
  await proxy.set("refuse");
  await waitUntil(() => open.ended === "ECONNRESET", "the open one is reset");
  const refused = await asks("b2");
  await waitUntil(() => refused.ended === "ECONNREFUSED", "a new one is refused");
  await proxy.set("pass");
  await whole(await asks("b3"));
});

test("blackhole: accepted, open connections too, and nothing comes; whoever lost bytes is reset when it ends", async () => {
  const open = await asks("c1");
  await whole(open);
  await proxy.set("blackhole");
  open.socket.write("GET / HTTP/1.1\r\nHost: x\r\nX-Request: c2\r\n\r\n");
  const fresh = await asks("c3");
  await waitUntil(() => proxy.sends.some(({ id }) => id === "c2") && fresh.socket.readyState === "open", "both are open, and one has asked");
  assert.equal(open.ended ?? fresh.ended, undefined);
  await proxy.set("pass");
  await waitUntil(() => open.ended === "ECONNRESET" && fresh.ended === "ECONNRESET", "both are reset");
  assert.equal(proxy.sends.find(({ id }) => id === "c2").reached, false);
  assert.ok(!heard.includes("c2") && !heard.includes("c3"));
});

test("half-open: one direction vanishes, the other goes on, and nothing is closed", async () => {
  await proxy.set("half-open", { way: "down" });
  const asked = await asks("d1");
  await waitUntil(() => heard.includes("d1"), "the origin is asked");
  assert.deepEqual([asked.text, asked.ended], ["", undefined]);
  await proxy.set("pass");
  await waitUntil(() => asked.ended === "ECONNRESET", "it is reset when that ends");
});

test("reset: so many bytes of the answer, then a reset", async () => {
  await proxy.set("reset", { after: 1000 });
  const asked = await asks("e1");
  await waitUntil(() => asked.ended === "ECONNRESET", "it is reset");
  assert.equal(asked.text.length, 1000);
  await proxy.set("pass");
});

test("lost: the region has acted, and its answer is lost with the connection; of targets that are meant, and no others", async () => {
  await proxy.set("lost", { p: 1, paths: /^\/other/ });
  await whole(await asks("g1"));
  await proxy.set("lost", { p: 1, paths: /^\/$/ });
  const asked = await asks("g2");
  await waitUntil(() => asked.ended === "ECONNRESET", "it is reset");
  assert.deepEqual([asked.text, heard.includes("g2")], ["", true]);
  await proxy.set("pass");
  await whole(await asks("g3"));
});

test("throttle: a piece at a time; when it ends the rest comes at once", async () => {
  await proxy.set("throttle", { bytes: 1, every: 20 });
  const asked = await asks("f1");
  await waitUntil(() => asked.text.length > 3, "a few bytes have come");
  assert.ok(asked.text.length < 300);
  await proxy.set("pass");
  await whole(asked);
});

test("loss and latency: later, whole and in order", async () => {
  for (const [kind, options] of [
    ["loss", { p: 0.3 }],
    ["latency", { ms: 50, jitter: 40 }],
  ]) {
    await proxy.set(kind, options);
    await whole(await asks(kind));
  }
  await proxy.set("pass");
});

test("the same seed loses the same", () => {
  const drawn = (seed) =>
    Array.from(
      { length: 200 },
      (
        (random) => () =>
          random.losses(0.3)
      )(new Random(seed).fork(1)),
    );
  assert.deepEqual(drawn(3), drawn(3));
  assert.notDeepEqual(drawn(3), drawn(4));
  assert.ok(Math.abs(drawn(3).filter((lost) => lost > 0).length / 200 - 0.3) < 0.1);
});
