// What stands behind `caches.default` of plain workerd, in memory: GET asks, PUT brings a whole HTTP response as bytes, PURGE forgets.
// It keeps what the platform keeps, for as long as that does: never a Set-Cookie, nothing that a shared cache may not keep, and
// nothing beyond its lifetime. Fields are latin1 here, on the way in and out, so that every byte of them comes back.
import http from "node:http";

/** Takes the bytes of an HTTP response apart. */
function parse(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  const [first, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]);
  // It may say that it is chunked; the chunks are those of the PUT, which are gone by now.
  return { status: Number(first.split(" ")[1]), headers, body: bytes.subarray(end + 4) };
}

/** For how many seconds a shared cache may keep it (RFC 9111, 4.2.1). */
function lifetime(headers) {
  const said = (wanted) =>
    headers
      .filter(([name]) => name === wanted)
      .map(([, value]) => value)
      .join(", ");
  const control = said("cache-control");
  if (said("set-cookie") || /\b(no-store|private)\b/i.test(control)) return 0;
  const [, seconds] = /\bs-maxage="?(\d+)/i.exec(control) ?? /\bmax-age="?(\d+)/i.exec(control) ?? [];
  if (seconds !== undefined) return Number(seconds) - Number(said("age"));
  return (Date.parse(said("expires")) - Date.now()) / 1000 || 0;
}

/** The largest response that is kept, in bytes: on the platform 512 MB, which no test wants to send. */
const LARGEST = 24 * 1024 * 1024;

/** What the framing of a message says of it; the rest is the entry's own. */
const FRAMING = ["transfer-encoding", "connection", "content-length"];

/**
 * A store as a server that does not listen yet. Its `manner`: "nothing" takes all and keeps nothing, as the platform does on workers.dev;
 * "mixed" takes all keys of a host for one, as a rule of a zone could make it; "breaking" breaks off in the middle of each body of an entry.
 */
export function cacheServer(manner) {
  const held = new Map();
  const put = (key, bytes) => {
    const { status, headers, body } = parse(bytes);
    const seconds = lifetime(headers);
    if (!(seconds > 0) || body.length > LARGEST) return 413;
    const kept = headers.filter(([name]) => !FRAMING.includes(name));
    held.set(key, { status, headers: [...kept, ["cf-cache-status", "HIT"], ["content-length", body.length]].flat(), body, until: Date.now() + seconds * 1000 });
    return 204;
  };
  const server = http.createServer((request, response) => {
    const key = request.headers.host + (manner === "mixed" ? "" : request.url);
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "PUT" && manner === "nothing") return response.writeHead(204).end();
      if (request.method === "PUT") return response.writeHead(put(key, Buffer.concat(chunks))).end();
      if (request.method === "PURGE") return response.writeHead(held.delete(key) ? 200 : 404).end();
      const entry = held.get(key);
      const breaks = manner === "breaking" && entry?.headers.includes("homing-entry") && entry.body.length > 1;
      if (entry?.until > Date.now() && breaks)
        return response.writeHead(entry.status, entry.headers).write(entry.body.subarray(0, 1), () => response.destroy());
      if (entry?.until > Date.now()) return response.writeHead(entry.status, entry.headers).end(entry.body);
      held.delete(key);
      response.writeHead(504, { "cf-cache-status": "MISS", "content-length": 0 }).end();
    });
  });
  // A connection that is closed for having been idle, just when it is used again, would be a fault that nobody asked for.
  server.keepAliveTimeout = 600_000;
  return Object.assign(server, { purge: () => held.clear() });
}
