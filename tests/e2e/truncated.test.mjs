// Answers that break off, over raw sockets: whatever frames them, the next client never gets half a file from the cache; and slow
// clients and large bodies are the store's trouble and nobody else's.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { after, before, test } from "node:test";
import { Client, hear, runtime, startRouter, stopAll, stopWithAll, topology, waitUntil } from "./harness.mjs";

const FIELDS = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=600\r\n";
const half = "x".repeat(5000);
/** How each first answer breaks: its head, what comes of its body, and whether the connection is reset or closed. */
const BROKEN = {
  "a length, closed": ["Content-Length: 100000", half, "end"],
  "a length, reset": ["Content-Length: 100000", half, "reset"],
  "a large length, closed": ["Content-Length: 4000000", "x".repeat(2_000_000), "end"],
  "a large length, reset": ["Content-Length: 4000000", "x".repeat(2_000_000), "reset"],
  "no last chunk, closed": ["Transfer-Encoding: chunked", `1388\r\n${half}\r\n`, "end"],
  "no last chunk, reset": ["Transfer-Encoding: chunked", `1388\r\n${half}\r\n`, "reset"],
  "in a chunk, closed": ["Transfer-Encoding: chunked", `2710\r\n${half}`, "end"],
  "in a chunk, reset": ["Transfer-Encoding: chunked", `2710\r\n${half}`, "reset"],
  "in a large chunk, closed": ["Transfer-Encoding: chunked", `3d0900\r\n${"x".repeat(2_000_000)}`, "end"],
  "a chunk size that is none": ["Transfer-Encoding: chunked", `1388\r\n${half}\r\nzz\r\n`, "end"],
  "no frame, closed": ["Connection: close", half, "end"],
  "no frame, reset": ["Connection: close", half, "reset"],
};
const WHOLE = "the whole file";
const seen = new Map();
const bodies = new Map();
const sockets = new Set();
let router;
let log = "";
/** What the edge says of an entry that the store does not take. */
const REFUSAL = /"not stored"[^\n]*did not take/g;

before(async () => {
  const server = net.createServer((socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)));
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      text += data;
      if (!text.includes("\r\n\r\n")) return;
      const path = decodeURIComponent(/^\S+ (\S+)/.exec(text)[1]).slice(1);
      text = "";
      const times = (seen.get(path) ?? 0) + 1;
      seen.set(path, times);
      const broken = times === 1 && BROKEN[path];
      if (!broken) {
        const body = bodies.get(path) ?? WHOLE;
        const chunked = path.startsWith("chunked");
        socket.write(`${FIELDS}${chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`}\r\n\r\n`);
        return void socket.write(chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body);
      }
      const [head, body, how] = broken;
      socket.write(`${FIELDS}${head}\r\n\r\n${body}`, () => setTimeout(() => (how === "end" ? socket.end() : socket.resetAndDestroy()), 150));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  stopWithAll(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
    vars.PROBES = "off";
    const bounds = { "/length-up-to-64-MiB": "64MiB", "/length-beyond-the-store": "64MiB", "/length-up-to-1-MiB": "1MiB" };
    vars.ROUTES.unshift(...Object.entries(bounds).map(([match, cache_up_to]) => ({ match, cache_up_to })));
  });
  router = await startRouter({ vars, handleLog: hear((text) => (log += text)) });
});
after(async () => {
  await stopAll();
  assert.doesNotMatch(log.replace(REFUSAL, ""), /not stored|the edge failed|panicked/, "the edge complained");
});

const status = (answer) => answer.headers["cache-status"];
const get = (path, options) => new Client(router.url, "eu").get(`/${encodeURIComponent(path)}`, options);
/** Reads to the end or to where it breaks. */
const broken = (path) =>
  new Promise((resolve) => {
    const request = http.get(new URL(`/${encodeURIComponent(path)}`, router.url), { agent: false }, (response) => {
      let length = 0;
      response
        .on("data", (data) => (length += data.length))
        .on("end", () => resolve(length))
        .on("error", () => resolve(length))
        .on("close", () => resolve(length));
    });
    request.on("error", () => resolve(-1));
  });

for (const path of Object.keys(BROKEN)) {
  test(`what breaks off is not stored: ${path}`, async () => {
    assert.ok((await broken(path)) <= 2_000_000);
    // If half of it were stored, it would be by the time that another answer is.
    const other = `other ${path}`;
    await get(other);
    await waitUntil(async () => /hit/.test(status(await get(other))), "another answer is stored");
    const next = await get(path);
    assert.deepEqual([next.status, next.text, seen.get(path)], [200, WHOLE, 2], status(next));
  });
}

/** A MiB in which no two eights of bytes are the same. */
const MIB = Array.from({ length: 1024 * 128 }, (_, n) => n.toString(36).padStart(8, "-")).join("");

for (const [path, length, stores] of /** @type {any[][]} */ ([
  ["chunked small", 1000, true],
  ["chunked middle", 900_000, true],
  ["chunked large", 1_500_000, false],
  ["length small", 1000, true],
  ["length middle", 900_000, true],
  ["length large", 15_000_000, true],
  ["length too large", 16 * 1024 * 1024 + 1, false],
  ["length-up-to-64-MiB", 17 * 1024 * 1024, true],
  ["length-up-to-1-MiB", 1024 * 1024 + 1, false],
])) {
  test(`what is whole reaches its client as it is, and is stored if it is not too large: ${path}`, async () => {
    const body = MIB.repeat(Math.ceil(length / MIB.length)).slice(0, length);
    bodies.set(path, body);
    const first = await get(path);
    assert.ok(first.text === body, `${first.text.length} of ${length} bytes`);
    if (path.startsWith("length")) assert.equal(first.headers["content-length"], String(length));
    if (!stores) {
      await get(`other ${path}`);
      await waitUntil(async () => /hit/.test(status(await get(`other ${path}`))), "another answer is stored");
      return assert.doesNotMatch(status(await get(path)), /hit/);
    }
    const hit = await waitUntil(async () => {
      const answer = await get(path);
      return /; hit;|collapsed/.test(status(answer)) && answer;
    }, "it is stored");
    assert.ok(hit.text === body, `${hit.text.length} of ${length} bytes`);
    const part = await get(path, { headers: { range: "bytes=8-15" } });
    assert.deepEqual([part.status, part.text], [206, body.slice(8, 16)]);
  });
}

test("a client that goes in the middle leaves a whole copy or none", async () => {
  for (const path of ["length left", "chunked left"]) {
    const body = "0123456789".repeat(90_000);
    bodies.set(path, body);
    await new Promise((resolve) => {
      const request = http.get(new URL(`/${encodeURIComponent(path)}`, router.url), { agent: false }, (response) => {
        response.once("data", () => (request.socket.resetAndDestroy(), resolve(undefined)));
      });
      request.on("error", resolve);
    });
    const next = await get(path);
    assert.ok(next.text === body, `${next.text.length} bytes`);
  }
});

test("a client that does not read fills nothing, and costs the next one no more than a short wait", async () => {
  const path = "length stalled";
  bodies.set(path, "y".repeat(12_000_000));
  const stalled = http.get(new URL(`/${encodeURIComponent(path)}`, router.url), { agent: false }, (response) => response.pause());
  stalled.on("error", () => {});
  await waitUntil(async () => seen.get(path) === 1, "it has asked");
  const began = Date.now();
  const next = await get(path);
  assert.equal(next.text.length, 12_000_000);
  assert.ok(Date.now() - began < 9000, `${Date.now() - began} ms`);
  stalled.destroy();
});

/** Memory that the router's processes have in hand, in bytes. */
function resident() {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/status`, "utf8");
      } catch {
        return ""; // it has ended
      }
    });
  const ours = children.filter((status) => /^Name:\s+workerd/m.test(status) && Number(/^PPid:\s+(\d+)/m.exec(status)[1]) === process.pid);
  return ours.reduce((sum, status) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) * 1024, 0);
}

