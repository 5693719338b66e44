//! Patterns as they are written in a configuration.

use std::fmt;

use super::{HostPattern, PathPattern, RoutePattern, Segment};

impl RoutePattern {
    /// The host, as it is written.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.host.as_ref().map(|host| match host {
            HostPattern::Exact(name) => name.clone(),
            HostPattern::Below(tail) => format!("*{tail}"),
        })
    }
}

impl fmt::Display for RoutePattern {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        write!(f, "{}{}", self.host().unwrap_or_default(), self.path)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        f.write_str(match (self.below, self.slash) {
            (true, _) => "/*",
            (false, true) => "/",
            (false, false) => "",
        })
    }
}
