// For cases made of bug reports of other proxies: an origin that keeps its connections and speaks bytes, and a client that does.
import net from "node:net";
import { stopWithAll } from "./harness.mjs";
import { bytes } from "./reported.mjs";

/** The length of the message that begins with this head, with its body; undefined if not all of it has come. */
function whole(text, end) {
  const head = text.slice(0, end).toLowerCase();
  const body = end + 4;
  if (!/\r\ntransfer-encoding: *chunked/.test(head)) {
    const length = body + Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0);
    return text.length < length ? undefined : length;
  }
  const last = text.indexOf("0\r\n\r\n", body);
  return last < 0 ? undefined : last + 5;
}

/** A request as it came: its method, path, lines of header fields, all of them by name in lower case, and body. */
function taken(text) {
  const end = text.indexOf("\r\n\r\n");
  const [line, ...lines] = text.slice(0, end).split("\r\n");
  const [method, path] = line.split(" ");
  const all = (name) => lines.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim());
  return { method, path, lines, all, one: (name) => all(name).join(", ") || undefined, body: text.slice(end + 4) };
}

/**
 * An origin that keeps its connections and answers with bytes: `answer(request, socket, n)` gives them as a text in latin-1, or undefined if
 * it has written or done something else itself; `n` counts the requests of that connection. Resolves to its address.
 */
export async function startRawOrigin(answer) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)));
    socket.on("error", () => {});
    let text = "";
    let n = 0;
    let before = Promise.resolve();
    socket.on("data", (data) => {
      text += data.toString("latin1");
      for (let end; (end = text.indexOf("\r\n\r\n")) >= 0; ) {
        const length = whole(text, end);
        if (length === undefined) return;
        const request = taken(text.slice(0, length));
        text = text.slice(length);
        before = before.then(async () => {
          const said = await answer(request, socket, ++n);
          if (said !== undefined && !socket.destroyed) socket.write(Buffer.from(said, "latin1"));
        });
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  stopWithAll(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A whole answer of that status, with these lines of header fields and this body, on a connection that is kept. */
export const fine = (body = "ok", ...lines) => message("200 OK", body, ...lines);
export const message = (status, body, ...lines) => [`HTTP/1.1 ${status}`, `Content-Length: ${body.length}`, ...lines, "", body].join("\r\n");

/** Sends these lines as a request of a client near Frankfurt, and resolves to the answer as bytes in latin-1. */
export function exchange(router, [first, ...lines], { body = "", enough } = {}) {
  const host = lines.some((line) => /^host:/i.test(line)) ? [] : ["Host: shop.example"];
  return bytes(router, [first, ...host, ...lines, "", body].join("\r\n"), enough);
}

/** The status of an answer as bytes. */
export const statusOf = (text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
