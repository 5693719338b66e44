//! Targets: whatever a client spells, there is one form of it, it is its own, and every reading of it is a path.

use arbitrary::{Result, Unstructured};
use homing_core::testing::http::target::{Target, readings};

use crate::made::text;

/// Pieces of a URL that parsers see in different ways.
const PIECES: [&str; 28] = [
    "/", "//", "\\", ".", "..", "%2e", "%2E%2e", "%2F", "%2f", "%5C", "%25", "%252F", "%", "%zz", "%00", ";v=1", ";",
    "?", "#", "'", "\"", "\t", "api", "Cart", "@", ":", "é", "~",
];

/// Pieces of an authority.
const HOSTS: [&str; 12] =
    ["example.com", "EXAMPLE.com", "a.", ".", ":80", ":443", ":8080", "[::1]", "127.0.0.1", "0x7f.1", "u@", "xn--a"];

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes, |url| Target::read(url).map(|target| target.as_str().to_owned()));
}

/// The law, of whatever brings URLs into their form.
///
/// # Errors
/// If the bytes do not suffice.
pub fn holds(bytes: &[u8], form: impl Fn(&str) -> Option<String>) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let scheme = *u.choose(&["https://", "http://", "HTTPS:\\\\", "https:", "ftp://", ""])?;
    let url = format!("{scheme}{}/{}", text(u, &HOSTS, 3)?, text(u, &PIECES, 12)?);
    let reference = text(u, &PIECES, 8)?;
    let Some(formed) = form(&url) else { return Ok(()) };
    is_final(&formed, &form);
    let target = Target::read(&formed).unwrap();
    if let Some(joined) = target.join(&reference) {
        is_final(joined.as_str(), &form);
    }
    let Some(others) = readings(target.path()) else { return Ok(()) };
    let mut count = 0;
    for reading in others {
        count += 1;
        assert!(reading.starts_with('/') && reading != target.path(), "{reading} of {formed}");
        assert!(!has_dots(&reading), "{reading} of {formed}");
    }
    assert!(count <= 192, "{count} readings of {formed}");
    Ok(())
}

/// What is sent and keyed: nothing in it is anything else to the next parser.
fn is_final(formed: &str, form: &impl Fn(&str) -> Option<String>) {
    assert_eq!(form(formed).as_deref(), Some(formed), "another form of a form");
    let odd = |byte: u8| byte <= b' ' || byte >= 0x7f || b"\\\"<>^`{}#".contains(&byte);
    let (_, rest) = formed.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    assert!(!authority.is_empty() && !authority.bytes().any(|byte| odd(byte) || byte.is_ascii_uppercase()), "{formed}");
    assert!(!authority.contains('@') && !authority.ends_with('.'), "{formed}");
    let path = path.split('?').next().unwrap();
    assert!(!path.bytes().any(odd) && !has_dots(path), "{formed}");
}

fn has_dots(path: &str) -> bool {
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.split('/').any(dots)
}
