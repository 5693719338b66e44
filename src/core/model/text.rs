//! Writing short texts. The machinery of `format!` costs more in Wasm than all else that a request needs written, so what
//! every request writes is written with these.

/// Adds a number in digits.
pub fn number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Adds a number in sixteen hexadecimal digits.
pub fn hex(text: &mut String, number: u64) {
    let mut digits = [0; 16];
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        let value = (number >> (at * 4)).to_le_bytes()[0] & 0xf;
        *digit = value + if value < 10 { b'0' } else { b'a' - 10 };
    }
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// Whether a text came from bytes that no text can hold: the platform shows U+FFFD in their place.
#[must_use]
pub fn is_unread(text: &str) -> bool {
    // Its first byte begins few other characters, and none of what fields usually hold.
    text.as_bytes().contains(&0xef) && text.contains(char::REPLACEMENT_CHARACTER)
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
    fn numbers_are_what_format_makes_of_them() {
        for one in [0, 7, 10, 255, 1_000_000, u64::MAX] {
            let (mut decimal, mut hex) = (String::new(), String::new());
            crate::model::text::number(&mut decimal, one);
            crate::model::text::hex(&mut hex, one);
            assert_eq!((decimal, hex), (one.to_string(), format!("{one:016x}")));
        }
    }
}
