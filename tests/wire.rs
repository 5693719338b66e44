//! The text between JavaScript and Wasm, as `tests/golden/wire.txt` shows it: a case at least for each thing that crosses. Here the Rust end
//! is held to it; `tests/edge/wire.test.mjs` holds the other end to the same file. `UPDATE_GOLDEN=1` writes it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/mod.rs"]
mod support;

use std::{collections::BTreeSet, env, fs, rc::Rc, time::Duration};

use homing_core::testing::{
    cache::{Offered, key::CacheKey, slice::Slice},
    decide::attempt::Attempt,
    flow::step::{Assignment, Event, Found, LookUp, Outcome, Probe, Step},
    http::{
        answer::Framing,
        edits::{Edit, Edits, RequestEdits},
    },
    model::{
        access::{Access, Replay},
        subject::{SubjectId, SubjectKind},
    },
    request::incoming::{Content, Unsent},
    router::{FlowId, MemoId, Turn, Vantage, ViewTaken},
    settle::{Base, Publish, Settlement, Source, Store},
    state::drill::{DrillOutcome, Drilled, SamplingKey},
};
use homing_edge::wire;
use homing_tests::at;
use serde_json::{Value, json};
use support::{NOW, World, settings};

/// What stands in a case: what it is of, the text, and what the text means.
type Case = (&'static str, &'static str, String, Value);

/// An exhaustive `match` that gives each variant its name, and the list of those names.
macro_rules! names {
    ($fn:ident, $all:ident: $type:ty { $($pattern:pat => $name:literal),+ $(,)? }) => {
        const $all: &[&str] = &[$($name),+];
        fn $fn(value: &$type) -> &'static str {
            match value { $($pattern => $name),+ }
        }
    };
}

names!(step_kind, STEPS: Step {
    Step::ProbeCache(_) => "probe",
    Step::LookUpHome(_) => "look-up",
    Step::AssignHome(_) => "assign",
    Step::Send(_) => "send",
    Step::Answer(..) => "answer",
    Step::Finish(_) => "finish",
});
names!(source_kind, SOURCES: Source {
    Source::Origin => "origin",
    Source::Own(_) => "own",
    Source::Stored(..) => "stored",
    Source::StoredHead(_) => "head",
});
names!(base_kind, BASES: Base { Base::Origin => "origin", Base::Stored(_) => "stored" });
names!(body_kind, BODIES: Replay {
    Replay::Empty => "empty",
    Replay::Buffered | Replay::Once => "held",
    Replay::Stream => "upload",
});
// What a driver says; what the core makes of an answer by itself (a refusal, an interim one) does not cross.
names!(event_kind, EVENTS: Event<'_> {
    Event::Cache(_) => "cache",
    Event::GoOn => "answered",
    Event::Home(Found::Value(_)) => "home",
    Event::Home(Found::Absent) => "no-home",
    Event::Home(Found::Failed) => "home-failed",
    Event::Origin(Outcome::Answered(_)) => "response",
    Event::Origin(Outcome::Unreadable) => "unreadable",
    Event::Origin(Outcome::TimedOut) => "timed-out",
    Event::Origin(Outcome::Lost) => "lost",
    Event::Origin(Outcome::Broken) => "broken",
    Event::Origin(Outcome::Unsent(_)) => "unsent",
    Event::Origin(Outcome::Refused | Outcome::NotFinal) => "",
});
const EFFECTS: &[&str] = &["forget", "outdated-view", "drill", "publish", "confirm", "tell", "memo", "log"];

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

fn subject() -> SubjectId {
    SubjectId::of(SubjectKind::User, "ada")
}

/// What a request came to, for the parts of it that cannot be made by hand.
fn parts() -> (CacheKey, Attempt, Settlement) {
    let story = World::new("GET /api/catalog/1").play(&settings()).unwrap();
    (story.probed.unwrap(), story.sent.first().unwrap().clone(), story.end.unwrap())
}

fn shown_edits<'e>(edits: impl IntoIterator<Item = Edit<'e>>) -> Value {
    let shown = edits.into_iter().map(|edit| match edit {
        Edit::Remove(name) => json!(["-", name]),
        Edit::Set(name, value) => json!(["=", name, value]),
        Edit::Add(name, value) => json!(["+", name, value]),
    });
    shown.collect()
}

