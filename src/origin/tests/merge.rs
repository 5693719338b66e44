//! Several writers over SQLite: each region a database of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use homing_origin::merge::{
    Change, ConflictQuery, Merge, Rule, Shown, Vector, Write, Written,
    store::sqlite::{append_with, conflicts, make, progress, read, since, take_in},
};
use rusqlite::Connection;
use serde_json::{Value, json};

const REGIONS: [&str; 3] = ["us", "eu", "ap"];

/// A region with its database.
struct Region {
    merge: Merge,
    db: Connection,
}

impl Region {
    fn new(name: &str) -> Self {
        let db = Connection::open_in_memory().unwrap();
        make(&db).unwrap();
        let fields = [("name", Rule::LastWriteWins), ("tags", Rule::Set), ("visits", Rule::Counter)];
        let map = Rule::Map(fields.map(|(name, rule)| (name.to_owned(), rule)).into_iter().collect());
        let merge = Merge::new(name, REGIONS)
            .dataset("last", Rule::LastWriteWins)
            .dataset("record", Rule::Fields)
            .dataset("views", Rule::Counter)
            .dataset("likes", Rule::Set)
            .dataset("draft", Rule::Register)
            .dataset("profile", map);
        Self { merge, db }
    }

    fn write(&self, dataset: &str, key: &str, stamp: Option<&str>, change: Change) -> Written {
        self.write_after(dataset, key, stamp, &Vector::default(), change)
    }

    fn write_after(&self, dataset: &str, key: &str, stamp: Option<&str>, seen: &Vector, change: Change) -> Written {
        let write = Write::new(dataset, key, change).told(Some("~ada"), "write");
        append_with(&self.db, &self.merge, stamp, seen, write).unwrap().unwrap()
    }

    fn read(&self, dataset: &str, key: &str) -> Shown {
        read(&self.db, &self.merge, dataset, key).unwrap()
    }

    fn value(&self, dataset: &str, key: &str) -> Value {
        self.read(dataset, key).value
    }

    fn at(&self, dataset: &str) -> Vector {
        progress(&self.db, dataset).unwrap().at
    }

    /// All that the other has and this one has not, twice.
    fn pull(&self, from: &Self, dataset: &str) {
        for owner in REGIONS {
            let all = since(&from.db, dataset, owner, self.at(dataset).get(owner), u32::MAX).unwrap();
            let taken = take_in(&self.db, &self.merge, &all).unwrap();
            assert_eq!((taken.applied, taken.gaps), (all.len() as u64, vec![]));
            assert_eq!(take_in(&self.db, &self.merge, &all).unwrap().known, all.len() as u64);
        }
    }

    fn totals(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        conflicts(&self.db, &ConflictQuery::default()).unwrap().totals
    }
}

fn three() -> [Region; 3] {
    REGIONS.map(Region::new)
}

fn exchange(regions: &[Region], dataset: &str) {
    for (to, from) in (0..3).flat_map(|to| (0..3).map(move |from| (to, from))).filter(|(to, from)| to != from) {
        regions[to].pull(&regions[from], dataset);
    }
}

/// A stamp so many seconds from now.
fn stamp(seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    format!("{:012x}-0000-0000000a", i64::try_from(now).unwrap() + seconds * 1000)
}

#[test]
fn each_rule_shows_the_same_everywhere_once_the_logs_have_met() {
    let regions @ [us, eu, ap] = &three();
    let (early, late) = (stamp(1), stamp(2));
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
            assert_eq!(region.value(dataset, "k"), expected, "{dataset} at {}", region.merge.region());
        }
    }
    for region in regions {
        let one = |rule: &str| BTreeMap::from([(rule.to_owned(), 1)]);
        let expected =
            [("draft", "register"), ("last", "last-write-wins"), ("likes", "set"), ("record", "last-write-wins")];
        assert_eq!(region.totals(), expected.map(|(dataset, rule)| (dataset.to_owned(), one(rule))).into());
    }
}
