// W3C's tests of Trace Context, level 2, which are made for services: here of what stands between them.
import { execFile, execFileSync } from "node:child_process";
import http from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../../bench/world.mjs";
import { checkout } from "../checkout.mjs";
import { startAll } from "../contenders.mjs";
import { notRun, python } from "../python.mjs";
import { service } from "../trace-context/service.mjs";

export const name = "trace-context";
export const kinds = ["required"];

const SUITE = {
  name: "trace-context",
  url: "https://github.com/w3c/trace-context.git",
  commit: "acab820be9db7b3433668baa5cdd43f57f4c4be0",
  variable: "TRACE_CONTEXT",
};
const RUN = join(dirname(fileURLToPath(import.meta.url)), "../trace-context/run.py");
const OPTIONS = { encoding: "utf8", env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" } };

export async function load() {
  try {
    const folder = join(checkout(SUITE), "test");
    const command = python("trace-context", ["aiohttp==3.14.5"]);
    const ids = JSON.parse(/** @type {any} */ (execFileSync)(command, [RUN, folder, "list"], { ...OPTIONS, stdio: ["ignore", "pipe", "ignore"] }));
    return {
      version: `${SUITE.commit.slice(0, 7)} (github.com/w3c/trace-context), level 2`,
      pinned: true,
      folder,
      command,
      tests: ids.map((id) => ({ id, group: id.split(".")[0], kind: "required" })),
    };
  } catch (error) {
    return notRun(name, error);
  }
}

/** @param {string} row @param {any} how */
async function through(row, { folder, command, id }) {
  // The suite's own server is the origin, but it begins with the tests, and a proxy is ready when it answers.
  const origin = await freePort();
  const before = http.createServer((request, response) => response.setHeader("connection", "close").end()).listen(origin, "127.0.0.1");
  const [{ port } = {}] = await startAll([row], [origin, origin]);
  await new Promise((resolve) => (before.close(resolve), before.closeAllConnections()));
  if (port === undefined) return;
  const between = await service(port);
  const { stdout } = await promisify(execFile)(command, [RUN, folder, `http://127.0.0.1:${between.port}/test`, String(origin), ...(id ? [id] : [])], {
    ...OPTIONS,
    timeout: 300_000,
  });
  between.stop();
  return JSON.parse(String(stdout));
}

export async function run({ names, tests, ...rest }) {
  if (tests.length === 0) return {};
  const rows = await Promise.all(names.map(async (row) => [row, await through(row, rest)]));
  return Object.fromEntries(rows.filter(([, results]) => results));
}
