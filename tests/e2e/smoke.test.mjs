import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, startRegions, startRouter, topology } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions();
  router = await startRouter({ vars: topology(regions) });
});
after(async () => {
  await router?.stop();
  await regions?.stop();
});

test("a read is answered by the nearest region", async () => {
  for (const near of ["us", "eu", "ap"]) {
    const answer = await new Client(router.url, near).get("/echo");
    assert.equal(answer.status, 200);
    assert.equal(answer.json.region, near);
    assert.equal(answer.headers["homing-reason"], "nearest");
    assert.equal(answer.headers["homing-region"], near);
  }
});
