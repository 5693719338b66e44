//! What is told about a request: of the cache, of a write, of the whole.

use std::{fmt, time::Duration};

use crate::{
    model::{
        access::Access,
        ids::{DatasetId, RegionId},
        reasons::{Crossing, Failure},
        time::{Timestamp, millis},
        token::Token,
    },
    state::{
        drill::Drilled,
        memory::lag::PinWindow,
        trace::{Decision, Trace},
    },
};

/// What the edge cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// Answered.
    Hit,
    /// Answered with an expired copy while a new one is fetched.
    Updating,
    /// Answered with an expired copy, since the client takes one.
    Tolerated,
    /// Answered with an expired copy, since every region failed.
    Stale,
    /// StoredEntry nothing.
    Miss,
    /// StoredEntry something expired.
    Expired,
    /// StoredEntry something that predates the session's write or the dataset's bound.
    TooOld,
    /// StoredEntry nothing for a request with these fields.
    VaryMiss,
    /// StoredEntry parts, and not the one that the request asks for.
    Partial,
    /// StoredEntry something coded in a way that the client cannot decode.
    Undecodable,
    /// StoredEntry something that is not new enough for the client.
    NotWanted,
    /// Was not asked: the method's answers never come from it.
    Method,
    /// Took no part.
    Bypass,
}

impl CacheState {
    /// Whether a fresh stored response answered.
    #[must_use]
    pub fn is_hit(self) -> bool {
        self == Self::Hit
    }

    /// By which it is told.
    #[must_use]
    pub fn token(self) -> Token {
        match self {
            Self::Hit | Self::Tolerated => Token::CacheHit,
            Self::Updating => Token::CacheUpdating,
            Self::Stale => Token::CacheStale,
            Self::Miss => Token::CacheMiss,
            Self::Expired => Token::CacheExpired,
            Self::TooOld => Token::CacheTooOld,
            Self::Undecodable => Token::CacheUndecodable,
            Self::VaryMiss => Token::CacheVaryMiss,
            Self::Partial => Token::CachePartial,
            Self::NotWanted => Token::CacheNotWanted,
            Self::Method => Token::CacheMethod,
            Self::Bypass => Token::CacheBypass,
        }
    }

    /// The word in records: `hit`, `stale`, `miss` or `bypass`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale | Self::Updating | Self::Tolerated => "stale",
            Self::Miss
            | Self::Expired
            | Self::TooOld
            | Self::VaryMiss
            | Self::Partial
            | Self::Undecodable
            | Self::NotWanted => "miss",
            Self::Method | Self::Bypass => "bypass",
        }
    }

    /// Why a copy answered that is not fresh; a detail of `Cache-Status`.
    pub(super) fn stale_reason(self) -> Option<&'static str> {
        match self {
            Self::Updating => Some("stale-while-revalidate"),
            Self::Tolerated => Some("max-stale"),
            Self::Stale => Some("stale-if-error"),
            _ => None,
        }
    }

    /// Why a request was forwarded, as a parameter of `Cache-Status` (RFC 9211 section 2.2).
    pub(super) fn forwarded(self) -> &'static str {
        match self {
            Self::Miss => "; fwd=uri-miss",
            Self::Expired | Self::Stale => "; fwd=stale",
            Self::TooOld | Self::NotWanted => "; fwd=request",
            Self::VaryMiss | Self::Undecodable => "; fwd=vary-miss",
            Self::Partial => "; fwd=partial",
            Self::Method => "; fwd=method",
            Self::Bypass | Self::Hit | Self::Updating | Self::Tolerated => "; fwd=bypass",
        }
    }
}

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
    /// Reads of copies that have reached this position of the owner's log.
    Position(String),
}

impl fmt::Display for Pinned {
    /// The promise and why it is what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "reads of a copy at {position} or further"),
            Self::Window(PinWindow { length, p99: Some(p99), .. }) => {
                write!(
                    f,
                    "reads at home for {} ms: twice the 99th percentile of the lag, {} ms",
                    millis(*length),
                    millis(*p99)
                )
            }
            Self::Window(PinWindow { length, p99: None, .. }) => {
                write!(f, "reads at home for {} ms: too little lag was measured to say less", millis(*length))
            }
        }
    }
}

/// What is told about a request: one log line, one row of the dashboard.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it came.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
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
    /// What decided, in order.
    pub trace: Trace,
    /// What it shows of the drill that it took part in.
    pub drilled: Option<Drilled>,
}

/// `Homing-Consistency` of an answer that may be older than what was promised: by how many seconds, where that is known.
pub(super) fn stale(behind: Option<Duration>) -> String {
    behind.map_or_else(|| "stale".to_owned(), |behind| format!("stale; age={}", millis(behind).div_ceil(1000)))
}
