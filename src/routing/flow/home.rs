//! Finding the home: the session, else the isolate's memory, else the home store, else the directory, which assigns one. The
//! store is a cache of the directory: that it holds nothing proves nothing.

use serde::Deserialize;

use super::{Assignment, Flow, Found, Source, Stage, Step, read::Reading};
use crate::routing::{
    memory::Lesson,
    ownership::{Epoch, Owner, Ownership},
    plan::{Freshness, ReadPlan, Standing, standing},
    position::Mark,
    reason::Reason,
    session::Pin,
    settle::{Publish, Settlement, SignIn},
    subject::SubjectId,
    time::Timestamp,
    topology::{RegionId, RegionSet, Rule, SubjectKind, Topology},
};

/// What the home store holds under `home:SUBJECT`, and what the directory answers.
#[derive(Deserialize)]
struct Stored {
    home: String,
    epoch: u64,
    /// Whether the directory has assigned it just now.
    #[serde(default)]
    new: bool,
}

/// Reads a stored ownership, and whether it is new; one that the topology does not permit is none.
fn read_stored(text: &str, topology: &Topology, allowed: RegionSet) -> Option<(Ownership, bool)> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    let home = topology.region_named(&stored.home).filter(|home| allowed.contains(*home))?;
    (stored.epoch > 0).then_some((Ownership { home, epoch: Epoch(stored.epoch) }, stored.new))
}

impl Flow {
    /// After the cache: a read that any near copy may answer needs no home, everything else does.
    pub(super) fn resolve(&mut self, now: Timestamp) -> Step {
        if self.is_read() && !self.freshness.is_promised() {
            self.join_drill(None);
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
        self.join_drill(Some(owned.home));
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
        self.stage = Stage::Finding(Source::Store);
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

    /// By what the request's dataset is split.
    fn split_by(&self) -> Option<SubjectKind> {
        match self.view.topology().dataset(self.intent.dataset?)?.rule {
            Rule::GeoPartitioned { subject, .. } => Some(subject),
            Rule::SingleWriter { .. } | Rule::MultiWriter { .. } => None,
        }
    }

    /// Where the request's subject may live.
    pub(super) fn residency(&self) -> RegionSet {
        let topology = self.view.topology();
        self.split_by().map_or_else(|| topology.all_regions(), |kind| topology.residency(kind))
    }

    pub(super) fn on_home(&mut self, found: Found<'_>, source: Source, now: Timestamp) -> Step {
        let allowed = self.residency();
        let (Some(subject), Some(kind)) = (self.intent.subject.clone(), self.split_by()) else {
            return self.refuse(Reason::Internal, now);
        };
        if let Some(ownership) = self.found(found, source, &subject, allowed) {
            self.join_drill(Some(ownership.home));
            return self.go(Owner::of(ownership), Reason::Home, now);
        }
        // Where the store cannot be asked, what was known lately is as good as what it would have said.
        if found == Found::Failed
            && let Some(ownership) = self.last_known
        {
            self.trace.note(Reason::HomeLastKnown, ownership.home);
            self.join_drill(Some(ownership.home));
            return self.go(Owner::of(ownership), Reason::Home, now);
        }
        if source == Source::Directory {
            return self.homeless(now);
        }
        match self.assignment(subject, kind, allowed) {
            Some(assignment) => {
                self.stage = Stage::Finding(Source::Directory);
                Step::AssignHome(assignment)
            }
            None => self.homeless(now),
        }
    }

    /// What the directory is asked, unless a drill has it out of reach.
    fn assignment(&mut self, subject: SubjectId, kind: SubjectKind, allowed: RegionSet) -> Option<Assignment> {
        let nearest = self.nearest_allowed(allowed);
        let proposed = self.view.topology().region(nearest).name.clone();
        self.may_propose(nearest).then_some(Assignment { subject, kind, proposed })
    }

    /// The ownership that was found, if one was.
    fn found(
        &mut self,
        found: Found<'_>,
        source: Source,
        subject: &SubjectId,
        allowed: RegionSet,
    ) -> Option<Ownership> {
        let stored = match found {
            Found::Value(text) => read_stored(text, self.view.topology(), allowed),
            Found::Absent if source == Source::Store => return None,
            Found::Absent | Found::Failed => {
                let failed = if source == Source::Store { Reason::HomeLookupFailed } else { Reason::DirectoryFailed };
                self.trace.note(failed, None);
                return None;
            }
        };
        let Some((ownership, new)) = stored else {
            self.trace.note(Reason::HomeInvalid, None);
            return None;
        };
        let reason = match source {
            Source::Store => Reason::HomeFromStore,
            Source::Directory if new => Reason::HomeAssigned,
            Source::Directory => Reason::HomeFromDirectory,
        };
        if source == Source::Directory {
            self.publish = Some((subject.clone(), ownership));
        }
        self.trace.note(reason, ownership.home);
        self.lessons.push(Lesson::Home(subject.clone(), ownership));
        Some(ownership)
    }

    /// The nearest region where the subject may live, a healthy one before others.
    fn nearest_allowed(&self, allowed: RegionSet) -> RegionId {
        let near = || self.intent.near.iter().copied().filter(|region| allowed.contains(*region));
        let healthy = near().find(|region| !self.view.is_unwelcome(*region));
        healthy.or_else(|| near().next()).unwrap_or(self.view.topology().default_home())
    }

    fn homeless(&mut self, now: Timestamp) -> Step {
        self.join_drill(None);
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
        mut settlement: Box<Settlement>,
        mut sign_in: Box<SignIn>,
        (found, source): (Found<'_>, Source),
        now: Timestamp,
    ) -> Step {
        let allowed = self.view.topology().residency(sign_in.kind);
        let home = self.found(found, source, &sign_in.subject, allowed);
        if home.is_none()
            && source == Source::Store
            && let Some(assignment) = self.assignment(sign_in.subject.clone(), sign_in.kind, allowed)
        {
            self.stage = Stage::SigningIn(settlement, sign_in, Source::Directory);
            return Step::AssignHome(assignment);
        }
        sign_in.session.home = home.map(|owned| (self.view.topology().region(owned.home).name.clone(), owned.epoch));
        settlement.record.trace.append(std::mem::take(&mut self.trace));
        settlement.lessons.append(&mut self.lessons);
        if let Some((subject, owned)) = self.publish.take() {
            settlement.publish.push(Publish::new(subject, owned, &self.view));
        }
        settlement.issue(&sign_in, &self.intent, &self.view, now);
        Step::Finish(settlement)
    }

    pub(super) fn reading(&mut self, reading: Reading) {
        self.stage = Stage::Reading(reading);
    }
}
