//! A part of a body (RFC 9110 section 14).

use crate::http::syntax::trim;

/// A part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its first byte.
    pub from: u64,
    /// How many bytes.
    pub length: u64,
    /// How many the whole has.
    pub whole: u64,
}

impl Slice {
    /// `Content-Range` of the part.
    #[must_use]
    pub fn field(&self) -> String {
        let Self { from, length, whole } = self;
        format!("bytes {from}-{}/{whole}", (from + length).saturating_sub(1))
    }

    /// The part that a `Content-Range` tells of (RFC 9110 section 14.4); none where it is no range of bytes of a whole whose length is
    /// known, or contradicts itself.
    #[must_use]
    pub fn read(field: &str) -> Option<Self> {
        let (unit, said) = trim(field).split_once(' ')?;
        let (range, whole) = trim(said).split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let exact = |text: &str| digits(text).filter(|number| *number < u64::MAX);
        let (from, last, whole) = (exact(first)?, exact(last)?, exact(whole)?);
        let part = Self { from, length: last.checked_sub(from)?.checked_add(1)?, whole };
        (unit.eq_ignore_ascii_case("bytes") && part.is_within()).then_some(part)
    }

    /// Whether it is one byte at least, and ends where the whole does or before.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.length > 0 && self.from.checked_add(self.length).is_some_and(|end| end <= self.whole)
    }

    /// Where the other begins in this one; none unless all of it lies inside.
    #[must_use]
    pub fn offset_of(&self, other: &Self) -> Option<u64> {
        let offset = other.from.checked_sub(self.from)?;
        let fits = self.whole == other.whole && offset.checked_add(other.length)? <= self.length;
        fits.then_some(offset)
    }
}

/// A number, or the largest if it is larger.
pub(crate) fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().unwrap_or(u64::MAX))
}
