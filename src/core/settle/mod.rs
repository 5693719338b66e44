//! The settlement: all that is left to do once a request is decided. The edge carries it out and adds nothing.

pub(crate) mod answer;
pub(crate) mod conflicts;
pub(crate) mod keep;
pub(crate) mod lagging;
pub(crate) mod observations;
pub(crate) mod private;
pub(crate) mod public;
pub mod record;
pub(crate) mod refusal;
pub(crate) mod session;
pub(crate) mod stored;

use std::rc::Rc;

pub use crate::settle::conflicts::ConflictCount;
pub use crate::settle::record::{Pinned, Record, StampTold, WriteOutcome};
pub use crate::settle::refusal::{problem_fields, refusal};
pub use crate::settle::session::{SignIn, begun};
pub use crate::settle::stored::ShownVariant;
use crate::{
    cache::{key::CacheKey, slice::Slice, state::CacheState, stored::StoredEntry},
    decide::reach::Least,
    http::edits::Edits,
    model::{
        access::Access,
        ids::RegionId,
        reasons::{Crossing, Failure},
        subject::{SubjectId, SubjectKind},
        text,
        time::{Timestamp, millis},
    },
    ownership::{Ownership, record::HomeRecord},
    request::Request,
    state::{
        memory::{Memory, Observation, Purge},
        trace::{Decision, Trace},
        view::View,
    },
};

/// What is left to do.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The status for the client.
    pub status: u16,
    /// Where body and header fields come from.
    pub source: Source,
    /// Changes to those header fields.
    pub edits: Edits,
    /// Whether they keep the answer out of shared caches.
    pub is_private: bool,
    /// What the edge cache should keep.
    pub store: Option<Store>,
    /// What it should forget (RFC 9111 section 4.4).
    pub invalidate: Vec<CacheKey>,
    /// What the home store should learn.
    pub publish: Vec<Publish>,
    /// A tentative home that the directory should keep, since an origin has said yes; then the home store learns it too.
    pub confirm: Option<(SubjectKind, Publish)>,
    /// An ownership that an origin has named, for the directory: it may have lost what it knew. No answer waits for that.
    pub tell: Option<(SubjectKind, Publish)>,
    /// What the isolate should learn.
    pub observations: Vec<Observation>,
    /// Until when it is the answer to all who ask alike, if it is nobody's in particular.
    pub same_until: Option<Timestamp>,
    /// What is told about it.
    pub record: Rc<Record>,
}

impl Settlement {
    /// The record, to change it: nobody shares it until the settlement is carried out.
    pub(crate) fn record_mut(&mut self) -> &mut Record {
        Rc::make_mut(&mut self.record)
    }

    /// Stores nothing that was asked for before a write ended the stored responses of its place, which this isolate may have seen since the
    /// request began: it may show what was there before. Nor anything in a place for which the store has just refused it.
    pub fn forgo_storing_in_vain(&mut self, memory: &Memory, now: Timestamp) {
        let in_vain = |store: &Store| {
            let outdated = |key| memory.purged(key, now).is_some_and(|purge| store.made < purge.at);
            outdated(store.key.hash()) || memory.is_refused(store.key.hash(), now)
        };
        if self.store.as_ref().is_some_and(in_vain) {
            self.store = None;
        }
    }
}

/// Where a response comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The last origin that was asked.
    Origin,
    /// The stored variant in that place, whole or in part.
    Stored(usize, Option<Slice>),
    /// The fields of the stored variant in that place, without its body.
    StoredHead(usize),
    /// The router itself.
    Own(String),
}

/// An entry to keep.
#[derive(Clone, Debug)]
pub struct Store {
    /// The key.
    pub key: CacheKey,
    /// Where fields and body of its first variant come from.
    pub base: Base,
    /// The variants of the entry in hand that go on behind it.
    pub carried: Vec<usize>,
    /// The changes to the first variant's fields.
    pub edits: Edits,
    /// When the request was sent that made or confirmed that variant.
    pub made: Timestamp,
}

