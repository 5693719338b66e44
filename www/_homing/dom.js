// Building and updating elements, and how numbers and times are written. Text from the data only ever becomes text nodes.
const SVG = "http://www.w3.org/2000/svg";

const given = (value) => value !== null && value !== undefined && value !== false && value !== "";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (given(value)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(given));
  return element;
}

/** An HTML element. */
export const el = (name, attributes, ...children) => build(document.createElement(name), attributes, children);

/** An SVG element. */
export const svg = (name, attributes, ...children) => build(document.createElementNS(SVG, name), attributes, children);

/** The head of a table. The columns whose places are in `numeric` hold numbers. */
export const head = (columns, numeric = []) =>
  el(
    "thead",
    { role: "rowgroup" },
    el(
      "tr",
      { role: "row" },
      columns.map((name, at) => el("th", { scope: "col", role: "columnheader", class: numeric.includes(at) ? "num" : "" }, name)),
    ),
  );

/** A table under the heading with that id. A row is its cells and, if it has one, its class. On a narrow screen each cell shows its column's name. */
export const table = (title, columns, rows) =>
  el(
    "table",
    { class: "stack", role: "table", "aria-labelledby": title },
    head(columns),
    el(
      "tbody",
      { role: "rowgroup" },
      rows.map(({ cells, kind }) =>
        el(
          "tr",
          { role: "row", class: kind },
          cells.map((cell, at) => el("td", { role: "cell", "data-label": columns[at] }, el("span", null, cell))),
        ),
      ),
    ),
  );

export const find = (id) => document.getElementById(id);

/** The input with that id. */
export const field = (id) => /** @type {HTMLInputElement} */ (find(id));

/** Makes these the children of `parent`, touching only what differs: a selection and a scroll place stay. */
export function show(parent, ...children) {
  const wanted = children
    .flat(Infinity)
    .filter(given)
    .map((child) => (child instanceof Node ? child : new Text(child)));
  const held = [...parent.childNodes];
  for (const [at, child] of wanted.entries()) {
    if (held[at]) morph(held[at], child);
    else parent.append(child);
  }
  for (const child of held.slice(wanted.length)) child.remove();
}

function morph(held, wanted) {
  if (held.nodeName !== wanted.nodeName) return held.replaceWith(wanted);
  if (held instanceof Text) {
    if (held.data !== wanted.data) held.data = wanted.data;
    return;
  }
  for (const { name } of [...held.attributes]) if (!wanted.hasAttribute(name)) held.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (held.getAttribute(name) !== value) held.setAttribute(name, value);
  show(held, ...wanted.childNodes);
}

/** The router's clock, as far as this page knows it: ages are told by it, not by this machine's. */
export const clock = { ahead: 0, now: () => Date.now() + clock.ahead };

const numbers = new Intl.NumberFormat("en-GB");
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** What stands where nothing is known. */
export const NONE = "–";
export const number = (value) => (isNumber(value) ? numbers.format(value) : NONE);
export const share = (part, whole) => (isNumber(part) && whole > 0 ? `${Math.round((part / whole) * 1000) / 10} %` : NONE);
export const word = (value) => (value === null || value === undefined || value === "" ? NONE : String(value));
export const list = (value) => (Array.isArray(value) ? value : []);
/** A field of an object that came as JSON and may not be there. */
export const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

/** The entries of an object that came as JSON and may not be there. */
export const entries = (object) => (object && typeof object === "object" ? Object.entries(object) : []);

/** The sum of a number, or of all numbers in an object that came as JSON. */
export function sum(counts) {
  if (isNumber(counts)) return counts;
  return counts && typeof counts === "object" ? Object.values(counts).reduce((all, more) => all + sum(more), 0) : 0;
}

export function span(ms) {
  if (!isNumber(ms)) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`;
  if (ms < 600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

export function bytes(value) {
  if (!isNumber(value)) return NONE;
  return value < 1_048_576 ? `${Math.round(value / 1024)} KiB` : `${(value / 1_048_576).toFixed(1)} MiB`;
}

/** An age: whole seconds are enough. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${seconds < 10 ? `${seconds} s` : span(seconds * 1000)} ago`;
}

const since = (at) => age(clock.now() - at);
const iso = (at) => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : "");

/** How long ago something was; `tick` keeps it true. */
export const ago = (at) => (isNumber(at) ? el("time", { "data-at": at, datetime: iso(at), title: iso(at) }, since(at)) : NONE);

export function tick() {
  for (const time of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("time[data-at]"))) {
    const text = since(Number(time.dataset.at));
    if (time.textContent !== text) time.textContent = text;
  }
}

/** A moment of today, to the millisecond, in this machine's zone. */
export function moment(at) {
  if (!isNumber(at) || !iso(at)) return el("span", null, NONE);
  const date = new Date(at);
  const two = (part) => String(part).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return el("time", { datetime: iso(at), title: iso(at) }, text);
}
