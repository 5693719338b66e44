//! Validation: asking the origin whether a stored response still holds, and telling a client that its own does
//! (RFC 9111 section 4.3, RFC 9110 section 13).

use std::collections::HashSet;

use super::entry::Variant;
use crate::{
    cache::lookup::Conditions,
    http::{
        edits::{Edit, Edits},
        headers::{Headers, strip_response},
        http_date,
    },
    model::text,
};

/// Fields of a 304 that never change a stored response: they are about the message or the stored body
/// (RFC 9111 section 3.2), or are ours to say.
const NOT_UPDATED: [&str; 10] = [
    "age",
    "cache-control",
    "cdn-cache-control",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "etag",
    "proxy-authentication-info",
    "set-cookie",
];

/// Adds the conditions by which an origin is asked about a stored response (RFC 9111 section 4.3.1). Tags of the client's go along,
/// so that an origin that has none of ours can spare the client the body too.
pub(crate) fn add_conditions(variant: &Variant<'_>, client: &Conditions, edits: &mut Edits) {
    ["if-none-match", "if-modified-since"].iter().for_each(|name| edits.remove(name));
    if let Some(tag) = variant.kept.get("etag") {
        let theirs = client.if_none_match.as_deref().filter(|tags| tags.trim() != "*" && !names_tag(tags, tag));
        match theirs {
            None => edits.set("if-none-match", tag),
            Some(theirs) => edits.set_by("if-none-match", |field| text::all(field, &[tag, ", ", theirs])),
        }
    }
    if let Some(date) = variant.kept.get("last-modified") {
        edits.set("if-modified-since", date);
    }
}

/// Whom a 304 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirms {
    /// The stored response.
    Stored,
    /// The stored response, of which it says something that cannot be: it is used, and stays as it was.
    Contradictory,
    /// What the client holds.
    Client,
    /// Nothing that anybody here knows of.
    Nothing,
}

/// Which response a 304 confirms, when asked by [`add_conditions`] (RFC 9111 section 4.3.4).
#[must_use]
pub(crate) fn confirms(headers: &Headers<'_>, variant: &Variant<'_>, client: &Conditions) -> Confirms {
    let theirs = client.if_none_match.as_deref().filter(|tags| tags.trim() != "*");
    match (headers.get("etag"), variant.kept.get("etag")) {
        (Some(said), Some(stored)) if same_weakly(said, stored) => Confirms::Stored,
        (Some(said), _) if theirs.is_some_and(|tags| names_tag(tags, said)) => Confirms::Client,
        // A date was asked about, and the tag is new to us: without one stored there is nothing that it contradicts.
        (Some(said), None) if said.trim_start().starts_with("W/") => Confirms::Stored,
        // Only the stored tag was asked about, so that is what it answers; but it must not update what bears another
        // (section 4.3.4). Where a date went along, the origin may have gone by that alone, and the tag tells of a change.
        (Some(_), Some(_)) if theirs.is_none() && variant.kept.get("last-modified").is_none() => {
            Confirms::Contradictory
        }
        (Some(_), _) => Confirms::Nothing,
        // Two were asked about, and it does not say which it means.
        (None, Some(stored)) if theirs.is_some_and(|tags| !names_tag(tags, stored)) => Confirms::Client,
        (None, _) => Confirms::Stored,
    }
}

/// The fields of a stored response after a 304, or the answer to a HEAD: those that it brings, and those that it leaves (RFC 9111 section
/// 3.2). The tag and the coding stay those of the body. `cookies`: whether those that it sets are for everybody.
#[must_use]
pub(crate) fn merged<'h>(old: &'h Variant<'_>, new: &Headers<'h>, cookies: bool) -> Headers<'h> {
    let stays = |name: &str| matches!(name, "etag" | "content-encoding") || !new.has(name);
    let passes = |name: &str| match name {
        "set-cookie" => cookies,
        "content-encoding" => false,
        "etag" => old.kept.get("etag").is_none(),
        _ => true,
    };
    let mut fields: Vec<(&str, &str)> = old.kept.iter().filter(|(name, _)| stays(name)).collect();
    fields.extend(new.0.iter().filter(|(name, _)| passes(name)));
    Headers(fields)
}

/// What a 304, or the answer to a HEAD, changes of the stored fields (RFC 9111 section 3.2).
#[must_use]
pub fn updates(headers: &Headers<'_>) -> Edits {
    let mut stripped = Edits::default();
    strip_response(headers, &mut stripped);
    let gone: HashSet<_> = stripped.iter().filter_map(removed).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut edits = Edits::default();
    for (name, value) in headers.0.iter().filter(|(name, _)| !NOT_UPDATED.contains(name) && !gone.contains(name)) {
        if seen.insert(name) {
            edits.remove(name);
        }
        edits.add(name, value);
    }
    edits
}

fn removed(edit: Edit<'_>) -> Option<&str> {
    if let Edit::Remove(name) = edit { Some(name) } else { None }
}

/// Whether the answer to a HEAD is about the stored response: each validator and the length that it has must be the same
/// (RFC 9111 section 4.3.5).
#[must_use]
pub(crate) fn same_representation(headers: &Headers<'_>, variant: &Variant<'_>, length: Option<u64>) -> bool {
    let same = |name| headers.get(name).is_none_or(|said| variant.kept.get(name) == Some(said));
    let said = headers.content_length();
    same("etag") && same("last-modified") && said.is_none_or(|said| length.is_none_or(|length| length == said))
}

/// Whether the client holds the stored response already (RFC 9111 section 4.3.2): `If-None-Match` by weak comparison; only
/// without it `If-Modified-Since`, against `Last-Modified`, else `Date`, else the time at which it came.
#[must_use]
pub(crate) fn client_has(variant: &Variant<'_>, client: &Conditions) -> bool {
    if !(200..300).contains(&variant.status) {
        return false;
    }
    if let Some(tags) = &client.if_none_match {
        return tags.trim() == "*" || variant.kept.get("etag").is_some_and(|tag| names_tag(tags, tag));
    }
    let Some(since) = client.if_modified_since.as_deref().and_then(http_date::read) else { return false };
    let changed = ["last-modified", "date"].iter().find_map(|name| variant.kept.get(name).and_then(http_date::read));
    changed.unwrap_or(variant.came) <= since
}

/// Whether a list of entity tags names that one (RFC 9110 section 8.8.3.2: weak comparison).
fn names_tag(tags: &str, tag: &str) -> bool {
    let mut quoted = false;
    tags.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
    .any(|candidate| same_weakly(candidate, tag))
}

fn same_weakly(one: &str, other: &str) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/")
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
