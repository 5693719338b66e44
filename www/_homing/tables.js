// The totals of the isolate, and the datasets.
import { totals as resolved } from "./conflicts.js";
import { NONE, bytes, el, list, number, share, table, word } from "./dom.js";

const total = (name, value, note) =>
  el("div", { class: "panel" }, el("dt", null, name), el("dd", null, el("b", null, value), el("small", { class: "muted" }, note)));

/** What the isolate has counted. */
export function totals(snapshot) {
  const { requests, cross_region: crossed, cache_hits: hits, refused } = snapshot.totals ?? {};
  return [
    total("Requests", number(requests), "since the isolate started"),
    total("Locality", share(requests - crossed, requests), `${number(crossed)} left their nearest region`),
    total("Cache hits", share(hits, requests), `${number(hits)} answered at the edge`),
    total("Refused", number(refused), "the router refused them"),
    total("In flight", number(snapshot.in_flight), "requests"),
    total("Wasm memory", bytes(snapshot.memory_bytes), "of the isolate"),
  ];
}

// What is shown for the home if the dataset has several.
const HOMES = { "geo-partitioned": "one per subject", "multi-writer": "each listed region" };

const COLUMNS = ["Dataset", "Ownership", "Home", "Epoch", "Regions", "Conflicts"];

function conflicts(dataset, regions) {
  if (dataset.conflicts) {
    const { rule, word: kind, explain } = dataset.conflicts;
    return [el("code", null, word(kind ?? rule)), " ", explain ? el("q", null, explain) : "", resolved(dataset, regions)];
  }
  return el("span", { class: "muted" }, dataset.ownership === "multi-writer" ? NONE : "none: each write has one home");
}

function row(dataset, regions) {
  const cells = [
    el("b", null, word(dataset.name)),
    word(dataset.ownership),
    dataset.home ? el("b", null, dataset.home) : el("span", { class: "muted" }, HOMES[dataset.ownership] ?? NONE),
    number(dataset.epoch),
    list(dataset.regions).join(", ") || NONE,
    conflicts(dataset, regions),
  ];
  return { cells };
}

/** The table of the datasets. */
export function datasets(snapshot) {
  const rows = list(snapshot.datasets).map((dataset) => row(dataset, list(snapshot.regions)));
  if (!rows.length) return el("p", { class: "muted empty" }, "No datasets are configured. Reads go to the nearest region, writes to the default home.");
  return table("datasets-title", COLUMNS, rows);
}
