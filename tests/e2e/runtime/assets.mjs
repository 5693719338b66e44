// The ASSETS binding for plain workerd: the files of ./www from a disk service, with their types.
const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  json: "application/json",
};

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    const file = await env.FILES.fetch(`http://files${path}`, { method: request.method });
    if (!file.ok) return new Response(null, { status: file.status });
    return new Response(file.body, {
      headers: { "content-type": TYPES[path.split(".").pop()] ?? "application/octet-stream", "cache-control": "public, max-age=0, must-revalidate" },
    });
  },
};
