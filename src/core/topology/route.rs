//! Routes: which requests concern what, and what is promised to them.

use std::time::Duration;

use super::{pattern::RoutePattern, units::Share};
use crate::model::{access::Access, ids::DatasetId};

/// A line of `ROUTES`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Route {
    /// Which requests it takes.
    pub pattern: RoutePattern,
    /// What they concern; none for requests that no dataset claims.
    pub dataset: Option<DatasetId>,
    /// What a read sees of the reader's own writes.
    pub read_after_write: ReadAfterWrite,
    /// What a read gets that should go home while home is down.
    pub on_home_down: OnHomeDown,
    /// Overrides what the method says about reading and writing.
    pub access: Option<Access>,
    /// Writes may be repeated when they carry an `Idempotency-Key`.
    pub idempotent: bool,
    /// Whether the edge cache may hold its responses; where it is not said, ownership decides.
    pub cache: Option<bool>,
    /// The largest body that is stored of its responses, in bytes, where it says so.
    pub cache_up_to: Option<u64>,
    /// Whether answers that set a cookie are stored with it, for everybody.
    pub cache_set_cookie: bool,
    /// Time to headers for one attempt.
    pub deadline: Option<Duration>,
    /// The longest that a session's read waits until a near replica should have what the session has seen; zero where it is not said.
    pub wait: Duration,
    /// How long an answer's body may stand still before it is cut; none: as long as the platform lets it.
    pub body_idle: Option<Duration>,
    /// Whether small bodies are read whole before they are answered, so that a break in one is repaired elsewhere.
    pub repair: bool,
    /// How its application reads a path that is not plain.
    pub spelling: Spelling,
    /// Whether the region's own address in `Location`, cookies and the like becomes the public one.
    pub rewrite_location: bool,
    /// The most of its requests that may touch another region than the nearest; more is an alarm and changes no decision.
    pub max_cross_region: Option<Share>,
    /// The most of its writes that may report a conflict; more is an alarm and changes no decision. Of multi-writer datasets only.
    pub max_conflict_rate: Option<Share>,
    /// Request fields that go on although applications believe them, in lower case (see [`crate::http::believed`]). A
    /// request that has one is neither answered from the edge cache nor stored there.
    pub allow_request_fields: Vec<String>,
}

impl Route {
    /// Whether the edge cache takes part in its reads; what no route claims is like a route that says nothing.
    #[must_use]
    pub fn is_cached(route: Option<&Self>, personal: bool) -> bool {
        let home_only = route.is_some_and(|route| route.read_after_write == ReadAfterWrite::Home);
        route.and_then(|route| route.cache).unwrap_or(!personal) && !home_only
    }

    /// Whether it matters to nobody which of two routes takes a request; what no route claims is like a route that says nothing.
    #[must_use]
    pub fn decide_alike(one: Option<&Self>, other: Option<&Self>) -> bool {
        type Says<'r> =
            (Option<DatasetId>, ReadAfterWrite, OnHomeDown, Option<Access>, bool, Option<bool>, &'r [String]);
        fn says(route: Option<&Route>) -> Says<'_> {
            let Some(route) = route else { return Says::default() };
            let Route { dataset, read_after_write, on_home_down, access, idempotent, cache, .. } = *route;
            (dataset, read_after_write, on_home_down, access, idempotent, cache, &route.allow_request_fields)
        }
        says(one) == says(other)
    }
}

/// How an application reads a path that servers read in several ways: one with `//`, `;` or an encoded slash, for example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Spelling {
    /// In any of these ways, so all of them must lead to the same.
    #[default]
    Any,
    /// As it stands, so nothing else counts.
    Exact,
}

/// What a read must see of the session's own writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ReadAfterWrite {
    /// Nothing is promised.
    #[default]
    None,
    /// A session reads its own writes.
    Session,
    /// Every read goes home.
    Home,
}

/// What happens to a read that should go home while home is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OnHomeDown {
    /// It is answered from elsewhere and says so.
    Stale,
    /// It is refused with 503.
    #[default]
    Refuse,
}
