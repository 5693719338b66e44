//! The target against `URL` of Node.js, the parser that browsers and the platform share: whatever a hostile client spells, one text
//! is routed, keyed, signed and sent, and no parser behind the router makes another of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
    rc::Rc,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use homing_core::testing::{
    cache::key::{CacheKey, KeyParts},
    http::{edits::Edit, target::Target},
    model::keys::Key,
    topology::settings::Settings,
};
use support::{NOW, World, keys, topology};

/// What `new URL(text, base).href` is, for each; none where it throws.
fn node(asked: &[(&str, Option<&str>)]) -> Vec<Option<String>> {
    let node = homing_tests::at("node_modules/.bin/node");
    assert!(node.exists(), "this test needs Node.js at {}: run `npm ci`", node.display());
    let script = "const asked = JSON.parse(require('fs').readFileSync(0));
        console.log(JSON.stringify(asked.map(([text, base]) => URL.parse(text, base ?? undefined)?.href ?? null)));";
    let mut child =
        Command::new(node).args(["-e", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(asked).unwrap().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "Node.js fails");
    let said: Vec<Option<String>> = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said.len(), asked.len());
    said
}

/// Xorshift: the same texts in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[usize::try_from(self.next() % texts.len() as u64).unwrap()]
    }

    fn some(&mut self, texts: &[&str], most: u64) -> String {
        (0..self.next() % (most + 1)).map(|_| self.of(texts)).collect()
    }
}

const SCHEMES: [&str; 8] =
    ["http://", "https://", "HTTPS://", "http:\\\\", "https:/", "http:", "https:\\/\\", " http://"];
const HOSTS: [&str; 12] = [
    "h",
    "Example.COM",
    "example.com.",
    "A_b-c.example",
    "127.0.0.1",
    "[::1]",
    "[2001:DB8::0:1]",
    "[::ffff:1.2.3.4]",
    "[1:0:0:2::]",
    "a\tb",
    "LOCALHOST.",
    "x1.0y",
];
/// These have no form, or one that we leave to the platform.
const ODD_HOSTS: [&str; 22] = [
    "",
    "user@h",
    "u:p@h",
    "@h",
    "a..b",
    ".",
    "..",
    "h..",
    "1.2.3",
    "0x7f.1",
    "a.0x",
    "1.2.3.4.5",
    "a b",
    "%41",
    "é",
    "a\"b",
    "a'b",
    "a,b",
    "[::1",
    "::1",
    "[::1]x",
    "a^b",
];
const PORTS: [&str; 9] = ["", "", "", ":", ":80", ":443", ":0080", ":8443", ":65535"];
const ODD_PORTS: [&str; 4] = [":65536", ":x", ":80:80", ":+80"];
const PARTS: [&str; 54] = [
    "/", "/", "/", "/", "//", "\\", ".", "..", "%2e", "%2E", "%2e%2E", ".%2e", "a", "api", "catalog", "%61pi", "%2f",
    "%2F", "%5c", "%25", "%252e", "%zz", "%", "%4", "'", "\"", "<", ">", "^", "`", "{", "}", "|", "[", "]", "é",
    "%c3%a9", "💡", " ", "\t", "\n", ";v=1", ":", "@", "~", "%7e", "+", "\u{7f}", "\u{1}", "\u{80}", "=", "&", "!",
    "%21",
];
const BEGINS: [&str; 7] = ["/", "/", "/", "\\", "?", "#", "/api"];
const TAILS: [&str; 5] = ["", "", "?", "#", "%00"];

fn a_path(random: &mut Random) -> String {
    let (begin, path, tail) = (random.of(&BEGINS), random.some(&PARTS, 8), random.of(&TAILS));
    let rest = if tail.is_empty() { String::new() } else { random.some(&PARTS, 4) };
    format!("{begin}{path}{tail}{rest}")
}

fn read(url: &str) -> Option<String> {
    Target::read(url).map(|target| target.as_str().to_owned())
}

/// Whether its path has a NUL, which no target has.
fn has_nul(href: &str) -> bool {
    href.split(['?', '#']).next().unwrap().contains("%00")
}

