// Adoption day: an application with many signed-in users gets the router in front. The directory and KV are empty, nobody has a session
// of ours, and the data is where it is. Nothing is lost, nobody is locked out, nobody's home is chosen by what happens to be near, and
// after a user's first request everything is as ever. Also the day on which the router is taken out again, and put back.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, command, seal, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const SESSION_KEY = "the key that sessions are signed with here";
after(stopAll);

/** Where everybody lives whom nobody knows, for the router. */
const livingIn = (home) => (vars) => {
  for (const kind of ["user", "tenant"]) vars.IDENTITY[kind].first_home = home;
};

const start = (regions, change = (..._) => {}, options = {}) => startRouter({ vars: topology(regions, change), bindings: { SESSION_KEY }, ...options });

/** Copies that are an hour behind: whoever is sent to the wrong region finds nothing there. */
const lagging = (regions, but) =>
  Promise.all(
    Object.values(regions)
      .filter(({ name }) => name !== but)
      .map((region) => region.control({ lag_ms: 3_600_000 })),
  );

/** A request as the application was asked before there was a router: at a region itself, by its own cookie. */
async function direct(region, user, item) {
  const response = await fetch(`${region.url}/api/cart`, {
    method: "POST",
    headers: { cookie: `app_user=${user}`, "content-type": "application/json" },
    body: JSON.stringify({ item }),
  });
  return { status: response.status, home: response.headers.get("homing-home"), json: await response.json() };
}

/** Somebody who is signed in to the application, and has never met the router. */
function signedIn(router, near, user, headers) {
  const client = new Client(router.url, near, headers);
  client.cookies.set("app_user", user);
  return client;
}

/** What all regions have of a cart, once they agree. */
async function converged(regions, user) {
  await regions.heal();
  return waitUntil(async () => {
    const carts = await Promise.all(
      Object.values(regions).map(async ({ url }) => (await (await fetch(`${url}/api/cart`, { headers: { cookie: `app_user=${user}` } })).json()).items),
    );
    return new Set(carts.map((cart) => JSON.stringify(cart))).size === 1 && carts[0].length > 0 && carts[0];
  }, `the regions agree on ${user}'s cart`);
}

const unitAt = async (region, id) => (await (await fetch(`${region.url}/.well-known/homing/ownership?unit=~${id}`)).json()).units[0];
const wentTo = ({ status, headers, text }, region) =>
  assert.deepEqual([status, headers["homing-region"]], [200, region], `${headers["homing-reason"]}: ${text}`);
const homing = (router, ...args) => command({ HOMING_URL: router.url.href, USER: "ada" }, ...args);

function listOf(text) {
  const file = join(mkdtempSync(join(tmpdir(), "homing-import-")), "homes.txt");
  writeFileSync(file, text);
  return file;
}

