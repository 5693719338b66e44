//! Clocks that jump, differ, or belong to regions that have just begun; and what of the order of writes does not depend on them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use homing_origin::merge::{
    Change, Operation, Rule, Stamp, State, Vector,
    store::sqlite::{export, import, since, take_in},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::world::{REGIONS, Region, exchange, three};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn turn(clock: &AtomicU64, by: Duration) {
    clock.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
}

/// A region whose clock is its own.
fn apart(name: &str, from: &Region) -> Region {
    Region::new(name, &Arc::new(AtomicU64::new(from.clock.load(Ordering::Relaxed))))
}

/// For a minute us believes that it is tomorrow, and says so every five seconds.
#[test]
fn a_clock_that_jumps_a_day_ahead_and_back_takes_nothing_along() {
    let [_, eu, ap] = three();
    let us = apart("us", &eu);
    let regions = [us, eu, ap];
    let [us, eu, _] = &regions;
    let round = || {
        regions.iter().for_each(|region| region.tend("last"));
        exchange(&regions, "last");
    };
    us.write("last", "k", Some(&eu.stamp(0)), Change::put(0));
    exchange(&regions, "last");
    round();
    turn(&us.clock, DAY);
    us.write("last", "by a job", None, Change::put(1));
    (0..12).for_each(|_| round());
    us.clock.store(eu.clock.load(Ordering::Relaxed), Ordering::Relaxed);
    for (n, region) in (2..).zip(&regions) {
        let stamp = eu.stamp(n);
        assert_eq!(
            region.write("last", "k", Some(&stamp), Change::put(n)).stamp.as_str(),
            stamp,
            "an edge's stamp is kept"
        );
        exchange(&regions, "last");
        let told = region.progress("last").clock.unwrap().to_string();
        assert!(told <= eu.stamp(3600), "at {} the clock is {told}", region.name());
        let own = region.write("last", "other", None, Change::put(n)).stamp.to_string();
        assert!(own <= eu.stamp(3600), "at {} a job's stamp is {own}", region.name());
    }
    // And beats go on, so that what was removed is forgotten.
    us.write("last", "k", Some(&eu.stamp(9)), Change::put(Value::Null));
    exchange(&regions, "last");
    for _ in 0..16 {
        regions.iter().take(2).for_each(|region| turn(&region.clock, Duration::from_secs(15 * 60)));
        round();
    }
    let gone = "select count(*) from homing_states where key = 'k'";
    assert_eq!(eu.db.query_row(gone, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// What was forgotten before it came is not here, so it must not take what would have been overruled.
#[test]
fn a_new_region_takes_no_stamp_that_the_others_would_not() {
    let [us, eu, new] = three();
    us.write("last", "k", None, Change::put(1));
    us.tend("last");
    eu.pull(&us, "last");
    eu.tend("last");
    us.pull(&eu, "last");
    assert!(import(&new.db, &export(&us.db, "last").unwrap()).unwrap());
    let stamp = us.stamp(-7200);
    assert_ne!(new.write("last", "other", Some(&stamp), Change::put(2)).stamp.as_str(), stamp, "before its first beat");
    new.tend("last");
    assert_ne!(new.write("last", "other", Some(&stamp), Change::put(3)).stamp.as_str(), stamp, "nor after it");
    let stamp = us.stamp(-60);
    assert_eq!(new.write("last", "third", Some(&stamp), Change::put(4)).stamp.as_str(), stamp);
}

/// A client without a session reads at us, and writes there through an edge whose clock is a minute behind.
#[test]
fn a_write_stands_over_all_that_its_region_has_applied_and_so_does_no_other_rule_need_to() {
    let regions @ [us, eu, _] = &three();
    let (late, early) = (us.stamp(60), us.stamp(0));
    us.write("last", "k", Some(&late), Change::put("first"));
    us.write("record", "k", Some(&late), Change(json!({ "a": 1, "b": 1 })));
    us.write("profile", "k", Some(&late), Change(json!({ "name": "Ada", "tags": { "add": ["x"] } })));
    for dataset in ["last", "record", "profile"] {
        exchange(regions, dataset);
    }
    let changes = [
        ("last", json!("then"), json!("then")),
        ("record", json!({ "b": 2, "c": 2 }), json!({ "a": 1, "b": 2, "c": 2 })),
        ("profile", json!({ "name": "Eve" }), json!({ "name": "Eve", "tags": ["x"] })),
    ];
    for (dataset, change, expected) in changes {
        let written = eu.write(dataset, "k", Some(&early), Change(change));
        assert_eq!(written.shown.value, expected, "{dataset}: what the region had is not what stands");
        assert!(written.stamp.to_string() > late && written.conflicts.is_empty(), "it had seen it: {written:?}");
        exchange(regions, dataset);
        assert!(regions.iter().all(|region| region.value(dataset, "k") == expected), "{dataset}");
    }
    // Where it replaces nothing later, an edge's stamp is kept.
    assert_eq!(eu.write("record", "k", Some(&early), Change(json!({ "d": 1 }))).stamp.as_str(), early);
    assert_eq!(eu.write("profile", "k", Some(&early), Change::field("tags", Change::add("y"))).stamp.as_str(), early);
}

/// How an operation is made: where, through which edge, on what, and whether the region takes in its peers' before.
type Made = (usize, i64, usize, u8, bool);

const DATASETS: [(&str, Rule); 5] = [
    ("last", Rule::LastWriteWins),
    ("record", Rule::Fields),
    ("views", Rule::Counter),
    ("likes", Rule::Set),
    ("draft", Rule::Register),
];

fn change(dataset: &str, what: u8) -> Change {
    let member = ["x", "y"][usize::from(what % 2)];
    match dataset {
        "views" => Change::count(i64::from(what)),
        "likes" if what.is_multiple_of(3) => Change::remove(member),
        "likes" => Change::add(member),
        "record" => Change(json!({ member: what })),
        _ => Change::put(what),
    }
}

/// Real regions write them, so that each has seen what its region had.
fn made(dataset: &str, how: &[Made]) -> Vec<Operation> {
    let regions = three();
    for (region, skew, from, what, pulls) in how {
        let (region, from) = (&regions[*region], &regions[*from]);
        if *pulls && region.name() != from.name() {
            region.pull(from, dataset);
        }
        region.write(dataset, "k", Some(&region.stamp(*skew * 60)), change(dataset, *what));
    }
    regions.iter().flat_map(|region| since(&region.db, dataset, region.name(), 0, 99).unwrap()).collect()
}

/// Those operations in an order that the numbers choose, each owner's own in its order.
fn shuffled(all: &[Operation], by: &[u8]) -> Vec<Operation> {
    let mut logs = REGIONS.map(|owner| all.iter().filter(|op| op.owner == owner).cloned().collect::<Vec<_>>());
    logs.iter_mut().for_each(|log| log.reverse());
    let mut order = Vec::new();
    for by in by.iter().chain(std::iter::repeat(&0)) {
        let left: Vec<usize> = (0..3).filter(|owner| !logs[*owner].is_empty()).collect();
        let Some(owner) = left.get(usize::from(*by) % left.len().max(1)) else { break };
        order.extend(logs[*owner].pop());
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Commutative: the state is the same in whatever order operations come. And what was seen by another write is not what stands.
    #[test]
    fn a_state_is_that_of_the_set_and_nothing_seen_is_undone(
        how in vec((0..3_usize, -50..50_i64, 0..3_usize, any::<u8>(), any::<bool>()), 1..14), by in vec(any::<u8>(), 14)
    ) {
        for (dataset, rule) in DATASETS {
            let all = made(dataset, &how);
            let folded = |order: &[Operation]| {
                let mut state = State::new(&rule);
                order.iter().for_each(|op| { state.apply(&rule, op, 0); });
                state
            };
            prop_assert_eq!(folded(&all), folded(&shuffled(&all, &by)), "{}", dataset);
            if dataset == "last" {
                let stands = all.iter().max_by_key(|op| (&op.stamp, &op.owner, op.number)).unwrap();
                prop_assert_eq!(folded(&all).shown().value, stands.change.0.clone());
                let seen = all.iter().find(|op| op.number_of(stands) >= stands.number);
                prop_assert!(seen.is_none(), "{:?} had seen {:?}", seen, stands);
            }
        }
    }

    /// Associative and idempotent: in whatever portions they come, and however often, a region ends with the same.
    #[test]
    fn portions_and_repeats_do_not_matter(
        how in vec((0..3_usize, -50..50_i64, 0..3_usize, any::<u8>(), any::<bool>()), 1..14),
        by in vec(any::<u8>(), 14), at in 1..6_usize
    ) {
        for (dataset, _) in DATASETS {
            let all = made(dataset, &how);
            let [one, other, _] = three();
            take_in(&one.db, &one.merge, &all).unwrap();
            for some in shuffled(&all, &by).chunks(at) {
                take_in(&other.db, &other.merge, some).unwrap();
                take_in(&other.db, &other.merge, &all[..some.len()]).unwrap();
            }
            take_in(&other.db, &other.merge, &all).unwrap();
            prop_assert_eq!(one.read(dataset, "k"), other.read(dataset, "k"));
            prop_assert_eq!(one.progress(dataset), other.progress(dataset));
        }
    }
}

trait NumberOf {
    /// How much of the other's log it had seen.
    fn number_of(&self, other: &Operation) -> u64;
}

impl NumberOf for Operation {
    fn number_of(&self, other: &Operation) -> u64 {
        self.seen.get(&other.owner)
    }
}

/// Nobody has seen what is yet to come.
#[test]
fn a_context_beyond_a_log_overrules_nothing_that_comes_later() {
    let regions @ [us, eu, _] = &three();
    let beyond: Vector = [("us", 1_000_000)].into_iter().collect();
    us.write_after("likes", "k", None, &beyond, Change::add("ada"));
    us.write_after("draft", "k", None, &beyond, Change::put("first"));
    us.write("likes", "k", None, Change::remove("ada"));
    us.write("likes", "k", None, Change::add("ada"));
    us.write("draft", "k", None, Change::put("then"));
    // A peer says so of its own log.
    eu.write("likes", "other", None, Change::add("x"));
    let mut op = since(&eu.db, "likes", "eu", 0, 1).unwrap().remove(0);
    op.seen.add("eu", 1_000_000);
    take_in(&us.db, &us.merge, &[op]).unwrap();
    eu.write("likes", "other", None, Change::remove("x"));
    eu.write("likes", "other", None, Change::add("x"));
    for dataset in ["likes", "draft"] {
        exchange(regions, dataset);
    }
    for region in regions {
        let at = region.name();
        assert_eq!(
            (region.value("likes", "k"), region.value("draft", "k")),
            (json!(["ada"]), json!(["then"])),
            "at {at}"
        );
        assert_eq!(region.value("likes", "other"), json!(["x"]), "at {at}");
    }
}

#[test]
fn what_is_no_stamp_comes_in_by_no_log() {
    let [us, ..] = three();
    us.write("last", "k", None, Change::put(1));
    let op = serde_json::to_value(&since(&us.db, "last", "us", 0, 1).unwrap()[0]).unwrap();
    assert!(serde_json::from_value::<Operation>(op.clone()).is_ok());
    for bad in ["", "zzzz", "019B0e5a8000-0000-0000000a"] {
        let mut rubbish = op.clone();
        rubbish["stamp"] = json!(bad);
        assert!(serde_json::from_value::<Operation>(rubbish).is_err(), "{bad:?} would be later than all");
    }
    assert!(Stamp::parse(op["stamp"].as_str().unwrap()).is_some());
}
