// Runs a command beside a PostgreSQL: `node tests/postgres/beside.mjs cargo test …`. HOMING_TEST_POSTGRES is how to connect to
// its primary, HOMING_TEST_POSTGRES_STANDBY to its standby.
import { spawn } from "node:child_process";
import { startCluster } from "./cluster.mjs";

const cluster = await startCluster(["us", "eu"]);
const address = ({ host, port, user, database, password }) => `host=${host} port=${port} user=${user} dbname=${database} password=${password}`;
const [command, ...args] = process.argv.slice(2);
const env = { ...process.env, HOMING_TEST_POSTGRES: address(cluster.us.address), HOMING_TEST_POSTGRES_STANDBY: address(cluster.eu.address) };
const child = spawn(command, args, { stdio: "inherit", env });
const code = await new Promise((resolve) => child.once("exit", resolve).once("error", (error) => (console.error(String(error)), resolve(1))));
await cluster.stop();
process.exit(code ?? 1);
