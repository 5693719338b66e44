//! Random operations, orders, duplicates, interrupted writes, beats and compactions at any time, against a definition of each rule that
//! looks at the whole set of operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

use homing_origin::merge::{
    Change, Operation, Vector, Write,
    store::sqlite::{append_with, since, take_in},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::world::{REGIONS, Region, exchange, three};

const DATASETS: [&str; 5] = ["last", "record", "views", "likes", "draft"];
const KEYS: [&str; 2] = ["a", "b"];
const SESSIONS: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    /// A session writes at a region, through an edge whose clock is some minutes off.
    Write {
        region: usize,
        session: usize,
        dataset: usize,
        key: usize,
        what: u8,
        skew: i64,
    },
    /// Nobody asks: a job.
    Job {
        region: usize,
        dataset: usize,
        key: usize,
        what: u8,
    },
    /// A process ends before its commit.
    Interrupted {
        region: usize,
        dataset: usize,
        what: u8,
    },
    Read {
        region: usize,
        session: usize,
        dataset: usize,
        key: usize,
    },
    /// Some of an owner's log, from somebody who has it: from an earlier place on, so that part of it is known.
    Deliver {
        from: usize,
        to: usize,
        owner: usize,
        dataset: usize,
        back: u64,
        many: u32,
        reversed: bool,
    },
    Tend {
        region: usize,
        dataset: usize,
    },
    Wait {
        minutes: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let (regions, datasets, keys) = (0..3_usize, 0..DATASETS.len(), 0..KEYS.len());
    let what = any::<u8>();
    prop_oneof![
        6 => (regions.clone(), 0..SESSIONS, datasets.clone(), keys.clone(), what, -8..8_i64)
            .prop_map(|(region, session, dataset, key, what, skew)| Act::Write { region, session, dataset, key, what, skew }),
        2 => (regions.clone(), datasets.clone(), keys.clone(), what)
            .prop_map(|(region, dataset, key, what)| Act::Job { region, dataset, key, what }),
        1 => (regions.clone(), datasets.clone(), what).prop_map(|(region, dataset, what)| Act::Interrupted { region, dataset, what }),
        4 => (regions.clone(), 0..SESSIONS, datasets.clone(), keys)
            .prop_map(|(region, session, dataset, key)| Act::Read { region, session, dataset, key }),
        10 => (regions.clone(), regions.clone(), regions.clone(), datasets.clone(), 0..4_u64, 1..6_u32, any::<bool>())
            .prop_map(|(from, to, owner, dataset, back, many, reversed)| Act::Deliver { from, to, owner, dataset, back, many, reversed }),
        3 => (regions, datasets).prop_map(|(region, dataset)| Act::Tend { region, dataset }),
        1 => (0..50_u64).prop_map(|minutes| Act::Wait { minutes }),
    ]
}

/// What a write does, by its number: enough to meet.
fn change(dataset: &str, what: u8) -> Change {
    let member = ["x", "y"][usize::from(what % 2)];
    match dataset {
        "last" | "draft" if what.is_multiple_of(5) => Change::put(Value::Null),
        "last" | "draft" => Change::put(what % 7),
        "record" if what.is_multiple_of(5) => Change(json!({ member: null })),
        "record" => Change(json!({ member: what % 7, "z": what % 3 })),
        "views" => Change::count(i64::from(what) - 100),
        _ if what.is_multiple_of(3) => Change::remove(member),
        _ => Change::add(member),
    }
}

/// What the router keeps of a session.
#[derive(Default)]
struct Session {
    clock: String,
    marks: BTreeMap<&'static str, Vector>,
    /// What it has written last, by dataset and key, and what it had seen by then.
    own: BTreeMap<(&'static str, &'static str), (Operation, Vector)>,
}

struct World {
    regions: [Region; 3],
    sessions: [Session; SESSIONS],
    all: Vec<Operation>,
}

/// What was met, over all worlds: a property that never met a conflict says nothing.
static MET: [AtomicU64; 6] = [const { AtomicU64::new(0) }; 6];
const CONFLICTS: usize = 0;
const DUPLICATES: usize = 1;
const GAPS: usize = 2;
const FORGOTTEN: usize = 3;
const BEHIND: usize = 4;
const LATER: usize = 5;

fn met(what: usize, how_often: u64) {
    MET[what].fetch_add(how_often, Ordering::Relaxed);
}

impl World {
    fn new() -> Self {
        Self { regions: three(), sessions: Default::default(), all: Vec::new() }
    }

    fn play(&mut self, act: Act) {
        match act {
            Act::Write { region, session, dataset, key, what, skew } => {
                self.write(region, session, DATASETS[dataset], KEYS[key], what, skew);
            }
            Act::Job { region, dataset, key, what } => {
                let (dataset, region) = (DATASETS[dataset], &self.regions[region]);
                region.write(dataset, KEYS[key], None, change(dataset, what));
                self.note(region.name().to_owned(), dataset);
            }
            Act::Interrupted { region, dataset, what } => {
                let (dataset, region) = (DATASETS[dataset], &mut self.regions[region]);
                let merge = region.merge.clone();
                let transaction = region.db.transaction().unwrap();
                let write = Write::new(dataset, "a", change(dataset, what));
                append_with(&transaction, &merge, None, &Vector::default(), write).unwrap().unwrap();
            }
            Act::Read { region, session, dataset, key } => self.read(region, session, DATASETS[dataset], KEYS[key]),
            Act::Deliver { from, to, owner, dataset, back, many, reversed } => {
                let dataset = DATASETS[dataset];
                let (from, to, owner) = (&self.regions[from], &self.regions[to], REGIONS[owner]);
                let after = (to.progress(dataset).at.get(owner) + 1).saturating_sub(back);
                let mut some = since(&from.db, dataset, owner, after, many).unwrap();
                if reversed {
                    some.reverse();
                }
                let taken = take_in(&to.db, &to.merge, &some).unwrap();
                met(DUPLICATES, taken.known);
                met(GAPS, taken.gaps.len() as u64);
                met(CONFLICTS, taken.conflicts);
                self.check(to, dataset);
            }
            Act::Tend { region, dataset } => {
                let (dataset, region) = (DATASETS[dataset], &self.regions[region]);
                let before = region.rows("homing_ops") + region.tombstones();
                region.tend(dataset);
                met(FORGOTTEN, (before + 1 - region.rows("homing_ops") - region.tombstones()).max(0).unsigned_abs());
                self.check(region, dataset);
                self.note(region.name().to_owned(), dataset);
            }
            Act::Wait { minutes } => {
                self.regions[0].clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
            }
        }
    }

    /// Notes what a region has appended.
    fn note(&mut self, owner: String, dataset: &str) {
        let region = self.regions.iter().find(|region| region.name() == owner).unwrap();
        let known = self.all.iter().filter(|op| op.owner == owner && op.dataset == dataset).map(|op| op.number).max();
        let new = since(&region.db, dataset, &owner, known.unwrap_or(0), 9).unwrap();
        assert!(new.iter().zip(known.unwrap_or(0) + 1..).all(|(op, number)| op.number == number), "a gap");
        self.all.extend(new);
    }

    fn write(&mut self, at: usize, session: usize, dataset: &'static str, key: &'static str, what: u8, skew: i64) {
        let (region, held) = (&self.regions[at], &self.sessions[session]);
        // As the router does: later than all that the session has written or seen, whatever this edge's clock says.
        let edge = region.stamp(skew * 60);
        let stamp = if edge > held.clock { edge } else { after(&held.clock) };
        let at_key = |op: &&Operation| op.dataset == dataset && op.key == key;
        let here = region.progress(dataset).at;
        let known: Vec<_> = self.all.iter().filter(at_key).filter(|op| here.has(&op.owner, op.number)).collect();
        let latest = known.iter().map(|op| op.stamp.to_string()).max().unwrap_or_default();
        let seen = held.marks.get(dataset).cloned().unwrap_or_default();
        let written = region.write_after(dataset, key, Some(&stamp), &seen, change(dataset, what));
        let name = region.name().to_owned();
        let before = region.progress(dataset);
        self.note(name.clone(), dataset);
        let op = self.all.last().unwrap().clone();
        assert_eq!((op.number, &op.owner, before.at.get(&name)), (written.number, &name, written.number));
        assert!(op.seen.reaches(&seen), "its context is what the session has seen");
        let is_kept = written.stamp.as_str() == stamp;
        let is_after = written.stamp.as_str() > latest.as_str() && latest >= stamp && is_by_stamp(dataset);
        assert!(is_kept || is_after, "an edge's stamp is kept, if nothing that is there is later");
        met(LATER, u64::from(!is_kept));
        let session = &mut self.sessions[session];
        session.clock = stamp.max(before.clock.unwrap().to_string());
        let marks = session.marks.entry(dataset).or_default();
        marks.add(&name, written.number);
        marks.join(&written.shown.shows);
        session.own.insert((dataset, key), (op, seen));
        self.check(&self.regions[at], dataset);
    }

    fn read(&mut self, region: usize, session: usize, dataset: &'static str, key: &'static str) {
        let region = &self.regions[region];
        let (progress, shown) = (region.progress(dataset), region.read(dataset, key));
        let session = &mut self.sessions[session];
        let marks = session.marks.entry(dataset).or_default();
        if !progress.at.reaches(marks) {
            met(BEHIND, 1);
            return;
        }
        assert!(progress.at.reaches(&shown.shows), "it shows what it has");
        if let Some((own, seen)) = session.own.get(&(dataset, key)) {
            self.all
                .iter()
                .for_each(|op| assert!(!is_undone(own, seen, op, &shown.value), "{own:?} by {op:?}: {shown:?}"));
            assert!(shown.shows.has(&own.owner, own.number) || shown.value == none(dataset), "too low: {shown:?}");
        }
        marks.join(&shown.shows);
        session.clock =
            std::mem::take(&mut session.clock).max(progress.clock.map_or(String::new(), |stamp| stamp.to_string()));
    }

    /// Every key shows what its rule says of the operations that are there.
    fn check(&self, region: &Region, dataset: &str) {
        let at = region.progress(dataset).at;
        for key in KEYS {
            let here = |op: &&Operation| op.dataset == dataset && op.key == key && at.has(&op.owner, op.number);
            let here: Vec<&Operation> = self.all.iter().filter(here).collect();
            let shown = region.read(dataset, key);
            assert_eq!(shown.value, defined(dataset, &here), "{dataset} {key} at {} of {here:?}", region.name());
            let newest: Vector = here.iter().map(|op| (&op.owner, op.number)).collect();
            assert!(shown.shows.reaches(&newest), "what it shows is too low");
            if is_by_stamp(dataset) {
                nothing_seen_is_undone(&here);
            }
        }
    }

    fn end(&mut self) {
        for dataset in DATASETS {
            exchange(&self.regions, dataset);
            // Nothing that was acknowledged is lost: every operation is everywhere.
            let all: Vector =
                self.all.iter().filter(|op| op.dataset == dataset).map(|op| (&op.owner, op.number)).collect();
            for region in &self.regions {
                assert_eq!(region.progress(dataset).at, all);
                self.check(region, dataset);
            }
            let values = |region: &Region| KEYS.map(|key| region.value(dataset, key));
            assert!(self.regions.iter().all(|region| values(region) == values(&self.regions[0])));
            // And what is left in the end is bounded, once the beats, an hour of each in a round, have come to the present.
            for _ in 0..8 {
                self.regions.iter().for_each(|region| region.tend(dataset));
                exchange(&self.regions, dataset);
            }
            for region in &self.regions {
                let sql = format!("select count(*) from homing_ops where dataset = '{dataset}'");
                let rows: i64 = region.db.query_row(&sql, [], |row| row.get(0)).unwrap();
                assert!(rows <= 9, "{rows} rows are left of {dataset}");
            }
        }
        self.regions[0].clock.fetch_add(8_000_000, Ordering::Relaxed);
        for dataset in DATASETS {
            let before = KEYS.map(|key| self.regions[1].value(dataset, key));
            for _ in 0..8 {
                self.regions.iter().for_each(|region| region.tend(dataset));
                exchange(&self.regions, dataset);
            }
            assert_eq!(KEYS.map(|key| self.regions[1].value(dataset, key)), before, "forgetting changes nothing");
        }
        assert!(self.regions.iter().all(|region| region.tombstones() == 0), "nothing is remembered for good");
    }
}

/// The stamp that follows.
fn after(stamp: &str) -> String {
    let counter = u32::from_str_radix(&stamp[13..17], 16).unwrap() + 1;
    assert!(counter <= 0xffff);
    format!("{}-{counter:04x}-{}", &stamp[..12], &stamp[18..])
}

fn none(dataset: &str) -> Value {
    match dataset {
        "last" => Value::Null,
        "record" => json!({}),
        "views" => json!(0),
        _ => json!([]),
    }
}

fn order(op: &Operation) -> (&str, &str, u64) {
    (op.stamp.as_str(), &op.owner, op.number)
}

/// What stands of those that fit: not seen by any other of them.
fn unseen<'a>(all: &[&'a Operation], of: impl Fn(&Operation) -> bool) -> Vec<&'a Operation> {
    let all: Vec<_> = all.iter().copied().filter(|op| of(op)).collect();
    all.iter().copied().filter(|op| !all.iter().any(|other| other.seen.has(&op.owner, op.number))).collect()
}

