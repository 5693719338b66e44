// A small application on PostgreSQL that keeps the positions of the contract between Homing and an origin, as an example to
// copy. One runs in each region, beside the region's own database: the primary, or a streaming standby of it.
//
// Its data is lists: a POST appends an id to the list of a key, a GET shows it. What matters here is not that, but where
// positions are read. Beside the data stands one row that says who owns it, by which epoch; it is replicated with the data,
// so a copy never claims an epoch whose data it does not have.
import http from "node:http";
import pg from "pg";

/** What the database of a new dataset begins with; run once, at the primary. */
export const schema = (home) => `
  create table homing_ownership (dataset text primary key, home text not null, epoch bigint not null);
  insert into homing_ownership values ('lists', '${home}', 1);
  create table lists (key text primary key, items text[] not null);
  create table homing_writes (key text primary key, place pg_lsn);`;

/** The last step of a promotion, at the new primary: from here on writes are taken there, and the old epoch is over. */
export const takeOver = (home) => `update homing_ownership set home = '${home}', epoch = epoch + 1 where dataset = 'lists'`;

/** Notes a write or a deletion of a list, in its transaction. Where it lies in the log nobody knows before it has committed. */
export const NOTE = "insert into homing_writes values ($1, null) on conflict (key) do update set place = null";
/** Gives a note its place, at the primary. Who sees the note sees its commit, and the end of the log is taken after that. A list that
 *  is being written is passed over. That it waits for no disk holds for this statement alone; if it is lost, the next one seals. */
export const SEAL = `
  update homing_writes set place = pg_current_wal_insert_lsn()
  where place is null and set_config('synchronous_commit', 'off', true) is not null
  and key in (select key from homing_writes where key = $1 and place is null for no key update skip locked)`;

export const OWNERSHIP = "select home, epoch::int from homing_ownership where dataset = 'lists'";
export const LSN = "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end as lsn";
const LAG = `select case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
  else (extract(epoch from now() - pg_last_xact_replay_timestamp()) * 1000)::int end as lag`;

/** An answer of the contract that is no answer to the question. */
class Refusal extends Error {
  constructor(status, headers) {
    super(`refused with ${status}`);
    this.status = status;
    this.headers = headers;
  }
}

/** The lists of one region, on that region's database. */
export class Lists {
  constructor(region, database) {
    this.region = region;
    // A region that is cut off or down must not keep its callers waiting.
    this.pool = new pg.Pool({ ...database, max: 10, connectionTimeoutMillis: 2000, query_timeout: 5000 });
    // A connection that breaks is heard of by whoever uses it next; unheard, the event would end the process.
    this.pool.on("error", () => {}).on("connect", (client) => client.on("error", () => {}));
  }

  /** A read: may this copy answer, then the data, then what that shows, and then how far the copy is by now. */
  async read(key, asked) {
    return this.connected(async (client) => {
      const { items, least } = await this.checked(client, key, asked);
      // After the read, so that nothing it saw can be newer than what is handed out; and what it shows is not beyond the copy.
      const shows = await this.shows(client, key);
      const seen = await this.position(client);
      return { body: { key, items }, headers: { ...handOut(seen, least, shows), "homing-wrote": "0" } };
    });
  }

  /** What a key holds, if this copy may answer, and the position that it has reached for certain. */
  async checked(client, key, asked) {
    // Before the read, so that what the read sees can only be newer than what was checked. Not in the same statement: that
    // looks at the data as it was when the statement began, and asks for the position later.
    const here = await this.position(client);
    this.admit(here, asked);
    await this.at("admitted");
    const { rows } = await client.query("select items from lists where key = $1", [key]);
    return { items: rows[0]?.items ?? [], least: here.lsn };
  }

  append(key, id, asked) {
    const change = (client) =>
      client.query("insert into lists values ($1, array[$2]) on conflict (key) do update set items = lists.items || excluded.items", [key, id]);
    return this.write(key, change, { key, id }, asked);
  }

