// Where requests come in: configures the core once per isolate, and gives each request a drive of its own.
import { Panic, call, complain } from "./core.mjs";
import { Drive } from "./drive.mjs";
export { Directory } from "./directory.mjs";
import { api, configure } from "homing-wasm";

let configured; // undefined until tried, then "" or what is wrong

function setUp(env) {
  const vars = Object.fromEntries(Object.entries(env).filter(([name]) => /^(REGIONS|DATASETS|ROUTES(_\d+)?|IDENTITY)$/.test(name)));
  const dev = env.DEV === true || env.DEV === "true" ? "dev" : "";
  configured = configure(JSON.stringify(vars), env.SESSION_KEY ?? "", env.SESSION_KEY_OLD ?? "", env.ORIGIN_KEY ?? "", `${dev},${env.LOG ?? "all"}`);
  if (configured) complain("the configuration is not served", { complaints: configured });
}

const problem = (status, title, detail) =>
  new Response(JSON.stringify({ type: "about:blank", title, status, detail, reason: "internal" }), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", "homing-reason": "internal", "cache-status": "homing; fwd=bypass" },
  });

export default {
  async fetch(request, env, ctx) {
    try {
      if (configured === undefined) call(() => setUp(env));
      if (configured) return problem(500, "Internal Server Error", "The configuration has errors; the log lists them, and so does `homing check`.");
      const url = request.url;
      const path = url.indexOf("/", 8);
      if (url.startsWith("/_homing", path) && /^(\/|\?|$)/.test(url.slice(path + 8))) return await api(request, env);
      return await new Drive(request, env, ctx).run(url);
    } catch (error) {
      if (!(error instanceof Panic)) complain("the edge failed", { error: String(error?.stack ?? error) });
      return problem(500, "Internal Server Error", "The router itself is at fault; the log has the rest.");
    }
  },
};

