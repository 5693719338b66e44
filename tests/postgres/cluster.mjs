// A real PostgreSQL for the tests: databases on loopback, in scratch folders, made new each time; here as one primary and two streaming
// standbys of it (tests/mesh/mesh.mjs: as equals).
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { waitUntil } from "../e2e/harness.mjs";
import { freePort } from "../e2e/ports.mjs";

const running = new Set();

/** Stops every cluster that was started here and still runs, and removes its folders; each file of tests ends with it. */
export const stopAll = () => Promise.all([...running].map((cluster) => cluster.stop()));

// A test run that is interrupted must not leave a database behind; and Miniflare ends the process on a signal without waiting.
process.once("exit", () => running.forEach((cluster) => cluster.abandon()));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => stopAll().finally(() => process.exit(1)));

/** Where PostgreSQL's programs are: `PG_BIN`, Debian's newest, or wherever `pg_config` says. */
function installed() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => Number(other) - Number(one)) : [];
  const candidates = [process.env.PG_BIN, ...versions.map((version) => join(debian, version, "bin"))];
  const found = candidates.find((folder) => folder && existsSync(join(folder, "postgres")));
  if (found) return found;
  try {
    return execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim();
  } catch {
    throw new Error("PostgreSQL was not found; `make test-postgres` installs it on Debian, elsewhere set PG_BIN to the folder of its programs");
  }
}

