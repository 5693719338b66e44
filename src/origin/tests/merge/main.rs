//! Several writers over SQLite: each region a database of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clocks;
mod crates;
mod hostile;
mod layer;
mod properties;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use homing_origin::{
    Refusal,
    merge::{
        Change, ConflictQuery, Rule, Vector, Write,
        store::sqlite::{append_with, conflicts, export, import, list, since, take_in},
    },
};
use serde_json::json;
use world::{REGIONS, Region, exchange, three};

#[test]
fn each_rule_shows_the_same_everywhere_once_the_logs_have_met() {
    let regions @ [us, eu, ap] = &three();
    let (early, late) = (us.stamp(1), us.stamp(2));
    us.write("last", "k", Some(&late), Change::put("us"));
    eu.write("last", "k", Some(&early), Change::put("eu"));
    us.write("record", "k", Some(&early), Change::put(json!({ "a": 1, "b": 1 })));
    eu.write("record", "k", Some(&late), Change::put(json!({ "b": 2, "c": 2 })));
    for (region, by) in [(us, 3), (eu, -5), (ap, 1)] {
        region.write("views", "k", None, Change::count(by));
    }
    us.write("likes", "k", None, Change::add("ada"));
    exchange(regions, "likes");
    us.write("likes", "k", None, Change::remove("ada"));
    eu.write("likes", "k", None, Change::add("ada"));
    ap.write("likes", "k", None, Change::add("bob"));
    us.write("draft", "k", Some(&early), Change::put("one"));
    eu.write("draft", "k", Some(&late), Change::put("two"));
    us.write("profile", "k", None, Change::field("visits", Change::count(1)));
    eu.write("profile", "k", None, Change::field("tags", Change::add("new")));
    ap.write("profile", "k", None, Change(json!({ "name": "Ada", "visits": 1, "other": 7 })));
    for (dataset, expected) in [
        ("last", json!("us")),
        ("record", json!({ "a": 1, "b": 2, "c": 2 })),
        ("views", json!(-1)),
        ("likes", json!(["ada", "bob"])),
        ("draft", json!(["two", "one"])),
        ("profile", json!({ "name": "Ada", "visits": 2, "tags": ["new"], "other": 7 })),
    ] {
        exchange(regions, dataset);
        for region in regions {
            assert_eq!(region.value(dataset, "k"), expected, "{dataset} at {}", region.name());
        }
    }
    for region in regions {
        let one = |rule: &str| BTreeMap::from([(rule.to_owned(), 1)]);
        let expected =
            [("draft", "register"), ("last", "last-write-wins"), ("likes", "set"), ("record", "last-write-wins")];
        assert_eq!(region.totals(), expected.map(|(dataset, rule)| (dataset.to_owned(), one(rule))).into());
    }
}

/// The session has written at us, and comes to eu before its write does.
#[test]
fn a_write_takes_the_place_of_what_its_session_has_seen_even_if_that_comes_later() {
    let regions @ [us, eu, _] = &three();
    us.write("likes", "k", None, Change::add("ada"));
    us.write("draft", "k", Some(&us.stamp(9)), Change::put("mine, first"));
    let seen = |dataset: &str| us.read(dataset, "k").shows;
    eu.write_after("likes", "k", None, &seen("likes"), Change::remove("ada"));
    eu.write_after("draft", "k", Some(&us.stamp(1)), &seen("draft"), Change::put("mine, then"));
    for dataset in ["likes", "draft"] {
        exchange(regions, dataset);
    }
    for region in regions {
        assert_eq!(region.value("likes", "k"), json!([]), "at {}", region.name());
        assert_eq!(region.value("draft", "k"), json!(["mine, then"]), "at {}", region.name());
        assert_eq!(region.totals(), BTreeMap::new(), "nobody has overruled anybody");
    }
}

/// Three registers in a row, of which the third has not seen the first: it is gone in whatever order they come.
#[test]
fn what_was_replaced_stays_so_after_its_replacement_is_replaced() {
    let [us, eu, ap] = &three();
    us.write("draft", "k", None, Change::put("first"));
    eu.write_after("draft", "k", None, &us.read("draft", "k").shows, Change::put("second"));
    ap.write_after("draft", "k", None, &[("eu", 1)].into_iter().collect(), Change::put("third"));
    let all = [us, eu, ap].map(|region| since(&region.db, "draft", region.name(), 0, 9).unwrap().remove(0));
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let [other, ..] = three();
        let merge = homing_origin::merge::Merge::new("xx", REGIONS).dataset("draft", Rule::Register);
        for one in order {
            assert_eq!(take_in(&other.db, &merge, &all[one..=one]).unwrap().applied, 1);
        }
        assert_eq!(other.value("draft", "k"), json!(["third"]), "{order:?}");
    }
}

