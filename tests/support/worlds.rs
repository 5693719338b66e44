//! Worlds made at random.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Duration;

use homing_core::testing::{
    cache::{
        entry::{StoredFields, Variant},
        freshness::Reuse,
    },
    decide::reach::replica_of,
    model::{
        access::Access,
        epoch::Epoch,
        position::{Mark, Position},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::stated::{Log, Shows},
    request::incoming::{Content, Unsent},
    session::{self, Claim, Pin, Session},
    state::{
        health::{Asking, SendResult, Sending},
        memory::{Memory, Observation},
        published::{self, Published, RegionState},
    },
};
use proptest::prelude::*;

use crate::support::{NOW, Reply, World, at_home, keys, owned, region, stored, topology, with_own_parts};

pub const REGIONS: [&str; 3] = ["us", "eu", "ap"];
pub const PATHS: [&str; 22] = [
    "/about",
    "/catalog/1",
    "/catalog/none/1",
    "/catalog/home/1",
    "/catalog/home-stale/1",
    "/catalog/stale/1",
    "/cart/1",
    "/cart/none/1",
    "/cart/home/1",
    "/cart/home-stale/1",
    "/cart/stale/1",
    "/cart/cached/1",
    "/likes/1",
    "/likes/none/1",
    "/t/acme/notes",
    "/session/1",
    "/orders/1",
    "/orders/stale/1",
    "/mail/1",
    "/tags/1",
    "/search",
    "/quick/1?x=1",
];

pub fn a_region() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&REGIONS[..])
}

/// How far a region says that its replicas are.
fn a_position() -> impl Strategy<Value = (String, String)> {
    let place = (0..9u32, 0..4u32, prop::option::of(0..10u32)).prop_map(|(at, gap, shows)| {
        let least = at.saturating_sub(gap);
        let shows = shows.map_or(String::new(), |shows| format!("; shows={shows}"));
        format!("{at}; least={least}{shows}")
    });
    // Of several owners by one clock, or each by its own log.
    let owners = prop::collection::vec((a_region(), 0..9u32), 0..3);
    (place, owners).prop_map(|(place, owners)| {
        let of_all = ["orders", "mail", "tags"].map(|name| format!("{name}={place}"));
        let of_each = owners.into_iter().map(|(owner, at)| format!("tags@{owner}={at}; shows={at}"));
        ("homing-position".to_owned(), of_all.into_iter().chain(of_each).collect::<Vec<_>>().join(", "))
    })
}

pub fn a_field() -> impl Strategy<Value = (String, String)> {
    let fixed = |name: &'static str, value: &'static str| Just((name.to_owned(), value.to_owned()));
    prop_oneof![
        fixed("homing-wrote", "0"),
        fixed("homing-wrote", "1"),
        fixed("homing-subject", "ada"),
        fixed("homing-subject", "grace"),
        fixed("homing-subject", ""),
        fixed("cache-control", "max-age=10"),
        fixed("cache-control", "private"),
        fixed("set-cookie", "a=b"),
        fixed("connection", "x-own"),
        fixed("cf-error-type", "1016"),
        fixed("cf-error-type", "1042"),
        fixed("homing-behind", "1"),
        fixed("homing-home", "us"),
        fixed("homing-epoch", "1"),
        fixed("homing-epoch", "2"),
        fixed("homing-position", "orders=x"),
        a_position(),
        (0..90_000u32).prop_map(|lag| ("homing-lag".to_owned(), format!("us={lag}, eu=x"))),
        "[a-z]{1,9}".prop_map(|value| ("x-own".to_owned(), value)),
    ]
}

