//! Whom a stored copy is shown to: hostile clients, and sessions that have written.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use homing_core::testing::{
    cache::entry::{self, ENTRY, Variant},
    http::edits::Edit,
    model::{
        epoch::Epoch,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::stated::Shows,
    session::{self, Session},
    settle::{Source, Store},
    state::memory::{Memory, Observation},
};
use proptest::prelude::*;
use support::{Fields, NOW, Reply, Story, World, keys, settings};

fn answers(status: u16, fields: &[(&str, &str)]) -> Reply {
    Reply::Answers(status, fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn play(world: &World) -> Story {
    world.play(&settings()).unwrap()
}

fn entry_of(store: &Store) -> Vec<Variant<'static>> {
    let text = store.edits.set_to(ENTRY);
    entry::read(text.unwrap()).unwrap().into_iter().map(Variant::into_owned).collect()
}

fn after(millis: u64) -> Timestamp {
    NOW.after(Duration::from_millis(millis))
}

fn session_of(name: &str) -> String {
    let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, name)));
    session.subjects.settle(SubjectKind::User, support::owned("eu", 1), &support::topology());
    session::seal(&session, &keys())
}

/// The session that an answer hands out.
fn issued(story: &Story) -> String {
    let line = story.says("set-cookie").unwrap();
    line.strip_prefix(&format!("{}=", session::COOKIE)).unwrap().split(';').next().unwrap().to_owned()
}

/// Else a response that is wrong of another owner's log would tell it anew to each session, for as long as it is stored.
#[test]
fn what_a_stored_response_shows_a_session_is_as_old_as_that() {
    let [made, came] = [41_000, 40_000].map(|ago| Timestamp(NOW.0 - ago));
    let shows = Shows::read_all(&format!("us:{}:270f:-", Epoch::OF_EACH_OWNER.0)).unwrap();
    let long = Duration::from_secs(60);
    let mut world = World::new("GET /tags/1").near("eu");
    world.fields.push(("cookie".to_owned(), format!("{}={}", session::COOKIE, session_of("ada"))));
    world.cache.push(Variant { shows, came, ..support::stored("eu", made, long, long) });
    let pins = session::open(&issued(&play(&world)), &keys(), NOW).session.pins;
    assert_eq!(pins.iter().map(|pin| (pin.region.as_str(), pin.since)).collect::<Vec<_>>(), [("us", came)]);
}

/// What a client shows of itself: cookies of the application's, and `Authorization`.
type Credentials = (Option<&'static str>, Option<&'static str>);
const CREDENTIALS: [Credentials; 7] = [
    (None, None),
    (Some("sid=ada"), None),
    (Some("sid=eve"), None),
    (Some("uid=ada"), None),
    (None, Some("Bearer ada")),
    (None, Some("Bearer eve")),
    (Some("sid=ada"), Some("Bearer eve")),
];

