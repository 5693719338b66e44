//! In PostgreSQL, in the application's own database: so it is replicated with the data, in order, and whoever has the data
//! has the epoch too.
//!
//! A pause waits for the transactions that have passed [`fence`], in whatever process, and those that come after it wait for the
//! pause: both take an advisory lock of the unit, which queues. Pauses are timed by the clock of the database.
//!
//! [`mark`], [`shows`], [`settled`] and [`promote`] are for applications whose regions are one primary and its streaming standbys.

mod keys;
mod shows;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use tokio_postgres::{
    Client, Config, Error, GenericClient, Row, Socket,
    tls::MakeTlsConnect,
    tls::TlsConnect,
    types::{ToSql, Type},
};

pub use keys::{KEYS, once};
#[cfg(feature = "merge")]
pub(crate) use keys::{lock_keys, remember};
pub use shows::{NOTE, NOTE_ALL, shows, shows_of, wrote};

use super::EpochStore;
use crate::{Asked, Failure, Mark, Ownership, Pause, Refusal, Standing, Unit};

/// The tables. Make them where the data is, once; its standbys get them with the data.
///
/// `home` and `epoch` say who owns the unit. `log_home` and `log_epoch` say whose log this is, and only the owner itself writes
/// them: that somebody else owns the unit from now on still stands in the log of the old owner, which may grow on.
///
/// `homing_writes` holds the last write of each key; what was written before the table was there counts as written when it was made.
/// Where processes that make no notes go on for a while, run [`NOTE_ALL`] when the last of them has ended.
pub const SCHEMA: &str = "create table if not exists homing_units (unit text primary key, home text not null,
    epoch bigint not null, pause bigint, pause_until timestamptz, last_pause bigint not null default 0,
    version bigint not null default 0, log_home text, log_epoch bigint);
    create table if not exists homing_writes (unit text, dataset text, key text, place pg_lsn, primary key (unit, dataset, key));
    create index if not exists homing_writes_place on homing_writes (unit, dataset, place);
    insert into homing_writes values ('', '', '') on conflict do nothing";

/// The first of the two statements of [`fence`], for applications that use another driver. It locks the unit until the
/// transaction ends, whether or not there is a row of it: a unit that nobody has told of can be paused and granted, too.
///
/// Locks of rows do not queue: writers that relieve each other would keep a pause waiting for as long as they come. The advisory
/// lock does. It is a statement of its own, for a statement sees what was committed before it began: what was changed while
/// this one waited is seen by the next one (in the isolation level `read committed`, which is the default).
pub const LOCK: &str = "select pg_advisory_xact_lock_shared(1752132969, hashtext($1))";

/// The second: home, epoch, the pause's number and how many milliseconds of it are left, the last pause, and whose log this is; or no
/// row. Make a [`Standing`] of it and ask [`Asked::admit`].
pub const FENCE: &str = "select home, epoch, pause,
    extract(epoch from pause_until - clock_timestamp())::float8 * 1000 as left, last_pause, log_home, log_epoch
    from homing_units where unit = $1 for share";

const LSN: &str = "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
    else pg_current_wal_insert_lsn() end)::text";

const LOG: &str = "select log_home, log_epoch from homing_units where unit = $1";

const STANDING: &str = "select home, epoch, pause,
    extract(epoch from pause_until - clock_timestamp())::float8 * 1000 as left, last_pause, log_home, log_epoch, version
    from homing_units where unit = $1";

const INSERT: &str = "insert into homing_units
    select $1::text, $2::text, $3::bigint, $4::bigint, clock_timestamp() + $5::float8 * interval '1 millisecond', $6::bigint, 0,
    $7::text, $8::bigint where pg_advisory_xact_lock(1752132969, hashtext($1)) is not null
    on conflict do nothing";

const UPDATE: &str = "update homing_units set home = $2, epoch = $3, pause = $4,
    pause_until = clock_timestamp() + $5 * interval '1 millisecond', last_pause = $6, version = version + 1,
    log_home = coalesce($7, log_home), log_epoch = coalesce($8, log_epoch)
    where unit = $1 and version = $9 and pg_advisory_xact_lock(1752132969, hashtext(unit)) is not null";

