// Overload: what a region's ceiling does with the excess, what a breaker lets through when its time is up, and how a second send is
// kept within its budget. Regions are origins of the test's own, which count what reaches them.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { Client, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

let regions;
before(async () => (regions = await startRegions()));
after(stopAll);

/** An origin whose answers wait until they are let go. */
async function gate() {
  const waiting = [];
  const state = { most: 0, seen: 0, open: false, fails: false };
  state.url = await startOrigin((request, response) => {
    // What the authority tells regions is no client's request, and waits for none.
    if (request.url.startsWith("/.well-known/")) return void request.resume().on("end", () => response.end("{}"));
    state.seen++;
    const answer = () =>
      response.writeHead(state.fails ? 503 : 200, { "content-type": "application/json", "cache-control": "no-store" }).end(`{"region":"gate"}`);
    request.resume();
    if (state.open) return answer();
    waiting.push(answer);
    state.most = Math.max(state.most, waiting.length);
  });
  state.release = () => waiting.splice(0).forEach((answer) => answer());
  state.waiting = () => waiting.length;
  return state;
}

const routerWith = (origin, change = (..._) => {}) =>
  startRouter({
    vars: topology(regions, (vars) => {
      vars.REGIONS.us.origin = origin;
      change(vars);
    }),
  });

test("at its ceiling a region gets no more: writes beyond are refused at once, and say when to come again", async () => {
  const us = await gate();
  const router = await routerWith(us.url, (vars) => void (vars.REGIONS.us.ceiling = 4));
  const writes = Array.from({ length: 40 }, (_, n) => new Client(router.url, "us").put(`/api/catalog/${n}`, { name: "lamp" }));
  const refused = [];
  for (const write of writes) write.then((answer) => answer.status === 503 && refused.push(answer));
  await waitUntil(() => refused.length === 36 && us.waiting() === 4, "36 of 40 are refused while four are under way");
  for (const { headers, json } of refused) {
    assert.deepEqual([headers["homing-reason"], headers["homing-write-outcome"], headers["retry-after"]], ["region-full", "not-sent", "1"]);
    assert.equal(headers["proxy-status"], "homing; error=connection_limit_reached");
    assert.equal(json.reason, "region-full");
  }
  us.release();
  const answers = await Promise.all(writes);
  assert.equal(answers.filter(({ status }) => status === 200).length, 4, "those that were under way are answered");
  us.open = true;
  assert.equal((await new Client(router.url, "us").put("/api/catalog/after", { name: "lamp" })).status, 200);
  console.log(`40 writes at once, ceiling 4: most under way ${us.most}, refused ${refused.length}, seen by the region ${us.seen}`);
  assert.deepEqual([us.most, us.seen], [4, 5]);
});

test("reads beyond the ceiling go to the next region", async () => {
  const us = await gate();
  const router = await routerWith(us.url, (vars) => void (vars.REGIONS.us.ceiling = 4));
  const reads = Array.from({ length: 20 }, (_, n) => new Client(router.url, "us").get(`/api/likes/${n}`));
  const elsewhere = [];
  for (const read of reads) read.then((answer) => answer.headers["homing-region"] !== "us" && elsewhere.push(answer));
  await waitUntil(() => elsewhere.length === 16 && us.waiting() === 4, "sixteen are answered elsewhere");
  assert.ok(elsewhere.every(({ status }) => status === 200));
  us.release();
  await Promise.all(reads);
  const { trace } = (await router.snapshot()).decisions.find(({ region }) => region !== "us");
  assert.deepEqual(
    trace.filter((rule) => rule.startsWith("region-full")),
    ["region-full us"],
  );
  console.log(`20 reads at once, ceiling 4: ${elsewhere.length} at the next region, most under way ${us.most}`);
});

