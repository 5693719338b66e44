// What other proxies were reported for when origins fail, as cases of our own: who is marked down and why, what is repeated and what is
// not, whose answer the client gets. Behind each case stands the report, or where the kind is described; nothing of their text is here.
import assert from "node:assert/strict";
import net from "node:net";
import { after, test } from "node:test";
import { seal, stopAll, waitUntil } from "./harness.mjs";
import { SESSION_KEY, place, startReported } from "./reported.mjs";

after(stopAll);
const whole = { timeout: 40_000 };
/** How the breakers of a region stand. */
const circuit = async (router, region) => (await router.snapshot()).regions.find(({ name }) => name === region).circuit;
const closed = async (router, region) => {
  const { read, write } = await circuit(router, region);
  assert.deepEqual([read.state, write.state, read.failures, write.failures], ["closed", "closed", 0, 0], region);
};

// https://github.com/nginx/nginx/issues/355 https://github.com/nginx/nginx/pull/958 https://github.com/envoyproxy/envoy/issues/18789
test("a client's error marks no region down and is not asked elsewhere, however often it comes", whole, async () => {
  const { router, near } = await startReported();
  for (const status of [400, 401, 403, 404, 408, 409, 410, 422, 429]) {
    const { path, seen } = place(() => [status, { "retry-after": "7", "cache-control": "no-store" }, "its words"]);
    for (let n = 0; n < 8; n++) {
      for (const method of ["GET", "POST"]) {
        const answer = await near().request(method, path, method === "POST" ? { body: {} } : {});
        assert.deepEqual([answer.status, answer.text, answer.headers["retry-after"]], [status, "its words", "7"]);
      }
    }
    assert.equal(seen.length, 16, `${status}: one region, once`);
  }
  for (const region of ["us", "eu"]) await closed(router, region);
});

// https://github.com/envoyproxy/envoy/issues/2671: an application that fails is not a region that is gone.
test("a 500 and a 501 are the application's word: told as they are, and no region is left for them", whole, async () => {
  const { router, near } = await startReported();
  for (const status of [500, 501]) {
    const { path, seen } = place(() => [status, { "cache-control": "no-store" }, "its words"]);
    for (let n = 0; n < 10; n++) {
      const answer = await near().get(path);
      assert.deepEqual([answer.status, answer.text], [status, "its words"]);
      assert.equal((await near().post(path, {})).status, status);
    }
    assert.equal(seen.filter(({ region }) => region === "eu").length, 10, "near for reads");
    assert.equal(seen.filter(({ region }) => region === "us").length, 10, "home for writes");
  }
  const sound = place(() => [200, {}, "ok"]);
  assert.deepEqual([(await near().get(sound.path)).text, (await near().post(sound.path, {})).text], ["ok", "ok"]);
  for (const region of ["us", "eu"]) assert.equal((await circuit(router, region)).read.state, "closed");
});

// https://github.com/apache/apisix/issues/4715
test("clients that leave before there is an answer mark no region down", whole, async () => {
  const { router, near } = await startReported();
  const { path, seen } = place(() => new Promise(() => {}));
  for (let n = 0; n < 12; n++) {
    const socket = net.connect(Number(router.url.port), "127.0.0.1", () =>
      socket.write(`GET ${path}?${n} HTTP/1.1\r\nHost: x\r\nHoming-Dev-Near: eu\r\nMF-CF-Blob: {}\r\nCF-Connecting-IP: 127.0.0.1\r\n\r\n`),
    );
    socket.on("error", () => {});
    await waitUntil(() => seen.length === n + 1, "it is asked");
    socket.resetAndDestroy();
  }
  await waitUntil(async () => (await router.snapshot()).in_flight === 0, "all have gone");
  for (const region of ["us", "eu"]) await closed(router, region);
  const sound = place(() => [200, {}, "ok"]);
  assert.equal((await near().get(sound.path)).headers["homing-region"], "eu");
});

