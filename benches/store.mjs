// The Cache API's store for the benchmark: node store.mjs PORT. Keeps whole responses in memory, without expiry.
import http from "node:http";

const held = new Map();

/** Takes the text of an HTTP response apart. */
function parse(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  const [first, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
  return { status: Number(first.split(" ")[1]), headers: headers.filter(([name]) => !/^(transfer-encoding|connection)$/i.test(name)), body: bytes.subarray(end + 4) };
}

function unchunk({ headers, body, ...rest }) {
  if (headers.some(([name]) => /^content-length$/i.test(name))) return { headers, body, ...rest };
  const pieces = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const size = parseInt(body.subarray(at, end).toString(), 16);
    if (!size) return { headers, body: Buffer.concat(pieces), ...rest };
    pieces.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

http
  .createServer((request, response) => {
    const key = `${request.headers.host}${request.url}`;
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method === "PUT") {
        const kept = parse(Buffer.concat(chunks));
        held.set(key, unchunk(kept));
        return response.writeHead(204).end();
      }
      if (request.method === "PURGE") return response.writeHead(held.delete(key) ? 200 : 404).end();
      const stored = held.get(key);
      if (!stored) return response.writeHead(504, { "cf-cache-status": "MISS", "content-length": 0 }).end();
      response.writeHead(stored.status, [...stored.headers, ["cf-cache-status", "HIT"], ["content-length", stored.body.length]].filter(([name], at, all) => name.toLowerCase() !== "content-length" || at === all.length - 1).flat());
      response.end(stored.body);
    });
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
