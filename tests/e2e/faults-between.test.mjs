// Faults that are not a region's: links between regions, origins that drip for ever, the home store, the directory, the authority.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Client, startOrigin, stopAll, waitUntil } from "./harness.mjs";
import { TOTAL_MS, answered, isHonest, most, percentile, readFigures, startWorld, writeFigures } from "./world.mjs";

let world;
before(async () => {
  world = await startWorld({ seed: 23 });
});
afterEach(() => world.heal());
after(stopAll);

const atMostTwo = (asked) => assert.ok(most(asked, "sends") <= 2 && most(asked, "regions") <= 2);
const text = (asked) => asked.find(({ status }) => status !== 200)?.text;

for (const [name, kind, options] of /** @type {any[][]} */ ([
  ["half-open", "half-open", { way: "down" }],
  ["a black hole", "blackhole", {}],
  ["dripping", "throttle", { bytes: 1, every: 100 }],
])) {
  test(`the link between two regions is ${name}, and the edge reaches both: all is answered, and nobody misses what they wrote`, async (t) => {
    const router = await world.router();
    const slug = name.replace(/\W+/g, "-");
    for (const link of ["eu-us", "us-eu"]) await world.links[link].set(kind, options);
    const client = new Client(router.url, "eu");
    const missed = [];
    const asked = await world.load(40, 4, async (at) => {
      const write = await world.ask(client, "PUT", `/api/catalog/${slug}-${at}`, { body: { at } });
      const read = await world.ask(client, "GET", `/api/catalog/${slug}-${at}`);
      if (read.json?.item?.at !== at) missed.push(read.path);
      return [write, read];
    });
    const reads = await world.reads(router, "eu", slug, 60);
    const all = [...asked.flat(), ...reads];
    const { lag_ms: lag, reachable } = await (await fetch(new URL("/.well-known/homing", world.regions.eu.url))).json();
    t.diagnostic(
      `link ${name}: ${asked.length} writes and reads of them, ${answered(asked.flat()).length} answered, own writes missed ${missed.length}; ${readFigures(reads)}; eu says that it is behind by ${JSON.stringify(lag)} ms and reaches ${JSON.stringify(reachable)}`,
    );
    assert.deepEqual([answered(all).length, missed], [all.length, []], text(all));
    atMostTwo(all);
    await world.heal();
    const last = asked.at(-1)[0].path;
    await waitUntil(async () => (await (await fetch(new URL(last, world.regions.eu.url))).json()).item !== null, "eu has caught up", 30_000);
    await router.stop();
  });
}

/** An origin that sends a byte at a time, for ever: its head, a small body, or a body without a length. */
async function dripping(what) {
  const open = new Set();
  const drip = (socket) => {
    const timer = setInterval(() => socket.write(what === "body" ? "1\r\nx\r\n" : "x"), 20);
    open.add(socket);
    socket.on("close", () => (clearInterval(timer), open.delete(socket)));
  };
  const heads = {
    head: "HTTP/1.1 200 OK\r\nX-Long: ",
    "small body": "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
    body: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  };
  const url = await startOrigin(({ socket }) => {
    socket.write(heads[what]);
    drip(socket);
  });
  // The front keeps counting what is sent.
  const { target } = world.fronts.eu;
  world.fronts.eu.target = new URL(url);
  return { open, stop: () => (world.fronts.eu.target = target) };
}

for (const what of ["head", "small body"]) {
  test(`an origin whose ${what} comes a byte at a time for ever: reads fail over at the deadline, and its connections are let go`, async (t) => {
    const origin = await dripping(what);
    // A body is read before it is answered, and so repaired, where its route says so.
    const router = await world.router({ change: (vars) => vars.ROUTES.forEach((route) => (route.repair = true)) });
    const reads = await world.reads(router, "eu", what.replace(" ", "-"), 100);
    t.diagnostic(`slow-loris ${what}: ${readFigures(reads)}`);
    assert.equal(answered(reads).length, reads.length, text(reads));
    await waitUntil(() => origin.open.size === 0, "nothing is open towards that origin");
    assert.equal((await router.snapshot()).in_flight, 0);
    atMostTwo(reads);
    origin.stop();
    await router.stop();
  });
}

