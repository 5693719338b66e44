// (c) Homing's job as one would write it with Hono: session, routes, home or nearest, cache, failover, honest headers.
// Every request does what the router does for it; what the router can do besides is left out.
import { Hono } from "hono";
import { generateCookie, getCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";

const COOKIE = "__Host-homing";
const PIN_MS = 5000;
const MISS_MS = 60_000;
const MOST_MISSES = 1000;
const DROPPED = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
]);
const encoder = new TextEncoder();
// URLs whose answers could not be stored a moment ago: the cache need not be asked for them.
const misses = new Map();
let key;

const hmacKey = (secret) => (key ??= crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]));
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

async function openSession(sealed, secret) {
  if (!sealed) return {};
  const at = sealed.lastIndexOf(".");
  try {
    const genuine = await crypto.subtle.verify("HMAC", await hmacKey(secret), bytes(sealed.slice(at + 1)), encoder.encode(sealed.slice(0, at)));
    const session = genuine ? JSON.parse(atob(sealed.slice(0, at))) : {};
    return session.expires > Date.now() ? session : {};
  } catch {
    return {};
  }
}

async function sealSession(session, secret) {
  const body = btoa(JSON.stringify(session));
  return `${body}.${text(await crypto.subtle.sign("HMAC", await hmacKey(secret), encoder.encode(body)))}`;
}

/** One line for each request, where the router would write one. */
const log = createMiddleware(async (c, next) => {
  if (c.env.LOG === "off") return next();
  const at = Date.now();
  await next();
  const { dataset, write } = c.get("plan");
  const said = (name) => c.res.headers.get(name);
  if (c.env.LOG === "problems" && c.res.status < 500 && said("homing-reason") !== "failover") return;
  console.log(
    JSON.stringify({
      at,
      method: c.req.method,
      path: c.req.path,
      dataset,
      access: write ? "write" : "read",
      region: said("homing-region"),
      reason: said("homing-reason"),
      status: c.res.status,
      cache: said("cache-status"),
      ms: Date.now() - at,
    }),
  );
});

const session = createMiddleware(async (c, next) => {
  c.set("session", await openSession(getCookie(c, COOKIE), c.env.SESSION_KEY));
  await next();
});

/** Which dataset, and which regions in order. */
const plan = createMiddleware(async (c, next) => {
  const { REGIONS, DATASETS, ROUTES } = c.env;
  const route = ROUTES.find((route) => c.req.path.startsWith(route.match.slice(0, -1)));
  const dataset = DATASETS[route?.dataset];
  const write = !["GET", "HEAD", "QUERY"].includes(c.req.method);
  const names = Object.keys(REGIONS);
  const pin = c.get("session").pins?.[route?.dataset];
  const home = dataset?.home ?? names.find((name) => REGIONS[name].default_home);
  const pinned = !write && pin?.until > Date.now();
  c.set("plan", {
    dataset: route?.dataset,
    write,
    home,
    pinned,
    pin,
    targets: write || pinned ? [home] : names.slice(0, 2),
    reason: write ? (dataset ? "home" : "default-home") : pinned ? "pinned-home" : "nearest",
  });
  await next();
});

const cache = createMiddleware(async (c, next) => {
  const { write, pinned, pin } = c.get("plan");
  const name = c.req.url;
  if (c.req.method === "GET" && !(misses.get(name) > Date.now())) {
    const stored = await /** @type {any} */ (caches).default.match(name);
    if (stored && !(pinned && Number(stored.headers.get("x-made")) < pin.since)) {
      c.res = new Response(stored.body, stored);
      c.res.headers.delete("x-made");
      c.res.headers.set("cache-status", "bench; hit");
      c.res.headers.set("homing-reason", "cache-hit");
      return;
    }
  }
  const made = Date.now();
  await next();
  if (c.req.method === "GET" && c.res.ok && /max-age=[1-9]/.test(c.res.headers.get("cache-control") ?? "") && !c.res.headers.has("set-cookie")) {
    const kept = new Response(c.res.clone().body, c.res);
    kept.headers.set("x-made", String(made));
    c.executionCtx.waitUntil(/** @type {any} */ (caches).default.put(name, kept));
  } else if (write && c.res.ok) c.executionCtx.waitUntil(/** @type {any} */ (caches).default.delete(name));
  else if (c.req.method === "GET" && c.res.ok) {
    if (misses.size >= MOST_MISSES) misses.clear();
    misses.set(name, made + MISS_MS);
  }
});

