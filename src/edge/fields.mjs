// Between the platform's header fields and the text that crosses into Wasm (see wire.rs).
// Header fields cross into the platform's own objects one by one and dearly, so they are read once, changed here as plain
// properties, and handed over whole.

/** The facts as text; the header fields also go into `fields`. */
export function facts(request, fields) {
  const { method, cf } = request;
  // The platform overwrites Accept-Encoding; what the client itself accepts stands here.
  const accepts = cf?.clientAcceptEncoding;
  let headers = "";
  for (const [name, value] of request.headers) {
    fields[name] = value;
    if (accepts === undefined || name !== "accept-encoding") headers += `\n${name}\n${value}`;
  }
  if (accepts) headers += `\naccept-encoding\n${accepts}`;
  // The body of a GET is never sent on, so only its length could be of interest.
  const body = method === "GET" || method === "HEAD" ? "content-length" in fields || "transfer-encoding" in fields : request.body !== null;
  return `${method}\n${request.url}\n${cf?.latitude ?? ""}\n${cf?.longitude ?? ""}\n${cf?.continent ?? ""}\n${body ? 1 : 0}${headers}`;
}

/** A response's head as text; its header fields also go into `fields`, cookies apart since they do not fold into one line. */
export function head(response, fields) {
  let text = String(response.status);
  for (const [name, value] of response.headers) {
    text += `\n${name}\n${value}`;
    put(fields, name, value);
  }
  return text;
}

const COOKIES = Symbol("set-cookie");

function put(fields, name, value) {
  if (name === "set-cookie") (fields[COOKIES] ??= []).push(value);
  else fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
}

/** Applies edits from line `at` on; returns the place after the empty line that ends them. */
export function edit(fields, lines, at) {
  for (; lines[at]; at++) {
    const line = lines[at];
    const tab = line.indexOf("\t");
    if (line[0] === "-") remove(fields, line.slice(1));
    else if (line[0] === "=") fields[line.slice(1, tab)] = line.slice(tab + 1);
    else put(fields, line.slice(1, tab), line.slice(tab + 1));
  }
  return at + 1;
}

// What the core asks of a stored copy; the rest of its fields stays where it is.
const ASKED_OF_COPIES = ["homing-stored", "homing-stored-control", "content-encoding", "etag"];

/** The head of a stored copy as text. */
export function copyHead(copy) {
  let text = String(copy.status);
  for (const name of ASKED_OF_COPIES) {
    const value = copy.headers.get(name);
    if (value !== null) text += `\n${name}\n${value}`;
  }
  return text;
}

/** Applies edits to the platform's own headers: cheaper where there are few. */
export function editHeaders(headers, lines, at) {
  for (; lines[at]; at++) {
    const line = lines[at];
    const tab = line.indexOf("\t");
    if (line[0] === "-") headers.delete(line.slice(1));
    else if (line[0] === "=") headers.set(line.slice(1, tab), line.slice(tab + 1));
    else headers.append(line.slice(1, tab), line.slice(tab + 1));
  }
  return at + 1;
}

function remove(fields, name) {
  delete fields[name === "set-cookie" ? COOKIES : name];
}

/** A response of these fields. */
export function respond(body, fields, init) {
  const response = new Response(body, { ...init, headers: fields });
  if (fields[COOKIES]) for (const cookie of fields[COOKIES]) response.headers.append("set-cookie", cookie);
  return response;
}
