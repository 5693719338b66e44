//! What all phases of a request know and share. Nothing here knows what comes next.

use std::{rc::Rc, time::Duration};

use crate::{
    cache::stored::StoredEntry,
    decide::{attempt, plan::Freshness},
    model::{
        access::Access,
        ids::{RegionId, RegionSet},
        position::Mark,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
        token::Token,
    },
    ownership::{Ownership, stated::Log},
    request::Request,
    session::Pin,
    settle::{Settling, record::CacheState},
    state::{
        drill::Part,
        health::{Health, Sending},
        memory::{Memory, Observation, Purge},
        trace::Trace,
        view::View,
    },
    topology::dataset::Rule,
};

/// Least and most backoff before something is sent again.
const BACKOFF: (u64, u64) = (25, 250);

/// The request, the view by which it is decided, and what has come of it so far.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) view: Rc<View>,
    pub(super) request: Request,
    pub(super) freshness: Freshness,
    pub(super) ends: Timestamp,
    /// What the isolate remembers of the subject's home: lately, and ever.
    pub(super) remembered: Option<Ownership>,
    /// Whether the visitor may name one more subject that nobody knows.
    pub(super) may_name: bool,
    pub(super) last_known: Option<Ownership>,
    pub(super) trace: Trace,
    /// Whether it takes part in a drill.
    pub(super) part: Part,
    pub(super) cache: CacheState,
    /// What lies in the driver's hands: worth asking about, and shown if every region fails.
    pub(super) held: Option<StoredEntry>,
    /// The last write that ended the copies under the request's key, as far as this isolate knew when the request began.
    pub(super) purged: Option<Purge>,
    /// Whether the last send asked about the held copy.
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
    /// Whether one of these was in vain since its connection had been closed, so that it does not count.
    pub(super) again: bool,
    /// Why a region other than the nearest was asked, if one was.
    pub(super) crossed: Option<Token>,
    /// When the last send began.
    pub(super) asked: Timestamp,
    /// The send of which nothing was heard yet.
    pub(super) sending: Option<Sending>,
    /// Where the write may have been done by a send of which nothing was heard.
    pub(super) outcome_unknown: Option<Ownership>,
    /// By which ownership a region was asked that says that the data is elsewhere.
    pub(super) denied: Option<Ownership>,
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
            again: false,
            crossed: None,
            asked: now,
            sending: None,
            outcome_unknown: None,
            denied: None,
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

    /// What every settlement is made from.
    pub(super) fn settling(&mut self, region: Option<RegionId>, reason: Token, now: Timestamp) -> Settling<'_> {
        Settling {
            request: &self.request,
            view: &self.view,
            region,
            reason,
            cache: self.cache,
            held: self.held.as_ref(),
            collapsed: self.collapsed,
            heard: self.heard,
            attempts: self.attempts,
            crossed: self.crossed,
            asked: self.asked,
            purged: self.purged,
            outcome_unknown: self.outcome_unknown.is_some(),
            now,
            trace: std::mem::take(&mut self.trace),
            observations: std::mem::take(&mut self.observations),
            publish: self.publish.take(),
            tell: self.tell.take(),
            tentative: self.remembered.filter(Ownership::is_tentative),
        }
    }

    /// The owner of a multi-writer dataset where the session wrote: nobody else has the write for certain.
    pub(super) fn wrote_at(&self, pin: &Pin) -> Option<Ownership> {
        let topology = self.view.topology();
        Ownership::among_several(topology, self.request.dataset?, topology.region_named(&pin.region)?)
    }

    /// By whose log the session's mark counts, if the topology still knows that region.
    pub(super) fn log_of(&self, pin: &Pin, mark: Mark) -> Option<Log> {
        let home = self.view.topology().region_named(&pin.region).filter(|home| self.residency().contains(*home))?;
        Some(Log { home, epoch: mark.epoch })
    }

    /// What the session has seen of the dataset, where its origins report positions.
    pub(super) fn session_mark(&self) -> Option<(&Pin, Mark)> {
        let dataset = self.view.topology().dataset(self.request.dataset?)?;
        dataset.position?;
        self.request.session.session.mark(&dataset.name, self.request.subject.as_ref())
    }

    /// What the session has seen of that owner's log: home too may answer from a copy of its own that is behind.
    pub(super) fn mark_of(&self, owned: Ownership) -> Option<Mark> {
        let dataset = self.view.topology().dataset(self.request.dataset?)?;
        // The watermark of one of several owners may lie before its own last write.
        let counts = !matches!(dataset.rule, Rule::MultiWriter { .. });
        let (pin, mark) = self.session_mark().filter(|_| counts)?;
        (self.log_of(pin, mark) == Some(owned.log())).then_some(mark)
    }

    /// The subject's home as the session or the isolate's memory knows it, the later epoch first.
    pub(super) fn known_home(&self) -> Option<(Ownership, Token)> {
        let session = self.request.home_in_session(self.view.topology());
        match (session, self.remembered) {
            (Some(session), Some(memory)) if memory.epoch() > session.epoch() => Some((memory, Token::HomeFromMemory)),
            (Some(session), _) => Some((session, Token::HomeFromSession)),
            (None, Some(memory)) => Some((memory, Token::HomeFromMemory)),
            (None, None) => None,
        }
    }

    /// By what the request's dataset is split.
    pub(super) fn split_by(&self) -> Option<SubjectKind> {
        self.view.topology().dataset(self.request.dataset?)?.rule.split_by()
    }

    /// Where the request's subject may live.
    pub(super) fn residency(&self) -> RegionSet {
        let topology = self.view.topology();
        self.split_by().map_or_else(|| topology.all_regions(), |kind| topology.residency(kind))
    }

    /// Where an origin has said meanwhile whose the request is: the session begins with that one's home.
    pub(super) fn note_home(&mut self, owned: Ownership) {
        if let (true, Some(kind)) = (self.request.begun, self.split_by()) {
            self.request.session.session.subjects.settle(kind, owned, self.view.topology());
        }
    }

    /// The nearest region where the subject may live, a healthy one before others.
    pub(super) fn nearest_allowed(&self, allowed: RegionSet) -> RegionId {
        let near = || self.request.near.iter().copied().filter(|region| allowed.contains(*region));
        let healthy = near().find(|region| !self.view.is_unwelcome(*region));
        healthy.or_else(|| near().next()).unwrap_or(self.view.topology().default_home())
    }

    /// Remembers a later owner that an origin named, and tells the home store where it is a subject's.
    pub(super) fn learn_owner(&mut self, named: Ownership) {
        self.note_home(named);
        match (&self.request.subject, self.request.dataset) {
            (Some(subject), _) => {
                self.observations.push(Observation::Home(subject.clone(), named));
                self.publish = Some((subject.clone(), named));
                self.tell = self.split_by();
            }
            (None, Some(dataset)) => self.observations.push(Observation::Moved(dataset, named)),
            (None, None) => {}
        }
    }

    /// Jittered, so that those who failed together do not come back together.
    pub(super) fn backoff(&self) -> Duration {
        let (least, most) = BACKOFF;
        Duration::from_millis(least + self.request.entropy % (most - least + 1))
    }

    /// Whether the budget allows to send a write again.
    pub(super) fn may_repeat(&mut self, health: &Health) -> bool {
        let may = health.may_repeat(Access::Write);
        if !may {
            self.trace.note(Token::RetryBudgetSpent, None);
        }
        may
    }
}
