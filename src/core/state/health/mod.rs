//! What an isolate sees of the regions' health by sending to them: breakers, how much is in flight, and how much may be repeated.
//!
//! It is a passive signal and counts at once, here alone; what the vantage points agree on is [`crate::state::matrix`]. What a failure
//! proves, and to whom, is in `evidence.rs`.

pub mod breaker;
pub mod evidence;
pub(crate) mod narrow;
pub(crate) mod show;

use std::time::Duration;

pub use crate::state::health::breaker::{Breaker, Gate};
pub use crate::state::health::evidence::{By, Proof};
use crate::state::health::narrow::Narrow;
pub use crate::state::health::show::Circuit;
use crate::{model::access::Access, state::health::breaker::BreakerScope};
use crate::{
    model::{ids::RegionId, per_region::PerRegion, time::Timestamp},
    state::drill::SamplingKey,
    topology::{Region, Topology},
};

/// Of the sends of a kind that are in flight, the share that may be second ones, in percent (Finagle's and Envoy's retry
/// budgets).
const BUDGET: u32 = 20;
/// So many second ones are allowed in any case.
const BUDGET_AT_LEAST: u32 = 3;
/// Of a region's `ceiling` bodies that stream in may take one part in so many, and one place in any case: how long they take is
/// their clients' to say.
const STREAMS: u32 = 4;
/// Of a `ceiling`, and of the part for bodies that stream in, one visitor may take one part in so many, and one place in any case:
/// how many requests are slow is theirs to say, too.
const ONE_VISITOR: u32 = 2;
/// So long after a silence a region counts as one whose bodies may break off.
const BREAKS: Duration = Duration::from_secs(60);

/// What of a request matters to health: by whom it is, and whether its body streams in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// By whom.
    pub by: By,
    /// Whether the client's body streams through, so that the client says how long it takes.
    pub streams: bool,
}

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
    /// What it is part of.
    pub asking: Asking,
}

/// What came of a send, as far as the region's health goes; [`Proof`] says why these are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// The region's application has spoken; a 500 is its own, and so is anything with a field of the contract.
    Answer,
    /// 502, 503 or 504: a gateway's word, or the application's.
    Gateway,
    /// No answer in time, a broken one, or the platform's word that there is none.
    Silence,
    /// No connection came about: whatever was asked, it would have failed.
    Unreached,
    /// Nothing that could be held against the region: the client has gone, or its own body broke off.
    Nothing,
}

#[derive(Clone, Debug)]
struct RegionHealth {
    read: Breaker,
    write: Breaker,
    /// For each route that fails whoever asks.
    routes: Narrow,
    /// For each visitor, on a route that does not answer them. Only they go by it.
    visitors: Narrow,
    in_flight: u32,
    streams: u32,
    /// Whose these are, where that is known, each with whether its body streams in.
    whose: Vec<(SamplingKey, bool)>,
    /// When a send there was last met with silence.
    silent: Option<Timestamp>,
}

impl Default for RegionHealth {
    fn default() -> Self {
        Self {
            read: Breaker::new(Access::Read, BreakerScope::Region),
            write: Breaker::new(Access::Write, BreakerScope::Region),
            routes: Narrow::default(),
            visitors: Narrow::default(),
            in_flight: 0,
            streams: 0,
            whose: Vec::new(),
            silent: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    active: u32,
    again: u32,
}

/// The health of all regions, as this isolate has seen it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    regions: PerRegion<RegionHealth>,
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
    /// So many requests are under way to it as its `ceiling` allows, or allows of this one's kind.
    pub full: bool,
    /// The latest reads there have failed, for several visitors or for this one, although its breaker is not open yet.
    pub suspect: bool,
    /// Writes have failed there a moment ago, and none has been answered since, though the region answers.
    pub wary: bool,
    /// It has been silent or has broken off lately, for whomever: what it sends may end in the middle.
    pub breaks: bool,
}

impl Health {
    /// Something is sent.
    pub fn sent(&mut self, sending: Sending) {
        let Sending { access, at, asking, .. } = sending;
        let load = self.load_mut(access);
        load.active += 1;
        load.again += u32::from(sending.again);
        let seen = self.regions.entry(sending.region);
        seen.in_flight += 1;
        seen.streams += u32::from(asking.streams);
        seen.whose.extend(asking.by.visitor().map(|visitor| (visitor, asking.streams)));
        seen.breaker_mut(access).sent(at);
        seen.routes.sent(asking.by.anybody(), access, at);
        seen.visitors.sent(asking.by, access, at);
    }

