//! Writes: one owner. A write is repeated only if the origin refused it before acting and named a later owner, or if the
//! client and the route both say that repeating it is harmless; it is never sent to a region that does not own the data.

use std::time::Duration;

use super::{
    Ended, Flow, Stage,
    step::{Outcome, Step},
};
use crate::{
    http::{answer::Answer, problem::Problem},
    model::{access::Replay, ids::RegionId, reasons::Refusal, time::Timestamp, token::Token},
    ownership::{Owner, Ownership},
    request::incoming::Unsent,
    settle::record::WriteOutcome,
    state::{
        health::{Health, breaker::Gate},
        published::RegionState,
    },
};

/// A write that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    owner: Owner,
    reason: Token,
}

impl Flow {
    pub(super) fn begin_write(&mut self, owner: Owner, reason: Token, now: Timestamp) -> Step {
        // It begins a second time only where an origin has said whose it is, or that the data is elsewhere.
        let reason = match self.cx.denied {
            Some(_) => Token::Misdirected,
            None if self.cx.attempts > 0 => Token::SubjectNamed,
            None => reason,
        };
        self.cx.note_missed_owner(owner);
        if self.cx.view.is_excluded(owner.region()) {
            self.cx.trace.note(Token::DrillUnreachable, owner.region());
            return self.failed_write(Refusal::DrillUnreachable, self.nothing_done(), None, now);
        }
        let closed = match self.cx.view.state(owner.region()) {
            RegionState::ReadOnly => Some(Refusal::RegionReadOnly),
            RegionState::Down => Some(Refusal::RegionDown),
            RegionState::Active | RegionState::Draining | RegionState::Isolated => None,
        };
        if let Some(closed) = closed {
            self.cx.trace.note(closed.token(), owner.region());
            return self.failed_write(closed, self.nothing_done(), None, now);
        }
        let condition = self.cx.view.condition(owner.region());
        if condition.full {
            return self.put_off(Problem::of(Refusal::RegionFull), owner.region(), now);
        }
        if let Gate::Open(until) = condition.write {
            return self.put_off(Problem::of(Refusal::BreakerOpen).after(until.since(now)), owner.region(), now);
        }
        self.write_to(Writing { owner, reason }, Duration::ZERO, now)
    }

    /// Ends a write that was not sent, since it would fail or do harm there.
    fn put_off(&mut self, problem: Problem, region: RegionId, now: Timestamp) -> Step {
        self.cx.trace.note(problem.refusal.token(), region);
        let outcome = self.nothing_done();
        let settling = self.cx.settling(None, problem.refusal.token(), now);
        Step::Finish(Box::new(settling.failed_write(&problem, outcome, None)))
    }

    /// The word for a write that has certainly changed nothing.
    fn nothing_done(&self) -> WriteOutcome {
        if self.cx.attempts == 0 { WriteOutcome::NotSent } else { WriteOutcome::Refused }
    }

    fn write_to(&mut self, writing: Writing, delay: Duration, now: Timestamp) -> Step {
        let region = writing.owner.region();
        self.cx.trace.note(writing.reason, region);
        self.stage = Stage::Writing(writing);
        self.cx.send(region, Some(writing.owner), None, delay, now)
    }

    pub(super) fn on_written(
        &mut self,
        writing: Writing,
        outcome: Outcome<'_>,
        health: &Health,
        now: Timestamp,
    ) -> Step {
        let region = writing.owner.region();
        let closed = self.cx.was_turned_off(region, &outcome, now);
        let (failure, outcome_unknown) = match outcome {
            Outcome::Answered(_) if closed => (Token::FailoverBroken, true),
            Outcome::Answered(answer) => return self.write_answered(writing, &answer, now),
            Outcome::TimedOut => (Token::FailoverTimeout, true),
            Outcome::Refused => (Token::FailoverConnect, false),
            Outcome::Lost | Outcome::Broken => (Token::FailoverBroken, true),
            Outcome::Unsent(unsent) => return self.cut_short(unsent, region, now),
            // The latter never: no write asks about a copy.
            Outcome::NotFinal | Outcome::CopyLost => return self.not_final(writing.owner, now),
        };
        if outcome_unknown {
            self.cx.outcome_unknown = Some(writing.owner.ownership());
        }
        self.cx.trace.note(failure, region);
        let backoff = self.cx.backoff();
        if self.cx.request.repeatable
            && self.cx.can_repeat()
            && self.cx.has_time(now.after(backoff))
            && self.cx.may_repeat(health)
        {
            return self.write_to(Writing { reason: Token::Retried, ..writing }, backoff, now);
        }
        match self.cx.outcome_unknown {
            Some(owned) => self.unknown_write(owned, now),
            None => {
                self.cx.trace.note(Token::WriteNotSent, region);
                self.failed_write(Refusal::WriteNotSent, WriteOutcome::NotSent, None, now)
            }
        }
    }

