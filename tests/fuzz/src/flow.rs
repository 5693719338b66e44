//! A flow under any events in any order: it ends, at most two sends leave, a body that streams is sent once, and a write goes to
//! no region that nobody named as its owner.

use std::{rc::Rc, time::Duration};

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    cache::Probed,
    decide::attempt::Attempt,
    flow::step::{Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        cookies::COOKIE,
        headers::Headers,
    },
    model::{
        access::{Access, Replay},
        clock::StampClock,
        ids::RegionId,
        subject::{SubjectId, SubjectKind},
    },
    ownership::Ownership,
    request::{
        Request,
        admit::admit,
        incoming::{Client, Content, IncomingRequest, Unsent},
    },
    router::{Entropy, Logging, Router},
    session::codec::seal,
    state::memory::{Memory, Observation},
    topology::dataset::Rule,
};

use crate::{
    made::{NOW, borrowed, fields, keys, settings, text},
    session::session,
};

const PATHS: [&str; 20] = [
    "/about",
    "/catalog/1",
    "/catalog/none/1",
    "/catalog/home/1",
    "/catalog/stale/1",
    "/cart/1",
    "/cart/home/1",
    "/cart/stale/1",
    "/cart/cached/1",
    "/likes/1",
    "/t/acme/notes/1",
    "/session/1",
    "/orders/1",
    "/orders/stale/1",
    "/mail/1",
    "/tags/1",
    "/search",
    "/track",
    "/quick/1?x=1",
    "/",
];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "QUERY", "OPTIONS", "FOO"];
const ASKED: [(&str, &[&str]); 10] = [
    ("homing-dev-near", &["us", "eu", "ap"]),
    ("cookie", &["a=1", "; ", "b=2"]),
    ("idempotency-key", &["k"]),
    ("if-none-match", &["\"a\"", "*", ", "]),
    ("cache-control", &["no-cache", "only-if-cached", ",", "max-stale"]),
    ("range", &["bytes=0-1", "bytes=-1", ","]),
    ("accept-encoding", &["gzip", ", ", "br"]),
    ("upgrade", &["websocket"]),
    ("authorization", &["Basic x"]),
    ("cf-connecting-ip", &["192.0.2.1"]),
];
const SAID: [(&str, &[&str]); 16] = [
    ("homing-home", &["us", "eu", "ap", "gone"]),
    ("homing-epoch", &["1", "2", "3", "18446744073709551615", "-"]),
    ("homing-subject", &["ada", "bob"]),
    ("homing-wrote", &["0", "1"]),
    ("homing-behind", &["1"]),
    ("homing-position", &["orders=7", "mail=9", "; least=3", ", ", "tags=1"]),
    ("homing-lag", &["us=5", "eu=90000", ", "]),
    ("cache-control", &["max-age=60", "no-store", "private", ", ", "stale-if-error=5", "must-revalidate"]),
    ("etag", &["\"a\"", "W/", "\"b\""]),
    ("vary", &["accept-language", ", ", "*", "cookie"]),
    ("set-cookie", &["a=b"]),
    ("content-length", &["10"]),
    ("location", &["/x", "https://b.example.com/", "#y"]),
    ("content-location", &["/search", "x"]),
    ("connection", &["etag", ", ", "close"]),
    ("retry-after", &["1"]),
];
const HOMES: [&str; 8] = [
    r#"{"home":"us","epoch":1}"#,
    r#"{"home":"eu","epoch":3}"#,
    r#"{"home":"ap","epoch":2}"#,
    r#"{"home":"eu","epoch":1,"new":true}"#,
    r#"{"home":"gone","epoch":9}"#,
    "{}",
    "",
    "us",
];

/// What stands between the flow and the network: nothing, or a bug that a test plants.
pub type Network = fn(&mut Attempt, &Request);

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes, |_, _| {});
}

