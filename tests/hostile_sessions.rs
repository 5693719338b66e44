//! People with real sessions of their own, who use them against others: in links, joined with what another has, at other hosts,
//! a month later; and an application that names users and tenants both.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::{cell::Cell, rc::Rc, time::Duration};

use homing_core::testing::{
    decide::attempt::Attempt,
    http::{cookies::COOKIE, edits::Edit, target::Target},
    model::{
        epoch::Epoch,
        position::{Mark, Position},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    session::{self, Claim, Opened, Pin, Session, carried::along},
    state::memory::Observation,
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use proptest::{prelude::*, test_runner::TestRunner};
use support::{NOW, Reply, Story, World, keys, told};

const TOPOLOGY: &str = r#"{
  "REGIONS": {
    "us": { "origin": "https://us.example.com", "location": { "lat": 39.0, "lon": -77.5 }, "default_home": true },
    "eu": { "origin": "https://eu.example.com", "location": { "lat": 50.1, "lon": 8.7 } },
    "ap": { "service": "REGION_AP", "location": { "lat": 1.35, "lon": 103.8 } }
  },
  "DATASETS": {
    "catalog": { "ownership": "single-writer", "home": "us", "position": "counter" },
    "cart": { "ownership": "geo-partitioned", "subject": "user", "regions": ["us", "eu", "ap"], "position": "counter" },
    "notes": { "ownership": "geo-partitioned", "subject": "tenant", "regions": ["us", "eu", "ap"], "position": "counter" }
  },
  "ROUTES": [
    { "match": "/catalog/*", "dataset": "catalog", "read_after_write": "session", "on_home_down": "stale" },
    { "match": "/cart/*", "dataset": "cart", "read_after_write": "session", "on_home_down": "stale" },
    { "match": "/strict/*", "dataset": "cart", "read_after_write": "session" },
    { "match": "/notes/*", "dataset": "notes", "read_after_write": "session" }
  ],
  "IDENTITY": {
    "user": { "response_header": "Homing-Subject" },
    "tenant": { "response_header": "Homing-Tenant" },
    "hosts": ["example.com", "*.example.com"]
  }
}"#;

thread_local! {
    static SETTINGS: Rc<Settings> = {
        let topology = parse(&raw::from_json(TOPOLOGY).unwrap(), &KeyPath::default().key("vars")).unwrap().0;
        Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true })
    };
}

fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

fn user(name: &str) -> SubjectId {
    SubjectId::of(SubjectKind::User, name)
}

/// The attacker has an account, and her home has moved once: eu, since epoch 2.
fn mallory() -> Session {
    Session { pins: vec![mark("cart", Some(user("mallory")), "eu", 2, 2)], ..signed_in("mallory", "eu", 2) }
}

fn signed_in(name: &str, home: &str, epoch: u64) -> Session {
    let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(user(name)));
    session.subjects.settle(SubjectKind::User, support::owned(home, epoch), &settings().topology);
    session
}

fn mark(dataset: &str, subject: Option<SubjectId>, region: &str, epoch: u64, at: u128) -> Pin {
    let claim = Claim::AtLeast(Mark { epoch: Epoch(epoch), position: Position::new(at) });
    Pin { dataset: dataset.to_owned(), subject, region: region.to_owned(), since: Timestamp(NOW.0 - 9_000), claim }
}

fn cookie(session: &Session) -> String {
    format!("{COOKIE}={}", session::seal(session, &keys()))
}

fn play(request: &str, session: &Session) -> Story {
    World::new(request).field("cookie", &cookie(session)).play(&settings()).unwrap()
}

/// The token of an honest redirect to example.com.
fn carried(session: &Session, at: Timestamp) -> String {
    let location = along(
        "https://example.com/",
        &Target::read("https://b.example.com/").unwrap(),
        session,
        &settings().topology,
        &keys(),
        at,
    )
    .unwrap();
    location.split_once("homing-session=").unwrap().1.to_owned()
}

/// The session that an answer carries, if it carries one.
fn issued(story: &Story) -> Option<Session> {
    let line = story.end().edits.iter().find_map(|edit| match edit {
        Edit::Add("set-cookie", line) => line.strip_prefix(COOKIE)?.strip_prefix('='),
        _ => None,
    })?;
    let Opened { session, verdict, .. } =
        session::open(line.split(';').next().unwrap(), &keys(), NOW.after(story.took));
    assert_eq!(verdict.token().as_str(), "session-valid");
    Some(session)
}

