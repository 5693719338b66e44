//! Where it is of no use to wait for another request's answer, since that will not be stored: so that answers which nobody may share do not
//! come one after the other (Varnish calls it hit-for-miss, and the trouble without it request serialization).
//!
//! It is learned of addresses, and of routes: of a poll each address may be a new one. A client that makes one address's answer unstorable
//! must not make everybody ask the origin for a popular one at the same moment. So nothing is learned while a stored response lies there,
//! nor of what is said to one request alone (400, 403). A route counts as one where nothing can be stored only if two addresses were in
//! vain and nothing could be stored or was found there lately. The first answer that can be stored ends that, and so does a stored response
//! that is found. The answers to clients with cookies say nothing of those to clients without.

use std::{collections::HashMap, time::Duration};

use crate::model::time::Timestamp;

/// How long the cache is not asked for a key whose response could not be stored (Varnish calls this hit-for-miss).
const UNCACHEABLE_FOR: Duration = Duration::from_secs(60);
const MOST_UNCACHEABLE: usize = 10_000;
/// How long that is believed of a route of which nothing else is heard; of an address as long as that nothing can be stored there.
const IN_VAIN_FOR: Duration = Duration::from_secs(60);
/// So long after something could be stored there a route is one where things can be.
const STORES_FOR: Duration = Duration::from_secs(60);

/// What is waited for, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The hash of the cache key.
    pub key: u64,
    /// The index of the route; none of what no route takes.
    pub route: Option<usize>,
    /// Whether the request has cookies besides the session.
    pub cookies: bool,
}

impl Wait {
    /// The address, as a hash.
    fn address(self) -> u64 {
        self.key ^ u64::from(self.cookies)
    }

    /// The place of the route among all.
    fn place(self) -> usize {
        2 * self.route.map_or(0, |route| route + 1) + usize::from(self.cookies)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct RouteWaits {
    /// When something could be stored last.
    stored: Option<Timestamp>,
    /// Since then: an address that was in vain, whether another one was, and when the last.
    vain: Option<(u64, bool, Timestamp)>,
}

/// What one isolate knows of that; there are as many routes as the topology has.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    addresses: HashMap<u64, Timestamp>,
    /// By their place; with cookies and without are two.
    routes: Vec<RouteWaits>,
}

impl Waits {
    pub(super) fn are_in_vain(&self, wait: Wait, now: Timestamp) -> bool {
        let address = self.addresses.get(&wait.address());
        let route = self.routes.get(wait.place()).and_then(|route| route.vain);
        address.is_some_and(|until| *until > now) || matches!(route, Some((_, true, at)) if now.since(at) < IN_VAIN_FOR)
    }

    /// The answer could not be stored.
    pub(super) fn was_in_vain(&mut self, wait: Wait, now: Timestamp) {
        pass_by(&mut self.addresses, wait.address(), now);
        let Some(route) = self.route(wait) else { return };
        if route.stored.is_some_and(|at| now.since(at) < STORES_FOR) {
            return;
        }
        let lately = route.vain.filter(|(_, _, at)| now.since(*at) < IN_VAIN_FOR);
        let (first, several) = lately.map_or((wait.key, false), |(first, several, _)| (first, several));
        route.vain = Some((first, several || first != wait.key, now));
    }

    /// It could, or was found there.
    pub(super) fn was_of_use(&mut self, wait: Wait, now: Timestamp) {
        self.addresses.remove(&wait.address());
        if let Some(route) = self.route(wait) {
            *route = RouteWaits { stored: Some(now), vain: None };
        }
    }

    fn route(&mut self, wait: Wait) -> Option<&mut RouteWaits> {
        if self.routes.len() <= wait.place() {
            self.routes.resize(wait.place() + 1, RouteWaits::default());
        }
        self.routes.get_mut(wait.place())
    }
}

/// Remembers for a while that nothing can be stored under that key.
pub(super) fn pass_by(keys: &mut HashMap<u64, Timestamp>, key: u64, now: Timestamp) {
    if keys.len() >= MOST_UNCACHEABLE {
        keys.clear();
    }
    keys.insert(key, now.after(UNCACHEABLE_FOR));
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1000)
    }

    fn wait(key: u64) -> Wait {
        Wait { key: key << 8, route: Some(1), cookies: false }
    }

    #[test]
    fn an_address_is_waited_for_once_in_vain_and_a_route_of_which_two_were() {
        let mut waits = Waits::default();
        waits.was_in_vain(wait(1), at(0));
        assert!(waits.are_in_vain(wait(1), at(59)) && !waits.are_in_vain(wait(1), at(60)));
        assert!(!waits.are_in_vain(wait(2), at(0)), "one address alone says nothing of others");
        waits.was_in_vain(wait(2), at(30));
        for other in [3, 4] {
            assert!(waits.are_in_vain(wait(other), at(89)) && !waits.are_in_vain(wait(other), at(90)));
            assert!(!waits.are_in_vain(Wait { route: None, ..wait(other) }, at(30)), "another route");
            assert!(!waits.are_in_vain(Wait { cookies: true, ..wait(other) }, at(30)), "whoever has cookies");
        }
    }

    /// Somebody asks for what no route of theirs has, again and again, and waits for a popular stored response to go.
    #[test]
    fn addresses_made_up_by_one_client_let_nobody_crowd_where_things_are_stored() {
        let mut waits = Waits::default();
        waits.was_of_use(wait(1), at(0));
        for second in 0..59 {
            waits.was_in_vain(wait(100 + second), at(second));
            assert!(!waits.are_in_vain(wait(1), at(second)));
        }
        waits.was_in_vain(wait(200), at(60));
        waits.was_in_vain(wait(201), at(60));
        assert!(waits.are_in_vain(wait(1), at(60)), "nothing was stored for a minute");
        waits.was_of_use(wait(2), at(61));
        waits.was_in_vain(wait(202), at(61));
        assert!(!waits.are_in_vain(wait(1), at(61)), "one that is found or stored is enough");
    }

    #[test]
    fn it_is_bounded_whoever_makes_up_addresses() {
        let mut waits = Waits::default();
        (0..30_000).for_each(|key| waits.was_in_vain(wait(key), at(0)));
        assert!(waits.addresses.len() <= 10_000 && waits.routes.len() <= 6);
    }
}
