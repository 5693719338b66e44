// Regions that fail in odd ways, and clients that leave: who is asked again, what counts against whom, what others notice of it. Each case was
// made of a public bug report of what balances, retries and watches health.
import assert from "node:assert/strict";
import net from "node:net";
import { after, before } from "node:test";
import { FRONT, stopAll, waitUntil } from "./harness.mjs";
import { bytes, place, reported, reportedOfWorkerd, startReported, status } from "./reported.mjs";

let near, router;
before(async () => ({ near, router } = await startReported()));
after(stopAll);

const reason = (answer) => answer.headers["homing-reason"];
/** Which regions were asked, in order. A connection that was lost at once is tried there once more, for it may have been an idle one. */
const regions = (seen) => seen.map(({ region }) => region).filter((region, at, all) => region !== all[at - 1]);
/** Sends the beginning of a request of its own connection, and gives the connection. */
function begin(to, text) {
  const front = Object.entries({ ...FRONT, "homing-dev-near": "eu" }).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = net.connect(Number(to.url.port), "127.0.0.1", () => socket.write(text.replace("\r\n", `\r\nHost: ${to.url.host}\r\n${front.join("")}`)));
  return socket.on("error", () => {});
}
const breakOff = ({ response }) => void response.socket.destroy();

reported("https://github.com/dotnet/yarp/issues/2062", "clients that leave before their answer say nothing of their region", async () => {
  // With a ceiling the router hears at once of each that leaves, since it holds a place.
  const { near, router } = await startReported((vars) => Object.values(vars.REGIONS).forEach((region) => (region.ceiling = 1000)));
  let answered = false;
  const { path, seen } = place(() => (answered ? [200, {}, "ok"] : undefined));
  const leave = async (text, count) => {
    const before = seen.length;
    const sockets = Array.from({ length: count }, (_, n) => begin(router, text(n)));
    await waitUntil(() => seen.length >= before + count, "all have come");
    for (const socket of sockets) socket.resetAndDestroy();
    await waitUntil(async () => (await router.snapshot()).in_flight === 0, "none is left");
  };
  await leave((n) => `GET ${path}?${n} HTTP/1.1\r\n\r\n`, 40);
  assert.ok(
    regions(seen).every((region) => region === "eu"),
    "and nobody else was asked",
  );
  await leave(() => `POST ${path} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx`, 40);
  answered = true;
  const [read, write] = [await near().get(path), await near().post(path, "x")];
  assert.deepEqual([read.status, reason(read), write.status, reason(write)], [200, "nearest", 200, "default-home"]);
});

reported("https://github.com/traefik/traefik/pull/3285", "a write that a region has seen is sent once, however its answer fails to come", async () => {
  for (const [what, answer] of Object.entries({
    "broken off": breakOff,
    "half a head": () => "HTTP/1.1 200 OK\r\nX-Ha",
    "no HTTP": () => "SSH-2.0-OpenSSH_9.2\r\n",
    "a 502": () => [502, {}, "bad"],
    "a 503": () => [503, {}, "busy"],
    "nothing in time": () => undefined,
  })) {
    const { near } = await startReported();
    const { path, seen } = place(answer, { under: "/quick" });
    const got = await near().post(path, "x");
    assert.deepEqual([seen.length, got.headers["homing-write-outcome"], got.status >= 500], [1, "unknown", true], `${what}: ${got.status}`);
  }
});

reported("https://github.com/cloudflare/pingora/issues/979", "a write that may be repeated is, once, at its home, with the same key and bytes", async () => {
  const { near } = await startReported();
  const { path, seen } = place((one) => (one.n === 1 ? breakOff(one) : [200, {}, "done"]), { under: "/once" });
  const answer = await near().post(path, "body", { headers: { "idempotency-key": "k1" } });
  assert.deepEqual(
    [answer.status, reason(answer), regions(seen), seen.map(({ request, body }) => `${request.headers["idempotency-key"]} ${body}`)],
    [200, "retried", ["us"], ["k1 body", "k1 body"]],
  );
  const never = place(breakOff, { under: "/once" });
  await near().post(never.path, "body");
  assert.equal(never.seen.length, 1, "without a key it is not");
});

