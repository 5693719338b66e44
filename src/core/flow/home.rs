//! Finding the home: the session, else the isolate's memory, else the home store, else the directory, which assigns one. The
//! store is a cache of the directory: that it holds nothing proves nothing.

use super::{
    Flow, Stage,
    read::Reading,
    step::{ASSIGN, Assignment, Found, LOOK_UP, LookUp, Step},
};
use crate::{
    decide::{
        plan::{Freshness, ReadPlan, WriteTarget, standing},
        reach::PositionDemand,
    },
    model::{
        ids::{RegionId, RegionSet},
        position::Mark,
        reasons::Refusal,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
        token::Token,
    },
    ownership::{
        Owner, Ownership,
        evidence::{Keeper, KnownHome},
    },
    session::Pin,
    settle::{Publish, Settlement, session::SignIn},
    state::memory::Observation,
};

impl Flow {
    /// After the cache: a read that any near copy may answer needs no home, everything else does.
    pub(super) fn resolve(&mut self, now: Timestamp) -> Step {
        if self.cx.is_read() && !self.cx.freshness.is_promised() {
            self.cx.join_drill(None);
            let plan = ReadPlan::near(&self.cx.request, &self.cx.view, &self.cx.freshness, &mut self.cx.trace);
            return self.begin_read(plan, None, None, now);
        }
        match standing(&self.cx.request, &self.cx.view) {
            WriteTarget::Owned(owner, reason) => self.go(owner, reason, now),
            WriteTarget::Unknown => self.homeless(now),
            WriteTarget::BySubject => match self.cx.known_home() {
                Some((ownership, source)) if !self.cx.has_seen_later(ownership) => {
                    if !(self.cx.is_read() && matches!(self.cx.freshness, Freshness::AtLeast(..))) {
                        self.cx.trace.note(source, ownership.home());
                    }
                    self.go(Owner::of(ownership), Token::Home, now)
                }
                _ => self.look_up(now),
            },
        }
    }

    /// A read that a copy at the session's mark or further may answer, or home.
    fn read_at_least(&mut self, owner: Owner, pin: &Pin, mark: Mark, now: Timestamp) -> Step {
        let owned = self.cx.wrote_at(pin).unwrap_or(owner.ownership());
        let home = owned.home();
        self.cx.join_drill(Some(home));
        if let Some(demand) = PositionDemand::of(pin, mark, self.cx.log_of(pin, mark), owned.log()) {
            let plan = ReadPlan::at_least(&self.cx.request, &self.cx.view, &demand, &mut self.cx.trace);
            return self.begin_demanding(plan, Owner::of(owned), &demand, now);
        }
        let plan = ReadPlan::home(&self.cx.request, &self.cx.view, home, Token::PositionOfOldEpoch, &mut self.cx.trace);
        self.begin_read(plan, Some(Owner::of(owned)), None, now)
    }

    fn look_up(&mut self, now: Timestamp) -> Step {
        let Some(subject) = self.cx.request.subject.clone() else {
            return self.refuse(Refusal::Internal, now);
        };
        self.stage = Stage::Finding(Keeper::Store);
        Step::LookUpHome(LookUp { subject, timeout: self.cx.patience(LOOK_UP, now) })
    }

    pub(super) fn on_home(&mut self, found: Found<'_>, source: Keeper, now: Timestamp) -> Step {
        let allowed = self.cx.residency();
        let (Some(subject), Some(kind)) = (self.cx.request.subject.clone(), self.cx.split_by()) else {
            return self.refuse(Refusal::Internal, now);
        };
        if let Some(denied) = self.cx.denied {
            return self.corrected(denied, found, &subject, now);
        }
        if let Some(ownership) = self.found(found, source, &subject, allowed) {
            self.cx.remembered = Some(self.cx.remembered.map_or(ownership, |held| held.or_later(ownership)));
        }
        let known = self.cx.known_home().map(|(ownership, _)| ownership);
        if let Some(ownership) = known.filter(|known| source == Keeper::Directory || !self.cx.has_seen_later(*known)) {
            return self.go_home(ownership, now);
        }
        // Where the store cannot be asked, what was known lately is as good as what it would have said.
        if let (Found::Failed, Some(ownership)) = (found, self.cx.last_known)
            && !self.cx.has_seen_later(ownership)
        {
            self.cx.trace.note(Token::HomeLastKnown, ownership.home());
            return self.go_home(ownership, now);
        }
        let named = self.cx.request.session.session.subject(kind) == Some(&subject);
        // The directory says so where nothing was proposed, and then alone.
        let nobodys = source == Keeper::Directory && found == Found::Absent;
        if nobodys {
            self.cx.trace.note(Token::TooManySubjects, None);
        }
        let assignment = match source {
            Keeper::Store if named || self.cx.may_name => {
                self.assignment((subject, kind), allowed, named, self.cx.lives, now)
            }
            Keeper::Store => {
                let timeout = self.cx.patience(ASSIGN, now);
                Some(Assignment { subject, kind, proposed: None, named, instead_of: None, timeout })
            }
            Keeper::Directory => None,
        };
        match (assignment, known.or(self.cx.last_known)) {
            (Some(assignment), _) => {
                self.stage = Stage::Finding(Keeper::Directory);
                Step::AssignHome(assignment)
            }
            (None, Some(ownership)) => self.go_home(ownership, now),
            (None, None) if nobodys && !self.cx.is_read() => self.refuse_write(Refusal::TooManySubjects, now),
            (None, None) => self.homeless(now),
        }
    }

