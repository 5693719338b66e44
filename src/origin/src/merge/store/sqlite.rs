//! In SQLite. Peers' operations come over the application's own transport: serve [`since`], and [`take_in`] what it gave.

use rusqlite::{Connection, OptionalExtension, Result, Row, Transaction, TransactionBehavior, params};
use serde::{Serialize, de::DeserializeOwned};

use super::{AT_ONCE, Export, OP};
use crate::{
    Asked, Kept, Refusal,
    merge::{
        Change, Conflict, ConflictQuery, Conflicts, Ledger, Merge, Operation, Progress, Shown, Stamp, State, TakenIn,
        Vector, Write, Written, conflict::KEPT, ledger::Reach,
    },
    store::sqlite::{make_keys, remember},
};

const SCHEMA: &str = "create table if not exists homing_ops (dataset text not null, owner text not null, number integer not null,
        key text not null, stamp text not null, seen text not null, at integer not null, who text, what text, change text not null,
        repeat text, primary key (dataset, owner, number)) without rowid;
    create table if not exists homing_states (dataset text, key text, state text not null, tombstones integer not null,
        primary key (dataset, key)) without rowid;
    create index if not exists homing_states_tombstones on homing_states (dataset, key) where tombstones > 0;
    create table if not exists homing_ledger (dataset text primary key, ledger text not null) without rowid;
    create table if not exists homing_conflicts (id integer primary key autoincrement, dataset text not null, key text not null,
        story text not null);
    create table if not exists homing_conflict_totals (dataset text, rule text, n integer not null,
        primary key (dataset, rule)) without rowid";

/// Makes the tables, if they are not there.
///
/// # Errors
/// If the database fails.
pub fn make(connection: &Connection) -> Result<()> {
    make_keys(connection)?;
    connection.execute_batch(SCHEMA)
}

/// Writes: appends the operation to this region's log and applies it, in the transaction that writes (`begin immediate`), so that the order
/// of numbers is the order of commits. For a write that a client may repeat, call it in the `act` of
/// [`once`](crate::store::sqlite::once); then it is done once.
///
/// Its stamp is the request's, or this region's own; its context is what this replica has, and what the session has seen. The
/// conflicts in what it gives are told once: add [`Written::fields`] to the answer.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the change does not fit the dataset's rule: nothing was written.
pub fn append(
    transaction: &Connection,
    merge: &Merge,
    asked: &Asked,
    write: Write<'_>,
) -> Result<std::result::Result<Written, Refusal>> {
    let subject = asked.subject.as_ref().map(|id| format!("~{id}"));
    let write = Write { who: write.who.or(subject.as_deref()), ..write };
    append_with(transaction, merge, asked.clock.as_deref(), &asked.context(write.dataset), write)
}

/// The same for what no request asks: a job. Without a stamp it gets this region's own.
///
/// # Errors
/// As of [`append`].
pub fn append_with(
    transaction: &Connection,
    merge: &Merge,
    stamp: Option<&str>,
    context: &Vector,
    write: Write<'_>,
) -> Result<std::result::Result<Written, Refusal>> {
    let rule = match merge.admit(&write) {
        Ok(rule) => rule,
        Err(refusal) => return Ok(Err(refusal)),
    };
    within(transaction, TransactionBehavior::Immediate, || {
        let mut ledger = ledger(transaction, write.dataset)?;
        if ledger.lacks_own(merge) {
            return Ok(Err(Refusal::LogLost));
        }
        let mut state = state(transaction, write.dataset, write.key)?.unwrap_or_else(|| State::new(rule));
        let op = ledger.compose(merge, &write, state.overruled_by(&write.change), (stamp, context), merge.now());
        let found = state.apply(rule, &op, merge.now());
        ledger.note(merge, &op);
        give_number(transaction, &op)?;
        keep_state(transaction, &op.dataset, &op.key, &state)?;
        keep_conflicts(transaction, &found)?;
        let (conflicts, more) = ledger.tell(found);
        keep_ledger(transaction, &op.dataset, &ledger)?;
        Ok(Ok(Written { number: op.number, stamp: op.stamp, shown: state.shown(), conflicts, more }))
    })
}

/// Takes peers' operations in, in a transaction. They may come again, and in any order among owners; those of one owner without a gap, else
/// they are not applied from there on, and the gap is said. A repeat of such a write is then known here too
/// ([`once`](crate::store::sqlite::once)).
///
/// # Errors
/// If the database fails.
pub fn take_in(transaction: &Connection, merge: &Merge, operations: &[Operation]) -> Result<TakenIn> {
    within(transaction, TransactionBehavior::Immediate, || take_in_all(transaction, merge, operations))
}

