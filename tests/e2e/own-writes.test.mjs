// Who has written reads it, and who is stuck to a region that is gone is not: sessions, redirects, replays. Each case was made of a public
// bug report of what sticks clients to servers and sends writes to primaries.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { seal, stopAll, subjectId, waitUntil } from "./harness.mjs";
import { SESSION_KEY, bytes, isHit, place, reported, startReported, values } from "./reported.mjs";

let near, router;
before(async () => ({ near, router } = await startReported()));
after(stopAll);

const reason = (answer) => answer.headers["homing-reason"];
const pinned = (answer) => values(answer, "set-cookie").some((line) => line.startsWith("__Host-homing="));
/** A place whose writes are at the home alone, and whose reads say which region has made them. */
const written = (under, write = (..._) => [200, {}, "written"], read = (..._) => [200, {}, ""]) =>
  place((one) => (["GET", "HEAD"].includes(one.request.method) ? [read(one)[0], read(one)[1], one.region] : write(one)), { under });

reported("https://github.com/superfly/litefs/issues/301", "what a POST redirects to shows what it wrote, by whatever status and address", async () => {
  for (const code of [302, 303, 307])
    for (const to of [(path) => path, (path) => `${path}?done=1`, (path) => `./${path.split("/").at(-1)}`]) {
      const { path } = written("/wiki", () => [code, { location: to(path) }, ""]);
      const client = near();
      const moved = await client.post(path, "x");
      assert.equal(moved.status, code);
      const read = await client.get(new URL(moved.headers.location, new URL(path, "http://x")).pathname);
      assert.deepEqual([read.text, reason(read)], ["us", "pinned-home"], `${code} to ${moved.headers.location}`);
    }
});

reported("https://github.com/rails/rails/issues/41932", "a client without cookies reads its own writes by the field that it was given", async () => {
  const { path } = written("/wiki");
  const first = await near("eu", { "homing-session": "-" }).post(path, "x");
  assert.deepEqual([pinned(first), typeof first.headers["homing-session"]], [false, "string"]);
  assert.equal((await near("eu", { "homing-session": first.headers["homing-session"] }).get(path)).text, "us");
  assert.equal((await near().get(path)).text, "eu", "nobody else is sent home");
});

reported("https://github.com/superfly/fly-ruby/issues/3", "a read that was sent home for a write makes no new pin, so that the last one ends", async () => {
  const { path } = written("/wiki");
  const client = near();
  await client.post(path, "x");
  const before = client.cookies.get("__Host-homing");
  for (let n = 0; n < 5; n++) assert.ok(!pinned(await client.get(path)));
  assert.equal(client.cookies.get("__Host-homing"), before);
});

reported(
  "https://github.com/jbalogh/django-multidb-router/pull/2",
  "a GET that has written pins if its region says so, a POST that has not does not, and neither does a refusal",
  async () => {
    for (const [method, code, fields, pins] of [
      ["GET", 200, { "homing-wrote": "1" }, true],
      ["GET", 200, {}, false],
      ["POST", 200, { "homing-wrote": "0" }, false],
      ["POST", 400, {}, false],
      ["POST", 422, {}, false],
      ["POST", 500, {}, true],
      ["DELETE", 204, {}, true],
      ["PATCH", 200, {}, true],
      ["OPTIONS", 204, {}, false],
      ["HEAD", 200, {}, false],
      ["POST", 302, {}, true],
    ]) {
      const { path } = place(() => [code, fields, ""], { under: "/wiki" });
      assert.equal(pinned(await near().request(method, path)), pins, `${method} ${code} ${JSON.stringify(fields)}`);
    }
  },
);

reported("https://github.com/Nasdaq/active_record_proxy_adapters/issues/4", "a write to one kind of data sends the reads of no other home", async () => {
  const [wiki, shop] = [written("/wiki"), written("/shop")];
  const client = near();
  await client.post(wiki.path, "x");
  assert.deepEqual(
    [(await client.get(wiki.path)).text, (await client.get(shop.path)).text, (await client.get(place(() => [200]).path)).status],
    ["us", "eu", 200],
  );
  await client.post(shop.path, "x");
  assert.deepEqual([(await client.get(wiki.path)).text, (await client.get(shop.path)).text], ["us", "us"], "and the second write keeps the first one's pin");
});

