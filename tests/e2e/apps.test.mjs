// What applications and frameworks say of caching, rightly and wrongly, and what their users may see of each other. Each case was made of a
// public bug report: of a cache that kept what it should not, or did not keep what it could.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { gzipSync } from "node:zlib";
import { stopAll, waitUntil } from "./harness.mjs";
import { isHit, place, reported, reportedOfWorkerd, startReported, status, values } from "./reported.mjs";

let near;
before(async () => ({ near } = await startReported()));
after(stopAll);

/** Asks until the copy answers, which is stored behind the answer. */
const hit = (path, options) =>
  waitUntil(async () => {
    const answer = await near().get(path, options);
    return isHit(answer) && answer;
  }, `${path} is stored`);
/** Asks three times; no answer may come from a copy. */
async function neverStored(answer, why, options = [{}, {}, {}], under) {
  const { path, seen } = place(answer, under);
  for (const each of options) {
    const got = await near().get(path, each);
    assert.ok(!isHit(got) && !/collapsed;/.test(status(got)), `${why}: ${status(got)}`);
  }
  assert.ok(seen.length >= options.length, why);
}
const SECOND = 1000;
const date = (ms) => new Date(Date.now() + ms).toUTCString();

reported("https://github.com/sidekiq/sidekiq/issues/5936", "a public asset that sets a session cookie is stored for nobody", async () => {
  for (const control of ["public, max-age=31536000", "public, max-age=31536000, immutable", "max-age=60", "no-cache"])
    await neverStored(({ n }) => [200, { "cache-control": control, "set-cookie": `_session=${n}; HttpOnly`, etag: '"1"' }, "js"], control);
});

reported("https://github.com/guardian/membership-frontend/pull/264", "a page with one visitor's token is no other visitor's page", async () => {
  // A framework that says nothing of caching, and what Rails, Django and Laravel say; the last has a date to guess by.
  for (const fields of [
    {},
    { "cache-control": "max-age=0, private, must-revalidate", etag: '"1"' },
    { "cache-control": "no-cache, private" },
    { vary: "Cookie", "last-modified": date(-864000 * SECOND) },
    { "last-modified": date(-864000 * SECOND) },
  ]) {
    const { path } = place(({ request }) => [200, fields, `token of ${request.headers.cookie}`]);
    for (const who of ["a=1", "a=2", "a=1", "a=3"])
      assert.equal((await near().get(path, { headers: { cookie: who } })).text, `token of ${who}`, JSON.stringify(fields));
  }
});

reported("https://github.com/vercel/next.js/pull/49140", "the data of a page and the page are two things at one address", async () => {
  const { path, seen } = place(({ request }) =>
    request.headers.rsc
      ? [
          200,
          { vary: "rsc, next-router-state-tree, next-router-prefetch", "content-type": "text/x-component", "cache-control": "s-maxage=60" },
          `data ${request.headers["next-router-state-tree"]}`,
        ]
      : [200, { vary: "rsc, next-router-state-tree, next-router-prefetch", "content-type": "text/html", "cache-control": "s-maxage=60" }, "page"],
  );
  const rsc = (tree) => ({ headers: { rsc: "1", "next-router-state-tree": tree } });
  for (let n = 0; n < 3; n++)
    for (const [expected, options] of /** @type {any[][]} */ ([
      ["page", {}],
      ["data a", rsc("a")],
      ["data b", rsc("b")],
    ]))
      assert.equal((await near().get(path, options)).text, expected);
  await hit(path);
  await hit(path, rsc("b"));
  assert.ok(seen.length <= 6, `asked ${seen.length} times`);
});

reported("https://github.com/darkweak/souin/issues/192", "each visitor gets what was made for it, however many a Vary tells apart", async () => {
  for (const [vary, name] of /** @type {any[][]} */ ([
    ["User-Agent", "user-agent"],
    ["Accept, Origin", "origin"],
    ["X-Theme", "x-theme"],
  ])) {
    const { path } = place(({ request }) => [200, { vary, "cache-control": "max-age=60" }, `for ${request.headers[name]}`]);
    for (let round = 0; round < 2; round++)
      for (let n = 0; n < 20; n++) assert.equal((await near().get(path, { headers: { [name]: `https://${n}.example` } })).text, `for https://${n}.example`);
    assert.equal((await near().get(path)).text, "for undefined");
  }
});

