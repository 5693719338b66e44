// What is measured: the scenarios, who is measured in them, and one measurement; README.md has a line on each.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compiledBy } from "../../src/tools/compiled.mjs";
import { blackHole, cacheStore, CF_HEADER, contender, freePort, get, load, origin, root, scratch, sink } from "./world.mjs";

// A pin lives for five seconds, and a round ends with a look whether it still held.
const MOST_PINNED_SECONDS = 4;
const SECRET = "a secret for the benchmark, of 32 letters or more";
const BODY = JSON.stringify({ name: "lamp" });
const JSON_BODY = { method: "PUT", body: BODY, headers: { "content-type": "application/json" } };

/** As long as a digest. @param {number} length */
const digest = (length) => "x".repeat(length);

const KIB = 1024;
export const MIB = 1024 * KIB;
export const SIZES = [10 * KIB, 100 * KIB, MIB, 10 * MIB];
/** What a browser sends with a request for data, and the platform with that: the fields that it adds, and what it tells of the client (`request.cf`). */
const BROWSER = {
  accept: "application/json, text/plain, */*",
  "accept-encoding": "br, gzip",
  "accept-language": "de-DE,de;q=0.9,en;q=0.8",
  "cf-connecting-ip": "2001:db8::17",
  "cf-ipcountry": "DE",
  "cf-ray": "8a1b2c3d4e5f6789-FRA",
  "cf-visitor": '{"scheme":"https"}',
  cookie: "theme=dark; sid=3f1d2c4b5a697887; _ga=GA1.1.1234567890.1700000000",
  referer: "http://127.0.0.1:8000/shop/lamps?page=2",
  "sec-fetch-dest": "empty",
  "sec-fetch-mode": "cors",
  "sec-fetch-site": "same-origin",
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  "x-forwarded-for": "2001:db8::17",
  "x-forwarded-proto": "https",
  "x-requested-with": "XMLHttpRequest",
  [CF_HEADER]: JSON.stringify({
    ...{ colo: "FRA", continent: "EU", country: "DE", isEUCountry: "1", city: "Frankfurt am Main", postalCode: "60313", region: "Hesse", regionCode: "HE" },
    ...{ latitude: "50.11552", longitude: "8.68417", timezone: "Europe/Berlin", asn: 64496, asOrganization: "Example Networks", clientTcpRtt: 12 },
    ...{ clientAcceptEncoding: "gzip, deflate, br, zstd", httpProtocol: "HTTP/2", requestPriority: "weight=256;exclusive=1", edgeRequestKeepAliveStatus: 1 },
    ...{ tlsVersion: "TLSv1.3", tlsCipher: "AEAD-AES128-GCM-SHA256", tlsClientHelloLength: "1819", tlsClientRandom: digest(44) },
    ...{ tlsClientCiphersSha1: digest(28), tlsClientExtensionsSha1: digest(28), tlsClientExtensionsSha1Le: digest(28), verifiedBotCategory: "" },
    tlsExportedAuthenticator: { clientFinished: digest(64), clientHandshake: digest(64), serverFinished: digest(64), serverHandshake: digest(64) },
    tlsClientAuth: {
      ...{ certPresented: "0", certVerified: "NONE", certRevoked: "0", certSerial: "", certSKI: "", certNotBefore: "", certNotAfter: "" },
      ...{ certFingerprintSHA1: "", certFingerprintSHA256: "", certIssuerDN: "", certIssuerDNLegacy: "", certIssuerDNRFC2253: "", certIssuerSerial: "" },
      ...{ certIssuerSKI: "", certSubjectDN: "", certSubjectDNLegacy: "", certSubjectDNRFC2253: "" },
    },
    botManagement: { corporateProxy: false, verifiedBot: false, jsDetection: { passed: false }, staticResource: false, detectionIds: {}, score: 99 },
  }),
};

/** A scenario for each size of a body; a few connections are enough for large ones. */
const sized = (name, sizes, of) =>
  Object.fromEntries(
    sizes.map((size) => [`${size < MIB ? `${size / KIB} KB` : `${size / MIB} MB`} ${name}`, { connections: size < MIB ? 16 : 4, ...of(size) }]),
  );

/** A scenario of the router with much of something beside the router with little of it. */
function grown(what, many, few) {
  const scenario = { path: "/plain/1", subject: `${many} ${what}`, against: [`${few} ${what}`], region: "eu", reason: "nearest" };
  return { [`${many} ${what}`]: scenario };
}

/** A topology with so much of one thing, whose last route is the one that is asked for. @param {string} title @param {string} origin */
function large(title, origin) {
  const [count, what] = title.split(" ");
  const list = (of) => Object.fromEntries(Array.from({ length: Number(count) - 1 }, (_, at) => of(at)));
  const home = { ownership: "single-writer", home: "eu" };
  const route = (dataset, at) => ({ match: `/${dataset}/${at}/*`, dataset });
  const REGIONS = { eu: { origin }, ...(what === "regions" ? list((at) => [`r${at}`, { origin }]) : { us: { origin } }) };
  const DATASETS = { ...(what === "datasets" ? list((at) => [`d${at}`, home]) : {}), last: home };
  const before = what === "routes" ? Object.values(list((at) => [at, route("last", at)])) : Object.keys(DATASETS).map((name, at) => route(name, at));
  return { REGIONS, DATASETS, ROUTES: [...before, { match: "/plain/*", dataset: "last" }] };
}

