//! Paths that servers read in several ways: all of them must lead to the same, or the request goes nowhere.

use crate::{
    http::{
        problem::Problem,
        target::{self, Target},
    },
    model::reasons::Refusal,
    topology::{
        Topology,
        dataset::Rule,
        identity::IdentitySource,
        route::{Route, Spelling},
    },
};

/// Holds the other readings of a path against its own: the routes must decide alike, about the same subject.
///
/// # Errors
/// If they do not. Whatever the method: a read that was taken for another's could store one user's data as everybody's.
pub(super) fn unambiguous(
    method: &str,
    target: &Target,
    taken: Option<&Route>,
    topology: &Topology,
) -> Result<(), Problem> {
    let (host, path) = (target.host(), target.path());
    if let Some(why) = reserved(path) {
        return Err(Problem::of(why));
    }
    let is_exact = |route: Option<&Route>| route.is_some_and(|route| route.spelling == Spelling::Exact);
    // Express and IIS, for two, take `/API/cart` for `/api/cart` unless they are told otherwise.
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) && !is_exact(taken) {
        let folded = topology.route_in_any_case(method, host, path);
        if !is_exact(folded) && !Route::decide_alike(taken, folded) {
            return Err(Problem::of(Refusal::AmbiguousPath));
        }
    }
    if target::is_plain(path) || is_exact(taken) {
        return Ok(());
    }
    let subject = named(path, taken, topology);
    let same = |reading: &String| {
        let other = topology.route(method, host, reading).map(|(_, route)| route);
        reserved(reading).is_none() && Route::decide_alike(taken, other) && named(reading, other, topology) == subject
    };
    let alike = target::readings(path).is_some_and(|mut readings| readings.all(|reading| same(&reading)));
    if alike { Ok(()) } else { Err(Problem::of(Refusal::AmbiguousPath)) }
}

/// Why no client gets to a path. `/_homing/` is answered before a request gets here, unless it is spelled otherwise. The contract's
/// own addresses are the router's to ask: they tell of regions, epochs and lag, and move what is owned; a health address that the
/// topology puts elsewhere is the application's.
fn reserved(path: &str) -> Option<Refusal> {
    let below = |place| path.strip_prefix(place).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'));
    if below("/_homing") {
        Some(Refusal::AmbiguousPath)
    } else {
        below("/.well-known/homing").then_some(Refusal::NotForClients)
    }
}

/// The subject as the path names it, where the route's data is split by one that stands there.
fn named<'p>(path: &'p str, route: Option<&Route>, topology: &Topology) -> Option<&'p str> {
    let Rule::GeoPartitioned { subject, .. } = topology.dataset(route?.dataset?)?.rule else { return None };
    match topology.identity().source(subject)? {
        IdentitySource::Path(pattern) => pattern.capture(path, subject.token()),
        _ => None,
    }
}