reported("https://github.com/seaweedfs/seaweedfs/issues/7544", "a permission for one origin (CORS) is not another one's", async () => {
  const { path } = place(({ request }) => [
    200,
    { vary: "Origin", "access-control-allow-origin": request.headers.origin ?? "none", "cache-control": "max-age=60" },
    "ok",
  ]);
  for (const origin of [undefined, "https://a.example", "https://b.example", undefined, "https://a.example"]) {
    const answer = await near().get(path, { headers: origin ? { origin } : {} });
    assert.equal(answer.headers["access-control-allow-origin"], origin ?? "none");
  }
});

reported(
  "https://github.com/cloudflare/cloudflare-docs/issues/6175",
  "a Vary of everything, alone, among others or in a line of its own, is stored for nobody",
  async () => {
    for (const vary of ["*", "Accept, *", ["Accept", "*"], "*, Cookie"])
      await neverStored(() => [200, { vary, "cache-control": "max-age=60" }, "x"], String(vary));
  },
);

reported("https://github.com/darkweak/souin/issues/805", "words that forbid storing are heard in any line, case and company", async () => {
  const forbid = [
    ["public, max-age=60", "no-store"],
    ["max-age=60", "PRIVATE"],
    "max-age=60 , Private",
    "max-age=60,,,no-store",
    "no-store, max-age=60, public",
    'max-age=60, private=""',
    "s-maxage=0, max-age=60",
    "max-age=60, max-age=0",
    "max-age=-1",
    "max-age=60.5",
    'max-age="x"',
    "max-age=",
    "max-age",
    "max-age=0060s",
  ];
  for (const control of forbid) await neverStored(() => [200, { "cache-control": control, "last-modified": date(-864000 * SECOND) }, "x"], String(control));
});

reported("https://github.com/lift/framework/issues/924", "words that somebody has parted by semicolons forbid all the same", async () => {
  for (const control of ["no-store; max-age=60", "private; max-age=60", "no-cache; no-store; must-revalidate", "max-age=60; private", "public; private"])
    await neverStored(() => [200, { "cache-control": control, etag: '"1"', "last-modified": date(-864000 * SECOND) }, "x"], control);
});

reported(
  "https://core.trac.wordpress.org/ticket/21938",
  "what has expired when it comes is asked for again: Expires 0, -1, 1984, and Pragma alone permits nothing",
  async () => {
    for (const fields of [
      { expires: "0" },
      { expires: "-1" },
      { expires: "Wed, 11 Jan 1984 05:00:00 GMT", "cache-control": "no-cache, must-revalidate, max-age=0, no-store, private" },
      { expires: "Thu, 19 Nov 1981 08:52:00 GMT", "cache-control": "no-store, no-cache, must-revalidate, post-check=0, pre-check=0", pragma: "no-cache" },
      { expires: "" },
      { pragma: "no-cache" },
      { expires: date(-1 * SECOND), "last-modified": date(-864000 * SECOND) },
    ])
      await neverStored(() => [200, fields, "x"], JSON.stringify(fields));
  },
);

reported(
  "https://github.com/Embassy-of-the-Free-Mind/sourcelibrary-v2/pull/1375",
  "a word for this cache goes before one for all, in both directions",
  async () => {
    await neverStored(() => [200, { "cdn-cache-control": "no-store", "cache-control": "public, max-age=60" }, "x"], "forbidden here");
    await neverStored(() => [200, { "surrogate-control": "no-store", "cache-control": "public, max-age=60" }, "x"], "forbidden here");
    const { path } = place(() => [200, { "cdn-cache-control": "max-age=60", "cache-control": "no-store" }, "x"]);
    await near().get(path);
    const { headers } = await hit(path);
    assert.deepEqual([headers["cache-control"], headers["cdn-cache-control"]], ["no-store", "max-age=60"], "who comes behind gets the words for them");
    const edge = place(() => [200, { "surrogate-control": "max-age=60", "cache-control": "max-age=0" }, "x"]);
    await near().get(edge.path);
    assert.equal((await hit(edge.path)).headers["surrogate-control"], undefined);
  },
);

