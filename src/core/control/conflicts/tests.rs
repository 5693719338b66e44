use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    model::keys::{Key, SessionKeys},
    topology::{error::KeyPath, parse, raw},
};

fn settings(conflicts: &Value) -> Settings {
    // As text: the order of the regions counts.
    let vars = format!(
        r#"{{
            "REGIONS": {{ "us": {{ "origin": "https://us.example.com" }}, "eu": {{ "service": "EU" }}, "ap": {{ "origin": "https://ap.example.com" }} }},
            "DATASETS": {{ "catalog": {{ "ownership": "single-writer", "home": "us" }}, "likes": {{ "ownership": "multi-writer", "conflicts": {conflicts} }} }}
        }}"#
    );
    let topology = parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0;
    let made = |text: &str| Key::new(text).unwrap();
    let session_keys = SessionKeys::new(made("a key of at least thirty-two characters"), None);
    Settings { topology, session_keys, origin_key: Some(made("another key of thirty-two characters")), dev: false }
}

fn clicks() -> Settings {
    settings(&json!({ "rule": "last-write-wins", "explain": "The later click counts." }))
}

fn side(region: &str, number: u64, at: u64, what: &str) -> Value {
    json!({ "region": region, "number": number, "stamp": format!("{at:012x}-0000-0000000a"), "who": "~GdAZ", "what": what })
}

/// At 12:00:03.1 and at 12:00:03.9 of the first of January 2026.
const LIKED: u64 = 1_767_268_803_140;
const UNLIKED: u64 = 1_767_268_803_999;

fn conflict() -> Value {
    json!({
        "dataset": "likes", "key": "7", "rule": "last-write-wins", "at": UNLIKED + 500,
        "kept": side("us", 18, UNLIKED, "unlike"), "lost": side("eu", 4, LIKED, "like"),
    })
}

fn says(conflicts: &[Value]) -> ConflictReply {
    Ok((200, json!({ "region": "us", "conflicts": conflicts, "total": 12 }).to_string().into_bytes()))
}

fn ask(settings: &Settings, query: &str, replies: Vec<ConflictReply>) -> Value {
    let question = ConflictQuestion::read(query, &settings.topology).unwrap();
    let replies = settings.topology.regions().map(|(id, _)| id).zip(replies).collect();
    question.told(replies, &settings.topology)
}

fn sentences(told: &Value) -> Vec<&str> {
    told["stories"].as_array().unwrap().iter().map(|story| story["sentence"].as_str().unwrap()).collect()
}

#[test]
fn a_conflict_is_told_once_as_a_sentence_with_the_datasets_own_explanation() {
    let silent = Err("It does not answer within 2 s.");
    let told = ask(&clicks(), "dataset=likes", vec![says(&[conflict()]), says(&[conflict()]), silent]);
    let sentence =
        "The like from eu at 12:00:03.1 was overruled by the unlike from us at 12:00:03.9: the later click counts.";
    assert_eq!(sentences(&told), [sentence]);
    let story = &told["stories"][0];
    assert_eq!(
        (&story["told_by"], &story["disputed_by"], &story["at"]),
        (&json!(["us", "eu"]), &json!([]), &json!(UNLIKED))
    );
    let regions = json!({
        "us": { "answered": true, "total": 12 }, "eu": { "answered": true, "total": 12 },
        "ap": { "answered": false, "why": "It does not answer within 2 s." },
    });
    assert_eq!(told["regions"], regions);
    assert_eq!((&told["rule"], &told["explain"]), (&json!("last-write-wins"), &json!("The later click counts.")));
}

#[test]
fn both_writes_are_shown_with_who_and_when() {
    let mut nameless = conflict();
    nameless["lost"]["who"] = json!("");
    let told = ask(&clicks(), "dataset=likes", vec![says(&[nameless])]);
    let story = &told["stories"][0];
    let side = |region: &str, number: u64, at: u64, who: Option<&str>, what: &str| {
        json!({
            "region": region, "number": number, "stamp": format!("{at:012x}-0000-0000000a"), "at": at, "who": who, "what": what,
        })
    };
    assert_eq!(story["kept"], side("us", 18, UNLIKED, Some("~GdAZ"), "unlike"));
    assert_eq!(story["lost"], side("eu", 4, LIKED, None, "like"));
}

