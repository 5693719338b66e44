//! What a session is promised of one key: read-your-writes and monotonic reads of its reads, monotonic writes of its writes. A removal
//! is a write too: its session sees what it has removed no more, and what a session has seen to be gone stays away.

use std::collections::HashMap;

use crate::{
    history::{History, What},
    lists::{Lists, Order},
    marks::Marks,
    record::Status,
    violation::{Guarantee, Violation},
};

/// What a session knows of a key, in the order in which it came to know it: ids, and the operation that it has each from.
#[derive(Default)]
struct Known {
    written: Vec<(usize, usize)>,
    seen: Vec<(usize, usize)>,
    removed: Vec<(usize, usize)>,
    /// What it knew, and a later read did not show, since somebody had removed it.
    gone: Vec<(usize, usize)>,
}

/// Holds every read of a session against what the session wrote and read before. A read that declares itself stale breaks no
/// promise; but what it showed was seen.
pub(crate) fn reads(history: &History, lists: &Lists, found: &mut Vec<Violation>) {
    let (mut shown, mut seen) = (Marks::default(), Marks::default());
    for session in &history.sessions {
        let mut known: HashMap<usize, Known> = HashMap::new();
        for at in session.operations.iter().copied() {
            let op = &history.operations[at];
            let known = known.entry(op.key).or_default();
            match (&op.what, &lists.reads[at]) {
                (What::Write(id), _) => {
                    if op.status == Status::Ok && history.write(op.key, *id).is_some() {
                        known.written.push((*id, at));
                    }
                }
                (What::Remove(ids), _) => {
                    let done = op.status == Status::Ok;
                    known.removed.extend(ids.iter().filter(|_| done).map(|id| (*id, at)));
                }
                (What::Read(_), None) => {}
                (What::Read(_), Some(list)) => {
                    let ids = history.keys[op.key].ids.len();
                    shown.set(ids, list);
                    if !op.stale {
                        let rules = [
                            (Guarantee::ReadYourWrites, &known.written, "its session had written it in"),
                            (Guarantee::MonotonicReads, &known.seen, "its session had read it in"),
                        ];
                        for (guarantee, must, why) in rules {
                            let lacks = |id| !shown.has(id) && !history.may_be_gone(op.key, id, op.end);
                            if let Some((id, by)) = must.iter().copied().find(|(id, _)| lacks(*id)) {
                                found.push(wrong(history, guarantee, at, id, by, "lacks", why));
                            }
                        }
                        let shows = |ids: &[(usize, usize)]| ids.iter().copied().find(|(id, _)| shown.has(*id));
                        if let Some((id, by)) = shows(&known.removed) {
                            let why = "its session had removed it in";
                            found.push(wrong(history, Guarantee::ReadYourWrites, at, id, by, "shows", why));
                        } else if let Some((id, by)) = shows(&known.gone) {
                            let why = "its session had seen it gone in";
                            found.push(wrong(history, Guarantee::MonotonicReads, at, id, by, "shows", why));
                        }
                        let lost = known.written.iter().chain(&known.seen).filter(|(id, _)| !shown.has(*id));
                        let lost = lost.filter(|(id, _)| history.may_be_gone(op.key, *id, op.end));
                        let lost: Vec<_> = lost.map(|(id, _)| (*id, at)).collect();
                        known.gone.extend(lost);
                    }
                    seen.set(ids, &[]);
                    known.seen.iter().for_each(|(id, _)| _ = seen.add(*id));
                    known.seen.extend(list.iter().copied().filter(|id| seen.add(*id)).map(|id| (id, at)));
                }
            }
        }
    }
}

/// A read that shows or lacks an id, against what its session knew by that operation.
fn wrong(
    history: &History,
    guarantee: Guarantee,
    read: usize,
    id: usize,
    by: usize,
    does: &str,
    why: &str,
) -> Violation {
    let op = &history.operations[read];
    let key = &history.keys[op.key];
    let sentence = format!("{} {does} {:?}; {why} {}", history.name(read), key.ids[id].text, history.name(by));
    Violation { guarantee, key: key.name.clone(), operations: vec![op.line, history.operations[by].line], sentence }
}

