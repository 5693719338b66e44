// The requests that left their nearest region: a row for each route, routes over their budget first.
import { enough, enoughBack, sentences } from "./catalogue.js";
import { NONE, el, entries, list, number, own, share, table, word } from "./dom.js";

const COLUMNS = ["Route", "Requests", "Local", "Budget", "By nearest region", "Why it crossed"];

const budget = (route) => (route.budget ? `${route.budget} may cross` : el("span", { class: "muted" }, NONE));

/** What is said of a route that is not over its budget. With fewer requests than it takes to go over, it may have come back by them just now. */
const within = (requests) => (requests >= enough ? ["good", "within budget"] : ["", requests >= enoughBack ? "not over budget" : "too few to judge"]);

/** Whether a route keeps a budget. The router judges this by a window of 5 to 10 minutes, in which there were so many requests. */
export function badge(route, requests, title) {
  const [kind, says] = route.over ? ["bad", "over budget"] : within(requests);
  return el(
    "span",
    { class: `badge ${kind}`, title: `${title}; a route can go over its budget from ${enough} on, and comes back from ${enoughBack} on` },
    says,
  );
}

function standing(route) {
  if (!route.budget) return "";
  const { requests, crossed } = route.window ?? {};
  return badge(route, requests, `${number(crossed)} of ${number(requests)} crossed in the last 5 to 10 minutes`);
}

/** The name of a route: its pattern. */
export const named = (route) => (route.match ? el("code", { class: "whole" }, route.match) : el("span", { class: "muted" }, "no route"));

/** Routes that are over their budget first. */
export const overFirst = (routes) => [...routes].sort((a, b) => Number(b.over) - Number(a.over));

const split = (parts) => parts.map((part, at) => [at ? ", " : "", part]);

const region = ([name, count]) =>
  el(
    "span",
    { title: `${number(own(count, "crossed"))} of ${number(own(count, "requests"))} crossed` },
    `${name} ${share(own(count, "requests") - own(count, "crossed"), own(count, "requests"))}`,
  );
const reason = ([token, times]) => el("span", { title: own(sentences, token) }, el("code", null, token), ` ${number(times)}`);

function row(route) {
  const cells = [
    named(route),
    number(route.requests),
    word(route.local),
    [budget(route), " ", standing(route)],
    split(entries(route.regions).map(region)),
    route.crossed
      ? split(
          entries(route.reasons)
            .sort(([, a], [, b]) => b - a)
            .map(reason),
        )
      : el("span", { class: "muted" }, NONE),
  ];
  return { cells, kind: route.over ? "over" : null };
}

/** The table of the routes' locality. */
export function locality(snapshot) {
  const routes = list(snapshot.locality?.routes);
  if (!routes.length) return el("p", { class: "muted empty" }, "No requests yet.");
  return table("locality-title", COLUMNS, overFirst(routes).map(row));
}