    /// A send is over.
    pub fn heard(&mut self, sending: Sending, heard: SendResult, now: Timestamp) {
        let Sending { access, asking, .. } = sending;
        let load = self.load_mut(access);
        load.active = load.active.saturating_sub(1);
        load.again = load.again.saturating_sub(u32::from(sending.again));
        let seen = self.regions.entry(sending.region);
        seen.in_flight = seen.in_flight.saturating_sub(1);
        seen.streams = seen.streams.saturating_sub(u32::from(asking.streams));
        let whose = asking.by.visitor().map(|visitor| (visitor, asking.streams));
        if let Some(at) = whose.and_then(|whose| seen.whose.iter().position(|other| *other == whose)) {
            seen.whose.swap_remove(at);
        }
        seen.heard(sending, heard, now);
    }

    /// The region has answered somebody else, who asked then: a vantage point. It is there, so that writes may go.
    pub fn lives(&mut self, region: RegionId, asked: Timestamp, now: Timestamp) {
        if let Some(seen) = self.regions.get_mut(region) {
            let was_open = seen.write.is_open();
            seen.write.lives(asked, now);
            seen.end_writes_trouble(was_open);
        }
    }

    /// Every region's condition for such a request, in the topology's order; nothing where all is well, as it nearly always is.
    #[must_use]
    pub fn conditions(&self, topology: &Topology, asking: Asking, now: Timestamp) -> Vec<Condition> {
        let is_well =
            |id, region: &Region| region.ceiling.is_none() && self.regions.get(id).is_none_or(RegionHealth::is_well);
        if topology.regions().all(|(id, region)| is_well(id, region)) {
            return Vec::new();
        }
        let all = || topology.regions().map(|(id, _)| self.condition(id, topology, asking, now));
        if all().all(|condition| condition == Condition::default()) { Vec::new() } else { all().collect() }
    }

    /// The breaker of that kind.
    #[must_use]
    pub fn breaker(&self, region: RegionId, access: Access) -> Option<&Breaker> {
        let seen = self.regions.get(region)?;
        Some(match access {
            Access::Read => &seen.read,
            Access::Write => &seen.write,
        })
    }

    /// The routes of the region whose own breakers are not closed.
    pub(crate) fn troubled_routes(
        &self,
        region: RegionId,
        now: Timestamp,
    ) -> impl Iterator<Item = (Option<u16>, Access)> {
        let seen = self.regions.get(region).into_iter();
        seen.flat_map(move |seen| seen.routes.troubled(now)).map(|(by, access)| (by.route(), access))
    }

    /// How many requests are under way to the region, as far as the head of the answer.
    #[must_use]
    pub fn in_flight(&self, region: RegionId) -> u32 {
        self.regions.get(region).map_or(0, |seen| seen.in_flight)
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

    fn condition(&self, region: RegionId, topology: &Topology, asking: Asking, now: Timestamp) -> Condition {
        let Some(seen) = self.regions.get(region) else { return Condition::default() };
        let alone = seen.visitors.of(asking.by, Access::Read).is_some_and(|own| own.failures() > 0);
        Condition {
            read: seen.gate(Access::Read, asking.by, now),
            write: seen.gate(Access::Write, asking.by, now),
            full: topology.region(region).ceiling.is_some_and(|ceiling| seen.is_full(ceiling, asking)),
            suspect: alone || seen.read.is_doubted(),
            wary: seen.write.is_wary(now),
            breaks: seen.silent.is_some_and(|at| now.since(at) < BREAKS),
        }
    }

    fn load_mut(&mut self, access: Access) -> &mut Load {
        match access {
            Access::Read => &mut self.reads,
            Access::Write => &mut self.writes,
        }
    }
}

impl RegionHealth {
    /// Whether nothing was ever held against it that counts yet, as nearly always: what its condition is made of need not be looked at then.
    fn is_well(&self) -> bool {
        self.read.is_idle()
            && self.write.is_idle()
            && self.routes.is_empty()
            && self.visitors.is_empty()
            && self.silent.is_none()
    }

