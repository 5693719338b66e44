//! Finding the home: the session, else the isolate's memory, else the home store, else the directory, which assigns one. The
//! store is a cache of the directory: that it holds nothing proves nothing.

use super::{
    Flow, Stage,
    read::Reading,
    step::{Assignment, Found, Step},
};
use crate::{
    decide::{
        plan::{Freshness, ReadPlan, Standing, standing},
        reach::PositionDemand,
    },
    model::{
        ids::{RegionId, RegionSet},
        position::Mark,
        subject::SubjectId,
        time::Timestamp,
        token::Token,
    },
    ownership::{
        Owner, Ownership,
        evidence::{Keeper, Kept},
        stated::Log,
    },
    session::Pin,
    settle::{Publish, Settlement, session::SignIn},
    state::memory::Observation,
    topology::dataset::{Rule, SubjectKind},
};

impl Flow {
    /// After the cache: a read that any near copy may answer needs no home, everything else does.
    pub(super) fn resolve(&mut self, now: Timestamp) -> Step {
        if self.is_read() && !self.freshness.is_promised() {
            self.join_drill(None);
            let plan = ReadPlan::near(&self.request, &self.view, &self.freshness, &mut self.trace);
            return self.begin_read(plan, None, None, now);
        }
        match standing(&self.request, &self.view) {
            Standing::Owned(owner, reason) => self.go(owner, reason, now),
            Standing::Unknown => self.homeless(now),
            Standing::BySubject => match self.known_home() {
                Some((ownership, source)) if !self.has_seen_later(ownership) => {
                    if !(self.is_read() && matches!(self.freshness, Freshness::AtLeast(..))) {
                        self.trace.note(source, ownership.home());
                    }
                    self.go(Owner::of(ownership), Token::Home, now)
                }
                _ => self.look_up(now),
            },
        }
    }

    /// A read that a copy at the session's mark or further may answer, or home.
    fn read_at_least(&mut self, owner: Owner, pin: &Pin, mark: Mark, now: Timestamp) -> Step {
        let owned = self.wrote_at(pin).unwrap_or(owner.ownership());
        let home = owned.home();
        self.join_drill(Some(home));
        if let Some(demand) = PositionDemand::of(pin, mark, self.log_of(pin, mark), Log::of(owned)) {
            let plan = ReadPlan::at_least(&self.request, &self.view, &demand, &mut self.trace);
            return self.begin_demanding(plan, Owner::of(owned), &demand, now);
        }
        let plan = ReadPlan::home(&self.request, &self.view, home, Token::PositionOfOldEpoch, &mut self.trace);
        self.begin_read(plan, Some(Owner::of(owned)), None, now)
    }

    /// By whose log the session's mark counts, if the topology still knows that region.
    pub(super) fn log_of(&self, pin: &Pin, mark: Mark) -> Option<Log> {
        let home = self.view.topology().region_named(&pin.region).filter(|home| self.residency().contains(*home))?;
        Some(Log { home, epoch: mark.epoch })
    }

    /// The owner of a multi-writer dataset where the session wrote: nobody else has the write for certain.
    fn wrote_at(&self, pin: &Pin) -> Option<Ownership> {
        let topology = self.view.topology();
        Ownership::among_several(topology, self.request.dataset?, topology.region_named(&pin.region)?)
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
        (self.log_of(pin, mark) == Some(Log::of(owned))).then_some(mark)
    }

