// How long a write takes from its commit at the primary until a standby shows it: `node tests/postgres/lag.mjs`. All of it is on this
// machine, so this is PostgreSQL's own part of replication lag. `tests/planet/trouble.rs` adds the distance.
import { startCluster, stopAll } from "./cluster.mjs";

const WRITES = Number(process.env.WRITES ?? 2000);

const cluster = await startCluster(["us", "eu"]);
try {
  const [writer, reader] = [await cluster.us.connect(), await cluster.eu.connect()];
  await writer.query("create table lags (number int primary key)");
  await cluster.eu.catchesUpWith(cluster.us);
  const took = [];
  for (let number = 0; number < WRITES; number++) {
    await writer.query("insert into lags values ($1)", [number]);
    const committed = performance.now();
    while (!(await reader.query("select 1 from lags where number = $1", [number])).rows.length);
    took.push(performance.now() - committed);
  }
  took.sort((one, other) => one - other);
  const at = (percent) => took[Math.ceil((took.length * percent) / 100) - 1]?.toFixed(1);
  console.log(`${took.length} writes, ms until the standby shows them: p50 ${at(50)}, p95 ${at(95)}, p99 ${at(99)}, most ${at(100)}`);
} finally {
  await stopAll();
}
