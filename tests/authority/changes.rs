//! A change of owner, step by step: what is believed before it, how long a call is waited for, how it is given up, and the way back.

use homing_core::testing::model::subject::{SubjectId, SubjectKind};
use serde_json::{Value, json};

use crate::{accepted, owned, promote, support, until, world::World};

fn ada() -> String {
    SubjectId::of(SubjectKind::User, "ada").as_str().to_owned()
}

/// Ada moves from us to that region; the change's name.
fn moved(world: &mut World, more: Value) -> String {
    let body = accepted(world, json!({ "command": "move", "kind": "user", "subject": ada(), "to": "eu" }), more);
    body["change"]["id"].as_str().unwrap().to_owned()
}

/// The effect of that step's question, taken out: its answer is made up.
fn taken(world: &mut World, slot: &str) -> Value {
    let at = world.effects.iter().position(|effect| effect["tag"]["slot"] == slot).unwrap();
    world.effects.remove(at)
}

fn answered(world: &mut World, effect: &Value, status: u16, body: Value) {
    world.turn(&json!({ "do": "heard", "tag": effect["tag"], "status": status, "body": body }));
}

fn says(world: &mut World, id: &str) -> String {
    world.settle();
    world.change(id)["says"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_not_answered_is_asked_again_after_eight_seconds_and_not_before() {
    let mut world = World::noted();
    let id = promote(&mut world, json!({}));
    world.effects.clear();
    for (later, calls) in [(5_000, 0), (3_000, 0), (1, 4), (8_000, 0), (1, 4)] {
        world.now += later;
        world.turn(&json!({ "do": "tick" }));
        assert_eq!(world.effects.len(), calls, "{later} ms later: {:?}", world.effects);
        world.effects.clear();
    }
    world.order(json!({ "command": "abort", "change": id }));
    let asked = world.change(&id)["asked"].clone();
    world.now += 20_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(world.change(&id)["asked"], asked, "nothing is asked of a change that is over");
}

#[test]
fn a_change_that_has_asked_nobody_for_anything_is_aborted_at_once() {
    let mut world = World::noted();
    world.directory.assign(&ada(), "user", "us");
    for id in [promote(&mut world, json!({})), moved(&mut world, json!({}))] {
        world.effects.clear();
        let (_, body) = world.order(json!({ "command": "abort", "change": id }));
        assert_eq!((&body["change"]["phase"], world.calls("").len()), (&json!("aborted"), 0), "{body}");
    }
}

/// Nobody was deposed and nobody granted: the old owner has the data, if it lives.
#[test]
fn a_forced_change_that_waits_for_a_lease_is_aborted_at_once() {
    let mut world = World::leased();
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    world.down = vec!["us"];
    let id = promote(&mut world, json!({ "accept_loss": true }));
    until(&mut world, &id, "lapsing");
    let (_, body) = world.order(json!({ "command": "abort", "change": id }));
    assert_eq!(body["change"]["phase"], "aborted", "{body}");
    world.down.clear();
    world.settle();
    assert_eq!(world.owner_at("eu", "orders"), owned("us", 1));
    assert!(world.write("orders", "us", &owned("us", 1)));
}

/// The new owner may have been granted already: without the operator's word that it is gone, it comes to its end and goes back.
#[test]
fn an_abort_without_the_word_takes_no_granted_owner_back_by_force() {
    let mut world = World::noted();
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({ "max_pause": "9s" }));
    until(&mut world, &id, "granting");
    let (_, body) = world.order(json!({ "command": "abort", "change": id }));
    let change = &body["change"];
    assert_eq!((&change["phase"], &change["to"], &change["forced"]), (&json!("granting"), &json!("eu"), &json!(false)));
    world.do_effect(0, false);
    assert_eq!(world.change(&id)["phase"], "done");
    let back = world.show()["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&back["from"], &back["to"], &back["epoch"]), (&json!("eu"), &json!("us"), &json!(2)), "{back}");
    assert_eq!((&back["actor"], &back["max_pause"]), (&json!("ada"), &json!(9_000)), "{back}");
    let why = format!("the abort of {id} came too late to stop it, so it is undone");
    assert_eq!(back["reason"], why.as_str());
}

/// What the new owner has accepted in between must not be lost on the way back: of each dataset that the subject has a part of.
#[test]
fn the_way_back_waits_for_what_was_written_in_between() {
    let mut world = World::noted();
    let unit = format!("~{}", ada());
    world.directory.assign(&ada(), "user", "us");
    world.regions.values_mut().for_each(|region| region.silent.clear());
    assert!(world.write(&unit, "us", &owned("us", 1)));
    world.replicate(&unit, "us", "eu");
    let id = moved(&mut world, json!({}));
    until(&mut world, &id, "granting");
    world.order(json!({ "command": "abort", "change": id }));
    until(&mut world, &id, "done");
    assert!(world.write(&unit, "eu", &owned("eu", 2)));
    let back = world.show()["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&back["kind"], &back["datasets"]), (&json!("user"), &world.change(&id)["datasets"]));
    assert!(!back["datasets"].as_array().unwrap().is_empty());
    let back = back["id"].as_str().unwrap().to_owned();
    until(&mut world, &back, "waiting");
    for _ in 0..10 {
        world.do_effect(0, false);
    }
    assert_eq!(world.change(&back)["phase"], "waiting", "us lacks a write");
    world.replicate(&unit, "eu", "us");
    world.settle();
    assert_eq!(world.directory.0[&ada()], ("user".to_owned(), owned("us", 3)));
    assert_eq!(world.regions["us"].unit(&unit).log.len(), 2);
}

/// A call that is lost while writers are refused must not take all of their patience; a grant may take its time.
#[test]
fn a_call_is_waited_for_by_the_bound_of_the_pause() {
    for (max_pause, patience) in [("1s", 250), ("4s", 1_000), ("5s", 1_250), ("60s", 1_500)] {
        let mut world = World::noted();
        world.write("orders", "us", &owned("us", 1));
        let id = promote(&mut world, json!({ "max_pause": max_pause }));
        let mut patient = std::collections::BTreeMap::new();
        let mut steps = 0;
        while world.change(&id)["ended"].is_null() {
            if let (Some(phase), Some(timeout)) =
                (world.change(&id)["phase"].as_str(), world.effects[0]["timeout"].as_u64())
            {
                patient.insert(phase.to_owned(), timeout);
            }
            world.do_effect(0, false);
            steps += 1;
            if steps == 20 {
                world.replicate("orders", "us", "eu");
            }
        }
        let expected = [("pausing", patience), ("waiting", patience), ("deposing", patience), ("granting", 2_000)];
        let expected = expected.map(|(phase, millis)| (phase.to_owned(), millis));
        assert_eq!(patient, expected.into(), "{max_pause}");
    }
}

#[test]
fn whoever_answers_for_another_region_has_not_answered() {
    let unit = json!([{ "unit": "orders", "home": "us", "epoch": 1 }]);
    for (slot, says_it_is, fine) in
        [("from", "us", true), ("from", "eu", false), ("to", "eu", true), ("to", "us", false), ("to", "ap", false)]
    {
        let mut world = World::noted();
        let id = promote(&mut world, json!({ "dry_run": true }));
        let asked = taken(&mut world, slot);
        answered(&mut world, &asked, 200, json!({ "region": says_it_is, "units": unit }));
        let says = says(&mut world, &id);
        assert_eq!(says.starts_with("dry run: "), fine, "{slot}, {says_it_is}: {says}");
        assert_eq!(says.contains("does not answer"), !fine, "{slot}, {says_it_is}: {says}");
    }
}

/// The way from the old owner is cut because that is gone: it is no reason to give nobody its data.
#[test]
fn a_forced_change_does_not_ask_whether_the_new_owner_can_catch_up() {
    let mut world = World::noted();
    world.region("eu").cut.push("us".to_owned());
    world.region("eu").lag = Some(600_000);
    world.down = vec!["us"];
    let id = promote(&mut world, json!({ "accept_loss": true }));
    world.settle();
    assert_eq!(world.change(&id)["says"], "eu owns it by epoch 2");
}

/// The authority has lost its ledger: what a region says of itself counts at once, and for all edges.
#[test]
fn a_new_owner_that_names_itself_by_a_later_epoch_is_believed_and_published() {
    let mut world = World::noted();
    world.region("eu").units.entry("orders".to_owned()).or_default().owned = owned("eu", 7);
    let before = world.show()["version"].as_u64().unwrap();
    let id = promote(&mut world, json!({}));
    let expected = "eu reports that eu is the home by epoch 7; the authority knew only of epoch 1. The authority has adopted that. \
                    Repeat the order";
    assert_eq!(says(&mut world, &id), expected);
    let shown = world.show();
    assert_eq!((shown["version"].as_u64(), &shown["untold"]), (Some(before + 1), &json!([])));
    let view: Value = serde_json::from_str(&world.published["view"]).unwrap();
    assert_eq!(view["datasets"]["orders"], json!({ "home": "eu", "epoch": 7 }));
}

#[test]
fn a_new_owner_that_names_another_one_is_not_believed_unless_that_one_says_so() {
    let mut world = World::noted();
    world.region("eu").units.entry("orders".to_owned()).or_default().owned = owned("ap", 7);
    let id = promote(&mut world, json!({}));
    assert!(says(&mut world, &id).contains("epoch 1. The authority is asking ap itself. Repeat"));
    assert_eq!(world.show()["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
    let id = promote(&mut world, json!({}));
    world.settle();
    world.region("ap").units.entry("orders".to_owned()).or_default().owned = owned("ap", 7);
    assert_eq!(world.change(&id)["phase"], "aborted");
    promote(&mut world, json!({}));
    world.settle();
    assert_eq!(world.show()["datasets"]["orders"], json!({ "home": "ap", "epoch": 7 }));
}

#[test]
fn the_directory_learns_a_later_home_of_a_subject_from_its_region() {
    let mut world = World::noted();
    let bob = SubjectId::of(SubjectKind::Tenant, "bob").as_str().to_owned();
    world.directory.assign(&bob, "tenant", "us");
    world.region("us").units.entry(format!("~{bob}")).or_default().owned = owned("ap", 5);
    let (_, body) = world.order(json!({ "command": "move", "kind": "tenant", "subject": bob, "to": "eu" }));
    let says = says(&mut world, body["change"]["id"].as_str().unwrap());
    assert!(
        says.starts_with("us reports that ap is the home by epoch 5; the authority knew only of epoch 1."),
        "{says}"
    );
    assert_eq!(world.directory.0[&bob], ("tenant".to_owned(), owned("ap", 5)));
}

#[test]
fn a_subject_leaves_a_home_that_is_not_configured_by_word_only() {
    let mut world = World::noted();
    world.directory.0.insert(ada(), ("user".to_owned(), owned("sa", 4)));
    let id = moved(&mut world, json!({}));
    let why = "its home \"sa\" is not in this topology. If that region is gone for good, repeat the order with accept_loss: true";
    assert_eq!(says(&mut world, &id), why);
    assert_eq!(world.directory.0[&ada()].1, owned("sa", 4));
    let id = moved(&mut world, json!({ "accept_loss": true }));
    assert_eq!(says(&mut world, &id), "eu owns it by epoch 5");
    assert_eq!(world.directory.0[&ada()].1, owned("eu", 5));
}

#[test]
fn a_dry_run_gives_nobody_a_first_home() {
    let mut world = World::noted();
    let id = moved(&mut world, json!({ "dry_run": true }));
    assert_eq!(says(&mut world, &id), "the subject has no home yet");
    assert!(world.directory.0.is_empty());
}

/// A directory of another version: the epoch that was granted is the one that counts.
#[test]
fn a_record_that_names_no_epoch_is_of_the_one_that_was_granted() {
    let mut world = World::noted();
    world.directory.0.insert(ada(), ("user".to_owned(), owned("us", 3)));
    let id = moved(&mut world, json!({}));
    until(&mut world, &id, "recording");
    let asked = taken(&mut world, "directory");
    answered(&mut world, &asked, 200, json!({ "home": "eu" }));
    assert_eq!(says(&mut world, &id), "eu owns it by epoch 4");
    assert_eq!(world.published[&format!("home:{}", ada())], r#"{"epoch":4,"home":"eu"}"#);
}

/// All that is over then is the pause, or the region's own view of who it is: operators must know which.
#[test]
fn why_an_old_owner_was_not_deposed_is_said() {
    let over = "the pause of us ended before its ownership was revoked; it keeps serving";
    let refused = r#"us refuses to give up its ownership: {"home":"ap","state":"not-owner"}"#;
    for (body, expected) in
        [(json!({ "state": "not-paused" }), over), (json!({ "state": "not-owner", "home": "ap" }), refused)]
    {
        let mut world = World::noted();
        world.replicate("orders", "us", "eu");
        let id = promote(&mut world, json!({}));
        until(&mut world, &id, "deposing");
        let asked = taken(&mut world, "command");
        answered(&mut world, &asked, 409, body);
        let change = world.change(&id);
        assert_eq!((change["phase"].as_str(), change["says"].as_str()), (Some("aborted"), Some(expected)));
    }
}

#[test]
fn what_is_tried_again_says_what_has_failed() {
    for (phase, says) in [
        ("pausing", "pausing writes failed with status 500; trying again"),
        ("deposing", "revoking the old owner failed with status 500; trying again"),
        ("granting", "granting ownership failed with status 500; trying again"),
    ] {
        let mut world = World::noted();
        world.replicate("orders", "us", "eu");
        let id = promote(&mut world, json!({}));
        until(&mut world, &id, phase);
        let asked = taken(&mut world, "command");
        answered(&mut world, &asked, 500, Value::Null);
        let change = world.change(&id);
        assert_eq!((change["phase"].as_str(), change["says"].as_str()), (Some(phase), Some(says)));
    }
}

/// The old owner is gone while it is told to go on: by then its pause has ended by itself.
#[test]
fn resuming_ends_with_the_pause_that_ends_by_itself() {
    let mut world = World::noted();
    let id = promote(&mut world, json!({}));
    until(&mut world, &id, "pausing");
    world.effects.clear();
    world.order(json!({ "command": "abort", "change": id }));
    let asked = taken(&mut world, "command");
    let since = world.change(&id)["since"].as_u64().unwrap();
    let mut phase_after = |millis: u64| {
        world.now = since + millis;
        world.turn(&json!({ "do": "heard", "tag": asked["tag"], "failed": "no answer" }));
        world.change(&id)["phase"].as_str().unwrap().to_owned()
    };
    assert_eq!([0, 4_999, 5_000, 5_001].map(&mut phase_after), ["resuming", "resuming", "resuming", "aborted"]);
}

/// Asked for later than that, a pause could only be one in which there is no time for anything.
#[test]
fn a_pause_is_not_asked_for_once_four_fifths_of_it_are_over() {
    for (later, phase) in [(3_999, "pausing"), (4_000, "resuming")] {
        let mut world = World::noted();
        let id = promote(&mut world, json!({}));
        until(&mut world, &id, "pausing");
        let asked = taken(&mut world, "command");
        world.turn(&json!({ "do": "heard", "tag": asked["tag"], "failed": "no answer" }));
        world.now = world.change(&id)["paused"].as_u64().unwrap() + later;
        let tag = taken(&mut world, "time")["tag"].clone();
        world.turn(&json!({ "do": "heard", "tag": tag }));
        let change = world.change(&id);
        assert_eq!(change["phase"], phase, "{change}");
        if phase == "resuming" {
            assert_eq!(change["says"], "us does not answer, and writers may be refused for at most 5000 ms");
        }
    }
}

/// An answer about one dataset that comes twice says nothing of the next one.
#[test]
fn an_answer_about_the_dataset_before_does_not_count_for_the_next() {
    let mut world = World::noted();
    world.settings = support::settings();
    world.directory.assign(&ada(), "user", "us");
    world.regions.values_mut().for_each(|region| (region.silent.clear(), region.says_where = true).1);
    let unit = format!("~{}", ada());
    let id = moved(&mut world, json!({}));
    until(&mut world, &id, "waiting");
    let first = world.change(&id)["waiting"][0][0].as_str().unwrap().to_owned();
    let asked = taken(&mut world, &first);
    let reached = json!({ "reached": true, "position": "5" });
    answered(&mut world, &asked, 200, reached.clone());
    let left = world.change(&id)["waiting"].clone();
    answered(&mut world, &asked, 200, reached);
    let change = world.change(&id);
    assert_eq!((&change["waiting"], &change["seen"]), (&left, &Value::Null), "{unit}");
}

/// Where time must do, exactly as much as is left suffices.
#[test]
fn a_pause_of_exactly_the_time_that_is_needed_is_begun() {
    for (lag, phase) in [(400, "done"), (401, "aborted")] {
        let mut world = World::noted();
        world.region("us").silent.push("orders".to_owned());
        world.region("eu").lag = Some(lag);
        let id = promote(&mut world, json!({}));
        world.settle();
        assert_eq!(world.change(&id)["phase"], phase, "{}", world.change(&id));
    }
}

/// Positions are texts, too: a log sequence number.
#[test]
fn a_replica_that_has_everything_may_lag_and_one_that_lacks_something_may_not() {
    for (there, here, lag, fine) in [
        ("0/16B3748", "0/16B3748", 9_000, true),
        ("0/16B3748", "0/16B3740", 4_001, false),
        ("0/16B3748", "0/16B3740", 4_000, true),
    ] {
        let mut world = World::noted();
        let id = promote(&mut world, json!({ "dry_run": true }));
        for (slot, region, position) in [("from-health", "us", there), ("to-health", "eu", here)] {
            let asked = taken(&mut world, slot);
            let body = json!({ "region": region, "position": { "orders": position }, "lag_ms": { "us": lag } });
            answered(&mut world, &asked, 200, body);
        }
        let says = says(&mut world, &id);
        assert_eq!(says.starts_with("dry run: "), fine, "{there} {here} {lag}: {says}");
        if fine {
            let estimate = world.change(&id)["found"]["estimate"].clone();
            let behind = if there == here { 0 } else { 8 };
            assert_eq!(estimate["writes_behind"]["orders"], behind, "{estimate}");
            assert_eq!(estimate["longest_wait_ms"], 4_000, "four fifths of the pause");
        }
    }
}

/// How long writers were refused counts from when the old owner was asked until the new one owns it.
#[test]
fn how_long_writers_were_refused_is_all_of_it() {
    let mut world = World::noted();
    world.trip = 30;
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({}));
    world.settle();
    let change = world.change(&id);
    let all = change["ended"].as_u64().unwrap() - change["paused"].as_u64().unwrap();
    assert_eq!((change["paused_for"].as_u64(), all >= 4 * 30), (Some(all), true), "{change}");
}