#[test]
fn a_target_is_what_every_parser_makes_of_the_url() {
    let mut random = Random(0x5eed);
    let mut urls: Vec<(String, bool)> = Vec::new();
    for _ in 0..30_000 {
        let odd = random.next().is_multiple_of(4);
        let (scheme, path) = (random.of(&SCHEMES), a_path(&mut random));
        let host = if odd { random.of(&ODD_HOSTS) } else { random.of(&HOSTS) };
        let port = if odd && random.next().is_multiple_of(2) { random.of(&ODD_PORTS) } else { random.of(&PORTS) };
        urls.push((format!("{scheme}{host}{port}{path}"), odd));
    }
    let theirs = node(&urls.iter().map(|(url, _)| (url.as_str(), None)).collect::<Vec<_>>());
    let ours: Vec<_> = urls.iter().map(|(url, _)| read(url)).collect();
    let (mut changed, mut refused) = (0, 0);
    for (((url, odd), theirs), ours) in urls.iter().zip(&theirs).zip(&ours) {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                // Whether the platform has parsed it before or not makes no difference.
                assert_eq!(read(theirs).as_ref(), Some(ours), "{url:?} is {theirs:?} elsewhere");
                changed += usize::from(ours != url);
            }
            (Some(ours), None) => panic!("{url:?} is no URL elsewhere, and {ours:?} here"),
            (None, Some(theirs)) if !odd => {
                assert!(has_nul(theirs), "{url:?} has no form here, and is {theirs:?} elsewhere");
                refused += 1;
            }
            (None, _) => refused += 1,
        }
    }
    let targets: Vec<&str> = ours.iter().flatten().map(String::as_str).collect();
    // Behind any origin, as it stands in an attempt.
    let sent: Vec<String> = targets
        .iter()
        .map(|text| format!("https://eu.example.com{}", Target::read(text).unwrap().path_and_query()))
        .collect();
    for texts in [targets.clone(), sent.iter().map(String::as_str).collect()] {
        let again = node(&texts.iter().map(|text| (*text, None)).collect::<Vec<_>>());
        for (text, again) in texts.iter().zip(again) {
            assert_eq!(again.as_deref(), Some(*text), "a target is a fixed point");
        }
    }
    let tried = (targets.len(), changed, refused);
    let enough = targets.len() > 15_000 && changed > 10_000 && refused > 3_000;
    assert!(enough, "too few were tried: {tried:?} have a form, another than their own, or none");
}

#[test]
fn a_reference_leads_where_browsers_follow_it() {
    let mut random = Random(0xca11);
    const LEADS: [&str; 24] = [
        "",
        "",
        "/",
        "//h",
        "//H.:443",
        "\\\\h",
        "/\\h",
        "\\/h",
        "///h",
        "https:",
        "http:",
        "https:/",
        "https://h",
        "https:\\\\h",
        "HTTPS:\\h",
        "ht\ttps://h",
        "?q",
        "#f",
        "../",
        "./",
        "%2e%2e/",
        "a:b/",
        "mailto:a@b",
        "//u@h",
    ];
    const BASES: [&str; 3] = ["https://a.example.com:8443/x/y?z", "https://h/", "http://h/a/b/"];
    let asked: Vec<(String, &str)> = (0..20_000)
        .map(|at| {
            let rest = if at % 3 == 0 { String::new() } else { a_path(&mut random) };
            (format!("{}{rest}", random.of(&LEADS)), random.of(&BASES))
        })
        .collect();
    let theirs = node(&asked.iter().map(|(reference, base)| (reference.as_str(), Some(*base))).collect::<Vec<_>>());
    let (mut followed, mut elsewhere) = (0, 0);
    for ((reference, base), theirs) in asked.iter().zip(&theirs) {
        let base = Target::read(base).unwrap();
        match (base.join(reference), theirs) {
            (Some(ours), theirs) => {
                let theirs = theirs.as_deref().and_then(read);
                assert_eq!(theirs.as_deref(), Some(ours.as_str()), "{reference:?} at {}", base.as_str());
                followed += 1;
                elsewhere += usize::from(!ours.is_beside(&base));
            }
            (None, Some(theirs)) => {
                // `http:%61pi/` names the host "api": such spellings of hosts lead nowhere here.
                let bare = reference.strip_prefix("http:").or(reference.strip_prefix("https:")).unwrap_or(reference);
                let lead = bare.trim_start_matches(['/', '\\']);
                let host = lead.split(['/', '\\', '?', '#']).next().unwrap();
                let odd_host = host.contains('%') || !host.is_ascii();
                assert!(odd_host || read(theirs).is_none(), "{reference:?} at {} is {theirs}", base.as_str());
            }
            (None, None) => {}
        }
    }
    assert!(followed > 12_000 && elsewhere > 3_000, "only {followed} were followed, {elsewhere} to elsewhere");
}

