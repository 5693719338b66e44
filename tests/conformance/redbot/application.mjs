// An ordinary application: what a framework's defaults say of pages, files, redirects and sign-ins. It is an origin of REDbot's, and of the proxies'.
import { createHash } from "node:crypto";
import http from "node:http";
import { brotliCompressSync, gzipSync } from "node:zlib";

const MADE = new Date("2026-01-02T03:04:05Z").toUTCString();
const text = (line) => `${line}\n`.repeat(200);
const file = (type, body, control, more = {}) => ({ status: 200, type, body: Buffer.from(body), control, made: MADE, ...more });

/** By path; `coded`: compressed for who accepts it; `parts`: in ranges; `made`: when; `tag: false`: without an ETag. */
const PAGES = {
  "/": file("text/html; charset=utf-8", `<!doctype html><title>Shop</title>${text("<p>Lamps, chairs and tables.")}`, "max-age=60", { coded: true }),
  "/app.css": file("text/css; charset=utf-8", text("p { color: black }"), "max-age=31536000, immutable", { coded: true }),
  "/app.js": file("text/javascript; charset=utf-8", text("console.log('lamp');"), "max-age=3600", { coded: true, parts: true }),
  "/lamp.png": file("image/png", Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(5000, "lamp")]), "max-age=86400", { parts: true }),
  "/api/items": file(
    "application/json; charset=utf-8",
    JSON.stringify(Array.from({ length: 50 }, (_, n) => ({ id: n, name: "lamp" }))),
    "max-age=0, must-revalidate",
    { coded: true, made: undefined },
  ),
  "/api/cart": file("application/json; charset=utf-8", '{"items":[]}', "no-store", { made: undefined, tag: false }),
  "/manual.txt": file("text/plain; charset=utf-8", text("Put the lamp on the table."), "max-age=600", { tag: false, parts: true }),
  "/hello": file("text/plain; charset=utf-8", "Hello", "max-age=60", { languages: true }),
  "/old": { status: 301, to: "/", control: "max-age=3600", body: Buffer.from("Moved") },
  "/buy": { status: 302, to: "/api/cart", control: "no-store", body: Buffer.from("Found") },
  "/login": file("text/html; charset=utf-8", "<!doctype html><title>Welcome</title>", "private, no-cache", {
    cookie: "sid=1; Path=/; HttpOnly; Secure; SameSite=Lax",
    made: undefined,
  }),
  "/missing": { status: 404, type: "text/html; charset=utf-8", body: Buffer.from("<!doctype html><title>Not found</title>"), control: "max-age=10" },
};
export const paths = Object.keys(PAGES);

const listed = (field, name) => (field ?? "").split(",").some((member) => member.split(";")[0].trim() === name && !/;\s*q=0(\.0*)?\s*$/.test(member));

/** The fields and the body of a page for that request. */
function shown(page, { headers }) {
  const fields = { "cache-control": page.control };
  let body = page.body;
  if (page.type) fields["content-type"] = page.type;
  if (page.to) fields.location = page.to;
  if (page.cookie) fields["set-cookie"] = page.cookie;
  if (page.made) fields["last-modified"] = page.made;
  if (page.parts) fields["accept-ranges"] = "bytes";
  if (page.languages) {
    const isGerman = listed(headers["accept-language"], "de");
    body = Buffer.from(isGerman ? "Hallo" : "Hello");
    Object.assign(fields, { vary: "Accept-Language", "content-language": isGerman ? "de" : "en" });
  }
  if (page.coded) {
    fields.vary = "Accept-Encoding";
    const coding = listed(headers["accept-encoding"], "br") ? "br" : listed(headers["accept-encoding"], "gzip") ? "gzip" : undefined;
    if (coding) fields["content-encoding"] = coding;
    if (coding) body = coding === "br" ? brotliCompressSync(body) : gzipSync(body);
  }
  if (page.tag !== false && page.status === 200) fields.etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 16)}"`;
  return { fields, body };
}

/** @param {any} request @param {any} fields */
function isSame({ headers }, { etag, "last-modified": made }) {
  if (headers["if-none-match"]) return headers["if-none-match"].split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  return made !== undefined && Date.parse(headers["if-modified-since"]) >= Date.parse(made);
}

/** One range, if it is asked for and what it is of is still the same. @param {any} request @param {any} fields @param {number} size */
function range({ headers }, { etag, "last-modified": made }, size) {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  if (from === undefined || (headers["if-range"] && ![etag, made].includes(headers["if-range"]))) return;
  return [Number(from), Math.min(to ? Number(to) : size - 1, size - 1)];
}

function answer(request, response) {
  const path = new URL(request.url, "http://shop").pathname;
  const page = PAGES[path] ?? PAGES["/missing"];
  const { fields, body } = shown(page, request);
  const is = (status, more, content) => response.writeHead(status, { ...fields, ...more }).end(request.method === "HEAD" ? undefined : content);
  if (page.status === 200 && isSame(request, fields)) {
    for (const name of ["content-type", "content-encoding", "content-language"]) delete fields[name];
    return is(304, {});
  }
  const [from, to] = (page.parts && range(request, fields, body.length)) || [];
  if (from >= body.length) return is(416, { "content-range": `bytes */${body.length}` });
  if (from !== undefined)
    return is(206, { "content-range": `bytes ${from}-${to}/${body.length}`, "content-length": to - from + 1 }, body.subarray(from, to + 1));
  is(page.status, { "content-length": body.length }, body);
}

/** The application, listening; resolves to its port and how it is stopped. */
export async function application() {
  const server = http.createServer(answer);
  // A connection that is closed for having been idle, just when it is used again, would be a fault that nobody asked for.
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return { port: /** @type {import("node:net").AddressInfo} */ (server.address()).port, stop: () => server.close().closeAllConnections() };
}