reported("https://github.com/dmm-com/pagoda/pull/238", "who has just signed in is known at once, wherever the next page is read", async () => {
  const { path } = place(
    ({ request, region }) =>
      request.method === "POST"
        ? [303, { location: "/cart/x", "homing-subject": "ada", "set-cookie": "app=ada; Path=/" }, ""]
        : [200, {}, `${region} ${request.headers.cookie} ${request.headers["homing-subject"]}`],
    { under: "/cart" },
  );
  const client = near();
  const login = await client.post(path, "x");
  assert.deepEqual([login.status, values(login, "set-cookie").length], [303, 2]);
  const page = await client.get(path);
  assert.match(page.text, new RegExp(`^(us|eu) app=ada ${subjectId("user", "ada")}$`));
});

reported("https://github.com/traefik/traefik/issues/1299", "a session of a region that is no more is nobody's prison", async () => {
  const { path } = place(({ region, request }) => [200, {}, `${region} ${request.headers.cookie}`], { under: "/cart" });
  const session = seal(SESSION_KEY, { subject: subjectId("user", "grace"), home: "mars", epoch: 3 });
  const client = near();
  client.cookies.set("__Host-homing", session);
  client.cookies.set("app", "1");
  for (const method of ["GET", "POST"]) {
    const answer = await client.request(method, path, { body: method === "POST" ? "x" : undefined });
    assert.deepEqual([answer.status, /^(us|eu) app=1$/.test(answer.text)], [200, true], `${method}: ${answer.status} ${reason(answer)} ${answer.text}`);
  }
});

reported(
  "https://github.com/traefik/traefik/issues/1574",
  "an application's cookies pass as they are, whatever stands beside them; the router's own never",
  async () => {
    const { path, seen } = place(() => [200, {}, "ok"]);
    for (const [cookie, left] of [
      ["a=1; __Host-homing=x; b=2", "a=1; b=2"],
      ["__Host-homing=x", undefined],
      ['q="x; y"; c=d=e; flag; =z', 'q="x; y"; c=d=e; flag; =z'],
      ["a=1;b=2;__Host-homing=x;c=3", "a=1;b=2;c=3"],
      ["homing=1; __Host-homing2=y; x__Host-homing=z", "homing=1; __Host-homing2=y; x__Host-homing=z"],
      ["a=%20+;b=é".replace("é", "\xe9"), "a=%20+;b=\xe9"],
      [`big=${"x".repeat(6000)}`, `big=${"x".repeat(6000)}`],
    ]) {
      const came = await bytes(router, `GET ${path} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`);
      assert.match(came, /^HTTP\/1\.1 200 /, cookie);
      const got = seen.at(-1).request.headers.cookie;
      assert.equal(got?.replace(/;\s*/g, "; "), left?.replace(/;\s*/g, "; "), cookie);
    }
  },
);

reported(
  "https://github.com/caddyserver/cache-handler/issues/124",
  "an answer with a session in it is for no cache behind the router, by whatever field it was to be kept",
  async () => {
    const { path } = place(
      () => [
        200,
        {
          "cache-control": "public, max-age=600",
          "cdn-cache-control": "max-age=600",
          "surrogate-control": "max-age=600",
          "cloudflare-cdn-cache-control": "max-age=600",
          "x-accel-expires": "600",
          expires: new Date(Date.now() + 6e5).toUTCString(),
        },
        "ok",
      ],
      { under: "/wiki" },
    );
    const answer = await near().post(path, "x");
    assert.ok(pinned(answer));
    assert.match(answer.headers["cache-control"], /private/);
    assert.doesNotMatch(answer.headers["cache-control"], /public/);
    for (const name of ["cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control", "x-accel-expires"])
      assert.equal(answer.headers[name], undefined, name);
  },
);

reported("https://github.com/superset-sh/superset/pull/4114", "two regions that name each other as the owner end it after one hop", async () => {
  // What regions say of owners is remembered: a router of its own for each of these.
  const { near } = await startReported();
  const { path, seen } = place(({ region }) => [421, { "homing-home": region === "us" ? "eu" : "us", "homing-epoch": region === "us" ? "2" : "3" }, ""], {
    under: "/wiki",
  });
  const answer = await near().post(path, "x");
  assert.deepEqual([answer.status, answer.headers["homing-write-outcome"], seen.map(({ region }) => region)], [503, "refused", ["us", "eu"]], answer.text);
  const own = place(({ region }) => [421, { "homing-home": region, "homing-epoch": "9" }, ""], { under: "/shop" });
  const again = await near().post(own.path, "x");
  assert.deepEqual([again.status, own.seen.length <= 2], [503, true], "nor does one that names itself");
});

