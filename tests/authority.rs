//! The authority, driven by hand: what it answers to orders, and what it does to regions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "authority/changes.rs"]
mod changes;
#[path = "authority/drills.rs"]
mod drills;
#[path = "authority/firsts.rs"]
mod firsts;
#[path = "authority/notices.rs"]
mod notices;
#[path = "authority/orders.rs"]
mod orders;
#[path = "authority/pauses.rs"]
mod pauses;
#[path = "authority/shares.rs"]
mod shares;
mod support;
#[path = "authority/world.rs"]
mod world;

use homing_core::testing::model::subject::{SubjectId, SubjectKind};
use serde_json::{Value, json};
use world::World;

/// An object with what more is to stand in it.
fn with(mut object: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// Gives an order with what more is to stand in it, and it is accepted; what the authority says.
fn accepted(world: &mut World, order: Value, more: Value) -> Value {
    let (status, body) = world.order(with(order, more));
    assert_eq!(status, 202, "{body}");
    body
}

fn promote(world: &mut World, more: Value) -> String {
    let body = accepted(world, json!({ "command": "promote", "dataset": "orders", "to": "eu" }), more);
    body["change"]["id"].as_str().unwrap().to_owned()
}

/// Goes on until the change has come to that phase.
fn until(world: &mut World, id: &str, phase: &str) {
    while world.change(id)["phase"] != phase {
        world.do_effect(0, false);
    }
}

fn owned(home: &str, epoch: u64) -> (String, u64) {
    (home.to_owned(), epoch)
}

#[test]
fn a_planned_promotion_moves_the_home_and_loses_nothing() {
    let mut world = World::new();
    assert!(world.write("orders", "us", &owned("us", 1)));
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({}));
    world.settle();
    let change = world.change(&id);
    assert_eq!((change["phase"].as_str(), change["says"].as_str()), (Some("done"), Some("eu owns it by epoch 2")));
    assert!(change["paused_for"].is_u64(), "{change}");
    for region in ["us", "eu"] {
        assert_eq!(world.owner_at(region, "orders"), owned("eu", 2), "{region}");
    }
    assert_eq!(
        world.owner_at("ap", "orders"),
        owned("us", 1),
        "who takes no part hears of it with the data, and not before"
    );
    world.replicate("orders", "eu", "ap");
    assert_eq!(world.owner_at("ap", "orders"), owned("eu", 2));
    let view: Value = serde_json::from_str(&world.published["view"]).unwrap();
    assert_eq!(view["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }));
    assert!(!world.write("orders", "us", &owned("us", 1)), "the old owner is fenced");
    assert!(world.write("orders", "eu", &owned("eu", 2)));
}

#[test]
fn a_copy_that_does_not_catch_up_is_not_promoted_and_the_old_owner_serves_on() {
    let mut world = World::new();
    world.write("orders", "us", &owned("us", 1));
    let id = promote(&mut world, json!({}));
    world.settle();
    let change = world.change(&id);
    assert_eq!(change["phase"], "aborted");
    assert_eq!(change["says"], "eu did not catch up within 2000 ms; us keeps serving");
    assert!(world.write("orders", "us", &owned("us", 1)), "nobody pauses it any more");
    assert_eq!(world.owner_at("eu", "orders"), owned("us", 1));
}

#[test]
fn where_no_positions_are_reported_time_must_do() {
    let mut world = World::new();
    world.region("us").silent.push("orders".to_owned());
    let before = world.now;
    promote(&mut world, json!({}));
    world.settle();
    assert_eq!(world.owner_at("eu", "orders"), owned("eu", 2));
    assert!(world.now - before >= 2_000, "ten times the lag, two seconds at least");
}

#[test]
fn an_abort_at_any_step_leaves_the_old_owner_serving() {
    for steps in 0..12 {
        let mut world = World::new();
        world.write("orders", "us", &owned("us", 1));
        world.replicate("orders", "us", "eu");
        let id = promote(&mut world, json!({}));
        for _ in 0..steps {
            if !world.effects.is_empty() {
                world.do_effect(0, false);
            }
        }
        let was_over = !world.is_busy();
        let (status, body) = world.order(json!({ "command": "abort", "change": id }));
        assert_eq!(status, if was_over { 409 } else { 202 }, "{body}");
        // The new owner hands its log on, as replication does, so that it can come back.
        for _ in 0..40 {
            world.replicate("orders", "eu", "us");
            for _ in 0..5 {
                if !world.effects.is_empty() {
                    world.do_effect(0, false);
                }
            }
        }
        world.settle();
        if was_over {
            continue;
        }
        let (home, epoch) = world.owner_at("us", "orders");
        assert_eq!(home, "us", "after {steps} steps: {}", world.show());
        assert!(epoch == 1 || epoch == 3, "{epoch}");
        assert!(world.write("orders", "us", &(home, epoch)), "after {steps} steps");
    }
}

#[test]
fn a_pause_that_comes_after_it_was_given_up_holds_nothing_back() {
    let mut world = World::new();
    let id = promote(&mut world, json!({}));
    until(&mut world, &id, "pausing");
    let late = world.effects.remove(0);
    world.order(json!({ "command": "abort", "change": id }));
    world.settle();
    assert_eq!(world.change(&id)["phase"], "aborted");
    world.effects.push(late);
    world.settle();
    assert!(world.write("orders", "us", &owned("us", 1)), "nobody would tell it to go on");
}

#[test]
fn a_forced_promotion_needs_the_word_and_a_region_that_is_gone() {
    let mut world = World::new();
    let id = promote(&mut world, json!({ "accept_loss": true }));
    world.settle();
    let says = world.change(&id)["says"].as_str().unwrap().to_owned();
    assert_eq!(says, "us is reachable, so a planned promotion loses nothing. Leave accept_loss out");

    world.down.push("us");
    let id = promote(&mut world, json!({}));
    world.settle();
    let says = world.change(&id)["says"].as_str().unwrap().to_owned();
    assert_eq!(says, "us does not answer. If it is gone for good, repeat the order with accept_loss: true");

    let id = promote(&mut world, json!({ "accept_loss": true }));
    world.settle();
    assert_eq!(world.change(&id)["phase"], "done");
    assert_eq!(world.owner_at("eu", "orders"), owned("eu", 2));
    assert_eq!(world.owner_at("us", "orders"), owned("us", 1), "it has not heard: a zombie");

    // When it is back it is told, whoever writes or not.
    world.down.clear();
    world.now += 30_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!(world.owner_at("us", "orders"), owned("eu", 2));
    assert_eq!(world.show()["untold"], json!([]));
    let forced = world.audit.iter().any(|line| line["accept_loss"] == true && line["actor"] == "ada");
    assert!(forced, "the loss that was accepted is in the audit log: {:?}", world.audit);
}

#[test]
fn a_new_owner_that_dies_at_the_wrong_moment_can_be_taken_back_by_word() {
    let mut world = World::new();
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({}));
    until(&mut world, &id, "granting");
    world.down.push("eu");
    for _ in 0..10 {
        world.do_effect(0, false);
    }
    assert_eq!(world.change(&id)["phase"], "granting");
    let (status, _) = world.order(json!({ "command": "abort", "change": id, "accept_loss": true }));
    assert_eq!(status, 202);
    world.settle();
    assert_eq!(world.owner_at("us", "orders"), owned("us", 3));
    assert!(world.write("orders", "us", &owned("us", 3)));
}

#[test]
fn an_old_owner_that_dies_at_the_wrong_moment_can_be_given_up_by_word() {
    let mut world = World::new();
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({}));
    until(&mut world, &id, "deposing");
    world.down.push("us");
    for _ in 0..10 {
        world.do_effect(0, false);
    }
    assert_eq!(world.change(&id)["phase"], "deposing");
    let (status, body) = world.order(json!({ "command": "abort", "change": id }));
    assert_eq!((status, body["change"]["phase"].as_str()), (202, Some("deposing")), "without the word it waits");
    let (status, _) = world.order(json!({ "command": "abort", "change": id, "accept_loss": true }));
    assert_eq!(status, 202);
    world.settle();
    assert_eq!(world.change(&id)["says"], "eu owns it by epoch 2");
    assert!(world.write("orders", "eu", &owned("eu", 2)));
    assert_eq!(world.show()["untold"][0]["region"], "us");
}