    fn go_home(&mut self, ownership: Ownership, now: Timestamp) -> Step {
        self.cx.note_home(ownership);
        self.cx.join_drill(Some(ownership.home()));
        self.go(Owner::of(ownership), Token::Home, now)
    }

    /// What the directory is asked, unless a drill has it out of reach. Where data is already nobody is given another home: an
    /// origin may know that, or the topology.
    fn assignment(
        &mut self,
        (subject, kind): (SubjectId, SubjectKind),
        allowed: RegionSet,
        named: bool,
        lives: Option<RegionId>,
        now: Timestamp,
    ) -> Option<Assignment> {
        let known = lives.or_else(|| self.cx.view.topology().identity().first_home(kind));
        let home = known.unwrap_or_else(|| self.cx.nearest_allowed(allowed));
        let proposed = self.cx.view.topology().region(home).name.clone();
        self.cx.may_propose(home).then_some(Assignment {
            subject,
            kind,
            proposed: Some(proposed),
            named,
            instead_of: None,
            timeout: self.cx.patience(ASSIGN, now),
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
            Found::Value(text) => Ownership::kept(text, source, self.cx.view.topology(), allowed),
            Found::Absent => return None,
            Found::Failed => {
                let failed = if source == Keeper::Store { Token::HomeLookupFailed } else { Token::DirectoryFailed };
                self.cx.trace.note(failed, None);
                return None;
            }
        };
        let Some(KnownHome { ownership, new }) = stored else {
            self.cx.trace.note(Token::HomeInvalid, None);
            return None;
        };
        let reason = match source {
            Keeper::Store => Token::HomeFromStore,
            Keeper::Directory if new => Token::HomeAssigned,
            Keeper::Directory => Token::HomeFromDirectory,
        };
        if source == Keeper::Directory && !ownership.is_tentative() {
            self.cx.publish = Some((subject.clone(), ownership));
        }
        if new && ownership.is_tentative() {
            self.cx.observations.extend(self.cx.request.visitor.map(Observation::NamedSubject));
        }
        self.cx.trace.note(reason, ownership.home());
        self.cx.observations.push(Observation::Home(subject.clone(), ownership));
        Some(ownership)
    }

    fn homeless(&mut self, now: Timestamp) -> Step {
        self.cx.join_drill(None);
        if !self.cx.is_read() {
            return self.refuse_write(Refusal::HomeUnknown, now);
        }
        let plan = ReadPlan::homeless(&self.cx.request, &self.cx.view, &mut self.cx.trace);
        self.begin_read(plan, None, None, now)
    }

    fn go(&mut self, owner: Owner, reason: Token, now: Timestamp) -> Step {
        if !self.cx.is_read() {
            return self.begin_write(owner, reason, now);
        }
        if self.cx.has_seen_later(owner.ownership()) {
            return self.read_later(owner, now);
        }
        let (owned, reason) = match &self.cx.freshness {
            Freshness::AtLeast(pin, mark) => {
                let (pin, mark) = (pin.clone(), *mark);
                return self.read_at_least(owner, &pin, mark, now);
            }
            Freshness::Pinned(pin) => (self.cx.wrote_at(pin).unwrap_or(owner.ownership()), Token::PinnedHome),
            _ => (owner.ownership(), Token::RouteHome),
        };
        let plan = ReadPlan::home(&self.cx.request, &self.cx.view, owned.home(), reason, &mut self.cx.trace);
        let least = self.cx.mark_of(owned);
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
        let allowed = self.cx.view.topology().residency(kind);
        let home = self.found(found, source, &subject, allowed);
        if home.is_none()
            && source == Keeper::Store
            && let Some(assignment) = self.assignment((subject, kind), allowed, true, sign_in.lives_in(allowed), now)
        {
            self.stage = Stage::SigningIn(settlement, sign_in, Keeper::Directory);
            return Step::AssignHome(assignment);
        }
        sign_in.found(home, self.cx.view.topology());
        // At once, since the next may be found, too.
        if let Some((subject, owned)) = self.cx.publish.take() {
            settlement.publish.push(Publish::new(subject, owned, &self.cx.view));
        }
        self.find_next(settlement, sign_in, now)
    }

    /// Goes on with the next of those who have signed in.
    pub(super) fn find_next(&mut self, settlement: Box<Settlement>, sign_in: Box<SignIn>, now: Timestamp) -> Step {
        let Some((_, subject)) = sign_in.next().cloned() else { return self.signed_in_all(settlement, &sign_in, now) };
        self.stage = Stage::SigningIn(settlement, sign_in, Keeper::Store);
        Step::LookUpHome(LookUp { subject, timeout: self.cx.patience(LOOK_UP, now) })
    }

    fn signed_in_all(&mut self, mut settlement: Box<Settlement>, sign_in: &SignIn, now: Timestamp) -> Step {
        settlement.record_mut().trace.append(std::mem::take(&mut self.cx.trace));
        settlement.observations.append(&mut self.cx.observations);
        settlement.issue(sign_in, &self.cx.request, &self.cx.view, now);
        Step::Finish(settlement)
    }

    pub(super) fn reading(&mut self, reading: Reading) {
        self.stage = Stage::Reading(reading);
    }
}
