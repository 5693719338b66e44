//! The ways in which access logs write a time.

use homing_core::Timestamp;
use jiff::{civil, fmt::strtime, tz::TimeZone};

/// Unix time from here on is in milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Reads `10/Oct/2026:13:55:36 -0700`, the time of the Common Log Format.
pub(super) fn common(text: &str) -> Option<Timestamp> {
    since_1970(strtime::parse("%d/%b/%Y:%H:%M:%S %z", text.trim()).ok()?.to_timestamp().ok()?)
}

/// Reads ISO 8601 (`2026-10-10T13:55:36.123+02:00`, also with a space for the `T`; without a zone it is UTC), or Unix time
/// in seconds, with or without a fraction, or in milliseconds.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') { unix(text) } else { iso(text) }
}

fn unix(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: u64 = whole.parse().ok()?;
    if seconds >= MILLISECONDS_FROM {
        return Some(Timestamp(seconds));
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milliseconds = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    Some(Timestamp(seconds * 1000 + milliseconds))
}

fn iso(text: &str) -> Option<Timestamp> {
    // A date alone would be its midnight.
    if !text.contains(':') {
        return None;
    }
    since_1970(
        text.parse::<jiff::Timestamp>()
            .ok()
            .or_else(|| TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok())?,
    )
}

/// Whole milliseconds, of no time before 1970.
fn since_1970(moment: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_is_read_in_every_way() {
        let moment = Some(Timestamp(1_791_665_736_000));
        assert_eq!(common("10/Oct/2026:13:55:36 -0700"), moment);
        assert_eq!(common("10/Oct/2026:20:55:36 +0000"), moment);
        for text in [
            "1791665736",
            "1791665736.000",
            "1791665736000",
            "2026-10-10T20:55:36Z",
            "2026-10-10 20:55:36",
            "2026-10-10T22:55:36.0004+02:00",
            "2026-10-10T13:55:36,000-0700",
            "2026-10-11T02:25:36+05:30",
        ] {
            assert_eq!(any(text), moment, "{text}");
        }
        assert_eq!(any("1970-01-01T00:00Z"), Some(Timestamp(0)));
        // A leap second counts as the one before it.
        assert_eq!(any("2024-02-29T23:59:60.25Z"), Some(Timestamp(1_709_251_199_250)));
        assert_eq!(any("2000-03-01T00:00:00Z"), Some(Timestamp(951_868_800_000)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "yesterday",
            "2026-13-01T00:00Z",
            "2026-10-10",
            "2026-10-10T25:00",
            "1.2.3",
            "1791665736.123.4",
            "9".repeat(30).as_str(),
        ] {
            assert_eq!(any(text), None, "{text}");
        }
        for text in [
            "",
            "10/Okt/2026:13:55:36 -0700",
            "10/Oct/2026:13:55:36",
            "10/Oct/2026:13:55 -0700",
            "1/Jan/1970:00:00:00 +0100",
        ] {
            assert_eq!(common(text), None, "{text}");
        }
    }
}