#[test]
fn where_only_some_datasets_report_positions_time_must_do_for_the_others() {
    let mut world = World::new();
    let ada = SubjectId::of(SubjectKind::User, "ada").as_str().to_owned();
    let unit = format!("~{ada}");
    world.directory.0.insert(ada.clone(), ("user".to_owned(), owned("us", 1)));
    // Her mail reports positions, her cart does not.
    world.regions.values_mut().for_each(|region| region.silent.retain(|dataset| dataset != "mail"));
    world.write(&unit, "us", &owned("us", 1));
    world.replicate(&unit, "us", "eu");
    let before = world.now;
    let (status, body) = world.order(json!({ "command": "move", "kind": "user", "subject": ada, "to": "eu" }));
    assert_eq!(status, 202, "{body}");
    world.settle();
    assert_eq!(world.directory.0[&ada].1, owned("eu", 2));
    assert!(world.now - before >= 2_000, "only {} ms for the cart", world.now - before);
}

#[test]
fn a_subject_moves_and_the_directory_is_told_last() {
    let mut world = World::new();
    let ada = SubjectId::of(SubjectKind::User, "ada").as_str().to_owned();
    world.directory.0.insert(ada.clone(), ("user".to_owned(), owned("us", 1)));
    let order = json!({ "command": "move", "kind": "user", "subject": ada, "to": "eu" });
    let (status, body) = world.order(order);
    assert_eq!(status, 202, "{body}");
    world.settle();
    assert_eq!(world.directory.0[&ada].1, owned("eu", 2));
    assert_eq!(world.owner_at("eu", &format!("~{ada}")), owned("eu", 2));
    assert_eq!(world.owner_at("us", &format!("~{ada}")), owned("eu", 2));
    assert_eq!(world.published[&format!("home:{ada}")], r#"{"epoch":2,"home":"eu"}"#);

    let (status, body) = world.order(json!({ "command": "move", "kind": "user", "subject": ada, "to": "ap" }));
    assert_eq!(status, 409, "residency: {body}");
}

#[test]
fn a_subject_without_a_home_gets_one_without_anybody_being_paused() {
    let mut world = World::new();
    let bob = SubjectId::of(SubjectKind::Tenant, "bob").as_str().to_owned();
    world.order(json!({ "command": "move", "kind": "tenant", "subject": bob, "to": "ap" }));
    world.settle();
    assert_eq!(world.directory.0[&bob], ("tenant".to_owned(), owned("ap", 1)));
}

#[test]
fn a_regions_share_goes_whole_but_for_who_may_not_live_there() {
    let mut world = World::new();
    let subject = |kind, name: String| SubjectId::of(kind, &name).as_str().to_owned();
    for at in 0..20 {
        let ids = [(SubjectKind::User, "us"), (SubjectKind::Tenant, "us"), (SubjectKind::Tenant, "eu")];
        for (kind, home) in ids {
            let id = subject(kind, format!("{home}-{at}"));
            world.directory.0.insert(id, (kind.token().to_owned(), owned(home, 1)));
        }
    }
    let order = json!({ "command": "promote-region", "region": "us", "to": "ap", "dry_run": true });
    let (status, body) = world.order(order);
    assert_eq!(status, 202, "{body}");
    world.settle();
    let sweep = world.show()["sweeps"][0].clone();
    assert_eq!((sweep["subjects"].as_u64(), sweep["done"].as_u64()), (Some(40), Some(2)), "{sweep}");
    assert_eq!(world.owner_at("ap", "orders"), owned("us", 1), "a dry run");

    let (status, _) = world.order(json!({ "command": "promote-region", "region": "us", "to": "ap" }));
    assert_eq!(status, 202);
    world.settle();
    let sweep = world.show()["sweeps"][1].clone();
    assert_eq!(sweep["says"], "22 done, 0 given up, 20 may not live in ap", "{sweep}");
    assert_eq!(world.owner_at("ap", "orders"), owned("ap", 2));
    assert_eq!(world.owner_at("ap", "catalog"), owned("ap", 2));
    let moved = world.directory.0.values().filter(|(kind, lives)| kind == "tenant" && *lives == owned("ap", 2)).count();
    assert_eq!(moved, 20);
    assert!(world.directory.0.values().filter(|(kind, _)| kind == "user").all(|(_, lives)| *lives == owned("us", 1)));
}

/// On the day on which the router is put in front nobody has asked for anybody's home, and the data is where it is.
#[test]
fn a_subject_without_a_home_moves_from_where_its_data_is() {
    let mut world = World::new();
    world.settings = support::living_in(("tenant", "us"));
    let acme = SubjectId::of(SubjectKind::Tenant, "acme");
    let order = json!({ "command": "move", "kind": "tenant", "subject": acme.as_str(), "to": "eu" });
    let mut dry = order.clone();
    dry["dry_run"] = json!(true);
    let (_, body) = world.order(dry);
    world.settle();
    let change = world.change(body["change"]["id"].as_str().unwrap());
    assert_eq!(change["says"], "the subject has no home yet; its first home would be us");
    assert!(world.directory.0.is_empty(), "a dry run");

    let (_, body) = world.order(order);
    world.settle();
    let change = world.change(body["change"]["id"].as_str().unwrap());
    assert_eq!((change["phase"].as_str(), change["from"].as_str()), (Some("done"), Some("us")), "{change}");
    assert!(change["paused_for"].is_u64(), "it moved as any other does");
    assert_eq!(world.directory.0[acme.as_str()].1, owned("eu", 2));
    for region in ["us", "eu"] {
        assert_eq!(world.owner_at(region, &format!("~{}", acme.as_str())), owned("eu", 2), "{region}");
    }
}

/// Subjects of tenants who have that home.
fn tenants(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|at| format!("t{at}"))
}

