// Where requests come in: configures the core once per isolate, and gives each request a drive of its own.
import { takeIn } from "./body.mjs";
import { Panic, complain, configuration } from "./core.mjs";
import { asksForIt } from "../operators/doctor.mjs";
import { Drive } from "./drive.mjs";
import { api } from "../operators/operators.mjs";
import { shielded } from "./shield.mjs";
import { look } from "./store.mjs";
import { refresh } from "./view.mjs";

export { Authority } from "../operators/authority.mjs";
export { Directory } from "./directory.mjs";
export { Prober } from "../operators/prober.mjs";

/** @param {number} status @param {string} title @param {string} detail */
const problem = (status, title, detail) =>
  new Response(JSON.stringify({ type: "about:blank", title, status, detail, reason: "internal" }), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "access-control-allow-origin": "*",
      "homing-reason": "internal",
      date: new Date().toUTCString(),
    },
  });

/** Whether a URL is the operators': `/_homing` or below it. @param {string} url */
function isOperators(url) {
  const path = url.indexOf("/", 8);
  return url.startsWith("/_homing", path) && /^(\/|\?|$)/.test(url.slice(path + 8));
}

/** @param {Request} request @param {string} url @param {Env} env @param {ExecutionContext} ctx @param {boolean} operators */
async function answer(request, url, env, ctx, operators) {
  try {
    if (configuration(env)) {
      if (operators && asksForIt(url)) return await api(request, env);
      if (!operators) await takeIn(request);
      return problem(500, "Internal Server Error", "The configuration has errors; the log lists them, and so does `homing check`.");
    }
    refresh(env, ctx, url);
    look(url, ctx);
    return await (operators ? api(request, env) : new Drive(request, env, ctx).run(url));
  } catch (error) {
    if (!(error instanceof Panic)) complain("the edge failed", { error: String(/** @type {Partial<Error> | undefined} */ (error)?.stack ?? error) });
    if (!operators) await takeIn(request);
    return problem(500, "Internal Server Error", "The router itself failed. The log has the cause.");
  }
}

export default {
  /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
  async fetch(request, env, ctx) {
    const { url } = request; // each look costs a call
    const operators = isOperators(url);
    const response = await answer(request, url, env, ctx, operators);
    if (!operators) return response;
    await takeIn(request);
    return shielded(response);
  },
};
