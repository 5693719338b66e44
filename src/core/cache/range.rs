//! Ranges of what is stored (RFC 9110 section 14, RFC 9111 section 3.3): one range of a whole 200 is answered with 206, several
//! with the whole. One range of a stored part is answered if all of it lies inside; nothing is ever put together from two parts.

use std::time::Duration;

use super::entry::Variant;
use crate::{
    cache::{
        lookup::Conditions,
        slice::{Slice, digits},
    },
    http::http_date,
};

/// What a request's `Range` comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranged {
    /// The whole: no range, or none that is kept to.
    Whole,
    /// A part.
    Part(Slice),
    /// Nothing of a body of that length (416).
    Unsatisfiable(u64),
}

/// Whether the stored response has what the request asks for. One that is whole always does; a part only if the range lies inside and
/// `If-Range` names it; and a 206 of which nobody can say what it is a part of, the very range that it was made for, by which it is
/// selected.
#[must_use]
pub(crate) fn covers(variant: &Variant<'_>, client: &Conditions) -> bool {
    match (variant.part, &client.range) {
        (None, None) => variant.status != 206,
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (Some(part), Some(range)) => {
            let named = client.if_range.as_deref().is_none_or(|validator| is_same(validator, variant));
            named && matches!(of(range, part.whole), Ranged::Part(slice) if part.offset_of(&slice).is_some())
        }
    }
}

/// What part of the stored response the request asks for, if that [covers] it. `length` is that of its body, where it is known.
#[must_use]
pub(crate) fn ranged(variant: &Variant<'_>, client: &Conditions, length: Option<u64>) -> Ranged {
    let Some(range) = &client.range else { return Ranged::Whole };
    if let Some(part) = variant.part {
        // If-Range was compared as it was selected; what a 304 has changed since is not the body.
        return of(range, part.whole);
    }
    let (Some(whole), 200) = (length, variant.status) else { return Ranged::Whole };
    if client.if_range.as_deref().is_some_and(|validator| !is_same(validator, variant)) {
        return Ranged::Whole;
    }
    of(range, whole)
}

fn of(range: &str, whole: u64) -> Ranged {
    match bounds(range) {
        None => Ranged::Whole,
        Some(Bounds::Last(0)) => Ranged::Unsatisfiable(whole),
        Some(Bounds::Last(_)) if whole == 0 => Ranged::Unsatisfiable(whole),
        Some(Bounds::Last(count)) => {
            let length = count.min(whole);
            Ranged::Part(Slice { from: whole - length, length, whole })
        }
        Some(Bounds::From(from, _)) if from >= whole => Ranged::Unsatisfiable(whole),
        Some(Bounds::From(from, last)) => {
            let last = last.unwrap_or(u64::MAX).min(whole - 1);
            Ranged::Part(Slice { from, length: last - from + 1, whole })
        }
    }
}

enum Bounds {
    From(u64, Option<u64>),
    Last(u64),
}

/// One range of bytes; anything else is as if it were not there (RFC 9110 section 14.2).
fn bounds(range: &str) -> Option<Bounds> {
    let (unit, set) = range.trim().split_once('=')?;
    let (first, last) = set.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
    match (first, last) {
        ("", last) => Some(Bounds::Last(digits(last)?)),
        (first, "") => Some(Bounds::From(digits(first)?, None)),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then_some(Bounds::From(first, Some(last)))
        }
    }
}