fn live_in(world: &mut World, home: &str, names: impl Iterator<Item = String>) {
    for name in names {
        let id = SubjectId::of(SubjectKind::Tenant, &name).as_str().to_owned();
        world.directory.0.insert(id, ("tenant".to_owned(), owned(home, 1)));
    }
}

fn living_in(world: &World, home: &str) -> usize {
    world.directory.0.values().filter(|(_, (lives, _))| lives == home).count()
}

/// Whoever is confirmed while a sweep goes on, or was tentative when it ended, is behind the place that the sweep has come to.
#[test]
fn a_sweep_finds_who_gets_the_old_region_behind_it_and_who_comes_late() {
    let mut world = World::new();
    live_in(&mut world, "us", tenants(0..30));
    world.order(json!({ "command": "state", "region": "us", "state": "draining", "for": "1h" }));
    let (_, body) = world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    let id = body["sweep"]["id"].as_str().unwrap().to_owned();
    while living_in(&world, "eu") < 20 {
        world.do_effect(0, false);
    }
    live_in(&mut world, "us", tenants(30..40));
    world.settle();
    assert_eq!((living_in(&world, "us"), living_in(&world, "eu")), (0, 40), "all that came meanwhile");

    live_in(&mut world, "us", ["confirmed".to_owned()].into_iter());
    assert!(world.wake.is_some(), "nobody would look again");
    world.now += 599_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!(living_in(&world, "us"), 1, "it may be tentative for ten minutes");
    world.now += 61_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!((living_in(&world, "us"), living_in(&world, "eu")), (0, 41));
    let sweep = world.change(&id);
    assert_eq!(sweep["says"], "43 done, 0 given up, 0 may not live in eu", "two datasets among them");
    assert_eq!(sweep["looks_again"], Value::Null, "it was the last look");
    assert!(sweep["ended"].is_u64());
}