reported("https://github.com/linkerd/linkerd2/issues/15649", "what is sent again has the bytes that were sent first, once", async () => {
  for (const length of [0, 1, 65_536]) {
    const { near } = await startReported();
    const body = Buffer.alloc(length, "ab");
    const { path, seen } = place(({ region }) => (region === "us" ? [421, { "homing-home": "eu", "homing-epoch": "2" }, ""] : [200, {}, "moved"]), {
      under: "/wiki",
    });
    const answer = await near().put(path, body);
    assert.deepEqual([answer.status, seen.map(({ region }) => region)], [200, ["us", "eu"]], `${length} bytes: ${answer.text}`);
    for (const { body: got } of seen) assert.ok(got.equals(body), `${got.length} of ${length} bytes`);
  }
});

reported("https://github.com/superfly/litefs/issues/433", "a body that cannot be sent again is refused before anything was done, and says so", async () => {
  const { near } = await startReported();
  const { path, seen } = place(({ region }) => (region === "us" ? [421, { "homing-home": "eu", "homing-epoch": "2" }, ""] : [200, {}, "moved"]), {
    under: "/wiki",
  });
  const answer = await near().put(path, "x".repeat(200_000));
  assert.deepEqual([answer.status, answer.headers["homing-write-outcome"], seen.length], [503, "refused", 1], answer.text);
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  const again = await near().put(path, "x".repeat(200_000));
  assert.deepEqual([again.status, again.text, seen.at(-1).body.length], [200, "moved", 200_000], "and the next goes to whom it should");
});

reported(
  "https://github.com/jbalogh/django-multidb-router/issues/46",
  "a stored page of before the write is not its writer's page, nor anybody's at that data centre",
  async () => {
    let text = "old";
    const { path } = place(({ request }) => (request.method === "GET" ? [200, { "cache-control": "max-age=600" }, text] : ((text = "new"), [204])), {
      under: "/wiki",
    });
    await near().get(path);
    await waitUntil(async () => isHit(await near().get(path)), "it is stored");
    const writer = near();
    await writer.put(path, "x");
    for (const reader of [writer, near(), near("us")]) assert.equal((await reader.get(path)).text, "new");
  },
);

reported(
  "https://github.com/dotnet/yarp/pull/235",
  "while the home of a pinned reader fails, it is told so or shown something older that says so, and keeps its session",
  async () => {
    let up = true;
    const answer = ({ region, request }) =>
      region === "us" && !up
        ? undefined
        : request.method === "GET"
          ? [200, { "homing-position": "catalog=1" }, region]
          : [200, { "homing-position": "catalog=7", "homing-home": "us", "homing-epoch": "1" }, "written"];
    const broken = (one) => answer(one) ?? (one.response.socket.destroy(), undefined);
    const [wiki, catalog] = [place(broken, { under: "/wiki" }), place(broken, { under: "/catalog" })];
    const client = near();
    await client.post(wiki.path, "x");
    await client.post(catalog.path, "x");
    up = false;
    const refused = await client.get(wiki.path);
    assert.deepEqual([refused.status, Number(refused.headers["retry-after"]) > 0], [503, true], refused.text);
    const stale = await client.get(catalog.path);
    assert.deepEqual([stale.status, stale.text, /^stale/.test(stale.headers["homing-consistency"])], [200, "eu", true]);
    up = true;
    const back = await waitUntil(async () => {
      const answer = await client.get(wiki.path);
      return answer.status === 200 && answer;
    }, "home is back");
    assert.equal(back.text, "us", "the pin is still there");
  },
);

reported("https://github.com/traefik/traefik/issues/6261", "the session's cookie is for its host alone, over TLS, and lives as long as it says", async () => {
  const { path } = written("/wiki");
  const [line] = values(await near().post(path, "x"), "set-cookie");
  assert.match(line, /^__Host-homing=[^;]+; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/);
  assert.ok(line.length < 1100);
});
