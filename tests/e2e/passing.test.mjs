// What a region says and what a client says passes the router as it is: statuses, fields, bodies, addresses. Each case was made of a
// public bug report of another proxy, or of what Workers stand on.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { stopAll, waitUntil } from "./harness.mjs";
import { bytes, isHit, lines, place, reported, reportedOfWorkerd, startReported, values } from "./reported.mjs";

let router, regions, near;
before(async () => ({ router, regions, near } = await startReported()));
after(stopAll);

/** A GET as bytes. */
const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: shop.example", "Connection: close", ...fields, "", ""].join("\r\n");

reported("https://github.com/cmorten/oak-http-proxy/issues/4", "an answer without a body stays one, whatever its fields say of a length", async () => {
  for (const [code, line] of [
    [204, "204 No Content"],
    [205, "205 Reset Content"],
    [304, "304 Not Modified"],
  ]) {
    const { path } = place(
      () =>
        `HTTP/1.1 ${line}\r\nETag: "1"\r\nX-Own: 1\r\n${code === 304 ? "Content-Length: 5\r\n" : code === 205 ? "Content-Length: 0\r\n" : ""}Connection: close\r\n\r\n`,
    );
    const answer = await near().get(path, { headers: { "if-none-match": '"1"' } });
    assert.deepEqual([answer.status, answer.text, answer.headers["x-own"]], [code, "", "1"]);
  }
});

reported("https://github.com/http-party/node-http-proxy/issues/1101", "cookies keep their lines, their order and their commas", async () => {
  const cookies = [
    "a=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT; Path=/",
    "a=2; Path=/api",
    "b=x, y=z; Path=/",
    'c="q,;"',
    "d=",
    "__Secure-e=1; Secure; SameSite=None; Partitioned",
  ];
  const { path } = place(() => [200, { "set-cookie": cookies }, "ok"]);
  for (const method of ["GET", "POST"])
    assert.deepEqual(values(await near().request(method, path, { body: method === "POST" ? "x" : undefined }), "set-cookie"), cookies);
});

reported("https://github.com/cloudflare/pingora/issues/866", "no redirect is followed, and each keeps its body and its address", async () => {
  for (const code of [300, 301, 302, 303, 305, 307, 308]) {
    const { path, seen } = place(() => [code, code === 300 ? {} : { location: "../elsewhere?a=%2F#top" }, "moved"]);
    for (const method of ["GET", "POST"]) {
      const answer = await near().request(method, path, { body: method === "POST" ? "x" : undefined });
      assert.deepEqual([answer.status, answer.headers.location, answer.text], [code, code === 300 ? undefined : "../elsewhere?a=%2F#top", "moved"]);
    }
    assert.equal(seen.length, 2);
  }
});

reported(
  "https://github.com/chimurai/http-proxy-middleware/issues/970",
  "a cookie for the region's own host is for the public one, and other domains stay whole",
  async () => {
    const { path } = place(() => [
      200,
      { "set-cookie": ["a=1; domain=127.0.0.1; path=/", "b=1; Domain=.example.com", "c=domain=127.0.0.1; Path=/", "d=1; Domain=7.0.0.1"] },
      "ok",
    ]);
    const came = values(await near().get(path, { headers: { host: "shop.example" } }), "set-cookie");
    assert.deepEqual(came.slice(1), ["b=1; Domain=.example.com", "c=domain=127.0.0.1; Path=/", "d=1; Domain=7.0.0.1"]);
    assert.doesNotMatch(came[0], /127\.0\.0\.1/);
  },
);

reported(
  "https://github.com/chimurai/http-proxy-middleware/issues/1121",
  "a HEAD says the length that its origin says, and none where it says none",
  async () => {
    const { path } = place(({ request }) =>
      request.url.endsWith("?none")
        ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 1234567\r\nConnection: close\r\n\r\n",
    );
    const ask = async (query) => bytes(router, get(path + query).replace("GET", "HEAD"));
    const [said, none] = [await ask(""), await ask("?none")];
    assert.deepEqual([lines(said, "content-length"), said.split("\r\n\r\n")[1]], [["1234567"], ""]);
    assert.deepEqual([lines(none, "content-length"), none.split("\r\n\r\n")[1]], [[], ""]);
  },
);

reportedOfWorkerd(
  "https://github.com/cloudflare/workerd/issues/5112",
  "a coded body keeps its bytes and its coding, whether or not it was asked for",
  async () => {
    const text = "a page that somebody has coded ".repeat(50);
    const codings = {
      gzip: gzipSync(text),
      br: brotliCompressSync(text),
      "x-gzip": gzipSync(text),
      zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 0, 0]),
      "gzip, br": brotliCompressSync(gzipSync(text)),
      "aws-chunked": Buffer.from("4\r\nabcd"),
      gZip: gzipSync(text),
    };
    for (const [coding, body] of Object.entries(codings)) {
      for (const accepts of [{ "accept-encoding": "gzip, br, zstd" }, { "accept-encoding": "identity" }, {}]) {
        const { path } = place(() => [200, { "content-encoding": coding, "content-length": body.length }, body]);
        const answer = await near().get(path, { headers: accepts });
        assert.deepEqual(
          [answer.status, answer.headers["content-encoding"], answer.bytes.equals(body)],
          [200, coding, true],
          `${coding}, asked for ${JSON.stringify(accepts)}`,
        );
      }
    }
  },
);

