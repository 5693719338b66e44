//! What a request allocates in the core, row by row of the benchmark. It is a ratchet: whoever needs more says so here, and whoever needs
//! less lowers the bound.
#![allow(clippy::unwrap_used, missing_docs)]

use allocation_counter::measure;
use bench::rows;

/// The most allocations of a request, from its admission to its last step.
const MOST: [(&str, u64); 7] = [
    ("read miss", 26),
    ("browser's read", 31),
    ("cache hit", 20),
    ("pinned read", 34),
    ("near read", 57),
    ("shared hit", 34),
    ("write", 40),
];

#[test]
fn no_request_allocates_more_than_is_said_here() {
    let found: Vec<_> = rows()
        .iter()
        .map(|row| {
            row.check();
            (row.name, measure(|| drop(row.play())).count_total)
        })
        .collect();
    assert_eq!(
        found.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        MOST.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    let over: Vec<_> = found.iter().zip(MOST).filter(|((_, count), (_, most))| count > most).collect();
    assert!(over.is_empty(), "allocations, and the most that is said: {over:?}; all: {found:?}");
}
