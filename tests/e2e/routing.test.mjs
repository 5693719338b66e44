// Where a request goes: the three ownerships, the home of a subject, the nearest region.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, startRegions, startRouter, stopAll, subjectId, topology } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
after(stopAll);

const went = (answer, region, reason) => {
  assert.equal(answer.headers["homing-reason"], reason, answer.text);
  assert.equal(answer.headers["homing-region"], region);
  assert.equal(answer.json.region, region);
};

test("a read is answered by the nearest region", async () => {
  for (const near of ["us", "eu", "ap"]) went(await new Client(router.url, near).get("/echo"), near, "nearest");
});

test("nearest is by coordinates, then by continent, then by configured order", async () => {
  const places = [
    [{ latitude: "-33.9", longitude: "151.2", continent: "EU" }, "ap"], // Sydney, whatever the continent says
    [{ latitude: "52.5", longitude: "13.4" }, "eu"],
    [{ continent: "SA" }, "us"],
    [{ continent: "AS" }, "ap"],
    [{ latitude: "north", longitude: "east" }, "us"],
    [{}, "us"],
  ];
  for (const [cf, region] of places) went(await new Client(router.url, undefined, { "mf-cf-blob": JSON.stringify(cf) }).get("/echo"), region, "nearest");
});

test("an unknown region in Homing-Dev-Near is not believed, and without DEV none is", async () => {
  const cf = { "mf-cf-blob": JSON.stringify({ continent: "AS" }) };
  went(await new Client(router.url, "mars", cf).get("/echo"), "ap", "nearest");
  const production = await startRouter({ vars: topology(regions, (vars) => void delete vars.DEV), bindings: { SESSION_KEY: "k".repeat(32) } });
  went(await new Client(production.url, "eu", cf).get("/echo"), "ap", "nearest");
  await production.stop();
});

test("single-writer: every write goes to the dataset's home", async () => {
  const client = new Client(router.url, "ap");
  const written = await client.put("/api/catalog/1", { name: "lamp" });
  went(written, "us", "home");
  const [seen] = await regions.us.seen("/api/catalog/1");
  assert.deepEqual([seen.home, seen.epoch, seen.intent], ["us", "1", "write"]);
});

test("geo-partitioned: a user's writes go to the user's home, wherever the user is", async () => {
  const client = new Client(router.url, "ap");
  assert.equal((await client.post("/login", { user: "ada" })).status, 200);
  assert.equal(client.session()[3], "ap", "the session starts with the home");
  client.headers["homing-dev-near"] = "us";
  const added = await client.post("/api/cart", { item: "tea" });
  went(added, "ap", "home");
  assert.deepEqual(added.json.items, ["tea"]);
});

test("a new subject lives in the nearest region where it may, and the home store learns it", async () => {
  const id = subjectId("tenant", "acme");
  went(await new Client(router.url, "eu").post("/t/acme/notes", { text: "hello" }), "eu", "home");
  const homes = await router.homes();
  assert.deepEqual(JSON.parse(await homes.get(`home:${id}`)), { home: "eu", epoch: 1 });
  went(await new Client(router.url, "us").post("/t/acme/notes", { text: "again" }), "eu", "home");
});

test("what the home store says decides, and the write carries its epoch", async () => {
  await (await router.homes()).put(`home:${subjectId("tenant", "umbrella")}`, JSON.stringify({ home: "ap", epoch: 4 }));
  went(await new Client(router.url, "us").post("/t/umbrella/notes", { text: "hello" }), "ap", "home");
  const [seen] = await regions.ap.seen("/t/umbrella");
  assert.deepEqual([seen.home, seen.epoch], ["ap", "4"]);
});

test("a home store that names no permitted region is not believed, and the directory is asked", async () => {
  const store = await router.homes();
  await store.put(`home:${subjectId("tenant", "broken")}`, JSON.stringify({ home: "mars", epoch: 1 }));
  const client = new Client(router.url, "ap");
  went(await client.post("/t/broken/notes", { text: "hello" }), "ap", "home");
  assert.equal(await store.get(`home:${subjectId("tenant", "broken")}`), '{"epoch":1,"home":"ap"}');
});