test("all data is in one region so far: nobody is sent elsewhere, whatever their first request is", async () => {
  const regions = await startRegions({ args: ["--first-home", "us"] });
  const users = ["reads", "writes", "devices", "program", "forged", "expired", "tenant"];
  for (const user of users) assert.equal((await direct(regions.us, user, "before")).status, 200, "the kit is there before the router is");
  const astray = await direct(regions.eu, "reads", "LOST");
  assert.deepEqual([astray.status, astray.home], [421, "us"], "and nobody writes where the data is not");
  await lagging(regions, "us");
  const router = await start(regions, livingIn("us"), { edges: 2 });

  await test("the first request is a read near another region", async () => {
    const client = signedIn(router, "eu", "reads");
    assert.equal((await client.get("/api/cart")).status, 200);
    assert.equal(client.session()[3], "us", "the session knows the home");
    wentTo(await client.post("/api/cart", { item: "new" }), "us");
    assert.deepEqual((await client.get("/api/cart")).json.items, ["before", "new"]);
  });

  await test("the first request is a write", async () => {
    const client = signedIn(router, "ap", "writes");
    wentTo(await client.post("/api/cart", { item: "new" }), "us");
    const read = await client.get("/api/cart");
    assert.deepEqual([read.json.items, read.headers["homing-region"]], [["before", "new"], "us"], "it reads its own write");
  });

  await test("two devices at the same moment, at two edges", async () => {
    const device = (edge, near, item) =>
      router.at(edge, "/api/cart", {
        method: "POST",
        headers: {
          cookie: "app_user=devices",
          "content-type": "application/json",
          "content-length": String(JSON.stringify({ item }).length),
          "homing-dev-near": near,
        },
        body: JSON.stringify({ item }),
      });
    const answers = await Promise.all([1, 2, 1, 2].map((edge, at) => device(edge, at % 2 ? "eu" : "ap", `d${at}`)));
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get("homing-region")]),
      answers.map(() => [200, "us"]),
    );
  });

  await test("a program without cookies of ours", async () => {
    const client = signedIn(router, "eu", "program", { "homing-session": "-" });
    const first = await client.post("/api/cart", { item: "new" });
    wentTo(first, "us");
    const session = { headers: { "homing-session": first.headers["homing-session"] } };
    assert.deepEqual((await client.get("/api/cart", session)).json.items, ["before", "new"]);
  });

  await test("sessions by a key that is lost, and of more than 30 days ago", async () => {
    const id = (user) => subjectId("user", user);
    const lost = {
      forged: seal("another key, which nobody here has any more", { subject: id("forged"), home: "eu", epoch: 7 }),
      expired: seal(SESSION_KEY, { subject: id("expired"), home: "eu", epoch: 7, issued: Date.now() - 31 * 86_400_000, expires: Date.now() - 86_400_000 }),
    };
    for (const [user, sealed] of Object.entries(lost)) {
      const client = signedIn(router, "eu", user);
      client.cookies.set("__Host-homing", sealed);
      wentTo(await client.post("/api/cart", { item: "new" }), "us");
      assert.deepEqual((await client.get("/api/cart")).json.items, ["before", "new"]);
    }
  });

  await test("a user who works for a tenant", async () => {
    const client = signedIn(router, "eu", "tenant");
    wentTo(await client.post("/t/acme/notes", { text: "hello" }), "us");
    wentTo(await client.post("/api/cart", { item: "new" }), "us");
    assert.deepEqual([(await client.get("/t/acme/notes")).json.notes, (await client.get("/api/cart")).json.items], [[{ text: "hello" }], ["before", "new"]]);
  });

  await test("nothing is lost, and nobody but us was ever the owner", async () => {
    for (const user of users) {
      const items = await converged(regions, user);
      const expected = user === "devices" ? ["before", "d0", "d1", "d2", "d3"] : ["before", "new"];
      assert.deepEqual(user === "devices" ? [...items].sort() : items, expected, user);
      const { home } = await unitAt(regions.us, subjectId("user", user));
      assert.equal(home, "us");
    }
  });

  await test("somebody who has not come yet is moved with the data, and not past it", async () => {
    assert.equal((await direct(regions.us, "sleeper", "old")).status, 200);
    const moved = await homing(router, "move", "user:sleeper", "--to", "eu", "--json");
    assert.deepEqual([moved.status, moved.json?.phase, moved.json?.from], [0, "done", "us"], moved.err);
    const client = signedIn(router, "ap", "sleeper");
    wentTo(await client.post("/api/cart", { item: "new" }), "eu");
    assert.deepEqual(await converged(regions, "sleeper"), ["old", "new"]);
  });
});

test("each user's data is where it was written: what the regions know counts, whatever the directory has guessed", async () => {
  const regions = await startRegions();
  const ids = Object.fromEntries(["reads", "writes", "notified"].map((user) => [user, subjectId("user", user)]));
  // Before the day, in each region, of each user: by epoch 0, since nobody has given an epoch yet.
  for (const id of Object.values(ids))
    for (const { url } of Object.values(regions))
      assert.equal((await fetch(`${url}/.well-known/homing/ownership?op=learn&home=eu&unit=~${id}@0`, { method: "POST" })).status, 200);
  for (const user of Object.keys(ids)) assert.equal((await direct(regions.eu, user, "before")).status, 200);
  await lagging(regions, "eu");
  const router = await start(regions);

  const writes = signedIn(router, "us", "writes");
  const first = await writes.post("/api/cart", { item: "new" });
  wentTo(first, "eu");
  assert.equal(first.headers["homing-reason"], "subject-named", "the region that knows says it with the name");

  const reads = signedIn(router, "us", "reads");
  await reads.get("/api/cart");
  assert.equal(reads.session()[3], "us", "a guess: a read says nothing of it");
  const second = await reads.post("/api/cart", { item: "new" });
  wentTo(second, "eu");
  assert.deepEqual([second.headers["homing-reason"], reads.session()[3]], ["misdirected", "eu"], "the region that was chosen declines");
  wentTo(await reads.post("/api/cart", { item: "newer" }), "eu");
  assert.equal(second.headers["homing-write-outcome"], undefined);
  const known = await homing(router, "move", "user:reads", "--to", "eu", "--dry-run", "--json");
  assert.equal(known.json?.says, "it is there already", "the directory has been corrected");
  // Another device, with nothing but what the directory says.
  const other = signedIn(router, "ap", "reads");
  wentTo(await other.post("/api/cart", { item: "newest" }), "eu");

  assert.deepEqual(await converged(regions, "writes"), ["before", "new"]);
  assert.deepEqual(await converged(regions, "reads"), ["before", "new", "newer", "newest"]);
});

