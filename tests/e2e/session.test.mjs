// The session: how it starts, what is believed of it, and the promise of read-after-write that it carries.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, claims, seal, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

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
    // What it is without positions: a session remembers for a while where it wrote.
    delete vars.DATASETS.draft.position;
    vars.IDENTITY.hosts = ["shop.example.com", "app.example.com"];
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
  assert.match(ours, /^__Host-homing=2\.[^;]+; Path=\/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax$/);
  assert.equal(more.length, 0);
  assert.deepEqual(claims(ours).slice(2, 4), [subjectId("user", "ada"), "eu"], "the name itself is not in it");
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
    "session-forged": [
      real.replace(/.(?=.$)/, (letter) => (letter === "A" ? "B" : "A")),
      real.replace(":ap:", ":us:"),
      seal("a key that nobody has ever configured", {}),
      real.replace(/\.[^.]*$/, "."),
      `3${real.slice(1)}`,
    ],
    "session-malformed": [
      "",
      "1",
      "garbage",
      "x".repeat(2000),
      seal(SECRET, { home: "ap", epoch: /** @type {any} */ ("many") }),
      seal(SECRET, { subject: "ada" }),
      `c${real.slice(1)}`,
    ],
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
  assert.equal(claims(session)[2], subjectId("user", "lin"));
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
  await client.put("/api/draft/ends", { text: "mine" });
  client.headers["homing-dev-near"] = "ap";
  assert.equal(reason(await client.get("/api/draft/ends")), "pinned-home");
  await waitUntil(async () => reason(await client.get("/api/draft/ends")) === "nearest", "the window of the pin is over");
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
  await client.put("/api/draft/mine", { text: "mine" });
  client.headers["homing-dev-near"] = "us";
  const read = await client.get("/api/draft/mine");
  assert.deepEqual([reason(read), read.json.region, read.json.drafts], ["pinned-home", "ap", ["mine"]]);
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
    (await new Client(router.url, "us").post("/api/cart/x", {}, { headers: cookie(seal(SECRET, { subject: subjectId("user", user), home, epoch })) })).headers[
      "homing-region"
    ];
  assert.equal(await write("eu", 1), "eu");
  assert.equal(await write("ap", 3), "ap");
  assert.equal(await write("mars", 9, "lands"), "us", "a home that the topology does not have is looked up, here: assigned");
});

test("a redirect to another host of the application carries the pins along, and nothing of it reaches an origin", async () => {
  const write = async (host) => {
    const client = new Client(router.url, "eu", { host: "app.example.com" });
    const header = encodeURIComponent(`location:https://${host}/respond?a=1&b=2#top`);
    return (await client.post(`/respond?status=303&header=${header}`, {})).headers.location;
  };
  assert.equal(await write("elsewhere.example.org"), "https://elsewhere.example.org/respond?a=1&b=2#top");
  const location = new URL(await write("shop.example.com"));
  assert.match(location.search, /^\?a=1&b=2&homing-session=c1\./);
  assert.equal(location.hash, "#top");
  const visitor = new Client(router.url, "eu", { host: location.host });
  const seen = await visitor.get(`/echo${location.search}`);
  assert.equal(seen.json.target, "/echo?a=1&b=2");
  assert.equal(seen.headers["referrer-policy"], "no-referrer");
  assert.match(visitor.session()[7], /^:w:us:/, "the pin is the visitor's own now");
  visitor.headers["homing-dev-near"] = "ap";
  assert.deepEqual([reason(await visitor.get("/respond?pinned"))], ["pinned-home"]);
  const forged = location.search.replace(/.$/, (letter) => (letter === "A" ? "B" : "A"));
  for (const [search, host] of [
    [forged, location.host],
    [location.search, "app.example.com"],
    [location.search, "elsewhere.example.org"],
  ]) {
    const stranger = new Client(router.url, "eu", { host });
    assert.equal((await stranger.get(`/echo${search}`)).json.target, "/echo?a=1&b=2");
    assert.equal(stranger.session(), undefined, `${host}${search}`);
  }
});

