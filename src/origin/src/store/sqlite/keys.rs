//! Writes that are done once, whoever repeats them: keys and answers beside the data.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{fence, now};
use crate::{Answer, Asked, KEPT_FOR, Kept, Key, Refusal, Unit};

pub(super) const SCHEMA: &str = "create table if not exists homing_keys (id text primary key, sent text not null,
        at integer not null, status integer not null, fields text not null, body blob not null);
    create index if not exists homing_keys_at on homing_keys (at)";

const KEPT_MS: i64 = KEPT_FOR.as_secs().cast_signed() * 1000;

/// A write behind its fence, done once for its key: what an earlier one has been answered, else what `act` does and answers.
/// All that `act` writes goes into the same transaction; begin that with `begin immediate`, and commit it if the inner result is an
/// answer. So there is no moment at which the write is done and not remembered, and of two at once the second waits, and gets the
/// answer of the first.
///
/// What `act` answers is kept, whatever the status. Where nothing should be, give back an error.
///
/// # Errors
/// If the database or `act` fails. The inner error is the answer to give if the unit may not be written, or the key is that of a
/// write with another body.
pub fn once<E: From<rusqlite::Error>>(
    transaction: &Connection,
    asked: &Asked,
    unit: &Unit,
    key: &Key,
    act: impl FnOnce() -> std::result::Result<Answer, E>,
) -> std::result::Result<std::result::Result<Answer, Refusal>, E> {
    if let Err(refusal) = fence(transaction, asked, unit)? {
        return Ok(Err(refusal));
    }
    if let Some(earlier) = recall(transaction, unit, key)? {
        return Ok(earlier);
    }
    let answer = act()?;
    if let Some(kept) = key.keep(unit, &answer, now().unsigned_abs()) {
        remember(transaction, &kept)?;
    }
    Ok(Ok(answer))
}

/// What an earlier write with this key was answered; for whoever does not write by [`once`]. Behind the [`fence`], in the
/// transaction that writes.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the earlier write had another body.
pub fn recall(
    transaction: &Connection,
    unit: &Unit,
    key: &Key,
) -> Result<Option<std::result::Result<Answer, Refusal>>> {
    let Some(id) = key.id(unit) else { return Ok(None) };
    let mut rows = transaction
        .prepare_cached("select sent, at, status, fields, body from homing_keys where id = ? and at >= ?")?;
    let kept = rows.query_row(params![id, now() - KEPT_MS], |row| {
        let (sent, at) = (row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs());
        let answer = Answer::of_parts(row.get(2)?, &row.get::<_, String>(3)?, row.get(4)?);
        Ok(answer.map(|answer| Kept { id: id.clone(), sent, at, answer }))
    });
    Ok(kept.optional()?.flatten().map(|kept| key.answered(kept)))
}

/// Keeps what an answer was, in the transaction that writes, or that applies an operation of a peer's log in which it has come along.
/// The later of two with one key counts. Two that are too old go each time, so that there never are many to go at once.
///
/// # Errors
/// If the database fails.
pub fn remember(transaction: &Connection, kept: &Kept) -> Result<()> {
    let old = "delete from homing_keys where id in (select id from homing_keys where at < ? order by at limit 2)";
    transaction.prepare_cached(old)?.execute([now() - KEPT_MS])?;
    let (status, fields, body) = kept.answer.parts();
    let sql = "insert into homing_keys values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (id)
        do update set sent = ?2, at = ?3, status = ?4, fields = ?5, body = ?6 where excluded.at > at";
    // One from a clock that is ahead would never be too old.
    let at = i64::try_from(kept.at).unwrap_or(i64::MAX).min(now());
    transaction.prepare_cached(sql)?.execute(params![kept.id, kept.sent, at, status, fields, body]).map(|_| ())
}
