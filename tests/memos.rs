//! Answers that are given again: each is the answer that the core would give at that moment, and all that an isolate tells of itself is as if it
//! had. Two isolates live through the same: one is asked each time, as if it remembered nothing of what is stored. The other's driver brings
//! along what it remembers, and gives answers again, as `drive.mjs` does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;

use std::{collections::HashMap, rc::Rc, time::Duration};

use counted::{assert_met, met};
use homing_core::testing::{
    cache::{
        Offered, Probed,
        entry::{self, ENTRY, Variant},
    },
    flow::step::{Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        edits::Edits,
    },
    model::{
        geo::Location,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    request::incoming::{Client, Content, IncomingRequest},
    router::{Entropy, Logging, MemoId, Router},
    session::{self, Session},
    settle::{Settlement, Source},
    state::published,
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use proptest::prelude::*;
use serde_json::json;
use support::{Fields, NOW, borrowed, keys, settings, stored, topology};

/// A request of a client.
#[derive(Clone, Debug)]
struct Ask {
    method: &'static str,
    path: &'static str,
    fields: Fields,
    place: Option<(f64, f64)>,
    continent: Option<&'static str>,
    /// What a region answers to it.
    answer: (u16, Fields),
}

/// What happens.
#[derive(Clone, Debug)]
enum Deed {
    Asks(Ask),
    /// Others lie under every key from now on.
    Stores(Vec<Variant<'static>>),
    /// The store refuses what was to lie under the key of that path.
    Refuses(&'static str),
    /// The authority publishes a view: the home of the catalog, and whether a drill is on.
    Publishes(&'static str, bool),
    /// The drill is found to be over.
    EndsDrill,
}

/// An answer, as the client sees it.
type Shown = (u16, Source, Edits);

fn shown(settlement: &Settlement) -> Shown {
    (settlement.status, settlement.source.clone(), settlement.edits.clone())
}

/// What a driver remembers of a key.
#[derive(Default)]
struct Remembered {
    memos: Vec<(String, MemoId, Shown)>,
}

/// What lies in the store, and what the second isolate's driver remembers.
struct Place {
    variants: Vec<Variant<'static>>,
    /// Texts of entries by their keys; none where something was forgotten.
    entries: HashMap<String, Option<String>>,
    keys: HashMap<&'static str, String>,
    remembered: HashMap<String, Remembered>,
}

impl Place {
    fn new() -> Self {
        Self { variants: Vec::new(), entries: HashMap::new(), keys: HashMap::new(), remembered: HashMap::new() }
    }

    fn under(&mut self, key: &str) -> Option<String> {
        let text = || {
            let (first, others) = self.variants.split_first()?;
            Some(entry::write(first, others, &(0..others.len()).collect::<Vec<_>>()).0)
        };
        self.entries.entry(key.to_owned()).or_insert_with(text).clone()
    }

    /// Does to the store what an answer says.
    fn carry_out(&mut self, settlement: &Settlement) {
        for key in &settlement.invalidate {
            self.entries.insert(key.as_str().to_owned(), None);
            self.remembered.remove(key.as_str());
        }
        let Some(store) = &settlement.store else { return };
        let text = store.edits.set_to(ENTRY).map(str::to_owned);
        self.entries.insert(store.key.as_str().to_owned(), text);
        self.remembered.remove(store.key.as_str());
    }
}

/// An isolate, and what it logs.
struct Isolate {
    router: Router,
    log: Vec<String>,
}

const LENGTHS: &str = "10,10,10,10";

impl Isolate {
    fn new(settings: &Rc<Settings>, logging: Logging) -> Self {
        let router = Router::new(Rc::clone(settings), logging, 1, Entropy::Fixed(7)).with_journal();
        Self { router, log: Vec::new() }
    }

    /// The answer, and the keys that were looked for first.
    fn answer(
        &mut self,
        incoming: &IncomingRequest<'_>,
        ask: &Ask,
        place: &mut Place,
        offered: Option<(&str, &str)>,
    ) -> (Option<Settlement>, Option<MemoId>) {
        let offered = offered
            .map(|(key, text)| Offered { key, probed: Probed { entry: Some(text), lengths: LENGTHS, waited: false } });
        let Ok(mut turn) = self.router.begin_offered(incoming, offered.as_ref()) else { return (None, None) };
        let mut answered = None;
        for _ in 0..16 {
            self.log.append(&mut turn.log);
            let (id, now) = (turn.id, incoming.now);
            let resumed = match turn.step {
                Step::Finish(end) => return (Some(answered.unwrap_or(*end)), turn.memo),
                Step::Answer(end, _) => {
                    answered = Some(*end);
                    self.router.resume(id, Event::GoOn, now)
                }
                Step::ProbeCache(probe) => {
                    let key = probe.key.as_str().to_owned();
                    let text = place.under(&key);
                    if probe.expired.is_none() && text.is_some() {
                        place.keys.insert(ask.path, key);
                    }
                    let probed = Probed { entry: text.as_deref(), lengths: LENGTHS, waited: false };
                    self.router.resume(id, Event::Cache(probed), now)
                }
                Step::LookUpHome(_) | Step::AssignHome(_) => {
                    self.router.resume(id, Event::Home(Found::Value(r#"{"home":"us","epoch":1}"#)), now)
                }
                Step::Send(_) => {
                    let (status, fields) = &ask.answer;
                    let answer = Answer { status: *status, headers: borrowed(fields), framing: Framing::Delimited };
                    self.router.resume(id, Event::Origin(Outcome::Answered(answer)), now)
                }
            };
            turn = resumed.unwrap();
        }
        panic!("it does not end");
    }
}

/// The two isolates, the first of which is always asked.
struct Pair {
    asked: Isolate,
    spared: Isolate,
    place: Place,
    now: Timestamp,
    view: u64,
    /// How many answers were given again, and how many were found without a look.
    again: u64,
    offered: u64,
}

impl Pair {
    fn new(settings: &Rc<Settings>, logging: Logging) -> Self {
        let isolate = || Isolate::new(settings, logging);
        Self { asked: isolate(), spared: isolate(), place: Place::new(), now: NOW, view: 0, again: 0, offered: 0 }
    }

    fn both(&self, what: impl Fn(&Router)) {
        [&self.asked, &self.spared].into_iter().for_each(|isolate| what(&isolate.router));
    }

    fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Asks(ask) => self.asks(ask),
            Deed::Stores(variants) => {
                self.place = Place { variants: variants.clone(), ..Place::new() };
            }
            Deed::Refuses(path) => {
                let key = self.place.keys.get(path).cloned().unwrap_or_default();
                self.both(|router| router.observe_not_stored(&key, self.now));
            }
            Deed::Publishes(home, drills) => {
                self.view += 1;
                let drill = json!({
                    "id": format!("drill-{}", self.view), "kind": "lose", "region": "us", "share": 5000,
                    "until": self.now.0 + 500,
                });
                let datasets = [("catalog", *home, self.view + 1)];
                let drill = drills.then_some(&drill);
                let view = published::write(self.view, std::iter::empty(), datasets.into_iter(), drill);
                self.both(|router| {
                    router.observe_view(&view, self.now);
                });
                // `judgedBy`.
                self.place.remembered.clear();
            }
            Deed::EndsDrill => {
                let id = format!("drill-{}", self.view);
                self.both(|router| router.observe_drill_over(&id, self.now));
            }
        }
    }

    fn asks(&mut self, ask: &Ask) {
        let url = format!("https://example.com{}", ask.path);
        let location = ask.place.and_then(|(lat, lon)| Location::new(lat, lon));
        let incoming = IncomingRequest {
            now: self.now,
            method: ask.method,
            url: &url,
            headers: borrowed(&ask.fields),
            content: Content::Empty,
            client: Client { location, continent: ask.continent, beside: None },
        };
        let router = &self.spared.router;
        let passed: Vec<_> = router.passed_over().collect();
        let is_read =
            |name: &str, value: &str| name == "cookie" && router.cookies_read().any(|one| value.contains(one));
        let tells = |name: &str, value: &str| !passed.contains(&name) || is_read(name, value);
        let common: Vec<_> = ask.fields.iter().filter(|(name, value)| tells(name, value)).collect();
        let has_cookies = ask.fields.iter().any(|(name, _)| name == "cookie");
        let alike = format!("{} {:?} {has_cookies} {common:?}", ask.method, ask.continent);
        let key = self.place.keys.get(ask.path).cloned().unwrap_or_default();
        let known = self.place.entries.get(&key).cloned().flatten();
        let remembered = self.place.remembered.entry(key.clone()).or_default();
        let memo = remembered.memos.iter().find(|(other, ..)| *other == alike).cloned();
        let given = memo.filter(|(_, id, _)| self.spared.router.again(*id, location, self.now));

        let (wanted, memo) = self.asked.answer(&incoming, ask, &mut self.place, None);
        assert_eq!(memo, None, "who brought nothing along remembers nothing");
        if let Some((.., given)) = given {
            self.again += 1;
            assert_eq!(given, shown(&wanted.unwrap()), "{ask:?}");
            return;
        }
        let offered = known.as_deref().map(|text| (key.as_str(), text));
        self.offered += u64::from(offered.is_some());
        let (found, memo) = self.spared.answer(&incoming, ask, &mut self.place, offered);
        assert_eq!(found.as_ref().map(shown), wanted.as_ref().map(shown), "{ask:?}");
        let Some(found) = found else { return };
        self.place.carry_out(&found);
        if let Some(id) = memo {
            let memos = &mut self.place.remembered.entry(key).or_default().memos;
            memos.retain(|(other, ..)| *other != alike);
            memos.push((alike, id, shown(&found)));
        }
    }

    /// That both have seen the same.
    fn compare(&self) {
        let told = |isolate: &Isolate| {
            let Isolate { router, .. } = isolate;
            (router.snapshot(0, self.now), router.suggestions(), router.take_drill_rows(), router.journal())
        };
        assert_eq!(told(&self.spared), told(&self.asked));
        assert_eq!(self.spared.log, self.asked.log);
    }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn a_session() -> String {
    let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, "ada")));
    session.subjects.settle(SubjectKind::User, support::owned("eu", 1), &topology());
    format!("{}={}", session::COOKIE, session::seal(&session, &keys()))
}

fn a_field() -> impl Strategy<Value = (String, String)> {
    let of = |name: &'static str, values: &'static [&'static str]| {
        prop::sample::select(values).prop_map(move |value| field(name, value))
    };
    prop_oneof![
        6 => of("user-agent", &["one", "two"]),
        6 => of("cf-ray", &["1", "2", "3"]),
        6 => of("cf-connecting-ip", &["192.0.2.1", "192.0.2.2"]),
        6 => of("accept-language", &["de", "en"]),
        3 => of("accept", &["*/*", "text/html"]),
        2 => of("foo", &["1", "2"]),
        2 => of("accept-encoding", &["gzip", "br"]),
        4 => of("cookie", &["a=1", "a=2", "b=1; c=2"]),
        1 => Just(field("cookie", &a_session())),
        1 => of("cache-control", &["max-age=1", "no-cache", "only-if-cached", "no-store"]),
        1 => of("if-none-match", &["\"1\""]),
        1 => of("range", &["bytes=0-1"]),
        1 => of("connection", &["accept-language", "foo"]),
        1 => of("homing-dev-near", &["ap"]),
        1 => of("cdn-loop", &["homing, homing"]),
    ]
}

fn an_ask() -> impl Strategy<Value = Ask> {
    let paths =
        prop::sample::select(&["/about", "/catalog/none/1", "/catalog/1", "/likes/1", "/lang/1", "/orders/1"][..]);
    let method = prop_oneof![30 => Just("GET"), 1 => Just("HEAD"), 1 => Just("PUT"), 1 => Just("POST")];
    let fields = prop::collection::vec(a_field(), 0..3).prop_map(|mut fields: Fields| {
        fields.sort();
        fields.dedup_by(|(one, _), (other, _)| one == other);
        fields
    });
    let place = prop::sample::select(&[None, Some((50.1, 8.7)), Some((39.0, -77.5))][..]);
    let continent = prop::sample::select(&[None, None, None, Some("AS")][..]);
    let answer = prop_oneof![
        4 => Just((200, vec![field("cache-control", "no-store")])),
        2 => Just((200, vec![field("cache-control", "max-age=5")])),
        1 => (2u32..5).prop_map(|epoch| (421, vec![field("homing-home", "eu"), field("homing-epoch", &epoch.to_string())])),
    ];
    (method, paths, fields, place, continent, answer).prop_map(|(method, path, fields, place, continent, answer)| Ask {
        method,
        path,
        fields,
        place,
        continent,
        answer,
    })
}

fn a_variant() -> impl Strategy<Value = Variant<'static>> {
    let selecting =
        prop::sample::select(&["", "", "", "foo=1", "accept-language=de:1000,", "user-agent=one", "cookie"][..]);
    let fresh = prop::sample::select(&[300u64, 1500, 40_000, 600_000][..]);
    (selecting, fresh, 0u64..40_000, 0u64..3000, any::<bool>()).prop_map(|(selecting, fresh, ago, age, cookie)| {
        Variant {
            selecting: selecting.into(),
            age: Duration::from_millis(age),
            while_revalidate: Duration::from_millis(if cookie { 500 } else { 0 }),
            cookies: if cookie { "a=1".into() } else { "".into() },
            ..stored("eu", Timestamp(NOW.0 - ago), Duration::from_millis(ago + fresh), Duration::from_secs(60))
        }
    })
}

fn a_deed() -> impl Strategy<Value = Deed> {
    let variants = || prop::collection::vec(a_variant(), 1..3);
    prop_oneof![
        2 => variants().prop_map(Deed::Stores),
        1 => prop::sample::select(&["/about", "/likes/1"][..]).prop_map(Deed::Refuses),
        1 => (prop::sample::select(&["us", "eu"][..]), any::<bool>()).prop_map(|(home, drills)| Deed::Publishes(home, drills)),
        1 => Just(Deed::EndsDrill),
    ]
}

/// A few requests that come again and again, and what happens in between.
fn a_life() -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let asks = prop::collection::vec(an_ask(), 1..4);
    asks.prop_flat_map(|asks| {
        let deed = prop_oneof![12 => prop::sample::select(asks).prop_map(Deed::Asks), 1 => an_ask().prop_map(Deed::Asks), 1 => a_deed()];
        let first = prop::collection::vec(a_variant(), 1..3).prop_map(|variants| (Deed::Stores(variants), 0));
        let waits = prop_oneof![6 => Just(0u64), 3 => 1u64..60, 1 => 200u64..1500];
        (first, prop::collection::vec((deed, waits), 10..60)).prop_map(|(first, rest)| {
            let mut all = vec![first];
            all.extend(rest);
            all
        })
    })
}

laws! {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };

    /// An answer that is given again is the one that would be given, and counts like that.
    fn an_answer_given_again_is_the_one_that_would_be_given(life in a_life()) meets [
        "given again": 1500,
        "given again to who differs in what is passed over": 100,
        "brought along": 2500,
    ] {
        let mut pair = Pair::new(&settings(), Logging::Off);
        for (deed, wait) in &life {
            pair.now = pair.now.after(Duration::from_millis(*wait));
            let before = pair.again;
            pair.does(deed);
            let passed = |ask: &Ask| ask.fields.iter().any(|(name, _)| ["user-agent", "cf-ray", "cf-connecting-ip"].contains(&name.as_str()));
            met("given again to who differs in what is passed over", pair.again > before && matches!(deed, Deed::Asks(ask) if passed(ask)));
        }
        pair.compare();
        met("given again", pair.again > 0);
        met("brought along", pair.offered > 0);
    }
}

fn get(path: &'static str) -> Ask {
    Ask { method: "GET", path, fields: Vec::new(), place: None, continent: None, answer: (200, Vec::new()) }
}

/// What lies there for a minute, and was made by that region.
fn for_a_minute() -> Deed {
    Deed::Stores(vec![stored("eu", NOW, Duration::from_secs(60), Duration::ZERO)])
}

#[test]
fn nobody_gets_the_answer_to_another_question() {
    let mut pair = Pair::new(&settings(), Logging::Off);
    pair.does(&for_a_minute());
    let mut is_again = |ask: Ask, wait: u64| {
        pair.now = pair.now.after(Duration::from_millis(wait));
        let before = pair.again;
        pair.does(&Deed::Asks(ask));
        pair.again > before
    };
    let with = |name: &str, value: &str| Ask { fields: vec![field(name, value)], ..get("/about") };
    assert_eq!(
        [0, 0, 0].map(|wait| is_again(get("/about"), wait)),
        [false, false, true],
        "looked for, brought along, again"
    );
    for (name, value) in
        [("user-agent", "one"), ("cf-ray", "1"), ("referer", "https://a.example/"), ("x-real-ip", "192.0.2.1")]
    {
        assert!(is_again(with(name, value), 0), "{name}");
    }
    for (name, value) in
        [("cookie", "a=1"), ("accept", "text/html"), ("range", "bytes=0-1"), ("foo", "1"), ("cookie", &a_session())]
    {
        assert!(!is_again(with(name, value), 0), "{name}");
    }
    assert!(is_again(with("cookie", "b=2; c=3"), 0), "another one that nobody reads");
    assert!(!is_again(Ask { method: "HEAD", ..get("/about") }, 0) && is_again(get("/about"), 999));
    assert!(!is_again(get("/about"), 1), "it is a second older");
    assert!(is_again(get("/about"), 0));
    pair.compare();
}

#[test]
fn a_session_and_a_line_of_the_log_are_each_of_one_request() {
    let session = Ask { fields: vec![field("cookie", &a_session())], ..get("/about") };
    let near = Ask { fields: vec![field("homing-dev-near", "eu")], ..get("/about") };
    for (ask, logging) in [(session, Logging::Off), (near, Logging::Off), (get("/about"), Logging::All)] {
        let mut pair = Pair::new(&settings(), logging);
        pair.does(&for_a_minute());
        (0..5).for_each(|_| pair.does(&Deed::Asks(ask.clone())));
        assert_eq!((pair.again, pair.offered), (0, 4), "{ask:?}");
        pair.compare();
    }
}

/// A memo names no line: what its answer brings about is told with the next one.
#[test]
fn a_route_that_comes_back_within_its_budget_by_answers_given_again_is_told_of() {
    let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
        "DATASETS":{"catalog":{"ownership":"single-writer","home":"eu"}},
        "ROUTES":[{"match":"/catalog/*","dataset":"catalog","max_cross_region":"50%"}]}"#;
    let topology = parse(&raw::from_json(vars).unwrap(), &KeyPath::default().key("vars")).unwrap().0;
    let settings = Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true });
    let mut pair = Pair::new(&settings, Logging::Problems);
    (0..100).for_each(|_| pair.does(&Deed::Asks(Ask { method: "PUT", ..get("/catalog/2") })));
    pair.does(&for_a_minute());
    (0..200).for_each(|_| pair.does(&Deed::Asks(get("/catalog/1"))));
    assert_eq!((pair.again, pair.asked.log.len(), pair.spared.log.len()), (198, 2, 1));
    // Another one, which is told of nothing itself.
    pair.does(&Deed::Asks(Ask { method: "PUT", ..get("/catalog/2") }));
    assert_eq!(pair.spared.log.len(), 2);
    pair.compare();
}