/// On the day of adoption: a read has made the directory keep the nearest region for somebody whose data is elsewhere.
#[test]
fn nobody_is_moved_by_a_guess_of_the_directory_while_a_region_says_where_the_data_is() {
    let mut world = World::new();
    let ada = SubjectId::of(SubjectKind::User, "ada").as_str().to_owned();
    world.directory.0.insert(ada.clone(), ("user".to_owned(), owned("us", 1)));
    world.region("us").units.entry(format!("~{ada}")).or_default().owned = owned("eu", 0);
    let order = |to: &str| json!({ "command": "move", "kind": "user", "subject": ada, "to": to });
    let (_, body) = world.order(order("eu"));
    world.settle();
    let change = world.change(body["change"]["id"].as_str().unwrap());
    assert_eq!(change["phase"], "aborted");
    assert_eq!(
        change["says"],
        "us reports that the data is in eu, from before the router. The directory now has that home. Repeat the order"
    );
    assert_eq!(world.directory.0[&ada].1, owned("eu", 2), "and nothing was paused");
    // Ordered again it is a move like others, from where the data is.
    world.order(order("us"));
    world.settle();
    assert_eq!(world.directory.0[&ada].1, owned("us", 3));
}

#[test]
fn a_late_look_takes_nobody_who_is_there_by_intent() {
    for ends_it in [
        json!({ "command": "state", "region": "us", "state": "active" }),
        json!({ "command": "abort", "change": "sweep-1" }),
        json!({ "command": "promote-region", "region": "eu", "to": "ap" }),
    ] {
        let mut world = World::new();
        world.order(json!({ "command": "state", "region": "us", "state": "draining", "for": "1h" }));
        world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
        world.settle();
        assert!(world.order(ends_it).0 < 300);
        world.settle();
        live_in(&mut world, "us", ["new".to_owned()].into_iter());
        world.now += 661_000;
        world.turn(&json!({ "do": "tick" }));
        world.settle();
        assert_eq!(living_in(&world, "us"), 1);
    }
}

