//! Reads: one region, and one other if it fails in a way that is the region's and not the application's.

use std::time::Duration;

use super::{
    Ended, Flow,
    step::{Outcome, Step},
};
use crate::{
    decide::{
        plan::{Freshness, PlannedRegion, ReadPlan},
        rank::candidates,
        reach::{PositionDemand, copy_of},
    },
    http::answer::{Answer, is_gateway_failure},
    model::{
        access::Access,
        ids::RegionId,
        position::{Mark, Position},
        reasons::Refusal,
        time::Timestamp,
        token::Token,
    },
    ownership::{
        Owner, Ownership,
        stated::{Log, stated},
    },
    state::{
        health::Health,
        memory::Observation,
        trace::{Rule, Trace},
    },
    topology::{self, route::OnHomeDown},
};

/// A read that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    target: PlannedRegion,
    fallback: Option<PlannedRegion>,
    wants: Wants,
    /// What the answer must show at least, as far as this region was told of it.
    told: Option<Mark>,
}

/// What a read wants, whoever is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Wants {
    /// By whose ownership it is asked.
    owner: Option<Owner>,
    /// What the answer must show at least.
    least: Option<Mark>,
    /// Home is not told that: what was seen is of an earlier owner, and what home lacks of it is nowhere.
    spares_home: bool,
    /// The owner that it looks for.
    seeks: Option<SoughtEpoch>,
}

/// A later owner that a read looks for: the session has seen what it wrote, and nobody here has heard of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SoughtEpoch {
    /// What the session has seen.
    pub(super) mark: Mark,
    /// Whether an answer will do that may not show that, if it says so.
    pub(super) may_be_stale: bool,
}

impl Reading {
    /// The same read at another region.
    fn at(&self, target: PlannedRegion, fallback: Option<PlannedRegion>) -> Self {
        Self { target, fallback, told: None, ..*self }
    }

    /// The same read at the same region.
    pub(super) fn again(&self) -> Self {
        self.at(self.target, None)
    }

    /// The same, because the connection was closed as it was used; the other region stays one to ask.
    pub(super) fn once_more(&self) -> Self {
        let reason = if self.target.stale { self.target.reason } else { Token::Retried };
        self.at(PlannedRegion { reason, ..self.target }, self.fallback)
    }

    /// The same read at the other region.
    pub(super) fn next(&self) -> Option<Self> {
        Some(self.at(self.fallback?, None))
    }

    /// Whether its answer may be older than what was promised.
    pub(super) fn is_stale(&self) -> bool {
        self.target.stale
    }

    /// The same read, of which the answer may be older than what was promised.
    pub(super) fn stale(&self) -> Self {
        Self { target: PlannedRegion { stale: true, ..self.target }, ..*self }
    }

    /// The same read, by the ownership that its answer has told of.
    pub(super) fn by(&self, owner: Owner) -> Self {
        Self { wants: Wants { owner: Some(owner), ..self.wants }, ..*self }
    }

    /// Whether the owner is asked.
    pub(super) fn is_at_home(&self) -> bool {
        self.wants.owner.is_some_and(|owner| owner.region() == self.target.region)
    }

    /// How it ends if the region's answer goes to the client.
    pub(super) fn ended(&self) -> Ended {
        let PlannedRegion { region, reason, stale } = self.target;
        let owner = self.wants.owner.filter(|owner| owner.region() == region);
        Ended { region, reason, owner, least: self.told, stale }
    }
}

impl Flow {
    pub(super) fn begin_read(
        &mut self,
        plan: ReadPlan,
        owner: Option<Owner>,
        least: Option<Mark>,
        now: Timestamp,
    ) -> Step {
        self.begin(plan, Wants { owner, least, ..Wants::default() }, now)
    }

    /// A read of a copy that is so far, or of home.
    pub(super) fn begin_demanding(
        &mut self,
        plan: ReadPlan,
        owner: Owner,
        demand: &PositionDemand<'_>,
        now: Timestamp,
    ) -> Step {
        let (owner, least) = (Some(owner), Some(demand.least));
        self.begin(plan, Wants { owner, least, spares_home: demand.of_earlier, seeks: None }, now)
    }

    /// A read that looks for a later owner.
    pub(super) fn begin_seeking(&mut self, plan: ReadPlan, known: Owner, seeks: SoughtEpoch, now: Timestamp) -> Step {
        self.begin(plan, Wants { owner: Some(known), seeks: Some(seeks), ..Wants::default() }, now)
    }

    fn begin(&mut self, plan: ReadPlan, wants: Wants, now: Timestamp) -> Step {
        let ReadPlan { first, fallback, after } = plan;
        match first {
            Some(target) => self.ask_after(after, Reading { target, fallback, wants, told: None }, now),
            None => self.exhausted(None, None, now),
        }
    }