reportedOfWorkerd(
  "https://github.com/cloudflare/workers-sdk/issues/14419",
  "what says gzip and is not passes as it is, and so does an empty body",
  async () => {
    for (const body of ["this is no gzip", ""]) {
      const { path } = place(() => [200, { "content-encoding": "gzip", "content-length": body.length, "cache-control": "max-age=60" }, body]);
      for (let n = 0; n < 3; n++) {
        const answer = await near().get(path, { headers: { "accept-encoding": "gzip" } });
        assert.deepEqual([answer.status, answer.headers["content-encoding"], answer.text], [200, "gzip", body]);
      }
    }
  },
);

reported(
  "https://github.com/caddyserver/caddy/issues/6293",
  "an event reaches its client as it is sent, coded or not, whatever the client accepts",
  async () => {
    for (const fields of [{}, { "cache-control": "no-cache" }, { "cache-control": "max-age=60" }]) {
      let go;
      const { path } = place(({ response }) => {
        response.writeHead(200, { "content-type": "text/event-stream", ...fields });
        response.write("data: 1\n\n");
        go = () => response.end("data: 2\n\n");
      });
      const response = await near().get(path, { headers: { accept: "text/event-stream", "accept-encoding": "gzip" }, raw: true });
      const came = [];
      for await (const piece of response) {
        came.push(String(piece));
        go(); // only once the first is here
      }
      assert.deepEqual(came, ["data: 1\n\n", "data: 2\n\n"], JSON.stringify(fields));
    }
  },
);

