//! What a path begins with, in short: so that of a thousand routes only those are looked at that may take it.

use crate::http::target;

/// So many segments count at most.
const MOST: usize = 8;

/// The segments that every path of a pattern begins with, in short: those that are literal, in any spelling and any case of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    segments: u8,
    hash: u32,
}

/// Every beginning that a path has.
pub(crate) struct Beginnings {
    /// By the number of segments; of the first there are none.
    hashes: [u32; MOST + 1],
    segments: u8,
}

impl Beginning {
    /// That of a pattern with these literal segments in front.
    pub(crate) fn of<'a>(literal: impl Iterator<Item = &'a str>) -> Self {
        let Beginnings { hashes, segments } = Beginnings::new(literal);
        Self { segments, hash: hashes.get(usize::from(segments)).copied().unwrap_or_default() }
    }
}

impl Beginnings {
    /// Those of a path.
    pub(crate) fn of(path: &str) -> Self {
        Self::new(path.strip_prefix('/').into_iter().flat_map(|path| path.split('/')))
    }

    /// Whether the path may begin so. If not, it certainly does not.
    pub(crate) fn may_have(&self, beginning: Beginning) -> bool {
        let Beginning { segments, hash } = beginning;
        segments <= self.segments && self.hashes.get(usize::from(segments)) == Some(&hash)
    }

    fn new<'a>(mut parts: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self { hashes: [FIRST; MOST + 1], segments: 0 };
        let mut hash = FIRST;
        for (place, part) in all.hashes.iter_mut().skip(1).zip(&mut parts) {
            hash = with(hash, part);
            *place = hash;
            all.segments += 1;
        }
        all
    }
}

/// FNV-1a of 32 bits (RFC 9923): whoever finds collisions gets no other route, since those that remain are looked at.
const FIRST: u32 = 0x811c_9dc5;

fn with(hash: u32, segment: &str) -> u32 {
    let data = target::decoded(segment);
    let bytes = data.bytes().map(|byte| byte.to_ascii_lowercase()).chain([b'/']);
    bytes.fold(hash, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(path: &str, literal: &[&str]) -> bool {
        Beginnings::of(path).may_have(Beginning::of(literal.iter().copied()))
    }

    #[test]
    fn what_a_path_does_not_begin_with() {
        for (path, literal) in [
            ("/a/b", &["b"][..]),
            ("/a/b", &["ab"]),
            ("/a", &["a", "b"]),
            ("/a", &["a", ""]),
            ("/", &["a"]),
            ("/a%2Fb", &["a", "b"]),
            ("/1/2/3/4/5/6/7/9", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        ] {
            assert!(!may(path, literal), "{path} {literal:?}");
        }
    }

    #[test]
    fn what_it_may_begin_with() {
        for (path, literal) in [
            ("/a/b", &[][..]),
            ("", &[]),
            ("/a/b", &["a", "b"]),
            ("/A/%62", &["a", "B"]),
            ("/a/", &["a", ""]),
            ("/%40x", &["@x"]),
            ("/1/2/3/4/5/6/7/8/10", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        ] {
            assert!(may(path, literal), "{path} {literal:?}");
        }
    }
}