    pub(super) fn ask(&mut self, reading: Reading, now: Timestamp) -> Step {
        self.ask_after(Duration::ZERO, reading, now)
    }

    fn ask_after(&mut self, delay: Duration, reading: Reading, now: Timestamp) -> Step {
        let PlannedRegion { region, reason, .. } = reading.target;
        self.cx.trace.note(reason, region);
        let (owner, least) = (reading.wants.owner, self.least_of(&reading));
        self.reading(Reading { told: least, ..reading });
        self.cx.send(region, owner, least, delay, now)
    }

    /// What this region is told that its answer must show at least; what may be stale need not show anything. The watermark of one of
    /// several owners may lie before its own last write, so the one where the session wrote is told nothing.
    fn least_of(&self, reading: &Reading) -> Option<Mark> {
        let dataset = self.cx.request.dataset.and_then(|id| self.cx.view.topology().dataset(id))?;
        let spares_home = reading.wants.spares_home || matches!(dataset.rule, topology::Rule::MultiWriter { .. });
        reading.wants.least.filter(|_| !reading.target.stale && (!spares_home || !reading.is_at_home()))
    }

    pub(super) fn on_read(&mut self, reading: Reading, outcome: Outcome<'_>, health: &Health, now: Timestamp) -> Step {
        let region = reading.target.region;
        if self.cx.was_closed(region, &outcome, health, now) {
            return self.ask(reading.once_more(), now);
        }
        if let Outcome::Answered(answer) = &outcome
            && let Some(named) = self.cx.named_subject(answer)
        {
            return self.ask_as(named, answer, now);
        }
        if let Outcome::Answered(answer) = &outcome
            && let Some(place) = self.falls_short(&reading, answer)
        {
            let later = self.later_owner(&reading, answer);
            return self.behind(&reading, place, later, now);
        }
        if let Outcome::Answered(answer) = &outcome
            && let Some(step) = self.given_by_a_cache(&reading, answer, now)
        {
            return step;
        }
        if let (Outcome::Answered(answer), Some(seeks)) = (&outcome, reading.wants.seeks)
            && !is_gateway_failure(answer.status)
        {
            return self.sought(&reading, seeks, answer, now);
        }
        let (failure, answer) = match outcome {
            Outcome::Answered(answer) if is_gateway_failure(answer.status) => (Token::FailoverStatus, Some(answer)),
            Outcome::Answered(answer) => return self.read_answered(&reading, &answer, now),
            Outcome::TimedOut => (Token::FailoverTimeout, None),
            Outcome::Refused => (Token::FailoverConnect, None),
            Outcome::Lost | Outcome::Broken => (Token::FailoverBroken, None),
            // Not the region's fault, and no other region could do better.
            Outcome::Unsent(unsent) => return self.refuse(unsent.refusal(), now),
            Outcome::CopyLost => return self.copy_lost(&reading, now),
            Outcome::NotFinal => {
                self.cx.trace.note(Token::NotFinal, region);
                return self.stale_copy(now).unwrap_or_else(|| self.fail(Refusal::NotFinal, now));
            }
        };
        self.cx.trace.note(failure, region);
        if let Some(fallback) = self.fallback(&reading).filter(|_| self.cx.can_repeat() && self.cx.has_time(now))
            && let Some(delay) = self.fails_over(fallback.region, health)
        {
            // What most likely fails too is no better than a copy in hand.
            if self.cx.view.is_open(fallback.region, Access::Read)
                && let Some(step) = self.stale_copy(now)
            {
                return step;
            }
            // The reason that the client sees is why the first region did not answer, unless the answer may be stale.
            let reason = if fallback.stale { fallback.reason } else { failure };
            return self.ask_after(delay, reading.at(PlannedRegion { reason, ..fallback }, None), now);
        }
        self.exhausted(Some(reading), answer, now)
    }

    /// The other region, where the first has failed. If any copy will do and the next nearest has just failed others, one of which
    /// nothing bad is known comes before it: with two regions gone, only those who find it out pay for it.
    fn fallback(&self, reading: &Reading) -> Option<PlannedRegion> {
        let planned = reading.fallback?;
        let any_will_do = planned.reason == Token::Nearest && !planned.stale;
        let condition = self.cx.view.condition(planned.region);
        if !any_will_do || !(condition.suspect || condition.full) {
            return Some(planned);
        }
        let bound = if let Freshness::Within(bound) = self.cx.freshness { Some(bound) } else { None };
        let others = candidates(&self.cx.request, &self.cx.view, (bound, None), &mut Trace::default());
        let better = |region: &RegionId| {
            let sound = !self.cx.view.condition(*region).suspect && !self.cx.view.is_open(*region, Access::Read);
            sound && *region != reading.target.region && !self.cx.view.is_excluded(*region)
        };
        let mut others = others.filter(better);
        Some(others.next().map_or(planned, |region| PlannedRegion { region, ..planned }))
    }

