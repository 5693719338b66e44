// The header fields of everything under /_homing/, from any maker: the assets' store, the operators' Wasm, or what says that neither could.
const FIELDS = {
  // No form is ever sent by the browser itself (with the script gone it would put the token into the address), no script stands in the
  // page, and nobody frames it.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY", // for browsers that do not know `frame-ancestors`
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin", // a page of the application's that opens the dashboard gets no hold of its window
  "cross-origin-resource-policy": "same-origin",
};

/**
 * The response with those fields, and a date (RFC 9110 section 6.6.1); no cache keeps what does not say itself that it may be kept, and no other site reads it.
 * @param {Response} response
 */
export function shielded(response) {
  const answer = new Response(response.body, response);
  for (const [name, value] of Object.entries(FIELDS)) answer.headers.set(name, value);
  if (!answer.headers.has("date")) answer.headers.set("date", new Date().toUTCString());
  if (!answer.headers.has("cache-control")) answer.headers.set("cache-control", "no-store");
  for (const name of [...answer.headers.keys()]) if (name.startsWith("access-control-")) answer.headers.delete(name);
  return answer;
}
