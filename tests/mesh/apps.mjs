// The application beside each node (src/origin/examples/mesh.rs, on the kit), and mistakes planted in front of it or in its place.
import { spawn } from "node:child_process";
import http from "node:http";
import { join } from "node:path";
import pg from "pg";
import { root } from "../e2e/harness.mjs";
import { freePort } from "../e2e/ports.mjs";

const running = new Set();
process.once("exit", () => running.forEach((stop) => stop()));

/** Stops all applications; databases have their own way. */
export const stopApps = () => {
  running.forEach((stop) => stop());
  running.clear();
};

/** The application of one node, which can die and come back at the same place. */
export class App {
  /** @type {number} */
  port;
  url = "";

  constructor(node, owners) {
    this.node = node;
    this.owners = owners;
  }

  async start() {
    this.port ??= await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const { host, port, user, password, database } = this.node.address;
    const env = {
      PATH: process.env.PATH,
      REGION: this.node.name,
      OWNERS: this.owners.join(","),
      LISTEN: `127.0.0.1:${this.port}`,
      DATABASE_URL: `host=${host} port=${port} user=${user} password=${password} dbname=${database}`,
    };
    const child = spawn(join(root, "target/debug/examples/mesh"), { env, stdio: ["ignore", "pipe", "inherit"] });
    this.kill = () => child.kill("SIGKILL");
    running.add(this.kill);
    this.exited = new Promise((resolve) => child.once("exit", resolve)).then(() => running.delete(this.kill));
    await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the application of ${this.node.name} ended, with ${code}`)));
      child.stdout.on("data", (data) => String(data).includes("listening") && resolve(undefined));
    });
    return this;
  }

  /** Begins with what another node has. */
  async beginWith(other) {
    const exported = await (await fetch(`${other.url}/export`)).text();
    const answer = await fetch(`${this.url}/import`, { method: "POST", body: exported });
    if (!answer.ok) throw new Error(`${this.node.name} did not begin with what ${other.node.name} has: ${await answer.text()}`);
  }

  /** It dies, and comes back; perhaps with more owners than it knew of. */
  async again(owners = this.owners) {
    this.owners = owners;
    this.kill();
    await this.exited;
    return this.start();
  }
}

async function listen(handle) {
  const server = http.createServer(handle);
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const stop = () => (server.closeAllConnections(), server.close());
  running.add(stop);
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
}

/** In front of an application, with what that does to the fields of requests and of answers.
 *  @param {{ url: string }} app @param {{ asks?: (fields: any) => void, answers?: (fields: any) => void }} how */
async function front(app, { asks = () => {}, answers = () => {} }) {
  const url = await listen((request, response) => {
    const headers = { ...request.headers };
    asks(headers);
    const forwarded = http.request(new URL(request.url, app.url), { method: request.method, headers }, (answer) => {
      answers(answer.headers);
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  return { url };
}

/** Planted: what a session has seen is lost on its way to an application, of reads or of writes. @param {"read" | "write"} intent */
export const forgetful = (intent) => (app) => front(app, { asks: (fields) => fields["homing-intent"] === intent && delete fields["homing-min-position"] });

/** Planted: an application tells of what it shows less than that is. */
export const understating = (app) =>
  front(app, {
    answers: (fields) => {
      fields["homing-position"] &&= fields["homing-position"].replace(/; least=\d+; shows=\d+/g, "; least=0; shows=0");
    },
  });

/** Planted: a row for each key, of which the later one wins, where it is written and where it arrives. */
export const ROWS = `
  create table homing_rows (dataset text, key text, value jsonb not null, stamp text not null, primary key (dataset, key));
  create function later_wins() returns trigger language plpgsql set search_path = public as $$ begin
    if tg_op = 'INSERT' then
      update homing_rows set value = new.value, stamp = new.stamp where dataset = new.dataset and key = new.key and stamp < new.stamp;
      if exists (select from homing_rows where dataset = new.dataset and key = new.key) then return null; end if;
    elsif new.stamp < old.stamp then return null;
    end if;
    return new;
  end $$;
  create trigger later_wins before insert or update on homing_rows for each row execute function later_wins();
  alter table homing_rows enable always trigger later_wins;`;

const EMPTY = { tags: [], views: 0, profile: {}, draft: [] };

function changed(dataset, value, change) {
  switch (dataset) {
    case "tags":
      return [...value.filter((id) => !change.remove?.includes(id)), ...(change.add ?? [])].sort();
    case "views":
      return value + change;
    case "profile":
      return { ...value, ...change };
    default:
      return [change];
  }
}

/** Planted: an application on those rows, in place of the kit's. */
export async function rows(node) {
  const pool = new pg.Pool({ ...node.address, max: 8, connectionTimeoutMillis: 2000, query_timeout: 5000 });
  pool.on("error", () => {}).on("connect", (client) => client.on("error", () => {}));
  running.add(() => void pool.end().catch(() => {}));
  const work = async (dataset, key, change, stamp) => {
    const client = await pool.connect();
    try {
      await client.query("begin");
      const { rows: found } = await client.query("select value from homing_rows where dataset = $1 and key = $2 for update", [dataset, key]);
      let value = found[0]?.value ?? EMPTY[dataset];
      if (change !== undefined) {
        value = changed(dataset, value, change);
        const put = "insert into homing_rows values ($1, $2, $3, $4)";
        const update = "update homing_rows set value = $3, stamp = $4 where dataset = $1 and key = $2";
        await client.query(found.length > 0 ? update : put, [dataset, key, JSON.stringify(value), stamp]);
      }
      await client.query("commit");
      client.release();
      return value;
    } catch (error) {
      client.release(true);
      throw error;
    }
  };
  const url = await listen(async (request, response) => {
    const [, dataset, key] = new URL(request.url, "http://origin").pathname.split("/");
    try {
      let text = "";
      for await (const chunk of request) text += chunk;
      const value = await work(dataset, key, request.method === "POST" ? JSON.parse(text) : undefined, request.headers["homing-clock"]);
      response.end(JSON.stringify({ value }));
    } catch (error) {
      response.writeHead(503).end(JSON.stringify({ error: error.message }));
    }
  });
  return { url };
}
