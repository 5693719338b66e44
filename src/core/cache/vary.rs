//! Variants: which request fields select a response, in normal form (RFC 9111 section 4.1).
//!
//! A variant's selecting fields stand in its metadata as `name=value`, joined by `&`, names in lower case and sorted. A field
//! that the request did not have stands without `=`. Whatever in a value is not plain stands as `%XX`; long values and secret
//! ones stand as their hash.

use std::{
    cell::{OnceCell, RefCell},
    collections::BinaryHeap,
    fmt::Write,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::coding::Coding;
use crate::{
    http::{
        believed::is_same,
        cookies::Cookies,
        headers::{Headers, MOST_MEMBERS},
        percent,
        syntax::trim,
    },
    model::ranked::ranked,
};

/// Longer values stand as their hash.
const LONGEST_PLAIN: usize = 96;

/// A request's header fields, kept for the sake of `Vary`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectingFields {
    /// Names and values in turn, each ended by a newline.
    text: String,
    /// What it says of languages, read when somebody asks for the first time.
    languages: OnceCell<Languages>,
}

impl SelectingFields {
    /// The fields of a request. Of its cookies those that the origin gets.
    #[must_use]
    pub fn of(headers: &Headers<'_>, cookies: &Cookies<'_>) -> Self {
        let mut text = String::with_capacity(headers.0.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        let mut add = |name: &str, value: &str| {
            for part in [name, value] {
                text.push_str(part);
                text.push('\n');
            }
        };
        headers.0.iter().filter(|(name, _)| *name != "cookie").for_each(|(name, value)| add(name, value));
        let cookies = cookies.of_application();
        if !cookies.is_empty() {
            add("cookie", &cookies);
        }
        Self { text, languages: OnceCell::new() }
    }

    /// The lines of a field, under every name that the origin may take for this one.
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let mut lines = self.text.split('\n');
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
            .filter(move |(field, _)| is_same(field, name))
            .map(|(_, value)| value)
    }

    /// The values of a field in normal form: lines joined, spaces around commas gone (RFC 9111 section 4.1).
    fn normal(&self, name: &str, coding: Coding) -> Option<String> {
        if name == "accept-encoding" {
            // What the origin was asked for, and so all that it can have chosen by.
            return Some(coding.field().to_owned());
        }
        self.all(name).next()?;
        Some(match name {
            "accept-language" => self.languages().normal.clone(),
            "cookie" => self.all(name).collect(),
            _ => joined(self.all(name)),
        })
    }

    fn languages(&self) -> &Languages {
        self.languages.get_or_init(|| Languages::of(&joined(self.all("accept-language"))))
    }
}

/// The names of a response's selecting fields, sorted. None: nothing that a request says can select it again (`*`, or no name), or
/// there are more than anybody needs, and each look at the stored response would cost as much.
#[must_use]
pub fn selecting_names(headers: &Headers<'_>) -> Option<Vec<String>> {
    let names: Vec<_> = headers.list("vary").take(MOST_MEMBERS + 1).map(str::to_ascii_lowercase).collect();
    // Whatever else stands in a name would be taken for a border of the entry's text.
    let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if names.len() > MOST_MEMBERS || !names.iter().all(plain) {
        return None;
    }
    Some(each_once(names))
}

/// The fields by which a request proves who asks; see [`names_of_personal`].
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// The names of a personal response's selecting fields, sorted: its own, and the credentials always, as if its `Vary` named them. So
/// a client that knows a subject's name, or carries its session, but not what its origin goes by, is shown nothing.
#[must_use]
pub fn names_of_personal(mut names: Vec<String>) -> Vec<String> {
    names.extend(CREDENTIALS.map(str::to_owned));
    each_once(names)
}

/// The names of the selecting fields, sorted, of an answer to a range of which nobody can say what part it is: as if its `Vary` named
/// the fields that ask for one.
#[must_use]
pub fn names_of_ranged(mut names: Vec<String>) -> Vec<String> {
    names.extend(["if-range", "range"].map(str::to_owned));
    each_once(names)
}

fn each_once(names: Vec<String>) -> Vec<String> {
    let mut names = ranked(names, |one, other| one < other);
    names.dedup();
    names
}

/// Whether a stored response answers only the credentials that it was made with.
#[must_use]
pub fn is_bound_to_credentials(stored: &str) -> bool {
    let named = |name: &str| stored.split('&').any(|field| field.split('=').next() == Some(name));
    CREDENTIALS.iter().all(|name| named(name))
}

/// What a request selects by. A field is brought into its normal form once, however many variants are compared with it.
pub struct Selector<'f> {
    fields: &'f SelectingFields,
    coding: Coding,
    /// Names, and how they stand in metadata with the request's values.
    seen: RefCell<Vec<(String, String)>>,
}

