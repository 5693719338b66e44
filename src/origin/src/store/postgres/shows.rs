//! The last write of each key: what an answer of it shows.
//!
//! A write's place in the log is known when it has committed, and no sooner: inside of the transaction any place is too low. So a
//! note is made in the transaction without a place, and **sealed** afterwards, at the primary, by whoever looks at it first: by a
//! statement that sees the note, and so the commit, and takes the end of the log then. That is never too low. It is replicated as all
//! else is, and a place in the log of an epoch is a place in that of the next one, too, which goes on from there.
//!
//! **What it costs.** A write: one more row in its transaction, and behind it one more small transaction that waits for no disk. A read:
//! one statement that looks two rows up. Writers of one key wait for each other, as they do for its row.

use tokio_postgres::{Client, Error, GenericClient, Row, types::Type};

use crate::{Mark, Part, Unit};

/// The note of a write, for applications that use another driver: unit, dataset, key. It locks the note until the transaction ends,
/// also where it has no place yet, so that nobody seals it by a place that is before the commit.
pub const NOTE: &str = "insert into homing_writes values ($1, $2, $3, null)
    on conflict (unit, dataset, key) do update set place = null";

/// That anything may have been written, noted nowhere: by a job, by an import, by processes of before there were notes.
pub const NOTE_ALL: &str = "insert into homing_writes values ('', '', '', null)
    on conflict (unit, dataset, key) do update set place = null";

/// What counts: what is noted of all, and of the key and the dataset as a whole. In one statement, so of one snapshot: whose log it
/// is, and the latest place.
const OF_KEY: &str = "select log_home, log_epoch, pg_is_in_recovery() as standby, bool_or(noted.unit = '') as complete,
    bool_or(noted.place is null) as unsealed, max(noted.place)::text as place
    from homing_units left join (
        select unit, place from homing_writes where unit = '' union all
        select unit, place from homing_writes where unit = $1 and dataset = $2 and key in ('', $3)
    ) as noted on true where homing_units.unit = $1 group by log_home, log_epoch";

const OF_PART: &str =
    "select log_home, log_epoch, pg_is_in_recovery() as standby, bool_or(noted.unit = '') as complete,
    bool_or(noted.place is null) as unsealed, max(noted.place)::text as place
    from homing_units left join (
        select unit, place from homing_writes where unit = '' union all
        (select unit, place from homing_writes where unit = $1 and dataset = $2 order by place desc nulls first limit 1)
    ) as noted on true where homing_units.unit = $1 group by log_home, log_epoch";

/// Whoever is writing the key holds its note, which is passed over: it is sealed when that has committed, and nobody waits. That
/// the commit waits for no disk is for this statement alone, and all that can be lost so is the seal.
const SEAL_KEY: &str = "update homing_writes set place = pg_current_wal_insert_lsn()
    where place is null and set_config('synchronous_commit', 'off', true) is not null and (unit, dataset, key) in (
        select unit, dataset, key from homing_writes
        where place is null and (unit = '' or (unit = $1 and dataset = $2 and key in ('', $3))) for no key update skip locked)";

const SEAL_PART: &str = "update homing_writes set place = pg_current_wal_insert_lsn()
    where place is null and set_config('synchronous_commit', 'off', true) is not null and (unit, dataset, key) in (
        select unit, dataset, key from homing_writes
        where place is null and (unit = '' or (unit = $1 and dataset = $2)) for no key update skip locked)";

/// Notes a write, or a deletion, of a key in a unit's part of a dataset: in the transaction that writes. An empty key is the whole of
/// it, such as a user's cart, or what is written to several keys at once.
///
/// All that writes must note it, jobs beside the application too, or call [`NOTE_ALL`]: what is not noted is not shown, and a
/// session can lose sight of it again. A trigger on the table forgets nothing.
///
/// # Errors
/// If the database fails.
pub async fn wrote(transaction: &impl GenericClient, dataset: &str, unit: &Unit, key: &str) -> Result<(), Error> {
    let (unit, dataset) = (unit.as_str(), dataset);
    transaction.query_typed(NOTE, &[(&unit, Type::TEXT), (&dataset, Type::TEXT), (&key, Type::TEXT)]).await.map(|_| ())
}

/// What a read of any keys of the part can have shown, those that are gone included: for
/// [`Application::shows`](crate::Application::shows).
///
/// At the primary it seals what is not sealed yet, so ask it behind a write, too; a client, and no transaction, for that is a
/// transaction of its own. None where a write is under way, or not sealed as far as a standby knows, or where nothing is known of the
/// unit: then how far the copy is counts.
///
/// # Errors
/// If the database fails.
pub async fn shows(client: &Client, part: Part<'_>) -> Result<Option<Mark>, Error> {
    let (unit, dataset) = (part.unit.as_str(), part.dataset);
    let of_part = [(&unit as _, Type::TEXT), (&dataset as _, Type::TEXT)];
    sealed(client, (OF_PART, SEAL_PART), &of_part).await
}

/// What a read of one key has shown, whether or not it is there: for [`say::shows`](crate::say::shows), behind the read or the
/// commit. As [`shows`].
///
/// # Errors
/// If the database fails.
pub async fn shows_of(client: &Client, dataset: &str, unit: &Unit, key: &str) -> Result<Option<Mark>, Error> {
    let unit = unit.as_str();
    let of_key = [(&unit as _, Type::TEXT), (&dataset as _, Type::TEXT), (&key as _, Type::TEXT)];
    sealed(client, (OF_KEY, SEAL_KEY), &of_key).await
}

type Values<'a> = [(&'a (dyn tokio_postgres::types::ToSql + Sync), Type)];

async fn sealed(client: &Client, (look, seal): (&str, &str), of: &Values<'_>) -> Result<Option<Mark>, Error> {
    let Some(row) = client.query_typed_opt(look, of).await? else { return Ok(None) };
    if !row.try_get::<_, Option<bool>>("unsealed")?.unwrap_or(false) || row.try_get("standby")? {
        return noted(&row);
    }
    client.query_typed(seal, of).await?;
    client.query_typed_opt(look, of).await?.map_or(Ok(None), |row| noted(&row))
}

fn noted(row: &Row) -> Result<Option<Mark>, Error> {
    let is = |name: &str| Ok::<_, Error>(row.try_get::<_, Option<bool>>(name)?.unwrap_or(false));
    if is("unsealed")? || !is("complete")? {
        return Ok(None);
    }
    Ok(super::log(row)?.zip(row.try_get("place")?).map(|(owner, position)| Mark { owner, position }))
}
