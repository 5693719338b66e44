//! The checker held against a model that keeps every promise: its histories are clean, and breaking one promise at random in
//! one of them is found.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use history::{Action, Guarantee, History, Operation, Record, Recording, Status, check};
use proptest::prelude::*;

const REGIONS: [&str; 3] = ["us", "eu", "ap"];
const KEYS: [&str; 3] = ["x", "y", "set"];
const SESSIONS: usize = 5;

/// What happens next.
#[derive(Clone, Debug)]
struct Move {
    session: usize,
    key: usize,
    what: What,
    /// How much of what it does not have to see a read sees, of 100.
    sees: usize,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Write,
    Refused,
    /// The client never hears of it, and it is applied never, at once or later.
    Unheard(Option<bool>),
    Read,
    ReadStale,
    /// Of what the session sees in the set.
    Remove,
    /// The writes since so many are lost in a promotion.
    Promotion(usize),
}

fn a_move() -> impl Strategy<Value = Move> {
    let what = prop_oneof![
        8 => Just(What::Write), 1 => Just(What::Refused),
        1 => prop::option::of(any::<bool>()).prop_map(What::Unheard),
        10 => Just(What::Read), 1 => Just(What::ReadStale), 3 => Just(What::Remove), 1 => (1usize..4).prop_map(What::Promotion),
    ];
    (0..SESSIONS, 0..KEYS.len(), what, 0usize..=100, 0u32..30, 0u32..30)
        .prop_map(|(session, key, what, sees, before, after)| Move { session, key, what, sees, before, after })
}

/// What stands in the log.
#[derive(Clone)]
enum Entry {
    Wrote(String),
    Removed(String),
}

/// One log, of which everyone sees a beginning that never shrinks for a session. Operations overlap.
#[derive(Default)]
struct Model {
    log: Vec<(usize, Entry)>,
    late: Vec<(usize, Entry)>,
    free: [f64; SESSIONS],
    seen: [usize; SESSIONS],
    records: Vec<Record>,
}

impl Model {
    fn run(moves: &[Move]) -> Vec<Record> {
        let mut model = Self::default();
        for (at, next) in moves.iter().enumerate() {
            model.take(at, next);
        }
        model.records.push(Record::MultiWriter { key: "set".to_owned() });
        for region in REGIONS {
            for (key, name) in KEYS.iter().enumerate() {
                let list = model.list(key, model.log.len(), 0);
                let record = Record::Final { region: region.to_owned(), key: (*name).to_owned(), list };
                model.records.push(record);
            }
        }
        model.records
    }

    fn take(&mut self, at: usize, next: &Move) {
        let now = at as f64 * 10.0;
        let Move { session, key, what, sees, .. } = *next;
        if let What::Promotion(lost) = what {
            return self.promote(lost);
        }
        if at.is_multiple_of(3)
            && let Some(late) = self.late.pop()
        {
            self.log.push(late);
        }
        if self.free[session] > now {
            return;
        }
        let id = format!("w{at}");
        let (status, action) = match what {
            What::Write => {
                self.log.push((key, Entry::Wrote(id.clone())));
                self.seen[session] = self.log.len();
                (Status::Ok, Action::Write { id })
            }
            What::Refused => (Status::Fail, Action::Write { id }),
            What::Unheard(applied) => {
                match applied {
                    Some(true) => self.log.push((key, Entry::Wrote(id.clone()))),
                    Some(false) => self.late.push((key, Entry::Wrote(id.clone()))),
                    None => {}
                }
                (Status::Unknown, Action::Write { id })
            }
            What::Remove if KEYS[key] == "set" && !self.list(key, self.seen[session], 0).is_empty() => {
                let list = self.list(key, self.seen[session], 0);
                let id = list[sees % list.len()].clone();
                self.log.push((key, Entry::Removed(id.clone())));
                self.seen[session] = self.log.len();
                (Status::Ok, Action::Remove { ids: vec![id] })
            }
            What::Read | What::ReadStale | What::Remove | What::Promotion(_) => {
                let least = if what == What::ReadStale { 0 } else { self.seen[session] };
                let place = least + (self.log.len() - least) * sees / 100;
                self.seen[session] = self.seen[session].max(place);
                (Status::Ok, Action::Read { list: self.list(key, place, sees) })
            }
        };
        let start = (now - f64::from(next.before)).max(self.free[session]);
        self.free[session] = now + f64::from(next.after);
        self.records.push(Record::Operation(Operation {
            session: format!("s{session}"),
            seq: at as u64,
            key: KEYS[key].to_owned(),
            action,
            status,
            start,
            end: self.free[session],
            region: None,
            epoch: None,
            stale: what == What::ReadStale,
        }));
    }

