// The suite's origin: node origin.mjs PORT. The suite's own server listens on every address; this one on loopback only.
import http from "node:http";
import { handlers } from "./suite.mjs";

const known = await handlers();

http
  .createServer((request, response) => {
    const [, what, ...rest] = new URL(request.url, "http://origin").pathname.split("/");
    const handle = Object.hasOwn(known, what) ? known[what] : undefined;
    if (handle) return handle(rest, request, response);
    response.writeHead(what ? 404 : 200).end();
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