reported("https://github.com/darkweak/souin/issues/846", "an expired copy answers for a failing region once, whole, and says so", async () => {
  let up = true;
  const { path } = place(() => (up ? [200, { "cache-control": "max-age=1, stale-if-error=600", etag: '"1"' }, "body"] : [500, {}, "oops"]));
  await near().get(path);
  await hit(path);
  up = false;
  const stale = await waitUntil(async () => {
    const answer = await near().get(path);
    return /fwd=stale/.test(status(answer)) && answer;
  }, "it has expired");
  assert.deepEqual([stale.status, stale.text, stale.headers["content-length"]], [200, "body", "4"]);
  assert.match(stale.headers["homing-consistency"], /^stale; age=\d+/);
});

reported("https://github.com/cloudflare/cloudflare-docs/pull/10425", "a copy that may not outlive its time does not, though its regions fail", async () => {
  for (const control of ["max-age=1, stale-if-error=0", "max-age=1, must-revalidate, stale-if-error=60", "max-age=1, proxy-revalidate"]) {
    let up = true;
    const { path } = place(() => (up ? [200, { "cache-control": control }, "body"] : [503, { "retry-after": "7" }, "down"]));
    await near().get(path);
    await hit(path);
    up = false;
    const down = await waitUntil(async () => {
      const answer = await near().get(path);
      return !isHit(answer) && answer;
    }, "it has expired");
    assert.deepEqual([down.status, down.text, down.headers["retry-after"]], [503, "down", "7"], control);
  }
});

reported("https://github.com/tempesta-tech/tempesta/issues/416", "a part, or the head alone, never passes for the whole", async () => {
  const body = "0123456789";
  const { path } = place(({ request }) => {
    if (request.method === "HEAD") return [200, { "content-length": 10, "cache-control": "max-age=60", etag: '"1"' }];
    if (request.headers.range) return [206, { "content-range": "bytes 0-9/10", "cache-control": "max-age=60", etag: '"1"', "content-length": 10 }, body];
    return [200, { "cache-control": "max-age=60", etag: '"1"', "content-length": 10 }, body];
  });
  await near().request("HEAD", path);
  assert.deepEqual([(await near().get(path, { headers: { range: "bytes=0-" } })).status], [206]);
  const short = place(({ request }) =>
    request.headers.range
      ? [206, { "content-range": "bytes 2-4/10", "cache-control": "max-age=60", etag: '"1"' }, "234"]
      : [200, { "cache-control": "max-age=60", etag: '"1"' }, body],
  );
  assert.equal((await near().get(short.path, { headers: { range: "bytes=2-4" } })).text, "234");
  for (const each of [path, short.path]) {
    const whole = await near().get(each);
    assert.deepEqual([whole.status, whole.text], [200, body]);
    await hit(each);
    const part = await near().get(each, { headers: { range: "bytes=2-4" } });
    assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, "234", "bytes 2-4/10"]);
  }
});

reported("https://github.com/apache/httpcomponents-client/pull/135", "a 304 that says Content-Length: 0, or nothing at all, makes no empty page", async () => {
  for (const fields of [{ "content-length": "0" }, {}, { etag: '"1"' }, { etag: '"2"' }, { "cache-control": "max-age=60" }]) {
    const { path } = place(({ request, n }) =>
      request.headers["if-none-match"]
        ? `HTTP/1.1 304 Not Modified\r\n${Object.entries(fields)
            .map(([name, value]) => `${name}: ${value}\r\n`)
            .join("")}Connection: close\r\n\r\n`
        : [200, { etag: '"1"', "cache-control": n === 1 ? "max-age=1" : "max-age=60" }, "body"],
    );
    await near().get(path);
    for (let n = 0; n < 2; n++) {
      const again = await waitUntil(async () => {
        const answer = await near().get(path);
        return (n > 0 || /fwd=stale/.test(status(answer))) && answer;
      }, "it has expired");
      assert.deepEqual([again.status, again.text], [200, "body"], JSON.stringify(fields));
    }
  }
});

reported("https://github.com/varnishcache/varnish-cache/issues/4245", "a 304 that nobody asked for is nobody's page", async () => {
  const { path } = place(({ request, n }) =>
    n === 1 || request.headers["if-none-match"]
      ? 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n'
      : [200, { etag: '"1"', "cache-control": "max-age=60" }, "body"],
  );
  // Two clients at once: the second waits for what the first gets, which is a 304 by its own question.
  const [first, second] = await Promise.all([near().get(path, { headers: { "if-none-match": '"1"' } }), near().get(path)]);
  assert.equal(first.status, 304);
  for (const answer of [second, await near().get(path), await near().get(path)])
    if (answer.status !== 304) assert.deepEqual([answer.status, answer.text], [200, "body"]);
});