pub fn a_deed() -> impl Strategy<Value = Reply> {
    let status = prop::sample::select(vec![
        200u16, 204, 301, 304, 404, 409, 421, 422, 500, 502, 503, 504, 520, 521, 522, 524, 530,
    ]);
    let owner = (prop_oneof![3 => a_region(), 1 => Just("mars")], 0u64..6).prop_map(|(home, epoch)| {
        let fields = vec![("homing-home".to_owned(), home.to_owned()), ("homing-epoch".to_owned(), epoch.to_string())];
        Reply::Answers(421, fields)
    });
    let whose = (prop::sample::select(vec!["ada", "grace", "~GdAZGkoHV5U4-Bo_P4T8RX"]), any::<bool>());
    let whose = whose.prop_map(|(name, owned)| {
        let mut fields = vec![("homing-subject".to_owned(), name.to_owned())];
        // An owner beside it is of what was asked about.
        let owner =
            [("homing-home", "eu"), ("homing-epoch", "9")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        fields.extend(owner.into_iter().filter(|_| owned));
        Reply::Answers(421, fields)
    });
    prop_oneof![
        2 => whose,
        4 => (status, prop::collection::vec(a_field(), 0..3)).prop_map(|(status, fields)| Reply::Answers(status, fields)),
        2 => owner,
        1 => Just(Reply::Hangs),
        1 => Just(Reply::Refuses),
        2 => Just(Reply::Loses),
        1 => Just(Reply::Answers(408, vec![("connection".to_owned(), "close".to_owned())])),
        1 => Just(Reply::Breaks),
        1 => prop::sample::select(vec![Unsent::Slow, Unsent::Broken]).prop_map(Reply::Unsent),
    ]
}

pub fn a_session() -> impl Strategy<Value = Option<String>> {
    a_session_about(vec!["catalog", "cart", "likes", "notes", "orders", ""], vec!["orders", "mail", "tags", "catalog"])
}

/// A session with pins of some of these datasets, and marks of some of those.
pub fn a_session_about(pinned: Vec<&'static str>, marked: Vec<&'static str>) -> impl Strategy<Value = Option<String>> {
    let pinned = prop::sample::select(pinned);
    let pin = (pinned, a_region(), -5_000i64..60_000, 0u64..9_000);
    let mark = (prop::sample::select(marked), a_region(), 1u64..4, 0u64..8, 0u64..9_000);
    let claims = (
        prop::option::of(prop::sample::select(vec!["ada", "grace"])),
        prop::option::of((prop_oneof![4 => a_region(), 1 => Just("mars")], 1u64..5)),
        prop::collection::vec(pin, 0..3),
        prop::collection::vec(mark, 0..3),
    );
    prop::option::of(claims.prop_map(|(name, home, pins, marks)| {
        let pin = |(dataset, place, ahead, ago): (&str, &str, i64, u64)| Pin {
            dataset: dataset.to_owned(),
            subject: None,
            region: place.to_owned(),
            since: Timestamp(NOW.0 - ago),
            claim: Claim::Until(Timestamp(NOW.0.checked_add_signed(ahead).unwrap())),
        };
        let mark = |(dataset, place, epoch, value, ago): (&str, &str, u64, u64, u64)| Pin {
            dataset: dataset.to_owned(),
            subject: None,
            region: place.to_owned(),
            since: Timestamp(NOW.0 - ago),
            claim: Claim::AtLeast(Mark { epoch: epoch_of(dataset, epoch), position: Position::new(value.into()) }),
        };
        let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
        let pins = pins.into_iter().map(pin).chain(marks.into_iter().map(mark));
        pins.for_each(|pin| session.add_pin(pin, &topology(), NOW));
        session.subjects.sign(SubjectKind::User, name.map(|name| SubjectId::of(SubjectKind::User, name)));
        let sealed = session::seal(&with_own_parts(session), &keys());
        home.map_or(sealed.clone(), |(home, epoch)| at_home(&sealed, home, epoch))
    }))
}

pub fn a_memory() -> impl Strategy<Value = Memory> {
    let observations = prop_oneof![
        (a_region(), prop::sample::select(vec![Access::Read, Access::Write]), 0u64..40_000).prop_map(
            |(name, access, ago)| {
                // Open, on probation, or coming back.
                let sending = Sending {
                    region: region(name),
                    access,
                    at: Timestamp(NOW.0 - ago),
                    again: false,
                    asking: Asking::default(),
                };
                let heard = if ago % 3 == 0 { SendResult::Answer } else { SendResult::Unreached };
                vec![Observation::Heard(sending, SendResult::Unreached); 5]
                    .into_iter()
                    .chain([Observation::Heard(sending, heard)])
                    .collect()
            }
        ),
        (a_region(), a_region(), 0u64..90_000).prop_map(|(name, source, lag)| {
            vec![Observation::Lag { region: region(name), source: region(source), lag: Duration::from_millis(lag) }]
        }),
        (a_region(), a_region(), prop::sample::select(vec!["orders", "mail", "tags"]), 1u64..4, 0u64..8).prop_map(
            |(name, home, dataset, epoch, value)| {
                let epoch = epoch_of(dataset, epoch);
                let dataset = topology().dataset_named(dataset).unwrap();
                let log = Log { home: region(home), epoch };
                let copy = replica_of(dataset, region(name), log, &topology());
                vec![Observation::Applied(copy, Position::new(value.into()))]
            },
        ),
        (a_region(), 1u64..5).prop_map(|(name, epoch)| {
            vec![Observation::Home(SubjectId::of(SubjectKind::Tenant, "acme"), owned(name, epoch))]
        }),
        (a_region(), 1u64..5).prop_map(|(name, epoch)| {
            let dataset = topology().dataset_named("catalog").unwrap();
            vec![Observation::Moved(dataset, owned(name, epoch))]
        }),
        (a_region(), prop::sample::select(&RegionState::ALL[..]), a_region(), 1u64..5).prop_map(
            |(name, state, home, epoch)| {
                let states = [(name, state, NOW.after(Duration::from_secs(60)))];
                let text = published::write(1, states.into_iter(), [("catalog", home, epoch)].into_iter(), None);
                vec![Observation::Published(Published::read(&text, &topology()).unwrap())]
            },
        ),
    ];
    prop::collection::vec(observations, 0..4).prop_map(|observations| {
        let mut memory = Memory::default();
        observations.into_iter().flatten().for_each(|observation| memory.observe(observation, NOW));
        memory
    })
}

fn a_validator() -> impl Strategy<Value = StoredFields<'static>> {
    prop::option::of("\"v[0-9]\"").prop_map(|tag| {
        let mut kept = StoredFields::default();
        kept.0[2] = tag.map(Into::into);
        kept
    })
}

