//! The matrix for operators.

use std::time::Duration;

use serde::Serialize;

use super::{LinkState, Matrix};
use crate::{
    model::{
        ids::RegionId,
        object::Object,
        time::{Timestamp, millis},
    },
    topology::Topology,
};

/// What each vantage point sees, and every pair of regions of which anything is known.
#[derive(Serialize)]
pub struct MatrixShown<'a> {
    vantages: Vec<VantageShown<'a>>,
    pairs: Vec<Between<'a>>,
    unreachable: Vec<&'a str>,
}

/// What one vantage point sees of the regions.
#[derive(Serialize)]
struct VantageShown<'a> {
    from: &'a str,
    at: u64,
    regions: Object<&'a str, ProbeShown>,
}

#[derive(Serialize)]
struct ProbeShown {
    ok: bool,
    ms: Option<u64>,
}

/// What the region's replica is to the peer's writes.
#[derive(Serialize)]
struct Between<'a> {
    region: &'a str,
    peer: &'a str,
    reachable: Option<bool>,
    lag_ms: Option<u64>,
    p50_ms: Option<u64>,
    p99_ms: Option<u64>,
    stalled: bool,
}

impl Matrix {
    /// The matrix for the snapshot.
    #[must_use]
    pub fn show<'a>(&self, topology: &'a Topology, now: Timestamp) -> MatrixShown<'a> {
        let name = |id: RegionId| topology.region(id).name.as_str();
        let vantages = self.fresh(now).map(|report| {
            let seen = report.regions.iter().map(|seen| (name(seen.region), ProbeShown { ok: seen.ok, ms: seen.took }));
            VantageShown { from: name(report.from), at: report.at.0, regions: seen.collect() }
        });
        let regions = || topology.regions().map(|(id, _)| id);
        let pairs = regions().flat_map(|region| regions().map(move |peer| (region, peer)));
        let pairs =
            pairs.filter_map(|(region, peer)| Some(pair(name(region), name(peer), self.pair(region, peer, now)?)));
        let unreachable = self.unreachable(topology, now);
        let gone = regions().filter(|region| unreachable.contains(*region)).map(name);
        MatrixShown { vantages: vantages.collect(), pairs: pairs.collect(), unreachable: gone.collect() }
    }
}

fn pair<'a>(region: &'a str, peer: &'a str, pair: LinkState) -> Between<'a> {
    let span = |span: Option<Duration>| span.map(millis);
    Between {
        region,
        peer,
        reachable: pair.reachable,
        lag_ms: span(pair.lag),
        p50_ms: span(pair.p50),
        p99_ms: span(pair.p99),
        stalled: pair.stalled,
    }
}