#[test]
fn keys_are_equal_only_if_all_that_tells_responses_apart_is() {
    let mut random = Random(0xcafe);
    let mut places: HashMap<String, (String, &str, u64, Option<&str>)> = HashMap::new();
    let mut again = 0;
    for _ in 0..20_000 {
        let (scheme, host) =
            (random.of(&["http://", "https://"]), random.of(&["h", "h.", "H", "g", "h:8443", "[::1]"]));
        // Short, so that the same comes again in other spellings.
        let path = format!("{}{}", random.of(&BEGINS), random.some(&PARTS, 2));
        let Some(target) = Target::read(&format!("{scheme}{host}{path}")) else { continue };
        let (dataset, subject) = (random.of(&["_", "cart", "catalog"]), random.of(&["_", "ada", "bob"]));
        let (epoch, subject) = (random.next() % 3, (subject != "_").then_some(subject));
        let key = CacheKey::new(&KeyParts { target: &target, dataset, epoch, subject });
        let place = (target.as_str().to_owned(), dataset, epoch, subject);
        if let Some(other) = places.insert(key.as_str().to_owned(), place.clone()) {
            assert_eq!(other, place, "one key");
            again += 1;
        }
    }
    let distinct: std::collections::HashSet<_> = places.values().collect();
    assert_eq!(distinct.len(), places.len(), "two keys for one place");
    assert!(places.len() > 5_000 && again > 1_000, "{} keys, {again} times again", places.len());
    // The store parses keys anew; none leads to another place by that.
    let keys: Vec<&str> = places.keys().map(String::as_str).collect();
    for (key, parsed) in keys.iter().zip(node(&keys.iter().map(|key| (*key, None)).collect::<Vec<_>>())) {
        assert_eq!(parsed.as_deref(), Some(*key));
        assert!(key.split("://").nth(1).unwrap().split('/').count() == 7 && key.contains("/_homing/cache/"), "{key}");
    }
}

#[test]
fn what_is_signed_is_what_is_sent_and_what_is_logged() {
    const KEY: &str = "the key that the regions know, too";
    let (session_keys, origin_key) = (keys(), Some(Key::new(KEY).unwrap()));
    let settings = Rc::new(Settings { topology: topology(), session_keys, origin_key, dev: true });
    let mut random = Random(0x516);
    let urls: Vec<String> = (0..3_000)
        .map(|_| format!("/{}{}", random.of(&["catalog/", "likes/", "cart/", "x/"]), a_path(&mut random)))
        .chain(["/catalog/1?name=O'Brien", "/catalog/{a}^`|", "/likes/%2e%2e/catalog/1"].map(str::to_owned))
        .collect();
    let (mut sent, mut refused) = (0, 0);
    for path in urls {
        let Ok(story) = World::new(&format!("PUT {path}")).near("eu").play(&settings) else {
            refused += 1;
            continue;
        };
        for attempt in &story.sent {
            let target = attempt.target.path_and_query();
            let mut headers = HeaderMap::new();
            let mut said = String::new();
            for edit in attempt.own.iter() {
                let Edit::Set(name, value) = edit else { continue };
                headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
                said = if name == "homing-signature" { value.to_owned() } else { said };
            }
            // The kit computes it over the request line that it got.
            let uri: Uri = target.parse().unwrap();
            let expected = homing_origin::sign(KEY, &Method::PUT, &uri, &headers, NOW.0).unwrap();
            assert_eq!(said, expected, "{path}");
            assert_eq!(story.end().record.path, attempt.target.path(), "{path}");
            sent += 1;
        }
    }
    assert!(sent > 1_000 && refused > 200, "{sent} were sent, {refused} refused");
}

