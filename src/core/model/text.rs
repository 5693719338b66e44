//! Writing short texts. The machinery of `format!` costs more in Wasm than all else that a request needs written, so what
//! every request writes is written with these.

/// Adds a number in digits.
pub fn number(text: &mut String, number: u64) {
    match u8::try_from(number) {
        Ok(digit @ 0..10) => text.push(char::from(b'0' + digit)),
        _ => text.push_str(itoa::Buffer::new().format(number)),
    }
}

/// Adds a number in sixteen hexadecimal digits.
pub fn hex(text: &mut String, number: u64) {
    for half in [number >> 32, number & 0xffff_ffff] {
        text.push_str(std::str::from_utf8(&eight(half).to_be_bytes()).unwrap_or_default());
    }
}

/// Eight hexadecimal digits of half a number, a byte each, made all at once: what a loop does sixteen times.
fn eight(half: u64) -> u64 {
    let mut digits = half;
    for (by, mask) in [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)] {
        digits = (digits | digits << by) & mask;
    }
    // From ten on they reach into the upper half of their byte if six is added; letters begin 39 places behind the digits' end.
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    digits + 0x3030_3030_3030_3030 + letters * 39
}

/// Whether a text came from bytes that no text can hold: the platform shows U+FFFD in their place.
#[must_use]
pub fn is_unread(text: &str) -> bool {
    // Its first byte begins few other characters, and none of what fields usually hold.
    text.as_bytes().contains(&0xef) && text.contains(char::REPLACEMENT_CHARACTER)
}

/// What stands before the first of that byte, of ASCII, and what behind it. Most texts are short: a plain loop finds an end sooner than what is
/// made for long ones.
#[must_use]
pub fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|other| other == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether these two stand beside each other: of all ways to look for them it takes the least.
pub(crate) fn has_pair(text: &str, pair: [u8; 2]) -> bool {
    text.as_bytes().windows(2).any(|two| two == pair)
}

/// Adds several texts. A single byte is written by itself: in Wasm each copy of bytes is a call out of it.
pub fn all(text: &mut String, parts: &[&str]) {
    for part in parts {
        match part.as_bytes() {
            [one] => text.push(char::from(*one)),
            _ => text.push_str(part),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_is_split_as_the_library_splits_it() {
        for text in ["", ":", "a:b", "a:b:c", "é:é", "none"] {
            assert_eq!(crate::model::text::split_once(text, b':'), text.split_once(':'), "{text}");
        }
    }

    #[test]
    fn numbers_are_what_format_makes_of_them() {
        for one in [0, 7, 9, 10, 255, 1_000_000, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            let (mut decimal, mut hex) = (String::new(), String::new());
            crate::model::text::number(&mut decimal, one);
            crate::model::text::hex(&mut hex, one);
            assert_eq!((decimal, hex), (one.to_string(), format!("{one:016x}")));
        }
    }
}