/// What was told of each send: where it went, and by which ownership.
fn sends(story: &Story) -> Vec<(usize, Option<String>, Option<String>)> {
    let send = |attempt: &Attempt| {
        let told = |name| told(attempt, name).map(str::to_owned);
        (attempt.region.index(), told("homing-home"), told("homing-epoch"))
    };
    story.sent.iter().map(send).collect()
}

/// A link with the attacker's own cookie in it, good for 30 days; and one with what a redirect of hers has carried.
#[test]
fn a_link_takes_nobodys_home() {
    let ada = signed_in("ada", "us", 1);
    let clean = play("GET /strict/1", &ada);
    for token in [session::seal(&mallory(), &keys()), carried(&mallory(), NOW)] {
        let story = play(&format!("GET /strict/1?homing-session={token}"), &ada);
        assert_eq!(sends(&story), sends(&clean));
        assert_eq!((story.end().status, story.end().publish.len()), (200, 0));
        let session = issued(&story).unwrap_or_else(|| ada.clone());
        assert_eq!((session.subjects.clone(), session.pins.len()), (ada.subjects.clone(), 0));
        let write = play("POST /cart/1", &session);
        assert_eq!(sends(&write), [(0, Some("us".to_owned()), Some("1".to_owned()))]);
    }
}

