// Conflicts are told: by the demo regions to the router, by the router to operators; and what an origin may say in place of that.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { Client, command, hear, startOrigin, startRegions, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const KEY = "the key with which the router signs for its origins";
const NAMES = ["us", "eu", "ap"];

/** What each stub says next: a function of its request and response. */
const says = {};
let regions, router, stubbed;
let log = "";
const vars = (change) => (vars) => {
  vars.ROUTES.find((route) => route.dataset === "likes").max_conflict_rate = "1%";
  change?.(vars);
};

before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions, vars()), handleLog: hear((text) => (log += text)) });
  const urls = {};
  for (const name of NAMES) urls[name] = { url: await startOrigin((request, response) => says[name](request, response)) };
  stubbed = await startRouter({ vars: topology(urls, vars()), bindings: { ORIGIN_KEY: KEY } });
});
beforeEach(() => {
  for (const name of NAMES) says[name] = tells([]);
});
after(stopAll);

const json = (response, status, body) => response.writeHead(status, { "content-type": "application/json" }).end(body);
/** Says these conflicts when it is asked for them. */
const tells =
  (conflicts, total = conflicts.length) =>
  (_, response) =>
    json(response, 200, JSON.stringify({ region: "us", conflicts, total }));
const stories = async (query) => (await new Client(stubbed.url).get(`/_homing/api/conflicts?${query}`)).json;
const homing = (at, ...args) => command({ HOMING_URL: at.url.href }, ...args);

const LIKED = Date.UTC(2026, 0, 1, 12, 0, 3, 140);
const stamp = (at) => `${at.toString(16).padStart(12, "0")}-0000-0000000a`;
const story = (n = 0, what = "unlike") => ({
  dataset: "likes",
  key: "7",
  rule: "set",
  at: LIKED + 5000,
  kept: { region: "us", number: 18 + n, stamp: stamp(LIKED + 800 + n), who: "~GdAZGkoHV5U4-Bo_P4T8RX", what },
  lost: { region: "eu", number: 4, stamp: stamp(LIKED), who: "~GdAZGkoHV5U4-Bo_P4T8RX", what: "like" },
});

