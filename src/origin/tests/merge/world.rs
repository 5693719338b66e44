//! Regions over SQLite, in memory, by a clock that the test turns.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use homing_origin::merge::{
    Change, ConflictQuery, Merge, Progress, Rule, Shown, TakenIn, Vector, Write, Written,
    store::sqlite::{append_with, conflicts, make, progress, read, since, take_in, tend},
};
use rusqlite::Connection;
use serde_json::Value;

pub const REGIONS: [&str; 3] = ["us", "eu", "ap"];

/// Milliseconds since 1970, when a test begins.
const BEGINNING: u64 = 1_767_225_600_000;

/// A region with its database.
pub struct Region {
    pub merge: Merge,
    pub db: Connection,
    pub clock: Arc<AtomicU64>,
}

/// What tests write to, each with one rule.
pub fn declared(merge: Merge) -> Merge {
    let fields = [("name", Rule::LastWriteWins), ("tags", Rule::Set), ("visits", Rule::Counter)];
    merge
        .dataset("last", Rule::LastWriteWins)
        .dataset("record", Rule::Fields)
        .dataset("views", Rule::Counter)
        .dataset("likes", Rule::Set)
        .dataset("draft", Rule::Register)
        .dataset("profile", Rule::Map(fields.map(|(name, rule)| (name.to_owned(), rule)).into_iter().collect()))
}

impl Region {
    pub fn new(name: &str, clock: &Arc<AtomicU64>) -> Self {
        let db = Connection::open_in_memory().unwrap();
        make(&db).unwrap();
        let here = Arc::clone(clock);
        let merge = declared(Merge::new(name, REGIONS)).with_clock(move || here.load(Ordering::Relaxed));
        Self { merge, db, clock: Arc::clone(clock) }
    }

    pub fn name(&self) -> &str {
        self.merge.region()
    }

    /// A stamp so many seconds from now.
    pub fn stamp(&self, seconds: i64) -> String {
        let millis = self.clock.load(Ordering::Relaxed).checked_add_signed(seconds * 1000).unwrap();
        format!("{millis:012x}-0000-0000000a")
    }

    pub fn write(&self, dataset: &str, key: &str, stamp: Option<&str>, change: Change) -> Written {
        self.write_after(dataset, key, stamp, &Vector::default(), change)
    }

    pub fn write_after(&self, dataset: &str, key: &str, stamp: Option<&str>, seen: &Vector, change: Change) -> Written {
        let write = Write::new(dataset, key, change).told(Some("~ada"), "write");
        append_with(&self.db, &self.merge, stamp, seen, write).unwrap().unwrap()
    }

    pub fn read(&self, dataset: &str, key: &str) -> Shown {
        read(&self.db, &self.merge, dataset, key).unwrap()
    }

    pub fn value(&self, dataset: &str, key: &str) -> Value {
        self.read(dataset, key).value
    }

    pub fn progress(&self, dataset: &str) -> Progress {
        progress(&self.db, dataset).unwrap()
    }

    pub fn tend(&self, dataset: &str) {
        tend(&self.db, &self.merge, dataset).unwrap();
    }

    /// All that the other has and this one has not.
    pub fn pull(&self, from: &Self, dataset: &str) {
        for owner in REGIONS {
            let at = self.progress(dataset).at.get(owner);
            let all = since(&from.db, dataset, owner, at, u32::MAX).unwrap();
            let TakenIn { applied, gaps, .. } = take_in(&self.db, &self.merge, &all).unwrap();
            assert_eq!((applied, gaps), (all.len() as u64, vec![]));
        }
    }

    pub fn rows(&self, table: &str) -> i64 {
        self.db.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
    }

    pub fn tombstones(&self) -> i64 {
        let sql = "select coalesce(sum(tombstones), 0) from homing_states";
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn totals(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        conflicts(&self.db, &ConflictQuery::default()).unwrap().totals
    }
}

pub fn three() -> [Region; 3] {
    let clock = Arc::new(AtomicU64::new(BEGINNING));
    REGIONS.map(|name| Region::new(name, &clock))
}

/// Everything, from everyone to everyone.
pub fn exchange(regions: &[Region], dataset: &str) {
    for (to, from) in (0..regions.len()).flat_map(|to| (0..regions.len()).map(move |from| (to, from))) {
        if to != from {
            regions[to].pull(&regions[from], dataset);
        }
    }
}
