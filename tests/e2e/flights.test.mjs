// Who waits for whom in one isolate, without a router: what a request that the platform has cut leaves behind.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Flight, mayUpdate, remembered, updated } from "../../src/edge/flights.mjs";

test("requests that are cut before they can say so leave no place behind for good", () => {
  mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  // A hostile client leaves in the middle of as many as it likes; none of them ever lands, or says that it is done.
  for (let n = 0; n < 10_000; n++) {
    new Flight(`https://example.com/flight/${n}`);
    assert.ok(mayUpdate(`https://example.com/update/${n}`));
    mock.timers.tick(1000);
  }
  assert.ok(remembered() < 1000, `${remembered()} are remembered`);
  assert.equal(mayUpdate("https://example.com/update/9999"), false, "one that is under way is one");
  updated("https://example.com/update/9999");
  assert.ok(mayUpdate("https://example.com/update/9999"));
  mock.timers.reset();
});
