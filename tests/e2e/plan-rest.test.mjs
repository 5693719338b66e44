// The other kinds of plans: the regions in which subjects may live, data of each user that several regions come to write, and changes that leave
// every owner in place. Carried out like those of plan.test.mjs, under load.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client, stopAll, subjectId, waitUntil } from "./harness.mjs";
import { FaultProxy } from "./proxy.mjs";
import { homes, isSound, owner, plannedWorld, restarted, takesLikes, without } from "./rollout.mjs";

const options = { timeout: 170_000 };
after(stopAll);

const ids = Array.from({ length: 5 }, (_, at) => `user-${at}`);
const unit = (user) => `~${subjectId("user", user)}`;
/** Users and likes have two regions alone, and the third stays a region. */
function narrowed(vars) {
  for (const name of ["cart", "likes"]) vars.DATASETS[name].regions = ["us", "eu"];
}
/** Likes are each user's own, as the cart is. */
const splitLikes = (vars) => void (vars.DATASETS.likes = { ownership: "geo-partitioned", subject: "user", regions: ["us", "eu", "ap"] });
/** A write to likes that no router sends. */
const astray = (region, user) =>
  fetch(`${region.url}/api/likes/astray`, {
    method: "PUT",
    headers: { "content-type": "application/json", cookie: `app_user=${user}` },
    body: '{"liked":true}',
  });
/** The home of a new user from beside that region, after the first write. */
async function settles(world, user, near) {
  const client = new Client(world.door(world.running), near);
  // A region that has just been started anew may not be believed yet.
  await waitUntil(async () => (await client.post("/login", { user })).status === 200, `${user} has logged in`);
  await waitUntil(async () => (await client.post("/api/cart", { item: "tea" })).status === 200, `${user} has a home`);
  return (await owner(world.regions.us, unit(user))).home;
}

test("users and owners leave a region that stays", options, async () => {
  const world = await plannedWorld({ new: narrowed });
  const load = await world.carryOut({ "Wait for the last operations of likes from ap": () => {} });
  for (const user of ids) assert.notEqual((await owner(world.regions.eu, unit(user))).home, "ap", user);
  assert.notEqual(await settles(world, "late", "ap"), "ap");
  const before = (await world.regions.ap.seen("/api/likes")).length;
  const client = new Client(world.door("NEW.toml"), "ap");
  assert.equal((await client.put("/api/likes/late", { liked: true })).status, 200);
  assert.equal((await world.regions.ap.seen("/api/likes")).length, before, "it takes no writes of likes");
  await isSound(world, load);
});

test("users and owners come to a region that was there", options, async () => {
  const world = await plannedWorld({ old: narrowed });
  const load = await world.carryOut({ "Let the application in ap take writes of likes": () => {} }, takesLikes(world, "ap"));
  await waitUntil(async () => (await settles(world, `late-${Date.now()}`, "ap")) === "ap", "somebody new lives in ap", 60_000);
  for (const user of ids) assert.notEqual((await owner(world.regions.eu, unit(user))).home, "ap", `${user} stays`);
  await isSound(world, load);
});

test("what is each user's becomes several regions', and each user's again", options, async () => {
  const world = await plannedWorld({ old: splitLikes });
  const many = await world.carryOut({
    "Release the application that merges likes": () => {},
    "Let every region report positions of likes": () => {},
    "Leave the fence of likes off": () => {},
  });
  const { home } = await owner(world.regions.us, unit(ids[0]));
  for (const near of Object.keys(world.regions).filter((name) => name !== home)) {
    const client = new Client(world.door("NEW.toml"), near);
    await waitUntil(async () => (await client.post("/login", { user: ids[0] })).status === 200, `${ids[0]} has logged in`);
    const { status, headers } = await client.put("/api/likes/from-elsewhere", { liked: true });
    assert.deepEqual([status, headers["homing-region"]], [200, near], `${ids[0]} lives in ${home}, and writes in ${near}`);
  }
  await isSound(world, many);

  const back = await plannedWorld({ new: splitLikes });
  const fence = async () => {
    for (const region of Object.values(back.regions)) await region.control({ fence: ["likes/user"] });
    for (const user of ids) {
      const { home } = await owner(back.regions.us, unit(user));
      const wrong = Object.values(back.regions).find(({ name }) => name !== home);
      const answer = await astray(wrong, user);
      assert.deepEqual([answer.status, answer.headers.get("homing-home")], [421, home], `${user} past the router`);
    }
  };
  const load = await back.carryOut({ "Keep the merge of likes on": () => {}, "Wait until each user's home has all operations": fence });
  await isSound(back, load);
});

test("positions, a lease, identity, an origin, first homes and a rule change at once, and back", options, async () => {
  const proxy = {};
  const changed = (vars) => {
    vars.DATASETS.catalog.position = "timestamp";
    vars.DATASETS.catalog.lease = "30s";
    delete vars.DATASETS.cart.position;
    vars.IDENTITY.user = { cookie: "app_user", first_home: "us" };
    vars.REGIONS.eu.origin = proxy.url;
    vars.DATASETS.draft.conflicts = { rule: "last-write-wins", explain: "The draft that was saved last counts." };
    vars.DATASETS.pages = { ownership: "single-writer", home: "us" };
    vars.ROUTES.push({ match: "/respond", dataset: "pages" });
  };
  /** The same region at another address. */
  const behind = async ({ eu }) => Object.assign(proxy, { url: (await FaultProxy.start(eu.url)).url });
  const world = await plannedWorld({ new: changed, before: behind });
  const load = await world.carryOut({
    "Let every region report positions of catalog as timestamp": () => {},
    "Turn with_lease on for catalog": () => restarted(world, (args) => [...args, "--lease", "catalog"]),
    "Make sure that the response header": () => {},
    "Make sure that http": () => {},
    'Say with_first_home("us")': () => restarted(world, (args) => [...args, "--first-home", "us"]),
    "Merge draft by last-write-wins": () => {},
  });
  assert.equal((await homes(world)).pages, "us");
  assert.equal(await settles(world, "new-one", "ap"), "us", "a user that nobody knows lives in us");
  await isSound(world, load);

  const back = await plannedWorld({ old: changed, before: behind, args: ["--lease", "catalog", "--first-home", "us"], users: ids });
  const again = await back.carryOut({
    "Let every region report positions of catalog as counter": () => {},
    "Let every region report positions of cart as counter": () => {},
    "Turn with_lease off for catalog": () => restarted(back, (args) => without(args, "--lease")),
    "Make sure that the cookie": () => {},
    "Make sure that http": () => {},
    "Merge draft by register": () => {},
  });
  await restarted(back, (args) => without(args, "--first-home"));
  for (const user of ids) assert.equal((await owner(back.regions.eu, unit(user))).home, "us", user);
  await isSound(back, again);
});

test("one home becomes one for each user, and they begin at home for good", options, async () => {
  const oneCart = (vars) => void (vars.DATASETS.cart = { ownership: "single-writer", home: "us", position: "counter" });
  const atHome = (vars) => void (vars.IDENTITY.user.first_home = "us");
  const world = await plannedWorld({ old: oneCart, new: atHome, args: ["--first-home", "us"], users: ids });
  const load = await world.carryOut({
    "Release the application that splits cart": () => {},
    'Say with_first_home("us")': () => {},
    "Let users live elsewhere": async () => {
      const moved = await world.homing("move", `user:${ids[0]}`, "--to", "eu", "--json");
      assert.equal(moved.status, 0, moved.out + moved.err);
    },
  });
  assert.equal((await owner(world.regions.ap, unit(ids[0]))).home, "eu");
  await isSound(world, load);
});
