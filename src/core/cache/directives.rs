//! Cache directives, as RFC 9111 section 5.2 and RFC 5861 define them, in the syntax of `Cache-Control`.

use std::time::Duration;

use crate::http::headers::{Headers, MOST_MEMBERS};

/// The directives that decide here; unknown ones are ignored (RFC 9111 section 5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Nothing of this may be stored.
    pub no_store: bool,
    /// Not to be used without asking the origin; or certain fields of it.
    pub no_cache: FieldScope,
    /// For one user only; or certain fields of it.
    pub private: FieldScope,
    /// For everyone, even where authorization would forbid it.
    pub public: bool,
    /// Never to be used once expired.
    pub must_revalidate: bool,
    /// The same for shared caches.
    pub proxy_revalidate: bool,
    /// To be stored only by a cache that knows the status; then `no-store` does not count (section 5.2.2.3).
    pub must_understand: bool,
    /// From the cache or not at all (requests).
    pub only_if_cached: bool,
    /// Fresh for so long; in requests the largest age that will do.
    pub max_age: Option<Duration>,
    /// The same for shared caches; overrides `max_age`.
    pub s_maxage: Option<Duration>,
    /// Fresh for so long still (requests).
    pub min_fresh: Option<Duration>,
    /// Expired for so long will do (requests); without a value, however long.
    pub max_stale: Option<Duration>,
    /// Usable for so long after expiry while a new one is fetched (RFC 5861 section 3).
    pub stale_while_revalidate: Option<Duration>,
    /// Usable for so long after expiry, when the origin fails (RFC 5861 section 4).
    pub stale_if_error: Option<Duration>,
}

/// What a directive is about that may name fields: `no-cache` and `private` (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldScope {
    /// It was not given.
    #[default]
    None,
    /// These fields of the response, in lower case.
    Fields(Vec<String>),
    /// The whole response.
    Whole,
}

impl FieldScope {
    /// The fields that it names.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Fields(names) => names,
            Self::None | Self::Whole => &[],
        }
    }

    /// Takes in one more directive; empty quotes name nothing and so mean the whole, which is always allowed,
    /// and so for more names than are told apart.
    pub(super) fn take(&mut self, value: &str) {
        let names = value.trim_matches('"').split(',').map(|name| name.trim().to_ascii_lowercase());
        let mut names: Vec<_> = names.filter(|name| !name.is_empty()).take(MOST_MEMBERS + 1).collect();
        let too_many = names.len() + self.fields().len() > MOST_MEMBERS;
        *self = match std::mem::take(self) {
            _ if names.is_empty() || too_many => Self::Whole,
            Self::Whole => Self::Whole,
            Self::None => Self::Fields(names),
            Self::Fields(mut held) => {
                held.append(&mut names);
                Self::Fields(held)
            }
        };
    }
}

/// The largest age that is told apart (RFC 9111 section 1.2.2).
pub(super) const LARGEST: u64 = 1 << 31;

impl Directives {
    /// Reads all `Cache-Control` lines.
    #[must_use]
    pub fn of(headers: &Headers<'_>) -> Self {
        headers.all("cache-control").fold(Self::default(), Self::and)
    }

    /// These and those of one more line.
    pub(super) fn and(mut self, line: &str) -> Self {
        for directive in members(line) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            self.take(name.trim().to_ascii_lowercase().as_str(), value.trim());
        }
        self
    }

    fn take(&mut self, name: &str, value: &str) {
        let span = match name {
            "no-cache" => return self.no_cache.take(value),
            "private" => return self.private.take(value),
            "max-age" => &mut self.max_age,
            "s-maxage" => &mut self.s_maxage,
            "min-fresh" => &mut self.min_fresh,
            "max-stale" if value.is_empty() => {
                self.max_stale = Some(Duration::from_secs(LARGEST));
                return;
            }
            "max-stale" => &mut self.max_stale,
            "stale-while-revalidate" => &mut self.stale_while_revalidate,
            "stale-if-error" => &mut self.stale_if_error,
            flag => return self.raise(flag),
        };
        *span = Some(lower(*span, seconds(value)));
    }

    /// Takes in a directive without a value.
    pub(super) fn raise(&mut self, flag: &str) {
        match flag {
            // The latter is Surrogate-Control's, for caches that do not stand beside their origin.
            "no-store" | "no-store-remote" => self.no_store = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            _ => {}
        }
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

/// The directives of a line, as they stand there. Commas part them (RFC 9111 section 5.2); where somebody has written semicolons, what was meant to forbid
/// still does, and `private; max-age=60` is no unknown directive with a guess of how long everybody may have it.
pub(crate) fn members(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    line.split(move |letter| {
        let literal = escaped;
        escaped = quoted && !literal && letter == '\\';
        quoted ^= letter == '"' && !literal;
        matches!(letter, ',' | ';') && !quoted
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
        let read = read("Public , MAX-AGE=10, s-maxage=\"20\", x=\"no-store, \\\"private, \", max-stale");
        assert!(read.public && !read.no_store && read.private == FieldScope::None);
        assert_eq!((read.max_age, read.s_maxage), (Some(Duration::from_secs(10)), Some(Duration::from_secs(20))));
        assert_eq!(read.max_stale, Some(Duration::from_secs(LARGEST)), "RFC 9111 section 5.2.1.2");
    }

    #[test]
    fn what_cannot_be_read_is_stale_and_the_least_counts() {
        assert_eq!(read("max-age=-1").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age=1.5").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age='10'").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age=99999999999999999999").max_age, Some(Duration::from_secs(LARGEST)));
        assert_eq!(read("max-age=10, max-age=5").max_age, Some(Duration::from_secs(5)));
    }

    #[test]
    fn what_semicolons_part_forbids_all_the_same() {
        assert!(read("no-store; max-age=60").no_store);
        assert_eq!(read("private;max-age=60").private, FieldScope::Whole);
        assert_eq!(read("max-age=60; s-maxage=5;").s_maxage, Some(Duration::from_secs(5)));
        assert!(!read("x=\"a; no-store\", max-age=60").no_store);
    }

    #[test]
    fn no_cache_and_private_may_name_fields() {
        // RFC 9111 sections 5.2.2.4 and 5.2.2.7.
        assert_eq!(read("no-cache=\"A, b\"").no_cache.fields(), ["a", "b"]);
        assert_eq!(read("private=\"set-cookie\", private=x").private.fields(), ["set-cookie", "x"]);
        for whole in ["no-cache", "no-cache=\"\"", "no-cache=\"a\", no-cache", "NO-cache, no-cache=a"] {
            assert_eq!(read(whole).no_cache, FieldScope::Whole, "{whole}");
        }
        let many = format!("no-cache=\"{}\"", "a,".repeat(10_000));
        assert_eq!(read(&many).no_cache, FieldScope::Whole, "each would be looked for among the fields");
    }

    #[test]
    fn a_quoted_text_ends_at_its_quote() {
        for (line, parts) in [
            (r#"a="b", c"#, &[r#"a="b""#, " c"][..]),
            (r#"a="b\", c", d; e"#, &[r#"a="b\", c""#, " d", " e"]),
            (r"a=\, b", &[r"a=\", " b"]),
            // Outside of quotes a backslash is a letter (RFC 9110 section 5.6.4).
            (r#"a=\"b, c", d"#, &[r#"a=\"b, c""#, " d"]),
        ] {
            assert_eq!(members(line).collect::<Vec<_>>(), parts, "{line}");
        }
    }
}
