// The dashboard: asks the router for its snapshot every two seconds and shows it.
import { age, clock, el, field, find, list, show, tick, word } from "./dom.js";
import { address, conflicts, stories, told } from "./conflicts.js";
import { decisions } from "./decisions.js";
import { drill } from "./drill.js";
import { locality } from "./locality.js";
import { world } from "./map.js";
import { isBusy, ownership } from "./ownership.js";
import { matrix } from "./matrix.js";
import { cards } from "./regions.js";
import { datasets, totals } from "./tables.js";

const EVERY = 2000;
const EVERY_WHILE_LOCKED = 10_000;
// The authority is one object for all the world; it is asked less often while nothing changes.
const EVERY_AUTHORITY = 10_000;
// So are the regions for their conflicts: each question of ours is one to each of them.
const EVERY_STORIES = 10_000;
const PATIENCE = 8000;

let snapshot = null;
let tag = null;
let answered = null; // when the router last answered, by this machine's steady clock
let authority = null; // what it showed last
let askAuthorityAt = 0;
let askStoriesAt = 0;
let asking = null; // aborts the question under way
let timer = 0;
let paused = false;
// Only in memory: another page of this origin could read what is stored for it.
let token = "";

const STATES = { live: "Live", paused: "Paused", lost: "No answer", locked: "Locked" };

function state(name) {
  find("status").dataset.state = name;
  const said = find("status").firstElementChild;
  if (said.textContent !== STATES[name]) said.textContent = STATES[name];
}

function grow() {
  find("age").textContent = answered === null ? "" : `last update ${age(performance.now() - answered)}`;
  tick();
}

function banner(title, detail) {
  find("banner").hidden = !title;
  if (title) show(find("banner"), el("b", null, title), ` ${detail}`);
}

/** What a problem+json says, if it is one. */
async function detailOf(response) {
  try {
    const problem = await response.json();
    return word(problem.detail ?? problem.title);
  } catch {
    return "";
  }
}

function drawMap() {
  const figure = find("map");
  const { paddingLeft, paddingRight } = getComputedStyle(figure);
  if (snapshot) show(figure, world(snapshot, Math.floor(figure.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight))));
}

function drawDrill() {
  const said = drill(snapshot, authority);
  find("drill").hidden = !said;
  if (said) show(find("drill"), said);
}

function drawWarnings() {
  const said = [...list(snapshot.warnings), ...list(snapshot.cache?.says)];
  find("warnings").hidden = !said.length;
  show(find("warnings"), ...said.map((warning) => el("div", null, word(warning))));
}

class Undrawable extends Error {}

function draw() {
  try {
    drawAll();
  } catch (cause) {
    console.error(cause);
    throw new Undrawable(String(cause));
  }
}

function drawAll() {
  find("main").hidden = false;
  show(find("about"), snapshot.version ? `active-active edge router ${snapshot.version}` : "");
  show(find("scope"), snapshot.isolate ? ["of isolate ", el("code", null, word(snapshot.isolate)), "; each isolate has its own figures"] : "");
  show(find("totals"), totals(snapshot));
  show(find("regions"), cards(snapshot));
  show(find("matrix"), matrix(snapshot));
  drawMap();
  show(find("datasets"), datasets(snapshot));
  show(find("locality"), locality(snapshot));
  show(find("conflicts"), conflicts(snapshot));
  decisions(snapshot);
  drawDrill();
  drawWarnings();
}

async function take(response) {
  if (response.status !== 304) {
    const body = await response.json();
    if (!Array.isArray(body?.regions)) throw new SyntaxError("no regions");
    snapshot = body;
    tag = null;
    if (Number.isFinite(body.now)) clock.ahead = body.now - Date.now();
    draw();
    tag = response.headers.get("etag");
  }
  answered = performance.now();
  find("main").classList.remove("stale");
  find("lock").hidden = true;
  banner("");
  state("live");
}

const TOKEN_WANTED = "Enter the ADMIN_TOKEN of this deployment.";
let refused = false;