#[test]
fn where_both_are_kept_the_earlier_one_is_told_first() {
    let merge = settings(&json!({ "rule": "merge", "merge": "register", "explain": "You see both, and choose." }));
    let mut kept = conflict();
    kept["rule"] = json!("register");
    let other_way = json!({ "key": "7", "rule": "register", "kept": kept["lost"], "lost": kept["kept"] });
    let told = ask(&merge, "dataset=likes", vec![says(&[kept]), says(&[other_way]), says(&[])]);
    let sentence =
        "Both the like from eu at 12:00:03.1 and the unlike from us at 12:00:03.9 were kept: you see both, and choose.";
    assert_eq!(sentences(&told), [sentence]);
    assert_eq!(
        (&told["stories"][0]["told_by"], &told["stories"][0]["disputed_by"]),
        (&json!(["us", "eu"]), &json!([]))
    );
}

#[test]
fn regions_that_kept_different_writes_are_named() {
    let other_way = json!({ "dataset": "likes", "key": "7", "kept": conflict()["lost"], "lost": conflict()["kept"] });
    let told = ask(&clicks(), "dataset=likes", vec![says(&[conflict()]), says(&[other_way]), says(&[])]);
    assert_eq!((sentences(&told).len(), &told["stories"][0]["disputed_by"]), (1, &json!(["eu"])));
    // Two writes can meet in several fields.
    let of = |field: &str| {
        let mut one = conflict();
        one["field"] = json!(field);
        one
    };
    let told = ask(&clicks(), "dataset=likes", vec![says(&[of("city"), of("name")]), says(&[of("name")]), says(&[])]);
    assert_eq!(sentences(&told).len(), 2);
}

#[test]
fn the_latest_come_first_and_only_of_what_was_asked_for() {
    let at = |key: &str, later: u64| {
        let mut one = conflict();
        (one["key"], one["kept"]["stamp"]) = (json!(key), json!(format!("{:012x}-0000-0000000a", UNLIKED + later)));
        one["kept"]["number"] = json!(18 + later);
        one
    };
    let all = [
        at("7", 1),
        at("8", 3),
        at("7", 2),
        json!({ "dataset": "tags", "key": "7", "kept": conflict()["kept"], "lost": conflict()["lost"] }),
    ];
    let keys = |query: &str| {
        let told = ask(&clicks(), query, vec![says(&all), says(&[]), says(&[])]);
        let keys = told["stories"].as_array().unwrap().iter().map(|story| story["key"].as_str().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys("dataset=likes"), ["8", "7", "7"]);
    assert_eq!(keys("dataset=likes&key=8&limit=10"), ["8"]);
    assert_eq!(keys("dataset=likes&limit=1"), ["7"], "a region is taken for no more than was asked for");
}

/// A key is shown without what moves a cursor, and is asked for as it is.
#[test]
fn a_key_that_is_shown_otherwise_is_found_by_its_own_text() {
    for key in [" 7 ", "a\u{200b}b", "tab\there", "\u{1b}[2J"] {
        let mut one = conflict();
        one["key"] = json!(key);
        let asked = query("likes", 100, Some(key));
        let told = ask(&clicks(), &asked, vec![says(&[one]), says(&[]), says(&[])]);
        assert_eq!((sentences(&told).len(), &told["stories"][0]["key"]), (1, &json!(clean(key, 64))), "{key:?}");
    }
}

#[test]
fn a_question_names_a_dataset_that_several_regions_write() {
    let refused = |query: &str| {
        let problem = ConflictQuestion::read(query, &clicks().topology).unwrap_err().value();
        (problem["status"].as_u64().unwrap(), problem["detail"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused("").0, 400);
    assert_eq!(
        refused("dataset=catalog"),
        (404, "\"catalog\" is no multi-writer dataset. Datasets with conflicts: \"likes\".".to_owned())
    );
    assert_eq!(refused("dataset=%1b%5b31m").0, 404);
    for limit in ["0", "1001", "-1", "many"] {
        assert_eq!(refused(&format!("dataset=likes&limit={limit}")).0, 400, "{limit}");
    }
    assert_eq!(refused(&format!("dataset=likes&key={}", "k".repeat(513))).0, 400);
    assert!(ConflictQuestion::read(&format!("dataset=likes&key={}", "k".repeat(512)), &clicks().topology).is_ok());
}

#[test]
fn every_region_is_asked_with_a_signature_and_a_key_that_means_nothing_else() {
    let (settings, now) = (clicks(), Timestamp(5));
    let calls = ConflictQuestion::read("dataset=likes&key=a%26limit%3d9+b&limit=7", &settings.topology)
        .unwrap()
        .calls(&settings, now);
    let target = "/.well-known/homing/conflicts?dataset=likes&limit=7&key=a%26limit%3D9%20b&n=5";
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].1.url, format!("https://us.example.com{target}"));
    assert_eq!(calls[1].1.service.as_deref(), Some("EU"));
    assert!(calls.iter().all(|(_, call)| call.signature.is_some()));
}

#[test]
fn what_a_region_may_say_in_place_of_an_answer_is_told_and_stops_nothing() {
    let answers: [(ConflictReply, &str); 6] = [
        (Ok((200, b"<html>".to_vec())), "with something else"),
        (Ok((200, b"[]".to_vec())), "with something else"),
        (Ok((200, "[".repeat(1_000_000).into_bytes())), "with something else"),
        (Ok((403, vec![])), "ORIGIN_KEY"),
        (Ok((404, vec![])), "does not serve"),
        (Ok((502, vec![])), "It answers 502."),
    ];
    for (answer, why) in answers {
        let told = ask(&clicks(), "dataset=likes", vec![answer, says(&[conflict()]), says(&[])]);
        let said = told["regions"]["us"]["why"].as_str().unwrap();
        assert!(said.contains(why) && sentences(&told).len() == 1, "{said}");
    }
}

#[test]
fn texts_of_others_move_no_cursor_and_turn_no_text_round() {
    assert_eq!(
        clean("\u{1b}[31mred\u{7f}\u{9b}2J\u{202e}x\u{e0041}\r\n", 64),
        "\u{fffd}[31mred\u{fffd}\u{fffd}2J\u{fffd}x\u{fffd}"
    );
    assert_eq!(
        (clean("abcdef", 4), clean(" abcd ", 4), clean("", 4)),
        ("abc…".to_owned(), "abcd".to_owned(), String::new())
    );
    let mut nasty = conflict();
    (nasty["key"], nasty["kept"]["what"], nasty["lost"]["what"]) =
        (json!("k\u{1b}]0;x\u{7}"), json!("x".repeat(9999)), json!({}));
    let told = ask(&clicks(), "dataset=likes", vec![says(&[nasty]), says(&[]), says(&[])]);
    let sentence = sentences(&told)[0];
    assert!(
        sentence.starts_with("The change from eu at 12:00:03.1 was overruled by the xxxx") && sentence.len() < 300,
        "{sentence}"
    );
    assert_eq!(told["stories"][0]["key"], json!("k\u{fffd}]0;x\u{fffd}"));
}

#[test]
fn a_write_without_a_time_is_told_without_one_and_an_explanation_keeps_its_abbreviations() {
    let said = |explain: &str| {
        let mut timeless = conflict();
        timeless["lost"]["stamp"] = json!("later");
        let settings = settings(&json!({ "rule": "application", "explain": explain }));
        let told = ask(&settings, "dataset=likes", vec![says(&[timeless]), says(&[]), says(&[])]);
        sentences(&told)[0].to_owned()
    };
    assert_eq!(
        said("A later click counts."),
        "The like from eu was overruled by the unlike from us at 12:00:03.9: a later click counts."
    );
    assert!(said("URLs are compared.").ends_with(": URLs are compared.") && said("I win.").ends_with(": I win."));
    assert!(said("Ödön wins.").ends_with(": ödön wins."));
}

fn nonsense() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,90}".prop_map(Value::from),
        "[0-9a-f]{0,14}-0000-0000000a".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop::sample::select(
            "dataset key field rule at kept lost region number stamp who what conflicts total"
                .split(' ')
                .collect::<Vec<_>>(),
        );
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..6)
                .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// Strikes a sound conflict at some places.
