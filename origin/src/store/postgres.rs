//! In PostgreSQL, in the application's own database: so it is replicated with the data, in order, and whoever has the data
//! has the epoch too.
//!
//! A pause waits for the transactions that have passed [`fence`], in whatever process, because it changes the row that they
//! read `for share`. Pauses are timed by the clock of the database.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, Error, GenericClient, Row, Socket, tls::MakeTlsConnect, tls::TlsConnect};

use super::EpochStore;
use crate::{Asked, Ownership, Pause, Refusal, Standing, Unit};

/// The table. Make it where the data is, once; its standbys get it with the data.
pub const SCHEMA: &str = "create table if not exists homing_units (unit text primary key, home text not null,
    epoch bigint not null, pause bigint, pause_until timestamptz, last_pause bigint not null default 0,
    version bigint not null default 0)";

/// What [`fence`] asks, for applications that use another driver: home, epoch, the pause's number and how many milliseconds of it
/// are left, or no row. Make a [`Standing`] of it and ask [`Asked::admit`].
pub const FENCE: &str = "select home, epoch, pause,
    extract(epoch from pause_until - clock_timestamp())::float8 * 1000 as left, last_pause
    from homing_units where unit = $1 for share";

const STANDING: &str = "select home, epoch, pause,
    extract(epoch from pause_until - clock_timestamp())::float8 * 1000 as left, last_pause, version
    from homing_units where unit = $1";

const INSERT: &str = "insert into homing_units
    values ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 millisecond', $6, 0) on conflict do nothing";

const UPDATE: &str = "update homing_units set home = $2, epoch = $3, pause = $4,
    pause_until = clock_timestamp() + $5 * interval '1 millisecond', last_pause = $6, version = version + 1
    where unit = $1 and version = $7";

/// Ownership in PostgreSQL, over two connections of its own, which are made when they are needed and again when they break:
/// what waits for a lock must not keep those waiting who only look.
pub struct Postgres<T> {
    looks: Link<T>,
    changes: Link<T>,
}

impl<T: Clone> Postgres<T> {
    /// A store in that database, over that kind of TLS, or `tokio_postgres::NoTls`.
    #[must_use]
    pub fn new(config: &Config, tls: T) -> Self {
        let link = |options: &str| {
            let mut config = config.clone();
            let given = config.get_options().unwrap_or_default().to_owned();
            config.options(format!("{given} {options}").trim());
            Link { config, tls: tls.clone(), client: Mutex::default() }
        };
        Self { looks: link("-c statement_timeout=5s"), changes: link("-c lock_timeout=10s") }
    }
}

/// The fence inside of a transaction that writes: call it first, and write nothing if it refuses. Whoever changes the
/// ownership, or pauses it, waits until the transaction has ended.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the unit may not be written.
pub async fn fence(transaction: &impl GenericClient, asked: &Asked, unit: &Unit) -> Result<Result<(), Refusal>, Error> {
    let row = transaction.query_opt(FENCE, &[&unit.as_str()]).await?;
    let standing = row.as_ref().map(standing).transpose()?.unwrap_or_default();
    Ok(asked.admit(unit, &standing))
}

fn standing(row: &Row) -> Result<Standing, Error> {
    let pause = row.try_get::<_, Option<i64>>("pause")?.zip(row.try_get::<_, Option<f64>>("left")?);
    Ok(Standing {
        owner: Some(Ownership { home: row.try_get("home")?, epoch: row.try_get::<_, i64>("epoch")?.unsigned_abs() }),
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
        let row = self.looks.client().await?.query_opt(STANDING, &[&unit.as_str()]).await?;
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
            let row = client.query_opt(STANDING, &[&unit.as_str()]).await?;
            let before = row.as_ref().map(standing).transpose()?.unwrap_or_default();
            let mut after = before.clone();
            let said = decide(&mut after);
            let Some(Ownership { home, epoch }) = after.owner.as_ref().filter(|_| after != before) else {
                return Ok(said);
            };
            let (pause, left) =
                after.pause.as_ref().map(|pause| (pause.id.cast_signed(), pause.left.as_secs_f64() * 1000.0)).unzip();
            let (unit, epoch, last) = (unit.as_str(), epoch.cast_signed(), after.last_pause.cast_signed());
            let changed = match row {
                None => client.execute(INSERT, &[&unit, home, &epoch, &pause, &left, &last]).await?,
                Some(row) => {
                    let version = row.try_get::<_, i64>("version")?;
                    client.execute(UPDATE, &[&unit, home, &epoch, &pause, &left, &last, &version]).await?
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
