//! Dates of HTTP (RFC 9110 section 5.6.7).

use crate::{
    http::syntax::trim,
    model::{text, time::Timestamp},
};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
const DAY: u64 = 24 * 3600;
/// The last day of which there is a date, in 9999.
const LAST: u64 = 2_932_896;

/// What follows the day of the week, in each of the three forms: `D` day, `N` month, `Y` year, `h`, `i`, `s` time, one for each
/// letter; `B` is a digit or a blank. All else is itself.
const USUAL: &[u8] = b", DD NNN YYYY hh:ii:ss GMT";
const OF_RFC_850: &[u8] = b", DD-NNN-YY hh:ii:ss GMT";
const OF_C: &[u8] = b" NNN BD hh:ii:ss YYYY";

/// A date in one of the three forms and in no other; letters in any case, and a day of the week that is another one (RFC 9111 section 4.2
/// wants the former, RFC 9110 section 5.6.7 asks for robust reading).
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    let text = trim(text);
    let (name, rest) = text.split_at_checked(text.find(|letter: char| !letter.is_ascii_alphabetic())?)?;
    let is_short = name.len() == 3;
    let of_day = |day: &&'static str| if is_short { day.get(..3) } else { Some(*day) };
    DAYS.iter().filter_map(of_day).find(|day| day.eq_ignore_ascii_case(name))?;
    let layouts: &[&[u8]] = if is_short { &[USUAL, OF_C] } else { &[OF_RFC_850] };
    layouts.iter().find_map(|layout| laid_out(rest.as_bytes(), layout))
}

fn laid_out(bytes: &[u8], layout: &[u8]) -> Option<Timestamp> {
    if bytes.len() != layout.len() {
        return None;
    }
    let (mut day, mut year, mut hour, mut minute, mut second) = (0, 0, 0, 0, 0);
    let name = layout.iter().position(|place| *place == b'N').and_then(|at| bytes.get(at..at + 3))?;
    let month = MONTHS.as_bytes().chunks_exact(3).position(|month| month.eq_ignore_ascii_case(name))? as u64 + 1;
    for (byte, place) in bytes.iter().zip(layout) {
        let number = match place {
            b'D' | b'B' => &mut day,
            b'Y' => &mut year,
            b'h' => &mut hour,
            b'i' => &mut minute,
            b's' => &mut second,
            b'N' => continue,
            itself if byte.eq_ignore_ascii_case(itself) => continue,
            _ => return None,
        };
        let digit = match (byte, place) {
            (b' ', b'B') => 0,
            (b'0'..=b'9', _) => u64::from(byte - b'0'),
            _ => return None,
        };
        *number = *number * 10 + digit;
    }
    let year = match year {
        0..70 if layout == OF_RFC_850 => year + 2000,
        70..100 if layout == OF_RFC_850 => year + 1900,
        _ => year,
    };
    let (first, next) = (days(year, month)?, days(year, month + 1)?);
    let exists = day >= 1 && day <= next - first && hour < 24 && minute < 60 && second <= 60;
    exists.then(|| Timestamp(((first + day - 1) * DAY + hour * 3600 + minute * 60 + second) * 1000))
}

/// The days from 1970 to the first of a month; the thirteenth is January. None before 1970. (H. Hinnant, "chrono-compatible low-level
/// date algorithms".)
fn days(year: u64, month: u64) -> Option<u64> {
    let (year, month) = if month <= 2 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5).checked_sub(719_468)
}

/// The date in the form that is to be sent.
#[must_use]
pub fn written(at: Timestamp) -> String {
    let mut field = String::with_capacity(29);
    write(&mut field, at);
    field
}

/// Adds it.
pub fn write(field: &mut String, at: Timestamp) {
    let (day, second) = ((at.0 / 1000 / DAY).min(LAST), at.0 / 1000 % DAY);
    let name = DAYS.get((day as usize + 4) % 7).and_then(|name| name.get(..3)).unwrap_or_default();
    // Each year has 365 days at least, and in each month that begins no later there is none that begins after it.
    let is_past = |year, month| days(year, month).is_some_and(|first| first > day);
    let mut year = 1970 + day / 366;
    while !is_past(year + 1, 1) {
        year += 1;
    }
    let month = (1..=12).take_while(|month| !is_past(year, *month)).last().unwrap_or(1);
    let end = month as usize * 3;
    text::all(field, &[name, ", "]);
    two(field, day - days(year, month).unwrap_or_default() + 1);
    text::all(field, &[" ", MONTHS.get(end - 3..end).unwrap_or_default(), " "]);
    text::number(field, year);
    for (number, mark) in [(second / 3600, " "), (second / 60 % 60, ":"), (second % 60, ":")] {
        field.push_str(mark);
        two(field, number);
    }
    field.push_str(" GMT");
}

fn two(field: &mut String, number: u64) {
    text::number(field, number / 10);
    text::number(field, number % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_in_any_case_and_with_any_day_of_the_week() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "SUN, 06 NOV 1994 08:49:37 gMT",
            "Thu, 06 nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "monday, 06-NOV-94 08:49:37 Gmt",
            "Sun Nov  6 08:49:37 1994",
            "thu Nov 06 08:49:37 1994",
            "\tSun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(read(text), Some(Timestamp(784_111_777_000)), "{text}");
        }
        assert_eq!(read("Monday, 06-Nov-69 08:49:37 GMT").map(|at| at.0 / 1000), Some(3_150_953_377));
    }

    #[test]
    fn nothing_else_is_a_date() {
        for text in [
            "",
            "0",
            "-1",
            "tomorrow",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun,  6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06  Nov 1994 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sol, 06 Nov 1994 08:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 29 Feb 1995 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "é, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_what_others_write_and_read() {
        let days = (0..60_000u64).map(|day| Timestamp((day * DAY + day * 7919 % DAY) * 1000 + 999));
        for at in days {
            let text = written(at);
            let theirs = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at.0 / 1000);
            assert_eq!(text, httpdate::fmt_http_date(theirs));
            assert_eq!(read(&text), Some(Timestamp(at.0 / 1000 * 1000)));
        }
    }
}
