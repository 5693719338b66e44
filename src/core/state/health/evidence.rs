//! What a failure proves, and against whom.
//!
//! A region can fail; so can one endpoint of it; and so can a request that was made to fail. From one failure nobody can tell which
//! it was, and whoever could close a region by requests that fail would have everybody's writes refused. So a failure is evidence
//! *by* somebody: the visitor who asked and the route that was asked, and that visitor on that route can say it once. What five
//! of these say is believed: of a route, where they all asked that one; of the region, where they asked more than one.
//!
//! | what came | could a visitor have caused it? | counts |
//! |---|---|---|
//! | nobody took the connection, and the driver knows it | no: nothing of the request had left | each time, against the region |
//! | no answer in time, a broken one, the platform's 52x | yes: a slow report; a process that the request kills; a `return 444` | once for the visitor and route; each time against the visitor's own use of that route |
//! | 502, 503, 504 | yes: a link preview; a header that is too large for the gateway's buffer | once for the visitor and route |
//! | the same with a `Homing-*` field | the application has spoken, so it lives | not at all |
//!
//! Cloudflare's 521 (refused) is among the second kind: a page that fetches other pages passes on what they say.
//!
//! So one visitor on one route changes nothing for anybody else, however often; they would need five routes of the
//! topology, or four others who fail too. What they do see is held against that route for themselves, so that who is alone
//! in an isolate waits no more than five times. Paths do not count, only routes: whoever asks chooses the path. Where one route
//! takes everything, or none does, that is one route, and its breaker is as good as the region's. Whoever has many addresses
//! is many visitors; an IPv6 network of 56 bits is one of them.

use crate::state::drill::SamplingKey;

/// By whom something was sent, as far as evidence goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The visitor; all whose address is not known are one.
    visitor: Option<SamplingKey>,
    /// The route; all that no route takes is one.
    route: Option<u16>,
}

impl By {
    /// By that visitor, on the route of that index.
    #[must_use]
    pub fn new(visitor: Option<SamplingKey>, route: Option<usize>) -> Self {
        Self { visitor, route: route.map(|index| u16::try_from(index).unwrap_or(u16::MAX)) }
    }

    /// The index of the route.
    #[must_use]
    pub fn route(self) -> Option<u16> {
        self.route
    }

    /// The visitor; none where it is not known who asks: all who are not known are not one visitor, and none is held to account
    /// for another.
    pub(super) fn visitor(self) -> Option<SamplingKey> {
        self.visitor
    }

    /// The same route, whoever asks.
    pub(super) fn anybody(self) -> Self {
        Self { visitor: None, ..self }
    }
}

/// What a failure proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Whoever had asked, it would have failed.
    Certain,
    /// It failed for these.
    By(By),
}

/// Whether what these say is more than one route's trouble.
pub(super) fn is_wide<'a>(mut proofs: impl Iterator<Item = &'a Proof>) -> bool {
    let mut first = None;
    proofs.any(|proof| match proof {
        Proof::Certain => true,
        Proof::By(by) => *first.get_or_insert(by.route) != by.route,
    })
}

/// Whether more than one visitor says it.
pub(super) fn is_shared<'a>(mut proofs: impl Iterator<Item = &'a Proof>) -> bool {
    let mut first = None;
    proofs.any(|proof| match proof {
        Proof::Certain => true,
        Proof::By(by) => *first.get_or_insert(by.visitor) != by.visitor,
    })
}

/// How many say it, each visitor and route once. There are few, so that nothing need be sorted.
pub(super) fn distinct<'a>(proofs: impl Iterator<Item = &'a Proof> + Clone) -> usize {
    let said_before =
        |at: usize, proof: &Proof| *proof != Proof::Certain && proofs.clone().take(at).any(|other| other == proof);
    proofs.clone().enumerate().filter(|(at, proof)| !said_before(*at, proof)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(visitor: &str, route: usize) -> Proof {
        Proof::By(By::new(Some(SamplingKey::at(visitor)), Some(route)))
    }

    #[test]
    fn who_says_it_twice_says_it_once() {
        let all = [by("a", 1), by("a", 1), by("b", 1), by("a", 2), Proof::Certain, Proof::Certain];
        assert_eq!(distinct(all.iter()), 5);
        assert!(is_wide(all.iter()) && !is_wide(all[..3].iter()) && is_wide(all[4..].iter()));
        assert!(is_shared(all.iter()) && !is_shared(all[..2].iter()) && is_shared(all[4..].iter()));
    }
}
