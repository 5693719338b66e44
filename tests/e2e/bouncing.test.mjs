// Nothing bounces: whatever regions do and say, at most two of them see one request, inside its deadline, and then there is an
// answer. Counted at the origins.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, startOrigin, startRouter, stopAll, topology } from "./harness.mjs";
import { answered, isHonest, most, readFigures, startWorld } from "./world.mjs";

let world;
before(async () => {
  world = await startWorld({ seed: 5 });
});
after(stopAll);

/** At most two regions, and one of them twice at most: where its connection was lost as it was used, a read goes there once more. */
const atMostTwo = (asked) => {
  for (const { id } of asked) {
    const sends = world.sends(id).map(({ region }) => region);
    const regions = new Set(sends).size;
    assert.ok(regions <= 2 && sends.length <= regions + 1, JSON.stringify(sends));
  }
};
const runs = (asked, what) =>
  asked
    .map(what)
    .join(" ")
    .replace(/(\S+)(?: \1(?!\S))+/g, (all, one) => `${one} x${all.split(" ").length}`);

for (const [kind, options] of [["refuse"], ["blackhole"], ["reset", { after: 100 }]]) {
  test(`two of three regions dead (${kind}): two see a request, then an honest 503; whom they failed finds the third, and all do once two have said so`, async (t) => {
    const router = await world.router();
    await world.fronts.eu.set(kind, options);
    await world.fronts.us.set(kind, options);
    const asked = [];
    // The first finds out that two fail; the second region is not the choice of whom the first has failed again. That one visitor says
    // so changes nothing for the next, who finds it out for themselves; what both say is believed by everybody.
    for (const visitor of ["first", "second"]) {
      const client = new Client(router.url, "eu");
      const mine = [];
      while (mine.length < 2 && mine.at(-1)?.status !== 200) mine.push(await world.ask(client, "GET", `/api/likes/two-dead-${kind}-${visitor}-${mine.length}`));
      assert.equal(mine.at(-1).headers["homing-region"], "ap", `the third answers the ${visitor} once the dead are known to them`);
      asked.push(...mine);
    }
    const then = await world.reads(router, "eu", `third-${kind}`, 40, 8);
    await world.heal();
    t.diagnostic(
      `${kind}: statuses ${runs(asked, ({ status }) => status)}, sends ${runs(asked, ({ sends }) => sends)}, slowest ${Math.round(most(asked, "ms"))} ms; then ${readFigures(then)}`,
    );
    atMostTwo([...asked, ...then]);
    for (const one of asked) assert.ok(one.status === 200 || isHonest(one), `${one.status} ${one.text}`);
    assert.equal(answered(then).length, then.length, then.find(({ status }) => status !== 200)?.text);
    await router.stop();
  });
}

test("all regions dead: an honest 503, and a write says that it is not known or was not sent", async (t) => {
  const router = await world.router();
  for (const front of Object.values(world.fronts)) await front.set("refuse");
  const reads = await world.reads(router, "ap", "all-dead", 40);
  const writes = await world.writes(router, "ap", "all-dead", 20);
  await world.heal();
  t.diagnostic(
    `all dead: reads ${runs(reads, ({ status }) => status)}, slowest ${Math.round(most(reads, "ms"))} ms; writes ${runs(writes, ({ headers }) => headers["homing-write-outcome"])}`,
  );
  assert.ok([...reads, ...writes].every(isHonest));
  assert.ok(writes.every(({ headers }) => /^(unknown|not-sent)$/.test(headers["homing-write-outcome"])));
  await router.stop();
});

test("flapping regions: one is down at a time, so nearly all is answered, by two at most, and what is not says so", async (t) => {
  const router = await world.router();
  const names = ["eu", "us", "ap"];
  let over = false;
  let flaps = 0;
  const flap = async () => {
    for (; !over; flaps++) {
      const front = world.fronts[names[flaps % 3]];
      await front.set(flaps % 2 ? "refuse" : "reset", { after: 100 });
      await world.reads(router, "eu", `down-${flaps}`, 6, 1);
      await front.set("pass");
      // Whoever has met this one dead is done before the next one dies.
      await Promise.all([...world.underWay]);
    }
  };
  const flapping = flap();
  const reads = (await Promise.all(names.map((near) => world.reads(router, near, `flapping-${near}`, 150, 2)))).flat();
  over = true;
  await flapping;
  await world.heal();
  t.diagnostic(`flapping, ${flaps} times: ${readFigures(reads)}`);
  atMostTwo(reads);
  // A connection that a flap has killed may be found dead only when it is used again, and then the next region may be the one that
  // is down: two have seen that read.
  assert.ok(
    reads.every((read) => read.status === 200 || isHonest(read)),
    reads.find(({ status }) => status !== 200)?.text,
  );
  assert.ok(answered(reads).length >= reads.length * 0.98, `${answered(reads).length} of ${reads.length}`);
  await router.stop();
});

