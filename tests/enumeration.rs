//! The whole of the small decision space against a specification that is written out plainly: who is asked, in which order,
//! and what the client is told. The specification shares no code with the core.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use homing_core::testing::{
    model::subject::{SubjectId, SubjectKind},
    request::incoming::Content,
    session::{self, Claim, Pin, Session},
};
use support::{NOW, Reply, World, keys, settings};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    Unclaimed,
    SingleWriter,
    GeoPartitioned,
    MultiWriter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Promise {
    None,
    SessionRefuse,
    SessionStale,
    HomeRefuse,
    HomeStale,
}

/// Where the subject's home (always eu) is known from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Session,
    Store,
    Absent,
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Meets {
    Ok,
    AppError,
    Unavailable,
    Hangs,
    Refuses,
    Breaks,
    /// Its connection had been closed.
    Closed,
    LaterOwner,
    SameEpoch,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    data: Data,
    promise: Promise,
    write: bool,
    pinned: bool,
    known: Known,
    near: &'static str,
    first: Meets,
    second: Meets,
}

/// What the client sees, and whom it was asked of.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    asked: Vec<&'static str>,
    status: u16,
    stale: bool,
    outcome: Option<&'static str>,
}

const DATA: [Data; 4] = [Data::Unclaimed, Data::SingleWriter, Data::GeoPartitioned, Data::MultiWriter];
const PROMISES: [Promise; 5] =
    [Promise::None, Promise::SessionRefuse, Promise::SessionStale, Promise::HomeRefuse, Promise::HomeStale];
const KNOWN: [Known; 4] = [Known::Session, Known::Store, Known::Absent, Known::Nowhere];
const MEETS: [Meets; 9] = [
    Meets::Ok,
    Meets::AppError,
    Meets::Unavailable,
    Meets::Hangs,
    Meets::Refuses,
    Meets::Breaks,
    Meets::Closed,
    Meets::LaterOwner,
    Meets::SameEpoch,
];
const NEAR: [&str; 3] = ["us", "eu", "ap"];
/// The one behind a service binding, to which no connections are kept.
const BOUND: &str = "ap";

/// The route that makes this promise for this data; not all do.
fn path(case: &Case) -> Option<&'static str> {
    Some(match (case.data, case.promise) {
        (Data::Unclaimed, Promise::None) => "/about",
        (Data::SingleWriter, Promise::None) => "/catalog/none/1",
        (Data::SingleWriter, Promise::SessionRefuse) => "/catalog/1",
        (Data::SingleWriter, Promise::SessionStale) => "/catalog/stale/1",
        (Data::SingleWriter, Promise::HomeRefuse) => "/catalog/home/1",
        (Data::SingleWriter, Promise::HomeStale) => "/catalog/home-stale/1",
        (Data::GeoPartitioned, Promise::None) => "/cart/none/1",
        (Data::GeoPartitioned, Promise::SessionRefuse) => "/cart/1",
        (Data::GeoPartitioned, Promise::SessionStale) => "/cart/stale/1",
        (Data::GeoPartitioned, Promise::HomeRefuse) => "/cart/home/1",
        (Data::GeoPartitioned, Promise::HomeStale) => "/cart/home-stale/1",
        (Data::MultiWriter, Promise::None) => "/likes/none/1",
        (Data::MultiWriter, Promise::SessionRefuse) => "/likes/1",
        (Data::MultiWriter, Promise::SessionStale) => "/likes/stale/1",
        _ => return None,
    })
}

/// The regions that hold the data, as seen from one of them.
fn order(case: &Case) -> Vec<&'static str> {
    let all = match case.near {
        "us" => ["us", "eu", "ap"],
        "eu" => ["eu", "us", "ap"],
        _ => ["ap", "eu", "us"],
    };
    all.into_iter().filter(|region| case.data != Data::GeoPartitioned || *region != "ap").collect()
}

/// The one region that may take the write, if anybody knows.
fn owner(case: &Case) -> Option<&'static str> {
    match (case.data, case.known) {
        (Data::Unclaimed | Data::SingleWriter, _) => Some("us"),
        (Data::MultiWriter, _) => Some(case.near),
        (Data::GeoPartitioned, Known::Session | Known::Store) => Some("eu"),
        (Data::GeoPartitioned, Known::Absent) => Some(order(case)[0]),
        (Data::GeoPartitioned, Known::Nowhere) => None,
    }
}