test("homes that are known beforehand are told in bulk", async () => {
  const regions = await startRegions();
  const router = await start(regions);
  const users = Array.from({ length: 1203 }, (_, at) => `user${at}`);
  const list = listOf([...users.map((user) => `user:${user}`), "user:far\tus", "tenant:acme\tap", ""].join("\n"));

  const dry = await homing(router, "import", list, "--home", "eu", "--rate", "100000", "--dry-run");
  assert.deepEqual([dry.status, dry.out], [0, "a dry run: 1205 subjects got their home, 0 had it already, 0 keep another home\n"], dry.err);
  const done = await homing(router, "import", list, "--home", "eu", "--rate", "100000", "--reason", "adoption", "--json");
  assert.deepEqual([done.status, done.json], [0, { added: 1205, there: 0, elsewhere: [], dry_run: false, kv: { put: 1205, failed: 0 } }], done.err);
  assert.equal(await (await router.homes()).get(`home:${subjectId("user", "user1202")}`), '{"epoch":1,"home":"eu"}', "edges need not ask the directory");
  const again = await homing(router, "import", list, "--home", "eu", "--rate", "100000", "--from-line", "1000", "--json");
  assert.deepEqual(again.json, { added: 0, there: 206, elsewhere: [], dry_run: false, kv: { put: 206, failed: 0 } });
  const other = await homing(router, "import", listOf("user:far\nuser:new"), "--home", "eu");
  assert.equal(other.status, 1);
  assert.equal(
    other.out,
    "1 subjects got their home, 1 had it already, 1 keep another home\n".replace("1 had", "0 had") +
      "  user:far has its home in us, not eu\nRun `homing move SUBJECT --to REGION` to move one of them with its data.\n",
  );
  const audit = (await homing(router, "audit", "--json")).json;
  assert.ok(audit.some(({ what, reason, actor }) => what === "the homes of 1205 subjects are imported" && reason === "adoption" && actor === "ada"));

  wentTo(await signedIn(router, "us", "user7").post("/api/cart", { item: "new" }), "eu");
  wentTo(await new Client(router.url, "us").post("/t/acme/notes", { text: "hello" }), "ap");
  const moved = await homing(router, "move", "user:user8", "--to", "us", "--json");
  assert.deepEqual([moved.json?.phase, moved.json?.from], ["done", "eu"], "they are subjects like others");

  const wrong = await homing(router, "import", listOf("user:ada\nada\n"), "--home", "eu");
  assert.equal(wrong.status, 2);
  assert.match(wrong.err, /nothing was imported.*\nline 2: subject is "ada"/);
  const elsewhere = await homing(router, "import", listOf("user:ada"), "--home", "mars");
  assert.equal(elsewhere.status, 1);
  assert.match(elsewhere.err, /homes is "mars"; expected a region: "us", "eu", "ap"\.\nThe import stopped in lines 1 to 1/);
});

