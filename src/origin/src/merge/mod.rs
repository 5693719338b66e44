//! Data that several regions write: an application declares a [`Rule`] for each dataset, and the kit merges.
//!
//! * Each owner (a region) keeps an insert-only log of [`Operation`]s for each dataset. An operation's **dot** is its owner and its number
//!   in that owner's log. Logs are replicated in order, so how far a replica is, is one number for each owner: a version [`Vector`].
//! * An operation's **context** ([`Operation::seen`]) is a vector too: what its author had seen. Two operations are concurrent if neither's
//!   context has the other's dot (dotted version vectors: Preguiça et al., "Dotted Version Vectors", 2010).
//! * Its **stamp** (`Homing-Clock`) is that of a hybrid logical clock. It decides where the rule is that the later write wins.
//!
//! The state of a key is a function of the set of its operations, whatever order they came in and however often ([`State`]). So replicas
//! that have the same operations show the same. `store::sqlite` and `store::postgres` keep log, states and conflicts in the application's own
//! database: append an operation in the transaction that writes, take in those of the peers, read what a key shows.
//!
//! ```
//! use homing_origin::merge::{Change, Merge, Rule};
//! let merge = Merge::new("us", ["us", "eu", "ap"]).dataset("likes", Rule::Set).dataset("views", Rule::Counter);
//! assert!(merge.check("views", &Change::count(1)).is_ok() && merge.check("views", &Change::add("ada")).is_err());
//! ```
//!
//! # Why this crate, and not more of it
//!
//! Vectors are `crdts::VClock` (7.3: no `unsafe`, serde alone beneath it). The fold is ours, because the data types of the crates do not
//! fit a log whose order is given by stamps and whose contexts are brought by sessions:
//!
//! * `crdts::MVReg` and `Map` compare whole clocks. A session that has written at us and then writes at eu brings the dot of its write, but
//!   not all that us had seen by then. Those clocks are incomparable, so the session's own earlier value would stay beside the later one.
//!   `crdts::Orswot` keeps each removal for good whose context it has not reached, and contexts here count a whole log, not one key.
//!   `PNCounter` wants sums in its operations, where a log has steps. Where their preconditions hold, the tests compare ours with them.
//! * `crdt-kit` 0.5 merges states (deltas), and names each addition by a counter of the value itself; it has no operations to log.
//! * `automerge`, `loro` and `yrs` bring their own log, their own clock (Lamport) and their own encoding: the later write by
//!   `Homing-Clock` cannot win there, and a conflict cannot be told with who wrote it and when.
#![cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code, unused_imports))]

mod conflict;
mod dots;
mod ledger;
mod operation;
mod rule;
mod stamp;
mod state;
pub mod store;
mod vector;

pub use conflict::{Conflict, ConflictQuery, Conflicts, Side};
pub(crate) use ledger::Ledger;
pub use ledger::{Gap, Progress, TakenIn, Unreadable};
pub use operation::{Operation, Shown, Write, Written};
pub use rule::{Change, Invalid, Merge, Rule};
pub use stamp::Stamp;
pub use state::State;
pub use vector::Vector;
