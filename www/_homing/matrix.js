// The matrix: from where each region is reached, and how far its copy is behind each peer's writes.
import { NONE, el, list, own, span, word } from "./dom.js";
import { LAG_ALL, LAG_SESSIONS, MARKS } from "./regions.js";

/** From which vantage points a region answers. */
function reached(region, vantages) {
  const told = vantages.map((vantage) => ({ from: vantage.from, seen: own(vantage.regions, region) })).filter(({ seen }) => seen);
  if (!told.length) return NONE;
  return told.map(({ from, seen }, at) => [at ? " · " : "", el("span", { class: seen.ok ? "" : "bad" }, seen.ok ? `${from} ${span(seen.ms)}` : `${MARKS.bad} ${from}`)]);
}

function level(pair) {
  if (pair.reachable === false) return "bad";
  if (pair.stalled || pair.lag_ms > LAG_ALL) return "bad";
  return pair.lag_ms > LAG_SESSIONS ? "warn" : "";
}

/** How far a copy is behind a peer, and what that means for reads. */
function behind(pair) {
  if (!pair) return el("td", { class: "num muted" }, NONE);
  const how = level(pair);
  const says = pair.reachable === false ? "cut off" : pair.stalled ? "stalled" : span(pair.lag_ms);
  const means = {
    bad: pair.lag_ms > LAG_ALL ? "No session is read here, and others only if there is no other copy." : "Sessions that have written or seen something are not read here.",
    warn: "Sessions that have written or seen something are not read here.",
  }[how];
  const percentiles = typeof pair.p99_ms === "number" ? el("small", { class: "muted" }, ` p50 ${span(pair.p50_ms)}, p99 ${span(pair.p99_ms)}`) : "";
  const since = pair.reachable === false || pair.stalled ? ` for ${span(pair.lag_ms)} at least` : "";
  return el("td", { class: `num ${how}`, title: means }, how ? `${MARKS[how]} ` : "", says, since, percentiles);
}

export function matrix(snapshot) {
  const regions = list(snapshot.regions).map((region) => region.name);
  const vantages = list(snapshot.matrix?.vantages);
  const pairs = list(snapshot.matrix?.pairs);
  if (!vantages.length) return el("p", { class: "muted empty" }, "No prober has told of the regions yet. This edge goes by what it sees itself.");
  const row = (region) => {
    const gone = list(snapshot.matrix.unreachable).includes(region);
    const cells = regions.map((peer) => (peer === region ? el("td", { class: "num muted" }, "its own") : behind(pairs.find((pair) => pair.region === region && pair.peer === peer))));
    return el("tr", null, el("th", { scope: "row" }, gone ? `${MARKS.bad} ` : "", word(region)), el("td", { class: gone ? "bad" : "" }, reached(region, vantages), gone ? " – they agree that it is gone" : ""), cells);
  };
  const head = el("tr", null, el("th", { scope: "col" }, "Copy at"), el("th", { scope: "col" }, "Reached from"), regions.map((peer) => el("th", { scope: "col", class: "num" }, `Behind ${word(peer)}`)));
  return el("table", null, el("thead", null, head), el("tbody", null, regions.map(row)));
}