test("a conflict of the demo is counted at the edge and told by the command and the API, once and as a sentence", async () => {
  const [here, there] = [new Client(router.url, "us"), new Client(router.url, "eu")];
  for (const client of [here, there]) await client.post("/login", { user: "ada" });
  const put = async (client, path, liked) => assert.equal((await client.put(path, { liked })).status, 200);
  await put(here, "/api/likes/told", true);
  const seen = async (name) => (await fetch(new URL("/api/likes/told", regions[name].url))).json();
  await waitUntil(async () => (await Promise.all(NAMES.map(seen))).every(({ count }) => count === 1), "all regions have the like");
  await regions.cut(...NAMES);
  await put(there, "/api/likes/told", true);
  await put(here, "/api/likes/told", false);
  await regions.heal();

  const told = await waitUntil(async () => {
    const { json } = await new Client(router.url).get("/_homing/api/conflicts?dataset=likes&key=told");
    return json.stories[0]?.told_by.length === 3 && json;
  }, "all regions tell of it");
  assert.equal(told.stories.length, 1);
  const time = String.raw`\d\d:\d\d:\d\d\.\d`;
  const sentence = new RegExp(`^The unlike from us at ${time} was overruled by the like from eu at ${time}: if you like and unlike an item `);
  assert.match(told.stories[0].sentence, sentence);
  assert.deepEqual([told.rule, told.stories[0].rule, told.stories[0].disputed_by], ["set", "set", []]);
  assert.deepEqual(
    Object.values(told.regions).map(({ answered }) => answered),
    [true, true, true],
  );

  const shown = await homing(router, "conflicts", "likes", "told");
  assert.equal(shown.status, 0, shown.err);
  assert.match(shown.out, /^likes \(set\): If you like and unlike .*\n( {2}(ap|eu|us) +conflicts resolved so far: \d+\n){3}\n/);
  assert.match(shown.out, new RegExp(`GMT \\(.*\\) {2}The unlike from us at ${time} was overruled by the like from eu`));
  assert.deepEqual((await homing(router, "conflicts", "likes", "told", "--json")).json.stories, told.stories);
  assert.equal((await homing(router, "conflicts", "likes", "untold")).out.split("\n").at(-2), "No conflicts of this key.");

  // The region whose write was overruled says so in its next answer to a write.
  const counted = await waitUntil(async () => {
    await put(new Client(router.url, "us"), `/api/likes/next-${Math.random()}`, true);
    return (await router.snapshot()).conflicts[0]?.datasets.likes && (await router.snapshot());
  }, "the edge has counted it");
  const [row] = counted.conflicts;
  assert.deepEqual([row.match, row.conflicting, row.datasets, row.budget, row.over], ["/api/likes/*", 1, { likes: { set: 1 } }, "1%", false]);
  const { totals } = counted.datasets.find(({ name }) => name === "likes").conflicts;
  assert.ok(totals.length === 3 && totals.every(({ set }) => set >= 1), JSON.stringify(totals));
  const line = await waitUntil(() => log.split("\n").find((line) => line.includes('"conflicts"')), "the request's line says so");
  assert.deepEqual(JSON.parse(line).conflicts, ["likes set 1"]);
  assert.doesNotMatch(line, /told"|unlike|~/);
});

test("a route whose writes meet too many conflicts says so in one line, and what an origin says goes no further", async () => {
  let said = "";
  const writing = await startRouter({
    vars: topology({ us: { url: await startOrigin((request, response) => says.us(request, response)) } }, vars()),
    handleLog: hear((text) => (said += text)),
  });
  const member = "dataset=likes; rule=set; kept=us/1; lost=eu/2; over=secret-key";
  says.us = (_, response) => response.writeHead(200, { "homing-conflict": `${member}, ${member}, more=3`, "homing-wrote": "1" }).end();
  const answer = await new Client(writing.url, "us").put("/api/likes/1", {});
  assert.equal(answer.headers["homing-conflict"], undefined);
  says.us = (_, response) => response.writeHead(200, { "homing-conflict": "dataset=nobodys; rule=set, likes, rule=nonsense" }).end();
  await new Client(writing.url, "us").put("/api/likes/2", {});
  says.us = (_, response) => response.writeHead(200, { "homing-conflict": "last-write-wins" }).end();
  for (let n = 0; n < 98; n++) await new Client(writing.url, "us").put(`/api/likes/${n}`, {});
  const { conflicts } = await writing.snapshot();
  assert.deepEqual([conflicts[0].writes, conflicts[0].conflicting, conflicts[0].share], [100, 99, "99%"]);
  assert.deepEqual(conflicts[0].datasets, { likes: { set: 5, "last-write-wins": 98 } });
  const alarms = () =>
    said
      .split("\n")
      .filter((line) => line.includes("max_conflict_rate"))
      .map((line) => JSON.parse(line));
  await waitUntil(() => alarms().length > 0, "the alarm is logged");
  const [{ at: _, message: __, ...alarm }] = alarms();
  assert.deepEqual(alarm, { level: "warn", route: "/api/likes/*", share: "99%", budget: "1%", requests: 100, conflicting: 99, reasons: {} });
  assert.doesNotMatch(said, /secret-key/);
  await writing.stop();
});

test("every region is asked with a signature; what several tell is told once, and a question that means nothing is refused", async () => {
  let asked;
  says.us = (request, response) => ((asked = request), tells([story()], 12)(request, response));
  says.eu = tells([story()]);
  const told = await stories("dataset=likes&key=a%26b&limit=7");
  assert.deepEqual(told.stories, [], "it is of another key");
  assert.match(asked.url, /^\/\.well-known\/homing\/conflicts\?dataset=likes&limit=7&key=a%26b&n=\d+$/);
  const [, at, signature] = /^t=(\d+);v=([\w-]+)$/.exec(asked.headers["homing-signature"]) ?? [];
  const lines = ["GET", asked.url, at, ...Array(8).fill("")];
  assert.equal(signature, createHmac("sha256", KEY).update(lines.join("\n")).digest("base64url"));
  const {
    stories: [one, ...rest],
    regions: answers,
  } = await stories("dataset=likes");
  assert.deepEqual([rest.length, one.told_by, answers.us.total], [0, ["us", "eu"], 12]);
  assert.match(one.sentence, /^The like from eu at 12:00:03\.1 was overruled by the unlike from us at 12:00:03\.9: if you like/);
  for (const [query, status] of /** @type {[string, number][]} */ ([
    ["", 400],
    ["dataset=nobodys", 404],
    ["dataset=catalog", 404],
    ["dataset=likes&limit=1001", 400],
  ])) {
    const answer = await new Client(stubbed.url).get(`/_homing/api/conflicts?${query}`);
    assert.deepEqual([answer.status, answer.headers["content-type"]], [status, "application/problem+json"], query);
  }
  const wrong = await homing(stubbed, "conflicts", "catalog");
  assert.deepEqual([wrong.status, /multi-writer/.test(wrong.err)], [1, true], wrong.err);
});

test("whatever an origin says in place of its conflicts, the others' are told, in time", async () => {
  says.us = tells([story()]);
  const answers = {
    "10 MB": [(_, response) => json(response, 200, `{"conflicts":[],"x":"${"x".repeat(10_000_000)}"}`), /longer than 1 MiB/],
    "no end": [(_, response) => response.writeHead(200).write("{"), /within 2 s/],
    "no answer": [() => {}, /within 2 s/],
    "a broken connection": [(request) => request.socket.destroy(), /cannot be reached/],
    "no JSON": [(_, response) => json(response, 200, "<html>"), /something else/],
    "a list": [(_, response) => json(response, 200, "[1]"), /something else/],
    "a depth": [(_, response) => json(response, 200, "[".repeat(900_000)), /something else/],
    "a 404": [(_, response) => json(response, 404, "{}"), /does not serve/],
    "a 403": [(_, response) => json(response, 403, "{}"), /ORIGIN_KEY/],
    "a redirect": [(_, response) => response.writeHead(302, { location: "/elsewhere" }).end(), /answers 302/],
  };
  for (const [what, [answer, why]] of Object.entries(answers)) {
    says.eu = answer;
    const began = Date.now();
    const told = await stories("dataset=likes");
    assert.match(told.regions.eu.why, /** @type {RegExp} */ (why), what);
    assert.equal(told.stories.length, 1, what);
    assert.ok(Date.now() - began < 8000, `${what} took ${Date.now() - began} ms`);
  }
  says.us = says.ap = says.eu;
  const nobody = await homing(stubbed, "conflicts", "likes");
  assert.deepEqual([nobody.status, /no answer: It answers 302\./.test(nobody.out)], [1, true], nobody.out);
});

test("a thousand stories are told up to the limit, the latest first; nothing in them reaches a terminal as more than text", async () => {
  says.us = tells(Array.from({ length: 1000 }, (_, n) => story(n)));
  says.eu = tells([{}, null, 7, { ...story(), kept: {} }, ...Array.from({ length: 995 }, (_, n) => story(999 - n))]);
  const told = await stories("dataset=likes&limit=1000");
  assert.equal(told.stories.length, 1000);
  assert.ok(
    told.stories.every(({ kept }, at) => kept.number === 1017 - at),
    "the latest first",
  );
  assert.equal((await stories("dataset=likes")).stories.length, 100);

  says.us = tells([{ ...story(0, "\u001b[2J\u001b]0;owned\u0007<img src=x onerror=alert(1)>\u202e\r\n"), key: `\u009b31m${"k".repeat(5000)}` }]);
  says.eu = tells([]);
  const shown = await homing(stubbed, "conflicts", "likes");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is there is what is tested
  assert.doesNotMatch(shown.out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.match(shown.out, /The like from eu .* was overruled by the \ufffd\[2J\ufffd\]0;owned\ufffd<img src=x onerror=alert\(1\)>/);
  assert.ok(shown.out.length < 3000, `${shown.out.length} characters`);
});
