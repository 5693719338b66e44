//! The ways in which access logs write a time.

use homing_core::model::time::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Unix time from here on is in milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Reads `10/Oct/2026:13:55:36 -0700`, the time of the Common Log Format.
pub(super) fn common(text: &str) -> Option<Timestamp> {
    let (date, zone) = text.trim().split_once(' ')?;
    let mut parts = date.split(['/', ':']);
    let day = digits(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = digits(parts.next()?)?;
    let (hour, minute, second) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    let date = (year, u64::try_from(month).ok()? + 1, day);
    if parts.next().is_some() { None } else { moment(date, (hour, minute, second), 0, offset(zone)?) }
}

/// Reads ISO 8601 (`2026-10-10T13:55:36.123+02:00`, also with a space for the `T`; without a zone it is UTC), or Unix time
/// in seconds, with or without a fraction, or in milliseconds.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') { unix(text) } else { iso(text) }
}

fn unix(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = digits(whole)?;
    if whole >= MILLISECONDS_FROM {
        return Some(Timestamp(whole));
    }
    Some(Timestamp(whole * 1000 + thousandths(fraction)?))
}

fn iso(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let date = (digits(date.next()?)?, digits(date.next()?)?, digits(date.next()?).filter(|_| date.next().is_none())?);
    let end = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(end)?;
    let (time, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let mut time = time.split(':');
    let (hour, minute) = (digits(time.next()?)?, digits(time.next()?)?);
    let second = time.next().map_or(Some(0), digits).filter(|_| time.next().is_none())?;
    moment(date, (hour, minute, second), thousandths(fraction)?, offset(zone)?)
}

/// Minutes that the zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = if let Some(rest) = zone.strip_prefix('+') { (1, rest) } else { (-1, zone.strip_prefix('-')?) };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let (hours, minutes) = (digits(hours)?, if minutes.is_empty() { 0 } else { digits(minutes)? });
    (hours < 24 && minutes < 60).then(|| i64::try_from(hours * 60 + minutes).ok().map(|ahead| sign * ahead))?
}

/// The first three digits of a fraction.
fn thousandths(fraction: &str) -> Option<u64> {
    let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |byte| u64::from(byte.wrapping_sub(b'0')));
    let legal = fraction.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
}

fn digits(text: &str) -> Option<u64> {
    let legal = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| text.parse().ok())?
}

/// The moment of a date and time in a zone. The day's number is that of the civil calendar, counted in years that begin in
/// March, so that a leap day comes last.
fn moment(
    (year, month, day): (u64, u64, u64),
    (hour, minute, second): (u64, u64, u64),
    millis: u64,
    ahead: i64,
) -> Option<Timestamp> {
    let legal = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !legal || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // 1970-01-01 counted in this way.
    let since_1970 = days.checked_sub(719_468)?;
    let minutes = i64::try_from((since_1970 * 24 + hour) * 60 + minute).ok()? - ahead;
    Some(Timestamp(u64::try_from(minutes).ok()? * 60_000 + second * 1000 + millis))
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
        assert_eq!(any("2024-02-29T23:59:60.25Z"), Some(Timestamp(1_709_251_200_250)));
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