/// Ownership in PostgreSQL, over two connections of its own, which are made when they are needed and again when they break:
/// what waits for a lock must not keep those waiting who only look.
pub struct Postgres<T> {
    here: String,
    looks: Link<T>,
    changes: Link<T>,
}

impl<T: Clone> Postgres<T> {
    /// The store of the region of that name, in that database, over that kind of TLS, or `tokio_postgres::NoTls`.
    #[must_use]
    pub fn new(region: &str, config: &Config, tls: T) -> Self {
        let link = |options: &str| {
            let mut config = config.clone();
            let given = config.get_options().unwrap_or_default().to_owned();
            config.options(format!("{given} {options}").trim());
            Link { config, tls: tls.clone(), client: Mutex::default() }
        };
        Self { here: region.to_owned(), looks: link("-c statement_timeout=5s"), changes: link("-c lock_timeout=10s") }
    }
}

/// The fence inside of a transaction that writes: call it first, and write nothing if it refuses. Whoever changes the
/// ownership, or pauses it, waits until the transaction has ended.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the unit may not be written.
pub async fn fence(transaction: &impl GenericClient, asked: &Asked, unit: &Unit) -> Result<Result<(), Refusal>, Error> {
    // Sent together: the lock costs no round trip of its own.
    let (_, row) = tokio::try_join!(biased; of(transaction, LOCK, unit), of(transaction, FENCE, unit))?;
    let standing = row.as_ref().map(standing).transpose()?.unwrap_or_default();
    Ok(asked.admit(unit, &standing))
}

/// How far this copy is, and in whose log: for [`Application::mark`](crate::Application::mark).
///
/// At a primary the place is where the log ends, at a standby what is replayed. It is asked for first, so that the log is the one
/// in which it counts, or a later one, which has the same beginning up to there and more.
///
/// # Errors
/// If the database fails.
pub async fn mark(client: &impl GenericClient, unit: &Unit) -> Result<Option<Mark>, Error> {
    let position = client.query_typed_one(LSN, &[]).await?.try_get(0)?;
    let Some(row) = of(client, LOG, unit).await? else { return Ok(None) };
    Ok(log(&row)?.map(|owner| Mark { owner, position }))
}

fn log(row: &Row) -> Result<Option<Ownership>, Error> {
    let owner = row.try_get::<_, Option<String>>("log_home")?.zip(row.try_get::<_, Option<i64>>("log_epoch")?);
    Ok(owner.map(|(home, epoch)| Ownership { home, epoch: epoch.unsigned_abs() }))
}

/// How far a standby has to replay to have all that was written before: for
/// [`Application::settled`](crate::Application::settled). Outside of a transaction.
///
/// The end of the log would be too far: what reads write there (they prune pages) is sent with some later commit, and where it
/// meets the end of a page it is counted behind the next one's header. So a record is written, and committed, for this alone.
///
/// # Errors
/// If the database fails, or if this region owns other units in it: a promotion takes the whole database cluster along.
pub async fn settled(client: &impl GenericClient, unit: &Unit) -> Result<String, Failure> {
    let others = "select other.unit from homing_units this join homing_units other using (home)
        where this.unit = $1 and other.unit <> $1 limit 1";
    if let Some(row) = of(client, others, unit).await? {
        let other: &str = row.try_get(0)?;
        return Err(format!("{other} is in this database cluster too, and cannot stay when {unit} moves").into());
    }
    Ok(client.query_one("select pg_logical_emit_message(true, 'homing', '')::text", &[]).await?.try_get(0)?)
}