test("residency: a subject is never given a home outside of it", async () => {
  const strict = await startRouter({ vars: topology(regions, (vars) => void (vars.DATASETS.notes.regions = ["us"])) });
  const client = new Client(strict.url, "ap");
  went(await client.post("/t/strict/notes", { text: "hello" }), "us", "home");
  went(await new Client(strict.url, "ap").get("/t/strict2/notes"), "us", "nearest");
  await strict.stop();
});

test("multi-writer: the nearest owner takes the write, stamped with a clock", async () => {
  const client = new Client(router.url, "ap");
  const first = await client.put("/api/likes/1", { liked: true });
  went(first, "ap", "nearest-owner");
  const second = await client.put("/api/likes/1", { liked: false });
  assert.match(first.json.version, /^[0-9a-f]{12}-[0-9a-f]{4}-[0-9a-f]{8}$/);
  assert.ok(second.json.version > first.json.version);
});

test("what no dataset claims reads near and writes to the default home", async () => {
  const client = new Client(router.url, "ap");
  // A preflight is answered near: what is safe (RFC 9110 section 9.2.1) reads.
  for (const method of ["GET", "OPTIONS"]) went(await client.request(method, "/echo"), "ap", "nearest");
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "PURGE"]) went(await client.request(method, "/echo"), "us", "default-home");
});

test("an unidentified write of a geo-partitioned dataset has one home too", async () => {
  const answer = await new Client(router.url, "ap").post("/api/cart", { item: "tea" });
  assert.equal(answer.status, 401, "the application says who must log in");
  assert.equal(answer.headers["homing-region"], "us");
  assert.equal(answer.headers["homing-reason"], "unidentified");
});

test("a misdirected write follows once, to a strictly higher epoch, and the edge remembers", async () => {
  const moved = await startRouter({ vars: topology(regions) });
  await regions.us.control({ own: { dataset: "catalog", home: "eu", epoch: 5 } });
  const client = new Client(moved.url, "ap");
  went(await client.put("/api/catalog/moved", { name: "lamp" }), "eu", "misdirected");
  const [seen] = await regions.eu.seen("/api/catalog/moved");
  assert.deepEqual([seen.home, seen.epoch], ["eu", "5"]);
  went(await client.put("/api/catalog/moved", { name: "lamp 2" }), "eu", "home");
  assert.equal((await regions.us.seen("/api/catalog/moved")).length, 1, "the former owner is not asked again");
  await moved.stop();
  await Promise.all(Object.values(regions).map((region) => region.control({ reset: true })));
});

test("a misdirected write that names no region of the topology is refused", async () => {
  await regions.us.control({ own: { dataset: "catalog", home: "mars", epoch: 9 } });
  const answer = await new Client(router.url, "ap").put("/api/catalog/vain", { name: "lamp" });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers["homing-reason"], "misdirected-in-vain");
  assert.equal(answer.headers["homing-write-outcome"], "refused");
  assert.equal((await regions.eu.seen("/api/catalog/vain")).length, 0);
  await regions.us.control({ reset: true });
});

test("a home store that is slow or down changes nothing that is known", async () => {
  const moody = await startRouter({ vars: topology(regions), kv: "moody" });
  const known = new Client(moody.url, "eu");
  await known.post("/login", { user: "grace" });
  await known.post("/t/known/notes", { text: "hello" });
  for (const mood of ["fails", "slow"]) {
    await moody.mood(mood);
    known.headers["homing-dev-near"] = "us";
    went(await known.post("/api/cart", { item: "tea" }), "eu", "home");
    went(await known.post("/t/known/notes", { text: "again" }), "eu", "home");
    const stranger = new Client(moody.url, "ap");
    const refused = await stranger.post(`/t/unknown-${mood}/notes`, { text: "hello" });
    assert.deepEqual([refused.status, refused.headers["homing-write-outcome"]], [503, "not-sent"]);
    went(await stranger.get(`/t/unknown-${mood}/notes`), "ap", "nearest");
    const login = await stranger.post("/login", { user: `new-${mood}` });
    assert.equal(login.status, 200);
    assert.equal(stranger.session()[3], "-", "a session starts without a home that nobody could say");
  }
  await moody.mood("ok");
  went(await new Client(moody.url, "ap").post("/t/unknown-slow/notes", { text: "hello" }), "ap", "home");
  await moody.stop();
});