  remove(key, asked) {
    return this.write(key, (client) => client.query("delete from lists where key = $1", [key]), { key }, asked);
  }

  /** A write: only where this region owns the data. */
  async write(key, change, body, asked) {
    let committing = false;
    const work = async (client) => {
      this.fence(await this.ownership(client), asked);
      await client.query("begin");
      // With a shared lock: a change of the ownership waits for the writers that still go by the old one.
      const owned = await this.ownership(client, "for share");
      this.fence(owned, asked);
      await change(client);
      await this.note(client, key);
      committing = true;
      const { lsn, shows } = await this.commit(client, key);
      return { body, headers: { ...(lsn ? handOut({ ...owned, lsn }, undefined, shows) : {}), "homing-wrote": "1" } };
    };
    try {
      return await this.connected(work);
    } catch (error) {
      // Before the commit was sent nothing can have been written; from then on nobody can say.
      if (!committing) error.headers = { ...error.headers, "homing-wrote": "0" };
      throw error;
    }
  }

  /** Commits, and says what that shows and how far the log is then. Before the commit it would be too low: the commit stands in the
   *  log too. */
  async commit(client, key) {
    await this.at("written");
    await client.query("commit");
    // Committed is committed, also if this fails; the router then goes by time.
    return this.committed(client, key).catch(() => ({}));
  }

  /** @param {any} client @param {string} [key] @returns {Promise<any>} */
  async committed(client, key) {
    const shows = await this.shows(client, key);
    return { shows, lsn: await this.lsn(client) };
  }

  /** That a list is written, for who asks what it shows. */
  async note(client, key) {
    await client.query(NOTE, [key]);
  }

  /** The place of a list's last write, also where it is gone. None while nobody knows, which is until the primary has sealed it: then how
   *  far the copy is counts. A place in the log of one epoch is a place in that of the next, which goes on from there. */
  async shows(client, key) {
    const look = async () => (await client.query("select place, pg_is_in_recovery() as standby from homing_writes where key = $1", [key])).rows[0];
    const noted = await look();
    // The notes are as old as the data: what nobody has noted was never there.
    if (!noted) return "0/0";
    if (noted.place || noted.standby) return noted.place ?? undefined;
    await this.seal(client, key);
    return (await look()).place ?? undefined;
  }

  async seal(client, key) {
    await this.at("sealing");
    await client.query(SEAL, [key]);
  }

  async lsn(client) {
    return (await client.query(LSN)).rows[0].lsn;
  }

  /** How far this copy is, and by which epoch. Both are asked of one connection, so of one run of the server; the place in the
   *  log first, so that the epoch can only be newer than it. */
  async position(client) {
    const lsn = await this.lsn(client);
    return { lsn, ...(await this.ownership(client)) };
  }

  async ownership(client, lock = "") {
    return (await client.query(`${OWNERSHIP} ${lock}`)).rows[0];
  }

  /** Whether this copy may answer a read. */
  admit(here, asked) {
    const isHome = here.home === this.region;
    if (asked.home === this.region && !isHome) throw misdirected(here);
    // What was written in this epoch or before it, and was not lost, the home has.
    if (!asked.lsn || (isHome && asked.epoch <= here.epoch)) return;
    // Places in the log of one epoch say nothing about the log of another: after a promotion there are two logs, which
    // have the same beginning and then differ.
    if (asked.epoch !== here.epoch || place(here.lsn) < place(asked.lsn)) throw behind(here);
  }

  /** Whether a write may be done here, by the ownership that is known here and the one by which it was sent. */
  fence(known, asked) {
    if (known.home !== this.region || asked.epoch > known.epoch) throw misdirected(known);
  }

