//! The entry that the edge stores under one key: the variants of one resource, each with its metadata, as one line of text.
//!
//! Variants are joined by `^`, the newest first, and their fields by `|`; text in a field has `%`, `|`, `^` and what is no
//! printable ASCII as `%XX`. The first part is the format. An entry that cannot be read is a miss. The edge may cut the last variants off.

use std::{borrow::Cow, fmt::Write, time::Duration};

use super::freshness::Reuse;
use crate::{cache::slice::Slice, http::answer::is_failure};
use crate::{
    http::percent,
    model::{
        epoch::Epoch,
        time::{Timestamp, millis},
    },
    ownership::stated::Shows,
};

/// The field under which an entry's text is stored; it never leaves the edge.
pub const ENTRY: &str = "homing-entry";
/// The format of entries: the first part of their text, and the end of their keys, so that two versions of the router that run at
/// the same time never read or overwrite each other's.
pub const FORMAT: &str = "2";
/// The most variants of one resource; the oldest go first.
pub const MOST_VARIANTS: usize = 8;
/// The longest text of an entry.
const LONGEST: usize = 16 * 1024;

/// What is known of one stored response. Its other header fields and its body lie with the edge's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant<'a> {
    /// The request fields that its `Vary` names, with their values; see [`super::vary`]. Empty without `Vary`.
    pub selecting: Cow<'a, str>,
    /// Its status.
    pub status: u16,
    /// What its body is, where that is a part of the whole. A 206 without it is an answer to its own `Range` alone.
    pub part: Option<Slice>,
    /// When the request was sent that made or last confirmed it, less the age that it had: nothing committed later can be missing from a
    /// later stored response.
    pub made: Timestamp,
    /// When the response came.
    pub came: Timestamp,
    /// How old it was then (RFC 9111 section 4.2.3: `corrected_initial_age`).
    pub age: Duration,
    /// How old it may become and still be fresh.
    pub fresh: Duration,
    /// How long after that it may be used while a new one is fetched (RFC 5861 section 3).
    pub while_revalidate: Duration,
    /// How long after that it may be used when the origin fails, where it says so (RFC 5861 section 4).
    pub if_error: Option<Duration>,
    /// Whether it may be used at all once it has expired.
    pub reuse: Reuse,
    /// The region that made or last confirmed it.
    pub region: Cow<'a, str>,
    /// The generation of the ownership under which that was.
    pub epoch: Epoch,
    /// What it shows of the dataset, where its origin says that (`Homing-Position`): of its owner's log, or of each of several.
    pub shows: Vec<Shows>,
    /// Header fields that the rules of caching need.
    pub kept: StoredFields<'a>,
    /// The cookies that it sets, a line each, where its route says that they are for all; the store would keep nothing that sets one.
    pub cookies: Cow<'a, str>,
}

/// Header fields of a stored response that the rules of caching need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFields<'a>(pub [Option<Cow<'a, str>>; KEPT.len()]);

/// Their names. The store would take some of them for its own: [`super::storing`] says which it does not see, and they are given back with
/// each answer, but for those that are for caches here alone.
pub const KEPT: [&str; 10] = [
    "cache-control",
    "cdn-cache-control",
    "etag",
    "last-modified",
    "date",
    "expires",
    "content-encoding",
    "content-language",
    "cloudflare-cdn-cache-control",
    "surrogate-control",
];

impl StoredFields<'_> {
    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value)
    }

    /// The fields that there are.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KEPT.iter().zip(&self.0).filter_map(|(name, value)| Some((*name, value.as_deref()?)))
    }
}

