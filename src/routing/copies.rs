//! Which copies at the edge a request is about: the one that may answer it, and the one that it makes useless.

use super::{
    cache::{CacheKey, Place},
    intent::{CacheUse, Intent},
    topology::{ReadAfterWrite, Route, Rule},
    view::View,
};

/// The key of the request's copy.
#[must_use]
pub fn key(intent: &Intent, view: &View) -> CacheKey {
    let dataset = intent.dataset.and_then(|id| view.topology().dataset(id));
    let ownership = intent.dataset.and_then(|id| view.dataset_ownership(id));
    let personal = matches!(&intent.cache, CacheUse::Use(lookup) if lookup.personal);
    let place = Place {
        scheme: &intent.scheme,
        authority: &intent.authority,
        target: &intent.target,
        dataset: dataset.map_or("_", |dataset| dataset.name.as_str()),
        epoch: ownership.map_or(0, |ownership| ownership.epoch.0),
        subject: intent.subject.as_ref().filter(|_| personal).map(|subject| subject.as_str()),
    };
    CacheKey::new(&place)
}

/// The copy that a successful unsafe request makes useless (RFC 9111 section 4.4): its target as a GET would be stored.
#[must_use]
pub fn made_useless(intent: &Intent, view: &View) -> Option<CacheKey> {
    let topology = view.topology();
    let host = intent.authority.as_str();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    let read: Option<&Route> = topology.routes().iter().find(|route| route.pattern.matches("GET", host, intent.path()));
    let id = read.and_then(|route| route.dataset);
    let dataset = id.and_then(|id| topology.dataset(id));
    let personal = dataset.is_some_and(|dataset| matches!(dataset.rule, Rule::GeoPartitioned { .. }));
    let cached = read.and_then(|route| route.cache).unwrap_or(!personal)
        && read.is_none_or(|route| route.read_after_write != ReadAfterWrite::Home);
    if !cached {
        return None;
    }
    let place = Place {
        scheme: &intent.scheme,
        authority: &intent.authority,
        target: &intent.target,
        dataset: dataset.map_or("_", |dataset| dataset.name.as_str()),
        epoch: id.and_then(|id| view.dataset_ownership(id)).map_or(0, |ownership| ownership.epoch.0),
        subject: intent.subject.as_ref().filter(|_| personal).map(|subject| subject.as_str()),
    };
    Some(CacheKey::new(&place))
}