/** As whom it runs: PostgreSQL refuses to run as root. */
function unprivileged() {
  if (process.getuid() !== 0) return {};
  const id = (flag, user) => Number(execFileSync("id", [flag, user], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  for (const user of ["postgres", "nobody"]) {
    try {
      return { uid: id("-u", user), gid: id("-g", user) };
    } catch {}
  }
  throw new Error("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to run it as");
}

/** What every database here has; standbys of a primary too. */
export const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  fsync: "off",
  shared_buffers: "16MB",
  wal_log_hints: "on",
  wal_keep_size: "256MB",
  // A standby that lost its primary looks for the next one this often; the default is 5 s.
  wal_retrieve_retry_interval: "100ms",
  // Nothing that the tests did not ask for writes or holds replay up.
  autovacuum: "off",
  checkpoint_timeout: "1h",
  max_standby_streaming_delay: "-1",
};

/** One node: a postmaster whose parent is this process, its folder, and a connection of the tests' own. */
export class Node {
  constructor(cluster, name, port) {
    this.cluster = cluster;
    this.name = name;
    this.port = port;
    this.folder = join(cluster.scratch, name);
    this.logFile = join(cluster.scratch, `${name}.log`);
  }

  /** What `pg` needs to connect. */
  get address() {
    return { host: "127.0.0.1", port: this.port, user: "postgres", database: "postgres", password: this.cluster.password };
  }

  async query(sql, values) {
    this.pool ??= new pg.Pool({ ...this.address, max: 4 }).on("error", () => {}).on("connect", (client) => client.on("error", () => {}));
    return (await this.pool.query(sql, values)).rows;
  }

  /** The only value of a query's only row. */
  async value(sql, values) {
    return Object.values((await this.query(sql, values))[0])[0];
  }

  /** A connection of its own, for what must hold a lock; ends with the node. */
  async connect() {
    const client = new pg.Client(this.address).on("error", () => {});
    await client.connect();
    return client;
  }

  async start() {
    const before = this.log().length;
    await waitUntil(async () => {
      if (!this.process) this.launch();
      // After a crash the children of the old postmaster may still hold its memory for a moment.
      if (this.ended && /pre-existing shared memory/.test(this.log().slice(before))) this.launch();
      return this.ended || this.value("select true");
    }, `PostgreSQL at ${this.name} answers`);
    if (this.ended) throw new Error(`PostgreSQL at ${this.name} ended at once; it said:\n${this.log().slice(before)}`);
    return this;
  }

  launch() {
    const log = openSync(this.logFile, "a");
    this.ended = false;
    this.process = spawn(join(this.cluster.programs, "postgres"), ["-D", this.folder], { ...this.cluster.user, cwd: this.folder, stdio: ["ignore", log, log] });
    closeSync(log);
    this.exited = new Promise((resolve) => this.process.once("exit", resolve).once("error", resolve)).then(() => (this.ended = true));
  }

  /** All that it has said. */
  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  /** Ends it: SIGINT in order (standbys get all there is first), SIGQUIT at once, SIGKILL as a crash. */
  async end(signal) {
    this.process?.kill(signal);
    await this.exited;
    await this.pool?.end().catch(() => {});
    this.process = this.pool = undefined;
  }

  /** The machine dies. `start` brings it back with what it had. */
  kill() {
    return this.end("SIGKILL");
  }

  /** What a killed postmaster could not free: a few bytes of shared memory, whose id stands in the last but one line of its file. */
  sweep() {
    const file = join(this.folder, "postmaster.pid");
    const [, id] = existsSync(file) ? (/^ *\d+ +(\d+)$/m.exec(readFileSync(file, "utf8")) ?? []) : [];
    if (id) spawnSync("ipcrm", ["-m", id]);
  }

  configure(settings) {
    const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`);
    appendFileSync(join(this.folder, "postgresql.conf"), lines.join(""));
  }

  /** Makes it a standby of that node from its next start on, or, if it is one, at once. */
  async follow(primary) {
    const source = `host=127.0.0.1 port=${primary.port} user=postgres password=${this.cluster.password} application_name=${this.name}`;
    this.configure({ primary_conninfo: source });
    const signal = join(this.folder, "standby.signal");
    writeFileSync(signal, "");
    if (this.cluster.user.uid !== undefined) chownSync(signal, this.cluster.user.uid, this.cluster.user.gid);
    if (this.process) await this.value("select pg_reload_conf()");
  }

  /** Cuts a standby off from its primary; what is on its way is waited for (REPLICATION rule 6). */
  async cutOff() {
    this.configure({ primary_conninfo: "" });
    await this.value("select pg_reload_conf()");
    await waitUntil(async () => (await this.query("select 1 from pg_stat_wal_receiver")).length === 0, `${this.name} receives no more`);
  }

  /** Holds a standby's replay where it is: lag that lasts until `resume`. */
  async pause() {
    await this.value("select pg_wal_replay_pause()");
    await waitUntil(async () => (await this.value("select pg_get_wal_replay_pause_state()")) === "paused", `${this.name} has paused`);
  }

  async resume() {
    await this.value("select pg_wal_replay_resume()");
  }

  /** How far it is: written at a primary, replayed at a standby. */
  lsn() {
    return this.value("select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end");
  }

  /** Waits until that position is replayed here. */
  reaches(lsn) {
    return waitUntil(() => this.value("select pg_last_wal_replay_lsn() >= $1::pg_lsn", [lsn]), `${this.name} reaches ${lsn}`);
  }

  /** Waits until all that was written at that primary so far is replayed here. */
  async catchesUpWith(primary) {
    // A commit of its own: what stands in front of it is flushed, and so sent, with it.
    await primary.query("select pg_logical_emit_message(true, '', '')");
    await this.reaches(await primary.value("select pg_current_wal_flush_lsn()"));
  }

  /** Makes a standby a primary, on a new timeline. */
  async promote() {
    if (!(await this.value("select pg_promote(true, 10)"))) throw new Error(`${this.name} was not promoted within 10 s`);
  }
}

/** Databases in a scratch folder, by name; how they follow each other is for the kinds of it to say. */
export class Databases {
  /** @type {any} */
  us;
  /** @type {any} */
  eu;
  /** @type {any} */
  ap;

  constructor(programs = installed()) {
    this.scratch = mkdtempSync(join(tmpdir(), "homing-postgres-"));
    this.programs = programs;
    this.user = unprivileged();
    this.password = randomBytes(12).toString("hex");
    this.nodes = [];
    running.add(this);
  }

  /** Makes the folder of one database with these settings, and copies of it under the other names: a copy of a database that has never
   *  run is a base backup of it. @param {string[]} names @param {Record<string, string>} settings */
  async make([first, ...others], settings) {
    if (this.user.uid !== undefined) chownSync(this.scratch, this.user.uid, this.user.gid);
    const original = await this.node(first);
    const secret = join(this.scratch, "password");
    writeFileSync(secret, this.password, { mode: 0o644 });
    const options = [
      "--username=postgres",
      "--auth=password",
      `--pwfile=${secret}`,
      "--no-sync",
      "--no-instructions",
      "--locale=C",
      "--encoding=UTF8",
      "--wal-segsize=1",
    ];
    execFileSync(join(this.programs, "initdb"), ["-D", original.folder, ...options], { ...this.user, cwd: this.scratch, stdio: ["ignore", "ignore", "pipe"] });
    rmSync(secret);
    original.configure(settings);
    for (const name of others) execFileSync("cp", ["-a", original.folder, (await this.node(name)).folder]);
    for (const node of this.nodes) node.configure({ port: node.port });
  }

  /** One more node, without a folder yet. */
  async node(name) {
    const node = new Node(this, name, await freePort());
    this.nodes.push(node);
    this[name] = node;
    return node;
  }

  async stop() {
    await Promise.all(this.nodes.map((node) => node.end("SIGQUIT")));
    this.nodes.forEach((node) => node.sweep());
    rmSync(this.scratch, { recursive: true, force: true });
    running.delete(this);
  }

  /** As `stop`, for when the process is ending and cannot wait for what takes its turn: it sleeps between looks instead. */
  abandon() {
    const left = () => this.nodes.some((node) => existsSync(join(node.folder, "postmaster.pid")));
    for (const node of this.nodes) node.process?.kill("SIGQUIT");
    for (let looks = 0; left() && looks < 200; looks++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    rmSync(this.scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One primary and its standbys, by name. */
class Cluster extends Databases {
  async start(names) {
    await this.make(names, SETTINGS);
    const [primary, ...standbys] = this.nodes;
    await Promise.all(standbys.map((node) => node.follow(primary)));
    await Promise.all(this.nodes.map((node) => node.start()));
    return this;
  }

  /** A planned change of the primary: nothing is lost, and the old primary becomes a standby of the new one. */
  async switchOver(from, to) {
    const others = this.nodes.filter((node) => node !== from && node !== to);
    await from.end("SIGINT");
    await to.promote();
    await from.follow(to);
    await Promise.all([from.start(), ...others.filter((node) => node.process).map((node) => node.follow(to))]);
  }

  /** Makes a node a standby of that primary though its log has gone on beyond where the primary's began: it forgets that. */
  async rejoin(node, primary) {
    // Before the new primary's first checkpoint its control file still has the old timeline, and pg_rewind finds nothing to do.
    await primary.query("checkpoint");
    await node.end("SIGINT");
    const { port, user, password, database } = primary.address;
    const source = `host=127.0.0.1 port=${port} user=${user} password=${password} dbname=${database}`;
    const options = { ...this.user, cwd: node.folder };
    await promisify(execFile)(join(this.programs, "pg_rewind"), ["-D", node.folder, "--source-server", source, "--no-sync"], options);
    // The settings have come along from there.
    node.configure({ port: node.port });
    await node.follow(primary);
    await node.start();
  }
}

/** Starts a cluster; the first name is the primary. */
export async function startCluster(names = ["us", "eu", "ap"]) {
  const cluster = new Cluster();
  try {
    return await cluster.start(names);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