    /// Whether there is no place for one more of that kind, or none for this visitor.
    fn is_full(&self, ceiling: u32, asking: Asking) -> bool {
        let part = |of: u32, share: u32| (of / share).max(1);
        let uploads = part(ceiling, STREAMS);
        if self.in_flight >= ceiling || (asking.streams && self.streams >= uploads) {
            return true;
        }
        let Some(visitor) = asking.by.visitor() else { return false };
        let own = |streams: bool| self.whose.iter().filter(|whose| **whose == (visitor, streams)).count() as u32;
        let streams = own(true);
        own(false) + streams >= part(ceiling, ONE_VISITOR) || (asking.streams && streams >= part(uploads, ONE_VISITOR))
    }

    /// What all breakers say together that have a say in such a request.
    fn gate(&self, access: Access, by: By, now: Timestamp) -> Gate {
        let region = if access == Access::Read { &self.read } else { &self.write }.gate(now);
        if self.routes.is_empty() && self.visitors.is_empty() {
            return region;
        }
        region.and(self.routes.gate(by.anybody(), access, now)).and(self.visitors.gate(by, access, now))
    }

    fn heard(&mut self, sending: Sending, heard: SendResult, now: Timestamp) {
        let Sending { access, at, asking: Asking { by, .. }, .. } = sending;
        let (all, said) = (by.anybody(), Proof::By(by));
        if heard == SendResult::Silence {
            self.silent = Some(now);
        }
        match heard {
            SendResult::Answer => {
                let was_open = self.write.is_open();
                self.breaker_mut(access).answered(at, now);
                self.routes.answered(all, access, at, now);
                self.visitors.answered(by, access, at, now);
                if access == Access::Read {
                    self.routes.lives(all, at, now);
                    self.visitors.lives(by, at, now);
                    self.write.lives(at, now);
                }
                self.end_writes_trouble(was_open);
            }
            SendResult::Unreached => self.breaker_mut(access).failed(Proof::Certain, at, now),
            SendResult::Gateway | SendResult::Silence => {
                self.breaker_mut(access).failed(said, at, now);
                self.routes.failed(all, access, said, (at, now));
                if heard == SendResult::Silence && by.visitor().is_some() {
                    // For themselves a visitor need not ask whether it was they.
                    self.visitors.failed(by, access, Proof::Certain, (at, now));
                } else {
                    self.visitors.lost(by, access, at);
                }
            }
            SendResult::Nothing => {
                self.breaker_mut(access).lost(at);
                self.routes.lost(all, access, at);
                self.visitors.lost(by, access, at);
            }
        }
    }

    /// What its routes and visitors saw while the whole region was in trouble was no trouble of their own.
    fn end_writes_trouble(&mut self, was_open: bool) {
        if was_open && !self.write.is_open() {
            self.routes.forget_writes();
            self.visitors.forget_writes();
        }
    }

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
    use crate::{
        state::drill::SamplingKey,
        topology::{error::KeyPath, parse, raw},
    };

    fn read(region: u8, again: bool) -> Sending {
        Sending { region: RegionId(region), access: Access::Read, at: Timestamp(5), again, asking: Asking::default() }
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
        health.heard(read(0, true), SendResult::Nothing, Timestamp(9));
        assert!(health.may_repeat(Access::Read));
    }

    #[test]
    fn reads_and_writes_have_breakers_of_their_own() {
        let mut health = Health::default();
        let write = Sending { access: Access::Write, ..read(1, false) };
        for _ in 0..5 {
            health.sent(write);
            health.heard(write, SendResult::Unreached, Timestamp(6));
        }
        let condition = health.condition(RegionId(1), &topology(""), Asking::default(), Timestamp(6));
        assert_eq!((condition.read, condition.write), (Gate::Closed, Gate::Open(Timestamp(1006))));
    }

