//! Which kinds of requests there are: one example for each pattern and method, asked of both topologies. The first route that matches
//! counts, so a route that was moved, added or removed shows by what it does to an example, and by nothing else.

use homing_core::{
    Access,
    config::{ReadAfterWrite, Route, Topology},
    plan::access,
};

use super::{change::Change, difference::Difference};

/// What stands for a part of a path that a pattern leaves open.
pub(super) const OPEN: &str = "x";

/// A kind of request: as it is shown, and an example of it.
pub(super) struct Request {
    pub(super) says: String,
    route: String,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
}

/// The kinds that the routes of a topology name, and what none of them takes.
pub(super) fn of(topology: &Topology) -> Vec<Request> {
    let unclaimed = ["GET", "POST"].map(|method| Request {
        says: format!("{method} of what no route matches"),
        route: "what no route matches".to_owned(),
        method: method.to_owned(),
        host: OPEN.to_owned(),
        path: "/~homing~plan~/x".to_owned(),
    });
    topology.routes().iter().flat_map(examples).chain(unclaimed).collect()
}

fn examples(route: &Route) -> Vec<Request> {
    let text = route.pattern.to_string();
    let (methods, rest) = match text.split_once(' ') {
        Some((methods, rest)) => (methods.split(',').map(str::to_owned).collect(), rest),
        None => (vec!["GET".to_owned(), "PUT".to_owned()], text.as_str()),
    };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let example = |method: String| Request {
        says: format!("{method} {rest}"),
        route: rest.to_owned(),
        method,
        host: if host.is_empty() { OPEN.to_owned() } else { host.replace('*', OPEN) },
        path: filled(path),
    };
    methods.into_iter().map(example).collect()
}

/// A path that the pattern matches: `/t/{tenant}/notes/*` is `/t/x/notes/x`.
fn filled(pattern: &str) -> String {
    let part = |part: &str| if part.starts_with('{') || part == "*" { OPEN.to_owned() } else { part.to_owned() };
    pattern.split('/').map(part).collect::<Vec<_>>().join("/")
}

impl Request {
    /// Its host, as far as a route asks for one.
    pub(super) fn named_host(&self) -> &str {
        if self.host == OPEN { "" } else { &self.host }
    }

    /// What the two topologies decide differently about it.
    pub(super) fn compare(&self, old: &Topology, new: &Topology, found: &mut Difference) {
        let route = |topology: &'_ Topology| {
            topology.route(&self.method, &self.host, &self.path).map(|(_, route)| route.clone())
        };
        let (before, after) = (route(old), route(new));
        let dataset = |topology: &Topology, route: &Option<Route>| {
            let id = route.as_ref()?.dataset?;
            topology.dataset(id).map(|dataset| dataset.name.clone())
        };
        let (from, to) = (dataset(old, &before), dataset(new, &after));
        if from != to {
            let writes = [before.as_ref(), after.as_ref()].into_iter().any(|route| self.writes(route));
            found.changes.push(Change::RouteMoved { request: self.says.clone(), from, to, writes });
        }
        let becomes_read = self.writes(before.as_ref()) && !self.writes(after.as_ref());
        let mut promise = |key: &'static str, of: &dyn Fn(Option<&Route>) -> String| {
            let (from, to) = (of(before.as_ref()), of(after.as_ref()));
            if from != to {
                let becomes_read = becomes_read && key == "access";
                found.changes.push(Change::PromiseChanged { request: self.says.clone(), key, from, to, becomes_read });
            }
        };
        promise("access", &|route| {
            let said = route.and_then(|route| route.access);
            said.map_or_else(|| "what the method says".to_owned(), |access| format!("{access:?}").to_ascii_lowercase())
        });
        if [before.as_ref(), after.as_ref()].into_iter().any(|route| self.writes(route)) {
            promise("idempotent", &|route| route.is_some_and(|route| route.idempotent).to_string());
        }
        if [before.as_ref(), after.as_ref()].into_iter().all(|route| self.writes(route)) {
            return self.rest(before.as_ref(), after.as_ref(), found);
        }
        promise("read_after_write", &|route| {
            promised(route.map(|route| route.read_after_write).unwrap_or_default()).to_owned()
        });
        promise("on_home_down", &|route| {
            let stale = route.is_some_and(|route| route.on_home_down == homing_core::config::OnHomeDown::Stale);
            if stale { "stale" } else { "refuse" }.to_owned()
        });
        promise("cache", &|route| match route.and_then(|route| route.cache) {
            None => "by ownership".to_owned(),
            Some(cached) => cached.to_string(),
        });
        self.rest(before.as_ref(), after.as_ref(), found);
    }

    /// Whether the request is a write by that route, as the router decides it.
    fn writes(&self, route: Option<&Route>) -> bool {
        access(&self.method, false, route) == Access::Write
    }

    /// What changes neither who may write nor what is promised.
    fn rest(&self, before: Option<&Route>, after: Option<&Route>, found: &mut Difference) {
        let (Some(before), Some(after)) = (before, after) else { return };
        let name = |key: &str| format!("{}: {key}", self.route);
        // All of its fields, so that a new one is compared too: here, or above if it changes what is promised.
        let Route {
            pattern: _,
            dataset: _,
            read_after_write: _,
            on_home_down: _,
            access: _,
            idempotent: _,
            cache: _,
            cache_up_to,
            cache_set_cookie,
            deadline,
            wait,
            body_idle,
            repair,
            spelling,
            rewrite_location,
            max_cross_region,
            max_conflict_rate,
            allow_request_fields,
        } = before;
        found.other(name("cache_up_to"), cache_up_to, &after.cache_up_to);
        found.other(name("cache_set_cookie"), cache_set_cookie, &after.cache_set_cookie);
        found.other(name("deadline"), deadline, &after.deadline);
        found.other(name("wait"), wait, &after.wait);
        found.other(name("body_idle"), body_idle, &after.body_idle);
        found.other(name("repair"), repair, &after.repair);
        found.other(name("spelling"), spelling, &after.spelling);
        found.other(name("rewrite_location"), rewrite_location, &after.rewrite_location);
        found.other(name("max_cross_region"), max_cross_region, &after.max_cross_region);
        found.other(name("max_conflict_rate"), max_conflict_rate, &after.max_conflict_rate);
        found.other(name("allow_request_fields"), allow_request_fields, &after.allow_request_fields);
    }
}

fn promised(promise: ReadAfterWrite) -> &'static str {
    match promise {
        ReadAfterWrite::None => "none",
        ReadAfterWrite::Session => "session",
        ReadAfterWrite::Home => "home",
    }
}
