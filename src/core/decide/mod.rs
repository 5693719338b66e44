//! Where a request may go: the order of regions, the plan, the keys, one send.

pub mod attempt;
pub mod candidates;
pub mod copies;
pub mod plan;
pub mod reach;