/// However her mark came into the session: no read by it makes eu the home of anything, and the third read is no other than the
/// first.
#[test]
fn somebody_elses_mark_in_a_session_moves_nothing_and_locks_nobody_out() {
    let mut ada = signed_in("ada", "us", 1);
    ada.pins.push(mark("cart", Some(user("ada")), "eu", 2, 2));
    for _ in 0..3 {
        let mut world = World::new("GET /cart/1").field("cookie", &cookie(&ada));
        world.store = Some(Some(r#"{"home":"us","epoch":1}"#.to_owned()));
        world.directory = world.store.clone();
        let fields = |position: &str| vec![("homing-position".to_owned(), position.to_owned())];
        world.deeds = vec![Reply::Answers(200, fields("cart=1")), Reply::Answers(200, fields("cart=7"))];
        let story = world.play(&settings()).unwrap();
        assert_eq!((story.end().status, story.says("homing-consistency")), (200, Some("stale")));
        assert!(
            sends(&story).iter().all(|(_, home, epoch)| (home.as_deref(), epoch.as_deref()) == (Some("us"), Some("1")))
        );
        let us = support::region("us");
        assert!(
            !story
                .observations
                .iter()
                .any(|observation| matches!(observation, Observation::Home(_, owned) if owned.home() != us))
        );
        ada = issued(&story).unwrap_or(ada);
        assert_eq!(ada.home(SubjectKind::User).map(|home| home.name()), Some("us"));
    }
    assert_eq!(sends(&play("POST /cart/1", &ada)), [(0, Some("us".to_owned()), Some("1".to_owned()))]);
}

/// What a redirect carries goes into the address bar, from where people copy it, and into `Referer`.
#[test]
fn a_browser_is_sent_on_to_the_address_without_what_came_along() {
    let wrote = Session { pins: vec![mark("catalog", None, "us", 1, 9)], ..signed_in("ada", "us", 1) };
    let token = carried(&wrote, NOW);
    let go = |headers: &[(&str, &str)], token: &str| {
        let world = World::new(&format!("GET /catalog/1?a=1&homing-session={token}&homing-session={token}&b=2"));
        let world = headers.iter().fold(world, |world, (name, value)| world.field(name, value));
        world.play(&settings()).unwrap()
    };
    let navigates = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for headers in [&navigates[..], &[("accept", "text/html,*/*;q=0.8")][..]] {
        let story = go(headers, &token);
        assert_eq!((story.end().status, story.sent.len()), (303, 0));
        assert_eq!(story.says("location"), Some("https://example.com/catalog/1?a=1&b=2"));
        assert_eq!(
            (story.says("referrer-policy"), story.says("cache-control")),
            (Some("no-referrer"), Some("no-store"))
        );
        assert_eq!(issued(&story).unwrap().mark("catalog", None), wrote.mark("catalog", None));
    }
    let forged = go(&navigates, "c1.nonsense");
    assert_eq!(
        (forged.end().status, forged.says("location"), issued(&forged)),
        (303, Some("https://example.com/catalog/1?a=1&b=2"), None)
    );
    // A script, or a client that keeps its session by hand, shows no address: it gets its answer at once.
    for headers in [
        &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
        &[("homing-session", "-"), ("accept", "text/html")][..],
        &[][..],
    ] {
        let story = go(headers, &token);
        assert_eq!((story.end().status, story.says("referrer-policy")), (200, Some("no-referrer")));
        assert_eq!(story.sent[0].target.path_and_query(), "/catalog/1?a=1&b=2");
    }
}

/// One tenant, two users, both kinds named by the application: before, the tenant was written in two regions, as each user's home.
#[test]
fn a_session_holds_one_subject_of_each_kind_and_both_are_found_at_once() {
    let login = |name: &str, near: &str| {
        let mut world = World::new("POST /login").near(near);
        let fields =
            vec![("homing-subject".to_owned(), name.to_owned()), ("homing-tenant".to_owned(), "acme".to_owned())];
        world.deeds = vec![Reply::Answers(200, fields)];
        // Whoever is asked, acme lives in ap.
        world.directory = Some(Some(r#"{"home":"ap","epoch":3}"#.to_owned()));
        issued(&world.play(&settings()).unwrap()).unwrap()
    };
    for (name, near) in [("ada", "us"), ("bob", "eu")] {
        let session = login(name, near);
        assert_eq!(session.subject(SubjectKind::User), Some(&user(name)));
        assert_eq!(session.subject(SubjectKind::Tenant), Some(&SubjectId::of(SubjectKind::Tenant, "acme")));
        let story = play("POST /notes/1", &session);
        assert_eq!(sends(&story), [(2, Some("ap".to_owned()), Some("3".to_owned()))]);
        let of = |story: &Story| told(&story.sent[0], "homing-subject").map(str::to_owned);
        assert_eq!(of(&story).as_deref(), Some(SubjectId::of(SubjectKind::Tenant, "acme").as_str()));
        assert_eq!(of(&play("POST /cart/1", &session)).as_deref(), Some(user(name).as_str()));
    }
}

#[test]
fn one_kind_signs_out_and_the_other_stays_with_what_it_wrote() {
    let acme = SubjectId::of(SubjectKind::Tenant, "acme");
    let mut session = signed_in("ada", "us", 1);
    session.subjects.sign(SubjectKind::Tenant, Some(acme.clone()));
    session.pins = vec![
        mark("cart", Some(user("ada")), "us", 1, 1),
        mark("notes", Some(acme.clone()), "us", 1, 2),
        mark("catalog", None, "us", 1, 3),
    ];
    let answers = |field: &str, value: &str| {
        let mut world = World::new("POST /leave").field("cookie", &cookie(&session));
        world.deeds = vec![Reply::Answers(200, vec![(field.to_owned(), value.to_owned())])];
        issued(&world.play(&settings()).unwrap()).unwrap()
    };
    let pins = |session: &Session| session.pins.iter().map(|pin| pin.dataset.clone()).collect::<Vec<_>>();
    let left = answers("homing-tenant", "");
    assert_eq!((left.subject(SubjectKind::User), left.subject(SubjectKind::Tenant)), (Some(&user("ada")), None));
    assert_eq!(
        (pins(&left), left.home(SubjectKind::User).is_some()),
        (vec!["cart".to_owned(), "catalog".to_owned()], true)
    );
    let other = answers("homing-subject", "bob");
    assert_eq!(
        (other.subject(SubjectKind::User), other.subject(SubjectKind::Tenant)),
        (Some(&user("bob")), Some(&acme))
    );
    assert_eq!(pins(&other), ["notes", "catalog"]);
}

fn a_pin() -> impl Strategy<Value = Pin> {
    let whose = prop::sample::select(vec![None, Some("ada"), Some("mallory"), Some("grace")]);
    let dataset = prop::sample::select(vec!["catalog", "cart", "cart", "notes"]);
    let region = prop::sample::select(vec!["us", "eu", "ap", "mars"]);
    (dataset, whose, region, 1u64..6, 0u128..9, prop::option::of(0u64..30_000)).prop_map(
        |(dataset, whose, region, epoch, at, window)| {
            let pin = mark(dataset, whose.map(user), region, epoch, at);
            let until = |ahead| Claim::Until(NOW.after(Duration::from_millis(ahead)));
            Pin { claim: window.map_or(pin.claim, until), ..pin }
        },
    )
}

/// A session that somebody has, of whom nobody knows what all has befallen it.
fn a_session() -> impl Strategy<Value = Session> {
    let name = prop::sample::select(vec!["ada", "mallory", "grace"]);
    let home = prop::sample::select(vec!["us", "eu", "ap"]);
    (name, home, 1u64..6, prop::collection::vec(a_pin(), 0..6)).prop_map(|(name, home, epoch, pins)| {
        let mut session = signed_in(name, home, epoch);
        pins.into_iter().for_each(|pin| session.add_pin(pin, &settings().topology, NOW));
        session
    })
}

#[derive(Clone, Copy, Debug)]
enum Link {
    No,
    /// The other's cookie in the parameter.
    Swapped,
    /// What a redirect carried of the other's session, now or long ago.
    Carried(u64),
}

fn an_answer() -> impl Strategy<Value = Reply> {
    let region = prop::sample::select(vec!["us", "eu", "ap"]);
    let named = prop::option::of((region, 1u64..6));
    (prop::sample::select(vec![200u16, 404, 421, 503]), named, prop::option::of(0u8..9)).prop_map(
        |(status, named, at)| {
            let field = |name: &str, value: String| (name.to_owned(), value);
            let owner = named.into_iter().flat_map(|(home, epoch)| {
                [field("homing-home", home.to_owned()), field("homing-epoch", epoch.to_string())]
            });
            let position = at.map(|at| field("homing-position", format!("cart={at}, catalog={at}")));
            Reply::Answers(status, owner.chain(position).collect())
        },
    )
}

thread_local! {
    static MARKS_OF_LATER_EPOCHS: Cell<u32> = const { Cell::new(0) };
    static ADOPTED: Cell<u32> = const { Cell::new(0) };
    static MOVED: Cell<u32> = const { Cell::new(0) };
}

fn count(what: &'static std::thread::LocalKey<Cell<u32>>) {
    what.set(what.get() + 1);
}

/// What somebody says of a home: where, since when.
type Said = (&'static str, u64);

/// A request of somebody who has one session, with another's in the address.
#[derive(Clone, Debug)]
struct Case {
    mine: Session,
    other: Session,
    link: Link,
    request: &'static str,
    stored: Option<Said>,
    assigned: Option<Said>,
    remembered: Option<Said>,
    deeds: Vec<Reply>,
}

fn a_case() -> impl Strategy<Value = Case> {
    let link = prop_oneof![
        2 => Just(Link::No),
        2 => Just(Link::Swapped),
        3 => prop::sample::select(vec![0u64, 1_000, 59_000, 60_000, 3_600_000]).prop_map(Link::Carried),
    ];
    let request = vec!["GET /cart/1", "POST /cart/1", "GET /strict/1", "GET /catalog/1", "PUT /catalog/1"];
    let said = || prop::option::of((prop::sample::select(vec!["us", "eu", "ap"]), 1u64..6));
    let sessions = (a_session(), a_session(), link, prop::sample::select(request));
    (sessions, said(), said(), said(), prop::collection::vec(an_answer(), 1..3)).prop_map(
        |((mine, other, link, request), stored, assigned, remembered, deeds)| Case {
            mine,
            other,
            link,
            request,
            stored,
            assigned,
            remembered,
            deeds,
        },
    )
}

impl Case {
    fn me(&self) -> SubjectId {
        self.mine.subject(SubjectKind::User).unwrap().clone()
    }

    fn is_cart(&self) -> bool {
        !self.request.contains("catalog")
    }

    fn token(&self) -> Option<String> {
        match self.link {
            Link::No => None,
            Link::Swapped => Some(session::seal(&self.other, &keys())),
            Link::Carried(ago) => (!self.other.pins.is_empty()).then(|| carried(&self.other, Timestamp(NOW.0 - ago))),
        }
    }

    fn play(&self) -> Story {
        let query = self.token().map_or(String::new(), |token| format!("?homing-session={token}"));
        let mut world = World::new(&format!("{}{query}", self.request)).field("cookie", &cookie(&self.mine));
        let text = |said: Option<Said>| said.map(|(home, epoch)| format!(r#"{{"home":"{home}","epoch":{epoch}}}"#));
        (world.store, world.directory) = (Some(text(self.stored)), Some(text(self.assigned)));
        world.deeds = self.deeds.clone();
        if let Some((home, epoch)) = self.remembered {
            let owned = support::owned(home, epoch);
            let dataset = settings().topology.dataset_named("catalog").unwrap();
            let observation =
                if self.is_cart() { Observation::Home(self.me(), owned) } else { Observation::Moved(dataset, owned) };
            world.memory.observe(observation, NOW);
        }
        world.play(&settings()).unwrap()
    }

    /// All that was said before anything was sent, by who may.
    fn said_before(&self) -> Vec<(String, u64)> {
        let kept = [self.stored, self.assigned].into_iter().flatten().filter(|_| self.is_cart());
        let mut said: Vec<_> = kept.chain(self.remembered).map(|(home, epoch)| (home.to_owned(), epoch)).collect();
        if self.is_cart() {
            let home = self.mine.home(SubjectKind::User).unwrap();
            said.push((home.name().to_owned(), home.epoch().0));
            // The directory, where it knows none, assigns what is proposed.
            said.extend(["us", "eu", "ap"].map(|home| (home.to_owned(), 1)));
        } else {
            said.push(("us".to_owned(), 1));
        }
        said
    }

    /// What the origin says in its answer to the send of that number.
    fn said_by_origin(&self, at: usize) -> Option<(String, u64)> {
        let Some(Reply::Answers(_, fields)) = self.deeds.get(at).or(self.deeds.last()) else { return None };
        let value = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        value("homing-home").zip(value("homing-epoch").and_then(|epoch| epoch.parse().ok()))
    }
}

fn notes(story: &Story, reason: &str) -> bool {
    story.end().record.trace.tokens().any(|(token, _)| token.as_str() == reason)
}

fn holds(case: &Case) -> Result<(), TestCaseError> {
    let (story, me, mut said) = (case.play(), case.me(), case.said_before());
    for (at, attempt) in story.sent.iter().enumerate() {
        if let Some((home, epoch)) = told(attempt, "homing-home").zip(told(attempt, "homing-epoch")) {
            let claim = (home.to_owned(), epoch.parse().unwrap());
            prop_assert!(said.contains(&claim), "{claim:?} of {said:?}");
            // Who is asked by that claim and declines it says where the data is: the directory gives it that home, by the next epoch.
            let declined = case.said_by_origin(at).filter(|(home, epoch)| *home != claim.0 && *epoch <= claim.1);
            said.extend(declined.filter(|_| case.is_cart()).map(|(home, _)| (home, claim.1 + 1)));
        }
        said.extend(case.said_by_origin(at));
    }
    let topology = &settings().topology;
    for observation in &story.observations {
        let (Observation::Home(_, owned) | Observation::Moved(_, owned)) = observation else { continue };
        prop_assert!(said.contains(&(topology.region(owned.home()).name.clone(), owned.epoch().0)), "{observation:?}");
        prop_assert!(!matches!(observation, Observation::Home(whose, _) if *whose != me), "{observation:?}");
    }
    prop_assert!(story.end().publish.iter().all(|publish| publish.subject == me));
    if let Some(session) = issued(&story) {
        prop_assert_eq!(session.subject(SubjectKind::User), Some(&me));
        let (home, before) = (session.home(SubjectKind::User).unwrap(), case.mine.home(SubjectKind::User).unwrap());
        prop_assert!(home == before || said.contains(&(home.name().to_owned(), home.epoch().0)), "{home:?}");
        let is_foreign = |pin: &&Pin| pin.subject.as_ref().is_some_and(|whose| *whose != me);
        let foreign = session.pins.iter().filter(|pin| !case.mine.pins.contains(pin)).find(is_foreign);
        prop_assert!(foreign.is_none(), "{foreign:?}");
        if home != before {
            count(&MOVED);
        }
    }
    if notes(&story, "position-of-later-epoch") {
        count(&MARKS_OF_LATER_EPOCHS);
    }
    let is_token = matches!(case.link, Link::Carried(0..60_000)) && case.token().is_some();
    prop_assert_eq!(notes(&story, "session-carried"), is_token, "a session is no token, nor is an old one");
    if is_token {
        count(&ADOPTED);
    }
    Ok(())
}

/// Whatever pins and sessions a client has (joined, swapped, carried, replayed): by which ownership anything is asked about a
/// subject was said of that subject, by its own session, the isolate's memory, the home store, the directory or an origin; and
/// what is kept of it was, too.
#[test]
fn every_ownership_that_is_acted_on_was_said_of_that_subject_by_who_may_say_it() {
    let config = ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&a_case(), |case| holds(&case)).unwrap();
    // What was never met was never tried.
    for (what, least) in [(&MARKS_OF_LATER_EPOCHS, 80), (&ADOPTED, 500), (&MOVED, 80)] {
        assert!(what.get() >= least, "{} of {least}", what.get());
    }
}

/// A client keeps the application's login and leaves the session out: a region that is told of that user takes the write, though the
/// router asked about nobody. The session that its answer begins is the user's, and so is the pin: the next read is by it.
#[test]
fn a_write_of_nobody_in_particular_is_pinned_as_the_one_whom_its_answer_names() {
    let ada = SubjectId::of(SubjectKind::User, "ada");
    let mut world = World::new("POST /cart/1");
    let fields = [("homing-subject", "ada"), ("homing-wrote", "1")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    world.deeds = vec![Reply::Answers(200, fields)];
    let session = issued(&world.play(&settings()).unwrap()).unwrap();
    let whose: Vec<_> = session.pins.iter().map(|pin| pin.subject.clone()).collect();
    assert_eq!(whose, [Some(ada)]);
}
