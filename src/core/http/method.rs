//! Methods, and the name by which a router is known (RFC 9110 section 7.6.3, RFC 8586).

use std::borrow::Cow;

use crate::model::access::Access;

/// The router's name in `CDN-Loop` and `Via`.
pub(crate) const ROUTER: &str = "homing";

/// A method to keep: those that nearly all requests have need no memory of their own.
pub(crate) fn kept(method: &str) -> Cow<'static, str> {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"].into_iter().find(|known| *known == method);
    known.map_or_else(|| Cow::Owned(method.to_owned()), Cow::Borrowed)
}

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
