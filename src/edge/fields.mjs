// Between the platform's header fields and the text that crosses into Wasm (see wire.rs). Every call into the platform costs
// about a microsecond, and an iterator over its fields costs several objects for each: so they are read out by `forEach`, once.

import { isStored } from "./uncached.mjs";

// Only the platform has the tables of Unicode (UTS 46), so a host that needs them is brought into its form here; what is no URL then is none for the core.
const FOREIGN = /^[^:]*:\/\/[^/\\?#]*(?:xn--|[^\0-\x7f])/i;
const known = (url) => (FOREIGN.test(url) ? (URL.parse(url)?.href ?? "") : url);

/**
 * The facts as text; the fields go into `fields` too, for `edited`: as the platform has them, under no name, where text cannot hold what
 * stands in one (bytes beyond ASCII that are no UTF-8). `unsent` is 2 where a small body was too slow, 3 where it broke off.
 */
export function facts(request, url, fields, unsent) {
  const { method, headers, cf } = request;
  // The platform overwrites Accept-Encoding; what the client itself accepts stands here.
  const accepts = cf?.clientAcceptEncoding;
  let text = "";
  let content = false;
  headers.forEach((value, name) => {
    // Only Set-Cookie comes in several lines.
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
    if (value.includes("\ufffd")) fields[""] = headers;
    if (name === "content-length" || name === "transfer-encoding") content = true;
    if (accepts === undefined || name !== "accept-encoding") text += `\n${name}\n${value}`;
  });
  if (accepts) text += `\naccept-encoding\n${accepts}`;
  // The body of a GET is never sent on, so only its length could be of interest.
  if (method !== "GET" && method !== "HEAD") content = request.body !== null;
  return `${method}\n${known(url)}\n${cf?.continent ?? ""}\n${unsent ?? (content ? 1 : 0)}${text}`;
}

/**
 * A response's head as text, the length of its body if it says that, and whether a cache on the way has given it. `told` is whether the platform tells a stream that broke
 * from one that is whole, however it is framed: a connection that is closed in the middle of a body without frame looks like its end.
 */
export function head({ status, headers, body }, told) {
  let fields = "";
  let length = null;
  let framed = told || body === null;
  let stored = false;
  headers.forEach((value, name) => {
    if (name === "content-length") length = value;
    if (name === "cf-cache-status") stored = isStored(value);
    if (name === "content-length" || name === "transfer-encoding") framed = true;
    fields += `\n${name}\n${value}`;
  });
  return { text: `${status}${framed ? "" : " close"}${fields}`, length, stored };
}

/** Fields with the edits from line `at` on, as a new object without a prototype: cheaper than a list of the platform's. */
export function edited(fields, lines, at) {
  if (fields[""]) {
    const native = new Headers(fields[""]);
    edit(native, lines, at);
    return native;
  }
  const changed = Object.create(null);
  for (const name in fields) changed[name] = fields[name];
  for (; lines[at]; at++) {
    const line = lines[at];
    const tab = line.indexOf("\t");
    const name = line.slice(1, tab < 0 ? undefined : tab);
    const value = line.slice(tab + 1);
    if (line[0] === "-") delete changed[name];
    else changed[name] = line[0] === "+" && name in changed ? `${changed[name]}, ${value}` : value;
  }
  return changed;
}

/** Applies edits from line `at` on; returns the place after the empty line that ends them. */
export function edit(headers, lines, at) {
  for (; lines[at]; at++) {
    const line = lines[at];
    const tab = line.indexOf("\t");
    if (line[0] === "-") {
      const name = line.slice(1);
      // What comes again as it was stays: its lines, and bytes that are no UTF-8, only the platform's own fields have.
      const next = lines[at + 1];
      if (next.startsWith(`+${name}\t`) && next.slice(name.length + 2) === headers.get(name)) at++;
      else headers.delete(name);
    } else if (line[0] === "=") headers.set(line.slice(1, tab), line.slice(tab + 1));
    else headers.append(line.slice(1, tab), line.slice(tab + 1));
  }
  return at + 1;
}
