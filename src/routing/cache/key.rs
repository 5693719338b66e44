//! What a copy is stored under.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::routing::text;

/// What a copy is stored under. The edge's store knows nothing but URLs, so all that tells resources apart is in it; what
/// tells apart the variants of one resource stands in the entry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of a GET: scheme, host, normal path, query, ownership generation, and for personal data whose it is.
    #[must_use]
    pub fn new(place: &Place<'_>) -> Self {
        let Place { scheme, authority, target, dataset, epoch, subject } = place;
        let mut url = String::with_capacity(48 + authority.len() + dataset.len() + target.len());
        text::all(&mut url, &[scheme, "://", authority, "/_homing/cache/", dataset, "/"]);
        text::number(&mut url, *epoch);
        text::all(&mut url, &["/", subject.unwrap_or("_"), target]);
        Self(url)
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

/// What tells two cached resources apart.
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

#[cfg(test)]
mod tests {
    use super::*;

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
