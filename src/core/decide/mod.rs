//! Where a request may go: the order of regions, the plan, the keys, one send.

pub mod attempt;
pub(crate) mod cache_keys;
pub mod plan;
pub mod rank;
pub mod reach;