fn take_in_all(transaction: &Connection, merge: &Merge, operations: &[Operation]) -> Result<TakenIn> {
    let mut all: Vec<&Operation> = operations.iter().collect();
    all.sort_by_key(|op| (&op.dataset, &op.owner, op.number));
    let mut taken = TakenIn::default();
    for dataset in all.chunk_by(|one, other| one.dataset == other.dataset) {
        let Some((name, rule)) = dataset.first().and_then(|op| Some((&op.dataset, merge.rule(&op.dataset)?))) else {
            taken.passed_over += dataset.len() as u64;
            continue;
        };
        let mut ledger = ledger(transaction, name)?;
        for op in dataset {
            match ledger.reach(op) {
                _ if !merge.is_owner(&op.owner) => taken.passed_over += 1,
                Reach::Known => taken.known += 1,
                Reach::Gap => taken.gap(op, ledger.number(&op.owner)),
                Reach::Next => {
                    if !op.is_beat() {
                        let mut state = state(transaction, name, &op.key)?.unwrap_or_else(|| State::new(rule));
                        let found = state.apply(rule, op, merge.now());
                        keep_state(transaction, name, &op.key, &state)?;
                        keep_conflicts(transaction, &found)?;
                        ledger.hold(merge.region(), &found);
                        taken.conflicts += found.len() as u64;
                    }
                    ledger.note(merge, op);
                    keep_op(transaction, op)?;
                    remember_repeat(transaction, op)?;
                    taken.applied += 1;
                }
            }
        }
        keep_ledger(transaction, name, &ledger)?;
    }
    Ok(taken)
}

/// An owner's operations after that number, in order, at most so many: what a peer asks for. Any replica can serve any owner's. None may
/// mean that they are forgotten here: whoever is that far behind begins with [`export`].
///
/// # Errors
/// If the database fails.
pub fn since(connection: &Connection, dataset: &str, owner: &str, after: u64, limit: u32) -> Result<Vec<Operation>> {
    let sql =
        format!("select {OP} from homing_ops where dataset = ? and owner = ? and number > ? order by number limit ?");
    let mut rows = connection.prepare_cached(&sql)?;
    rows.query_map(params![dataset, owner, after.cast_signed(), limit], operation)?.collect()
}

/// How far this replica is: for [`Application::progress`](crate::Application::progress).
///
/// # Errors
/// If the database fails.
pub fn progress(connection: &Connection, dataset: &str) -> Result<Progress> {
    Ok(ledger(connection, dataset)?.progress())
}

/// What a key shows.
///
/// # Errors
/// If the database fails.
pub fn read(connection: &Connection, merge: &Merge, dataset: &str, key: &str) -> Result<Shown> {
    if let Some(state) = state(connection, dataset, key)? {
        return Ok(state.shown());
    }
    Ok(ledger(connection, dataset)?.shown_of_nothing(merge.rule(dataset)))
}

/// What the keys after that one show, by name, at most so many. An answer that lists them also shows what is not there any more, so it shows
/// all that the replica has: say nothing, or [`say::shows_of`](crate::say::shows_of) its [`Progress::at`], read in the same transaction.
///
/// # Errors
/// If the database fails.
pub fn list(connection: &Connection, dataset: &str, after: &str, limit: u32) -> Result<Vec<(String, Shown)>> {
    let sql = "select key, state from homing_states where dataset = ? and key > ? order by key limit ?";
    let mut rows = connection.prepare_cached(sql)?;
    let rows = rows.query_map(params![dataset, after, limit], |row| Ok((row.get(0)?, json(row, 1)?)))?;
    rows.map(|row| row.map(|(key, state): (String, State)| (key, state.shown()))).collect()
}

/// Says in this region's log how far it is, if that is news, and forgets what every owner has: call it every few seconds, in a transaction,
/// for each dataset. Says whether there is more to do now.
///
/// # Errors
/// If the database fails.
pub fn tend(transaction: &Connection, merge: &Merge, dataset: &str) -> Result<bool> {
    within(transaction, TransactionBehavior::Immediate, || {
        let mut ledger = ledger(transaction, dataset)?;
        let beat = ledger.beat(merge, dataset, merge.now());
        if let Some(op) = &beat {
            ledger.note(merge, op);
            give_number(transaction, op)?;
        }
        forget(transaction, merge, dataset, (ledger, beat.is_some()))
    })
}

/// Forgets what every owner has: operations, and what was removed. [`tend`] does it.
///
/// # Errors
/// If the database fails.
pub fn compact(transaction: &Connection, merge: &Merge, dataset: &str) -> Result<bool> {
    within(transaction, TransactionBehavior::Immediate, || {
        forget(transaction, merge, dataset, (ledger(transaction, dataset)?, false))
    })
}