/// Makes a standby the primary, if it is not yet, and waits until it can be written: for
/// [`Application::granted`](crate::Application::granted). PostgreSQL stops receiving first, and replays all that it has received.
///
/// # Errors
/// If the database fails, or still replays after that time.
pub async fn promote(client: &impl GenericClient, patience: Duration) -> Result<(), Failure> {
    let in_recovery = async || client.query_one("select pg_is_in_recovery()", &[]).await?.try_get::<_, bool>(0);
    if !in_recovery().await? {
        return Ok(());
    }
    // Without waiting there: it looks ten times a second, and writes wait meanwhile.
    client.query_one("select pg_promote(false)", &[]).await?;
    let promoted = async {
        while in_recovery().await? {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    timeout(patience, promoted).await.map_err(|_| format!("it still replays after {patience:?}"))?
}

/// What is asked about a unit; in one message, since requests wait for it.
async fn of(client: &impl GenericClient, sql: &str, unit: &Unit) -> Result<Option<Row>, Error> {
    client.query_typed_opt(sql, &[(&unit.as_str(), Type::TEXT)]).await
}

fn standing(row: &Row) -> Result<Standing, Error> {
    let pause = row.try_get::<_, Option<i64>>("pause")?.zip(row.try_get::<_, Option<f64>>("left")?);
    Ok(Standing {
        owner: Some(Ownership { home: row.try_get("home")?, epoch: row.try_get::<_, i64>("epoch")?.unsigned_abs() }),
        log: log(row)?,
        pause: pause
            .map(|(id, left)| Pause { id: id.unsigned_abs(), left: Duration::from_millis(left.max(0.0) as u64) }),
        last_pause: row.try_get::<_, i64>("last_pause")?.unsigned_abs(),
    })
}

impl<T> EpochStore for Postgres<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Error = Error;

    async fn standing(&self, unit: &Unit) -> Result<Standing, Error> {
        let row = of(&*self.looks.client().await?, STANDING, unit).await?;
        Ok(row.as_ref().map(standing).transpose()?.unwrap_or_default())
    }

    /// Compares and sets, by the row's version: nobody can have come between.
    async fn change<D: Send>(
        &self,
        unit: &Unit,
        decide: impl Fn(&mut Standing) -> D + Send + Sync,
    ) -> Result<D, Error> {
        let client = self.changes.client().await?;
        loop {
            let row = of(&*client, STANDING, unit).await?;
            let before = row.as_ref().map(standing).transpose()?.unwrap_or_default();
            let mut after = before.clone();
            let said = decide(&mut after);
            let Some(Ownership { home, epoch }) = after.owner.as_ref().filter(|_| after != before) else {
                return Ok(said);
            };
            let (pause, left) =
                after.pause.as_ref().map(|pause| (pause.id.cast_signed(), pause.left.as_secs_f64() * 1000.0)).unzip();
            let (unit, epoch, last) = (unit.as_str(), epoch.cast_signed(), after.last_pause.cast_signed());
            let (log_home, log_epoch) = (*home == self.here).then_some((home, epoch)).unzip();
            let changed = match row {
                None => {
                    client.execute(INSERT, &[&unit, home, &epoch, &pause, &left, &last, &log_home, &log_epoch]).await?
                }
                Some(row) => {
                    let version = row.try_get::<_, i64>("version")?;
                    let values: [&(dyn ToSql + Sync); 9] =
                        [&unit, home, &epoch, &pause, &left, &last, &log_home, &log_epoch, &version];
                    client.execute(UPDATE, &values).await?
                }
            };
            if changed == 1 {
                return Ok(said);
            }
        }
    }

    async fn paused_by(&self, id: u64) -> Result<Vec<Unit>, Error> {
        let rows = self
            .looks
            .client()
            .await?
            .query("select unit from homing_units where pause = $1", &[&id.cast_signed()])
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<&str>, _>>().map(units)
    }
}

fn units(names: Vec<&str>) -> Vec<Unit> {
    names.into_iter().filter_map(Unit::parse).collect()
}

/// One connection.
struct Link<T> {
    config: Config,
    tls: T,
    client: Mutex<Option<Arc<Client>>>,
}

impl<T> Link<T>
where
    T: MakeTlsConnect<Socket> + Clone,
    T::Stream: Send + 'static,
{
    async fn client(&self) -> Result<Arc<Client>, Error> {
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with the client; why it ended, the next statement says.
        tokio::spawn(async move { connection.await.ok() });
        let client = Arc::new(client);
        *held = Some(Arc::clone(&client));
        Ok(client)
    }
}
