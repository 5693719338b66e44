//! Which copies at the edge a request is about: the one that may answer it, and the one that it makes useless.

use super::{
    cache::{CacheKey, Place},
    facts::host,
    intent::{CacheUse, Intent},
    topology::{DatasetId, Route},
    view::View,
};

/// The key of the request's copy.
#[must_use]
pub fn key(intent: &Intent, view: &View) -> CacheKey {
    let personal = matches!(&intent.cache, CacheUse::Use(lookup) if lookup.personal);
    key_in(intent, view, intent.dataset, personal)
}

/// The copy that a successful unsafe request makes useless (RFC 9111 section 4.4): its target as a GET would be stored.
#[must_use]
pub fn made_useless(intent: &Intent, view: &View) -> Option<CacheKey> {
    let topology = view.topology();
    let read = topology.route("GET", host(&intent.authority), intent.path()).map(|(_, route)| route);
    let dataset = read.and_then(|route| route.dataset);
    let personal = dataset.and_then(|id| topology.dataset(id)).is_some_and(|dataset| dataset.rule.is_personal());
    Route::is_cached(read, personal).then(|| key_in(intent, view, dataset, personal))
}

/// The key of the request's target as a part of that dataset.
fn key_in(intent: &Intent, view: &View, dataset: Option<DatasetId>, personal: bool) -> CacheKey {
    let ownership = dataset.and_then(|id| view.dataset_ownership(id));
    let dataset = dataset.and_then(|id| view.topology().dataset(id));
    CacheKey::new(&Place {
        scheme: &intent.scheme,
        authority: &intent.authority,
        target: &intent.target,
        dataset: dataset.map_or("_", |dataset| dataset.name.as_str()),
        epoch: ownership.map_or(0, |ownership| ownership.epoch.0),
        subject: intent.subject.as_ref().filter(|_| personal).map(|subject| subject.as_str()),
    })
}
