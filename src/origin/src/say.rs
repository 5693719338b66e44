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

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Mark, Ownership, Peer};

/// Between handler and layer alone.
const SHOWS: HeaderName = HeaderName::from_static("homing-shows");

/// A field.
pub type Field = (HeaderName, HeaderValue);

/// Whether anything was written, whatever the method said.
#[must_use]
pub fn wrote(anything: bool) -> Field {
    (HeaderName::from_static("homing-wrote"), HeaderValue::from_static(if anything { "1" } else { "0" }))
}

/// Whether a handler has said that something was written.
pub(crate) fn has_written(headers: &HeaderMap) -> bool {
    headers.get("homing-wrote").is_some_and(|said| said == "1")
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

/// The conflicts that an answer tells, and how many more there are; none if there are none. A key of more than
/// 64 bytes is left out; values never stand in it.
#[cfg(feature = "merge")]
#[must_use]
pub fn conflicts(told: &[crate::merge::Conflict], more: u64) -> Option<Field> {
    let members = told.iter().map(ToString::to_string);
    let more = (more > 0).then(|| format!("more={more}"));
    let value = members.chain(more).collect::<Vec<_>>().join(", ");
    (!value.is_empty()).then(|| (HeaderName::from_static("homing-conflict"), text(&value)))
}

/// Between handler and layer alone.
#[cfg(feature = "merge")]
const SHOWS_OF: HeaderName = HeaderName::from_static("homing-shows-of");

/// What the answer shows of a dataset that several regions write: the newest operation of each owner that had any part in it, removals
/// included. May be said several times in an answer. A handler that does not say it shows all that the replica has.
#[cfg(feature = "merge")]
#[must_use]
pub fn shows_of(newest: &crate::merge::Vector) -> Field {
    let numbers: Vec<_> = newest.iter().map(|(owner, number)| format!("{owner}={number}")).collect();
    (SHOWS_OF, text(&numbers.join(",")))
}

/// Takes out what a handler has said that its answer shows: none if it has said nothing.
#[cfg(feature = "merge")]
pub(crate) fn take_shows_of(headers: &mut HeaderMap) -> Option<crate::merge::Vector> {
    let said: Vec<_> = headers.get_all(&SHOWS_OF).iter().filter_map(|value| value.to_str().ok()).collect();
    if said.is_empty() {
        return None;
    }
    let number = |pair: &str| {
        let (owner, number) = pair.split_once('=')?;
        Some((owner.to_owned(), number.parse().ok()?))
    };
    let shows = said.iter().flat_map(|list| list.split(',')).filter_map(number).collect();
    headers.remove(&SHOWS_OF);
    Some(shows)
}

/// Takes out what a handler has said of the stamp of its write.
#[cfg(feature = "merge")]
pub(crate) fn take_clock(headers: &mut HeaderMap) -> Option<crate::merge::Stamp> {
    crate::merge::Stamp::parse(headers.remove("homing-clock")?.to_str().ok()?)
}

/// How far a replica of such a dataset is in each owner's log, at least was before the answer was made, and what the answer shows; none of a
/// dataset in which nothing was written.
#[cfg(feature = "merge")]
#[must_use]
pub fn positions(
    dataset: &str,
    at: &crate::merge::Vector,
    least: Option<&crate::merge::Vector>,
    shows: &crate::merge::Vector,
) -> Option<Field> {
    let member = |(owner, number): (&str, u64)| {
        let least = least.map(|least| format!("; least={}", least.get(owner))).unwrap_or_default();
        format!("{dataset}@{owner}={number}{least}; shows={}", shows.get(owner).min(number))
    };
    let value = at.iter().map(member).collect::<Vec<_>>().join(", ");
    (!value.is_empty()).then(|| (HeaderName::from_static("homing-position"), text(&value)))
}

/// The latest stamp that this replica has applied, of any owner.
#[cfg(feature = "merge")]
#[must_use]
pub fn clock(latest: &crate::merge::Stamp) -> Field {
    (HeaderName::from_static("homing-clock"), text(latest.as_str()))
}

/// This copy has not reached what the reader has seen; goes with 503.
#[must_use]
pub fn behind() -> Field {
    (HeaderName::from_static("homing-behind"), HeaderValue::from_static("1"))
}

/// After a write where it committed; after a read how far this copy is, at least was when the read began, and what the answer
/// shows. The layer says this by itself; whoever says it takes all of it over.
#[must_use]
pub fn position(dataset: &str, position: &str, least: Option<&str>, shows: Option<&str>) -> Field {
    let least = least.map(|least| format!("; least={least}")).unwrap_or_default();
    let shows = shows.map(|shows| format!("; shows={shows}")).unwrap_or_default();
    (HeaderName::from_static("homing-position"), text(&format!("{dataset}={position}{least}{shows}")))
}

/// What the answer shows: the newest write that had any part in it, deletions included, and in whose log. For a handler that
/// knows it more exactly than [`Application::shows`](crate::Application::shows), which is then not asked.
///
/// Once in an answer: of several rows the [latest](Mark::latest), and never too low. Where the rows that are there do not tell of
/// one that is gone, the last write of the unit does. The layer adds how far the copy is, and drops what is said by another
/// ownership than that counts by.
#[must_use]
pub fn shows(newest: &Mark) -> Field {
    let Mark { owner: Ownership { home, epoch }, position } = newest;
    (SHOWS, text(&format!("{home}@{epoch}={position}")))
}

/// Takes out what a handler has said that its answer shows: none if it has said nothing; no mark if that is of no use.
pub(crate) fn take_shows(headers: &mut HeaderMap) -> Option<Option<Mark>> {
    let said: Vec<_> = headers.get_all(&SHOWS).iter().map(read_mark).collect();
    if said.is_empty() {
        return None;
    }
    headers.remove(&SHOWS);
    Some(said.into_iter().collect::<Option<Vec<_>>>().and_then(Mark::latest))
}

fn read_mark(value: &HeaderValue) -> Option<Mark> {
    let (owner, position) = value.to_str().ok()?.split_once('=')?;
    let (home, epoch) = owner.rsplit_once('@')?;
    Some(Mark { owner: Ownership::new(home, epoch.parse().ok()?), position: position.to_owned() })
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
