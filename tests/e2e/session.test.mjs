// The session: how it starts, what is believed of it, and the promise of read-after-write that it carries.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, seal, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const SECRET = "the key with which these tests sign";
const OLD_SECRET = "the key with which they signed before";
let regions, router;
before(async () => {
  regions = await startRegions();
  const vars = topology(regions, (vars) => {
    vars.ROUTES.unshift(
      { match: "/respond/*", read_after_write: "session" },
      { match: "/api/likes/forgetful", dataset: "likes", read_after_write: "none" },
      { match: "/api/catalog/always-home", dataset: "catalog", read_after_write: "home" },
    );
    vars.IDENTITY.hosts = ["shop.example.com"];
  });
  router = await startRouter({ vars, bindings: { SESSION_KEY: SECRET, SESSION_KEY_OLD: OLD_SECRET } });
});
after(stopAll);

const reason = (answer) => answer.headers["homing-reason"];
const cookie = (session) => ({ cookie: `__Host-homing=${session}` });

test("Homing-Subject starts a session, and the application's own cookies stay", async () => {
  const answer = await new Client(router.url, "eu").post("/login", { user: "ada" });
  assert.equal(answer.headers["homing-subject"], undefined, "the contract's fields do not reach the client");
  const [app, ours, ...more] = answer.headers["set-cookie"];
  assert.equal(app, "app_user=ada; Path=/; HttpOnly");
  assert.match(ours, /^__Host-homing=1\.[^;]+; Path=\/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax$/);
  assert.equal(more.length, 0);
  assert.equal(ours.split(".")[2], subjectId("user", "ada"), "the name itself is not in it");
  assert.equal(ours.split(".")[3], "eu");
});

test("a session is issued anew only when it changes", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "ada" });
  assert.equal((await client.get("/api/cart")).headers["set-cookie"], undefined);
  assert.equal((await client.get("/echo")).headers["set-cookie"], undefined);
});

test("signing out ends the session", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "ada" });
  await client.post("/logout");
  assert.equal(client.session()[2], "-");
});

test("signing in as somebody else changes whose session it is", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "ada" });
  await client.post("/login", { user: "grace" });
  assert.equal(client.session()[2], subjectId("user", "grace"));
});

test("the origin never sees the session, only the subject that it stands for", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "ada" });
  const { json } = await client.get("/echo");
  const cookies = json.headers.filter(([name]) => name === "cookie").map(([, value]) => value);
  assert.deepEqual(cookies, ["app_user=ada"]);
});

test("a session that was forged, cut, or signed with an unknown key routes like none", async () => {
  const real = seal(SECRET, { subject: subjectId("user", "ada"), home: "ap", epoch: 1 });
  const verdicts = {
    "session-forged": [real.replace(/.(?=.$)/, (letter) => (letter === "A" ? "B" : "A")), real.replace(".ap.", ".us."), seal("a key that nobody has ever configured", {}), real.replace(/\.[^.]*$/, ".")],
    "session-malformed": ["", "1", "garbage", "x".repeat(2000), seal(SECRET, { home: "ap", epoch: "many" }), seal(SECRET, { subject: "ada" }), `2${real.slice(1)}`],
    "session-expired": [seal(SECRET, { subject: subjectId("user", "ada"), home: "ap", expires: Date.now() - 1 })],
  };
  for (const [verdict, sessions] of Object.entries(verdicts)) {
    for (const [at, session] of sessions.entries()) {
      const path = `/api/cart/${verdict}/${at}`;
      const answer = await new Client(router.url, "eu").post(path, {}, { headers: cookie(session) });
      assert.deepEqual([reason(answer), answer.headers["homing-region"]], ["unidentified", "us"], session);
      const { trace } = await router.decision(path);
      assert.ok(trace.includes(verdict), `${verdict} in ${trace} for ${session}`);
    }
  }
  const answer = await new Client(router.url, "eu").post("/api/cart/real", {}, { headers: cookie(real) });
  assert.deepEqual([reason(answer), answer.headers["homing-region"]], ["home", "ap"], "the real one is believed");
});