/** What the documentation once advised: `wrangler kv key put home:ID`. The directory knows nothing of it, and KV is a cache. */
test("whom only the home store knows nobody gives another home, and nobody moves without asking the regions", async () => {
  const regions = await startRegions();
  const router = await start(regions, () => {}, { edges: 2 });
  const homes = await router.homes();
  const put = (kind, name, text) => homes.put(`home:${subjectId(kind, name)}`, text);
  const note = async (edge, tenant, near) => {
    const answer = await router.at(edge, `/t/${tenant}/notes`, {
      method: "POST",
      headers: { "homing-dev-near": near, "content-type": "application/json" },
      body: JSON.stringify({ text: `from ${edge}` }),
    });
    return [answer.status, answer.headers.get("homing-region")];
  };
  for (const [name, text] of [
    ["acme", '{"home":"eu","epoch":3}'],
    ["bolt", '{"home":"eu","epoch":3}'],
    ["curl", '{"home":"eu","epoch":3}'],
    ["dust", '{"home":"mars","epoch":3}'],
    ["emil", "no JSON"],
  ])
    await put("tenant", name, text);
  await put("user", "far", '{"home":"us","epoch":4}');

  await test("an edge whose home store has not heard of it yet asks the directory, which gives no second home", async () => {
    assert.deepEqual(await note(2, "acme", "us"), [200, "eu"]);
    assert.equal((await unitAt(regions.eu, subjectId("tenant", "acme"))).epoch, 3, "by the epoch that the region knows");
    const known = await homing(router, "import", listOf("tenant:acme\teu\t3"), "--dry-run", "--json");
    assert.deepEqual([known.json.added, known.json.there], [0, 1], "the region has said yes, so now the directory knows it");
  });
  await test("what stands there and is no home of this topology's counts for nothing", async () => {
    assert.deepEqual(await note(2, "dust", "us"), [200, "us"]);
    assert.deepEqual(await note(2, "emil", "us"), [200, "us"]);
  });
  await test("it moves with its data: both regions are asked, and the old one is paused", async () => {
    assert.deepEqual(await note(1, "bolt", "us"), [200, "eu"]);
    const moved = await homing(router, "move", "tenant:bolt", "--to", "ap", "--json");
    assert.deepEqual([moved.json?.phase, moved.json?.from, moved.json?.epoch], ["done", "eu", 3], moved.out + moved.err);
    assert.ok(moved.json.paused_for !== null && moved.json.waiting.length === 0, "nothing of it is left behind");
    const { home, epoch } = await unitAt(regions.eu, subjectId("tenant", "bolt"));
    assert.deepEqual([home, epoch], ["ap", 4], "it knows that it is no owner any more");
    assert.equal((await (await fetch(`${regions.ap.url}/t/bolt/notes`)).json()).notes.length, 1);
  });
  await test("an import shows it, and keeps its epoch", async () => {
    const wrong = await homing(router, "import", listOf('{"subject":"tenant:curl","home":"us"}\n{"subject":"user:far","home":"us"}\n'), "--json");
    assert.deepEqual([wrong.status, wrong.json.elsewhere], [1, [{ subject: "tenant:curl", home: "eu", listed: "us" }]], wrong.err);
    assert.deepEqual([wrong.json.added, wrong.json.kv], [1, { put: 1, failed: 0 }]);
    assert.equal(await homes.get(`home:${subjectId("user", "far")}`), '{"epoch":4,"home":"us"}');
    const right = await homing(router, "import", listOf('{"subject":"tenant:curl","home":"eu","epoch":2}'), "--no-kv", "--json");
    assert.deepEqual([right.status, right.json], [0, { added: 1, there: 0, elsewhere: [], dry_run: false }]);
    assert.equal(await homes.get(`home:${subjectId("tenant", "curl")}`), '{"home":"eu","epoch":3}', "--no-kv leaves it alone");
    assert.deepEqual(await note(2, "curl", "us"), [200, "eu"]);
    assert.equal((await unitAt(regions.eu, subjectId("tenant", "curl"))).epoch, 3, "the later of both");
  });
});

test("the router is taken out, and put back a day later with an empty directory", async () => {
  const regions = await startRegions({ args: ["--first-home", "us"] });
  for (const user of ["ada", "bob"]) await direct(regions.us, user, "before");
  const router = await start(regions, livingIn("us"));
  const ada = signedIn(router, "eu", "ada");
  wentTo(await ada.post("/api/cart", { item: "by the router" }), "us");
  assert.equal((await homing(router, "move", "user:ada", "--to", "eu")).status, 0);
  wentTo(await ada.post("/api/cart", { item: "in eu" }), "eu");

  // Out: first everything goes back to where the application writes without a router.
  const back = await homing(router, "promote", "--region", "eu", "--to", "us", "--json");
  assert.deepEqual([back.status, back.json?.failed], [0, 0], back.err);
  await router.stop();
  for (const user of ["ada", "bob", "new"]) assert.equal((await direct(regions.us, user, "without")).status, 200, user);
  assert.equal((await direct(regions.eu, "ada", "LOST")).status, 421);

  // And back in: with the session of before, whose home is a former one, and with none.
  const next = await start(regions, livingIn("us"));
  ada.url = next.url;
  wentTo(await ada.post("/api/cart", { item: "again" }), "us");
  for (const user of ["bob", "new"]) {
    const client = signedIn(next, "eu", user);
    wentTo(await client.post("/api/cart", { item: "again" }), "us");
    wentTo(await client.post("/api/cart", { item: "and again" }), "us");
  }
  const other = signedIn(next, "ap", "ada");
  wentTo(await other.post("/api/cart", { item: "other" }), "us");
  wentTo(await other.post("/api/cart", { item: "device" }), "us");
  assert.deepEqual(await converged(regions, "ada"), ["before", "by the router", "in eu", "without", "again", "other", "device"]);
  assert.deepEqual(await converged(regions, "bob"), ["before", "without", "again", "and again"]);
  assert.deepEqual(await converged(regions, "new"), ["without", "again", "and again"]);
});
