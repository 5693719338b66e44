//! What is stored, or told between objects of two versions, as the present version writes it: one file for each format and its number,
//! under `tests/golden/formats`. A text that changes while its number does not fails here; what earlier numbers wrote must still be read.
//! CONTRIBUTING.md, "Changing a format", says what to do. `UPDATE_GOLDEN=1 cargo test --test formats` writes the present ones.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, path::PathBuf, time::Duration};

use homing_core::testing::{
    cache::{
        entry::{self, StoredFields, Variant},
        freshness::Reuse,
    },
    control::{
        authority::{Input, Ledger, turn},
        prober,
    },
    model::{
        epoch::Epoch,
        formats,
        position::{Mark, Position},
        reasons::Verdict,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    request::incoming::Content,
    session::{self, Claim, Pin, Session},
    state::{matrix::ProbeReport, published::Published},
};
use serde_json::{Value, json};
use support::{NOW, Reply, World, keys, owned, region, topology};

fn file(name: &str, number: u64) -> PathBuf {
    let folder = homing_tests::at("tests/golden/formats");
    folder.join(format!("{name}.{number}.txt"))
}

fn stored(name: &str, number: u64) -> String {
    let path = file(name, number);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim_end().to_owned()
}

/// The text must be what lies there under that number.
fn holds(name: &str, number: u64, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file(name, number), format!("{text}\n")).unwrap();
    }
    assert_eq!(
        text,
        stored(name, number),
        "what is written of the {name} has changed, and its number is still {number}. Another version may run beside this one, or be put back: \
         raise the number in model/formats.rs, and go on as CONTRIBUTING.md says (\"Changing a format\")"
    );
}

/// One value in a line, so that a diff shows what has changed.
fn lines(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
}

/// A ledger with something in each of its fields.
fn ledger() -> String {
    let settings = support::settings();
    let mut ledger = String::new();
    let mut effects = Vec::new();
    let mut put = |input: Value| {
        let text = turn(&ledger, &input.to_string(), &settings, NOW).unwrap();
        let outcome: Value = serde_json::from_str(&text).unwrap();
        outcome["ledger"].as_str().unwrap().clone_into(&mut ledger);
        effects.extend(outcome["effects"].as_array().unwrap().clone());
    };
    put(json!({ "do": "view" }));
    let ada = SubjectId::of(SubjectKind::User, "ada").as_str().to_owned();
    let orders = [
        json!({ "command": "state", "region": "ap", "state": "draining", "for": "1h" }),
        json!({ "command": "promote", "dataset": "orders", "to": "eu" }),
        json!({ "command": "move", "kind": "user", "subject": ada, "to": "eu" }),
        json!({ "command": "promote-region", "region": "us", "to": "eu" }),
        json!({ "command": "drill", "kind": "isolate", "region": "eu", "percent": "5", "for": "10m", "abort_if": "errors>1%" }),
    ];
    for (at, mut order) in orders.into_iter().enumerate() {
        for (key, value) in
            [("request", format!("r{at}")), ("actor", "ada".to_owned()), ("reason", "a test".to_owned())]
        {
            order[key] = json!(value);
        }
        put(json!({ "do": "order", "order": order.to_string() }));
    }
    // Of what is only for people the words may change.
    let mut told: Value = serde_json::from_str(&ledger).unwrap();
    told["replies"].as_array_mut().unwrap().iter_mut().for_each(|reply| {
        reply["body"] = Value::Null;
        reply["order"] = json!("");
        reply["what"] = json!("");
    });
    told["renewed"] = json!({ "orders": [1, 2] });
    serde_json::to_string(&serde_json::from_value::<Ledger>(told).unwrap()).unwrap()
}

#[test]
fn the_ledger() {
    holds("ledger", formats::LEDGER, &lines(&ledger()));
    let now = Ledger::read(&ledger()).unwrap();
    for field in ["regions", "datasets", "changes", "replies", "sweeps", "untold", "drills", "renewed", "firsts_told"] {
        assert!(
            !json!(now)[field].is_null() && json!(now)[field].to_string().len() > 2,
            "{field} is empty, so nothing holds it"
        );
    }
    // What format 1 wrote of the same: neither a number nor first homes.
    let first = Ledger::read(&stored("ledger", 1)).unwrap();
    let without = Ledger { datasets: BTreeMap::new(), firsts_told: Vec::new(), untold: Vec::new(), ..now };
    assert_eq!(first, without);
}

#[test]
fn the_view() {
    let text = Ledger::read(&ledger()).unwrap().published();
    holds("view", formats::VIEW, &lines(&text));
    let (first, now) =
        (Published::read(&stored("view", 1), &topology()).unwrap(), Published::read(&text, &topology()).unwrap());
    assert_eq!((first.version, first.state(region("ap"), NOW)), (now.version, now.state(region("ap"), NOW)));
    assert!(first.drill(NOW).is_some() && first.drill(NOW) == now.drill(NOW));
    assert!(now.names_all(&topology()) && !first.names_all(&topology()));
}

#[test]
fn what_a_prober_reports() {
    let health = json!({
        "region": "us", "position": { "catalog": 5 }, "epochs": { "catalog": 1 }, "lag_ms": { "eu": 3 }, "reachable": { "eu": true },
    });
    let answers = json!({ "us": { "ms": 4, "health": health }, "eu": { "ms": 9 } });
    let (topology, published) = (topology(), Published::default());
    let world = prober::World { topology: &topology, published: &published, every: Duration::from_secs(10) };
    let round = prober::Prober::default().round("eu", &serde_json::from_value(answers).unwrap(), world, NOW);
    holds("report", formats::REPORT, &lines(&round.report));
    assert_eq!(ProbeReport::read(&stored("report", 1), &topology), ProbeReport::read(&round.report, &topology));
}

