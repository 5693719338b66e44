// How objects are reached, and what is asked twice, without a runtime: workerd resets no object and knows no jurisdiction.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

let asked, settle, stub;
let copy = 0;
beforeEach(async () => ({ asked, settle, stub } = await import(`../../src/edge/objects.mjs?${copy++}`)));

/** What goes wrong at the first question, and how many stubs were made. */
function failing(properties) {
  let made = 0;
  const error = properties && Object.assign(new Error("the object was reset"), properties);
  const question = (number) => (number === 1 && error ? Promise.reject(error) : Promise.resolve(`answer ${number}`));
  return { get: () => asked(() => ++made, question), made: () => made };
}

test("a question to an object that was reset is put again, once, by a new stub", async () => {
  const reset = failing({ retryable: true });
  assert.equal(await reset.get(), "answer 2");
  assert.equal(reset.made(), 2);
  let questions = 0;
  await assert.rejects(
    asked(
      () => 1,
      () => Promise.reject(Object.assign(new Error("again"), { retryable: true, n: ++questions })),
    ),
    { n: 2 },
  );
  assert.equal(questions, 2);
});

test("nothing is put again that would not help, or that comes too late", async (t) => {
  for (const properties of [{}, { retryable: false }, { retryable: true, overloaded: true }]) {
    const other = failing(properties);
    await assert.rejects(other.get());
    assert.equal(other.made(), 1, JSON.stringify(properties));
  }
  t.mock.timers.enable({ apis: ["Date"] });
  let made = 0;
  const late = async () => {
    t.mock.timers.tick(1001);
    throw Object.assign(new Error("reset"), { retryable: true });
  };
  await assert.rejects(asked(() => ++made, late));
  assert.equal(made, 1);
});

/** A platform with a namespace in two places, and a home store. */
function platform(vars, held = {}) {
  const within = (place) => ({ idFromName: (name) => `${place}/${name}`, get: (id, options) => ({ id, options }), jurisdiction: (other) => within(other) });
  const store = new Map(Object.entries(held));
  const HOMES = {
    get: async (key) => store.get(key) ?? null,
    put: async (key, value) => void store.set(key, value),
    list: async ({ prefix }) => ({ keys: [...store.keys()].filter((key) => key.startsWith(prefix)) }),
  };
  return { env: { ...vars, HOMES, DIRECTORY: within("anywhere") }, store };
}

test("an object stands within the jurisdiction that is configured, and where the options say", () => {
  const options = { locationHint: "weur" };
  assert.deepEqual(stub(platform({}).env, "DIRECTORY", "a", options), { id: "anywhere/a", options });
  assert.deepEqual(stub(platform({ JURISDICTION: "eu" }).env, "DIRECTORY", "a", options), { id: "eu/a", options });
  // Workerd has none.
  assert.equal(stub(platform({ JURISDICTION: "eu", DEV: true }).env, "DIRECTORY", "a").id, "anywhere/a");
});

test("a jurisdiction that comes after the first homes is refused: it would find an empty directory", async () => {
  for (const held of [{ "home:abc": "{}" }, { view: "{}" }, { jurisdiction: "fedramp" }]) {
    const { env, store } = platform({ JURISDICTION: "eu" }, held);
    await assert.rejects(settle(env), /JURISDICTION: found "eu", but this deployment keeps its homes in .*chosen once, before the first deployment/);
    assert.equal(store.get("jurisdiction"), held.jurisdiction, "nothing is written over");
  }
  const { env, store } = platform({ JURISDICTION: "eu" });
  await settle(env);
  assert.equal(store.get("jurisdiction"), "eu");
  store.set("home:abc", "{}");
  await settle(env);
});

test("a jurisdiction that is left out later is refused as well, wherever the var was forgotten", async () => {
  for (const vars of [{}, { JURISDICTION: "" }, { JURISDICTION: "fedramp" }]) {
    const { env } = platform(vars, { jurisdiction: "eu", view: "{}" });
    await assert.rejects(settle(env), /but this deployment keeps its homes in "eu"; write that again/);
  }
  await settle(platform({}, { view: "{}", "home:abc": "{}" }).env);
});

test("a store that is silent or failing, or none at all, keeps nobody from the objects", async () => {
  for (const get of [() => Promise.reject(new Error("down")), () => new Promise(() => {})]) {
    const { settle } = await import(`../../src/edge/objects.mjs?${copy++}`);
    const { env } = platform({ JURISDICTION: "eu" });
    await settle({ ...env, HOMES: { ...env.HOMES, get } });
  }
  await settle({ JURISDICTION: "eu" });
});

test("a store that does not say is not waited for by each request", async () => {
  let questions = 0;
  const { env } = platform({ JURISDICTION: "eu" });
  const get = () => (questions++, Promise.reject(new Error("down")));
  for (let n = 0; n < 5; n++) await settle({ ...env, HOMES: { ...env.HOMES, get } });
  assert.equal(questions, 1);
});

test("the mark of whoever was first is seen, though the view came between the two questions", async () => {
  const { env, store } = platform({ JURISDICTION: "eu" });
  const get = async (key) => {
    const held = store.get(key) ?? null;
    // Another isolate, elsewhere, at its first request.
    if (key === "view") store.set("jurisdiction", "eu").set("view", "{}");
    return held;
  };
  await settle({ ...env, HOMES: { ...env.HOMES, get } });
});

test("in development the store is not asked about a jurisdiction, for there is none", async () => {
  await settle({
    DEV: true,
    get HOMES() {
      throw new Error("asked");
    },
  });
});
