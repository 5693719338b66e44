// What the tests made of public bug reports of other proxies have in common: two regions whose every answer the test writes, field by
// field or byte by byte, and a router in front of them. Each case names the report that it was made of, by its address.
import net from "node:net";
import http from "node:http";
import { test } from "node:test";
import { Client, FRONT, runtime, startRouter, stopWithAll } from "./harness.mjs";

/** No case waits longer than this for anything. */
const PATIENCE_MS = 25_000;

/** A case: the report's address, the rule that it is about, and how to see that it is kept. */
export const reported = (address, rule, look) => test(rule, { timeout: PATIENCE_MS }, look);

/** The same, where miniflare's front or its outbound fetch would answer for themselves. */
export const reportedOfWorkerd = (address, rule, look) =>
  test(rule, { timeout: PATIENCE_MS, skip: runtime === "workerd" ? false : "miniflare's front is not the router's" }, look);

// Each router of these files has a listener there, so that none outlives the process.
process.setMaxListeners(50);

const places = new Map();
let number = 0;

/**
 * A place of its own: `answer({ region, n, request, body, response })` gives the n-th answer of all, `[status, fields, body]`, the bytes
 * of a whole answer behind which the connection ends, or nothing where it has answered by itself. Fields are an object or a flat list.
 * With `streams` it is asked before the request's body has come. Returns the path and what was seen, `{ region, request, body }`.
 */
export function place(answer, { under = "/place", streams = false } = {}) {
  const path = `${under}/${++number}`;
  const seen = [];
  places.set(path, { answer, seen, streams });
  return { path, seen };
}

async function handle(region, request, response) {
  const { pathname } = new URL(request.url.replace(/^\/\/+/, "/"), "http://x");
  const { answer, seen, streams } = places.get(pathname) ??
    [...places].find(([path]) => pathname.startsWith(`${path}/`))?.[1] ?? { answer: () => [404, {}, ""], seen: [] };
  const one = { region, request, response, n: seen.length + 1, body: undefined };
  seen.push(one);
  const chunks = [];
  if (!streams) {
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // its client has gone
    }
    one.body = Buffer.concat(chunks);
  }
  const said = await answer(one);
  if (said === undefined) return;
  if (typeof said === "string") return response.socket.end(Buffer.from(said, "latin1"));
  const [status, fields = {}, body = ""] = said;
  response.writeHead(status, fields).end(body);
}

function listen(region) {
  const server = http.createServer((request, response) => handle(region, request, response));
  // An upgrade is for the place to answer, as bytes.
  server.on("upgrade", (request, socket) => (socket.on("error", () => {}), handle(region, request, { socket, writeHead: () => ({ end() {} }) })));
  server.keepAliveTimeout = 600_000;
  stopWithAll(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))));
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`)),
  );
}

export const SESSION_KEY = "the key of those who were reported";

/** Starts regions `us` (the home) and `eu`, and a router; `change` may change its vars, which are returned with the regions' addresses. */
export async function startReported(change = (..._) => {}) {
  const regions = { us: await listen("us"), eu: await listen("eu") };
  const vars = {
    REGIONS: {
      us: { origin: regions.us, location: { lat: 39.0, lon: -77.5 }, default_home: true },
      eu: { origin: regions.eu, location: { lat: 50.1, lon: 8.7 } },
    },
    DATASETS: {
      catalog: { ownership: "single-writer", home: "us", position: "counter" },
      wiki: { ownership: "single-writer", home: "us" },
      shop: { ownership: "single-writer", home: "us" },
      cart: { ownership: "geo-partitioned", subject: "user", regions: ["us", "eu"] },
    },
    ROUTES: [
      { match: "/catalog/*", dataset: "catalog", read_after_write: "session", on_home_down: "stale" },
      { match: "/wiki/*", dataset: "wiki", read_after_write: "session" },
      { match: "/shop/*", dataset: "shop", read_after_write: "session" },
      { match: "/cart/*", dataset: "cart", read_after_write: "session" },
      { match: "/once/*", idempotent: true },
      { match: "/quick/*", deadline: "1s" },
    ],
    IDENTITY: { user: { response_header: "Homing-Subject" } },
    DEV: true,
  };
  change(vars, regions);
  const router = await startRouter({ vars, bindings: { SESSION_KEY } });
  return { router, regions, near: (region = "eu", headers) => new Client(router.url, region, headers) };
}

/** Whether one whole answer has come: by its length, its chunks, or because it has no body (or is that of a HEAD). */
function whole(came, head) {
  const end = came.indexOf("\r\n\r\n");
  if (end < 0) return false;
  if (head || /^HTTP\/1\.1 (204|205|304)/.test(came)) return true;
  if (lines(came, "transfer-encoding").length > 0) return came.endsWith("0\r\n\r\n");
  const [length] = lines(came, "content-length");
  return length !== undefined && came.length >= end + 4 + Number(length);
}

/**
 * Sends these bytes and gives back all that came, as bytes in latin-1, until the connection ends or that is `enough`: one answer, unless
 * said. The field that puts the client beside eu, and those of the platform's front, are added behind the first line.
 */
export function bytes(router, text, enough = (came) => whole(came, text.startsWith("HEAD "))) {
  const front = Object.entries({ ...FRONT, "homing-dev-near": "eu" }).map(([name, value]) => `${name}: ${value}\r\n`);
  const at = text.indexOf("\r\n") + 2;
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(router.url.port), "127.0.0.1", () =>
      socket.write(Buffer.from(text.slice(0, at) + front.join("") + text.slice(at), "latin1")),
    );
    let came = "";
    const end = () => (socket.destroy(), resolve(came));
    socket.on("data", (data) => ((came += data.toString("latin1")), enough(came) && end()));
    socket
      .on("end", end)
      .on("error", reject)
      .setTimeout(15_000, () => (socket.destroy(), reject(new Error(`what came within 15 s: ${JSON.stringify(came)}`))));
  });
}

/** The lines of that name in what came. */
export const lines = (came, name) =>
  came
    .split("\r\n\r\n")[0]
    .split("\r\n")
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());
/** The values of that name among the fields of a Client's answer, in their lines. */
export const values = (answer, name) => answer.raw.filter((_, at) => at % 2 === 1 && answer.raw[at - 1].toLowerCase() === name);
export const status = (answer) => answer.headers["cache-status"];
export const isHit = (answer) => /^homing; hit/.test(status(answer) ?? "");
