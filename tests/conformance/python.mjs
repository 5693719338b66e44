// Suites that are written in Python: each has an environment of its own, below build/, with the releases that its figures were made with.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kept } from "./checkout.mjs";

/** The Python of an environment with these packages (`name==version`), made once. */
export function python(name, packages) {
  const folder = join(kept, `python-${name}`);
  const [stamp, wanted] = [join(folder, "packages"), packages.join("\n")];
  const own = join(folder, "bin/python");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return own;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });
  const run = (...command) => execFileSync(command[0], command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
  try {
    console.log(`installing ${packages.join(", ")} into build/conformance/python-${name}`);
    run("python3", "-m", "venv", folder);
    run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const said = String(error.stderr || error.message)
      .trim()
      .split("\n")
      .at(-1);
    throw new Error(`${name}: found no Python environment with ${packages.join(", ")}, expected python3 with venv and pip, and a package index: ${said}`, {
      cause: error,
    });
  }
  writeFileSync(stamp, wanted);
  return own;
}

/** What `load()` of a suite gives where it cannot run: it says why, and no figure is taken from it. */
export function notRun(name, error) {
  console.log(`\n${name} is NOT RUN. ${error.message}`);
  return { version: "not run", pinned: false, tests: [] };
}
