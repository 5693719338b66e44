// Connections that an origin has kept alive and closes just as they are used again, over raw sockets: the classic of every proxy (RFC
// 9112 sections 9.3.1 and 9.6). A read goes there once more before another region is asked; a write never does, unless it may be repeated.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Origin, response } from "../conformance/raw/wire.mjs";
import { Client, startRouter, stopAll, stopWithAll, topology, waitUntil } from "./harness.mjs";

const OK = response("200 OK");
/** What servers say to a connection on which nothing comes, before they close it. */
const IDLE = response("408 Request Timeout", ["Connection: close"], "slow");

/** A region of raw sockets: `asked` are the requests that came, `next` what happens to the next one on a connection that has answered before. */
class Region extends Origin {
  asked = [];
  /** @type {any} */
  next = [];

  constructor(name) {
    super();
    this.name = name;
    this.deed = ({ method, target }, socket) => {
      if (socket.writableEnded) return;
      this.asked.push(`${method} ${target}`);
      const deed = this.next.shift();
      if (deed) deed(socket);
      else socket.write(OK);
    };
    stopWithAll(async () => this.stop());
  }

  /** Does that to the one connection which is kept (the others end as they should), and waits until it has had time to arrive. */
  async toKept(deed) {
    const [kept, ...others] = [...this.sockets].reverse();
    assert.ok(kept, `${this.name} keeps a connection`);
    others.forEach(CLOSE);
    await waitUntil(() => this.sockets.size === 1, "one connection is left");
    deed(kept);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const RESET = (socket) => socket.resetAndDestroy();
const CLOSE = (socket) => socket.end();
const STRAY = (socket) => socket.write("STRAY");
const ENDS = (socket) => socket.end(IDLE);

let origins, router;
before(async () => {
  origins = Object.fromEntries(await Promise.all(["us", "eu", "ap"].map(async (name) => [name, await new Region(name).listen()])));
});
after(stopAll);
beforeEach(async () => {
  await router?.stop();
  for (const origin of Object.values(origins)) Object.assign(origin, { asked: [], next: [] });
  router = await startRouter({ vars: topology(origins) });
  await read("warm");
  // The authority tells a region of an owner, on a connection of its own.
  await waitUntil(() => origins.eu.asked.some((line) => line.startsWith("POST /.well-known/")), "the authority has spoken");
});

const read = (path) => new Client(router.url, "eu").get(`/api/likes/${path}`);
const reason = (answer) => answer.headers["homing-reason"];
const seen = (path) => Object.values(origins).map((origin) => origin.asked.filter((line) => line.endsWith(`/${path}`)).length);

for (const [name, deed, why, sends] of [
  ["is closed while it is idle", CLOSE, "nearest", 1],
  ["is reset while it is idle", RESET, "retried", 1],
  ["has stray bytes on it", STRAY, "retried", 2],
  ["has said 408 while it was idle", ENDS, "retried", 1],
]) {
  test(`a connection that ${name}: the read is answered by the same region`, async () => {
    assert.equal((await read("warm")).status, 200);
    await origins.eu.toKept(deed);
    const answer = await read("again");
    assert.deepEqual([answer.status, answer.text, answer.headers["homing-region"], reason(answer)], [200, "ok", "eu", why]);
    const [us, eu, ap] = seen("again");
    assert.deepEqual([us, ap], [0, 0], "no other region is asked");
    assert.ok(eu <= sends, `${eu} of ${sends} came`);
    const next = await read("next");
    assert.deepEqual([next.status, reason(next)], [200, "nearest"], "and nothing is left of it");
  });
}

for (const [name, deed] of [
  ["closed", CLOSE],
  ["reset", RESET],
]) {
  test(`a connection that is ${name} as the request comes: once more, and held against nobody`, async () => {
    await read("warm");
    // More often than would open a breaker, or make others doubt the region.
    for (let n = 0; n < 7; n++) {
      origins.eu.next = [deed];
      const answer = await read(`as-it-comes-${n}`);
      assert.deepEqual([answer.status, answer.headers["homing-region"], reason(answer)], [200, "eu", "retried"], `${n}`);
      assert.deepEqual(seen(`as-it-comes-${n}`), [0, 2, 0]);
    }
    assert.equal((await router.snapshot()).regions.find(({ name }) => name === "eu").circuit.read.failures, 0);
  });
}

test("a region that closes every connection is asked twice, then another one, and from then on it is passed over as ever", async () => {
  await read("warm");
  const closing = () => (origins.eu.next = Array(20).fill(RESET));
  closing();
  const first = await read("closing");
  assert.deepEqual([first.status, reason(first)], [200, "failover-broken"]);
  assert.deepEqual(
    seen("closing").reduce((sum, n) => sum + n),
    3,
  );
  closing();
  assert.equal((await read("closing-2")).status, 200);
});

test("a write is not sent again into a connection that was reset, and nobody claims to know", async () => {
  const client = new Client(router.url, "eu");
  assert.equal((await client.put("/api/catalog/warm", { name: "lamp" })).status, 200);
  await origins.us.toKept(RESET);
  const write = await client.put("/api/catalog/reset", { name: "lamp" });
  assert.deepEqual([write.status, reason(write), write.headers["homing-write-outcome"]], [503, "write-unknown", "unknown"]);
  assert.deepEqual(seen("reset"), [0, 0, 0]);
  assert.equal((await client.put("/api/catalog/after", { name: "lamp" })).status, 200, "the next one goes");
});

test("a write that an idle connection's 408 answers may have been done, for all that anybody knows, and is repeated where it may be", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/catalog/warm", { name: "lamp" });
  await origins.us.toKept(ENDS);
  const write = await client.put("/api/catalog/idle", { name: "lamp" });
  assert.deepEqual([write.status, reason(write), write.headers["homing-write-outcome"]], [503, "write-unknown", "unknown"]);
  assert.ok(Number(write.headers["retry-after"]) > 0);
  assert.match(write.headers["content-type"], /^application\/problem\+json/);
  assert.deepEqual(seen("idle"), [0, 0, 0]);
  await client.put("/api/catalog/warm", { name: "lamp" });
  await origins.us.toKept(ENDS);
  const again = await client.put("/api/catalog/idle-key", { name: "lamp" }, { headers: { "idempotency-key": "once" } });
  assert.deepEqual([again.status, reason(again)], [200, "retried"]);
  assert.deepEqual(seen("idle-key"), [1, 0, 0]);
});

test("an application that says 408 by itself is heard", async () => {
  await read("warm");
  origins.eu.next = [(socket) => socket.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nown")];
  const answer = await read("own");
  assert.deepEqual([answer.status, answer.text, reason(answer)], [408, "own", "nearest"]);
});

test("where only home may answer, what would be an outage for one request is none", async () => {
  await router.stop();
  const change = (vars) => void vars.ROUTES.unshift({ match: "GET /api/home/*", dataset: "catalog", read_after_write: "home" });
  router = await startRouter({ vars: topology(origins, change) });
  const client = new Client(router.url, "eu");
  for (const deed of [STRAY, RESET, ENDS]) {
    await client.get("/api/home/warm");
    await origins.us.toKept(deed);
    const answer = await client.get("/api/home/again");
    assert.deepEqual([answer.status, answer.headers["homing-region"], reason(answer)], [200, "us", "retried"]);
  }
});
