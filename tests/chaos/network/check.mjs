// What must be true of every request, whatever happened meanwhile.
import { subjectId } from "../../e2e/harness.mjs";
import { TOTAL_MS } from "../../e2e/world.mjs";

/** By how much an answer may come later than the router's own deadline, on a machine that has other work. */
const LATE_MS = 1500;
/** A home that has failed may be left alone for this long. */
const LEFT_ALONE_MS = 300_000;
/** The shortest window in which a session that wrote reads where it wrote. */
const WINDOW_MS = 1000;
/** How the router refuses: a region fails, or has not answered in time. */
const FAILED = new Set([503, 504]);
const REFUSALS = /^(home-down|home-unknown|position-not-reached|region-|breaker|circuit)/;

export const header = (record, name) => record.headers?.[name];
export const isStale = (record) => /^stale/.test(header(record, "homing-consistency") ?? "");
const isProblem = (record) => /^application\/problem\+json/.test(header(record, "content-type"));
export const listOf = ({ json }) => (json?.notes ?? json?.items ?? []).map((entry) => entry?.id ?? entry);
export const homeOf = (world, list) => world.assigned[subjectId(...list.split(":"))];

/** All that is wrong with what was recorded: `{ record, what }`; and what is counted without being wrong. */
export function check(world, faults, records) {
  const wrong = [];
  const counts = { unanswered: 0, refused: 0 };
  const sends = sendsById(world);
  const judge = { world, faults, records, counts, sends, say: (record, what) => wrong.push({ record, what, sends: sends.get(record.id) ?? [] }) };
  for (const record of records) {
    answers(judge, record);
    bounded(judge, record);
    if (record.read) read(judge, record);
    else write(judge, record);
  }
  readYourWrites(judge);
  return { wrong, counts };
}

function sendsById(world) {
  const sends = new Map();
  for (const [region, front] of Object.entries(world.fronts)) {
    for (const send of front.sends) sends.set(send.id, [...(sends.get(send.id) ?? []), { region, ...send }]);
  }
  return sends;
}

/** There is an answer, in time and in form. */
function answers({ faults, say }, record) {
  const { status, start, end, error } = record;
  if (error) return say(record, `no answer: ${error}`);
  if (end - start > TOTAL_MS + LATE_MS) say(record, `answered after ${end - start} ms`);
  if (status !== 200 && !FAILED.has(status)) say(record, `answered with ${status}`);
  if (!FAILED.has(status)) return;
  if (!(Number(header(record, "retry-after")) > 0 && isProblem(record))) {
    // A region's own words pass, where no region had better ones.
    const own = faults.happened.some(({ fault, began, ended }) => fault.mode?.mode === "error" && began <= end && ended >= start);
    if (!own) say(record, "a 503 or 504 without problem+json or Retry-After");
  }
}

/** Two regions at most; and again if a connection was lost before an answer came, or if the one that was behind is all that is left. */
function bounded({ sends, say }, record) {
  const of = sends.get(record.id) ?? [];
  const again = of.length - new Set(of.map(({ region }) => region)).size;
  if (of.length - again > 2 || again > (isStale(record) || FAILED.has(record.status) ? 2 : 1)) say(record, `sent ${of.length} times`);
}

/**
 * A read is answered while at most one region is ill: two may be asked, and of any two one is well. Whether the copy will do is
 * another matter: a session's read may be refused, with that reason, if the home by which it is promised something was ill.
 */
function read(judge, record) {
  const { faults, counts, say } = judge;
  if (!FAILED.has(record.status)) return;
  const reason = header(record, "homing-reason");
  const { size } = new Set(judge.sends.get(record.id)?.map(({ region }) => region));
  // Where only the home may answer, or else a region that has it all, that one's own 503 passes.
  const refusal = REFUSALS.test(reason) || (reason === "all-regions-failed" && !isProblem(record));
  // A copy that was behind has been asked, and its home after it: there is no third. Any other read of an item is answered by an older copy.
  const behind = record.what === "item-read" && reason === "home-down" && size > 0;
  if (record.kind === "session" && (behind || record.what !== "item-read") && refusal) {
    const fine = (behind ? ["us"] : homes(judge, record)).every((home) => faults.fine(home, record.start, record.end, LEFT_ALONE_MS));
    if (fine) return say(record, `refused with ${reason}, and its home was never ill`);
    counts.refused++;
    return;
  }
  const ill = faults.ill(record.start, record.end);
  if (ill.length <= 1) say(record, `not answered (${reason}) while only ${ill.join() || "nobody"} was ill`);
  else counts.unanswered++;
}

/** The regions whose word a session's read may need. */
function homes({ world, records, sends }, record) {
  if (record.list) return [homeOf(world, record.list)].filter(Boolean);
  const lately = records.filter(
    ({ session, what, end }) => session === record.session && what === "like" && end <= record.start && end > record.start - 30_000,
  );
  // Of one whose connection was refused nobody has seen where it went.
  return lately.flatMap(({ id }) => sends.get(id)?.map(({ region }) => region) ?? ["us", "eu", "ap"]);
}

/** A write is sent to its home or nowhere, once unless it may be repeated, and says what became of it. */
function write({ world, sends, say }, record) {
  const of = sends.get(record.id) ?? [];
  const outcome = header(record, "homing-write-outcome");
  if (of.length > (record.key ? 2 : 1)) say(record, "a write was sent twice");
  const owner = record.what === "like" ? of[0]?.region : record.list ? homeOf(world, record.list) : "us";
  if (of.some(({ region }) => region !== owner)) say(record, `a write was sent to who does not own it: ${owner} does`);
  if (record.status !== 200 && !record.error && !outcome) say(record, "a failed write does not say what became of it");
  if (outcome === "not-sent" && of.length > 0) say(record, "a write was sent, and it is said that it was not");
}

function readYourWrites({ records, say }) {
  const written = new Map();
  for (const record of records) {
    if (record.what === "append" && record.status === 200) {
      const key = `${record.session} ${record.list}`;
      written.set(key, [...(written.get(key) ?? []), record.id]);
    }
    if (record.status !== 200 || isStale(record)) continue;
    if (record.what === "list") {
      const missing = (written.get(`${record.session} ${record.list}`) ?? []).filter((id) => !listOf(record).includes(id));
      if (missing.length > 0) say(record, `does not show what the session wrote: ${missing}`);
    }
    const { after } = record;
    if (after?.status !== 200) continue;
    if (record.what === "item-read" && record.json?.item?.id !== after.id) say(record, "does not show the item that the session wrote");
    if (record.what === "liked" && record.start - after.end < WINDOW_MS && record.json?.liked !== true) say(record, "does not show the like");
  }
}
