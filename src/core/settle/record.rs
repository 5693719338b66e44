//! What is told about a request: of the cache, of a write, of the whole.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    cache::state::CacheState,
    model::{
        access::Access,
        clock::HybridTime,
        ids::{DatasetId, RegionId},
        reasons::{Crossing, Failure},
        time::{Timestamp, millis},
    },
    settle::conflicts::ConflictCount,
    state::{
        drill::Drilled,
        memory::lag::PinWindow,
        trace::{Decision, Trace},
    },
};

/// What became of a write that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It never left.
    NotSent,
    /// It was refused before anything was done.
    Refused,
    /// Nobody can say.
    Unknown,
    /// It was done.
    Committed,
}

impl WriteOutcome {
    /// The word in `Homing-Write-Outcome`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Committed => "committed",
        }
    }
}

/// What a session is promised because of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// Reads at home, for so long.
    Window(PinWindow),
    /// Reads of replicas that have reached this position of the owner's log.
    Position(String),
}

impl fmt::Display for Pinned {
    /// The promise and why it is what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "reads from a replica at {position} or later"),
            Self::Window(PinWindow { length, p99: Some(p99), .. }) => {
                write!(
                    f,
                    "reads at home for {} ms, twice the 99th percentile of the lag ({} ms)",
                    millis(*length),
                    millis(*p99)
                )
            }
            Self::Window(PinWindow { length, p99: None, .. }) => {
                write!(
                    f,
                    "reads at home for {} ms, because too little lag was measured for a shorter time",
                    millis(*length)
                )
            }
        }
    }
}

/// What was told of the clocks of multi-writer data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampTold {
    /// The time of the latest stamp that the origin's replica has applied; zero where it says none.
    pub time: HybridTime,
    /// Whether that, or the session's, was too far ahead for the isolate's clock.
    pub is_ahead: bool,
}

/// What is told about a request: one log line, one row of the dashboard.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it came.
    pub at: Timestamp,
    /// Its method.
    pub method: Cow<'static, str>,
    /// Its path; never the query, which may hold secrets.
    pub path: String,
    /// The index of the route that took it.
    pub route: Option<usize>,
    /// What it concerned.
    pub dataset: Option<DatasetId>,
    /// Whether it could change anything.
    pub access: Access,
    /// Who answered.
    pub region: Option<RegionId>,
    /// The region nearest to the edge that received it.
    pub nearest: Option<RegionId>,
    /// Why a region other than the nearest was asked, if one was.
    pub crossed: Option<Crossing>,
    /// What was answered, and why.
    pub decision: Decision,
    /// Whether the answer may be older than what was promised, and says so.
    pub stale: bool,
    /// The status.
    pub status: u16,
    /// How often it was sent.
    pub attempts: u8,
    /// What the edge cache did.
    pub cache: CacheState,
    /// Whether anything was written, where the origin says it.
    pub wrote: Option<bool>,
    /// What the session was promised because of it.
    pub pinned: Option<Pinned>,
    /// How long it took to the head of the answer, in milliseconds.
    pub took: u64,
    /// Which sends failed, in their order, and how.
    pub failures: Vec<(RegionId, Failure)>,
    /// Whether the origin's position could not be read.
    pub position_unreadable: bool,
    /// What was told of the clocks of multi-writer data.
    pub told: StampTold,
    /// Which conflicts were resolved, as the origin says it.
    pub conflicts: Vec<ConflictCount>,
    /// What decided, in order.
    pub trace: Trace,
    /// What it shows of the drill that it took part in.
    pub drilled: Option<Drilled>,
}

/// `Homing-Consistency` of an answer that may be older than what was promised: by how many seconds, where that is known.
pub(super) fn stale(behind: Option<Duration>) -> String {
    behind.map_or_else(|| "stale".to_owned(), |behind| format!("stale; age={}", millis(behind).div_ceil(1000)))
}