// https://github.com/haproxy/haproxy/issues/439
test("where every region says 503, the client gets what one of them said, and two were asked", whole, async () => {
  const { near } = await startReported();
  const { path, seen } = place(({ region }) => [503, { "retry-after": "9", "content-type": "text/html", "x-of": region }, `back soon, says ${region}`]);
  const answer = await near().get(path);
  assert.deepEqual(
    [answer.status, answer.headers["retry-after"], answer.headers["content-type"], answer.text],
    [503, "9", "text/html", `back soon, says ${answer.headers["x-of"]}`],
  );
  assert.deepEqual(
    seen.map(({ region }) => region),
    ["eu", "us"],
  );
});

test("nothing of an answer that was passed over reaches the client", whole, async () => {
  const { near } = await startReported();
  const { path } = place(({ region }) =>
    region === "eu" ? [503, { "set-cookie": "of=eu", "x-eu": "1", "retry-after": "9" }, "broken"] : [200, { "x-us": "1" }, "fine"],
  );
  const answer = await near().get(path);
  assert.deepEqual(
    [answer.status, answer.text, answer.headers["set-cookie"], answer.headers["x-eu"], answer.headers["retry-after"], answer.headers["x-us"]],
    [200, "fine", undefined, undefined, undefined, "1"],
  );
});

// https://github.com/varnishcache/varnish-cache/issues/4413 https://github.com/traefik/traefik/issues/8990 https://github.com/openresty/openresty/issues/200
test("a write whose connection dies is sent once, with a body or without, and its client is told that nobody knows", whole, async () => {
  for (const how of ["end", "resetAndDestroy"]) {
    const { near } = await startReported();
    const { path, seen } = place(({ response }) => void response.socket[how]());
    for (const [method, body] of [
      ["POST", undefined],
      ["POST", "x"],
      ["PATCH", "x"],
      ["PUT", "x"],
      ["DELETE", undefined],
    ]) {
      const before = seen.length;
      const answer = await near().request(method, path, { body });
      assert.deepEqual(
        [answer.status, answer.headers["homing-write-outcome"] ?? answer.headers["homing-reason"]],
        [503, answer.headers["homing-reason"] === "write-unknown" ? "unknown" : answer.headers["homing-write-outcome"]],
        `${method} ${how}`,
      );
      assert.ok(seen.length - before <= 1, `${method} ${how} was sent ${seen.length - before} times`);
    }
  }
});

test("a write that its region refuses with 502, 503 or 504 is sent once, and told in the region's words", whole, async () => {
  const { near } = await startReported();
  for (const status of [502, 503, 504]) {
    const { path, seen } = place(() => [status, { "retry-after": "9" }, "its words"]);
    const answer = await near().post(path, { a: 1 });
    assert.deepEqual([answer.status, answer.text, answer.headers["retry-after"], seen.length], [status, "its words", "9", 1]);
  }
});

// https://github.com/apache/trafficserver/pull/1404 https://github.com/haproxy/haproxy/issues/2751
test("a read that breaks is answered by another region, with its body if it has one", whole, async () => {
  const { near } = await startReported((vars) => vars.ROUTES.unshift({ match: "POST /place/*", access: "read" }));
  for (const how of ["end", "resetAndDestroy"]) {
    const { path, seen } = place(({ region, response, body }) =>
      region === "eu" ? void response.socket[how]() : [200, { "cache-control": "no-store" }, `got ${body}`],
    );
    for (const [method, body] of [
      ["GET", undefined],
      ["POST", "x".repeat(5000)],
    ]) {
      const answer = await near().request(method, path, { body });
      assert.deepEqual([answer.status, answer.text], [200, `got ${body ?? ""}`], `${method} ${how}`);
    }
    assert.ok(seen.length >= 3);
  }
});

