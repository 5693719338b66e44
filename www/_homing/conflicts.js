// Conflicts of multi-writer datasets: what each route has met of them, and the latest as the regions tell them.
import { NONE, ago, el, entries, list, number, own, sum, table, word } from "./dom.js";
import { badge, named, overFirst } from "./locality.js";
import { MARKS } from "./regions.js";

const COLUMNS = ["Route", "Writes", "With a conflict", "Budget", "Resolved by"];
const SHOWN = 5;

/** Counts by dataset and rule, in words. */
const rules = (counts) => entries(counts).map(([rule, times]) => `${rule} ${number(times)}`);
const resolved = (datasets) =>
  entries(datasets)
    .map(([name, counts]) => `${name}: ${rules(counts).join(", ")}`)
    .join("; ");

function budget(route) {
  if (!route.budget) return el("span", { class: "muted" }, NONE);
  const { writes, conflicting } = route.window ?? {};
  return [`${word(route.budget)} may `, badge(route, writes, `${number(conflicting)} of ${number(writes)} writes met a conflict in the last 5 to 10 minutes`)];
}

function row(route) {
  const cells = [
    named(route),
    number(route.writes),
    route.conflicting ? `${number(route.conflicting)} (${word(route.share)})` : number(route.conflicting),
    budget(route),
    resolved(route.datasets) || el("span", { class: "muted" }, NONE),
  ];
  return { cells, kind: route.over ? "over" : null };
}

/** The table of the routes' conflicts, as this isolate has counted them. */
export function conflicts(snapshot) {
  const rows = overFirst(list(snapshot.conflicts)).map(row);
  const several = list(snapshot.datasets).some((dataset) => dataset.conflicts);
  if (!several) return el("p", { class: "muted empty" }, "No dataset has several writers, so nothing conflicts.");
  if (!Array.isArray(snapshot.conflicts)) return "";
  if (!rows.length) return el("p", { class: "muted empty" }, "No answer has reported a conflict to this isolate.");
  return table("conflicts-title", COLUMNS, rows);
}

/** The totals that the regions tell of a dataset, each with its region. */
export function totals(dataset, regions) {
  const told = list(dataset.conflicts?.totals).flatMap((counts, at) => (sum(counts) ? [`${word(regions[at]?.name)} ${rules(counts).join(", ")}`] : []));
  return told.length ? el("small", { class: "muted" }, ` resolved so far: ${told.join("; ")}`) : "";
}

/** The datasets that have a story to tell. */
export const told = (snapshot) =>
  list(snapshot?.datasets)
    .filter(
      (dataset) =>
        list(dataset.conflicts?.totals).some((counts) => sum(counts) > 0) || list(snapshot.conflicts).some((route) => own(route.datasets, dataset.name)),
    )
    .map((dataset) => dataset.name);

/** Where the latest stories of a dataset are. */
export const address = (name) => `api/conflicts?${new URLSearchParams({ dataset: name, limit: String(SHOWN) })}`;

/** Whoever writes the data chooses its keys: one may be of any length and direction, and turns nothing beside it. */
const name = (key) => el("bdi", { class: "key", title: word(key) }, word(key));

function story(each) {
  const disputed = list(each.disputed_by).join(", ");
  return el(
    "li",
    null,
    el("span", { class: "muted" }, ago(each.at)),
    " ",
    each.key ? [name(each.key), each.field ? [" (", name(each.field), ")"] : "", " "] : "",
    word(each.sentence),
    disputed ? el("span", { class: "bad" }, ` ${MARKS.bad} ${disputed} kept the other one`) : "",
  );
}

/** The latest stories, by dataset. */
export function stories(all) {
  return all
    .filter((each) => list(each.stories).length || entries(each.regions).some(([, said]) => !said.answered))
    .map((each) => {
      const silent = entries(each.regions).filter(([, said]) => !said.answered);
      const why = silent.map(([name, said]) => `${name}: ${word(said.why)}`).join(" ");
      return [
        el(
          "p",
          { class: "empty" },
          el("b", null, word(each.dataset)),
          silent.length ? el("span", { class: "warn", title: why }, ` ${MARKS.warn} without ${silent.map(([name]) => name).join(", ")}`) : "",
        ),
        el("ul", { class: "small stories" }, list(each.stories).map(story)),
      ];
    });
}
