// The last decisions: a row for each, with its trace below. Rows are kept, so that an open one stays open.
import { sentences, trouble } from "./catalogue.js";
import { el, field, find, head, list, moment, number, show, word } from "./dom.js";

const COLUMNS = ["Time", "Method", "Path", "Dataset", "Access", "Region", "Reason", "Status", "Attempts", "Cache", "ms"];
const NUMBERS = ["Status", "Attempts", "ms"].map((name) => COLUMNS.indexOf(name));

let entries = new Map();
let table;
let serial = 0;

/** "failed" if no region answered or the answer is 5xx, "troubled" if it was answered, but with trouble on the way. */
function verdict(record) {
  if (record.status >= 500 || !record.region) return "failed";
  return [record.reason, ...list(record.trace)].some((line) => trouble.has(String(line).split(" ")[0])) ? "troubled" : "well";
}

const VERDICTS = { failed: ["bad", "✕ ", "failed: "], troubled: ["warn", "▲ ", "in trouble: "], well: ["", "", ""] };

/** The key of each record. Equal records differ by the number of older equal ones. */
function keyed(records) {
  const seen = new Map();
  return records
    .toReversed()
    .map((record) => {
      const text = JSON.stringify(record);
      const older = seen.get(text) ?? 0;
      seen.set(text, older + 1);
      return [`${text}#${older}`, record];
    })
    .toReversed();
}

function rule(line) {
  const [token, ...region] = String(line).split(" ");
  return el(
    "li",
    { class: trouble.has(token) ? "trouble" : "" },
    el("span", { class: "rule" }, el("code", null, token), region.length ? el("b", null, ` ${region.join(" ")}`) : ""),
    Object.hasOwn(sentences, token) ? el("span", { class: "muted" }, sentences[token]) : "",
  );
}

function detail(record, id) {
  const trace = list(record.trace);
  const facts = `${word(record.method)} ${word(record.path)}`;
  const crossed = record.crossed ? "The request left its nearest region." : "The request did not leave its nearest region.";
  return el(
    "tr",
    { class: "detail", id, role: "row", hidden: true },
    el(
      "td",
      { colspan: COLUMNS.length, role: "cell" },
      el(
        "div",
        { class: "trace" },
        el("p", null, el("code", { class: "whole" }, facts)),
        el("p", { class: "muted small" }, crossed),
        trace.length ? el("ol", null, trace.map(rule)) : el("p", null, "The trace is empty."),
      ),
    ),
  );
}

function cells(record, button) {
  const [level, mark, says] = VERDICTS[verdict(record)];
  const region = [word(record.region), record.crossed ? el("span", { class: "tag", title: "The request left its nearest region." }, "crossed") : ""];
  return [
    [button, "time"],
    [word(record.method), "method"],
    [el("span", { class: "path", title: word(record.path) }, word(record.path)), "path-cell"],
    [word(record.dataset), record.dataset ? "dataset" : "dataset none"],
    [word(record.access), "access"],
    [region, "region"],
    [el("code", null, word(record.reason)), "reason"],
    [
      el(
        "span",
        { class: `code ${level}` },
        mark ? [el("span", { "aria-hidden": "true" }, mark), el("span", { class: "hidden" }, says)] : "",
        word(record.status),
      ),
      "status-cell num",
    ],
    [number(record.attempts), "attempts num"],
    [word(record.cache), "cache"],
    [number(record.ms), "ms num"],
  ].map(([cell, name], at) => el("td", { class: name, role: "cell", "data-label": COLUMNS[at] }, cell));
}

function entry(record) {
  const id = `trace-${++serial}`;
  const button = el(
    "button",
    { type: "button", class: "open", "aria-expanded": "false", "aria-controls": id },
    el("span", { class: "chevron", "aria-hidden": "true" }, "▸"),
    moment(record.at),
    el("span", { class: "hidden" }, ` trace of ${word(record.method)} ${word(record.path)}`),
  );
  const row = el("tr", { class: `decision ${verdict(record)}`, role: "row" }, cells(record, button));
  const trace = detail(record, id);
  const made = { record, open: false, body: el("tbody", { role: "rowgroup" }, row, trace) };
  made.text = [
    record.method,
    record.path,
    record.dataset,
    record.access,
    record.region,
    record.reason,
    record.status,
    record.cache,
    record.crossed ? "crossed" : "",
    ...list(record.trace),
  ]
    .join(" ")
    .toLowerCase();
  row.addEventListener("click", (event) => {
    const selection = getSelection();
    const selecting = !selection.isCollapsed && selection.containsNode(row, true);
    if (selecting && !button.contains(event.target)) return;
    made.open = !made.open;
    button.setAttribute("aria-expanded", made.open);
    trace.hidden = !made.open;
  });
  return made;
}

function filter() {
  const words = field("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = field("problems").checked;
  let shown = 0;
  for (const { record, text, body } of entries.values()) {
    const wanted = words.every((one) => text.includes(one)) && !(only && verdict(record) === "well");
    if (body.hidden === wanted) body.hidden = !wanted;
    shown += Number(wanted);
  }
  const all = entries.size;
  find("count").textContent = all === 0 ? "" : shown === all ? `the last ${all}` : `${shown} of the last ${all}`;
  find("none").hidden = shown > 0 || all === 0;
}

function frame(box) {
  table = el("table", { class: "stack", role: "table", "aria-labelledby": "decisions-title" }, head(COLUMNS, NUMBERS));
  const address = `curl -si '${location.origin}/'`;
  show(
    box,
    table,
    el("p", { id: "none", class: "muted empty", hidden: true }, "No decision matches."),
    el("p", { id: "empty", class: "muted empty" }, "No requests yet. Try: ", el("code", null, address)),
  );
  find("filter").addEventListener("input", filter);
  find("problems").addEventListener("change", filter);
}

/** Keeps the visible rows in place while new rows come in above them. */
function steady(box, work) {
  const top = box.getBoundingClientRect().top;
  const seen =
    box.scrollTop > 0 ? [...table.tBodies].find((body) => !body.hidden && body.getBoundingClientRect().bottom > top + table.tHead.offsetHeight) : null;
  const before = seen?.getBoundingClientRect().top;
  work();
  if (seen?.isConnected) box.scrollTop += seen.getBoundingClientRect().top - before;
}

/** Shows these decisions. An open one stays at the end after the router has forgotten it. */
export function decisions(snapshot) {
  const box = find("decisions");
  if (!table) frame(box);
  const next = new Map();
  for (const [key, record] of keyed(list(snapshot.decisions))) next.set(key, entries.get(key) ?? entry(record));
  for (const [key, held] of entries) if (held.open && !next.has(key)) next.set(key, held);
  steady(box, () => {
    for (const [key, held] of entries) if (!next.has(key)) held.body.remove();
    entries = next;
    let place = table.tHead.nextSibling;
    for (const { body } of entries.values()) {
      if (body === place) place = place.nextSibling;
      else table.insertBefore(body, place);
    }
    table.hidden = entries.size === 0;
    find("empty").hidden = entries.size > 0;
    filter();
  });
}