    /// Whether a failed read may go on to that region, and after which delay: within the budget at once, beyond it spread in time, so
    /// that those who failed together do not topple the next. It goes on in any case: while a region lives, reads are answered.
    fn fails_over(&mut self, region: RegionId, health: &Health) -> Option<Duration> {
        if self.cx.view.condition(region).full {
            self.cx.trace.note(Token::RegionFull, region);
            return None;
        }
        Some(if health.may_repeat(Access::Read) { Duration::ZERO } else { self.cx.backoff() })
    }

    pub(super) fn read_answered(&mut self, reading: &Reading, answer: &Answer<'_>, now: Timestamp) -> Step {
        let ended = reading.ended();
        if answer.status == 421
            && ended.owner.is_some()
            && let Some(later) = self.later_owner(reading, answer)
        {
            let reason = Token::Misdirected;
            let step = self.ask_later(reading, later, reason, now);
            return step.unwrap_or_else(|| self.misdirected_in_vain(later, now));
        }
        if let (421, Some(owner)) = (answer.status, ended.owner) {
            let is_second = self.cx.denied.is_some();
            let step = self.correct(owner, answer, now);
            if let Some(step) = step.or_else(|| is_second.then(|| self.refuse(Refusal::MisdirectedInVain, now))) {
                return step;
            }
        }
        self.about_the_copy(reading, answer, now).unwrap_or_else(|| self.settle(ended, answer, now))
    }

    /// Two regions have seen it. The client comes again, and then the later owner is known.
    pub(super) fn misdirected_in_vain(&mut self, later: Owner, now: Timestamp) -> Step {
        let away = self.cx.view.is_excluded(later.region());
        let refusal = if away { Refusal::DrillUnreachable } else { Refusal::MisdirectedInVain };
        self.stale_copy(now).unwrap_or_else(|| self.refuse(refusal, now))
    }

    /// A strictly later owner that the answer names.
    pub(super) fn later_owner(&self, reading: &Reading, answer: &Answer<'_>) -> Option<Owner> {
        let named = Ownership::named(answer, self.cx.view.topology(), self.cx.residency())?;
        reading.wants.owner?.succeeded_by(named)
    }

    /// The same read at a later owner, whose log counts anew, unless it is the one that the session has seen; remembered also if
    /// it can be asked no more.
    pub(super) fn ask_later(&mut self, reading: &Reading, later: Owner, reason: Token, now: Timestamp) -> Option<Step> {
        self.cx.learn_owner(later.ownership());
        if self.cx.view.is_excluded(later.region()) {
            self.cx.trace.note(Token::DrillUnreachable, later.region());
            return None;
        }
        let target = PlannedRegion { region: later.region(), reason, stale: false };
        let least = self.cx.mark_of(later.ownership());
        let wants = Wants { owner: Some(later), least, ..Wants::default() };
        let reading = Reading { wants, ..reading.at(target, None) };
        (self.cx.can_repeat() && self.cx.has_time(now)).then(|| self.ask(reading, now))
    }

    /// Whether the answer cannot show what it must: its origin says so, or names a position short of it. How far it is, where it
    /// says so of the log that was asked for.
    #[expect(clippy::option_option, reason = "that it says nothing is a value here, and that it is not short is none")]
    fn falls_short(&self, reading: &Reading, answer: &Answer<'_>) -> Option<Option<Position>> {
        let (least, owner) = (reading.told?, reading.wants.owner?);
        let said = answer.headers.get("homing-behind").is_some_and(|behind| behind.trim() == "1");
        let log = owner.ownership().log();
        let (mark, short) = if reading.wants.spares_home {
            // Whether the copy has the beginning of that log nothing but its own word on whose it is can say.
            let mark = self.stated_place(None, answer);
            (mark, mark.is_none_or(|mark| least.is_after(&mark)))
        } else {
            let mark = self.stated_place(Some(log), answer);
            (mark, mark.is_some_and(|mark| least.is_after(&mark)))
        };
        let of_that_log = mark.filter(|mark| mark.epoch == least.epoch).map(|mark| mark.position);
        (said || short).then_some(of_that_log)
    }

    /// How far an answer says that its copy is: by whose log it says, else by that one.
    fn stated_place(&self, sent: Option<Log>, answer: &Answer<'_>) -> Option<Mark> {
        let topology = self.cx.view.topology();
        let dataset = topology.dataset(self.cx.request.dataset?)?;
        let stated = stated(answer, (&dataset.name, dataset.position?), sent, topology).ok()?;
        Some(stated.place())
    }