    fn promote(&mut self, lost: usize) {
        // A removal cannot be declared lost: there are no promotions of what has many owners.
        let is_removal = |(_, entry): &(usize, Entry)| matches!(entry, Entry::Removed(_));
        let least = self.log.iter().rposition(is_removal).map_or(0, |at| at + 1);
        let kept = self.log.len().saturating_sub(lost).max(least);
        for (key, entry) in self.log.split_off(kept) {
            let Entry::Wrote(id) = entry else { continue };
            self.records.push(Record::Lost { key: KEYS[key].to_owned(), ids: vec![id] });
        }
        self.seen.iter_mut().for_each(|seen| *seen = (*seen).min(kept));
    }

    /// A set comes in any order.
    fn list(&self, key: usize, place: usize, turn: usize) -> Vec<String> {
        let mut list = Vec::new();
        for (_, entry) in self.log[..place].iter().filter(|(of, _)| *of == key) {
            match entry {
                Entry::Wrote(id) => list.push(id.clone()),
                Entry::Removed(id) => list.retain(|member| member != id),
            }
        }
        if KEYS[key] == "set" && !list.is_empty() {
            let turn = turn % list.len();
            list.rotate_left(turn);
        }
        list
    }
}

fn history(records: &[Record]) -> History {
    let mut recording = Recording::default();
    for (at, record) in records.iter().enumerate() {
        recording.add(at + 1, record.clone()).unwrap();
    }
    recording.seal().unwrap()
}

fn a_history() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(a_move(), 20..120).prop_map(|moves| Model::run(&moves))
}

/// The operations that count, with their places.
fn operations(records: &[Record]) -> Vec<(usize, Operation)> {
    let lost: Vec<&String> = records
        .iter()
        .filter_map(|record| match record {
            Record::Lost { ids, .. } => Some(ids),
            // What may be missing breaks no promise by that.
            Record::Operation(Operation { action: Action::Remove { ids }, .. }) => Some(ids),
            _ => None,
        })
        .flatten()
        .collect();
    let counts = |operation: &Operation| match &operation.action {
        Action::Write { id } => !lost.contains(&id),
        Action::Remove { .. } => false,
        Action::Read { .. } => operation.status == Status::Ok,
    };
    let numbered = records.iter().enumerate();
    let all = numbered.filter_map(|(at, record)| match record {
        Record::Operation(operation) if counts(operation) => {
            let mut operation = operation.clone();
            if let Action::Read { list } = &mut operation.action {
                list.retain(|id| !lost.contains(&id));
            }
            Some((at, operation))
        }
        _ => None,
    });
    all.collect()
}

fn shown(operation: &Operation) -> Option<&Vec<String>> {
    if let Action::Read { list } = &operation.action { Some(list) } else { None }
}

fn written(operation: &Operation) -> Option<&String> {
    if let Action::Write { id } = &operation.action { Some(id) } else { None }
}

fn acknowledged(operation: &Operation) -> Option<&String> {
    written(operation).filter(|_| operation.status == Status::Ok)
}

/// Pairs of operations, the first before the second in one session and on one key.
fn pairs(records: &[Record]) -> Vec<((usize, Operation), (usize, Operation))> {
    let all = operations(records);
    let mut pairs = Vec::new();
    for (at, first) in all.iter().enumerate() {
        let later = all[at + 1..].iter();
        let same = later.filter(|(_, later)| later.session == first.1.session && later.key == first.1.key);
        pairs.extend(same.map(|second| (first.clone(), second.clone())));
    }
    pairs
}

fn list_of(record: &mut Record) -> Option<&mut Vec<String>> {
    match record {
        Record::Operation(Operation { action: Action::Read { list }, .. }) | Record::Final { list, .. } => Some(list),
        _ => None,
    }
}

