// A home store whose entries reach other edges late, as KV's do: at the edge that wrote one it is seen at once, elsewhere after a while
// that differs from entry to entry. Later writes are seen over earlier ones, whatever came through first.

/** An entry is seen at other edges after so many milliseconds at most. */
export const LATE_MS = 15_000;
/** How many edges it has. */
const EDGES = 4;

export const lateStore = `
  import { WorkerEntrypoint } from "cloudflare:workers";
  /** By key, the newest last: { value, edge, at, elsewhere, until }. */
  const held = new Map();
  function find(edge, key) {
    const now = Date.now();
    const seen = (held.get(key) ?? []).filter((entry) => entry.until > now && (entry.edge === edge || entry.elsewhere <= now));
    return seen.at(-1)?.value ?? null;
  }
  class Edge extends WorkerEntrypoint {
    async get(key) {
      return Array.isArray(key) ? new Map(key.map((key) => [key, find(this.edge, key)])) : find(this.edge, key);
    }
    async put(key, value, options) {
      const now = Date.now();
      const entry = { value, edge: this.edge, elsewhere: now + Math.random() * ${LATE_MS}, until: now + (options?.expirationTtl ?? 1e9) * 1000 };
      held.set(key, [...(held.get(key) ?? []).filter(({ elsewhere }) => elsewhere > now - ${LATE_MS}), entry]);
    }
    async delete(key) {
      held.delete(key);
    }
  }
  ${Array.from({ length: EDGES }, (_, at) => `export class Edge${at + 1} extends Edge { get edge() { return ${at + 1}; } }`).join("\n  ")}
  export default { fetch: () => new Response("a home store that is late", { status: 501 }) };`;