/// Where the first variant of an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The origin's answer.
    Origin,
    /// The variant in that place of the entry in hand.
    Stored(usize),
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
        let home = &view.topology().region(owned.home()).name;
        Self { subject, value: HomeRecord::new(home, owned.epoch().0).text() }
    }
}

/// What every settlement is made from.
pub struct Settling<'f> {
    pub(crate) request: &'f Request,
    pub(crate) view: &'f View,
    pub(crate) region: Option<RegionId>,
    pub(crate) decision: Decision,
    pub(crate) cache: CacheState,
    pub(crate) held: Option<&'f StoredEntry>,
    pub(crate) collapsed: bool,
    /// The status of the last answer, if the last send had one.
    pub(crate) heard: Option<u16>,
    pub(crate) attempts: u8,
    pub(crate) crossed: Option<Crossing>,
    pub(crate) asked: Timestamp,
    pub(crate) purged: Option<Purge>,
    /// Whether an earlier send of the write may have done it.
    pub(crate) outcome_unknown: bool,
    pub(crate) now: Timestamp,
    pub(crate) failures: Vec<(RegionId, Failure)>,
    pub(crate) position_unreadable: bool,
    /// The time of the stamp that the origin told, and whether one was too far ahead.
    pub(crate) told: StampTold,
    pub(crate) trace: Trace,
    pub(crate) observations: Vec<Observation>,
    pub(crate) publish: Option<(SubjectId, Ownership)>,
    /// Whether the directory should learn it too, of a subject of that kind.
    pub(crate) tell: Option<SubjectKind>,
    /// The subject's home, if that is tentative.
    pub(crate) tentative: Option<Ownership>,
}

/// What an origin's answer stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The ownership by which the region was asked, if it was asked as the owner.
    pub(crate) owned: Option<Ownership>,
    /// What the region was told that its answer must show at least.
    pub(crate) least: Least,
    /// It may be older than what was promised.
    pub(crate) stale: bool,
}

impl Settling<'_> {
    fn settlement(self, status: u16, source: Source, edits: Edits) -> Settlement {
        let publish = self.publish.map(|(subject, owned)| Publish::new(subject, owned, self.view));
        let tell = self.tell.zip(publish.clone());
        Settlement {
            status,
            source,
            edits,
            is_private: false,
            store: None,
            invalidate: Vec::new(),
            publish: publish.into_iter().collect(),
            confirm: None,
            tell,
            observations: self.observations,
            same_until: None,
            record: Rc::new(Record {
                at: self.request.came,
                method: self.request.method.clone(),
                path: self.request.target.path().to_owned(),
                route: self.request.route,
                dataset: self.request.dataset,
                access: self.request.access,
                region: self.region,
                nearest: self.request.near.first().copied(),
                crossed: self.crossed,
                decision: self.decision,
                stale: false,
                status,
                attempts: self.attempts,
                cache: self.cache,
                wrote: None,
                pinned: None,
                took: millis(self.now.since(self.request.came)),
                failures: self.failures,
                position_unreadable: self.position_unreadable,
                told: self.told,
                conflicts: Vec::new(),
                trace: self.trace,
                drilled: None,
            }),
        }
    }

    /// Adds why the request was forwarded, for `Cache-Status` (RFC 9211); who waited for another's answer has done so in vain.
    fn add_forwarded(&self, field: &mut String) {
        let (name, collapsed) = (self.view.topology().edge_name(), if self.collapsed { "; collapsed=?0" } else { "" });
        text::all(field, &[name, self.cache.forwarded(), collapsed]);
    }

    /// What every answer says: who made it, and why there.
    fn sign(&self, edits: &mut Edits) {
        edits.set("homing-reason", self.decision.token().as_str());
        if let Some(region) = self.region {
            edits.set("homing-region", &self.view.topology().region(region).name);
        }
        if self.request.carried.is_some() {
            // The client's address has in it what came along, and no other site is to see it.
            edits.set("referrer-policy", "no-referrer");
        }
    }

    /// Whether it is a read's.
    pub(crate) fn is_of_read(&self) -> bool {
        self.request.access == Access::Read
    }
}