    fn look_up(&mut self, now: Timestamp) -> Step {
        let Some(subject) = self.request.subject.clone() else {
            return self.refuse(Token::Internal, now);
        };
        self.stage = Stage::Finding(Keeper::Store);
        Step::LookUpHome(subject)
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

    pub(super) fn on_home(&mut self, found: Found<'_>, source: Keeper, now: Timestamp) -> Step {
        let allowed = self.residency();
        let (Some(subject), Some(kind)) = (self.request.subject.clone(), self.split_by()) else {
            return self.refuse(Token::Internal, now);
        };
        if let Some(denied) = self.denied {
            return self.corrected(denied, found, &subject, now);
        }
        if let Some(ownership) = self.found(found, source, &subject, allowed) {
            self.remembered = Some(self.remembered.map_or(ownership, |held| held.or_later(ownership)));
        }
        let known = self.known_home().map(|(ownership, _)| ownership);
        if let Some(ownership) = known.filter(|known| source == Keeper::Directory || !self.has_seen_later(*known)) {
            return self.go_home(ownership, now);
        }
        // Where the store cannot be asked, what was known lately is as good as what it would have said.
        if let (Found::Failed, Some(ownership)) = (found, self.last_known)
            && !self.has_seen_later(ownership)
        {
            self.trace.note(Token::HomeLastKnown, ownership.home());
            return self.go_home(ownership, now);
        }
        let named = self.request.session.session.subject(kind) == Some(&subject);
        // The directory says so where nothing was proposed, and then alone.
        let nobodys = source == Keeper::Directory && found == Found::Absent;
        if nobodys {
            self.trace.note(Token::TooManySubjects, None);
        }
        let assignment = match source {
            Keeper::Store if named || self.may_name => self.assignment((subject, kind), allowed, named, self.lives),
            Keeper::Store => Some(Assignment { subject, kind, proposed: None, named, instead_of: None }),
            Keeper::Directory => None,
        };
        match (assignment, known.or(self.last_known)) {
            (Some(assignment), _) => {
                self.stage = Stage::Finding(Keeper::Directory);
                Step::AssignHome(assignment)
            }
            (None, Some(ownership)) => self.go_home(ownership, now),
            (None, None) if nobodys && !self.is_read() => self.refuse_write(Token::TooManySubjects, now),
            (None, None) => self.homeless(now),
        }
    }

    fn go_home(&mut self, ownership: Ownership, now: Timestamp) -> Step {
        self.note_home(ownership);
        self.join_drill(Some(ownership.home()));
        self.go(Owner::of(ownership), Token::Home, now)
    }

    /// Where an origin has said meanwhile whose the request is: the session begins with that one's home.
    pub(super) fn note_home(&mut self, owned: Ownership) {
        if let (true, Some(kind)) = (self.request.begun, self.split_by()) {
            self.request.session.session.subjects.settle(kind, owned, self.view.topology());
        }
    }

    /// What the directory is asked, unless a drill has it out of reach. Where data is already nobody is given another home: an
    /// origin may know that, or the topology.
    fn assignment(
        &mut self,
        (subject, kind): (SubjectId, SubjectKind),
        allowed: RegionSet,
        named: bool,
        lives: Option<RegionId>,
    ) -> Option<Assignment> {
        let known = lives.or_else(|| self.view.topology().identity().first_home(kind));
        let home = known.unwrap_or_else(|| self.nearest_allowed(allowed));
        let proposed = self.view.topology().region(home).name.clone();
        self.may_propose(home).then_some(Assignment {
            subject,
            kind,
            proposed: Some(proposed),
            named,
            instead_of: None,
        })
    }

    /// The ownership that was found, if one was.
    pub(super) fn found(
        &mut self,
        found: Found<'_>,
        source: Keeper,
        subject: &SubjectId,
        allowed: RegionSet,
    ) -> Option<Ownership> {
        let stored = match found {
            Found::Value(text) => Ownership::kept(text, source, self.view.topology(), allowed),
            Found::Absent => return None,
            Found::Failed => {
                let failed = if source == Keeper::Store { Token::HomeLookupFailed } else { Token::DirectoryFailed };
                self.trace.note(failed, None);
                return None;
            }
        };
        let Some(Kept { ownership, new }) = stored else {
            self.trace.note(Token::HomeInvalid, None);
            return None;
        };
        let reason = match source {
            Keeper::Store => Token::HomeFromStore,
            Keeper::Directory if new => Token::HomeAssigned,
            Keeper::Directory => Token::HomeFromDirectory,
        };
        if source == Keeper::Directory && !ownership.is_tentative() {
            self.publish = Some((subject.clone(), ownership));
        }
        if new && ownership.is_tentative() {
            self.observations.extend(self.request.visitor.map(Observation::NamedSubject));
        }
        self.trace.note(reason, ownership.home());
        self.observations.push(Observation::Home(subject.clone(), ownership));
        Some(ownership)
    }

    /// The nearest region where the subject may live, a healthy one before others.
    fn nearest_allowed(&self, allowed: RegionSet) -> RegionId {
        let near = || self.request.near.iter().copied().filter(|region| allowed.contains(*region));
        let healthy = near().find(|region| !self.view.is_unwelcome(*region));
        healthy.or_else(|| near().next()).unwrap_or(self.view.topology().default_home())
    }

    fn homeless(&mut self, now: Timestamp) -> Step {
        self.join_drill(None);
        if !self.is_read() {
            return self.refuse_write(Token::HomeUnknown, now);
        }
        let plan = ReadPlan::homeless(&self.request, &self.view, &mut self.trace);
        self.begin_read(plan, None, None, now)
    }

    fn go(&mut self, owner: Owner, reason: Token, now: Timestamp) -> Step {
        if !self.is_read() {
            return self.begin_write(owner, reason, now);
        }
        if self.has_seen_later(owner.ownership()) {
            return self.read_later(owner, now);
        }
        let (owned, reason) = match &self.freshness {
            Freshness::AtLeast(pin, mark) => {
                let (pin, mark) = (pin.clone(), *mark);
                return self.read_at_least(owner, &pin, mark, now);
            }
            Freshness::Pinned(pin) => (self.wrote_at(pin).unwrap_or(owner.ownership()), Token::PinnedHome),
            _ => (owner.ownership(), Token::RouteHome),
        };
        let plan = ReadPlan::home(&self.request, &self.view, owned.home(), reason, &mut self.trace);
        let least = self.mark_of(owned);
        self.begin_read(plan, Some(Owner::of(owned)), least, now)
    }

    /// After a sign-in: the session starts with the homes of those who have signed in, or without where nobody could say.
    pub(super) fn signed_in(
        &mut self,
        mut settlement: Box<Settlement>,
        mut sign_in: Box<SignIn>,
        (found, source): (Found<'_>, Keeper),
        now: Timestamp,
    ) -> Step {
        let Some((kind, subject)) = sign_in.next().cloned() else {
            return self.signed_in_all(settlement, &sign_in, now);
        };
        let allowed = self.view.topology().residency(kind);
        let home = self.found(found, source, &subject, allowed);
        if home.is_none()
            && source == Keeper::Store
            && let Some(assignment) = self.assignment((subject, kind), allowed, true, sign_in.lives_in(allowed))
        {
            self.stage = Stage::SigningIn(settlement, sign_in, Keeper::Directory);
            return Step::AssignHome(assignment);
        }
        sign_in.found(home, self.view.topology());
        // At once, since the next may be found, too.
        if let Some((subject, owned)) = self.publish.take() {
            settlement.publish.push(Publish::new(subject, owned, &self.view));
        }
        self.find_next(settlement, sign_in, now)
    }

    /// Goes on with the next of those who have signed in.
    pub(super) fn find_next(&mut self, settlement: Box<Settlement>, sign_in: Box<SignIn>, now: Timestamp) -> Step {
        let Some((_, subject)) = sign_in.next().cloned() else { return self.signed_in_all(settlement, &sign_in, now) };
        self.stage = Stage::SigningIn(settlement, sign_in, Keeper::Store);
        Step::LookUpHome(subject)
    }

    fn signed_in_all(&mut self, mut settlement: Box<Settlement>, sign_in: &SignIn, now: Timestamp) -> Step {
        settlement.record.trace.append(std::mem::take(&mut self.trace));
        settlement.observations.append(&mut self.observations);
        settlement.issue(sign_in, &self.request, &self.view, now);
        Step::Finish(settlement)
    }

    pub(super) fn reading(&mut self, reading: Reading) {
        self.stage = Stage::Reading(reading);
    }
}
