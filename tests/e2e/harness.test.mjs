// The harness itself: its ports are nobody else's, and a set-up that fails ends the run with its reason.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./harness.mjs";

const folder = join(root, "tests/e2e");

/** Runs Node with these arguments; resolves to its exit status and what it said. */
const node = (args, env = {}) =>
  new Promise((resolve) => {
    // Without it: a run within a run would report to this one.
    const { NODE_TEST_CONTEXT, ...rest } = process.env;
    execFile(process.execPath, args, { env: { ...rest, ...env }, timeout: 60_000 }, (error, out, err) =>
      resolve({ status: error ? (error.code ?? error.signal) : 0, said: out + err }),
    );
  });

test("no two regions get a port or a control address that another one has, in this process or in one beside it", async () => {
  const draw = `const { freePort } = await import(${JSON.stringify(join(folder, "ports.mjs"))});
    const ports = await Promise.all(Array.from({ length: 60 }, freePort));
    console.log(JSON.stringify(ports));
    process.stdin.resume().once("data", () => process.exit());`;
  // All of them live until all have drawn: nothing listens on what they drew.
  const drawn = await Promise.all(
    Array.from({ length: 4 }, () => {
      const child = execFile(process.execPath, ["--input-type=module", "--eval", draw]);
      return new Promise((resolve, reject) => {
        child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
        child.stdout.once("data", (text) => resolve({ child, ports: JSON.parse(text) }));
      });
    }),
  );
  for (const { child } of drawn) child.removeAllListeners("exit").stdin.end("\n");
  const all = drawn.flatMap(({ ports }) => ports.flatMap((port) => [port, port + 1000]));
  assert.equal(all.length, 480);
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every((port) => port > 20_000 && port < 32_000));
});

for (const [planted, reason] of /** @type {any[][]} */ ([
  ["region", /region eu ended at once.*\n.*--unheard-of/],
  ["router", /never-built/],
])) {
  test(`a set-up that fails ends the run, with its reason and nothing left behind: ${planted}`, async () => {
    const { status, said } = await node(["--test", "--test-reporter=spec", join(folder, "planted/set-up.mjs")], { PLANTED: planted });
    assert.equal(status, 1, said);
    assert.match(said, reason);
    const started = [...said.matchAll(/started (http:\S+)/g)].map(([, url]) => url);
    assert.equal(started.length, 4);
    for (const url of started) await assert.rejects(fetch(url), `${url} still runs`);
  });
}
