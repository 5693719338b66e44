// What is known of clients, and of whom, and for how long.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { known, look, nameOf, wasWrong } from "../../src/edge/clients.mjs";

const CF = { continent: "EU", latitude: "50.1", longitude: "8.7", clientAcceptEncoding: "gzip, br" };
const TOLD = { continent: "EU", latitude: 50.1, longitude: 8.7, accepts: "gzip, br" };
/** So late that nothing of a test before counts. */
let start = Date.now();
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: (start += 3_600_000) });
});

/** @param {any} cf @param {string} [name] */
const heard = (cf, name) => look({ cf }, name);

test("what was told of an address and a program is known for a minute, by any clock", () => {
  const name = nameOf("192.0.2.1", "curl/8");
  assert.deepEqual([known(name), heard(CF, name), known(name)], [undefined, TOLD, TOLD]);
  assert.equal(known(nameOf("192.0.2.1", "curl/9")), undefined);
  assert.equal(known(nameOf("192.0.2.2", "curl/8")), undefined);
  assert.deepEqual(heard({ ...CF, clientAcceptEncoding: "" }, name), { ...TOLD, accepts: "" });
  mock.timers.tick(59_999);
  assert.deepEqual(known(name), { ...TOLD, accepts: "" }, "the last that was told");
  mock.timers.tick(1);
  assert.equal(known(name), undefined);
  heard(CF, name);
  mock.timers.setTime(start - 1000);
  assert.equal(known(name), undefined, "a clock that was set back makes nothing younger");
});

test("of whom nothing is told, who has no address, and who says too much nobody is known", () => {
  const name = nameOf("192.0.2.1", "curl/8");
  assert.deepEqual([nameOf(undefined, "curl/8"), nameOf("192.0.2.1", "x".repeat(512))], [undefined, undefined]);
  const nothing = { continent: "", latitude: NaN, longitude: NaN, accepts: undefined };
  assert.deepEqual([heard(undefined, name), known(name)], [nothing, undefined]);
  assert.deepEqual([heard(CF, undefined), known(undefined)], [TOLD, undefined]);
  heard({ ...CF, clientAcceptEncoding: "x".repeat(513) }, name);
  assert.equal(known(name), undefined);
  heard({ continent: "EU" }, name);
  assert.deepEqual(known(name), { ...nothing, continent: "EU" }, "where the platform tells no more");
});

test("a thousand are known, and the newest are", () => {
  const name = (/** @type {number} */ at) => nameOf(`192.0.2.${at}`, "curl/8");
  for (let at = 0; at < 1024; at++) heard(CF, name(at));
  heard(CF, name(0)); // it is the newest from now on
  heard(CF, name(1024));
  assert.deepEqual(
    [0, 1, 2, 1024].map((at) => known(name(at)) !== undefined),
    [true, false, true, true],
  );
});

test("once something was wrong nothing is supposed of anybody for ten seconds", () => {
  const names = [nameOf("192.0.2.1", "curl/8"), nameOf("192.0.2.2", "curl/8")];
  for (const name of names) heard(CF, name);
  wasWrong();
  assert.deepEqual(names.map(known), [undefined, undefined]);
  mock.timers.tick(9_999);
  assert.deepEqual(names.map(known), [undefined, undefined]);
  mock.timers.tick(1);
  assert.deepEqual(names.map(known), [TOLD, TOLD]);
});
