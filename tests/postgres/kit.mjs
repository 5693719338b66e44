// Regions whose application stands on the origin kit (src/origin/examples/postgres.rs), beside a real primary and its standbys;
// the router before them, with its authority; and the command that gives it orders.
import { execFile, spawn } from "node:child_process";
import http from "node:http";
import { join } from "node:path";
import { root, startRouter } from "../e2e/harness.mjs";
import { startCluster } from "./cluster.mjs";
import { topology } from "./support.mjs";

export const SECRET = "the key with which these tests sign";
const KEY = "the key between router and regions, long enough";
const TOKEN = "the token of the operators in these tests";
const serving = new Set();

process.once("exit", () => serving.forEach((child) => child.kill("SIGKILL")));

/** Stops the applications; their databases and routers have their own way. */
export const stopKit = () => serving.forEach((child) => child.kill("SIGKILL"));

/** Starts the application of one region; resolves to where it listens. */
export async function startApp({ name, address }) {
  const { host, port, user, password, database } = address;
  const env = {
    PATH: process.env.PATH,
    REGION: name,
    LISTEN: "127.0.0.1:0",
    ORIGIN_KEY: KEY,
    DATABASE_URL: `host=${host} port=${port} user=${user} password=${password} dbname=${database}`,
  };
  const child = spawn(join(root, "target/debug/examples/postgres"), { env, stdio: ["ignore", "pipe", "inherit"] });
  serving.add(child);
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("error", reject);
    child.once("exit", (code) => (serving.delete(child), reject(new Error(`the application of ${name} ended at once, with ${code}`))));
    child.stdout.on("data", (data) => {
      said += data;
      const [, at] = /listening on (\S+)\n/.exec(said) ?? [];
      if (at) resolve({ url: `http://${at}` });
    });
  });
}

/** Databases, an application beside each, and a router of two edges that share an authority. `before` may put something in front of a
 *  region's application. */
export async function startWorld({ before = {} } = {}) {
  const cluster = await startCluster();
  const [primary, ...standbys] = cluster.nodes;
  // The first one makes the tables.
  const apps = { [primary.name]: await startApp(primary) };
  await Promise.all(standbys.map((node) => node.catchesUpWith(primary)));
  for (const node of standbys) apps[node.name] = await startApp(node);
  for (const [name, put] of Object.entries(before)) apps[name] = await put(apps[name]);
  const bindings = { SESSION_KEY: SECRET, ORIGIN_KEY: KEY, ADMIN_TOKEN: TOKEN };
  const router = await startRouter({ vars: topology(apps), bindings, edges: 2 });
  return { cluster, router, homing: homing(router) };
}

/** The command, for that router: resolves to its exit status, its JSON, and all it said. */
const homing =
  (router) =>
  (...args) =>
    command({ HOMING_URL: router.url.href, HOMING_TOKEN: TOKEN, USER: "ada" }, args);

/** Holds an application against the contract. */
export const conformance = ({ url }) =>
  command({ ORIGIN_KEY: KEY }, [
    "conformance",
    url,
    "--path",
    "/lists/conformance",
    "--dataset",
    "lists",
    "--method",
    "POST",
    "--body",
    '{"id":"x"}',
    "--idempotent",
  ]);

function command(env, args) {
  return new Promise((resolve) => {
    execFile(join(root, "target/debug/homing"), [...args, "--json"], { env: { ...process.env, ...env }, timeout: 60_000 }, (error, out, err) => {
      let json;
      try {
        json = JSON.parse(out);
      } catch {}
      resolve({ status: error?.code ?? 0, said: out + err, json });
    });
  });
}

/** A mistake planted in front of an application: it says of its copy that it has reached whatever it is asked for. */
export async function alwaysReached({ url }) {
  const server = http.createServer((request, response) => {
    const target = new URL(request.url, url);
    if (target.searchParams.has("reached")) return response.setHeader("content-type", "application/json").end('{"reached":true}');
    const { host, ...headers } = request.headers;
    const forwarded = http.request(target, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  server.unref();
  return { url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}` };
}