impl<'f> Selector<'f> {
    /// That of a request.
    #[must_use]
    pub fn of(fields: &'f SelectingFields, coding: Coding) -> Self {
        Self { fields, coding, seen: RefCell::default() }
    }

    /// The selecting fields of that name with the request's values, as they stand in metadata.
    #[must_use]
    pub fn selecting(&self, names: &[String]) -> String {
        let each = names.iter().map(|name| self.with(name, str::to_owned));
        each.fold(String::new(), |mut text, one| {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&one);
            text
        })
    }

    /// Whether the request selects the variant that was stored with these selecting fields, in that language.
    #[must_use]
    pub fn selects(&self, stored: &str, language: Option<&str>) -> bool {
        stored.is_empty()
            || stored.split('&').all(|stored| {
                let (name, _) = stored.split_once('=').unwrap_or((stored, ""));
                self.with(name, |asked| asked == stored)
                    || (name == "accept-language" && self.fields.languages().prefer(language))
            })
    }

    /// Calls `what` with a name and the request's value, as they stand in metadata.
    fn with<T>(&self, name: &str, what: impl FnOnce(&str) -> T) -> T {
        let mut seen = self.seen.borrow_mut();
        if let Some((_, text)) = seen.iter().find(|(known, _)| known == name) {
            return what(text);
        }
        let mut text = name.to_owned();
        if let Some(value) = self.fields.normal(name, self.coding) {
            text.push('=');
            plain_or_hashed(&mut text, name, &value);
        }
        let result = what(&text);
        seen.push((name.to_owned(), text));
        result
    }
}

/// Lines as one, without blanks around commas.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| line.split(',')).map(trim).fold(String::new(), |mut all, member| {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(member);
        all
    })
}

/// What a request says of languages (RFC 9110 section 12.5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Languages {
    /// The ranges with their weights, the most wanted first; of more than anybody speaks, the hash of the field as it stands.
    normal: String,
    /// The range that is wanted more than every other, in lower case.
    favourite: Option<String>,
}

impl Languages {
    fn of(field: &str) -> Self {
        #[cfg(test)]
        tests::READ.with(|read| read.set(read.get() + 1));
        if field.split(',').nth(MOST_MEMBERS).is_some() {
            let normal = format!("#{}", URL_SAFE_NO_PAD.encode(Sha256::digest(field)));
            return Self { normal, favourite: None };
        }
        let ranges = languages(field.split(','));
        // Writing to a String cannot fail, here and below.
        let normal = ranges.iter().fold(String::new(), |mut all, (weight, range)| {
            let _ = write!(all, "{range}:{weight},");
            all
        });
        let favourite = match (ranges.first(), ranges.get(1)) {
            (Some((best, range)), second) if second.is_none_or(|(next, _)| next < best) => Some(range.clone()),
            _ => None,
        };
        Self { normal, favourite }
    }

    /// Whether that language is wanted most of all. An origin that has it, as it has shown, can choose no better (RFC 9111
    /// section 4.1 allows matching by what is known of the field's meaning).
    fn prefer(&self, language: Option<&str>) -> bool {
        let Some((language, favourite)) = language.zip(self.favourite.as_deref()) else { return false };
        trim(language).eq_ignore_ascii_case(favourite)
    }
}

/// Language ranges with their weights in thousandths, the most wanted first, equals in alphabetical order
/// (RFC 9110 section 12.5.4); what is refused by a weight of zero is left out.
fn languages<'a>(members: impl Iterator<Item = &'a str>) -> Vec<(u16, String)> {
    let ranges: BinaryHeap<_> = members
        .filter_map(|member| {
            let (range, weight) = member.split_once(';').unwrap_or((member, ""));
            let weight = trim(weight).strip_prefix("q=").map_or(Some(1000), thousandths)?;
            let range = trim(range).to_ascii_lowercase();
            (weight > 0 && !range.is_empty()).then_some((1000 - weight.min(1000), range))
        })
        .collect();
    // As a heap: of all ways to put so many in order it takes the least Wasm.
    ranges.into_sorted_vec().into_iter().map(|(below, range)| (1000 - below, range)).collect()
}

