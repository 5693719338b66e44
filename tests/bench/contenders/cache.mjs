// (b) The same with the Cache API.
export default {
  async fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    if (request.method !== "GET") return fetch(env.ORIGIN + pathname + search, request);
    const stored = await /** @type {any} */ (caches).default.match(request.url);
    if (stored) return stored;
    const response = await fetch(env.ORIGIN + pathname + search, request);
    if (response.ok && /max-age/.test(response.headers.get("cache-control") ?? ""))
      ctx.waitUntil(/** @type {any} */ (caches).default.put(request.url, response.clone()));
    return response;
  },
};
