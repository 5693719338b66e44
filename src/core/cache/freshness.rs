//! How long a response is fresh, how old it is, and how long it may be used after that (RFC 9111 section 4.2, RFC 5861).

use std::time::Duration;

use super::{
    directives::{Directives, FieldScope},
    targeted::targeted,
};
use crate::{
    http::{headers::Headers, http_date},
    model::time::Timestamp,
};

/// The longest lifetime that is guessed (RFC 9111 section 4.2.2 leaves it open; a day is what browsers take at most).
const LONGEST_GUESS: Duration = Duration::from_secs(24 * 3600);
/// A date names a whole second, and the message was made at any moment of it.
const SECOND: Duration = Duration::from_secs(1);

/// What a response says of its own caching.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The directives that count here.
    pub directives: Directives,
    /// Whether they come from a targeted field, so that `Expires` does not count (RFC 9213 section 2.2).
    targeted: bool,
}

/// May a stored response be used once it has expired?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Where the client or a failure asks for it.
    Allowed,
    /// Only where the response itself says how long (RFC 5861): `s-maxage` forbids the rest (RFC 9111 section 5.2.2.10).
    ByWord,
    /// Never: `must-revalidate` or `proxy-revalidate`.
    Never,
    /// Not even while it is fresh: `no-cache`.
    Validated,
}

/// For how long a response is fresh, and by whose word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The response says so.
    Explicit(Duration),
    /// It is guessed from `Last-Modified` (RFC 9111 section 4.2.2).
    Heuristic(Duration),
    /// Nothing is said and nothing may be guessed.
    None,
}

impl Policy {
    /// The policy of a response.
    #[must_use]
    pub fn of(headers: &Headers<'_>) -> Self {
        match targeted(headers) {
            Some(directives) => Self { directives, targeted: true },
            None => Self { directives: Directives::of(headers), targeted: false },
        }
    }

    /// Its lifetime (RFC 9111 section 4.2.1). `guess` is whether the request and the status allow a heuristic.
    #[must_use]
    pub fn lifetime(&self, headers: &Headers<'_>, now: Timestamp, guess: bool) -> Lifetime {
        if let Some(span) = self.directives.s_maxage.or(self.directives.max_age) {
            return Lifetime::Explicit(span);
        }
        let date = || headers.get("date").and_then(http_date::read).unwrap_or(now);
        if let Some(expires) = headers.get("expires").filter(|_| !self.targeted) {
            // What cannot be read, `0` above all, has expired (RFC 9111 section 5.3).
            return Lifetime::Explicit(
                http_date::read(expires).map_or(Duration::ZERO, |expires| expires.since(date())),
            );
        }
        match headers.get("last-modified").filter(|_| guess).and_then(http_date::read) {
            Some(modified) => Lifetime::Heuristic((date().since(modified) / 10).min(LONGEST_GUESS)),
            None => Lifetime::None,
        }
    }

    /// Whether it may be used once it has expired (RFC 9111 section 4.2.4).
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        let said = &self.directives;
        if said.no_cache == FieldScope::Whole {
            Reuse::Validated
        } else if said.must_revalidate || said.proxy_revalidate {
            Reuse::Never
        } else if said.s_maxage.is_some() {
            Reuse::ByWord
        } else {
            Reuse::Allowed
        }
    }
}

/// The age that a response says it has: for so long caches on its way have kept it.
#[must_use]
pub fn said_age(headers: &Headers<'_>) -> Duration {
    let said = headers.list("age").next().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    let said = said.map_or(0, |value| value.parse().unwrap_or(u64::from(u32::MAX)));
    Duration::from_secs(said.min(u64::from(u32::MAX)))
}

