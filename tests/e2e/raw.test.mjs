// HTTP/1.1 as bytes at both ends, case by case (tests/conformance/raw): what must hold, whatever a client or an origin sends.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "smol-toml";
import { cases } from "../conformance/raw/cases/index.mjs";
import { judge } from "../conformance/raw/judge.mjs";
import { routerDoor } from "../conformance/raw/world.mjs";
import * as harness from "./harness.mjs";

const file = join(harness.root, "tests/conformance/excuses.toml");
const excused = /** @type {any} */ (parse)(readFileSync(file, "utf8"))["raw HTTP/1.1"];
// miniflare's front reads and writes HTTP for itself.
const plain = harness.runtime === "workerd" ? {} : { skip: "miniflare's front is not the router's" };
let door;
before(async () => plain.skip || (door = await routerDoor(harness)));
after(async () => (door?.origin.stop(), harness.stopAll()));

for (const group of new Set(cases.map((one) => one.group))) {
  test(`raw HTTP/1.1: ${group}`, plain, async () => {
    const unexpected = [];
    for (const one of cases.filter((one) => one.group === group)) {
      const { wrong } = await judge(one, door);
      if (wrong.length && !excused[one.id]) unexpected.push(`${one.id} (RFC ${one.rfc}): ${wrong.join("; ")}`);
      if (!wrong.length && excused[one.id]) unexpected.push(`${one.id} passes; take it out of the excuses`);
    }
    assert.equal(unexpected.length, 0, unexpected.join("\n"));
  });
}