fn struck() -> impl Strategy<Value = Value> {
    let places = vec![
        "/dataset",
        "/key",
        "/rule",
        "/at",
        "/kept",
        "/lost",
        "/kept/region",
        "/kept/number",
        "/lost/stamp",
        "/lost/who",
        "/lost/what",
    ];
    prop::collection::vec((prop::sample::select(places), nonsense()), 0..4).prop_map(|strikes| {
        let mut struck = conflict();
        for (place, value) in strikes {
            if let Some(old) = struck.pointer_mut(place) {
                *old = value;
            }
        }
        struck
    })
}

proptest! {
    #[test]
    fn whatever_regions_tell_is_bounded_and_harmless(
        told in prop::collection::vec(prop::collection::vec(prop_oneof![struck(), nonsense()], 0..12), 3),
        limit in 1..=20usize,
    ) {
        let replies = told.iter().map(|conflicts| says(conflicts)).collect();
        let told = ask(&clicks(), &format!("dataset=likes&limit={limit}"), replies);
        prop_assert!(told["stories"].as_array().unwrap().len() <= limit);
        for story in told["stories"].as_array().unwrap() {
            let (sentence, tellers) = (story["sentence"].as_str().unwrap(), story["told_by"].as_array().unwrap());
            prop_assert!(sentence.starts_with("The ") && sentence.ends_with(": the later click counts.") || sentence.starts_with("Both the "));
            prop_assert!(!sentence.chars().any(char::is_control) && sentence.chars().count() < 400);
            prop_assert!(!tellers.is_empty());
        }
    }
}