// https://github.com/envoyproxy/envoy/issues/40697: the first byte comes too late, or never.
test("a region that is silent: reads are answered by another in time, and a write gets a 504 and is not sent again", whole, async () => {
  const { router, near } = await startReported((vars) => vars.ROUTES.unshift({ match: "/place/*", deadline: "1s" }));
  const { path, seen } = place(({ region, request }) =>
    region === "eu" || request.method !== "GET" ? new Promise(() => {}) : [200, { "cache-control": "no-store" }, "fine"],
  );
  // The region near never answers: who waited for it would get no answer at all.
  assert.equal((await near().get(path)).text, "fine");
  const answer = await near().post(path, {});
  assert.deepEqual(
    [answer.status, answer.headers["homing-write-outcome"], seen.filter(({ request }) => request.method === "POST").length],
    [504, "unknown", 1],
  );
  assert.match(answer.headers["proxy-status"], /error=http_response_timeout/);
  assert.equal((await circuit(router, "eu")).write.failures, 0);
});

// https://github.com/aptible/docker-nginx/pull/131: "no live upstreams".
test("while all regions fail each request still asks one, and the first after they are back is answered", whole, async () => {
  const { near } = await startReported();
  let up = false;
  const { path, seen } = place(({ response }) => (up ? [200, { "cache-control": "no-store" }, "fine"] : void response.socket.resetAndDestroy()));
  for (let n = 0; n < 15; n++) {
    const answer = await near().get(path);
    assert.equal(answer.status, 503);
    assert.match(answer.headers["retry-after"], /^\d+$/);
  }
  assert.ok(seen.length >= 15, `${seen.length} of 15`);
  up = true;
  assert.deepEqual([(await near().get(path)).text], ["fine"]);
});

// https://github.com/envoyproxy/envoy/pull/279, and what is written of retry storms.
test("a region that fails costs the other no more than one request for each, and in the end is not asked by all", whole, async () => {
  const { near } = await startReported();
  const { path, seen } = place(({ region }) => (region === "eu" ? [503, {}, ""] : [200, { "cache-control": "no-store" }, "fine"]));
  for (let n = 0; n < 40; n++) assert.equal((await near().get(path)).text, "fine");
  const of = (name) => seen.filter(({ region }) => region === name).length;
  assert.deepEqual([of("us"), of("eu") < 20], [40, true], `${of("eu")} at the one that fails`);
});

for (const [what, said] of Object.entries({
  nothing: "",
  "no HTTP": "220 mail ESMTP\r\n",
  "half a head": "HTTP/1.1 200 OK\r\nContent-Le",
  "an alert of TLS": "\x15\x03\x01\x00\x02\x02\x28",
  "a status that is none": "HTTP/1.1 abc\r\n\r\n",
})) {
  test(`a region that answers ${what} is passed over for reads, and its write is not repeated`, whole, async () => {
    const { near } = await startReported();
    const { path, seen } = place(({ region, request }) =>
      region === "eu" || request.method !== "GET" ? said : [200, { "cache-control": "no-store" }, "fine"],
    );
    assert.equal((await near().get(path)).text, "fine");
    const before = seen.length;
    const answer = await near().post(path, {});
    assert.ok([502, 503].includes(answer.status), `${answer.status}`);
    assert.ok(seen.length - before <= 1);
    const sound = place(() => [200, {}, "ok"]);
    assert.equal((await near("us").get(sound.path)).text, "ok");
  });
}

// https://github.com/haproxytech/kubernetes-ingress/issues/258 https://github.com/jcmoraisjr/haproxy-ingress/pull/334
test("a session that names a region that is gone, or a made-up one, is answered like a new one", whole, async () => {
  const { near } = await startReported();
  const { path } = place(({ region }) => [200, { "cache-control": "no-store" }, region], { under: "/wiki" });
  const pinned = seal(SESSION_KEY, { pins: [`w:wiki:mars:${Date.now() + 20_000}`] });
  const forged = pinned.slice(0, -3) + "AAA";
  for (const session of [seal(SESSION_KEY, { subject: "x", home: "mars", epoch: 3 }), pinned, forged, "junk", "2.a.b.c", "\u00e4", ""]) {
    const answer = await near().get(path, { headers: { cookie: `__Host-homing=${encodeURI(session)}; a=1` } });
    assert.deepEqual([answer.status, answer.text], [200, "eu"], session);
  }
});

