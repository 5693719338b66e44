//! A share, in hundredths of a percent.

use std::fmt;

/// All of it.
const WHOLE: u16 = 10_000;

/// A share of a whole, to a hundredth of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// The share of so many hundredths of a percent, if a whole has so many.
    #[must_use]
    pub fn new(hundredths: u64) -> Option<Self> {
        u16::try_from(hundredths).ok().filter(|hundredths| *hundredths <= WHOLE).map(Self)
    }

    /// Reads a percentage such as `5`, `0.1` or `12.25`, from 0 to 100.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 2 {
            return None;
        }
        let hundredths = part.parse::<u64>().ok()? * if part.len() == 1 { 10 } else { 1 };
        Self::new(whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)?)
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// Whether a number out of all 64 bits lies within the share of them.
    #[must_use]
    pub fn contains(self, number: u64) -> bool {
        number % u64::from(WHOLE) < u64::from(self.0)
    }

    /// Whether that part of that whole is more than this share of it.
    #[must_use]
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        part.saturating_mul(u64::from(WHOLE)) > whole.saturating_mul(u64::from(self.0))
    }
}

impl fmt::Display for Share {
    /// `5 %`, `0.5 %`, `12.25 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{} %", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_shown() {
        for (text, hundredths, shown) in [
            ("5", 500, "5 %"),
            ("0.1", 10, "0.1 %"),
            ("0.05", 5, "0.05 %"),
            ("100", 10_000, "100 %"),
            ("5.0", 500, "5 %"),
        ] {
            assert_eq!(Share::parse(text), Some(Share(hundredths)), "{text}");
            assert_eq!(Share(hundredths).to_string(), shown);
        }
        for wrong in ["", "5%", "100.01", "-1", "1.234", "1.", ".5", "1e2", "+1", "99999999999999999999"] {
            assert_eq!(Share::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_exceeded_by_more_and_not_by_as_much() {
        let one = Share(100);
        assert!(!one.is_exceeded(1, 100) && one.is_exceeded(2, 100) && one.is_exceeded(1, 99));
        assert!(Share(0).is_exceeded(1, u64::MAX) && !Share(0).is_exceeded(0, 50));
    }
}