test("clients that read nothing of large files hold little of them in memory, and their origin is held back", {
  skip: process.platform !== "linux",
}, async () => {
  const clients = 20;
  const file = Buffer.alloc(15_000_000, "z");
  const before = resident();
  assert.ok(before > 0, "the router's process is found");
  const taken = () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0);
  const began = taken();
  const stalled = Array.from({ length: clients }, (_, n) => {
    bodies.set(`length slow ${n}`, file);
    return http.get(new URL(`/${encodeURIComponent(`length slow ${n}`)}`, router.url), { agent: false }, (response) => response.pause()).on("error", () => {});
  });
  let last = -1;
  await waitUntil(async () => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    return (
      [last, (last = taken())].every((sum) => sum === last && sum > began) &&
      Array.from({ length: clients }, (_, n) => seen.get(`length slow ${n}`)).every(Boolean)
    );
  }, "nothing moves any more");
  // What V8 has not collected yet goes when it is needed; a body that is held does not.
  let held = 0;
  await waitUntil(async () => (held = resident() - before) < clients * 3_000_000, "little is held in memory").catch((error) => {
    throw new Error(`${error.message}: ${held} bytes`);
  });
  console.log(
    `${clients} clients that read nothing of 15 MB: ${(held / 1e6).toFixed(1)} MB more in memory; the origin got ${((last - began) / 1e6).toFixed(0)} of ${clients * 15} MB off`,
  );
  for (const request of stalled) request.destroy();
});

test("what the store refuses is not offered to it by every request", { skip: runtime !== "workerd" && "miniflare's store takes all" }, async () => {
  const path = "length-beyond-the-store";
  bodies.set(path, Buffer.alloc(25 * 1024 * 1024, "w"));
  const times = () => log.match(REFUSAL)?.length ?? 0;
  await get(path);
  await waitUntil(() => times() === 1, "it is refused");
  for (let n = 0; n < 3; n++) assert.equal((await get(path)).bytes.length, 25 * 1024 * 1024);
  await get("another behind it");
  await waitUntil(async () => /hit/.test(status(await get("another behind it"))), "another answer is stored");
  assert.deepEqual([times(), seen.get(path)], [1, 4]);
});
