// The public suite: fetched once, checked by its digest, unpacked where nothing is kept in git.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../benches/world.mjs";

const PACKAGE = "http-cache-tests@0.4.5";
const SHA512 = "DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==";
export const folder = join(root, "build/conformance");

// Not a dependency of the project: as one it would bring npm 6 along, with all that hangs on it.
export function install() {
  if (existsSync(join(folder, "package/tests/index.mjs"))) return;
  mkdirSync(folder, { recursive: true });
  console.log(`fetching ${PACKAGE}`);
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", PACKAGE, "--json", "--loglevel=error"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] }));
  const archive = join(folder, filename);
  const digest = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (digest !== SHA512) {
    rmSync(archive);
    throw new Error(`${PACKAGE}: found the digest ${digest}, expected ${SHA512}; the registry serves something else than was looked at`);
  }
  execFileSync("tar", ["xzf", archive], { cwd: folder });
}

const load = (file) => import(pathToFileURL(join(folder, "package", file)));

/** The suite's groups of tests, without those for browsers (and without Surrogate-Control, which RFC 9213 has replaced). */
export async function groups() {
  const all = (await load("tests/index.mjs")).default;
  return all.map(({ tests, ...group }) => ({ ...group, tests: tests.filter((test) => !test.browser_only) }));
}

/** The client that runs them; it keeps its results in its modules, so a process runs it once. */
export const client = () => load("client/runner.mjs");

/** What the suite's own origin does with a request, by the first segment of its path. */
export async function handlers() {
  const [test, config, state] = await Promise.all(["test", "config", "state"].map(async (name) => (await load(`server/handle-${name}.mjs`)).default));
  return { test, config, state };
}

const passes = (outcome) => outcome === "pass" || outcome === "yes";

/**
 * How a test went, as the suite itself judges: what depends on a test that did not pass, or could not be set up, says nothing
 * of the cache and so does not count as passed.
 */
export function judge(tests, results, id) {
  const test = tests.get(id);
  const result = results[id];
  if (result === undefined) return "untested";
  if ((test.depends_on ?? []).some((other) => !passes(judge(tests, results, other)))) return "dependency";
  if (Array.isArray(result) && result[0] === "Setup") return result[1] === "retry" ? "retry" : "setup";
  if (test.kind === "check") return result === true ? "yes" : "no";
  return result === true ? "pass" : "fail";
}
