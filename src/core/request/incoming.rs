//! What the edge knows of a request before anything is decided.

use crate::{
    http::headers::Headers,
    model::{geo::Location, reasons::Refusal, time::Timestamp},
};

/// What the edge knows about one request before anything is decided.
#[derive(Clone, Debug)]
pub struct IncomingRequest<'a> {
    /// When it came.
    pub now: Timestamp,
    /// The raw method; unknown ones stay what they are.
    pub method: &'a str,
    /// The whole URL, as it came.
    pub url: &'a str,
    /// Its header fields.
    pub headers: Headers<'a>,
    /// Whether it has content.
    pub content: Content,
    /// Where the client is.
    pub client: Client<'a>,
}

/// Whether a request has content, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// None.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Some, of unknown length.
    Unknown,
    /// Its client has not sent it, or not as it says.
    Unsent(Unsent),
}

/// Why a body that a client has announced is not all here: always the client's doing, and never a region's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// It stood still, or came too slowly.
    Slow,
    /// It broke off, or is not as long as it says (RFC 9112 sections 6.3 and 8).
    Broken,
}

impl Unsent {
    /// The same as a refusal.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Slow => Refusal::RequestIncomplete,
            Self::Broken => Refusal::RequestBroken,
        }
    }
}

/// Where the client is, as far as the platform says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'a> {
    /// Coordinates.
    pub location: Option<Location>,
    /// Two-letter continent code.
    pub continent: Option<&'a str>,
    /// The name of the region that it stands beside: somebody other than the client says so, as `homing explain` does.
    pub beside: Option<&'a str>,
}

/// The largest body that is held for a second attempt.
pub const MOST_BUFFERED: u64 = 64 * 1024;
