//! A region's whole share goes elsewhere: by force too, so many at a time, and asked for again.

use homing_core::testing::model::subject::{SubjectId, SubjectKind};
use serde_json::{Value, json};

use crate::{accepted, live_in, owned, tenants, world::World};

/// All of us goes to eu; the sweep's name.
fn sweep(world: &mut World, more: Value) -> String {
    let body = accepted(world, json!({ "command": "promote-region", "region": "us", "to": "eu" }), more);
    body["sweep"]["id"].as_str().unwrap().to_owned()
}

/// Questions to the directory that are waiting to be asked, each done or not.
fn directory(world: &World) -> Vec<usize> {
    let is_asked = |at: &usize| ["count", "list"].contains(&world.effects[*at]["do"].as_str().unwrap());
    (0..world.effects.len()).filter(is_asked).collect()
}

/// Lets the directory answer all that it is asked.
fn directory_answers(world: &mut World) {
    while let Some(at) = directory(world).first() {
        world.do_effect(*at, false);
    }
}

#[test]
fn the_share_of_a_region_that_is_gone_goes_by_word() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..5));
    world.down = vec!["us"];
    let planned = sweep(&mut world, json!({}));
    world.settle();
    assert_eq!(world.change(&planned)["done"], 0, "nothing goes without the word");
    let forced = sweep(&mut world, json!({ "accept_loss": true }));
    assert_eq!(world.change(&forced)["forced"], true);
    world.settle();
    assert_eq!(world.change(&forced)["says"], "7 done, 0 given up, 0 may not live in eu");
    assert!(world.directory.0.values().all(|(_, lives)| *lives == owned("eu", 2)));
    assert_eq!(world.owner_at("eu", "orders"), owned("eu", 2));
}

#[test]
fn at_most_eight_changes_of_a_sweep_are_under_way() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..30));
    let id = sweep(&mut world, json!({}));
    directory_answers(&mut world);
    assert_eq!(world.change(&id)["running"].as_array().unwrap().len(), 8);
    world.settle();
    assert_eq!(world.change(&id)["done"], 32);
}

/// The parts that are under way come to their end, and none begins in place of those.
#[test]
fn a_sweep_that_is_stopped_begins_nothing_more() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..30));
    let id = sweep(&mut world, json!({}));
    directory_answers(&mut world);
    world.order(json!({ "command": "abort", "change": id }));
    world.settle();
    assert_eq!(world.change(&id)["done"], 8);
    assert_eq!(world.directory.0.values().filter(|(_, lives)| lives.0 == "eu").count(), 6, "and two datasets");
}

/// Whoever has come behind the place where it was is left, too.
#[test]
fn a_sweep_that_is_stopped_does_not_list_again() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..3));
    let id = sweep(&mut world, json!({}));
    directory_answers(&mut world);
    assert_eq!(world.change(&id)["listed"], true);
    while world.change(&id)["moved"] == 0 {
        world.do_effect(0, false);
    }
    world.order(json!({ "command": "abort", "change": id }));
    world.settle();
    let ended = world.change(&id);
    assert_eq!((&ended["lists"], &ended["done"]), (&json!(1), &json!(5)), "{ended}");
}

/// Who could not be moved is named by each list, and is one subject.
#[test]
fn whoever_is_given_up_by_several_lists_counts_once() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..2));
    let stuck = world.directory.0.keys().next().unwrap().clone();
    let (_, body) = world.order(json!({ "command": "move", "kind": "tenant", "subject": stuck, "to": "ap" }));
    let moves = body["change"]["id"].clone();
    let id = sweep(&mut world, json!({}));
    while world.change(&id)["ended"].is_null() {
        let at = world.effects.iter().position(|effect| effect["tag"]["change"] != moves).unwrap();
        world.do_effect(at, false);
    }
    let ended = world.change(&id);
    assert_eq!((&ended["lists"], &ended["says"]), (&json!(2), &json!("3 done, 1 given up, 0 may not live in eu")));
}

#[test]
fn the_directory_is_asked_again_after_eight_seconds_and_not_before() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..1));
    sweep(&mut world, json!({}));
    world.effects.clear();
    for (later, asks) in [(5_000, 0), (3_000, 0), (1, 1)] {
        world.now += later;
        world.turn(&json!({ "do": "tick" }));
        assert_eq!(directory(&world).len(), asks, "{later} ms later: {:?}", world.effects);
    }
    // While parts are under way it has nothing to ask.
    directory_answers(&mut world);
    world.effects.clear();
    world.now += 60_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(directory(&world), [0; 0]);
    // Nor once it is over.
    world.settle();
    world.now += 60_000;
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(directory(&world), [0; 0]);
}

/// What the directory says late must not begin anew what an operator has ended.
#[test]
fn an_answer_of_the_directory_that_is_late_changes_nothing() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..3));
    let id = sweep(&mut world, json!({}));
    let asked = world.effects.remove(directory(&world)[0]);
    world.order(json!({ "command": "abort", "change": id }));
    world.settle();
    let ended = world.change(&id);
    assert!(ended["ended"].is_u64(), "{ended}");
    world.now += 1_000;
    world.turn(&json!({ "do": "heard", "tag": asked["tag"], "status": 200, "body": 3 }));
    assert_eq!(world.change(&id), ended);
}

/// Another list is for those who came meanwhile: no subject has moved, so nobody can have come behind one.
#[test]
fn a_region_where_nobody_lives_is_listed_once() {
    let mut world = World::noted();
    let id = sweep(&mut world, json!({}));
    world.settle();
    let ended = world.change(&id);
    assert_eq!((&ended["lists"], &ended["done"], &ended["moved"]), (&json!(1), &json!(2), &json!(0)), "{ended}");
}

#[test]
fn a_sweep_lists_twenty_times_at_most_and_says_who_was_given_up() {
    let mut world = World::noted();
    live_in(&mut world, "us", tenants(0..1));
    let id = sweep(&mut world, json!({}));
    let mut came = 1;
    while world.change(&id)["ended"].is_null() {
        // Somebody comes each time the last page is asked for.
        if world.effects[0]["do"] == "list" && world.directory.0.values().all(|(_, lives)| lives.0 != "us") {
            came += 1;
            live_in_us_too(&mut world, came);
        }
        world.do_effect(0, false);
    }
    assert_eq!(world.change(&id)["lists"], 20);

    // Two that move already by orders of their own, and their datasets.
    let mut world = World::noted();
    for dataset in ["catalog", "orders"] {
        world.order(json!({ "command": "promote", "dataset": dataset, "to": "ap" }));
    }
    let id = sweep(&mut world, json!({}));
    assert_eq!(world.change(&id)["failed"], 2);
}

fn live_in_us_too(world: &mut World, at: usize) {
    let id = SubjectId::of(SubjectKind::Tenant, &format!("new{at}")).as_str().to_owned();
    world.directory.0.insert(id, ("tenant".to_owned(), owned("us", 1)));
}
