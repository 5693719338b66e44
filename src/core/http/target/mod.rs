//! The target of a request: its URL in the one form in which it is routed, keyed, signed, sent and logged.
//!
//! The form is what a parser of the [WHATWG URL Standard](https://url.spec.whatwg.org/) makes of an http(s) URL, for browsers,
//! `fetch` and the Cache API all bring URLs into it: whatever they would change later, an origin would not see as it was routed.
//! On top of it the path is in the normal form of RFC 3986 section 6.2.2. Both leave it as it is: it is a fixed point.
//! `tests/target.rs` holds it against the `URL` of Node.js.

pub(crate) mod form;
pub(crate) mod readings;

pub use crate::http::target::form::{decoded, segment};
pub use crate::http::target::readings::{is_plain, readings};

use crate::http::url;

/// An absolute http or https URL in its final form. There is no other way to one than [`Target::read`] and [`Target::join`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    text: String,
    /// Where the authority begins.
    authority: usize,
    /// Where the path begins.
    path: usize,
    /// Where it ends.
    end: usize,
}

impl Target {
    /// The final form of a URL: scheme and host in lower case, without user, default port, fragment, and the dot at the end
    /// of a host; the path with `\` as `/`, without dot segments, its percent-encodings in one spelling; the query as it is.
    ///
    /// None if there is no such form: no absolute http(s) URL, a user, a host other than letters, digits, `-`, `_` and `.` or
    /// an IP address in its usual notation, a port that is none, or a NUL in the path. A host in Punycode is taken as it
    /// stands: only tables of Unicode could say whether it is one, so the edge asks the platform.
    #[must_use]
    pub fn read(url: &str) -> Option<Self> {
        let url = form::bare(url);
        let (scheme, rest) = form::scheme(&url)?;
        Self::absolute(form::special(scheme)?, rest)
    }

    /// What a reference names as browsers see it: `Location`, `Content-Location` (URL Standard section 4.4; RFC 3986
    /// section 5.2 leaves `https:\\host`, `/\host` and the like to nobody, and browsers follow them). None as in
    /// [`Target::read`].
    #[must_use]
    pub fn join(&self, reference: &str) -> Option<Self> {
        let reference = form::bare(reference);
        match form::scheme(&reference) {
            Some((scheme, rest)) => {
                let scheme = form::special(scheme)?;
                // `https:x` is a relative reference where the scheme is the same.
                if scheme == self.scheme() { self.relative(rest) } else { Self::absolute(scheme, rest) }
            }
            None => self.relative(&reference),
        }
    }

