// The probe of `homing doctor --deploy-probe`: a Worker that asks origins which cannot be asked, as the router asks its regions, and that is
// an origin itself. It answers whoever has the token of this run, until the run is over, and is nothing to everybody else.
/** What the command deploys beside it. @typedef {{ UNTIL: string, TOKEN_SHA256: string }} Probe */
/** What the command wants done. @typedef {{ do: string, url?: string, date?: string, headers?: Record<string, string>, patience?: number }} Order */

const TOKEN = "homing-doctor-token";
const FIRST = 80;
const HANGS_MS = 60_000;

/** @param {ArrayBuffer} bytes */
const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
/** @param {string} text */
const hash = async (text) => hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

/** Only the hash of the token was deployed, and what is compared is hashes: their beginnings tell nothing of it. @param {Request} request @param {Probe} env */
async function admitted(request, env) {
  const token = request.headers.get(TOKEN) ?? "";
  return token !== "" && Date.now() < Number(env.UNTIL) && (await hash(token)) === env.TOKEN_SHA256;
}

/** What begins a body, and no more of it. @param {ReadableStream | null} body */
async function first(body) {
  if (!body) return "";
  const reader = body.getReader();
  let text = "";
  const decoder = new TextDecoder();
  while (text.length < FIRST) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  reader.cancel().catch(() => {});
  return text.slice(0, FIRST);
}

/**
 * Asks as the router does; what came of it, as routing/doctor/heard.rs has it.
 * @param {string} url @param {{ headers?: Record<string, string>, patience?: number }} [how]
 */
async function ask(url, { headers = {}, patience = 10_000 } = {}) {
  const began = Date.now();
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(url, { headers, redirect: "manual", signal, cf: { cacheTtl: -1 } });
    const ended = Date.now();
    const fields = Object.fromEntries(response.headers);
    return { status: response.status, began, ended, fields, text: await first(response.body).catch(() => "") };
  } catch (error) {
    return { failed: /** @type {Partial<Error> | undefined} */ (error)?.message ?? String(error), timed_out: signal.aborted, began, ended: Date.now() };
  }
}

/** As an origin: what it is asked for at a path of its own. @param {Request} request @param {string} path */
async function origin(request, path) {
  switch (path) {
    case "/origin/fields": {
      const fields = new Headers(request.headers);
      fields.delete(TOKEN);
      return Response.json(Object.fromEntries(fields));
    }
    case "/origin/kept":
      return new Response(crypto.randomUUID(), { headers: { "cache-control": "public, max-age=600", etag: '"kept"' } });
    case "/origin/dated":
      return new Response("dated", { headers: { date: new URL(request.url).searchParams.get("date") ?? "" } });
    case "/origin/hanging":
      await new Promise((resolve) => setTimeout(resolve, HANGS_MS));
      return new Response("late");
    default:
      return new Response("There is nothing here.", { status: 404 });
  }
}

/** @param {Order} order @param {string} own @param {string} token */
async function work(order, own, token) {
  const headers = { [TOKEN]: token };
  switch (order.do) {
    case "ready":
      return {};
    case "origin":
      // The token is for nobody but itself.
      return order.url ? ask(order.url, order) : ask(`${own}/origin/hanging`, { ...order, headers });
    case "fields": {
      const response = await fetch(`${own}/origin/fields`, { headers: { ...order.headers, ...headers }, redirect: "manual", cf: { cacheTtl: -1 } });
      return response.json();
    }
    case "kept": {
      const url = `${own}/origin/kept?${crypto.randomUUID()}`;
      return [await ask(url, { headers }), await ask(url, { headers })];
    }
    case "dated":
      return ask(`${own}/origin/dated?date=${encodeURIComponent(order.date ?? "")}`, { headers });
    default:
      return null;
  }
}

export default {
  /** @param {Request} request @param {Probe} env */
  async fetch(request, env) {
    const { pathname, origin: own } = new URL(request.url);
    if (!(await admitted(request, env))) return new Response("There is nothing here.", { status: 404 });
    if (request.method !== "POST" || pathname !== "/ask") return origin(request, pathname);
    return Response.json(await work(await request.json(), own, request.headers.get(TOKEN) ?? ""));
  },
};
