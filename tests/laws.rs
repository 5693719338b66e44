//! Laws of the core, held against worlds made at random: whatever the regions, the store, the cache and the clients do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;
#[path = "support/worlds.rs"]
mod worlds;

use std::{rc::Rc, time::Duration};

use counted::{assert_met, met};
use homing_core::testing::{
    cache::{CacheState, entry::Variant},
    decide::attempt::Attempt,
    http::edits::Edit,
    model::{
        access::{Access, Replay},
        epoch::Epoch,
        ids::RegionId,
        position::{Mark, Position},
        reasons::{Refusal, Verdict},
        subject::{SubjectId, SubjectKind},
        token::Token,
    },
    request::incoming::Content,
    session::{self, Marks, Pin, Session},
    settle::Source,
    state::{
        drill::SamplingKey,
        health::{Asking, Condition, Health, SendResult, Sending, breaker::Gate, evidence::By},
        memory::{Memory, Observation},
        trace::Decision,
    },
    topology::settings::Settings,
};
use proptest::prelude::*;
use support::{NOW, Reply, Story, World, keys, region, settings, told, topology};
use worlds::{PATHS, REGIONS, a_world, an_ordinary_read};

/// The same worlds under a write whose body can be sent again, so that what a second send may be is tried often.
fn a_write() -> impl Strategy<Value = World> {
    let any = a_world().prop_map(|world| World { method: "PUT".to_owned(), content: Content::Length(10), ..world });
    prop_oneof![9 => any, 1 => a_declined_write()]
}

/// A write that its region declines without a word of a later owner, while the directory may know one.
fn a_declined_write() -> impl Strategy<Value = World> {
    let known = (prop::sample::select(&REGIONS[..]), 1u64..5);
    (a_world(), prop::sample::select(&REGIONS[..]), known).prop_map(|(world, declines_for, (home, epoch))| {
        let fields =
            vec![("homing-home".to_owned(), declines_for.to_owned()), ("homing-epoch".to_owned(), "0".to_owned())];
        World {
            method: "PUT".to_owned(),
            path: "/t/acme/notes".to_owned(),
            content: Content::Length(10),
            deeds: vec![Reply::Answers(421, fields), Reply::Answers(200, Vec::new())],
            directory: Some(Some(format!(r#"{{"home":"{home}","epoch":{epoch}}}"#))),
            takes: 20,
            ..world
        }
    })
}

/// The same under the routes of a user's own data; half of them reads that are answered.
fn a_cart_request() -> impl Strategy<Value = World> {
    let paths: Vec<_> = PATHS.iter().copied().filter(|path| path.starts_with("/cart")).collect();
    let path = prop::sample::select(paths.clone());
    let any = (a_world(), path).prop_map(|(world, path)| World { path: path.to_owned(), ..world });
    let cached = an_ordinary_read(&["/cart/cached/1"], &["cart"]);
    prop_oneof![2 => any, 1 => an_ordinary_read(&paths, &["cart", "mail"]), 1 => cached]
}

/// Anything, and as often a read of these that a region answers in time: what can be stored, shown and remembered is of such reads.
fn a_read_of(paths: &'static [&'static str], datasets: &'static [&'static str]) -> impl Strategy<Value = World> {
    prop_oneof![1 => a_world(), 3 => an_ordinary_read(paths, datasets)]
}

/// That visitor on that route; the hostile one has the number 0.
fn visitor(whose: usize, route: usize) -> Asking {
    Asking { by: By::new(Some(SamplingKey::at(&format!("192.0.2.{whose}"))), Some(route)), streams: false }
}

/// What the region does with that send: the last deed serves all that come behind it.
fn deed(world: &World, at: usize) -> &Reply {
    world.deeds.get(at).or(world.deeds.last()).unwrap()
}

/// What it does with the last one, if there was any.
fn last_deed<'w>(world: &'w World, story: &Story) -> Option<&'w Reply> {
    Some(deed(world, story.sent.len().checked_sub(1)?))
}

/// A field of what a region answers.
fn said_of<'d>(deed: &'d Reply, name: &str) -> Option<&'d str> {
    let Reply::Answers(_, fields) = deed else { return None };
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

/// Whether the region certainly never saw it. Who speaks of the contract is there, and behind a service binding something ran, whatever
/// status it passes on.
fn never_arrived(deed: &Reply, sent: &Attempt) -> bool {
    let by_url = sent.service.is_none();
    let is_of_the_contract =
        matches!(deed, Reply::Answers(_, fields) if fields.iter().any(|(name, _)| name.starts_with("homing-")));
    match deed {
        Reply::Refuses => true,
        // What streams is there in part.
        Reply::Unsent(_) => sent.replay != Replay::Stream,
        Reply::Answers(521 | 523 | 525 | 526, _) => by_url && !is_of_the_contract,
        Reply::Answers(530, _) => {
            by_url && matches!(said_of(deed, "cf-error-type"), Some("1016" | "1033")) && !is_of_the_contract
        }
        _ => false,
    }
}

