//! Where logs, states and conflicts are kept: in the application's own database, each write in the application's own transaction.
//!
//! | table | holds | replicated |
//! |---|---|---|
//! | `homing_ops` | the owners' logs: rows are inserted and never change | yes, alone |
//! | `homing_states` | what each key has come to | no |
//! | `homing_ledger` | for each dataset how far this replica is, and what it knows of the other owners | no |
//! | `homing_conflicts`, `homing_conflict_totals` | the last 1000 conflicts, and how many there have been | no |
//!
//! **What is bounded.** `tend`, called every few seconds, says in the region's own log how far it is (a beat: only if there is news, else
//! each 10 minutes), and forgets what every owner has. So the log holds no more than what the owner furthest behind has not got or not said
//! yet. A removed member or register is remembered as long; a removed record or field an hour longer. Conflicts: 1000 in all. A key's state
//! grows with what it shows, and holds at most one entry for each owner and member, field or register. Counters are never forgotten.
//!
//! **An owner that is away holds this back**, everywhere, and nothing else: it gets all that it has missed. One that is gone for good has to
//! be left out of [`Merge::new`](super::Merge::new). **A region that lost the end of its log** (it was restored from an older copy) would give
//! numbers away a second time: it must come back under another name, and begin with `export` and `import`. Its writes are refused as soon as
//! another owner's beat says how long its log was ([`Refusal::LogLost`](crate::Refusal::LogLost)).

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// How many keys one compaction looks at, so that it does not hold up writes for long.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const AT_ONCE: i64 = 1000;

/// The columns of `homing_ops`, in the order in which an operation is read from a row.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const OP: &str = "dataset, owner, number, key, stamp, seen, at, who, what, change, repeat";

/// What another replica begins with.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[derive(serde::Serialize, serde::Deserialize)]
struct Export {
    dataset: String,
    ledger: super::Ledger,
    states: Vec<(String, super::State)>,
    operations: Vec<super::Operation>,
}
