// Plans that `homing plan` prints, carried out from end to end, step by step as they are printed, while clients write through edges of the file
// before and the file after: nothing that was acknowledged is lost. Here homes move, regions come and go, and data gets or loses its one owner;
// plan-rest.test.mjs has the other kinds.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { stopAll, subjectId, waitUntil } from "./harness.mjs";
import { homes, isSound, owner, plannedWorld, restarted, takesLikes, without, writers } from "./rollout.mjs";

const options = { timeout: 170_000 };
after(stopAll);

/** Users and tenants may live in two regions alone, and the third is none. */
function withoutAp(vars) {
  delete vars.REGIONS.ap;
  for (const name of ["cart", "notes"]) vars.DATASETS[name].regions = ["us", "eu"];
}
const oneWriter = (vars) => void (vars.DATASETS.likes = { ownership: "single-writer", home: "us" });
const oneCart = (vars) => void (vars.DATASETS.cart = { ownership: "single-writer", home: "us", position: "counter" });
const ids = Array.from({ length: 5 }, (_, at) => `user-${at}`);

test("a home moves", options, async () => {
  const world = await plannedWorld({ new: (vars) => void (vars.DATASETS.catalog.home = "eu") });
  const against = () => world.homing("plan", "OLD.toml", "NEW.toml", "--json", "--against", world.door(world.running).origin);
  assert.deepEqual((await against()).json.steps, world.plan.steps, "what runs is the old file, and the home is where that says");
  const load = await world.carryOut();
  assert.equal((await homes(world)).catalog, "eu");
  const late = await against();
  assert.deepEqual([late.status, late.json.verdict], [1, "refused"], "the old file does not run any more");
  assert.match(late.json.refusals[0].why, /^It does not run the old file: DATASETS differs/);
  await isSound(world, load);
});

test("a region is added, and owns something in the end", options, async () => {
  const world = await plannedWorld({ old: withoutAp });
  // Edges learn within a minute that it is drained no more.
  const load = await world.carryOut({ "Start the stack of ap": () => {}, "Let the application in ap take writes": () => {} }, takesLikes(world, "ap"));
  await isSound(world, load);
});

test("a region is removed, and owns nothing in the end", options, async () => {
  const world = await plannedWorld({ new: withoutAp });
  const likesOf = async (name) => (await (await fetch(`${world.regions[name].url}/api/likes`)).json()).items.length;
  const arrived = async () => {
    const [ap, ...others] = await Promise.all(["ap", "us", "eu"].map(likesOf));
    return others.every((count) => count >= ap);
  };
  const load = await world.carryOut({
    "Wait for the last operations of likes": () => waitUntil(arrived, "us and eu have what ap has"),
    "Wait for the last operations": () => {},
    "Stop the stack of ap": async () => {
      for (const user of ids) assert.notEqual((await owner(world.regions.eu, `~${subjectId("user", user)}`)).home, "ap", user);
      await waitUntil(arrived, "us and eu have what ap has");
      await world.regions.ap.kill();
    },
  });
  await isSound(world, load, ["us", "eu"]);
});

test("one writer becomes several, and several become one", options, async () => {
  const world = await plannedWorld({ old: oneWriter });
  // The demo merges likes, and has no fence for them unless it is told to.
  const many = await world.carryOut({
    "Release the application that merges likes": () => {},
    "Let every region report positions of likes as counter": () => {},
    "Leave the fence of likes off": () => {},
  });
  assert.ok((await writers(world, "/api/likes")).length > 1, "more than one region takes writes");
  // The authority has the home of then, which counts again.
  world.write("ELSEWHERE.toml", (vars) => void (vars.DATASETS.likes = { ownership: "single-writer", home: "eu" }));
  const planned = (file) => world.homing("plan", "NEW.toml", file, "--json", "--against", world.door(world.running).origin);
  const elsewhere = await planned("ELSEWHERE.toml");
  assert.deepEqual([elsewhere.status, elsewhere.json.verdict], [1, "refused"]);
  assert.match(elsewhere.json.refusals[0].why, /^The authority still has us as its home by epoch 1, from when it was single-writer/);
  const again = await planned("OLD.toml");
  assert.equal(again.status, 0, again.err);
  assert.match(again.json.steps.at(-1).why, /Ownership::new\("us", 1\)/, "by the epoch that is recorded");
  await isSound(world, many);

  const back = await plannedWorld({ new: oneWriter });
  const fence = async () => {
    for (const region of Object.values(back.regions)) {
      await region.control({ own: { dataset: "likes", home: "us", epoch: 1 }, fence: ["likes"] });
    }
    const astray = await fetch(`${back.regions.eu.url}/api/likes/astray`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: '{"liked":true}',
    });
    assert.deepEqual([astray.status, astray.headers.get("homing-home")], [421, "us"], "past the router");
  };
  const one = await back.carryOut({ "Keep the merge of likes on": () => {}, "Wait until us has all operations": fence });
  assert.equal((await homes(back)).likes, "us");
  await isSound(back, one);
});

test("one home becomes one for each user", options, async () => {
  const args = ["--first-home", "us"];
  const world = await plannedWorld({ old: oneCart, args, users: ids });
  const load = await world.carryOut({
    "Release the application that splits cart": () => {},
    "Let users live elsewhere": async () => {
      await restarted(world, (args) => without(args, "--first-home"));
      await world.load.goesOn();
      for (const user of ids.slice(0, 2)) {
        const moved = await world.homing("move", `user:${user}`, "--to", "eu", "--json");
        assert.equal(moved.status, 0, moved.out + moved.err);
      }
    },
  });
  assert.equal((await owner(world.regions.eu, `~${subjectId("user", ids[0])}`)).home, "eu");
  await isSound(world, load);
});

test("one home for each user becomes one home", options, async () => {
  const world = await plannedWorld({ new: oneCart });
  const load = await world.carryOut({
    // The demo takes a cart by its user, whoever is asked about: us accepts those that live there, or that nobody has told of.
    "Release the application that writes cart whole at us": () => restarted(world, (args) => [...args, "--first-home", "us"]),
  });
  assert.equal((await homes(world)).cart, "us");
  await isSound(world, load);
});
