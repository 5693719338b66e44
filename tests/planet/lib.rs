//! What distance costs. One trace of requests from five continents is played through six ways to serve them from three regions. The
//! router's rows are the real core; the others are modelled as their documentation says. `docs/planet.md` has the assumptions and the
//! table, and `make planet` writes both it and the figure anew.
//!
//! | file | holds |
//! |---|---|
//! | `earth.rs` | round trips, cities, the day's curve |
//! | `trace.rs` | who asks for what, and when |
//! | `trouble.rs` | what goes wrong, and how long replication takes |
//! | `data.rs` | the owners' logs and the replicas: the truth |
//! | `world.rs` | time, requests on their way, regions |
//! | `homing.rs`, `probers.rs` | the driver of the real core |
//! | `peers/` | the other strategies, each with its sources |
//! | `judge.rs`, `tally.rs` | what a session could see; what is counted |
//! | `table.rs`, `figure.rs`, `written.rs` | what is written, and where |
//!
//! Times are microseconds from midnight UTC of the simulated day.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

pub mod chance;
pub mod data;
pub mod earth;
pub mod figure;
pub mod homing;
pub mod judge;
pub mod peers;
pub mod probers;
pub mod runs;
pub mod strategy;
pub mod table;
pub mod tally;
pub mod trace;
pub mod trouble;
pub mod world;
pub mod written;

/// A millisecond.
pub const MILLI: u64 = 1000;
/// A second.
pub const SECOND: u64 = 1000 * MILLI;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub const HOUR: u64 = 60 * MINUTE;