fn touches(op: &Operation, verb: &str, member: &str) -> bool {
    op.change.0.get(verb).is_some_and(|members| members == &json!([member]))
}

/// Each rule in one look at all operations.
fn defined(dataset: &str, all: &[&Operation]) -> Value {
    let mut sorted: Vec<&Operation> = all.to_vec();
    sorted.sort_by_key(|op| std::cmp::Reverse(order(op)));
    match dataset {
        "last" => sorted.first().map_or(Value::Null, |op| op.change.0.clone()),
        "record" => {
            let names: BTreeSet<&String> =
                sorted.iter().filter_map(|op| op.change.0.as_object()).flat_map(|fields| fields.keys()).collect();
            let value = |name: &&String| sorted.iter().find_map(|op| op.change.0.get(*name)).cloned();
            names
                .iter()
                .filter_map(|name| Some(((*name).clone(), value(name).filter(|value| !value.is_null())?)))
                .collect()
        }
        "views" => json!(all.iter().filter_map(|op| op.change.0.as_i64()).sum::<i64>()),
        "likes" => {
            let is_in = |member: &&str| {
                unseen(all, |op| touches(op, "add", member) || touches(op, "remove", member))
                    .iter()
                    .any(|op| touches(op, "add", member))
            };
            ["x", "y"].iter().filter(|member| is_in(member)).copied().collect()
        }
        _ => {
            let stands: Vec<_> = unseen(all, |_| true);
            let mut values: Vec<Value> = Vec::new();
            for op in sorted.iter().filter(|op| stands.contains(op) && !op.change.0.is_null()) {
                if !values.contains(&op.change.0) {
                    values.push(op.change.0.clone());
                }
            }
            Value::Array(values)
        }
    }
}

