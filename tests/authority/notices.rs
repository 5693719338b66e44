//! What the authority believes of regions, whom it tells, how often, and what it remembers.

use homing_core::testing::model::subject::{SubjectId, SubjectKind};
use serde_json::{Value, json};

use crate::{live_in, owned, promote, tenants, until, world::World};

fn view(world: &mut World) -> Value {
    let reply = world.turn(&json!({ "do": "view" }));
    serde_json::from_str(reply["body"]["view"].as_str().unwrap()).unwrap()
}

/// The notice to that region about that unit, taken out: its answer is made up.
fn notice(world: &mut World, region: &str, unit: &str) -> Value {
    let is_it = |effect: &Value| effect["tag"]["told"] == region && effect["tag"]["unit"] == unit;
    let at = world.effects.iter().position(is_it).unwrap();
    world.effects.remove(at)["tag"].clone()
}

fn untold(world: &mut World) -> Vec<(String, String, u64)> {
    let shown = world.show()["untold"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = shown.as_array().unwrap().iter();
    all.map(|each| (text(&each["region"]), text(&each["unit"]), each["epoch"].as_u64().unwrap())).collect()
}

fn told(region: &str, unit: &str, epoch: u64) -> (String, String, u64) {
    (region.to_owned(), unit.to_owned(), epoch)
}

/// The first home of a dataset is not what a change of another one has begun with.
#[test]
fn a_change_of_one_dataset_says_nothing_of_the_first_home_of_another() {
    let text = include_str!("../support/topology.json");
    let catalog = text.lines().find(|line| line.contains(r#""catalog": {"#)).unwrap();
    let mut world = World::of(&text.replace(catalog, &catalog.replace(r#""home": "us""#, r#""home": "eu""#)));
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "ap" }));
    let view = view(&mut world);
    assert_eq!(view["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
    assert_eq!(view["datasets"]["catalog"], json!({ "home": "eu", "epoch": 1 }));
}

/// A later owner is heard of in the log, with its data: told apart from that, a replica that lacks the data could pass for a later one.
#[test]
fn only_first_owners_are_told_as_first_ones() {
    let mut world = World::new();
    world.replicate("orders", "us", "eu");
    promote(&mut world, json!({}));
    world.settle();
    let view = view(&mut world);
    assert_eq!(view["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }));
    assert_eq!(world.calls("op=learn&home=us&unit=catalog@1").len(), 2);
    assert_eq!(world.calls("unit=orders"), Vec::<String>::new());
}

#[test]
fn what_is_no_answer_of_the_contract_is_not_believed() {
    let later = |home: &str, epoch: u64| json!({ "home": home, "epoch": epoch });
    for (status, body) in [
        (404, later("eu", 7)),
        (409, later("eu", 7)),
        (500, later("eu", 7)),
        (200, later("mars", 7)),
        (200, later("eu", 0)),
        (200, json!({ "epoch": 7 })),
    ] {
        let mut world = World::new();
        view(&mut world);
        let tag = notice(&mut world, "eu", "orders");
        world.turn(&json!({ "do": "heard", "tag": tag, "status": status, "body": body }));
        let still = untold(&mut world).contains(&told("eu", "orders", 1));
        assert_eq!(still, status >= 500, "{status}: only an error of its own is worth another try");
        world.settle();
        assert_eq!(view(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }), "{status} {body}");
        assert!(!untold(&mut world).iter().any(|(region, ..)| region == "mars"), "nobody is asked who is not there");
    }
}

#[test]
fn one_that_was_named_and_fails_is_asked_again() {
    for (status, again) in [(499, false), (500, true)] {
        let mut world = World::new();
        view(&mut world);
        let tag = notice(&mut world, "ap", "orders");
        // All others have heard.
        world.settle();
        world.turn(&json!({ "do": "heard", "tag": tag, "status": 200, "body": { "home": "us", "epoch": 5 } }));
        let tag = notice(&mut world, "us", "orders");
        assert_eq!(tag["asks"], true);
        world.turn(&json!({ "do": "heard", "tag": tag, "status": status, "body": null }));
        assert_eq!(untold(&mut world).contains(&told("us", "orders", 0)), again, "{status}");
    }
}

#[test]
fn a_later_owner_that_is_adopted_makes_a_new_version_of_the_view() {
    let mut world = World::new();
    world.region("eu").units.entry("orders".to_owned()).or_default().owned = owned("eu", 7);
    let before = view(&mut world)["version"].as_u64().unwrap();
    world.settle();
    let published: Value = serde_json::from_str(&world.published["view"]).unwrap();
    assert_eq!((&published["version"], &published["datasets"]["orders"]["epoch"]), (&json!(before + 1), &json!(7)));
}

/// Named twice, it is asked once; and what is open with it about something else, or with another about that, is not that question.
#[test]
fn who_is_named_as_a_later_owner_is_asked_once() {
    let mut world = World::new();
    world.down = vec!["us", "eu"];
    view(&mut world);
    let says = |world: &mut World, unit: &str, home: &str| {
        let tag = json!({ "told": "ap", "unit": unit, "epoch": 1, "asks": false });
        world.turn(&json!({ "do": "heard", "tag": tag, "status": 200, "body": { "home": home, "epoch": 5 } }));
    };
    // eu has yet to be told of the first owner of orders, and says it then.
    says(&mut world, "orders", "eu");
    let of = |world: &mut World, region: &str, unit: &str| {
        untold(world)
            .into_iter()
            .filter(|(told, of, _)| told == region && of == unit)
            .map(|(.., epoch)| epoch)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&mut world, "eu", "orders"), [1]);
    // us, the home, is told nothing of its own; so it has to be asked.
    says(&mut world, "orders", "us");
    assert_eq!((of(&mut world, "us", "orders"), of(&mut world, "us", "catalog")), (vec![0], vec![]));
    says(&mut world, "orders", "us");
    assert_eq!(of(&mut world, "us", "orders"), [0]);
    says(&mut world, "catalog", "us");
    assert_eq!((of(&mut world, "us", "orders"), of(&mut world, "us", "catalog")), (vec![0], vec![0]));
}

/// Everybody but the new owner, since anybody may still take the old one for the owner.
#[test]
fn after_a_forced_change_all_others_are_told_until_they_hear_for_three_days() {
    let mut world = World::noted();
    world.down = vec!["us", "ap"];
    let forced = |world: &mut World, order: Value| {
        let mut order = order;
        order["accept_loss"] = json!(true);
        assert_eq!(world.order(order).0, 202);
        world.settle();
    };
    forced(&mut world, json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    assert_eq!(untold(&mut world), [told("us", "orders", 2), told("ap", "orders", 2)]);
    forced(&mut world, json!({ "command": "promote", "dataset": "catalog", "to": "eu" }));
    assert_eq!(untold(&mut world).len(), 4, "of each unit by itself");
    // Another owner of the same unit, and only that one is told of.
    (world.down, world.now) = (vec!["us", "eu"], world.now + 1_000);
    let begun = world.now;
    forced(&mut world, json!({ "command": "promote", "dataset": "orders", "to": "ap" }));
    let orders: Vec<_> = untold(&mut world).into_iter().filter(|(_, unit, _)| unit == "orders").collect();
    assert_eq!(orders, [told("us", "orders", 3), told("eu", "orders", 3)]);

    let until = world.show()["untold"].as_array().unwrap().last().unwrap()["until"].as_u64().unwrap();
    assert!(until >= begun + 72 * 3_600_000);
    for (now, waits) in [(until - 1, true), (until, false)] {
        world.now = now;
        world.turn(&json!({ "do": "tick" }));
        assert_eq!(untold(&mut world).contains(&told("eu", "orders", 3)), waits);
    }
}

/// Of a subject the others hear in the log of the new owner.
#[test]
fn a_new_owner_is_told_nothing_and_of_a_subject_only_the_old_one_is() {
    let mut world = World::noted();
    let bob = SubjectId::of(SubjectKind::Tenant, "bob").as_str().to_owned();
    live_in(&mut world, "us", ["bob".to_owned()].into_iter());
    world.down = vec!["us"];
    let mut told_of = |order: Value| {
        let (_, body) = world.order(order);
        let id = body["change"]["id"].as_str().unwrap().to_owned();
        until(&mut world, &id, "done");
        untold(&mut world)
    };
    let orders = json!({ "command": "promote", "dataset": "orders", "to": "eu", "accept_loss": true });
    assert_eq!(told_of(orders), [told("us", "orders", 2), told("ap", "orders", 2)]);
    let moved = json!({ "command": "move", "kind": "tenant", "subject": bob, "to": "eu", "accept_loss": true });
    let of_bob: Vec<_> = told_of(moved).into_iter().filter(|(_, unit, _)| unit.starts_with('~')).collect();
    assert_eq!(of_bob, [told("us", &format!("~{bob}"), 2)]);
}

/// The other calls of the authority need connections, too.
#[test]
fn a_region_that_is_back_is_told_of_two_things_at_a_time() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..6));
    world.down = vec!["us"];
    world.order(json!({ "command": "promote-region", "region": "us", "to": "eu", "accept_loss": true }));
    world.settle();
    let to_us = |world: &World| {
        let is_told = |effect: &&Value| effect["tag"]["told"] == "us";
        world.effects.iter().filter(is_told).count()
    };
    assert!(untold(&mut world).iter().filter(|(region, ..)| region == "us").count() >= 8);
    world.effects.clear();
    world.now += 60_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(to_us(&world), 2);
    world.now += 1_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(to_us(&world), 2, "they are under way");
    world.now += 30_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(to_us(&world), 4, "they count as lost after half a minute");
}

#[test]
fn a_lease_is_renewed_when_a_third_of_it_is_over_and_while_the_owner_changes_as_planned() {
    let mut world = World::leased();
    let renewals = |world: &mut World, later: u64| {
        world.effects.clear();
        world.now += later;
        world.turn(&json!({ "do": "tick" }));
        world.calls("op=renew").len()
    };
    assert_eq!([0, 1, 3_331, 1].map(|later| renewals(&mut world, later)), [1, 0, 0, 1]);
    promote(&mut world, json!({}));
    assert_eq!(renewals(&mut world, 3_333), 1, "the old owner is needed until it is deposed");
    // By force it is taken away from whom it is taken, and from nobody else.
    let mut world = World::leased();
    world.down = vec!["us"];
    promote(&mut world, json!({ "dataset": "catalog", "accept_loss": true }));
    assert_eq!(renewals(&mut world, 0), 1);
    world.settle();
    promote(&mut world, json!({ "accept_loss": true, "dry_run": true }));
    world.settle();
    assert_eq!(renewals(&mut world, 3_333), 1, "what is over takes nothing away");
}

#[test]
fn what_is_said_of_a_region_ends_exactly_then() {
    let mut world = World::noted();
    world.order(json!({ "command": "state", "region": "ap", "state": "draining", "for": "1h" }));
    let until = world.show()["regions"]["ap"]["until"].as_u64().unwrap();
    for (now, state, actor) in [(until - 1, "draining", json!("ada")), (until, "active", Value::Null)] {
        world.now = now;
        let shown = world.show()["regions"]["ap"].clone();
        assert_eq!((&shown["state"], &shown["actor"]), (&json!(state), &actor));
        let (status, _) =
            world.order(json!({ "command": "promote", "dataset": "orders", "to": "ap", "dry_run": true }));
        assert_eq!(status == 202, state == "active");
    }
}

#[test]
fn the_last_hundred_changes_that_are_over_are_kept() {
    let mut world = World::noted();
    let mut all = Vec::new();
    for at in 0..103 {
        let id = promote(&mut world, json!({ "dry_run": true }));
        world.settle();
        all.push(id);
        assert_eq!(world.show()["changes"].as_array().unwrap().len(), (at + 1).min(100));
    }
    let kept: Vec<_> = world.show()["changes"].as_array().unwrap().iter().map(|each| each["id"].clone()).collect();
    assert_eq!(json!(kept), json!(all[3..]));
}

/// Edges take no view whose version they have.
#[test]
fn the_end_of_a_drill_makes_a_new_version_of_the_view() {
    let mut world = World::noted();
    world.order(json!({ "command": "drill", "kind": "isolate", "region": "eu", "percent": 5, "for": "10m" }));
    let on = world.show()["version"].as_u64().unwrap();
    world.order(json!({ "command": "stop-drill", "drill": "all" }));
    assert_eq!(world.show()["version"].as_u64(), Some(on + 1));
}

#[test]
fn who_orders_and_why_is_said_in_texts_that_harm_no_log() {
    let mut world = World::noted();
    let long = "x".repeat(200);
    let longer = "x".repeat(201);
    let cases = [
        ("ada", None),
        (long.as_str(), None),
        ("", Some(r#"actor is ""; expected a text of 1 to 200 bytes. Add it."#)),
        ("a\nb", Some(r#"actor is "a\nb"; expected a text without control characters. Remove them."#)),
        (longer.as_str(), Some("expected a text of 1 to 200 bytes")),
    ];
    for (actor, wrong) in cases {
        let order = json!({ "command": "state", "region": "ap", "state": "active", "actor": actor });
        let (status, body) = world.order(order);
        let detail = body["detail"].as_str().unwrap_or_default();
        assert_eq!(
            (status, detail.contains(wrong.unwrap_or_default())),
            (if wrong.is_some() { 400 } else { 200 }, true),
            "{body}"
        );
    }
}