/// Exchanges two ids in every list that shows both.
fn exchange(records: &mut [Record], one: &String, other: &String) {
    for list in records.iter_mut().filter_map(list_of) {
        let place = |id: &String| list.iter().position(|shown| shown == id);
        if let (Some(a), Some(b)) = (place(one), place(other)) {
            list.swap(a, b);
        }
    }
}

/// Takes an id out of every list that shows another.
fn erase(records: &mut [Record], id: &String, other: &String) {
    let lists = records.iter_mut().filter_map(list_of).filter(|list| list.contains(other));
    lists.for_each(|list| list.retain(|shown| shown != id));
}

/// Breaks that promise somewhere; none if the history gives no occasion.
fn broken(records: Vec<Record>, guarantee: Guarantee, pick: usize) -> Option<Vec<Record>> {
    match guarantee {
        Guarantee::ReadYourWrites
        | Guarantee::MonotonicReads
        | Guarantee::MonotonicWrites
        | Guarantee::WritesFollowReads => broken_for_a_session(records, guarantee, pick),
        _ => broken_for_all(records, guarantee, pick),
    }
}

fn choose<T>(mut from: Vec<T>, pick: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(pick % from.len()))
}

fn is_set(operation: &Operation) -> bool {
    operation.key == "set"
}

fn broken_for_a_session(mut records: Vec<Record>, guarantee: Guarantee, pick: usize) -> Option<Vec<Record>> {
    match guarantee {
        Guarantee::ReadYourWrites => {
            let mut sites = pairs(&records);
            sites.retain(|(write, read)| {
                let id = acknowledged(&write.1);
                id.is_some_and(|id| shown(&read.1).is_some_and(|list| list.contains(id))) && !read.1.stale
            });
            let (write, read) = choose(sites, pick)?;
            let list = list_of(&mut records[read.0])?;
            let at = list.iter().position(|id| Some(id) == written(&write.1))?;
            if is_set(&read.1) { _ = list.remove(at) } else { list.truncate(at) }
        }
        Guarantee::MonotonicReads => {
            let mut sites = pairs(&records);
            let seen = |list: Option<&Vec<String>>| list.is_some_and(|list| !list.is_empty());
            sites.retain(|(first, second)| seen(shown(&first.1)) && shown(&second.1).is_some() && !second.1.stale);
            let (first, second) = choose(sites, pick)?;
            let gone = shown(&first.1)?.last()?;
            let list = list_of(&mut records[second.0])?;
            let at = list.iter().position(|id| id == gone)?;
            if is_set(&second.1) { _ = list.remove(at) } else { list.truncate(at) }
        }
        Guarantee::MonotonicWrites => {
            let mut sites = pairs(&records);
            sites.retain(|(first, second)| acknowledged(&first.1).is_some() && acknowledged(&second.1).is_some());
            let (first, second) = choose(sites, pick)?;
            let (first_id, second_id) = (written(&first.1)?, written(&second.1)?);
            if is_set(&first.1) {
                erase(&mut records, first_id, second_id)
            } else {
                exchange(&mut records, first_id, second_id)
            }
        }
        _ => {
            let mut sites = pairs(&records);
            let others = |read: &Operation, write: &Operation| {
                let own = |id: &String| written_by(&records, &write.session).contains(id);
                shown(read).and_then(|list| list.iter().find(|id| !own(id)).cloned())
            };
            sites.retain(|(read, write)| others(&read.1, &write.1).is_some() && acknowledged(&write.1).is_some());
            let (read, write) = choose(sites, pick)?;
            let (cause, effect) = (others(&read.1, &write.1)?, written(&write.1)?.clone());
            if is_set(&read.1) { erase(&mut records, &cause, &effect) } else { exchange(&mut records, &cause, &effect) }
        }
    }
    Some(records)
}

