//! Route patterns: `[METHODS] [host]/path`, matched without allocating.

pub(crate) mod beginning;
pub(crate) mod written;

use crate::{http::target, topology::pattern::beginning::Beginning};

/// Which requests a route takes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RoutePattern {
    /// Upper-case methods; empty for any.
    methods: Vec<String>,
    host: Option<HostPattern>,
    path: PathPattern,
}

/// A host, or all below one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum HostPattern {
    /// This one, in lower case.
    Exact(String),
    /// `*.example.com`: what stands after the star.
    Below(String),
}

/// A path of segments: literal, or `{name}` for any one; at the end `/*` takes the path before it and all below. A slash at the
/// end means nothing, in the pattern or in a request's path: most applications answer both alike, and none holds other data there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PathPattern {
    segments: Vec<Segment>,
    below: bool,
    /// Whether it is written with a slash at its end.
    slash: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Segment {
    Literal(String),
    Any(String),
}

/// What is wrong with a pattern: a clause that follows "expected".
pub(crate) type Wrong = &'static str;

impl RoutePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// With what was expected instead.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let (methods, place) = match text.trim().split_once(char::is_whitespace) {
            Some((methods, place)) => (methods, place.trim()),
            None => ("*", text.trim()),
        };
        let methods = if methods == "*" { Vec::new() } else { read_methods(methods)? };
        let slash = place.find('/').ok_or("a path that begins with a slash, such as \"GET /api/*\"")?;
        let (host, path) = place.split_at(slash);
        let host = if host.is_empty() { None } else { Some(HostPattern::parse(host)?) };
        Ok(Self { methods, host, path: PathPattern::parse(path)? })
    }

    /// Whether the pattern takes a request: raw method, host without port, path in its final form or a reading of it. Segments
    /// are compared as data, so `%40` is `@`; upper and lower case are two things here (see [`Self::matches_in_any_case`]).
    #[must_use]
    pub fn matches(&self, method: &str, host: &str, path: &str) -> bool {
        self.is_of(method, host) && self.path.matches(path)
    }

    /// The same for an application that takes upper and lower case for one.
    #[must_use]
    pub fn matches_in_any_case(&self, method: &str, host: &str, path: &str) -> bool {
        self.is_of(method, host) && self.path.walk(path, alike, |_, _| {})
    }

    fn is_of(&self, method: &str, host: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|known| known == method))
            && self.host.as_ref().is_none_or(|pattern| pattern.matches(host))
    }

    /// Whether every request that `other` takes is taken by this pattern too, so that `other` behind it is never reached.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method)));
        methods && (self.host.is_none() || self.host == other.host) && self.path.covers(&other.path)
    }

    /// The methods that it takes; empty if all.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// What every path that it takes begins with.
    pub(crate) fn beginning(&self) -> Beginning {
        let literal = self.path.segments.iter().map_while(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Any(_) => None,
        });
        Beginning::of(literal)
    }

    /// The names in the path.
    #[must_use]
    pub fn path(&self) -> &PathPattern {
        &self.path
    }
}

fn read_methods(text: &str) -> Result<Vec<String>, Wrong> {
    let legal =
        |method: &str| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let methods: Vec<_> = text.split(',').map(str::to_owned).collect();
    let all = methods.iter().all(|method| legal(method));
    all.then_some(methods).ok_or("methods in upper case joined by commas, such as \"GET,HEAD\", or \"*\"")
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// With what was expected instead.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let host = text.to_ascii_lowercase();
        let (below, name) = host.strip_prefix("*.").map_or((false, host.as_str()), |name| (true, name));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(legal) {
            return Err("a host such as \"example.com\" or \"*.example.com\", without a port");
        }
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Exact(host) })
    }

    /// Whether a host without a port is one of the pattern's.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(tail) => {
                let at = host.len().checked_sub(tail.len()).filter(|at| *at > 0);
                at.and_then(|at| host.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(tail))
            }
        }
    }
}

