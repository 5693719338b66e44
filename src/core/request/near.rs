//! Nearness: the regions in the order in which the client's edge would try them.

use crate::{
    model::{
        geo::{self, Location, UnitVector},
        ids::RegionId,
        ranked::ranked,
    },
    request::incoming::Client,
    topology::Topology,
};

/// The regions, nearest first: by great-circle distance from the client's coordinates, from the middle of its continent
/// where those are missing, and in configured order where nothing is known. Regions without a location come last.
#[must_use]
pub(crate) fn order(client: &Client<'_>, topology: &Topology) -> Vec<RegionId> {
    let here = client.location.or_else(|| client.continent.and_then(geo::continent_centre));
    let Some(here) = here.map(|location| location.unit()) else {
        return topology.regions().map(|(id, _)| id).collect();
    };
    order_from(&here, topology)
}

/// The region nearest to that place.
#[must_use]
pub(crate) fn nearest(location: Location, topology: &Topology) -> Option<RegionId> {
    order_from(&location.unit(), topology).first().copied()
}

/// The regions as seen from that one, which comes first.
#[must_use]
pub(crate) fn order_beside(region: RegionId, topology: &Topology) -> Vec<RegionId> {
    let mut order = match topology.region(region).location {
        Some(location) => order_from(&location.unit(), topology),
        None => topology.regions().map(|(id, _)| id).collect(),
    };
    order.retain(|id| *id != region);
    order.insert(0, region);
    order
}

fn order_from(here: &UnitVector, topology: &Topology) -> Vec<RegionId> {
    let places = topology.regions().map(|(id, region)| {
        let closeness = region.location.map_or(f64::NEG_INFINITY, |there| here.closeness(&there.unit()));
        (closeness, id)
    });
    // Configured order decides between equals.
    ranked(places, |(one, _), (other, _)| one > other).into_iter().map(|(_, id)| id).collect()
}
