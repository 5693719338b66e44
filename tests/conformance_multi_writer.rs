//! `homing conformance --multi-writer`: a right origin conforms, and each that is broken in one way is caught by its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;
#[path = "support/served.rs"]
mod served;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use command::{Run, homing};
use serde_json::json;
use served::{found, start};

/// What is wrong with an origin.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// Nothing either: what its region has applied counts as seen.
    GivesLaterStamps,
    GoesByArrival,
    CountsRepeats,
    SaysNoClock,
    StandsStill,
    ShowsWhatItHasNot,
    IsNeverBehind,
    IsAlwaysBehind,
    KnowsNoOtherOwner,
    RefusesWithContext,
    SwallowsWhatComes,
    TellsNobody,
    CountsNothing,
    TellsClients,
    TellsTooMuch,
    TellsMoreThanAsked,
    TellsWho,
}

/// A register with the stamp of its value.
#[derive(Default)]
struct Held {
    value: String,
    stamp: String,
    number: u64,
    conflicts: u64,
    swallowed: bool,
}

type Origin = State<(Wrong, Arc<Mutex<Held>>)>;

async fn answer(State((wrong, held)): Origin, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let field = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_client = parts.headers.contains_key("cdn-loop");
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    let mut held = held.lock().unwrap();
    match parts.uri.path() {
        _ if is_client && wrong != Wrong::TellsClients => return StatusCode::NOT_FOUND.into_response(),
        "/.well-known/homing" => {
            return ([("cache-control", "no-store")], json!({ "region": "us" }).to_string()).into_response();
        }
        "/.well-known/homing/conflicts" => {
            let total = if wrong == Wrong::CountsNothing { 0 } else { held.conflicts };
            let told = match wrong {
                Wrong::TellsTooMuch if parts.uri.query().unwrap().contains("limit=1000") => {
                    json!(["x".repeat(1 << 20)])
                }
                Wrong::TellsMoreThanAsked => json!([{}, {}]),
                Wrong::TellsWho => json!([{ "kept": { "who": "~ada" } }]),
                _ => json!([]),
            };
            return json!({ "region": "us", "conflicts": told, "total": total }).to_string().into_response();
        }
        _ => {}
    }
    let marks = field("homing-min-position").unwrap_or_default();
    let is_short = marks.split(", ").filter_map(|mark| mark.split_once('=')).any(|(owner, number)| {
        let has = if owner == "notes@us" { held.number } else { u64::from(wrong == Wrong::KnowsNoOtherOwner) };
        has < number.parse().unwrap()
    });
    let is_write = parts.method == "PUT";
    let demands = if is_write { wrong == Wrong::RefusesWithContext } else { wrong != Wrong::IsNeverBehind };
    if (is_short && demands) || (wrong == Wrong::IsAlwaysBehind && !marks.is_empty() && !is_write) {
        return (StatusCode::SERVICE_UNAVAILABLE, [("homing-behind", "1")]).into_response();
    }
    let mut headers = HeaderMap::new();
    if is_write {
        let (value, stamp) = (String::from_utf8(body.to_vec()).unwrap(), field("homing-clock").unwrap());
        let stamp = if stamp < held.stamp && wrong == Wrong::GivesLaterStamps {
            format!("{}-00000c0f", held.stamp.replace("-000", "-f00").get(..17).unwrap())
        } else {
            stamp
        };
        if held.swallowed {
            // What the last one's context says is to come is overruled by that already.
        } else if stamp < held.stamp && wrong != Wrong::GoesByArrival {
            held.conflicts += 1;
            let told = format!("dataset=notes; rule=last-write-wins; kept=us/{}; lost=us/{stamp}", held.stamp);
            if wrong != Wrong::TellsNobody {
                headers.insert("homing-conflict", told.parse().unwrap());
            }
        } else {
            let counted = if wrong == Wrong::CountsRepeats { format!("{value} {}", held.number) } else { value };
            (held.value, held.stamp) = (counted, stamp);
        }
        held.swallowed = wrong == Wrong::SwallowsWhatComes && marks.contains("notes@us=1000000000");
        held.number += u64::from(wrong != Wrong::StandsStill || held.number == 0);
    }
    let (at, more) = (held.number, if wrong == Wrong::ShowsWhatItHasNot { 7 } else { 0 });
    headers.insert("homing-position", format!("notes@us={at}; least={at}; shows={}", at + more).parse().unwrap());
    if wrong != Wrong::SaysNoClock {
        headers.insert("homing-clock", held.stamp.parse().unwrap());
    }
    (headers, held.value.clone()).into_response()
}

