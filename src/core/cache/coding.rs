//! Content codings: what a client can decode.

use crate::http::headers::{Headers, MOST_MEMBERS};

/// What the client can decode, in three classes. The origin is asked for just what the class can decode; a stored response that is
/// coded in a way that a later client cannot decode is a miss for it, and gives way to one that everybody can, unless the
/// origin said by `Vary` that it has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Nothing but identity.
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// Brotli and gzip.
    Brotli,
}

impl Coding {
    /// The class of a request (RFC 9110 section 12.5.3; a weight of zero is a no). There are not as many codings as members are
    /// looked at.
    #[must_use]
    pub fn accepted(headers: &Headers<'_>) -> Self {
        let (mut brotli, mut gzip) = (false, false);
        for member in headers.list("accept-encoding").take(MOST_MEMBERS) {
            let (name, weight) = member.split_once(';').unwrap_or((member, ""));
            let refused =
                weight.trim().strip_prefix("q=").is_some_and(|q| q.bytes().all(|byte| byte == b'0' || byte == b'.'));
            let is = |coding: &str| !refused && name.trim().eq_ignore_ascii_case(coding);
            brotli |= is("br");
            gzip |= is("gzip");
        }
        match (brotli, gzip) {
            (true, true) => Self::Brotli,
            (_, true) => Self::Gzip,
            _ => Self::Identity,
        }
    }

    /// Whether a client of this class gets a response with that `Content-Encoding`. No origin is ever asked for another
    /// coding than gzip and Brotli, so whatever else it sends it would send this client too.
    #[must_use]
    pub fn decodes(self, content_encoding: Option<&str>) -> bool {
        // Of several each has to be undone.
        content_encoding.into_iter().flat_map(|codings| codings.split(',')).map(str::trim).all(|coding| match coding {
            // RFC 9110 section 8.4.1.3: old servers still say the second.
            _ if ["gzip", "x-gzip"].iter().any(|gzip| coding.eq_ignore_ascii_case(gzip)) => self != Self::Identity,
            _ if coding.eq_ignore_ascii_case("br") => self == Self::Brotli,
            _ => true,
        })
    }

    /// What the origin is asked for.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br, gzip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_fall_into_three_classes() {
        let class = |line: &str| Coding::accepted(&Headers(vec![("accept-encoding", line)]));
        assert_eq!(class("gzip, deflate, br;q=0.9"), Coding::Brotli);
        assert_eq!(class("gzip, br;q=0"), Coding::Gzip);
        assert_eq!(class("gzip;q=0.000"), Coding::Identity);
        assert_eq!(class("br"), Coding::Identity);
        assert_eq!(class(&format!("{}gzip", "x,".repeat(10_000))), Coding::Identity, "what comes too late is not read");
    }

    #[test]
    fn a_client_gets_only_what_it_decodes() {
        for (coding, gzip, br) in
            [(Coding::Identity, false, false), (Coding::Gzip, true, false), (Coding::Brotli, true, true)]
        {
            assert!(coding.decodes(None) && coding.decodes(Some("identity")));
            assert!(coding.decodes(Some("zstd")), "nobody asked for it, so the origin has nothing else");
            assert_eq!((coding.decodes(Some("gzip")), coding.decodes(Some("br"))), (gzip, br));
            assert_eq!((coding.decodes(Some("X-GZip")), coding.decodes(Some("identity, gzip ,br"))), (gzip, br));
        }
    }
}
