// What a mesh of equals can carry, and what it cannot: why only a log of operations travels (docs/multi-writer.md).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { waitUntil } from "../e2e/harness.mjs";
import { stopAll } from "../postgres/cluster.mjs";
import { startMesh } from "./mesh.mjs";

afterEach(stopAll);

const PUT = "insert into docs values ($1, $2, $3) on conflict (key) do update set value = excluded.value, at = excluded.at";

/** Each node's rows, once all links are whole and all is sent. */
async function settled(mesh, sql) {
  await mesh.around("us", "pass");
  await mesh.level();
  return Object.fromEntries(await Promise.all(mesh.members.map(async (node) => [node.name, JSON.stringify(await node.query(sql))])));
}

const distinct = (held) => new Set(Object.values(held)).size;

test("rows that overwrite each other never become equal again: a change that comes before what it changes is dropped", async () => {
  const mesh = await startMesh();
  for (const node of mesh.members) await node.query("create table docs (key text primary key, value text, at int)");
  await mesh.join({ table: "docs", publish: "insert, update, delete" });
  await mesh.links.get("us>ap").set("refuse");
  await mesh.us.query(PUT, ["x", "from us", 1]);
  await waitUntil(() => mesh.eu.value("select count(*) = 1 from docs"), "eu has what us wrote");
  await mesh.eu.query(PUT, ["x", "later, from eu", 2]);
  await waitUntil(() => mesh.us.value("select value = 'later, from eu' from docs"), "us has what eu wrote");
  const held = await settled(mesh, "select * from docs");
  assert.match(held.us, /later/);
  assert.match(held.ap, /from us/, "the later change came first, found no row, and is gone");
});

test("operations that are only added become equal, whatever the order in which the links let them through", async () => {
  const mesh = await startMesh();
  for (const node of mesh.members) await node.query("create table homing_ops (owner text, number bigint, change text, primary key (owner, number))");
  await mesh.join();
  await mesh.links.get("us>ap").set("blackhole");
  await mesh.us.query("insert into homing_ops values ('us', 1, 'from us')");
  await waitUntil(() => mesh.eu.value("select count(*) = 1 from homing_ops"), "eu has what us wrote");
  await mesh.eu.query("insert into homing_ops values ('eu', 1, 'later, from eu')");
  await waitUntil(() => mesh.ap.value("select count(*) = 1 from homing_ops"), "ap has the later one alone");
  const held = await settled(mesh, "select * from homing_ops order by owner, number");
  assert.equal(distinct(held), 1, JSON.stringify(held));
  assert.match(held.ap, /later.*from us/s);
});

test("what comes twice stops a subscription for good, unless it is passed over by owner and number", async () => {
  const mesh = await startMesh(["us", "eu"]);
  const [us, eu] = mesh.members;
  const table = "create table homing_ops (owner text, number bigint, change text, primary key (owner, number))";
  for (const node of mesh.members) await node.query(table);
  await mesh.join();
  await mesh.links.get("eu>us").set("refuse");
  await eu.query("insert into homing_ops values ('us', 1, 'known already')");
  await us.query("insert into homing_ops values ('us', 1, 'known already')");
  await waitUntil(() => eu.log().includes("insert_exists"), "PostgreSQL objects to what eu has already");
  await eu.query(PASS_OVER);
  await us.query("insert into homing_ops values ('us', 2, 'new')");
  await waitUntil(() => eu.value("select count(*) = 2 from homing_ops"), "the subscription goes on");
});

/** Fires where rows arrive by replication, too; there nothing is looked up but by schema. */
const PASS_OVER = `
  create function pass_over() returns trigger language plpgsql set search_path = public as $$ begin
    if exists (select from homing_ops where owner = new.owner and number = new.number) then return null; end if;
    return new;
  end $$;
  create trigger pass_over before insert on homing_ops for each row execute function pass_over();
  alter table homing_ops enable always trigger pass_over;`;
