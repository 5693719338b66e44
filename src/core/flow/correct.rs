//! A home that was given before anybody knew better: on the day on which the router is put in front of an application, the
//! directory is empty and the data is where it is. The very region that was asked as the owner, by that claim, says that it owns
//! nothing of this, and where the data is (421 with `Homing-Home`, by no later epoch). Then nobody has written by that claim, and
//! nobody will, so the directory gives the subject another home, by the next epoch; the request goes on there, once.
//!
//! No region makes itself or another one the owner by this: it can only decline what it was given itself. What operators have moved
//! the directory does not correct.

use super::{
    Flow, Stage,
    step::{ASSIGN, Assignment, Step},
};
use crate::{
    decide::plan::ReadPlan,
    flow::step::Found,
    http::answer::Answer,
    model::{reasons::Refusal, subject::SubjectId, time::Timestamp, token::Token},
    ownership::{
        Owner, Ownership,
        evidence::{Keeper, lives_in},
    },
};

impl Flow {
    /// Asks the directory to correct the home that a region declines, where the answer says what it should be.
    pub(super) fn correct(&mut self, declined: Owner, answer: &Answer<'_>, now: Timestamp) -> Option<Step> {
        let (subject, kind) = (self.cx.request.subject.clone()?, self.cx.split_by()?);
        let home = lives_in(answer, self.cx.view.topology(), self.cx.residency())?;
        if self.cx.denied.is_some() || home == declined.region() || !self.cx.may_propose(home) {
            return None;
        }
        let name = |region| self.cx.view.topology().region(region).name.clone();
        let instead_of = Some((name(declined.region()), declined.epoch().0));
        let proposed = Some(name(home));
        // To decline somebody whom a client has made up is no yes.
        let named = self.cx.request.session.session.subject(kind) == Some(&subject);
        self.cx.denied = Some(declined.ownership());
        self.stage = Stage::Finding(Keeper::Directory);
        let timeout = self.cx.patience(ASSIGN, now);
        Some(Step::AssignHome(Assignment { subject, kind, proposed, named, instead_of, timeout }))
    }

    /// The directory's word on that. Where the request cannot be sent once more, its client's own repeat finds its way.
    pub(super) fn corrected(
        &mut self,
        declined: Ownership,
        found: Found<'_>,
        subject: &SubjectId,
        now: Timestamp,
    ) -> Step {
        let refusal = Refusal::MisdirectedInVain;
        let found = self.found(found, Keeper::Directory, subject, self.cx.residency());
        let later = found.and_then(|owned| Owner::of(declined).succeeded_by(owned));
        if let Some(owner) = later {
            self.cx.remembered = Some(owner.ownership());
            self.cx.note_home(owner.ownership());
        }
        match later.filter(|_| self.cx.can_repeat() && self.cx.has_time(now)) {
            Some(owner) if self.cx.is_read() => {
                let owned = owner.ownership();
                let plan = ReadPlan::home(
                    &self.cx.request,
                    &self.cx.view,
                    owned.home(),
                    Token::Misdirected,
                    &mut self.cx.trace,
                );
                let least = self.cx.mark_of(owned);
                self.begin_read(plan, Some(owner), least, now)
            }
            Some(owner) => self.begin_write(owner, Token::Misdirected, now),
            None if self.cx.is_read() => self.refuse(refusal, now),
            None => self.refuse_write(refusal, now),
        }
    }
}
