//! A connection that its origin closed just as it was used again: every server that keeps connections alive does that to somebody (RFC 9112
//! sections 9.3.1 and 9.6; nginx, Envoy and Go's `Transport` all send such a request once more). It says nothing of the region, and another
//! region would cost a read its way and its freshness, so the same one is asked once more.
//!
//! workerd sees an orderly close of an idle connection by itself. A reset it finds out by sending, and then says no more than that the
//! connection is lost. So which of the two it was is judged: it was a close if the region is not failing and it happened at once. If it was
//! none, the second send fails too, and the read goes on as if there had been one: a region is still one of two, and it is counted once.
//! That second send is within the budget of second sends, so that a region which closes everything is not asked twice by everybody.

use std::time::Duration;

use super::{context::Context, step::Outcome};
use crate::{
    http::answer::Answer,
    model::{access::Access, ids::RegionId, reasons::Failure},
    state::{
        health::{Health, SendResult, breaker::Gate},
        memory::Observation,
    },
    topology::Origin,
};

/// A close is found out within a round trip. What breaks later may have been at work.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Context {
    /// How many sends count.
    pub(super) fn tries(&self) -> u8 {
        self.attempts - u8::from(self.excused.closed) - u8::from(self.excused.behind)
    }

    /// Whether the read's connection was closed as it was used, so that it goes there once more.
    pub(super) fn was_closed(&mut self, region: RegionId, outcome: &Outcome<'_>, health: &Health) -> bool {
        let closed = match outcome {
            Outcome::Lost => self.is_well(region, health),
            Outcome::Answered(answer) => is_of_an_idle_connection(answer),
            _ => false,
        };
        let may = closed && !self.excused.closed && self.was_at_once(region) && self.has_time();
        if !(may && self.can_repeat() && health.may_repeat(Access::Read)) {
            return false;
        }
        self.excused.closed = true;
        self.note_failure(region, Failure::Broken);
        self.spare();
        true
    }

    /// Whether what came of a write is an idle connection's end, as it seems, and no answer to it: so it is held against nobody. No proof
    /// that nothing of the write was read, since an application can say the same of what it has done.
    pub(super) fn was_turned_off(&mut self, region: RegionId, outcome: &Outcome<'_>) -> bool {
        let Outcome::Answered(answer) = outcome else { return false };
        let was = is_of_an_idle_connection(answer) && self.was_at_once(region);
        if was {
            self.spare();
        }
        was
    }

    /// Whether the platform keeps connections to it, and what happened to this one did so within a round trip.
    fn was_at_once(&self, region: RegionId) -> bool {
        let kept = matches!(self.view.topology().region(region).origin, Origin::Url(_));
        kept && self.now.since(self.asked) < AT_ONCE
    }

    /// Whether nothing is held against it for reads, here and by this visitor.
    fn is_well(&self, region: RegionId, health: &Health) -> bool {
        let condition = self.view.condition(region);
        let counts = health.breaker(region, Access::Read).map_or(0, |breaker| breaker.failures());
        condition.read == Gate::Closed && !condition.suspect && counts == 0
    }

    /// Holds what was just heard against nobody; what is heard next says how the region is.
    fn spare(&mut self) {
        if let Some(Observation::Heard(_, heard)) = self.observations.last_mut() {
            *heard = SendResult::Nothing;
        }
    }
}

/// Whether it is what a server says to a connection on which no request came in time, before it closes it (RFC 9110 section 15.5.9): workerd
/// takes that for the answer to the next request. An application that says 408 of its own accord keeps the connection, or speaks of the
/// contract.
fn is_of_an_idle_connection(answer: &Answer<'_>) -> bool {
    let closes = || answer.headers.list("connection").any(|option| option.eq_ignore_ascii_case("close"));
    answer.status == 408 && closes() && !answer.speaks_of_the_contract()
}
