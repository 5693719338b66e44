//! A breaker: whether requests of one kind (reads, or writes) may be sent to one region, or on one route of it.
//!
//! It opens when sends fail in a row, or in half of the recent requests; lets one request through when its time is up; and on a good
//! answer lets the rest back little by little. Sources: Envoy's outlier detection (consecutive gateway failures, ejection times that
//! grow, slow start), and Nygard, "Release It!", on breakers that are half open. What counts as a failure: [`Proof`].
//!
//! Writes have nowhere else to go, so refusing them saves no client anything: it only keeps from the region, and from the next who
//! writes, what would certainly fail. So theirs never stays open longer than before; lets one through after a second, and never two at
//! a time, but for one of which nothing is heard for two seconds; and closes, for all at once, with any answer of the region,
//! whatever was asked there. What is too much for a region is for its `ceiling` to say.

use std::{collections::VecDeque, time::Duration};

use super::evidence::{Proof, distinct, is_shared, is_wide};
use crate::model::{
    access::Access,
    time::{Timestamp, millis},
};

/// So many failures in a row open it.
const IN_A_ROW: usize = 5;
/// So do failures of half of as many sends as this: a link that loses packets rarely fails five times in a row.
const RECENT: u32 = u32::BITS;
/// The same, as the number of failures that it takes.
const OFTEN: usize = 16;
/// How long it stays open for reads the first time; the nth time in a row n times as long.
const OPEN_FOR: Duration = Duration::from_secs(30);
/// The longest that it stays open.
const LONGEST: Duration = Duration::from_secs(300);
/// Once it has been closed for so long, the next time is the first again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);
/// A probe of which nothing is heard for so long is lost, and another may go.
const PROBE_LOST: Duration = Duration::from_secs(60);
/// The same of a write: one that hangs may do so for half a minute, and whoever comes later need not wait for it.
const WRITE_LOST: Duration = Duration::from_secs(2);
/// After a probe that failed as one request alone may fail, another goes so soon: that one proves nothing.
const AGAIN: Duration = Duration::from_secs(5);
/// How long it stays open for writes, each time; and after a write that was let through and failed.
const NEXT_WRITE: Duration = Duration::from_secs(1);
/// How long the return takes, from the first tenth of the requests to all of them.
const RAMP: Duration = Duration::from_secs(10);
/// So long after writes have failed there, and none was answered since, whatever may as well be written elsewhere is.
const WARY: Duration = Duration::from_secs(10);

/// What it says of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Send it.
    #[default]
    Closed,
    /// Send this share, in percent: the region has come back a moment ago.
    Ramp(u64),
    /// Send this one, and see.
    Probe,
    /// Do not, until then, unless there is nowhere else.
    Open(Timestamp),
}

impl Gate {
    /// Whether the request with that number, which nobody can guess, is let through.
    #[must_use]
    pub fn admits(self, entropy: u64) -> bool {
        match self {
            Self::Closed | Self::Probe => true,
            // Other digits than those that make the jitter.
            Self::Ramp(share) => (entropy >> 32) % 100 < share,
            Self::Open(_) => false,
        }
    }

    /// What two breakers say that both have a say.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open(one), Self::Open(other)) => Self::Open(one.max(other)),
            (Self::Open(until), _) | (_, Self::Open(until)) => Self::Open(until),
            (Self::Probe, _) | (_, Self::Probe) => Self::Probe,
            (Self::Ramp(one), Self::Ramp(other)) => Self::Ramp(one.min(other)),
            (Self::Ramp(share), Self::Closed) | (Self::Closed, Self::Ramp(share)) => Self::Ramp(share),
            (Self::Closed, Self::Closed) => Self::Closed,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BreakerState {
    #[default]
    Closed,
    /// Until then; when the probe was sent that was let through after that, if one was.
    Open { until: Timestamp, probe: Option<Timestamp> },
}

/// What a breaker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerScope {
    /// All that is sent to a region: one route's trouble is not its.
    Region,
    /// One route of it.
    Route,
}

/// A breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    access: Access,
    scope: BreakerScope,
    state: BreakerState,
    /// When it last opened or closed. Only what was sent since then counts: an answer to what was sent before says nothing of now.
    since: Timestamp,
    /// How often it has opened without staying closed in between.
    opened: u32,
    /// How many have failed in a row.
    failures: u32,
    /// The latest sends that count, the newest in the lowest bit; a failure is a one.
    recent: u32,
    known: u32,
    /// What each of these failures proves, the newest first.
    proofs: VecDeque<Proof>,
}

