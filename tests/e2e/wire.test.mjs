// What passes through and what does not: streams, WebSockets, header fields, caps, loops.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { Client, startOrigin, sendRaw, startRegions, startRouter, stopAll, topology } from "./harness.mjs";

let regions, router;
before(async () => {
  regions = await startRegions({ args: ["--origin-key", "o".repeat(32)] });
  router = await startRouter({ vars: topology(regions), bindings: { ORIGIN_KEY: "o".repeat(32) } });
});
after(stopAll);

const seenBy = (answer) => {
  const all = (name) => answer.json.headers.filter(([field]) => field === name).map(([, value]) => value);
  return { all, one: (name) => all(name).at(0) };
};

test("a response streams: its first piece comes before its last is made", async () => {
  const response = await new Client(router.url, "eu").get("/stream?chunks=2&hang=1", { raw: true });
  const first = await new Promise((resolve) => response.once("data", resolve));
  assert.match(String(first), /"region": "eu", "chunk": 0/);
  response.destroy();
});

test("a request streams: its first piece arrives before its last is sent, and the rest intact", async () => {
  let heard, whole;
  const first = new Promise((resolve) => (heard = resolve));
  const origin = await startOrigin((request, response) => {
    let text = "";
    request.on("data", (chunk) => (heard((text += chunk)), (whole = text)));
    request.on("end", () => response.end(String(text.length)));
  });
  const own = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.us.origin = origin)) });
  for (const length of [undefined, 300_005]) {
    const answered = new Promise((resolve, reject) => {
      const request = http.request(
        new URL("/upload", own.url),
        { method: "POST", agent: false, headers: length ? { "content-length": length } : {} },
        (response) => {
          let text = "";
          response.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text));
        },
      );
      request.on("error", reject);
      request.write("first");
      first.then(() => request.end("x".repeat(300_000)));
    });
    assert.equal(await answered, "300005");
    assert.ok(whole.startsWith("firstx"));
  }
});

test("large bodies pass whole, both ways, with their length", async () => {
  const text = "z".repeat(3_000_000);
  const answer = await new Client(router.url, "eu").post("/echo", text, { headers: { "content-type": "text/plain" } });
  assert.equal(answer.json.body.length, text.length);
  assert.equal(Number(answer.headers["content-length"]), answer.bytes.length);
});

