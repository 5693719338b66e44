//! Routes: which requests concern what, and what is promised to them.

use std::time::Duration;

use super::{DatasetId, RoutePattern, Share};

/// A line of `ROUTES`.
#[derive(Clone, Debug)]
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
    /// Time to headers for one attempt.
    pub deadline: Option<Duration>,
    /// The most of its requests that may touch another region than the nearest; more is an alarm and changes no decision.
    pub max_cross_region: Option<Share>,
    /// Request fields that go on although applications believe them, in lower case (see [`crate::routing::believed`]). A
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
}

/// What a read must see of the session's own writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnHomeDown {
    /// It is answered from elsewhere and says so.
    Stale,
    /// It is refused with 503.
    #[default]
    Refuse,
}

/// Whether a request changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It does not.
    Read,
    /// It may.
    Write,
}

impl Access {
    /// The word used in headers and logs.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}
