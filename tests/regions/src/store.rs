//! The database: an insert-only log of operations per region, and what it folds to. Folding is the same for an operation of
//! one's own and for a peer's, idempotent, and independent of the order in which regions' logs interleave.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, Result, params};
use serde::{Deserialize, Serialize};

/// One operation, as it is logged and replicated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Op {
    /// The region where it was made.
    pub origin: String,
    /// Its place in that region's log, from 1 without gaps.
    pub seq: i64,
    /// The dataset, or `own` for a change of ownership.
    pub dataset: String,
    /// What it concerns within the dataset: an item, a subject.
    pub key: String,
    /// The new value, as JSON.
    pub value: String,
    /// Orders concurrent values of a multi-writer dataset; elsewhere the epoch and sequence do.
    pub stamp: String,
    /// When it was made, in Unix milliseconds.
    pub at: i64,
}

/// Who owns a dataset, or a subject's part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub home: String,
    pub epoch: i64,
}

/// A value and the stamp that it won with.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub value: String,
    pub stamp: String,
}

/// A region's database.
pub(crate) struct Store {
    name: String,
    connection: Mutex<Connection>,
}

const SCHEMA: &str = "
    pragma journal_mode = wal; pragma synchronous = normal;
    create table if not exists ops (origin text, seq integer, dataset text, key text, value text, stamp text, at integer,
        primary key (origin, seq)) without rowid;
    create table if not exists held (dataset text, key text, value text, stamp text, primary key (dataset, key)) without rowid;
    create table if not exists owners (dataset text, subject text, home text, epoch integer,
        primary key (dataset, subject)) without rowid;
    create table if not exists repeats (key text primary key, answer text) without rowid;
    create table if not exists counts (name text primary key, n integer) without rowid;
";

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    pub(crate) fn open(name: &str, folder: Option<&Path>) -> Result<Self> {
        let connection = match folder {
            Some(folder) => {
                let _ = std::fs::create_dir_all(folder);
                Connection::open(folder.join(format!("{name}.sqlite")))?
            }
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(SCHEMA)?;
        let store = Self { name: name.to_owned(), connection: Mutex::new(connection) };
        store.own("catalog", "", &Owner { home: "us".to_owned(), epoch: 1 })?;
        Ok(store)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs an operation of this region and folds it, in one transaction; the position is known only once that has
    /// committed, so it is returned from here and taken nowhere else. `decide` sees what is held and makes the new value.
    pub(crate) fn write(
        &self,
        dataset: &str,
        key: &str,
        stamp: Option<&str>,
        decide: impl FnOnce(Option<&str>) -> String,
    ) -> Result<(Op, bool)> {
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        let held = held(&tx, dataset, key)?;
        let seq = last(&tx, &self.name)? + 1;
        let epoch = owner(&tx, dataset, key)?.or(owner(&tx, dataset, "")?).map_or(0, |owner| owner.epoch);
        let op = Op {
            origin: self.name.clone(),
            seq,
            dataset: dataset.to_owned(),
            key: key.to_owned(),
            value: decide(held.as_ref().map(|held| held.value.as_str())),
            stamp: stamp.map_or_else(|| format!("{epoch:012}.{seq:012}"), str::to_owned),
            at: now(),
        };
        let conflicted = apply(&tx, &op)?;
        tx.commit()?;
        Ok((op, conflicted))
    }

    /// Folds a peer's operation; one that is known already changes nothing.
    pub(crate) fn receive(&self, op: &Op) -> Result<()> {
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        if op.seq == last(&tx, &op.origin)? + 1 {
            apply(&tx, op)?;
        }
        tx.commit()
    }

    pub(crate) fn read(&self, dataset: &str, key: &str) -> Result<Option<Held>> {
        held(&self.connection(), dataset, key)
    }

    pub(crate) fn list(&self, dataset: &str) -> Result<Vec<(String, String)>> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached("select key, value from held where dataset = ? order by key")?;
        rows.query_map([dataset], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// How far this copy has applied that region's log.
    pub(crate) fn applied(&self, origin: &str) -> Result<i64> {
        last(&self.connection(), origin)
    }

    /// This region's own operations after a place in its log.
    pub(crate) fn own_ops_after(&self, seq: i64) -> Result<Vec<Op>> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached(
            "select origin, seq, dataset, key, value, stamp, at from ops where origin = ? and seq > ? order by seq limit 500",
        )?;
        let op = |row: &rusqlite::Row<'_>| {
            Ok(Op {
                origin: row.get(0)?,
                seq: row.get(1)?,
                dataset: row.get(2)?,
                key: row.get(3)?,
                value: row.get(4)?,
                stamp: row.get(5)?,
                at: row.get(6)?,
            })
        };
        rows.query_map(params![self.name, seq], op)?.collect()
    }

    pub(crate) fn owner(&self, dataset: &str, subject: &str) -> Result<Option<Owner>> {
        owner(&self.connection(), dataset, subject)
    }

    /// Takes in an ownership if its epoch is later than what is known.
    pub(crate) fn own(&self, dataset: &str, subject: &str, owner: &Owner) -> Result<()> {
        set_owner(&self.connection(), dataset, subject, owner)
    }

    /// Tells the peers of an ownership, in the log: a label that lags behind the data would break monotonic reads.
    pub(crate) fn announce(&self, dataset: &str, subject: &str, owner: &Owner) -> Result<()> {
        let value = serde_json::json!({ "dataset": dataset, "home": owner.home, "epoch": owner.epoch }).to_string();
        self.write("own", subject, Some(""), |_| value).map(|_| ())
    }

    /// The answer that a write with this Idempotency-Key has had.
    pub(crate) fn repeated(&self, key: &str) -> Result<Option<String>> {
        let connection = self.connection();
        connection.query_row("select answer from repeats where key = ?", [key], |row| row.get(0)).optional()
    }

    pub(crate) fn remember(&self, key: &str, answer: &str) -> Result<()> {
        self.connection().execute("insert or ignore into repeats values (?, ?)", [key, answer]).map(|_| ())
    }

    pub(crate) fn count(&self, name: &str) -> Result<i64> {
        let connection = self.connection();
        let found = connection.query_row("select n from counts where name = ?", [name], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(0))
    }

    pub(crate) fn reset(&self) -> Result<()> {
        let connection = self.connection();
        connection.execute_batch(
            "delete from ops; delete from held; delete from owners; delete from repeats; delete from counts;",
        )?;
        set_owner(&connection, "catalog", "", &Owner { home: "us".to_owned(), epoch: 1 })
    }
}

