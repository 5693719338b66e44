//! Stamps of multi-writer writes (`Homing-Clock`): a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014).
//!
//! A stamp is later than all that its isolate, its session and the origins that told either of them had seen, whatever the wall clocks
//! say. What others tell is believed within bounds, so that no clock that is wrong drags all others along:
//!
//! - [`DRIFT`]: an isolate takes a stamp in that is no further ahead of its wall clock than this. It goes into the stamps of everybody.
//! - [`APART`] and [`CARRIED`]: a session takes in and carries one that is no further ahead than these. It goes into the session's own
//!   writes and no others.

use std::{fmt, time::Duration};

use crate::model::{
    position::{Position, PositionKind},
    time::{Timestamp, millis},
};

/// How far an isolate's stamps may run ahead of its wall clock because of what origins and sessions tell.
pub const DRIFT: Duration = Duration::from_secs(60);
/// How far the clocks of two edges may lie apart: as far as Kerberos lets clocks differ (RFC 4120 section 3.2.3), and more than two edges
/// can whose signatures one origin accepts. What a session is told may be as far ahead.
pub const APART: Duration = Duration::from_secs(5 * 60);

/// How far a session's stamp may be ahead: what it has been told where one edge's clock was, seen from where another edge's is.
pub const CARRIED: Duration = Duration::from_secs(10 * 60);

/// The length of a stamp as text.
const LENGTH: usize = 26;
/// The bits of the counter.
const COUNTER: u32 = 16;
/// Counters from here on are of stamps beyond the isolate's own clock, so that it gives none of them again when it gets there.
const BEYOND: u64 = 0x8000;

/// The time of a stamp: Unix milliseconds in the upper 48 bits, and in the lower 16 a counter. Zero is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// The start of that millisecond, as a wall clock shows it.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(now.0 << COUNTER)
    }

    /// The time of a position that is a stamp ([`PositionKind::Hlc`]).
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "a stamp has 48 and 16 bits above its node's 32")]
    pub fn of(position: Position) -> Self {
        Self((position.number() >> 32) as u64)
    }

    /// Reads a stamp; none unless it has the one form that compares as text.
    #[must_use]
    pub fn read(stamp: &str) -> Option<Self> {
        let is_whole = stamp.len() == LENGTH && !stamp.bytes().any(|byte| byte.is_ascii_uppercase());
        PositionKind::Hlc.read(stamp).filter(|_| is_whole).map(Self::of)
    }

    fn millis(self) -> u64 {
        self.0 >> COUNTER
    }

    /// Whether it is further ahead of the wall clock than that.
    #[must_use]
    pub fn is_ahead(self, now: Timestamp, by: Duration) -> bool {
        self.millis() > now.0.saturating_add(millis(by))
    }

    /// Whether the wall clock of every edge is past it, so that it says nothing of any later stamp.
    #[must_use]
    pub fn is_past(self, now: Timestamp) -> bool {
        self.millis().saturating_add(millis(APART)) < now.0
    }
}

/// A stamp: later stamps sort later as text, and no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When.
    pub time: HybridTime,
    node: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HybridTime(time) = self.time;
        write!(f, "{:012x}-{:04x}-{:08x}", time >> COUNTER, time & 0xffff, self.node)
    }
}

/// One isolate's source of stamps.
#[derive(Clone, Copy, Debug)]
pub struct StampClock {
    node: u32,
    /// The latest that was given to anybody or taken in.
    last: HybridTime,
    /// How many stamps were given beyond that, modulo the counters that there are for them.
    given: u64,
}

impl StampClock {
    /// The clock of that isolate.
    #[must_use]
    pub fn new(node: u32) -> Self {
        Self { node, last: HybridTime::default(), given: 0 }
    }

    /// Takes in the time of a stamp that was made elsewhere. One too far ahead is not believed.
    pub fn take(&mut self, told: HybridTime, now: Timestamp) {
        if !told.is_ahead(now, DRIFT) {
            self.last = self.last.max(told);
        }
    }

