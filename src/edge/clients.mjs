// What the platform tells of a client besides its header fields (`request.cf`): where it is, and what it accepts, for the header field says what
// the platform accepts. To look at it takes a third of what a hit takes, since the platform parses and freezes it for each request. So it is known for
// a minute what was told of a client, which is an address and a program. Where a client is nobody can say otherwise. What it accepts is only supposed:
// one program may ask now for gzip and now not. So whoever goes by it looks before a coded answer is given.
import { lasts, remember } from "./remembered.mjs";

/** @typedef {{ continent: string, latitude: number, longitude: number, accepts: string | undefined }} Told */

const KEPT_MS = 60_000;
/** So many clients are known, of whom neither the name nor what they accept is longer than this. */
const MOST = 1024;
const LONGEST = 512;
/** So long nothing is supposed of anybody once it was wrong: such a request goes to its region twice, and nobody is to bring many of those about. */
const PAUSE_MS = 10_000;
let paused = 0; // until then

/** @type {Map<string, { told: Told, until: number }>} from the one known longest on */
const clients = new Map();

/** No number where it is not known. @param {unknown} text */
const coordinate = (text) => (text === undefined ? NaN : parseFloat(/** @type {string} */ (text)));

/** What a client goes by; nothing if it has no address. @param {string | undefined} address @param {string | undefined} program */
export function nameOf(address, program) {
  if (address === undefined) return undefined;
  const name = `${address} ${program ?? ""}`;
  return name.length <= LONGEST ? name : undefined;
}

/** What is known of that client. @param {string | undefined} name @returns {Told | undefined} */
export function known(name) {
  const client = name === undefined ? undefined : clients.get(name);
  return client && lasts(client.until, KEPT_MS) && !lasts(paused, PAUSE_MS) ? client.told : undefined;
}

/** What was supposed of a client was wrong. */
export const wasWrong = () => void (paused = Date.now() + PAUSE_MS);

/** What the platform tells of a request's client, which is known from now on. @param {{ cf?: Partial<IncomingRequestCfProperties> }} request @param {string | undefined} name @returns {Told} */
export function look({ cf }, name) {
  const told = {
    continent: cf?.continent ?? "",
    latitude: coordinate(cf?.latitude),
    longitude: coordinate(cf?.longitude),
    accepts: cf?.clientAcceptEncoding,
  };
  // A Worker that hands a client's request on by a service binding tells nothing of it.
  if (name !== undefined && cf !== undefined && (told.accepts?.length ?? 0) <= LONGEST) {
    remember(clients, name, { told, until: Date.now() + KEPT_MS }, MOST);
  }
  return told;
}