reported(
  "https://github.com/cloudflare/workers-sdk/issues/1767",
  "a WebSocket has the one protocol that its region has chosen, and the fields beside it",
  async () => {
    const { path, seen } = place(({ request, response }) => {
      const { createHash } = globalThis.process.getBuiltinModule("node:crypto");
      const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      response.socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat.v2\r\nSet-Cookie: ws=1\r\n\r\n`,
      );
      response.socket.write(Buffer.from([0x81, 2, 0x68, 0x69]));
    });
    const came = await bytes(
      router,
      get(
        path,
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: chat.v1, chat.v2",
      ).replace("Connection: close", "Connection: keep-alive, Upgrade"),
      (text) => text.endsWith("hi"),
    );
    assert.match(came, /^HTTP\/1\.1 101 /);
    assert.deepEqual([lines(came, "sec-websocket-protocol"), lines(came, "set-cookie").filter((line) => line.startsWith("ws="))], [["chat.v2"], ["ws=1"]]);
    assert.equal(seen[0].request.headers["sec-websocket-protocol"].replace(/\s/g, ""), "chat.v1,chat.v2");
  },
);

reported("https://github.com/cloudflare/miniflare/issues/229", "a WebSocket that its region refuses is answered with the refusal", async () => {
  const { path } = place(
    () =>
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="ws"\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"who":"you?"}',
  );
  const came = await bytes(
    router,
    get(path, "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").replace(
      "Connection: close",
      "Connection: Upgrade",
    ),
    (text) => text.includes("you?"),
  );
  assert.match(came, /^HTTP\/1\.1 401 /);
  assert.deepEqual(
    [lines(came, "www-authenticate"), lines(came, "content-type"), /\{"who":"you\?"\}/.test(came)],
    [['Bearer realm="ws"'], ["application/json"], true],
  );
});

reportedOfWorkerd(
  "https://github.com/traefik/traefik/issues/684",
  "a path reaches its region in the form in which its client wrote it, encoded slashes and all",
  async () => {
    const { path, seen } = place(() => [200, {}, "ok"]);
    const tails = [
      "/http%3A%2F%2Flocalhost%3A8000%2Fmanage/",
      "/a%2Fb",
      "/a+b%20c%2Bd",
      "/%E2%9C%93",
      "/a:b@c!$&'()*,;=",
      "/?",
      "/?a=b+c%20d%2B&&=&x",
      "/?q=http://x/?y=1",
      "/?a=%00%zz",
      "/..%2fx",
      "/%25",
      "/%2525",
    ];
    for (const tail of tails) {
      const came = await bytes(router, get(path + tail));
      assert.match(came, /^HTTP\/1\.1 200 /, tail);
      // The digits of an encoding are in upper case in the final form, and a % that begins none is %25 (docs/targets.md).
      assert.equal(seen.at(-1).request.url, path + tail.replace("%2f", "%2F"), tail);
    }
  },
);

reportedOfWorkerd("https://github.com/traefik/traefik/issues/1966", "a path of two slashes is a path and no host", async () => {
  const { path, seen } = place(() => [200, {}, "ok"]);
  const came = await bytes(router, get(`/${path}`));
  assert.match(came, /^HTTP\/1\.1 200 /);
  assert.deepEqual(
    seen.map(({ request }) => [request.url, request.headers.host === new URL(regions.eu).host || request.headers.host]),
    [[`/${path}`, true]],
  );
});

reported("https://github.com/cloudflare/pingora/issues/265", "the answer to an OPTIONS or a HEAD is nobody's answer to a GET", async () => {
  for (const method of ["OPTIONS", "HEAD"]) {
    const { path } = place(({ request }) => [200, { "cache-control": "public, max-age=60", allow: "GET" }, request.method === "GET" ? "whole" : ""]);
    for (let n = 0; n < 2; n++) await near().request(method, path);
    assert.equal((await near().get(path)).text, "whole", method);
    await waitUntil(async () => isHit(await near().get(path)), "it is stored");
    assert.equal((await near().get(path)).text, "whole", method);
  }
});

reportedOfWorkerd("https://github.com/caddyserver/caddy/issues/1051", "a region's other doors (Alt-Svc) are not the router's", async () => {
  const { path } = place(() => [200, { "alt-svc": 'h3=":8443"; ma=2592000', "cache-control": "max-age=60" }, "ok"]);
  assert.equal((await near().get(path)).headers["alt-svc"], undefined);
  const hit = await waitUntil(async () => {
    const answer = await near().get(path);
    return isHit(answer) && answer;
  }, "it is stored");
  assert.equal(hit.headers["alt-svc"], undefined);
});

reportedOfWorkerd(
  "https://github.com/httpwg/http2-spec/issues/789",
  "an offer to upgrade, and what Connection names, end at the hop that they are for",
  async () => {
    const { path } = place(
      () =>
        "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTrailer: X-T\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    const { headers } = await near().get(path);
    for (const name of ["upgrade", "x-hop", "proxy-connection"]) assert.equal(headers[name], undefined, name);
    assert.equal(headers["x-end"], "1");
  },
);

reportedOfWorkerd("https://github.com/diennea/carapaceproxy/issues/484", "a client's offer of h2c ends at the router, and its request goes on", async () => {
  const { path, seen } = place(() => [200, {}, "ok"]);
  const came = await bytes(
    router,
    get(path, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA").replace("Connection: close", "Connection: Upgrade, HTTP2-Settings"),
    (text) => /\r\n\r\n[\s\S]*ok/.test(text),
  );
  assert.match(came, /^HTTP\/1\.1 200 /);
  const { headers } = seen[0].request;
  assert.deepEqual([headers.upgrade, headers["http2-settings"]], [undefined, undefined]);
});

reportedOfWorkerd(
  "https://github.com/http-party/node-http-proxy/issues/960",
  "a write without a body is sent with a length of nothing, and not in chunks",
  async () => {
    const { path, seen } = place(() => [204]);
    for (const [method, field] of [
      ["DELETE"],
      ["DELETE", "Content-Length: 0"],
      ["POST", "Content-Length: 0"],
      ["PUT", "Content-Length: 0"],
      ["POST"],
      ["PATCH", "Content-Length: 0"],
      ["OPTIONS"],
      ["OPTIONS", "Content-Length: 0"],
    ]) {
      const came = await bytes(router, get(path, ...(field ? [field] : [])).replace("GET", method));
      assert.match(came, /^HTTP\/1\.1 204 /, method);
      const { headers } = seen.at(-1).request;
      assert.deepEqual([headers["transfer-encoding"], headers["content-length"] ?? "0"], [undefined, "0"], `${method} ${field}`);
    }
  },
);

reported("https://github.com/hapijs/h2o2/issues/124", "a body reaches its region with every method that may have one", async () => {
  const { path, seen } = place(() => [200, {}, "ok"]);
  for (const method of ["DELETE", "OPTIONS", "PROPFIND", "QUERY", "PATCH", "PUT"]) {
    const answer = await near().request(method, path, { body: '{"ids":[1,2]}' });
    if (answer.status === 501) continue; // workerd knows no such method
    assert.deepEqual([answer.status, String(seen.at(-1).body), seen.at(-1).request.method], [200, '{"ids":[1,2]}', method]);
  }
});

reported("https://github.com/dotnet/yarp/issues/2731", "an early refusal of an upload reaches its client, from a region that goes on reading", async () => {
  // Of a region that resets the connection workerd mostly loses the answer, with and without a router (docs/limits.md).
  const { path } = place(
    ({ request, response }) => {
      request.once("data", () => (response.writeHead(413, { "content-type": "text/plain" }).end("too much"), request.resume()));
    },
    { streams: true },
  );
  for (const length of [100_000, 3_000_000]) {
    const answer = await near().post(path, "x".repeat(length));
    assert.deepEqual([answer.status, answer.text], [413, "too much"], `${length} bytes; ${answer.text}`);
  }
});