/// What servers and frameworks make of a path before they look for a handler: the first segment, decoded.
mod servers {
    fn decoded(path: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = path.as_bytes();
        while let [byte, after @ ..] = rest {
            let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *byte == b'%') {
                Some(code) => (bytes.push(code), rest = &after[2..]),
                None => (bytes.push(*byte), rest = after),
            };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn without_dots(path: &str) -> String {
        let mut kept: Vec<&str> = Vec::new();
        for segment in path.split('/').skip(1) {
            match segment {
                "." => {}
                ".." => drop(kept.pop()),
                segment => kept.push(segment),
            }
        }
        format!("/{}", kept.join("/"))
    }

    fn joined(path: &str) -> String {
        path.split('/').filter(|segment| !segment.is_empty()).fold(String::new(), |all, segment| all + "/" + segment)
    }

    fn without_parameters(path: &str) -> String {
        path.split('/').skip(1).fold(String::new(), |all, segment| all + "/" + segment.split(';').next().unwrap())
    }

    fn first(path: &str) -> String {
        path.split('/').nth(1).unwrap_or("").to_owned()
    }

    /// Reads a path, and says the first segment.
    pub type Server = (&'static str, fn(&str) -> String);

    pub const ALL: [Server; 8] = [
        ("axum, Express: split, then decode", |path| decoded(&first(path))),
        ("nginx: decode, join, resolve", |path| first(&without_dots(&joined(&decoded(path))))),
        ("Tomcat: drop parameters, decode, resolve", |path| first(&without_dots(&decoded(&without_parameters(path))))),
        ("Jetty: decode, drop parameters, resolve, join", |path| {
            first(&joined(&without_dots(&without_parameters(&decoded(path)))))
        }),
        ("IIS: decode, backslashes are slashes", |path| {
            first(&without_dots(&joined(&decoded(path).replace('\\', "/"))))
        }),
        ("two that decode", |path| first(&without_dots(&joined(&decoded(&decoded(path)))))),
        ("one that decodes, and one that drops parameters after it", |path| {
            first(&joined(&without_dots(&without_parameters(&decoded(&decoded(path))))))
        }),
        ("one that writes the decoded path into a new request", |path| {
            first(&without_dots(decoded(path).split(['?', '#']).next().unwrap()))
        }),
    ];
}

#[test]
fn no_server_reads_a_write_as_one_of_another_dataset() {
    const DATASETS: [&str; 6] = ["catalog", "cart", "likes", "orders", "mail", "tags"];
    const SPELLED: [&str; 26] = [
        "/", "/", "/", "/", "//", "..", "..", "%2e%2e", ".", "%2F", "%2f", "%5C", "%252F", "%252e", "%255c", ";",
        "%3B", "%253B", ";v=1", "%3F", "%23", "%40", "catalog", "cart", "likes", "x",
    ];
    let settings = support::settings();
    let mut random = Random(0xbad);
    let (mut sent, mut of_data, mut refused) = (0, 0, 0);
    for _ in 0..60_000 {
        let begin = random.of(&["/catalog", "/cart", "/likes", "/orders", "/x", "/", "/%63art"]);
        let path = format!("{begin}{}", random.some(&SPELLED, 7));
        let Ok(story) = World::new(&format!("PUT {path}")).near("eu").play(&settings) else {
            refused += 1;
            continue;
        };
        let Some(attempt) = story.sent.first() else { continue };
        let told = support::told(attempt, "homing-dataset");
        for (server, read) in servers::ALL {
            let first = read(attempt.target.path());
            let dataset = DATASETS.into_iter().find(|name| *name == first);
            assert_eq!(dataset, told, "{server}: {path}, sent as {}", attempt.target.path());
        }
        sent += 1;
        of_data += usize::from(told.is_some() && attempt.target.path().contains(['%', ';']));
    }
    assert!(sent > 15_000 && of_data > 4_000 && refused > 10_000, "{sent} sent, {of_data} of data, {refused} refused");
}
