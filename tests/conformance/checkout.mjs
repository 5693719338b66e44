// Public suites are not part of this repository: each is fetched by git at one commit, whose id is the hash of all that is in it.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../bench/world.mjs";

/** Where suites lie: not in git. */
export const kept = join(root, "build/conformance");

/**
 * The folder of a repository at that commit, fetched once, and looked at each time. `variable` names the environment's variable
 * that may say where a clone lies, for a machine without a network: git checks what it takes from there just as well.
 */
export function checkout({ name, url, commit, variable }) {
  const folder = join(kept, `${name}-${commit.slice(0, 7)}`);
  const git = (...args) =>
    execFileSync("git", ["-C", folder, "-c", "core.autocrlf=false", "-c", "advice.detachedHead=false", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  const whole = () => existsSync(join(folder, ".git")) && git("rev-parse", "HEAD") === commit && git("status", "--porcelain") === "";
  try {
    if (whole()) return folder;
  } catch {
    // Half of a checkout: made anew.
  }
  const from = process.env[variable] || url;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    console.log(`fetching ${name} ${commit.slice(0, 7)} from ${from}`);
    git("init", "--quiet");
    git("fetch", "--quiet", "--depth", "1", from, commit);
    git("checkout", "--quiet", "FETCH_HEAD");
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(
      `${name}: ${commit} could not be fetched from ${from}: ${String(error.stderr || error.message).trim()}\nwithout a network, name a clone of ${url}: ${variable}=/path/to/it`,
      { cause: error },
    );
  }
  if (!whole()) throw new Error(`${folder}: found something else than ${commit}, expected what git has fetched; delete that folder`);
  return folder;
}

/** The files of a folder beside this one that end so, by name. */
export const filesOf = (folder, end) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(end))
    .sort();
