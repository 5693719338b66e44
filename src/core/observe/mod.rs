//! What is told of what was decided: records, locality, drills, the snapshot.

pub mod locality;
pub mod memos;
pub mod report;
pub mod snapshot;
pub mod suggest;
pub(crate) mod tally;
