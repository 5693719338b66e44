// What is paid for: each alarm that is set, each row, each key that is read, counted in the router's own code as it runs. What an hour of
// that comes to is in src/core/topology/pace.rs, by the figures per round and per reading that are held here.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hear, root, runtime, startOrigin, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const BUILD = "build/counted";

/** Says what is used up, as lines `counted …`; `/begin` begins a prober, as an isolate does. */
const counting = `
;{
  const say = (...what) => console.log("counted " + JSON.stringify(what));
  const patch = (object, whose, ...names) => {
    if (!object || object.patched) return;
    object.patched = true;
    for (const name of names) {
      const work = object[name].bind(object);
      object[name] = (...args) => (say(whose + name, ...args), work(...args));
    }
  };
  const { alarm, begin } = Prober.prototype;
  const counted = (name, work) => async function (...args) {
    say(name);
    patch(this.ctx.storage, "storage.", "put", "setAlarm", "deleteAlarm");
    patch(this.env.HOMES, "kv.", "get", "put");
    return work.apply(this, args);
  };
  Prober.prototype.alarm = counted("alarm", alarm);
  Prober.prototype.begin = counted("begin", begin);
  const { alarm: tick } = Authority.prototype;
  Authority.prototype.alarm = async function () {
    say("tick");
    patch(this.ctx.storage, "authority.", "setAlarm");
    const { sql } = this;
    this.sql = { exec: (text, ...rest) => (/^insert into ledger/.test(text) && say("ledger"), sql.exec(text, ...rest)) };
    try {
      await tick.call(this);
    } finally {
      this.sql = sql;
    }
  };
  const { fetch } = entry_default;
  entry_default.fetch = async (request, env, ctx) => {
    patch(env.HOMES, "kv.", "get", "put");
    patch(env.DIRECTORY, "directory.", "get");
    patch(env.AUTHORITY, "authority.", "get");
    if (!request.url.endsWith("/begin")) return fetch(request, env, ctx);
    await env.PROBERS.get(env.PROBERS.idFromName("us")).begin("us");
    return new Response("begun");
  };
}`;

let plain;
const asked = { count: 0 };
before(async () => {
  mkdirSync(join(root, BUILD), { recursive: true });
  for (const file of ["homing_bg.wasm", "operators_bg.wasm"]) copyFileSync(join(root, "build", file), join(root, BUILD, file));
  writeFileSync(join(root, BUILD, "worker.mjs"), readFileSync(join(root, "build/worker.mjs"), "utf8") + counting);
  // What probers ask; of first homes each region is told once.
  plain = await startOrigin((request, response) => ((asked.count += Number(request.method === "GET")), response.writeHead(404).end()));
});
after(stopAll);

/** A router before regions that know nothing of the contract; what it has counted so far. */
async function start(bindings, { edges = 1, change = (..._) => {} } = {}) {
  const lines = [];
  let text = "";
  const take = (data) => {
    const all = (text += data).split("\n");
    text = all.pop();
    for (const line of all) if (line.startsWith("counted ")) lines.push(JSON.parse(line.slice(8)));
  };
  const vars = topology({ us: { url: plain }, eu: { url: plain }, ap: { url: plain } }, change);
  const router = await startRouter({ vars, build: BUILD, edges, bindings, handleLog: hear(take) });
  const of = (name, first) => lines.filter(([what, argument]) => what === name && (first === undefined || argument === first));
  const look = (edge = 1) => router.at(edge, "/_homing/healthz").then((answer) => answer.text());
  /** Until that is so; an isolate reads behind requests, so it gets some. */
  const until = (condition, what) => waitUntil(async () => (await look(), condition()), what, 60_000);
  return { router, lines, of, look, until };
}

/** How many reports were put into the store; the authority puts its view there. */
const reports = (of) => of("kv.put").filter(([, key]) => key.startsWith("probe:")).length;

/** Without anything whose writes a prober could follow. */
const unfollowed = (vars) => {
  for (const dataset of Object.values(vars.DATASETS)) if (dataset.ownership === "single-writer") delete dataset.position;
};

