// `make chaos MODE=all SECONDS=60 SEED=1`: faults at random under load, and then everything is checked. The last line is `violations: N`.
// Owners move in the modes `calm`, `lag` and `all`; in `network` they stay, and the network does whatever networks do.
const mode = process.env.MODE || "all";
if (!["calm", "lag", "all", "network"].includes(mode)) {
  console.error(`MODE is ${JSON.stringify(mode)}; it can be "calm", "lag", "all" or "network"`);
  process.exit(2);
}
await import(mode === "network" ? "./network/run.mjs" : "./moving/run.mjs");
