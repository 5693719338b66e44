//! Monotonic stamps for multi-writer writes (`Homing-Clock`). A stamp is written as one of a hybrid logical clock (Kulkarni et al.,
//! "Logical Physical Clocks", 2014): physical time, counter, node. The clock itself is only half of one: it never takes in the stamps of
//! others, so across isolates an order of stamps is an order of wall clocks, and says nothing of cause and effect.

use std::fmt;

use crate::model::time::Timestamp;

/// A stamp: later stamps sort later as text, and no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    millis: u64,
    counter: u16,
    node: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}-{:04x}-{:08x}", self.millis & 0xffff_ffff_ffff, self.counter, self.node)
    }
}

/// One isolate's source of stamps: each is later than the one before, however the wall clock runs.
#[derive(Clone, Copy, Debug)]
pub struct StampClock {
    last: Stamp,
}

impl StampClock {
    /// The clock of that isolate.
    #[must_use]
    pub fn new(node: u32) -> Self {
        Self { last: Stamp { millis: 0, counter: 0, node } }
    }

    /// The next stamp: the wall clock's time, or the last stamp's and one more where the wall clock has not moved on.
    pub fn tick(&mut self, now: Timestamp) -> Stamp {
        if now.0 > self.last.millis {
            self.last.millis = now.0;
            self.last.counter = 0;
        } else if let Some(next) = self.last.counter.checked_add(1) {
            self.last.counter = next;
        } else {
            self.last.millis = self.last.millis.saturating_add(1);
            self.last.counter = 0;
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_even_while_the_wall_clock_stands_still_or_runs_back() {
        let mut clock = StampClock::new(7);
        let mut last = String::new();
        for now in [5, 5, 5, 4, 6].into_iter().chain(std::iter::repeat_n(6, 70_000)) {
            let stamp = clock.tick(Timestamp(now)).to_string();
            assert!(stamp > last, "{stamp} after {last}");
            last = stamp;
        }
    }
}