impl Breaker {
    pub(super) fn new(access: Access, scope: BreakerScope) -> Self {
        Self {
            access,
            scope,
            state: BreakerState::Closed,
            since: Timestamp::default(),
            opened: 0,
            failures: 0,
            recent: 0,
            known: 0,
            proofs: VecDeque::new(),
        }
    }

    /// What it says now.
    #[must_use]
    pub fn gate(&self, now: Timestamp) -> Gate {
        match self.state {
            BreakerState::Open { until, .. } if now < until => Gate::Open(until),
            // The probe says soon how things are.
            BreakerState::Open { probe: Some(sent), .. } if now.since(sent) < self.probe_lost() => {
                Gate::Open(now.after(Duration::from_secs(1)))
            }
            BreakerState::Open { .. } => Gate::Probe,
            BreakerState::Closed if self.opened > 0 && self.access == Access::Read && now.since(self.since) < RAMP => {
                Gate::Ramp(10 + 90 * millis(now.since(self.since)) / millis(RAMP))
            }
            BreakerState::Closed => Gate::Closed,
        }
    }

    /// How many sends have failed in a row, each visitor and route once.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether more than one visitor has just seen it fail.
    pub(super) fn is_doubted(&self) -> bool {
        self.failures > 0 && (self.state != BreakerState::Closed || is_shared(self.row()))
    }

    /// Whether writes have failed there lately and none was answered since, though the region answers other requests.
    pub(super) fn is_wary(&self, now: Timestamp) -> bool {
        self.access == Access::Write && self.opened > 0 && now.since(self.since) < WARY
    }

    /// Whether it is like a new one.
    pub(super) fn is_idle(&self) -> bool {
        self.state == BreakerState::Closed && self.opened == 0 && self.failures == 0 && self.recent == 0
    }

    /// A request is sent.
    pub(super) fn sent(&mut self, now: Timestamp) {
        if let BreakerState::Open { until, probe } = &mut self.state
            && now >= *until
        {
            *probe = Some(now);
        }
    }

    /// What was sent then was answered.
    pub(super) fn answered(&mut self, sent: Timestamp, now: Timestamp) {
        if sent < self.since {
            return;
        }
        // A read that is answered begins the return; a write that is answered ends all doubt.
        let opened = if self.access == Access::Read { self.opened } else { 0 };
        match self.state {
            BreakerState::Closed if self.proofs.is_empty() => self.known = (self.known + 1).min(RECENT),
            BreakerState::Closed => self.note(None),
            BreakerState::Open { .. } => *self = Self { since: now, ..Self::new(self.access, self.scope) },
        }
        self.opened = opened;
    }

    /// The region has answered something else that was asked then: it is there, so writes go again.
    pub(super) fn lives(&mut self, asked: Timestamp, now: Timestamp) {
        if self.access == Access::Write && self.is_open() && asked >= self.since {
            *self = Self { since: now, opened: 1, ..Self::new(self.access, self.scope) };
        }
    }

    /// Whether it keeps anybody away.
    pub(super) fn is_open(&self) -> bool {
        self.state != BreakerState::Closed
    }

    /// What was sent then has failed.
    pub(super) fn failed(&mut self, proof: Proof, sent: Timestamp, now: Timestamp) {
        if sent < self.since || (matches!(proof, Proof::By(_)) && self.row().any(|said| *said == proof)) {
            return self.proves_nothing(sent, now);
        }
        match self.state {
            BreakerState::Closed => {
                self.note(Some(proof));
                if self.is_proved() {
                    self.open(now);
                }
            }
            BreakerState::Open { until, .. } if self.access == Access::Read && sent >= until => {
                self.note(Some(proof));
                if proof == Proof::Certain || self.is_proved() {
                    self.open(now);
                } else {
                    self.proves_nothing(sent, now);
                }
            }
            BreakerState::Open { .. } => self.proves_nothing(sent, now),
        }
    }

    /// A probe has come to nothing that could be held against more than itself: the next one goes soon. One write more says nothing
    /// new either: the next goes as soon as it did.
    fn proves_nothing(&mut self, sent: Timestamp, now: Timestamp) {
        let (access, next) = (self.access, if self.access == Access::Read { AGAIN } else { NEXT_WRITE });
        if let BreakerState::Open { until, probe } = &mut self.state
            && sent >= *until
            // A write that was given up for lost puts off nothing when it fails at last.
            && (access == Access::Read || *probe == Some(sent))
        {
            (*until, *probe) = (now.after(next), None);
        }
    }