/// Whether the region has certainly done nothing: it never saw it, declined it by the contract, or says that it wrote nothing.
fn has_done_nothing(deed: &Reply, sent: &Attempt) -> bool {
    let declines = matches!(deed, Reply::Answers(421, _))
        && (said_of(deed, "homing-home").is_some() || said_of(deed, "homing-subject").is_some());
    never_arrived(deed, sent) || declines || said_of(deed, "homing-wrote") == Some("0")
}

/// Who sends what, what comes of it if it is the hostile one, and after which pause in milliseconds.
fn a_deed_of_health() -> impl Strategy<Value = (usize, Access, SendResult, u64)> {
    let heard = prop_oneof![
        6 => Just(SendResult::Gateway), 6 => Just(SendResult::Silence), 1 => Just(SendResult::Nothing), 1 => Just(SendResult::Answer),
    ];
    let whose = prop_oneof![5 => Just(0usize), 1 => 1usize..4];
    (whose, prop::sample::select(vec![Access::Read, Access::Write]), heard, prop_oneof![Just(0u64), 1u64..40_000])
}

/// Who sends what on which route of a region that fails, how it does (nothing is heard for long), and after which pause in milliseconds.
fn a_failure() -> impl Strategy<Value = ((usize, usize), Access, Option<SendResult>, u64)> {
    let heard = prop_oneof![
        3 => Just(Some(SendResult::Gateway)), 6 => Just(Some(SendResult::Silence)), 3 => Just(Some(SendResult::Unreached)),
        1 => Just(Some(SendResult::Nothing)), 3 => Just(None),
    ];
    let access = prop_oneof![1 => Just(Access::Read), 4 => Just(Access::Write)];
    ((0usize..6, 0usize..3), access, heard, prop_oneof![Just(0u64), 1u64..3_000])
}

fn play(world: &World, settings: &Rc<Settings>) -> Story {
    world.play(settings).unwrap()
}

fn is_write(story: &Story) -> bool {
    story.end().record.access == Access::Write
}

/// Whether what the client gets is a stored copy that nobody has just confirmed.
fn is_unconfirmed(story: &Story) -> bool {
    let stored = matches!(story.end().source, Source::Stored(..) | Source::StoredHead(_));
    let unasked = story.sent.is_empty() || story.answered.is_some();
    stored && (unasked || story.end().record.decision == Decision::Stored(CacheState::Stale))
}

/// Whether it is what an origin has just said: its answer, or a stored copy that it confirmed.
fn is_of_origin(story: &Story) -> bool {
    !matches!(story.end().source, Source::Own(_)) && !is_unconfirmed(story)
}

fn shown_copy(world: &World, story: &Story) -> Variant<'static> {
    match story.end().source {
        Source::Stored(at, _) | Source::StoredHead(at) => world.cache[at].clone(),
        _ => panic!("no copy was shown"),
    }
}

/// The owner that the deed names, if it does.
fn named(deed: Option<&Reply>) -> Option<(RegionId, u64)> {
    let declines = deed.filter(|deed| matches!(deed, Reply::Answers(421, _)))?;
    Some((
        topology().region_named(said_of(declines, "homing-home")?)?,
        said_of(declines, "homing-epoch")?.parse().ok()?,
    ))
}

/// Whether the connection had been closed when that was sent: lost before an answer came, or a 408 with which an idle one ends.
fn was_closed(deed: &Reply) -> bool {
    let closes = |fields: &support::Fields| fields.iter().any(|(name, value)| name == "connection" && value == "close");
    matches!(deed, Reply::Loses) || matches!(deed, Reply::Answers(408, fields) if closes(fields))
}

/// What the first region says: by the second deed, where the first read went into a closed connection and the same region was asked once more.
fn first_word<'a>(world: &'a World, story: &Story) -> Option<&'a Reply> {
    let first = world.deeds.first()?;
    let again = was_closed(first) && story.sent.len() > 1 && story.sent[0].region == story.sent[1].region;
    Some(if again { deed(world, 1) } else { first })
}

/// Whom the first region names in a 421, if that is another subject than the first send was about, of data that is split.
fn renamed(world: &World, story: &Story) -> Option<SubjectId> {
    let declines = first_word(world, story).filter(|deed| matches!(deed, Reply::Answers(421, _)))?;
    let kind = match world.path.as_str() {
        path if path.starts_with("/cart") || path.starts_with("/mail") => SubjectKind::User,
        path if path.starts_with("/t/") => SubjectKind::Tenant,
        _ => return None,
    };
    let named = SubjectId::named(kind, said_of(declines, "homing-subject")?)?;
    (told(story.sent.first()?, "homing-subject") != Some(named.as_str())).then_some(named)
}

