// The figures of a run, as docs/failure.md has them.
import { isIllness } from "./disorder.mjs";
import { isStale } from "./sessions.mjs";

/** After an illness a region may take so long to be used again before that counts. */
const GRACE_MS = 2000;
/** Reasons by which a session's read goes home for the session's sake. */
const FOR_THE_SESSION = /^(pinned-home|position-not-reached|position-of-old-epoch|position-of-later-epoch)$/;
const DATASETS = ["catalog", "cart", "notes", "likes"];

const reasonOf = ({ headers, error, left }) => headers?.["homing-reason"] ?? (left ? "left" : `no answer (${error})`);
const isHit = ({ headers }) => /;\s*hit\b/.test(headers["cache-status"] ?? "");
const isLocal = (record) => isHit(record) || record.headers["homing-region"] === record.near;
const share = (part, whole) => (whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`);
const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const percentiles = (numbers, ...parts) => {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted.length === 0 ? "-" : parts.map((part) => Math.round(at(sorted, part))).join(" / ");
};

/** How often each, the most frequent first. */
function tally(records, name) {
  const counts = new Map();
  for (const record of records) counts.set(name(record), (counts.get(name(record)) ?? 0) + 1);
  return (
    [...counts]
      .sort(([, one], [, other]) => other - one)
      .map(([what, count]) => `${what} ${count}`)
      .join(", ") || "none"
  );
}

/** All figures, as lines to print. */
export function figures(run) {
  return [...traffic(run), ...locality(run), ...failures(run), ...refusals(run), ...pauses(run), ...recovery(run)];
}

function traffic({ records, lasting, operators, disorder }) {
  const lines = [
    `${records.length} requests, ${Math.round(records.length / (lasting / 1000))}/s; ${operators.changes.filter(({ phase }) => phase === "done" || phase === "over").length} changes done, ${operators.changes.filter(({ phase }) => phase === "aborted").length} given up, ${operators.states.length} states of regions; ${disorder.happened.length} faults`,
  ];
  for (const read of [true, false]) {
    const of = (dataset) =>
      records.filter((record) => record.read === read && record.dataset === dataset && record.status === 200).map(({ start, end }) => end - start);
    lines.push(`p50 / p99 ms of ${read ? "reads" : "writes"}: ${DATASETS.map((dataset) => `${dataset} ${percentiles(of(dataset), 0.5, 0.99)}`).join(", ")}`);
  }
  return lines;
}

function locality({ records }) {
  const reads = records.filter(({ read, status }) => read && status === 200);
  const local = (of) => share(of.filter(isLocal).length, of.length);
  const session = reads.filter(({ hadSession, dataset }) => hadSession && dataset !== undefined);
  const home = session.filter((record) => FOR_THE_SESSION.test(reasonOf(record)) && !isHit(record));
  return [
    `reads local ${local(reads)}: ${DATASETS.map((dataset) => `${dataset} ${local(reads.filter((read) => read.dataset === dataset))}`).join(", ")}`,
    `reads elsewhere: ${tally(
      reads.filter((read) => !isLocal(read)),
      (read) => `${read.dataset} ${reasonOf(read)}`,
    )}`,
    `session reads answered by home because of the session ${share(home.length, session.length)}, elsewhere than near ${share(home.filter((read) => !isLocal(read)).length, session.length)}`,
    `stale reads ${share(reads.filter(isStale).length, reads.length)}`,
  ];
}

function failures({ records }) {
  const of = (read) =>
    DATASETS.map((dataset) => {
      const asked = records.filter((record) => record.read === read && record.dataset === dataset && record.status !== undefined);
      return `${dataset} ${share(asked.filter(({ status }) => status >= 500).length, asked.length)}`;
    });
  const failed = records.filter(({ read, status }) => read && status >= 500);
  return [
    `reads 5xx: ${of(true).join(", ")} (${tally(failed, reasonOf)})`,
    `writes 5xx: ${of(false).join(", ")} (${tally(
      records.filter(({ read, status }) => read === false && status >= 500),
      reasonOf,
    )})`,
  ];
}

/** Whether some region was ill, or taken out by an operator, at some time between these. */
export function wasIll({ disorder, operators }, from, to) {
  const during = ({ began, ended }) => began <= to && ended + GRACE_MS >= from;
  return disorder.happened.some((fault) => isIllness(fault) && during(fault)) || operators.states.some(during);
}

const isPaused = ({ headers, json }) => headers?.["homing-write-outcome"] === "refused" && /paused|held back|moment/i.test(JSON.stringify(json));

function refusals(run) {
  const writes = run.records.filter(({ read, dataset, start, end, status }) => read === false && dataset && status !== undefined && !wasIll(run, start, end));
  const refused = writes.filter(({ status }) => status >= 500);
  const paused = refused.filter(isPaused);
  const others = refused.filter((write) => !isPaused(write));
  return [
    `writes refused while nothing was ill: ${share(others.length, writes.length)} of ${writes.length} (${tally(others, (write) => `${write.dataset} ${reasonOf(write)} ${write.headers["homing-write-outcome"]}`)}); beside them ${share(paused.length, writes.length)} because their owner was changing`,
  ];
}

/** The longest time without an acknowledged write of a metronome, around each change of what it writes to. */
function pauses({ records, operators }) {
  const beats = (metronome) =>
    records
      .filter((record) => record.metronome === metronome && record.status === 200)
      .map(({ end }) => end)
      .sort((one, other) => one - other);
  const gap = (ends, { began, ended }) =>
    ends.reduce((most, end, at) => (at > 0 && end >= began && ends[at - 1] <= ended ? Math.max(most, end - ends[at - 1]) : most), 0);
  const done = operators.changes.filter(({ phase, from, to, paused_for }) => phase === "done" && from !== to && paused_for != null);
  const [catalog, notes] = [beats("catalog"), beats("notes")];
  const promotions = done.filter(({ order }) => order.command === "promote");
  const moves = done.filter(({ order }) => order.command === "move");
  const given = operators.changes.filter(({ phase, paused_for }) => phase === "aborted" && paused_for != null);
  const line = (what, of) => `${what}: p50 / p90 / max ${percentiles(of, 0.5, 0.9, 1)} ms (${of.length})`;
  return [
    line(
      "longest gap of a writer every 200 ms while the catalogue was promoted",
      promotions.map((change) => gap(catalog, change)),
    ),
    line(
      "the same while its tenant was moved",
      moves.filter(({ name }) => name === "tenant:metronome").map((change) => gap(notes, change)),
    ),
    line(
      "writes waited, by the authority: promotions",
      promotions.map(({ paused_for }) => paused_for),
    ),
    line(
      "writes waited, by the authority: moves",
      moves.map(({ paused_for }) => paused_for),
    ),
    line(
      "writes waited for changes that were given up",
      given.map(({ paused_for }) => paused_for),
    ),
  ];
}

/** How long after the healing something still failed that had been asked since; of what was still under way then the end is no news. */
function recovery({ records, healed }) {
  const since = records.filter(({ start, status, left }) => start >= healed && !left && (status === undefined || status >= 500));
  const last = (read) =>
    DATASETS.map((dataset) => {
      const of = since.filter((record) => record.read === read && record.dataset === dataset && !isPaused(record));
      return `${dataset} ${of.length === 0 ? 0 : Math.max(...of.map(({ start }) => start)) - healed} ms`;
    });
  return [`the last that failed after all was healed: writes of ${last(false).join(", ")}; reads of ${last(true).join(", ")} (${tally(since, reasonOf)})`];
}