impl Variant<'_> {
    /// Its age now (RFC 9111 section 4.2.3: `current_age`).
    #[must_use]
    pub fn current_age(&self, now: Timestamp) -> Duration {
        self.age.saturating_add(now.since(self.came))
    }

    /// Whether the origin can be asked if it still holds. Nobody wants a failure confirmed, and while one lies there no other is stored.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        !is_failure(self.status) && (self.kept.get("etag").is_some() || self.kept.get("last-modified").is_some())
    }

    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Variant<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Variant {
            selecting: owned(self.selecting),
            region: owned(self.region),
            kept: StoredFields(self.kept.0.map(|value| value.map(owned))),
            cookies: owned(self.cookies),
            ..self
        }
    }

    fn write(&self, text: &mut String) {
        let reuse = match self.reuse {
            Reuse::Allowed => 'a',
            Reuse::ByWord => 'w',
            Reuse::Never => 'n',
            Reuse::Validated => 'v',
        };
        let (age, fresh, during) = (millis(self.age), millis(self.fresh), millis(self.while_revalidate));
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, "{}|{}", self.selecting, self.status);
        if let Some(Slice { from, length, whole }) = self.part {
            // No number: who does not know of parts cannot read the entry, and so takes none for the whole.
            let _ = write!(text, ":{from}:{length}:{whole}");
        }
        let _ = write!(text, "|{}|{}|{age}|{fresh}|{during}|", self.made.0, self.came.0);
        if let Some(span) = self.if_error {
            let _ = write!(text, "{}", millis(span));
        }
        let shows = Shows::write_all(&self.shows);
        let _ = write!(text, "|{reuse}|{}|{}|{shows}", self.region, self.epoch.0);
        for value in &self.kept.0 {
            text.push('|');
            if let Some(value) = value {
                percent::encode(text, value, percent::ENTRY);
            }
        }
        if !self.cookies.is_empty() {
            text.push('|');
            percent::encode(text, &self.cookies, percent::ENTRY);
        }
    }

    fn read(text: &str) -> Option<Variant<'_>> {
        let mut fields = text.split('|');
        let selecting = Cow::Borrowed(fields.next()?);
        let (status, part) = status_and_part(fields.next()?)?;
        let mut number = || fields.next()?.parse().ok();
        let (made, came) = (Timestamp(number()?), Timestamp(number()?));
        let mut span = || number().map(Duration::from_millis);
        let (age, fresh, while_revalidate) = (span()?, span()?, span()?);
        let if_error = match fields.next()? {
            "" => None,
            span => Some(Duration::from_millis(span.parse().ok()?)),
        };
        let reuse = match fields.next()? {
            "a" => Reuse::Allowed,
            "w" => Reuse::ByWord,
            "n" => Reuse::Never,
            "v" => Reuse::Validated,
            _ => return None,
        };
        let region = Cow::Borrowed(fields.next()?);
        let epoch = Epoch(fields.next()?.parse().ok()?);
        let shows = Shows::read_all(fields.next()?)?;
        let mut value = || Some(fields.next()?).map(|text| (!text.is_empty()).then(|| percent::decode(text)));
        let mut kept = StoredFields::default();
        for place in &mut kept.0 {
            *place = value()?;
        }
        let cookies = fields.next().map(percent::decode).unwrap_or_default();
        Some(Variant {
            selecting,
            status,
            part,
            made,
            came,
            age,
            fresh,
            while_revalidate,
            if_error,
            reuse,
            region,
            epoch,
            shows,
            kept,
            cookies,
        })
    }
}

/// `200`, or `206:FROM:LENGTH:WHOLE`.
fn status_and_part(text: &str) -> Option<(u16, Option<Slice>)> {
    let Some((status, part)) = text.split_once(':') else { return Some((text.parse().ok()?, None)) };
    let mut numbers = part.split(':').map(|number| number.parse().ok());
    let part = Slice { from: numbers.next()??, length: numbers.next()??, whole: numbers.next()?? };
    (status == "206" && part.is_within()).then_some((206, Some(part)))
}

/// The variants of an entry, the newest first.
#[must_use]
pub fn read(text: &str) -> Option<Vec<Variant<'_>>> {
    let mut parts = text.split('^');
    if parts.next()? != FORMAT {
        return None;
    }
    parts.map(Variant::read).collect()
}

/// Whether the body of a variant is coded, so that not every client can decode it.
#[must_use]
pub fn is_coded(text: &str) -> bool {
    read(text).unwrap_or_default().iter().any(|variant| variant.kept.get("content-encoding").is_some())
}

/// The text of an entry: one variant, and those of the held that go on, by their places, as far as there is room.
#[must_use]
pub fn write(first: &Variant<'_>, held: &[Variant<'_>], on: &[usize]) -> (String, Vec<usize>) {
    let mut text = format!("{FORMAT}^");
    first.write(&mut text);
    let mut kept = Vec::new();
    for (place, variant) in on.iter().filter_map(|place| Some((*place, held.get(*place)?))) {
        let length = text.len();
        text.push('^');
        variant.write(&mut text);
        if kept.len() + 1 >= MOST_VARIANTS || text.len() > LONGEST {
            text.truncate(length);
            break;
        }
        kept.push(place);
    }
    (text, kept)
}