/// The same with the ledger, and whether that has changed and is still to be kept.
fn forget(
    transaction: &Connection,
    merge: &Merge,
    dataset: &str,
    (mut ledger, mut is_changed): (Ledger, bool),
) -> Result<bool> {
    let horizon = ledger.horizon(merge);
    let mut delete =
        transaction.prepare_cached("delete from homing_ops where dataset = ? and owner = ? and number <= ?")?;
    for (owner, number) in horizon.everywhere.iter() {
        delete.execute(params![dataset, owner, number.cast_signed()])?;
    }
    let sql =
        "select key, state from homing_states where dataset = ? and tombstones > 0 and key > ? order by key limit ?";
    let mut rows = transaction.prepare_cached(sql)?;
    let held: Vec<(String, State)> = rows
        .query_map(params![dataset, ledger.looked, AT_ONCE], |row| Ok((row.get(0)?, json(row, 1)?)))?
        .collect::<Result<_>>()?;
    let is_more = held.len() == AT_ONCE as usize;
    let looked = held.last().filter(|_| is_more).map_or_else(String::new, |(key, _)| key.clone());
    is_changed |= looked != ledger.looked;
    ledger.looked = looked;
    for (key, mut state) in held {
        let before = state.clone();
        if state.settle(&horizon) {
            ledger.dropped.join(&state.shown().shows);
            transaction
                .prepare_cached("delete from homing_states where dataset = ? and key = ?")?
                .execute([dataset, &key])?;
        } else if state != before {
            keep_state(transaction, dataset, &key, &state)?;
        } else {
            continue;
        }
        is_changed = true;
    }
    if is_changed {
        keep_ledger(transaction, dataset, &ledger)?;
    }
    Ok(is_more)
}

/// The conflicts that this region has found: for [`Application::conflicts`](crate::Application::conflicts).
///
/// # Errors
/// If the database fails.
pub fn conflicts(connection: &Connection, query: &ConflictQuery) -> Result<Conflicts> {
    let sql = "select story from homing_conflicts where dataset = coalesce(?1, dataset) and key = coalesce(?2, key)
        order by id desc limit ?3";
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let mut rows = connection.prepare_cached(sql)?;
    let newest =
        rows.query_map(params![query.dataset, query.kept_key(), limit], |row| json(row, 0))?.collect::<Result<_>>()?;
    let mut conflicts = Conflicts { newest, ..Conflicts::default() };
    let mut rows = connection.prepare_cached("select dataset, rule, n from homing_conflict_totals")?;
    for row in rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)))? {
        let (dataset, rule, n): (String, String, i64) = row?;
        conflicts.totals.entry(dataset).or_default().insert(rule, n.unsigned_abs());
    }
    Ok(conflicts)
}

/// All of a dataset that another replica can begin with, as JSON: states, how far they are, and the logs that are still here. All of it
/// from one snapshot, while others write: in a transaction that this begins, if the caller has begun none.
///
/// # Errors
/// If the database fails.
pub fn export(connection: &Connection, dataset: &str) -> Result<String> {
    within(connection, TransactionBehavior::Deferred, || {
        let ledger = ledger(connection, dataset)?.for_another();
        let mut rows =
            connection.prepare_cached("select key, state from homing_states where dataset = ? order by key")?;
        let states = rows.query_map([dataset], |row| Ok((row.get(0)?, json(row, 1)?)))?.collect::<Result<_>>()?;
        let sql = format!("select {OP} from homing_ops where dataset = ? order by owner, number");
        let mut rows = connection.prepare_cached(&sql)?;
        let operations = rows.query_map([dataset], operation)?.collect::<Result<_>>()?;
        text(&Export { dataset: dataset.to_owned(), ledger, states, operations })
    })
}

/// Begins with what another replica has exported, in a transaction. Gives whether it did: it does not if anything of the dataset is here.
/// A repeat of a write whose operation came along is known here from then on.
///
/// # Errors
/// If the database fails, or the text is none of [`export`]'s.
pub fn import(transaction: &Connection, exported: &str) -> Result<bool> {
    let Export { dataset, ledger: theirs, states, operations } = parse(exported)?;
    within(transaction, TransactionBehavior::Immediate, || {
        if ledger(transaction, &dataset)? != Ledger::default() {
            return Ok(false);
        }
        states.iter().try_for_each(|(key, state)| keep_state(transaction, &dataset, key, state))?;
        for op in &operations {
            keep_op(transaction, op)?;
            remember_repeat(transaction, op)?;
        }
        keep_ledger(transaction, &dataset, &theirs)?;
        Ok(true)
    })
}