fn request(method: &str, (cookie, authorization): Credentials, sealed: &str, by_header: bool) -> World {
    let mut world = World::new(&format!("{method} /cart/cached/1")).near("eu").field("foo", "1");
    world.fields.extend(authorization.map(|said| ("authorization".to_owned(), said.to_owned())));
    let cookies = match (cookie, by_header) {
        (None, true) => None,
        (Some(own), true) => Some(own.to_owned()),
        (None, false) => Some(format!("{}={sealed}", session::COOKIE)),
        (Some(own), false) => Some(format!("{}={sealed}; {own}", session::COOKIE)),
    };
    world.fields.extend(cookies.map(|cookies| ("cookie".to_owned(), cookies)));
    world.fields.extend(by_header.then(|| ("homing-session".to_owned(), sealed.to_owned())));
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The hostile client has the very session of the one whose data it is, and every part of their credentials but the whole.
    #[test]
    fn a_personal_copy_is_shown_only_to_the_credentials_that_it_was_made_with(
        steps in prop::collection::vec((0..CREDENTIALS.len(), any::<bool>(), 0..8usize, 0..6usize, any::<bool>()), 2..9),
    ) {
        const CONTROLS: [&str; 6] = [
            "public, max-age=60", "public, max-age=0", "public, max-age=0, stale-while-revalidate=60",
            "public, no-cache", "private", "public, max-age=0, stale-if-error=60",
        ];
        let sealed = session_of("ada");
        let mut held: Vec<Variant<'static>> = Vec::new();
        for (n, (who, by_header, what, control, confirms)) in steps.into_iter().enumerate() {
            let mut world = request(if what == 0 { "HEAD" } else { "GET" }, CREDENTIALS[who], &sealed, by_header);
            world.cache = held.clone();
            world.now = after(n as u64);
            let tag = format!("\"{who}-{n}\"");
            let mut fields: Fields = vec![("cache-control".to_owned(), CONTROLS[control].to_owned())];
            fields.extend((what == 2).then(|| ("vary".to_owned(), "Foo, Cookie".to_owned())));
            fields.extend((what == 3).then(|| ("vary".to_owned(), "Foo".to_owned())));
            let whole = |status| Reply::Answers(status, [fields.clone(), vec![("etag".to_owned(), tag.clone())]].concat());
            world.deeds = match what {
                4 => vec![Reply::Refuses],
                5 => vec![whole(500)],
                _ if confirms => vec![Reply::Answers(304, fields.clone()), whole(200)],
                _ => vec![whole(200)],
            };
            let story = play(&world);
            for end in [story.answered.as_ref(), story.end.as_ref()].into_iter().flatten() {
                if let Source::Stored(at, _) | Source::StoredHead(at) = end.source {
                    let tag = held[at].kept.get("etag").unwrap().to_owned();
                    prop_assert!(tag.starts_with(&format!("\"{who}-")), "{:?} is shown {tag}", CREDENTIALS[who]);
                    prop_assert!(CREDENTIALS[who] != (None, None));
                }
                if let Some(store) = &end.store {
                    prop_assert!(CREDENTIALS[who] != (None, None), "nobody's credentials make no copy");
                    held = entry_of(store);
                } else if !end.invalidate.is_empty() {
                    held.clear();
                }
            }
        }
    }
}

#[test]
fn a_copy_that_is_bound_to_no_credentials_answers_no_personal_request() {
    // One that an earlier version of the router has left.
    let ada = (Some("sid=ada"), None);
    let mut world = request("GET", ada, &session_of("ada"), false);
    world.cache = vec![support::stored("eu", NOW, Duration::from_secs(60), Duration::ZERO)];
    assert!(!matches!(play(&world).end().source, Source::Stored(..)));
}

/// The story of issue 1: the window is 5 s, replication takes 3, the copy is fresh for 60.
#[test]
fn what_a_lagging_region_filled_just_after_a_write_is_never_shown_to_the_writer() {
    let mut write = World::new("PUT /catalog/1").near("eu");
    let written = play(&write);
    let sealed = issued(&written);
    // Half a second later somebody else, in another isolate, fills the edge from a region that does not have it yet.
    let mut fill = World::new("GET /catalog/1").near("eu");
    fill.now = after(500);
    fill.deeds = vec![answers(200, &[("cache-control", "max-age=60"), ("etag", "\"old\"")])];
    let filled = play(&fill);
    let copy = entry_of(filled.end().store.as_ref().unwrap());
    assert_eq!(copy[0].fresh, Duration::from_secs(60), "it knows nothing of the write");
    for at in [600, 4_000, 5_001, 8_000, 20_000, 30_000] {
        let mut read = World::new("GET /catalog/1").near("eu");
        read.fields.push(("cookie".to_owned(), format!("{}={sealed}", session::COOKIE)));
        (read.now, read.cache) = (after(at), copy.clone());
        let story = play(&read);
        assert!(!matches!(story.end().source, Source::Stored(..)), "shown after {at} ms");
        assert!(story.sent.len() == 1);
    }
    // Others are shown it; and the writer, where the session is issued anew meanwhile, is not.
    write = World::new("PUT /likes/1").near("eu");
    write.fields.push(("cookie".to_owned(), format!("{}={sealed}", session::COOKIE)));
    write.now = after(10_000);
    let again = issued(&play(&write));
    for (cookie, shown) in [("a=b".to_owned(), true), (format!("{}={again}", session::COOKIE), false)] {
        let mut read = World::new("GET /catalog/1").near("eu").field("cookie", &cookie);
        (read.now, read.cache) = (after(20_000), copy.clone());
        assert_eq!(matches!(play(&read).end().source, Source::Stored(..)), shown, "{cookie}");
    }
}

