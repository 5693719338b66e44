// A router in front of an origin whose every answer the test writes, and that stands for every region. It must not complain.
import assert from "node:assert/strict";
import { after } from "node:test";
import { hear, startOrigin, startRouter, stopAll, topology } from "./harness.mjs";

/** What lies at each path. */
export const resources = new Map();
let number = 0;
let log = "";
after(async () => {
  await stopAll();
  assert.doesNotMatch(log, /not stored|the edge failed|panicked|not updated/, "the edge complained");
});

/**
 * A resource of its own: `answer(request, n)` gives the n-th answer: `[status, fields, body]`, or its bytes as they are (a text in
 * latin-1), behind which the connection is closed. Returns its path and the requests that it saw.
 */
export function resource(answer, under = "/resource") {
  const path = `${under}/${++number}`;
  const seen = [];
  resources.set(path, { answer, seen });
  return { path, seen };
}

/** Starts both, and returns the router; behind the tests of the file all is stopped. `change` may change the topology. */
export async function startResources(change = (..._) => {}) {
  const origin = await startOrigin(async (request, response) => {
    const { answer, seen } = resources.get(new URL(request.url, "http://x").pathname) ?? { answer: () => [404, {}, ""], seen: [] };
    seen.push(request);
    const said = await answer(request, seen.length);
    if (typeof said === "string") return void response.socket.end(Buffer.from(said, "latin1"));
    const [status, fields, body] = said;
    response.writeHead(status, fields).end(body);
  });
  const vars = topology(undefined, (vars) => {
    for (const region of Object.values(vars.REGIONS)) region.origin = origin;
    change(vars, origin);
  });
  return startRouter({ vars, handleLog: hear((text) => (log += text)) });
}
