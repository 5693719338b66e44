//! Patterns as they are written.

use std::fmt::{Display, Formatter, Result};

use super::{PathPattern, RoutePattern, Segment};

impl Display for RoutePattern {
    /// `GET,HEAD *.example.com/api/{name}/*`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        write!(f, "{}{}", self.host().unwrap_or_default(), self.path)
    }
}

impl Display for PathPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        if self.below { f.write_str("/*") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_shown_as_it_is_written() {
        for text in ["/", "/*", "/a", "GET,HEAD /a/{name}/*", "POST *.example.com/a", "shop.example.com/"] {
            assert_eq!(RoutePattern::parse(text).unwrap().to_string(), text);
        }
    }
}
