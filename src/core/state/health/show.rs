//! The health of a region for operators.

use serde::Serialize;

use super::{
    Health,
    breaker::{Breaker, BreakerScope, Gate},
};
use crate::{
    model::{access::Access, ids::RegionId, time::Timestamp},
    topology::Topology,
};

/// What the breakers of a region say, on which routes alone it is not asked, and how much is under way there.
#[derive(Serialize)]
pub struct Circuit {
    read: CircuitState,
    write: CircuitState,
    routes: Vec<Troubled>,
    in_flight: u32,
    ceiling: Option<u32>,
}

/// A breaker, and how often it has seen a failure in a row.
#[derive(Serialize)]
struct CircuitState {
    state: &'static str,
    until: Option<u64>,
    share: Option<u64>,
    failures: u32,
}

/// A route on which alone the region is not asked.
#[derive(Serialize)]
struct Troubled {
    route: String,
    access: &'static str,
}

impl Health {
    /// The health of a region for the snapshot.
    #[must_use]
    pub fn show(&self, region: RegionId, topology: &Topology, now: Timestamp) -> Circuit {
        let breaker = |access| {
            let none = || show(&Breaker::new(access, BreakerScope::Region), now);
            self.breaker(region, access).map_or_else(none, |it| show(it, now))
        };
        let routes = self.troubled_routes(region, now).map(|(route, access)| {
            let route = route.and_then(|index| topology.routes().get(usize::from(index)));
            let route = route.map_or_else(|| "(no route)".to_owned(), |route| route.pattern.to_string());
            Troubled { route, access: access.token() }
        });
        Circuit {
            read: breaker(Access::Read),
            write: breaker(Access::Write),
            routes: routes.collect(),
            in_flight: self.in_flight(region),
            ceiling: topology.region(region).ceiling,
        }
    }
}

fn show(breaker: &Breaker, now: Timestamp) -> CircuitState {
    let (state, until, share) = match breaker.gate(now) {
        Gate::Closed => ("closed", None, None),
        Gate::Ramp(share) => ("returning", None, Some(share)),
        Gate::Probe => ("probing", None, None),
        Gate::Open(until) => ("open", Some(until.0), None),
    };
    CircuitState { state, until, share, failures: breaker.failures() }
}