fn routes(wrong: Wrong) -> Router {
    Router::new().fallback(answer).with_state((wrong, Arc::default()))
}

fn hold(wrong: Wrong, more: &[&str]) -> Run {
    let origin = format!("http://{}", start(move || routes(wrong)));
    let mut arguments =
        vec!["conformance", &origin, "--path", "/notes/1", "--dataset", "notes", "--multi-writer", "--json"];
    arguments.extend(more);
    homing(Path::new("."), &arguments)
}

#[test]
fn a_right_origin_keeps_every_rule_of_several_writers_and_those_of_an_owner_do_not_apply() {
    let run = hold(Wrong::Nothing, &["--other-body", "other"]);
    let kept =
        ["health", "no-store", "not-for-clients", "stamp-accepted", "later-wins", "repeat-harmless", "owner-position"];
    let more = ["owner-shows", "owner-behind", "write-context", "conflict-told", "conflict-counted", "conflicts"];
    assert_eq!(found(&run, "fail"), Vec::<String>::new(), "{}", run.whole());
    for rule in kept.iter().chain(&more).filter(|rule| **rule != "no-store") {
        assert!(found(&run, "pass").iter().any(|name| name == rule), "{rule}: {}", run.whole());
    }
    assert!(found(&run, "not-applicable").contains(&"lower-epoch".to_owned()));
    let later = hold(Wrong::GivesLaterStamps, &["--other-body", "other"]);
    assert_eq!(found(&later, "fail"), found(&run, "fail"), "{}", later.whole());
    for untried in ["conflict-told", "conflict-counted"] {
        assert!(found(&later, "not-applicable").contains(&untried.to_owned()), "{untried}: {}", later.whole());
    }
    assert!(found(&later, "pass").contains(&"conflicts".to_owned()), "{}", later.whole());
    let who = hold(Wrong::TellsWho, &["--other-body", "other"]);
    assert!(found(&who, "advice").contains(&"conflicts".to_owned()), "{}", who.whole());
    let without = hold(Wrong::Nothing, &[]);
    assert!(found(&without, "not-applicable").contains(&"later-wins".to_owned()), "{}", without.whole());
}

#[test]
fn whatever_is_wrong_with_one_of_several_writers_is_caught_by_its_rule() {
    let all = [
        (Wrong::GoesByArrival, "later-wins"),
        (Wrong::CountsRepeats, "repeat-harmless"),
        (Wrong::SaysNoClock, "stamp-accepted"),
        (Wrong::StandsStill, "owner-position"),
        (Wrong::ShowsWhatItHasNot, "owner-shows"),
        (Wrong::IsNeverBehind, "owner-behind"),
        (Wrong::IsAlwaysBehind, "owner-behind"),
        (Wrong::KnowsNoOtherOwner, "owner-behind"),
        (Wrong::RefusesWithContext, "write-context"),
        (Wrong::SwallowsWhatComes, "write-context"),
        (Wrong::TellsNobody, "conflict-told"),
        (Wrong::CountsNothing, "conflict-counted"),
        (Wrong::TellsClients, "conflicts"),
        (Wrong::TellsTooMuch, "conflicts"),
        (Wrong::TellsMoreThanAsked, "conflicts"),
    ];
    for (wrong, rule) in all {
        let run = hold(wrong, &["--other-body", "other"]);
        let broken = found(&run, "fail");
        assert!(
            run.status == 1 && broken.iter().any(|name| name == rule),
            "{wrong:?} by {rule}: {broken:?} {}",
            run.whole()
        );
    }
}