/// Whether `If-Range` names the stored response, by strong comparison (RFC 9110 section 13.1.5). A date is strong if the
/// response was made at least a minute after it (section 8.8.2.2).
fn is_same(validator: &str, variant: &Variant<'_>) -> bool {
    let validator = validator.trim();
    if validator.starts_with('"') || validator.starts_with("W/") {
        return validator.starts_with('"') && variant.kept.get("etag").map(str::trim) == Some(validator);
    }
    let Some(modified) = variant.kept.get("last-modified").filter(|stored| stored.trim() == validator) else {
        return false;
    };
    let date = variant.kept.get("date").and_then(http_date::read);
    http_date::read(modified).zip(date).is_some_and(|(modified, date)| date.since(modified) >= Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_eleven(range: &str, if_range: Option<&str>) -> Ranged {
        let client = Conditions {
            range: Some(range.to_owned()),
            if_range: if_range.map(str::to_owned),
            ..Conditions::default()
        };
        let date = [("date", "Sun, 06 Nov 1994 08:50:37 GMT"), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
        ranged(&Variant::with(&[date[0], date[1], ("etag", "\"a\"")]), &client, Some(11))
    }

    fn part(from: u64, length: u64) -> Ranged {
        Ranged::Part(Slice { from, length, whole: 11 })
    }

    #[test]
    fn one_range_is_answered() {
        // RFC 9110 section 14.1.2.
        for (range, expected) in [
            ("bytes=0-1", part(0, 2)),
            ("bytes=1-", part(1, 10)),
            ("bytes=-1", part(10, 1)),
            ("Bytes=-99", part(0, 11)),
            ("bytes=10-99999999999999999999", part(10, 1)),
            ("bytes=11-", Ranged::Unsatisfiable(11)),
            ("bytes=-0", Ranged::Unsatisfiable(11)),
        ] {
            assert_eq!(of_eleven(range, None), expected, "{range}");
        }
        assert_eq!(Slice { from: 1, length: 10, whole: 11 }.field(), "bytes 1-10/11");
    }

    #[test]
    fn what_is_not_one_range_is_the_whole() {
        for range in ["bytes=0-1, 3-4", "bytes=", "bytes=2-1", "lines=0-1", "bytes=a-b", "bytes=+1-2", "bytes"] {
            assert_eq!(of_eleven(range, None), Ranged::Whole, "{range}");
        }
    }

    #[test]
    fn a_part_has_what_lies_inside_and_nothing_else() {
        let covered = |range: Option<&str>, if_range: Option<&str>| {
            let client = Conditions {
                range: range.map(str::to_owned),
                if_range: if_range.map(str::to_owned),
                ..Conditions::default()
            };
            let part = Some(Slice { from: 4, length: 5, whole: 11 });
            let stored = Variant { status: 206, part, ..Variant::with(&[("etag", "\"a\"")]) };
            covers(&stored, &client).then(|| ranged(&stored, &client, Some(5)))
        };
        for (range, from, length) in [("bytes=4-8", 4, 5), ("bytes=6-7", 6, 2), ("bytes=8-8", 8, 1)] {
            assert_eq!(covered(Some(range), None), Some(part(from, length)), "{range}");
            assert_eq!(covered(Some(range), Some("\"a\"")), Some(part(from, length)), "{range}");
            assert_eq!(covered(Some(range), Some("\"b\"")), None, "the client wants the whole");
        }
        for other in [
            "bytes=3-8",
            "bytes=4-9",
            "bytes=4-",
            "bytes=-1",
            "bytes=-7",
            "bytes=0-",
            "bytes=99-",
            "bytes=4-5, 7-8",
            "x=4-8",
        ] {
            assert_eq!(covered(Some(other), None), None, "{other}");
        }
        assert_eq!(covered(None, None), None, "a part is never taken for the whole");
        let end = Slice { from: 6, length: 5, whole: 11 };
        let end = Variant { status: 206, part: Some(end), ..Variant::with(&[]) };
        let last =
            |range: &str| ranged(&end, &Conditions { range: Some(range.to_owned()), ..Conditions::default() }, Some(5));
        assert_eq!((last("bytes=-2"), last("bytes=7-")), (part(9, 2), part(7, 4)));
    }

    #[test]
    fn if_range_is_compared_strongly() {
        // RFC 9110 section 13.1.5.
        assert_eq!(of_eleven("bytes=0-1", Some("\"a\"")), part(0, 2));
        assert_eq!(of_eleven("bytes=0-1", Some("Sun, 06 Nov 1994 08:49:37 GMT")), part(0, 2));
        for other in ["W/\"a\"", "\"b\"", "Sun, 06 Nov 1994 08:49:38 GMT", "x"] {
            assert_eq!(of_eleven("bytes=0-1", Some(other)), Ranged::Whole, "{other}");
        }
        let young = Variant::with(&[
            ("date", "Sun, 06 Nov 1994 08:49:38 GMT"),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let client = Conditions {
            range: Some("bytes=0-1".to_owned()),
            if_range: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
            ..Conditions::default()
        };
        assert_eq!(ranged(&young, &client, Some(11)), Ranged::Whole, "the date is no strong validator");
    }

    /// RFC 9110 section 14.1.2: of nothing there is no last byte.
    #[test]
    fn no_range_of_an_empty_response_can_be_satisfied() {
        for range in ["bytes=-5", "bytes=-0", "bytes=0-", "bytes=0-0"] {
            assert_eq!(of(range, 0), Ranged::Unsatisfiable(0), "{range}");
        }
    }
}
