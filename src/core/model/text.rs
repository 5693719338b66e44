//! Writing short texts. The machinery of `format!` costs more in Wasm than all else that a request needs written, so what
//! every request writes is written with these.

/// Adds a number in digits.
pub fn number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Adds a number in sixteen hexadecimal digits.
pub fn hex(text: &mut String, number: u64) {
    for place in (0..16).rev() {
        text.push(digit((number >> (place * 4)) & 0xf));
    }
}

/// Adds several texts.
pub fn all(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

fn digit(value: u64) -> char {
    u32::try_from(value).ok().and_then(|value| char::from_digit(value, 16)).unwrap_or('0')
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