/// The owner that a misdirected answer names: never the region that says so.
fn later(of: &'static str) -> &'static str {
    if of == "us" { "eu" } else { "us" }
}

fn failed(meets: Meets) -> bool {
    matches!(meets, Meets::Unavailable | Meets::Hangs | Meets::Refuses | Meets::Breaks | Meets::Closed)
}

fn status(meets: Meets) -> u16 {
    match meets {
        Meets::Ok => 200,
        Meets::AppError => 500,
        Meets::LaterOwner | Meets::SameEpoch => 421,
        Meets::Hangs => 504,
        _ => 503,
    }
}

fn specified(case: &Case) -> Seen {
    if case.write {
        return specified_write(case);
    }
    if case.first != Meets::Closed {
        return specified_read(case);
    }
    let broken = specified_read(&Case { first: Meets::Breaks, ..*case });
    if broken.asked.first().is_none_or(|asked| *asked == BOUND) {
        return broken;
    }
    // The same region is asked once more, and what it meets then is all that counts.
    let first = if case.second == Meets::Closed { Meets::Breaks } else { case.second };
    let mut seen = specified_read(&Case { first, ..*case });
    let again = seen.asked.first().copied();
    seen.asked.splice(0..0, again);
    seen
}

fn specified_write(case: &Case) -> Seen {
    let seen = |asked: &[&'static str], status, outcome| Seen { asked: asked.to_vec(), status, stale: false, outcome };
    let Some(owner) = owner(case) else { return seen(&[], 503, Some("not-sent")) };
    let ended = |asked: &[&'static str], meets| match meets {
        Meets::Ok => seen(asked, 200, None),
        Meets::AppError => seen(asked, 500, Some("unknown")),
        Meets::Refuses => seen(asked, 503, Some("not-sent")),
        Meets::Hangs => seen(asked, 504, Some("unknown")),
        Meets::Unavailable | Meets::Breaks | Meets::Closed => seen(asked, 503, Some("unknown")),
        Meets::LaterOwner | Meets::SameEpoch => seen(asked, 503, Some("refused")),
    };
    match case.first {
        // What no dataset claims has no owner whom a region could name, so its body is not held for a second send.
        Meets::LaterOwner if case.data != Data::Unclaimed => ended(&[owner, later(owner)], case.second),
        // Who declines a subject by that very claim, and says where its data is: the directory gives it that home.
        Meets::SameEpoch if case.data == Data::GeoPartitioned => ended(&[owner, later(owner)], case.second),
        first => ended(&[owner], first),
    }
}

fn specified_read(case: &Case) -> Seen {
    let seen = |asked: Vec<&'static str>, status, stale| Seen { asked, status, stale, outcome: None };
    let must_go_home = match case.promise {
        Promise::None => false,
        Promise::SessionRefuse | Promise::SessionStale => case.pinned,
        Promise::HomeRefuse | Promise::HomeStale => true,
    };
    let near = order(case);
    if !must_go_home {
        // A 421 to a read that was sent by no ownership is an answer like any other.
        return match (failed(case.first), case.second) {
            (false, _) => seen(vec![near[0]], status(case.first), false),
            (true, second) => seen(vec![near[0], near[1]], status(second), false),
        };
    }
    let stale_allowed = matches!(case.promise, Promise::SessionStale | Promise::HomeStale);
    // The pin was made where the test's session wrote; only a multi-writer read depends on it.
    let home = if case.data == Data::MultiWriter { Some("eu") } else { owner(case) };
    let Some(home) = home else {
        return match (stale_allowed, failed(case.first)) {
            (false, _) => seen(vec![], 503, false),
            (true, false) => seen(vec![near[0]], status(case.first), true),
            (true, true) => seen(vec![near[0], near[1]], status(case.second), failed_or_stale(case.second)),
        };
    };
    let declined = case.first == Meets::SameEpoch && case.data == Data::GeoPartitioned;
    if case.first == Meets::LaterOwner || declined {
        // The later owner names another: two regions have seen it, and the client comes again.
        let named_another =
            case.second == Meets::LaterOwner || (case.second == Meets::SameEpoch && case.data == Data::GeoPartitioned);
        let end = if named_another { 503 } else { status(case.second) };
        return seen(vec![home, later(home)], end, false);
    }
    if !failed(case.first) {
        return seen(vec![home], status(case.first), false);
    }
    if !stale_allowed {
        return seen(vec![home], status(case.first), false);
    }
    let other = near.into_iter().find(|region| *region != home).unwrap();
    seen(vec![home, other], status(case.second), failed_or_stale(case.second))
}

/// Only an answer of a region can be stale; a problem of the router's own is not.
fn failed_or_stale(second: Meets) -> bool {
    !matches!(second, Meets::Hangs | Meets::Refuses | Meets::Breaks | Meets::Closed)
}

fn deed(meets: Meets, of: &'static str, epoch: u64) -> Reply {
    match meets {
        Meets::Hangs => Reply::Hangs,
        Meets::Refuses => Reply::Refuses,
        Meets::Breaks => Reply::Breaks,
        Meets::Closed => Reply::Loses,
        Meets::LaterOwner | Meets::SameEpoch => {
            let epoch = if meets == Meets::LaterOwner { epoch + 1 } else { epoch };
            let fields = [("homing-home", later(of).to_owned()), ("homing-epoch", epoch.to_string())];
            Reply::Answers(421, fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
        }
        other => Reply::Answers(status(other), Vec::new()),
    }
}

fn world(case: &Case, path: &str) -> World {
    let mut world = World::new(&format!("{} {path}", if case.write { "PUT" } else { "GET" })).near(case.near);
    world.content = if case.write { Content::Length(10) } else { Content::Empty };
    let mut claims = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    let subject = (case.data == Data::GeoPartitioned).then(|| SubjectId::of(SubjectKind::User, "ada"));
    claims.subjects.sign(SubjectKind::User, subject);
    if case.known == Known::Session {
        claims.subjects.settle(SubjectKind::User, support::owned("eu", 1), &support::topology());
    }
    if case.pinned {
        for dataset in ["catalog", "cart", "likes", ""] {
            let claim = Claim::Until(NOW.after(std::time::Duration::from_secs(5)));
            claims.pins.push(Pin {
                dataset: dataset.to_owned(),
                subject: None,
                region: "eu".to_owned(),
                since: NOW,
                claim,
            });
        }
    }
    world.store = match case.known {
        Known::Store => Some(Some(r#"{"home":"eu","epoch":1}"#.to_owned())),
        Known::Nowhere => None,
        Known::Session | Known::Absent => Some(None),
    };
    world.directory = (case.known != Known::Nowhere).then_some(None);
    let first = specified(case).asked.first().copied().unwrap_or("us");
    let epoch = if case.data == Data::Unclaimed { 0 } else { 1 };
    world.deeds = vec![deed(case.first, first, epoch), deed(case.second, later(first), epoch + 1)];
    if case.first == Meets::Closed && !case.write && first != BOUND {
        world.deeds.insert(1, deed(case.second, first, epoch));
    }
    world.field("cookie", &format!("{}={}", session::COOKIE, session::seal(&support::with_own_parts(claims), &keys())))
}

fn seen(case: &Case, path: &str) -> Seen {
    let story = world(case, path).play(&settings()).unwrap();
    let name = |id| *NEAR.iter().find(|name| support::region(name) == id).unwrap();
    let outcome = story.says("homing-write-outcome");
    Seen {
        asked: story.regions().into_iter().map(name).collect(),
        status: story.end().status,
        stale: story.says("homing-consistency") == Some("stale"),
        outcome: outcome
            .map(|word| *["not-sent", "refused", "unknown", "committed"].iter().find(|known| **known == word).unwrap()),
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let of = |data, promise, write, pinned, known, near| {
        MEETS.into_iter().flat_map(move |first| {
            MEETS.into_iter().map(move |second| Case { data, promise, write, pinned, known, near, first, second })
        })
    };
    DATA.into_iter().flat_map(move |data| {
        PROMISES.into_iter().flat_map(move |promise| {
            [false, true].into_iter().flat_map(move |write| {
                [false, true].into_iter().flat_map(move |pinned| {
                    KNOWN.into_iter().flat_map(move |known| {
                        NEAR.into_iter().flat_map(move |near| of(data, promise, write, pinned, known, near))
                    })
                })
            })
        })
    })
}

#[test]
fn the_core_does_what_is_specified_in_every_case() {
    let mut count = 0;
    for case in cases() {
        let Some(path) = path(&case) else { continue };
        count += 1;
        assert_eq!(seen(&case, path), specified(&case), "{case:?}");
    }
    assert!(count > 40_000, "{count}");
}
