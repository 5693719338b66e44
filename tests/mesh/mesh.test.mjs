// Many sessions on a mesh of PostgreSQL 18 while links are cut, nodes die and come back, and one is added. In the end all nodes show the
// same, all that was acknowledged is there, nothing that was refused is, and no session saw its own write undone. With a mistake planted
// the judge must find it, or it proves nothing.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { waitUntil } from "../e2e/harness.mjs";
import { dice } from "../postgres/load.mjs";
import { stopAll } from "../postgres/cluster.mjs";
import { ROWS, forgetful, rows, stopApps, understating, App } from "./apps.mjs";
import { judge } from "./judge.mjs";
import { PATIENCE, RULES, Recording, beginners, finals, level, load } from "./load.mjs";
import { startMesh } from "./mesh.mjs";

const SECONDS = Number(process.env.MESH_SECONDS || 60);
/** How many faults a planted mistake gets to show itself. One is mostly enough. */
const MOST_FAULTS = 30;
const NAMES = ["us", "eu", "ap"];

afterEach(async () => {
  stopApps();
  await stopAll();
});

const pick = (roll, from) => from[roll(from.length)];

/** What goes wrong, each for a number of operations. */
const faults = {
  /** A node is cut off from all others; whoever connects is refused. */
  async cut({ mesh, name, recording, roll }) {
    await mesh.around(name, "refuse");
    await recording.more(60 + roll(60));
    await mesh.around(name, "pass");
  },
  /** What is sent between a node and the others vanishes, and nobody hears that a connection was closed. */
  async silence({ mesh, name, recording, roll }) {
    await mesh.around(name, "blackhole");
    await recording.more(60 + roll(60));
    await mesh.around(name, "pass");
  },
  /** One direction of one link is cut: two nodes hear of a third's writes in different orders. */
  async link({ mesh, recording, roll }) {
    const link = pick(roll, [...mesh.links.values()]);
    await link.set("refuse");
    await recording.more(60 + roll(60));
    await link.set("pass");
  },
  /** A node's database dies, and comes back with what it had. */
  async death({ mesh, name, recording, roll }) {
    await mesh[name].kill();
    await recording.more(40 + roll(40));
    await mesh[name].start();
  },
  /** The application of a node dies, and comes back. */
  async crash({ apps, name, recording, roll }) {
    await apps[name].again();
    await recording.more(20 + roll(20));
  },
};

/** Lets one fault follow the other, each once at least, and over again while that says so; says how many there were. */
async function troubles({ mesh, apps }, deeds, recording, { seed, goesOn }) {
  const roll = dice(seed);
  let done = 0;
  for (; !recording.over && (done < deeds.length || goesOn()); done++) {
    const name = pick(roll, mesh.members).name;
    await deeds[done % deeds.length]({ mesh, apps, name, recording, roll });
    await recording.more(20);
  }
  return done;
}

/** Tells what a test has found, with what it had to find it in. */
function tell(t, recording, verdict, more = "") {
  const count = (status) => recording.operations.filter((operation) => operation.status === status).length;
  t.diagnostic(`${recording.operations.length} operations: ${count("ok")} ok, ${count("fail")} failed, ${count("unknown")} unknown${more}`);
  if (verdict.findings.length > 0) t.diagnostic(`found: ${[...verdict.words].join(", ")}`);
}

/** Three nodes on the kit, each with its application. */
async function kitMesh(later = []) {
  const mesh = await startMesh(NAMES, later);
  const apps = Object.fromEntries(await Promise.all(mesh.members.map(async (node) => [node.name, await new App(node, NAMES).start()])));
  await mesh.join();
  return { mesh, apps };
}

/** Adds `sa` while all goes on. First every owner knows of it, so that nobody forgets what it has not got. */
async function addNode({ mesh, apps }) {
  const owners = [...NAMES, "sa"];
  for (const name of NAMES) await apps[name].again(owners);
  let app;
  await mesh.add("sa", {
    make: async (node) => (app = await new App(node, owners).start()),
    fill: (_node, source) => app.beginWith(apps[source.name]),
  });
  apps.sa = app;
}

/** What all have is forgotten, however long the load was: a node's log holds no more than what says so. */
async function forgotten(mesh) {
  const most = mesh.members.length * Object.keys(RULES).length * 5;
  const counts = () => Promise.all(mesh.members.map((node) => node.value("select count(*) from homing_ops")));
  await waitUntil(async () => (await counts()).every((count) => Number(count) <= most), `no log holds more than ${most} operations`, PATIENCE);
}