// https://github.com/kubernetes/ingress-nginx/pull/4048
test("who is bound to a home that is down reads elsewhere or is told so, and is back there as soon as it is up", whole, async () => {
  const { near } = await startReported();
  let up = true;
  const { path } = place(
    ({ region, request, response }) => {
      if (region === "us" && !up) return void response.socket.resetAndDestroy();
      return [200, { "cache-control": "no-store", ...(request.method === "PUT" ? { "homing-wrote": "1" } : {}) }, region];
    },
    { under: "/wiki" },
  );
  const client = near();
  assert.equal((await client.put(path, {})).text, "us");
  assert.equal((await client.get(path)).text, "us", "its own write is there");
  up = false;
  const down = await client.get(path);
  assert.ok(down.status === 503 || (down.status === 200 && down.headers["homing-consistency"]), JSON.stringify(down.headers));
  assert.equal((await near().get(path)).text, "eu", "others read near");
  up = true;
  assert.equal((await client.get(path)).text, "us");
});

// https://github.com/kubernetes/ingress-nginx: preflights that fail with the backend that they never needed.
test("a preflight is answered near while home is down", whole, async () => {
  const { near } = await startReported();
  const { path } = place(
    ({ region, response }) => (region === "us" ? void response.socket.resetAndDestroy() : [204, { "access-control-allow-origin": "*" }, undefined]),
    { under: "/wiki" },
  );
  const answer = await near().request("OPTIONS", path, { headers: { origin: "https://a.example", "access-control-request-method": "PUT" } });
  assert.deepEqual([answer.status, answer.headers["access-control-allow-origin"]], [204, "*"]);
});

test("a range of an expired copy is cut from it when its origin confirms it, and is the new one's where it is new", whole, async () => {
  const { near } = await startReported();
  for (const confirmed of [true, false]) {
    const { path } = place(({ n, request }) => {
      if (n > 1 && confirmed && request.headers["if-none-match"]) return [304, { etag: '"1"', "cache-control": "max-age=60" }];
      if (n > 1 && request.headers.range) return [206, { etag: '"2"', "cache-control": "max-age=60", "content-range": "bytes 0-3/10" }, "abcd"];
      return n > 1 ? [200, { etag: '"2"', "cache-control": "max-age=60" }, "abcdefghij"] : [200, { etag: '"1"', "cache-control": "max-age=1" }, "0123456789"];
    });
    const cached = async () => (await near().get(path, { headers: { "cache-control": "only-if-cached" } })).status === 200;
    await near().get(path);
    await waitUntil(cached, "it is stored");
    await waitUntil(async () => !(await cached()), "it has expired");
    const part = await near().get(path, { headers: { range: "bytes=0-3" } });
    const expected = confirmed ? "0123" : "abcd";
    assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, expected, "bytes 0-3/10"], String(confirmed));
    assert.equal((await near().get(path)).text, confirmed ? "0123456789" : "abcdefghij");
  }
});

// https://github.com/openresty/openresty/issues/200 and its like ask who did it; a copy of before it must not answer meanwhile.
test("a write of which nobody knows whether it was done ends the copy, so that who looks sees what became of it", whole, async () => {
  const { near } = await startReported();
  let value = 1;
  const { path } = place(({ request, response }) =>
    request.method === "GET" ? [200, { "cache-control": "max-age=60" }, `value ${value}`] : (value++, void response.socket.resetAndDestroy()),
  );
  await near().get(path);
  await waitUntil(async () => /hit/.test((await near().get(path)).headers["cache-status"]), "it is stored");
  const client = near();
  assert.equal((await client.put(path, {})).headers["homing-write-outcome"], "unknown");
  for (const reader of [client, near()]) assert.equal((await reader.get(path)).text, "value 2");
});