    fn topology(ceiling: &str) -> Topology {
        let vars = format!(
            r#"{{"REGIONS":{{"us":{{"origin":"https://us.example"{ceiling}}},"eu":{{"origin":"https://eu.example"}}}}}}"#
        );
        parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn condition(health: &Health, ceiling: &str, asking: Asking) -> Condition {
        health.condition(RegionId(0), &topology(ceiling), asking, Timestamp(6))
    }

    #[test]
    fn bodies_that_stream_in_take_a_quarter_of_the_ceiling_and_leave_the_rest() {
        let streams = Asking { streams: true, ..Asking::default() };
        let upload = Sending { asking: streams, access: Access::Write, ..read(0, false) };
        let mut health = Health::default();
        for (taken, ceiling) in [(1, r#","ceiling":7"#), (2, r#","ceiling":8"#), (5, r#","ceiling":20"#)] {
            while health.in_flight(RegionId(0)) < taken {
                assert!(!condition(&health, ceiling, streams).full, "{taken} of {ceiling}");
                health.sent(upload);
            }
            assert!(condition(&health, ceiling, streams).full, "{taken} of {ceiling}");
            assert!(!condition(&health, ceiling, Asking::default()).full, "others have room");
        }
        assert!(!condition(&Health::default(), r#","ceiling":1"#, streams).full, "one in any case");
        health.heard(upload, SendResult::Nothing, Timestamp(9));
        assert!(!condition(&health, r#","ceiling":20"#, streams).full);
    }

    #[test]
    fn a_hundred_answers_of_502_on_one_route_by_one_visitor_open_nothing_and_those_of_many_do() {
        let mut health = Health::default();
        let asked = |visitor: usize, route: usize| Asking {
            by: By::new(Some(SamplingKey::at(&format!("192.0.2.{visitor}"))), Some(route)),
            streams: false,
        };
        let fails = |health: &mut Health, asking: Asking, access: Access, how: SendResult| {
            let sending = Sending { access, asking, ..read(0, false) };
            health.sent(sending);
            health.heard(sending, how, Timestamp(6));
        };
        for access in [Access::Read, Access::Write] {
            (0..100).for_each(|_| fails(&mut health, asked(1, 1), access, SendResult::Gateway));
        }
        for asking in [asked(1, 1), asked(1, 2), asked(2, 1), asked(2, 2), Asking::default()] {
            assert_eq!(condition(&health, "", asking), Condition::default(), "{asking:?}");
        }
        let broke = Condition { breaks: true, ..Condition::default() };
        // A slow report: who waits for it stops asking for it, and nobody else does.
        (0..100).for_each(|_| fails(&mut health, asked(1, 1), Access::Write, SendResult::Silence));
        assert!(matches!(condition(&health, "", asked(1, 1)).write, Gate::Open(_)));
        for asking in [asked(1, 2), asked(2, 1), asked(2, 2), Asking::default()] {
            assert_eq!(
                condition(&health, "", asking),
                broke,
                "{asking:?}: what the region sends may break off, and no more"
            );
        }
        // Of whom nobody knows the address, none is held to account for another.
        let unknown = Asking { by: By::new(None, Some(3)), streams: false };
        let mut other = Health::default();
        (0..100).for_each(|_| fails(&mut other, unknown, Access::Write, SendResult::Silence));
        assert_eq!(condition(&other, "", unknown), broke);
        (2..6).for_each(|visitor| fails(&mut health, asked(visitor, 1), Access::Write, SendResult::Silence));
        assert!(matches!(condition(&health, "", asked(9, 1)).write, Gate::Open(_)), "five visitors: the route");
        assert_eq!(condition(&health, "", asked(9, 2)).write, Gate::Closed, "and no other");
        fails(&mut health, asked(2, 2), Access::Write, SendResult::Silence);
        assert!(matches!(condition(&health, "", asked(9, 3)).write, Gate::Open(_)), "two routes: the region");
    }

    #[test]
    fn one_visitor_takes_half_of_the_ceiling_and_half_of_the_uploads() {
        let asking = |who: &str, streams| Asking { by: By::new(Some(SamplingKey::at(who)), Some(1)), streams };
        let fill = |health: &mut Health, asking: Asking, ceiling| {
            for taken in 0.. {
                if condition(health, ceiling, asking).full {
                    return taken;
                }
                health.sent(Sending { asking, ..read(0, false) });
            }
            0
        };
        let ceiling = r#","ceiling":20"#;
        let mut health = Health::default();
        assert_eq!(fill(&mut health, asking("a", true), ceiling), 2, "uploads have five, one visitor's two");
        assert_eq!(fill(&mut health, asking("a", false), ceiling), 8, "ten with those");
        assert_eq!(fill(&mut health, asking("b", true), ceiling), 2);
        assert_eq!(fill(&mut health, asking("b", false), ceiling), 8, "the other half");
        assert!(
            condition(&health, ceiling, asking("c", false)).full && condition(&health, ceiling, Asking::default()).full
        );
        health.heard(Sending { asking: asking("a", true), ..read(0, false) }, SendResult::Nothing, Timestamp(6));
        assert!(
            !condition(&health, ceiling, asking("a", true)).full
                && !condition(&health, ceiling, asking("c", false)).full
        );
        assert!(condition(&health, ceiling, asking("b", false)).full, "whose share is taken");
        assert_eq!(
            fill(&mut Health::default(), Asking::default(), ceiling),
            20,
            "of whom nobody knows who it is, none is one"
        );
        assert_eq!(fill(&mut Health::default(), asking("a", false), r#","ceiling":1"#), 1);
    }

    #[test]
    fn a_region_that_answers_anything_gets_its_writes_and_one_route_is_not_the_other() {
        let asked = |route| Asking { by: By::new(Some(SamplingKey::at("192.0.2.1")), Some(route)), streams: false };
        let send = |health: &mut Health, access, asking: Asking, heard, at: u64| {
            let sending = Sending { access, asking, at: Timestamp(at), ..read(0, false) };
            health.sent(sending);
            health.heard(sending, heard, Timestamp(at));
        };
        let opened = || {
            let mut health = Health::default();
            (0..5).for_each(|_| send(&mut health, Access::Write, asked(1), SendResult::Silence, 2));
            (0..5).for_each(|_| send(&mut health, Access::Write, asked(1), SendResult::Unreached, 2));
            health
        };
        let is_open = |health: &Health, route| matches!(condition(health, "", asked(route)).write, Gate::Open(_));
        let mut health = opened();
        assert!(is_open(&health, 1) && is_open(&health, 2), "the region, and this visitor on that route");
        send(&mut health, Access::Read, asked(2), SendResult::Answer, 1);
        assert!(is_open(&health, 2), "that was asked before it failed");
        send(&mut health, Access::Read, asked(2), SendResult::Gateway, 3);
        assert!(is_open(&health, 2), "that is no answer");
        send(&mut health, Access::Read, asked(2), SendResult::Answer, 3);
        assert!(!is_open(&health, 1) && !is_open(&health, 2));
        assert!(condition(&health, "", asked(2)).wary);
        // Now that route alone, for that visitor.
        (0..5).for_each(|_| send(&mut health, Access::Write, asked(1), SendResult::Silence, 4));
        send(&mut health, Access::Read, asked(2), SendResult::Answer, 5);
        assert!(is_open(&health, 1) && !is_open(&health, 2), "the route may be in trouble of its own");
        send(&mut health, Access::Read, asked(1), SendResult::Answer, 5);
        assert!(!is_open(&health, 1));
        let mut health = opened();
        health.lives(RegionId(0), Timestamp(1), Timestamp(6));
        assert!(is_open(&health, 2));
        health.lives(RegionId(0), Timestamp(3), Timestamp(6));
        assert!(!is_open(&health, 2), "a vantage point has seen it");
        Health::default().lives(RegionId(0), Timestamp(3), Timestamp(6));
    }

    #[test]
    fn a_region_is_full_at_its_ceiling() {
        let mut health = Health::default();
        (0..2).for_each(|_| health.sent(read(0, false)));
        let full = |health: &Health, ceiling| condition(health, ceiling, Asking::default()).full;
        assert!(full(&health, r#","ceiling":2"#) && !full(&health, r#","ceiling":3"#) && !full(&health, ""));
        assert_eq!(health.conditions(&topology(""), Asking::default(), Timestamp(6)), []);
        health.heard(read(0, false), SendResult::Answer, Timestamp(7));
        assert!(!full(&health, r#","ceiling":2"#));
    }
}