    /// The next stamp: later than all that the isolate has given out of its own clock or taken in, than the wall clock, and than all
    /// that the session has seen, if that is believed.
    pub fn tick(&mut self, now: Timestamp, seen: HybridTime) -> Stamp {
        self.take(seen, now);
        let HybridTime(last) = self.last;
        // Behind the last of the clock's own counters comes the next millisecond.
        let next =
            if last % (2 * BEYOND) < BEYOND - 1 { last + 1 } else { (last | (2 * BEYOND - 1)).saturating_add(1) };
        self.last = HybridTime(next).max(HybridTime::at(now));
        let time = if seen < self.last || seen.is_ahead(now, CARRIED) { self.last } else { self.beyond(seen, now) };
        Stamp { time, node: self.node }
    }

    /// A time after one that is too far ahead to take in, however far others are. Its counter is given once, so that two writes of one
    /// session do not get the same; once all of them were given, the isolate takes another name. The time is no further ahead than a session
    /// may carry it, or else its next write would not follow this one.
    fn beyond(&mut self, seen: HybridTime, now: Timestamp) -> HybridTime {
        let is_furthest = HybridTime::at(Timestamp(seen.millis() + 1)).is_ahead(now, CARRIED);
        if is_furthest && seen.0 & BEYOND > 0 {
            self.given = self.given.max(seen.0 % BEYOND);
        }
        self.given = (self.given + 1) % BEYOND;
        if self.given == 0 {
            // As a linear congruential generator whose period is all of them (Knuth, TAOCP 3.2.1.2, theorem A).
            self.node = self.node.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
        }
        let next = u64::from(!is_furthest || self.given == 0);
        HybridTime(((seen.millis() + next) << COUNTER) | BEYOND | self.given)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);
    const NOTHING: HybridTime = HybridTime(0);

    fn at(ahead: u64, counter: u64) -> HybridTime {
        HybridTime(HybridTime::at(NOW.after(Duration::from_millis(ahead))).0 | counter)
    }

    #[test]
    fn stamps_rise_even_while_the_wall_clock_stands_still_or_runs_back() {
        let mut clock = StampClock::new(7);
        let mut last = String::new();
        for now in [5, 5, 5, 4, 6].into_iter().chain(std::iter::repeat_n(6, 70_000)) {
            let stamp = clock.tick(Timestamp(now), NOTHING).to_string();
            assert!(stamp > last && stamp.len() == LENGTH, "{stamp} after {last}");
            last = stamp;
        }
    }

    #[test]
    fn a_counter_that_is_full_moves_on_to_the_next_millisecond() {
        for full in [BEYOND - 1, BEYOND, 0xffff] {
            let mut clock = StampClock::new(7);
            assert_eq!(clock.tick(NOW, at(0, full)).time, at(1, 0), "{full:x}");
            assert_eq!(clock.tick(NOW, NOTHING).time, at(1, 1));
        }
        assert_eq!(StampClock::new(7).tick(NOW, at(0, BEYOND - 2)).time, at(0, BEYOND - 1));
    }

    #[test]
    fn what_is_told_within_a_minute_is_taken_in_and_no_more() {
        let minute = millis(DRIFT);
        for (ahead, counter, next) in [
            (0, 5, at(0, 6)),
            (minute, 0, at(minute, 1)),
            (minute, 5, at(minute, 6)),
            (minute + 1, 0, at(0, 0)),
            (u64::MAX / 2, 0, at(0, 0)),
        ] {
            let mut clock = StampClock::new(7);
            clock.take(HybridTime((NOW.0.saturating_add(ahead).min((1 << 48) - 1) << COUNTER) | counter), NOW);
            assert_eq!(clock.tick(NOW, NOTHING).time, next, "{ahead} ms, {counter}");
        }
        let mut clock = StampClock::new(7);
        clock.take(at(5, 3), NOW);
        clock.take(at(2, 9), NOW);
        assert_eq!(clock.tick(NOW, NOTHING).time, at(5, 4), "an earlier one takes nothing back");
    }

