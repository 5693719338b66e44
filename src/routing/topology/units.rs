//! Human durations: a whole number and a unit.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
