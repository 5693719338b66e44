// What the tests against PostgreSQL share: a cluster with the application's tables, applications, and requests held midway.
import { Lists, schema, serve } from "./app.mjs";
import * as databases from "./cluster.mjs";

const serving = new Set();

/** Starts a cluster with the application's tables, owned by its first node, and with each standby up to date. */
export async function startDatabase() {
  const cluster = await databases.startCluster();
  const [primary, ...standbys] = cluster.nodes;
  await primary.query(schema(primary.name));
  await Promise.all(standbys.map((node) => node.catchesUpWith(primary)));
  return cluster;
}

/** Starts the application beside a node, the right one or one with a mistake planted. */
export async function startApp(node, Kind = Lists, options) {
  const app = await serve(new Kind(node.name, node.address), options);
  serving.add(app);
  return app;
}

/** Stops the applications first, then their databases. */
export async function stopAll() {
  await Promise.allSettled([...serving].map((app) => app.stop()));
  serving.clear();
  await databases.stopAll();
}

/** Holds the application's requests at a point of their way: `arrived` is when the first is there, `release` lets them go. */
export function holdAt(app, point) {
  const held = {};
  held.arrived = new Promise((resolve) => (held.arrive = resolve));
  const open = new Promise((resolve) => (held.release = resolve));
  app.lists.at = async (here) => {
    if (here !== point) return;
    held.arrive();
    await open;
  };
  return held;
}

/**
 * A request as the router sends it; `token` is what an answer before it handed out.
 * @param {any} app @param {string} key @param {{ token?: any, id?: any, home?: any, epoch?: any, remove?: any }} [how]
 */
export async function ask(app, key, { token, id, home, epoch, remove } = {}) {
  const headers = { ...(home ? { "homing-home": home } : {}), ...(epoch ? { "homing-epoch": String(epoch) } : {}) };
  if (token) Object.assign(headers, { "homing-min-position": token.position, "homing-epoch": token.epoch });
  const options = id ? { method: "POST", headers, body: JSON.stringify({ id }) } : { method: remove ? "DELETE" : "GET", headers };
  const answer = await fetch(`${app.url}/lists/${key}`, options);
  const text = await answer.text();
  const header = (name) => answer.headers.get(name);
  const [position, ...parameters] = header("homing-position")?.split("; ") ?? [];
  const shows = parameters.find((parameter) => parameter.startsWith("shows="))?.slice("shows=".length);
  return {
    status: answer.status,
    items: text ? JSON.parse(text).items : undefined,
    empty: text === "",
    token: position ? { position, epoch: header("homing-epoch") } : undefined,
    lsn: position?.split("=")[1],
    shows,
    // What a session remembers that has had this answer.
    seen: position ? { position: shows ? `lists=${shows}` : position, epoch: header("homing-epoch") } : undefined,
    behind: header("homing-behind"),
    wrote: header("homing-wrote"),
    owner: [header("homing-home"), header("homing-epoch")],
  };
}

/** The router's configuration for these applications. */
export const topology = (apps, route = {}) => ({
  DEV: true,
  LOG: "off",
  REGIONS: {
    us: { origin: apps.us.url, location: { lat: 39.0, lon: -77.5 }, default_home: true },
    eu: { origin: apps.eu.url, location: { lat: 50.1, lon: 8.7 } },
    ap: { origin: apps.ap.url, location: { lat: 1.35, lon: 103.8 } },
  },
  DATASETS: { lists: { ownership: "single-writer", home: "us", position: "lsn" } },
  ROUTES: [{ match: "/lists/*", dataset: "lists", read_after_write: "session", ...route }],
  IDENTITY: {},
});
