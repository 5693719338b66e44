// Between the platform's header fields and the text that crosses into Wasm (see wire.rs).

/** The facts as text. */
export function facts(request) {
  const { method, headers, cf } = request;
  // The platform overwrites Accept-Encoding; what the client itself accepts stands here.
  const accepts = cf?.clientAcceptEncoding;
  let text = "";
  let content = false;
  for (const [name, value] of headers) {
    if (name === "content-length" || name === "transfer-encoding") content = true;
    if (accepts === undefined || name !== "accept-encoding") text += `\n${name}\n${value}`;
  }
  if (accepts) text += `\naccept-encoding\n${accepts}`;
  // The body of a GET is never sent on, so only its length could be of interest.
  if (method !== "GET" && method !== "HEAD") content = request.body !== null;
  return `${method}\n${request.url}\n${cf?.latitude ?? ""}\n${cf?.longitude ?? ""}\n${cf?.continent ?? ""}\n${content ? 1 : 0}${text}`;
}

/** A response's head as text. */
export function head(response) {
  let text = String(response.status);
  for (const [name, value] of response.headers) text += `\n${name}\n${value}`;
  return text;
}

/** Applies edits from line `at` on; returns the place after the empty line that ends them. */
export function edit(headers, lines, at) {
  for (; lines[at]; at++) {
    const line = lines[at];
    const tab = line.indexOf("\t");
    if (line[0] === "-") headers.delete(line.slice(1));
    else if (line[0] === "=") headers.set(line.slice(1, tab), line.slice(tab + 1));
    else headers.append(line.slice(1, tab), line.slice(tab + 1));
  }
  return at + 1;
}
