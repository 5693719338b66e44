//! Positions of which nobody has said what they are: decimal numbers, `16/B374D848`, or text that sorts.

/// What `Homing-Position` says of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) position: String,
    pub(super) least: Option<String>,
    pub(super) shows: Option<String>,
}

/// Reads `catalog=42; least=41; shows=17`; the order of the parameters does not matter, and others are not looked at.
pub(super) fn read(header: &str, dataset: &str) -> Result<Said, String> {
    let mut parts = header.split(';').map(str::trim);
    let position = parts.next().and_then(|part| part.strip_prefix(dataset)?.strip_prefix('='));
    let position = position.filter(|position| value(position).is_some()).map(str::to_owned);
    let position = position.ok_or_else(|| format!("it is {header:?}; expected {dataset}=POSITION"))?;
    let (mut least, mut shows) = (None, None);
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("it is {header:?}; expected NAME=VALUE behind each semicolon"));
        };
        match name {
            "least" if reaches(&position, value) => least = Some(value.to_owned()),
            "least" => return Err(format!("it is {header:?}; expected a least= that is not beyond the position")),
            "shows" => shows = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(Said { position, least, shows })
}

/// Whether one position is as far as another. What cannot be compared is not.
pub(super) fn reaches(at: &str, wanted: &str) -> bool {
    matches!((value(at), value(wanted)), (Some(at), Some(wanted)) if at.0 == wanted.0 && at >= wanted)
}

/// A position that no log will come to.
pub(super) fn far_beyond(position: &str) -> String {
    match value(position) {
        Some((Kind::Number, number)) => (number + 1_000_000_000_000).to_string(),
        Some((Kind::Lsn, _)) => "FFFFFFFF/0".to_owned(),
        _ => position.chars().map(|letter| if letter.is_ascii_hexdigit() { 'f' } else { letter }).collect(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Kind {
    Number,
    Lsn,
    Clock,
}

fn value(text: &str) -> Option<(Kind, u128)> {
    let hex = |text: &str| u128::from_str_radix(text, 16).ok();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((Kind::Number, text.parse().ok()?));
    }
    if let Some((high, low)) = text.split_once('/') {
        return Some((Kind::Lsn, hex(high)? << 32 | hex(low)?));
    }
    let digits: String = text.split('-').collect();
    (text.contains('-') && digits.len() <= 32).then(|| Some((Kind::Clock, hex(&digits)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_and_compared() {
        let said = |position: &str, least: Option<&str>, shows: Option<&str>| {
            let [least, shows] = [least, shows].map(|at| at.map(str::to_owned));
            Ok(Said { position: position.to_owned(), least, shows })
        };
        assert_eq!(read("catalog=42; least=41", "catalog"), said("42", Some("41"), None));
        assert_eq!(read("catalog=42;shows=0; most=99; least=41", "catalog"), said("42", Some("41"), Some("0")));
        assert_eq!(read("catalog=16/B374D848", "catalog"), said("16/B374D848", None, None));
        for bad in ["catalog=", "cart=1", "42", "catalog=41; least=42", "catalog=1; most", "catalog=16/B; least=9"] {
            assert!(read(bad, "catalog").is_err(), "{bad}");
        }
        assert!(reaches("10", "9") && !reaches("9", "10") && reaches("1/0", "0/F") && !reaches("1/0", "1"));
        for position in ["42", "16/B374D848", "01a20df0cca3-0000-42a60d11"] {
            assert!(
                reaches(&far_beyond(position), position) && !reaches(position, &far_beyond(position)),
                "{position}"
            );
        }
    }
}
