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
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/origin.rs"]
mod origin;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;

use bugs::Bug;
use history::{Guarantee, History, Record, Recording, Violation, check};
use world::{Outcome, World};

/// What a world violates.
fn violations(records: &[Record]) -> Vec<Violation> {
    let mut recording = Recording::default();
    for (at, record) in records.iter().enumerate() {
        recording.add(at + 1, record.clone()).unwrap();
    }
    let history: History = recording.seal().unwrap();
    let windows = |violation: &Violation| violation.key.starts_with("news/") || violation.key.starts_with("profile/");
    let mut found = check(&history).violations;
    // A window promises a session its own writes, and says nothing of what it has read of others.
    found.retain(|violation| !(windows(violation) && violation.guarantee == Guarantee::MonotonicReads));
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
        let found = violations(&outcome.records);
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
