//! A response's head, from an origin or the router.

use crate::http::{believed::CONTRACT, headers::Headers, syntax::trim};

/// A response's head.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: Headers<'a>,
    /// How its body ends.
    pub framing: Framing,
}

impl Answer<'_> {
    /// Whether it has a field of the contract: its sender knows the router.
    #[must_use]
    pub fn speaks_of_the_contract(&self) -> bool {
        self.headers.0.iter().any(|(name, _)| name.starts_with(CONTRACT))
    }

    /// Whether it is a final answer (RFC 9110 section 15): neither an interim one (1xx) nor of a status that there is none of. A change
    /// of protocols (101) ends the exchange.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.status, 101 | 200..=599)
    }

    /// Whether a cache of Cloudflare's between here and the region gave it.
    #[must_use]
    pub fn is_from_a_cache(&self) -> bool {
        self.headers.get("cf-cache-status").is_some_and(is_stored)
    }
}

/// Whether that `CF-Cache-Status` says that a stored response was used (Cloudflare, "Cache responses").
#[must_use]
pub fn is_stored(said: &str) -> bool {
    matches!(trim(said), "HIT" | "STALE" | "UPDATING" | "REVALIDATED")
}

/// How a body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// It says itself: by a length, a last chunk, or the platform's word for a stream that was whole. One that breaks off is known to.
    #[default]
    Delimited,
    /// With the connection. One whose origin has died in the middle ends like a whole one.
    UntilClose,
}

/// Statuses that say that a gateway failed, rather than the application.
#[must_use]
pub fn is_gateway_failure(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// Whether an answer of that status is a failure of the server's, and no word about the target.
#[must_use]
pub fn is_failure(status: u16) -> bool {
    status >= 500 && status != 501
}
