//! What a stored response is stored under.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::entry::FORMAT;
use crate::{
    http::target::Target,
    model::{recent::Recent, text},
};

/// What a stored response is stored under. The edge's store knows nothing but URLs, so all that tells resources apart is in it; what
/// tells apart the variants of one resource stands in the entry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    url: String,
    short: u64,
}

impl CacheKey {
    /// The key of a GET: scheme, host, path and query, ownership generation, and for personal data whose it is; at its end the entry's
    /// format, so that a purge by prefix reaches all of a dataset.
    ///
    /// A client chooses path and query, and the store reads keys as URLs and may resolve what stands in them. So
    /// they stand there as a hash: data of a fixed length that is one segment, and never a path.
    #[must_use]
    pub fn new(place: &KeyParts<'_>) -> Self {
        Self::with(place, &hash_of(place.target))
    }

    /// The same where the target's hash is known.
    pub(crate) fn with(place: &KeyParts<'_>, hash: &str) -> Self {
        let KeyParts { target, dataset, epoch, subject } = place;
        let (scheme, authority) = (target.scheme(), target.authority());
        let mut url = String::with_capacity(128 + authority.len());
        text::all(&mut url, &[scheme, "://", authority, "/_homing/cache/", dataset, "/"]);
        text::number(&mut url, *epoch);
        text::all(&mut url, &["/", subject.unwrap_or("_"), "/"]);
        text::all(&mut url, &[hash, ".", FORMAT]);
        let short = in_short(&url);
        Self { url, short }
    }

    /// The key as the URL that the edge's store wants.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The key in short, for memories that may err.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.short
    }
}

/// Path and query of a target as they stand in keys.
pub(crate) fn hash_of(target: &Target) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(target.path_and_query()))
}

/// The hashes of targets that were asked for lately. Most requests are about a few of all targets, and SHA-256 in Wasm takes as long as a tenth of
/// all that a stored response needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownHashes(Recent<(Box<str>, Rc<str>), 64>);

impl KnownHashes {
    /// That of the target, if it is known.
    pub(crate) fn of(&self, target: &Target) -> Option<Rc<str>> {
        let (text, hash) = self.0.get(Self::place(target))?;
        (**text == *target.path_and_query()).then(|| Rc::clone(hash))
    }

    /// Takes one in, in the place of another.
    pub(crate) fn keep(&mut self, target: &Target, hash: &Rc<str>) {
        self.0.keep(Self::place(target), (target.path_and_query().into(), Rc::clone(hash)));
    }

    fn place(target: &Target) -> u32 {
        let [first, ..] = in_short(target.path_and_query()).to_le_bytes();
        first.into()
    }
}

/// A key in short, for memories that may err.
#[must_use]
pub fn in_short(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// What tells two cached resources apart.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// What a GET would ask for.
    pub target: &'a Target,
    /// Name of the dataset, `_` for none.
    pub dataset: &'a str,
    /// Generation of its ownership; a stored response made under an earlier owner is never found again.
    pub epoch: u64,
    /// Whose it is, where the data is personal.
    pub subject: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_tells_responses_apart_is_in_the_key() {
        let target = |url| Target::read(url).unwrap();
        let [one, scheme, host, path, query] = [
            "https://example.com/a?b=c",
            "http://example.com/a?b=c",
            "https://example.org/a?b=c",
            "https://example.com/A?b=c",
            "https://example.com/a?b=d",
        ]
        .map(target);
        let place = KeyParts { target: &one, dataset: "catalog", epoch: 1, subject: None };
        let keys = [
            CacheKey::new(&place),
            CacheKey::new(&KeyParts { target: &scheme, ..place }),
            CacheKey::new(&KeyParts { target: &host, ..place }),
            CacheKey::new(&KeyParts { target: &path, ..place }),
            CacheKey::new(&KeyParts { target: &query, ..place }),
            CacheKey::new(&KeyParts { epoch: 2, ..place }),
            CacheKey::new(&KeyParts { dataset: "cart", ..place }),
            CacheKey::new(&KeyParts { subject: Some("ada"), ..place }),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| other != one && other.hash() != one.hash()));
        }
    }

    #[test]
    fn no_spelling_of_a_target_is_a_path_in_a_key() {
        // A stranger asks for a path that leads from the keys of nobody to ada's, in whatever way a store reads it.
        let climb = Target::read("https://h/x%2F..%2f..%5C..%252f../cart/0/ADA/api/cart?/../..").unwrap();
        let place = KeyParts { target: &climb, dataset: "_", epoch: 0, subject: None };
        let key = CacheKey::new(&place);
        let target = key.as_str().strip_prefix("https://h/_homing/cache/_/0/_/").unwrap();
        let (target, format) = target.split_once('.').unwrap();
        assert_eq!((target.len(), format), (43, FORMAT));
        assert!(target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn a_hash_that_is_known_is_the_one_that_is_made() {
        let mut known = KnownHashes::default();
        let target = |at: usize| Target::read(&format!("https://h/{at}?q={at}")).unwrap();
        for at in (0..300).chain(0..300) {
            let made: Rc<str> = hash_of(&target(at)).into();
            assert!(known.of(&target(at)).is_none_or(|hash| hash == made), "{at}");
            known.keep(&target(at), &made);
            assert_eq!(known.of(&target(at)), Some(made));
        }
    }
}