fn broken_for_all(mut records: Vec<Record>, guarantee: Guarantee, pick: usize) -> Option<Vec<Record>> {
    match guarantee {
        Guarantee::OneOrder => {
            let mut sites = operations(&records);
            sites.retain(|(_, read)| !is_set(read) && shown(read).is_some_and(|list| list.len() > 1));
            let (at, read) = choose(sites, pick)?;
            let mut list = shown(&read)?.clone();
            let last = list.len() - 1;
            list.swap(last - 1, last);
            *list_of(&mut records[at])? = list;
        }
        Guarantee::NoDuplicates => {
            let mut sites = operations(&records);
            sites.retain(|(_, read)| shown(read).is_some_and(|list| !list.is_empty()));
            let (at, read) = choose(sites, pick)?;
            let id = shown(&read)?[pick % shown(&read)?.len()].clone();
            list_of(&mut records[at])?.push(id);
        }
        Guarantee::NoPhantoms => {
            let all = operations(&records);
            let reads: Vec<_> = all.iter().filter(|(_, operation)| shown(operation).is_some()).cloned().collect();
            let (at, read) = choose(reads, pick)?;
            let unreal = all.iter().filter(|(_, write)| {
                write.key == read.key
                    && written(write).is_some()
                    && (write.status == Status::Fail || write.start > read.end)
            });
            let mut ids: Vec<_> = unreal.filter_map(|(_, write)| written(write).cloned()).collect();
            ids.push("nobody's".to_owned());
            list_of(&mut records[at])?.push(choose(ids, pick)?);
        }
        Guarantee::Durability => {
            let mut sites = operations(&records);
            sites.retain(|(_, write)| acknowledged(write).is_some());
            let (_, write) = choose(sites, pick)?;
            let ends =
                records.iter_mut().filter(|record| matches!(record, Record::Final { key, .. } if *key == write.key));
            let list = list_of(choose(ends.collect(), pick)?)?;
            list.retain(|id| Some(id) != written(&write));
        }
        _ => {
            let full = |record: &&mut Record| matches!(record, Record::Final { list, .. } if !list.is_empty());
            let list = list_of(choose(records.iter_mut().filter(full).collect(), pick)?)?;
            list.pop();
        }
    }
    Some(records)
}

/// Shows something that was removed: to the session that has removed it, or at a region in the end. None if the history gives no
/// occasion.
fn undone(mut records: Vec<Record>, pick: usize, in_the_end: bool) -> Option<Vec<Record>> {
    let mut sites = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let Record::Operation(Operation { action: Action::Remove { ids }, session, key, .. }) = record else {
            continue;
        };
        for (later, record) in records.iter().enumerate().skip(at) {
            let shows_it = match record {
                Record::Final { key: of, .. } => in_the_end && of == key,
                Record::Operation(read) => {
                    let is_read =
                        matches!(read.action, Action::Read { .. }) && read.status == Status::Ok && !read.stale;
                    !in_the_end && is_read && read.session == *session && read.key == *key
                }
                _ => false,
            };
            sites.extend(shows_it.then(|| (later, ids[0].clone())));
        }
    }
    let (at, id) = choose(sites, pick)?;
    list_of(&mut records[at])?.push(id);
    Some(records)
}

/// What a session wrote.
fn written_by(records: &[Record], session: &str) -> Vec<String> {
    let own = operations(records).into_iter().filter(|(_, operation)| operation.session == session);
    own.filter_map(|(_, operation)| written(&operation).cloned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_keeps_its_promises_is_clean(records in a_history()) {
        let verdict = check(&history(&records));
        prop_assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
    }

    #[test]
    fn what_undoes_a_removal_is_found(records in a_history(), pick: usize, in_the_end: bool) {
        let undone = undone(records, pick, in_the_end);
        prop_assume!(undone.is_some());
        let verdict = check(&history(&undone.unwrap()));
        let breaks = if in_the_end { Guarantee::Durability } else { Guarantee::ReadYourWrites };
        prop_assert!(verdict.has(breaks), "{:?}", verdict.violations);
    }

    #[test]
    fn what_breaks_a_promise_is_found(records in a_history(), guarantee in prop::sample::select(&Guarantee::ALL[..]), pick: usize) {
        let broken = broken(records, guarantee, pick);
        prop_assume!(broken.is_some());
        let verdict = check(&history(&broken.unwrap()));
        prop_assert!(verdict.has(guarantee), "{:?}", verdict.violations);
    }
}
