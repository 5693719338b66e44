// `homing doctor`, against sound worlds and sick ones: what is wrong has its line, and what to do. The probe is not deployed anywhere: a
// wrangler of the test's own, first on PATH, notes what it is called for and serves the script in this runtime.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "smol-toml";
import { Client, command, root, startOrigin, startRegions, startRouter, startScript, stopAll, stopWithAll, topology, waitUntil } from "./harness.mjs";
import { freePort } from "./ports.mjs";

const TOKEN = "the operators' token, which is a long one";
const KEY = "a key of the regions, which is a long one";
const PRODUCTION = { SESSION_KEY: "s".repeat(32), ADMIN_TOKEN: TOKEN, ORIGIN_KEY: KEY };

// A folder for temporary files of these tests alone: what another run has left behind is none of theirs.
const scratch = mkdtempSync(join(tmpdir(), "homing-doctor-tests-"));
process.env.TMPDIR = scratch;

let regions, router;
before(async () => {
  regions = await startRegions({ args: ["--origin-key", KEY] });
  router = await startRouter({ vars: production(), bindings: { ...PRODUCTION, PROBES: "5s" } });
});
after(async () => {
  await stopAll();
  rmSync(scratch, { recursive: true, force: true });
});

const production = (change = (..._) => {}) => topology(regions, (vars) => (delete vars.DEV, change(vars)));

/** The command's word: its exit status, its findings, and how each line is. */
async function doctor(url, token = TOKEN, ...args) {
  const { status, json, out, err } = await command({ HOMING_TOKEN: token, HOMING_URL: "" }, "doctor", String(url), "--json", ...args);
  assert.ok(json, `${out}${err}`);
  const lines = Object.fromEntries(json.findings.map(({ check, about, severity }) => [`${check} ${about}`.trim(), severity]));
  const of = (name) => json.findings.find(({ check, about }) => `${check} ${about}`.trim() === name);
  const failed = Object.keys(lines).filter((name) => lines[name] === "fail");
  return { status, json, lines, of, failed, out };
}

/** The same, once it is as it should be: probers tell the first time a while after the first request. */
const settled = (url, isSo, what) =>
  waitUntil(
    async () => {
      const said = await doctor(url);
      return isSo(said) && said;
    },
    what,
    60_000,
  );

test("a sound deployment passes in every line, and tells no secret", async () => {
  // A deployment that has just begun has no reports yet, which is a warning.
  const isSettled = ({ failed, lines }) => failed.length === 0 && ["us", "eu", "ap"].every((region) => lines[`report ${region}`] === "pass");
  const said = await settled(router.url, isSettled, "nothing fails, and every prober has told");
  assert.equal(said.status, 0);
  const notPassed = said.json.findings.filter(({ severity }) => severity !== "pass");
  // What a busy machine makes slow is no fault of the world's.
  assert.deepEqual(
    notPassed.filter(({ check }) => !["directory", "home store", "region", "place"].includes(check)),
    [],
  );
  for (const line of [
    "router",
    "configuration",
    "secret ADMIN_TOKEN",
    "cache",
    "home store",
    "view",
    "report eu",
    "authority",
    "directory",
    "prober us",
    "region ap",
    "clock eu",
    "contract us",
    "cost",
  ]) {
    assert.equal(said.lines[line] ?? "missing", "pass", line);
  }
  assert.equal(said.of("contract eu").says, "its health and ownership addresses meet it, and require a signature");
  for (const secret of Object.values(PRODUCTION)) assert.ok(!said.out.includes(secret));
  const text = (await command({ HOMING_TOKEN: TOKEN }, "doctor", String(router.url))).out;
  assert.match(text, /^pass {2}router {19}http:\/\/127\.0\.0\.1:\d+ answers in \d+ ms$/m);
  assert.match(text, /^\d+ pass, \d+ warn, 0 fail$/m);
});

test("what it puts into the cache goes again, and it writes nothing else: the same again is the same", async () => {
  const written = async () => {
    const audit = await command({ HOMING_TOKEN: TOKEN, HOMING_URL: String(router.url) }, "audit", "--json");
    return [await (await router.homes()).get("view"), audit.json];
  };
  await doctor(router.url);
  const before = await written();
  await doctor(router.url);
  assert.deepEqual(await written(), before);
});

test("nobody is told without the token, and there is nothing but a GET", async () => {
  const client = new Client(router.url);
  const answer = await client.get("/_homing/api/doctor");
  assert.deepEqual([answer.status, /SESSION|HOMES|regions/.test(answer.text)], [401, false]);
  const said = await doctor(router.url, "a wrong token, of more than thirty-two letters");
  assert.deepEqual([said.status, said.failed], [1, ["token"]]);
  assert.match(said.of("token").remedy, /HOMING_TOKEN/);
});