fn shown_source(source: &Source) -> Value {
    let kind = source_kind(source);
    match source {
        Source::Origin => json!({ "kind": kind }),
        Source::Own(body) => json!({ "kind": kind, "body": body }),
        Source::Stored(at, None) | Source::StoredHead(at) => json!({ "kind": kind, "at": at }),
        Source::Stored(at, Some(slice)) => {
            json!({ "kind": kind, "at": at, "from": slice.from, "length": slice.length })
        }
    }
}

fn shown_store(store: &Store) -> Value {
    let base = match store.base {
        Base::Origin => json!({ "kind": base_kind(&store.base) }),
        Base::Stored(at) => json!({ "kind": base_kind(&store.base), "at": at }),
    };
    json!({ "key": store.key.as_str(), "base": base, "carried": store.carried, "edits": shown_edits(store.edits.iter()) })
}

fn shown_effects(end: &Settlement, turn: &Turn) -> Value {
    let home = |kind: &str, of: &(SubjectKind, Publish)| {
        let home: Value = serde_json::from_str(&of.1.value).unwrap();
        json!({ "kind": kind, "subject": of.1.subject.as_str(), "subjectKind": of.0.token(), "home": home })
    };
    let mut shown: Vec<Value> =
        end.invalidate.iter().map(|key| json!({ "kind": "forget", "key": key.as_str() })).collect();
    shown.extend(turn.view_is_outdated.then(|| json!({ "kind": "outdated-view" })));
    shown.extend(end.record.drilled.as_ref().map(|_| json!({ "kind": "drill" })));
    let key = |publish: &Publish| format!("home:{}", publish.subject.as_str());
    let published = |one| json!({ "kind": "publish", "key": key(one), "value": one.value });
    shown.extend(end.publish.iter().map(published));
    shown.extend(end.confirm.as_ref().map(|of| home("confirm", of)));
    shown.extend(end.tell.as_ref().map(|of| home("tell", of)));
    shown.extend(turn.memo.map(|MemoId(id)| json!({ "kind": "memo", "id": id })));
    shown.extend(turn.log.iter().map(|line| json!({ "kind": "log", "line": line })));
    Value::Array(shown)
}

fn shown_finish(end: &Settlement, turn: &Turn) -> Value {
    let mut shown = json!({
        "kind": "finish", "status": end.status, "source": shown_source(&end.source), "edits": shown_edits(end.edits.iter()),
        "effects": shown_effects(end, turn),
    });
    if let Some(store) = &end.store {
        shown["store"] = shown_store(store);
    }
    shown
}

/// What the driver must read in a step.
fn shown_step(turn: &Turn) -> Value {
    let (FlowId(id), step) = (turn.id, &turn.step);
    let kind = step_kind(step);
    match step {
        Step::ProbeCache(probe) => {
            let mut shown =
                json!({ "kind": kind, "id": id, "key": probe.key.as_str(), "wait": probe.wait.map_or(0, ms) });
            if let Some(expired) = &probe.expired {
                shown["expired"] = json!(expired);
            }
            shown
        }
        Step::LookUpHome(look_up) => {
            let key = format!("home:{}", look_up.subject.as_str());
            json!({ "kind": kind, "id": id, "key": key, "timeout": ms(look_up.timeout) })
        }
        Step::AssignHome(of) => {
            let mut shown = json!({
                "kind": kind, "id": id, "subject": of.subject.as_str(), "subjectKind": of.kind.token(),
                "proposed": of.proposed.as_deref().unwrap_or(""), "timeout": ms(of.timeout), "named": of.named,
            });
            if let Some((home, epoch)) = &of.instead_of {
                shown["declined"] = json!({ "home": home, "epoch": epoch });
            }
            shown
        }
        Step::Send(attempt) => json!({
            "kind": kind, "id": id, "method": attempt.method, "service": attempt.service.as_deref().unwrap_or(""),
            "url": attempt.url, "timeout": ms(attempt.timeout), "delay": ms(attempt.delay),
            "idle": attempt.idle.map_or(0, ms), "whole": attempt.whole, "body": body_kind(&attempt.replay),
            "upgrade": attempt.upgrade, "listen": attempt.listen, "writes": attempt.access == Access::Write,
            "usual": shown_edits(attempt.common.usual.iter().chain(attempt.own.usual.iter())),
            "edits": shown_edits(attempt.common.own.iter().chain(attempt.own.own.iter())),
        }),
        Step::Answer(end, key) => {
            json!({ "kind": kind, "id": id, "key": key.as_str(), "finish": shown_finish(end, turn) })
        }
        Step::Finish(end) => shown_finish(end, turn),
    }
}