#[cfg(test)]
impl Variant<'static> {
    /// A whole response of the beginning of time that is not fresh, and has kept these fields.
    pub(crate) fn with(fields: &[(&str, &'static str)]) -> Self {
        let value = |name: &str| fields.iter().find(|(kept, _)| *kept == name).map(|(_, value)| (*value).into());
        Self {
            selecting: "".into(),
            status: 200,
            part: None,
            made: Timestamp(0),
            came: Timestamp(0),
            age: Duration::ZERO,
            fresh: Duration::ZERO,
            while_revalidate: Duration::ZERO,
            if_error: None,
            reuse: Reuse::Allowed,
            region: "eu".into(),
            epoch: Epoch::FIRST,
            shows: Vec::new(),
            kept: StoredFields(KEPT.map(value)),
            cookies: "".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(selecting: &'static str, etag: &'static str) -> Variant<'static> {
        let span = Duration::from_millis;
        let mut kept = StoredFields::default();
        kept.0[0] = Some("max-age=2, x=\"a|b^c%7C\"".into());
        kept.0[2] = Some(etag.into());
        Variant {
            selecting: selecting.into(),
            made: Timestamp(1000),
            came: Timestamp(1200),
            age: span(500),
            fresh: span(2000),
            reuse: Reuse::Never,
            epoch: Epoch(7),
            shows: Shows::read_all("us:7:9:-").unwrap(),
            kept,
            ..Variant::with(&[])
        }
    }

    #[test]
    fn an_entry_is_coded_if_a_variant_is() {
        let coded = |coding: Option<&'static str>| {
            let kept = KEPT.map(|name| coding.filter(|_| name == "content-encoding").map(Into::into));
            Variant { kept: StoredFields(kept), ..variant("", "\"1\"") }
        };
        let text = |first: &Variant<'_>, other: &Variant<'_>| write(first, std::slice::from_ref(other), &[0]).0;
        let (gzip, plain) = (coded(Some("gzip")), coded(None));
        assert!(is_coded(&text(&gzip, &plain)) && is_coded(&text(&plain, &gzip)));
        assert!(!is_coded(&text(&plain, &plain)) && !is_coded("nothing that can be read"));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let of_two = Shows::read_all("us:2:9:7,eu:2:4:-").unwrap();
        let held = [
            variant("accept-language=de", "\"é\""),
            Variant { shows: of_two, ..variant("accept-language=en", "\"2\"") },
        ];
        let first = variant("foo", "\"\u{1}\"");
        let (text, kept) = write(&first, &held, &[0, 1]);
        assert!(text.is_ascii() && !text.contains(char::is_control), "a header field must hold it: {text}");
        assert_eq!(kept, [0, 1]);
        let read = read(&text).unwrap();
        assert_eq!(read, [first, held[0].clone(), held[1].clone()]);
        assert_eq!(read[0].current_age(Timestamp(2200)), Duration::from_millis(1500));
        assert_eq!((read[0].kept.get("etag"), read[0].kept.get("date")), (Some("\"\u{1}\""), None));
    }

    #[test]
    fn a_part_and_cookies_are_read_as_they_were_written() {
        let part = Some(Slice { from: 4, length: 5, whole: 10 });
        let first = Variant { status: 206, part, cookies: "a=\"|^%\"; Path=/\nb=é".into(), ..variant("", "\"1\"") };
        let (text, _) = write(&first, &[variant("foo=1", "\"2\"")], &[0]);
        assert!(text.is_ascii() && !text.contains(char::is_control), "a header field must hold it: {text}");
        assert_eq!(read(&text), Some(vec![first, variant("foo=1", "\"2\"")]));
        // A version that knows of no parts takes the status for a number: to it the entry is a miss, and never the whole.
        assert!("206:4:5:10".parse::<u16>().is_err() && text.contains("|206:4:5:10|"));
        for broken in [
            "206:4:5",
            "206:4:5:8",
            "206:4:0:10",
            "200:4:5:10",
            "206:a:5:10",
            "206:18446744073709551615:2:18446744073709551615",
        ] {
            assert_eq!(read(&text.replace("206:4:5:10", broken)), None, "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let (text, _) = write(&variant("", "\"1\""), &[], &[]);
        assert!(read(&text).is_some());
        for broken in ["", "2", "1^", "2^a|b", &text[..text.len() - 60], &text.replace("|n|", "|q|")] {
            assert!(read(broken).is_none_or(|variants| variants.is_empty()), "{broken}");
        }
    }

    #[test]
    fn an_entry_is_bounded() {
        let held: Vec<_> = (0..20).map(|_| variant("foo=1", "\"1\"")).collect();
        let on: Vec<_> = (0..20).collect();
        let (text, kept) = write(&variant("", "\"1\""), &held, &on);
        assert_eq!((kept.len() + 1, read(&text).unwrap().len()), (MOST_VARIANTS, MOST_VARIANTS));
        let long: &'static str = "x".repeat(10_000).leak();
        let (text, kept) = write(&variant("", long), &[variant("", long)], &[0]);
        assert!(kept.is_empty() && read(&text).unwrap().len() == 1);
    }
}
