//! Comparing positions as databases write them.

/// Whether a copy that is at one position has reached another: decimal numbers, PostgreSQL's `16/B374D848`, and anything
/// else of equal length that sorts as text (such as `Homing-Clock`). What cannot be compared is not reached.
#[must_use]
pub fn reaches(at: &str, wanted: &str) -> bool {
    if let (Some(at), Some(wanted)) = (number(at), number(wanted)) {
        return at >= wanted;
    }
    if let (Some(at), Some(wanted)) = (lsn(at), lsn(wanted)) {
        return at >= wanted;
    }
    at.len() == wanted.len() && at >= wanted
}

fn number(text: &str) -> Option<u128> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(part(high)? << 32 | part(low)?)
}

#[cfg(test)]
mod tests {
    use super::reaches;

    #[test]
    fn positions_are_compared_by_what_they_mean() {
        for (at, wanted, expected) in [
            ("10", "9", true),
            ("9", "10", false),
            ("9", "9", true),
            ("1/0", "0/FFFFFFFF", true),
            ("0/B374D848", "0/b374d849", false),
            ("0195f0000000-0001-00000000", "0195f0000000-0000-00000000", true),
            ("0195f0000000-0001-00000000", "0195f0000001-0000-00000000", false),
            ("9", "0/9", false),
            ("nonsense", "9", false),
            ("9", "", false),
        ] {
            assert_eq!(reaches(at, wanted), expected, "{at} {wanted}");
        }
    }
}
