//! Writes that are done once, whoever repeats them: here, at the next home, and by which of the two they were done.

use homing_origin::{Answer, Asked, Key, Refusal, Unit, store::sqlite};
use rusqlite::{Result, TransactionBehavior};

use super::{Entry, Op, Store, apply, held};

impl Store {
    /// A write behind the fence of what it belongs to, done once for its key. `show` makes the answer of the operation; what a repeat
    /// needs travels in the operation itself, and is folded like it: no region has one without the other, wherever it dies.
    ///
    /// An application whose database replicates itself calls the kit's `once` in place of all this.
    pub(crate) fn write_once(
        &self,
        (asked, unit): (&Asked, &Unit),
        key: &Key,
        entry: Entry<'_>,
        decide: impl FnOnce(Option<&str>) -> String,
        show: impl FnOnce(&Op) -> Answer,
    ) -> Result<std::result::Result<Answer, Refusal>> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Err(refusal) = sqlite::fence(&tx, asked, unit)? {
            return Ok(Err(refusal));
        }
        if let Some(earlier) = sqlite::recall(&tx, unit, key)? {
            return Ok(earlier);
        }
        let epoch = sqlite::standing(&tx, unit)?.owner.map_or(0, |owner| owner.epoch);
        let held = held(&tx, entry.dataset, entry.key)?;
        let mut op = self.next(&tx, entry, epoch, decide(held.as_ref().map(|held| held.value.as_str())))?;
        let answer = show(&op);
        op.repeat = key.keep(unit, &answer, op.at.unsigned_abs()).map(|kept| kept.to_json());
        apply(&tx, &op)?;
        tx.commit()?;
        Ok(Ok(answer))
    }
}

#[cfg(test)]
impl Store {
    /// Lets the database fail from now on where something is written into that table.
    pub(crate) fn break_at(&self, table: &str) {
        let sql = format!(
            "create trigger breaks before insert on {table} begin select raise(abort, 'broken on purpose'); end"
        );
        self.connection().execute_batch(&sql).unwrap();
    }

    pub(crate) fn mend(&self) {
        self.connection().execute_batch("drop trigger breaks").unwrap();
    }
}
