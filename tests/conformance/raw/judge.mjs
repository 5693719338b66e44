// What must hold of one case: what it says itself (`want`), and what holds of all.
import { HOST, converse, response } from "./wire.mjs";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;
const shown = (value) => JSON.stringify(value)?.slice(0, 300);

/** A request as plain as can be: `lines` are fields. */
export const ask = (method, target, lines = [], body = "") => [`${method} ${target} HTTP/1.1`, `Host: ${HOST}`, ...lines, "", body].join("\r\n");

/** What an origin does with requests of the run's own, whatever the case has it do. */
const AROUND = { "/next": response("200 OK", ["Cache-Control: no-store"], "next"), "/after": response("200 OK", ["Cache-Control: no-store"], "after") };
const UNKNOWN = response("404 Not Found", [], "");
/** What the router itself asks regions. */
const isRouters = (target) => target?.startsWith("/.well-known/homing");
export const around = (deed) => {
  const own = (request) => (isRouters(request.target) ? UNKNOWN : AROUND[request.target]);
  if (typeof deed === "string") return (request, socket) => socket.write(Buffer.from(own(request) ?? deed, "latin1"));
  if (!deed.early) return (request, socket) => (own(request) ? socket.write(own(request)) : deed(request, socket));
  return { early: (request, socket) => (own(request) ? socket.write(own(request)) : deed.early(request, socket)) };
};

/** What is wrong with a request as it came to the origin, whoever had sent it. */
function unsound(request) {
  const wrong = [];
  const say = (so, what) => so && wrong.push(`to the origin: ${what}: ${shown(request.first)} ${shown(request.fields)}`);
  say(request.all("host").length !== 1, "not one Host");
  say(request.all("content-length").length > 1, "several lengths");
  say(request.all("content-length").length && request.all("transfer-encoding").length, "a length beside a coding");
  say(
    request.fields.some(([name, value]) => !TOKEN.test(name) || /[\0\r\n]/.test(value)),
    "a field that is none",
  );
  say(request.version !== "HTTP/1.1", "no HTTP/1.1");
  say(
    ["keep-alive", "proxy-connection", "te", "trailer", "expect"].some((name) => request.get(name) !== undefined),
    "a field of the connection",
  );
  return wrong;
}

/** What is wrong with an answer, whatever it is an answer to. */
function unlike(answer, isOurs, cut) {
  const wrong = [];
  const say = (so, what) => so && wrong.push(`${what}: ${answer.first} ${shown(answer.fields)}`);
  say(
    cut ? answer.whole && answer.status === 200 && answer.until !== "close" : !answer.whole,
    cut ? "the beginning is given as the whole" : "the answer is not whole",
  );
  say(
    answer.interim.some(({ status }) => status !== 100),
    "an interim answer that nobody asked for",
  );
  say(answer.all("content-length").length > 1 || (answer.all("content-length").length && answer.all("transfer-encoding").length), "framed twice");
  say(answer.status === 204 && (answer.all("content-length").length || answer.all("transfer-encoding").length), "a 204 with a frame"); // RFC 9110 section 8.6
  say(
    ["keep-alive", "proxy-connection", "proxy-authentication-info"].some((name) => answer.get(name) !== undefined),
    "a field of the connection",
  );
  if (isOurs && answer.get("via") === undefined && answer.get("homing-reason") !== undefined) say(answer.all("date").length !== 1, "not one Date"); // RFC 9110 section 6.6.1
  return wrong;
}

const refuses = (talk) =>
  talk.answers.length === 0 ? talk.closed : (talk.answers[0].status >= 400 && talk.answers[0].status < 500) || [501, 505].includes(talk.answers[0].status);

function differs(message, want, where) {
  const wrong = [];
  const say = (so, what) => so && wrong.push(`${where}: ${what}`);
  const is = (found, wanted) =>
    wanted instanceof RegExp ? wanted.test(found ?? "") : Array.isArray(wanted) ? shown(found) === shown(wanted) : found === wanted;
  for (const name of ["method", "target", "content", "phrase"])
    if (want[name] !== undefined)
      say(!is(message[name], want[name]), `${name} is ${shown(message[name])}, and not ${want[name] instanceof RegExp ? want[name] : shown(want[name])}`);
  for (const [name, wanted] of Object.entries(want.has ?? {})) {
    const found = Array.isArray(wanted) ? message.all(name) : message.get(name);
    say(!is(found, wanted), `${name} is ${shown(found)}, and not ${wanted instanceof RegExp ? wanted : shown(wanted)}`);
  }
  for (const name of want.hasNot ?? []) say(message.get(name) !== undefined, `${name} is there: ${shown(message.get(name))}`);
  return wrong;
}