reported("https://github.com/traefik/traefik/pull/490", "a read that fails over has one answer, its own fields, and what was asked for", async () => {
  for (const [what, fail] of Object.entries({
    "broken off": breakOff,
    "a 503": () => [503, { "x-first": "1", "set-cookie": "first=1" }, "busy"],
    "no HTTP": () => "SSH-2.0-OpenSSH_9.2\r\n",
    "half a head": () => "HTTP/1.1 200 OK\r\nX-Ha",
  })) {
    const { near } = await startReported();
    const { path, seen } = place((one) =>
      one.region === "eu" ? fail(one) : [200, { "x-second": "1" }, `second ${one.request.headers.range} ${one.request.headers["accept-language"]}`],
    );
    const answer = await near().get(path, { headers: { range: "bytes=0-5", "accept-language": "de" } });
    assert.deepEqual(
      [answer.status, answer.text, answer.headers["x-first"], answer.headers["x-second"], answer.headers["set-cookie"]],
      [200, "second bytes=0-5 de", undefined, "1", undefined],
      what,
    );
    assert.deepEqual(regions(seen), ["eu", "us"], what);
  }
});

reported("https://github.com/caddyserver/caddy/issues/667", "one page that fails takes no other with it, and what is an answer is passed on", async () => {
  const { near } = await startReported();
  const [bad, good] = [place(() => [500, {}, "oops"]), place(() => [200, {}, "ok"])];
  for (let n = 0; n < 40; n++) assert.deepEqual([(await near().get(`${bad.path}?${n}`)).status], [500]);
  assert.deepEqual([regions(bad.seen).every((region) => region === "eu"), reason(await near().get(good.path))], [true, "nearest"]);
  for (const code of [400, 401, 403, 404, 405, 408, 409, 410, 416, 418, 425, 426, 428, 429, 451, 500, 501, 505, 507, 511]) {
    const { path, seen } = place(() => [code, { "retry-after": "9", "www-authenticate": "Basic" }, `own ${code}`]);
    for (const method of ["GET", "POST"]) {
      const answer = await near().request(method, path, { body: method === "POST" ? "x" : undefined });
      assert.deepEqual([answer.status, answer.text, answer.headers["retry-after"], answer.headers["www-authenticate"]], [code, `own ${code}`, "9", "Basic"]);
    }
    assert.equal(seen.length, 2, `${code} is asked for once each`);
  }
});

reported("https://github.com/dotnet/yarp/issues/498", "where all fail they are asked all the same, and are believed again as soon as they answer", async () => {
  const { near } = await startReported();
  let up = false;
  const { path } = place((one) => (up ? [200, {}, "ok"] : breakOff(one)));
  for (let n = 0; n < 12; n++) {
    const answer = await near().get(`${path}?${n}`);
    assert.deepEqual([answer.status, Number(answer.headers["retry-after"]) > 0], [503, true]);
  }
  up = true;
  for (let n = 0; n < 12; n++) assert.equal((await near().get(`${path}?up${n}`)).status, 200);
});

reported("https://github.com/unjs/unstorage/issues/219", "whoever waits for another's answer gets one, though that client leaves", async () => {
  let release;
  const gate = new Promise((resolve) => (release = resolve));
  const { path, seen } = place(async () => (await gate, [200, { "cache-control": "max-age=60" }, "body"]));
  const leader = begin(router, `GET ${path} HTTP/1.1\r\n\r\n`);
  await waitUntil(() => seen.length === 1, "the first has asked");
  const others = Array.from({ length: 10 }, () => near().get(path));
  await waitUntil(async () => (await router.snapshot()).in_flight === 11, "ten wait");
  leader.resetAndDestroy();
  await waitUntil(async () => (await router.snapshot()).in_flight <= 11, "it has gone");
  release();
  for (const answer of await Promise.all(others)) assert.deepEqual([answer.status, answer.text], [200, "body"]);
  assert.equal(seen.length, 1);
});

reported("https://github.com/cloudflare/pingora/issues/314", "a client that leaves in the middle of a body leaves no half of it to others", async () => {
  for (const length of [200_000, 3_000_000]) {
    const body = Buffer.alloc(length, "0123456789");
    let release;
    const gate = new Promise((resolve) => (release = resolve));
    const { path, seen } = place(async ({ n, response }) => {
      response.writeHead(200, { "cache-control": "max-age=60", etag: '"1"', "content-length": length });
      response.write(body.subarray(0, 100_000));
      if (n === 1) await gate;
      response.end(body.subarray(100_000));
    });
    const socket = begin(router, `GET ${path} HTTP/1.1\r\n\r\n`);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resetAndDestroy();
    release();
    for (let n = 0; n < 3; n++) {
      const whole = await near().get(path);
      assert.deepEqual([whole.status, whole.bytes.equals(body)], [200, true], `${length}: ${status(whole)}, ${whole.bytes.length} bytes`);
    }
    assert.ok(seen.length >= 1);
  }
});

