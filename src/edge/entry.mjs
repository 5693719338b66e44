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

/** @param {Request} request @param {unknown} error */
async function failed(request, error) {
  if (!(error instanceof Panic)) complain("the edge failed", { error: String(/** @type {Partial<Error> | undefined} */ (error)?.stack ?? error) });
  await takeIn(request);
  return problem(500, "Internal Server Error", "The router itself failed. The log has the cause.");
}

/** @param {Request} request */
async function unconfigured(request) {
  await takeIn(request);
  return problem(500, "Internal Server Error", "The configuration has errors; the log lists them, and so does `homing check`.");
}

/** The answer to a client. @param {Request} request @param {string} url @param {Env} env @param {ExecutionContext} ctx @returns {Response | Promise<Response>} */
function answer(request, url, env, ctx) {
  try {
    if (configuration(env)) return unconfigured(request);
    refresh(env, ctx, url);
    look(url, ctx);
    const answer = new Drive(request, env, ctx).run(url);
    return answer instanceof Promise ? answer.catch((error) => failed(request, error)) : answer;
  } catch (error) {
    return failed(request, error);
  }
}

/** The answer to an operator. @param {Request} request @param {string} url @param {Env} env @param {ExecutionContext} ctx */
async function operated(request, url, env, ctx) {
  try {
    if (configuration(env)) return await (asksForIt(url) ? api(request, env) : unconfigured(request));
    refresh(env, ctx, url);
    look(url, ctx);
    return await api(request, env);
  } catch (error) {
    return failed(request, error);
  }
}

/** The same as everything under `/_homing/` is shown. @param {Request} request @param {Promise<Response>} answer */
async function shown(request, answer) {
  const response = await answer;
  await takeIn(request);
  return shielded(response);
}

export default {
  /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
  fetch(request, env, ctx) {
    const { url } = request; // each look costs a call
    return isOperators(url) ? shown(request, operated(request, url, env, ctx)) : answer(request, url, env, ctx);
  },
};