/** Asks for what the case is about until it is stored. */
async function keep({ stored, store }, { origin, port }) {
  origin.deed = around(stored);
  for (let tries = 0; tries < 100; tries++) {
    const [answer] = (await converse(port, store)).answers;
    if (/; hit/.test(answer?.get("cache-status") ?? "")) return;
  }
}

/**
 * Runs one case at one door; returns what is wrong. `want`: `status` (or several), `content`, `has`, `hasNot`, `phrase` of the (last)
 * answer; `refused`: by an error of the client's or by the connection's end, and no whole request came to the origin; `sent`: how many came;
 * `saw`: what the last of them was; `blames`: that the region is at fault, else it must not be; `also(talk, seen)`: says what else is wrong.
 */
export async function judge(one, door) {
  const { origin, port } = door;
  if (one.stored && door.isOurs) await keep(one, door);
  const failures = await door.failures?.();
  origin.deed = around(one.deed ?? response("200 OK", ["Cache-Control: no-store"]));
  const from = origin.seen.length;
  const text = typeof one.send === "string" ? one.send : one.send.find((piece) => typeof piece === "string");
  const methods = one.methods ?? [/^\r?\n?([A-Za-z-]+)/.exec(text)?.[1] ?? "GET"];
  const talk = await converse(port, one.send, { methods, end: one.end, next: one.next === false ? undefined : ask("GET", "/next", ["Connection: close"]) });
  const all = origin.seen.slice(from);
  const seen = all.filter(({ target }) => !Object.hasOwn(AROUND, target) && !isRouters(target));
  const { want } = one;
  const wrong = [];
  const answer = talk.answers.at(-1);
  if (talk.late) wrong.push(`no answer; what came: ${shown(talk.text)}`);
  if (want.refused) {
    if (!refuses(talk)) wrong.push(`not refused: ${shown(talk.text)}`);
    if (seen.some(({ whole }) => whole)) wrong.push(`a whole request came to the origin: ${shown(seen.at(-1).first)} ${shown(seen.at(-1).content)}`);
  }
  for (const other of talk.answers) wrong.push(...unlike(other, door.isOurs, want.cut));
  for (const request of seen) wrong.push(...unsound(request));
  if (want.status !== undefined && !want.refused && !talk.late) {
    if (!answer || !(want.none && talk.answers.length === 0)) {
      if (![].concat(want.status).includes(answer?.status) && !(want.none && !answer && talk.closed))
        wrong.push(`status ${answer?.status ?? "none"}, and not ${want.status}: ${shown(talk.text)}`);
    }
  }
  if (answer) wrong.push(...differs(answer, want, "answer"));
  if (want.sent !== undefined && seen.filter(({ whole }) => whole).length !== want.sent) wrong.push(`${seen.length} came to the origin, and not ${want.sent}`);
  if (want.saw) wrong.push(...(seen.length ? differs(seen.at(-1), want.saw, "origin") : ["nothing came to the origin"]));
  if (want.closes && !talk.closed && !/close/i.test(answer?.get("connection") ?? "")) wrong.push("the connection stays open");
  if (want.also && !talk.late) wrong.push(...[want.also(talk, seen)].flat().filter(Boolean));
  if (talk.next && !talk.next.nothing && (talk.next.status !== 200 || talk.next.content !== "next"))
    wrong.push(`the next request on the connection: ${shown(talk.next.first)} ${shown(talk.next.content)}`);
  if (talk.next?.nothing && !talk.next.closed) wrong.push(`the next request on the connection hangs: ${shown(talk.next.text)}`);
  const after = await converse(port, ask("GET", "/after", ["Connection: close"]));
  if (after.answers[0]?.content !== "after") wrong.push(`the next request of somebody else: ${shown(after.text)}`);
  const now = await door.failures?.();
  if (one.hangUp) origin.hangUp();
  if (failures !== undefined && now > failures && !want.blames) wrong.push(`it counts against the region`);
  return { wrong, talk, seen };
}