/// `0.8` is 800 (RFC 9110 section 12.4.2: from 0 to 1, of three decimals at most; what is more exact is cut off).
fn thousandths(weight: &str) -> Option<u16> {
    let weight = trim(weight);
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = decimals.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = digits.fold(0, |part, digit| part * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

fn plain_or_hashed(text: &mut String, name: &str, value: &str) {
    if value.len() > LONGEST_PLAIN || matches!(name, "cookie" | "authorization") {
        text.push('#');
        URL_SAFE_NO_PAD.encode_string(Sha256::digest(value), text);
        return;
    }
    percent::encode(text, value, percent::SELECTING);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn fields(of: &[(&str, &str)]) -> SelectingFields {
        let headers = Headers(of.to_vec());
        SelectingFields::of(&headers, &Cookies::of(&headers))
    }

    fn names(vary: &[&str]) -> Option<Vec<String>> {
        selecting_names(&Headers(vary.iter().map(|line| ("vary", *line)).collect()))
    }

    thread_local! {
        /// How often languages were read.
        pub(super) static READ: Cell<usize> = const { Cell::new(0) };
    }

    fn selecting(names: &[String], fields: &SelectingFields, coding: Coding) -> String {
        Selector::of(fields, coding).selecting(names)
    }

    fn selects(stored: &str, language: Option<&str>, fields: &SelectingFields, coding: Coding) -> bool {
        Selector::of(fields, coding).selects(stored, language)
    }

    /// Whether what was stored for one request is selected by another.
    fn same(vary: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
        let stored = selecting(&names(&[vary]).unwrap(), &fields(one), Coding::Gzip);
        selects(&stored, None, &fields(other), Coding::Gzip)
    }

    #[test]
    fn a_star_selects_nothing_wherever_it_stands() {
        for lines in [&["*"][..], &["*, *"], &["", "*"], &["Foo, *"], &["*", "Foo"]] {
            assert_eq!(names(lines), None, "{lines:?}");
        }
        for lines in [&["a|b"][..], &["a, x^y"], &["a&b"], &["a=b"], &["é"]] {
            assert_eq!(names(lines), None, "{lines:?}");
        }
        assert_eq!(names(&["Foo, bar", "FOO"]), Some(vec!["bar".to_owned(), "foo".to_owned()]));
    }

    #[test]
    fn a_variant_is_selected_by_the_same_values_only() {
        // RFC 9111 section 4.1.
        assert!(same("Foo", &[("foo", "1"), ("other", "2")], &[("foo", "1"), ("other", "3")]));
        assert!(!same("Foo", &[("foo", "1")], &[("foo", "2")]));
        assert!(!same("Foo", &[("foo", "1")], &[]) && !same("Foo", &[], &[("foo", "1")]));
        assert!(same("Foo, Bar", &[("foo", "1")], &[("foo", "1")]), "both lack the same");
        assert!(same("Foo", &[("foo", "1,2")], &[("foo", " 1"), ("foo", "2 ")]), "lines and spaces do not count");
        assert!(!same("Foo", &[("foo", "1&bar=2")], &[("foo", "1")]));
        let long = "x".repeat(500);
        assert!(same("Foo", &[("foo", &long)], &[("foo", &long)]));
        assert!(!same("Foo", &[("foo", &long)], &[("foo", &long[1..])]));
    }

    #[test]
    fn languages_are_normalised() {
        let same = |one, other| same("Accept-Language", &[("accept-language", one)], &[("accept-language", other)]);
        assert!(same("en, de", "de,  EN") && same("en;q=0.50, de", "de;q=1.0,en;q=0.5,fr;q=0"));
        assert!(!same("en, de;q=0.5", "en;q=0.5, de") && !same("en", "en, de"));
    }

    #[test]
    fn the_language_that_is_wanted_most_will_do() {
        let wants = |wanted| {
            selects("accept-language=x", Some("de"), &fields(&[("accept-language", wanted)]), Coding::Identity)
        };
        assert!(wants("fr;q=0.5, de;q=1.0") && wants("DE"));
        assert!(!wants("fr, de") && !wants("fr, de;q=0.5") && !wants("de-AT") && !wants(""));
    }

    #[test]
    fn cookies_count_without_the_session_and_are_not_stored_as_they_are() {
        let with = ("cookie", "__Host-homing=1.x; a=secret");
        assert!(same("Cookie", &[with], &[("cookie", "a=secret")]) && !same("Cookie", &[with], &[("cookie", "a=b")]));
        assert!(same("Cookie", &[("cookie", "__Host-homing=1.x")], &[]));
        assert!(!selecting(&["cookie".to_owned()], &fields(&[with]), Coding::Gzip).contains("secret"));
    }

    #[test]
    fn a_personal_response_answers_its_credentials_only() {
        // The hostile client has the subject's session, or only its name, and credentials of its own, some of them, or none.
        let bound = names_of_personal(names(&["Cookie, Foo"]).unwrap());
        assert_eq!(bound, ["authorization", "cookie", "foo"]);
        let ada = [("authorization", "Bearer a"), ("cookie", "sid=1; uid=ada; __Host-homing=1.x")];
        let stored = selecting(&bound, &fields(&ada), Coding::Gzip);
        let shown = |of: &[(&str, &str)]| selects(&stored, None, &fields(of), Coding::Gzip);
        assert!(shown(&ada) && shown(&[ada[0], ("cookie", "sid=1; uid=ada")]));
        for other in
            [&[][..], &ada[..1], &ada[1..], &[ada[0], ("cookie", "uid=ada")], &[("authorization", "Bearer b"), ada[1]]]
        {
            assert!(!shown(other), "{other:?}");
        }
        assert!(!stored.contains("Bearer") && !stored.contains("sid"), "they are not stored as they are");
        assert!(is_bound_to_credentials(&stored));
        for free in ["", "foo=1", "cookie=#x", "authorization", "cookies=1&authorization=2"] {
            assert!(!is_bound_to_credentials(free), "{free}");
        }
    }

    #[test]
    fn an_encoding_counts_by_what_the_origin_was_asked_for() {
        let stored =
            selecting(&["accept-encoding".to_owned()], &fields(&[("accept-encoding", "gzip, zstd")]), Coding::Gzip);
        assert!(selects(&stored, None, &fields(&[("accept-encoding", "gzip")]), Coding::Gzip));
        assert!(!selects(&stored, None, &fields(&[]), Coding::Identity));
    }

    #[test]
    fn a_weight_is_read_in_thousandths() {
        for (text, weight) in
            [("0", 0), ("0.8", 800), ("0.05", 50), ("0.1239", 123), ("1", 1000), ("1.000", 1000), (" 0.5 ", 500)]
        {
            assert_eq!(thousandths(text), Some(weight), "{text}");
        }
        for text in ["", ".", ".5", "1.1", "2", "-0.5", "0.x", "0.5.5", "NaN", "1e-1"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn thirty_thousand_bytes_of_languages_are_read_once() {
        // A client sends 15,000 ranges at a resource with eight variants by language: what it costs must not grow with either.
        let many = vec!["aa"; 10_000].join(",");
        let asked = fields(&[("accept-language", &many)]);
        READ.set(0);
        for _ in 0..2 {
            let selector = Selector::of(&asked, Coding::Gzip);
            for language in ["de", "en", "fr", "it", "es", "pt", "nl", "aa"] {
                assert!(!selector.selects(&format!("accept-language={language}:1000,"), Some(language)));
            }
            let names = ["accept-language".to_owned()];
            assert_eq!(selector.selecting(&names).len(), "accept-language=#".len() + 43 + 2, "a hash, and no list");
        }
        assert_eq!(READ.get(), 1);
        assert!(same("Accept-Language", &[("accept-language", &many)], &[("accept-language", &many)]));
        assert!(!same("Accept-Language", &[("accept-language", &many)], &[("accept-language", &many[3..])]));
    }

    #[test]
    fn a_response_that_varies_by_everything_is_not_stored() {
        let names_of = |count: usize| (0..count).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
        assert!(names(&[&names_of(MOST_MEMBERS)]).is_some());
        assert_eq!(names(&[&names_of(MOST_MEMBERS + 1)]), None);
        assert_eq!(names(&[&"a,".repeat(10_000)]), None);
    }

    #[test]
    fn another_spelling_of_a_selecting_field_selects() {
        // WSGI and its like join `X-Theme` and `X_Theme`, so a stored response made with the one must not answer who sent neither.
        assert!(!same("X-Theme", &[("x_theme", "evil")], &[]));
        assert!(!same("X-Theme", &[("x-theme", "a"), ("x_theme", "b")], &[("x-theme", "a")]));
    }

    /// An entry's text has room for 8 variants.
    #[test]
    fn a_long_value_and_a_credential_are_told_by_their_hash() {
        let text = |name: &str, length: usize| {
            let mut text = String::new();
            plain_or_hashed(&mut text, name, &"a".repeat(length));
            text
        };
        assert_eq!(text("foo", LONGEST_PLAIN).len(), LONGEST_PLAIN);
        for length in [LONGEST_PLAIN + 1, LONGEST_PLAIN + 2, 5_000] {
            assert_eq!((text("foo", length).len(), text("foo", length).starts_with('#')), (44, true), "{length}");
        }
        assert!(text("cookie", 1).starts_with('#') && text("authorization", 1).starts_with('#'));
    }

    /// RFC 9111 section 4.1 lets fields be put into normal form only where their syntax says that nothing changes by it.
    #[test]
    fn blanks_beside_a_comma_count_in_a_cookie() {
        let normal = |line| fields(&[("cookie", line)]).normal("cookie", Coding::default());
        assert_ne!(normal("a=1 , b"), normal("a=1,b"));
    }
}
