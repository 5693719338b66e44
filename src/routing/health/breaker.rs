//! A breaker: whether requests of one kind (reads, or writes) may be sent to one region.
//!
//! It opens when sends fail in a row, or as often as not; lets one request through when its time is up; and on a good answer
//! lets the rest back little by little. Sources: Envoy's outlier detection (consecutive gateway failures, ejection times that
//! grow, slow start), and Nygard, "Release It!", on breakers that are half open.

use std::time::Duration;

use crate::routing::time::{Timestamp, millis};

/// So many failures in a row open it.
const IN_A_ROW: u32 = 5;
/// So do failures of half of as many sends as this: a link that loses packets rarely fails five times in a row.
const RECENT: u32 = 32;
/// How long it stays open the first time; the nth time in a row n times as long.
const OPEN_FOR: Duration = Duration::from_secs(30);
/// The longest that it stays open.
const LONGEST: Duration = Duration::from_secs(300);
/// Once it has been closed for so long, the next time is the first again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);
/// A probe of which nothing is heard for so long is lost, and another may go.
const PROBE_LOST: Duration = Duration::from_secs(60);
/// How long the return takes, from the first tenth of the requests to all of them.
const RAMP: Duration = Duration::from_secs(10);

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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Until then; when the probe was sent that was let through after that, if one was.
    Open { until: Timestamp, probe: Option<Timestamp> },
}

/// A breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    state: State,
    /// When it last opened or closed. Only what was sent since then counts: an answer to what was sent before says nothing of now.
    since: Timestamp,
    /// How often it has opened without staying closed in between.
    opened: u32,
    failures: u32,
    /// The latest sends, the newest in the lowest bit; a failure is a one.
    recent: u32,
    known: u32,
}

impl Breaker {
    /// What it says now.
    #[must_use]
    pub fn gate(&self, now: Timestamp) -> Gate {
        match self.state {
            State::Open { until, .. } if now < until => Gate::Open(until),
            // The probe says soon how things are.
            State::Open { probe: Some(sent), .. } if now.since(sent) < PROBE_LOST => {
                Gate::Open(now.after(Duration::from_secs(1)))
            }
            State::Open { .. } => Gate::Probe,
            State::Closed if self.opened > 0 && now.since(self.since) < RAMP => {
                Gate::Ramp(10 + 90 * millis(now.since(self.since)) / millis(RAMP))
            }
            State::Closed => Gate::Closed,
        }
    }

    /// How many sends have failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A request is sent.
    pub(super) fn sent(&mut self, now: Timestamp) {
        if let State::Open { until, probe } = &mut self.state
            && now >= *until
        {
            *probe = Some(now);
        }
    }

    /// What was sent then has failed, or not.
    pub(super) fn heard(&mut self, failed: bool, sent: Timestamp, now: Timestamp) {
        if sent < self.since {
            return;
        }
        match (self.state, failed) {
            (State::Closed, _) => {
                self.note(failed);
                let often = self.known >= RECENT && self.recent.count_ones() * 2 >= RECENT;
                if self.failures >= IN_A_ROW || often {
                    self.open(now);
                }
            }
            (State::Open { .. }, false) => *self = Self { since: now, opened: self.opened, ..Self::default() },
            (State::Open { until, .. }, true) if sent >= until => self.open(now),
            (State::Open { .. }, true) => {}
        }
    }

    /// Nothing was heard of what was sent, and never will be: another request may be the probe.
    pub(super) fn lost(&mut self, sent: Timestamp) {
        if let State::Open { until, probe } = &mut self.state
            && sent >= *until
        {
            *probe = None;
        }
    }

    fn note(&mut self, failed: bool) {
        self.failures = if failed { self.failures + 1 } else { 0 };
        self.recent = self.recent << 1 | u32::from(failed);
        self.known = (self.known + 1).min(RECENT);
    }