/// Where the later stamp stands.
fn is_by_stamp(dataset: &str) -> bool {
    matches!(dataset, "last" | "record")
}

/// Whoever had seen a write, in its region or by its session, has written later: it stands, whatever the edges' clocks say.
fn nothing_seen_is_undone(all: &[&Operation]) {
    for one in all {
        let is_over = |by: &&&Operation| by.seen.has(&one.owner, one.number) && order(by) < order(one);
        let fields =
            |op: &Operation| op.change.0.as_object().map(|fields| fields.keys().cloned().collect::<BTreeSet<_>>());
        let meets = |by: &Operation| match (fields(one), fields(by)) {
            (Some(one), Some(by)) => !one.is_disjoint(&by),
            _ => true,
        };
        let undone = all.iter().filter(is_over).find(|by| meets(by));
        assert!(undone.is_none(), "{undone:?} had seen {one:?}");
    }
}

/// Whether a session's write was undone by one that it had seen before.
fn is_undone(own: &Operation, seen: &Vector, by: &Operation, shown: &Value) -> bool {
    let is_other = own.dataset == "last" && by.dataset == "last" && by.key == own.key && by != own;
    is_other && seen.has(&by.owner, by.number) && *shown == by.change.0 && by.change.0 != own.change.0
        // It may stand there again by somebody else's write.
        && order(by) > order(own)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_replicas_show_what_the_rules_say_of_the_operations_that_they_have(acts in vec(act(), 1..120)) {
        let mut world = World::new();
        acts.into_iter().for_each(|act| world.play(act));
        world.end();
    }
}

/// Against vacuity: one long world meets everything.
#[test]
fn the_properties_meet_what_they_are_about() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let mut world = World::new();
        vec(act(), 300).new_tree(&mut runner).unwrap().current().into_iter().for_each(|act| world.play(act));
        world.end();
    }
    let met = MET.each_ref().map(|count| count.load(Ordering::Relaxed));
    for (what, least) in [(CONFLICTS, 20), (DUPLICATES, 50), (GAPS, 15), (FORGOTTEN, 60), (BEHIND, 100), (LATER, 5)] {
        assert!(met[what] >= least, "{what}: {met:?}");
    }
}