fn session() -> Session {
    let ada = SubjectId::of(SubjectKind::User, "ada");
    let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
    session.subjects.sign(SubjectKind::User, Some(ada.clone()));
    session.subjects.settle(SubjectKind::User, owned("eu", 3), &topology());
    let pin = |dataset: &str, subject: Option<&SubjectId>, claim| Pin {
        dataset: dataset.to_owned(),
        subject: subject.cloned(),
        region: "eu".to_owned(),
        since: NOW,
        claim,
    };
    let mark = Claim::AtLeast(Mark { epoch: Epoch(3), position: Position::new(0x2a) });
    let window = Claim::Until(NOW.after(Duration::from_secs(5)));
    session.pins = vec![pin("mail", Some(&ada), mark), pin("catalog", None, window)];
    session
}

#[test]
fn the_session() {
    let sealed = session::seal(&session(), &keys());
    holds("session", formats::SESSION, &sealed);
    assert_eq!(session::received(&sealed, &keys(), &topology(), NOW).session, session());
    // Version 1 had one subject, and no words for whose a pin is: those on its own part came without.
    let former = session::received(&stored("session", 1), &keys(), &topology(), NOW);
    assert_eq!(former.verdict, Verdict::Valid);
    assert_eq!(former.session.subjects, session().subjects);
}

/// One that this version cannot read, and that is ours: nothing of it is lost by it.
#[test]
fn the_session_of_a_later_version_is_left_alone_and_read_at_home() {
    let text = session::seal(&session(), &keys());
    let (body, _) = text.rsplit_once('.').unwrap();
    let later = body.replacen("2.", "3.", 1);
    let later = format!("{later}.{}", keys().current().sign(&later));
    let opened = |text: &str| session::received(text, &keys(), &topology(), NOW).verdict;
    assert_eq!(opened(&later), Verdict::Later);
    assert_eq!(opened(&text.replacen("2.", "3.", 1)), Verdict::Forged, "a number alone is anybody's");
    assert_eq!(opened("3"), Verdict::Malformed);

    let play = |request: &str| {
        let world = World::new(request).near("ap").field("cookie", &format!("{}={later}", session::COOKIE));
        let sent = Reply::Answers(200, vec![("homing-position".to_owned(), "orders=7".to_owned())]);
        World { content: Content::Empty, ..world.deeds(&[sent]) }.play(&support::settings()).unwrap()
    };
    for request in ["GET /orders/1", "PUT /orders/1"] {
        let story = play(request);
        assert_eq!(story.regions(), [region("us")], "{request} goes home");
        assert_eq!(story.says("set-cookie"), None, "{request}");
    }
    assert_eq!(play("GET /catalog/none/1").regions(), [region("ap")], "what sessions are not promised is read nearby");
}

#[test]
fn the_head_of_a_cache_entry() {
    let mut kept = StoredFields::default();
    for (at, value) in kept.0.iter_mut().enumerate() {
        *value = Some(Cow::Owned(format!("field {at}")));
    }
    let variant = Variant {
        selecting: Cow::Borrowed("accept=a"),
        status: 200,
        part: None,
        made: NOW,
        came: Timestamp(NOW.0 + 7),
        age: Duration::from_secs(1),
        fresh: Duration::from_secs(60),
        while_revalidate: Duration::from_secs(5),
        if_error: Some(Duration::from_secs(9)),
        reuse: Reuse::ByWord,
        region: Cow::Borrowed("eu"),
        epoch: Epoch(3),
        shows: Vec::new(),
        kept,
        cookies: "".into(),
    };
    let (text, _) = entry::write(&variant, &[], &[]);
    holds("entry", entry::FORMAT.parse().unwrap(), &text);
    assert_eq!(entry::read(&text), Some(vec![variant]));
    let later = text.replacen(entry::FORMAT, "99", 1);
    assert_eq!(entry::read(&later), None, "a miss");
}

/// What other objects and edges call of each object.
const CALLED: [(&str, &str, &[&str]); 3] = [
    ("Authority", "operators/authority", &["take", "note"]),
    ("Directory", "edge/directory", &["assign", "keep", "known", "confirm", "find", "record", "count", "list"]),
    ("Prober", "operators/prober", &["begin"]),
];

/// Those methods with their parameters, and what the authority is asked: another version may call either side.
#[test]
fn what_objects_are_called_for() {
    let source = |path: &str| std::fs::read_to_string(homing_tests::at(path)).unwrap();
    let mut surface = String::new();
    for (name, path, called) in CALLED {
        let text = source(&format!("src/{path}.mjs"));
        let class = text.split_once(&format!("export class {name} extends DurableObject {{\n")).unwrap().1;
        let class = class.split_once("\n}\n").map_or(class, |(class, _)| class);
        for line in class.lines() {
            let method = line.strip_prefix("  ").and_then(|line| line.strip_suffix(") {")).unwrap_or_default();
            let (method, parameters) = method.trim_start_matches("async ").split_once('(').unwrap_or_default();
            if called.contains(&method) {
                let _ = writeln!(surface, "{name}.{method}({parameters})");
            }
        }
    }
    for what in Input::NAMES {
        let _ = writeln!(surface, "Authority.take({{\"do\":\"{what}\"}})");
    }
    holds("rpc", formats::RPC, surface.trim_end());
    let before = stored("rpc", formats::RPC - 1);
    let gone: Vec<_> = before.lines().filter(|line| !surface.lines().any(|now| now == *line)).collect();
    assert!(gone.is_empty(), "the version before this one calls what is gone, or has another form: {gone:?}");
}