/// In the transaction that the caller has begun, else in one of its own. Between two statements, another connection could take the same
/// number, or see half of what was written.
fn within<T>(connection: &Connection, behavior: TransactionBehavior, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if !connection.is_autocommit() {
        return work();
    }
    let transaction = Transaction::new_unchecked(connection, behavior)?;
    let done = work()?;
    transaction.commit()?;
    Ok(done)
}

fn ledger(connection: &Connection, dataset: &str) -> Result<Ledger> {
    let mut rows = connection.prepare_cached("select ledger from homing_ledger where dataset = ?")?;
    Ok(rows.query_row([dataset], |row| json(row, 0)).optional()?.unwrap_or_default())
}

fn keep_ledger(transaction: &Connection, dataset: &str, ledger: &Ledger) -> Result<()> {
    let sql = "insert or replace into homing_ledger values (?, ?)";
    transaction.prepare_cached(sql)?.execute(params![dataset, text(ledger)?]).map(|_| ())
}

fn state(connection: &Connection, dataset: &str, key: &str) -> Result<Option<State>> {
    let mut rows = connection.prepare_cached("select state from homing_states where dataset = ? and key = ?")?;
    rows.query_row([dataset, key], |row| json(row, 0)).optional()
}

fn keep_state(transaction: &Connection, dataset: &str, key: &str, state: &State) -> Result<()> {
    let sql = "insert or replace into homing_states values (?, ?, ?, ?)";
    let tombstones = i64::try_from(state.tombstones()).unwrap_or(i64::MAX);
    transaction.prepare_cached(sql)?.execute(params![dataset, key, text(state)?, tombstones]).map(|_| ())
}

/// Keeps an operation that came from elsewhere; it may be here.
fn keep_op(transaction: &Connection, op: &Operation) -> Result<()> {
    insert_op(transaction, "insert or ignore", op)
}

/// Keeps one of this region's own. If its number was given away already, it fails: nobody would ever see the second one.
fn give_number(transaction: &Connection, op: &Operation) -> Result<()> {
    insert_op(transaction, "insert", op)
}

fn insert_op(transaction: &Connection, insert: &str, op: &Operation) -> Result<()> {
    let sql = format!("{insert} into homing_ops values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let (number, at) = (op.number.cast_signed(), op.at.cast_signed());
    let (seen, change) = (text(&op.seen)?, text(&op.change)?);
    let stamp = op.stamp.as_str();
    transaction
        .prepare_cached(&sql)?
        .execute(params![op.dataset, op.owner, number, op.key, stamp, seen, at, op.who, op.what, change, op.repeat])
        .map(|_| ())
}

/// A repeat of that write is known here from now on.
fn remember_repeat(transaction: &Connection, op: &Operation) -> Result<()> {
    op.repeat.as_deref().and_then(Kept::from_json).map_or(Ok(()), |kept| remember(transaction, &kept))
}

fn keep_conflicts(transaction: &Connection, found: &[Conflict]) -> Result<()> {
    for conflict in found {
        let sql = "insert into homing_conflicts (dataset, key, story) values (?, ?, ?)";
        transaction.prepare_cached(sql)?.execute(params![conflict.dataset, conflict.key, text(conflict)?])?;
        let sql =
            "insert into homing_conflict_totals values (?, ?, 1) on conflict (dataset, rule) do update set n = n + 1";
        transaction.prepare_cached(sql)?.execute([&conflict.dataset, &conflict.rule])?;
        let sql = "delete from homing_conflicts where id <= ?";
        let oldest = transaction.last_insert_rowid() - KEPT.cast_signed();
        transaction.prepare_cached(sql)?.execute([oldest])?;
    }
    Ok(())
}

fn operation(row: &Row<'_>) -> Result<Operation> {
    let stamp: String = row.get(4)?;
    Ok(Operation {
        dataset: row.get(0)?,
        owner: row.get(1)?,
        number: row.get::<_, i64>(2)?.unsigned_abs(),
        key: row.get(3)?,
        stamp: Stamp::parse(&stamp).ok_or_else(|| rusqlite::Error::ToSqlConversionFailure(stamp.into()))?,
        seen: json(row, 5)?,
        at: row.get::<_, i64>(6)?.unsigned_abs(),
        who: row.get(7)?,
        what: row.get(8)?,
        change: json::<Change>(row, 9)?,
        repeat: row.get(10)?,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<T> {
    parse(row.get_ref(at)?.as_str()?)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
