//! The edge cache, decided here and kept by the edge: RFC 9111 as a shared cache, for responses with explicit freshness.

mod control;
mod copy;
mod store;

use std::hash::{DefaultHasher, Hash, Hasher};

pub use control::Directives;
pub use copy::{Copy, Judged, STORED, STORED_CONTROL};
pub use store::{NoStore, Storing, store};

use super::headers::Headers;

/// What a copy is stored under. The edge's store knows nothing but URLs, so all that tells responses apart is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of a GET: scheme, host, normal path, query, ownership generation, and for personal data whose it is.
    #[must_use]
    pub fn new(place: &Place<'_>) -> Self {
        let Place { scheme, authority, target, dataset, epoch, subject } = place;
        let subject = subject.unwrap_or("_");
        Self(format!("{scheme}://{authority}/_homing/cache/{dataset}/{epoch}/{subject}{target}"))
    }

    /// The key as the URL that the edge's store wants.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key in short, for memories that may err.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// What tells two cached responses apart.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Normal path and query.
    pub target: &'a str,
    /// Name of the dataset, `_` for none.
    pub dataset: &'a str,
    /// Generation of its ownership; a copy made under an earlier owner is never found again.
    pub epoch: u64,
    /// Whose it is, where the data is personal.
    pub subject: Option<&'a str>,
}

/// What the client can decode, in three classes. The origin is asked for just what the class can decode; a copy that is
/// coded in a way that a later client cannot decode is a miss for it, and gives way to one that everybody can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Nothing but identity.
    Identity,
    /// gzip.
    Gzip,
    /// Brotli and gzip.
    Brotli,
}

impl Coding {
    /// The class of a request (RFC 9110 section 12.5.3; a weight of zero is a no).
    #[must_use]
    pub fn accepted(headers: &Headers<'_>) -> Self {
        let accepts = |coding: &str| {
            headers.list("accept-encoding").any(|member| {
                let (name, weight) = member.split_once(';').unwrap_or((member, ""));
                let refused = weight
                    .trim()
                    .strip_prefix("q=")
                    .is_some_and(|q| q.bytes().all(|byte| byte == b'0' || byte == b'.'));
                name.trim().eq_ignore_ascii_case(coding) && !refused
            })
        };
        match (accepts("br"), accepts("gzip")) {
            (true, true) => Self::Brotli,
            (_, true) => Self::Gzip,
            _ => Self::Identity,
        }
    }

    /// Whether a client of this class can decode a response with that `Content-Encoding`.
    #[must_use]
    pub fn decodes(self, content_encoding: Option<&str>) -> bool {
        match content_encoding.map(str::trim) {
            None | Some("identity") => true,
            Some(coding) if coding.eq_ignore_ascii_case("gzip") => self != Self::Identity,
            Some(coding) if coding.eq_ignore_ascii_case("br") => self == Self::Brotli,
            Some(_) => false,
        }
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
        let class = |line| Coding::accepted(&Headers(vec![("accept-encoding", line)]));
        assert_eq!(class("gzip, deflate, br;q=0.9"), Coding::Brotli);
        assert_eq!(class("gzip, br;q=0"), Coding::Gzip);
        assert_eq!(class("gzip;q=0.000"), Coding::Identity);
        assert_eq!(class("br"), Coding::Identity);
    }

    #[test]
    fn a_client_gets_only_what_it_decodes() {
        for (coding, gzip, br) in
            [(Coding::Identity, false, false), (Coding::Gzip, true, false), (Coding::Brotli, true, true)]
        {
            assert!(coding.decodes(None) && coding.decodes(Some("identity")) && !coding.decodes(Some("zstd")));
            assert_eq!((coding.decodes(Some("gzip")), coding.decodes(Some("br"))), (gzip, br));
        }
    }

    #[test]
    fn whatever_tells_responses_apart_is_in_the_key() {
        let place = Place {
            scheme: "https",
            authority: "example.com",
            target: "/a?b=c",
            dataset: "catalog",
            epoch: 1,
            subject: None,
        };
        let keys = [
            CacheKey::new(&place),
            CacheKey::new(&Place { scheme: "http", ..place }),
            CacheKey::new(&Place { authority: "example.org", ..place }),
            CacheKey::new(&Place { target: "/a?b=d", ..place }),
            CacheKey::new(&Place { epoch: 2, ..place }),
            CacheKey::new(&Place { dataset: "cart", ..place }),
            CacheKey::new(&Place { subject: Some("ada"), ..place }),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| other != one && other.hash() != one.hash()));
        }
    }
}
