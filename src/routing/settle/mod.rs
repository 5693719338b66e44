//! The settlement: all that is left to do once a request is decided. The edge carries it out and adds nothing.

mod answer;
mod session;

use super::{
    attempt::SLACK,
    cache::{CacheKey, Copy},
    flow::Answer,
    headers::{Edit, Edits},
    intent::Intent,
    memory::Lesson,
    ownership::Ownership,
    problem::Problem,
    reason::Reason,
    subject::SubjectId,
    time::{Timestamp, millis},
    topology::{Access, DatasetId, RegionId},
    trace::Trace,
    view::View,
};
pub use session::SignIn;

/// What is left to do.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The status for the client.
    pub status: u16,
    /// Where body and header fields come from.
    pub source: Source,
    /// Changes to those header fields.
    pub edits: Edits,
    /// What the edge cache should keep.
    pub store: Option<Store>,
    /// What it should forget (RFC 9111 section 4.4).
    pub invalidate: Vec<CacheKey>,
    /// What the home store should learn.
    pub publish: Vec<Publish>,
    /// What the isolate should learn.
    pub lessons: Vec<Lesson>,
    /// What is told about it.
    pub record: Record,
}

/// Where a response comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The last origin that was asked.
    Origin,
    /// The stored copy.
    Copy,
    /// The stored copy's fields without its body (304).
    CopyHead,
    /// The router itself.
    Own(String),
}

/// A response to keep: under this key, with these changes to its header fields.
#[derive(Clone, Debug)]
pub struct Store {
    /// The key.
    pub key: CacheKey,
    /// The changes.
    pub edits: Edits,
}

/// An ownership for the home store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Whose.
    pub subject: SubjectId,
    /// The text to store.
    pub value: String,
}

impl Publish {
    /// The ownership as the home store keeps it.
    #[must_use]
    pub fn new(subject: SubjectId, owned: Ownership, view: &View) -> Self {
        let home = &view.topology().region(owned.home).name;
        let value = serde_json::json!({ "home": home, "epoch": owned.epoch.0 }).to_string();
        Self { subject, value }
    }
}

/// What the edge cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// Answered.
    Hit,
    /// Answered with an expired copy, since every region failed.
    Stale,
    /// Held nothing.
    Miss,
    /// Held something expired.
    Expired,
    /// Held something that predates the session's write or the dataset's bound.
    TooOld,
    /// Was not asked, since the client wanted a new answer.
    NotWanted,
    /// Took no part.
    Bypass,
}

impl CacheState {
    /// The reason that stands for it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Hit => Reason::CacheHit,
            Self::Stale => Reason::CacheStale,
            Self::Miss => Reason::CacheMiss,
            Self::Expired => Reason::CacheExpired,
            Self::TooOld => Reason::CacheTooOld,
            Self::NotWanted | Self::Bypass => Reason::CacheBypass,
        }
    }

    /// The word in records: `hit`, `stale`, `miss` or `bypass`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss | Self::Expired | Self::TooOld | Self::NotWanted => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// `Cache-Status` for a request that was forwarded (RFC 9211 section 2.2).
    fn forwarded(self) -> &'static str {
        match self {
            Self::Miss => "homing; fwd=uri-miss",
            Self::Expired => "homing; fwd=stale",
            Self::TooOld | Self::NotWanted => "homing; fwd=request",
            Self::Bypass | Self::Hit | Self::Stale => "homing; fwd=bypass",
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

/// What is told about a request: one log line, one row of the dashboard.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it came.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path; never the query, which may hold secrets.
    pub path: String,
    /// What it concerned.
    pub dataset: Option<DatasetId>,
    /// Whether it could change anything.
    pub access: Access,
    /// Who answered.
    pub region: Option<RegionId>,
    /// Whether a region other than the nearest was asked.
    pub crossed: bool,
    /// Why.
    pub reason: Reason,
    /// The status.
    pub status: u16,
    /// How often it was sent.
    pub attempts: u8,
    /// What the edge cache did.
    pub cache: CacheState,
    /// How long it took to the head of the answer, in milliseconds.
    pub took: u64,
    /// The rules that decided.
    pub trace: Trace,
}

/// What every settlement is made from.
pub struct Ending<'f> {
    pub(super) intent: &'f Intent,
    pub(super) view: &'f View,
    pub(super) region: Option<RegionId>,
    pub(super) reason: Reason,
    pub(super) cache: CacheState,
    pub(super) attempts: u8,
    pub(super) crossed: bool,
    pub(super) asked: Timestamp,
    pub(super) now: Timestamp,
    pub(super) trace: Trace,
    pub(super) lessons: Vec<Lesson>,
    pub(super) publish: Option<(SubjectId, Ownership)>,
}