/** Origins of which each says that the next one owns it, by an epoch that is ever higher. */
async function ring(names) {
  const seen = [];
  let epoch = 10;
  const origins = {};
  for (const [at, name] of names.entries()) {
    const next = names[(at + 1) % names.length];
    origins[name] = await startOrigin((request, response) => {
      request.resume();
      seen.push({ region: name, id: request.headers["x-request"], method: request.method });
      response.writeHead(421, { "homing-home": next, "homing-epoch": String(epoch++), "homing-wrote": "0" }).end();
    });
  }
  const vars = topology(undefined, (vars) => {
    for (const [name, origin] of Object.entries(origins)) vars.REGIONS[name].origin = origin;
    for (const route of vars.ROUTES) Object.assign(route, { deadline: "1s", ...(route.dataset === "catalog" ? { read_after_write: "home" } : {}) });
  });
  return { router: await startRouter({ vars }), seen };
}

for (const names of [
  ["us", "eu"],
  ["us", "eu", "ap"],
]) {
  test(`${names.length} origins that name each other with ever-higher epochs: two sends, then an honest 503`, async (t) => {
    const { router, seen } = await ring(names);
    const asked = await world.load(30, 3, async (at) => {
      const [id, near] = [`ring-${names.length}-${at}`, names[at % names.length]];
      const began = performance.now();
      const write = at % 2 === 0;
      const headers = { "x-request": id, ...(at % 4 === 0 ? { "idempotency-key": id } : {}) };
      const answer = await new Client(router.url, near).request(write ? "PUT" : "GET", "/api/catalog/ring", { headers, ...(write ? { body: {} } : {}) });
      const sends = seen.filter((send) => send.id === id);
      return { ...answer, id, write, ms: performance.now() - began, sends: sends.length, regions: new Set(sends.map(({ region }) => region)).size };
    });
    t.diagnostic(
      `ring of ${names.length}: statuses ${runs(asked, ({ status }) => status)}, reasons ${[...new Set(asked.map(({ headers }) => headers["homing-reason"]))]}, sends ${runs(asked, ({ sends }) => sends)}, slowest ${Math.round(most(asked, "ms"))} ms`,
    );
    for (const one of asked) {
      assert.ok(one.sends >= 1 && one.sends <= 2 && one.regions <= 2, JSON.stringify(seen.filter(({ id }) => id === one.id)));
      assert.ok(isHonest(one), `${one.status} ${one.text}`);
      if (one.write) assert.equal(one.headers["homing-write-outcome"], "refused");
    }
    assert.equal((await router.snapshot()).in_flight, 0);
    await router.stop();
  });
}

test("an owner that names a dead one: two sends, and the write says that it is not known", async (t) => {
  const seen = [];
  // What the authority tells regions is no client's request.
  const see = (region, request) => void (request.url.startsWith("/.well-known/") || seen.push(region));
  const us = await startOrigin((request, response) => {
    see("us", request);
    request.resume();
    response.writeHead(421, { "homing-home": "eu", "homing-epoch": "7", "homing-wrote": "0" }).end();
  });
  const eu = await startOrigin((request) => {
    see("eu", request);
    request.socket.destroy();
  });
  const vars = topology(undefined, (vars) => {
    vars.REGIONS.us.origin = us;
    vars.REGIONS.eu.origin = eu;
  });
  const router = await startRouter({ vars });
  const write = await new Client(router.url, "ap").put("/api/catalog/1", {}, { headers: { "idempotency-key": "k" } });
  t.diagnostic(`seen by ${seen}: ${write.status} ${write.headers["homing-write-outcome"]}`);
  assert.deepEqual(seen, ["us", "eu"]);
  assert.ok(isHonest(write));
  assert.equal(write.headers["homing-write-outcome"], "unknown");
});
