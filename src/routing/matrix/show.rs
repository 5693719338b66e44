//! The matrix for operators.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Matrix, Pair};
use crate::routing::{
    time::{Timestamp, millis},
    topology::{RegionId, Topology},
};

impl Matrix {
    /// What each vantage point sees, and every pair of regions of which anything is known.
    #[must_use]
    pub fn show(&self, topology: &Topology, now: Timestamp) -> Value {
        let name = |id: RegionId| topology.region(id).name.as_str();
        let vantages = self.fresh(now).map(|report| {
            let seen = report
                .regions
                .iter()
                .map(|seen| (name(seen.region).to_owned(), json!({ "ok": seen.ok, "ms": seen.took })));
            json!({ "from": name(report.from), "at": report.at.0, "regions": seen.collect::<serde_json::Map<_, _>>() })
        });
        let regions = || topology.regions().map(|(id, _)| id);
        let pairs = regions().flat_map(|region| regions().map(move |peer| (region, peer)));
        let pairs =
            pairs.filter_map(|(region, peer)| Some(pair(name(region), name(peer), self.pair(region, peer, now)?)));
        let unreachable = self.unreachable(topology, now);
        let gone = regions().filter(|region| unreachable.contains(*region)).map(name);
        json!({
            "vantages": vantages.collect::<Vec<_>>(), "pairs": pairs.collect::<Vec<_>>(), "unreachable": gone.collect::<Vec<_>>(),
        })
    }
}

fn pair(region: &str, peer: &str, pair: Pair) -> Value {
    let span = |span: Option<Duration>| span.map(millis);
    json!({
        "region": region, "peer": peer, "reachable": pair.reachable, "lag_ms": span(pair.lag), "p50_ms": span(pair.p50),
        "p99_ms": span(pair.p99), "stalled": pair.stalled,
    })
}