/// Where a subject of the request's kind may live.
fn residency(world: &World) -> Vec<RegionId> {
    let names = if world.path.starts_with("/cart") { &REGIONS[..2] } else { &REGIONS[..] };
    names.iter().map(|name| region(name)).collect()
}

/// `CASES=200000 cargo test --test laws` looks for what is rarer.
fn config() -> ProptestConfig {
    let cases = std::env::var("CASES").map_or(4000, |cases| cases.parse().unwrap());
    ProptestConfig { cases, max_global_rejects: cases, failure_persistence: None, ..ProptestConfig::default() }
}

laws! { config();
    fn a_write_is_sent_to_its_owner_and_then_at_most_to_one_of_a_strictly_higher_epoch(world in a_write()) meets ["a second send": 158, "another subject is named": 19, "the same region repeats it": 5, "a later owner is named": 82, "the directory names a later owner": 6] {
        let story = play(&world, &settings());
        if !is_write(&story) || !met("a second send", story.sent.len() >= 2) {
            return Ok(());
        }
        let (first, second) = (&story.sent[0], &story.sent[1]);
        let epoch = |at: usize| told(&story.sent[at], "homing-epoch").map_or(0, |epoch| epoch.parse().unwrap());
        if let Some(named) = renamed(&world, &story) {
            met("another subject is named", true);
            prop_assert_eq!(told(second, "homing-subject"), Some(named.as_str()), "as that subject's");
            prop_assert!(epoch(1) > 0 && told(second, "homing-home").is_some(), "by an ownership of its own");
            prop_assert_ne!(epoch(1), 9, "the owner beside the name is not its");
            prop_assert!(residency(&world).contains(&second.region));
        } else if first.region == second.region && epoch(0) == epoch(1) {
            met("the same region repeats it", true);
            let repeatable = world.path == "/catalog/1" && world.fields.iter().any(|(name, _)| name == "idempotency-key");
            prop_assert!(repeatable, "only what is declared idempotent is repeated");
        } else {
            prop_assert!(matches!(world.deeds.first(), Some(Reply::Answers(421, _))), "only a 421 sends a write on");
            let said = named(world.deeds.first());
            if let Some((owner, later)) = said.filter(|(_, said)| *said > epoch(0)) {
                met("a later owner is named", true);
                prop_assert_eq!((owner, later), (second.region, epoch(1)), "only where a 421 points");
            } else {
                met("the directory names a later owner", true);
                // Of an older epoch, or without a word of it: the directory is asked who it is.
                prop_assert!(said.is_none_or(|(owner, _)| owner != first.region), "who names itself declines nothing");
                prop_assert!(told(first, "homing-subject").is_some(), "of subjects alone");
                prop_assert!(story.asked_directory > 0, "who declines makes no owner");
            }
            prop_assert!(epoch(1) > epoch(0));
            prop_assert!(residency(&world).contains(&second.region));
        }
    }

    fn a_single_writer_dataset_is_written_at_its_home_whatever_else_is_known(world in a_write()) meets ["its home takes writes": 374, "its home takes none": 10, "its home has moved": 97] {
        let story = play(&world, &settings());
        if !world.path.starts_with("/catalog") {
            return Ok(());
        }
        let catalog = topology().dataset_named("catalog").unwrap();
        let published = world.memory.published();
        let moved = world.memory.moved_datasets().iter().map(|(_, owned)| *owned);
        // What is published counts from the first epoch on: the home that the configuration said first.
        let said = published.ownership(catalog).into_iter().chain(moved.filter(|owned| owned.epoch() > Epoch::FIRST));
        // Of two words of one epoch, which no authority gives, the first counts.
        let latest = said.reduce(|held, owned| if owned.epoch() > held.epoch() { owned } else { held });
        let home = latest.map_or(region("us"), |owned| owned.home());
        met("its home has moved", home != region("us"));
        let gate = world.memory.health().breaker(home, Access::Write).map(|breaker| breaker.gate(NOW));
        let takes = published.state(home, NOW).is_writable() && !matches!(gate, Some(Gate::Open(_)));
        met("its home takes none", !takes);
        if met("its home takes writes", takes) {
            prop_assert_eq!(story.sent[0].region, home);
        } else {
            prop_assert!(story.sent.is_empty());
        }
    }

    fn at_most_two_regions_see_one_request_and_a_body_that_streams_is_sent_once(world in a_world()) meets ["two regions": 500, "a closed connection": 26, "a body that streams": 581] {
        let story = play(&world, &settings());
        let mut regions = story.regions();
        regions.sort();
        regions.dedup();
        prop_assert!(regions.len() <= 2);
        met("two regions", regions.len() == 2);
        // What went into a closed connection is sent to the same region once more, and that once.
        let sent = &story.sent;
        let closed = |at: usize| was_closed(deed(&world, at));
        let again = (1..sent.len()).filter(|at| sent[at - 1].region == sent[*at].region && closed(at - 1)).count();
        met("a closed connection", again > 0);
        prop_assert!(sent.len() <= if is_write(&story) { 2 } else { 2 + again.min(1) }, "{:?}", story.regions());
        let streams = world.content == Content::Unknown || world.content == Content::Length(100_000);
        if met("a body that streams", streams && !sent.is_empty()) {
            prop_assert!(story.sent.len() <= 1);
            prop_assert!(story.sent.iter().all(|attempt| attempt.replay == Replay::Stream));
        }
    }

    fn every_flow_ends_within_its_deadline_and_its_steps(world in a_world()) meets ["a second of waiting": 1175, "six steps": 2] {
        let story = play(&world, &settings());
        let total = match (world.path.starts_with("/quick"), is_write(&story)) {
            (true, _) => 3_000,
            (_, true) => 35_000,
            (_, false) => 15_000,
        };
        met("a second of waiting", story.took >= Duration::from_secs(1));
        met("six steps", story.steps >= 6);
        // A sign-in's look-up comes after the answer: 250 ms at most in the home store, a second in the directory.
        prop_assert!(story.took <= Duration::from_millis(total + 1250), "{:?}", story.took);
        // A look at the cache; home store and directory for the request's subject, for one whom an origin names, and for one who
        // signs in; two sends, and one that went into a closed connection; the end.
        prop_assert!(story.steps <= 1 + 3 * 2 + 3 + 1, "{}", story.steps);
    }

    fn a_forged_session_routes_like_none(world in a_world(), at in 0usize..1000, with in "[A-Za-z0-9._~:-]") meets ["the session that was forged would have counted": 95] {
        let mut forged = world.clone();
        let honest = world.clone();
        let mut without = world;
        without.fields.retain(|(name, _)| name != "cookie");
        for (_, value) in forged.fields.iter_mut().filter(|(name, _)| name == "cookie") {
            let start = session::COOKIE.len() + 1;
            let at = start + at % (value.len() - start);
            // The last letter of base64url holds bits that mean nothing.
            prop_assume!(at + 1 < value.len() && value[at..=at] != with);
            value.replace_range(at..=at, &with);
        }
        let (forged, without) = (play(&forged, &settings()), play(&without, &settings()));
        let honest = play(&honest, &settings());
        let counts = honest.regions() != without.regions() || honest.end().record.decision != without.end().record.decision;
        met("the session that was forged would have counted", counts);
        prop_assert_eq!(forged.regions(), without.regions());
        let own = |story: &Story| story.sent.iter().map(|attempt| attempt.own.clone()).collect::<Vec<_>>();
        prop_assert_eq!(own(&forged), own(&without));
        prop_assert_eq!(&forged.end().source, &without.end().source);
        prop_assert_eq!(forged.end().record.decision, without.end().record.decision);
        prop_assert_eq!(&forged.end().edits, &without.end().edits);
        prop_assert_eq!(&forged.end().publish, &without.end().publish);
    }

    fn the_same_inputs_give_the_same_trace_and_answer(world in a_world()) meets ["something was sent": 1851] {
        let tell = |story: &Story| format!("{:?} {:?} {:?} {:?}", story.sent, story.took, story.answered, story.end);
        let story = play(&world, &settings());
        met("something was sent", !story.sent.is_empty());
        prop_assert_eq!(tell(&story), tell(&play(&world, &settings())));
    }

    fn every_answer_says_why_and_every_refusal_when_to_come_back(world in a_world()) meets ["the router's own words": 1381, "a failed write": 782] {
        let story = play(&world, &settings());
        let end = story.end();
        prop_assert_eq!(story.says("homing-reason"), Some(end.record.decision.token().as_str()));
        // The router's own words are none of the cache's (RFC 9211 section 2).
        prop_assert_eq!(story.says("cache-status").is_none(), matches!(end.source, Source::Own(_)));
        prop_assert!(end.record.trace.tokens().count() >= 2);
        if let Source::Own(body) = &end.source {
            met("the router's own words", true);
            prop_assert!(end.status >= 400 && story.says("content-type") == Some("application/problem+json"));
            let passes = end.status == 503 || (end.status == 504 && end.record.decision != Decision::Refused(Refusal::OnlyIfCached));
            prop_assert!(!passes || story.says("retry-after").is_some());
            prop_assert!(story.says("date").is_some());
            let read: serde_json::Value = serde_json::from_str(body).unwrap();
            prop_assert_eq!(read["reason"].as_str(), Some(end.record.decision.token().as_str()));
        }
        if met("a failed write", is_write(&story) && end.status >= 500) {
            prop_assert!(story.says("homing-write-outcome").is_some(), "a failed write says what became of it");
        }
    }

    /// Held against what each region that was met has done with the write, whatever it said.
    fn what_is_said_of_a_failed_write_is_true(world in a_write()) meets ["not-sent": 350, "refused": 200, "unknown": 800, "committed": 4, "no region was asked": 150] {
        let story = play(&world, &settings());
        let met_deeds: Vec<(&Reply, &Attempt)> =
            story.sent.iter().enumerate().map(|(at, sent)| (deed(&world, at), sent)).collect();
        let done_nowhere = met_deeds.iter().all(|(deed, sent)| has_done_nothing(deed, sent));
        // Who declines a write and says that it wrote contradicts itself.
        let said_done =
            met_deeds.iter().any(|(deed, sent)| said_of(deed, "homing-wrote") == Some("1") && !has_done_nothing(deed, sent));
        let last = met_deeds.last();
        met("no region was asked", story.sent.is_empty());
        match story.says("homing-write-outcome") {
            Some("not-sent") => {
                met("not-sent", true);
                let declined = met_deeds.split_last().is_none_or(|(_, before)| before.iter().all(|(deed, sent)| has_done_nothing(deed, sent)));
                prop_assert!(declined && last.is_none_or(|(deed, sent)| never_arrived(deed, sent)), "{:?}", met_deeds);
            }
            Some("refused") => {
                met("refused", true);
                prop_assert!(!story.sent.is_empty() && done_nowhere && !said_done, "{:?}", met_deeds);
            }
            Some("unknown") => {
                met("unknown", true);
                // What takes longer than the send waits is not heard.
                let heard = |sent: &Attempt| Duration::from_millis(world.takes) < sent.timeout;
                let known = |deed: &Reply, sent: &Attempt| heard(sent) && (never_arrived(deed, sent) || said_of(deed, "homing-wrote") == Some("0"));
                prop_assert!(!met_deeds.iter().all(|(deed, sent)| known(deed, sent)), "it is known: {:?}", met_deeds);
                prop_assert!(last.is_none_or(|(deed, sent)| !heard(sent) || said_of(deed, "homing-wrote") != Some("1")), "{:?}", met_deeds);
            }
            Some("committed") => {
                met("committed", true);
                prop_assert!(last.is_some_and(|(deed, _)| said_of(deed, "homing-wrote") == Some("1")), "{:?}", met_deeds);
            }
            Some(other) => panic!("there is no outcome {other}"),
            None => prop_assert!(!is_write(&story) || story.end().status < 500, "a failed write says nothing of it"),
        }
    }

    fn a_pinned_reader_never_silently_gets_what_predates_its_write(world in a_read_of(&["/catalog/1"], &["catalog"])) meets ["a stored response within a window": 12, "an answer to a pinned read": 245] {
        let story = play(&world, &settings());
        let end = story.end();
        let pinned = end.record.trace.tokens().any(|(token, _)| token == Token::PinnedHome);
        let silent = story.says("homing-consistency").is_none();
        if is_unconfirmed(&story)
            && silent
            && world.path == "/catalog/1"
            && let Some(pin) = carried(&world).window("catalog", None, NOW)
        {
            met("a stored response within a window", true);
            let copy = shown_copy(&world, &story);
            prop_assert!(copy.made >= pin.since);
        }
        // A region that was told the session's mark holds its copy against that itself.
        let told = story.sent.last().is_some_and(|sent| told(sent, "homing-min-position").is_some());
        // What the last region says when all have failed is no copy of anything.
        // Nor is a pin of one subject's data any of another's.
        let renamed = renamed(&world, &story).is_some();
        if met("an answer to a pinned read", pinned && !renamed && !told && silent && is_of_origin(&story) && end.status < 500) {
            let first = story.sent[0].region;
            let followed = named(first_word(&world, &story)).map(|(region, _)| region);
            prop_assert!(end.record.region == Some(first) || end.record.region == followed);
        }
    }

    fn a_session_never_silently_reads_less_than_it_has_seen(world in a_read_of(&["/orders/1", "/orders/stale/1"], &["orders"])) meets ["a stored response under a mark": 12, "an answer under a mark": 131, "the least position was told": 17] {
        let story = play(&world, &settings());
        let (end, held) = (story.end(), carried(&world));
        let read = end.record.access == Access::Read && world.path.starts_with("/orders/");
        let Some((pin, mark)) = held.mark("orders", None).filter(|_| read) else { return Ok(()) };
        let silent = story.says("homing-consistency").is_none() && end.status < 500;
        if met("a stored response under a mark", is_unconfirmed(&story) && silent) {
            let copy = shown_copy(&world, &story);
            let shows = copy.shows.iter().any(|shows| shows.home == pin.region && shows.covers(&mark));
            prop_assert!(shows || copy.made >= pin.since);
        }
        if met("an answer under a mark", is_of_origin(&story) && silent) {
            let last = story.sent.last().unwrap();
            let told_least = told(last, "homing-min-position") == Some(&format!("orders={}", u128::from_str_radix(&format!("{:x}", mark.position), 16).unwrap()));
            met("the least position was told", told_least);
            let owner = told(last, "homing-home").zip(told(last, "homing-epoch"));
            let at_home = owner.is_some_and(|(home, _)| region(home) == last.region);
            let same = owner.is_some_and(|(home, epoch)| home == pin.region && epoch == mark.epoch.0.to_string());
            // Or it was asked as the region of the mark, and calls itself the owner since then.
            let last_deed = last_deed(&world, &story).unwrap();
            let says = |name: &str| said_of(last_deed, name);
            let calls_itself = says("homing-home").is_some_and(|home| topology().region_named(home) == Some(last.region))
                && says("homing-epoch").and_then(|epoch| epoch.parse().ok()).is_some_and(|epoch: u64| epoch >= mark.epoch.0);
            // Of a later owner's log any copy will do that has its beginning, and says so itself.
            let later = owner.is_some_and(|(_, epoch)| epoch.parse::<u64>().unwrap() > mark.epoch.0);
            let beginning = later && told(last, "homing-min-position") == Some("orders=0");
            let says_so = says("homing-position").is_some_and(|said| !said.contains("orders=x"))
                && owner.is_some_and(|(_, epoch)| says("homing-epoch").is_some_and(|said| said >= epoch));
            let has_it = if same { told_least } else { at_home || (beginning && says_so) };
            prop_assert!(calls_itself || has_it, "{owner:?} {told_least} {pin:?}");
            prop_assert!(!(told_least && says("homing-behind").is_some()));
        }
    }

    fn a_mark_never_goes_back(world in a_read_of(&["/orders/1", "/mail/1", "/tags/1", "/catalog/1"], &["orders", "mail", "tags", "catalog"])) meets ["a session with marks is issued again": 191, "a mark moves on": 5, "a mark on one of several owners": 20] {
        let story = play(&world, &settings());
        let then = NOW.after(story.took);
        let held = carried(&world);
        for edit in story.end().edits.iter() {
            let Edit::Add("set-cookie", line) = edit else { continue };
            let Some(sealed) = line.split(';').next().unwrap().strip_prefix("__Host-homing=") else { continue };
            let issued = session::open(sealed, &keys(), then).session;
            // Who has been another one in between has begun anew.
            let whose = |session: &Session| session.subject(SubjectKind::User).cloned();
            if whose(&issued) != whose(&held) || renamed(&world, &story).is_some() {
                continue;
            }
            let dataset = |name: &str| topology().dataset(topology().dataset_named(name).unwrap()).unwrap().clone();
            for dataset in ["orders", "mail", "tags", "catalog"].map(dataset) {
                let whose = whose(&held).filter(|_| dataset.name == "mail");
                let (held, issued) = (held.marks(&dataset, whose.as_ref()), issued.marks(&dataset, whose.as_ref()));
                for (pin, before) in held.iter().flat_map(Marks::all).copied() {
                    // Of several owners each has a log of its own.
                    let shared = dataset.rule.is_multi_writer();
                    let of_each = before.epoch == Epoch::OF_EACH_OWNER;
                    let like = |other: &Pin, mark: Mark| {
                        !shared || mark.epoch == before.epoch && (!of_each || other.region == pin.region)
                    };
                    let mut after = issued.iter().flat_map(Marks::all).filter(|(pin, mark)| like(pin, *mark));
                    let after = after.next().map(|(_, mark)| *mark);
                    met("a mark on one of several owners", shared && of_each);
                    met("a session with marks is issued again", true);
                    met("a mark moves on", after.is_some_and(|after| after.is_after(&before)));
                    prop_assert!(after.is_some_and(|after| !before.is_after(&after)), "{}: {before:?} {after:?}", dataset.name);
                }
            }
        }
    }

    /// Neither too low, which would let reads go back, nor too high, which would send them home for nothing.
    fn a_mark_moves_to_what_the_answer_shows(world in a_read_of(&["/orders/1", "/orders/stale/1"], &["orders"])) meets ["a mark has moved": 154] {
        let story = play(&world, &settings());
        let held = carried(&world);
        let Some(said) = said_of_orders(&world, &story).filter(|_| is_of_origin(&story)) else { return Ok(()) };
        let orders = |session: &Session| session.mark("orders", None).map(|(_, mark)| mark);
        for edit in story.end().edits.iter() {
            let Edit::Add("set-cookie", line) = edit else { continue };
            let Some(sealed) = line.split(';').next().unwrap().strip_prefix("__Host-homing=") else { continue };
            let issued = orders(&session::open(sealed, &keys(), NOW.after(story.took)).session);
            if let Some(mark) = issued.filter(|mark| orders(&held) != Some(*mark)) {
                met("a mark has moved", true);
                prop_assert_eq!(mark.position, Position::new(said.into()));
            }
        }
    }

    fn a_session_that_is_issued_is_whole_small_and_within_its_bounds(world in a_world()) meets ["a session is issued": 575, "one with several pins": 203] {
        let story = play(&world, &settings());
        let then = NOW.after(story.took);
        for edit in story.end().edits.iter() {
            let Edit::Add("set-cookie", line) = edit else { continue };
            // The application's own cookies go along with a stored copy that it has confirmed.
            let Some(sealed) = line.split(';').next().unwrap().strip_prefix("__Host-homing=") else { continue };
            met("a session is issued", true);
            prop_assert!(sealed.len() <= session::MOST_BYTES);
            let opened = session::open(sealed, &keys(), then);
            prop_assert_eq!(opened.verdict, Verdict::Valid);
            prop_assert_eq!(opened.disbelieved, 0);
            met("one with several pins", opened.session.pins.len() > 1);
            prop_assert!(opened.session.pins.len() <= session::MOST_PINS);
        }
    }

    fn a_subjects_data_stays_where_it_may_live_and_out_of_other_peoples_cache(world in a_cart_request()) meets ["it was sent": 1890, "it was looked for in the cache": 33, "it was stored": 4] {
        let story = play(&world, &settings());
        prop_assert!(story.regions().iter().all(|asked| residency(&world).contains(asked)));
        let end = story.end();
        met("it was sent", !story.sent.is_empty());
        met("it was looked for in the cache", story.probed.is_some());
        if let Some(store) = &end.store {
            met("it was stored", true);
            prop_assert!(!store.key.as_str().contains("/_/"), "{}", store.key.as_str());
        }
        prop_assert!(story.probed.as_ref().is_none_or(|key| !key.as_str().contains("/_/")));
    }

    fn nothing_that_sets_a_cookie_or_is_stale_is_stored(world in a_read_of(&["/catalog/1", "/catalog/none/1", "/catalog/stale/1", "/cart/cached/1", "/orders/1"], &["catalog", "orders"])) meets ["something is stored": 168, "a cookie is set": 208] {
        let story = play(&world, &settings());
        met("a cookie is set", world.deeds.iter().any(|deed| said_of(deed, "set-cookie").is_some()));
        if met("something is stored", story.end().store.is_some()) {
            prop_assert!(story.says("homing-consistency").is_none());
            let last = last_deed(&world, &story);
            let Some(Reply::Answers(_, fields)) = last else { panic!("stored nothing's answer") };
            prop_assert!(!fields.iter().any(|(name, value)| name == "set-cookie" || value == "private"));
        }
    }

    /// Whatever one visitor makes fail on one route, in whatever order and with whatever pauses, while others are answered or
    /// nobody else is there: no gate changes for anybody else, on any route (but that small bodies are read whole for a minute, so that
    /// a break in one harms nobody). Only a connection that never came about is left out: no request can cause one.
    fn one_visitor_on_one_route_changes_no_gate_for_anybody_else(deeds in prop::collection::vec(a_deed_of_health(), 0..120)) meets ["ten failures of the hostile one": 1781, "it shut itself out": 1014] {
        let mut health = Health::default();
        let (mut now, mut failed) = (NOW, 0);
        for (whose, access, heard, pause) in deeds {
            now = now.after(Duration::from_millis(pause));
            let hostile = whose == 0;
            failed += u32::from(hostile && heard != SendResult::Answer);
            let heard = if hostile { heard } else { SendResult::Answer };
            let sending = Sending { region: region("us"), access, at: now, again: false, asking: visitor(whose, 1) };
            health.sent(sending);
            now = now.after(Duration::from_millis(pause / 2));
            health.heard(sending, heard, now);
            let gates = |asking| health.conditions(&topology(), asking, now).into_iter().map(|it| Condition { breaks: false, ..it });
            for (whose, route) in [(1, 1), (2, 2), (9, 1), (9, 9)] {
                prop_assert!(gates(visitor(whose, route)).all(|it| it == Condition::default()), "{} on {}", whose, route);
            }
            prop_assert!(gates(Asking::default()).all(|it| it == Condition::default()));
        }
        met("ten failures of the hostile one", failed >= 10);
        met("it shut itself out", health.conditions(&topology(), visitor(0, 1), now).into_iter().any(|it| it.write != Gate::Closed || it.read != Gate::Closed));
    }

    /// A write has nowhere else to go. However a region failed, whoever asked and however often: while it fails, one write at a time
    /// goes there, a second after the last or more; and once it is well, whoever writes is answered within three seconds, at the
    /// next attempt.
    fn writes_go_again_within_three_seconds_of_the_healing(deeds in prop::collection::vec(a_failure(), 0..80), every in 10u64..300) meets ["a gate was shut when it healed": 1786, "writes still hung": 1851] {
        let (mut health, mut now, topology) = (Health::default(), NOW, topology());
        let gate = |health: &Health, asking, now| health.conditions(&topology, asking, now).first().map_or(Gate::Closed, |it| it.write);
        let (mut hang, mut last) = (Vec::new(), None);
        for ((whose, route), access, heard, pause) in deeds {
            now = now.after(Duration::from_millis(pause));
            let sending = Sending { region: region("us"), access, at: now, again: false, asking: visitor(whose, route) };
            let gate = gate(&health, sending.asking, now);
            if access == Access::Write && gate != Gate::Closed {
                if !gate.admits(0) {
                    continue;
                }
                prop_assert!(last.is_none_or(|last| now.since(last) >= Duration::from_secs(1)), "two at a time");
                // Of whose client has gone nothing is known, and another may go.
                last = (heard != Some(SendResult::Nothing)).then_some(now);
            }
            health.sent(sending);
            match heard {
                Some(heard) => health.heard(sending, heard, now),
                None => hang.push(sending),
            }
        }
        let healed = now;
        met("writes still hung", !hang.is_empty());
        met("a gate was shut when it healed", gate(&health, visitor(0, 1), now) != Gate::Closed);
        for (whose, route) in [(0, 1), (1, 2), (9, 9)] {
            let asking = visitor(whose, route);
            while gate(&health, asking, now) != Gate::Closed {
                prop_assert!(now.since(healed) <= Duration::from_millis(3_000 + every), "{whose} on {route} after {:?}", now.since(healed));
                // What hung all the while fails now, one after another.
                if let Some(sending) = hang.pop() {
                    health.heard(sending, SendResult::Silence, now);
                }
                if gate(&health, asking, now).admits(0) {
                    let sending = Sending { region: region("us"), access: Access::Write, at: now, again: false, asking };
                    health.sent(sending);
                    health.heard(sending, SendResult::Answer, now);
                }
                now = now.after(Duration::from_millis(every));
            }
        }
    }

    /// Whatever a client names and whatever its region says: nothing of it stays before the region has said yes to a write.
    fn what_only_a_client_has_named_is_kept_nowhere_before_its_region_says_yes(world in a_world(), write in any::<bool>()) meets ["its region said yes": 35, "its region said nothing of it": 1928, "the directory was asked": 1068] {
        let tentative = r#"{"home":"eu","epoch":1,"new":true,"tentative":true}"#;
        let world = World {
            path: "/t/made-up/notes".to_owned(),
            method: if write { "POST" } else { "GET" }.to_owned(),
            store: Some(None),
            directory: Some(Some(tentative.to_owned())),
            content: Content::Empty,
            memory: Memory::default(),
            ..world
        };
        let story = play(&world, &settings());
        let end = story.end();
        let said_yes = end.record.region == Some(region("eu"))
            && (end.record.wrote == Some(true) || (write && end.record.status < 400 && end.record.wrote != Some(false)));
        met("the directory was asked", story.asked_directory > 0);
        met("its region said nothing of it", !met("its region said yes", said_yes));
        prop_assert!(end.confirm.is_none() || said_yes, "{:?}", end.confirm);
        for publish in &end.publish {
            prop_assert!(!publish.value.contains(r#""epoch":1,"#), "{}", publish.value);
        }
        for observation in &story.observations {
            if let Observation::Home(_, home) = observation {
                // Who was not told of any home may name one on its own account.
                let own_word = home.epoch() > Epoch::FIRST || story.asked_directory == 0;
                prop_assert!(home.is_tentative() || own_word || end.confirm.is_some(), "{home:?}");
            }
        }
    }
}

/// What the last answer says that it shows of the orders: `shows` where that is not beyond the position, else the position.
fn said_of_orders(world: &World, story: &Story) -> Option<u32> {
    let Some(Reply::Answers(_, fields)) = last_deed(world, story).filter(|_| world.path.starts_with("/orders/")) else {
        return None;
    };
    let members = fields.iter().filter(|(name, _)| name == "homing-position").flat_map(|(_, all)| all.split(','));
    let mut parts = members.filter_map(|member| member.trim().strip_prefix("orders=")).next()?.split("; ");
    let position = parts.next()?.parse().ok()?;
    let shows = parts.find_map(|part| part.strip_prefix("shows=")).and_then(|shows| shows.parse().ok());
    Some(shows.filter(|shows| *shows <= position).unwrap_or(position))
}

/// The session that the request carries, as far as it is believed.
fn carried(world: &World) -> Session {
    let cookie = world.fields.iter().find(|(name, _)| name == "cookie").map(|(_, value)| value.as_str());
    let sealed = cookie.and_then(|value| value.split_once('=')).map_or("", |(_, sealed)| sealed);
    session::open(sealed, &keys(), NOW).session
}