#[test]
fn a_late_look_undoes_no_later_order() {
    let mut world = World::new();
    live_in(&mut world, "us", ["acme".to_owned()].into_iter());
    let acme = world.directory.0.keys().next().unwrap().clone();
    world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    world.settle();
    assert_eq!(living_in(&world, "eu"), 1);
    world.order(json!({ "command": "move", "kind": "tenant", "subject": acme, "to": "us" }));
    world.settle();
    world.now += 661_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!(living_in(&world, "us"), 1);
}

/// What was begun takes it away, and nothing that was refused.
#[test]
fn a_refused_order_takes_no_late_look_away() {
    let mut world = World::new();
    world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    world.settle();
    assert_eq!(world.order(json!({ "command": "promote", "dataset": "catalog", "to": "ap" })).0, 202);
    let refused = world.order(json!({ "command": "promote", "dataset": "catalog", "to": "us" }));
    assert_eq!(refused.0, 409, "it is on its way already");
    world.settle();
    live_in(&mut world, "us", ["late".to_owned()].into_iter());
    world.now += 661_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!(living_in(&world, "us"), 0);
}

/// A region that is not drained first gets new subjects for as long as the sweep goes on.
#[test]
fn a_sweep_comes_to_its_end_although_subjects_keep_coming() {
    let mut world = World::new();
    live_in(&mut world, "us", ["first".to_owned()].into_iter());
    let (_, body) = world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    let id = body["sweep"]["id"].as_str().unwrap().to_owned();
    let mut came = 0;
    while world.change(&id)["ended"].is_null() {
        if world.effects[0]["do"] == "list" {
            came += 1;
            live_in(&mut world, "us", [format!("new{came}")].into_iter());
        }
        world.do_effect(0, false);
        assert!(came < 1000, "it never ends");
    }
    assert!(world.change(&id)["ended"].is_u64());
}

#[test]
fn a_sweep_that_is_stopped_leaves_the_rest_where_it_is() {
    let mut world = World::new();
    live_in(&mut world, "us", tenants(0..30));
    let (_, body) = world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    let id = body["sweep"]["id"].as_str().unwrap().to_owned();
    while world.directory.0.values().all(|(_, (home, _))| home == "us") {
        world.do_effect(0, false);
    }
    let (status, _) = world.order(json!({ "command": "abort", "change": id }));
    assert_eq!(status, 202);
    world.settle();
    let left = world.directory.0.values().filter(|(_, (home, _))| home == "us").count();
    assert!((1..30).contains(&left), "{left}");
    assert!(world.change(&id)["ended"].is_u64());
}

#[test]
fn a_view_that_the_home_store_did_not_take_is_published_again() {
    let mut world = World::new();
    world.failing_puts = 1;
    world.order(json!({ "command": "state", "region": "ap", "state": "draining", "for": "1h" }));
    world.settle();
    assert!(!world.published.contains_key("view"));
    assert!(world.wake.is_some(), "nobody would look again");
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    let view: Value = serde_json::from_str(&world.published["view"]).unwrap();
    assert_eq!(view["regions"]["ap"]["state"], "draining");
    assert!(world.wake.is_none());
}

