//! The health of a region for operators.

use serde_json::{Value, json};

use super::{Breaker, Gate, Health, breaker::Scope};
use crate::routing::{
    time::Timestamp,
    topology::{Access, RegionId, Topology},
};

impl Health {
    /// What the breakers of a region say, on which routes alone it is not asked, how often it has failed in a row, and how much is
    /// under way there.
    #[must_use]
    pub fn show(&self, region: RegionId, topology: &Topology, now: Timestamp) -> Value {
        let breaker = |access| {
            let none = || show(&Breaker::new(access, Scope::Region), now);
            self.breaker(region, access).map_or_else(none, |it| show(it, now))
        };
        let routes: Vec<Value> = self
            .troubled_routes(region, now)
            .map(|(route, access)| {
                let route = route.and_then(|index| topology.routes().get(usize::from(index)));
                let pattern = route.map_or_else(|| "(no route)".to_owned(), |route| route.pattern.to_string());
                json!({ "route": pattern, "access": access.token() })
            })
            .collect();
        json!({
            "read": breaker(Access::Read),
            "write": breaker(Access::Write),
            "routes": routes,
            "in_flight": self.in_flight(region),
            "ceiling": topology.region(region).ceiling,
        })
    }
}

fn show(breaker: &Breaker, now: Timestamp) -> Value {
    let (state, until, share) = match breaker.gate(now) {
        Gate::Closed => ("closed", None, None),
        Gate::Ramp(share) => ("returning", None, Some(share)),
        Gate::Probe => ("probing", None, None),
        Gate::Open(until) => ("open", Some(until.0), None),
    };
    json!({ "state": state, "until": until, "share": share, "failures": breaker.failures() })
}
