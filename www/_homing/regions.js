// The regions: what state each is in, how each pair replicates, and a card for each region.
import { lagLimits } from "./catalogue.js";
import { NONE, ago, el, list, number, own, span, word } from "./dom.js";

export const MARKS = { good: "●", warn: "▲", bad: "✕", off: "■" };

// What an operator has said of it.
const STATES = {
  "read-only": "It takes no writes.",
  draining: "It is given no new work; what it owns it goes on serving.",
  isolated: "It serves what it owns, and nobody else's reads.",
  down: "Nothing is sent to it.",
};

const ends = (region) => (region.state_ends ? `Until ${new Date(region.state_ends).toLocaleString()}, as an operator has ordered.` : "");

const KINDS = ["read", "write"];

/** What its breakers say, if that is anything but that all is well. */
function breaker(region) {
  const [read, write] = KINDS.map((kind) => region.circuit?.[kind] ?? {});
  const open = KINDS.filter((kind) => own(region.circuit, kind)?.state === "open");
  if (open.length) {
    const until = Math.max(read.until ?? 0, write.until ?? 0);
    const instead = open.includes("write") ? "Writes get 503" : "Reads go elsewhere";
    return {
      word: "breaker open",
      level: "warn",
      means: `Too many of its latest ${open.join("s and ")}s failed. ${instead} until one is let through to see, at ${new Date(until).toLocaleTimeString()}.`,
    };
  }
  if (read.state === "probing" || write.state === "probing")
    return { word: "probing", level: "warn", means: "It failed a while ago; the next request goes there to see." };
  if (read.state === "returning")
    return { word: "returning", level: "warn", means: `It has come back, and gets its share little by little: ${number(read.share)} % of the reads now.` };
  return undefined;
}

/** How a region stands, in a word, how bad that is, and what it means. */
export function standing(region) {
  if (region.reachable === false) return { word: "unreachable", level: "bad", means: "Its health address does not answer the edge." };
  const broken = breaker(region);
  if (broken) return broken;
  const state = word(region.state);
  if (state !== "active" && state !== NONE) return { word: state, level: "off", means: `${STATES[state] ?? ""} ${ends(region)}`.trim() };
  return { word: "active", level: "good", means: region.reachable ? "" : "It has not been asked how it is." };
}

/** Whether two regions replicate, by what either says of the other. */
export function link(one, other) {
  const forth = own(one.health?.reachable, other.name);
  const back = own(other.health?.reachable, one.name);
  const cuts = [forth === false && `${one.name} does not reach ${other.name}`, back === false && `${other.name} does not reach ${one.name}`].filter(Boolean);
  if (cuts.length) return { state: "cut", says: cuts.join("; ") };
  if (forth || back) return { state: "whole", says: `${one.name} and ${other.name} reach each other` };
  return { state: "unknown", says: `neither ${one.name} nor ${other.name} has told of the other` };
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
  if (!health || typeof health !== "object") return el("p", { class: "muted small" }, "It says nothing of its peers.");
  const names = [...new Set([...Object.keys(health.reachable ?? {}), ...Object.keys(health.lag_ms ?? {})])];
  if (!names.length) return el("p", { class: "muted small" }, "It tells of no peers.");
  const head = el(
    "tr",
    null,
    el("th", { scope: "col" }, "Peer"),
    el("th", { scope: "col" }, "Reached"),
    el("th", { scope: "col", class: "num" }, "Lag behind it"),
  );
  return el(
    "table",
    { class: "peers", "aria-label": `Peers as ${region.name} sees them` },
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
      region.default_home ? el("span", { class: "badge", title: "Takes the writes that no dataset claims." }, "default home") : "",
    ),
    el("p", { class: "origin" }, word(region.origin)),
    state.means ? el("p", { class: `small ${state.level === "good" ? "muted" : state.level}` }, state.means) : "",
    el(
      "dl",
      { class: "facts" },
      pair("Requests", number(region.requests)),
      pair("Failures", region.failures ? el("b", { class: "bad" }, number(region.failures)) : number(region.failures)),
      pair(
        "Under way",
        region.circuit?.ceiling ? `${number(region.circuit.in_flight)} of ${number(region.circuit.ceiling)}` : number(region.circuit?.in_flight),
      ),
      pair("Conflicts", number(region.health?.conflicts)),
      pair("Last failure", failure ? [el("code", null, word(failure.reason)), " ", ago(failure.at)] : "none"),
      positions.length ? pair("Position", positions.join(", ")) : "",
    ),
    peers(region),
  );
}

/** A card for each region. */
export const cards = (snapshot) => {
  const regions = list(snapshot.regions);
  return regions.length ? regions.map(card) : el("p", { class: "muted" }, "The router knows no regions. Write them under [vars.REGIONS] in wrangler.toml.");
};