/// An epoch of a dataset; of that which several owners write, what stands for what was written to each of them, or shown of it.
fn epoch_of(dataset: &str, epoch: u64) -> Epoch {
    match (dataset, epoch) {
        ("tags", 2) => Epoch::OF_EACH_OWNER,
        ("tags", 3..) => session::SHOWN,
        _ => Epoch(epoch),
    }
}

pub fn a_copy() -> impl Strategy<Value = Variant<'static>> {
    let epoch = prop::sample::select(vec![1, 2, Epoch::OF_EACH_OWNER.0]);
    let shows = prop::option::of((a_region(), epoch, 0u32..9, 0u32..4).prop_map(|(home, epoch, most, gap)| {
        Shows::read(&format!("{home}:{epoch}:{most:x}:{:x}", most.saturating_sub(gap))).unwrap()
    }));
    let shows = shows.prop_map(Vec::from_iter);
    let reuse = prop::sample::select(vec![Reuse::Allowed, Reuse::ByWord, Reuse::Never, Reuse::Validated]);
    let spans = (-60_000i64..1_000, 0u64..30_000, 0u64..60_000, 0u64..20_000);
    (spans, a_region(), shows, reuse, a_validator()).prop_map(
        |((made, fresh, grace, during), name, shows, reuse, kept)| {
            let made = Timestamp(NOW.0.checked_add_signed(made).unwrap());
            let span = Duration::from_millis;
            let while_revalidate = span(during);
            Variant { shows, reuse, while_revalidate, kept, ..stored(name, made, span(fresh), span(grace)) }
        },
    )
}

