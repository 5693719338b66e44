// The suite's origin: node origin.mjs PORT. The suite's own server listens on every address; this one on loopback only.
import http from "node:http";
import { handlers } from "./suite.mjs";

const known = await handlers();

/**
 * A body in a transfer coding that is not chunked ends with its connection (RFC 9112 section 6.3). Left open, whatever request
 * comes next on it would break, of whichever test.
 */
function delimited(response) {
  const set = response.setHeader.bind(response);
  response.setHeader = (name, value) => {
    if (name.toLowerCase() === "transfer-encoding") response.shouldKeepAlive = false;
    return set(name, value);
  };
}

const server = http
  .createServer((request, response) => {
    const [, what, ...rest] = new URL(request.url, "http://origin").pathname.split("/");
    delimited(response);
    const handle = Object.hasOwn(known, what) ? known[what] : undefined;
    if (handle) return handle(rest, request, response);
    response.writeHead(what ? 404 : 200).end();
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
// A cache must not meet a connection that is being closed for having been idle: what comes of that is no matter of caching.
server.keepAliveTimeout = 600_000;
