//! Variants: which request fields select a response, in normal form (RFC 9111 section 4.1).
//!
//! A variant's selecting fields stand in its metadata as `name=value`, joined by `&`, names in lower case and sorted. A field
//! that the request did not have stands without `=`. Whatever in a value is not plain stands as `%XX`; long values and secret
//! ones stand as their hash.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::coding::Coding;
use crate::routing::{headers::Headers, session};

/// Longer values stand as their hash.
const LONGEST_PLAIN: usize = 96;

/// A request's header fields, kept for the sake of `Vary`: names and values in turn, each ended by a newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(String);

impl Fields {
    /// The fields of a request.
    #[must_use]
    pub fn of(headers: &Headers<'_>) -> Self {
        let mut text = String::with_capacity(headers.0.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        for (name, value) in &headers.0 {
            for part in [name, value] {
                text.push_str(part);
                text.push('\n');
            }
        }
        Self(text)
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let mut lines = self.0.split('\n');
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
            .filter(move |(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// The values of a field in normal form: lines joined, spaces around commas gone (RFC 9111 section 4.1).
    fn normal(&self, name: &str, coding: Coding) -> Option<String> {
        if name == "accept-encoding" {
            // What the origin was asked for, and so all that it can have chosen by.
            return Some(coding.field().to_owned());
        }
        let separator = if name == "cookie" { ';' } else { ',' };
        let mut members = self.all(name).flat_map(|line| line.split(separator)).map(str::trim).peekable();
        members.peek()?;
        Some(match name {
            "accept-language" => normal_languages(members),
            // The origin never saw the session.
            "cookie" => joined(members.filter(|pair| pair.split('=').next() != Some(session::COOKIE))),
            _ => joined(members),
        })
        .filter(|value| name != "cookie" || !value.is_empty())
    }
}

/// The names of a response's selecting fields, sorted. None: nothing that a request says can select it again (`*`).
#[must_use]
pub fn selecting_names(headers: &Headers<'_>) -> Option<Vec<String>> {
    let mut names: Vec<_> = headers.list("vary").map(str::to_ascii_lowercase).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().all(|name| name != "*").then_some(names)
}

/// The selecting fields of that name with the request's values, as they stand in metadata.
#[must_use]
pub fn selecting(names: &[String], fields: &Fields, coding: Coding) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        if let Some(value) = fields.normal(name, coding) {
            text.push('=');
            plain_or_hashed(&mut text, name, &value);
        }
    }
    text
}

/// Whether a request selects the variant that was stored with these selecting fields.
#[must_use]
pub fn selects(stored: &str, language: Option<&str>, fields: &Fields, coding: Coding) -> bool {
    if stored.is_empty() {
        return true;
    }
    stored.split('&').all(|stored| {
        let (name, _) = stored.split_once('=').unwrap_or((stored, ""));
        let mut asked = name.to_owned();
        if let Some(value) = fields.normal(name, coding) {
            asked.push('=');
            plain_or_hashed(&mut asked, name, &value);
        }
        asked == stored || (name == "accept-language" && is_favourite(language, fields))
    })
}

fn joined<'a>(members: impl Iterator<Item = &'a str>) -> String {
    members.fold(String::new(), |mut all, member| {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(member);
        all
    })
}

/// Language ranges with their weights in thousandths, the most wanted first, equals in alphabetical order
/// (RFC 9110 section 12.5.4); what is refused by a weight of zero is left out.
fn languages<'a>(members: impl Iterator<Item = &'a str>) -> Vec<(u16, String)> {
    let mut ranges: Vec<_> = members
        .filter_map(|member| {
            let (range, weight) = member.split_once(';').unwrap_or((member, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1000), thousandths)?;
            let range = range.trim().to_ascii_lowercase();
            (weight > 0 && !range.is_empty()).then_some((1000 - weight.min(1000), range))
        })
        .collect();
    ranges.sort_unstable();
    ranges.into_iter().map(|(below, range)| (1000 - below, range)).collect()
}

fn thousandths(weight: &str) -> Option<u16> {
    let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 1000")]
    Some((weight * 1000.0).round() as u16)
}

fn normal_languages<'a>(members: impl Iterator<Item = &'a str>) -> String {
    languages(members).into_iter().fold(String::new(), |mut all, (weight, range)| {
        // Writing to a String cannot fail.
        let _ = write!(all, "{range}:{weight},");
        all
    })
}

