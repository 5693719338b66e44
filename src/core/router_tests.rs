use std::time::Duration;

use super::{flows::SWEEP, *};
use crate::{
    cache::Probed,
    cache::key::in_short,
    flow::{Found, Outcome},
    http::{
        answer::{Answer, Framing},
        headers::Headers,
    },
    model::ids::RegionId,
    request::incoming::{Client, Content},
    topology::secrets::{self, Secrets},
};

const NOW: Timestamp = Timestamp(1_767_225_600_000);
const US: RegionId = RegionId(0);

fn router(logging: Logging) -> Router {
    router_of(r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#, logging)
}

fn router_of(vars: &str, logging: Logging) -> Router {
    let secrets = Secrets { session_key: "", session_key_old: "", origin_key: "" };
    let settings = secrets::read(vars, &secrets, "dev", || Some(7)).unwrap();
    Router::new(Rc::new(settings), logging, 1, Entropy::of([3, 4]))
}

fn asks(method: &str, now: Timestamp) -> IncomingRequest<'_> {
    let (url, headers, client) = ("https://shop.example/cart", Headers(Vec::new()), Client::default());
    IncomingRequest { now, method, url, headers, content: Content::Empty, client }
}

fn answers(status: u16) -> Event<'static> {
    Event::Origin(Outcome::Answered(Answer { status, headers: Headers(Vec::new()), framing: Framing::Delimited }))
}

/// Goes on to the first send.
fn sends(router: &Router, method: &str) -> Turn {
    let mut turn = router.begin(&asks(method, NOW)).unwrap();
    loop {
        let event = match &turn.step {
            Step::Send(_) => return turn,
            Step::ProbeCache(_) => Event::Cache(Probed::default()),
            _ => Event::Home(Found::Absent),
        };
        turn = router.resume(turn.id, event, NOW).unwrap();
    }
}

#[test]
fn what_one_request_does_the_next_one_finds() {
    let router = router(Logging::Off);
    let in_flight = || router.memory().health().in_flight(US);
    let turn = sends(&router, "PUT");
    assert_eq!((in_flight(), router.in_flight()), (1, 1));
    let other = sends(&router, "PUT");
    assert_ne!(turn.id, other.id);
    assert_eq!((in_flight(), router.in_flight()), (2, 2));
    let end = router.resume(turn.id, answers(200), NOW).unwrap();
    assert_eq!(end.settlement().map(|settlement| settlement.status), Some(200));
    assert_eq!((in_flight(), router.in_flight()), (1, 1));
    router.abandon(other.id, NOW);
    assert_eq!((in_flight(), router.in_flight()), (0, 0), "a client that goes leaves nothing behind");
}

/// A trap unwinds nothing: who read the memory then holds it for ever.
#[test]
fn what_a_trap_leaves_behind_keeps_nobody_from_learning() {
    let router = router(Logging::Off);
    router.observe_not_stored("one", NOW);
    let left = router.memory();
    router.observe_not_stored("other", NOW);
    let knows = |memory: &Memory| ["one", "other"].map(|key| memory.is_refused(in_short(key), NOW));
    assert_eq!((knows(&left), knows(&router.memory())), ([true, false], [true, true]));
}

#[test]
fn flows_of_which_nobody_tells_are_swept() {
    let router = router(Logging::Off);
    for _ in 0..SWEEP {
        sends(&router, "PUT");
    }
    assert_eq!((router.in_flight(), router.memory().health().in_flight(US)), (SWEEP, 64));
    let mut now = NOW.after(Duration::from_secs(3601));
    let turn = router.begin(&asks("PUT", now)).unwrap();
    assert_eq!(router.in_flight(), SWEEP + 1, "a clock that is set ahead ends nothing that is under way");
    router.abandon(turn.id, now);
    passes(&router, Duration::from_secs(60), &mut now);
    assert_eq!((router.in_flight(), router.memory().health().in_flight(US)), (0, 0));
}

/// Requests come and go meanwhile.
fn passes(router: &Router, time: Duration, now: &mut Timestamp) {
    for _ in 0..time.as_secs() {
        *now = now.after(Duration::from_secs(1));
        let turn = router.begin(&asks("PUT", *now)).unwrap();
        router.abandon(turn.id, *now);
    }
}

/// Clients of whose leaving nobody hears: those that hold no place. They are forgotten in time, and are never many.
#[test]
fn a_driver_must_hear_of_those_that_leave_where_that_matters() {
    let listens = |router: &Router, method| matches!(sends(router, method).step, Step::Send(attempt) if attempt.listen);
    let open = router(Logging::Off);
    let unheard = (0..MANY).take_while(|_| !listens(&open, "PUT")).count();
    assert_eq!((unheard, listens(&open, "PUT")), (MANY - 1, true), "the table does not fill by them");
    passes(&open, Duration::from_secs(60), &mut NOW.clone());
    assert_eq!(open.in_flight(), 0, "they are forgotten, however few have come");
    assert!(!listens(&open, "PUT"), "and there is room again");

    let ceiling = router_of(r#"{"REGIONS":{"us":{"origin":"https://us.example","ceiling":9}}}"#, Logging::Off);
    assert!(listens(&ceiling, "PUT"), "a ceiling counts it");
    let doubted = router(Logging::Off);
    let failed = sends(&doubted, "PUT");
    doubted.resume(failed.id, Event::Origin(Outcome::TimedOut), NOW).unwrap();
    assert!(listens(&doubted, "PUT"), "a breaker that lets through one at a time must know that it has gone");
}

#[test]
fn a_flow_that_is_gone_says_so() {
    let router = router(Logging::All);
    let turn = sends(&router, "PUT");
    router.abandon(turn.id, NOW);
    let gone = router.resume(turn.id, answers(200), NOW).unwrap_err();
    assert_eq!((gone.status, gone.problem.refusal, gone.log.len()), (504, Refusal::DeadlineExceeded, 0));
}

#[test]
fn the_log_has_what_it_is_to_have() {
    for (logging, lines) in [("all", [1, 1, 1]), ("problems", [0, 1, 1]), ("off", [0, 0, 0])] {
        let router = router(Logging::parse(logging));
        let ends = |status| {
            let turn = sends(&router, "PUT");
            router.resume(turn.id, answers(status), NOW).unwrap().log.len()
        };
        let refused = router.begin(&asks("TRACE", NOW)).unwrap_err();
        assert_eq!([ends(200), ends(500), refused.log.len()], lines, "{logging}");
        assert_eq!((refused.status, router.in_flight()), (405, 0));
    }
}