#[test]
fn a_view_that_came_late_and_hid_a_later_one_is_published_again() {
    let mut world = World::noted();
    for region in ["ap", "eu"] {
        world.order(json!({ "command": "state", "region": region, "state": "draining", "for": "1h" }));
    }
    let puts = |world: &World| -> Vec<usize> {
        let is_put = |at: &usize| world.effects[*at]["do"] == "publish";
        (0..world.effects.len()).filter(is_put).collect()
    };
    let second = puts(&world)[1];
    world.do_effect(second, false);
    world.settle();
    assert!(world.published["view"].contains(r#""version":2"#), "the home store keeps what came last");
    assert!(world.wake.is_some(), "nobody would look again");
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert!(world.published["view"].contains(r#""version":3"#));
    assert!(world.wake.is_none());
}

#[test]
fn the_same_request_is_carried_out_once() {
    let mut world = World::new();
    let order = json!({ "request": "one", "command": "state", "region": "ap", "state": "draining", "for": "1h" });
    let first = world.order(order.clone());
    world.now += 60_000;
    assert_eq!(world.order(order), first);
    let other = json!({ "request": "one", "command": "state", "region": "eu", "state": "draining", "for": "1h" });
    let (status, body) = world.order(other);
    assert_eq!(status, 409);
    assert_eq!(body["detail"], "The request id \"one\" was already used for another order. Choose a new id.");
}

#[test]
fn an_order_for_an_earlier_version_is_refused() {
    let mut world = World::new();
    world.order(json!({ "command": "state", "region": "ap", "state": "draining", "for": "1h" }));
    let stale = json!({ "command": "state", "region": "ap", "state": "active", "version": 0 });
    let (status, body) = world.order(stale);
    assert_eq!(status, 409);
    assert_eq!(
        body["detail"],
        "The order is for version 0 of the view, but the current version is 1. Check `homing status`, then order again."
    );
    let (status, _) = world.order(json!({ "command": "state", "region": "ap", "state": "active", "version": 1 }));
    assert_eq!(status, 200);
}

#[test]
fn never_all_drained_and_never_a_home_that_nobody_may_write() {
    let mut world = World::new();
    let mut say = |region: &str, state: &str, sure: bool| {
        let order = json!({ "command": "state", "region": region, "state": state, "for": "1h", "accept_loss": sure });
        let (status, body) = world.order(order);
        (status, body["detail"].as_str().unwrap_or_default().to_owned())
    };
    let (status, why) = say("us", "read-only", false);
    assert_eq!(status, 409);
    assert!(why.contains("is a home of ") && why.contains("\"orders\"") && why.contains("\"notes\""), "{why}");
    assert_eq!(say("us", "draining", false).0, 200, "what it owns it goes on serving");
    assert_eq!(say("eu", "draining", false).0, 200);
    let last = say("ap", "draining", true);
    assert_eq!(last, (409, "\"ap\" is the only active region. Make another one active first.".to_owned()));
}

#[test]
fn a_region_that_takes_no_work_is_given_nothing() {
    let mut world = World::new();
    world.order(json!({ "command": "state", "region": "eu", "state": "draining", "for": "1h" }));
    let (status, body) = world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    assert_eq!(status, 409);
    assert_eq!(body["detail"], "\"eu\" is draining and cannot take over anything. Make it active first.");
}

#[test]
fn what_cannot_be_understood_says_what_was_expected() {
    let mut world = World::new();
    let mut detail = |order: Value| {
        let (status, body) = world.order(order);
        assert_eq!(status, 400);
        body["detail"].as_str().unwrap().to_owned()
    };
    let cases = [
        (json!({}), "command is nothing; expected a text of 1 to 200 bytes. Add it."),
        (
            json!({ "command": "dance" }),
            r#"command is "dance"; expected "state", "promote", "promote-region", "move", "abort", "drill" or "stop-drill"."#,
        ),
        (
            json!({ "command": "promote", "dataset": "cart", "to": "eu" }),
            r#"dataset is "cart"; expected a single-writer dataset: "catalog", "orders"."#,
        ),
        (
            json!({ "command": "state", "region": "mars", "state": "down", "for": "1h" }),
            r#"region is "mars"; expected a region: "us", "eu", "ap"."#,
        ),
        (
            json!({ "command": "state", "region": "us", "state": "tired", "for": "1h" }),
            r#"state is "tired"; expected one of active, read-only, draining, isolated, down."#,
        ),
        (
            json!({ "command": "state", "region": "us", "state": "draining", "for": "73h" }),
            r#"for is "73h"; expected a time such as "30m", 72h at most."#,
        ),
        (
            json!({ "command": "state", "region": "us", "state": "draining" }),
            "for is nothing; expected a text of 1 to 200 bytes. Add it.",
        ),
        (json!({ "command": "promote", "dry_run": 1 }), "dry_run is 1; expected true or false."),
    ];
    for (order, expected) in cases {
        assert_eq!(detail(order), expected);
    }
}

#[test]
fn a_ledger_that_cannot_be_read_decides_nothing() {
    let settings = support::settings();
    let wrong = homing_core::testing::control::authority::turn("{broken", "{}", &settings, support::NOW)
        .unwrap_err()
        .to_string();
    assert!(wrong.starts_with("the ledger cannot be read: "), "{wrong}");
}

#[test]
fn leases_are_renewed_three_times_as_often_as_they_last() {
    let mut world = World::leased();
    let begun = world.now;
    let mut renewed = 0;
    while world.now < begun + 60_000 {
        world.turn(&json!({ "do": "tick" }));
        let calls = world.calls("op=renew");
        renewed += calls.len();
        for call in calls {
            assert!(call.contains(&format!("unit=orders@1&for_ms=10000&at={}", world.now)), "{call}");
        }
        world.effects.clear();
        let wake = world.wake.unwrap();
        assert!(wake <= 3_334, "{wake}");
        world.now += wake;
    }
    assert_eq!(renewed, 19, "every 3,333 ms, of the one dataset that needs it");
}

#[test]
fn a_forced_promotion_waits_until_the_old_owners_lease_has_run_out() {
    let mut world = World::leased();
    world.turn(&json!({ "do": "tick" }));
    world.effects.clear();
    let renewed = world.now;
    world.now += 3_000;
    world.down = vec!["us"];
    let id = promote(&mut world, json!({ "accept_loss": true }));
    while world.change(&id)["phase"] == "checking" {
        world.do_effect(0, false);
    }
    let change = world.change(&id);
    assert_eq!(change["phase"], "lapsing");
    assert_eq!(change["says"], "forced, without us; its lease expires in at most 12000 ms");
    world.now += 4_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(world.calls("op=renew"), Vec::<String>::new(), "nobody renews what is to run out");
    world.now -= 4_000;
    while world.change(&id)["phase"] == "lapsing" {
        world.do_effect(0, false);
    }
    assert!(world.now >= renewed + 15_000, "{}", world.now - renewed);
    let grants = world.calls("op=grant");
    assert!(grants[0].contains(&format!("unit=orders@2&for_ms=10000&at={}", world.now)), "its first lease: {grants:?}");
    world.settle();
    assert_eq!(world.owner_at("eu", "orders"), owned("eu", 2));
}

#[test]
fn a_part_that_is_given_up_holds_no_sweep_up() {
    let mut world = World::new();
    let (_, body) = world.order(json!({ "command": "promote-region", "region": "us", "to": "eu" }));
    let sweep = body["sweep"]["id"].as_str().unwrap().to_owned();
    let part = body["sweep"]["running"][0].as_str().unwrap().to_owned();
    assert_eq!(world.change(&part)["phase"], "checking");
    assert_eq!(world.order(json!({ "command": "abort", "change": part })).0, 202);
    world.settle();
    assert_eq!(world.change(&sweep)["says"], "1 done, 1 given up, 0 may not live in eu");
}

#[test]
fn a_dry_run_of_giving_up_gives_nothing_up() {
    let mut world = World::new();
    world.replicate("orders", "us", "eu");
    let id = promote(&mut world, json!({}));
    let (status, body) = world.order(json!({ "command": "abort", "change": id, "dry_run": true }));
    assert_eq!((status, body["dry_run"].as_bool()), (200, Some(true)));
    world.settle();
    assert_eq!(world.change(&id)["phase"], "done");
}

#[test]
fn what_may_have_happened_is_not_called_nothing_while_a_lease_lapses() {
    let mut world = World::leased();
    world.turn(&json!({ "do": "tick" }));
    let id = promote(&mut world, json!({}));
    until(&mut world, &id, "deposing");
    // The old home is deposed, and its answer is lost.
    let deposed =
        world.effects.iter().position(|effect| effect["url"].as_str().unwrap_or("").contains("op=depose")).unwrap();
    world.do_effect(deposed, true);
    assert_eq!(world.owner_at("us", "orders"), owned("eu", 2));
    world.order(json!({ "command": "abort", "change": id, "accept_loss": true }));
    assert_eq!(world.change(&id)["phase"], "lapsing");
    world.order(json!({ "command": "abort", "change": id }));
    world.settle();
    let owner = world.owner_at("eu", "orders");
    assert!(owner.1 >= 2 && world.owner_at(&owner.0, "orders") == owner, "somebody owns it: {owner:?}");
}

#[test]
fn an_authority_that_knows_less_than_the_regions_learns_from_them() {
    let mut world = World::new();
    promote(&mut world, json!({}));
    world.settle();
    world.ledger = String::new();
    let id = promote(&mut world, json!({ "to": "ap" }));
    world.settle();
    let change = world.change(&id);
    assert_eq!(change["phase"], "aborted");
    assert!(change["says"].as_str().unwrap().contains("eu is the home by epoch 2"), "{change}");
    assert_eq!(world.show()["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }));
    world.replicate("orders", "eu", "ap");
    promote(&mut world, json!({ "to": "ap" }));
    world.settle();
    assert_eq!(world.owner_at("ap", "orders"), owned("ap", 3));
}

#[test]
fn a_home_that_is_not_configured_any_more_can_be_left_by_word() {
    let mut world = World::new();
    world.order(json!({ "command": "state", "region": "ap", "state": "active" }));
    let mut ledger: Value = serde_json::from_str(&world.ledger).unwrap();
    ledger["datasets"]["orders"] = json!({ "home": "sa", "epoch": 2 });
    world.ledger = ledger.to_string();
    let id = promote(&mut world, json!({}));
    world.settle();
    assert_eq!(
        world.change(&id)["says"],
        "sa does not answer. If it is gone for good, repeat the order with accept_loss: true"
    );
    promote(&mut world, json!({ "accept_loss": true }));
    world.settle();
    assert_eq!(world.owner_at("eu", "orders"), owned("eu", 3));
}

#[test]
fn nobody_moves_as_what_it_is_not() {
    let mut world = World::new();
    let ada = SubjectId::of(SubjectKind::User, "ada").as_str().to_owned();
    world.directory.assign(&ada, "user", "us");
    let (_, body) = world.order(json!({ "command": "move", "kind": "tenant", "subject": ada, "to": "ap" }));
    world.settle();
    let id = body["change"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.change(&id)["says"], "the subject is a user, not a tenant");
}

#[test]
fn a_lease_that_was_given_is_waited_for_though_it_is_shorter_by_now() {
    let mut world = World::leased();
    world.turn(&json!({ "do": "tick" }));
    world.effects.clear();
    // A deployment without the lease.
    world.settings = support::settings();
    world.down = vec!["us"];
    let id = promote(&mut world, json!({ "accept_loss": true }));
    while world.change(&id)["phase"] == "checking" {
        world.do_effect(0, false);
    }
    assert_eq!(world.change(&id)["phase"], "lapsing");
}

/// What an application knows of its subjects is told in bulk, and nothing of a list that is wrong somewhere.
#[test]
fn a_list_of_homes_is_taken_whole_or_not_at_all() {
    let settings = support::settings();
    let read = |more: Value| {
        let list = with(json!({ "kind": "user", "actor": "ada", "reason": "a test" }), more);
        homing_core::testing::control::authority::homes::read(&list.to_string(), &settings.topology)
            .map(|homes| json!(homes))
    };
    let id = "GdAZGkoHV5U4-Bo_P4T8RX";
    let told = read(json!({ "homes": { "eu": [id], "us": [] }, "dry_run": true })).unwrap();
    assert_eq!(told["homes"], json!([[id, "eu", null]]));
    let epochs = read(json!({ "homes": { "eu": [[id, 7], id] }, "no_kv": true })).unwrap();
    assert_eq!((&epochs["homes"], &epochs["kv"]), (&json!([[id, "eu", 7], [id, "eu", null]]), &json!(false)));
    for bad in [json!([id, 0]), json!([id, "7"]), json!([id]), json!([id, 1, 2]), json!([id, 1u64 << 53])] {
        assert_eq!(read(json!({ "homes": { "eu": [bad] } })).unwrap_err().status, 400, "{bad}");
    }
    assert_eq!((&told["dry_run"], &told["note"]), (&json!(true), &Value::Null));
    let many: Vec<_> = (0..1001).map(|_| id).collect();
    assert_eq!(
        read(json!({ "homes": { "eu": many[1..] } })).map(|told| told["homes"].as_array().unwrap().len()),
        Ok(1000)
    );
    let cases = [
        (json!({ "kind": "pet", "homes": {} }), 400, r#"kind is "pet"; expected "user" or "tenant"."#),
        (json!({}), 400, "homes is missing or not an object; expected an object with a list of ids for each region."),
        (json!({ "homes": { "mars": [] } }), 400, r#"homes is "mars"; expected a region: "us", "eu", "ap"."#),
        (
            json!({ "homes": { "ap": [id] } }),
            409,
            r#"homes has "ap", where no user may live. Name a region of the users' datasets."#,
        ),
        (json!({ "homes": { "eu": id } }), 400, "homes.eu is not a list; expected a list of ids."),
        (
            json!({ "homes": { "eu": ["ada"] } }),
            400,
            r#"homes.eu is "\"ada\""; expected ids of 22 letters of base64url, or pairs of such an id and an epoch of 1 or more."#,
        ),
        (
            json!({ "homes": { "eu": many } }),
            400,
            "homes has 1001 subjects; expected at most 1000. Send several lists.",
        ),
    ];
    for (list, status, detail) in cases {
        let refusal = read(list).unwrap_err();
        assert_eq!((refusal.status, refusal.detail.as_str()), (status, detail));
    }
}
