// The time that a region has, and an upload that moves it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../src/edge/clock.mjs";

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("a clock rings when its time is over, and not while the client is waited for", async () => {
  let rings = 0;
  const clock = new Clock(60, () => rings++);
  clock.start();
  clock.stop();
  await after(150);
  assert.deepEqual([rings, clock.rang], [0, false]);
  clock.start();
  await after(150);
  assert.deepEqual([rings, clock.rang], [1, true]);
});

test("each piece gives the region its time anew, until the upload moves it no more", async () => {
  let rings = 0;
  const clock = new Clock(100, () => rings++);
  for (let n = 0; n < 6; n++) {
    clock.start();
    await after(40);
  }
  assert.equal(rings, 0);
  clock.stop();
  clock.fix(); // the head is there, while the client still sends
  clock.stop();
  await after(200);
  assert.equal(rings, 1);
});

test("a clock that has ended rings no more, whatever the upload still says", async () => {
  let rings = 0;
  const clock = new Clock(20, () => rings++);
  clock.start();
  clock.end();
  clock.start();
  await after(80);
  assert.equal(rings, 0);
});
