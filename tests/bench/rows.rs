//! The scenarios of the benchmark (`scenarios.mjs`), played on the host: the text that JavaScript hands in, and the text that it gets. What lies
//! between is what `begin` and `resume` of the Wasm do, and nothing of the platform.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::rc::Rc;

use homing_core::{Entropy, FlowId, Logging, Rejection, Router, Secrets, Timestamp, Turn, config::secrets};
use homing_edge::wire;

/// Everything happens at this time, so that every run does the same.
const NOW: Timestamp = Timestamp(1_795_000_000_000);
const DATE: &str = "Wed, 18 Nov 2026 11:06:40 GMT";
const SECRET: &str = "a secret for the benchmark, of 32 letters or more";
/// As in `scenarios.mjs`.
const VARS: &str = r#"{
    "REGIONS": {
        "eu": { "origin": "http://127.0.0.1:8001" }, "us": { "origin": "http://127.0.0.1:8002", "default_home": true },
        "ap": { "origin": "http://127.0.0.1:8003" }, "sink": { "origin": "http://127.0.0.1:8004" }
    },
    "DATASETS": {
        "catalog": { "ownership": "single-writer", "home": "us" },
        "docs": { "ownership": "single-writer", "home": "us", "position": "counter" },
        "files": { "ownership": "single-writer", "home": "sink" }
    },
    "ROUTES": [
        { "match": "/catalog/*", "dataset": "catalog", "read_after_write": "session" },
        { "match": "/docs/*", "dataset": "docs", "read_after_write": "session" },
        { "match": "/shared/*", "dataset": "docs", "read_after_write": "session" },
        { "match": "/up/*", "dataset": "files" }
    ]
}"#;
/// What a browser sends with a request for data.
const BROWSER: [(&str, &str); 12] = [
    ("accept", "application/json, text/plain, */*"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
    ("cf-connecting-ip", "2001:db8::17"),
    ("cf-ray", "8a1b2c3d4e5f6789-FRA"),
    ("cookie", "theme=dark; sid=3f1d2c4b5a697887; _ga=GA1.1.1234567890.1700000000"),
    ("referer", "http://127.0.0.1:8000/shop/lamps?page=2"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("x-requested-with", "XMLHttpRequest"),
];

/// One scenario, ready to be played again and again.
pub struct Row {
    /// Its name, as in `scenarios.mjs`.
    pub name: &'static str,
    router: Router,
    incoming: String,
    cache: String,
    answer: String,
    reason: &'static str,
}

/// All scenarios with small bodies, and a read miss with the fields that a browser sends.
#[must_use]
pub fn rows() -> Vec<Row> {
    vec![
        Row::new("read miss", "/plain/1", "nearest"),
        Row { incoming: get("/plain/1", &BROWSER), ..Row::new("browser's read", "/plain/1", "nearest") },
        Row::new("cache hit", "/cached/1", "cache-hit").stored(),
        Row::new("pinned read", "/catalog/1", "pinned-home").with_session(),
        Row::new("near read", "/docs/1", "position-reached").with_session(),
        Row::new("shared hit", "/shared/1", "cache-hit").stored().with_session(),
        Row { incoming: put("/catalog/1"), ..Row::new("write", "/catalog/1", "home") },
    ]
}

impl Row {
    fn new(name: &'static str, path: &str, reason: &'static str) -> Self {
        let secrets = Secrets { session_key: SECRET, session_key_old: "", origin_key: "" };
        let settings = secrets::read(VARS, &secrets, "", || Some(7)).unwrap();
        let router = Router::new(Rc::new(settings), Logging::Off, 1, Entropy::of([1, 2]));
        let cache = "cache\nalone".to_owned();
        let row = Self { name, router, incoming: get(path, &[]), cache, answer: answer(path), reason };
        // A region's health and lag are known, and that such an answer may not be stored.
        row.play();
        row
    }

    /// The same with what its answer leaves in the cache.
    fn stored(mut self) -> Self {
        let finish = self.play();
        let entry = finish.lines().find_map(|line| line.strip_prefix("=homing-entry\t")).unwrap();
        self.cache = format!("cache\nalone\n{entry}\n{}", BODY.len());
        self
    }

    /// The same from a client that has written.
    fn with_session(mut self) -> Self {
        let path = self.incoming.split(['\n', ' ']).nth(1).unwrap().to_owned();
        let path = path.strip_prefix(HERE).unwrap();
        let read = std::mem::replace(&mut self.incoming, put(path));
        let finish = self.play();
        let cookie = finish.lines().find_map(|line| line.strip_prefix("+set-cookie\t")).unwrap();
        let (cookie, _) = cookie.split_once(';').unwrap();
        self.incoming = read;
        // Somebody else's read tells how far the nearest replica is.
        self.play();
        self.incoming = get(path, &[("cookie", cookie)]);
        self
    }

    /// Plays it once more. The text of its last step.
    pub fn play(&self) -> String {
        self.play_with(Self::begin, Self::resume)
    }

    /// The same by those functions, which may measure what they call.
    pub fn play_with(
        &self,
        begin: impl Fn(&Self, &str) -> String,
        resume: impl Fn(&Self, FlowId, &str) -> String,
    ) -> String {
        let mut step = begin(self, &self.incoming);
        loop {
            let mut lines = step.split('\n');
            let event = match lines.next() {
                Some("probe") => &self.cache,
                Some("send") => &self.answer,
                Some("finish") => return step,
                other => panic!("{}: step {other:?}", self.name),
            };
            let id = FlowId(lines.next().unwrap().parse().unwrap());
            step = resume(self, id, event);
        }
    }

    /// Plays it, and looks whether the router did its job.
    ///
    /// # Panics
    /// If it did not.
    pub fn check(&self) {
        let finish = self.play();
        let is_right =
            finish.starts_with("finish\n200\n") && finish.contains(&format!("=homing-reason\t{}\n", self.reason));
        assert!(is_right, "{}: expected 200 and {}, found {finish}", self.name, self.reason);
    }

    /// As the Wasm's `begin`.
    #[must_use]
    pub fn begin(&self, incoming: &str) -> String {
        written(self.router.begin(&wire::incoming(incoming, None, NOW).unwrap()))
    }

    /// As the Wasm's `resume`.
    #[must_use]
    pub fn resume(&self, id: FlowId, event: &str) -> String {
        written(self.router.resume(id, wire::event(event).unwrap(), NOW))
    }
}

fn written(turn: Result<Turn, Box<Rejection>>) -> String {
    turn.map_or_else(|rejection| wire::rejection(&rejection), |turn| wire::turn(&turn))
}

const HERE: &str = "http://127.0.0.1:8000";
const BODY: &str = r#"{"name":"lamp"}"#;

fn lines(head: &str, fields: &[(&str, &str)]) -> String {
    fields.iter().fold(head.to_owned(), |text, (name, value)| format!("{text}\n{name}\n{value}"))
}

fn get(path: &str, fields: &[(&str, &str)]) -> String {
    lines(&format!("GET\n{HERE}{path}\n\nnone\nhost\n127.0.0.1:8000"), fields)
}

fn put(path: &str) -> String {
    let fields = [("content-length", "15"), ("content-type", "application/json"), ("host", "127.0.0.1:8000")];
    lines(&format!("PUT\n{HERE}{path}\n\nsome"), &fields)
}

/// As the origin of the benchmark says it.
fn answer(path: &str) -> String {
    let mut fields = vec![
        ("content-length", "15"),
        ("content-type", "application/json"),
        ("date", DATE),
        ("server", "nginx/1.22.1"),
    ];
    if path.starts_with("/catalog/") {
        fields.push(("homing-lag", "us=0"));
    }
    if path.starts_with("/docs/") || path.starts_with("/shared/") {
        fields.extend([("homing-epoch", "1"), ("homing-position", "docs=1; least=1")]);
    }
    if path.starts_with("/cached/") || path.starts_with("/shared/") {
        fields.extend([("cache-control", "public, max-age=3600"), ("etag", "\"v1\"")]);
    }
    lines("response\n200", &fields)
}
