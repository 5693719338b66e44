//! Header fields: cookies, `Vary`, the `Accept` family, what is taken out of requests.

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    cache::{
        coding::Coding,
        directives::Directives,
        vary::{SelectingFields, Selector, selecting_names},
    },
    http::{
        believed::{Fate, fate},
        cookies::{COOKIE, Cookies, Named},
        edits::{Edit, Edits},
        headers::{Headers, LetThrough, strip_request, strip_response},
    },
};

use crate::made::{borrowed, fields};

const COOKIES: [&str; 18] = [
    "a=1",
    "b=2",
    "; ",
    ";",
    ", ",
    ",",
    "=",
    " ",
    "\t",
    "\u{2000}",
    "\u{a0}",
    "\"",
    "__Host-homing",
    "__Host-homing=x",
    "uid=ada",
    "uid=bob",
    "Mon, 01 Jan",
    "é",
];
const LANGUAGES: [&str; 12] =
    ["en", "de", "de-AT", ",", ", ", ";q=0.5", ";q=1", ";q=0", ";q=", ";q=2", "*", "\u{2000}"];
const CODINGS: [&str; 9] = ["gzip", "br", "zstd", ",", ", ", ";q=0", ";q=0.000", ";q=0.5", "*"];
const CONTROL: [&str; 16] = [
    "no-cache",
    "no-store",
    "private",
    "=\"",
    "\"",
    "=",
    ",",
    ", ",
    "max-age=",
    "10",
    "max-stale",
    "set-cookie",
    "\\",
    "s-maxage=1",
    "public",
    "stale-if-error=5",
];
const VARY: [&str; 12] =
    ["accept-language", "Cookie", "x-a", "X_A", ",", ", ", "*", "|", "^", "&", "=", "accept-encoding"];
const PLAIN: [&str; 8] = ["a", "b", ",", " ", "|", "%", "&", "close"];

const KNOWN: [(&str, &[&str]); 20] = [
    ("cookie", &COOKIES),
    ("cookie", &COOKIES),
    ("sec-fetch-site", &["none"]),
    ("accept-language", &LANGUAGES),
    ("accept-language", &LANGUAGES),
    ("accept_language", &LANGUAGES),
    ("accept-encoding", &CODINGS),
    ("cache-control", &CONTROL),
    ("vary", &VARY),
    ("vary", &VARY),
    ("x-a", &PLAIN),
    ("x_a", &PLAIN),
    ("connection", &["x-a", ",", "close", " ", "homing-home", "cookie"]),
    ("x-forwarded-host", &PLAIN),
    ("x_forwarded_host", &PLAIN),
    ("homing_home", &PLAIN),
    ("x-http-method-override", &PLAIN),
    ("transfer-encoding", &PLAIN),
    ("authorization", &PLAIN),
    ("true-client-ip", &PLAIN),
];

/// How the application's cookies are read.
pub type Reader = fn(&Headers<'_>) -> String;

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes, |headers| Cookies::of(headers).of_application());
}

/// The laws, of whatever reads cookies.
///
/// # Errors
/// If the bytes do not suffice.
pub fn holds(bytes: &[u8], reader: Reader) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let all = fields(u, &KNOWN)?;
    let headers = borrowed(&all);
    cookies(&headers, reader);
    stripped(&headers);
    let coding = Coding::accepted(&headers);
    let _ = (Directives::of(&headers), coding.decodes(headers.get("content-encoding")));
    let Some(names) = selecting_names(&headers) else { return Ok(()) };
    let (asked, other) = (SelectingFields::of(&headers, &Cookies::of(&headers)), fields(u, &KNOWN)?);
    let stored = Selector::of(&asked, coding).selecting(&names);
    assert!(!stored.contains(['|', '^', '\n']) && stored.is_ascii(), "no entry can hold {stored:?}");
    assert!(Selector::of(&asked, coding).selects(&stored, None), "a request selects what was stored for it: {stored}");
    let other = borrowed(&other);
    let another = SelectingFields::of(&other, &Cookies::of(&other));
    let same = Selector::of(&another, coding).selecting(&names) == stored;
    assert_eq!(Selector::of(&another, coding).selects(&stored, None), same, "{stored}");
    Ok(())
}

fn cookies(headers: &Headers<'_>, reader: Reader) {
    let cookies = Cookies::of(headers);
    let of_application = reader(headers);
    assert_eq!(cookies.has_any(), !of_application.is_empty());
    // What the origin reads in what it gets: no session, and nothing that was not there.
    let seen = of_application.split(';').filter_map(|pair| pair.split_once('='));
    for (name, _) in seen {
        assert_ne!(name.trim_matches([' ', '\t']), COOKIE, "{of_application}");
    }
    let pieces: Vec<&str> = headers.all("cookie").collect();
    for pair in of_application.split(';').map(|pair| pair.trim_matches([' ', '\t'])).filter(|pair| !pair.is_empty()) {
        assert!(pieces.iter().any(|line| line.contains(pair)), "{pair:?} is in none of {pieces:?}");
    }
    let kept = |text: &str| text.chars().filter(|letter| !" \t;,".contains(*letter)).count();
    let ours: usize = pieces.iter().map(|line| line.matches(COOKIE).count()).sum();
    if ours == 0 {
        let all: usize = pieces.iter().map(|line| kept(line)).sum();
        assert_eq!(all, kept(&of_application), "something of {pieces:?} was lost");
    }
    // Once more changes nothing.
    let mut again = vec![("cookie", of_application.as_str())];
    again.extend(headers.get("sec-fetch-site").map(|site| ("sec-fetch-site", site)));
    let again = Headers(again);
    assert_eq!(reader(&again), of_application);
    assert_eq!(Cookies::of(&again).changed(), None, "{of_application}");
    if let Named::One(value) = cookies.named("uid") {
        assert!(cookies.all("uid").all(|other| other == value));
    }
}

fn stripped(headers: &Headers<'_>) {
    let mut gone = Edits::default();
    strip_request(headers, &LetThrough::default(), &mut gone);
    let is_gone = |name: &str| gone.iter().any(|edit| edit == Edit::Remove(name));
    for (name, _) in headers.0.iter().filter(|(name, _)| !is_gone(name)) {
        assert_eq!(fate(name), Fate::Passes, "{name}");
    }
    strip_response(headers, &mut gone);
}