test("a round sets one alarm, stores nothing that has not changed, and reads no view that nobody needs", async () => {
  const { of, until, router } = await start({ PROBES: "1s" }, { change: unfollowed });
  await until(() => of("alarm").length >= 18, "six rounds of three probers");
  const [alarms, set] = [of("alarm").length, of("storage.setAlarm").length];
  // One for each round that has begun, and one by which each prober was begun.
  assert.ok(set <= alarms + 3 && set >= alarms, `${set} alarms set in ${alarms} rounds`);
  assert.equal(of("begin").length, 3, "woken once, though the isolate has read many times since");
  assert.equal(of("storage.put", "region").length, 3);
  // The first round of each, and the second if the first was early; nothing changes after that.
  assert.ok(of("storage.put", "state").length <= 6, `${of("storage.put", "state").length} states stored`);
  const reads = of("kv.get");
  assert.deepEqual(
    reads.filter(([, keys]) => !Array.isArray(keys)),
    [],
    "probers read nothing",
  );
  for (const [, keys, options] of reads) assert.deepEqual([keys, options], [["view", "probe:us", "probe:eu", "probe:ap"], { cacheTtl: 30 }]);
  assert.ok(reports(of) <= 6, "reports that say nothing new are not put again");
  await router.stop();
});

test("where the view is needed a prober reads it every half minute at most, while it stays in memory", async () => {
  const { of, until, router } = await start({ PROBES: "1s" });
  await until(() => of("alarm").length >= 18, "six rounds of three probers");
  const reads = of("kv.get", "view");
  assert.deepEqual(
    reads.map(([, , options]) => options),
    Array(3).fill({ cacheTtl: 30 }),
  );
  await router.stop();
});

test("a prober that another isolate wakes writes nothing down", async () => {
  const { of, until, look, router } = await start({ PROBES: "45s" }, { edges: 2 });
  await until(() => of("alarm").length >= 3, "a round of each");
  const written = of("storage.put", "region").length;
  // To the store of another edge nothing has come through yet.
  await waitUntil(async () => (await look(2), of("begin").length >= 6), "the other edge wakes them, too");
  assert.deepEqual([written, of("storage.put", "region").length, of("storage.setAlarm").length - of("alarm").length], [3, 3, 3]);
  await router.stop();
});

test("what is switched off costs nothing: a prober that was there ends, and nobody reads for it", async () => {
  asked.count = 0;
  const { of, until, router } = await start({ PROBES: "off" });
  await router.at(1, "/begin");
  await until(() => of("storage.deleteAlarm").length === 1, "it has ended");
  const reads = of("kv.get").length;
  await until(() => of("kv.get").length >= reads + 2, "the isolate has read again");
  assert.deepEqual([of("alarm").length, of("begin").length, of("storage.put", "state").length, reports(of)], [1, 1, 0, 0]);
  for (const [, keys] of of("kv.get")) assert.deepEqual(keys, ["view"]);
  assert.equal(asked.count, 0, "no region was asked");
  await router.stop();
});

test("a lease costs an alarm and a row each time that it is renewed", async () => {
  const { of, until, router } = await start({ PROBES: "off" }, { change: (vars) => void (vars.DATASETS.catalog.lease = "3s") });
  await until(() => of("tick").length >= 6, "it was renewed");
  const ticks = of("tick").length;
  for (const [what, times] of /** @type {any[][]} */ ([
    ["alarms", of("authority.setAlarm").length],
    ["ledgers", of("ledger").length],
  ])) {
    assert.ok(times <= ticks && times >= ticks - 2, `${times} ${what} in ${ticks} ticks`);
  }
  await router.stop();
});

test("the directory and the authority are made near the default home, wherever they are asked for first", async () => {
  const { of, router } = await start({ PROBES: "off" });
  await router.at(1, "/t/somebody/notes", { method: "POST", headers: { "homing-dev-near": "ap" }, body: "{}" });
  await router.at(1, "/_homing/api/authority");
  await waitUntil(() => of("directory.get").length > 0 && of("authority.get").length > 0, "both were asked");
  for (const [, , options] of [...of("directory.get"), ...of("authority.get")]) assert.deepEqual(options, { locationHint: "enam" });
  await router.stop();
});

test("isolates of one data centre read the store once, together", async () => {
  // Miniflare gives all edges one cache, as isolates of a data centre have it; in plain workerd each is a data centre of its own.
  const { of, look, router } = await start({ PROBES: "off", VIEW: "30s" }, { edges: 2 });
  await look(1);
  await waitUntil(() => of("kv.get").length === 1, "the first has read");
  for (let n = 0; n < 5; n++) await look(2);
  await look(1);
  assert.equal(of("kv.get").length, runtime === "workerd" ? 2 : 1);
  await router.stop();
});
