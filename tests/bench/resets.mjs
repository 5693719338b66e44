// Whether clients that go leave anything behind: the Wasm's memory before and after very many of them.
import net from "node:net";
import { HOLE } from "./scenarios.mjs";
import { get } from "./world.mjs";

const CLIENTS = Number(process.env.RESETS || 10_000);
const AT_ONCE = 50;
/** Of so many that hold nothing the router need not hear that they have gone: they are forgotten after their deadline (router.rs, `MANY`). */
const UNHEARD = 64;

/** Until no more flows are left than that. @returns {Promise<number>} bytes of Wasm memory */
async function idle(router) {
  for (const end = Date.now() + 30_000; ; ) {
    const { text, status } = await get(router.port, "/_homing/api/snapshot", { headers: { authorization: `Bearer ${HOLE.token}` } });
    if (status !== 200) throw new Error(`the snapshot: ${status} ${text}`);
    const { in_flight, memory_bytes } = JSON.parse(text);
    if (in_flight <= UNHEARD) return memory_bytes;
    if (Date.now() > end) throw new Error(`${in_flight} flows are left 30 s after their clients have gone`);
  }
}

/** Some clients that ask, and reset their connections once a region has their requests. */
async function vanish(router, hole, first) {
  const before = hole.connections;
  const head = (n) => `GET ${HOLE.path}?n=${first + n} HTTP/1.1\r\nHost: x\r\nX-Padding: ${"x".repeat(2000)}\r\n\r\n`;
  const sockets = Array.from({ length: AT_ONCE }, (_, n) => {
    const socket = net.connect(router.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(head(n));
    return socket;
  });
  while (hole.connections < before + AT_ONCE) await new Promise((resolve) => setImmediate(resolve));
  for (const socket of sockets) socket.resetAndDestroy();
  await idle(router);
}

/** Wasm memory after so many clients have reset, divided by that before; a tenth of them come first, for the allocator's sake. */
export async function resets(router) {
  let first = 0;
  const some = async (count) => {
    for (let n = 0; n < count; n += AT_ONCE) await vanish(router, router.hole, (first += AT_ONCE));
  };
  await some(CLIENTS / 10);
  const before = await idle(router);
  await some(CLIENTS);
  return (await idle(router)) / before;
}
