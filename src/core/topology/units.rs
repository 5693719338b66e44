//! Human durations, sizes and shares: a number and a unit.

use std::{fmt, time::Duration};

/// The longest duration that a configuration may name.
pub const LONGEST: Duration = Duration::from_secs(72 * 3600);

/// Reads `250ms`, `30s`, `5m` or `1h`; none if it is anything else, zero, or over 72 hours.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let amount: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    let millis = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let span = Duration::from_millis(amount.checked_mul(millis)?);
    (!span.is_zero() && span <= LONGEST).then_some(span)
}

/// The largest size that a configuration may name: what the platform's cache takes of one response.
pub const LARGEST: u64 = 512 << 20;

/// Reads `64KiB` or `16MiB` as bytes; none if it is anything else, zero, or over 512 MiB.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (digits, unit) =
        text.strip_suffix("KiB").map(|digits| (digits, 10)).or_else(|| Some((text.strip_suffix("MiB")?, 20)))?;
    let amount: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(amount).filter(|amount| (1..=LARGEST >> unit).contains(amount)).map(|amount| amount << unit)
}

/// A share of a whole, in hundredths of a percent: exact, so that two can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(10_000);

    /// So many hundredths of a percent; none if that is more than all.
    #[must_use]
    pub fn new(hundredths: u64) -> Option<Self> {
        u16::try_from(hundredths).ok().map(Self).filter(|share| *share <= Self::WHOLE)
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Reads `5%` or `0.25%`; none if it is anything else, over 100 percent, or finer than a hundredth of a percent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (percents, hundredths) = number.split_once('.').unwrap_or((number, "0"));
        let legal = |digits: &str, most: usize| {
            (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !legal(percents, 3) || !legal(hundredths, 2) {
            return None;
        }
        let hundredths = if hundredths.len() == 1 { format!("{hundredths}0") } else { hundredths.to_owned() };
        let share = Self(percents.parse::<u16>().ok()? * 100 + hundredths.parse::<u16>().ok()?);
        (share <= Self::WHOLE).then_some(share)
    }

    /// How much of the whole the part is, rounded up: what is something is never shown as nothing.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let hundredths = part.saturating_mul(10_000).div_ceil(whole.max(1));
        (whole > 0).then(|| Self(u16::try_from(hundredths).unwrap_or(10_000).min(10_000)))
    }

    /// What it leaves of the whole.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(Self::WHOLE.0.saturating_sub(self.0))
    }

    /// Whether the part is more than this share of the whole. Exact, for all that can be counted (10^15), whatever is rounded
    /// when it is shown.
    #[must_use]
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        part.saturating_mul(10_000) > whole.saturating_mul(self.0.into())
    }
}

impl fmt::Display for Share {
    /// As it is read: `5%`, `0.5%`, `0.25%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (percents, 0) => write!(f, "{percents}%"),
            (percents, hundredths) if hundredths % 10 == 0 => write!(f, "{percents}.{}%", hundredths / 10),
            (percents, hundredths) => write!(f, "{percents}.{hundredths:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_with_at_most_two_decimals() {
        for (text, same) in
            [("5%", "5%"), ("0.5%", "0.5%"), ("0.50%", "0.5%"), ("12.05%", "12.05%"), ("0%", "0%"), ("100.0%", "100%")]
        {
            assert_eq!(Share::parse(text).map(|share| share.to_string()).as_deref(), Some(same));
        }
        for wrong in
            ["", "%", "5", "5 %", "-5%", "+5%", "5.%", ".5%", "0.005%", "100.01%", "101%", "1e1%", "5%%", "0005%", "٥%"]
        {
            assert_eq!(Share::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_is_exceeded_by_one_request_and_not_by_rounding() {
        let five = Share::parse("5%").unwrap();
        assert!(!five.is_exceeded(5, 100));
        assert!(five.is_exceeded(6, 100));
        assert!(five.is_exceeded(50_001, 1_000_000));
        assert!(!five.is_exceeded(0, 0));
        assert_eq!(Share::of(1, 1_000_000).map(|share| share.to_string()).as_deref(), Some("0.01%"));
        assert_eq!(Share::of(1, 1_000_000).map(|share| share.rest().to_string()).as_deref(), Some("99.99%"));
        assert_eq!(Share::of(0, 0), None);
        assert_eq!(Share::of(1 << 50, 1 << 50), Some(Share::WHOLE));
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        assert_eq!(size("1KiB"), Some(1024));
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("512MiB"), Some(LARGEST));
        assert_eq!(size("524288KiB"), Some(LARGEST));
        for wrong in [
            "",
            "KiB",
            "0KiB",
            "64",
            "64KB",
            "64 MiB",
            "-1MiB",
            "+1MiB",
            "1.5MiB",
            "513MiB",
            "1GiB",
            "64mib",
            "99999999999999999999MiB",
        ] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("72h"), Some(LONGEST));
        for wrong in ["", "30", "s", "0s", "73h", "1d", "-1s", "1.5s", " 1s", "99999999999999999999s", "1e3s", "+1s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
