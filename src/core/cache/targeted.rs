//! Targeted cache control (RFC 9213): fields that are structured dictionaries (RFC 9651) take the place of `Cache-Control` and
//! `Expires` here and leave those to the caches behind us.

use std::{convert::Infallible, time::Duration};

use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor},
};

use super::directives::{Directives, FieldScope, LARGEST};
use crate::http::headers::{FOR_THIS_CACHE, Headers};

/// Our target list (RFC 9213 section 2.2): of these the first counts that is there and can be read. The first and the last are for
/// caches like this one alone and never passed on; `Surrogate-Control` is of W3C's Edge Architecture, older than the RFC and its model.
const TARGETED: [&str; 3] = [FOR_THIS_CACHE[0], "cdn-cache-control", FOR_THIS_CACHE[1]];

/// The directives that a response targets at this cache, if it does.
#[must_use]
pub(crate) fn targeted(headers: &Headers<'_>) -> Option<Directives> {
    TARGETED.iter().find_map(|name| {
        let lines: Vec<_> = headers.all(name).collect();
        of_lines(&lines.join(", "))
    })
}

/// The directives of a field's combined lines; none if there are none or if they do not parse (RFC 9213 section 2.1).
fn of_lines(combined: &str) -> Option<Directives> {
    let mut members = Members::default();
    Parser::new(combined).parse_dictionary_with_visitor(&mut members).ok()?;
    // Of a repeated key the last counts (RFC 9651 section 4.2.2), so they are taken in only now.
    let mut read = Directives::default();
    for (name, value) in &members.known {
        take(&mut read, name, value);
    }
    members.any.then_some(read)
}

/// A member's value, as far as a directive can use it.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// True: a directive without an argument.
    Given,
    /// A whole number.
    Seconds(i64),
    /// Text: names of fields.
    Text(String),
    /// Of a type that no directive has.
    Other,
}

#[derive(Default)]
struct Members<'de> {
    /// Those that a directive has a name for, so that they are few, however long the field is.
    known: Vec<(&'de str, Value)>,
    any: bool,
}

/// The directives that [`take`] takes.
const KNOWN: [&str; 13] = [
    "max-age",
    "must-revalidate",
    "must-understand",
    "no-cache",
    "no-store",
    "no-store-remote",
    "only-if-cached",
    "private",
    "proxy-revalidate",
    "public",
    "s-maxage",
    "stale-if-error",
    "stale-while-revalidate",
];

fn take(read: &mut Directives, name: &str, value: &Value) {
    let span = match name {
        "no-cache" | "private" => {
            let scope = if name == "private" { &mut read.private } else { &mut read.no_cache };
            return match value {
                Value::Text(names) => scope.take(names),
                _ => *scope = FieldScope::Whole,
            };
        }
        "max-age" => &mut read.max_age,
        "s-maxage" => &mut read.s_maxage,
        "stale-while-revalidate" => &mut read.stale_while_revalidate,
        "stale-if-error" => &mut read.stale_if_error,
        // `?0` says no; only what permits something is taken at its word there.
        "public" | "must-understand" if *value != Value::Given => return,
        flag => return read.raise(flag),
    };
    // What is no number of seconds is stale at once, as in Cache-Control.
    let seconds = if let Value::Seconds(seconds) = value { u64::try_from(*seconds).unwrap_or(0) } else { 0 };
    *span = Some(Duration::from_secs(seconds.min(LARGEST)));
}

impl<'de> DictionaryVisitor<'de> for Members<'de> {
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        self.any = true;
        if !KNOWN.contains(&key.as_str()) {
            return Ok(Member(None));
        }
        self.known.retain(|(name, _)| *name != key.as_str());
        self.known.push((key.as_str(), Value::Other));
        Ok(Member(self.known.last_mut().map(|(_, value)| value)))
    }
}

struct Member<'a>(Option<&'a mut Value>);