prop_compose! {
    pub fn a_world()(
        method in prop::sample::select(vec!["GET", "GET", "HEAD", "QUERY", "POST", "PUT", "DELETE", "PURGE"]),
        path in prop::sample::select(&PATHS[..]),
        content in prop::sample::select(vec![Content::Empty, Content::Length(10), Content::Length(100_000), Content::Unknown]),
        near in prop::option::of(a_region()),
        session in a_session(),
        repeats in any::<bool>(),
        deeds in prop::collection::vec(a_deed(), 1..3),
        store in prop_oneof![
            Just(None), Just(Some(None)), Just(Some(Some("garbage".to_owned()))),
            (a_region(), 1u64..5).prop_map(|(home, epoch)| Some(Some(format!(r#"{{"home":"{home}","epoch":{epoch}}}"#)))),
        ],
        directory in prop_oneof![
            Just(None), Just(Some(None)), Just(Some(Some("garbage".to_owned()))),
            (a_region(), 1u64..5).prop_map(|(home, epoch)| Some(Some(format!(r#"{{"home":"{home}","epoch":{epoch}}}"#)))),
        ],
        cache in prop::collection::vec(a_copy(), 0..3),
        waited in any::<bool>(),
        takes in prop::sample::select(vec![0u64, 20, 4_000, 12_000, 40_000]),
        memory in a_memory(),
    ) -> World {
        let mut world = World::new(&format!("{method} {path}"));
        let reads = matches!(method, "GET" | "HEAD");
        world.content = if reads { Content::Empty } else { content };
        world.near = near.map(str::to_owned);
        world.fields.extend(session.map(|sealed| ("cookie".to_owned(), format!("{}={sealed}", session::COOKIE))));
        world.fields.extend(repeats.then(|| ("idempotency-key".to_owned(), "1".to_owned())));
        World { deeds, store, directory, cache, waited, takes, memory, ..world }
    }
}

/// What a region answers when nothing is wrong: what it holds, how far it is, and how long that may be kept.
fn a_good_answer() -> impl Strategy<Value = Reply> {
    let control = prop::sample::select(vec![
        "max-age=10",
        "public, max-age=10",
        "public, max-age=10, stale-if-error=60",
        "no-cache",
        "private",
    ]);
    let control = control.prop_map(|control| ("cache-control".to_owned(), control.to_owned()));
    let cookie = Just(("set-cookie".to_owned(), "a=b".to_owned()));
    (
        prop::option::weighted(0.8, a_position()),
        prop::option::weighted(0.8, control),
        prop::option::weighted(0.1, cookie),
        a_field(),
    )
        .prop_map(|(position, control, cookie, other)| {
            let rare =
                Some(other).filter(|(name, _)| name == "x-own" || name == "homing-lag" || name == "homing-epoch");
            Reply::Answers(200, [position, control, cookie, rare].into_iter().flatten().collect())
        })
}

/// A read of one of these whose answer comes in time, in a session that is about those datasets: what can be stored, shown and remembered
/// is of such reads, and among worlds where anything is as likely they are rare.
pub fn an_ordinary_read(paths: &[&'static str], datasets: &[&'static str]) -> impl Strategy<Value = World> + use<> {
    let session = a_session_about(datasets.to_vec(), datasets.to_vec());
    let takes = prop_oneof![3 => Just(0u64), 3 => Just(20), 1 => Just(4_000)];
    let deeds = prop::collection::vec(prop_oneof![6 => a_good_answer(), 1 => a_deed()], 1..3);
    let memory = prop_oneof![2 => Just(Memory::default()), 1 => a_memory()];
    let recent = (a_copy(), 0u64..9_000, 1_000u64..60_000).prop_map(|(copy, ago, fresh)| {
        let fresher = stored("us", Timestamp(NOW.0 - ago), Duration::from_millis(fresh), Duration::ZERO);
        Variant { made: fresher.made, came: fresher.came, fresh: fresher.fresh, reuse: Reuse::Allowed, ..copy }
    });
    let cache = prop::collection::vec(prop_oneof![3 => recent, 1 => a_copy()], 0..3);
    let world = (a_world(), prop::sample::select(paths.to_vec()), any::<bool>());
    (world, session, takes, deeds, memory, cache).prop_map(
        |((world, path, signed_in), session, takes, deeds, memory, cache)| {
            let mut fields = world.fields;
            fields.retain(|(name, _)| name != "cookie");
            fields.extend(session.map(|sealed| ("cookie".to_owned(), format!("{}={sealed}", session::COOKIE))));
            // Without the application's own credentials nothing personal is looked for in the cache.
            fields.extend(signed_in.then(|| ("authorization".to_owned(), "Bearer a".to_owned())));
            World {
                method: "GET".to_owned(),
                path: path.to_owned(),
                content: Content::Empty,
                fields,
                takes,
                deeds,
                memory,
                cache,
                ..world
            }
        },
    )
}
