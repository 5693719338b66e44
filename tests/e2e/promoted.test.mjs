// What sessions were promised while the home of their data moves, and the regions have not all of each other's writes: nobody passes for a
// copy of what it has only been told of, and no owner for a copy of itself.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, command, startRegions, startRouter, stopAll, subjectId, topology, waitUntil } from "./harness.mjs";

const LATE = 60_000;
let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
beforeEach(() => regions.heal());
after(stopAll);

const homing = (...args) => command({ HOMING_URL: router.url.href, USER: "ada" }, ...args);
const pins = (client) => client.session()?.[7] ?? "";
const at = (client, near) => ((client.headers["homing-dev-near"] = near), client);
const has = async (region, path, wanted) => (await (await fetch(`${regions[region].url}${path}`)).text()).includes(wanted);

/** That region becomes the home of the catalogue, if it is not; and all regions have all of it. */
async function catalogAt(region) {
  // What a region says of its lag is from before it was healed, for a moment.
  const isNear = async ({ url }) => Object.values((await (await fetch(`${url}/.well-known/homing`)).json()).lag_ms).every((lag) => lag < 1_000);
  await waitUntil(async () => (await Promise.all(Object.values(regions).map(isNear))).every(Boolean), "all regions follow each other");
  const { json } = await homing("status", "--json");
  if (json.datasets.catalog.home !== region) await done("promote", "catalog", "--to", region);
  const epoch = (await homing("status", "--json")).json.datasets.catalog.epoch;
  const knows = async ({ url }) => {
    const { epochs, position } = await (await fetch(`${url}/.well-known/homing`)).json();
    return epochs.catalog === epoch && position.catalog;
  };
  await waitUntil(async () => new Set(await Promise.all(Object.values(regions).map(knows))).size === 1, "all regions have all of the catalogue");
}

async function done(...args) {
  const { status, json, out, err } = await homing(...args, "--json");
  assert.deepEqual([status, json?.phase], [0, "done"], out + err);
}

/** A read as the router sends it to a region, for a session that has seen the beginning of that ownership: the status, and whether the copy
 *  says that it is behind. */
async function asksFor(region, path, contract) {
  const fields = Object.entries({ region, intent: "read", ...contract }).map(([name, value]) => [`homing-${name}`, `${value}`]);
  const { status, headers } = await fetch(`${regions[region].url}${path}`, { headers: Object.fromEntries(fields) });
  return [status, headers.get("homing-behind")];
}

/** A session must see this, or be told that it may not. */
function shows(answer, name) {
  const said = `${answer.status} ${answer.headers["homing-reason"]} ${answer.headers["homing-region"]} ${answer.text}`;
  assert.ok(answer.headers["homing-consistency"]?.startsWith("stale") || answer.json?.item?.name === name, said);
}

test("a third region does not pass its old copy off as one of the new epoch", async () => {
  await catalogAt("us");
  const client = new Client(router.url, "us");
  await client.put("/api/catalog/third", { name: "old" });
  await waitUntil(() => has("ap", "/api/catalog/third", "old"), "ap has the old one");
  for (const region of ["us", "ap"]) await regions[region].control({ lag_ms: LATE });
  await client.put("/api/catalog/third", { name: "new" });
  await done("promote", "catalog", "--to", "eu");
  // Whoever tells a region ahead of the data (a forced change does) makes it no copy of what it has not got.
  const { epoch } = (await homing("status", "--json")).json.datasets.catalog;
  const told = await fetch(`${regions.ap.url}/.well-known/homing/ownership?op=learn&home=eu&unit=catalog@${epoch}`, { method: "POST" });
  assert.deepEqual([told.status, (await told.json()).home], [200, "eu"]);
  const seen = { dataset: "catalog", home: "eu", epoch, "min-position": "catalog=0" };
  assert.deepEqual(await asksFor("ap", "/api/catalog/third", seen), [503, "1"], "ap has only been told");
  await waitUntil(async () => (await router.snapshot()).datasets.find(({ name }) => name === "catalog").home === "eu", "the edge has heard");
  // Strangers, by whose reading the router learns how far the copies are.
  await new Client(router.url, "us").get("/api/catalog/third");
  for (const query of ["a", "b"]) await new Client(router.url, "ap").get(`/api/catalog/other?${query}`);
  shows(await at(client, "us").get("/api/catalog/third"), "new");
  for (const query of ["", "?reload", "?again"]) shows(await at(client, "ap").get(`/api/catalog/third${query}`), "new");
});

test("a new owner states positions, though it lacks what has nothing to do with the data", async () => {
  await catalogAt("us");
  await regions.eu.control({ cut: ["ap"] });
  const liked = await new Client(router.url, "ap").put("/api/likes/of-ap", { liked: true });
  assert.equal(liked.headers["homing-region"], "ap");
  await waitUntil(() => has("us", "/api/likes/of-ap", "true"), "us has the like of ap");
  await done("promote", "catalog", "--to", "eu");
  const client = new Client(router.url, "eu");
  const written = await client.put("/api/catalog/positions", { name: "new" });
  assert.deepEqual([written.status, written.headers["homing-region"]], [200, "eu"]);
  assert.match(pins(client), /^catalog:p:eu:/, "a position, which lasts, and no window of some seconds");
  shows(await at(client, "ap").get("/api/catalog/positions"), "new");
});

test("a new home answers its own session, though it cannot reach a third region", async () => {
  const client = new Client(router.url, "eu");
  assert.equal((await client.post("/t/cut-off/notes", { text: "one" })).headers["homing-region"], "eu");
  await waitUntil(() => has("us", "/t/cut-off/notes", "one"), "us has the note");
  await regions.us.control({ cut: ["ap"] });
  await new Client(router.url, "ap").put("/api/likes/while-cut", { liked: true });
  await waitUntil(() => has("eu", "/api/likes/while-cut", "true"), "eu has the like of ap");
  await done("move", "tenant:cut-off", "--to", "us");
  const seen = { dataset: "notes", subject: subjectId("tenant", "cut-off"), home: "us", epoch: 2, "min-position": "notes=0" };
  assert.deepEqual(await asksFor("us", "/t/cut-off/notes", seen), [200, null], "an owner has all that it began with");
  for (const near of ["us", "ap", "eu"]) {
    const read = await at(client, near).get("/t/cut-off/notes");
    assert.deepEqual([read.status, read.json?.notes?.length], [200, 1], `${near}: ${read.headers["homing-reason"]} ${read.text}`);
  }
  const written = await at(client, "us").post("/t/cut-off/notes", { text: "two" });
  assert.deepEqual([written.status, written.headers["homing-region"], written.json.notes.length], [200, "us", 2], written.text);
});
