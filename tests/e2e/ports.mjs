// Ports of loopback that nobody else draws: not this process again, and no other process that draws here.
import net from "node:net";

// All of it is below the ports that the system gives to outgoing connections, which could take one while its region is dead.
// A pair is a port of an even thousand and the one 1000 above it, so that no control address is anybody's own address.
const THOUSANDS = [20, 22, 24, 26, 28, 30].map((thousand) => thousand * 1000);
const BLOCK = 25;

const listen = (port) =>
  new Promise((resolve) => {
    const server = net.createServer().once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });

const close = (server) => new Promise((resolve) => server.close(resolve));

const isFree = async (port) => {
  const server = await listen(port);
  if (server) await close(server);
  return server !== undefined;
};

/** @type {Promise<any>} */
let drawing = Promise.resolve();
let next = 0;
let end = 0;

/** Claims a block of pairs for as long as this process lives, by listening on the block's first port, which is nobody's. */
async function claim() {
  const blocks = THOUSANDS.flatMap((thousand) => Array.from({ length: 1000 / BLOCK }, (_, at) => thousand + at * BLOCK));
  for (let from = Math.floor(Math.random() * blocks.length); blocks.length > 0; from %= blocks.length) {
    const [block] = blocks.splice(from, 1);
    const lock = await listen(block);
    if (!lock) continue;
    lock.unref();
    [next, end] = [block + 1, block + BLOCK];
    return;
  }
  throw new Error("no ports are left between 20000 and 31000 on 127.0.0.1; what holds them all?");
}

async function drawOne() {
  for (;;) {
    if (next === end) await claim();
    const port = next++;
    if ((await isFree(port)) && (await isFree(port + 1000))) return port;
  }
}

/** A free port whose neighbour 1000 above is free too: for a region and its control address. Never the same again in this process. */
export const freePort = () => (drawing = drawing.then(drawOne, drawOne));
