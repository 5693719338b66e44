// The planted bugs (tests/planted) can still be planted: a change of the code that leaves one behind is noticed at once, and not when they are
// planted again, which takes hours.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "smol-toml";

const root = join(import.meta.dirname, "../..");
const read = (file) => readFileSync(join(root, file), "utf8");
const { bug: bugs } = /** @type {any} */ (parse)(read("tests/planted/bugs.toml"));

test("the line of each planted bug stands once, and so does the test that finds it", () => {
  assert.ok(bugs.length > 200, `${bugs.length} bugs`);
  const names = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.rs", "*.mjs", "tests/golden/*.txt"], { cwd: root, encoding: "utf8" });
  const tests = names
    .split("\n")
    .filter((name) => (/test/.test(name) || name.startsWith("src/")) && existsSync(join(root, name)))
    .map(read)
    .join("\n");
  const wrong = bugs.flatMap(({ finding, file, find, by }) => {
    const times = read(file).split(find).length - 1;
    return [
      ...(times === 1 ? [] : [`${finding}: its line stands ${times} times in ${file}`]),
      ...(by === undefined || tests.includes(by) ? [] : [`${finding}: no test is called ${JSON.stringify(by)}`]),
    ];
  });
  assert.deepEqual(wrong, []);
});
