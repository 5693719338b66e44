//! URLs that somebody has written into a configuration or a log.

/// The borders of a URL that somebody has written into a configuration or a log. What a client sends is a
/// [`crate::http::target::Target`]: this changes nothing, so nothing may be routed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path, beginning with a slash.
    pub path: &'a str,
    /// Query without its question mark.
    pub query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Finds the parts of an absolute http(s) URL.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (before, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = before.find('/').map_or((before, "/"), |at| before.split_at(at));
        (!authority.is_empty()).then_some(Self { scheme, authority, path, query })
    }

    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        host(self.authority)
    }
}

/// The host of an authority, without its port.
#[must_use]
pub fn host(authority: &str) -> &str {
    // From behind, byte by byte: a port is short, and a bracket behind a colon ends an address of IPv6.
    let end = authority.bytes().rposition(|byte| matches!(byte, b':' | b']'));
    match end.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) if port.starts_with(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_apart() {
        let url = Url::parse("https://example.com:8443/a/b?c=d").unwrap();
        assert_eq!(
            (url.scheme, url.authority, url.path, url.query),
            ("https", "example.com:8443", "/a/b", Some("c=d"))
        );
        assert_eq!(url.host(), "example.com");
        assert_eq!(Url::parse("http://[::1]:80").unwrap().host(), "[::1]");
        assert_eq!(Url::parse("http://[::1]/").unwrap().host(), "[::1]");
        assert_eq!(Url::parse("ftp://x/"), None);
        assert_eq!(Url::parse("/x"), None);
    }
}
