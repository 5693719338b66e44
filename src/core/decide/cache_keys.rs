//! Which stored responses a request is about: the one that may answer it, and those that it invalidates.

use crate::{
    cache::{
        key::{CacheKey, KeyParts, hash_of},
        lookup::Lookup,
    },
    http::{answer::Answer, target::Target},
    model::ids::DatasetId,
    request::{CacheUse, Request},
    state::{memory::vain::Wait, view::View},
    topology::route::Route,
};

/// The key of the request's stored response.
#[must_use]
pub(crate) fn key<'r>(request: &'r Request, view: &View) -> &'r CacheKey {
    request.key.get_or_init(|| {
        let personal = matches!(&request.cache, CacheUse::Use(lookup) if lookup.personal);
        key_in(request, view, &request.target, request.dataset, personal)
    })
}

/// Whose answers the request would wait for, if others of the same key are under way.
#[must_use]
pub(crate) fn wait(request: &Request, lookup: &Lookup, key: &CacheKey) -> Wait {
    Wait { key: key.hash(), route: request.route, cookies: lookup.cookies }
}

/// The stored responses that a successful unsafe request invalidates (RFC 9111 section 4.4): its target, and what `Location` and
/// `Content-Location` name of the same origin, each as a GET of it would be stored.
#[must_use]
pub(crate) fn invalidated(request: &Request, view: &View, answer: &Answer<'_>) -> Vec<CacheKey> {
    let named = ["location", "content-location"].iter().filter_map(|name| answer.headers.get(name));
    let mut targets = vec![Target::clone(&request.target)];
    for target in named.filter_map(|reference| request.target.join(reference)) {
        if target.is_beside(&request.target) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.iter().filter_map(|target| as_read_of(request, view, target)).collect()
}

/// Under what a GET of the request's target is stored, if it is at all.
#[must_use]
pub(crate) fn as_read(request: &Request, view: &View) -> Option<CacheKey> {
    as_read_of(request, view, &request.target)
}

/// Whether a reference names the request's own target.
#[must_use]
pub(crate) fn is_target(request: &Request, reference: &str) -> bool {
    request.target.join(reference).is_some_and(|target| target == *request.target)
}

fn as_read_of(request: &Request, view: &View, target: &Target) -> Option<CacheKey> {
    let topology = view.topology();
    let read = topology.route("GET", target.host(), target.path()).map(|(_, route)| route);
    let dataset = read.and_then(|route| route.dataset);
    let personal = dataset.and_then(|id| topology.dataset(id)).is_some_and(|dataset| dataset.rule.is_personal());
    Route::is_cached(read, personal).then(|| key_in(request, view, target, dataset, personal))
}

/// The key of a target at the request's origin as a part of that dataset.
fn key_in(request: &Request, view: &View, target: &Target, dataset: Option<DatasetId>, personal: bool) -> CacheKey {
    let ownership = dataset.and_then(|id| view.dataset_ownership(id));
    let dataset = dataset.and_then(|id| view.topology().dataset(id));
    let place = KeyParts {
        target,
        dataset: dataset.map_or("_", |dataset| dataset.name.as_str()),
        epoch: ownership.map_or(0, |ownership| ownership.epoch().0),
        subject: request.subject.as_ref().filter(|_| personal).map(|subject| subject.as_str()),
    };
    if *target == *request.target {
        CacheKey::with(&place, request.in_keys.get_or_init(|| hash_of(target).into()))
    } else {
        CacheKey::new(&place)
    }
}
