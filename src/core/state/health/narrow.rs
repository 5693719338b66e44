//! Breakers for less than a region: for one route of it, and for one visitor on one route. They come about when something fails, and
//! go when all is well again.

use std::collections::VecDeque;

use super::{
    breaker::{Breaker, BreakerScope, Gate},
    evidence::{By, Proof},
};
use crate::model::{access::Access, time::Timestamp};

/// The most that are kept; the first that keeps nobody away gives way, so that failures on many routes open none again.
const MOST: usize = 32;

/// Breakers, each for somebody.
#[derive(Clone, Debug, Default)]
pub(super) struct Narrow(VecDeque<(By, Access, Breaker)>);

impl Narrow {
    /// What the breaker says, if there is one.
    pub(super) fn gate(&self, by: By, access: Access, now: Timestamp) -> Gate {
        self.of(by, access).map_or(Gate::Closed, |breaker| breaker.gate(now))
    }

    pub(super) fn of(&self, by: By, access: Access) -> Option<&Breaker> {
        self.0.iter().find(|(whose, kind, _)| *whose == by && *kind == access).map(|(_, _, breaker)| breaker)
    }

    fn of_mut(&mut self, by: By, access: Access) -> Option<&mut Breaker> {
        self.0.iter_mut().find(|(whose, kind, _)| *whose == by && *kind == access).map(|(_, _, breaker)| breaker)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not closed.
    pub(super) fn troubled(&self, now: Timestamp) -> impl Iterator<Item = (By, Access)> {
        self.0
            .iter()
            .filter(move |(_, _, breaker)| breaker.gate(now) != Gate::Closed)
            .map(|(by, access, _)| (*by, *access))
    }

    pub(super) fn sent(&mut self, by: By, access: Access, now: Timestamp) {
        if let Some(breaker) = self.of_mut(by, access) {
            breaker.sent(now);
        }
    }

    pub(super) fn answered(&mut self, by: By, access: Access, sent: Timestamp, now: Timestamp) {
        let Some(breaker) = self.of_mut(by, access) else { return };
        breaker.answered(sent, now);
        if breaker.is_idle() {
            self.0.retain(|(whose, kind, _)| *whose != by || *kind != access);
        }
    }

    /// The region has answered them something else that was asked then.
    pub(super) fn lives(&mut self, by: By, asked: Timestamp, now: Timestamp) {
        if let Some(breaker) = self.of_mut(by, Access::Write) {
            breaker.lives(asked, now);
        }
    }

    /// The whole region was in trouble, and is no more: so were all of these.
    pub(super) fn forget_writes(&mut self) {
        self.0.retain(|(_, access, _)| *access == Access::Read);
    }

    pub(super) fn failed(&mut self, by: By, access: Access, proof: Proof, (sent, now): (Timestamp, Timestamp)) {
        if self.of(by, access).is_none() {
            if self.0.len() >= MOST {
                // One that keeps nobody away gives way first.
                let idle = self.0.iter().position(|(_, _, breaker)| breaker.gate(now) == Gate::Closed);
                self.0.remove(idle.unwrap_or(0));
            }
            self.0.push_back((by, access, Breaker::new(access, BreakerScope::Route)));
        }
        if let Some(breaker) = self.of_mut(by, access) {
            breaker.failed(proof, sent, now);
        }
    }

    pub(super) fn lost(&mut self, by: By, access: Access, sent: Timestamp) {
        if let Some(breaker) = self.of_mut(by, access) {
            breaker.lost(sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_visitor_makes_fail_pushes_no_open_breaker_out() {
        let (mut narrow, now) = (Narrow::default(), Timestamp(9));
        let route = |index| By::new(None, Some(index));
        (0..5).for_each(|_| narrow.failed(route(0), Access::Write, Proof::Certain, (now, now)));
        assert!(matches!(narrow.gate(route(0), Access::Write, now), Gate::Open(_)));
        (1..100).for_each(|index| narrow.failed(route(index), Access::Write, Proof::Certain, (now, now)));
        assert!(matches!(narrow.gate(route(0), Access::Write, now), Gate::Open(_)));
        assert!(narrow.0.len() <= MOST);
    }
}