impl<'de> ItemVisitor<'de> for Member<'_> {
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de>, Infallible> {
        if let Some(value) = self.0 {
            *value = match item {
                BareItemFromInput::Boolean(true) => Value::Given,
                BareItemFromInput::Integer(seconds) => Value::Seconds(seconds.into()),
                BareItemFromInput::String(text) => Value::Text(text.as_str().to_owned()),
                BareItemFromInput::Token(text) => Value::Text(text.as_str().to_owned()),
                _ => Value::Other,
            };
        }
        Ok(Ignored)
    }
}

impl<'de> EntryVisitor<'de> for Member<'_> {
    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read() {
        let read = of_lines("max-age=60;x=1, public, no-cache=\"set-cookie\", stale-if-error=5").unwrap();
        assert_eq!((read.max_age, read.public), (Some(Duration::from_secs(60)), true));
        assert_eq!(read.no_cache.fields(), ["set-cookie"]);
        assert_eq!(read.stale_if_error, Some(Duration::from_secs(5)));
        assert_eq!(of_lines("max-age=1, max-age=2").unwrap().max_age, Some(Duration::from_secs(2)));
    }

    #[test]
    fn of_several_the_first_counts_that_can_be_read() {
        // RFC 9213 section 2.2. An origin behind another cache, too, says to each what it means.
        let fresh = |fields: &[(&str, &str)]| targeted(&Headers(fields.to_vec())).and_then(|said| said.max_age);
        let (ours, cdn, surrogate) = (
            ("cloudflare-cdn-cache-control", "max-age=1"),
            ("cdn-cache-control", "max-age=2"),
            ("surrogate-control", "max-age=3, content=\"ESI/1.0\""),
        );
        let seconds = |count| Some(Duration::from_secs(count));
        assert_eq!(fresh(&[surrogate, cdn, ours]), seconds(1));
        assert_eq!(fresh(&[surrogate, cdn]), seconds(2));
        assert_eq!(fresh(&[("cache-control", "no-store"), surrogate]), seconds(3));
        assert_eq!(fresh(&[(ours.0, "max age"), (cdn.0, ""), surrogate]), seconds(3));
        assert_eq!(fresh(&[("cache-control", "max-age=1")]), None);
        let remote = targeted(&Headers(vec![("surrogate-control", "max-age=60, no-store-remote")])).unwrap();
        assert!(remote.no_store, "this cache is far from its origin");
    }

    #[test]
    fn what_is_empty_or_does_not_parse_is_no_word_at_all() {
        for broken in ["", "max-age=10,", "Max-Age=10", "max-age=", "a b", "max-age=\"1"] {
            assert_eq!(of_lines(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_lifetime_of_another_type_is_stale_at_once() {
        for odd in ["max-age=1.5", "max-age", "max-age=abc", "max-age=(1 2)", "max-age=-5"] {
            assert_eq!(of_lines(odd).unwrap().max_age, Some(Duration::ZERO), "{odd}");
        }
    }

    #[test]
    fn a_field_of_ten_thousand_members_holds_no_more_than_the_directives() {
        let field = (0..10_000).map(|n| format!("x{n}, max-age={n}")).collect::<Vec<_>>().join(", ");
        let mut members = Members::default();
        Parser::new(&field).parse_dictionary_with_visitor(&mut members).unwrap();
        assert_eq!(members.known, [("max-age", Value::Seconds(9_999))]);
        assert_eq!(of_lines("x"), Some(Directives::default()), "it is there, though it says nothing that is known");
    }

    #[test]
    fn a_token_names_a_field_and_what_is_no_yes_permits_nothing() {
        assert_eq!(of_lines("no-cache=set-cookie").unwrap().no_cache.fields(), ["set-cookie"]);
        assert!(of_lines("public").unwrap().public);
        for no in ["public=?0", "public=1", "public=\"yes\""] {
            assert!(!of_lines(no).unwrap().public, "{no}");
        }
    }
}
