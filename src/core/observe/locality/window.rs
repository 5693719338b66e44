//! The window by which a budget is judged, of crossings or of conflicts: two halves that follow the requests' own times, so that it needs
//! no timer.

use std::time::Duration;

use crate::observe::locality::count::{BudgetState, Count, Reasons};
use crate::{
    model::{
        time::{Timestamp, millis},
        token::Token,
    },
    topology::units::Share,
};

/// How long a half lasts: what is judged is the last five to ten minutes.
pub const HALF: Duration = Duration::from_secs(300);
/// So many requests must be in the window before a route can be over its budget.
pub const ENOUGH: u64 = 100;
/// And so many before it can have come back: fewer, so that a route that has gone quiet does not stay over for ever.
pub const ENOUGH_BACK: u64 = 20;
/// A route comes back at four fifths of its budget, so that one at the border does not go to and fro.
const BACK: (u64, u64) = (4, 5);

#[derive(Clone, Debug, Default)]
struct Half {
    count: Count,
    reasons: Reasons,
}

/// The requests of this half and of the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct BudgetWindow {
    /// The number of this half since 1970.
    number: u64,
    now: Half,
    before: Half,
    /// Whether the budget is kept.
    pub(super) standing: BudgetState,
}

impl BudgetWindow {
    /// Takes in a request: whether it counts against the budget, and why. True if the budget has just been exceeded, or is kept again.
    pub(super) fn observe(&mut self, at: Timestamp, (against, why): (bool, Option<Token>), budget: Share) -> bool {
        self.turn(at.0 / millis(HALF));
        self.now.count.add(against);
        if let Some(reason) = why {
            self.now.reasons.add(reason, 1);
        }
        let standing = self.judge(budget);
        standing != std::mem::replace(&mut self.standing, standing)
    }

    /// Moves on to that half. A request that came in the half before and ended in this one counts in this one; a clock that
    /// was set back further begins anew.
    fn turn(&mut self, number: u64) {
        if number == self.number || number + 1 == self.number {
            return;
        }
        let last = std::mem::take(&mut self.now);
        self.before = if number == self.number + 1 { last } else { Half::default() };
        self.number = number;
    }

    pub(super) fn sum(&self) -> (Count, Reasons) {
        (self.before.count.and(self.now.count), self.before.reasons.and(&self.now.reasons))
    }

    /// Whether the budget is kept, after it was or was not.
    fn judge(&self, budget: Share) -> BudgetState {
        let Count { requests, crossed } = self.before.count.and(self.now.count);
        let (part, whole) = BACK;
        match self.standing {
            BudgetState::Within if requests >= ENOUGH && budget.is_exceeded(crossed, requests) => BudgetState::Over,
            BudgetState::Over if requests >= ENOUGH_BACK && !budget.is_exceeded(crossed * whole, requests * part) => {
                BudgetState::Within
            }
            same => same,
        }
    }
}