test("development says that it is, and is no failure", async () => {
  const dev = await startRouter({ vars: topology(regions), bindings: { PROBES: "off" } });
  const said = await doctor(dev.url, "");
  assert.deepEqual(
    ["development", "secret SESSION_KEY", "secret ADMIN_TOKEN", "prober"].map((line) => said.lines[line]),
    ["pass", "warn", "warn", "warn"],
  );
  await dev.stop();
});

test("a deployment without an ADMIN_TOKEN", async () => {
  const { ADMIN_TOKEN, ...rest } = PRODUCTION;
  const sick = await startRouter({ vars: production(), bindings: rest });
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed, said.of("token").says], [1, ["token"], "No ADMIN_TOKEN is set"]);
  assert.match(said.of("token").remedy, /wrangler secret put ADMIN_TOKEN/);
  await sick.stop();
});

test("a deployment without a SESSION_KEY serves nothing, and still says so to who has the token", async () => {
  const { SESSION_KEY, ...rest } = PRODUCTION;
  const sick = await startRouter({ vars: production(), bindings: rest });
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed], [1, ["router", "configuration", "secret SESSION_KEY"]]);
  assert.match(said.of("secret SESSION_KEY").remedy, /wrangler secret put SESSION_KEY/);
  assert.equal((await new Client(sick.url).get("/_homing/api/doctor")).status, 401);
  assert.equal((await new Client(sick.url).get("/_homing/api/snapshot", { headers: { authorization: `Bearer ${TOKEN}` } })).status, 500);
  await sick.stop();
});

test("an edge cache without effect", async () => {
  const sick = await startRouter({ vars: production(), bindings: PRODUCTION, cache: "nothing" });
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed], [1, ["cache"]]);
  assert.match(said.of("cache").says, /no effect/);
  await sick.stop();
});

/** A region whose answers say another time. */
async function skewed(region, millis) {
  const url = await startOrigin((request, response) => {
    const asked = http.request(`${region.url}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, { ...answer.headers, date: new Date(Date.now() + millis).toUTCString() });
      answer.pipe(response);
    });
    request.pipe(asked.on("error", () => response.destroy()));
  });
  return url;
}

test("a region's clock that is wrong, one whose key is another, and one that nobody reaches", async () => {
  const closed = `http://127.0.0.1:${await freePort()}`;
  const slow = await skewed(regions.us, -5000);
  const fast = await skewed(regions.eu, 90_000);
  const vars = production((vars) => {
    vars.REGIONS.us.origin = slow;
    vars.REGIONS.eu.origin = fast;
    vars.REGIONS.ap.origin = closed;
  });
  const sick = await startRouter({ vars, bindings: PRODUCTION });
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed, said.lines["clock us"]], [1, ["region ap", "clock eu"], "warn"]);
  assert.match(said.of("clock eu").says, /^at least (8[89]|90) s ahead/);
  assert.match(said.of("clock us").says, /^at least [34]\d{3} ms behind/);
  await sick.stop();
  const other = await startRouter({ vars: production(), bindings: { ...PRODUCTION, ORIGIN_KEY: "another key than that of the regions" } });
  // On a busy machine a region may be too slow at first, which is another line.
  const refused = ["contract ap", "contract eu", "contract us"];
  const stranger = await settled(other.url, ({ failed }) => failed.join() === refused.join(), "every region refuses the signature");
  assert.match(stranger.of("contract eu").says, /refuses the router's signature/);
  await other.stop();
});

test("a view that is behind, reports that are old, and what cannot be read", async () => {
  const sick = await startRouter({ vars: production(), bindings: { ...PRODUCTION, PROBES: "45s" } });
  await settled(sick.url, ({ failed }) => failed.length === 0, "nothing fails");
  const homes = await sick.homes();
  const at = { HOMING_TOKEN: TOKEN, HOMING_URL: String(sick.url) };
  for (const order of [
    ["drain", "ap", "--for", "1h"],
    ["undrain", "ap"],
  ]) {
    const { status, err } = await command(at, ...order, "--reason", "a test");
    assert.equal(status, 0, err);
  }
  const { version } = (await doctor(sick.url)).json.heard.authority;
  await waitUntil(async () => JSON.parse((await homes.get("view")) ?? "{}").version === version, "the view is published");
  const whole = await homes.get("view");
  await homes.put("view", JSON.stringify({ ...JSON.parse(whole), version: version - 1 }));
  const report = JSON.parse(await homes.get("probe:eu"));
  await homes.put("probe:eu", JSON.stringify({ ...report, at: report.at - 600_000 }));
  await homes.put("probe:us", "?");
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed, said.lines.view], [1, ["report eu", "report us"], "warn"]);
  assert.equal(said.of("view").says, `version ${version - 1} at this place, and the authority's is ${version}`);
  assert.match(said.of("report eu").says, /^1\d min old/);
  await homes.put("view", "?");
  assert.ok((await doctor(sick.url)).failed.includes("view"));
  await sick.stop();
});

