//! What an isolate sees of the regions' health by sending to them: breakers, how much is in flight, and how much may be repeated.
//!
//! It is a passive signal and counts at once, here alone; what the vantage points agree on is [`super::matrix`].

mod breaker;
mod show;

use super::{
    time::Timestamp,
    topology::{Access, RegionId, Topology},
};
pub use breaker::{Breaker, Gate};

/// Of the sends of a kind that are in flight, the share that may be second ones, in percent (Finagle's and Envoy's retry
/// budgets).
const BUDGET: u32 = 20;
/// So many second ones are allowed in any case.
const BUDGET_AT_LEAST: u32 = 3;

/// A send that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Where to.
    pub region: RegionId,
    /// Which breaker it counts for.
    pub access: Access,
    /// When.
    pub at: Timestamp,
    /// Whether it is the request's second send.
    pub again: bool,
}

/// What came of a send, as far as the region's health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The region's application has spoken; a 500 is its own.
    Answer,
    /// The region failed: no connection, no answer in time, a broken one, or a gateway failure (502, 503, 504, 521 to 526).
    Failure,
    /// Nothing that could be held against the region: the client has gone, or its own body broke off.
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    read: Breaker,
    write: Breaker,
    in_flight: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    active: u32,
    again: u32,
}

/// The health of all regions, as this isolate has seen it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    regions: Vec<Seen>,
    reads: Load,
    writes: Load,
}

/// A region's health for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// What the breaker of reads says.
    pub read: Gate,
    /// What the breaker of writes says.
    pub write: Gate,
    /// So many requests are under way to it as its `ceiling` allows.
    pub full: bool,
    /// The latest read there has failed, although its breaker is not open yet.
    pub doubtful: bool,
}

impl Health {
    /// Something is sent.
    pub fn sent(&mut self, sending: Sending) {
        let load = self.load_mut(sending.access);
        load.active += 1;
        load.again += u32::from(sending.again);
        let seen = self.seen(sending.region);
        seen.in_flight += 1;
        seen.breaker_mut(sending.access).sent(sending.at);
    }

    /// A send is over.
    pub fn heard(&mut self, sending: Sending, heard: Heard, now: Timestamp) {
        let load = self.load_mut(sending.access);
        load.active = load.active.saturating_sub(1);
        load.again = load.again.saturating_sub(u32::from(sending.again));
        let seen = self.seen(sending.region);
        seen.in_flight = seen.in_flight.saturating_sub(1);
        let breaker = seen.breaker_mut(sending.access);
        match heard {
            Heard::Answer => breaker.heard(false, sending.at, now),
            Heard::Failure => breaker.heard(true, sending.at, now),
            Heard::Nothing => breaker.lost(sending.at),
        }
    }

    /// Every region's condition, in the topology's order; nothing where all is well, as it nearly always is.
    #[must_use]
    pub fn conditions(&self, topology: &Topology, now: Timestamp) -> Vec<Condition> {
        let all = || topology.regions().map(|(id, _)| self.condition(id, topology, now));
        if all().all(|condition| condition == Condition::default()) { Vec::new() } else { all().collect() }
    }

    /// The breaker of that kind.
    #[must_use]
    pub fn breaker(&self, region: RegionId, access: Access) -> Option<&Breaker> {
        let seen = self.regions.get(region.index())?;
        Some(match access {
            Access::Read => &seen.read,
            Access::Write => &seen.write,
        })
    }

    /// How many requests are under way to the region, as far as the head of the answer.
    #[must_use]
    pub fn in_flight(&self, region: RegionId) -> u32 {
        self.regions.get(region.index()).map_or(0, |seen| seen.in_flight)
    }

    /// Whether one more request of that kind may be sent a second time.
    #[must_use]
    pub fn may_repeat(&self, access: Access) -> bool {
        let load = match access {
            Access::Read => self.reads,
            Access::Write => self.writes,
        };
        load.again < BUDGET_AT_LEAST.max(load.active * BUDGET / 100)
    }

    fn condition(&self, region: RegionId, topology: &Topology, now: Timestamp) -> Condition {
        let Some(seen) = self.regions.get(region.index()) else { return Condition::default() };
        let ceiling = topology.region(region).ceiling;
        Condition {
            read: seen.read.gate(now),
            write: seen.write.gate(now),
            full: ceiling.is_some_and(|ceiling| seen.in_flight >= ceiling),
            doubtful: seen.read.failures() > 0,
        }
    }

    fn load_mut(&mut self, access: Access) -> &mut Load {
        match access {
            Access::Read => &mut self.reads,
            Access::Write => &mut self.writes,
        }
    }

    fn seen(&mut self, region: RegionId) -> &mut Seen {
        if self.regions.len() <= region.index() {
            self.regions.resize_with(region.index() + 1, Seen::default);
        }
        // The line above made room, so the fallback is never taken.
        let last = self.regions.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "the index is at most the last one")]
        &mut self.regions[region.index().min(last)]
    }
}

impl Seen {
    fn breaker_mut(&mut self, access: Access) -> &mut Breaker {
        match access {
            Access::Read => &mut self.read,
            Access::Write => &mut self.write,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::topology::{KeyPath, parse, raw};

    fn read(region: u8, again: bool) -> Sending {
        Sending { region: RegionId(region), access: Access::Read, at: Timestamp(5), again }
    }

    #[test]
    fn a_fifth_of_the_reads_may_be_second_ones_and_three_in_any_case() {
        let mut health = Health::default();
        for _ in 0..3 {
            assert!(health.may_repeat(Access::Read));
            health.sent(read(0, true));
        }
        assert!(!health.may_repeat(Access::Read));
        (0..20).for_each(|_| health.sent(read(1, false)));
        assert!(health.may_repeat(Access::Read), "three of twenty-three");
        health.sent(read(0, true));
        assert!(!health.may_repeat(Access::Read), "four of twenty-four");
        assert!(health.may_repeat(Access::Write), "writes count apart");
        health.heard(read(0, true), Heard::Nothing, Timestamp(9));
        assert!(health.may_repeat(Access::Read));
    }

    #[test]
    fn reads_and_writes_have_breakers_of_their_own() {
        let mut health = Health::default();
        let write = Sending { access: Access::Write, ..read(1, false) };
        for _ in 0..5 {
            health.sent(write);
            health.heard(write, Heard::Failure, Timestamp(6));
        }
        let condition = health.condition(RegionId(1), &topology(""), Timestamp(6));
        assert_eq!((condition.read, condition.write), (Gate::Closed, Gate::Open(Timestamp(30_006))));
    }

    fn topology(ceiling: &str) -> Topology {
        let vars = format!(
            r#"{{"REGIONS":{{"us":{{"origin":"https://us.example"{ceiling}}},"eu":{{"origin":"https://eu.example"}}}}}}"#
        );
        parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    #[test]
    fn a_region_is_full_at_its_ceiling() {
        let mut health = Health::default();
        (0..2).for_each(|_| health.sent(read(0, false)));
        let full = |health: &Health, ceiling| health.condition(RegionId(0), &topology(ceiling), Timestamp(6)).full;
        assert!(full(&health, r#","ceiling":2"#) && !full(&health, r#","ceiling":3"#) && !full(&health, ""));
        assert_eq!(health.conditions(&topology(""), Timestamp(6)), []);
        health.heard(read(0, false), Heard::Answer, Timestamp(7));
        assert!(!full(&health, r#","ceiling":2"#));
    }
}