test("clients that go away leave room at the ceiling", async () => {
  const us = await gate();
  const router = await routerWith(us.url, (vars) => void (vars.REGIONS.us.ceiling = 2));
  const sockets = Array.from({ length: 2 }, (_, n) => {
    const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1").on("error", () => {});
    socket.write(`PUT /api/catalog/${n} HTTP/1.1\r\nHost: x\r\nCF-Connecting-IP: 127.19.0.${n}\r\nContent-Length: 2\r\n\r\n{}`);
    return socket;
  });
  await waitUntil(() => us.waiting() === 2, "both are under way");
  assert.equal((await new Client(router.url, "us").put("/api/catalog/third", { name: "x" })).headers["homing-reason"], "region-full");
  for (const socket of sockets) socket.resetAndDestroy();
  const under_way = async () => (await router.snapshot()).regions.find(({ name }) => name === "us").circuit.in_flight;
  await waitUntil(async () => (await under_way()) === 0, "nothing is under way any more");
  us.open = true;
  assert.equal((await new Client(router.url, "us").put("/api/catalog/after", { name: "x" })).status, 200);
});

test("an open breaker costs nobody anything, and when its time is up one request goes there to see", async () => {
  const us = await gate();
  Object.assign(us, { open: true, fails: true });
  const router = await routerWith(us.url);
  const client = () => new Client(router.url, "us");
  // Five visitors, on more than one route: that is the region.
  for (let n = 0; n < 5; n++) assert.equal((await client().get(`/api/${n % 2 ? "likes" : "catalog"}/${n}`)).status, 200);
  assert.equal(us.seen, 5);
  const burst = await Promise.all(Array.from({ length: 50 }, (_, n) => client().get(`/api/likes/burst${n}`)));
  assert.ok(burst.every(({ status, headers }) => status === 200 && headers["homing-region"] !== "us"));
  assert.equal(us.seen, 5, "none of them is sent there");
  const circuit = async () => (await router.snapshot()).regions.find(({ name }) => name === "us").circuit.read;
  await waitUntil(async () => (await circuit()).state === "probing", "its time is up", 45_000);
  // It hangs, so that the others come while it is under way.
  us.open = false;
  const probes = Array.from({ length: 20 }, (_, n) => client().get(`/api/likes/probe${n}`));
  await waitUntil(() => us.waiting() > 0, "one is sent there");
  const others = [];
  for (const probe of probes) probe.then((answer) => others.push(answer));
  await waitUntil(() => others.length === 19, "the others are answered elsewhere meanwhile");
  assert.equal(us.waiting(), 1);
  Object.assign(us, { open: true, fails: false });
  us.release();
  await Promise.all(probes);
  assert.equal((await circuit()).state, "returning");
  const share = await Promise.all(Array.from({ length: 60 }, (_, n) => client().get(`/api/likes/share${n}`)));
  const there = share.filter(({ headers }) => headers["homing-region"] === "us").length;
  console.log(`five failures, then 50 reads: none sent there; after 30 s 20 reads: one probe; then ${there} of 60 are sent there`);
  assert.ok(there < 60, "not all at once");
  await waitUntil(async () => (await circuit()).state === "closed", "all are back", 20_000);
});

test("what one visitor makes fail on one route is held against nobody else, and what many find is", async () => {
  const us = await startOrigin((request, response) =>
    response.writeHead(request.url.startsWith("/broken") ? 502 : 200, { "content-type": "application/json" }).end("{}"),
  );
  const router = await routerWith(us, (vars) => void vars.ROUTES.push({ match: "/broken/*", dataset: "catalog" }));
  const hostile = new Client(router.url, "us");
  const write = () => new Client(router.url, "us").put("/api/catalog/lamp", { name: "lamp" });
  for (let n = 0; n < 100; n++) assert.equal((await hostile.post(`/broken/${n}`, {})).status, 502);
  assert.equal((await write()).status, 200, "everybody else writes on");
  assert.equal((await new Client(router.url, "us").post("/broken/1", {})).status, 502, "and gets that route's own answers");
  for (let n = 0; n < 5; n++) await new Client(router.url, "us").post(`/broken/${n}`, {});
  const refused = await new Client(router.url, "us").post("/broken/1", {});
  assert.deepEqual([refused.status, refused.headers["homing-reason"], refused.headers["retry-after"]], [503, "breaker-open", "1"], "five others: that route");
  assert.equal((await write()).status, 200, "and no other");
  const { circuit } = (await router.snapshot()).regions.find(({ name }) => name === "us");
  assert.deepEqual([circuit.write.state, circuit.routes], ["closed", [{ route: "/broken/*", access: "write" }]]);
});

