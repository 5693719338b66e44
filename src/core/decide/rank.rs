//! Candidates: the regions whose copies may answer a read, in the order in which they should be asked.

use std::time::Duration;

use crate::{
    model::{
        ids::{DatasetId, RegionId},
        ranked::ranked,
        token::Token,
    },
    request::Request,
    state::{matrix::ALL_LEAVE, published::RegionState, trace::Trace, view::View},
    topology::dataset::Rule,
};

/// How well a region suits a read.
enum Suitability {
    Well,
    /// Others first.
    Last(Token),
    /// Only if none that suits better is left: it has failed lately, and would most likely fail again.
    Badly(Token),
    Not(Token),
}

/// The regions that hold the data, lag within the bound and may be read, nearest first, draining ones last and those that look
/// bad behind them. `home` is the owner by whose writes the read is judged, where it is known. Where all look bad the first is
/// home: it is tried in any case (Envoy calls this panic). What a drill has count as unreachable is among them, so that a plan
/// sees who is missed; [`reachable`] leaves it out.
pub fn candidates(
    request: &Request,
    view: &View,
    (bound, home): (Option<Duration>, Option<RegionId>),
    trace: &mut Trace,
) -> impl Iterator<Item = RegionId> + use<> {
    let source =
        request.dataset.and_then(|dataset| view.dataset_ownership(dataset)).map(|ownership| ownership.home()).or(home);
    let (mut good, mut last, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for region in request.near.iter().copied().filter(|region| holds(request.dataset, view, *region)) {
        match suits(request, view, region, source, bound) {
            Suitability::Well => good.push(region),
            Suitability::Last(why) => {
                trace.note(why, region);
                last.push(region);
            }
            Suitability::Badly(why) => {
                trace.note(why, region);
                bad.push(region);
            }
            Suitability::Not(why) => trace.note(why, region),
        }
    }
    if good.is_empty() && last.is_empty() {
        let home = source.unwrap_or(view.topology().default_home());
        bad = ranked(bad, |region, other| *region == home && *other != home);
    }
    good.into_iter().chain(last).chain(bad)
}

/// Those that a drill leaves, in that order. Who comes before the first of them is passed over.
pub fn reachable(
    candidates: impl Iterator<Item = RegionId>,
    view: &View,
    trace: &mut Trace,
) -> std::vec::IntoIter<RegionId> {
    let (mut left, mut passed) = (Vec::new(), Vec::new());
    for region in candidates {
        match view.is_excluded(region) {
            false => left.push(region),
            true if left.is_empty() => passed.push(region),
            true => {}
        }
    }
    passed.into_iter().for_each(|region| trace.note(Token::DrillUnreachable, region));
    left.into_iter()
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
        RegionState::Down => Suitability::Not(Token::RegionDown),
        RegionState::Isolated if Some(region) != source => Suitability::Not(Token::RegionIsolated),
        _ if over => Suitability::Not(Token::LagOverBound),
        _ if view.condition(region).full => Suitability::Not(Token::RegionFull),
        _ if !view.admits_read(region, request.entropy) => Suitability::Badly(view.closed_because(region)),
        RegionState::Draining => Suitability::Last(Token::RegionDraining),
        _ if lags_too_much(request, view, region, source) => Suitability::Last(Token::LagTooHigh),
        RegionState::Active | RegionState::ReadOnly | RegionState::Isolated => Suitability::Well,
    }
}

/// Whether the copy is so far behind its source that others come first, whatever was promised. Of data with many sources nothing
/// can be said: one that is gone would take all copies away.
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
