//! The last write of each unit and dataset: what an answer of it shows where no row's own version tells.

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::{Mark, Ownership, Part, Unit, position};

/// What is noted of a unit as a whole: where an ownership of it began.
const BEGINNING: &str = "";

/// Notes a write, or a deletion, of a unit's part of a dataset, with the place that it has in the owner's log. Call it in the
/// transaction that writes, and in the one that applies what came from another region's log: so whoever sees the write sees this.
/// What is noted never goes back.
///
/// All that writes the data must note it, jobs beside the application too: what is not noted is not shown, and a session can lose
/// sight of it again.
///
/// # Errors
/// If the database fails.
pub fn wrote(transaction: &Connection, dataset: &str, unit: &Unit, at: &Mark) -> Result<()> {
    if last(transaction, dataset, unit)?.is_some_and(|last| is_later(&last, at)) {
        return Ok(());
    }
    let sql = "insert or replace into homing_writes values (?, ?, ?, ?, ?)";
    let epoch = at.owner.epoch.cast_signed();
    transaction
        .prepare_cached(sql)?
        .execute(params![unit.as_str(), dataset, at.owner.home, epoch, at.position])
        .map(|_| ())
}

/// Notes where an ownership of a unit begins in its owner's log: the lowest place that means anything there. All that was written
/// before it, in whatever log, a copy must have that is there; so it is what shows of a part that nobody has written since.
///
/// # Errors
/// If the database fails.
pub fn began(transaction: &Connection, unit: &Unit, at: &Mark) -> Result<()> {
    wrote(transaction, BEGINNING, unit, at)
}

/// What a read of the part can have shown, for [`Application::shows`](crate::Application::shows): its last write, or where its
/// present ownership began. None if neither is noted (the data is older than the notes), or if this copy has what was written under
/// a later ownership than it knows. Two rows are looked up by their key: some microseconds.
///
/// # Errors
/// If the database fails.
pub fn shows(connection: &Connection, part: Part<'_>) -> Result<Option<Mark>> {
    let Some(owner) = part.owner else { return Ok(None) };
    let noted = [last(connection, BEGINNING, part.unit)?, last(connection, part.dataset, part.unit)?];
    let noted: Vec<Mark> = noted.into_iter().flatten().collect();
    if noted.iter().any(|at| at.owner.epoch > owner.epoch) {
        return Ok(None);
    }
    Ok(Mark::latest(noted.into_iter().filter(|at| at.owner == *owner)))
}

fn last(connection: &Connection, dataset: &str, unit: &Unit) -> Result<Option<Mark>> {
    let sql = "select home, epoch, position from homing_writes where unit = ? and dataset = ?";
    let mark = |row: &rusqlite::Row<'_>| {
        let owner = Ownership { home: row.get(0)?, epoch: row.get::<_, i64>(1)?.unsigned_abs() };
        Ok(Mark { owner, position: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_row([unit.as_str(), dataset], mark).optional()
}

/// Whether one lies behind the other, or where it is.
fn is_later(one: &Mark, other: &Mark) -> bool {
    let (ours, theirs) = (one.owner.epoch, other.owner.epoch);
    ours > theirs || (ours == theirs && position::reaches(&one.position, &other.position))
}
