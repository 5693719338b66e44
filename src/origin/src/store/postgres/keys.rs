//! Writes that are done once, whoever repeats them: keys and answers beside the data, and replicated with it.

use std::future::Future;

use tokio_postgres::{
    Error, GenericClient, Row,
    types::{ToSql, Type},
};

use super::fence;
use crate::{Answer, Asked, KEPT_FOR, Kept, Key, Refusal, Unit};

/// The table of [`once`]. Make it where the data is, once, beside [`SCHEMA`](super::SCHEMA).
pub const KEYS: &str = "create table if not exists homing_keys (id text primary key, sent text not null,
        at timestamptz not null, status int not null, fields text not null, body bytea not null);
    create index if not exists homing_keys_at on homing_keys (at)";

/// Locks a key until the transaction ends. As for the fence, it is a statement of its own: what another transaction kept while this one
/// waited is seen by the next statement (in the isolation level `read committed`, which is the default).
const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended($1, 1752132969))";

const RECALL: &str = "select sent, status, fields, body from homing_keys
    where id = $1 and at >= clock_timestamp() - $2 * interval '1 second'";

/// The same for several, in one order, so that two who need the same ones do not wait for each other.
#[cfg(feature = "merge")]
const LOCK_ALL: &str = "select pg_advisory_xact_lock(hashtextextended(id, 1752132969))
    from (select unnest($1::text[]) as id order by 1) as ids";

/// Two that are too old go each time, so that there never are many to go at once; those that somebody else deletes just now are his.
const REMEMBER: &str = "with old as (delete from homing_keys where id in (select id from homing_keys
        where at < clock_timestamp() - $6 * interval '1 second' and id <> $1 order by at limit 2 for update skip locked))
    insert into homing_keys values ($1, $2, clock_timestamp(), $3, $4, $5) on conflict (id)
    do update set sent = $2, at = clock_timestamp(), status = $3, fields = $4, body = $5";

/// A write behind its fence, done once for its key: what an earlier one has been answered, else what `act` does and answers. `act` is
/// awaited only then; all that it writes goes into the same transaction, which is to be committed if the inner result is an answer.
/// So there is no moment at which the write is done and not remembered, and of two at once the second waits, and gets the answer of
/// the first.
///
/// What `act` answers is kept, whatever the status. Where nothing should be, give back an error.
///
/// # Errors
/// If the database or `act` fails. The inner error is the answer to give if the unit may not be written, or the key is that of a
/// write with another body.
pub async fn once<E: From<Error>>(
    transaction: &impl GenericClient,
    asked: &Asked,
    unit: &Unit,
    key: &Key,
    act: impl Future<Output = Result<Answer, E>>,
) -> Result<Result<Answer, Refusal>, E> {
    let Some(id) = key.id(unit) else {
        return match fence(transaction, asked, unit).await? {
            Ok(()) => act.await.map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        };
    };
    let long = KEPT_FOR.as_secs_f64();
    let (locked, recalled) = ([(&id as _, Type::TEXT)], [(&id as _, Type::TEXT), (&long as _, Type::FLOAT8)]);
    // Sent together, in this order: they cost one round trip, the fence's own. A region that is not the owner answers nobody's repeat.
    let (fenced, _, row) = tokio::try_join!(
        biased;
        fence(transaction, asked, unit),
        transaction.query_typed_one(LOCK, &locked),
        transaction.query_typed_opt(RECALL, &recalled),
    )?;
    if let Err(refusal) = fenced {
        return Ok(Err(refusal));
    }
    if let Some(kept) = row.map(|row| kept(&row, id)).transpose()?.flatten() {
        return Ok(key.answered(kept));
    }
    let answer = act.await?;
    if let Some(kept) = key.keep(unit, &answer, 0) {
        remember(transaction, &kept).await?;
    }
    Ok(Ok(answer))
}

fn kept(row: &Row, id: String) -> Result<Option<Kept>, Error> {
    let status = u16::try_from(row.try_get::<_, i32>("status")?).unwrap_or_default();
    let answer = Answer::of_parts(status, row.try_get("fields")?, row.try_get("body")?);
    let sent = row.try_get("sent")?;
    Ok(answer.map(|answer| Kept { id, sent, at: 0, answer }))
}

/// Locks those keys until the transaction ends. A repeat of one of these writes waits for that, and then finds its answer.
#[cfg(feature = "merge")]
pub(crate) async fn lock_keys(transaction: &impl GenericClient, ids: Vec<&str>) -> Result<(), Error> {
    if !ids.is_empty() {
        transaction.query_typed(LOCK_ALL, &[(&ids, Type::TEXT_ARRAY)]).await?;
    }
    Ok(())
}

/// By the database's own clock.
pub(crate) async fn remember(transaction: &impl GenericClient, kept: &Kept) -> Result<(), Error> {
    let (status, fields, body) = kept.answer.parts();
    let (status, long) = (i32::from(status), KEPT_FOR.as_secs_f64());
    let values: [(&(dyn ToSql + Sync), Type); 6] = [
        (&kept.id, Type::TEXT),
        (&kept.sent, Type::TEXT),
        (&status, Type::INT4),
        (&fields, Type::TEXT),
        (&body, Type::BYTEA),
        (&long, Type::FLOAT8),
    ];
    transaction.execute_typed(REMEMBER, &values).await.map(|_| ())
}