fn held(connection: &Connection, dataset: &str, key: &str) -> Result<Option<Held>> {
    let mut rows = connection.prepare_cached("select value, stamp from held where dataset = ? and key = ?")?;
    rows.query_row([dataset, key], |row| Ok(Held { value: row.get(0)?, stamp: row.get(1)? })).optional()
}

fn last(connection: &Connection, origin: &str) -> Result<i64> {
    let mut rows = connection.prepare_cached("select coalesce(max(seq), 0) from ops where origin = ?")?;
    rows.query_row([origin], |row| row.get(0))
}

fn owner(connection: &Connection, dataset: &str, subject: &str) -> Result<Option<Owner>> {
    let mut rows = connection.prepare_cached("select home, epoch from owners where dataset = ? and subject = ?")?;
    rows.query_row([dataset, subject], |row| Ok(Owner { home: row.get(0)?, epoch: row.get(1)? })).optional()
}

fn set_owner(connection: &Connection, dataset: &str, subject: &str, owner: &Owner) -> Result<()> {
    let sql = "insert into owners values (?1, ?2, ?3, ?4) on conflict (dataset, subject)
        do update set home = ?3, epoch = ?4 where excluded.epoch > owners.epoch";
    connection.execute(sql, params![dataset, subject, owner.home, owner.epoch]).map(|_| ())
}

/// Logs and folds. Returns whether two regions had written the same thing and the greater stamp decided.
fn apply(connection: &Connection, op: &Op) -> Result<bool> {
    connection.execute(
        "insert or ignore into ops values (?, ?, ?, ?, ?, ?, ?)",
        params![op.origin, op.seq, op.dataset, op.key, op.value, op.stamp, op.at],
    )?;
    if op.dataset == "own" {
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&op.value) {
            let text = |name: &str| value.get(name).and_then(|field| field.as_str()).unwrap_or_default().to_owned();
            let epoch = value.get("epoch").and_then(serde_json::Value::as_i64).unwrap_or(0);
            set_owner(connection, &text("dataset"), &op.key, &Owner { home: text("home"), epoch })?;
        }
        return Ok(false);
    }
    let before = held(connection, &op.dataset, &op.key)?;
    // The later stamp wins; equal stamps are the same operation. This is the whole of last-write-wins.
    let loses = before.is_some_and(|before| before.stamp >= op.stamp);
    if loses {
        connection
            .execute("insert into counts values ('conflicts', 1) on conflict (name) do update set n = n + 1", [])?;
    } else {
        connection.execute(
            "insert into held values (?1, ?2, ?3, ?4) on conflict (dataset, key) do update set value = ?3, stamp = ?4",
            params![op.dataset, op.key, op.value, op.stamp],
        )?;
    }
    Ok(loses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(stores: &[&Store]) {
        for from in stores {
            for op in from.own_ops_after(0).unwrap() {
                for to in stores.iter().filter(|to| to.name != from.name) {
                    to.receive(&op).unwrap();
                    to.receive(&op).unwrap();
                }
            }
        }
    }

    #[test]
    fn concurrent_writes_converge_on_the_later_stamp() {
        let (a, b) = (Store::open("a", None).unwrap(), Store::open("b", None).unwrap());
        a.write("likes", "1", Some("2"), |_| "\"a\"".to_owned()).unwrap();
        b.write("likes", "1", Some("3"), |_| "\"b\"".to_owned()).unwrap();
        exchange(&[&a, &b]);
        for store in [&a, &b] {
            assert_eq!(store.read("likes", "1").unwrap().unwrap().value, "\"b\"");
        }
        assert_eq!((a.count("conflicts").unwrap(), b.count("conflicts").unwrap()), (0, 1));
    }

    #[test]
    fn an_ownership_travels_in_the_log_and_never_back() {
        let (a, b) = (Store::open("a", None).unwrap(), Store::open("b", None).unwrap());
        let eu = Owner { home: "eu".to_owned(), epoch: 3 };
        a.announce("cart", "ada", &eu).unwrap();
        exchange(&[&a, &b]);
        assert_eq!(b.owner("cart", "ada").unwrap(), Some(eu.clone()));
        b.own("cart", "ada", &Owner { home: "us".to_owned(), epoch: 2 }).unwrap();
        assert_eq!(b.owner("cart", "ada").unwrap(), Some(eu));
    }

    #[test]
    fn a_position_counts_only_what_was_applied_in_order() {
        let (a, b) = (Store::open("a", None).unwrap(), Store::open("b", None).unwrap());
        for n in 0..3 {
            a.write("catalog", "x", None, |_| n.to_string()).unwrap();
        }
        let ops = a.own_ops_after(0).unwrap();
        b.receive(&ops[1]).unwrap();
        assert_eq!(b.applied("a").unwrap(), 0);
        ops.iter().for_each(|op| b.receive(op).unwrap());
        assert_eq!(b.applied("a").unwrap(), 3);
    }
}