impl PathPattern {
    /// Reads a path pattern.
    ///
    /// # Errors
    /// With what was expected instead.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let path = text.strip_prefix('/').ok_or("a path that begins with a slash")?;
        if path.contains(['?', '#']) {
            return Err("a path without query or fragment");
        }
        let (path, below) = match path.strip_suffix('*') {
            Some("") => ("", true),
            Some(before) => {
                (before.strip_suffix('/').ok_or("\"*\" only as the whole last segment, as in \"/api/*\"")?, true)
            }
            None => (path, false),
        };
        let (path, slash) = match path.strip_suffix('/').filter(|_| !below) {
            Some(path) => (Some(path), true),
            None => (Some(path).filter(|path| !path.is_empty()), path.is_empty() && !below),
        };
        let segments =
            path.into_iter().flat_map(|path| path.split('/')).map(Segment::parse).collect::<Result<_, _>>()?;
        Ok(Self { segments, below, slash })
    }

    /// Whether a path of the pattern has several readings, whatever its request is.
    #[must_use]
    pub fn is_spelled(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => {
                text.is_empty() || target::readings(text).is_none_or(|mut all| all.next().is_some())
            }
            Segment::Any(_) => false,
        })
    }

    /// Whether it takes every path.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.segments.is_empty() && self.below
    }

    /// Whether the path is one of the pattern's.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.walk(path, same, |_, _| {})
    }

    /// What stands in the place of that name.
    #[must_use]
    pub fn capture<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        let mut found = None;
        let matches = self.walk(path, same, |known, text| {
            if known == name {
                found = Some(text);
            }
        });
        found.filter(|_| matches)
    }

    /// Whether the pattern has a place of that name.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Any(known) if known == name))
    }

    fn walk<'p>(&self, path: &'p str, same: fn(&str, &str) -> bool, mut named: impl FnMut(&str, &'p str)) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut parts = path.split('/');
        for segment in &self.segments {
            let Some(part) = parts.next() else { return false };
            match segment {
                Segment::Literal(text) if !same(text, part) => return false,
                Segment::Any(_) if part.is_empty() => return false,
                Segment::Literal(_) => {}
                Segment::Any(name) => named(name, part),
            }
        }
        self.below || parts.next().is_none_or(|last| last.is_empty() && parts.next().is_none())
    }

    fn covers(&self, other: &Self) -> bool {
        let same = self.segments.iter().zip(&other.segments).all(|(mine, theirs)| match (mine, theirs) {
            (Segment::Any(_), Segment::Any(_)) => true,
            (Segment::Any(_), Segment::Literal(text)) => !text.is_empty(),
            (Segment::Literal(mine), Segment::Literal(theirs)) => same(mine, theirs),
            (Segment::Literal(_), Segment::Any(_)) => false,
        });
        same && if self.below {
            self.segments.len() <= other.segments.len()
        } else {
            self.segments.len() == other.segments.len() && !other.below
        }
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let legal = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            return legal
                .then(|| Self::Any(name.to_owned()))
                .ok_or("a name of lower-case letters in braces, such as \"{id}\"");
        }
        if text.contains(['{', '}', '*', ' ']) {
            return Err("segments that are literal or one \"{name}\", and \"/*\" only at the end");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>^`\\".contains(&byte)) {
            return Err("a path as it stands in a URL, so \"caf%C3%A9\" for \"café\"");
        }
        // Requests are matched in their final form, so the pattern is brought into it too.
        let text = target::segment(text).into_owned();
        if text == "." || text == ".." {
            return Err("a path without \".\" and \"..\": no request path contains them");
        }
        Ok(Self::Literal(text))
    }
}

/// Whether two segments are the same data.
fn same(mine: &str, theirs: &str) -> bool {
    mine == theirs || ((mine.contains('%') || theirs.contains('%')) && target::decoded(mine) == target::decoded(theirs))
}

/// The same where case says nothing.
fn alike(mine: &str, theirs: &str) -> bool {
    same(mine, theirs) || mine.eq_ignore_ascii_case(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(pattern: &str, method: &str, host: &str, path: &str) -> bool {
        RoutePattern::parse(pattern).unwrap().matches(method, host, path)
    }

    #[test]
    fn patterns_take_methods_hosts_and_paths() {
        assert!(takes("GET /api/catalog/*", "GET", "x", "/api/catalog"));
        assert!(takes("GET /api/catalog/*", "GET", "x", "/api/catalog/1/2"));
        assert!(!takes("GET /api/catalog/*", "GET", "x", "/api/catalogue"));
        assert!(!takes("GET /api/catalog/*", "POST", "x", "/api/catalog/1"));
        assert!(!takes("GET,HEAD /a", "get", "x", "/a"));
        assert!(takes("/*", "PURGE", "x", "/"));
        assert!(takes("* /t/{tenant}/notes", "POST", "x", "/t/acme/notes"));
        assert!(!takes("/t/{tenant}/notes", "POST", "x", "/t//notes"));
        assert!(takes("GET *.example.com/", "GET", "A.Example.com", "/"));
        assert!(!takes("GET *.example.com/", "GET", "example.com", "/"));
        assert!(takes("GET example.com/", "GET", "EXAMPLE.com", "/"));
        assert!(!takes("GET /A", "GET", "x", "/a"));
    }

    #[test]
    fn a_slash_at_the_end_leads_past_no_pattern() {
        for (pattern, path) in [("/a", "/a/"), ("/a/", "/a"), ("/a/{b}", "/a/b/"), ("/", "/"), ("/a/*", "/a/")] {
            assert!(takes(pattern, "PUT", "x", path), "{pattern} {path}");
        }
        for (pattern, path) in [("/a", "/a//"), ("/a", "/a/b"), ("/a/{b}", "/a/"), ("/", "/a"), ("/a/", "/a/b")] {
            assert!(!takes(pattern, "PUT", "x", path), "{pattern} {path}");
        }
        assert_eq!(RoutePattern::parse("GET /a/").unwrap().to_string(), "GET /a/");
        assert_eq!(RoutePattern::parse("/").unwrap().to_string(), "/");
    }

    #[test]
    fn segments_are_data() {
        assert!(takes("/@scope/{name}", "PUT", "x", "/%40scope/a"));
        assert!(takes("/caf%C3%A9/%21", "PUT", "x", "/caf%C3%A9/!"));
        assert!(!takes("/a/b", "PUT", "x", "/a%2Fb"));
        assert!(takes("/a%2Fb", "PUT", "x", "/a%2Fb"));
        for (path, spelled) in [("/a/*", false), ("/@a/", false), ("/a;b", true), ("/a//b", true), ("/a%2Fb", true)] {
            assert_eq!(PathPattern::parse(path).unwrap().is_spelled(), spelled, "{path}");
        }
    }

    #[test]
    fn names_are_captured() {
        let pattern = PathPattern::parse("/t/{tenant}/*").unwrap();
        assert_eq!(pattern.capture("/t/acme/notes/1", "tenant"), Some("acme"));
        assert_eq!(pattern.capture("/t/acme", "tenant"), Some("acme"));
        assert_eq!(pattern.capture("/x/acme", "tenant"), None);
    }

    #[test]
    fn what_is_no_pattern() {
        for wrong in [
            "",
            "GET",
            "get /a",
            "GET a*",
            "/a*",
            "/*/a",
            "/{A}",
            "/a{b}",
            "/a?b",
            "GET ex ample/",
            "G=T /a",
            "/é",
            "/a/%2e%2E",
            "/a\\b",
        ] {
            assert!(RoutePattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_takes() {
        let covers = |a: &str, b: &str| RoutePattern::parse(a).unwrap().covers(&RoutePattern::parse(b).unwrap());
        assert!(covers("/*", "GET /a"));
        assert!(covers("GET,POST /a/*", "GET /a/{id}"));
        assert!(covers("/a/{x}", "/a/b"));
        assert!(!covers("GET /a", "/a"));
        assert!(!covers("/a/b", "/a/{x}"));
        assert!(!covers("/a/{x}", "/a/*"));
        assert!(!covers("h.com/a", "/a"));
    }
}
