//! Methods, and the name by which a router is known (RFC 9110 section 7.6.3, RFC 8586).

use crate::model::access::Access;

/// The router's name in `CDN-Loop` and `Via`.
pub(crate) const ROUTER: &str = "homing";

/// What a method does where no route says otherwise.
#[must_use]
pub(crate) fn access_of(method: &str) -> Access {
    if is_safe(method) { Access::Read } else { Access::Write }
}

/// Whether a method is safe: those that the IANA registry of methods says it of (RFC 9110 section 16.1; QUERY of RFC 10008,
/// PROPFIND of RFC 4918, REPORT of RFC 3253, SEARCH of RFC 5323).
pub(crate) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "QUERY" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH")
}