reported(
  "https://github.com/rails/rails/issues/19056",
  "a tag is compared as its client wrote it: weak, starred, several, and with no quotes at all",
  async () => {
    for (const [tag, match, code] of /** @type {any[][]} */ ([
      ['W/"a"', 'W/"a"', 304],
      ['W/"a"', '"a"', 304],
      ['"a"', 'W/"a"', 304],
      ['"a"', "*", 304],
      ['"a"', '"b", "a"', 304],
      ['"a"', "a", 200],
      ["a", "a", 304],
      ['"a"', '"a-gzip"', 200],
      ['"a,b"', '"a,b"', 304],
    ])) {
      const { path } = place(() => [200, { etag: tag, "cache-control": "max-age=60" }, "body"]);
      await near().get(path);
      await hit(path);
      const answer = await near().get(path, { headers: { "if-none-match": match } });
      assert.equal(answer.status, code, `${tag}, asked for ${match}`);
    }
  },
);

reported("https://github.com/scrapy/scrapy/issues/3778", "clocks that go wrong make nothing fresh for longer than it says", async () => {
  // Last-Modified to come, a Date of tomorrow, a Date of yesterday.
  await neverStored(() => [200, { "last-modified": date(3600 * SECOND) }, "x"], "changed in the future");
  await neverStored(() => [200, { date: date(-3600 * SECOND), "cache-control": "max-age=60" }, "x"], "made an hour ago");
  await neverStored(() => [200, { age: "3600", "cache-control": "max-age=60" }, "x"], "kept for an hour");
  const { path } = place(() => [200, { date: date(86400 * SECOND), "cache-control": "max-age=60" }, "x"]);
  await near().get(path);
  const ttl = Number(/ttl=(-?\d+)/.exec(status(await hit(path)))[1]);
  assert.ok(ttl <= 60 && ttl > 30, `fresh for ${ttl} s`);
});

reported("https://github.com/vercel/next.js/issues/65335", "addresses that differ in their query, its order or a letter's case are apart", async () => {
  const { path } = place(({ request }) => [200, { "cache-control": "max-age=60" }, request.url]);
  for (let round = 0; round < 2; round++)
    for (const tail of ["", "?a=1", "?a=1&b=2", "?b=2&a=1", "?A=1", "?a=1&", "?utm_source=x", "?a=%2B", "?a=+", "?a=%20"])
      assert.equal((await near().get(path + tail)).text, path + tail);
});

reported("https://github.com/rails/sprockets/issues/825", "a page under the name of a picture is kept by what it says, not by what it is called", async () => {
  for (const name of ["/x.css", "/a.js", "/..%2fx.png", ";x.css", "/x.css?a"])
    await neverStored(({ n }) => [200, { "cache-control": "private, no-store" }, `yours ${n}`], name, [{}, {}], {});
  const { path } = place(({ request }) => [200, {}, `yours, ${request.headers.cookie}`]);
  for (const who of ["a=1", "a=2"]) assert.equal((await near().get(`${path}/avatar.css`, { headers: { cookie: who } })).text, `yours, ${who}`);
});

reported(
  "https://github.com/caddyserver/cache-handler/issues/2",
  "what fails for a client that is known, or says nothing, is nobody's page, and neither is a 404 that says nothing",
  async () => {
    for (const [code, fields] of /** @type {any[][]} */ ([
      [503, { expires: date(60 * SECOND) }],
      [404, {}],
      [403, { "cache-control": "max-age=60" }],
      [429, { "cache-control": "max-age=60" }],
      [400, { "cache-control": "max-age=60" }],
      [401, { "cache-control": "public, max-age=60" }],
    ]))
      await neverStored(() => [code, fields, "x"], String(code));
    // What fails for anybody is stored for seconds, by its own word; what fails for a client that the application may know is not.
    const known = [{ headers: { cookie: "a=1" } }, { headers: { authorization: "Basic YTpi" } }, { headers: { cookie: "a=2" } }];
    for (const code of [500, 502]) await neverStored(() => [code, { "cache-control": "public, max-age=60, stale-if-error=60" }, "x"], String(code), known);
  },
);

