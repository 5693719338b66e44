// Where the cache tests come from, and how their two layouts differ.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { checkout, kept } from "../checkout.mjs";

const HEAD = {
  name: "cache-tests",
  url: "https://github.com/http-tests/cache-tests.git",
  commit: "b55b8bda3dbb8c927c04e85bd8d496a8caa3e4ba",
  variable: "CACHE_TESTS",
};
// Years behind: it has expectations that the suite has turned round since.
const OLD = "http-cache-tests@0.4.5";
const OLD_SHA512 = "DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==";

function old() {
  const folder = join(kept, "package");
  if (existsSync(join(folder, "tests/index.mjs"))) return folder;
  mkdirSync(kept, { recursive: true });
  const [{ filename }] = JSON.parse(
    /** @type {any} */ (execFileSync)("npm", ["pack", OLD, "--json", "--loglevel=error"], { cwd: kept, stdio: ["ignore", "pipe", "inherit"] }),
  );
  const archive = join(kept, filename);
  const digest = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (digest !== OLD_SHA512) {
    rmSync(archive);
    throw new Error(`${OLD}: found the digest ${digest}, expected ${OLD_SHA512}; the registry serves something else than was looked at`);
  }
  execFileSync("tar", ["xzf", archive], { cwd: kept });
  return folder;
}

/** The suite on this disk: its folder, the folder of its engine, what it is called, and whether it is the pinned commit. */
export function source() {
  try {
    const folder = checkout(HEAD);
    return { folder, engine: "test-engine", version: `${HEAD.commit.slice(0, 7)} (github.com/http-tests/cache-tests)`, pinned: true };
  } catch (error) {
    // Said, and never in README's table.
    console.log(`${error.message}\ninstead: npm's ${OLD}, which is not that commit, and whose figures are not comparable`);
    return { folder: old(), engine: "", version: `${OLD} of npm, and not ${HEAD.commit.slice(0, 7)}`, pinned: false };
  }
}

/** A module of it. `where` comes from `source()`, maybe of another process. */
export const load = ({ folder }, file) => import(pathToFileURL(join(folder, file)).href);
export const engine = (where, file) => load(where, join(where.engine, file));

/** Its groups of tests, without those for browsers. */
export async function groups(where) {
  const all = (await load(where, "tests/index.mjs")).default;
  return all.map(({ tests, ...group }) => ({ ...group, tests: tests.filter((test) => !test.browser_only) }));
}