#[test]
fn a_gap_in_an_owners_log_waits_and_duplicates_do_nothing() {
    let [us, eu, _] = &three();
    for _ in 0..5 {
        us.write("views", "k", None, Change::count(1));
    }
    let all = since(&us.db, "views", "us", 0, 9).unwrap();
    let taken = take_in(&eu.db, &eu.merge, &[all[0].clone(), all[3].clone(), all[2].clone()]).unwrap();
    assert_eq!((taken.applied, taken.gaps.len(), taken.gaps[0].have), (1, 1, 1));
    assert_eq!((eu.value("views", "k"), eu.progress("views").at.get("us")), (json!(1), 1), "and it says no more");
    let back: Vec<_> = all.iter().rev().chain(&all).cloned().collect();
    let taken = take_in(&eu.db, &eu.merge, &back).unwrap();
    assert_eq!((taken.applied, taken.known, taken.gaps), (4, 6, vec![]));
    assert_eq!(eu.value("views", "k"), json!(5));
    let unknown = homing_origin::merge::Merge::new("eu", ["eu"]).dataset("views", Rule::Counter);
    assert_eq!(take_in(&eu.db, &unknown, &all).unwrap().passed_over, 5, "of an owner that is not declared");
}

#[test]
fn of_two_writes_at_once_the_later_stamp_stands_and_the_other_writer_is_told() {
    let regions @ [us, eu, _] = &three();
    us.write("last", "k", Some(&us.stamp(60)), Change::put("later"));
    let written = eu.write("last", "k", Some(&us.stamp(0)), Change::put("earlier"));
    assert_eq!((written.stamp.to_string(), &written.shown.value), (us.stamp(0), &json!("earlier")));
    exchange(regions, "last");
    assert!(regions.iter().all(|region| region.value("last", "k") == json!("later")));
    let written = eu.write("last", "other", None, Change::put(1));
    let told = written.fields().into_iter().find(|(name, _)| name == "homing-conflict").unwrap().1;
    let (kept, lost) = (us.stamp(60), us.stamp(0));
    assert_eq!(told, format!("dataset=last; rule=last-write-wins; kept=us/{kept}; lost=eu/{lost}; over=k"));
    // Without a stamp it gets one that is later than all that the region has.
    let written = eu.write("last", "k", None, Change::put("by hand"));
    assert!(written.stamp.to_string() > us.stamp(60) && written.conflicts.is_empty());
    assert_eq!(written.shown.value, json!("by hand"));
    for bad in ["nonsense", &us.stamp(2 * 3600)] {
        let written = eu.write("last", "k", Some(bad), Change::put(bad));
        assert_ne!(written.stamp.as_str(), bad);
        assert_eq!(written.shown.value, json!(bad), "the region's own is later than what it has");
    }
}

/// Two edges whose clocks and nodes say the same: which of them stands must not depend on what came first.
#[test]
fn of_two_writes_with_one_stamp_every_region_keeps_the_same() {
    let regions @ [us, eu, _] = &three();
    let stamp = us.stamp(1);
    us.write("last", "k", Some(&stamp), Change::put("us"));
    eu.write("last", "k", Some(&stamp), Change::put("eu"));
    exchange(regions, "last");
    for region in regions {
        assert_eq!(region.value("last", "k"), json!("us"), "at {}", region.name());
    }
}

#[test]
fn each_conflict_is_told_once_by_the_region_whose_write_was_overruled() {
    let regions @ [us, eu, ap] = &three();
    for n in 0..12 {
        us.write("last", &format!("key {n}"), Some(&us.stamp(1)), Change::put(1));
        eu.write("last", &format!("key {n}"), Some(&us.stamp(2)), Change::put(2));
    }
    exchange(regions, "last");
    let written = |region: &Region| region.write("last", "other", None, Change::put(region.name()));
    for region in [eu, ap] {
        assert_eq!((written(region).conflicts.len(), written(region).more), (0, 0), "at {}", region.name());
    }
    let first = written(us);
    assert_eq!((first.conflicts.len(), first.more), (8, 4));
    let field = first.fields().into_iter().find(|(name, _)| name == "homing-conflict").unwrap().1;
    let text = field.to_str().unwrap();
    assert!(text.contains("; over=key%200, dataset=") && text.ends_with(", more=4"), "{text}");
    assert_eq!((written(us).conflicts.len(), written(us).more), (0, 0), "it was told");
}

