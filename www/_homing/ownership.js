// Changes of home, in progress and recent, and the regions that do not know of one yet. The authority reports them.
import { NONE, ago, el, list, number, span, table, word } from "./dom.js";
import { MARKS } from "./regions.js";

const SHOWN = 8;
const COLUMNS = ["Change", "Data", "From", "To", "State", "By", "Writes refused for"];

const isOver = (change) => Number.isFinite(change.ended);

function level(change) {
  if (!isOver(change)) return "warn";
  return change.phase === "aborted" || change.failed > 0 ? "bad" : "good";
}

/** A subject's id is long, so only its beginning is shown. */
const unit = (change) => {
  const name = word(change.unit ?? (change.subjects === null ? "all" : `all: ${change.subjects} subjects`));
  return name.startsWith("~") ? el("code", { title: name }, `${name.slice(0, 9)}…`) : name;
};

/** How long writes were refused. Before the change: how long the preflight expects them to be. */
function refused({ paused_for: was, found }) {
  const { expected_pause_ms: about, max_pause_ms: most } = found?.estimate ?? {};
  if (typeof was === "number") return span(was);
  return typeof about === "number" && typeof most === "number" ? `about ${span(about)}, at most ${span(most)}` : NONE;
}

function row(change) {
  const mark = level(change);
  const cells = [
    el("span", { title: word(change.reason) }, word(change.id), " ", el("span", { class: "muted" }, ago(change.began))),
    unit(change),
    word(change.from) || NONE,
    el("b", null, word(change.to)),
    el("span", { class: mark === "good" ? "" : mark }, `${MARKS[mark]} ${change.phase ?? (isOver(change) ? "done" : "evacuating")}: ${word(change.says)}`),
    word(change.actor),
    refused(change),
  ];
  return { cells };
}

const untold = ({ region, unit, home }) => el("li", null, `${word(region)} does not know yet that ${word(home)} owns ${word(unit)}`);

/** Whether a change is in progress, so that the page asks more often. */
export const isBusy = (shown) => [...list(shown?.changes), ...list(shown?.sweeps)].some((change) => !isOver(change));

/** The table of changes. */
export function ownership(shown) {
  const all = [...list(shown.sweeps), ...list(shown.changes).filter((change) => !change.sweep || !isOver(change))];
  const rows = all
    .sort((one, other) => other.began - one.began)
    .slice(0, SHOWN)
    .map(row);
  const told = list(shown.untold);
  const rest = told.length ? el("ul", { class: "small warn empty" }, told.map(untold)) : "";
  const about = el(
    "p",
    { class: "muted small empty" },
    `View ${number(shown.version)}. To change a home, run `,
    el("code", null, "homing promote DATASET --to REGION"),
    ".",
  );
  if (!rows.length) return [el("p", { class: "muted empty" }, "No home has been moved. All homes are as in wrangler.toml."), rest, about];
  return [table("ownership-title", COLUMNS, rows), rest, about];
}