reportedOfWorkerd(
  "https://github.com/remix-run/remix/pull/11565",
  "of a page in two codings each client gets bytes that it can read, stored or not",
  async () => {
    const text = "page ".repeat(1000);
    const { path } = place(({ request }) =>
      /gzip/.test(request.headers["accept-encoding"])
        ? [200, { "content-encoding": "gzip", vary: "Accept-Encoding", "cache-control": "max-age=60", etag: '"1-gzip"' }, gzipSync(text)]
        : [200, { vary: "Accept-Encoding", "cache-control": "max-age=60", etag: '"1"' }, text],
    );
    for (let n = 0; n < 3; n++)
      for (const accepts of ["gzip", "identity", "gzip;q=0", "*;q=0, identity", "br", undefined, "GZIP, deflate"]) {
        const answer = await near().get(path, { headers: accepts === undefined ? {} : { "accept-encoding": accepts } });
        const isCoded = answer.headers["content-encoding"] === "gzip";
        assert.ok(!isCoded || /^gzip(?!;q=0)/i.test(accepts), `${accepts} got gzip`);
        assert.ok(answer.bytes.equals(isCoded ? gzipSync(text) : Buffer.from(text)), `${accepts}`);
      }
  },
);

reported(
  "https://github.com/caddyserver/cache-handler/issues/124",
  "what a stored page says of itself comes back line by line, and its cookies never",
  async () => {
    const link = ["</a.css>; rel=preload", "</b.js>; rel=preload"];
    const { path } = place(() => [
      200,
      {
        link,
        "cache-control": "max-age=60",
        "content-disposition": Buffer.from('attachment; filename="ü.txt"').toString("latin1"),
        "x-empty": "",
        "x-long": "y".repeat(6000),
      },
      "x",
    ]);
    const first = await near().get(path);
    const copy = await hit(path);
    for (const answer of [first, copy]) {
      assert.equal(values(answer, "link").join(", "), link.join(", "), status(answer));
      assert.equal(Buffer.from(answer.headers["content-disposition"], "latin1").toString(), 'attachment; filename="ü.txt"');
      assert.deepEqual([answer.headers["x-empty"], answer.headers["x-long"].length, answer.headers["content-type"]], ["", 6000, undefined]);
    }
  },
);

reported("https://github.com/meziantou/Meziantou.Framework/pull/2824", "what its region has taken back does not come back when the region fails", async () => {
  for (const [code, fields] of /** @type {any[][]} */ ([
    [404, {}],
    [410, {}],
    [301, { location: "/new" }],
    [403, {}],
    [401, {}],
    [302, { location: "/captcha" }],
    [200, { "cache-control": "private" }],
    [200, { "cache-control": "no-store" }],
  ])) {
    let [there, up] = [true, true];
    const { path } = place(({ response }) =>
      there ? [200, { "cache-control": "max-age=1", etag: '"1"' }, "body"] : up ? [code, fields, "other"] : void response.socket.destroy(),
    );
    await near().get(path);
    await hit(path);
    there = false;
    const taken = await waitUntil(async () => {
      const answer = await near().get(path);
      return !isHit(answer) && answer;
    }, "it has expired");
    assert.equal(taken.status, code);
    up = false;
    // What a firewall says to one client takes nothing away from the others.
    const expected = [302, 401, 403].includes(code) ? 200 : 503;
    assert.equal((await near().get(path)).status, expected, `${code} ${JSON.stringify(fields)}`);
  }
});

reported(
  "https://github.com/artifact-keeper/artifact-keeper/issues/3749",
  "a page that is gone is not shown for the rest of its stale-while-revalidate",
  async () => {
    let there = true;
    const { path } = place(() => (there ? [200, { "cache-control": "max-age=1, stale-while-revalidate=600" }, "body"] : [410, {}, "gone"]));
    await near().get(path);
    await hit(path);
    there = false;
    const gone = await waitUntil(async () => {
      const answer = await near().get(path);
      return answer.status === 410 && answer;
    }, "nobody is shown it any more");
    assert.equal(gone.text, "gone");
  },
);
