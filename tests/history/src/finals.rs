//! What must be so in the end, once all links are whole again and everything is replicated.

use crate::{
    history::{Final, History, What},
    lists::Lists,
    marks::Marks,
    record::Status,
    violation::{Guarantee, Violation},
};

/// Holds the final states against the acknowledged writes and against each other. That nothing refused is in them was seen to
/// when they were cleaned.
pub(crate) fn check(history: &History, lists: &Lists, found: &mut Vec<Violation>) {
    let mut by_key: Vec<Vec<(&Final, &[usize])>> = vec![Vec::new(); history.keys.len()];
    for (told, list) in history.finals.iter().zip(&lists.finals) {
        by_key[told.key].push((told, list));
    }
    let mut missed: Vec<Vec<&str>> = vec![Vec::new(); history.operations.len()];
    let mut held = Marks::default();
    let mut acknowledged: Vec<Vec<usize>> = vec![Vec::new(); history.keys.len()];
    for (at, op) in history.operations.iter().enumerate() {
        if let What::Write(id) = op.what
            && op.status == Status::Ok
            && history.write(op.key, id).is_some()
            && !history.may_be_gone(op.key, id, f64::INFINITY)
        {
            acknowledged[op.key].push(at);
        }
    }
    for (key, told) in by_key.iter().enumerate() {
        for (told, list) in told {
            held.set(history.keys[key].ids.len(), list);
            for at in acknowledged[key].iter().copied() {
                if matches!(history.operations[at].what, What::Write(id) if !held.has(id)) {
                    missed[at].push(&told.region);
                }
            }
        }
        found.extend(unequal(history, key, told, &mut held));
        found.extend(told.iter().filter_map(|(told, list)| kept(history, key, told, list)));
    }
    for (at, regions) in missed.iter().enumerate().filter(|(_, regions)| !regions.is_empty()) {
        let op = &history.operations[at];
        let sentence =
            format!("{} was acknowledged, and in the end is not at {}", history.name(at), regions.join(", "));
        let key = history.keys[op.key].name.clone();
        found.push(Violation { guarantee: Guarantee::Durability, key, operations: vec![op.line], sentence });
    }
}

/// What was removed, acknowledged, and is at that region in the end.
fn kept(history: &History, key: usize, told: &Final, list: &[usize]) -> Option<Violation> {
    let at = list.iter().find_map(|id| history.removal(key, *id))?;
    let sentence = format!("{} was acknowledged, and in the end is not done at {}", history.name(at), told.region);
    let (name, operations) = (history.keys[key].name.clone(), vec![history.operations[at].line]);
    Some(Violation { guarantee: Guarantee::Durability, key: name, operations, sentence })
}

/// The first region that holds something else than another, and what.
fn unequal(history: &History, key: usize, told: &[(&Final, &[usize])], held: &mut Marks) -> Option<Violation> {
    let of = &history.keys[key];
    let pairs = told.iter().flat_map(|one| told.iter().map(move |other| (one, other)));
    let (id, has, lacks) = pairs.filter(|((one, _), (other, _))| one.region != other.region).find_map(
        |((one, list), (other, others))| {
            held.set(of.ids.len(), others);
            Some((list.iter().copied().find(|id| !held.has(*id))?, &one.region, &other.region))
        },
    )?;
    let sentence = format!("in the end {has} holds {:?} and {lacks} does not", of.ids[id].text);
    let operations = of.ids[id].write.map(|at| history.operations[at].line).into_iter().collect();
    Some(Violation { guarantee: Guarantee::Convergence, key: of.name.clone(), operations, sentence })
}