/// What an isolate remembers that has seen that write.
fn who_saw_a_write() -> Memory {
    Memory::clone(&play(&World::new("PUT /orders/1").near("eu")).memory)
}

#[test]
fn what_a_lagging_region_fills_after_a_write_is_fresh_until_it_must_have_it() {
    let memory = who_saw_a_write();
    let aged = |near: &str, at: u64, path: &str, age: &str| {
        let mut fill = World::new(&format!("GET {path}")).near(near);
        (fill.now, fill.memory) = (after(at), memory.clone());
        fill.deeds = vec![answers(200, &[("cache-control", "max-age=60, stale-while-revalidate=60"), ("age", age)])];
        let story = play(&fill);
        let copy = &entry_of(story.end().store.as_ref()?)[0];
        Some((copy.fresh.as_millis(), copy.while_revalidate.as_millis()))
    };
    let fresh = |near: &str, at: u64, path: &str| aged(near, at, path, "0").unwrap();
    assert_eq!(fresh("eu", 500, "/orders/1"), (4_500, 0));
    assert_eq!(fresh("eu", 5_000, "/orders/1"), (60_000, 60_000), "it has it by now");
    assert_eq!(
        aged("eu", 9_000, "/orders/1", "3"),
        Some((60_000, 60_000)),
        "… and had it when a cache on the way took it in"
    );
    assert_eq!(aged("eu", 6_000, "/orders/1", "3"), None, "… but not then");
    assert_eq!(fresh("us", 500, "/orders/1"), (60_000, 60_000), "home has it");
    assert_eq!(fresh("eu", 500, "/orders/2"), (60_000, 60_000), "another address");
}

#[test]
fn what_was_asked_for_before_a_write_is_not_stored_after_it() {
    let mut fill = World::new("GET /orders/1").near("us");
    fill.now = Timestamp(NOW.0 - 100);
    fill.deeds = vec![answers(200, &[("cache-control", "max-age=60")])];
    let mut end = play(&fill).end.unwrap();
    assert!(end.store.is_some());
    end.forgo_storing_in_vain(&Memory::default(), after(50));
    assert!(end.store.is_some());
    end.forgo_storing_in_vain(&who_saw_a_write(), after(50));
    assert!(end.store.is_none(), "it may be what was there before");
}

#[test]
fn what_the_store_has_refused_it_is_not_offered_again_for_a_minute() {
    let fill = World::new("GET /orders/1").near("us").deeds(&[answers(200, &[("cache-control", "max-age=60")])]);
    let end = play(&fill).end.unwrap();
    let key = end.store.as_ref().unwrap().key.hash();
    let mut memory = Memory::default();
    memory.observe(Observation::Refused(key), NOW);
    // That the next answer could be stored says nothing of the store.
    memory.observe(Observation::Cacheable(key), NOW);
    for (wait, is_stored) in [(0, false), (59_999, false), (60_000, true)] {
        let mut end = play(&fill).end.unwrap();
        end.forgo_storing_in_vain(&memory, after(wait));
        assert_eq!(
            (end.store.is_some(), memory.is_uncacheable(key, after(wait))),
            (is_stored, !is_stored),
            "{wait} ms"
        );
    }
}

#[test]
fn what_a_region_fills_that_is_behind_lives_no_longer_than_its_lag_allows() {
    let fresh = |near: &str, path: &str, lag: u64| {
        let mut fill = World::new(&format!("GET {path}")).near(near);
        let (region, source) = (support::region("eu"), support::region("us"));
        fill.memory.observe(Observation::Lag { region, source, lag: Duration::from_millis(lag) }, NOW);
        fill.deeds = vec![answers(200, &[("cache-control", "max-age=600")])];
        entry_of(play(&fill).end().store.as_ref().unwrap())[0].fresh.as_secs()
    };
    // Of a bound of 30 s.
    assert_eq!((fresh("eu", "/catalog/1", 9_000), fresh("us", "/catalog/1", 9_000)), (21, 600));
    // Without a bound: so far behind that sessions are not read there.
    assert_eq!((fresh("eu", "/orders/1", 10_000), fresh("eu", "/orders/1", 10_001)), (600, 10));
    assert_eq!(fresh("us", "/orders/1", 10_001), 600);
}

