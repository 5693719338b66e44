// The suite's origin: node origin.mjs PORT. The suite's own server listens on every address; this one on loopback only.
import http from "node:http";
import { handlers } from "./suite.mjs";

const known = await handlers();

http
  .createServer((request, response) => {
    // Some tests answer with what ends only with its connection, or with a body where there can be none. Left open, the rest of it
    // would be taken for the answer to whatever comes next, of whichever test.
    response.shouldKeepAlive = false;
    const [, what, ...rest] = new URL(request.url, "http://origin").pathname.split("/");
    const handle = Object.hasOwn(known, what) ? known[what] : undefined;
    if (handle) return handle(rest, request, response);
    response.writeHead(what ? 404 : 200).end();
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
