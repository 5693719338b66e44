//! How long writers are refused while an owner changes: never longer than was said, and no longer than it is good for anything.

use serde_json::{Value, json};

use crate::{owned, promote, until, world::World};

/// A world in which eu has nothing of what us has written.
fn behind() -> World {
    let mut world = World::new();
    world.write("orders", "us", &owned("us", 1));
    world.regions.values_mut().for_each(|region| region.says_where = true);
    world
}

/// Goes on until the change is over; for how long writers were refused at us, and what it came to.
fn refused(world: &mut World, id: &str, mut step: impl FnMut(&mut World)) -> (u64, Value) {
    let mut since = None;
    let mut longest = 0;
    for _ in 0..2_000 {
        let paused = world.regions["us"].unit("orders").paused(world.now).is_some();
        since = if paused { since.or(Some(world.now)) } else { None };
        longest = longest.max(since.map_or(0, |since| world.now - since));
        if world.effects.is_empty() {
            let change = world.change(id);
            if change["ended"].is_u64() {
                return (longest, change);
            }
            world.now += 500;
            if world.wake.is_some() {
                world.turn(&json!({ "do": "tick" }));
            }
            continue;
        }
        step(world);
        world.do_effect(0, false);
    }
    panic!("it does not come to an end: {}", world.ledger);
}

/// Every answer of a region is lost from some phase on, as often as it is asked; another one's calls do not arrive.
#[test]
fn writers_are_refused_no_longer_than_was_said_whatever_is_lost() {
    for (silent, gone, from) in [
        ("us", "", "pausing"),
        ("eu", "", "waiting"),
        ("us", "", "deposing"),
        ("", "us", "pausing"),
        ("", "eu", "waiting"),
        ("", "us", "waiting"),
    ] {
        for max_pause in ["1s", "5s", "20s"] {
            let mut world = behind();
            world.replicate("orders", "us", "eu");
            let id = promote(&mut world, json!({ "max_pause": max_pause }));
            until(&mut world, &id, from);
            world.mute = [silent].into_iter().filter(|name| !name.is_empty()).collect();
            world.down = [gone].into_iter().filter(|name| !name.is_empty()).collect();
            let begun = world.now;
            let (longest, _) = refused(&mut world, &id, |world| {
                // At last the network mends.
                if world.now > begun + 60_000 {
                    (world.mute, world.down) = (Vec::new(), Vec::new());
                }
            });
            let most: u64 = max_pause.trim_end_matches('s').parse::<u64>().unwrap() * 1_000;
            assert!(longest <= most, "{silent} {gone} from {from}, {max_pause}: {longest} ms");
        }
    }
}

/// The answers of the old owner are lost, so it hears of one pause again and again; then nothing reaches it, and it ends the pause by itself.
#[test]
fn writers_are_refused_no_longer_where_a_pause_was_asked_for_again() {
    for most in [2_000, 5_000, 20_000] {
        let mut world = behind();
        world.replicate("orders", "us", "eu");
        let id = promote(&mut world, json!({ "max_pause": format!("{}s", most / 1_000) }));
        until(&mut world, &id, "pausing");
        world.mute = vec!["us"];
        let begun = world.now;
        let (longest, _) = refused(&mut world, &id, |world| {
            (world.mute, world.down) = match world.now - begun {
                since if since <= most / 2 => (vec!["us"], Vec::new()),
                since if since <= 60_000 => (Vec::new(), vec!["us"]),
                _ => (Vec::new(), Vec::new()),
            };
        });
        assert!((most / 2..=most).contains(&longest), "{most} ms: {longest} ms");
    }
}

#[test]
fn a_lost_call_costs_a_second_or_so_and_not_the_change() {
    for region in ["us", "eu"] {
        for phase in ["pausing", "waiting", "deposing", "granting"] {
            let mut world = behind();
            world.replicate("orders", "us", "eu");
            let id = promote(&mut world, json!({}));
            until(&mut world, &id, phase);
            let begun = world.now;
            world.mute = vec![region];
            world.do_effect(0, false);
            world.mute = Vec::new();
            world.settle();
            let change = world.change(&id);
            assert_eq!(change["phase"], "done", "{change}");
            assert!(world.now - begun <= 2_200, "{region} in {phase}: {} ms", world.now - begun);
        }
    }
}

#[test]
fn a_copy_that_stands_still_is_waited_for_no_longer() {
    let mut world = behind();
    let id = promote(&mut world, json!({}));
    let (longest, change) = refused(&mut world, &id, |_| {});
    assert_eq!(change["says"], "eu's replica does not advance; us keeps serving");
    assert!((1_000..1_200).contains(&longest), "{longest}");
    assert!(world.write("orders", "us", &owned("us", 1)));
}