/// Whether the isolate passes the place by for a minute.
fn learns_uncacheable(world: &World) -> bool {
    play(world).observations.iter().any(|observation| matches!(observation, Observation::Uncacheable(_)))
}

#[test]
fn what_an_origin_says_to_one_who_is_signed_in_does_not_cost_others_their_copies() {
    let private = [answers(200, &[("cache-control", "private")])];
    let world = || World::new("GET /catalog/1").near("eu").deeds(&private);
    assert!(learns_uncacheable(&world()));
    assert!(!learns_uncacheable(&world().field("cookie", "sid=eve").field("cache-control", "no-cache")));
    assert!(!learns_uncacheable(&world().field("authorization", "Bearer eve")));
    let mut held = world().field("cache-control", "no-cache");
    held.cache = vec![support::stored("eu", NOW, Duration::from_secs(60), Duration::ZERO)];
    assert!(!learns_uncacheable(&held), "a good copy is there");
}

#[test]
fn who_finds_an_expired_copy_looks_once_more_behind_whoever_asks_about_it_already() {
    // A crowd comes just as a copy expires, and would ask its region all together. Nobody waits where the other's answer would not do.
    let looks = |control: &str, method: &str, fields: &[(&str, &str)]| {
        let fresh = answers(200, &[("etag", "\"a\""), ("cache-control", control)]);
        let stored = play(&World { deeds: vec![fresh], ..World::new("GET /catalog/1").near("eu") });
        let cache = entry_of(stored.end().store.as_ref().unwrap());
        let asks = World::new(&format!("{method} /catalog/1")).near("eu");
        let asks = fields.iter().fold(asks, |asks, (name, value)| asks.field(name, value));
        let world = World { cache, now: after(10_000), deeds: vec![answers(304, &[("etag", "\"a\"")])], ..asks };
        let story = play(&world);
        // One step is the send, one the end.
        (story.steps - 1 - story.sent.len(), story.sent.len())
    };
    assert_eq!(looks("max-age=5", "GET", &[]), (2, 1));
    assert_eq!(looks("max-age=60", "GET", &[]), (1, 0), "it is fresh");
    for each_time in ["no-cache", "max-age=0", "max-age=5, no-cache"] {
        assert_eq!(looks(each_time, "GET", &[]), (1, 1), "{each_time}");
    }
    for alone in [("range", "bytes=0-1"), ("cache-control", "no-cache"), ("authorization", "Bearer x")] {
        assert_eq!(looks("max-age=5", "GET", &[alone]).0, 1, "{alone:?}");
    }
    assert_eq!(looks("max-age=5", "HEAD", &[]).0, 1);
}

/// What is asked, one behind the other, of an isolate that learns: whether each would have waited for another of the same address.
fn waits(asked: &[(&str, &Reply)]) -> Vec<bool> {
    let mut memory = Memory::default();
    let ask = |(request, deed): &(&str, &Reply)| {
        let (request, cookie) = request.split_once(' ').map_or((*request, None), |(path, cookie)| (path, Some(cookie)));
        let world = World {
            memory: memory.clone(),
            deeds: vec![(*deed).clone()],
            ..World::new(&format!("GET {request}")).near("eu")
        };
        let story = play(&cookie.into_iter().fold(world, |world, cookie| world.field("cookie", cookie)));
        memory.clone_from(&story.memory);
        story.would_wait
    };
    asked.iter().map(ask).collect()
}

#[test]
fn polls_wait_for_one_another_once_and_those_of_a_route_that_stores_nothing_no_more() {
    let own = answers(200, &[("cache-control", "private")]);
    let shared = answers(200, &[("cache-control", "max-age=60")]);
    // Who has a cookie says nothing to others, but to others with one: of these no answer was ever learned from.
    assert_eq!(waits(&[("/likes/1 a=b", &own), ("/likes/1 a=b", &own)]), [true, false]);
    assert_eq!(waits(&[("/likes/1 a=b", &own), ("/likes/1", &shared)]), [true, true]);
    // Each poll has an address of its own.
    let polls = [("/likes/1", &own), ("/likes/2", &own), ("/likes/3", &own), ("/catalog/1", &own)];
    assert_eq!(waits(&polls), [true, true, false, true], "and another route");
    // One address is no route.
    assert!(waits(&[("/likes/1", &own), ("/likes/1", &own), ("/likes/2", &own)])[2]);
    // It is learned back at once, and somebody who asks for what cannot be stored changes nothing then.
    let back =
        [&polls[..2], &[("/likes/3", &shared), ("/likes/4", &own), ("/likes/5", &own), ("/likes/6", &shared)]].concat();
    assert_eq!(waits(&back), [true, true, false, true, true, true]);
}