test("the key before the current one is believed while it is configured, and what is issued has the current one", async () => {
  const old = seal(OLD_SECRET, { subject: subjectId("user", "ada"), home: "ap", epoch: 1 });
  const client = new Client(router.url, "eu");
  client.cookies.set("__Host-homing", old);
  const answer = await client.put("/api/catalog/rotated", { name: "lamp" });
  assert.equal(answer.status, 200);
  assert.equal(client.session()[1], seal(SECRET, {}).split(".")[1], "pinned, so issued anew, with the current key");
  assert.equal(client.session()[3], "ap", "and the rest of it is kept");
});

test("clients without cookies carry the session in Homing-Session both ways", async () => {
  const client = new Client(router.url, "eu", { "homing-session": "-" });
  const login = await client.post("/login", { user: "lin" });
  const session = login.headers["homing-session"];
  assert.equal(session.split(".")[2], subjectId("user", "lin"));
  assert.equal(login.headers["set-cookie"].length, 1, "only the application's cookie is set");
  const added = await new Client(router.url, "us", { "homing-session": session, cookie: "app_user=lin" }).post("/api/cart", { item: "tea" });
  assert.deepEqual([reason(added), added.json.region], ["home", "eu"]);
});

test("after a write the session reads at home, and nobody else does", async () => {
  // As soon as the near region has the write it may answer; here it never does.
  await regions.eu.control({ lag_ms: 20_000 });
  const [writer, other] = [new Client(router.url, "eu"), new Client(router.url, "eu")];
  const written = await writer.put("/api/catalog/pinned", { name: "lamp" });
  const near = await other.get("/api/catalog/pinned");
  assert.deepEqual([reason(near), near.json.region], ["nearest", "eu"]);
  const read = await writer.get("/api/catalog/pinned");
  assert.deepEqual([reason(read), read.json.region, read.json.version], ["pinned-home", "us", written.json.version]);
  await regions.eu.control({ lag_ms: 0 });
});

test("a pin ends", async () => {
  const client = new Client(router.url, "eu");
  await client.put("/api/likes/ends", { liked: true });
  client.headers["homing-dev-near"] = "ap";
  assert.equal(reason(await client.get("/api/likes/ends")), "pinned-home");
  await waitUntil(async () => reason(await client.get("/api/likes/ends")) === "nearest", "the window of the pin is over");
});

test("a pinned reader is never answered from a copy that predates its write", async () => {
  await regions.eu.control({ lag_ms: 20_000 });
  const [writer, other] = [new Client(router.url, "eu"), new Client(router.url, "eu")];
  const path = "/api/catalog/shared";
  await other.get(path);
  assert.equal(reason(await other.get(path)), "cache-hit", "a copy of before the write is there");
  const written = await writer.put(path, { name: "lamp" });
  // Another reader fills the cache again, from a region that does not have the write yet.
  await waitUntil(async () => reason(await other.get(path)) === "cache-hit", "the stale region's answer is stored");
  const read = await writer.get(path);
  assert.deepEqual([reason(read), read.json.version], ["pinned-home", written.json.version]);
  // What home answered after the write counts, for the writer too.
  await waitUntil(async () => reason(await writer.get(path)) === "cache-hit", "the copy that home made is found");
  assert.equal((await writer.get(path)).json.version, written.json.version);
  await regions.eu.control({ lag_ms: 0 });
});

test("a multi-writer write is read where the session made it", async () => {
  const client = new Client(router.url, "ap");
  await client.put("/api/likes/mine", { liked: true });
  client.headers["homing-dev-near"] = "us";
  const read = await client.get("/api/likes/mine");
  assert.deepEqual([reason(read), read.json.region, read.json.liked], ["pinned-home", "ap", true]);
});