let visitors = 0;

/** A connection that sends the head of a write, and then a byte now and then; each is another visitor's. */
function trickle(router, path, framing, visitor = `127.20.0.${++visitors}`) {
  const socket = net.connect(Number(new URL(router.url).port), "127.0.0.1").on("error", () => {});
  socket.write(
    `PUT ${path} HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: us\r\nCF-Connecting-IP: ${visitor}\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`,
  );
  const piece = framing.startsWith("Content-Length") ? "x" : "1\r\nx\r\n";
  const timer = setInterval(() => socket.write(piece), 1000);
  let head = "";
  socket.on("data", (data) => (head += data)).on("close", () => clearInterval(timer));
  return { socket, status: () => Number(head.slice(9, 12)), reason: () => /homing-reason: (\S+)/i.exec(head)?.[1] };
}

test("one visitor fills no more than half of a region, and of what is there for uploads", async () => {
  const us = await gate();
  const router = await routerWith(us.url, (vars) => void (vars.REGIONS.us.ceiling = 8));
  const hostile = new Client(router.url, "us");
  const answers = [];
  const slow = Array.from({ length: 12 }, (_, n) => hostile.put(`/api/catalog/${n}`, { name: "lamp" }).then((answer) => answers.push(answer)));
  await waitUntil(() => answers.length === 8 && us.waiting() === 4, "four are under way, and eight are refused");
  assert.deepEqual(new Set(answers.map(({ headers }) => headers["homing-reason"])), new Set(["region-full"]));
  const uploads = Array.from({ length: 3 }, (_, n) => trickle(router, `/api/catalog/upload${n}`, "Transfer-Encoding: chunked", "127.20.1.1"));
  await waitUntil(
    () => uploads.filter(({ reason }) => reason() === "region-full").length === 2 && us.waiting() === 5,
    "of two places for uploads one is theirs",
  );
  const others = Array.from({ length: 3 }, (_, n) => new Client(router.url, "us").put(`/api/catalog/other${n}`, { name: "lamp" }));
  await waitUntil(() => us.waiting() === 8, "the others have the rest");
  us.release();
  assert.deepEqual(
    (await Promise.all(others)).map(({ status }) => status),
    [200, 200, 200],
  );
  await Promise.all(slow);
  for (const { socket } of uploads) socket.destroy();
});

test("clients that send slowly hold no place that others need, and are ended", async () => {
  // It answers when it has all of a request, as most applications do.
  const us = await startOrigin((request, response) =>
    request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}")),
  );
  const router = await routerWith(us, (vars) => void (vars.REGIONS.us.ceiling = 20));
  const write = () => new Client(router.url, "us").put("/api/catalog/lamp", { name: "lamp" });
  const circuit = async () => (await router.snapshot()).regions.find(({ name }) => name === "us").circuit;
  const slow = Array.from({ length: 20 }, (_, n) => trickle(router, `/api/catalog/slow${n}`, n % 2 ? "Content-Length: 1000000" : "Transfer-Encoding: chunked"));
  const small = Array.from({ length: 20 }, (_, n) => trickle(router, `/api/catalog/small${n}`, "Content-Length: 60000"));
  await waitUntil(() => slow.filter(({ reason }) => reason() === "region-full").length === 15, "fifteen of twenty find no room");
  assert.equal((await circuit()).in_flight, 5, "a quarter, and none of the small ones before they are whole");
  const writes = await Promise.all(Array.from({ length: 15 }, write));
  assert.deepEqual(
    writes.map(({ status }) => status),
    Array(15).fill(200),
  );
  await waitUntil(() => slow.filter(({ status }) => status() === 408).length === 5, "they are too slow", 30_000);
  assert.equal(slow.filter(({ reason }) => reason() === "request-incomplete").length, 5);
  assert.equal((await circuit()).in_flight, 0);
  await waitUntil(() => small.every(({ status }) => status() === 408), "so are the small ones", 45_000);
  for (const { socket } of [...slow, ...small]) socket.destroy();
});
