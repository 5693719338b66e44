// The doors that the cases go through, in plain workerd: the router, and a Worker that only fetches. What fails at both is workerd's.
import { converse, Origin } from "./wire.mjs";
import { ask } from "./judge.mjs";

const FETCHES = `export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return fetch(env.ORIGIN + pathname + search, new Request(request, { redirect: "manual" }));
  },
};`;

/** The router before an origin of its own. `harness` is that of the end-to-end tests, in plain workerd. */
export async function routerDoor(harness) {
  const origin = await new Origin().listen();
  const vars = { DEV: true, REGIONS: { eu: { origin: origin.url } }, ROUTES: [{ match: "POST /once", idempotent: true }] };
  const router = await harness.startRouter({ vars, bindings: { SESSION_KEY: "s".repeat(32) } });
  const { port } = router.url;
  const snapshot = async () =>
    JSON.parse(
      (
        await converse(
          port,
          ["GET /_homing/api/snapshot HTTP/1.1", `Host: 127.0.0.1:${port}`, "CF-Connecting-IP: 127.0.0.1", "Connection: close", "", ""].join("\r\n"),
        )
      ).answers[0].content,
    );
  const failures = async () => {
    const shown = await snapshot();
    if (!shown.regions?.length) throw new Error(`no snapshot: ${JSON.stringify(shown)}`);
    const [{ circuit }] = shown.regions;
    return circuit.read.failures + circuit.write.failures + (circuit.read.state === "closed" ? 0 : 1000) + (circuit.write.state === "closed" ? 0 : 1000);
  };
  return { name: "homing", isOurs: true, origin, port, failures, snapshot, stop: () => (origin.stop(), router.stop()) };
}

export async function fetchDoor(harness) {
  const origin = await new Origin().listen();
  const { compatibility_date: date, compatibility_flags: flags } = harness.wrangler;
  const { url, stop } = await harness.startScript({ script: FETCHES, vars: { ORIGIN: origin.url }, date, flags });
  return { name: "fetch", origin, port: Number(new URL(url).port), stop: () => (origin.stop(), stop()) };
}

export { ask };
