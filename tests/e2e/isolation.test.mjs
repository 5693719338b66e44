// Requests do not harm each other: clients that vanish, a panic, what is left in the isolate afterwards.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { Client, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions), build: "build/test" });
});
after(stopAll);

/** Sends the beginning of a request, `head(n)`, and resets the connection once a region has the request. */
async function vanish(count, head, path) {
  const before = (await regions.us.state()).requests;
  const sockets = Array.from({ length: count }, (_, n) => {
    const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(head(n));
    return socket;
  });
  await waitUntil(async () => (await regions.us.state()).requests >= before + count, `${count} requests for ${path} have come`);
  for (const socket of sockets) socket.resetAndDestroy();
}

test("1,000 clients that reset their connections mid-request leave nothing behind", async () => {
  // Each of its own place in the cache: otherwise they would wait for one another.
  const read = (n) => `GET /slow?ms=600000&n=${n} HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: us\r\nX-Padding: ${"x".repeat(4000)}\r\n\r\n`;
  const body = "y".repeat(200_000);
  const write = () => `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length * 2}\r\n\r\n${body}`;
  const memory = async () => (await router.snapshot()).memory_bytes;
  const round = async () => {
    await vanish(40, read, "reads");
    await vanish(10, write, "writes");
    await waitUntil(async () => (await router.snapshot()).in_flight === 0, "no flow is left", 30_000);
  };
  for (let n = 0; n < 10; n++) await round();
  const before = await memory();
  for (let n = 0; n < 20; n++) await round();
  // Flat: kept flows would come to 8 MB at least; the allocator may still round up once.
  const grown = (await memory()) - before;
  assert.ok(grown <= 256 * 1024, `Wasm memory grew by ${grown} bytes`);
  assert.equal((await new Client(router.url, "us").get("/echo")).status, 200);
});

test("clients that wait for another one's answer and reset their connections leave nothing behind", async () => {
  const read = "GET /slow?ms=600000&waited HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: us\r\n\r\n";
  const sockets = Array.from({ length: 30 }, () => {
    const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(read);
    return socket;
  });
  await waitUntil(async () => (await router.snapshot()).in_flight === 30, "thirty wait for one");
  const asked = await waitUntil(async () => (await regions.us.seen("/slow?ms=600000&waited")).length, "one has asked");
  for (const socket of sockets.reverse()) socket.resetAndDestroy();
  await waitUntil(async () => (await router.snapshot()).in_flight === 0, "no flow is left", 30_000);
  assert.equal((await regions.us.seen("/slow?ms=600000&waited")).length, asked, "nobody has asked for themselves meanwhile");
});

test("clients that reset their connections while a copy is looked for leave nothing behind", async () => {
  const vars = topology(regions, (vars) => void vars.ROUTES.unshift({ match: "/slow", deadline: "5s" }));
  const router = await startRouter({ vars });
  for (let n = 0; n < 12; n++) {
    const sockets = Array.from({ length: 30 }, () => {
      const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(`GET /slow?ms=600000&gone=${n} HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: us\r\n\r\n`);
      return socket;
    });
    await waitUntil(async () => (await router.snapshot()).in_flight > 0, "the first has come");
    for (const socket of sockets) socket.resetAndDestroy();
  }
  // One that others wait for goes on for them, for as long as a request may take.
  await waitUntil(async () => (await router.snapshot()).in_flight === 0, "no flow is left", 30_000);
});

test("clients that reset their uploads while a home is looked up leave nothing behind", async () => {
  const router = await startRouter({ vars: topology(regions), kv: "moody" });
  await router.mood("slow");
  for (let n = 0; n < 3; n++) {
    const sockets = Array.from({ length: 15 }, (_, m) => {
      const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(`POST /t/gone-${n}-${m}/notes HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: us\r\nContent-Length: 200000\r\n\r\n${"x".repeat(1000)}`);
      return socket;
    });
    await waitUntil(async () => (await router.snapshot()).in_flight > 0, "the first has come");
    for (const socket of sockets) socket.resetAndDestroy();
  }
  // A flow with an upload is held for an hour, unless the router hears that its client has gone.
  await waitUntil(async () => (await router.snapshot()).in_flight === 0, "no flow is left", 30_000);
  await router.stop();
});

test("a panic ends its own request with 500 and harms none in flight", async () => {
  const client = new Client(router.url, "eu");
  await regions.eu.control({ mode: "slow", slow_ms: 700, paths: ["/echo"] });
  const asked = (await regions.eu.seen("/echo")).length;
  const inFlight = Array.from({ length: 20 }, (_, n) => client.get(`/echo?n=${n}`));
  await waitUntil(async () => (await regions.eu.seen("/echo")).length === asked + 20, "twenty are in flight");
  for (let n = 0; n < 5; n++) {
    const panicked = await client.get("/likes/1", { headers: { "planted-panic": "1" } });
    assert.deepEqual([panicked.status, panicked.json.reason], [500, "internal"]);
    assert.ok(!/planted/.test(panicked.text), "the panic's own words stay in the log");
  }
  for (const answer of await Promise.all(inFlight)) assert.deepEqual([answer.status, answer.json.region], [200, "eu"]);
  await regions.heal();
  const written = await client.put("/api/catalog/after-panic", { name: "lamp" });
  assert.equal(written.status, 200, "the isolate goes on");
  assert.equal((await client.get("/api/catalog/after-panic")).json.version, written.json.version);
  assert.equal((await router.snapshot()).in_flight, 0);
});

test("a panic in the middle of a request ends that request alone, and its flow is gone", async () => {
  const client = new Client(router.url, "eu");
  await regions.eu.control({ mode: "slow", slow_ms: 500, paths: ["/echo"] });
  const other = client.get("/echo?other");
  const panicked = await client.get("/respond?header=planted-panic:1");
  assert.deepEqual([panicked.status, panicked.json.reason], [500, "internal"]);
  assert.equal((await other).status, 200);
  await regions.heal();
  assert.equal((await router.snapshot()).in_flight, 0);
});

test("after panics the isolate serves and learns as before", async () => {
  const client = () => new Client(router.url, "ap");
  for (const panics of [{ path: "/likes/1", headers: { "planted-panic": "1" } }, { path: "/respond?header=planted-panic:1" }]) {
    const panicked = await client().get(panics.path, { headers: panics.headers });
    assert.deepEqual([panicked.status, panicked.json.reason], [500, "internal"]);
  }
  for (let n = 0; n < 5; n++) assert.equal((await client().get(`/echo?after=${n}`)).json.region, "ap");
  await regions.ap.control({ mode: "reset", paths: ["/api/likes"] });
  for (let n = 0; n < 5; n++) assert.equal((await client().get(`/api/likes/taught${n}`)).json.region, "eu");
  const snapshot = await router.snapshot();
  assert.deepEqual(snapshot.regions.find(({ name }) => name === "ap").circuit.routes, [{ route: "/api/likes/*", access: "read" }]);
  assert.equal(snapshot.in_flight, 0);
  await regions.heal();
});