test("objects and a store that fail", async () => {
  const sick = await startRouter({ vars: production(), bindings: PRODUCTION, kv: "moody" });
  await sick.mood("fails");
  const said = await doctor(sick.url);
  assert.deepEqual([said.status, said.failed], [1, ["home store", "authority", "directory"]]);
  assert.match(said.of("directory").says, /^64 of 64 shards do not answer/);
  await sick.stop();
});

// The probe.

/** A wrangler: what it was called for, and what it does when it deploys or deletes. */
async function wrangler(does = {}) {
  const folder = mkdtempSync(join(tmpdir(), "homing-wrangler-"));
  const calls = [];
  let served;
  const deploy = async (config) => {
    const { vars, compatibility_date: date, compatibility_flags: flags, name, main } = /** @type {any} */ (parse)(readFileSync(config, "utf8"));
    served = await startScript({ script: readFileSync(join(dirname(config), main), "utf8"), vars, date, flags });
    calls.at(-1).deployed = { name, vars, url: served.url };
    return { targets: [served.url] };
  };
  const url = await startOrigin((request, response) => {
    let text = "";
    request
      .on("data", (data) => (text += data))
      .on("end", async () => {
        const { args, output } = JSON.parse(text);
        const [what] = args;
        calls.push({ what, args });
        const config = args[args.indexOf("--config") + 1];
        const { code = 0, says = "", targets } = (await (does[what] ?? (what === "deploy" ? deploy : () => {}))(config)) ?? {};
        if (targets) writeFileSync(output, `${JSON.stringify({ type: "deploy", targets })}\n`);
        if (what === "delete") await served?.stop();
        response.end(JSON.stringify({ code, says }));
      });
  });
  const script = `#!${join(root, "node_modules/.bin/node")}
    const body = JSON.stringify({ args: process.argv.slice(2), output: process.env.WRANGLER_OUTPUT_FILE_PATH });
    const { code, says } = await (await fetch(${JSON.stringify(url)}, { method: "POST", body })).json();
    console.log(says);
    process.exit(code);`;
  writeFileSync(join(folder, "wrangler"), script);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  chmodSync(join(folder, "wrangler"), 0o755);
  stopWithAll(() => rmSync(folder, { recursive: true, force: true }));
  return { calls, env: { PATH: `${folder}:${process.env.PATH}`, HOMING_TOKEN: TOKEN } };
}

/** Origins that cannot be asked, on this machine. */
async function origins(asked = () => {}) {
  const closed = await freePort();
  const speaks = net.createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-nobody\r\n"));
  await new Promise((resolve) => speaks.listen(0, "127.0.0.1", () => resolve(undefined)));
  stopWithAll(() => speaks.close());
  const there = await startOrigin((request, response) => (asked(), response.end("there")));
  const all = {
    refused: `http://127.0.0.1:${closed}/`,
    nameless: "http://nonexistent.invalid/",
    "broken-tls": there.replace("http:", "https:"),
    "black-hole": `http://127.0.0.1:${closed}/`,
    "no-http": `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (speaks.address()).port}/`,
    address: there,
  };
  return Object.entries(all).flatMap(([kind, url]) => ["--origin", `${kind}=${url}`]);
}

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith("homing-doctor-probe-"));

test("a probe is deployed, asked and removed, and what it has seen is held against what the router assumes", async () => {
  const { calls, env } = await wrangler();
  const args = ["doctor", String(router.url), "--json", "--deploy-probe", ...(await origins())];
  const { status, json, err } = await command(env, ...args);
  assert.deepEqual(
    calls.map(({ what }) => what),
    ["deploy", "delete"],
    err,
  );
  for (const { args } of calls) assert.ok(args.includes("--config") && args[args.indexOf("--config") + 1].includes("homing-doctor-probe-"));
  assert.deepEqual([calls[1].args.includes("--force"), calls[1].args[calls[1].args.indexOf("--name") + 1]], [true, "homing-doctor-probe"]);
  const lines = Object.fromEntries(json.findings.map(({ check, about, severity }) => [`${check} ${about}`.trim(), severity]));
  // This runtime says of a refused connection what it says of a broken one, and the command says that this is careful and no more.
  for (const kind of ["refused", "nameless", "broken-tls", "address"]) assert.equal(lines[`origin ${kind}`], "warn", kind);
  for (const kind of ["black-hole", "hanging", "no-http"]) assert.equal(lines[`origin ${kind}`], "pass", kind);
  for (const line of ["fields", "loops", "fetch cache", "fields added"]) assert.equal(lines[line], "pass", `${line}: ${JSON.stringify(json.probed)}`);
  assert.equal(status, Object.values(lines).includes("fail") ? 1 : 0);
  assert.equal(json.probed.origins.hanging.timed_out, true);
  // The token of the run is known to nobody else: not to who reads the deployment, the report, or the folder.
  const { vars } = calls[0].deployed;
  assert.deepEqual(Object.keys(vars).sort(), ["TOKEN_SHA256", "UNTIL"]);
  assert.ok(!("homing-doctor-token" in json.probed.arrived));
  assert.deepEqual(leftovers(), []);
});