/// A key's writes of one session, in order: ids, and operations.
type Writes = HashMap<(usize, usize), Vec<(usize, usize)>>;

/// Holds the order of a session's writes against the order in which they are seen. A write whose outcome its client does not
/// know may still be under way when the session goes on, so only what follows an acknowledged one has an order.
pub(crate) fn writes(history: &History, lists: &Lists, orders: &[Option<Order>], found: &mut Vec<Violation>) {
    let mut writes = Writes::new();
    for (at, session) in history.sessions.iter().enumerate() {
        for op in session.operations.iter().copied() {
            let Some((key, id)) = applied(history, op) else { continue };
            writes.entry((key, at)).or_default().push((id, op));
        }
    }
    let mut all: Vec<_> = writes.iter().collect();
    all.sort_by_key(|(of, _)| **of);
    for ((key, _), own) in all {
        if let Some(order) = &orders[*key] {
            in_order(history, *key, own, order, found);
        }
    }
    in_sets(history, lists, &writes, found);
}

/// The key and id of a write that may have been applied.
fn applied(history: &History, at: usize) -> Option<(usize, usize)> {
    let op = &history.operations[at];
    let What::Write(id) = op.what else { return None };
    (op.status != Status::Fail).then(|| history.write(op.key, id)).flatten().map(|_| (op.key, id))
}

fn in_order(history: &History, key: usize, own: &[(usize, usize)], order: &Order, found: &mut Vec<Violation>) {
    // The acknowledged write that stands last so far.
    let mut last: Option<(usize, usize)> = None;
    for (id, at) in own.iter().copied() {
        let place = order.place(id);
        if let Some((_, earlier)) = last.filter(|(highest, _)| place < *highest) {
            found.push(out_of_order(history, key, at, earlier));
        }
        if history.operations[at].status == Status::Ok && last.is_none_or(|(highest, _)| place > highest) {
            last = Some((place, at));
        }
    }
}

fn out_of_order(history: &History, key: usize, at: usize, earlier: usize) -> Violation {
    let sentence = format!("{} is applied, but {} is not applied before it", history.name(at), history.name(earlier));
    let operations = vec![history.operations[at].line, history.operations[earlier].line];
    Violation { guarantee: Guarantee::MonotonicWrites, key: history.keys[key].name.clone(), operations, sentence }
}

/// Where there is no order: whoever shows a write shows the acknowledged ones that its session made before, but for what may be removed.
fn in_sets(history: &History, lists: &Lists, writes: &Writes, found: &mut Vec<Violation>) {
    let rank: HashMap<usize, usize> =
        writes.values().flat_map(|own| own.iter().enumerate().map(|(rank, (_, at))| (*at, rank))).collect();
    let mut shown = Marks::default();
    let of_reads = lists.reads.iter().enumerate();
    let of_reads = of_reads.map(|(at, list)| (&history.operations[at], list));
    let of_reads = of_reads.filter_map(|(op, list)| Some((op.key, list.as_ref()?, op.end)));
    let of_finals = history.finals.iter().zip(&lists.finals).map(|(told, list)| (told.key, list, f64::INFINITY));
    for (key, list, by) in of_reads.chain(of_finals).filter(|(key, ..)| history.keys[*key].multi_writer) {
        shown.set(history.keys[key].ids.len(), list);
        let mut last: HashMap<usize, usize> = HashMap::new();
        for id in list.iter().copied() {
            let Some(at) = history.keys[key].ids[id].write else { continue };
            let highest = last.entry(history.operations[at].session).or_default();
            *highest = rank[&at].max(*highest);
        }
        let mut last: Vec<_> = last.into_iter().collect();
        last.sort_unstable();
        for (session, highest) in last {
            let own = &writes[&(key, session)];
            let must = own[..highest].iter().filter(|(_, at)| history.operations[*at].status == Status::Ok);
            let lacks = |id| !shown.has(id) && !history.may_be_gone(key, id, by);
            if let Some((_, earlier)) = must.copied().find(|(id, _)| lacks(*id)) {
                found.push(out_of_order(history, key, own[highest].1, earlier));
            }
        }
    }
}