reported(
  "https://github.com/nodejs/undici/issues/429",
  "a body that ends too early is seen to, is not mended with another region's, and stays nobody's",
  async () => {
    const { path, seen } = place(({ n, response }) => {
      if (n > 1) return [200, { "cache-control": "max-age=60", "content-length": 300_000 }, Buffer.alloc(300_000, "b")];
      response.writeHead(200, { "cache-control": "max-age=60", "content-length": 300_000 });
      response.write(Buffer.alloc(100_000, "a"), () => response.socket.destroy());
    });
    await assert.rejects(near().get(path), "the client can tell");
    const next = await near().get(path);
    assert.deepEqual([next.status, next.bytes.equals(Buffer.alloc(300_000, "b")), seen.length], [200, true, 2]);
  },
);

reported("https://github.com/traefik/traefik/pull/13520", "a WebSocket is tried once, and its region's failure is told", async () => {
  const { near: _, router: own } = await startReported();
  for (const answer of [breakOff, () => "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"]) {
    const { path, seen } = place((one) => (answer === breakOff ? void one.response.socket.destroy() : answer()));
    const came = await bytes(
      own,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    assert.match(came, /^HTTP\/1\.1 503 /);
    assert.match(came, /^retry-after: \d/im);
    assert.equal(seen.length, 1);
  }
});

reported(
  "https://github.com/linkerd/linkerd2/issues/6130",
  "a question with a body is asked elsewhere with all of it, and one that is too long to keep is not",
  async () => {
    const { near } = await startReported((vars) => vars.ROUTES.unshift({ match: "POST /ask/*", access: "read" }));
    const { path, seen } = place((one) => (one.region === "eu" ? breakOff(one) : [200, {}, String(one.body.length)]), { under: "/ask" });
    const answer = await near().post(path, "q".repeat(65_536));
    assert.deepEqual([answer.status, answer.text, regions(seen)], [200, "65536", ["eu", "us"]]);
    const before = seen.length;
    const long = await near().post(path, "q".repeat(65_537));
    assert.deepEqual([long.status, Number(long.headers["retry-after"]) > 0, seen.length - before], [503, true, 1], long.text);
  },
);

reported("https://core.trac.wordpress.org/ticket/31288", "an application is told how its client came, so that it sends nobody in circles", async () => {
  const { path, seen } = place(({ request }) =>
    request.headers["x-forwarded-proto"] === "http" ? [200, {}, "here"] : [301, { location: `http://shop.example${request.url}` }, ""],
  );
  const came = await bytes(
    router,
    `GET ${path} HTTP/1.1\r\nHost: Shop.Example:8080\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nForwarded: host=evil.example\r\n\r\n`,
  );
  assert.match(came, /^HTTP\/1\.1 200 /);
  const { headers } = seen[0].request;
  assert.deepEqual([headers["x-forwarded-host"], headers["x-forwarded-port"], /evil/.test(JSON.stringify(headers))], ["shop.example:8080", undefined, false]);
  assert.match(headers.forwarded, /host="?shop\.example:8080"?;proto=http/);
});

reportedOfWorkerd(
  "https://github.com/envoyproxy/gateway/issues/2882",
  "fields that are too long or too many, of a region or of a client, end that one request with a reason",
  async () => {
    const { near } = await startReported();
    const huge = place(() => [200, { "x-huge": "h".repeat(200_000) }, "ok"]);
    const many = place(() => [200, Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-${n}`, "1"])), "ok"]);
    const [long, numerous] = [await near().get(huge.path), await near().get(many.path)];
    assert.deepEqual([long.status, reason(long)], [503, "all-regions-failed"], "workerd takes no head of that length");
    assert.deepEqual([numerous.status, numerous.headers["x-299"], numerous.text], [200, "1", "ok"]);
    for (const [what, headers] of /** @type {any[][]} */ ([
      ["one too long", { cookie: `a=${"x".repeat(40_000)}` }],
      ["too many", Object.fromEntries(Array.from({ length: 140 }, (_, n) => [`x-${n}`, "1"]))],
    ])) {
      const answer = await near().get(many.path, { headers });
      assert.deepEqual([answer.status, reason(answer)], [431, "headers-too-large"], what);
    }
    assert.equal(reason(await near().get(place(() => [200, {}, "ok"]).path)), "nearest");
  },
);

reported("https://github.com/pelias/api/issues/296", "a script of another origin can read what the router says of a failure", async () => {
  const { near } = await startReported();
  const { path } = place(breakOff);
  for (const method of ["GET", "POST"]) {
    const { status, headers } = await near().request(method, path, { headers: { origin: "https://elsewhere.example" } });
    assert.deepEqual([status, headers["access-control-allow-origin"], headers["access-control-allow-credentials"]], [503, "*", undefined]);
    assert.match(headers["access-control-expose-headers"], /homing-write-outcome/);
  }
});
