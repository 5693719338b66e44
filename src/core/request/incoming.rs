//! What the edge knows of a request before anything is decided.

use crate::{
    http::headers::Headers,
    model::{geo::Location, reasons::Refusal, time::Timestamp},
};

/// The incoming of one request.
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
    /// A number for what chance decides (jitter, who goes first to a region that returns). It is told to nobody: what leaves, such
    /// as a trace id, is made of it one way.
    pub entropy: u64,
    /// This isolate's name in clock stamps.
    pub node: u32,
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

/// How often a request's body can be sent. Only a small body that a second attempt could need is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// There is none: as often as need be.
    Empty,
    /// It is held: as often as need be.
    Buffered,
    /// It is as small, and nothing could need it twice: once.
    Once,
    /// It streams through: once, and its client says how long that takes.
    Stream,
}

/// The largest body that is held for a second attempt.
pub const MOST_BUFFERED: u64 = 64 * 1024;

/// The borders of a URL that somebody has written into a configuration or a log. What a client sends is a
/// [`crate::http::target::Target`]: this changes nothing, so nothing may be routed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path, beginning with a slash.
    pub path: &'a str,
    /// Query without its question mark.
    pub query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Finds the parts of an absolute http(s) URL.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (before, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = before.find('/').map_or((before, "/"), |at| before.split_at(at));
        (!authority.is_empty()).then_some(Self { scheme, authority, path, query })
    }

    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        host(self.authority)
    }
}

/// The host of an authority, without its port.
#[must_use]
pub fn host(authority: &str) -> &str {
    let end = authority.rfind(':').filter(|at| !authority.split_at(*at).1.contains(']'));
    end.map_or(authority, |at| authority.split_at(at).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_apart() {
        let url = Url::parse("https://example.com:8443/a/b?c=d").unwrap();
        assert_eq!(
            (url.scheme, url.authority, url.path, url.query),
            ("https", "example.com:8443", "/a/b", Some("c=d"))
        );
        assert_eq!(url.host(), "example.com");
        assert_eq!(Url::parse("http://[::1]:80").unwrap().host(), "[::1]");
        assert_eq!(Url::parse("http://[::1]/").unwrap().host(), "[::1]");
        assert_eq!(Url::parse("ftp://x/"), None);
        assert_eq!(Url::parse("/x"), None);
    }
}
