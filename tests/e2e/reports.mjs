// For cases made of bug reports of other proxies: an origin that keeps its connections and speaks bytes, and a client that does.
import { Origin, response } from "../conformance/raw/wire.mjs";
import { stopWithAll } from "./harness.mjs";
import { bytes } from "./reported.mjs";

/**
 * An origin that keeps its connections and answers with bytes: `answer(request, socket, n)` gives them as a text in latin-1, or undefined if
 * it has written or done something else itself; `n` counts the requests of that connection, which are answered in turn. Resolves to its
 * address. Of the request there are its method, path, fields (`all` lines of a name, or as `one`) and body.
 */
export async function startRawOrigin(answer) {
  const origin = new Origin();
  const turns = new WeakMap(); // by connection: how many requests it has had, and when the last one is answered
  origin.deed = (request, socket) => {
    const turn = turns.get(socket) ?? { n: 0, over: Promise.resolve() };
    turns.set(socket, turn);
    const { method, target: path, all, get, content: body } = request;
    turn.over = turn.over.then(async () => {
      const said = await answer({ method, path, all, one: (name) => get(name) || undefined, body }, socket, ++turn.n);
      if (said !== undefined && !socket.destroyed) socket.write(Buffer.from(said, "latin1"));
    });
  };
  await origin.listen();
  stopWithAll(async () => origin.stop());
  return origin.url;
}

/** A whole answer of that status, with these lines of header fields and this body, on a connection that is kept. */
export const fine = (body = "ok", ...lines) => message("200 OK", body, ...lines);
export const message = (status, body, ...lines) => response(status, lines, body);

/**
 * Sends these lines as a request of a client near Frankfurt, and resolves to the answer as bytes in latin-1.
 * @param {any} router @param {string[]} lines @param {{ body?: any, enough?: (text: string) => any }} [how]
 */
export function exchange(router, [first, ...lines], { body = "", enough } = {}) {
  const host = lines.some((line) => /^host:/i.test(line)) ? [] : ["Host: shop.example"];
  return bytes(router, [first, ...host, ...lines, "", body].join("\r\n"), enough);
}

/** The status of an answer as bytes. */
export const statusOf = (text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