test("the probe's script is nothing to who has no token, and to everybody when its time is over", async () => {
  const script = readFileSync(join(root, "src/cli/doctor/probe.mjs"), "utf8");
  const token = "t".repeat(64);
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(token))).toString("hex");
  const start = (until) =>
    startScript({ script, date: "2026-07-01", flags: ["global_fetch_strictly_public"], vars: { TOKEN_SHA256: digest, UNTIL: String(until) } });
  const [open, over] = [await start(Date.now() + 60_000), await start(Date.now() - 1)];
  const ask = (at, path, init) => fetch(`${at.url}${path}`, init).then(({ status }) => status);
  const order = (token) => ({
    method: "POST",
    body: JSON.stringify({ do: "origin", url: regions.us.url }),
    headers: token ? { "homing-doctor-token": token } : {},
  });
  for (const path of ["/", "/ask", "/origin/fields", "/origin/hanging"]) assert.equal(await ask(open, path), 404, path);
  for (const wrong of [undefined, digest, "x", `${token}t`]) assert.equal(await ask(open, "/ask", order(wrong)), 404, wrong);
  assert.equal(await ask(open, "/ask", order(token)), 200);
  assert.equal(await ask(over, "/ask", order(token)), 404);
});

test("where wrangler is not logged in the error says so, and what may have been deployed is removed", async () => {
  const { calls, env } = await wrangler({ deploy: () => ({ code: 1, says: "✘ [ERROR] You are not logged in." }) });
  const { status, json } = await command(env, "doctor", String(router.url), "--json", "--deploy-probe");
  assert.equal(status, 1);
  const { severity, says, remedy } = json.findings.find(({ check }) => check === "probe");
  assert.deepEqual([severity, says], ["fail", "`wrangler deploy` failed: ✘ [ERROR] You are not logged in."]);
  assert.match(remedy, /npx wrangler login/);
  assert.deepEqual(
    calls.map(({ what }) => what),
    ["deploy", "delete"],
  );
  assert.deepEqual(leftovers(), []);
});

test("a probe that breaks in the middle is removed", async () => {
  const broken = await startOrigin((request, response) => {
    let text = "";
    request
      .on("data", (data) => (text += data))
      .on("end", () => {
        response.writeHead(text.includes("ready") ? 200 : 500).end("{}");
      });
  });
  const { calls, env } = await wrangler({ deploy: () => ({ targets: [broken] }) });
  const { status, json } = await command(env, "doctor", String(router.url), "--json", "--deploy-probe");
  assert.deepEqual([status, calls.map(({ what }) => what)], [1, ["deploy", "delete"]]);
  assert.match(json.findings.find(({ check }) => check === "probe").says, /the probe answered 500/);
});

test("a probe that cannot be removed is a failure that says how to remove it", async () => {
  const broken = await startOrigin((request, response) => response.end("[]"));
  const { env } = await wrangler({ deploy: () => ({ targets: [broken] }), delete: () => ({ code: 1, says: "no route to host" }) });
  const { status, json } = await command(env, "doctor", String(router.url), "--json", "--deploy-probe");
  assert.equal(status, 1);
  const left = json.findings.findLast(({ check }) => check === "probe");
  assert.deepEqual([left.severity, left.remedy], ["fail", "check whether it exists, and remove it: `npx wrangler delete --name homing-doctor-probe`"]);
});

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  test(`a run that is ended by ${signal} removes the probe first`, async () => {
    let asked;
    const isAsked = new Promise((resolve) => (asked = resolve));
    const { calls, env } = await wrangler();
    const args = ["doctor", String(router.url), "--json", "--deploy-probe", ...(await origins(asked))];
    const child = spawn(join(root, "target/debug/homing"), args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await isAsked;
    child.kill(signal);
    assert.equal(await ended, 130);
    assert.deepEqual(
      calls.map(({ what }) => what),
      ["deploy", "delete"],
    );
    assert.deepEqual(leftovers(), []);
  });
}
