//! The steps into the final form (URL Standard sections 1.3, 3.5, 4.4), for the schemes http and https alone.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::model::text;

/// What separates the parts of a path: browsers take a backslash for a slash in http URLs.
pub(super) const SLASHES: [char; 2] = ['/', '\\'];

/// The text without what a URL parser drops: blanks and controls around it, tabs and line ends within, the fragment.
pub(super) fn bare(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte > b' ' && byte != b'#') {
        return Cow::Borrowed(text);
    }
    let text = text.trim_matches(|c: char| c <= ' ');
    let text = text.split('#').next().unwrap_or("");
    if text.contains(['\t', '\n', '\r']) {
        Cow::Owned(text.replace(['\t', '\n', '\r'], ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// A scheme without its colon, and what follows.
pub(super) fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text::split_once(text, b':')?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(legal);
    is_scheme.then_some((scheme, rest))
}

/// The scheme in lower case, if it is one of ours.
pub(super) fn special(scheme: &str) -> Option<&'static str> {
    ["https", "http"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme))
}

/// What stands before a question mark, and what behind it.
pub(super) fn query(text: &str) -> (&str, Option<&str>) {
    text::split_once(text, b'?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// Host and port. None if they have no final form.
pub(super) fn push_authority(out: &mut String, authority: &str, scheme: &str) -> Option<()> {
    let (host, port) = match authority.find(']') {
        Some(at) => authority.split_at(at + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match host.strip_prefix('[') {
        Some(address) => push_ipv6(out, address.strip_suffix(']')?.parse().ok()?),
        None => push_name(out, host.strip_suffix('.').unwrap_or(host))?,
    }
    let port = if port.is_empty() { "" } else { port.strip_prefix(':')? };
    if port.is_empty() {
        return Some(());
    }
    // `parse` would take a sign.
    let number: u16 = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
    let default = if scheme == "https" { 443 } else { 80 };
    if number != default {
        out.push(':');
        text::number(out, number.into());
    }
    Some(())
}

/// A name of DNS in lower case, or an IPv4 address. Whatever ends in a number is an address, and one notation of many is ours.
fn push_name(out: &mut String, name: &str) -> Option<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.bytes().all(legal) || name.split('.').any(str::is_empty) {
        return None;
    }
    let last = name.rsplit('.').next()?;
    let hex = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || (hex && last.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit()));
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    let from = out.len();
    out.push_str(name);
    out.get_mut(from..)?.make_ascii_lowercase();
    Some(())
}

/// RFC 5952, but never with an IPv4 address at the end (URL Standard section 3.6).
fn push_ipv6(out: &mut String, address: Ipv6Addr) {
    let text = match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
    };
    out.push_str(&text);
}

/// Whether a byte stands in a path as it is, outside of the path percent-encode set.
fn stays_in_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#<>?^`{}".contains(&byte)
}

/// The path, beginning with a slash, without dot segments.
pub(super) fn push_path(out: &mut String, path: &str) {
    let is_final = path.starts_with('/')
        && !text::has_pair(path, *b"/.")
        && path.bytes().all(|byte| stays_in_path(byte) && byte != b'\\' && byte != b'%');
    if is_final {
        out.push_str(path);
        return;
    }
    let start = out.len();
    let mut segments = path.strip_prefix(SLASHES).unwrap_or(path).split(SLASHES).peekable();
    while let Some(text) = segments.next() {
        let dots = match &*segment(text) {
            "." => true,
            ".." => {
                let before = out.get(start..).and_then(|path| path.rfind('/')).unwrap_or(0);
                out.truncate(start + before);
                true
            }
            segment => {
                text::all(out, &["/", segment]);
                false
            }
        };
        if dots && segments.peek().is_none() {
            out.push('/');
        }
    }
}

/// One segment of a path in its final form: unreserved characters plain, what no path holds percent-encoded, hex in upper
/// case (RFC 3986 section 6.2.2). A `%` that begins no encoding is itself encoded.
#[must_use]
pub fn segment(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| stays_in_path(byte) && byte != b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, encoded(after)) {
            (b'%', Some((byte, after))) => {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    push_encoded(&mut out, byte);
                }
                rest = after;
            }
            (byte, _) if stays_in_path(byte) && byte != b'%' => out.push(char::from(byte)),
            (byte, _) => push_encoded(&mut out, byte),
        }
    }
    Cow::Owned(out)
}

/// The query, with what no query holds percent-encoded (the special-query percent-encode set). Whatever is encoded already stays
/// as it is: nothing is routed by it, and some sign it byte for byte.
pub(super) fn push_query(out: &mut String, query: &str) {
    let stays = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>'".contains(&byte);
    if query.bytes().all(stays) {
        out.push_str(query);
        return;
    }
    for byte in query.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            push_encoded(out, byte);
        }
    }
}

/// The data of a segment: its percent-encodings decoded. As it is, if that makes no text.
#[must_use]
pub fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = encoded(after).filter(|_| byte == b'%').unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The byte that two hex digits stand for, and what follows them.
fn encoded(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(2)?;
    let [high, low] = [digits.first()?, digits.last()?].map(|digit| char::from(*digit).to_digit(16));
    Some((u8::try_from(high? * 16 + low?).ok()?, rest))
}

fn push_encoded(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_holds_another_is_written_in_groups() {
        let written = |address: &str| {
            let mut text = String::new();
            push_ipv6(&mut text, address.parse().unwrap());
            text
        };
        assert_eq!(written("::ffff:127.0.0.1"), "[::ffff:7f00:1]");
        assert_eq!(written("::"), "[::]");
        assert_eq!(written("1:0:0:2:0:0:3:4"), "[1::2:0:0:3:4]");
    }
}
