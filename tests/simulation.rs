//! The real core in a simulated world: regions whose copies lag, edges that clients roam between, everything that goes wrong;
//! and the checker of session guarantees over what the clients saw.
//!
//! `SEED=123 cargo test --test simulation` replays one world and tells its story; `SEEDS=100000` tries more of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "simulation/bugs.rs"]
mod bugs;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/data.rs"]
mod data;
#[path = "simulation/drive.rs"]
mod drive;
#[path = "simulation/edge.rs"]
mod edge;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/finish.rs"]
mod finish;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/origin.rs"]
mod origin;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/records.rs"]
mod records;
#[path = "simulation/request.rs"]
mod request;
#[path = "simulation/response.rs"]
mod response;
#[path = "simulation/settings.rs"]
mod settings;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;

use bugs::Bug;
use history::{Guarantee, History, Record, Recording, Violation, check};
use world::{Outcome, World};

/// What a world violates.
fn violations(Outcome { records, habits, .. }: &Outcome) -> Vec<Violation> {
    let mut recording = Recording::default();
    for (at, record) in records.iter().enumerate() {
        recording.add(at + 1, record.clone()).unwrap();
    }
    let history: History = recording.seal().unwrap();
    let blind = |key: &str| !habits.reads_say || key.starts_with("news/") || key.starts_with("profile/");
    let mut found = check(&history).violations;
    // What a session has read of others binds nobody where reads do not say how far their copy is (docs/sessions.md).
    found.retain(|violation| !(blind(&violation.key) && violation.guarantee == Guarantee::MonotonicReads));
    found
}

fn run(seed: u64, bug: Option<Bug>, tells: bool) -> Outcome {
    World::new(seed, bug, tells).run()
}

#[test]
fn sessions_are_kept_their_promises() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200u64);
    let one: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let range = one.map_or(0..seeds, |seed| seed..seed + 1);
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut bad = BTreeMap::new();
    let mut operations = 0;
    for seed in range {
        let outcome = run(seed, None, one.is_some());
        operations += outcome.records.len();
        for (what, count) in &outcome.seen {
            *seen.entry(what).or_default() += count;
        }
        let found = violations(&outcome);
        outcome.story.iter().for_each(|line| println!("{line}"));
        for violation in &found {
            println!("seed {seed}: {violation}");
            *bad.entry(violation.guarantee.token()).or_insert(0) += 1;
        }
        for line in &outcome.unanswered {
            println!("seed {seed}: unanswered {line}");
            *bad.entry("unanswered").or_insert(0) += 1;
        }
    }
    println!("{operations} operations; {seen:#?}");
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn matrix() {
    use Bug::*;
    for bug in [
        NoPin,
        ReadsDoNotMove,
        ClearedOnceReached,
        TokenWithoutEpoch,
        CopiesForEverybody,
        BarePositions,
        LabelAheadOfData,
        PositionBeforeRead,
        PositionBeforeCommit,
        CheckedAfterSnapshot,
        LeastIsMost,
        NeverBehind,
        Zombie,
    ] {
        let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for seed in 0..400 {
            let outcome = run(seed, Some(bug), false);
            let mut tokens: Vec<_> = violations(&outcome).iter().map(|v| v.guarantee.token()).collect();
            if !outcome.unanswered.is_empty() {
                tokens.push("unanswered");
            }
            tokens.sort();
            tokens.dedup();
            for token in tokens {
                all.entry(token).or_insert((seed, 0)).1 += 1;
            }
        }
        println!("{bug:?}: {all:?}");
    }
}