    #[test]
    fn a_session_further_ahead_gets_a_later_stamp_and_drags_nobody_along() {
        let (minute, most) = (millis(DRIFT), millis(CARRIED));
        for ahead in [minute + 1, most] {
            let mut clock = StampClock::new(7);
            let (first, second) = (clock.tick(NOW, at(ahead, 3)), clock.tick(NOW, at(ahead, 3)));
            assert!(first.time > at(ahead, 3) && second.time > at(ahead, 3) && first != second, "{first} {second}");
            assert!(!first.time.is_ahead(NOW, Duration::from_millis(ahead + 1)));
            assert!(clock.tick(NOW, NOTHING).time < at(1, 0), "others go by the isolate's own clock");
        }
        assert!(
            StampClock::new(7).tick(NOW, at(most + 1, 0)).time < at(1, 0),
            "further ahead than that it is not believed"
        );
    }

    /// As far as a session can be that was told something at one edge, seen from another.
    #[test]
    fn a_session_at_the_bound_goes_on_writing_and_none_of_its_stamps_is_dropped() {
        let mut clock = StampClock::new(7);
        let mut seen = at(2 * millis(APART) - 3, 0xffff);
        for n in 0..1000 {
            // Now and then another edge, which has given fewer.
            let elsewhere = StampClock::new(8).tick(NOW, seen).time;
            let stamp = if n % 7 == 0 { elsewhere } else { clock.tick(NOW, seen).time };
            assert!(stamp > seen && !stamp.is_ahead(NOW, CARRIED), "{stamp:?} after {seen:?}");
            seen = stamp;
        }
        let full = at(2 * millis(APART), 0xffff);
        assert!(clock.tick(NOW, full).time > full, "where no counter is left it is a step past the bound");
    }

    #[test]
    fn one_session_far_ahead_takes_no_other_along() {
        let mut clock = StampClock::new(7);
        let near = at(millis(DRIFT) + 1, 0);
        for n in 0..2 * BEYOND {
            let far = clock.tick(NOW, at(2 * millis(APART), 0)).time;
            let stamp = clock.tick(NOW, near).time;
            assert!(stamp > near && !stamp.is_ahead(NOW, DRIFT + Duration::from_millis(2)) && stamp < far, "{n}");
        }
    }

    #[test]
    fn no_stamp_is_given_twice_however_often_a_session_comes_back() {
        let mut clock = StampClock::new(7);
        let mut given = HashSet::new();
        for n in 0..100_000 {
            // The wall clock moves over the very milliseconds that sessions were given before.
            let now = NOW.after(Duration::from_millis(n / 8));
            let seen =
                [at(millis(DRIFT) + 40, 3), at(millis(DRIFT) + n / 16, 0), NOTHING][usize::try_from(n % 3).unwrap()];
            let stamp = clock.tick(now, seen);
            assert!(stamp.time > seen, "{stamp}");
            assert!(given.insert(stamp.to_string()), "{stamp} once more");
        }
    }

    #[test]
    fn an_isolate_that_has_given_all_its_counters_takes_another_name() {
        let mut clock = StampClock::new(7);
        let mut given = HashSet::new();
        for _ in 0..2 * BEYOND + 2 {
            let stamp = clock.tick(NOW, at(millis(DRIFT) + 40, 3));
            assert!(given.insert(stamp.to_string()), "{stamp} once more");
        }
    }

    #[test]
    fn a_stamp_has_one_form() {
        let stamp = Stamp { time: at(7, 0xabcd), node: 0x19 };
        assert_eq!(HybridTime::read(&stamp.to_string()), Some(stamp.time));
        for bad in [
            "",
            "019b0e5a8000-0001-0000000",
            "019B0E5A8000-0001-0000000a",
            "019b0e5a8000-0001-0000000a ",
            "+19b0e5a8000-0001-0000000a",
            "19b0e5a80000-00010-000000a",
            "019b0e5a8000_0001_0000000a",
            "019b0e5a8000-0001-00-0000a",
            "019b0e5a80000-001-0000000a",
        ] {
            assert_eq!(HybridTime::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_is_past_once_every_wall_clock_is() {
        let later = |ms| NOW.after(APART).after(Duration::from_millis(ms));
        assert!(!at(0, 5).is_past(later(0)) && at(0, 5).is_past(later(1)));
    }
}