test("a browser is sent on to the address without it, once, with the session", async () => {
  const writer = new Client(router.url, "eu", { host: "app.example.com" });
  const header = encodeURIComponent("location:https://shop.example.com/echo?a=1");
  const { search } = new URL((await writer.post(`/respond?status=303&header=${header}`, {})).headers.location);
  const browser = new Client(router.url, "eu", { host: "shop.example.com", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" });
  const sent = await browser.get(`/echo${search}`);
  assert.deepEqual(
    [sent.status, reason(sent), new URL(sent.headers.location).pathname + new URL(sent.headers.location).search],
    [303, "address-cleaned", "/echo?a=1"],
  );
  assert.deepEqual([sent.headers["referrer-policy"], sent.headers["cache-control"]], ["no-referrer", "no-store"]);
  assert.match(browser.session()[7], /^:w:us:/);
  assert.equal((await browser.get("/echo?a=1")).json.target, "/echo?a=1");
});

test("a link with the attacker's own cookie in it takes nobody's home", async () => {
  // Her home has moved once, and what she has written is in her cookie, which is good for a month.
  const mallory = seal(SECRET, {
    subject: subjectId("user", "mallory"),
    home: "ap",
    epoch: 2,
    pins: [`cart/u:p:ap:${Date.now() - 9000}:2:2`, `cart:p:ap:${Date.now() - 9000}:2:2`],
  });
  const old = seal(SECRET, { version: 1, subject: subjectId("user", "mallory"), home: "ap", epoch: 2, pins: [`cart:p:ap:${Date.now() - 9000}:2:2`] });
  for (const token of [mallory, old]) {
    for (const host of ["shop.example.com", undefined]) {
      const victim = new Client(router.url, "eu", host ? { host } : {});
      await victim.post("/login", { user: `victim-${host}` });
      const before = victim.session();
      await victim.get(`/echo?homing-session=${token}`);
      for (let n = 0; n < 3; n++) {
        const read = await victim.get("/api/cart");
        assert.deepEqual([read.status, read.headers["homing-region"]], [200, "eu"]);
      }
      assert.deepEqual(victim.session().slice(2, 5), before.slice(2, 5), "whose session it is, and where it lives");
      assert.equal((await victim.post("/api/cart", { item: "tea" })).headers["homing-region"], "eu");
    }
  }
});

test("what carries a session is for no shared cache in front, and the edge's own copy is", async () => {
  const client = new Client(router.url, "eu");
  await client.post("/login", { user: "shy" });
  const fields = ["cache-control:public, max-age=30, s-maxage=60", "cdn-cache-control:max-age=60", "surrogate-control:max-age=60"];
  const path = `/respond?${fields.map((field) => `header=${encodeURIComponent(field)}`).join("&")}`;
  const wrote = await client.post(path, {});
  assert.ok(wrote.headers["set-cookie"], "a write leaves a pin");
  assert.equal(wrote.headers["cache-control"], "max-age=30, private");
  assert.deepEqual([wrote.headers["cdn-cache-control"], wrote.headers["surrogate-control"]], [undefined, undefined]);
  const plain = await new Client(router.url, "eu").get(path);
  assert.equal(plain.headers["set-cookie"], undefined);
  assert.match(plain.headers["cache-control"], /^public, max-age=30/, "nobody's session, so it stays what it was");
});

test("a session of before is still read, and issued as one of now when it changes", async () => {
  const client = new Client(router.url, "us");
  client.cookies.set("__Host-homing", seal(SECRET, { version: 1, subject: subjectId("user", "oldie"), home: "ap", epoch: 1 }));
  const added = await client.post("/api/cart", { item: "tea" });
  assert.equal(added.headers["homing-region"], "ap");
  assert.deepEqual(client.session().slice(0, 1).concat(client.session().slice(2, 5)), ["2", subjectId("user", "oldie"), "ap", "1"]);
});

test("users and tenants both named by the application: two users of one tenant write it in one region", async () => {
  const vars = topology(regions, (vars) => {
    vars.IDENTITY = { user: { response_header: "Homing-Subject" }, tenant: { response_header: "Homing-Tenant" } };
    vars.ROUTES.unshift({ match: "POST /echo", dataset: "notes" });
  });
  const both = await startRouter({ vars, bindings: { SESSION_KEY: SECRET } });
  const home = async (name, near) => {
    const client = new Client(both.url, near);
    await client.post(`/respond?header=homing-subject:${name}&header=homing-tenant:acme-both`, {});
    assert.deepEqual([client.session()[2], client.session()[8][0]], [subjectId("user", name), subjectId("tenant", "acme-both")]);
    const { json } = await client.post("/echo", {});
    const field = (name) => json.headers.find(([field]) => field === name)?.[1];
    assert.equal(field("homing-subject"), subjectId("tenant", "acme-both"));
    return [field("homing-home"), field("homing-epoch")];
  };
  assert.deepEqual(await home("ada", "us"), ["us", "1"]);
  assert.deepEqual(await home("bob", "ap"), ["us", "1"]);
  await both.stop();
});
