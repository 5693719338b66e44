//! What an answer leaves behind: in the record, in what the isolate has observed, and in fields for caches in front of the client.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::{rc::Rc, time::Duration};

use homing_core::testing::{
    http::{edits::Edit, problem::Problem},
    model::{
        access::Access,
        reasons::Refusal,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::Ownership,
    session::{self, Claim, LIFETIME, Pin, Session},
    settle::{Pinned, WriteOutcome, refusal},
    state::memory::{Memory, Observation, lag::PinWindow},
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use support::{BODY, NOW, Reply, Story, World, keys, region, settings, stored};

fn fields(all: &[(&str, &str)]) -> support::Fields {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn play(world: World, answer: &[(&str, &str)]) -> Story {
    world.deeds(&[Reply::Answers(200, fields(answer))]).play(&settings()).unwrap()
}

/// Three regions, these datasets and routes, and users whom the application names.
fn settings_of(datasets: &str, routes: &str) -> Rc<Settings> {
    let regions = ["us", "eu", "ap"].map(|name| format!(r#""{name}":{{"origin":"https://{name}.example"}}"#)).join(",");
    let identity = r#""IDENTITY":{"user":{"response_header":"Homing-Subject"}}"#;
    let text = format!(r#"{{"REGIONS":{{{regions}}},"DATASETS":{{{datasets}}},"ROUTES":[{routes}],{identity}}}"#);
    let topology = parse(&raw::from_json(&text).unwrap(), &KeyPath::default()).unwrap().0;
    Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true })
}

/// The homes of subjects that a request has taught its isolate.
fn homes(story: &Story) -> Vec<Ownership> {
    let homes = story.observations.iter().filter_map(|one| match one {
        Observation::Home(_, owned) => Some(*owned),
        _ => None,
    });
    homes.collect()
}

#[test]
fn the_record_says_what_the_origin_says_of_a_write() {
    for (said, wrote) in
        [(&[("homing-wrote", "1")][..], Some(true)), (&[("homing-wrote", "0")], Some(false)), (&[], None)]
    {
        let story = play(World::new("PUT /orders/1"), said);
        assert_eq!(story.end().record.wrote, wrote, "{said:?}");
    }
}

#[test]
fn lags_are_learned_of_a_region_and_not_of_a_cache_before_it() {
    let lags = |fields: &[(&str, &str)]| -> Vec<_> {
        let observed = play(World::new("GET /catalog/1").near("eu"), fields).observations.into_iter();
        let of = |one| match one {
            Observation::Lag { region, source, lag } => Some((region, source, lag)),
            _ => None,
        };
        observed.filter_map(of).collect()
    };
    let told = ("homing-lag", "us=12, eu=7, xx=1, ap=x");
    assert_eq!(lags(&[told]), [(region("eu"), region("us"), Duration::from_millis(12))], "none of itself");
    assert_eq!(lags(&[told, ("cf-cache-status", "HIT")]), [], "what a cache repeats was true at some time before");
}

/// RFC 9111 section 5.2.2.7: a session is one client's.
#[test]
fn an_answer_with_a_session_is_kept_from_shared_caches_and_another_is_as_the_origin_has_said() {
    let public = ("cache-control", "public, max-age=60");
    // That a field of the contract is removed says nothing of another.
    let written = play(World::new("PUT /orders/1"), &[public, ("homing-wrote", "1")]);
    assert!(written.says("set-cookie").is_some(), "{:?}", written.end().edits);
    assert_eq!(written.says("cache-control"), Some("max-age=60, private"));
    let removes = |story: &Story, name: &str| story.end().edits.iter().any(|edit| edit == Edit::Remove(name));
    assert!(removes(&written, "cdn-cache-control") && removes(&written, "surrogate-control"));
    let read = play(World::new("GET /catalog/none/1"), &[public]);
    assert_eq!((read.says("set-cookie"), read.says("cache-control")), (None, None));
    assert!(!removes(&read, "cdn-cache-control"));
}

/// Nobody follows a redirect, nor remembers a cookie, that names the region behind the router.
#[test]
fn only_the_fields_that_name_the_region_itself_are_put_right() {
    let answer = [
        ("location", "/elsewhere"),
        ("refresh", "5; url=https://us.example.com/a"),
        ("link", "</style>; rel=preload"),
        ("set-cookie", "a=1; Path=/"),
    ];
    let story = play(World::new("GET /about").near("us"), &answer);
    let edited = story.end().edits.iter().filter_map(|edit| match edit {
        Edit::Add(name, value) if name != "cache-status" => Some((name, value)),
        _ => None,
    });
    assert_eq!(edited.collect::<Vec<_>>(), [("refresh", "5; url=https://example.com/a")]);
    for name in ["location", "link", "set-cookie"] {
        assert!(story.end().edits.iter().all(|edit| edit != Edit::Remove(name)), "{name}");
    }
}

#[test]
fn a_pin_reads_as_what_it_promises() {
    let window = |p99| Pinned::Window(PinWindow { region: region("eu"), length: Duration::from_millis(900), p99 });
    for (pinned, says) in [
        (Pinned::Position("42".to_owned()), "reads from a replica at 42 or later"),
        (
            window(Some(Duration::from_millis(450))),
            "reads at home for 900 ms, twice the 99th percentile of the lag (450 ms)",
        ),
        (window(None), "reads at home for 900 ms, because too little lag was measured for a shorter time"),
    ] {
        assert_eq!(pinned.to_string(), says);
    }
}

#[test]
fn a_write_that_is_refused_at_the_door_was_certainly_not_sent() {
    let outcome = |access| {
        let (status, edits, _) = refusal(&Problem::of(Refusal::UrlTooLong), access, "homing", NOW);
        assert_eq!(status, 414);
        edits.set_to("homing-write-outcome").map(str::to_owned)
    };
    assert_eq!(outcome(Access::Write).as_deref(), Some(WriteOutcome::NotSent.token()));
    assert_eq!(outcome(Access::Read), None);
}

/// Only what was asked for before the write may lack it.
#[test]
fn what_was_asked_for_in_the_millisecond_of_an_invalidation_is_stored() {
    let story = play(World::new("GET /catalog/1").near("us"), &[("cache-control", "max-age=60")]);
    let key = story.end().store.as_ref().unwrap().key.hash();
    let is_stored = |written_at: u64| {
        let (mut memory, mut settlement) = (Memory::default(), story.end().clone());
        memory.observe(Observation::Purged(key, region("us")), Timestamp(written_at));
        settlement.forgo_storing_in_vain(&memory, NOW.after(Duration::from_millis(5)));
        settlement.store.is_some()
    };
    assert_eq!([NOW.0 - 1, NOW.0, NOW.0 + 1].map(is_stored), [true, true, false]);
    let (mut memory, mut settlement) = (Memory::default(), story.end().clone());
    memory.observe(Observation::Refused(key), NOW);
    settlement.forgo_storing_in_vain(&memory, NOW);
    assert!(settlement.store.is_none(), "the store has just refused it");
}

/// The directory keeps what only clients have named for some minutes: anybody can make names up.
#[test]
fn the_directory_is_told_whether_an_origin_has_named_whom_a_region_declines() {
    let declined =
        [Reply::Answers(421, fields(&[("homing-home", "eu"), ("homing-epoch", "0")])), Reply::Answers(200, Vec::new())];
    let asked = |world: World| {
        let story = world.deeds(&declined).play(&settings()).unwrap();
        let corrected = story.assigned.iter().find(|asked| asked.instead_of.is_some()).unwrap();
        (corrected.proposed.clone(), corrected.named)
    };
    let mut by_path = World::new("POST /t/acme/notes").near("us");
    by_path.store = Some(Some(r#"{"home":"us","epoch":1}"#.to_owned()));
    assert_eq!(asked(by_path), (Some("eu".to_owned()), false));
    let mut session = Session { issued: NOW, expires: NOW.after(LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, "ada")));
    session.subjects.settle(SubjectKind::User, support::owned("us", 1), &support::topology());
    let by_session = World::new("POST /cart/1").near("us").field("homing-session", &session::seal(&session, &keys()));
    assert_eq!(asked(by_session), (Some("eu".to_owned()), true));
}

/// A region that has heard of a tentative home from the router alone only repeats it: that is no yes.
#[test]
fn an_origin_that_repeats_a_tentative_home_has_not_named_it() {
    let claim = Claim::Until(NOW.after(Duration::from_secs(4)));
    let subject = Some(SubjectId::of(SubjectKind::Tenant, "made-up"));
    let pin = Pin { dataset: "notes".to_owned(), subject, region: "us".to_owned(), since: NOW, claim };
    let session = Session { issued: NOW, expires: NOW.after(LIFETIME), pins: vec![pin], ..Session::default() };
    let sealed = session::seal(&session, &keys());
    let learned = |epoch| {
        let mut world = World::new("GET /t/made-up/notes").near("eu").field("homing-session", &sealed);
        world.directory = Some(Some(r#"{"home":"eu","epoch":3,"new":true,"tentative":true}"#.to_owned()));
        let story = play(world, &[("homing-home", "eu"), ("homing-epoch", epoch)]);
        homes(&story).into_iter().filter(|home| !home.is_tentative()).map(|home| home.epoch().0).collect::<Vec<_>>()
    };
    assert_eq!(["2", "3", "4"].map(learned), [vec![], vec![], vec![4]]);
}

#[test]
fn a_home_that_the_session_has_is_not_learned_once_more() {
    let mut session = Session { issued: NOW, expires: NOW.after(LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, "ada")));
    session.subjects.settle(SubjectKind::User, support::owned("eu", 3), &support::topology());
    let sealed = session::seal(&session, &keys());
    let learned = |epoch| {
        let world = World::new("GET /cart/1").near("eu").field("homing-session", &sealed);
        homes(&play(world, &[("homing-home", "us"), ("homing-epoch", epoch)])).len()
    };
    assert_eq!(["2", "3", "4"].map(learned), [0, 0, 1]);
}

/// RFC 9111 has no word for sessions: one that is shown nothing but stored responses is renewed all the same, while it lives.
#[test]
fn a_session_that_is_shown_a_stored_response_is_renewed_when_half_its_life_is_over() {
    let renewed = |left: Duration| {
        let session = Session { issued: NOW, expires: NOW.after(left), ..Session::default() };
        let mut world =
            World::new("GET /catalog/1").near("eu").field("homing-session", &session::seal(&session, &keys()));
        world.cache = vec![stored("us", NOW, Duration::from_secs(60), Duration::ZERO)];
        let story = world.play(&settings()).unwrap();
        assert!(story.sent.is_empty(), "{:?}", story.end().record.trace);
        story.says("homing-session").is_some()
    };
    let half = LIFETIME / 2;
    assert_eq!([half - Duration::from_millis(1), half, LIFETIME].map(renewed), [true, false, false]);
    assert_eq!(BODY, 10, "what the cache holds has a body");
    let forged = World::new("GET /catalog/1").near("eu").field("homing-session", "forged");
    let forged = World { cache: vec![stored("us", NOW, Duration::from_secs(60), Duration::ZERO)], ..forged };
    assert_eq!(forged.play(&settings()).unwrap().says("homing-session"), None);
}

/// A home is looked for only where it decides something.
#[test]
fn who_signs_in_where_no_data_is_split_by_users_needs_no_home() {
    let named = |datasets: &str| {
        let settings = settings_of(datasets, r#"{"match":"/a/*","dataset":"a"}"#);
        let world = World::new("POST /a/1").near("us");
        let story = world.deeds(&[Reply::Answers(200, fields(&[("homing-subject", "ada")]))]).play(&settings).unwrap();
        assert!(story.says("set-cookie").is_some(), "{datasets}");
        story.asked_directory
    };
    let a = r#""a":{"ownership":"single-writer","home":"us"}"#;
    assert_eq!(named(a), 0);
    assert_eq!(
        named(&format!(r#"{a},"b":{{"ownership":"geo-partitioned","subject":"user","regions":["us","eu"]}}"#)),
        1
    );
}

/// What the region says of the repeat is not what became of the first send.
#[test]
fn a_position_in_the_refusal_of_a_repeat_is_not_that_of_the_write() {
    let orders = r#""orders":{"ownership":"single-writer","home":"us","position":"counter"}"#;
    let settings = settings_of(
        orders,
        r#"{"match":"/orders/*","dataset":"orders","read_after_write":"session","idempotent":true}"#,
    );
    let position = fields(&[("homing-position", "orders=50"), ("homing-home", "us"), ("homing-epoch", "1")]);
    let pinned = |deeds: &[Reply]| {
        let story =
            World::new("PUT /orders/1").near("us").field("idempotency-key", "k1").deeds(deeds).play(&settings).unwrap();
        assert_eq!(story.sent.len(), deeds.len());
        story.end().record.pinned.clone()
    };
    let is_window = |pinned: &Option<Pinned>| matches!(pinned, Some(Pinned::Window(_)));
    let refused = pinned(&[Reply::Loses, Reply::Answers(409, position.clone())]);
    assert!(is_window(&refused), "{refused:?}");
    assert_eq!(pinned(&[Reply::Loses, Reply::Answers(200, position.clone())]), Some(Pinned::Position("50".to_owned())));
    assert_eq!(pinned(&[Reply::Answers(200, position)]), Some(Pinned::Position("50".to_owned())));
}

#[test]
fn a_read_for_which_every_replica_lags_too_much_is_refused_for_that() {
    let likes = r#""likes":{"ownership":"multi-writer","staleness":"30s","conflicts":{"rule":"merge","explain":"All of them stay here."}}"#;
    let settings = settings_of(likes, r#"{"match":"/likes/*","dataset":"likes","read_after_write":"none"}"#);
    let decided = |slow: &[&str]| {
        let mut world = World::new("GET /likes/1").near("eu");
        for name in slow {
            for source in ["us", "eu", "ap"].into_iter().filter(|source| source != name) {
                let (region, source, lag) = (region(name), region(source), Duration::from_secs(31));
                world.memory.observe(Observation::Lag { region, source, lag }, NOW);
            }
        }
        world.play(&settings).unwrap().end().record.decision.token().as_str().to_owned()
    };
    assert_eq!(decided(&["us", "eu", "ap"]), Refusal::LagOverBound.token().as_str());
    assert_eq!(decided(&["us", "eu"]), "nearest");
}

/// Who waits gets what another request has fetched, so it must be one that both may be given.
#[test]
fn a_read_waits_only_for_what_could_answer_it() {
    let waits = |world: World| world.near("eu").play(&settings()).unwrap().would_wait;
    assert!(waits(World::new("GET /catalog/1")));
    for (name, value) in [
        ("authorization", "Bearer a"),
        ("range", "bytes=0-1"),
        ("cache-control", "only-if-cached"),
        ("cache-control", "no-cache"),
        ("cache-control", "no-cache, only-if-cached"),
    ] {
        assert!(!waits(World::new("GET /catalog/1").field(name, value)), "{name}: {value}");
    }
    assert!(!waits(World::new("HEAD /catalog/1")));
    let mut session = Session { issued: NOW, expires: NOW.after(LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, "ada")));
    session.subjects.settle(SubjectKind::User, support::owned("eu", 1), &support::topology());
    let personal = World::new("GET /cart/cached/1").field("homing-session", &session::seal(&session, &keys()));
    assert!(!waits(personal.field("cookie", "sid=1")));
}
