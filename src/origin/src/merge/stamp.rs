//! Stamps: what `Homing-Clock` carries, and the owner's own where a write brings none.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Lengths of its three parts: milliseconds, counter, node.
const PARTS: [usize; 3] = [12, 4, 8];

/// A stamp of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) as the router writes it: 12, 4 and 8 hexadecimal
/// digits for Unix time in milliseconds, counter and node. It compares as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Stamp(String);

/// A peer's text of another form would be later than all stamps, for good.
impl TryFrom<String> for Stamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no stamp; expected 12, 4 and 8 hexadecimal digits"))
    }
}

impl Stamp {
    /// Reads a stamp; none if it has another form, which would not compare with the rest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut parts = text.split('-');
        let fits = PARTS.iter().all(|length| parts.next().is_some_and(|part| part.len() == *length && is_hex(part)));
        (fits && parts.next().is_none()).then(|| Self(text.to_owned()))
    }

    /// An owner's own stamp at that time, later than the latest that it knows.
    #[must_use]
    pub(crate) fn after(latest: Option<&Self>, now: u64, owner: &str) -> Self {
        let (millis, counter) = match latest.map(Self::time) {
            Some((millis, counter)) if millis >= now => match counter.checked_add(1) {
                Some(counter) => (millis, counter),
                None => (millis + 1, 0),
            },
            _ => (now, 0),
        };
        let digest = Sha256::digest(owner.as_bytes());
        let node = digest.iter().take(4).fold(0_u32, |node, byte| node << 8 | u32::from(*byte));
        Self(format!("{:012x}-{counter:04x}-{node:08x}", millis & 0xffff_ffff_ffff))
    }

    /// When: Unix time in milliseconds.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.time().0
    }

    fn time(&self) -> (u64, u16) {
        let mut parts = self.0.split('-');
        let millis = parts.next().and_then(|part| u64::from_str_radix(part, 16).ok());
        let counter = parts.next().and_then(|part| u16::from_str_radix(part, 16).ok());
        (millis.unwrap_or(0), counter.unwrap_or(0))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn an_owners_own_stamps_rise_whatever_its_clock_does_and_compare_as_text() {
        let far = Stamp::parse("019b0e5a8000-ffff-0000000a").unwrap();
        let mut last = Stamp::after(Some(&far), 5, "us");
        assert!(last > far && last.millis() == far.millis() + 1, "{last}");
        for now in [1, 2, 0, 0x019b_0e5a_9000, 0] {
            let next = Stamp::after(Some(&last), now, "us");
            assert!(next > last && Stamp::parse(next.as_str()).as_ref() == Some(&next));
            last = next;
        }
        assert_eq!(Stamp::after(None, 7, "us").millis(), 7);
    }

    #[test]
    fn what_does_not_compare_is_no_stamp() {
        for bad in ["", "5", "019B0e5a8000-0000-0000000a", "019b0e5a8000-0000-0000000a-", "019b0e5a800-00000-0000000a"]
        {
            assert_eq!(Stamp::parse(bad), None, "{bad:?}");
        }
    }
}
