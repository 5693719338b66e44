//! What all phases of a request know and share. Nothing here knows what comes next.

use std::rc::Rc;

use super::passed::Passed;
use crate::{
    cache::{state::CacheState, stored::StoredEntry},
    decide::{attempt, plan::Freshness},
    model::{
        access::Access,
        ids::RegionId,
        reasons::{Choice, Crossing, Exclusion, Failure},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::Ownership,
    request::Request,
    settle::{Settling, StampTold},
    state::{
        drill::Part,
        health::Sending,
        memory::{Memory, Observation, Purge},
        trace::{Decision, Trace, TraceEvent},
        view::View,
    },
};

/// Sends that do not count, since they were in vain: one for each cause.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Excused {
    /// Its connection had been closed.
    pub(super) closed: bool,
    /// Its region has done nothing, for it was behind, and is asked for what it has.
    pub(super) behind: bool,
}

/// The request, the view by which it is decided, and what has come of it so far.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) view: Rc<View>,
    pub(super) request: Request,
    pub(super) freshness: Freshness,
    pub(super) ends: Timestamp,
    /// The time of the event that is being handled.
    pub(super) now: Timestamp,
    /// What the isolate remembers of the subject's home: lately, and ever.
    pub(super) remembered: Option<Ownership>,
    /// Whether the visitor may name one more subject that nobody knows.
    pub(super) may_name: bool,
    pub(super) last_known: Option<Ownership>,
    /// What is told of it; nothing decides by that.
    pub(super) trace: Trace,
    /// What was found against regions.
    pub(super) passed: Passed,
    /// Which sends failed, in their order, and how.
    pub(super) failures: Vec<(RegionId, Failure)>,
    /// Whether it takes part in a drill.
    pub(super) part: Part,
    pub(super) cache: CacheState,
    /// What lies in the driver's hands: worth asking about, and shown if every region fails.
    pub(super) held: Option<StoredEntry>,
    /// The last write that ended the stored responses under the request's key, as far as this isolate knew when the request began.
    pub(super) purged: Option<Purge>,
    /// Whether the last send asked about the stored response in hand.
    pub(super) conditional: bool,
    /// Whether no send may: an origin has contradicted itself.
    pub(super) unconditional: bool,
    /// Whether other requests of the same key are not waited for, since answers there could not be stored lately.
    pub(super) in_vain: bool,
    /// Whether another request of the same key was waited for.
    pub(super) collapsed: bool,
    /// The status of the last answer, if the last send had one.
    pub(super) heard: Option<u16>,
    pub(super) attempts: u8,
    /// Which of these do not count.
    pub(super) excused: Excused,
    /// Why a region other than the nearest was asked, if one was.
    pub(super) crossed: Option<Crossing>,
    /// When the last send began.
    pub(super) asked: Timestamp,
    /// The send of which nothing was heard yet.
    pub(super) sending: Option<Sending>,
    /// Where the write may have been done by a send of which nothing was heard.
    pub(super) outcome_unknown: Option<Ownership>,
    /// Whether the directory has been asked to correct the home by which a region was asked.
    pub(super) is_corrected: bool,
    /// Where an origin says that the subject lives whom it names.
    pub(super) lives: Option<RegionId>,
    pub(super) observations: Vec<Observation>,
    /// An ownership that the home store should learn.
    pub(super) publish: Option<(SubjectId, Ownership)>,
    /// Whether the directory should learn it too: an origin has said so, and it may have lost what it knew.
    pub(super) tell: Option<SubjectKind>,
}

impl Context {
    /// The request as it begins: what the isolate remembers is read once.
    pub(super) fn new(request: Request, mut view: Rc<View>, memory: &Memory, now: Timestamp) -> Self {
        Rc::make_mut(&mut view).look_again(memory.health(), request.asking(), now);
        let freshness = Freshness::of(&request, &view);
        let subject = request.subject.as_ref();
        Self {
            freshness,
            ends: attempt::total_deadline(&request),
            remembered: subject.and_then(|subject| memory.home(subject, now)),
            may_name: subject.is_none() || memory.may_name_subjects(request.visitor, now),
            last_known: subject.and_then(|subject| memory.last_known_home(subject)),
            trace: Trace::default(),
            passed: Passed::default(),
            failures: Vec::new(),
            part: Part::Out,
            cache: CacheState::Bypass,
            held: None,
            purged: None,
            conditional: false,
            unconditional: false,
            in_vain: false,
            collapsed: false,
            heard: None,
            attempts: 0,
            excused: Excused::default(),
            crossed: None,
            asked: now,
            now,
            sending: None,
            outcome_unknown: None,
            is_corrected: false,
            lives: None,
            observations: Vec::new(),
            publish: None,
            tell: None,
            view,
            request,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.request.access == Access::Read
    }

    /// Tells of it in the trace, by which nothing decides.
    pub(super) fn note(&mut self, event: TraceEvent) {
        self.trace.note(event);
    }

    /// Notes what speaks against a region.
    pub(super) fn note_against(&mut self, region: RegionId, exclusion: Exclusion) {
        self.passed.exclude(region, exclusion, self.nearest());
        self.note(TraceEvent::Excluded(region, exclusion));
    }

    /// Notes how a send failed.
    pub(super) fn note_failure(&mut self, region: RegionId, failure: Failure) {
        self.failures.push((region, failure));
        self.passed.fail(region, failure, self.nearest());
        self.note(TraceEvent::Failed(region, failure));
    }

    /// Notes which region is asked, and why it is that one; where it is not the nearest, that counts as why the request crossed.
    pub(super) fn note_choice(&mut self, region: RegionId, choice: Choice) {
        if self.nearest() != Some(region) {
            self.crossed = self.crossed.or(Some(Crossing::of(choice, self.passed.nearest)));
        }
        self.note(TraceEvent::Chosen(region, choice));
    }

    fn nearest(&self) -> Option<RegionId> {
        self.request.near.first().copied()
    }

    /// What every settlement is made from.
    pub(super) fn settling(&mut self, region: Option<RegionId>, decision: Decision) -> Settling<'_> {
        Settling {
            request: &self.request,
            view: &self.view,
            region,
            decision,
            cache: self.cache,
            held: self.held.as_ref(),
            collapsed: self.collapsed,
            heard: self.heard,
            attempts: self.attempts,
            crossed: self.crossed,
            asked: self.asked,
            purged: self.purged,
            outcome_unknown: self.outcome_unknown.is_some(),
            now: self.now,
            failures: std::mem::take(&mut self.failures),
            position_unreadable: false,
            told: StampTold { is_ahead: self.request.session.clock_ahead, ..StampTold::default() },
            trace: std::mem::take(&mut self.trace),
            observations: std::mem::take(&mut self.observations),
            publish: self.publish.take(),
            tell: self.tell.take(),
            tentative: self.remembered.filter(Ownership::is_tentative),
        }
    }
}
