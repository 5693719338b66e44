// PostgreSQL 18 as equals: each node publishes what it has inserted itself, and every other node subscribes to it through a link of its
// own, which can be cut. Nothing is passed on: `origin = none` sends only what was written at the publisher.
import { FaultProxy } from "../e2e/proxy.mjs";
import { waitUntil } from "../e2e/harness.mjs";
import { Databases, SETTINGS } from "../postgres/cluster.mjs";
import { PATIENCE } from "./load.mjs";

/** Where PostgreSQL 18's programs are; src/tools/test-mesh.sh installs them and says so. */
const programs = process.env.MESH_PG_BIN;
if (!programs) throw new Error("MESH_PG_BIN does not say where PostgreSQL 18 is: run `make test-mesh`");

const MESH = {
  ...SETTINGS,
  wal_level: "logical",
  max_connections: "60",
  max_worker_processes: "20",
  max_logical_replication_workers: "12",
  // A link that has gone silent is noticed; the defaults are a minute.
  wal_sender_timeout: "2s",
  wal_receiver_timeout: "2s",
  // The tables of load grow without bounds, and the planner is to know.
  autovacuum: "on",
};

/** The table that travels. Nothing else does: what is made of it is each node's own. */
export const OPERATIONS = "homing_ops";
const PUBLICATION = "operations";

export class Mesh extends Databases {
  /** The links, by `FROM>TO`: what TO hears of FROM goes through it. @type {Map<string, FaultProxy>} */
  links = new Map();

  /** Starts nodes that know nothing of each other yet; `later` are made and not started.
   *  @param {string[]} names @param {string[]} [later] */
  async start(names, later = []) {
    await this.make([...names, ...later], MESH);
    await Promise.all(names.map((name) => this[name].start()));
    return this;
  }

  /** All nodes that run. */
  get members() {
    return this.nodes.filter((node) => node.process);
  }

  /** Joins the nodes to a mesh; each has the table by then, and nobody has written. `table` travels, with what happens to its rows. */
  async join({ table = OPERATIONS, publish = "insert" } = {}) {
    const { members } = this;
    for (const node of members) await this.publish(node, table, publish);
    for (const to of members) for (const from of members) if (from !== to) await this.subscribe(to, from);
  }

  publish(node, table, publish) {
    return node.query(`create publication ${PUBLICATION} for table ${table} with (publish = '${publish}')`);
  }

  /** `to` hears of `from` from now on; or from where that slot stands, which `keep` has made. */
  async subscribe(to, from, { slot = `create_slot = true, slot_name = '${to.name}'` } = {}) {
    const link = await FaultProxy.start(`http://127.0.0.1:${from.port}`);
    this.links.set(`${from.name}>${to.name}`, link);
    const { user, password, database } = from.address;
    const source = `host=127.0.0.1 port=${link.port} user=${user} password=${password} dbname=${database} connect_timeout=2`;
    await to.query(
      `create subscription from_${from.name} connection '${source}' publication ${PUBLICATION}
       with (origin = none, copy_data = false, ${slot})`,
    );
  }

  /** What happens on the links between that node and all others, in both directions. */
  async around(name, kind, options) {
    const touched = [...this.links].filter(([link]) => link.split(">").includes(name));
    await Promise.all(touched.map(([, link]) => link.set(kind, options)));
  }

  /**
   * Adds a node under load. All others hear of it before it has anything to say, for it says how far it is as soon as it knows. Each of them
   * keeps from now on what the new one has yet to hear; then the new one gets what a member has that has heard everything until then. What
   * comes twice is folded once: a row's owner and number say which it is.
   * @param {string} name @param {{ make: (node: any) => any, fill: (node: any, source: any) => any }} how the tables are made, and filled from a member
   */
  async add(name, { make, fill }) {
    const before = this.members;
    const node = this[name];
    await node.start();
    await make(node);
    await this.publish(node, OPERATIONS, "insert");
    for (const to of before) await this.subscribe(to, node);
    for (const from of before) await from.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
    await this.level(before);
    await fill(node, before[0]);
    for (const from of before) await this.subscribe(node, from, { slot: `create_slot = false, slot_name = '${name}'` });
    return node;
  }

  /** Waits until these nodes have what each of them has written by now. */
  async level(nodes = this.members) {
    const ends = await Promise.all(nodes.map(async (node) => ({ node, lsn: await written(node) })));
    await waitUntil(
      async () => {
        const open = await Promise.all(ends.map(({ node, lsn }) => node.value(BEHIND, [lsn, nodes.map(({ name }) => name)])));
        return open.every((count) => Number(count) === 0);
      },
      `what was written at ${nodes.map((node) => node.name)} is everywhere`,
      PATIENCE,
    );
  }

  async stop() {
    await Promise.all([...this.links.values()].map((link) => link.stop()));
    this.links.clear();
    await super.stop();
  }
}

/** How many of these a node sends to have not said yet to have applied up to that place. A slot's place moves only by what its receiver has. */
const BEHIND = "select count(*) from pg_replication_slots where slot_name = any($2) and (active is false or confirmed_flush_lsn < $1::pg_lsn)";

/** The end of a node's log, behind a commit of its own: what stands in front of it is sent with it. */
async function written(node) {
  await node.query("select pg_logical_emit_message(true, '', '')");
  return node.value("select pg_current_wal_flush_lsn()");
}

/** Starts that many equals. @param {string[]} [names] @param {string[]} [later] */
export async function startMesh(names = ["us", "eu", "ap"], later = []) {
  const mesh = new Mesh(programs);
  try {
    return await mesh.start(names, later);
  } catch (error) {
    await mesh.stop();
    throw error;
  }
}