/// Whether the stored language is the one that the request wants most of all. An origin that has it, as it has shown, can
/// choose no better (RFC 9111 section 4.1 allows matching by what is known of the field's meaning).
fn is_favourite(language: Option<&str>, fields: &Fields) -> bool {
    let Some(language) = language else { return false };
    let ranges = languages(fields.all("accept-language").flat_map(|line| line.split(',')));
    let mut ranges = ranges.iter();
    match (ranges.next(), ranges.next()) {
        (Some((best, range)), second) => {
            second.is_none_or(|(next, _)| next < best) && language.trim().eq_ignore_ascii_case(range)
        }
        (None, _) => false,
    }
}

fn plain_or_hashed(text: &mut String, name: &str, value: &str) {
    if value.len() > LONGEST_PLAIN || matches!(name, "cookie" | "authorization") {
        text.push('#');
        URL_SAFE_NO_PAD.encode_string(Sha256::digest(value), text);
        return;
    }
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~*;:,/ ".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Fields {
        Fields::of(&Headers(of.to_vec()))
    }

    fn names(vary: &[&str]) -> Option<Vec<String>> {
        selecting_names(&Headers(vary.iter().map(|line| ("vary", *line)).collect()))
    }

    /// Whether what was stored for one request is selected by another.
    fn same(vary: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
        let stored = selecting(&names(&[vary]).unwrap(), &fields(one), Coding::Gzip);
        selects(&stored, None, &fields(other), Coding::Gzip)
    }

    #[test]
    fn a_star_selects_nothing_wherever_it_stands() {
        for lines in [&["*"][..], &["*, *"], &["", "*"], &["Foo, *"], &["*", "Foo"]] {
            assert_eq!(names(lines), None, "{lines:?}");
        }
        assert_eq!(names(&["Foo, bar", "FOO"]), Some(vec!["bar".to_owned(), "foo".to_owned()]));
    }

    #[test]
    fn a_variant_is_selected_by_the_same_values_only() {
        // RFC 9111 section 4.1.
        assert!(same("Foo", &[("foo", "1"), ("other", "2")], &[("foo", "1"), ("other", "3")]));
        assert!(!same("Foo", &[("foo", "1")], &[("foo", "2")]));
        assert!(!same("Foo", &[("foo", "1")], &[]) && !same("Foo", &[], &[("foo", "1")]));
        assert!(same("Foo, Bar", &[("foo", "1")], &[("foo", "1")]), "both lack the same");
        assert!(same("Foo", &[("foo", "1,2")], &[("foo", " 1"), ("foo", "2 ")]), "lines and spaces do not count");
        assert!(!same("Foo", &[("foo", "1&bar=2")], &[("foo", "1")]));
        let long = "x".repeat(500);
        assert!(same("Foo", &[("foo", &long)], &[("foo", &long)]));
        assert!(!same("Foo", &[("foo", &long)], &[("foo", &long[1..])]));
    }

    #[test]
    fn languages_are_normalised() {
        let same = |one, other| same("Accept-Language", &[("accept-language", one)], &[("accept-language", other)]);
        assert!(same("en, de", "de,  EN") && same("en;q=0.50, de", "de;q=1.0,en;q=0.5,fr;q=0"));
        assert!(!same("en, de;q=0.5", "en;q=0.5, de") && !same("en", "en, de"));
    }

    #[test]
    fn the_language_that_is_wanted_most_will_do() {
        let wants = |wanted| {
            selects("accept-language=x", Some("de"), &fields(&[("accept-language", wanted)]), Coding::Identity)
        };
        assert!(wants("fr;q=0.5, de;q=1.0") && wants("DE"));
        assert!(!wants("fr, de") && !wants("fr, de;q=0.5") && !wants("de-AT") && !wants(""));
    }

    #[test]
    fn cookies_count_without_the_session_and_are_not_stored_as_they_are() {
        let with = ("cookie", "__Host-homing=1.x; a=secret");
        assert!(same("Cookie", &[with], &[("cookie", "a=secret")]) && !same("Cookie", &[with], &[("cookie", "a=b")]));
        assert!(same("Cookie", &[("cookie", "__Host-homing=1.x")], &[]));
        assert!(!selecting(&["cookie".to_owned()], &fields(&[with]), Coding::Gzip).contains("secret"));
    }

    #[test]
    fn an_encoding_counts_by_what_the_origin_was_asked_for() {
        let stored =
            selecting(&["accept-encoding".to_owned()], &fields(&[("accept-encoding", "gzip, zstd")]), Coding::Gzip);
        assert!(selects(&stored, None, &fields(&[("accept-encoding", "gzip")]), Coding::Gzip));
        assert!(!selects(&stored, None, &fields(&[]), Coding::Identity));
    }
}
