//! Announcements in the log: when a copy is one of an owner's epoch, and what is kept back until then.

use homing_origin::{Ownership, Unit, store::sqlite};
use rusqlite::{Connection, Result, params};

use super::{Announcement, OP, Op, fold, last, read_op};

/// Which operations are a unit's (`?1`), whose subject has that id (`?2`).
pub(super) const OF_UNIT: &str = "(dataset = ?1 or dataset = 'own' and key = ?1 or dataset = 'cart' and key = ?2
    or dataset = 'notes' and key = ?2)";

/// An announcement: writes go by it at once. The copy is one of that epoch when it has all that the owner began with.
pub(super) fn take_in(connection: &Connection, unit: &Unit, told: &Announcement) -> Result<()> {
    let owner = Ownership::new(&told.home, told.epoch);
    sqlite::advance(connection, unit, &owner)?;
    if sqlite::standing(connection, unit)?.log.is_some_and(|log| log.epoch >= owner.epoch) {
        return Ok(());
    }
    let sql = "insert into awaited values (?, ?, ?, ?, ?) on conflict do update set seq = max(seq, excluded.seq)";
    for (origin, seq) in &told.after {
        if last(connection, origin)? < *seq {
            connection.execute(sql, params![unit.as_str(), owner.epoch.cast_signed(), owner.home, origin, seq])?;
        }
    }
    complete(connection, unit, &owner, None)
}

/// An operation has come that a copy may have waited for.
pub(super) fn is_here(connection: &Connection, op: &Op) -> Result<()> {
    let owners = connection
        .prepare_cached("delete from awaited where origin = ? and seq <= ? returning unit, home, epoch")?
        .query_map(params![op.origin, op.seq], |row| {
            Ok((
                row.get::<_, String>(0)?,
                Ownership::new(&row.get::<_, String>(1)?, row.get::<_, i64>(2)?.unsigned_abs()),
            ))
        })?
        .collect::<Result<Vec<_>>>()?;
    for (unit, owner) in owners {
        if let Some(unit) = Unit::parse(&unit) {
            complete(connection, &unit, &owner, Some(owner.epoch.cast_signed()))?;
        }
    }
    Ok(())
}

/// If nothing that an owner began with is awaited any more, this is a copy of its epoch, and shows what was kept back until then,
/// from that epoch on.
fn complete(connection: &Connection, unit: &Unit, owner: &Ownership, kept_back: Option<i64>) -> Result<()> {
    let (name, epoch) = (unit.as_str(), owner.epoch.cast_signed());
    let awaits = "select exists (select 1 from awaited where unit = ? and epoch = ?)";
    if connection.prepare_cached(awaits)?.query_row(params![name, epoch], |row| row.get(0))? {
        return Ok(());
    }
    sqlite::announced(connection, unit, owner)?;
    let earlier: Option<i64> = connection
        .prepare_cached("select min(epoch) from awaited where unit = ? and epoch < ?")?
        .query_row(params![name, epoch], |row| row.get(0))?;
    connection.execute("delete from awaited where unit = ? and epoch < ?", params![name, epoch])?;
    earlier.or(kept_back).map_or(Ok(()), |since| show_since(connection, unit, since))
}

fn show_since(connection: &Connection, unit: &Unit, epoch: i64) -> Result<()> {
    let mut rows = connection
        .prepare_cached(&format!("select {OP} from ops where {OF_UNIT} and dataset <> 'own' and stamp >= ?3"))?;
    let (id, since) = (unit.as_subject().unwrap_or(""), format!("{epoch:012}"));
    for op in rows.query_map(params![unit.as_str(), id, since], read_op)?.collect::<Result<Vec<_>>>()? {
        if !is_too_early(connection, &op)? {
            fold(connection, &op)?;
        }
    }
    Ok(())
}

/// Whether an operation is of an epoch whose beginning this copy lacks. Folded now it would be shown beside what is older than it, and
/// nothing could say what the copy shows.
pub(super) fn is_too_early(connection: &Connection, op: &Op) -> Result<bool> {
    let Some((unit, at)) = op.written() else { return Ok(false) };
    let sql = "select exists (select 1 from awaited where unit = ? and epoch <= ?)";
    connection.prepare_cached(sql)?.query_row(params![unit.as_str(), at.owner.epoch.cast_signed()], |row| row.get(0))
}