function forwarded(c, region) {
  const { dataset, home, write } = c.get("plan");
  const headers = new Headers();
  const named = c.req
    .header("connection")
    ?.toLowerCase()
    .split(/\s*,\s*/);
  for (const [name, value] of c.req.raw.headers) if (!DROPPED.has(name) && !name.startsWith("homing-") && !named?.includes(name)) headers.append(name, value);
  const cookies = headers.get("cookie");
  // The session is the router's own and no business of an origin.
  if (cookies?.includes(COOKIE)) {
    const others = cookies.split("; ").filter((pair) => !pair.startsWith(`${COOKIE}=`));
    if (others.length) headers.set("cookie", others.join("; "));
    else headers.delete("cookie");
  }
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  const url = new URL(c.req.url);
  headers.set("homing-region", region);
  headers.set("homing-intent", write ? "write" : "read");
  if (dataset) headers.set("homing-dataset", dataset);
  if (region === home) headers.set("homing-home", home), headers.set("homing-epoch", "1");
  headers.set("cdn-loop", "bench");
  headers.set("via", "1.1 bench");
  headers.set("x-forwarded-host", url.host);
  headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
  headers.set("forwarded", `host="${url.host}";proto=${url.protocol.slice(0, -1)}`);
  if (!headers.has("traceparent"))
    headers.set("traceparent", `00-${crypto.randomUUID().replaceAll("-", "")}-${crypto.randomUUID().replaceAll("-", "").slice(16)}-01`);
  return headers;
}

async function attempt(c, region, body) {
  const { pathname, search } = new URL(c.req.url);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 10_000);
  try {
    /** @type {RequestInit} */
    const init = { method: c.req.method, headers: forwarded(c, region), body, redirect: "manual", signal: abort.signal };
    return await fetch(c.env.REGIONS[region].origin + pathname + search, init);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

const app = new Hono();
app.use(log, session, plan, cache);
app.all("*", async (/** @type {any} */ c) => {
  const { targets, reason, write, dataset } = c.get("plan");
  const body = write ? await c.req.arrayBuffer() : undefined;
  for (const [at, region] of targets.entries()) {
    const response = await attempt(c, region, body);
    if (!response || (!write && [502, 503, 504].includes(response.status) && at + 1 < targets.length)) continue;
    const answer = new Response(response.body, response);
    for (const name of [...answer.headers.keys()]) if (name.startsWith("homing-") || DROPPED.has(name)) answer.headers.delete(name);
    answer.headers.set("homing-region", region);
    answer.headers.set("homing-reason", at ? "failover" : reason);
    answer.headers.set("cache-status", `bench; fwd=${write ? "bypass" : "miss"}; fwd-status=${response.status}`);
    if (write && response.ok && dataset) {
      const now = Date.now();
      const next = { ...c.get("session"), expires: now + 2_592_000_000, pins: { ...c.get("session").pins, [dataset]: { since: now, until: now + PIN_MS } } };
      const cookie = generateCookie(COOKIE, await sealSession(next, c.env.SESSION_KEY), {
        path: "/",
        secure: true,
        httpOnly: true,
        sameSite: "Lax",
        maxAge: 2_592_000,
      });
      answer.headers.append("set-cookie", cookie);
    }
    return answer;
  }
  return c.json({ title: "Service Unavailable", status: 503 }, 503, { "retry-after": "5", "content-type": "application/problem+json" });
});

export default app;
