//! Finding the home: the session, else the isolate's memory, else the home store, else an assignment.

use serde::Deserialize;

use super::{Flow, Found, Stage, Step, read::Reading};
use crate::routing::{
    memory::Lesson,
    ownership::{Epoch, Owner, Ownership},
    plan::{Freshness, ReadPlan, Standing, standing},
    position::Mark,
    reason::Reason,
    session::Pin,
    settle::{Publish, Settlement, SignIn},
    time::Timestamp,
    topology::{RegionId, RegionSet, Rule, Topology},
};

/// What the home store holds under `home:SUBJECT`.
#[derive(Deserialize)]
struct Stored {
    home: String,
    epoch: u64,
}

/// Reads a stored ownership; one that the topology does not permit is none.
fn read_stored(text: &str, topology: &Topology, allowed: RegionSet) -> Option<Ownership> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    let home = topology.region_named(&stored.home).filter(|home| allowed.contains(*home))?;
    (stored.epoch > 0).then_some(Ownership { home, epoch: Epoch(stored.epoch) })
}

impl Flow {
    /// After the cache: a read that any near copy may answer needs no home, everything else does.
    pub(super) fn resolve(&mut self, now: Timestamp) -> Step {
        if self.is_read() && !self.freshness.is_promised() {
            let plan = ReadPlan::near(&self.intent, &self.view, &self.freshness, &mut self.trace);
            return self.begin_read(plan, None, None, now);
        }
        if let (true, Freshness::AtLeast(pin, mark)) = (self.is_read(), &self.freshness) {
            let demand = (pin.clone(), *mark);
            return self.read_at_least(&demand.0, demand.1, now);
        }
        match standing(&self.intent, &self.view) {
            Standing::Owned(owner, reason) => self.go(owner, reason, now),
            Standing::BySubject => match self.known_home() {
                Some((ownership, source)) => {
                    self.trace.note(source, ownership.home);
                    self.go(Owner::of(ownership), Reason::Home, now)
                }
                None => self.look_up(now),
            },
        }
    }

    /// A read that a copy at the session's mark or further may answer, or home.
    fn read_at_least(&mut self, pin: &Pin, mark: Mark, now: Timestamp) -> Step {
        let marked = self.marked(pin, mark);
        let known = match standing(&self.intent, &self.view) {
            // Nobody else owns a multi-writer dataset: the write is where the session made it.
            Standing::Owned(owner, Reason::NearestOwner) => marked.unwrap_or(owner.ownership()),
            Standing::Owned(owner, _) => owner.ownership(),
            Standing::BySubject => match self.known_home().map(|(ownership, _)| ownership).or(marked) {
                Some(ownership) => ownership,
                None => return self.look_up(now),
            },
        };
        let owned = self.or_marked(known);
        if marked == Some(owned) {
            let plan = ReadPlan::at_least(&self.intent, &self.view, owned.home, (pin, mark), &mut self.trace);
            return self.begin_read(plan, Some(Owner::of(owned)), Some(mark), now);
        }
        let reason = Reason::PositionOfOldEpoch;
        let plan = ReadPlan::home(&self.intent, &self.view, owned.home, reason, &mut self.trace);
        self.begin_read(plan, Some(Owner::of(owned)), None, now)
    }

    /// The owner by whose log the session's mark counts, if the topology still knows it.
    fn marked(&self, pin: &Pin, mark: Mark) -> Option<Ownership> {
        let home = self.view.topology().region_named(&pin.region).filter(|home| self.residency().contains(*home))?;
        Some(Ownership { home, epoch: mark.epoch })
    }

    /// That owner, or the one of the session's mark: a session may have heard of a later owner than this isolate.
    fn or_marked(&self, known: Ownership) -> Ownership {
        let marked = self.session_mark().and_then(|(pin, mark)| self.marked(pin, mark));
        marked.filter(|marked| marked.epoch > known.epoch).unwrap_or(known)
    }

    /// What the session has seen of the dataset, where its origins report positions.
    pub(super) fn session_mark(&self) -> Option<(&Pin, Mark)> {
        let dataset = self.view.topology().dataset(self.intent.dataset?)?;
        dataset.position?;
        self.intent.session.session.mark(&dataset.name, self.intent.subject.as_ref())
    }

    /// What the session has seen of that owner's log: home too may answer from a copy of its own that is behind.
    fn mark_of(&self, owned: Ownership) -> Option<Mark> {
        let dataset = self.view.topology().dataset(self.intent.dataset?)?;
        // The watermark of one of several owners may lie before its own last write.
        let counts = !matches!(dataset.rule, Rule::MultiWriter { .. });
        let (pin, mark) = self.session_mark().filter(|_| counts)?;
        (self.marked(pin, mark) == Some(owned)).then_some(mark)
    }

    fn look_up(&mut self, now: Timestamp) -> Step {
        let Some(subject) = self.intent.subject.clone() else {
            return self.refuse(Reason::Internal, now);
        };
        self.stage = Stage::Finding;
        Step::LookUpHome(subject)
    }

