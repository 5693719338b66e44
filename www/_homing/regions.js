// The regions: the state of each, the links between them, and a card for each.
import { lagLimits } from "./catalogue.js";
import { NONE, ago, el, list, number, own, span, sum, word } from "./dom.js";

export const MARKS = { good: "●", warn: "▲", bad: "✕", off: "■" };

// What the states that an operator sets mean.
const STATES = {
  "read-only": "The region takes no writes.",
  draining: "The region gets no new work. It still serves what it owns.",
  isolated: "The region serves only what it owns.",
  down: "Nothing is sent to the region.",
};

const ends = (region) => (region.state_ends ? `An operator has set this until ${new Date(region.state_ends).toLocaleString()}.` : "");

const KINDS = ["read", "write"];

/** The state of its breakers, unless both are closed. */
function breaker(region) {
  const [read, write] = KINDS.map((kind) => region.circuit?.[kind] ?? {});
  const open = KINDS.filter((kind) => own(region.circuit, kind)?.state === "open");
  if (open.length) {
    const until = Math.max(read.until ?? 0, write.until ?? 0);
    const instead = open.includes("write") ? "Writes get 503" : "Reads go elsewhere";
    return {
      word: "breaker open",
      level: "warn",
      means: `Too many recent ${open.join("s and ")}s failed. ${instead}. At ${new Date(until).toLocaleTimeString()} one request tries the region again.`,
    };
  }
  if (read.state === "probing" || write.state === "probing")
    return { word: "probing", level: "warn", means: "The region failed. The next request tries it again." };
  if (read.state === "returning")
    return { word: "returning", level: "warn", means: `The region has come back. It gets ${number(read.share)} % of its reads now, and more step by step.` };
  return undefined;
}

/** The state of a region: a word, a level, and what it means. */
export function standing(region) {
  if (region.reachable === false) return { word: "unreachable", level: "bad", means: "The health address does not answer the edge." };
  const broken = breaker(region);
  if (broken) return broken;
  const state = word(region.state);
  if (state !== "active" && state !== NONE) return { word: state, level: "off", means: `${STATES[state] ?? ""} ${ends(region)}`.trim() };
  return { word: "active", level: "good", means: region.reachable ? "" : "The edge has not checked the region's health yet." };
}

/** Whether two regions reach each other, as they report it. */
export function link(one, other) {
  const forth = own(one.health?.reachable, other.name);
  const back = own(other.health?.reachable, one.name);
  const cuts = [forth === false && `${one.name} does not reach ${other.name}`, back === false && `${other.name} does not reach ${one.name}`].filter(Boolean);
  if (cuts.length) return { state: "cut", says: cuts.join("; ") };
  if (forth || back) return { state: "whole", says: `${one.name} and ${other.name} reach each other` };
  return { state: "unknown", says: `${one.name} and ${other.name} have not reported each other` };
}

function peerLine(health, peer) {
  const reaches = own(health.reachable, peer);
  const lag = own(health.lag_ms, peer);
  const level = lag > lagLimits.all ? "bad" : lag > lagLimits.sessions ? "warn" : "";
  const means = level && `more than ${span(level === "bad" ? lagLimits.all : lagLimits.sessions)} behind`;
  return el(
    "tr",
    null,
    el("th", { scope: "row" }, peer),
    el("td", { class: reaches === false ? "bad" : "" }, reaches === undefined || reaches === null ? NONE : reaches ? "yes" : `${MARKS.bad} no`),
    el("td", { class: `num ${level}`, title: means }, typeof lag === "number" ? `${level ? `${MARKS[level]} ` : ""}${span(lag)}` : "unknown"),
  );
}

function peers(region) {
  const { health } = region;
  if (!health || typeof health !== "object") return el("p", { class: "muted small" }, "The region reports nothing about its peers.");
  const names = [...new Set([...Object.keys(health.reachable ?? {}), ...Object.keys(health.lag_ms ?? {})])];
  if (!names.length) return el("p", { class: "muted small" }, "The region reports no peers.");
  const head = el(
    "tr",
    null,
    el("th", { scope: "col" }, "Peer"),
    el("th", { scope: "col" }, "Reached"),
    el("th", { scope: "col", class: "num" }, "Lag behind it"),
  );
  return el(
    "table",
    { class: "peers", "aria-label": `Peers, as ${region.name} reports them` },
    el("thead", null, head),
    el(
      "tbody",
      null,
      names.map((name) => peerLine(health, name)),
    ),
  );
}

const pair = (name, ...value) => el("div", null, el("dt", null, name), el("dd", null, value));

function card(region) {
  const state = standing(region);
  const failure = region.last_failure;
  const positions = Object.entries(region.health?.position ?? {}).map(([dataset, position]) => `${dataset} ${word(position)}`);
  return el(
    "article",
    { class: `panel card ${state.level}` },
    el(
      "header",
      null,
      el("h3", null, word(region.name)),
      el("span", { class: `badge ${state.level}`, title: state.means }, `${MARKS[state.level]} ${state.word}`),
      state.word === "unreachable" && breaker(region) ? el("span", { class: "badge warn" }, `${MARKS.warn} ${breaker(region).word}`) : "",
      region.default_home ? el("span", { class: "badge", title: "Takes the writes of requests without a dataset." }, "default home") : "",
    ),
    el("p", { class: "origin" }, word(region.origin)),
    state.means ? el("p", { class: `small ${state.level === "good" ? "muted" : state.level}` }, state.means) : "",
    el(
      "dl",
      { class: "facts" },
      pair("Requests", number(region.requests)),
      pair("Failures", region.failures ? el("b", { class: "bad" }, number(region.failures)) : number(region.failures)),
      pair(
        "In flight",
        region.circuit?.ceiling ? `${number(region.circuit.in_flight)} of ${number(region.circuit.ceiling)}` : number(region.circuit?.in_flight),
      ),
      pair("Conflicts", region.health?.conflicts === undefined ? NONE : number(sum(region.health.conflicts))),
      pair("Last failure", failure ? [el("code", null, word(failure.reason)), " ", ago(failure.at)] : "none"),
      positions.length ? pair("Position", positions.join(", ")) : "",
    ),
    peers(region),
  );
}

/** A card for each region. */
export const cards = (snapshot) => {
  const regions = list(snapshot.regions);
  return regions.length ? regions.map(card) : el("p", { class: "muted" }, "No regions are configured. Add them to [vars.REGIONS] in wrangler.toml.");
};
