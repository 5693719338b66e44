//! How old the answers of reads were.

use crate::{
    history::{History, What},
    lists::Lists,
    marks::Marks,
    record::Status,
};

/// Staleness in milliseconds: from the end of the oldest acknowledged write that a read misses to the start of the read, and
/// zero for a read that misses none. What may have been removed is not missed. Percentiles by nearest rank. Answers that say they are
/// stale count too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Staleness {
    /// Half of the reads are no staler.
    pub p50: f64,
    /// 99 of 100 are no staler.
    pub p99: f64,
    /// The stalest.
    pub max: f64,
    /// How many reads miss something at all.
    pub stale: usize,
    /// How many reads there are.
    pub reads: usize,
}

pub(crate) fn measure(history: &History, lists: &Lists) -> Option<Staleness> {
    let mut writes: Vec<Vec<(f64, usize)>> = vec![Vec::new(); history.keys.len()];
    for op in history.operations.iter().filter(|op| op.status == Status::Ok) {
        if let What::Write(id) = op.what
            && history.write(op.key, id).is_some()
        {
            writes[op.key].push((op.end, id));
        }
    }
    writes.iter_mut().for_each(|writes| writes.sort_by(|one, other| one.0.total_cmp(&other.0)));
    let mut shown = Marks::default();
    let mut ages = Vec::new();
    for (op, list) in history.operations.iter().zip(&lists.reads) {
        let Some(list) = list else { continue };
        shown.set(history.keys[op.key].ids.len(), list);
        let before = writes[op.key].iter().take_while(|(end, _)| *end <= op.start);
        let missed = before.copied().find(|(_, id)| !shown.has(*id) && !history.may_be_gone(op.key, *id, op.end));
        ages.push(missed.map_or(0.0, |(end, _)| op.start - end));
    }
    ages.sort_by(f64::total_cmp);
    let rank = |percent: usize| ages.get((ages.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(Staleness {
        p50: rank(50)?,
        p99: rank(99)?,
        max: *ages.last()?,
        stale: ages.iter().filter(|age| **age > 0.0).count(),
        reads: ages.len(),
    })
}
