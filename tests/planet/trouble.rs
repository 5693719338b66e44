//! What goes wrong, and how long replication takes. All of it is fixed before the day begins, so every strategy meets the same.
//!
//! **Replication lag** of a write is one way between the regions, and the time until a replica shows it: half of the writes within 1 ms, one
//! in a hundred after 10 ms ([`APPLY`]). `tests/postgres/lag.mjs` measured 0.1 ms, 5.5 ms and 68 ms at most for PostgreSQL's streaming
//! replication on loopback, without fsync, on a busy machine (2026-11-29); a disk adds to that. The way is cloudping's. From Virginia to
//! Frankfurt that makes 48 ms. Besides, each link stands still for 0.2 to 1.5 s once in five minutes, as `tests/simulation/network.rs` has
//! it too: a checkpoint, a long query at the replica, a burst of writes. That part is estimated. AWS says of Aurora Global Database that
//! its latency is "typically under one second" (Aurora User Guide, "Overview of Amazon Aurora Global Database").

use crate::{
    HOUR, MILLI, MINUTE, SECOND,
    chance::Dice,
    earth::{EU, US, between, scaled},
};

/// The median time to apply a write in microseconds, and its spread ([`Dice::log_normal`]).
const APPLY: (u64, f64) = (1000, 1.0);
/// A link stands still once in this time.
const HICCUP_EVERY: u64 = 5 * MINUTE;
/// From this before a region is lost, what was sent has left it.
const LEFT: u64 = 5 * MILLI;
/// How long a region that comes back takes to catch up.
const CATCHES_UP: u64 = 2 * SECOND;

/// A time of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub until: u64,
}

impl Span {
    #[must_use]
    pub fn has(&self, at: u64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Healthy,
    /// Replication from the primary to `eu` falls behind by up to 30 s, evenly, and recovers: a saturated link, for an hour.
    LaggingLink,
    /// A region is a black hole for ten minutes: nothing that is sent there is answered.
    Lost(usize),
}

/// The most that the lagging link is behind.
pub const WORST_LAG: u64 = 30 * SECOND;

impl Trouble {
    pub const ALL: [Self; 4] = [Self::Healthy, Self::LaggingLink, Self::Lost(US), Self::Lost(EU)];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::LaggingLink => "the link from us to eu lags",
            Self::Lost(US) => "us is lost",
            Self::Lost(_) => "eu is lost",
        }
    }

    /// When it is: in the busiest hour of all continents together.
    #[must_use]
    pub fn span(self) -> Option<Span> {
        let from = 14 * HOUR;
        match self {
            Self::Healthy => None,
            Self::LaggingLink => Some(Span { from, until: from + HOUR }),
            Self::Lost(_) => Some(Span { from, until: from + 10 * MINUTE }),
        }
    }

    /// Which part of the day is played, and which counts.
    #[must_use]
    pub fn played(self) -> (Span, Span) {
        let day = Span { from: 0, until: 24 * HOUR };
        self.span()
            .map_or((day, day), |span| (Span { from: span.from - 45 * MINUTE, until: span.until + 15 * MINUTE }, span))
    }

    /// When the region is lost, if it ever is.
    #[must_use]
    pub fn lost(self, region: usize) -> Option<Span> {
        self.span().filter(|_| self == Self::Lost(region))
    }

    #[must_use]
    pub fn is_down(self, region: usize, at: u64) -> bool {
        self.lost(region).is_some_and(|span| span.has(at))
    }

    /// When a write that is committed there then can be read at another region.
    #[must_use]
    pub fn replicated(self, from: usize, to: usize, at: u64, seed: u64) -> u64 {
        let link = (from * 3 + to) as u64;
        let mut leaves = after_hiccup(link, at, seed) + self.backlog(from, to, at);
        if let Some(span) = self.lost(from).filter(|span| at < span.until && leaves + LEFT > span.from) {
            leaves = leaves.max(span.until + CATCHES_UP);
        }
        let mut dice = Dice::new(seed, &[3, link, at]);
        let applied = leaves + between(from, to, &mut dice) + scaled(APPLY.0, dice.log_normal(APPLY.1));
        let back = self.lost(to).filter(|span| (span.from..span.until + CATCHES_UP).contains(&applied));
        back.map_or(applied, |span| span.until + CATCHES_UP)
    }

    /// What waits on a saturated link.
    #[allow(clippy::cast_precision_loss, reason = "below an hour")]
    fn backlog(self, from: usize, to: usize, at: u64) -> u64 {
        let lags = self == Self::LaggingLink && (from, to) == (US, EU);
        self.span().filter(|span| lags && span.has(at)).map_or(0, |span| {
            let half = (span.until - span.from) / 2;
            let from_the_middle = at.abs_diff(span.from + half);
            scaled(WORST_LAG, 1.0 - from_the_middle as f64 / half as f64)
        })
    }
}

/// What would leave while the link stands still leaves when it goes on.
fn after_hiccup(link: u64, at: u64, seed: u64) -> u64 {
    let slot = at / HICCUP_EVERY;
    let mut dice = Dice::new(seed, &[4, link, slot]);
    let from = slot * HICCUP_EVERY + scaled(HICCUP_EVERY - 2 * SECOND, dice.roll());
    let until = from + 200 * MILLI + scaled(1300 * MILLI, dice.roll());
    if (from..until).contains(&at) { until } else { at }
}
