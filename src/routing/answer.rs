//! A response's head, whoever made it.

use super::headers::Headers;

/// A response's head.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: Headers<'a>,
}

/// Statuses that say that a gateway failed, rather than the application.
#[must_use]
pub fn is_gateway_failure(status: u16) -> bool {
    matches!(status, 502..=504)
}