    fn open(&mut self, now: Timestamp) {
        let stayed = self.state == State::Closed && now.since(self.since) >= FORGIVEN_AFTER;
        self.opened = if stayed { 1 } else { self.opened.saturating_add(1) };
        let until = now.after(OPEN_FOR.saturating_mul(self.opened).min(LONGEST));
        let (opened, failures) = (self.opened, self.failures);
        *self = Self { state: State::Open { until, probe: None }, since: now, opened, failures, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    fn fail(breaker: &mut Breaker, times: u32, at: u64) {
        (0..times).for_each(|_| breaker.heard(true, Timestamp(at), Timestamp(at)));
    }

    fn gate(breaker: &Breaker, at: u64) -> Gate {
        breaker.gate(Timestamp(at))
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_half_a_minute() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, 4, 10);
        breaker.heard(false, Timestamp(10), Timestamp(10));
        fail(&mut breaker, 4, 10);
        assert_eq!(gate(&breaker, 10), Gate::Closed);
        fail(&mut breaker, 1, 10);
        assert_eq!(gate(&breaker, 30_009), Gate::Open(Timestamp(30_010)));
        assert_eq!(gate(&breaker, 30_010), Gate::Probe);
    }

    #[test]
    fn half_of_the_last_sends_open_it_and_a_third_does_not() {
        let (mut third, mut half) = (Breaker::default(), Breaker::default());
        for n in 0..400 {
            third.heard(n % 3 == 0, Timestamp(n), Timestamp(n));
            if gate(&half, n) == Gate::Closed {
                half.heard(n % 2 == 0, Timestamp(n), Timestamp(n));
            }
        }
        assert_eq!(gate(&third, 400), Gate::Closed);
        assert!(matches!(gate(&half, 400), Gate::Open(until) if until >= Timestamp(30_030)), "{half:?}");
    }

    #[test]
    fn one_probe_at_a_time() {
        let mut breaker = Breaker::default();
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
        breaker.heard(true, due, Timestamp(31 * SECOND));
        assert_eq!(gate(&breaker, 90 * SECOND), Gate::Open(Timestamp(91 * SECOND)), "twice as long");
    }

    #[test]
    fn it_returns_little_by_little() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, 5, 0);
        let due = Timestamp(30 * SECOND);
        breaker.sent(due);
        breaker.heard(false, due, due);
        assert_eq!(gate(&breaker, 30 * SECOND), Gate::Ramp(10));
        assert_eq!(gate(&breaker, 35 * SECOND), Gate::Ramp(55));
        assert_eq!(gate(&breaker, 40 * SECOND), Gate::Closed);
        let admitted = (0..100_u64).filter(|n| Gate::Ramp(55).admits(n << 32)).count();
        assert_eq!(admitted, 55);
    }

    #[test]
    fn the_time_grows_to_five_minutes_and_is_forgiven_after_as_long() {
        let mut breaker = Breaker::default();
        let mut now = 0;
        for n in 1..=12 {
            fail(&mut breaker, 5, now);
            let open = (n * 30 * SECOND).min(300 * SECOND);
            assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + open)), "{n}");
            now += open;
            breaker.heard(false, Timestamp(now), Timestamp(now));
        }
        now += 300 * SECOND;
        fail(&mut breaker, 5, now);
        assert_eq!(gate(&breaker, now), Gate::Open(Timestamp(now + 30 * SECOND)));
    }

    #[test]
    fn what_was_sent_before_it_changed_counts_no_more() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, 5, 20);
        breaker.heard(false, Timestamp(10), Timestamp(25));
        assert!(matches!(gate(&breaker, 25), Gate::Open(_)), "it was slow, and is no news");
        breaker.heard(false, Timestamp(26), Timestamp(27));
        assert_eq!(gate(&breaker, 27), Gate::Ramp(10), "the last resort has found it alive");
        (0..9).for_each(|_| breaker.heard(true, Timestamp(19), Timestamp(28)));
        assert_eq!(breaker.failures(), 0);
    }
}
