//! The settlement: all that is left to do once a request is decided. The edge carries it out and adds nothing.

mod answer;
mod lessons;
mod record;
mod refusal;
mod session;

use super::{
    answer::Answer,
    cache::{CacheKey, Copy},
    headers::{Edit, Edits},
    intent::Intent,
    memory::Lesson,
    ownership::Ownership,
    position::Mark,
    problem::Problem,
    reason::Reason,
    subject::SubjectId,
    time::{Timestamp, millis},
    topology::RegionId,
    trace::Trace,
    view::View,
};
pub use record::{CacheState, Pinned, Record, WriteOutcome};
pub use refusal::{problem_fields, refusal};
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
    pub invalidate: Option<CacheKey>,
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
    /// Whether an earlier send of the write may have done it.
    pub(super) unsure: bool,
    pub(super) now: Timestamp,
    pub(super) trace: Trace,
    pub(super) lessons: Vec<Lesson>,
    pub(super) publish: Option<(SubjectId, Ownership)>,
}

/// What an origin's answer stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// The ownership by which the region was asked, if it was asked as the owner.
    pub(super) owned: Option<Ownership>,
    /// What the region was told that its answer must show at least.
    pub(super) least: Option<Mark>,
    /// It may be older than what was promised.
    pub(super) stale: bool,
}

impl Ending<'_> {
    fn settlement(self, status: u16, source: Source, edits: Edits) -> Settlement {
        let publish = self.publish.map(|(subject, owned)| Publish::new(subject, owned, self.view));
        Settlement {
            status,
            source,
            edits,
            store: None,
            invalidate: None,
            publish: publish.into_iter().collect(),
            lessons: self.lessons,
            record: Record {
                at: self.intent.came,
                method: self.intent.method.clone(),
                path: self.intent.path().to_owned(),
                route: self.intent.route,
                dataset: self.intent.dataset,
                access: self.intent.access,
                region: self.region,
                crossed: self.crossed,
                reason: self.reason,
                status,
                attempts: self.attempts,
                cache: self.cache,
                wrote: None,
                pinned: None,
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
        if let Some((session, pinned)) = pinned {
            settlement.record.pinned = Some(pinned);
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
