// The matrix: which probers reach each region, and how far its replica lags behind each peer.
import { lagLimits } from "./catalogue.js";
import { NONE, el, list, own, span, table, word } from "./dom.js";
import { MARKS } from "./regions.js";

/** The vantage points to which a region answers. */
function reached(region, vantages) {
  const told = vantages.map((vantage) => ({ from: vantage.from, seen: own(vantage.regions, region) })).filter(({ seen }) => seen);
  if (!told.length) return NONE;
  return told.map(({ from, seen }, at) => [
    at ? " · " : "",
    el("span", { class: seen.ok ? "" : "bad" }, seen.ok ? `${from} ${span(seen.ms)}` : `${MARKS.bad} ${from}`),
  ]);
}

function level(pair) {
  if (pair.reachable === false) return "bad";
  if (pair.stalled || pair.lag_ms > lagLimits.all) return "bad";
  return pair.lag_ms > lagLimits.sessions ? "warn" : "";
}

/** How far a replica lags behind a peer, and what that means for reads. */
function behind(pair) {
  if (!pair) return el("span", { class: "muted" }, NONE);
  const how = level(pair);
  const says = pair.reachable === false ? "cut off" : pair.stalled ? "stalled" : span(pair.lag_ms);
  const sessions = "Sessions with a write or a mark do not read here.";
  const means = how && (pair.lag_ms > lagLimits.all ? `${sessions} Other requests read here only if no other replica is left.` : sessions);
  const percentiles = typeof pair.p99_ms === "number" ? el("small", { class: "muted" }, ` p50 ${span(pair.p50_ms)}, p99 ${span(pair.p99_ms)}`) : "";
  const since = pair.reachable === false || pair.stalled ? ` for at least ${span(pair.lag_ms)}` : "";
  return el("span", { class: how, title: means }, how ? `${MARKS[how]} ` : "", says, since, percentiles);
}

export function matrix(snapshot) {
  const regions = list(snapshot.regions).map((region) => region.name);
  const vantages = list(snapshot.matrix?.vantages);
  const pairs = list(snapshot.matrix?.pairs);
  if (!vantages.length) return el("p", { class: "muted empty" }, "No prober has reported yet. This edge uses its own observations.");
  const columns = ["Replica in", "Reached from", ...regions.map((peer) => `Lag behind ${word(peer)}`)];
  const row = (region) => {
    const gone = list(snapshot.matrix.unreachable).includes(region);
    const cells = [
      el("b", { class: gone ? "bad" : "" }, gone ? `${MARKS.bad} ` : "", word(region)),
      [reached(region, vantages), gone ? el("span", { class: "bad" }, " – the probers agree that it is unreachable") : ""],
      ...regions.map((peer) =>
        peer === region ? el("span", { class: "muted" }, "itself") : behind(pairs.find((pair) => pair.region === region && pair.peer === peer)),
      ),
    ];
    return { cells };
  };
  return table("matrix-title", columns, regions.map(row));
}
