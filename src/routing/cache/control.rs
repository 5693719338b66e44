//! `Cache-Control` as RFC 9111 section 5.2 and RFC 5861 read it.

use std::time::Duration;

use crate::routing::headers::Headers;

/// The directives that decide here; unknown ones are ignored (RFC 9111 section 5.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Nothing of this may be stored.
    pub no_store: bool,
    /// Not to be used without asking the origin.
    pub no_cache: bool,
    /// For one user only.
    pub private: bool,
    /// For everyone, even where authorization would forbid it.
    pub public: bool,
    /// Never to be used once expired.
    pub must_revalidate: bool,
    /// The same for shared caches.
    pub proxy_revalidate: bool,
    /// From the cache or not at all (requests).
    pub only_if_cached: bool,
    /// Fresh for so long.
    pub max_age: Option<Duration>,
    /// The same for shared caches; overrides `max_age`.
    pub s_maxage: Option<Duration>,
    /// Usable for so long after expiry, when the origin fails (RFC 5861 section 4).
    pub stale_if_error: Option<Duration>,
}

/// The largest age that is told apart (RFC 9111 section 1.2.2).
const LARGEST: u64 = 1 << 31;

impl Directives {
    /// Reads all `Cache-Control` lines.
    #[must_use]
    pub fn of(headers: &Headers<'_>) -> Self {
        let mut read = Self::default();
        for line in headers.all("cache-control") {
            for directive in split_outside_quotes(line) {
                let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
                read.take(name.trim().to_ascii_lowercase().as_str(), value.trim());
            }
        }
        read
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "no-store" => self.no_store = true,
            // With field names these two restrict those fields only; the whole is refused, which is always allowed.
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = Some(lower(self.max_age, seconds(value))),
            "s-maxage" => self.s_maxage = Some(lower(self.s_maxage, seconds(value))),
            "stale-if-error" => self.stale_if_error = Some(lower(self.stale_if_error, seconds(value))),
            _ => {}
        }
    }

    /// Whether an expired copy may never be shown. `s-maxage` means this too (RFC 9111 section 5.2.2.10).
    #[must_use]
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }
}

/// A repeated directive counts at its least (RFC 9111 section 4.2.1: the most restrictive).
fn lower(held: Option<Duration>, new: Duration) -> Duration {
    held.map_or(new, |held| held.min(new))
}

/// Delta-seconds; what cannot be read is stale at once (RFC 9111 section 4.2.1).
fn seconds(value: &str) -> Duration {
    let digits = value.trim_matches('"');
    let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let read = if legal { digits.parse().unwrap_or(LARGEST) } else { 0 };
    Duration::from_secs(read.min(LARGEST))
}

fn split_outside_quotes(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Directives {
        Directives::of(&Headers(vec![("cache-control", line)]))
    }

    #[test]
    fn directives_are_read_without_regard_to_case_and_spaces() {
        let read = read("Public , MAX-AGE=10, s-maxage=\"20\", x=\"no-store, private\"");
        assert!(read.public && !read.no_store && !read.private);
        assert_eq!((read.max_age, read.s_maxage), (Some(Duration::from_secs(10)), Some(Duration::from_secs(20))));
        assert!(read.forbids_stale());
    }

    #[test]
    fn what_cannot_be_read_is_stale_and_the_least_counts() {
        assert_eq!(read("max-age=-1").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age=1.5").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age=99999999999999999999").max_age, Some(Duration::from_secs(1 << 31)));
        assert_eq!(read("max-age=10, max-age=5").max_age, Some(Duration::from_secs(5)));
    }
}