    /// Nothing was heard of what was sent, and never will be: another request may be the probe.
    pub(super) fn lost(&mut self, sent: Timestamp) {
        if let BreakerState::Open { until, probe } = &mut self.state
            && sent >= *until
        {
            *probe = None;
        }
    }

    fn probe_lost(&self) -> Duration {
        if self.access == Access::Read { PROBE_LOST } else { WRITE_LOST }
    }

    /// What those prove that have failed in a row.
    fn row(&self) -> impl Iterator<Item = &Proof> + Clone {
        self.proofs.iter().take(self.failures as usize)
    }

    fn is_proved(&self) -> bool {
        let is_wide = |proofs: &mut dyn Iterator<Item = &Proof>| self.scope == BreakerScope::Route || is_wide(proofs);
        let in_a_row = self.row().count() >= IN_A_ROW && is_wide(&mut self.row());
        let often =
            || self.known >= RECENT && distinct(self.proofs.iter()) >= OFTEN && is_wide(&mut self.proofs.iter());
        in_a_row || often()
    }

    fn note(&mut self, failed: Option<Proof>) {
        if self.recent >> (RECENT - 1) == 1 {
            self.proofs.pop_back();
        }
        self.recent = self.recent << 1 | u32::from(failed.is_some());
        self.known = (self.known + 1).min(RECENT);
        self.failures = if failed.is_some() { self.failures.saturating_add(1) } else { 0 };
        if let Some(proof) = failed {
            self.proofs.push_front(proof);
        }
    }