#[test]
fn a_copy_that_moves_is_waited_for_and_one_that_moves_too_slowly_is_not() {
    for (writes, done) in [(60, true), (2_000, false)] {
        let mut world = behind();
        for _ in 0..writes {
            world.write("orders", "us", &owned("us", 1));
        }
        world.region("eu").lag = Some(300);
        let id = promote(&mut world, json!({}));
        let (mut at, mut to) = (0, 1);
        // A write each 40 ms.
        let (longest, change) = refused(&mut world, &id, |world| {
            if world.effects[0]["do"] == "after" {
                (at, to) = (to, to + 1);
                let log = world.regions["us"].unit("orders").log[..to.min(writes + 1)].to_vec();
                world.region("eu").units.get_mut("orders").unwrap().log = log;
            }
        });
        assert_eq!(change["phase"] == "done", done, "{change}");
        let says = change["says"].as_str().unwrap();
        assert!(done || says.starts_with("eu's replica advances too slowly"), "{says}");
        assert!(longest <= if done { 3_000 } else { 1_200 }, "{longest}");
    }
}

#[test]
fn nobody_is_refused_for_a_copy_that_cannot_catch_up() {
    let says = |world: &mut World, more: Value| {
        let id = promote(world, more);
        let (longest, change) = refused(world, &id, |_| {});
        assert!(longest == 0 || change["phase"] == "done", "{change}");
        change["says"].as_str().unwrap().to_owned()
    };
    let mut world = behind();
    world.region("eu").cut.push("us".to_owned());
    let cut = "eu cannot reach us, so it cannot catch up. Repair the link, then repeat the order";
    assert_eq!(says(&mut world, json!({})), cut);

    let mut world = behind();
    world.region("eu").lag = Some(6_000);
    let late = "eu is 6000 ms behind us, but writers may be refused for at most 5000 ms. Wait until it has caught up, or raise \
                max_pause";
    assert_eq!(says(&mut world, json!({})), late);
    world.replicate("orders", "us", "eu");
    assert_eq!(says(&mut world, json!({})), "eu owns it by epoch 2", "it has everything, whatever its lag was");
}

#[test]
fn where_time_must_do_and_would_take_too_long_nothing_waits_for_it() {
    let mut world = World::new();
    world.region("us").silent.push("orders".to_owned());
    world.region("eu").lag = Some(1_000);
    let id = promote(&mut world, json!({}));
    let (longest, change) = refused(&mut world, &id, |_| {});
    let says = "not every position is reported, so the pause would take 10000 ms; writers may be refused for at most 5000 ms; us keeps serving";
    assert_eq!((change["says"].as_str(), longest), (Some(says), 0));
    let id = promote(&mut world, json!({ "max_pause": "13s" }));
    let (longest, change) = refused(&mut world, &id, |_| {});
    assert_eq!(change["phase"], "done", "{change}");
    assert!((10_000..10_100).contains(&longest), "{longest}");
}

#[test]
fn the_preflight_says_how_long_writers_will_be_refused() {
    let mut world = behind();
    world.trip = 30;
    let id = promote(&mut world, json!({ "dry_run": true, "max_pause": "3s" }));
    world.settle();
    let change = world.change(&id);
    let estimate = &change["found"]["estimate"];
    let said = ["expected_pause_ms", "max_pause_ms", "longest_wait_ms"].map(|name| estimate[name].as_u64().unwrap());
    // The calls of a preflight are made at once, and here one after the other.
    assert_eq!(said, [10 + 2 * (30 + 90), 3_000, 2_000], "{estimate}");
    assert_eq!(change["says"], "dry run: a promotion is possible; writers would be refused for about 250 ms");
}

#[test]
fn each_dataset_may_have_a_bound_of_its_own_and_an_order_another() {
    let text = include_str!("../support/topology.json").replace(
        r#""home": "us", "position": "counter" }"#,
        r#""home": "us", "position": "counter", "max_pause": "2s" }"#,
    );
    let mut world = World::of(&text);
    let bound = |world: &mut World, order: Value| {
        let (status, body) = world.order(order);
        assert_eq!(status, 202, "{body}");
        world.change(body["change"]["id"].as_str().unwrap())["max_pause"].as_u64().unwrap()
    };
    let order = |dataset: &str| json!({ "command": "promote", "dataset": dataset, "to": "eu", "dry_run": true });
    assert_eq!(bound(&mut world, order("orders")), 2_000);
    assert_eq!(bound(&mut world, order("catalog")), 5_000);
    world.settle();
    let mut longer = order("orders");
    longer["max_pause"] = json!("9s");
    assert_eq!(bound(&mut world, longer), 9_000);
    world.settle();
    let (_, body) = world.order(json!({ "command": "promote-region", "region": "us", "to": "eu", "max_pause": "7s" }));
    for part in body["sweep"]["running"].as_array().unwrap() {
        assert_eq!(world.change(part.as_str().unwrap())["max_pause"], 7_000, "each part of a region's share");
    }
    for bad in ["0s", "61s", "soon"] {
        let mut wrong = order("orders");
        wrong["max_pause"] = json!(bad);
        let (status, body) = world.order(wrong);
        let says = format!("max_pause is {bad:?}; expected a time such as \"5s\", 1s to 60s.");
        assert_eq!((status, body["detail"].as_str()), (400, Some(&*says)));
    }
}
