//! Reads: one region, and one other if it fails in a way that is the region's and not the application's.

use std::time::Duration;

use super::{Ended, Flow, Outcome, Step, write::named_owner};
use crate::routing::{
    answer::{Answer, is_gateway_failure},
    memory::Lesson,
    ownership::{Owner, Ownership},
    plan::{ReadPlan, Target},
    problem::Problem,
    reason::Reason,
    time::Timestamp,
};

/// A read that was sent.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    target: Target,
    fallback: Option<Target>,
    owner: Option<Owner>,
}

impl Flow {
    pub(super) fn begin_read(&mut self, plan: ReadPlan, owner: Option<Owner>, now: Timestamp) -> Step {
        match plan.first {
            Some(target) => self.ask(Reading { target, fallback: plan.fallback, owner }, now),
            None => self.exhausted(None, now),
        }
    }

    fn ask(&mut self, reading: Reading, now: Timestamp) -> Step {
        let Target { region, reason, .. } = reading.target;
        self.trace.note(reason, region);
        let owner = reading.owner;
        self.reading(reading);
        self.send(region, owner, Duration::ZERO, now)
    }

    pub(super) fn on_read(&mut self, reading: Reading, outcome: Outcome<'_>, now: Timestamp) -> Step {
        let region = reading.target.region;
        let (failure, answer) = match outcome {
            Outcome::Answered(answer) if is_gateway_failure(answer.status) => (Reason::FailoverStatus, Some(answer)),
            Outcome::Answered(answer) => {
                self.lessons.push(Lesson::Answered(region));
                return self.read_answered(&reading, &answer, now);
            }
            Outcome::TimedOut => (Reason::FailoverTimeout, None),
            Outcome::Refused => (Reason::FailoverConnect, None),
            Outcome::Broken => (Reason::FailoverBroken, None),
            // Not the region's fault, and no other region could do better.
            Outcome::Unsent => return self.refuse(Reason::RequestIncomplete, now),
        };
        self.lessons.push(Lesson::Failed(region));
        self.trace.note(failure, region);
        match reading.fallback {
            Some(fallback) if self.can_repeat() && self.has_time(now) => {
                // The reason that the client sees is why the first region did not answer, unless the answer may be stale.
                let reason = if fallback.stale { fallback.reason } else { failure };
                let target = Target { reason, ..fallback };
                self.ask(Reading { target, fallback: None, owner: reading.owner }, now)
            }
            _ => self.exhausted(answer.map(|answer| (reading, answer)), now),
        }
    }

    fn read_answered(&mut self, reading: &Reading, answer: &Answer<'_>, now: Timestamp) -> Step {
        let Target { region, reason, stale } = reading.target;
        let sent_by = reading.owner.filter(|owner| owner.region() == region);
        if let Some(owner) = sent_by
            && answer.status == 421
            && let Some(named) = named_owner(answer, self.view.topology(), self.residency())
            && let Some(later) = owner.succeeded_by(named)
            && self.can_repeat()
            && self.has_time(now)
        {
            self.learn_owner(named);
            let target = Target { region: later.region(), reason: Reason::Misdirected, stale: false };
            return self.ask(Reading { target, fallback: None, owner: Some(later) }, now);
        }
        self.settle(Ended { region, reason, owner: sent_by, stale }, answer, now)
    }

    /// Remembers a later owner that an origin named, and tells the home store where it is a subject's.
    pub(super) fn learn_owner(&mut self, named: Ownership) {
        match (&self.intent.subject, self.intent.dataset) {
            (Some(subject), _) => {
                self.lessons.push(Lesson::Home(subject.clone(), named));
                self.publish = Some((subject.clone(), named));
            }
            (None, Some(dataset)) => self.lessons.push(Lesson::Moved(dataset, named)),
            (None, None) => {}
        }
    }

    /// No region is left: a stale copy where that is allowed, else what the last region said, else a problem.
    fn exhausted(&mut self, last: Option<(Reading, Answer<'_>)>, now: Timestamp) -> Step {
        if let Some(step) = self.stale_copy(now) {
            return step;
        }
        // 502 to 504 may be the application's own words.
        if let Some((reading, answer)) = last {
            let Target { region, stale, .. } = reading.target;
            let ended = Ended { region, reason: Reason::AllRegionsFailed, owner: None, stale };
            return self.settle(ended, &answer, now);
        }
        let reason = match (self.attempts, self.freshness.needs_home()) {
            (0, true) => Reason::HomeUnknown,
            (0, false) => Reason::LagOverBound,
            (1, true) => Reason::HomeDown,
            _ if !self.has_time(now) => Reason::DeadlineExceeded,
            _ => Reason::AllRegionsFailed,
        };
        self.trace.note(reason, None);
        let ending = self.ending(None, reason, now);
        Step::Finish(Box::new(ending.problem(&Problem::of(reason))))
    }
}
