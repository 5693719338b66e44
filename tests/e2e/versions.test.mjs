// Two versions at once: the build of the last released format beside this one, edges and objects mixed, under load, while operators give
// orders, and back again. This runs in miniflare alone. Two versions in plain workerd are in plan.test.mjs: of one build, with two files.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, command, root, runtime, startRegions, stopAll, topology, waitUntil } from "./harness.mjs";
import { inReleasedWords, startVersions } from "./versions.mjs";

const skip = runtime !== "miniflare" && "in miniflare alone";
const TOKEN = "the token of the operators, which is long";
const BINDINGS = {
  SESSION_KEY: "the key of all sessions in this test, long",
  ORIGIN_KEY: "the key between router and regions, long enough",
  ADMIN_TOKEN: TOKEN,
  PROBES: "off",
};
const NEAR = ["us", "eu", "ap"];
after(stopAll);

/** Regions that nobody has written to, and the topology over them. */
async function world() {
  const regions = await startRegions({ args: ["--origin-key", BINDINGS.ORIGIN_KEY] });
  const vars = () => inReleasedWords(topology(regions));
  const edited = vars();
  edited.DATASETS.catalog.home = "eu";
  return { regions, vars: vars(), edited };
}

const operator =
  (url) =>
  (...args) =>
    command({ HOMING_URL: url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, ...args);
const pick = (all) => all[Math.floor(Math.random() * all.length)];

/** By which owner the session's last write of the catalogue counts: region, epoch. */
const pinned = (client) => /(?:^|~)catalog:p:(\w+):\d+:(\d+):/.exec(client.session()?.[7] ?? "")?.slice(1);

/** Clients that write and read what they wrote, each time at another edge, until they are stopped. */
function load(doors, name) {
  const log = { acknowledged: [], refused: [], owners: new Map(), wrong: [], doors };
  let going = true;
  const one = async (at) => {
    const client = new Client(pick(log.doors), NEAR[at % 3]);
    await client.post("/login", { user: `${name}-${at}` });
    for (let n = 0; going; n++) {
      const id = `${name}-${at}-${n}`;
      client.url = pick(log.doors);
      const put = await client.put(`/api/catalog/${id}`, { name: id });
      if (put.status !== 200) {
        log.refused.push({ status: put.status, outcome: put.headers["homing-write-outcome"], reason: put.headers["homing-reason"] });
        continue;
      }
      const [region, epoch] = pinned(client) ?? [];
      if (region !== put.json.region) log.wrong.push(`${id} was written at ${put.json.region}, and the session says ${region}`);
      log.owners.set(epoch, (log.owners.get(epoch) ?? new Set()).add(put.json.region));
      log.acknowledged.push(id);
      client.url = pick(log.doors);
      const get = await client.get(`/api/catalog/${id}`);
      const shown = get.status !== 200 || get.headers["homing-consistency"]?.startsWith("stale") || get.json.item?.name === id;
      if (!shown) log.wrong.push(`${id} is not read: ${get.headers["homing-reason"]} ${get.headers["homing-region"]} ${get.text}`);
    }
  };
  const all = Promise.all(Array.from({ length: 6 }, (_, at) => one(at)));
  return { ...log, go: (doors) => (log.doors = doors), writes: () => log.acknowledged.length, stop: async () => ((going = false), await all, log) };
}

/** Nothing that was acknowledged is lost, nobody wrote by somebody else's epoch, and whoever was refused knows that nothing was done. */
async function isSound({ acknowledged, refused, owners, wrong }, home) {
  assert.deepEqual(wrong, []);
  const two = [...owners].filter(([, at]) => at.size !== 1).map(([epoch, at]) => `epoch ${epoch}: ${[...at]}`);
  assert.deepEqual(two, [], "two owners by one epoch");
  for (const one of refused) assert.deepEqual([one.status, ["refused", "not-sent"].includes(one.outcome)], [503, true], JSON.stringify(one));
  const there = new Set((await (await fetch(`${home.url}/api/catalog`)).json()).items.map(({ id }) => id));
  assert.deepEqual(
    acknowledged.filter((id) => !there.has(id)),
    [],
    "acknowledged and lost",
  );
}

test("a deployment of this version over the last released format, and back, under load and orders", { skip }, async () => {
  const { regions, vars } = await world();
  const edges = ["before", "now"].flatMap((build) => [1, 2].map((n) => ({ name: `${build}-${n}`, build, vars })));
  const { doors, deploy } = await startVersions({ edges, vars: { before: vars, now: vars }, bindings: BINDINGS });
  const [old, all] = [[doors["before-1"], doors["before-2"]], Object.values(doors)];
  const [byOld, byNew] = [operator(doors["before-1"]), operator(doors["now-1"])];
  let version = 0;
  const status = async (homing) => {
    const { json, out, err } = await homing("status", "--json");
    assert.ok(json?.version >= version, `the view's version never falls: ${out}${err}`);
    version = json.version;
    return json;
  };
  /** An order that ends as it was meant, though objects are reset meanwhile; what is given up says so and is ordered again. */
  const promote = async (to, by, meanwhile) => {
    for (let tries = 0; ; tries++) {
      const begun = await by("promote", "catalog", "--to", to, "--no-wait", "--json");
      assert.equal(begun.status, 0, begun.out + begun.err);
      const id = begun.json.change?.id ?? begun.json.id;
      await meanwhile?.();
      meanwhile = undefined;
      const change = await waitUntil(
        async () => {
          const { json } = await by("change", id, "--json");
          return (json?.ended || json?.phase === "done" || json?.phase === "aborted") && json;
        },
        `${id} is over`,
        40_000,
      );
      if (change.phase === "done") return assert.equal((await status(by)).datasets.catalog.home, to);
      assert.ok(tries < 3, change.says);
    }
  };
  const clients = load(old, "deployed");
  const more = async () => {
    const before = clients.writes();
    await waitUntil(() => clients.writes() > before + 60, "writes go on", 30_000);
  };
  await more();
  // Edges first: those of this version, and an authority that knows no formats.
  clients.go(all);
  await more();
  await promote("eu", byNew);
  await more();
  // Then the objects, amid an order of the earlier version.
  await deploy({ Directory: "now" });
  await promote("ap", byOld, () => deploy({ Authority: "now", Prober: "now" }));
  await more();
  assert.equal((await status(byOld)).configured.catalog, "us", "an earlier edge hands on what a later authority says");
  const moved = await byOld("move", "user:deployed-1", "--to", "eu");
  assert.equal(moved.status, 0, moved.out + moved.err);
  const drained = await byNew("drain", "eu", "--for", "1h", "--reason", "it must outlive the rollback");
  assert.equal(drained.status, 0, drained.err);
  // And back, amid an order of this one.
  await promote("us", byNew, () => deploy({ Authority: "before", Directory: "before", Prober: "before" }));
  await more();
  clients.go(old);
  await more();
  const rolledBack = await status(byOld);
  assert.equal(rolledBack.configured, undefined, "it is the earlier authority");
  assert.deepEqual([rolledBack.datasets.catalog.home, rolledBack.regions.eu.state], ["us", "draining"], "orders are not lost");
  assert.equal((await byOld("undrain", "eu")).status, 0);
  // Forward once more: what it notes and what it knows are still there.
  await deploy({ Authority: "now", Directory: "now", Prober: "now" });
  clients.go(all);
  await more();
  const again = await status(byNew);
  assert.deepEqual([again.datasets.catalog, again.configured.catalog], [rolledBack.datasets.catalog, "us"]);
  const home = await byNew("move", "user:deployed-1", "--to", "eu", "--json");
  assert.match(home.json.says, /^it is there already/, "the directory has kept what this version told it");
  await isSound(await clients.stop(), regions.us);
  await regions.stop();
});

test("a home that is edited in the next version moves nothing, on edges that know the view and on those that do not", { skip }, async () => {
  const { regions, vars, edited } = await world();
  const edges = [
    { name: "one", build: "now", vars },
    { name: "two", build: "now", vars: edited },
    { name: "cold", build: "now", vars: edited, kv: false },
    { name: "before", build: "before", vars },
  ];
  const { doors, deploy, down } = await startVersions({ edges, vars: { before: vars, now: vars }, bindings: BINDINGS });
  await deploy({ Authority: "now", Directory: "now", Prober: "now" });
  const homing = operator(doors.one);
  const client = new Client(doors.one, "us");
  const put = (url, id) => ((client.url = url), client.put(`/api/catalog/${id}`, { name: id }));
  assert.equal((await put(doors.one, "edited-0")).json.region, "us");
  await waitUntil(
    async () => (await homing("audit", "--json")).json.some(({ what }) => what === "us is the home of catalog by epoch 1, as configured"),
    "the first home is noted",
  );
  await waitUntil(async () => (await homing("status", "--json")).json.untold.length === 0, "the regions are told");

  // An edge that has no home store, and cannot ask, goes by its file: the region there knows better, and refuses.
  await down(true);
  const cold = await put(doors.cold, "edited-cold");
  assert.deepEqual([cold.status, cold.headers["homing-write-outcome"], cold.headers["homing-reason"]], [503, "refused", "misdirected-in-vain"], cold.text);
  await down(false);

  // One that can ask goes right from the second request on at the latest, and all that come after it do.
  await waitUntil(async () => (await put(doors.two, "edited-1")).json?.region === "us", "it learns of the noted home");
  const clients = load([doors.one, doors.two, doors.before], "edited");
  await waitUntil(() => clients.writes() > 60, "writes go on", 30_000);
  const promoted = await homing("promote", "catalog", "--to", "eu", "--json");
  assert.equal(promoted.json?.phase, "done", promoted.out + promoted.err);
  const before = clients.writes();
  await waitUntil(() => clients.writes() > before + 60, "writes go on", 30_000);
  const log = await clients.stop();
  assert.deepEqual([...log.owners].map(([epoch, at]) => [epoch, ...at]).sort(), [
    ["1", "us"],
    ["2", "eu"],
  ]);
  await isSound(log, regions.eu);
  await regions.stop();
});

test("what the deployed router says otherwise than a file is told before that ships", { skip }, async () => {
  const { regions, vars } = await world();
  const shipped = topology(regions);
  const { doors, deploy } = await startVersions({
    edges: [
      { name: "one", build: "now", vars: shipped },
      { name: "before", build: "before", vars },
    ],
    vars: { before: vars, now: shipped },
    bindings: BINDINGS,
  });
  const folder = mkdtempSync(join(tmpdir(), "homing-file-"));
  try {
    const file = join(folder, "wrangler.toml");
    const text = readFileSync(join(root, "wrangler.toml"), "utf8");
    const check = (url, text) => (writeFileSync(file, text), command({ HOMING_TOKEN: TOKEN }, "check", file, "--against", url.href));
    const early = await check(doors.before, text);
    assert.match(early.out, /against the deployed router: the deployed authority is a version without formats/, early.err);
    await deploy({ Authority: "now", Directory: "now", Prober: "now" });
    assert.equal((await new Client(doors.one, "us").put("/api/catalog/1", { name: "1" })).status, 200);
    const same = await check(doors.one, text);
    assert.deepEqual([same.status, same.out.includes("against the deployed router: not as deployed: REGIONS\n")], [0, true], same.out + same.err);
    const edited = await check(doors.one, text.replace('home = "us"', 'home = "eu"'));
    assert.equal(edited.status, 1);
    assert.match(edited.err, /vars\.DATASETS\.catalog\.home: found "eu", expected "us", its home in the deployed router by epoch 1/);
    const deaf = await check(new URL("http://127.0.0.1:9"), text);
    assert.deepEqual([deaf.status, /does not answer/.test(deaf.err)], [1, true], deaf.err);
  } finally {
    rmSync(folder, { recursive: true });
    await regions.stop();
  }
});
