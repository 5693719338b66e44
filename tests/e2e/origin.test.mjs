// The regions' side of ownership, seen through the router: a pause, a move, and what clients must not reach.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, converse, root, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
after(stopAll);

/** What the authority asks of a region. */
async function ask(region, query, method = "POST") {
  const response = await fetch(`${regions[region].url}/.well-known/homing/ownership?${query}`, { method });
  return [response.status, await response.json()];
}

test("a paused write is refused, and says that nothing was written", async () => {
  const client = new Client(router.url, "eu");
  const [status, { positions }] = await ask("us", "op=pause&id=1&for_ms=60000&unit=catalog@1");
  assert.deepEqual([status, positions], [200, { catalog: "0" }]);
  const refused = await client.put("/api/catalog/paused", { name: "lamp" });
  assert.deepEqual([refused.status, refused.headers["homing-write-outcome"]], [503, "refused"]);
  assert.ok(Number(refused.headers["retry-after"]) > 0);
  assert.equal((await new Client(router.url, "us").get("/api/catalog/paused")).status, 200, "reads go on");
  assert.deepEqual(await ask("us", "op=resume&id=1"), [200, {}]);
  assert.equal((await client.put("/api/catalog/paused", { name: "lamp" })).status, 200);
});

test("a dataset moves without a loss, and a session's reads follow it", async () => {
  const writer = new Client(router.url, "us");
  await writer.put("/api/catalog/moved", { name: "lamp" });
  const [, { positions }] = await ask("us", "op=pause&id=2&for_ms=60000&unit=catalog@1");
  await waitUntil(async () => (await ask("eu", `reached=catalog&of=us&epoch=1&position=${positions.catalog}`, "GET"))[1].reached, "eu has all of us");
  assert.deepEqual(await ask("us", "op=depose&id=2&to=eu&unit=catalog@1"), [200, { home: "eu", epoch: 2 }]);
  assert.deepEqual(await ask("eu", "op=grant&unit=catalog@2"), [200, { home: "eu", epoch: 2 }]);
  const read = await writer.get("/api/catalog/moved");
  assert.deepEqual([read.status, read.json.item], [200, { name: "lamp" }]);
  const written = await writer.put("/api/catalog/moved", { name: "vase" });
  assert.deepEqual([written.status, written.json.region], [200, "eu"]);
  assert.deepEqual((await writer.get("/api/catalog/moved?again")).json.item, { name: "vase" });
});

test("a subject moves with all that is its own", async () => {
  const [client, unit] = [new Client(router.url, "us"), `~${subjectId("user", "ada")}`];
  await client.post("/login", { user: "ada" });
  assert.equal((await client.post("/api/cart", { item: "tea" })).json.region, "us");
  const [, { positions }] = await ask("us", `op=pause&id=3&for_ms=60000&unit=${unit}@1`);
  assert.deepEqual(Object.keys(positions), ["cart", "notes"]);
  await waitUntil(async () => (await ask("ap", `reached=cart&unit=${unit}&of=us&epoch=1&position=${positions.cart}`, "GET"))[1].reached, "ap has all of us");
  assert.equal((await ask("ap", `reached=cart&of=us&epoch=1&position=${positions.cart}`, "GET"))[1].reached, true, "asked of the log as a whole");
  assert.equal((await ask("us", `op=depose&id=3&to=ap&unit=${unit}@1`))[0], 200);
  assert.equal((await ask("ap", `op=grant&unit=${unit}@2`))[0], 200);
  const moved = await client.post("/api/cart", { item: "milk" });
  assert.deepEqual([moved.status, moved.json.region, moved.json.items], [200, "ap", ["tea", "milk"]]);
});

test("clients do not reach the ownership address", async () => {
  for (const method of ["GET", "POST"]) {
    const answer = await new Client(router.url, "us").request(method, "/.well-known/homing/ownership?op=resume&id=1&unit=catalog");
    assert.equal(answer.status, 404);
  }
});

