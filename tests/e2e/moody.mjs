// A home store, a directory and an authority that can be slow or fail, as the platform's cannot be made to.

/** Its moods, together or each on its own: `ok`, `slow` (an answer after a minute), `fails`. */
export const moodyStore = `
  import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
  const moods = { kv: "ok", directory: "ok", authority: "ok" };
  const held = new Map();
  const assigned = new Map();
  async function feel(part) {
    if (moods[part] === "fails") throw new Error("on purpose: the " + part + " is down");
    if (moods[part] === "slow") await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
  export default class extends WorkerEntrypoint {
    async get(key) {
      await feel("kv");
      return Array.isArray(key) ? new Map(key.map((key) => [key, held.get(key) ?? null])) : (held.get(key) ?? null);
    }
    async put(key, value) {
      await feel("kv");
      held.set(key, value);
    }
    async fetch(request) {
      if (request.method === "GET") return Response.json(Object.fromEntries(assigned));
      return Response.json(Object.assign(moods, await request.json()));
    }
  }
  export class Authority extends DurableObject {
    async take() {
      await feel("authority");
      return JSON.stringify({ status: 200, body: {} });
    }
  }
  export class Directory extends DurableObject {
    async assign(subject, kind, home) {
      await feel("directory");
      const known = assigned.get(subject);
      if (!known) assigned.set(subject, home);
      return JSON.stringify({ home: known ?? home, epoch: 1, new: !known });
    }
    async known(subject) {
      await feel("directory");
      const home = assigned.get(subject);
      return home ? JSON.stringify({ home, epoch: 1, new: false }) : null;
    }
  }`;

/** All that have moods, in the same one. */
export const all = (mood) => ({ kv: mood, directory: mood, authority: mood });
