//! The lists that reads and regions showed, without what must not be in them; and each key's order of versions.

use std::collections::HashSet;

use crate::{
    history::{History, What},
    marks::Marks,
    record::Status,
    violation::{Guarantee, Violation},
};

/// Lists without declared losses, phantoms and repetitions.
pub(crate) struct Lists {
    /// By operation; none but of reads that were answered.
    pub(crate) reads: Vec<Option<Vec<usize>>>,
    /// By final state.
    pub(crate) finals: Vec<Vec<usize>>,
}

/// The order of a key's versions: the longest list, and where each id stands in it.
pub(crate) struct Order {
    pub(crate) list: Vec<usize>,
    places: Vec<Option<usize>>,
}

impl Order {
    /// Where the id stands; one that nobody has seen stands after all.
    pub(crate) fn place(&self, id: usize) -> usize {
        self.places[id].unwrap_or(usize::MAX)
    }
}

/// Cleans all lists, and reports what had to go except for declared losses: each phantom and each repetition once, where it
/// shows first, and what comes from the future in every read.
pub(crate) fn clean(history: &History, found: &mut Vec<Violation>) -> Lists {
    let mut cleaner = Cleaner { history, found, seen: Marks::default(), reported: HashSet::new() };
    let read = |at: usize| match &history.operations[at] {
        op if op.status != Status::Ok => None,
        op => match &op.what {
            What::Read(list) => Some((op.key, list)),
            What::Write(_) | What::Remove(_) => None,
        },
    };
    let reads = (0..history.operations.len())
        .map(|at| read(at).map(|(key, list)| cleaner.clean(key, list, &Shown::Read(at))))
        .collect();
    let finals =
        history.finals.iter().map(|told| cleaner.clean(told.key, &told.list, &Shown::Final(&told.region))).collect();
    Lists { reads, finals }
}

/// Who showed a list.
enum Shown<'h> {
    Read(usize),
    Final(&'h str),
}

struct Cleaner<'h> {
    history: &'h History,
    found: &'h mut Vec<Violation>,
    seen: Marks,
    reported: HashSet<(Guarantee, usize, usize)>,
}

impl Cleaner<'_> {
    fn clean(&mut self, key: usize, list: &[usize], shown: &Shown<'_>) -> Vec<usize> {
        self.seen.set(self.history.keys[key].ids.len(), &[]);
        let mut kept = Vec::with_capacity(list.len());
        for id in list.iter().copied().filter(|id| !self.history.keys[key].ids[*id].lost) {
            if !self.seen.add(id) {
                self.report(Guarantee::NoDuplicates, key, id, shown, "twice: a write was applied again");
            } else if self.is_real(key, id, shown) {
                kept.push(id);
            }
        }
        kept
    }

    fn is_real(&mut self, key: usize, id: usize, shown: &Shown<'_>) -> bool {
        let Some(write) = self.history.write(key, id) else {
            self.report(Guarantee::NoPhantoms, key, id, shown, "which nobody wrote");
            return false;
        };
        if write.status == Status::Fail {
            let line = write.line;
            self.report(Guarantee::NoPhantoms, key, id, shown, &format!("whose write was refused (line {line})"));
            return false;
        }
        let Shown::Read(at) = shown else { return true };
        let read = &self.history.operations[*at];
        if read.end < write.start {
            let sentence = format!(
                "{} shows {:?}, whose write began later, at {} ms",
                self.history.name(*at),
                self.history.keys[key].ids[id].text,
                write.start
            );
            let operations = vec![read.line, write.line];
            let key = self.history.keys[key].name.clone();
            self.found.push(Violation { guarantee: Guarantee::NoPhantoms, key, operations, sentence });
            return false;
        }
        true
    }

    fn report(&mut self, guarantee: Guarantee, key: usize, id: usize, shown: &Shown<'_>, what: &str) {
        if !self.reported.insert((guarantee, key, id)) {
            return;
        }
        let (who, operations) = match shown {
            Shown::Read(at) => (self.history.name(*at), vec![self.history.operations[*at].line]),
            Shown::Final(region) => (format!("the final state at {region}"), Vec::new()),
        };
        let sentence = format!("{who} shows {:?}, {what}", self.history.keys[key].ids[id].text);
        self.found.push(Violation { guarantee, key: self.history.keys[key].name.clone(), operations, sentence });
    }
}

/// The order of every key that has one: its longest list. A list that is not a prefix of it is a fork.
pub(crate) fn version_orders(history: &History, lists: &Lists, found: &mut Vec<Violation>) -> Vec<Option<Order>> {
    let mut longest: Vec<&[usize]> = vec![&[]; history.keys.len()];
    let reads = || lists.reads.iter().enumerate().filter_map(|(at, list)| Some((at, list.as_deref()?)));
    let of_reads = reads().map(|(at, list)| (history.operations[at].key, list));
    let of_finals = history.finals.iter().zip(&lists.finals).map(|(told, list)| (told.key, list.as_slice()));
    for (key, list) in of_reads.chain(of_finals) {
        if list.len() > longest[key].len() {
            longest[key] = list;
        }
    }
    let mut fork = |key: usize, list: &[usize], who: String, operations: Vec<usize>| {
        let Some(at) = list.iter().zip(longest[key]).position(|(one, other)| one != other) else { return };
        let text = |id: usize| &history.keys[key].ids[id].text;
        let sentence = format!(
            "{who} shows {:?} in place {}, where the longest list shows {:?}",
            text(list[at]),
            at + 1,
            text(longest[key][at])
        );
        let key = history.keys[key].name.clone();
        found.push(Violation { guarantee: Guarantee::OneOrder, key, operations, sentence });
    };
    for (at, list) in reads() {
        let op = &history.operations[at];
        if !history.keys[op.key].multi_writer && !longest[op.key].starts_with(list) {
            fork(op.key, list, history.name(at), vec![op.line]);
        }
    }
    for (told, list) in history.finals.iter().zip(&lists.finals) {
        if !history.keys[told.key].multi_writer {
            fork(told.key, list, format!("the final state at {}", told.region), Vec::new());
        }
    }
    let order = |(key, list): (usize, &[usize])| {
        let key = &history.keys[key];
        let mut places = vec![None; key.ids.len()];
        list.iter().enumerate().for_each(|(at, id)| places[*id] = Some(at));
        (!key.multi_writer).then(|| Order { list: list.to_vec(), places })
    };
    longest.into_iter().enumerate().map(order).collect()
}
