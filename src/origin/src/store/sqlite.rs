//! In SQLite, in the application's own database.
//!
//! Pauses are timed by the system's clock. If it jumps, a pause ends early or late; no write is lost by that.

mod keys;
mod shows;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};

pub use keys::{once, recall, remember};
pub use shows::{began, shows, wrote};

use super::EpochStore;
use crate::{Asked, Ownership, Pause, Refusal, Standing, Unit};

const SCHEMA: &str = "create table if not exists homing_units (unit text primary key, home text not null,
    epoch integer not null, pause integer, pause_until integer, last_pause integer not null default 0,
    log_home text, log_epoch integer) without rowid;
    create table if not exists homing_writes (unit text, dataset text, home text not null, epoch integer not null,
    position text not null, primary key (unit, dataset)) without rowid";

/// A table that was made before it said whose log a copy has: until then that was who was known to own it.
const LOG: &str =
    "alter table homing_units add column log_home text; alter table homing_units add column log_epoch integer;
    update homing_units set log_home = home, log_epoch = epoch";

/// Ownership in SQLite. It may share the application's connection; a look takes some microseconds of the thread that asks.
#[derive(Clone, Debug)]
pub struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// A store over a connection, shared or its own.
    ///
    /// # Errors
    /// If its tables cannot be made.
    pub fn new(connection: Arc<Mutex<Connection>>) -> Result<Self> {
        let store = Self(connection);
        store.make()?;
        Ok(store)
    }

    fn make(&self) -> Result<()> {
        let mut connection = self.connection();
        // Of several processes one makes it.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(keys::SCHEMA)?;
        let says_whose_log = "select exists (select 1 from pragma_table_info('homing_units') where name = 'log_home')";
        if !transaction.query_row(says_whose_log, [], |row| row.get::<_, bool>(0))? {
            transaction.execute_batch(LOG)?;
        }
        transaction.commit()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the table of [`once`] and [`remember`], for what comes without a [`Sqlite`].
#[cfg(feature = "merge")]
pub(crate) fn make_keys(connection: &Connection) -> Result<()> {
    connection.execute_batch(keys::SCHEMA)
}

/// The fence inside of a transaction that writes: call it first, after `begin immediate`, and keep what you would write if it
/// refuses to yourself.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the unit may not be written.
pub fn fence(transaction: &Connection, asked: &Asked, unit: &Unit) -> Result<std::result::Result<(), Refusal>> {
    Ok(asked.admit(unit, &standing(transaction, unit)?))
}

/// A unit's standing, as that connection sees it.
///
/// # Errors
/// If the database fails.
pub fn standing(connection: &Connection, unit: &Unit) -> Result<Standing> {
    let mut rows = connection.prepare_cached(
        "select home, epoch, pause, pause_until, last_pause, log_home, log_epoch from homing_units where unit = ?",
    )?;
    let row = rows.query_row([unit.as_str()], |row| {
        let pause = row.get::<_, Option<i64>>(2)?.zip(row.get::<_, Option<i64>>(3)?);
        let left = |until: i64| Duration::from_millis(u64::try_from(until - now()).unwrap_or(0));
        let log = row.get::<_, Option<String>>(5)?.zip(row.get::<_, Option<i64>>(6)?);
        Ok(Standing {
            owner: Some(Ownership { home: row.get(0)?, epoch: row.get::<_, i64>(1)?.unsigned_abs() }),
            log: log.map(|(home, epoch)| Ownership { home, epoch: epoch.unsigned_abs() }),
            pause: pause.map(|(id, until)| Pause { id: id.unsigned_abs(), left: left(until) }),
            last_pause: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}

/// Takes in an ownership that has come in the application's own replicated log, in the transaction that applies it, once this copy
/// has all that the owner began with: from here on it is a copy of that epoch ([`Standing::announced`]). If that owner is this region,
/// announce it in this region's own log in the same transaction: nothing is written by it before.
///
/// # Errors
/// If the database fails.
pub fn announced(transaction: &Connection, unit: &Unit, to: &Ownership) -> Result<()> {
    change(transaction, unit, |standing| standing.announced(to))
}

/// Takes in an ownership, if it is later than what is known, by which the fence goes from now on. The copy is none of its epoch by
/// that ([`Standing::advance`]).
///
/// # Errors
/// If the database fails.
pub fn advance(transaction: &Connection, unit: &Unit, to: &Ownership) -> Result<()> {
    change(transaction, unit, |standing| {
        standing.advance(to);
    })
}

fn change<T>(transaction: &Connection, unit: &Unit, decide: impl FnOnce(&mut Standing) -> T) -> Result<T> {
    let before = standing(transaction, unit)?;
    let mut after = before.clone();
    let said = decide(&mut after);
    if let Some(owner) = after.owner.as_ref().filter(|_| after != before) {
        let (id, left) = after.pause.as_ref().map(|pause| (pause.id.cast_signed(), pause.left)).unzip();
        let until = left.map(|left| now() + i64::try_from(left.as_millis()).unwrap_or(0));
        let log = after.log.as_ref().map(|log| (&log.home, log.epoch.cast_signed())).unzip();
        transaction.prepare_cached("insert or replace into homing_units values (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
            params![
                unit.as_str(),
                owner.home,
                owner.epoch.cast_signed(),
                id,
                until,
                after.last_pause.cast_signed(),
                log.0,
                log.1
            ],
        )?;
    }
    Ok(said)
}

impl EpochStore for Sqlite {
    type Error = rusqlite::Error;

    async fn standing(&self, unit: &Unit) -> Result<Standing> {
        standing(&self.connection(), unit)
    }

    async fn change<T: Send>(&self, unit: &Unit, decide: impl Fn(&mut Standing) -> T + Send + Sync) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let said = self::change(&transaction, unit, decide)?;
        transaction.commit()?;
        Ok(said)
    }

    async fn paused_by(&self, id: u64) -> Result<Vec<Unit>> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached("select unit from homing_units where pause = ?")?;
        let units = rows.query_map([id.cast_signed()], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
        Ok(units.iter().filter_map(|unit| Unit::parse(unit)).collect())
    }
}

/// Unix time in milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