    fn open(&mut self, now: Timestamp) {
        let stayed = self.state == BreakerState::Closed && now.since(self.since) >= FORGIVEN_AFTER;
        let opened = if stayed { 1 } else { self.opened.saturating_add(1) };
        let open_for = match self.access {
            Access::Read => OPEN_FOR.saturating_mul(opened).min(LONGEST),
            Access::Write => NEXT_WRITE,
        };
        let state = BreakerState::Open { until: now.after(open_for), probe: None };
        *self = Self { state, since: now, opened, failures: self.failures, ..Self::new(self.access, self.scope) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::drill::SamplingKey;
    use crate::state::health::evidence::By;

    const SECOND: u64 = 1000;

    fn reads() -> Breaker {
        Breaker::new(Access::Read, BreakerScope::Region)
    }

    fn hear(breaker: &mut Breaker, failed: bool, at: u64) {
        if failed { fail(breaker, 1, at) } else { breaker.answered(Timestamp(at), Timestamp(at)) }
    }

    /// That visitor and route have failed.
    fn by(visitor: u8, route: usize) -> Proof {
        Proof::By(By::new(Some(SamplingKey::at(&format!("192.0.2.{visitor}"))), Some(route)))
    }

    fn say(breaker: &mut Breaker, proofs: &[Proof], at: u64) {
        proofs.iter().for_each(|proof| breaker.failed(*proof, Timestamp(at), Timestamp(at)));
    }

    fn fail(breaker: &mut Breaker, times: u32, at: u64) {
        (0..times).for_each(|_| breaker.failed(Proof::Certain, Timestamp(at), Timestamp(at)));
    }

    fn gate(breaker: &Breaker, at: u64) -> Gate {
        breaker.gate(Timestamp(at))
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_half_a_minute() {
        let mut breaker = reads();
        fail(&mut breaker, 4, 10);
        breaker.answered(Timestamp(10), Timestamp(10));
        fail(&mut breaker, 4, 10);
        assert_eq!(gate(&breaker, 10), Gate::Closed);
        fail(&mut breaker, 1, 10);
        assert_eq!(gate(&breaker, 30_009), Gate::Open(Timestamp(30_010)));
        assert_eq!(gate(&breaker, 30_010), Gate::Probe);
    }

    #[test]
    fn half_of_the_last_sends_open_it_and_a_third_does_not() {
        let (mut third, mut half) = (reads(), reads());
        for n in 0..400 {
            hear(&mut third, n % 3 == 0, n);
            if gate(&half, n) == Gate::Closed {
                hear(&mut half, n % 2 == 0, n);
            }
        }
        assert_eq!(gate(&third, 400), Gate::Closed);
        assert!(matches!(gate(&half, 400), Gate::Open(until) if until >= Timestamp(30_030)), "{half:?}");
    }

    #[test]
    fn one_probe_at_a_time() {
        let mut breaker = reads();
        fail(&mut breaker, 5, 0);
        let due = Timestamp(30 * SECOND);
        breaker.sent(due);
        assert!(matches!(breaker.gate(due), Gate::Open(_)));
        breaker.lost(due);
        assert_eq!(breaker.gate(due), Gate::Probe, "its client has gone");
        breaker.sent(due);
        assert!(matches!(gate(&breaker, 89 * SECOND), Gate::Open(_)));
        assert_eq!(gate(&breaker, 90 * SECOND), Gate::Probe, "nobody will ever say what came of it");
        breaker.sent(due);
        breaker.failed(Proof::Certain, due, Timestamp(31 * SECOND));
        assert_eq!(gate(&breaker, 90 * SECOND), Gate::Open(Timestamp(91 * SECOND)), "twice as long");
    }

    #[test]
    fn it_returns_little_by_little() {
        let mut breaker = reads();
        fail(&mut breaker, 5, 0);
        let due = Timestamp(30 * SECOND);
        breaker.sent(due);
        breaker.answered(due, due);
        assert_eq!(gate(&breaker, 30 * SECOND), Gate::Ramp(10));
        assert_eq!(gate(&breaker, 35 * SECOND), Gate::Ramp(55));
        assert_eq!(gate(&breaker, 40 * SECOND), Gate::Closed);
        let admitted = (0..100_u64).filter(|n| Gate::Ramp(55).admits(n << 32)).count();
        assert_eq!(admitted, 55);
    }

    #[test]
    fn the_time_grows_to_five_minutes_and_is_forgiven_after_as_long() {
        let mut breaker = reads();
        let mut now = 0;
        for n in 1..=12 {
            fail(&mut breaker, 5, now);
            let open = (n * 30 * SECOND).min(300 * SECOND);
            assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + open)), "{n}");
            now += open;
            breaker.answered(Timestamp(now), Timestamp(now));
        }
        now += 300 * SECOND;
        fail(&mut breaker, 5, now);
        assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + 30 * SECOND)));
    }

    #[test]
    fn what_was_sent_before_it_changed_counts_no_more() {
        let mut breaker = reads();
        fail(&mut breaker, 5, 20);
        breaker.answered(Timestamp(10), Timestamp(25));
        assert!(matches!(gate(&breaker, 25), Gate::Open(_)), "it was slow, and is no news");
        breaker.answered(Timestamp(26), Timestamp(27));
        assert_eq!(gate(&breaker, 27), Gate::Ramp(10), "the last resort has found it alive");
        (0..9).for_each(|_| breaker.failed(Proof::Certain, Timestamp(19), Timestamp(28)));
        assert_eq!(breaker.failures(), 0);
    }

    #[test]
    fn what_one_visitor_and_route_say_counts_once_and_one_route_is_not_the_region() {
        let mut breaker = reads();
        say(&mut breaker, &[by(1, 1); 100], 10);
        assert_eq!((breaker.failures(), gate(&breaker, 10)), (1, Gate::Closed));
        assert!(!breaker.is_doubted(), "nobody else need think worse of it");
        say(&mut breaker, &[by(2, 1), by(3, 1), by(4, 1), by(5, 1), by(6, 1)], 10);
        assert_eq!(gate(&breaker, 10), Gate::Closed, "one route, whoever asks");
        assert!(breaker.is_doubted());
        say(&mut breaker, &[by(1, 2)], 10);
        assert!(matches!(gate(&breaker, 10), Gate::Open(_)), "another route");
        let mut route = Breaker::new(Access::Read, BreakerScope::Route);
        say(&mut route, &[by(1, 1), by(2, 1), by(3, 1), by(4, 1), by(4, 1)], 10);
        assert_eq!(gate(&route, 10), Gate::Closed);
        say(&mut route, &[by(5, 1)], 10);
        assert!(matches!(gate(&route, 10), Gate::Open(_)), "of a route five visitors are enough");
    }

    #[test]
    fn one_visitor_who_fails_as_often_as_others_succeed_opens_nothing() {
        let mut breaker = reads();
        for n in 0..1000 {
            say(&mut breaker, &[by(1, n % 2)], n as u64);
            breaker.answered(Timestamp(n as u64), Timestamp(n as u64));
        }
        assert_eq!(gate(&breaker, 1000), Gate::Closed);
        for n in 0..32 {
            breaker.answered(Timestamp(1000), Timestamp(1000));
            say(&mut breaker, &[by(n, usize::from(n % 3))], 1000);
            if gate(&breaker, 1000) != Gate::Closed {
                assert!(n >= 14, "sixteen others, on several routes: {n}");
                break;
            }
        }
        assert!(matches!(gate(&breaker, 1000), Gate::Open(_)), "others say so too");
    }

    #[test]
    fn a_probe_that_one_visitor_lets_fail_keeps_it_open_no_longer() {
        let mut breaker = reads();
        fail(&mut breaker, 5, 0);
        let mut now = 30 * SECOND;
        for _ in 0..50 {
            assert_eq!(gate(&breaker, now), Gate::Probe);
            breaker.sent(Timestamp(now));
            breaker.failed(by(1, 1), Timestamp(now), Timestamp(now));
            assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + 5 * SECOND)), "another goes soon");
            now += 5 * SECOND;
        }
        for n in 2..=5 {
            breaker.sent(Timestamp(now));
            breaker.failed(by(n, usize::from(n)), Timestamp(now), Timestamp(now));
            now += 5 * SECOND;
        }
        assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + 55 * SECOND)), "five say so: twice as long");
    }

    fn open_for_writes() -> Breaker {
        let mut breaker = Breaker::new(Access::Write, BreakerScope::Region);
        fail(&mut breaker, 5, 0);
        breaker
    }

    #[test]
    fn of_writes_one_goes_at_a_time_a_second_after_the_last_has_failed_however_often() {
        let mut breaker = open_for_writes();
        for n in 1..100 {
            let at = n * 1100;
            assert_eq!(gate(&breaker, at - 101), Gate::Open(Timestamp(at - 100)), "{n}");
            assert_eq!(gate(&breaker, at), Gate::Probe, "never later than the first time");
            breaker.sent(Timestamp(at));
            assert!(matches!(gate(&breaker, at), Gate::Open(_)), "one");
            breaker.failed(Proof::Certain, Timestamp(at), Timestamp(at));
            fail(&mut breaker, 3, at + 1);
        }
        breaker.sent(Timestamp(200_000));
        breaker.answered(Timestamp(200_000), Timestamp(200_050));
        assert_eq!(gate(&breaker, 200_050), Gate::Closed, "all at once");
        assert!(!breaker.is_wary(Timestamp(200_050)));
    }

    #[test]
    fn a_write_that_hangs_is_waited_for_two_seconds_and_one_whose_client_has_gone_not_at_all() {
        let mut breaker = open_for_writes();
        breaker.sent(Timestamp(SECOND));
        assert!(matches!(gate(&breaker, 3 * SECOND - 1), Gate::Open(until) if until <= Timestamp(4 * SECOND)));
        assert_eq!(gate(&breaker, 3 * SECOND), Gate::Probe);
        breaker.sent(Timestamp(3 * SECOND));
        breaker.failed(Proof::Certain, Timestamp(SECOND), Timestamp(3 * SECOND + 1));
        assert!(matches!(gate(&breaker, 3 * SECOND + 1), Gate::Open(_)), "the second is still under way");
        assert_eq!(gate(&breaker, 5 * SECOND), Gate::Probe, "and the first puts nothing off");
        breaker.sent(Timestamp(5 * SECOND));
        breaker.lost(Timestamp(5 * SECOND));
        assert_eq!(gate(&breaker, 5 * SECOND), Gate::Probe);
    }

    #[test]
    fn whatever_else_the_region_answers_lets_all_writes_go_again() {
        let mut breaker = open_for_writes();
        breaker.since = Timestamp(10);
        breaker.lives(Timestamp(9), Timestamp(20));
        assert!(matches!(gate(&breaker, 20), Gate::Open(_)), "it was asked before");
        breaker.lives(Timestamp(10), Timestamp(20));
        assert_eq!((gate(&breaker, 20), breaker.failures()), (Gate::Closed, 0));
        assert!(breaker.is_wary(Timestamp(20)), "what may go elsewhere does, until a write is answered");
        assert!(!breaker.is_wary(Timestamp(20 + 10 * SECOND)));
        breaker.answered(Timestamp(20), Timestamp(30));
        assert!(!breaker.is_wary(Timestamp(30)));
        let mut reads = reads();
        fail(&mut reads, 5, 10);
        reads.lives(Timestamp(10), Timestamp(20));
        assert!(matches!(gate(&reads, 20), Gate::Open(_)), "reads have somewhere else to go");
    }
}
