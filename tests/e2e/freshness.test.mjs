// A cache between the router and a region, as a rule of the region's zone makes one: nothing that must be fresh is taken from it.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Client, command, hear, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const KEY = "the key between router and regions, long enough";
const TOKEN = "the token of the operators, which is long";
let regions, router;
let log = "";
/** What the zone in front of us keeps: answers by their URL without the query that it is told to ignore; nothing while it is off. */
let kept;

before(async () => {
  regions = await startRegions({ args: ["--origin-key", KEY] });
  const zone = await startOrigin((request, response) => {
    const key = `${request.method} ${kept?.exact ? request.url : request.url.split("?")[0]}`;
    const held = kept?.answers.get(key);
    if (held && request.method === "GET") return response.writeHead(held.status, { ...held.headers, "cf-cache-status": "HIT", age: "30" }).end(held.body);
    const asked = http.request(new URL(request.url, regions.us.url), { method: request.method, headers: request.headers, agent: false }, async (answer) => {
      const body = Buffer.concat(await answer.toArray());
      kept?.answers.set(key, { status: answer.statusCode, headers: answer.headers, body });
      response.writeHead(answer.statusCode, { ...answer.headers, "cf-cache-status": "MISS" }).end(body);
    });
    request.pipe(asked.on("error", () => response.destroy()));
  });
  const vars = topology(regions, (vars) => {
    vars.REGIONS.us.origin = zone;
    vars.ROUTES.unshift({ match: "/api/catalog/strict", dataset: "catalog", read_after_write: "home" });
  });
  router = await startRouter({ vars, bindings: { ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN }, handleLog: hear((text) => (log += text)) });
});
after(stopAll);

const homing = (...args) => command({ HOMING_URL: router.url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);
const snapshot = async () => (await fetch(new URL("/_homing/api/snapshot", router.url), { headers: { authorization: `Bearer ${TOKEN}` } })).json();

test("the authority asks what nobody has asked before, and takes a cache's word for none", async () => {
  // This zone respects queries: all of its copies are of questions that are never asked again.
  kept = { exact: true, answers: new Map() };
  for (let n = 0; n < 2; n++) {
    const dry = await homing("promote", "catalog", "--to", "eu", "--dry-run", "--json");
    assert.equal(dry.status, 0, dry.out + dry.err);
  }
  const asked = [...kept.answers.keys()].filter((key) => key.startsWith("GET /.well-known/homing"));
  assert.ok(asked.length >= 4 && asked.every((key) => /[?&]n=\d+$/.test(key)), asked.join("\n"));
  assert.equal(new Set(asked).size, asked.length);
  // This one does not: it has answers of before.
  kept = { exact: false, answers: new Map() };
  await homing("promote", "catalog", "--to", "eu", "--dry-run", "--json");
  log = "";
  const dry = await homing("promote", "catalog", "--to", "eu", "--dry-run", "--json");
  assert.notEqual(dry.status, 0, "nothing is promised of a region for which a cache answers");
  await waitUntil(() => /a cache answers for the region \(cf-cache-status: HIT\)/.test(log), "it is logged");
  const promoted = await homing("promote", "catalog", "--to", "eu", "--json");
  assert.notEqual(promoted.status, 0, promoted.out);
  kept = undefined;
  const { json } = await homing("status", "--json");
  assert.equal(json.datasets.catalog.home, "us");
});

test("a session never silently reads from a cache in front of home what it has overwritten", async () => {
  const writer = new Client(router.url, "us");
  const path = "/api/catalog/in-front";
  await writer.put(path, { name: "one" });
  kept = { exact: true, answers: new Map() };
  log = "";
  const stranger = () => new Client(router.url, "us", { "cache-control": "no-cache" });
  await stranger().get(path);
  const cached = await stranger().get(path);
  assert.equal(cached.json?.item?.name, "one", `who was promised nothing may be given it: ${cached.status} ${JSON.stringify(cached.headers)} ${cached.text}`);
  await writer.put(path, { name: "two" });
  const mine = await writer.get(path, { headers: { "cache-control": "no-cache" } });
  // Its route shows something old rather than nothing, and says so.
  assert.deepEqual([mine.json?.item?.name, mine.headers["homing-consistency"]], ["one", "stale"], mine.text);
  const strict = () => stranger().get("/api/catalog/strict");
  await writer.put("/api/catalog/strict", { name: "one" });
  assert.equal((await strict()).json?.item?.name, "one");
  await writer.put("/api/catalog/strict", { name: "two" });
  const refused = await strict();
  assert.deepEqual([refused.status, refused.json.reason], [503, "given-by-cache"], "its route promises everybody what home has");
  await waitUntil(() => /a cache in front of the region answers in its place/.test(log), "it is logged");
  const { cache } = await snapshot();
  assert.equal(Object.keys(cache.given_by_caches).length, 1, JSON.stringify(cache));
  kept = undefined;
});
