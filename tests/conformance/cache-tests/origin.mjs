// The suite's origin: node origin.mjs SOURCE PORT... The suite's own server listens on every address; this one on loopback only, and
// on as many ports as there are regions.
import http from "node:http";
import { engine } from "./source.mjs";

const [, , text, ...ports] = process.argv;
const where = JSON.parse(text);
const known = Object.fromEntries(
  await Promise.all(["test", "config", "state"].map(async (name) => [name, (await engine(where, `server/handle-${name}.mjs`)).default])),
);

function answer(request, response) {
  // Some tests answer with what ends only with its connection, or with a body where there can be none. Left open, the rest of it
  // would be taken for the answer to whatever comes next, of whichever test.
  response.shouldKeepAlive = false;
  const [, what, ...rest] = new URL(request.url, "http://origin").pathname.split("/");
  const handle = Object.hasOwn(known, what) ? known[what] : undefined;
  if (handle) return handle(rest, request, response);
  response.writeHead(what ? 404 : 200).end();
}

for (const port of ports) http.createServer(answer).listen(Number(port), "127.0.0.1");
