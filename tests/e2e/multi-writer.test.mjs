// What every region writes (likes, views, profile, draft): regions that wrote apart, what becomes of two writes at once, and how that is told.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Client, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const SECRET = "the key with which these tests sign";
let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions), bindings: { SESSION_KEY: SECRET } });
});
beforeEach(() => regions.heal());
after(stopAll);

const NAMES = ["us", "eu", "ap"];

/** A client beside a region, signed in. */
async function visitor(near, user) {
  const client = new Client(router.url, near);
  await client.post("/login", { user });
  return client;
}

/** Writes, and holds the answer against what every write of these promises. */
async function writes(client, method, path, body, region) {
  const answer = await client.request(method, path, { body });
  assert.deepEqual([answer.status, answer.headers["homing-region"]], [200, region], answer.text);
  for (const name of ["homing-conflict", "homing-clock", "homing-position", "homing-shows-of", "homing-wrote"])
    assert.equal(answer.headers[name], undefined, `${name} is between router and region`);
  return answer.json;
}

/** What a region shows, asked by nobody in particular. */
async function shows(region, path, headers = {}) {
  const { region: _, ...shown } = await (await fetch(new URL(path, regions[region].url), { headers })).json();
  return shown;
}

/** What all regions show, once it is the same. */
async function agreed(path, headers, what = (_shown) => true) {
  let all;
  await waitUntil(async () => {
    all = await Promise.all(NAMES.map((region) => shows(region, path, headers)));
    return new Set(all.map((shown) => JSON.stringify(shown))).size === 1 && what(all[0]);
  }, `all regions show the same of ${path}`).catch((error) => assert.fail(`${error.message}: ${JSON.stringify(all)}`));
  return all[0];
}

/** A region's conflicts of a dataset, newest first, and how many there have been. */
const conflicts = async (region, query) => (await fetch(new URL(`/.well-known/homing/conflicts?${query}`, regions[region].url))).json();

test("three regions that wrote apart are equal once they hear each other, by each dataset's rule", async () => {
  await regions.cut(...NAMES);
  const users = { us: "ada", eu: "bob", ap: "cy" };
  const fields = { us: { city: "Rome", name: "Ada" }, eu: { colour: "red" }, ap: { city: "Oslo" } };
  for (const near of NAMES) {
    const client = await visitor(near, users[near]);
    assert.deepEqual((({ liked, count }) => [liked, count])(await writes(client, "PUT", "/api/likes/apart", { liked: true }, near)), [true, 1]);
    assert.equal((await writes(client, "POST", "/api/views/apart", { by: 2 }, near)).views, 2);
    await writes(client, "PATCH", "/api/profile/apart", fields[near], near);
    assert.deepEqual((await writes(client, "PUT", "/api/draft/apart", { text: `from ${near}` }, near)).drafts, [`from ${near}`]);
  }
  assert.equal((await shows("eu", "/api/likes/apart")).count, 1, "they do not hear each other");
  await regions.heal();
  assert.equal((await agreed("/api/likes/apart", {}, ({ count }) => count === 3)).count, 3);
  assert.equal((await agreed("/api/likes/apart", { cookie: "app_user=bob" })).liked, true);
  assert.equal((await agreed("/api/views/apart", {}, ({ views }) => views === 6)).views, 6);
  const { profile } = await agreed("/api/profile/apart", {}, ({ profile }) => profile.city === "Oslo");
  assert.deepEqual(profile, { city: "Oslo", colour: "red", name: "Ada" }, "each field by its later write");
  const { drafts } = await agreed("/api/draft/apart", {}, ({ drafts }) => drafts.length === 3);
  assert.deepEqual([...drafts].sort(), ["from ap", "from eu", "from us"], "all stand, for the application to show");

  const editor = await visitor("eu", "bob");
  assert.deepEqual((await writes(editor, "PUT", "/api/draft/apart", { text: "one" }, "eu")).drafts, ["one"]);
  await agreed("/api/draft/apart", {}, ({ drafts }) => drafts.length === 1);
});

test("of a like and an unlike at once the like stands, and the conflict is told with when and from where", async () => {
  const [here, there] = [await visitor("us", "ada"), await visitor("eu", "ada")];
  await writes(here, "PUT", "/api/likes/both", { liked: true }, "us");
  await agreed("/api/likes/both", {}, ({ count }) => count === 1);
  await regions.cut("us", "eu", "ap");
  await writes(there, "PUT", "/api/likes/both", { liked: true }, "eu");
  assert.equal((await writes(here, "PUT", "/api/likes/both", { liked: false }, "us")).liked, false);
  await regions.heal();
  await agreed("/api/likes/both", { cookie: "app_user=ada" }, ({ liked }) => liked === true);
  for (const region of NAMES) {
    const { conflicts: told, total } = await waitUntil(async () => {
      const found = await conflicts(region, "dataset=likes&key=both");
      return found.conflicts.length > 0 && found;
    }, `${region} tells the conflict`);
    const [{ rule, key, kept, lost }] = told;
    assert.deepEqual([rule, key, kept.region, kept.what, lost.region, lost.what], ["set", "both", "eu", "like", "us", "unlike"]);
    assert.deepEqual([kept.who ?? null, lost.who ?? null], [null, null], "by whom is told to who can sign alone, and these regions have no key");
    assert.ok(total >= 1);
    const { conflicts: totals } = await (await fetch(new URL("/.well-known/homing", regions[region].url))).json();
    assert.ok(totals.likes.set >= 1, JSON.stringify(totals));
  }
  assert.equal((await here.get("/.well-known/homing/conflicts?dataset=likes")).status, 404, "not for clients");
});

test("a region that was down has what it wrote itself, and hears what it missed", async () => {
  const client = await visitor("ap", "cy");
  await regions.cut(...NAMES);
  await writes(client, "PUT", "/api/likes/down", { liked: true }, "ap");
  await writes(client, "POST", "/api/views/down", {}, "ap");
  await writes(client, "PUT", "/api/draft/down", { text: "before" }, "ap");
  await regions.ap.kill();
  const other = await visitor("us", "ada");
  await writes(other, "PUT", "/api/likes/down", { liked: true }, "us");
  await writes(other, "POST", "/api/views/down", {}, "us");
  await regions.ap.start();
  assert.deepEqual((await shows("ap", "/api/draft/down")).drafts, ["before"], "it is on its disk");
  await regions.heal();
  await agreed("/api/likes/down", {}, ({ count }) => count === 2);
  await agreed("/api/views/down", {}, ({ views }) => views === 2);
  await agreed("/api/draft/down", {}, ({ drafts }) => drafts.length === 1);
  // Its numbers go on where they were: nobody takes a new write for an old one.
  const again = await visitor("ap", "dee");
  await waitUntil(async () => (await again.get("/api/likes/down")).headers["homing-region"] === "ap", "reads are near again");
  await writes(again, "PUT", "/api/likes/down", { liked: true }, "ap");
  await agreed("/api/likes/down", {}, ({ count }) => count === 3);
});