#[test]
fn what_says_nothing_of_the_next_answer_keeps_nobody_from_waiting() {
    for (status, fields) in [(503, ("retry-after", "1")), (500, ("cache-control", "no-store")), (304, ("etag", "a"))] {
        let failed = answers(status, &[fields]);
        let all = ["/likes/1", "/likes/2", "/likes/3", "/likes/1"].map(|path| (path, &failed));
        assert!(waits(&all).into_iter().all(|would| would), "a region that fails is asked by one: {status}");
    }
}

/// Somebody sends what the application refuses, or a cookie of their own, each time that a popular copy has expired, so that its next
/// visitors would all be at the origin at once.
#[test]
fn whoever_is_refused_while_a_popular_copy_has_expired_lets_nobody_crowd_there() {
    let filled =
        play(&World::new("GET /likes/1").near("eu").deeds(&[answers(200, &[("cache-control", "max-age=60")])]));
    let cache = entry_of(filled.end().store.as_ref().unwrap());
    let learns = |cache: &[Variant<'static>], deed: Reply| {
        let asks = World { cache: cache.to_vec(), now: after(61_000), ..World::new("GET /likes/1").near("eu") };
        let story = play(&asks.deeds(&[deed]));
        assert_eq!(story.sent.len(), 1);
        story.observations.iter().any(|observation| matches!(observation, Observation::InVain(_)))
    };
    let private = || answers(200, &[("cache-control", "private")]);
    for deed in [answers(400, &[]), answers(403, &[("cache-control", "no-store")]), private()] {
        assert!(!learns(&cache, deed));
    }
    assert!(!learns(&[], answers(400, &[])) && learns(&[], private()), "where nothing lies it is of the address");
}

#[test]
fn a_copy_that_is_found_ends_what_was_believed_of_its_route() {
    let own = answers(200, &[("cache-control", "private")]);
    let mut memory = Memory::default();
    for path in ["/likes/1", "/likes/2"] {
        let request = World::new(&format!("GET {path}")).near("eu");
        memory.clone_from(&play(&World { deeds: vec![own.clone()], memory: memory.clone(), ..request }).memory);
    }
    let filled = play(&World {
        deeds: vec![answers(200, &[("cache-control", "max-age=60")])],
        ..World::new("GET /likes/3").near("eu")
    });
    let cache = entry_of(filled.end().store.as_ref().unwrap());
    let hit = play(&World { cache, memory, ..World::new("GET /likes/3").near("eu") });
    assert!(hit.sent.is_empty() && !hit.would_wait);
    let memory = Memory::clone(&hit.memory);
    assert!(play(&World { memory, ..World::new("GET /likes/4").near("eu") }).would_wait);
}

/// The application's cookies that a client gets, and those of the copy that is stored.
fn cookies(story: &Story) -> (Vec<&str>, Option<String>) {
    let ours = |line: &str| line.starts_with(session::COOKIE);
    let got = story.end().edits.iter().filter_map(|edit| match edit {
        Edit::Add("set-cookie", line) if !ours(line) => Some(line),
        _ => None,
    });
    (got.collect(), story.end().store.as_ref().map(|store| entry_of(store)[0].cookies.clone().into_owned()))
}