/// The age of a response when it came (RFC 9111 section 4.2.3): by `Age` and the time it took, or by its `Date`, whichever
/// is more. Of an `Age` list the first member counts, and what is no number is ignored (section 5.1).
#[must_use]
pub fn initial_age(headers: &Headers<'_>, asked: Timestamp, came: Timestamp) -> Duration {
    let corrected = said_age(headers).saturating_add(came.since(asked));
    let apparent = headers.get("date").and_then(http_date::read).map(|date| came.since(date.after(SECOND)));
    corrected.max(apparent.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(784_111_777_000);
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    const LATER: (&str, &str) = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");

    fn lifetime(fields: &[(&str, &str)]) -> Lifetime {
        let headers = Headers(fields.to_vec());
        Policy::of(&headers).lifetime(&headers, NOW, true)
    }

    fn explicit(seconds: u64) -> Lifetime {
        Lifetime::Explicit(Duration::from_secs(seconds))
    }

    #[test]
    fn explicit_lifetimes_come_in_their_order() {
        // RFC 9111 section 4.2.1: s-maxage, max-age, Expires.
        assert_eq!(lifetime(&[("cache-control", "max-age=1, s-maxage=20"), DATE, LATER]), explicit(20));
        assert_eq!(lifetime(&[("cache-control", "max-age=1"), DATE, LATER]), explicit(1));
        assert_eq!(lifetime(&[DATE, LATER]), explicit(60));
        assert_eq!(lifetime(&[("date", "foo"), LATER]), explicit(60), "an unreadable date is now");
        for expired in ["0", "-1", "tomorrow", "Sun, 06 Nov 1994 08:50:37 UTC", "06 Nov 1994 08:50:37 GMT"] {
            assert_eq!(lifetime(&[DATE, ("expires", expired)]), explicit(0), "{expired}");
        }
    }

    #[test]
    fn the_targeted_field_takes_the_place_of_the_others() {
        // RFC 9213 section 2.2.
        let both = [("cdn-cache-control", "max-age=5"), ("cache-control", "no-store, max-age=1"), DATE, LATER];
        assert_eq!(lifetime(&both), explicit(5));
        assert!(!Policy::of(&Headers(both.to_vec())).directives.no_store);
        assert_eq!(
            lifetime(&[("cdn-cache-control", "public"), ("cache-control", "max-age=1"), DATE, LATER]),
            Lifetime::None
        );
        assert_eq!(lifetime(&[("cdn-cache-control", "Max-Age="), ("cache-control", "max-age=1")]), explicit(1));
    }

    #[test]
    fn a_guess_is_a_tenth_of_the_time_since_the_last_change() {
        // RFC 9111 section 4.2.2.
        let modified = |date| lifetime(&[DATE, ("last-modified", date)]);
        assert_eq!(modified("Sun, 06 Nov 1994 08:47:57 GMT"), Lifetime::Heuristic(Duration::from_secs(10)));
        assert_eq!(modified("Sun, 06 Nov 1983 08:47:57 GMT"), Lifetime::Heuristic(LONGEST_GUESS));
        assert_eq!(modified("yesterday"), Lifetime::None);
        assert_eq!(lifetime(&[DATE, ("etag", "\"1\"")]), Lifetime::None);
    }

    #[test]
    fn an_age_is_what_is_said_or_what_the_date_shows() {
        // RFC 9111 sections 4.2.3 and 5.1.
        let age = |fields: &[(&str, &str)]| {
            initial_age(&Headers(fields.to_vec()), Timestamp(NOW.0 + 9_000), Timestamp(NOW.0 + 10_000)).as_secs()
        };
        assert_eq!(age(&[]), 1, "the time that it took");
        assert_eq!(age(&[("age", "30")]), 31);
        assert_eq!(age(&[("age", "7200, 0")]), 7201);
        assert_eq!(age(&[("age", "0"), ("age", "7200")]), 1);
        for odd in ["abc", "-7200", "7200.0", "7200;foo=bar"] {
            assert_eq!(age(&[("age", odd)]), 1, "{odd}");
        }
        assert_eq!(age(&[DATE]), 9, "at least");
        assert_eq!(age(&[DATE, ("age", "30")]), 31);
    }

    #[test]
    fn what_forbids_the_use_of_an_expired_copy() {
        // RFC 9111 section 4.2.4.
        for (line, reuse) in [
            ("max-age=1", Reuse::Allowed),
            ("s-maxage=1", Reuse::ByWord),
            ("s-maxage=1, must-revalidate", Reuse::Never),
            ("max-age=1, proxy-revalidate", Reuse::Never),
            ("no-cache", Reuse::Validated),
            ("no-cache=\"a\"", Reuse::Allowed),
        ] {
            assert_eq!(Policy::of(&Headers(vec![("cache-control", line)])).reuse(), reuse, "{line}");
        }
    }
}
