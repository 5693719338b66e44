// Chaos in which owners stay where they are: faults of all kinds at random, the network's above all. Faults and their times
// follow from the seed, and so does what clients ask; when exactly they ask it does not. The last line is `violations: N`.
import { stopAll, waitUntil, Client } from "../../e2e/harness.mjs";
import { Random } from "../../e2e/random.mjs";
import { DEADLINE_MS, percentile, startWorld } from "../../e2e/world.mjs";
import { check } from "./check.mjs";
import { Load } from "./clients.mjs";
import { Faults, schedule } from "./faults.mjs";
import { checkHistory, checkSettled, finalLists } from "./settled.mjs";

const lasting = Number(process.env.SECONDS ?? 60) * 1000;
const seed = Number(process.env.SEED ?? 1);
const random = new Random(seed);

async function main() {
  const world = await startWorld({ seed });
  const router = await world.router({
    kv: "moody",
    bindings: { PROBES: "1s" },
    change: (vars) => void vars.ROUTES.push({ match: "POST /login", deadline: `${DEADLINE_MS}ms` }),
  });
  const load = new Load(router.url, random.fork("load"));
  const at = (time = Date.now()) => `${((time - load.began) / 1000).toFixed(2).padStart(7)} s`;
  const faults = new Faults(world, router, (what) => console.log(`${at()}  ${what}`));
  console.log(`seed ${seed}, ${lasting / 1000} s: three regions, one router, strangers and six sessions`);

  const running = load.run();
  await play(faults, schedule(random.fork("faults"), lasting), load.began);
  await until(load.began + lasting);
  load.over = true;
  await running;
  await world.heal();
  console.log(`${at()}  all is healed`);

  const late = await healed(router);
  world.assigned = await router.assigned();
  const finals = await finalLists(world, load.records);
  const { wrong, counts } = check(world, faults, load.records);
  wrong.push(...(await checkSettled(world, load.records, finals)));
  const history = checkHistory(load.records, finals);

  figures(load.records, faults, counts);
  console.log(history.told);
  for (const what of late) console.log(`VIOLATION (seed ${seed}) ${what}`);
  for (const one of wrong) tell(one, faults, load.began, at);
  return late.length + wrong.length + history.violations;
}

const until = (time) => new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));

/** Every fault at its time, whatever the others take. */
async function play(faults, planned, began) {
  const one = async (fault) => {
    await until(began + fault.begins);
    await faults.begin(fault);
    await until(began + fault.ends);
    await faults.end(fault);
  };
  await Promise.all(planned.map(one));
}

/** What is still not so once all is healed. */
async function healed(router) {
  const late = [];
  // A region that has failed often may be left alone for as long as five minutes.
  const wait = (condition, what) => waitUntil(condition, what, 330_000).catch(() => late.push(`${what}: not so long after all was healed`));
  await wait(async () => (await router.snapshot()).in_flight === 0, "no request is in flight");
  for (const near of ["us", "eu", "ap"]) {
    await wait(async () => (await new Client(router.url, near).get("/api/likes/healed")).status === 200, `a read near ${near} is answered`);
    await wait(async () => (await new Client(router.url, near).put(`/api/catalog/healed-${near}`, {})).status === 200, `a write from near ${near} is done`);
  }
  return late;
}

function figures(records, faults, counts) {
  const timed = records.map((record) => ({ ...record, ms: record.end - record.start, calm: faults.calm(record.start, record.end) }));
  for (const [name, of] of [
    ["reads", timed.filter(({ read }) => read)],
    ["writes", timed.filter(({ read }) => !read)],
  ]) {
    for (const [when, asked] of [
      ["calm", of.filter(({ calm }) => calm)],
      ["under fault", of.filter(({ calm }) => !calm)],
    ]) {
      const ok = asked.filter(({ status }) => status === 200);
      console.log(
        `${name.padEnd(6)} ${when.padEnd(11)} ${asked.length} requests, ${ok.length} answered 200, p50/p99 ${percentile(asked, 0.5)}/${percentile(asked, 0.99)} ms`,
      );
    }
  }
  const outcomes = {};
  for (const { read, status, headers } of records)
    if (!read && status !== 200) outcomes[headers?.["homing-write-outcome"]] = (outcomes[headers?.["homing-write-outcome"]] ?? 0) + 1;
  console.log(
    `failed writes ${JSON.stringify(outcomes)}; reads not answered while two regions or more were ill ${counts.unanswered}; session reads refused for their home ${counts.refused}; faults ${faults.happened.length}`,
  );
}

function tell({ record, what, sends }, faults, began, at) {
  const { id, method, path, near, session, start, end, status } = record;
  const meanwhile = faults.happened
    .filter((one) => one.began <= end && one.ended >= start - 5000)
    .map(
      ({ fault, began, ended }) =>
        `${fault.target} ${fault.kind ?? JSON.stringify(fault.mode ?? fault.moods)} ${at(began)} to ${ended === Infinity ? "the end" : at(ended)}`,
    );
  console.log(`VIOLATION (seed ${seed}) at ${at(start)}: ${what}`);
  console.log(
    `  ${id} ${method} ${path} near ${near}${session ? ` session ${session}` : ""}: ${status} ${record.headers?.["homing-reason"] ?? ""} after ${end - start} ms; ${JSON.stringify(record.json ?? record.error ?? "").slice(0, 300)}`,
  );
  console.log(
    `  sent ${sends.map(({ region, at, reached }) => `${region} after ${at - start} ms${reached ? "" : " (swallowed)"}`).join(", ") || "nowhere"}; faults around: ${meanwhile.join("; ") || "none"}`,
  );
}

const violations = await main().finally(stopAll);
console.log(`violations: ${violations}`);
process.exit(violations > 0 ? 1 : 0);
