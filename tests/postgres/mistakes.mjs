// The application with one mistake planted in each: what looks right, and what the rules of positions forbid. Each has a test
// in which the anomaly is really seen, so that the test of the right way is known to be able to fail.
import { LSN, Lists, NOTE, behind, handOut, place } from "./app.mjs";

/** The position of a write is read before its commit. */
export class PositionInsideTransaction extends Lists {
  async commit(client) {
    const lsn = await this.lsn(client);
    await this.at("written");
    await client.query("commit");
    return { lsn };
  }
}

/** What a write shows gets its place with the note, before the commit. */
export class PlaceInsideTransaction extends Lists {
  async note(client, key) {
    await client.query(NOTE, [key]);
    await client.query("update homing_writes set place = pg_current_wal_insert_lsn() where key = $1", [key]);
  }
}

/** A note is sealed by a place that was taken before the statement that seals, and so perhaps before the commit of what is sealed. */
export class SealedByAnEarlierPlace extends Lists {
  async seal(client, key) {
    const lsn = await this.lsn(client);
    await this.at("sealing");
    await client.query("update homing_writes set place = $2 where key = $1 and place is null", [key, lsn]);
  }
}

/** What a read shows is asked before it. */
export class ShowsBeforeRead extends Lists {
  async checked(client, key, asked) {
    this.early = await super.shows(client, key);
    return super.checked(client, key, asked);
  }
  async shows() {
    return this.early;
  }
}

/** A write is noted where its row is: a deletion leaves none. */
export class DeletionForgotten extends Lists {
  async note(client, key) {
    const { rows } = await client.query("select from lists where key = $1", [key]);
    if (rows.length > 0) await super.note(client, key);
  }
}

/** No mistake: it dies between its commit and the seal, or somebody else's application has written. */
export class SealsNothing extends Lists {
  async committed(client) {
    return { lsn: await this.lsn(client) };
  }
}

/** What the advisory lock is called that holds `CheckedInOneStatement` up, between its snapshot and its position. */
export const GATE = 4711;

/** The data and the position that is checked come from one statement. */
export class CheckedInOneStatement extends Lists {
  async checked(client, key, asked) {
    const statement = `
      select lists.items, ownership.home, ownership.epoch::int, (${LSN}) as lsn
      from (select pg_advisory_xact_lock_shared(${GATE}) offset 0) as gate
      cross join homing_ownership as ownership left join lists on lists.key = $1`;
    const {
      rows: [row],
    } = await client.query(statement, [key]);
    this.admit(row, asked);
    return { items: row.items ?? [], least: row.lsn };
  }
}

/** The position that was checked before the read is also the one that is handed out. */
export class PositionBeforeRead extends Lists {
  async read(key, asked) {
    return this.connected(async (client) => {
      const before = await this.position(client);
      const { items } = await this.checked(client, key, asked);
      return { body: { key, items }, headers: { ...handOut(before), "homing-wrote": "0" } };
    });
  }
}

/** Positions are compared without their epochs. */
export class BarePosition extends Lists {
  admit(here, asked) {
    if (asked.lsn && place(here.lsn) < place(asked.lsn)) throw behind(here);
  }
}

/** The epoch comes from a setting that somebody updates after the promotion, and not from beside the data. */
export class EpochOutOfBand extends Lists {
  told = { home: "us", epoch: 1 };
  async ownership() {
    return this.told;
  }
}

/** A standby reports what it has received, and not what it has replayed. */
export class ReceivedForReplayed extends Lists {
  async lsn(client) {
    const received = "select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_insert_lsn() end as lsn";
    return (await client.query(received)).rows[0].lsn;
  }
}

/** Reads say nothing of how far their copy is, so what a session has seen is not remembered. */
export class ReadsSayNothing extends Lists {
  async read(key, asked) {
    const { body } = await super.read(key, asked);
    return { body, headers: { "homing-wrote": "0" } };
  }
}
