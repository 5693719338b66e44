// Who owns what can change while clients go on: through the authority, the real command, and regions that keep the contract.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { FaultProxy } from "./proxy.mjs";
import { Client, command, runtime, startOrigin, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const KEY = "the key between router and regions, long enough";
const TOKEN = "the token of the operators, which is long";
let regions;
let router;

before(async () => {
  regions = await startRegions({ args: ["--origin-key", KEY] });
  router = await startRouter({ vars: topology(regions), bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN }, edges: 2 });
});
beforeEach(() => regions.heal());
after(stopAll);

const homing = (...args) => command({ HOMING_URL: router.url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);

/** Makes that region the home of the catalogue, whoever is now. */
async function catalogAt(region) {
  const { json } = await homing("status", "--json");
  if (json.datasets.catalog.home === region) return;
  const done = await homing("promote", "catalog", "--to", region);
  assert.equal(done.status, 0, done.out + done.err);
}

/** Clients that write one after the other until they are stopped; the answers, by status. */
function writers(count, write) {
  const log = [];
  let going = true;
  const one = async (client, at) => {
    for (let n = 0; going; n++) log.push({ client: at, n, ...(await write(client, at, n)) });
  };
  const all = Promise.all(Array.from({ length: count }, (_, at) => one(new Client(router.url, ["us", "eu", "ap"][at % 3]), at)));
  return { log, stop: async () => ((going = false), await all, log) };
}

test("a planned promotion under load loses no acknowledged write, and the only error is 503 while writes wait", async () => {
  await catalogAt("us");
  const put = (client, at, n) =>
    client.put(`/api/catalog/load-${at}-${n}`, { name: `${at}-${n}` }).then(({ status, headers, json }) => ({ status, headers, json }));
  const load = writers(6, put);
  const wrote = (region) => waitUntil(() => load.log.filter(({ json }) => json?.region === region).length > 30, `writes at ${region}`);
  await wrote("us");
  const promoted = await homing("promote", "catalog", "--to", "eu", "--reason", "us is to be rebuilt", "--json");
  assert.equal(promoted.status, 0, promoted.out + promoted.err);
  assert.equal(promoted.json.phase, "done");
  await wrote("eu");
  const log = await load.stop();

  for (const { status, headers, json } of log.filter(({ status }) => status !== 200)) {
    assert.equal(status, 503, JSON.stringify(json));
    assert.ok(Number(headers["retry-after"]) > 0);
    assert.equal(headers["homing-write-outcome"], "refused", JSON.stringify(headers));
  }
  const acknowledged = log.filter(({ status }) => status === 200).map(({ client, n }) => `load-${client}-${n}`);
  const held = async () => (await (await fetch(`${regions.eu.url}/api/catalog`)).json()).items.map(({ id }) => id);
  const lost = async () => {
    const there = new Set(await held());
    return acknowledged.filter((id) => !there.has(id));
  };
  assert.deepEqual(await lost(), []);
  // No region has accepted by an epoch that was not its own.
  const owners = new Set(
    (await Promise.all(Object.values(regions).map((region) => region.seen("/api/catalog/load-")))).flat().map(({ home, epoch }) => `${home}@${epoch}`),
  );
  assert.deepEqual([...owners].sort(), ["eu@2", "us@1"]);
  console.log(`# ${acknowledged.length} writes acknowledged, ${log.length - acknowledged.length} answered 503; writes waited ${promoted.json.paused_for} ms`);

  const audit = (await homing("audit", "--json")).json;
  const line = audit.find(({ what }) => what.includes("begins: catalog to eu"));
  assert.deepEqual([line.actor, line.reason], ["ada", "us is to be rebuilt"]);
});

test("every edge learns of the new home from the view, without asking a region in vain", async () => {
  await catalogAt("us");
  await catalogAt("eu");
  const home = async (edge) =>
    (await router.at(edge, "/api/catalog/view", { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" })).headers.get("homing-reason");
  // Edge 2 has a home store of its own to which nothing comes through: it learns by a 421, once. What comes in through miniflare's
  // back door has no length, and what streams is sent once.
  assert.equal(await home(2), runtime === "workerd" ? "misdirected" : "misdirected-in-vain");
  assert.equal(await home(2), "home");
  await waitUntil(async () => (await home(1)) === "home");
});

test("a copy that cannot catch up is not promoted, and no write is refused for it", async () => {
  await catalogAt("us");
  const client = new Client(router.url, "us");
  const inVain = async (why) => {
    const load = writers(1, () => client.put("/api/catalog/behind", { name: "new" }).then(({ status }) => ({ status })));
    await waitUntil(() => load.log.length > 0);
    const refused = await homing("promote", "catalog", "--to", "eu", "--json");
    assert.deepEqual([refused.status, refused.json?.phase], [1, "aborted"], refused.out + refused.err);
    assert.match(refused.json.says, why);
    assert.deepEqual(
      (await load.stop()).filter(({ status }) => status !== 200),
      [],
    );
  };
  const health = async () => (await fetch(`${regions.eu.url}/.well-known/homing`)).json();
  await regions.eu.control({ cut: ["us"] });
  await waitUntil(async () => !(await health()).reachable.us, "eu has seen that the link is cut");
  await inVain(/^eu cannot reach us, so it cannot catch up/);
  await regions.eu.control({ cut: [], lag_ms: 30_000 });
  await waitUntil(async () => (await health()).reachable.us, "and that it is mended");
  await inVain(/^eu is \d+ ms behind us, but writers may be refused for at most 5000 ms/);
});

test("a copy that is late is waited for as long as writers may be refused, and they come back within a second", async () => {
  await catalogAt("us");
  await regions.eu.control({ lag_ms: 2_500 });
  const client = new Client(router.url, "us");
  const put = () => client.put("/api/catalog/late", { name: "new" }).then(({ status, headers }) => ({ status, after: headers["retry-after"], at: Date.now() }));
  const load = writers(1, put);
  // How late the copy is shows once it has taken in something late.
  await waitUntil(async () => load.log.length > 0 && (await (await fetch(`${regions.eu.url}/.well-known/homing`)).json()).lag_ms.us >= 2_000);
  const dry = await homing("promote", "catalog", "--to", "eu", "--max-pause", "2s", "--dry-run", "--json");
  assert.match(dry.json.says, /^eu is \d+ ms behind us, but writers may be refused for at most 2000 ms/);
  const promoted = await homing("promote", "catalog", "--to", "eu");
  assert.match(promoted.out, /expected: writers are refused for about \d+ ms, and 5000 ms at most\n/, promoted.err);
  const refused = (await load.stop()).filter(({ status }) => status !== 200);
  assert.equal(promoted.status, 0, promoted.out);
  assert.deepEqual([...new Set(refused.map(({ status, after }) => `${status} ${after}`))], ["503 1"]);
  const gap = refused.at(-1).at - refused[0].at;
  assert.ok(gap < 5_000, `${gap} ms`);
});

test("a change that is given up is given up, and the command says so", async () => {
  await catalogAt("us");
  await regions.eu.control({ lag_ms: 3_000 });
  await new Client(router.url, "us").put("/api/catalog/given-up", { name: "new" });
  const begun = await homing("promote", "catalog", "--to", "eu", "--no-wait", "--json");
  assert.equal(begun.status, 0, begun.err);
  const given = await homing("abort", begun.json.id, "--reason", "not today", "--json");
  assert.deepEqual([given.status, given.json?.phase, given.json?.from], [0, "aborted", "us"], given.err);
  assert.equal((await homing("abort", begun.json.id)).status, 1, "it is over");
});

test("an answer of the authority's calls that is lost costs a second or so, and not the change", async () => {
  await catalogAt("us");
  const fronts = Object.fromEntries(await Promise.all(Object.entries(regions).map(async ([name, { url }]) => [name, await FaultProxy.start(url)])));
  const vars = topology(regions, ({ REGIONS }) => Object.entries(fronts).forEach(([name, front]) => (REGIONS[name].origin = front.url)));
  const lossy = await startRouter({ vars, bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN } });
  const order = (...args) => command({ HOMING_URL: lossy.url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);
  // An authority of its own, which learns from the regions who is the home.
  await order("promote", "catalog", "--to", "eu", "--json");
  const latest = async () => (await order("status", "--json")).json.changes.at(-1);
  for (const op of ["pause", "depose", "grant", "reached"]) {
    const { home } = (await order("status", "--json")).json.datasets.catalog;
    const [from, to] = home === "us" ? ["us", "eu"] : ["eu", "us"];
    const front = fronts[["grant", "reached"].includes(op) ? to : from];
    const acknowledged = [];
    let going = true;
    const writing = (async () => {
      const client = new Client(lossy.url, from);
      while (going) if ((await client.put("/api/catalog/lossy", { op })).status === 200) acknowledged.push(Date.now());
    })();
    await waitUntil(() => acknowledged.length > 3);
    if (op === "reached") await regions[to].control({ lag_ms: 1_000 });
    else await front.set("lost", { p: 1, paths: new RegExp(`op=${op}&`) });
    const promoting = order("promote", "catalog", "--to", to, "--json");
    if (op === "reached") {
      // Of this one nothing is heard at all, not even that it is lost.
      await waitUntil(async () => (await latest())?.phase === "waiting", "the new home is waited for");
      await front.set("half-open", { way: "down" });
    }
    await waitUntil(async () => (await latest())?.says.includes("trying again"), `an answer to ${op} is lost`);
    await front.set("pass");
    const promoted = await promoting;
    assert.equal(promoted.json?.phase, "done", promoted.out + promoted.err);
    const after = acknowledged.length;
    await waitUntil(() => acknowledged.length > after + 3);
    going = false;
    await writing;
    const longest = Math.max(...acknowledged.slice(1).map((time, at) => time - acknowledged[at]));
    console.log(`# an answer to ${op} is lost: no write for ${longest} ms`);
    assert.ok(longest < 4_500, `${op}: ${longest} ms`);
    await regions[to].control({ lag_ms: 0 });
  }
  await lossy.stop();
  Object.values(fronts).forEach((front) => front.stop());
});

test("a dry run says what it would cost and changes nothing", async () => {
  await catalogAt("us");
  // Another authority has moved it meanwhile, as the test before has it: this one hears of that when it is asked.
  const dry = () => homing("promote", "catalog", "--to", "ap", "--dry-run", "--json");
  await waitUntil(async () => (await dry()).status === 0, "a dry run by what the regions know");
  const owners = async () => (await homing("status", "--json")).json.datasets;
  const before = await owners();
  const { json } = await dry();
  assert.equal(json.phase, "done");
  assert.match(json.says, /^dry run: a promotion is possible; writers would be refused for about \d+ ms$/);
  const { expected_pause_ms: about, max_pause_ms: most, longest_wait_ms: wait } = json.found.estimate;
  assert.ok(about < 4_000 && most === 5_000 && wait >= 2_000, JSON.stringify(json.found.estimate));
  assert.deepEqual(await owners(), before);
});

test("without the old home only the operator's word moves a dataset; back again, it knows itself deposed", async () => {
  await catalogAt("ap");
  await regions.ap.kill();
  const refused = await homing("promote", "catalog", "--to", "us");
  assert.equal(refused.status, 1);
  assert.match(refused.out, /ap does not answer. If it is gone for good, repeat the order with accept_loss: true/);
  const forced = await homing("promote", "catalog", "--to", "us", "--accept-loss", "--reason", "ap burned down");
  assert.equal(forced.status, 0, forced.out + forced.err);
  assert.match(forced.err, /may be lost/);
  const client = new Client(router.url, "ap");
  await waitUntil(async () => (await client.put("/api/catalog/after", { name: "x" })).status === 200, "writes go to us");
  await regions.ap.start();
  const { epoch } = (await homing("status", "--json")).json.datasets.catalog;
  // A stale edge would still send to it by the old epoch; it is told, or hears of it in the log.
  const known = async () => (await (await fetch(`${regions.ap.url}/.well-known/homing`)).json()).epochs.catalog === epoch;
  await waitUntil(known, "ap knows the epoch by which it is deposed", 45_000);
});

test("a subject moves with all its data, and its session follows", async () => {
  const grace = new Client(router.url, "us");
  await grace.post("/login", { user: "grace" });
  assert.equal((await grace.post("/api/cart", { item: "tea" })).json.region, "us");
  const moved = await homing("move", "user:grace", "--to", "eu", "--reason", "she asked", "--json");
  assert.equal(moved.status, 0, moved.out + moved.err);
  assert.equal(moved.json.unit, `~${subjectId("user", "grace")}`);
  const next = await grace.post("/api/cart", { item: "milk" });
  assert.deepEqual([next.status, next.json.region, next.json.items], [200, "eu", ["tea", "milk"]]);
  assert.equal(await (await router.homes()).get(`home:${subjectId("user", "grace")}`), '{"epoch":2,"home":"eu"}');
  const elsewhere = await router.at(2, "/api/cart", { headers: { cookie: "app_user=grace" } });
  assert.equal(elsewhere.status, 200);
  const again = await homing("move", "user:grace", "--to", "eu", "--json");
  assert.deepEqual([again.status, again.json.says], [0, "it is there already"]);
});

test("a region's share goes whole, subjects too", async () => {
  await catalogAt("us");
  const tenants = Array.from({ length: 9 }, (_, at) => `share-${at}`);
  const client = new Client(router.url, "us");
  for (const tenant of tenants) assert.equal((await client.post(`/t/${tenant}/notes`, { text: "before" })).json.region, "us");
  const dry = await homing("promote", "--region", "us", "--to", "eu", "--dry-run", "--json");
  assert.ok(dry.json.subjects >= tenants.length, dry.out);
  const swept = await homing("promote", "--region", "us", "--to", "eu", "--json");
  assert.equal(swept.status, 0, swept.out + swept.err);
  for (const tenant of tenants) {
    const answer = await client.post(`/t/${tenant}/notes`, { text: "after" });
    assert.deepEqual([answer.status, answer.json.region, answer.json.notes.length], [200, "eu", 2], answer.text);
  }
  assert.equal((await homing("status", "--json")).json.datasets.catalog.home, "eu");
  assert.equal((await homing("promote", "--region", "us", "--to", "eu", "--dry-run", "--json")).json.subjects, 0);
});

test("a drained region gets no reads and no new subjects, and it says so; undrain ends it", async () => {
  const client = new Client(router.url, "ap");
  assert.equal((await client.get("/api/likes/drain")).headers["homing-region"], "ap");
  const refused = await homing("drain", "ap", "--for", "1h");
  assert.deepEqual([refused.status, refused.err.startsWith("error: --reason is missing")], [2, true]);
  const drained = await homing("drain", "ap", "--for", "1h", "--reason", "new disks");
  assert.equal(drained.status, 0, drained.err);
  assert.match(drained.out, /^ap is draining until /);
  let n = 0;
  await waitUntil(async () => (await client.get(`/api/likes/drain-${n++}`)).headers["homing-region"] !== "ap", "reads go elsewhere");
  const answer = await client.post("/t/new-while-drained/notes", { text: "a" });
  assert.notEqual(answer.json.region, "ap");
  assert.match((await homing("status")).out, /ap +draining +until .* by ada: new disks/);
  assert.equal((await homing("undrain", "ap")).status, 0);
  await waitUntil(async () => (await client.get(`/api/likes/drain-${n++}`)).headers["homing-region"] === "ap", "reads come back");
});

test("no order leaves all regions drained, or a home that nobody may write", async () => {
  const home = (await homing("status", "--json")).json.datasets.catalog.home;
  const refused = await homing("read-only", home, "--for", "5m", "--reason", "to see");
  assert.equal(refused.status, 1);
  assert.match(refused.err, /whose writes there would be refused/);
});

test("the operators' address wants its token, and forgets no request", async () => {
  const order = (token, body) =>
    fetch(new URL("/_homing/api/orders", router.url), {
      method: "POST",
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify(body),
    });
  const without = await order(undefined, {});
  assert.deepEqual([without.status, without.headers.get("content-type"), without.headers.get("www-authenticate")], [401, "application/problem+json", "Bearer"]);
  assert.equal((await order("wrong", {})).status, 401);
  const body = { request: "once", actor: "ada", reason: "a test", command: "state", region: "ap", state: "draining", for: "1h", dry_run: true };
  const [first, second] = [await (await order(TOKEN, body)).text(), await (await order(TOKEN, body)).text()];
  assert.equal(first, second);
  const other = await order(TOKEN, { ...body, region: "eu" });
  assert.deepEqual([other.status, (await other.json()).detail], [409, 'The request id "once" was already used for another order. Choose a new id.']);
});

test("with authority and home store gone, requests go on by what was known", async () => {
  const moody = await startRouter({ vars: topology(regions), bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN }, kv: "moody" });
  const client = new Client(moody.url, "eu");
  const { home } = (await homing("status", "--json")).json.datasets.catalog;
  assert.equal((await client.put("/api/catalog/static", { name: "a" })).json.region, home);
  await moody.mood("fails");
  assert.equal((await client.put("/api/catalog/static", { name: "b" })).json.region, home);
  assert.equal((await client.get("/api/catalog/static")).json.item.name, "b");
  const order = await fetch(new URL("/_homing/api/authority", moody.url), { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(order.status, 503);
  assert.match((await order.json()).detail, /Requests continue with the last view/);
  await moody.stop();
});

test("a leased home accepts writes while the authority renews it, and a forced promotion waits for its end", async () => {
  const leased = await startRegions({ args: ["--lease", "catalog"] });
  const vars = topology(leased, (vars) => void (vars.DATASETS.catalog.lease = "3s"));
  const own = await startRouter({ vars });
  const client = new Client(own.url, "eu");
  const put = (name) => client.put("/api/catalog/leased", { name });
  await waitUntil(async () => (await put("a")).status === 200, "the authority is woken, and renews");
  const until = Date.now() + 4_000;
  await waitUntil(async () => assert.equal((await put("b")).status, 200) ?? Date.now() > until, "writes go on for longer than a lease");
  leased.us.child.kill("SIGSTOP");
  const begun = Date.now();
  const env = { HOMING_URL: own.url.href };
  const forced = (await command(env, "promote", "catalog", "--to", "eu", "--accept-loss", "--json")).json;
  assert.deepEqual([forced.phase, forced.says], ["done", "eu owns it by epoch 2"]);
  const waited = Date.now() - begun;
  assert.ok(waited > 3_000, `${waited} ms`);
  await waitUntil(async () => (await own.snapshot()).datasets.find(({ name }) => name === "catalog").home === "eu", "the edge hears of it");
  assert.equal((await put("c")).json.region, "eu");
  leased.us.child.kill("SIGCONT");
  // It has slept through its lease and its successor; it writes nothing by its own epoch.
  const direct = await fetch(`${leased.us.url}/api/catalog/leased`, {
    method: "PUT",
    headers: { "content-type": "application/json", "homing-home": "us", "homing-epoch": "1", "homing-dataset": "catalog", "homing-intent": "write" },
    body: "{}",
  });
  assert.ok([421, 503].includes(direct.status), `${direct.status}`);
  await own.stop();
  await leased.stop();
});

test("what Cloudflare says in a region's place is not the region's word to the authority", async () => {
  // 409 is what a region answers that knows a later owner, and what Cloudflare answers where it cannot resolve the region's name (1001).
  let pages = 1;
  const front = await startOrigin(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (request.url.includes("op=grant") && pages-- > 0) return response.writeHead(409, { "cf-error-type": "1001" }).end("error code: 1001");
    const { host: _, ...headers } = request.headers;
    const answer = await fetch(new URL(request.url, regions.eu.url), { method: request.method, headers, body: body.length ? body : undefined });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  });
  const vars = topology(regions, ({ REGIONS }) => void (REGIONS.eu.origin = front));
  router = await startRouter({ vars, bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN } });
  // The ledger is new. It notes the configured home, tells the regions, and hears from them of whatever was moved before.
  const isNoted = async () => (await homing("audit", "--json")).json.some(({ what }) => what.startsWith("us is the home of catalog by epoch 1, as configured"));
  await waitUntil(async () => (await isNoted()) && (await homing("status", "--json")).json.untold.length === 0, "the regions were told of first homes");
  await catalogAt("us");
  const promoted = await homing("promote", "catalog", "--to", "eu", "--json");
  assert.deepEqual([promoted.json?.phase, pages < 1], ["done", true], promoted.out + promoted.err);
});