/// The laws, of what leaves through that network.
///
/// # Errors
/// If the bytes do not suffice.
pub fn holds(bytes: &[u8], network: Network) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let settings = settings();
    let mut named = Named::default();
    let memory = memory(u, &mut named)?;
    let mut all = fields(u, &ASKED)?;
    if u.ratio(1, 2)? {
        let session = session(u)?;
        for kind in [SubjectKind::User, SubjectKind::Tenant] {
            let home = session.home(kind).and_then(|home| settings.topology.region_named(home.name()));
            named.homes.extend(session.subject(kind).cloned().zip(home));
        }
        all.push(("cookie".to_owned(), format!("{COOKIE}={}", seal(&session, &keys()))));
    }
    let url = format!("https://a.example.com{}", *u.choose(&PATHS)?);
    let content = *u.choose(&[Content::Empty, Content::Length(10), Content::Length(100_000), Content::Unknown])?;
    let incoming = IncomingRequest {
        now: NOW,
        method: u.choose(&METHODS)?,
        url: &url,
        headers: borrowed(&all),
        content,
        client: Client::default(),
    };
    let entropy = u.arbitrary()?;
    // What the sends are judged by.
    let Ok(request) = admit(&incoming, &settings, &mut StampClock::new(1), &mut Entropy::Fixed(entropy)) else {
        return Ok(());
    };
    let router = Router::new(Rc::clone(&settings), Logging::All, 1, Entropy::Fixed(entropy)).with_memory(memory);
    let mut now = NOW;
    let mut turn = router.begin(&incoming).unwrap();
    let mut sends: Vec<Attempt> = Vec::new();
    let mut over = false;
    for _ in 0..24 {
        match &turn.step {
            Step::Finish(_) => {
                over = true;
                break;
            }
            Step::Send(attempt) => {
                let mut attempt = attempt.as_ref().clone();
                network(&mut attempt, &request);
                left(&attempt, &request, &sends, &named);
                sends.push(attempt);
            }
            _ => {}
        }
        now = now.after(Duration::from_millis(u64::from(u.arbitrary::<u16>().unwrap_or_default())));
        // With no bytes left, everything fails, and the flow must come to its end by itself.
        let made = made(u, &turn.step, &mut named).unwrap_or(Made::Fails);
        let said = made.borrowed();
        turn = router.resume(turn.id, said.event(&turn.step), now).unwrap();
    }
    assert!(over, "it does not end: {} {url}", request.method);
    Ok(())
}

/// Whom something that may be believed has named as an owner.
#[derive(Default)]
struct Named {
    moved: Vec<(homing_core::testing::model::ids::DatasetId, RegionId)>,
    homes: Vec<(SubjectId, RegionId)>,
    /// By a store, the directory or an origin, on the way.
    said: Vec<RegionId>,
}

/// Judges a send.
fn left(attempt: &Attempt, request: &Request, before: &[Attempt], named: &Named) {
    // A read that went into a closed connection goes to the same region once more.
    let again = before.windows(2).any(|two| matches!(two, [one, other] if one.region == other.region))
        || before.last().is_some_and(|last| last.region == attempt.region);
    let again = again && request.access == Access::Read;
    assert!(before.len() < 2 + usize::from(again), "a third send");
    let elsewhere = |region: RegionId| before.iter().filter(|earlier| earlier.region != region).count();
    let most = before.iter().chain([attempt]).map(|one| elsewhere(one.region)).max().unwrap_or(0);
    assert!(most <= 2 && before.len() < 3, "a third region");
    let streams = before.iter().any(|earlier| earlier.replay == Replay::Stream);
    assert!(!streams, "a body that streams was sent twice");
    let topology = &settings().topology;
    let write = request.access == Access::Write;
    let name = |region: RegionId| &topology.region(region).name;
    assert!(
        !write || owns(attempt.region, request, named),
        "{} was written at {}",
        request.target.as_str(),
        name(attempt.region)
    );
    // What a region is told of the owner it takes over, if its epoch is a later one: so nobody may have made it up.
    let told = attempt.own.set_to("homing-home").and_then(|home| topology.region_named(home));
    if let Some(home) = told {
        assert!(
            owns(home, request, named),
            "{} was told of {}'s ownership, which nobody has named",
            request.target.as_str(),
            name(home)
        );
    }
}

fn owns(region: RegionId, request: &Request, named: &Named) -> bool {
    let topology = &settings().topology;
    let said = named.said.contains(&region);
    let rule = request.dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule);
    match (rule, &request.subject) {
        (None, _) => region == topology.default_home(),
        (Some(Rule::SingleWriter { home }), _) => {
            let moved = named.moved.iter().any(|(of, to)| Some(*of) == request.dataset && *to == region);
            region == *home || moved || said
        }
        (Some(Rule::MultiWriter { regions, .. }), _) => regions.contains(region),
        (Some(Rule::GeoPartitioned { .. }), None) => region == topology.default_home() || said,
        (Some(Rule::GeoPartitioned { .. }), Some(subject)) => {
            said || named.homes.iter().any(|(of, home)| of == subject && *home == region)
        }
    }
}

/// What an isolate may remember.
fn memory(u: &mut Unstructured<'_>, named: &mut Named) -> Result<Memory> {
    let settings = settings();
    let topology = &settings.topology;
    let regions: Vec<RegionId> = topology.all_regions().iter().collect();
    let datasets: Vec<_> = topology.datasets().collect();
    let mut memory = Memory::default();
    for _ in 0..u.int_in_range(0..=4)? {
        let home = *u.choose(&regions)?;
        let epoch = u.int_in_range(1..=3)?.to_string();
        let headers =
            Headers(vec![("homing-home", topology.region(home).name.as_str()), ("homing-epoch", epoch.as_str())]);
        let owned = Ownership::named(
            &Answer { status: 421, headers, framing: Framing::Delimited },
            topology,
            topology.all_regions(),
        )
        .unwrap();
        let observation = match u.int_in_range(0..=3)? {
            0 => {
                let (kind, name) = *u.choose(&[
                    (SubjectKind::User, "ada"),
                    (SubjectKind::User, "bob"),
                    (SubjectKind::Tenant, "acme"),
                ])?;
                let subject = SubjectId::of(kind, name);
                named.homes.push((subject.clone(), home));
                Observation::Home(subject, owned)
            }
            1 => {
                let (id, _) = *u.choose(&datasets)?;
                named.moved.push((id, home));
                Observation::Moved(id, owned)
            }
            _ => {
                let source = *u.choose(&regions)?;
                Observation::Lag { region: home, source, lag: Duration::from_millis(u64::from(u.arbitrary::<u16>()?)) }
            }
        };
        memory.observe(observation, NOW);
    }
    Ok(memory)
}