    /// Whether an answer by that ownership says that it does not show the mark.
    pub(super) fn is_short_of(&self, mark: Mark, owner: Owner, answer: &Answer<'_>) -> bool {
        self.stated_place(Some(owner.ownership().log()), answer).is_some_and(|stated| mark.is_after(&stated))
    }

    /// The copy is behind the session: the read goes home, once. Where home itself is behind, what its route says is done. A
    /// copy of a later epoch knows the later owner.
    fn behind(&mut self, reading: &Reading, place: Option<Position>, later: Option<Owner>, now: Timestamp) -> Step {
        let PlannedRegion { region, .. } = reading.target;
        self.learn_short(reading, place, now);
        self.cx.trace.note(Token::PositionNotReached, region);
        if let Some(step) = later.and_then(|later| self.ask_later(reading, later, Token::PositionOfOldEpoch, now)) {
            return step;
        }
        let missed = reading.wants.owner.map(Owner::region).filter(|home| self.cx.view.is_excluded(*home));
        let reason = if missed.is_some() { Token::DrillUnreachable } else { Token::PositionNotReached };
        missed.into_iter().for_each(|home| self.cx.trace.note(reason, home));
        let refusal = if missed.is_some() { Refusal::DrillUnreachable } else { Refusal::PositionNotReached };
        let at_home = reading.is_at_home();
        let next = match reading.fallback {
            // Nobody is further than home, so its own word is the best of the old ones.
            Some(fallback) if at_home && fallback.stale => Some(PlannedRegion { region, reason, stale: true }),
            None if missed.is_some() && self.cx.request.promise.on_home_down == OnHomeDown::Stale => {
                Some(PlannedRegion { region, reason: Token::HomeDownStale, stale: true })
            }
            fallback => fallback.map(|fallback| PlannedRegion { reason, ..fallback }),
        };
        match next {
            Some(target) if self.cx.can_repeat() && self.cx.has_time(now) => self.ask(reading.at(target, None), now),
            _ => self.stale_copy(now).unwrap_or_else(|| self.refuse(refusal, now)),
        }
    }

    /// Learns that the copy is short of what the session has seen, and since when it has seen that.
    fn learn_short(&mut self, reading: &Reading, place: Option<Position>, now: Timestamp) {
        let (Some(dataset), Some(owner)) = (self.cx.request.dataset, reading.wants.owner) else { return };
        let log = owner.ownership().log();
        let copy = copy_of(dataset, reading.target.region, log, self.cx.view.topology());
        // A subject that has moved, and the take-over has not come yet: that says nothing of the log that all share who live there.
        if reading.wants.spares_home && copy.epoch != log.epoch {
            return;
        }
        let by = self.cx.session_mark().map_or(Duration::ZERO, |(pin, _)| now.since(pin.since));
        self.cx.observations.push(Observation::Behind { copy, place, source: log.home, by });
    }

    /// No region is left: a stale copy where that is allowed, else what the last region said, else a problem.
    fn exhausted(&mut self, last: Option<Reading>, said: Option<Answer<'_>>, now: Timestamp) -> Step {
        if let Some(step) = self.stale_copy(now) {
            return step;
        }
        // 502 to 504 may be the application's own words.
        if let (Some(reading), Some(answer)) = (last, said) {
            let PlannedRegion { region, stale, .. } = reading.target;
            let ended = Ended { region, reason: Token::AllRegionsFailed, owner: None, least: None, stale };
            return self.settle(ended, &answer, now);
        }
        // A near copy was behind, and home has failed: that it was asked first is not why there is no answer.
        let home_failed = last.is_some_and(|reading| reading.is_at_home() && !reading.is_stale());
        let said = |reason: Token| self.cx.trace.rules().iter().any(|rule: &Rule| rule.reason == reason);
        let is_closed = said(Token::RegionDown) || said(Token::RegionIsolated);
        let refusal = match (self.cx.tries(), self.cx.freshness.is_promised()) {
            _ if said(Token::RegionFull) => Refusal::RegionFull,
            (0, _) if said(Token::DrillUnreachable) => Refusal::DrillUnreachable,
            (0, true) if is_closed => Refusal::HomeDown,
            (0, false) if is_closed => Refusal::RegionDown,
            (0, true) => Refusal::HomeUnknown,
            (0, false) => Refusal::LagOverBound,
            (1, true) => Refusal::HomeDown,
            _ if !self.cx.has_time(now) => Refusal::DeadlineExceeded,
            (_, true) if home_failed => Refusal::HomeDown,
            _ => Refusal::AllRegionsFailed,
        };
        self.refuse(refusal, now)
    }
}