/** Without a usable ADMIN_TOKEN (403) no token is asked for. The detail says what to do. */
async function locked(response) {
  const wanted = response.status !== 403;
  const detail = await detailOf(response);
  refused ||= wanted && token !== "";
  // More requests with a wrong token would count as guesses.
  [token, tag] = ["", null];
  find("ask").hidden = !wanted;
  find("lock-detail").textContent = wanted ? `${refused ? "The router did not accept the token. " : ""}${TOKEN_WANTED}` : detail;
  banner("");
  if (find("lock").hidden) {
    find("lock").hidden = false;
    find("token").focus();
  }
  find("main").classList.add("stale");
  state("locked");
}

function lost(title, detail) {
  find("main").classList.add("stale");
  const rest = snapshot ? "The page shows its last answer. " : "";
  banner(title, `${detail ? `${detail} ` : ""}${rest}The page asks again every ${EVERY / 1000} s.`);
  state("lost");
}

function reasonOf(error) {
  if (error instanceof Undrawable) return ["The dashboard cannot show this snapshot.", `${error.message}.`];
  if (error instanceof SyntaxError) return ["Another program answers in place of the router.", "Its answer is not a snapshot."];
  if (error.name === "TimeoutError") return ["The router does not answer.", `No answer came within ${PATIENCE / 1000} s.`];
  return ["The router does not answer.", "The connection was refused or broke."];
}

const headers = () => ({ accept: "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) });

/** Asks the authority from time to time. The rest of the page does not depend on its answer. */
async function askAuthority(signal) {
  if (performance.now() < askAuthorityAt && !isBusy(authority)) return;
  askAuthorityAt = performance.now() + EVERY_AUTHORITY;
  try {
    const response = await fetch("api/authority", { headers: headers(), signal, cache: "no-store", credentials: "same-origin" });
    if (!response.ok) return show(find("ownership"), el("p", { class: "warn empty" }, `The authority does not answer. ${await detailOf(response)}`));
    authority = await response.json();
    show(find("ownership"), ownership(authority));
    drawDrill();
  } catch {
    // The request for the snapshot reports that the router does not answer.
  }
}

/** Asks for the latest conflicts of the datasets that have any. What fails is asked for again with the next round. */
async function askStories(signal) {
  if (performance.now() < askStoriesAt) return;
  askStoriesAt = performance.now() + EVERY_STORIES;
  const ask = async (name) => {
    const response = await fetch(address(name), { headers: headers(), signal, cache: "no-store", credentials: "same-origin" });
    return response.ok ? [await response.json()] : [];
  };
  try {
    const all = await Promise.all(told(snapshot).map(ask));
    show(find("stories"), stories(all.flat()));
  } catch {
    // The request for the snapshot reports that the router does not answer.
  }
}

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  let wait = EVERY;
  try {
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(PATIENCE)]);
    const response = await fetch("api/snapshot", {
      headers: { ...headers(), ...(tag && snapshot ? { "if-none-match": tag } : {}) },
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
    if (mine.signal.aborted) return;
    if ([401, 403, 429].includes(response.status)) {
      await locked(response);
      wait = EVERY_WHILE_LOCKED;
    } else if (response.ok || response.status === 304) {
      await take(response);
      askAuthority(signal);
      askStories(signal);
    } else lost(`The router answers ${response.status}.`, await detailOf(response));
  } catch (error) {
    if (mine.signal.aborted) return;
    lost(...reasonOf(error));
  }
  grow();
  if (!mine.signal.aborted && !resting()) timer = setTimeout(ask, wait);
}

const resting = () => paused || document.hidden;

/** Stops asking while the page is hidden or paused. Otherwise asks at once. */
function settle() {
  if (!resting()) return ask();
  clearTimeout(timer);
  asking?.abort();
  if (paused) state("paused");
}

document.addEventListener("visibilitychange", settle);
new ResizeObserver(drawMap).observe(find("map"));
setInterval(grow, 1000);

find("pause").addEventListener("click", () => {
  paused = !paused;
  find("pause").setAttribute("aria-pressed", String(paused));
  find("pause").textContent = paused ? "Resume" : "Pause";
  settle();
});

find("lock").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = field("token").value.trim();
  if (!/^[\x21-\x7e]+$/.test(value)) {
    find("lock-detail").textContent = "A token has visible ASCII characters only, and no spaces.";
    return;
  }
  field("token").value = "";
  [token, tag, refused] = [value, null, false];
  find("forget").hidden = false;
  ask();
});

// A reload clears the memory and the page.
find("forget").addEventListener("click", () => location.reload());

settle();
