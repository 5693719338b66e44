//! Suggestions: requests whose origin says with `Homing-Wrote` that they do otherwise than they were taken for, and the route
//! lines that would set it right.

use serde::{Deserialize, Serialize};

use crate::{
    model::{access::Access, ranked::ranked},
    settle::record::Record,
    topology::{
        Topology,
        route::{OnHomeDown, ReadAfterWrite, Route},
    },
};

/// The most kinds of requests that are counted; those seen first stay.
const MOST: usize = 256;
/// So many answers must say that they wrote nothing, and none that it did, before a write is suggested to be a read.
const ENOUGH: u64 = 20;

/// Requests of one kind: by method, route and shape of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RequestKind {
    method: String,
    shape: String,
    route: Option<usize>,
    access: Access,
    wrote: u64,
    wrote_not: u64,
}

/// What one isolate has seen. It tells that as JSON; what is to be suggested by it is said where the operators ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestions(Vec<RequestKind>);

/// Route lines to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What was seen.
    pub why: String,
    /// The index in `ROUTES` of the route that takes these requests now; the lines go before it, or to the end.
    pub before: Option<usize>,
    /// The lines, in TOML.
    pub toml: String,
}

/// What there is to suggest, for machines.
#[derive(Serialize)]
pub struct SuggestionsShown {
    suggestions: Vec<Lines>,
}

#[derive(Serialize)]
struct Lines {
    why: String,
    before: Option<String>,
    toml: String,
}

impl Suggestions {
    /// Takes in a settled request.
    pub fn observe(&mut self, record: &Record) {
        let Some(wrote) = record.wrote.filter(|_| record.status < 400) else { return };
        // What reads and says so, and what writes and says so, is as it should be; only a write's silence must be counted on.
        if record.access == Access::Read && !wrote {
            return;
        }
        let shape = shape(&record.path);
        let same = |kind: &&mut RequestKind| {
            kind.method == record.method
                && kind.route == record.route
                && kind.shape == shape
                && kind.access == record.access
        };
        if let Some(kind) = self.0.iter_mut().find(same) {
            kind.count(wrote);
        } else if self.0.len() < MOST {
            let (method, access) = (record.method.to_string(), record.access);
            let mut kind = RequestKind { method, shape, route: record.route, access, wrote: 0, wrote_not: 0 };
            kind.count(wrote);
            self.0.push(kind);
        }
    }

    /// What there is to suggest, the most often seen first.
    #[must_use]
    pub fn list(&self, topology: &Topology) -> Vec<Suggestion> {
        let seen = |kind: &RequestKind| kind.wrote + kind.wrote_not;
        let wrong = self.0.iter().filter(|kind| kind.is_wrong());
        let kinds = ranked(wrong, |one, other| seen(one) > seen(other));
        kinds.into_iter().map(|kind| kind.suggest(topology)).collect()
    }

    /// The same for machines.
    #[must_use]
    pub fn show(&self, topology: &Topology) -> SuggestionsShown {
        let each = |one: Suggestion| Lines { why: one.why, before: place(one.before), toml: one.toml };
        SuggestionsShown { suggestions: self.list(topology).into_iter().map(each).collect() }
    }

    /// The same as TOML, to be pasted.
    #[must_use]
    pub fn toml(&self, topology: &Topology) -> String {
        let each = |one: Suggestion| {
            let place = place(one.before).map_or_else(|| "at the end".to_owned(), |before| format!("before {before}"));
            format!("# {}; goes {place}\n{}", one.why, one.toml)
        };
        let all: Vec<_> = self.list(topology).into_iter().map(each).collect();
        if all.is_empty() { "# nothing to suggest\n".to_owned() } else { all.join("\n") }
    }
}

fn place(before: Option<usize>) -> Option<String> {
    before.map(|before| format!("vars.ROUTES[{before}]"))
}

impl RequestKind {
    fn count(&mut self, wrote: bool) {
        *(if wrote { &mut self.wrote } else { &mut self.wrote_not }) += 1;
    }

    fn is_wrong(&self) -> bool {
        match self.access {
            Access::Read => self.wrote > 0,
            Access::Write => self.wrote == 0 && self.wrote_not >= ENOUGH,
        }
    }

    fn suggest(&self, topology: &Topology) -> Suggestion {
        let Self { method, shape, access, wrote, wrote_not, .. } = self;
        let (why, should) = match access {
            Access::Read => {
                (format!("{wrote} answers to {method} {shape} said that it wrote, but it is sent as a read"), "write")
            }
            Access::Write => (
                format!(
                    "all of {wrote_not} answers to {method} {shape} said that it wrote nothing, but it is sent as a write"
                ),
                "read",
            ),
        };
        let route = self.route.and_then(|at| topology.routes().get(at));
        let host = route.and_then(|route| route.pattern.host()).unwrap_or_default();
        let mut toml = format!("[[vars.ROUTES]]\nmatch = \"{method} {host}{shape}\"\naccess = \"{should}\"\n");
        if let Some(route) = route {
            toml.push_str(&the_rest(route, topology));
        }
        Suggestion { why, before: self.route, toml }
    }
}

/// What the route says besides, so that the new line changes nothing else.
fn the_rest(route: &Route, topology: &Topology) -> String {
    let mut toml = String::new();
    if let Some(dataset) = route.dataset.and_then(|id| topology.dataset(id)) {
        toml.push_str(&format!("dataset = \"{}\"\n", dataset.name));
    }
    match route.read_after_write {
        ReadAfterWrite::None => {}
        ReadAfterWrite::Session => toml.push_str("read_after_write = \"session\"\n"),
        ReadAfterWrite::Home => toml.push_str("read_after_write = \"home\"\n"),
    }
    if route.on_home_down == OnHomeDown::Stale {
        toml.push_str("on_home_down = \"stale\"\n");
    }
    if route.idempotent {
        toml.push_str("idempotent = true\n");
    }
    if let Some(cache) = route.cache {
        toml.push_str(&format!("cache = {cache}\n"));
    }
    for (key, budget) in [("max_cross_region", route.max_cross_region), ("max_conflict_rate", route.max_conflict_rate)]
    {
        if let Some(budget) = budget {
            toml.push_str(&format!("{key} = \"{budget}\"\n"));
        }
    }
    toml
}

/// The path with a name for each segment that looks like an id, so that one line serves all of its kind.
#[must_use]
pub fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn is_id(segment: &str) -> bool {
    let version = segment.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
    let has_digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    !segment.is_empty() && !version && (has_digit || !plain || segment.len() > 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_names_and_versions_stay() {
        assert_eq!(shape("/v1/carts/8f14e45f/items/12"), "/v1/carts/{id}/items/{id}");
        assert_eq!(shape("/api/track"), "/api/track");
        assert_eq!(shape("/u/{x}/"), "/u/{id}/");
    }
}