#[test]
fn the_last_thousand_conflicts_are_kept_and_all_are_counted() {
    let regions @ [us, eu, _] = &three();
    for n in 0..1100 {
        us.write("last", &n.to_string(), Some(&us.stamp(1)), Change::put(1));
        eu.write("last", &n.to_string(), Some(&us.stamp(2)), Change::put(2));
    }
    exchange(regions, "last");
    for region in [us, eu] {
        assert_eq!(region.rows("homing_conflicts"), 1000);
        let query = ConflictQuery { dataset: Some("last".to_owned()), key: None, limit: 3 };
        let told = conflicts(&region.db, &query).unwrap();
        assert_eq!((told.newest.len(), told.total(Some("last")), told.total(Some("other"))), (3, 1100, 0));
        let of = ConflictQuery { dataset: None, key: Some("1050".to_owned()), limit: 9 };
        let [story] = conflicts(&region.db, &of).unwrap().newest.try_into().unwrap();
        let who = (story.kept.who.as_deref(), story.kept.what.as_deref(), story.kept.region.as_str());
        assert_eq!(who, (Some("~ada"), Some("write"), "eu"));
    }
}

/// The bound: what the owner furthest behind lacks, and what it has not said yet.
#[test]
fn logs_and_tombstones_are_forgotten_when_every_owner_has_them() {
    let regions @ [us, eu, _] = &three();
    for n in 0..50 {
        us.write("likes", "k", None, Change::add(&n.to_string()));
        us.write("draft", &n.to_string(), None, Change::put(n));
    }
    exchange(regions, "likes");
    for n in 0..50 {
        eu.write("likes", "k", None, Change::remove(&n.to_string()));
    }
    us.pull(eu, "likes");
    us.tend("likes");
    assert_eq!((us.rows("homing_ops"), us.tombstones()), (151, 50), "ap has not said that it has anything");
    for _ in 0..3 {
        regions.iter().for_each(|region| region.tend("likes"));
        exchange(regions, "likes");
    }
    regions.iter().for_each(|region| region.tend("likes"));
    for region in regions {
        let ops = "select count(*) from homing_ops where dataset = 'likes'";
        let left: i64 = region.db.query_row(ops, [], |row| row.get(0)).unwrap();
        assert!(left <= 6, "{left} rows at {}", region.name());
        assert_eq!((region.tombstones(), region.value("likes", "k")), (0, json!([])));
        let states = "select count(*) from homing_states where dataset = 'likes'";
        assert_eq!(region.db.query_row(states, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "nothing is left of it");
        let shows = region.read("likes", "k").shows;
        assert!(shows.has("us", 50) && shows.has("eu", 50), "what is gone was written: {shows:?}");
    }
    // Nothing is said if there is no news.
    let before = us.progress("likes");
    regions.iter().for_each(|region| region.tend("likes"));
    assert_eq!(us.progress("likes"), before);
}

/// No owner takes an older stamp than what was removed so long ago, so what is forgotten cannot come back.
#[test]
fn a_removed_record_is_remembered_for_an_hour_longer() {
    let regions @ [us, eu, _] = &three();
    us.write("last", "k", None, Change::put(1));
    us.write("last", "k", None, Change::put(json!(null)));
    let rounds = || {
        for _ in 0..3 {
            regions.iter().for_each(|region| region.tend("last"));
            exchange(regions, "last");
        }
    };
    rounds();
    assert_eq!((us.tombstones(), us.rows("homing_ops") < 9), (1, true));
    // A beat claims no more than an hour beyond the others' last ones.
    for minutes in [31, 31] {
        us.clock.fetch_add(Duration::from_secs(minutes * 60).as_millis() as u64, Ordering::Relaxed);
        rounds();
    }
    assert_eq!((us.tombstones(), us.rows("homing_states")), (0, 0));
    // An edge whose clock is far behind: it wins, with eu's stamp, at those who remember and those who do not.
    let written = eu.write("last", "k", Some(&us.stamp(-3700)), Change::put("new"));
    assert!(written.stamp.to_string() > us.stamp(-3600));
    exchange(regions, "last");
    assert_eq!(us.value("last", "k"), json!("new"));
}

/// Those that have to wait do not keep the others waiting.
#[test]
fn what_can_be_forgotten_is_though_a_thousand_others_wait() {
    let regions @ [us, ..] = &three();
    for n in 0..1000 {
        us.write("profile", &format!("a {n:04}"), None, Change::field("name", Change::put(json!(null))));
    }
    us.write("profile", "z", None, Change::field("tags", Change::remove("x")));
    exchange(regions, "profile");
    for _ in 0..4 {
        regions.iter().for_each(|region| region.tend("profile"));
        exchange(regions, "profile");
    }
    assert_eq!(us.tombstones(), 1000, "those of the records wait for an hour");
}

#[test]
fn what_was_committed_outlives_the_process() {
    let file = std::env::temp_dir().join(format!("homing-origin-merge-{}.sqlite", std::process::id()));
    let [us, eu, _] = three();
    for number in 1..=3 {
        let db = rusqlite::Connection::open(&file).unwrap();
        homing_origin::merge::store::sqlite::make(&db).unwrap();
        let write = Write::new("views", "k", Change::count(1));
        let written = append_with(&db, &us.merge, None, &Vector::default(), write).unwrap().unwrap();
        assert_eq!((written.number, written.shown.value), (number, json!(number)));
        take_in(&eu.db, &eu.merge, &since(&db, "views", "us", 0, 9).unwrap()).unwrap();
    }
    assert_eq!(eu.value("views", "k"), json!(3));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_new_region_begins_with_what_another_exports() {
    let [us, eu, ap] = &three();
    for (region, n) in [(us, 3), (eu, 4)] {
        for _ in 0..n {
            region.write("views", "k", None, Change::count(1));
        }
    }
    eu.pull(us, "views");
    let exported = export(&eu.db, "views").unwrap();
    us.write("views", "k", None, Change::count(10));
    assert!(import(&ap.db, &exported).unwrap());
    assert!(!import(&ap.db, &exported).unwrap(), "twice");
    assert_eq!(ap.value("views", "k"), json!(7));
    ap.pull(us, "views");
    ap.write("views", "k", None, Change::count(100));
    us.pull(ap, "views");
    assert_eq!((us.value("views", "k"), ap.value("views", "k")), (json!(117), json!(117)));
    let all = list(&us.db, "views", "", 9).unwrap();
    assert_eq!(
        all.into_iter().map(|(key, shown)| (key, shown.value)).collect::<Vec<_>>(),
        [("k".to_owned(), json!(117))]
    );
}

#[test]
fn what_does_not_fit_the_rule_is_refused_and_nothing_is_written() {
    let [us, ..] = &three();
    for (dataset, key, change) in [
        ("views", "k", json!("up")),
        ("views", "k", json!(1.5)),
        ("views", "k", json!(1_i64 << 54)),
        ("likes", "k", json!({ "add": [] })),
        ("likes", "k", json!("ada")),
        ("record", "k", json!(7)),
        ("profile", "k", json!({ "visits": "many" })),
        ("other", "k", json!(1)),
        ("last", "", json!(1)),
    ] {
        let write = Write::new(dataset, key, Change(change.clone()));
        let refused = append_with(&us.db, &us.merge, None, &Vector::default(), write).unwrap().unwrap_err();
        assert!(matches!(refused, Refusal::NoChange(_)), "{dataset} {change}");
    }
    assert_eq!((us.rows("homing_ops"), us.rows("homing_ledger")), (0, 0));
}

/// A process that ends before its commit has written nothing, and no number is missing.
#[test]
fn a_write_that_was_not_committed_leaves_no_gap() {
    let [us, eu, _] = three();
    let mut us = us;
    us.write("views", "k", None, Change::count(1));
    let transaction = us.db.transaction().unwrap();
    append_with(&transaction, &us.merge, None, &Vector::default(), Write::new("views", "k", Change::count(5)))
        .unwrap()
        .unwrap();
    drop(transaction);
    assert_eq!(us.write("views", "k", None, Change::count(1)).number, 2);
    eu.pull(&us, "views");
    assert_eq!(eu.value("views", "k"), json!(2));
}