/// The route says that the cookies of all its answers are everybody's; here is one that signs somebody in, or is to somebody who is known.
#[test]
fn a_cookie_that_may_name_somebody_is_stored_for_nobody() {
    let (fresh, sets) = (("cache-control", "max-age=60"), ("set-cookie", "lang=de"));
    let lang = || World::new("GET /lang/1").near("eu");
    let stored = |world: &World, fields: &[(&str, &str)]| {
        let story = play(&World { deeds: vec![answers(200, &[&[fresh], fields].concat())], ..world.clone() });
        story.end().store.as_ref().map(|store| entry_of(store)[0].cookies.clone().into_owned())
    };
    assert_eq!(stored(&lang(), &[sets]).as_deref(), Some("lang=de"));
    let signs_in = [sets, ("homing-subject", "ada")];
    assert_eq!(stored(&lang(), &signs_in), None, "an answer that names a subject");
    assert_eq!(stored(&lang(), &[sets, ("homing-subject", "")]), None, "or signs it out");
    assert_eq!(stored(&lang().field("cookie", "sid=ada"), &[sets]), None, "to a cookie");
    let public = ("cache-control", "public");
    assert_eq!(stored(&lang().field("authorization", "Bearer ada"), &[sets, public]), None, "to credentials");
    assert_eq!(stored(&World::new("POST /lang/1"), &[sets, ("content-location", "/lang/1")]), None, "to a POST");
    assert_eq!(stored(&lang(), &[("set-cookie", "a=\u{fffd}")]), None, "bytes that could not be given back");
    let excepted = ("cache-control", "private=\"set-cookie\"");
    assert_eq!(stored(&lang(), &[&signs_in[..], &[excepted]].concat()).as_deref(), Some(""), "it excepts them itself");
}

/// Somebody revalidates a copy with everybody's cookie, and the 304 brings one of their own.
#[test]
fn a_cookie_that_a_304_sets_is_its_clients_and_takes_the_place_of_the_stored_one() {
    let (fresh, own) = (("cache-control", "max-age=60"), ("set-cookie", "sid=bob"));
    let filled = answers(200, &[("cache-control", "max-age=0"), ("etag", "\"1\""), ("set-cookie", "lang=de")]);
    let filled = play(&World { deeds: vec![filled], ..World::new("GET /lang/1").near("eu") });
    let cache = entry_of(filled.end().store.as_ref().unwrap());
    let confirms = |cookie: Option<&str>, fields: &[(&str, &str)]| {
        let world = World::new("GET /lang/1").near("eu");
        let world = cookie.into_iter().fold(world, |world, cookie| world.field("cookie", cookie));
        let story = play(&World { cache: cache.clone(), deeds: vec![answers(304, fields)], ..world });
        let (got, stored) = cookies(&story);
        (got.join("\n"), stored)
    };
    let both = |got: &str, stored: &str| (got.to_owned(), Some(stored.to_owned()));
    let excepts = ("cache-control", "private=\"set-cookie\", max-age=60");
    assert_eq!(confirms(None, &[fresh]), both("lang=de", "lang=de"));
    assert_eq!(confirms(None, &[fresh, own]), both("sid=bob", "sid=bob"), "by the route's word");
    assert_eq!(confirms(None, &[excepts, own]), both("sid=bob", ""), "excepted");
    assert_eq!(confirms(None, &[excepts]), both("", ""), "so is what was stored");
    assert_eq!(confirms(Some("a=b"), &[fresh, own]), both("sid=bob", "lang=de"), "who is known changes nobody else's");
    assert_eq!(confirms(None, &[fresh, own, ("homing-subject", "bob")]), both("sid=bob", "lang=de"));
    assert_eq!(confirms(None, &[("cache-control", "no-store"), own]), ("sid=bob".to_owned(), None), "stored no longer");
}

/// Whom a firewall takes for a robot is refused, too; but what is one subject's was shown to nobody else.
#[test]
fn an_expired_personal_response_goes_when_the_region_refuses_its_subject() {
    let controls = [("cache-control", "public, max-age=0, stale-if-error=600"), ("etag", "\"v1\"")];
    let taken = |world: &World, status| {
        let first = play(&world.clone().deeds(&[answers(200, &controls)]));
        let cache = entry_of(first.end().store.as_ref().unwrap());
        let again = World { cache, now: after(1000), ..world.clone() };
        !play(&again.deeds(&[answers(status, &[])])).end().invalidate.is_empty()
    };
    let sealed = session_of("ada");
    let personal = request("GET", (Some("sid=ada"), None), &sealed, false);
    let shared = World::new("GET /catalog/1").near("eu");
    for status in [302, 303, 307, 401, 403] {
        assert_eq!((taken(&personal, status), taken(&shared, status)), (true, false), "{status}");
    }
    assert_eq!((taken(&personal, 410), taken(&shared, 410)), (true, true));
    assert_eq!((taken(&personal, 405), taken(&shared, 405)), (false, false));
}