    fn absolute(scheme: &str, rest: &str) -> Option<Self> {
        let rest = rest.get(rest.bytes().take_while(|byte| matches!(byte, b'/' | b'\\')).count()..)?;
        let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'\\' | b'?'));
        let (authority, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let (path, query) = form::query(rest);
        Self::of(scheme, |text| form::push_authority(text, authority, scheme), path, query)
    }

    fn relative(&self, rest: &str) -> Option<Self> {
        if rest.starts_with(form::SLASHES) && rest.get(1..)?.starts_with(form::SLASHES) {
            return Self::absolute(self.scheme(), rest);
        }
        let (path, query) = form::query(rest);
        let ours = |text: &mut String| {
            text.push_str(self.authority());
            Some(())
        };
        if path.is_empty() {
            return Self::of(self.scheme(), ours, self.path(), query.or(self.query().filter(|_| rest.is_empty())));
        }
        if path.starts_with(form::SLASHES) {
            return Self::of(self.scheme(), ours, path, query);
        }
        let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        Self::of(self.scheme(), ours, &format!("{folder}/{path}"), query)
    }

    fn of(
        scheme: &str,
        push_authority: impl FnOnce(&mut String) -> Option<()>,
        path: &str,
        query: Option<&str>,
    ) -> Option<Self> {
        let mut text = String::with_capacity(96 + path.len() + query.map_or(0, str::len));
        text.push_str(scheme);
        text.push_str("://");
        let authority = text.len();
        push_authority(&mut text)?;
        let begin = text.len();
        form::push_path(&mut text, path);
        let end = text.len();
        if let Some(query) = query {
            text.push('?');
            form::push_query(&mut text, query);
        }
        let target = Self { text, authority, path: begin, end };
        (!target.path().as_bytes().windows(3).any(|three| three == b"%00")).then_some(target)
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.part(0, self.authority.saturating_sub(3))
    }

    /// Host, and port if it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.part(self.authority, self.path)
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        url::host(self.authority())
    }

    /// The path, beginning with a slash; it is what logs may show.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.path, self.end)
    }

    /// The query without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.end + 1..)
    }

    /// Path and query: the request line's target in origin form (RFC 9112 section 3.2.1).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.part(self.path, self.text.len())
    }

    /// Whether both lie at one origin (RFC 6454).
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.part(0, self.path) == other.part(0, other.path)
    }

    /// The same without the parts of the query that are not to stay; a part lies between two `&`.
    #[must_use]
    pub fn keeping(&self, stays: impl Fn(&str) -> bool) -> Self {
        let mut target = self.clone();
        target.text.truncate(self.end);
        for part in self.query().into_iter().flat_map(|query| query.split('&')).filter(|part| stays(part)) {
            target.text.push(if target.text.len() == self.end { '?' } else { '&' });
            target.text.push_str(part);
        }
        target
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> String {
        Target::read(url).map_or_else(|| "none".to_owned(), |target| target.as_str().to_owned())
    }

    #[test]
    fn a_target_falls_apart() {
        let target = Target::read("https://example.com:8443/a/b?c=d#e").unwrap();
        let parts = (target.scheme(), target.authority(), target.host(), target.path(), target.query());
        assert_eq!(parts, ("https", "example.com:8443", "example.com", "/a/b", Some("c=d")));
        assert_eq!(target.path_and_query(), "/a/b?c=d");
        let bare = Target::read("http://[::1]:80").unwrap();
        assert_eq!((bare.host(), bare.authority(), bare.path(), bare.query()), ("[::1]", "[::1]", "/", None));
        assert_eq!(Target::read("http://x/?").unwrap().query(), Some(""));
    }

    #[test]
    fn what_a_hostile_client_spells_otherwise_has_one_form() {
        for (spelled, form) in [
            ("HTTP://Example.COM.:80", "http://example.com/"),
            ("https://h:443/x", "https://h/x"),
            ("https://h:0080/x", "https://h:80/x"),
            ("https://h/api/likes/%2e%2E/catalog/1", "https://h/api/catalog/1"),
            ("https://h\\api\\catalog\\1", "https://h/api/catalog/1"),
            ("https://h/x/.%2e/%2e./../..?a/../b", "https://h/?a/../b"),
            ("https://h/%61pi/%7eada/%2f/%zz/%", "https://h/api/~ada/%2F/%25zz/%25"),
            ("https://h/%2541", "https://h/%2541"),
            ("https://h/%%34%31", "https://h/%2541"),
            ("https://h/é%c3%a9 {}^`\"<>|'", "https://h/%C3%A9%C3%A9%20%7B%7D%5E%60%22%3C%3E|'"),
            ("https://h/?name=O'Brien&é=\" {}^`|#x", "https://h/?name=O%27Brien&%C3%A9=%22%20{}^`|"),
            ("\t https://h/a\tb\n", "https://h/ab"),
            ("https://h//a//", "https://h//a//"),
            ("http://[0:0::FFFF:1.2.3.4]/", "http://[::ffff:102:304]/"),
            ("http:/\\h/x", "http://h/x"),
        ] {
            assert_eq!(read(spelled), form, "{spelled}");
            assert_eq!(read(form), form, "{form} is a fixed point");
        }
    }

    #[test]
    fn what_has_no_form_is_nothing() {
        for url in [
            "",
            "/x",
            "ftp://x/",
            "http://",
            "http:///",
            "http://./",
            "http://a..b/",
            "http://user@h/",
            "http://@h/",
            "http://h:x/",
            "http://h:65536/",
            "http://h:80:80/",
            "http://a b/",
            "http://a%62/",
            "http://é/",
            "http://a\"b/",
            "http://127.1/",
            "http://1.2.3.256/",
            "http://a.0x1f/",
            "http://[::1/",
            "http://[::1]x/",
            "http://[1]/",
            "http://h/a%00b",
        ] {
            assert_eq!(read(url), "none", "{url}");
        }
    }

    #[test]
    fn a_reference_leads_where_browsers_follow_it() {
        let base = Target::read("https://a.example.com/x/y?z").unwrap();
        for (reference, to) in [
            ("", "https://a.example.com/x/y?z"),
            ("#f", "https://a.example.com/x/y?z"),
            ("?q", "https://a.example.com/x/y?q"),
            ("w", "https://a.example.com/x/w"),
            ("../w?q#f", "https://a.example.com/w?q"),
            ("/%2e%2e/w", "https://a.example.com/w"),
            ("https:w", "https://a.example.com/x/w"),
            ("//b/w", "https://b/w"),
            ("/\\b/w", "https://b/w"),
            ("\\\\b\\w", "https://b/w"),
            ("https://evil.example\\@b.example.com/", "https://evil.example/@b.example.com/"),
            ("https:\\\\evil.example/x", "https://evil.example/x"),
            ("http:b/w", "http://b/w"),
            ("ht\ntps://B./\tw", "https://b/w"),
            ("a:b", "none"),
            ("mailto:a@b", "none"),
            ("https://u@b.example.com/", "none"),
        ] {
            let found = base.join(reference).map_or_else(|| "none".to_owned(), |target| target.as_str().to_owned());
            assert_eq!(found, to, "{reference}");
        }
    }

    #[test]
    fn parts_of_the_query_go_and_the_others_stay_as_they_are() {
        let without = |url: &str| Target::read(url).unwrap().keeping(|part| !part.starts_with("t=")).text;
        assert_eq!(without("https://h/a?t=1"), "https://h/a");
        assert_eq!(without("https://h/a?x&t=1&&y=%2f&t="), "https://h/a?x&&y=%2f");
        assert_eq!(without("https://h/a"), "https://h/a");
    }
}
