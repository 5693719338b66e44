//! Positions: how far a replica has applied writes, as its origin says it, and marks: a position with the epoch that it
//! belongs to. A bare position is worth nothing across a change of owner, so only marks of one epoch are compared.

use std::fmt;

use crate::model::epoch::Epoch;

/// How the origins of a dataset write their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PositionKind {
    /// PostgreSQL's log sequence number: `16/B374D848`.
    Lsn,
    /// A decimal number that only grows.
    Counter,
    /// A hybrid logical clock stamp, as in `Homing-Clock`.
    Hlc,
    /// Unix time in milliseconds, decimal.
    Timestamp,
}

impl PositionKind {
    /// The kinds by their names in the configuration.
    pub const ALL: [(&'static str, Self); 4] =
        [("lsn", Self::Lsn), ("counter", Self::Counter), ("hlc", Self::Hlc), ("timestamp", Self::Timestamp)];

    /// Reads a position as an origin wrote it.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Position> {
        let hex = |text: &str, most: usize| {
            let digits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
        };
        Some(Position(match self {
            Self::Lsn => {
                let (high, low) = text.split_once('/')?;
                (hex(high, 8)? << 32) | hex(low, 8)?
            }
            Self::Counter | Self::Timestamp => {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                u128::from(digits.then(|| text.parse::<u64>().ok()).flatten()?)
            }
            Self::Hlc => {
                let mut parts = text.split('-');
                let (millis, counter, node) = (parts.next()?, parts.next()?, parts.next()?);
                if parts.next().is_some() {
                    return None;
                }
                (hex(millis, 12)? << 48) | (hex(counter, 4)? << 32) | hex(node, 8)?
            }
        }))
    }

    /// Writes a position as its origin would.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "no more was read")]
    pub fn write(self, position: Position) -> String {
        let Position(value) = position;
        match self {
            Self::Lsn => format!("{:X}/{:X}", value >> 32, value & 0xffff_ffff),
            Self::Counter | Self::Timestamp => (value as u64).to_string(),
            Self::Hlc => {
                format!("{:012x}-{:04x}-{:08x}", value >> 48, (value >> 32) & 0xffff, value & 0xffff_ffff)
            }
        }
    }
}

/// How far a replica has applied writes. Positions of one dataset, one owner and one epoch are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u128);

impl Position {
    /// A position from its number.
    #[must_use]
    pub fn new(value: u128) -> Self {
        Self(value)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u128 {
        self.0
    }
}

impl fmt::LowerHex for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A position and the epoch that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The generation of the ownership under which the position was written.
    pub epoch: Epoch,
    /// The position.
    pub position: Position,
}

impl Mark {
    /// Whether a replica at this mark has all that the other stands for.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.position >= other.position
    }

    /// Whether this mark is later: of a later epoch, or further in the same.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        (self.epoch, self.position) > (other.epoch, other.position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_reads_its_own_and_nothing_else() {
        for (kind, good, bad) in [
            (PositionKind::Lsn, "16/B374D848", ["16B374D848", "16/", "/1", "1/123456789", "+1/2", "1/2/3", "0x1/2"]),
            (PositionKind::Counter, "42", ["", "-1", "+1", "4.2", "18446744073709551616", " 42", "0x1"]),
            (
                PositionKind::Timestamp,
                "1767225600000",
                ["", "2026-01-01", "1e9", "-5", "1.5", "99999999999999999999", "x"],
            ),
            (
                PositionKind::Hlc,
                "019b0e5a8000-0001-0000000a",
                ["", "019b0e5a8000", "019b0e5a8000-0001", "1-2-3-4", "x-1-1", "1-12345-1", "1-1-123456789"],
            ),
        ] {
            let read = kind.read(good).unwrap();
            assert_eq!(kind.write(read), good);
            for text in bad {
                assert_eq!(kind.read(text), None, "{kind:?} {text}");
            }
        }
    }

    #[test]
    fn log_sequence_numbers_are_numbers_and_not_text() {
        let at = |text| PositionKind::Lsn.read(text).unwrap();
        assert!(at("0/9000000") < at("0/10000000") && at("0/FFFFFFFF") < at("1/0"));
    }

    #[test]
    fn marks_of_different_epochs_never_reach_each_other() {
        let mark = |epoch, value| Mark { epoch: Epoch(epoch), position: Position(value) };
        assert!(mark(1, 5).reaches(&mark(1, 5)) && !mark(1, 4).reaches(&mark(1, 5)));
        assert!(!mark(2, 9).reaches(&mark(1, 5)) && !mark(1, 9).reaches(&mark(2, 5)));
        assert!(mark(2, 1).is_after(&mark(1, 9)) && !mark(1, 9).is_after(&mark(2, 1)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_the_order_kept(a in any::<u64>(), b in any::<u64>()) {
            for (_, kind) in PositionKind::ALL {
                let (a, b) = (Position(a.into()), Position(b.into()));
                prop_assert_eq!(kind.read(&kind.write(a)), Some(a));
                prop_assert_eq!(kind.read(&kind.write(b)), Some(b));
            }
        }

        #[test]
        fn no_text_harms(text in "\\PC{0,40}") {
            for (_, kind) in PositionKind::ALL {
                if let Some(position) = kind.read(&text) {
                    prop_assert_eq!(kind.read(&kind.write(position)), Some(position));
                }
            }
        }
    }
}
