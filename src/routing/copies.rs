//! Which copies at the edge a request is about: the one that may answer it, and those that it makes useless.

use super::{
    answer::Answer,
    cache::{CacheKey, Place},
    facts::{Url, host, normal_path},
    intent::{CacheUse, Intent},
    topology::{DatasetId, Route},
    view::View,
};

/// The key of the request's copy.
#[must_use]
pub fn key(intent: &Intent, view: &View) -> CacheKey {
    let personal = matches!(&intent.cache, CacheUse::Use(lookup) if lookup.personal);
    key_in(intent, view, &intent.target, intent.dataset, personal)
}

/// The copies that a successful unsafe request makes useless (RFC 9111 section 4.4): its target, and what `Location` and
/// `Content-Location` name of the same origin, each as a GET of it would be stored.
#[must_use]
pub fn made_useless(intent: &Intent, view: &View, answer: &Answer<'_>) -> Vec<CacheKey> {
    let named = ["location", "content-location"].iter().filter_map(|name| answer.headers.get(name));
    let mut targets = vec![intent.target.clone()];
    for target in named.filter_map(|reference| resolve(intent, reference)) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets.iter().filter_map(|target| as_read_of(intent, view, target)).collect()
}

/// Under what a GET of the request's target is stored, if it is at all.
#[must_use]
pub fn as_read(intent: &Intent, view: &View) -> Option<CacheKey> {
    as_read_of(intent, view, &intent.target)
}

/// Whether a reference names the request's own target.
#[must_use]
pub fn is_target(intent: &Intent, reference: &str) -> bool {
    resolve(intent, reference).is_some_and(|target| target == intent.target)
}

fn as_read_of(intent: &Intent, view: &View, target: &str) -> Option<CacheKey> {
    let topology = view.topology();
    let path = target.split('?').next().unwrap_or(target);
    let read = topology.route("GET", host(&intent.authority), path).map(|(_, route)| route);
    let dataset = read.and_then(|route| route.dataset);
    let personal = dataset.and_then(|id| topology.dataset(id)).is_some_and(|dataset| dataset.rule.is_personal());
    Route::is_cached(read, personal).then(|| key_in(intent, view, target, dataset, personal))
}

/// The target that a reference of an answer names, if it lies at the same origin (RFC 3986 section 5.2).
fn resolve(intent: &Intent, reference: &str) -> Option<String> {
    let reference = reference.trim();
    let reference = reference.split('#').next().unwrap_or(reference);
    let (scheme, authority) = (&intent.scheme, &intent.authority);
    let same = |found: &str| found.eq_ignore_ascii_case(authority);
    let local = if let Some(url) = Url::parse(reference) {
        if !same(url.authority) || url.scheme != scheme {
            return None;
        }
        url.query.map_or_else(|| url.path.to_owned(), |query| format!("{}?{query}", url.path))
    } else if let Some(rest) = reference.strip_prefix("//") {
        let (found, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if !same(found) {
            return None;
        }
        path.to_owned()
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else if reference.is_empty() {
        intent.target.clone()
    } else if reference.starts_with('?') {
        format!("{}{reference}", intent.path())
    } else if reference.split(['/', '?']).next().is_some_and(|segment| segment.contains(':')) {
        // Another scheme.
        return None;
    } else {
        let folder = intent.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{reference}")
    };
    let (path, query) = local.split_once('?').map_or((local.as_str(), None), |(path, query)| (path, Some(query)));
    let path = normal_path(&without_dots(path));
    Some(query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<_> = path.split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                if kept.len() > 1 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    kept.join("/")
}

/// The key of a target at the request's origin as a part of that dataset.
fn key_in(intent: &Intent, view: &View, target: &str, dataset: Option<DatasetId>, personal: bool) -> CacheKey {
    let ownership = dataset.and_then(|id| view.dataset_ownership(id));
    let dataset = dataset.and_then(|id| view.topology().dataset(id));
    CacheKey::new(&Place {
        scheme: &intent.scheme,
        authority: &intent.authority,
        target,
        dataset: dataset.map_or("_", |dataset| dataset.name.as_str()),
        epoch: ownership.map_or(0, |ownership| ownership.epoch().0),
        subject: intent.subject.as_ref().filter(|_| personal).map(|subject| subject.as_str()),
    })
}