test("answers that have no body pass, even with a Content-Length", async () => {
  const origin = await startOrigin((request, response) => {
    const status = Number(request.url.slice(1));
    response.socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: ${status === 200 || status === 304 ? 5 : 0}\r\nETag: "v1"\r\nConnection: close\r\n\r\n`);
  });
  const own = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.eu.origin = origin)) });
  for (const [method, status] of /** @type {any[][]} */ ([
    ["GET", 204],
    ["GET", 304],
    ["GET", 205],
    ["HEAD", 200],
    ["HEAD", 304],
  ])) {
    const answer = await new Client(own.url, "eu").request(method, `/${status}`);
    assert.deepEqual([answer.status, answer.text, answer.headers.etag], [status, "", '"v1"'], `${method} ${status}`);
  }
});

test("a WebSocket passes to the home and back", async () => {
  const socket = new WebSocket(`${router.url.href.replace("http", "ws")}ws`);
  const messages = [];
  const next = () =>
    new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error("the socket broke"));
    });
  messages.push(await next());
  socket.send("hello");
  messages.push(await next());
  socket.close();
  assert.deepEqual(messages, ["us", "hello"]);
  const decision = await router.decision("/ws");
  assert.deepEqual([decision.access, decision.reason, decision.status], ["write", "default-home", 101]);
});

test("a body that the client announces by Expect: 100-continue is written, however long it is", async () => {
  for (const [id, length] of /** @type {any[][]} */ ([
    ["short", 5],
    ["long", 200_000],
  ])) {
    const body = JSON.stringify("x".repeat(length));
    const answer = await sendRaw(
      router.url,
      [`PUT /api/catalog/expect-${id} HTTP/1.1`, "Content-Type: application/json", `Content-Length: ${body.length}`, "Expect: 100-continue"],
      body,
    );
    assert.deepEqual([answer.status, answer.headers["homing-reason"]], [200, "home"], answer.text.slice(0, 200));
  }
});

test("hop-by-hop fields and those that Connection names go no further, and ours cannot be named away", async () => {
  const answer = await new Client(router.url, "eu").get("/echo", {
    headers: {
      connection: "close, X-Private, Homing-Region, Homing-Intent",
      "x-private": "1",
      te: "trailers",
      "keep-alive": "timeout=5",
      "proxy-authorization": "Basic x",
      "x-public": "2",
    },
  });
  const { one } = seenBy(answer);
  for (const name of ["x-private", "te", "keep-alive", "proxy-authorization"]) assert.equal(one(name), undefined, name);
  assert.equal(one("x-public"), "2");
  assert.equal(one("homing-region"), "eu");
  assert.equal(one("homing-intent"), "read");
});

test("a client's Homing-*, Forwarded and X-Forwarded-* are replaced by ours", async () => {
  const spoofed = [
    "homing-region",
    "homing-home",
    "homing-epoch",
    "homing-subject",
    "homing-intent",
    "homing-clock",
    "homing-signature",
    "homing-min-position",
    "homing-anything",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "forwarded",
    "x-real-ip",
  ];
  const answer = await new Client(router.url, "eu").get("/echo", { headers: Object.fromEntries(spoofed.map((name) => [name, "spoofed"])) });
  const { one } = seenBy(answer);
  for (const name of spoofed) assert.ok(!one(name)?.includes("spoofed"), `${name}: ${one(name)}`);
  assert.equal(one("homing-region"), "eu");
  assert.equal(one("x-forwarded-proto"), "http");
  assert.equal(one("x-real-ip"), one("x-forwarded-for"), "the client's address, from who knows it");
  assert.match(one("forwarded"), /host="127\.0\.0\.1:\d+";proto=http$/);
  assert.match(one("traceparent"), /^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/);
  assert.match(one("via"), /1\.1 homing$/);
  assert.match(one("homing-signature"), /^t=\d+;v=[\w-]{43}$/);
});

test("what an application could believe of a proxy is not the client's to say, however it spells it", async () => {
  const believed = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-host",
    "true-client-ip",
    "x-cluster-client-ip",
  ];
  const spelled = [...believed, "x-forwarded-host", "homing-epoch", "homing-subject"].map((name) => name.replaceAll("-", "_"));
  const names = [...believed, ...spelled, "accept_language", "sec_fetch_site"];
  const answer = await new Client(router.url, "eu").get("/echo", {
    headers: Object.fromEntries([...names, "x-own", "api_key"].map((name) => [name, "spoofed"])),
  });
  const { one } = seenBy(answer);
  for (const name of names) assert.equal(one(name), undefined, name);
  assert.deepEqual([one("x-own"), one("api_key")], ["spoofed", "spoofed"], "what nobody takes for a proxy's word passes");
});

test("several Cookie lines reach the region as one, without any session", async () => {
  const { json } = await new Client(router.url, "eu").get("/echo", {
    headers: { cookie: ["a=1; last=Mon, 01 Jan", "__Host-homing=x; b=2", "__Host-homing=y"] },
  });
  assert.deepEqual(
    json.headers.filter(([name]) => name === "cookie").map(([, value]) => value),
    ["a=1; last=Mon, 01 Jan; b=2"],
  );
});

test("a trace that began before goes on, Via and CDN-Loop grow", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { one } = seenBy(await new Client(router.url, "eu").get("/echo", { headers: { traceparent, via: "1.0 before", "cdn-loop": "other; hops=1" } }));
  assert.equal(one("traceparent"), traceparent);
  assert.equal(one("via"), "1.0 before, 1.1 homing");
  assert.equal(one("cdn-loop"), "other; hops=1, homing");
});

test("writes are signed, and a region with the key takes no others", async () => {
  assert.equal((await new Client(router.url, "eu").put("/api/catalog/signed", { name: "lamp" })).status, 200);
  const direct = await fetch(`${regions.us.url}/api/catalog/signed`, { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
  assert.equal(direct.status, 403);
});

test("what the contract says to the edge does not reach the client, and cookies stay apart", async () => {
  const fields = [
    "Homing-Position:catalog=1.2",
    "Homing-Lag:us=5",
    "Homing-Anything:x",
    "Keep-Alive:timeout=9",
    "X-Own:1",
    "Set-Cookie:a=1",
    "Set-Cookie:b=2; Path=/",
  ];
  const answer = await new Client(router.url, "eu").get(`/respond?${fields.map((field) => `header=${encodeURIComponent(field)}`).join("&")}`);
  assert.deepEqual(
    Object.keys(answer.headers)
      .filter((name) => name.startsWith("homing-"))
      .sort(),
    ["homing-reason", "homing-region"],
  );
  assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2; Path=/"]);
  assert.equal(answer.headers["x-own"], "1");
});

test("redirects are the client's to follow", async () => {
  const answer = await new Client(router.url, "eu").get("/respond?status=302&header=Location:http://127.0.0.1:1/");
  assert.deepEqual([answer.status, answer.headers.location], [302, "http://127.0.0.1:1/"]);
});

test("a region that points at the router is a loop: 508", async () => {
  const port = new URL(router.url).port;
  const looping = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.eu.origin = `http://127.0.0.1:${port}`)) });
  const inner = await startRouter({ vars: topology(regions, (vars) => void (vars.REGIONS.us.origin = looping.url.origin)) });
  // inner -> looping -> router -> region is no loop of more hops than are allowed; one more pass is.
  const answer = await new Client(inner.url, "us").get("/echo", { headers: { "cdn-loop": "homing" } });
  assert.deepEqual([answer.status, answer.json.reason], [508, "loop"]);
  assert.match(answer.headers["proxy-status"], /proxy_loop_detected/);
});

test("too long a URL is 414, too many or too large header fields 431, a GET with a body 400", async () => {
  const client = new Client(router.url, "eu");
  const expect = async (status, reason, path, options) => {
    const answer = await client.get(path, options);
    assert.deepEqual([answer.status, answer.json.reason], [status, reason]);
    assert.match(answer.headers["content-type"], /problem\+json/);
    assert.equal(answer.headers["cache-status"], undefined, "the cache has nothing to say of it");
    assert.ok(Date.parse(answer.headers.date));
  };
  await expect(414, "url-too-long", `/echo?${"x".repeat(9000)}`);
  await expect(431, "headers-too-large", "/echo", { headers: Object.fromEntries(Array.from({ length: 140 }, (_, n) => [`x-${n}`, "1"])) });
  await expect(431, "headers-too-large", "/echo", { headers: { "x-large": "x".repeat(33_000) } });
  const withBody = await client.request("GET", "/api/catalog/1", { body: "{}" });
  assert.deepEqual([withBody.status, withBody.json.reason], [400, "body-on-get"]);
});
