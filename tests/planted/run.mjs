// Plants bugs in the router's own code, one at a time, and runs the tests that must find each: `make planted`.
// bugs.toml lists them. Nothing here is changed: the work goes on in a copy, which is kept warm in build/planted.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const copy = join(root, "build/planted");
const only = process.argv[2];
const { bug: bugs } = /** @type {any} */ (parse)(readFileSync(join(here, "bugs.toml"), "utf8"));

function git(...args) {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: root, encoding: "buffer", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The files as they stand, written only where they differ, so that nothing is built for nothing. */
function refresh() {
  const names = git("ls-files", "-co", "--exclude-standard", "-z").toString().split("\0").filter(Boolean);
  for (const name of names.filter((name) => existsSync(join(root, name)))) write(name, readFileSync(join(root, name)));
}

function write(name, text) {
  const to = join(copy, name);
  if (existsSync(to) && readFileSync(to).equals(Buffer.from(text))) return;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, text);
}

/** The file with the bug in it; what is replaced must stand there, once. */
function planted({ finding, file, find, plant }) {
  const text = readFileSync(join(root, file), "utf8");
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`${finding}: what bugs.toml replaces stands ${times} times in ${file}, expected once. Adapt it: the code has changed.`);
  return text.replace(find, () => plant);
}

/** Runs a test by the profile that is quickest to build: the core is built anew for each bug. */
function run(command) {
  const [program, ...args] = command.replace(/cargo test(?!.* --release)/, "cargo test --profile mutants").split(" ");
  const env = { ...process.env, CARGO_TARGET_DIR: join(copy, "target") };
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: copy, env, encoding: "utf8", maxBuffer: 1 << 28 });
  return { status: error ? -1 : status, text: `${stdout}${stderr}${error ?? ""}` };
}

/** What came of a bug: found by the test that names it, or what happened in place of that. */
function judge({ test, by }) {
  const { status, text } = run(test);
  // A test that aborts has no result line.
  if (/^error(\[E\d+\])?: /m.test(text) && !/^error: test failed/m.test(text)) return `does not build:\n${text.slice(-2000)}`;
  if (status === 0) return "NOT FOUND: every test passed";
  const named = new RegExp(`^test (.*::)?${by} .*FAILED|^    (.*::)?${by}$`, "m");
  return named.test(text) || text.includes(by) ? undefined : `found, but not by ${by}:\n${text.slice(-2000)}`;
}

refresh();
let [passed, failed] = [0, 0];
for (const bug of bugs.filter(({ finding }) => !only || finding.includes(only))) {
  write(bug.file, planted(bug));
  const why = judge(bug);
  write(bug.file, readFileSync(join(root, bug.file)));
  if (why) failed++;
  else passed++;
  console.log(`${why ? "✖" : "✔"} ${bug.finding}: ${why ?? `found by ${bug.by}`}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