test("under load with faults, and with a node added, all nodes are equal in the end, and nothing is lost", async (t) => {
  const world = await kitMesh(["sa"]);
  const { mesh, apps } = world;
  let happened = 0;
  const begun = Date.now();
  const trouble = async (recording) => {
    const deeds = [faults.cut, faults.death, faults.link, faults.silence, faults.crash];
    happened += await troubles(world, deeds, recording, { seed: 1, goesOn: () => Date.now() < begun + SECONDS * 500 });
    await addNode(world);
    happened += await troubles(world, deeds, recording, { seed: 2, goesOn: () => Date.now() < begun + SECONDS * 1000 });
  };
  const recording = await load({ sessions: beginners(apps), seconds: SECONDS, trouble });
  await mesh.level();
  await level(apps);
  const verdict = judge("mesh", recording, await finals(apps, recording));
  tell(t, recording, verdict, `; ${happened} faults, ${Object.keys(apps).length} nodes`);
  assert.deepEqual(verdict.report, "");
  assert.equal(Object.keys(apps).length, 4);
  assert.ok(happened >= 5, "each fault happened");
  assert.ok(verdict.old > 0, "somebody must have been shown older data, or the faults did nothing");
  await forgotten(mesh);
});

/**
 * Goes on until the judge has found all these words; what it has not found after so many faults it does not find. The load, each fault and
 * what is asked after it are counted in operations, and each fault ends when all that was written is everywhere: so a slow machine shows as
 * much as a fast one.
 * @param {any} t @param {string} name @param {string[]} words
 * @param {{ mesh: any, apps: any, fronts?: any, deeds: any[], seed: number, arrived?: () => Promise<void> }} world
 */
async function finds(t, name, words, { mesh, apps, fronts = apps, deeds, seed, arrived = async () => {} }) {
  const roll = dice(seed);
  const recording = new Recording({ size: Infinity });
  const sessions = beginners(fronts);
  for (let done = 1; ; done++) {
    const trouble = async () => {
      await deeds[done % deeds.length]({ mesh, apps, name: pick(roll, mesh.members).name, recording, roll });
      await mesh.level();
      await recording.more(90); // of the keys that the fault was about
    };
    await load({ sessions, recording, trouble });
    await mesh.level();
    await arrived();
    const verdict = judge(name, recording, await finals(apps, recording));
    const missed = words.filter((word) => !verdict.words.has(word));
    if (missed.length > 0 && done < MOST_FAULTS) {
      recording.next();
      continue;
    }
    tell(t, recording, verdict, `; ${done} faults`);
    assert.deepEqual(missed, [], `the judge has found nothing of that:\n${verdict.report}`);
    return;
  }
}

test("with rows of which the later wins, the judge finds what is lost", async (t) => {
  const mesh = await startMesh();
  for (const node of mesh.members) await node.query(ROWS);
  const apps = Object.fromEntries(await Promise.all(mesh.members.map(async (node) => [node.name, await rows(node)])));
  await mesh.join({ table: "homing_rows", publish: "insert, update, delete" });
  await finds(t, "mesh-rows", ["durability", "read-your-writes", "unplaced"], { mesh, apps, deeds: [faults.cut], seed: 3 });
});

/** The kit's applications behind such fronts: the judge finds these words. */
async function behind(t, name, plant, words) {
  const { mesh, apps } = await kitMesh();
  const fronts = Object.fromEntries(await Promise.all(Object.entries(apps).map(async ([name, app]) => [name, await plant(app)])));
  const arrived = () => level(apps);
  await finds(t, name, words, { mesh, apps, fronts, deeds: [faults.cut, faults.link], seed: 4, arrived });
}

test("with reads that do not say what the session has seen, the judge finds reads that went back", (t) =>
  behind(t, "mesh-no-reads", forgetful("read"), ["read-your-writes", "monotonic-reads"]));

test("with writes that do not say what the session has seen, the judge finds what was removed and is there again", (t) =>
  behind(t, "mesh-no-writes", forgetful("write"), ["removed-again-there"]));

test("with answers that tell too little of what they show, the judge finds that, and reads that went back", (t) =>
  behind(t, "mesh-understated", understating, ["beyond-its-numbers", "monotonic-reads"]));
