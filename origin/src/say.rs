//! What an origin may say beside its answer: header fields for the router, which removes them before the client sees it.
//!
//! Each function makes pairs of name and value, as `http`, axum and others take them:
//!
//! ```
//! use homing_origin::say;
//! let mut headers = http::HeaderMap::new();
//! headers.extend([say::wrote(true), say::conflict("last-write-wins")]);
//! ```
//!
//! The layer says positions, ownership and lag by itself.

use http::{HeaderName, HeaderValue};

use crate::{Ownership, Peer};

/// A field.
pub type Field = (HeaderName, HeaderValue);

/// Whether anything was written, whatever the method said.
#[must_use]
pub fn wrote(anything: bool) -> Field {
    (HeaderName::from_static("homing-wrote"), HeaderValue::from_static(if anything { "1" } else { "0" }))
}

/// Who signed in, by the application's own name; nobody any more, with an empty one.
#[must_use]
pub fn subject(name: &str) -> Field {
    (HeaderName::from_static("homing-subject"), text(name))
}

/// A conflict was resolved while this write was applied, by that rule.
#[must_use]
pub fn conflict(rule: &str) -> Field {
    (HeaderName::from_static("homing-conflict"), text(rule))
}

/// This copy has not reached what the reader has seen; goes with 503.
#[must_use]
pub fn behind() -> Field {
    (HeaderName::from_static("homing-behind"), HeaderValue::from_static("1"))
}

/// After a write where it committed; after a read how far this copy is, and at least was when the read began.
#[must_use]
pub fn position(dataset: &str, position: &str, least: Option<&str>) -> Field {
    let least = least.map(|least| format!("; least={least}")).unwrap_or_default();
    (HeaderName::from_static("homing-position"), text(&format!("{dataset}={position}{least}")))
}

/// By which ownership a position counts; with 421, who owns it.
#[must_use]
pub fn ownership(owner: &Ownership) -> [Field; 2] {
    [
        (HeaderName::from_static("homing-home"), text(&owner.home)),
        (HeaderName::from_static("homing-epoch"), HeaderValue::from(owner.epoch)),
    ]
}

/// How far behind each peer's writes this region is; none while nobody knows.
#[must_use]
pub fn lag(peers: &[Peer]) -> Option<Field> {
    let known = peers.iter().filter_map(|peer| Some(format!("{}={}", peer.name, peer.lag?.as_millis())));
    let value = known.collect::<Vec<_>>().join(", ");
    (!value.is_empty()).then(|| (HeaderName::from_static("homing-lag"), text(&value)))
}

/// What cannot stand in a header field is left out: better a field that says nothing than an answer that is not sent.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