    fn write_answered(&mut self, writing: Writing, answer: &Answer<'_>, now: Timestamp) -> Step {
        let Writing { owner, reason } = writing;
        let region = owner.region();
        if let Some(named) = self.cx.named_subject(answer) {
            return self.ask_as(named, answer, now);
        }
        // A 421 without a name is the application's own business.
        if answer.status != 421 || !answer.headers.has("homing-home") {
            return self.settle(Ended { region, reason, owner: Some(owner), least: None, stale: false }, answer, now);
        }
        let named = Ownership::named(answer, self.cx.view.topology(), self.cx.residency());
        // What is split has no owner as a whole: this one is of somebody's part, and nobody has said whose.
        if let Some(named) = named.filter(|_| self.cx.split_by().is_none() || self.cx.request.subject.is_some())
            && let Some(later) = owner.succeeded_by(named)
        {
            self.cx.learn_owner(named);
            if self.cx.view.is_excluded(named.home()) {
                self.cx.trace.note(Token::DrillUnreachable, named.home());
                return self.refuse_write(Refusal::DrillUnreachable, now);
            }
            if self.cx.can_repeat() && self.cx.has_time(now) {
                let writing = Writing { owner: later, reason: Token::Misdirected };
                return self.write_to(writing, Duration::ZERO, now);
            }
        } else if let Some(step) = self.correct(owner, answer, now) {
            return step;
        }
        self.refuse_write(Refusal::MisdirectedInVain, now)
    }

    /// Ends a write that was refused; unless an earlier send of it may have been done, it certainly changed nothing.
    pub(super) fn refuse_write(&mut self, refusal: Refusal, now: Timestamp) -> Step {
        self.cx.trace.note(refusal.token(), None);
        match self.cx.outcome_unknown {
            Some(owned) => self.unknown_write(owned, now),
            None => self.failed_write(refusal, self.nothing_done(), None, now),
        }
    }

    /// Ends a write whose client did not send it whole: of a body that streams, the region may have part.
    fn cut_short(&mut self, unsent: Unsent, region: RegionId, now: Timestamp) -> Step {
        let refusal = unsent.refusal();
        self.cx.trace.note(refusal.token(), region);
        let outcome_unknown = self.cx.request.replay == Replay::Stream || self.cx.outcome_unknown.is_some();
        let outcome = if outcome_unknown { WriteOutcome::Unknown } else { WriteOutcome::NotSent };
        self.failed_write(refusal, outcome, self.cx.outcome_unknown, now)
    }

    /// Ends a write to which there was no final answer: done or not, it is not sent again.
    fn not_final(&mut self, owner: Owner, now: Timestamp) -> Step {
        self.cx.trace.note(Token::NotFinal, owner.region());
        self.failed_write(Refusal::NotFinal, WriteOutcome::Unknown, Some(owner.ownership()), now)
    }

    /// Ends a write of which nobody knows whether it was done.
    fn unknown_write(&mut self, owned: Ownership, now: Timestamp) -> Step {
        self.cx.trace.note(Token::WriteUnknown, owned.home());
        self.failed_write(Refusal::WriteUnknown, WriteOutcome::Unknown, Some(owned), now)
    }

    fn failed_write(
        &mut self,
        refusal: Refusal,
        outcome: WriteOutcome,
        owned: Option<Ownership>,
        now: Timestamp,
    ) -> Step {
        let settling = self.cx.settling(None, refusal.token(), now);
        Step::Finish(Box::new(settling.failed_write(&Problem::of(refusal), outcome, owned)))
    }
}
