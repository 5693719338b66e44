//! Percent-encoding (RFC 3986 section 2.1), by what stays plain where.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// In a field of a cache entry: its own separators are encoded, and what is not printable. A stored format: change it with
/// its format ([`crate::model::formats`]) only.
pub(crate) const ENTRY: &AsciiSet = &CONTROLS.add(b'%').add(b'|').add(b'^');

/// In the value of a selecting field: letters, digits, and what is common in such fields. Stored within cache entries.
pub(crate) const SELECTING: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'*')
    .remove(b';')
    .remove(b':')
    .remove(b',')
    .remove(b'/')
    .remove(b' ');

/// In a query: the unreserved characters alone (RFC 3986 section 2.3), so that a value means nothing else.
pub(crate) const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Adds the text, with every byte of the set and every one outside of ASCII as `%XX`, in upper case.
pub(crate) fn encode(out: &mut String, text: &str, set: &'static AsciiSet) {
    out.extend(utf8_percent_encode(text, set));
}

/// The text with its encodings decoded; what makes no UTF-8 is replaced.
#[must_use]
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_own_plain_bytes() {
        let plain = |set: &'static AsciiSet| -> String {
            let is_plain = |byte: &u8| {
                let mut out = String::new();
                encode(&mut out, char::from(*byte).encode_utf8(&mut [0; 4]), set);
                assert!(out.len() == 1 || out == format!("%{byte:02X}"), "{out}");
                out.len() == 1
            };
            (0..128u8).filter(is_plain).map(char::from).filter(|one| !one.is_ascii_alphanumeric()).collect()
        };
        assert_eq!(plain(ENTRY), " !\"#$&'()*+,-./:;<=>?@[\\]_`{}~");
        assert_eq!(plain(SELECTING), " *,-./:;_~");
        assert_eq!(plain(QUERY_VALUE), "-._~");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut out = String::new();
        encode(&mut out, "a|b^c%7C é\n", ENTRY);
        assert_eq!(out, "a%7Cb%5Ec%257C %C3%A9%0A");
        assert_eq!(decode(&out), "a|b^c%7C é\n");
    }
}
