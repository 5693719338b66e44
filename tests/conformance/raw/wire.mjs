// HTTP/1.1 as bytes, at both ends: a client that sends what it is told to, and an origin that answers what it is told to. Text is latin-1,
// so every byte is a letter.
import net from "node:net";

export const HOST = "shop.example";
/** Longer than anything here takes: a case that gets there has failed. */
const PATIENCE = 4000;

/** The head of a message as it begins in `text` at `at`: its first line, its fields (names in lower case), and where its body begins. */
function head(text, at) {
  const end = text.indexOf("\r\n\r\n", at);
  if (end < 0) return;
  const [first, ...lines] = text.slice(at, end).split("\r\n");
  const fields = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]);
  const all = (name) => fields.filter(([field]) => field === name).map(([, value]) => value);
  return { first, fields, all, get: (name) => (all(name).length ? all(name).join(", ") : undefined), body: end + 4 };
}

/** A chunked body from `at`: its text, its trailers, where it ends; `whole` is false while more must come, undefined where it is none. */
function chunks(text, at) {
  let body = "";
  for (;;) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return { body, whole: false };
    const size = /^[0-9a-f]+$/i.test(text.slice(at, line)) ? parseInt(text.slice(at, line), 16) : NaN;
    if (Number.isNaN(size)) return { body, whole: undefined };
    if (size === 0) {
      const end = text.slice(line, line + 4) === "\r\n\r\n" ? line + 4 : text.indexOf("\r\n\r\n", line) + 4;
      return end < 4 ? { body, whole: false } : { body, whole: true, end };
    }
    body += text.slice(line + 2, line + 2 + size);
    if (text.length < line + 2 + size + 2) return { body, whole: false };
    at = line + 2 + size + 2;
  }
}

/** The body of a message whose head that is: as `chunks`. `close` is whether it may be ended by the connection's end, and that has come. */
function framed(text, { body: at, all }, close) {
  if (all("transfer-encoding").length) return { ...chunks(text, at), chunked: true };
  const lengths = all("content-length");
  if (lengths.length === 0 && close === undefined) return { body: "", whole: true, end: at };
  if (lengths.length === 0) return { body: text.slice(at), whole: close, end: text.length, until: "close" };
  const end = at + Number(lengths[0]);
  return { body: text.slice(at, end), whole: text.length >= end, end };
}

/** A response of an origin's, whole and with its length. */
export function response(status, fields = [], body = "ok") {
  return [`HTTP/1.1 ${status}`, `Content-Length: ${body.length}`, ...fields, "", body].join("\r\n");
}

export const OK = response("200 OK", ["Cache-Control: no-store"]);

/**
 * An origin. For each request it does what `deed` is then: a text is the answer to the whole of a request; a function is told of each
 * request `(request, socket)` once it is whole, with `early` set on it as soon as its head has come. `seen` has what came.
 */