test("a region that refuses unread takes the body in, so that its answer is not lost and the connection serves on", async () => {
  const elsewhere = "Homing-Dataset: catalog\r\nHoming-Home: us\r\nHoming-Epoch: 1\r\nHoming-Intent: write\r\n";
  /** @type {any[][]} */
  const refusals = [
    ["POST /no/such/thing", "", 404],
    ["POST /api/catalog/x", "", 405],
    ["PUT /api/catalog/x", elsewhere, 421],
    ["POST /login", "", 415],
  ];
  for (const [line, fields, status] of refusals) {
    const connection = converse(regions.ap.url);
    connection.send(`${line} HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: 2\r\n\r\n`);
    // The body comes behind the head by itself, as workerd sends it.
    await new Promise((resolve) => setTimeout(resolve, 50));
    connection.send("{}");
    assert.equal((await connection.answer()).status, status, line);
    connection.send("GET /api/likes/x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal((await connection.answer()).status, 200, `behind ${line}`);
    connection.end();
  }
});

test("a demo region conforms", async () => {
  const open = (place) => {
    const keys = ["--header", "Cookie: app_user=conny", "--idempotent", "--other-header", "Cookie: app_user=eve"];
    const arguments_ = ["conformance", regions.us.url, ...place, ...keys, "--json"];
    const report = JSON.parse(execFileSync(join(root, "target/debug/homing"), arguments_, { encoding: "utf8" }));
    return [report.conforms, report.rules.filter((rule) => rule.finding !== "pass").map((rule) => rule.rule)];
  };
  const several = ["stamp-accepted", "later-wins", "repeat-harmless", "owner-position", "owner-shows", "owner-behind", "write-context"];
  several.push("conflict-told", "conflict-counted", "conflicts");
  const without = (...more) => ["unsigned", "forged", "stale", "unsigned-claim", "shows-gone", ...more, "lease", ...several];
  const whole = open(["--path", "/api/catalog/held", "--dataset", "catalog", "--beside", "/api/catalog/beside"]);
  assert.deepEqual(whole, [true, ["no-subject", "other-subject", ...without()]], "without a key, a lease, a subject and deletions");
  const cart = ["--path", "/api/cart", "--dataset", "cart", "--body", '["tea"]', "--subject", "user:conny", "--other-subject", "user:eve"];
  assert.deepEqual(open(cart), [true, without("shows-still")]);
  const notes = ["--path", "/t/held/notes", "--dataset", "notes", "--method", "POST", "--subject", "tenant:held"];
  assert.deepEqual(open(notes), [true, without("shows-still")]);
});

test("a demo region conforms with what several regions write", async () => {
  const kept = (dataset, ...more) => {
    const place = ["--path", `/api/${dataset}/held`, "--dataset", dataset, "--header", "Cookie: app_user=conny"];
    const arguments_ = ["conformance", regions.us.url, ...place, "--multi-writer", ...more, "--json"];
    const report = JSON.parse(execFileSync(join(root, "target/debug/homing"), arguments_, { encoding: "utf8" }));
    assert.equal(report.conforms, true, JSON.stringify(report));
    return report.rules.filter((rule) => rule.finding === "pass").map((rule) => rule.rule);
  };
  const always = ["stamp-accepted", "owner-position", "owner-shows", "owner-behind", "write-context"];
  const later = kept("profile", "--method", "PATCH", "--body", '{"name":"Ada"}', "--other-body", '{"name":"Bob"}');
  // One region alone overrules nobody: a write gets a later stamp than what is there.
  for (const rule of [...always, "later-wins", "repeat-harmless", "conflicts"]) assert.ok(later.includes(rule), rule);
  assert.ok(!later.includes("conflict-counted"), "nothing was overruled, so nothing could be counted");
  for (const [dataset, ...more] of [
    ["likes", "--body", '{"liked":true}'],
    ["views", "--method", "POST", "--body", "{}"],
    ["draft", "--body", '{"text":"mine"}'],
  ]) {
    const rules = kept(dataset, ...more);
    for (const rule of always) assert.ok(rules.includes(rule), `${dataset} ${rule}`);
  }
});
