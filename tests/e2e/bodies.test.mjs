// Bodies of real size and real pace, both ways: they arrive as they were sent, when they were sent, and whoever breaks one off or answers
// before its end is named rightly. The origin is the test's own; whatever a client does with its body is no fault of a region.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Client, FRONT, address, converse, startOrigin, startRouter, stopAll, topology, waitUntil } from "./harness.mjs";

const MIB = 1024 * 1024;
const LARGE = randomBytes(10 * MIB);
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
const begun = new Set(); // the paths of uploads that have reached the origin
const gone = new Set(); // the paths whose connection has been closed under the origin
let router;

/** What the origin does, by the first segment of the path. */
const DOES = {
  down: (request, response) => response.writeHead(200, { "content-length": LARGE.length }).end(request.method === "HEAD" ? undefined : LARGE),
  part: (request, response) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range).map(Number);
    response.writeHead(206, { "content-range": `bytes ${from}-${to}/${LARGE.length}` }).end(LARGE.subarray(from, to + 1));
  },
  up: (request, response) => {
    const sum = createHash("sha256");
    let length = 0;
    request
      .on("data", (data) => (sum.update(data), (length += data.length)))
      .on("end", () => response.end(JSON.stringify({ length, hash: sum.digest("hex") })));
  },
  // More than 2^53 bytes.
  absurd: (request, response) => response.writeHead(200, { "content-length": "9007199254740993" }).write("x"),
  // A byte now and then, for longer than an attempt's deadline.
  drip: (request, response) => {
    response.writeHead(200, { "content-length": 8 });
    let left = 8;
    const timer = setInterval(() => (--left < 0 ? (clearInterval(timer), response.end()) : response.write("x")), 250);
  },
  events: (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let n = 0;
    const timer = setInterval(() => (++n > 12 ? (clearInterval(timer), response.end()) : response.write(`data: ${n} ${Date.now()}\n\n`)), 150);
  },
  endless: (request, response) => {
    response.writeHead(200);
    const more = () => void (response.destroyed || (response.write(LARGE.subarray(0, 65_536)) ? setImmediate(more) : response.once("drain", more)));
    more();
  },
  // An answer before the upload is over, which says its length: of one in chunks workerd holds the end back until the upload is over.
  early: (request, response) => request.once("data", () => response.writeHead(Number(request.url.split("/")[2]), { "content-length": 2 }).end("no")),
  // It hangs up behind that, when it has read what was on its way (RFC 9112 section 9.6: else the answer may be lost to a reset).
  shut: (request) => {
    request.once("data", () => request.socket.write(`HTTP/1.1 ${request.url.split("/")[2]} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno`));
    request.resume();
    setTimeout(() => request.socket.end(), 500);
  },
  // It hangs up in the middle of the upload.
  dies: (request) => {
    let length = 0;
    request.on("data", (data) => (length += data.length) > 300_000 && request.socket.resetAndDestroy());
  },
  // It goes on no further in the middle of the upload, and says nothing.
  stalls: (request) => request.once("data", () => (begun.add(request.url), request.pause())),
  takes: (request) => request.once("data", () => begun.add(request.url)).resume(),
};

before(async () => {
  const origin = await startOrigin((request, response) => {
    request.on("error", () => {});
    response.once("close", () => gone.add(request.url));
    response.setHeader("cache-control", "no-store");
    (DOES[request.url.split(/[/?]/)[1]] ?? DOES.up)(request, response);
  });
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
    vars.ROUTES = [
      { match: "/drip", deadline: "1s" },
      { match: "/events", deadline: "1s" },
      { match: "/up/slow", deadline: "1s" },
      { match: "/stalls", deadline: "1s" },
    ];
  });
  router = await startRouter({ vars });
});
after(stopAll);

