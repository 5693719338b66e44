//! What fields are made of (RFC 9110 section 5.6).

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
#[must_use]
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A text without blanks around it: SP and HTAB, and no others (RFC 9110 section 5.6.3). What Unicode takes for blanks are
/// letters like all others in a field.
#[must_use]
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => text.trim_matches([' ', '\t']),
        _ => text,
    }
}