/**
 * What each scenario sends, and what an answer must show; `fetch` and `cache` know one region only and give no reasons.
 * The region is seen in the body, which is the origin's own word.
 */
export const SCENARIOS = {
  "read miss": { path: "/plain/1", against: ["fetch", "hono"], region: "eu", reason: "nearest" },
  "cache hit": { path: "/cached/1", against: ["cache", "hono"], region: "eu", reason: "cache-hit", hit: true },
  "browser's read": { path: "/plain/1", against: ["fetch", "hono"], region: "eu", reason: "nearest", request: { headers: BROWSER } },
  "browser's hit": { path: "/cached/1", against: ["cache", "hono"], region: "eu", reason: "cache-hit", hit: true, request: { headers: BROWSER } },
  "pinned read": { path: "/catalog/1", against: ["fetch", "hono"], region: "us", reason: "pinned-home", pinned: true },
  // A session with a position, whose write the nearest copy is known to have; "anonymous" is Homing itself without the session.
  "near read": { path: "/docs/1", against: ["anonymous", "fetch"], region: "eu", reason: "position-reached", marked: true },
  "shared hit": { path: "/shared/1", against: ["anonymous", "cache"], region: "eu", reason: "cache-hit", hit: true, marked: true },
  write: { path: "/catalog/1", against: ["fetch", "hono"], region: "us", reason: "home", request: JSON_BODY, session: true },
  ...sized("down", SIZES, (size) => ({ path: `/sized/${size}`, against: ["fetch"], reason: "nearest", size })),
  ...sized("up", [MIB, 10 * MIB], (size) => ({ path: "/up/1", against: ["fetch"], region: "eu", reason: "home", request: { method: "POST", bytes: size } })),
  ...sized("hit", [MIB], (size) => ({ path: `/kept/${size}`, against: ["cache"], reason: "cache-hit", hit: true, size })),
  // A read miss of the router with a large configuration, beside itself with a small one.
  ...grown("routes", 1000, 10),
  ...grown("regions", 32, 2),
  ...grown("datasets", 64, 4),
};

function complaint(answer, name, { region, reason, hit, session, size }) {
  const plain = name === "fetch" || name === "cache" || name === "anonymous";
  if (answer.status !== 200) return `status ${answer.status}`;
  if (size === undefined ? JSON.parse(answer.text).region !== (plain ? "eu" : region) : answer.text.length !== size)
    return size === undefined ? "the wrong region" : `${answer.text.length} bytes`;
  if (!plain && answer.headers["homing-reason"] !== reason) return `reason ${answer.headers["homing-reason"]}`;
  if (name === "cache" && hit && answer.headers["cf-cache-status"] !== "HIT") return "no hit";
  if (!plain && session && !answer.headers["set-cookie"]?.some((line) => line.startsWith("__Host-homing="))) return "no session";
  return undefined;
}

/** The modules of a build, which knows these vars as a deployment knows those of its wrangler.toml. One of before there was that does not. */
async function built(name, folder, vars) {
  const worker = join(scratch, `${name}.mjs`);
  const text = readFileSync(join(folder, "worker.mjs"), "utf8");
  const compiled = text.includes("compiled_default") ? await compiledBy(folder, [vars]) : [];
  writeFileSync(worker, text + compiled.map((pair) => `\ncompiled_default.set(...${JSON.stringify(pair)});\n`).join(""));
  return { "worker.mjs": worker, ...Object.fromEntries(["homing_bg.wasm", "operators_bg.wasm"].map((file) => [file, join(folder, file)])) };
}

/**
 * Everybody who is measured, by name; nobody is started yet.
 * @param {{ log: string, build?: string, before?: string, inspected?: boolean, v8?: string[] }} how the folder of the router's build, that of another
 *   one to be measured as "before", whether each is to have an inspector, and flags for V8
 */
