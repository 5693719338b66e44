// Chaos in which owners move all the while (`tests/chaos/run.mjs` begins it). `calm` has operators alone; `lag` also has copies that
// lag, links between regions that are cut, and answers to the authority that are lost; `all` also has regions that are ill or die.
// Orders, faults and what clients ask follow from the seed; when exactly they come does not. The last line is `violations: N`.
import { writeFileSync } from "node:fs";
import { stopAll, waitUntil } from "../../e2e/harness.mjs";
import { Random } from "../../e2e/random.mjs";
import { Disorder } from "./disorder.mjs";
import { figures, wasIll } from "./figures.mjs";
import { judge } from "./judge.mjs";
import { Load } from "./load.mjs";
import { Operators, sleep } from "./operators.mjs";
import { finals, logs, replicated, startMovingWorld } from "./world.mjs";

const seconds = Number(process.env.SECONDS ?? 60);
const seed = Number(process.env.SEED ?? 1);
const mode = process.env.MODE || "all";
/** How long clients go on once all is healed: long enough to see how long it takes. */
const AFTER_MS = 8000;
/** More of one kind are counted and not told. */
const MOST_TOLD = 8;

async function main() {
  const random = new Random(seed);
  const world = await startMovingWorld({ seed });
  const load = new Load({
    doors: world.router.doors,
    random: random.fork("load"),
    sessions: Number(process.env.SESSIONS ?? 24),
    pause: Number(process.env.PAUSE ?? 140),
    losing: process.env.LOSING !== "no",
  });
  const at = (time = Date.now()) => `${((time - load.began) / 1000).toFixed(2).padStart(7)} s`;
  const say = (what) => process.env.QUIET || console.log(`${at()}  ${what}`);
  const disorder = new Disorder(world, mode, random.fork("disorder"), say);
  const operators = new Operators(world, load, random.fork("operators"), say, () => disorder.dead());
  console.log(`seed ${seed}, ${seconds} s, ${mode}: three regions, two edges, ${load.sessions.length} sessions and two metronomes`);

  const until = load.began + seconds * 1000;
  const running = load.run();
  const ordering = operators.run(until);
  await Promise.all([disorder.run(until), sleep(until - Date.now())]);
  await disorder.heal();
  await operators.activate();
  const healed = Date.now();
  say("all is healed");
  await Promise.all([ordering, sleep(AFTER_MS)]);
  load.over = true;
  await running;
  const lasting = Date.now() - load.began;

  const late = await settled(world, operators);
  const records = [...load.records];
  const run = { records, lasting, operators, disorder, healed };
  const lists = [...new Set(records.filter(({ id, key }) => id && key?.includes(":")).map(({ key }) => key))];
  const hurts = (from, to) =>
    disorder.happened.some(
      ({ what, mode, options, began, ended }) =>
        (what === "mode" || (what === "front" && options?.paths === undefined) || what === "die") && mode !== "refuse" && began <= to && ended + 2000 >= from,
    );
  const history = { records, logs: await logs(world), finals: await finals(world, lists), forced: operators.forced() };
  if (process.env.DUMP)
    writeFileSync(
      process.env.DUMP,
      JSON.stringify({ ...history, happened: disorder.happened, changes: operators.changes, states: operators.states, began: load.began }),
    );
  const { wrong, counts } = judge({ ...history, hurts });
  for (const line of figures(run)) console.log(line);
  console.log(
    `checked: ${Object.entries(counts)
      .map(([what, count]) => `${what} ${count}`)
      .join(", ")}`,
  );
  for (const what of late) console.log(`VIOLATION (seed ${seed}, ${mode}) at the end: ${what}`);
  tell(wrong, { at, run });
  return wrong.length + late.length;
}

/** What is still not so, some time after all was healed. */
async function settled(world, operators) {
  const late = [];
  const wait = (condition, what) => waitUntil(condition, what, 45_000).catch(() => late.push(`${what}: not so long after all was healed`));
  const authority = () => operators.get("authority");
  await wait(async () => (await authority()).changes.every(({ phase }) => ["done", "aborted"].includes(phase)), "every change has ended");
  await wait(async () => (await authority()).sweeps.every(({ ended }) => ended != null), "every sweep has ended");
  await wait(async () => (await world.router.snapshot()).in_flight === 0, "no request is in flight");
  await wait(() => replicated(world), "every region follows the others' logs");
  // What was written just before that is there a moment later.
  await sleep(500);
  return late;
}

function tell(wrong, { at, run }) {
  for (const [check, of] of Map.groupBy(wrong, ({ check }) => check)) {
    console.log(`VIOLATION (seed ${seed}, ${mode}): ${check}, ${of.length} times`);
    for (const { what, record } of of.slice(0, MOST_TOLD)) {
      console.log(`  ${what}`);
      if (!record) continue;
      const { n, method, path, session, edge, near, start, end, status, hadSession, headers, repeat } = record;
      console.log(
        `    #${n} ${at(start)} ${method} ${path} session ${session}${hadSession ? "" : " (none kept)"} edge ${edge + 1} near ${near}${repeat ? ", a repeat" : ""}: ${status} of ${headers?.["homing-region"]} ${headers?.["homing-reason"]} after ${end - start} ms${wasIll(run, start, end) ? ", something was ill" : ""}`,
      );
      for (const before of run.records.filter((other) => other.session === session && other.unit === record.unit && other.n < n).slice(-3)) {
        console.log(
          `      before: #${before.n} ${at(before.start)} ${before.method} ${before.path} edge ${before.edge + 1} near ${before.near}: ${before.status ?? (before.left ? "left" : before.error)} of ${before.headers?.["homing-region"]} ${before.headers?.["homing-reason"]} ${before.json?.version ?? ""}`,
        );
      }
    }
  }
}

const violations = await main().finally(stopAll);
console.log(`violations: ${violations}`);
process.exit(violations > 0 ? 1 : 0);