const client = () => new Client(router.url, "us");
/** What is known of failures of the region that all of this goes to. */
const circuit = async () => (await router.snapshot()).regions.find(({ name }) => name === "us").circuit;
/** Begins an upload of which `write` sends pieces, `end` the last; `answer` is a promise of what comes. */
function begin(path, headers = {}) {
  const request = http.request(new URL(path, router.url), {
    method: "POST",
    agent: false,
    headers: { ...FRONT, "cf-connecting-ip": address(), "homing-dev-near": "us", ...headers },
  });
  const answer = new Promise((resolve, reject) => {
    request.on("error", reject).on("response", (response) => {
      let text = "";
      response
        .on("data", (data) => (text += data))
        .on("error", reject)
        .on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
  });
  answer.catch(() => {});
  return { request, answer };
}

test("10 MB go down and up as they are, with a length and without one", async () => {
  const down = await client().get("/down");
  assert.deepEqual([down.headers["content-length"], hash(down.bytes)], [String(LARGE.length), hash(LARGE)]);
  const whole = { length: LARGE.length, hash: hash(LARGE) };
  assert.deepEqual((await client().request("POST", "/up", { body: LARGE })).json, whole);
  const { request, answer } = begin("/up");
  request.end(LARGE);
  assert.deepEqual(JSON.parse((await answer).text), whole);
});

test("a HEAD has the length and no body; a range is its part", async () => {
  const head = await client().request("HEAD", "/down");
  assert.deepEqual([head.status, head.headers["content-length"], head.bytes.length], [200, String(LARGE.length), 0]);
  const part = await client().get("/part", { headers: { range: "bytes=1000-2500000" } });
  assert.equal(part.status, 206);
  assert.ok(part.bytes.equals(LARGE.subarray(1000, 2_500_001)));
});

test("a body that comes by the byte passes for as long as it takes, each way", async () => {
  const began = Date.now();
  assert.equal((await client().get("/drip")).text, "xxxxxxxx");
  assert.ok(Date.now() - began > 1500, "longer than the attempt's deadline");
  // While its client is waited for, the region's clock stands still.
  const { request, answer } = begin("/up/slow");
  request.flushHeaders();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  for (let n = 0; n < 8; n++) {
    request.write("x");
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  request.end();
  const { status, text } = await answer;
  assert.deepEqual([status, JSON.parse(text).length], [200, 8]);
});

test("events come one by one when they are sent, for longer than any deadline", async () => {
  const response = await client().get("/events", { raw: true });
  const late = [];
  let text = "";
  for await (const data of response) {
    text += data;
    for (const [, at] of String(data).matchAll(/data: \d+ (\d+)/g)) late.push(Date.now() - Number(at));
  }
  assert.equal(text.match(/data:/g).length, 12);
  assert.ok(
    late.slice(0, -1).every((ms) => ms < 140),
    `none waits for the next: ${late}`,
  );
});

test("a client that resets its connection in the middle ends what its region sends or takes, and is not its fault", async () => {
  const down = await client().get("/endless", { raw: true });
  await new Promise((resolve) => down.once("data", resolve));
  down.socket.resetAndDestroy();
  await waitUntil(() => gone.has("/endless"), "the region's answer is let go");
  for (const [path, headers] of [
    ["/takes/length", { "content-length": 10 * MIB }],
    ["/takes/chunks", {}],
  ]) {
    const { request, answer } = begin(path, headers);
    request.write(LARGE.subarray(0, 2 * MIB));
    await waitUntil(() => begun.has(path), "the region takes it");
    request.socket.resetAndDestroy();
    await answer.catch(() => {});
    await waitUntil(() => gone.has(path), `the region's request is ended: ${path}`);
  }
  assert.equal((await circuit()).write.failures, 0);
});

for (const status of [413, 401]) {
  for (const how of ["early", "shut"]) {
    test(`a region that answers ${status} in the middle of an upload is heard${how === "shut" ? ", though it hangs up" : ""}`, async () => {
      for (const headers of [{ "content-length": 10 * MIB }, {}]) {
        const { request, answer } = begin(`/${how}/${status}`, headers);
        request.write(LARGE.subarray(0, MIB));
        const { status: said, text } = await answer;
        assert.deepEqual([said, text], [status, "no"]);
        request.destroy();
      }
      assert.equal((await circuit()).write.failures, 0);
      assert.equal((await client().request("POST", "/up", { body: "{}" })).status, 200);
    });
  }
}

test("a region that hangs up in the middle of an upload: nobody knows what it wrote, and its client is not blamed", async () => {
  for (const headers of [{ "content-length": LARGE.length }, {}]) {
    const { request, answer } = begin("/dies", headers);
    request.on("error", () => {}).end(LARGE);
    const { status, headers: fields } = await answer;
    assert.deepEqual([status, fields["homing-write-outcome"]], [503, "unknown"], JSON.stringify(fields));
  }
});

/** Requests whose body is not what they say it is, as bytes; then the client says no more. */
const SHORT = {
  "short of its length": `Content-Length: 200000\r\n\r\n${"x".repeat(1000)}`,
  "short of its small length": `Content-Length: 2000\r\n\r\n${"x".repeat(1000)}`,
  "without its last chunk": `Transfer-Encoding: chunked\r\n\r\n3e8\r\n${"x".repeat(1000)}\r\n`,
  "a chunk size that is none": `Transfer-Encoding: chunked\r\n\r\n3e8\r\n${"x".repeat(1000)}\r\nzz\r\n`,
  "a length beside chunks": `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${"x".repeat(1000)}\r\n0\r\n\r\n`,
};
for (const [what, text] of Object.entries(SHORT)) {
  test(`a body that is wrong is its client's fault and never a region's: ${what}`, async () => {
    const { read, write } = await circuit();
    for (let n = 0; n < 6; n++) {
      const connection = converse(router.url);
      connection.socket.end(
        `POST /up/short HTTP/1.1\r\nHost: x\r\n${Object.entries({ ...FRONT, "cf-connecting-ip": address() })
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join("")}Homing-Dev-Near: us\r\n${text}`,
      );
      const answer = await connection.answer(3000).catch((error) => error);
      connection.end();
      if (answer.status) assert.ok([200, 400].includes(answer.status), `${answer.status} ${answer.text}`);
    }
    const now = await circuit();
    assert.deepEqual([now.read.failures, now.write.failures, now.write.state], [read.failures, write.failures, "closed"]);
    assert.equal((await client().request("POST", "/up", { body: "{}" })).status, 200);
  });
}

test("curl's upload of 3 MB, which it announces by Expect: 100-continue", async () => {
  writeFileSync("/tmp/homing-upload", LARGE.subarray(0, 3 * MIB));
  const asked = [
    "-sS",
    "-m",
    "20",
    "-X",
    "POST",
    "-H",
    "Expect: 100-continue",
    "-H",
    "homing-dev-near: us",
    ...Object.entries(FRONT).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    "--data-binary",
    "@/tmp/homing-upload",
  ];
  for (const more of [[], ["-H", "transfer-encoding: chunked"]]) {
    const { stdout } = await promisify(execFile)("curl", [...asked, ...more, String(new URL("/up", router.url))]);
    assert.deepEqual(JSON.parse(stdout), { length: 3 * MIB, hash: hash(LARGE.subarray(0, 3 * MIB)) });
  }
});

test("a region that stalls in the middle of an upload has its deadline, and it is not the client who was slow", async () => {
  const { request, answer } = begin("/stalls");
  // More than lies in what is between client and region.
  const rest = async () => {
    for (let n = 0; n < 8 && !request.destroyed; n++)
      if (!request.write(LARGE)) await new Promise((resolve) => request.once("drain", resolve).once("close", resolve));
  };
  rest();
  const { status, headers } = await answer;
  request.destroy();
  assert.ok(begun.has("/stalls"));
  assert.deepEqual([status, headers["homing-reason"], headers["homing-write-outcome"]], [504, "write-unknown", "unknown"]);
});

test("an answer that claims a length beyond all numbers is a broken one", async () => {
  const answer = await client().get("/absurd");
  assert.deepEqual([answer.status, answer.headers["homing-reason"]], [503, "all-regions-failed"]);
});