/// An event, owned.
enum Made {
    Fails,
    Cache(Option<String>, bool),
    GoOn,
    Value(String),
    Absent,
    Answered(u16, Vec<(String, String)>),
    Ended(u8),
}

/// The same, borrowed.
struct Said<'a>(&'a Made);

impl Made {
    fn borrowed(&self) -> Said<'_> {
        Said(self)
    }
}

impl<'a> Said<'a> {
    fn event(&self, step: &Step) -> Event<'a> {
        match self.0 {
            Made::Fails => match step {
                Step::ProbeCache(_) => Event::Cache(Probed::default()),
                Step::LookUpHome(_) | Step::AssignHome(_) => Event::Home(Found::Failed),
                Step::Answer(..) => Event::GoOn,
                Step::Send(_) | Step::Finish(_) => Event::Origin(Outcome::Lost),
            },
            Made::Cache(entry, waited) => {
                Event::Cache(Probed { entry: entry.as_deref(), lengths: "10,10", waited: *waited })
            }
            Made::GoOn => Event::GoOn,
            Made::Value(text) => Event::Home(Found::Value(text)),
            Made::Absent => Event::Home(Found::Absent),
            Made::Answered(status, fields) => Event::Origin(Outcome::Answered(Answer {
                status: *status,
                headers: borrowed(fields),
                framing: Framing::Delimited,
            })),
            Made::Ended(0) => Event::Origin(Outcome::TimedOut),
            Made::Ended(1) => Event::Origin(Outcome::Refused),
            Made::Ended(2) => Event::Origin(Outcome::Broken),
            Made::Ended(3) => Event::Origin(Outcome::Lost),
            Made::Ended(_) => Event::Origin(Outcome::Unsent(Unsent::Broken)),
        }
    }
}

/// Mostly an event that fits the step.
fn made(u: &mut Unstructured<'_>, step: &Step, named: &mut Named) -> Result<Made> {
    let fits = match step {
        Step::ProbeCache(_) => 0,
        Step::Answer(..) => 1,
        Step::LookUpHome(_) | Step::AssignHome(_) => 2,
        Step::Send(_) | Step::Finish(_) => 3,
    };
    let topology = &settings().topology;
    let kind = if u.ratio(1, 24)? { u.int_in_range(0..=3)? } else { fits };
    Ok(match kind {
        0 => Made::Cache(entry(u)?, u.arbitrary()?),
        1 => Made::GoOn,
        2 => match u.int_in_range(0..=4)? {
            0 => Made::Fails,
            1 => Made::Absent,
            _ => {
                let text = (*u.choose(&HOMES)?).to_owned();
                named
                    .said
                    .extend(topology.regions().filter(|(_, region)| text.contains(&region.name)).map(|(id, _)| id));
                Made::Value(text)
            }
        },
        _ if u.ratio(1, 4)? => Made::Ended(u.int_in_range(0..=3)?),
        _ => {
            let status = *u.choose(&[200, 201, 302, 304, 404, 421, 421, 421, 500, 502, 503, 522, 101, 99])?;
            let fields = fields(u, &SAID)?;
            let home = fields.iter().find(|(name, _)| name == "homing-home").map(|(_, home)| home.trim());
            named.said.extend(home.and_then(|home| topology.region_named(home)));
            Made::Answered(status, fields)
        }
    })
}

fn entry(u: &mut Unstructured<'_>) -> Result<Option<String>> {
    if u.arbitrary()? {
        return Ok(None);
    }
    let came = NOW.0 - u.int_in_range(0..=30_000u64)?;
    let shows = *u.choose(&["", "us:1:7:7", "us:1:7:-"])?;
    let reuse = *u.choose(&["a", "w", "n", "v"])?;
    let region = *u.choose(&["us", "eu", "gone"])?;
    let fresh = u.int_in_range(0..=20_000u64)?;
    let entry = format!("1^|200|{came}|{came}|0|{fresh}|1000|5000|{reuse}|{region}|1|{shows}|||\"a\"|||||");
    Ok(Some(if u.ratio(1, 8)? { text(u, &["1^", "|", "^", "200"], 12)? } else { entry }))
}