export class Origin {
  constructor() {
    /** @type {string | ((request: any, socket: any) => any)} */
    this.deed = OK;
    this.seen = [];
    this.sockets = new Set();
    this.server = net.createServer((socket) => this.accept(socket));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    this.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (this.server.address()).port}`;
    return this;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  /** Ends what connections are kept, so that a case begins with none. */
  hangUp() {
    for (const socket of this.sockets) socket.destroy();
  }

  accept(socket) {
    this.sockets.add(socket);
    const connection = { text: "", now: undefined };
    socket.on("error", () => {}).on("close", () => this.sockets.delete(socket));
    socket.on("data", (data) => ((connection.text += data.toString("latin1")), this.read(connection, socket)));
  }

  /** Takes apart what has come; only what is whole leaves the text. */
  read(connection, socket) {
    for (;;) {
      const { text } = connection;
      const found = head(text, 0);
      if (!found) return;
      const [method, target, version] = found.first.split(" ");
      const { body, whole, end, chunked = false } = /** @type {any} */ (framed(text, found));
      // What is sent with `Expect` by a Worker that only fetches waits for a word that this origin does not say.
      const request = (connection.now ??= { method, target, version, ...found, deed: this.deed });
      Object.assign(request, { content: body, chunked, whole: whole === true });
      if (!this.seen.includes(request)) this.seen.push(request);
      const early = request.deed.early;
      if (early && !request.answered) {
        request.answered = true;
        early(request, socket);
      }
      if (!whole) return;
      connection.text = text.slice(end);
      connection.now = undefined;
      if (early) continue;
      if (typeof request.deed === "string") socket.write(Buffer.from(request.deed, "latin1"));
      else request.deed(request, socket);
    }
  }
}

/** The first response in `text` from `at`, interim ones left out; undefined while it is not whole. `isHead` is whether none can have a body. */
function answerAt(text, at, isHead, closed) {
  const interim = [];
  for (;;) {
    const found = head(text, at);
    if (!found) return;
    const [, version, code, phrase] = /^(HTTP\/\d\.\d) (\d+) ?(.*)$/.exec(found.first) ?? [];
    const status = Number(code);
    if (status >= 100 && status < 200 && status !== 101) {
      interim.push({ status, ...found });
      at = found.body;
      continue;
    }
    const bodiless = isHead || status === 204 || status === 304 || status === 101;
    /** @type {any} */
    const message = bodiless ? { body: "", whole: true, end: found.body } : framed(text, found, closed);
    const { body, whole, end, until, chunked = false } = message;
    const answer = { status, version, phrase, interim, ...found, content: body, chunked, until, whole: whole === true };
    return whole || closed ? { answer, end: end ?? text.length } : undefined;
  }
}

/**
 * Says `pieces` to the port, one after the other, and takes the answers apart: `answers` (as many as `methods`, for what a HEAD is told
 * has no body), what is left over (`rest`), and whether the connection was `closed` (`reset`: by force). A piece is a text, or
 * `{ after }`, a promise. `end`: "half" closes behind the last piece, "reset" breaks. `next` is said once the answers have come, on the
 * same connection if that is still open.
 * @param {number} port @param {any} pieces @param {{ methods?: string[], end?: any, next?: any, patience?: number }} [how]
 */
export async function converse(port, pieces, { methods = ["GET"], end, next, patience = PATIENCE } = {}) {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const state = { text: "", closed: false, reset: false };
  let moved = (..._) => {};
  socket.on("data", (data) => ((state.text += data.toString("latin1")), moved()));
  socket.on("error", (error) => ((state.reset = true), (state.closed = true), (state.error = /** @type {NodeJS.ErrnoException} */ (error).code), moved()));
  socket.on("end", () => ((state.closed = true), moved())).on("close", () => ((state.closed = true), moved()));
  const until = Date.now() + patience;
  const said = [];
  try {
    await new Promise((resolve) => socket.once("connect", resolve).once("error", resolve));
    for (const piece of [].concat(pieces)) {
      if (typeof piece === "object") await Promise.race([piece.after(() => state.text), new Promise((resolve) => setTimeout(resolve, patience).unref())]);
      else if (!state.closed) socket.write(Buffer.from(piece, "latin1"));
    }
    if (end === "half") socket.end();
    if (end === "reset") socket.resetAndDestroy();
    const answers = [];
    let at = 0;
    for (const method of methods) {
      let found;
      while (!(found = answerAt(state.text, at, method === "HEAD", state.closed)) && !state.closed && Date.now() < until) {
        await new Promise((resolve) => ((moved = resolve), setTimeout(resolve, Math.max(until - Date.now(), 0)).unref()));
      }
      if (!found) break;
      answers.push(found.answer);
      at = found.end;
    }
    const late = answers.length < methods.length && !state.closed;
    if (next && !state.closed && !late && !answers.some((answer) => /\bclose\b/i.test(answer.get("connection") ?? "") || answer.status === 101)) {
      said.push(...(await follow(next)));
    }
    return { answers, late, closed: state.closed, reset: state.reset, rest: state.text.slice(at), next: said[0], text: state.text };

    /** One request more on the connection: what is answered to it, or nothing where the connection is closed. */
    async function follow(text) {
      socket.write(Buffer.from(text, "latin1"));
      let found;
      while (!(found = answerAt(state.text, at, false, state.closed)) && !state.closed && Date.now() < until) {
        await new Promise((resolve) => ((moved = resolve), setTimeout(resolve, Math.max(until - Date.now(), 0)).unref()));
      }
      if (!found) return [{ nothing: true, closed: state.closed, text: state.text.slice(at) }];
      at = found.end;
      return [found.answer];
    }
  } finally {
    socket.destroy();
  }
}
