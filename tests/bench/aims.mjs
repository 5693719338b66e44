// What the router is to cost at most. `make bench` and `make bench-failure` print each aim beside what they found; nothing fails by it.

/** CPU of a scenario, divided by that contender's of the same round. */
const CPU = [
  ["read miss", "hono", 0.9],
  ["read miss", "fetch", 1.6],
  ["pinned read", "hono", 0.85],
  ["cache hit", "cache", 0.8],
  ["cache hit", "hono", 0.65],
  ["shared hit", "anonymous", 1.1],
  ["write", "hono", 0.9],
  ["1000 routes", "10 routes", 1.03],
  ["32 regions", "2 regions", 1.03],
  ["64 datasets", "4 datasets", 1.03],
];
const COLD_START = 1.5;
const WASM = 170 * 1024;
const MEMORY = 1;
const FAILED_P99 = 1.1;
const FAILED_WORST = 1.5;

/** @param {string} figure @param {number | undefined} found @param {number} most @param {(value: number) => string} [show] */
const aim = (figure, found, most, show = (value) => value.toFixed(2)) => ({ figure, found, most, show });

/**
 * Those of `make bench`; what was not measured is left out.
 * @param {{ cpu: (scenario: string, contender: string) => number | undefined, cold?: number, wasm: number, memory?: number }} found
 */
export function ofBench({ cpu, cold, wasm, memory }) {
  const kb = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(0)} KB`;
  return [
    ...CPU.map(([scenario, contender, most]) => aim(`${scenario} / ${contender}`, cpu(String(scenario), String(contender)), Number(most))),
    aim("cold start / fetch", cold, COLD_START),
    aim("Wasm of the hot path, gzipped", wasm, WASM, kb),
    aim("Wasm memory after 10,000 clients have reset / before", memory, MEMORY),
  ];
}

/** Those of `make bench-failure`. @param {number} p99 @param {number} worst */
export const ofFailure = (p99, worst) => [aim("p99, failed / healthy", p99, FAILED_P99), aim("p99 of the worst round, failed / healthy", worst, FAILED_WORST)];

/** A line each; a figure that is more than its aim misses it. @param {ReturnType<typeof aim>[]} aims */
export function shown(aims) {
  const measured = aims.filter(({ found }) => found !== undefined);
  const width = Math.max(...measured.map(({ figure }) => figure.length));
  const line = ({ figure, found, most, show }) => {
    const missed = found > most ? `MISSED by ${(100 * (found / most - 1)).toFixed(0)} %` : "reached";
    return `${figure.padEnd(width)}  ${show(found).padStart(7)}  at most ${show(most).padStart(7)}  ${missed}`;
  };
  return ["aims", ...measured.map(line)].join("\n");
}