  /** What the health address says: the epoch, the position, and how long ago what was replayed last was committed. */
  async health() {
    return this.connected(async (client) => {
      const { home, epoch, lsn } = await this.position(client);
      const {
        rows: [{ lag }],
      } = await client.query(LAG);
      const behind = home === this.region ? {} : { [home]: lag };
      return { body: { epochs: { lists: epoch }, position: { lists: lsn }, lag_ms: behind, conflicts: 0 }, headers: {} };
    });
  }

  async connected(work) {
    const client = await this.pool.connect();
    let broken;
    try {
      return await work(client);
    } catch (error) {
      // After anything else than a refusal nobody knows what state the connection is in.
      broken = !(
        error instanceof Refusal &&
        (await client.query("rollback").then(
          () => true,
          () => false,
        ))
      );
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Nothing happens here; the tests override it, to hold a request at that point. */
  async at(_point) {}

  close() {
    return this.pool.end();
  }
}

/** How a position stands in an answer. Whose log it counts by, and in which epoch, goes along: without that it is unsafe. What
 *  the answer shows at least is for the edge's cache: a stored copy may be shown to who has seen no more than that. What it shows at
 *  most is all that a session has seen. */
export const handOut = ({ home, epoch, lsn }, least, shows) => ({
  "homing-home": home,
  "homing-epoch": String(epoch),
  "homing-position": [`lists=${lsn}`, ...(least ? [`least=${least}`] : []), ...(shows ? [`shows=${shows}`] : [])].join("; "),
});

/** This copy cannot show what is asked for; and how far it is, so that it is not asked in vain again. */
export const behind = (here) => new Refusal(503, { "homing-behind": "1", ...handOut(here) });

const misdirected = ({ home, epoch }) => new Refusal(421, { "homing-home": home, "homing-epoch": String(epoch), "homing-wrote": "0" });

/** A place in the log, `0/16B3748`: two halves of 32 bits in hexadecimal. */
export function place(lsn) {
  const [high, low] = lsn.split("/").map((half) => BigInt(`0x${half}`));
  return (high << 32n) | low;
}

/** What the router says: the least position that will do, its epoch, and whom it takes for the home. */
function whatIsAsked(headers) {
  const [, lsn] = /(?:^|[,\s])lists=([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})/.exec(headers["homing-min-position"] ?? "") ?? [];
  return { lsn, epoch: Number(headers["homing-epoch"] ?? 0), home: headers["homing-home"] };
}

/** Starts the application of one region: GET, POST and DELETE /lists/KEY, and the health address. */
export async function serve(lists, { cacheControl = "no-store" } = {}) {
  const answer = async (request) => {
    const path = new URL(request.url, "http://origin").pathname;
    const asked = whatIsAsked(request.headers);
    const [, key] = /^\/lists\/([\w-]+)$/.exec(path) ?? [];
    if (path === "/.well-known/homing") return lists.health();
    if (!key) return { status: 404, body: { error: "there is /lists/KEY and nothing else" }, headers: {} };
    if (request.method === "GET") return lists.read(key, asked);
    if (request.method === "DELETE") return lists.remove(key, asked);
    if (request.method !== "POST") return { status: 405, body: { error: "GET, POST or DELETE" }, headers: { "homing-wrote": "0" } };
    const { id } = await json(request);
    return lists.append(key, String(id), asked);
  };
  const server = http.createServer(async (request, response) => {
    const {
      status = 200,
      body,
      headers,
    } = await answer(request).catch((error) => {
      if (error instanceof Refusal) return error;
      // 503: the region's own failure, so that a read is tried elsewhere.
      return { status: 503, body: { error: error.message }, headers: error.headers ?? {} };
    });
    const text = body === undefined ? "" : JSON.stringify({ region: lists.region, ...body });
    response.writeHead(status, { "content-type": "application/json", "cache-control": status === 200 ? cacheControl : "no-store", ...headers }).end(text);
  });
  // The router keeps connections; one that is closed under a write in flight would leave its outcome unknown.
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await lists.close();
  };
  return { url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`, lists, stop };
}

async function json(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text || "{}");
}