    /// The subject's home as the session or the isolate's memory knows it, the later epoch first.
    pub(super) fn known_home(&self) -> Option<(Ownership, Reason)> {
        let session = self.home_from_session();
        match (session, self.remembered) {
            (Some(session), Some(memory)) if memory.epoch > session.epoch => Some((memory, Reason::HomeFromMemory)),
            (Some(session), _) => Some((session, Reason::HomeFromSession)),
            (None, Some(memory)) => Some((memory, Reason::HomeFromMemory)),
            (None, None) => None,
        }
    }

    fn home_from_session(&self) -> Option<Ownership> {
        let session = &self.intent.session.session;
        let (home, epoch) = session.home.as_ref().filter(|_| session.subject == self.intent.subject)?;
        let home = self.view.topology().region_named(home).filter(|home| self.residency().contains(*home))?;
        Some(Ownership { home, epoch: *epoch })
    }

    /// Where the request's subject may live.
    pub(super) fn residency(&self) -> RegionSet {
        let topology = self.view.topology();
        match self.intent.dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule) {
            Some(Rule::GeoPartitioned { subject, .. }) => topology.residency(*subject),
            _ => topology.all_regions(),
        }
    }

    pub(super) fn on_home(&mut self, found: Found<'_>, now: Timestamp) -> Step {
        let allowed = self.residency();
        let Some(subject) = self.intent.subject.clone() else {
            return self.refuse(Reason::Internal, now);
        };
        match self.found(found, subject, allowed) {
            Some(ownership) => self.go(Owner::of(ownership), Reason::Home, now),
            None => match self.last_known {
                Some(ownership) => {
                    self.trace.note(Reason::HomeLastKnown, ownership.home);
                    self.go(Owner::of(ownership), Reason::Home, now)
                }
                None => self.homeless(now),
            },
        }
    }

    /// What the home store's answer comes to. Only its saying "nothing is stored" assigns a home; a failure never does.
    fn found(
        &mut self,
        found: Found<'_>,
        subject: crate::routing::subject::SubjectId,
        allowed: RegionSet,
    ) -> Option<Ownership> {
        let (ownership, reason) = match found {
            Found::Value(text) => match read_stored(text, self.view.topology(), allowed) {
                Some(ownership) => (ownership, Reason::HomeFromStore),
                None => {
                    self.trace.note(Reason::HomeInvalid, None);
                    return None;
                }
            },
            Found::Absent => {
                let ownership = Ownership { home: self.nearest_allowed(allowed), epoch: Epoch::FIRST };
                self.publish = Some((subject.clone(), ownership));
                (ownership, Reason::HomeAssigned)
            }
            Found::Failed => {
                self.trace.note(Reason::HomeLookupFailed, None);
                return None;
            }
        };
        self.trace.note(reason, ownership.home);
        self.lessons.push(Lesson::Home(subject, ownership));
        Some(ownership)
    }

    /// The nearest region where the subject may live, a healthy one before a suspect one.
    fn nearest_allowed(&self, allowed: RegionSet) -> RegionId {
        let near = || self.intent.near.iter().copied().filter(|region| allowed.contains(*region));
        let healthy = near().find(|region| !self.view.is_suspect(*region));
        healthy.or_else(|| near().next()).unwrap_or(self.view.topology().default_home())
    }

    fn homeless(&mut self, now: Timestamp) -> Step {
        if !self.is_read() {
            return self.refuse_write(Reason::HomeUnknown, now);
        }
        let plan = ReadPlan::homeless(&self.intent, &self.view, &mut self.trace);
        self.begin_read(plan, None, None, now)
    }

    fn go(&mut self, owner: Owner, reason: Reason, now: Timestamp) -> Step {
        if !self.is_read() {
            return self.begin_write(owner, reason, now);
        }
        let mut owned = self.or_marked(owner.ownership());
        let reason = match &self.freshness {
            Freshness::Pinned(pin) => {
                // Nobody else owns a multi-writer dataset: the write is where the session made it.
                let wrote = self.view.topology().region_named(&pin.region);
                owned.home = wrote.filter(|_| reason == Reason::NearestOwner).unwrap_or(owned.home);
                Reason::PinnedHome
            }
            _ => Reason::RouteHome,
        };
        let plan = ReadPlan::home(&self.intent, &self.view, owned.home, reason, &mut self.trace);
        let least = self.mark_of(owned);
        self.begin_read(plan, Some(Owner::of(owned)), least, now)
    }

    /// After a sign-in: the session starts with the subject's home, or without one if nobody could say.
    pub(super) fn signed_in(
        &mut self,
        mut settlement: Settlement,
        mut sign_in: SignIn,
        found: Found<'_>,
        now: Timestamp,
    ) -> Step {
        let allowed = self.view.topology().residency(sign_in.kind);
        let home = self.found(found, sign_in.subject.clone(), allowed);
        sign_in.session.home = home.map(|owned| (self.view.topology().region(owned.home).name.clone(), owned.epoch));
        settlement.record.trace.append(std::mem::take(&mut self.trace));
        settlement.lessons.append(&mut self.lessons);
        if let Some((subject, owned)) = self.publish.take() {
            settlement.publish.push(Publish::new(subject, owned, &self.view));
        }
        settlement.issue(&sign_in, &self.intent, &self.view, now);
        Step::Finish(Box::new(settlement))
    }

    pub(super) fn reading(&mut self, reading: Reading) {
        self.stage = Stage::Reading(reading);
    }
}
