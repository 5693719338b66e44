// A KV namespace for plain workerd, in memory: the Worker to which a `kvNamespace` binding speaks HTTP. One isolate, so one store.
const held = new Map();

const find = (key) => {
  const entry = held.get(key);
  if (entry && entry.until <= Date.now()) held.delete(key);
  return held.get(key)?.value ?? null;
};

export default {
  async fetch(request) {
    const url = new URL(request.url);
    // Several keys in one question.
    if (request.method === "POST" && url.pathname === "/bulk/get") {
      const { keys } = await request.json();
      return Response.json(Object.fromEntries(keys.map((key) => [key, find(key)])));
    }
    const key = decodeURIComponent(url.pathname.slice(1));
    switch (request.method) {
      case "GET": {
        const value = find(key);
        return value === null ? new Response(null, { status: 404 }) : new Response(value);
      }
      case "PUT": {
        const ttl = url.searchParams.get("expiration_ttl");
        held.set(key, { value: await request.text(), until: ttl === null ? Infinity : Date.now() + Number(ttl) * 1000 });
        return new Response();
      }
      case "DELETE":
        held.delete(key);
        return new Response();
      default:
        return new Response(`this store has no ${request.method} of ${url.pathname}`, { status: 501 });
    }
  },
};