test("a pin further ahead than 30 s is not believed, even signed", async () => {
  const pin = (ahead) => `catalog:w:us:${Date.now()}:${Date.now() + ahead}`;
  const read = async (ahead) => reason(await new Client(router.url, "eu").get("/api/catalog/far", { headers: cookie(seal(SECRET, { pins: [pin(ahead)] })) }));
  assert.equal(await read(25_000), "pinned-home");
  assert.notEqual(await read(3_600_000), "pinned-home");
});

test("read_after_write: none leaves no pin, home sends every read home", async () => {
  const client = new Client(router.url, "ap");
  await client.put("/api/catalog/always-home", { name: "lamp" });
  const fresh = new Client(router.url, "ap");
  for (let n = 0; n < 2; n++) {
    const read = await fresh.get("/api/catalog/always-home");
    assert.deepEqual([reason(read), read.json.region], ["route-home", "us"]);
  }
  await client.put("/api/likes/other", { liked: true });
  client.headers["homing-dev-near"] = "us";
  assert.equal(reason(await client.get("/api/likes/forgetful")), "nearest");
});

test("a write that says it wrote nothing leaves no pin, a GET that says it wrote leaves one", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/respond?header=homing-wrote:0", {});
  assert.equal(client.session(), undefined);
  await client.post("/respond?status=404", {});
  assert.equal(client.session(), undefined, "a failed write leaves none either");
  const wrote = await client.get("/respond?header=homing-wrote:1");
  assert.equal(wrote.headers["homing-wrote"], undefined);
  assert.match(client.session()[7], /^:w:eu:/);
});

test("a write whose outcome is unknown leaves a pin", async () => {
  await regions.us.control({ mode: "reset", paths: ["/api/catalog/unknown"] });
  const client = new Client(router.url, "eu");
  const answer = await client.put("/api/catalog/unknown", { name: "lamp" });
  assert.deepEqual([answer.status, answer.headers["homing-write-outcome"]], [503, "unknown"]);
  await regions.heal();
  assert.equal(reason(await client.get("/api/catalog/unknown")), "pinned-home");
});

test("a session that carries a later home overrules what the isolate remembers, and the reverse", async () => {
  const write = async (home, epoch, user = "moves") =>
    (await new Client(router.url, "us").post("/api/cart/x", {}, { headers: cookie(seal(SECRET, { subject: subjectId("user", user), home, epoch })) })).headers["homing-region"];
  assert.equal(await write("eu", 1), "eu");
  assert.equal(await write("ap", 3), "ap");
  assert.equal(await write("mars", 9, "lands"), "us", "a home that the topology does not have is looked up, here: assigned");
});

test("a redirect to another host of the application carries the pins along, and nothing of it reaches an origin", async () => {
  const write = async (host) => {
    const client = new Client(router.url, "eu");
    const header = encodeURIComponent(`location:https://${host}/respond?a=1&b=2#top`);
    return (await client.post(`/respond?status=303&header=${header}`, {})).headers.location;
  };
  assert.equal(await write("elsewhere.example.org"), "https://elsewhere.example.org/respond?a=1&b=2#top");
  const location = new URL(await write("shop.example.com"));
  assert.match(location.search, /^\?a=1&b=2&homing-session=1\./);
  assert.equal(location.hash, "#top");
  const visitor = new Client(router.url, "eu", { host: location.host });
  const seen = await visitor.get(`/echo${location.search}`);
  assert.equal(seen.json.target, "/echo?a=1&b=2");
  assert.match(visitor.session()[7], /^:w:us:/, "the pin is the visitor's own now");
  visitor.headers["homing-dev-near"] = "ap";
  assert.deepEqual([reason(await visitor.get("/respond?pinned"))], ["pinned-home"]);
  const forged = location.search.replace(/.$/, (letter) => (letter === "A" ? "B" : "A"));
  const stranger = new Client(router.url, "eu", { host: location.host });
  assert.equal((await stranger.get(`/echo${forged}`)).json.target, "/echo?a=1&b=2");
  assert.equal(stranger.session(), undefined);
});
