// `make bench-failure`: what clients see while the nearest region is a black hole (it accepts and never answers), beside the same
// router with all regions well. Only the router differs in which port it has for `eu`; the rounds are interleaved.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ofFailure, shown } from "./aims.mjs";
import { blackHole, cacheStore, contender, freePort, get, install, load, origin, root } from "./world.mjs";

const ROUNDS = Number(process.env.ROUNDS || 9);
const SECONDS = Number(process.env.SECONDS_PER_ROUND || 4);
// One attempt's deadline: what the first requests wait until the breaker opens.
const DEADLINE = "1s";
const SECRET = "a secret for the benchmark, of 32 letters or more";

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
const spread = (list) => `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)}-${Math.max(...list).toFixed(2)})`;

install();
const { us, eu, ap } = await origin(["us", "eu", "ap"]);
const cache = await cacheStore();
const hole = await blackHole();
const topology = (port) => ({
  REGIONS: Object.fromEntries(Object.entries({ eu: port, us, ap }).map(([name, port]) => [name, { origin: `http://127.0.0.1:${port}` }])),
  ROUTES: [{ match: "/*", deadline: DEADLINE }],
  LOG: "off",
  SESSION_KEY: SECRET,
});
const modules = Object.fromEntries(["worker.mjs", "homing_bg.wasm", "operators_bg.wasm"].map((file) => [file, join(root, "build", file)]));
const healthy = await contender("healthy", modules, topology(eu), cache, await freePort()).start();
const failed = await contender("failed", modules, topology(hole.port), cache, await freePort()).start();

const timed = async (work) => {
  const began = performance.now();
  const answer = await work();
  return { ...answer, ms: performance.now() - began };
};
// The requests that find it out, one after the other. Each is another visitor's: what one alone cannot reach is no region that has failed.
const first = [];
for (let n = 0; n < 8; n++) first.push(await timed(() => get(failed.port, `/plain/${n}`, { headers: { "cf-connecting-ip": `192.0.2.${n}` } })));
console.log(
  `the nearest region is a black hole; one attempt may take ${DEADLINE}. The first requests, in ms: ${first.map(({ ms }) => ms.toFixed(0)).join(", ")}`,
);

const rounds = [];
for (let n = 0; n < ROUNDS; n++) {
  const round = {};
  const order = n % 2 ? [failed, healthy] : [healthy, failed];
  for (const router of order) round[router.name] = await load(router.port, "/plain/1", SECONDS);
  const look = await get(failed.port, "/plain/1");
  if (look.status !== 200 || look.headers["homing-region"] === "eu") throw new Error(`round ${n}: ${look.status} from ${look.headers["homing-region"]}`);
  rounds.push(round);
  console.log(
    `round ${n + 1}: p99 healthy ${round.healthy.p99.toFixed(1)} ms, failed ${round.failed.p99.toFixed(1)} ms; unanswered ${round.healthy.failed} and ${round.failed.failed} of ${round.healthy.requests} and ${round.failed.requests}`,
  );
}
const ratio = (figure) => rounds.map((round) => round.failed[figure] / round.healthy[figure]);
const figures = { p50: ratio("p50"), p99: ratio("p99"), rate: ratio("rate") };
console.log(`
failed / healthy   ${ROUNDS} rounds of ${SECONDS} s, median (least-most)
p50    ${spread(figures.p50)}
p99    ${spread(figures.p99)}
rate   ${spread(figures.rate)}
unanswered ${rounds.reduce((sum, round) => sum + round.failed.failed, 0)}; connections to the black hole ${hole.connections}`);
console.log(`\n${shown(ofFailure(median(figures.p99), Math.max(...figures.p99)))}`);
writeFileSync(
  join(root, "build/bench-failure.json"),
  JSON.stringify({ first: first.map(({ ms, status }) => ({ ms, status })), rounds, connections: hole.connections }, null, 2),
);
process.exit(0);
