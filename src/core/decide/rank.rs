//! Ranking: the regions whose replicas may answer a read, in the order in which they should be asked.

use std::time::Duration;

use crate::{
    model::{
        ids::{DatasetId, RegionId},
        ranked::ranked,
        reasons::Exclusion,
    },
    request::Request,
    state::{matrix::ALL_LEAVE, published::RegionState, view::View},
    topology::dataset::Rule,
};

/// How well a region suits a read.
enum Suitability {
    Well,
    /// Others first.
    Last(Exclusion),
    /// Only if none that suits better is left: it has failed lately, and would most likely fail again.
    Badly(Exclusion),
    Not(Exclusion),
}

/// By what a read's regions are judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    /// How far a replica may lag.
    pub bound: Option<Duration>,
    /// The owner by whose writes the read is judged, where it is known.
    pub home: Option<RegionId>,
}

/// The regions that may answer a read, and what speaks against regions.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// In the order in which they should be asked. What a drill has count as unreachable is among them, so that a plan sees who is
    /// missed; [`reachable`](Self::reachable) leaves it out.
    pub order: Vec<RegionId>,
    /// Why a region is not among them, or comes later than it is near.
    pub excluded: Vec<(RegionId, Exclusion)>,
}

/// The regions that hold the data, lag within the bound and may be read, nearest first, draining ones last and those that look
/// bad behind them. Where all look bad the first is home: it is tried in any case (Envoy calls this panic).
#[must_use]
pub fn rank(request: &Request, view: &View, judged: Judged) -> Ranking {
    let Judged { bound, home } = judged;
    let source =
        request.dataset.and_then(|dataset| view.dataset_ownership(dataset)).map(|ownership| ownership.home()).or(home);
    let (mut good, mut last, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    let mut excluded = Vec::new();
    for region in request.near.iter().copied().filter(|region| holds(request.dataset, view, *region)) {
        let why = match suits(request, view, region, source, bound) {
            Suitability::Well => {
                good.push(region);
                continue;
            }
            Suitability::Last(why) => {
                last.push(region);
                why
            }
            Suitability::Badly(why) => {
                bad.push(region);
                why
            }
            Suitability::Not(why) => why,
        };
        excluded.push((region, why));
    }
    if good.is_empty() && last.is_empty() {
        let home = source.unwrap_or(view.topology().default_home());
        bad = ranked(bad, |region, other| *region == home && *other != home);
    }
    Ranking { order: good.into_iter().chain(last).chain(bad).collect(), excluded }
}

impl Ranking {
    /// Those that a drill leaves, in that order. Who comes before the first of them is missed.
    #[must_use]
    pub fn reachable(self, view: &View) -> Self {
        let Self { mut order, mut excluded } = self;
        let is_missed = |region: &&RegionId| view.is_excluded(**region);
        excluded.extend(order.iter().take_while(is_missed).map(|region| (*region, Exclusion::Drill)));
        order.retain(|region| !view.is_excluded(*region));
        Self { order, excluded }
    }
}

fn suits(
    request: &Request,
    view: &View,
    region: RegionId,
    source: Option<RegionId>,
    bound: Option<Duration>,
) -> Suitability {
    // The home of a single-writer dataset is where its data comes from: it cannot lag.
    let lag = bound.and_then(|_| view.lag(region, source)).filter(|_| Some(region) != source);
    let over = bound.is_some_and(|bound| lag.is_some_and(|lag| lag > bound));
    match view.state(region) {
        RegionState::Down => Suitability::Not(Exclusion::RegionDown),
        RegionState::Isolated if Some(region) != source => Suitability::Not(Exclusion::RegionIsolated),
        _ if over => Suitability::Not(Exclusion::LagOverBound),
        _ if view.condition(region).full => Suitability::Not(Exclusion::RegionFull),
        _ if !view.admits_read(region, request.entropy) => Suitability::Badly(view.closed_because(region)),
        RegionState::Draining => Suitability::Last(Exclusion::RegionDraining),
        _ if lags_too_much(request, view, region, source) => Suitability::Last(Exclusion::LagTooHigh),
        RegionState::Active | RegionState::ReadOnly | RegionState::Isolated => Suitability::Well,
    }
}

/// Whether the replica is so far behind its source that others come first, whatever was promised. Of data with many sources nothing
/// can be said: one that is gone would take all replicas away.
fn lags_too_much(request: &Request, view: &View, region: RegionId, source: Option<RegionId>) -> bool {
    let source = source.or_else(|| request.home_in_session(view.topology()).map(|owned| owned.home()));
    let of = source.filter(|source| *source != region);
    of.and_then(|source| view.lag(region, Some(source))).is_some_and(|lag| lag > ALL_LEAVE)
}

/// Whether the region may hold the dataset at all: a geo-partitioned one lives only where its residency says.
#[must_use]
pub fn holds(dataset: Option<DatasetId>, view: &View, region: RegionId) -> bool {
    match dataset.and_then(|id| view.topology().dataset(id)).map(|dataset| &dataset.rule) {
        Some(Rule::GeoPartitioned { regions, .. }) => regions.contains(region),
        _ => true,
    }
}