export async function contenders({ log, build = join(root, "build"), before, inspected = false, v8 }) {
  const { us, eu, ap } = await origin(["us", "eu", "ap"], SIZES);
  const uploads = await sink();
  const cache = await cacheStore();
  // No place is known of a client here, so the first region is the nearest; the catalogue's home is another.
  const topology = {
    REGIONS: {
      eu: { origin: `http://127.0.0.1:${eu}` },
      us: { origin: `http://127.0.0.1:${us}`, default_home: true },
      ap: { origin: `http://127.0.0.1:${ap}` },
      sink: { origin: `http://127.0.0.1:${uploads}` },
    },
    DATASETS: {
      catalog: { ownership: "single-writer", home: "us" },
      docs: { ownership: "single-writer", home: "us", position: "counter" },
      files: { ownership: "single-writer", home: "sink" },
    },
    ROUTES: [
      { match: "/catalog/*", dataset: "catalog", read_after_write: "session" },
      { match: "/docs/*", dataset: "docs", read_after_write: "session" },
      { match: "/shared/*", dataset: "docs", read_after_write: "session" },
      { match: "/up/*", dataset: "files" },
    ],
  };
  const hono = join(scratch, "hono.mjs");
  execFileSync(join(root, "node_modules/.bin/esbuild"), [
    join(root, "tests/bench/contenders/hono.mjs"),
    "--bundle",
    "--format=esm",
    "--platform=neutral",
    "--main-fields=module,main",
    "--conditions=worker,import",
    "--minify-syntax",
    "--log-level=warning",
    `--outfile=${hono}`,
  ]);
  const own = (file) => join(root, "tests/bench/contenders", file);
  const vars = { ORIGIN: `http://127.0.0.1:${eu}`, UPLOADS: `http://127.0.0.1:${uploads}` };
  const hole = await blackHole();
  const settings = { ...topology, LOG: log, SESSION_KEY: SECRET };
  const one = async (name, modules, vars) =>
    contender(name, modules, vars, cache, await freePort(), { inspector: inspected ? await freePort() : undefined, v8 });
  const router = async (name, folder, vars) => one(name, await built(name, folder, vars), vars);
  const all = [
    await router("homing", build, settings),
    ...(before ? [await router("before", before, settings)] : []),
    await one("fetch", { "worker.mjs": own("fetch.mjs") }, vars),
    await one("cache", { "worker.mjs": own("cache.mjs") }, vars),
    await one("hono", { "worker.mjs": hono }, settings),
    await router("resets", build, withHole(settings, hole)),
  ];
  const sizes = Object.values(SCENARIOS).flatMap(({ subject, against }) => (subject ? [subject, ...against] : []));
  for (const title of sizes) all.push(await router(title, build, { ...settings, ...large(title, topology.REGIONS.eu.origin) }));
  const [homing] = all;
  Object.assign(all.find(({ name }) => name === "resets") ?? {}, { hole });
  const anonymous = { name: "anonymous", port: homing.port, cpu: () => homing.cpu() };
  return /** @type {Record<string, any>} */ ({ ...Object.fromEntries(all.map((one) => [one.name, one])), anonymous });
}

/** The path of a read that goes to a region which takes it and never answers, and what opens the operators' door. */
export const HOLE = { path: "/hole/1", token: "a token for the benchmark, of 32 letters or more" };

function withHole(settings, hole) {
  return {
    ...settings,
    ADMIN_TOKEN: HOLE.token,
    REGIONS: { ...settings.REGIONS, hole: { origin: `http://127.0.0.1:${hole.port}` } },
    DATASETS: { ...settings.DATASETS, hole: { ownership: "single-writer", home: "hole" } },
    ROUTES: [{ match: "/hole/*", dataset: "hole", read_after_write: "home", deadline: "60s" }, ...settings.ROUTES],
  };
}

/** The request of a scenario; a pinned one has just written, and so has one with a mark. */
export async function prepare(one, { path, request = {}, pinned, marked, connections }) {
  if (one.name === "anonymous" || !(pinned || marked)) return { connections, ...request };
  const { headers } = await get(one.port, marked ? path : "/catalog/1", JSON_BODY);
  // Somebody else's read tells the router how far the nearest copy is.
  if (marked) await get(one.port, "/docs/scout");
  const session = headers["set-cookie"]?.find((line) => line.startsWith("__Host-homing"))?.split(";")[0];
  // Who signs no sessions is sent as long a header.
  return { headers: { cookie: session ?? `__Host-homing=${"x".repeat(120)}` } };
}

async function check(one, scenario, request) {
  const answer = await get(one.port, scenario.path, request);
  const wrong = complaint(answer, one.name, scenario);
  if (wrong) throw new Error(`${one.name} does not do its job on ${scenario.path}: ${wrong}; ${JSON.stringify(answer)}`);
}

/** One load, in which everybody does their job: requests, rate, latencies and CPU in microseconds a request. */
export async function measure(one, scenario, seconds) {
  const request = await prepare(one, scenario);
  // The copy is stored after its answer, so the first looks may be too early.
  for (let patience = scenario.hit ? 50 : 0; ; patience--) {
    try {
      await check(one, scenario, request);
      break;
    } catch (error) {
      if (patience <= 0) throw error;
    }
  }
  const before = one.cpu();
  const figures = await load(one.port, scenario.path, scenario.pinned ? Math.min(seconds, MOST_PINNED_SECONDS) : seconds, request);
  const cpu = ((one.cpu() - before) / figures.requests) * 1000;
  if (figures.failed) throw new Error(`${one.name}: ${figures.failed} of ${figures.requests} requests failed`);
  await check(one, scenario, request);
  return { ...figures, cpu };
}