test("an endless body without a length streams on, harms nobody, and ends when its client goes", async (t) => {
  const origin = await dripping("body");
  const router = await world.router();
  const streams = await Promise.all(Array.from({ length: 20 }, (_, at) => new Client(router.url, "eu").get(`/endless-${at}`, { raw: true })));
  const heard = streams.map((stream) => ((got) => (stream.on("data", (data) => (got.bytes += data.length)).on("error", () => {}), got))({ bytes: 0 }));
  await waitUntil(() => heard.every(({ bytes }) => bytes > 5), "each comes a byte at a time");
  const reads = await world.reads(router, "us", "beside-endless", 100);
  for (const stream of streams) stream.destroy();
  t.diagnostic(`endless: ${streams.length} streams of ${heard.reduce((sum, { bytes }) => sum + bytes, 0)} bytes; beside them ${readFigures(reads)}`);
  assert.deepEqual([answered(reads).length, most(reads, "sends")], [100, 1], text(reads));
  await waitUntil(() => origin.open.size === 0, "the origin's connections are closed");
  await waitUntil(async () => (await router.snapshot()).in_flight === 0, "nothing is in flight");
  origin.stop();
  await router.stop();
});

for (const moods of [
  { kv: "fails" },
  { kv: "slow" },
  { directory: "fails" },
  { directory: "slow" },
  { kv: "fails", directory: "fails", authority: "fails" },
  { kv: "slow", directory: "slow", authority: "slow" },
]) {
  const name = Object.entries(moods)
    .map((pair) => pair.join(" "))
    .join(", ");
  test(`${name}: what is known is decided as before; a new subject is written by the directory's word, or refused honestly`, async (t) => {
    const router = await world.router({ kv: "moody" });
    const slug = name.replace(/\W+/g, "-");
    const session = new Client(router.url, "eu");
    await session.post("/login", { user: slug });
    await session.post("/api/cart", { item: "tea" });
    await new Client(router.url, "ap").post(`/t/${slug}/notes`, { text: "before" });

    await router.mood(moods);
    const known = await world.load(30, 3, (at) =>
      world.ask(
        at % 2 ? session : new Client(router.url, "eu"),
        at % 3 ? "GET" : "POST",
        at % 2 ? "/api/cart" : `/t/${slug}/notes`,
        at % 3 ? {} : { body: { item: at } },
      ),
    );
    const reads = await world.reads(router, "eu", slug, 60);
    const fresh = await world.load(12, 6, (at) => world.ask(new Client(router.url, "us"), "POST", `/t/new-${slug}-${at}/notes`, { body: { at } }));
    const assigned = await router.mood("ok").then(() => router.assigned());
    t.diagnostic(
      `${name}: known subjects ${known.length} requests, ${answered(known).length} answered, p50/p99 ${percentile(known, 0.5)}/${percentile(known, 0.99)} ms; ${readFigures(reads)}; new subjects: ${writeFigures(world, fresh)}, p50/p99 ${percentile(fresh, 0.5)}/${percentile(fresh, 0.99)} ms`,
    );

    assert.deepEqual([answered(known).length, answered(reads).length], [known.length, reads.length], text([...known, ...reads]));
    for (const { method, path, id } of known) {
      if (method === "POST")
        assert.deepEqual(
          world.sends(id).map(({ region }) => region),
          [path === "/api/cart" ? "eu" : "ap"],
          "at the home that it had before",
        );
    }
    for (const write of fresh) {
      if (moods.directory)
        assert.ok(isHonest(write) && write.headers["homing-write-outcome"] === "not-sent" && write.sends === 0, `${write.status} ${write.text}`);
      else assert.equal(write.status, 200, write.text);
    }
    assert.equal(Object.keys(assigned).length, moods.directory ? 2 : 2 + fresh.length, "each subject has one home");
    atMostTwo([...known, ...fresh]);
    await router.stop();
  });
}

test("a sign-in whose home nobody can say is answered inside its deadline", async (t) => {
  const router = await world.router({ kv: "moody", change: (vars) => void vars.ROUTES.push({ match: "POST /login", deadline: "1s" }) });
  await router.mood("slow");
  await world.regions.us.control({ mode: "slow", slow_ms: 900 });
  const login = await world.ask(new Client(router.url, "eu"), "POST", "/login", { body: { user: "late" } });
  t.diagnostic(`a late sign-in: ${login.status} after ${Math.round(login.ms)} ms`);
  assert.ok(login.ms < TOTAL_MS + 500, `${login.ms} ms`);
  await router.stop();
});