fn edits<const N: usize>(all: [Edit<'_>; N]) -> Edits {
    all.into_iter().collect()
}

/// The turn that has that step.
fn turn(step: Step, log: &[&str], view_is_outdated: bool) -> Turn {
    Turn { id: FlowId(7), step, log: log.iter().map(|line| (*line).to_owned()).collect(), view_is_outdated, memo: None }
}

/// Steps that ask for something, each of a kind with all that it may say and with as little as may be.
fn asking(key: &CacheKey, attempt: &Attempt) -> Vec<(&'static str, Step)> {
    let second = Duration::from_secs(1);
    let probe = |wait, expired: Option<&str>| Probe { key: key.clone(), wait, expired: expired.map(str::to_owned) };
    let assignment = Assignment {
        subject: subject(),
        kind: SubjectKind::User,
        proposed: None,
        named: false,
        instead_of: None,
        timeout: second,
    };
    let all_of_it = Attempt {
        service: Some("REGION_EU".to_owned()),
        url: "https://example.com/orders?a=1".to_owned(),
        access: Access::Write,
        method: "POST".into(),
        timeout: 30 * second,
        idle: Some(20 * second),
        whole: true,
        delay: Duration::from_millis(75),
        replay: Replay::Stream,
        upgrade: true,
        listen: true,
        common: Rc::new(RequestEdits {
            usual: edits([Edit::Set("via", "1.1 homing")]),
            own: edits([Edit::Remove("x-gone")]),
        }),
        own: RequestEdits {
            own: edits([Edit::Add("set-cookie", "a=1"), Edit::Add("x-added", "of\tmine")]),
            ..RequestEdits::default()
        },
        ..attempt.clone()
    };
    let plain = Attempt {
        service: None,
        url: "https://eu.example.com/".to_owned(),
        access: Access::Read,
        method: "GET".into(),
        timeout: 10 * second,
        idle: None,
        whole: false,
        delay: Duration::ZERO,
        replay: Replay::Empty,
        upgrade: false,
        listen: false,
        common: Rc::default(),
        own: RequestEdits::default(),
        ..attempt.clone()
    };
    let held = Attempt { replay: Replay::Buffered, ..plain.clone() };
    let declined = Assignment {
        proposed: Some("us".to_owned()),
        named: true,
        instead_of: Some(("eu".to_owned(), 3)),
        ..assignment.clone()
    };
    vec![
        ("a look into the cache", Step::ProbeCache(probe(None, None))),
        ("… that waits for another request", Step::ProbeCache(probe(Some(second), None))),
        ("… with an expired variant in hand", Step::ProbeCache(probe(Some(second), Some("de|gzip")))),
        ("… of a response that no field selects", Step::ProbeCache(probe(Some(second), Some("")))),
        ("a look into the home store", Step::LookUpHome(LookUp { subject: subject(), timeout: second })),
        ("a question to the directory", Step::AssignHome(assignment)),
        ("… that proposes another region than the one that has declined", Step::AssignHome(declined)),
        ("a send without anything", Step::Send(Box::new(plain))),
        ("… with a small body", Step::Send(Box::new(held))),
        ("… with everything", Step::Send(Box::new(all_of_it))),
    ]
}

/// Turns that answer.
fn answering(key: &CacheKey, end: &Settlement) -> Vec<(&'static str, Turn)> {
    let least = Settlement {
        status: 200,
        source: Source::Origin,
        edits: Edits::default(),
        is_private: false,
        store: None,
        invalidate: Vec::new(),
        publish: Vec::new(),
        confirm: None,
        tell: None,
        ..end.clone()
    };
    let publish = |home: &str, epoch: u64| Publish {
        subject: subject(),
        value: format!(r#"{{"epoch":{epoch},"home":"{home}"}}"#),
    };
    let store =
        |base, carried: &[usize], edits| Store { key: key.clone(), base, carried: carried.to_vec(), edits, made: NOW };
    let mut all = Settlement {
        edits: edits([Edit::Remove("age"), Edit::Set("homing-region", "eu")]),
        store: Some(store(Base::Origin, &[0, 2], edits([Edit::Set("homing-entry", "2^a")]))),
        invalidate: vec![key.clone(), key.clone()],
        publish: vec![publish("eu", 2)],
        confirm: Some((SubjectKind::User, publish("eu", 2))),
        tell: Some((SubjectKind::Tenant, publish("us", 7))),
        ..least.clone()
    };
    Rc::make_mut(&mut all.record).drilled =
        Some(Drilled { ending: DrillOutcome::Alone, needed: None, by: SamplingKey::at("192.0.2.1") });
    let from = |source| Settlement { source, ..least.clone() };
    let kept =
        Settlement { store: Some(store(Base::Stored(1), &[], Edits::default())), ..from(Source::Stored(1, None)) };
    let part = Settlement { status: 206, ..from(Source::Stored(0, Some(Slice { from: 10, length: 5, whole: 20 }))) };
    let refused =
        Settlement { status: 503, ..from(Source::Own("{\"title\":\"two\\nlines\"}\n\nand an empty one".to_owned())) };
    let finish = |end| Step::Finish(Box::new(end));
    vec![
        ("the origin's answer as it is", turn(finish(least.clone()), &[], false)),
        ("… with everything", turn(finish(all.clone()), &[r#"{"level":"info"}"#, "with a\ttab"], true)),
        ("a stored variant, stored again", turn(finish(kept), &[], false)),
        (
            "… that may be given again",
            Turn { memo: Some(MemoId(17)), ..turn(finish(from(Source::Stored(0, None))), &[], false) },
        ),
        ("a part of one", turn(finish(part), &[], false)),
        ("the head of one", turn(finish(from(Source::StoredHead(2))), &[], false)),
        ("the router's own text", turn(finish(refused), &["{}"], false)),
        ("an answer after which the flow goes on", turn(Step::Answer(Box::new(all), key.clone()), &["{}"], false)),
    ]
}

const HEARD: &[(&str, &str)] = &[
    ("nothing is stored", "cache\nalone"),
    ("an entry", "cache\nalone\n2^a|b\n120"),
    ("an entry of two variants, after waiting", "cache\nwaited\n2^a^b\n120,40"),
    ("the client has its answer", "answered"),
    ("a home", "home\n{\"epoch\":2,\"home\":\"eu\"}"),
    ("no home", "no-home"),
    ("the home store fails, or the directory", "home-failed"),
    ("a response", "response\n200\ncontent-length\n5\nset-cookie\na=1\nset-cookie\nb=2"),
    ("a response without a field", "response\n204"),
    ("a response that only the connection's close ends", "response\n200 close\netag\n\"a\""),
    ("a confirmation of what cannot be read", "unreadable"),
    ("no head in time", "timed-out"),
    ("a lost connection", "lost"),
    ("a broken answer", "broken"),
    ("a client that is too slow", "unsent\nslow"),
    ("a client that breaks off", "unsent\nbroken"),
];

const OFFERED: &[(&str, &str)] = &[
    ("nothing is remembered", ""),
    ("an entry that is remembered", "https://a.example/_homing/cache/_/0/_/a.2\n2^a|b\n120"),
    ("an entry without a length", "https://a.example/_homing/cache/_/0/_/a.2\n2^a|b\n"),
];

const FACTS: &[(&str, &str)] = &[
    ("a read", "GET\nhttps://example.com/\nEU\nnone\naccept\t*/*\nhost\texample.com"),
    ("a write", "PUT\nhttps://example.com/a?b=1\n\nsome\ncontent-length\t5"),
    ("a write whose client is too slow", "POST\nhttps://example.com/\nNA\nslow\ncontent-length\t5"),
    ("a write whose client broke off", "POST\nhttps://example.com/\n\nbroken\ncontent-length\t5"),
];

/// What the core must read in an event.
fn shown_event(text: &str) -> Value {
    let event = wire::event(text).unwrap_or_else(|| panic!("{text}"));
    let kind = event_kind(&event);
    match event {
        Event::Cache(probed) => {
            let mut shown = json!({ "kind": kind, "waited": probed.waited });
            if let Some(entry) = probed.entry {
                shown["entry"] = json!({ "text": entry, "bodies": probed.lengths });
            }
            shown
        }
        Event::Home(Found::Value(value)) => json!({ "kind": kind, "value": value }),
        Event::Origin(Outcome::Answered(answer)) => {
            let closes = matches!(answer.framing, Framing::UntilClose);
            json!({ "kind": kind, "status": answer.status, "closes": closes, "fields": answer.headers.0 })
        }
        Event::Origin(Outcome::Unsent(Unsent::Slow)) => json!({ "kind": kind, "why": "slow" }),
        Event::Origin(Outcome::Unsent(Unsent::Broken)) => json!({ "kind": kind, "why": "broken" }),
        _ => json!({ "kind": kind }),
    }
}

/// What the core must read of what comes along.
fn shown_offered(text: &str) -> Value {
    let shown = |Offered { key, probed }| json!({ "key": key, "text": probed.entry, "bodies": probed.lengths });
    wire::offered(text).map_or(Value::Null, shown)
}

fn shown_facts(text: &str) -> Value {
    let incoming = wire::incoming(text, None, NOW).unwrap_or_else(|| panic!("{text}"));
    let body = match incoming.content {
        Content::Empty => "none",
        Content::Length(_) | Content::Unknown => "some",
        Content::Unsent(Unsent::Slow) => "slow",
        Content::Unsent(Unsent::Broken) => "broken",
    };
    let continent = incoming.client.continent.unwrap_or("");
    json!({ "method": incoming.method, "url": incoming.url, "continent": continent, "body": body, "fields": incoming.headers.0 })
}

fn cases() -> Vec<Case> {
    let (key, attempt, end) = parts();
    let mut cases: Vec<Case> = Vec::new();
    for (title, text) in FACTS {
        let text = text.replace('\t', "\n");
        cases.push((title, "facts", text.clone(), shown_facts(&text)));
    }
    for (title, text) in OFFERED {
        cases.push((title, "offered", (*text).to_owned(), shown_offered(text)));
    }
    let asking = asking(&key, &attempt).into_iter().map(|(title, step)| (title, turn(step, &[], false)));
    for (title, turn) in asking.chain(answering(&key, &end)) {
        cases.push((title, "step", wire::turn(&turn), shown_step(&turn)));
    }
    for (title, text) in HEARD {
        cases.push((title, "event", (*text).to_owned(), shown_event(text)));
    }
    cases
}

#[test]
fn the_wire_is_as_its_cases_show_it() {
    let mut file = "What crosses between JavaScript and Wasm, case by case: the text (⇥ is a TAB), `=>`, and what it means. Written by \
                    `UPDATE_GOLDEN=1 cargo test -p homing-tests --test wire`.\n"
        .to_owned();
    for (title, of, text, shown) in cases() {
        assert!(!text.contains('⇥') && !text.contains("\n=>\n"), "{title}");
        file += &format!("\n## {title}\n{of}\n{}\n=>\n{shown}\n", text.replace('\t', "⇥"));
    }
    let path = at("tests/golden/wire.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, file).unwrap();
        return;
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        file,
        "UPDATE_GOLDEN=1 writes what is now; tests/edge/wire.test.mjs must agree"
    );
}

#[test]
fn everything_that_crosses_has_a_case() {
    let cases = cases();
    let of = |part: &str| cases.iter().filter(|(_, of, ..)| *of == part).map(|(.., shown)| shown).collect::<Vec<_>>();
    let steps = of("step");
    let ends: Vec<&Value> =
        steps.iter().map(|step| step.get("finish").unwrap_or(step)).filter(|step| step["kind"] == "finish").collect();
    let kinds = |values: &[&Value]| {
        values.iter().map(|value| value["kind"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let wanted = |all: &[&str]| {
        all.iter().filter(|kind| !kind.is_empty()).map(|kind| (*kind).to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(kinds(&steps), wanted(STEPS));
    assert_eq!(kinds(&of("event")), wanted(EVENTS));
    assert_eq!(kinds(&ends.iter().map(|end| &end["source"]).collect::<Vec<_>>()), wanted(SOURCES));
    let bases: Vec<&Value> = ends.iter().filter_map(|end| Some(&end.get("store")?["base"])).collect();
    assert_eq!(kinds(&bases), wanted(BASES));
    let effects: Vec<&Value> = ends.iter().flat_map(|end| end["effects"].as_array().unwrap()).collect();
    assert_eq!(kinds(&effects), wanted(EFFECTS));
    let bodies: BTreeSet<_> = steps.iter().filter_map(|step| step["body"].as_str().map(str::to_owned)).collect();
    assert_eq!(bodies, wanted(BODIES));
}

/// What crosses beside requests; `readVantages`, `readNames` and `readViewTaken` of `wire.mjs` are its other end.
#[test]
fn what_crosses_beside_requests() {
    let vantage = |region, hint, is_silent| Vantage { region, hint, is_silent };
    assert_eq!(wire::vantages(&[vantage("us", "wnam", false), vantage("ap", "", true)]), "us\twnam\t\nap\t\t1");
    assert_eq!(wire::names(["cf-ray", "user-agent"].into_iter()), "cf-ray\nuser-agent");
    let bits = |is_whole, is_readable| wire::view_taken(ViewTaken { is_whole, is_readable });
    assert_eq!([bits(true, true), bits(false, true), bits(true, false), bits(false, false)], [0, 1, 2, 3]);
}