impl Ending<'_> {
    fn settlement(self, status: u16, source: Source, edits: Edits) -> Settlement {
        let publish = self.publish.map(|(subject, owned)| Publish::new(subject, owned, self.view));
        Settlement {
            status,
            source,
            edits,
            store: None,
            invalidate: Vec::new(),
            publish: publish.into_iter().collect(),
            lessons: self.lessons,
            record: Record {
                at: self.intent.came,
                method: self.intent.method.clone(),
                path: self.intent.path().to_owned(),
                dataset: self.intent.dataset,
                access: self.intent.access,
                region: self.region,
                crossed: self.crossed,
                reason: self.reason,
                status,
                attempts: self.attempts,
                cache: self.cache,
                took: millis(self.now.since(self.intent.came)),
                trace: self.trace,
            },
        }
    }

    /// What every answer says: who made it, and why there.
    fn signature(&self) -> Edits {
        let region = self.region.map(|id| self.view.topology().region(id).name.clone());
        let mut edits = vec![Edit::Set("homing-reason", self.reason.token().to_owned())];
        edits.extend(region.map(|name| Edit::Set("homing-region", name)));
        edits
    }

    /// A problem of the router's own.
    #[must_use]
    pub fn problem(self, problem: &Problem) -> Settlement {
        let mut edits = self.signature();
        edits.push(Edit::Set("cache-status", self.cache.forwarded().to_owned()));
        edits.extend(problem_fields(problem));
        self.settlement(problem.status, Source::Own(problem.body()), edits)
    }

    /// A write that failed. One whose outcome is unknown leaves a pin: the session may read what became of it.
    #[must_use]
    pub fn failed_write(self, problem: &Problem, outcome: WriteOutcome, owned: Option<Ownership>) -> Settlement {
        let (intent, view, now) = (self.intent, self.view, self.now);
        let pinned = match (outcome, owned) {
            (WriteOutcome::Unknown, Some(owned)) => session::pinned(intent, view, owned.home, now),
            _ => None,
        };
        let mut settlement = self.problem(problem);
        settlement.edits.push(Edit::Set("homing-write-outcome", outcome.token().to_owned()));
        if let Some(session) = pinned {
            settlement.carry(&session, intent, view, now);
        }
        settlement
    }

    /// A stored copy for the client, fresh or stale.
    #[must_use]
    pub fn from_copy(self, copy: &Copy, stored: &Answer<'_>) -> Settlement {
        answer::from_copy(self, copy, stored)
    }
}

/// The header fields of a problem; the same for those that are found before a flow exists.
#[must_use]
pub fn problem_fields(problem: &Problem) -> Edits {
    let mut edits = vec![
        Edit::Set("content-type", "application/problem+json".to_owned()),
        Edit::Set("cache-control", "no-store".to_owned()),
    ];
    if let Some(after) = problem.retry_after {
        edits.push(Edit::Set(
            "retry-after",
            after.max(std::time::Duration::from_secs(1)).min(SLACK).as_secs().to_string(),
        ));
    }
    // RFC 9209 section 2.3.
    let error = match problem.reason {
        Reason::WriteNotSent => Some("connection_refused"),
        Reason::WriteUnknown | Reason::HomeDown | Reason::AllRegionsFailed => Some("destination_unavailable"),
        Reason::DeadlineExceeded => Some("http_response_timeout"),
        Reason::Loop => Some("proxy_loop_detected"),
        Reason::Internal => Some("proxy_internal_error"),
        Reason::BodyOnGet
        | Reason::BadRequest
        | Reason::RequestIncomplete
        | Reason::UrlTooLong
        | Reason::HeadersTooLarge => Some("http_request_error"),
        _ => None,
    };
    edits.extend(error.map(|error| Edit::Set("proxy-status", format!("homing; error={error}"))));
    edits
}

/// A request that was refused before it became a flow. A write among them was certainly not sent.
#[must_use]
pub fn refusal(problem: &Problem, access: Access) -> (u16, Edits, String) {
    let mut edits = vec![
        Edit::Set("homing-reason", problem.reason.token().to_owned()),
        Edit::Set("cache-status", CacheState::Bypass.forwarded().to_owned()),
    ];
    if access == Access::Write {
        edits.push(Edit::Set("homing-write-outcome", WriteOutcome::NotSent.token().to_owned()));
    }
    edits.extend(problem_fields(problem));
    (problem.status, edits, problem.body())
}
