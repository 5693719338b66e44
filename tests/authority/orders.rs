//! The same request again is the same order, whatever order REGIONS and DATASETS are in, and whichever version has kept its reply.

use std::rc::Rc;

use homing_core::testing::{
    model::subject::SubjectId,
    topology::{
        error::KeyPath,
        parse,
        raw::{self, Raw},
        settings::Settings,
    },
};
use serde_json::{Value, json};

use crate::{support, world::World};

/// The same topology with its regions and datasets the other way round.
fn reversed() -> Rc<Settings> {
    let Raw::Table(mut vars) = raw::from_json(include_str!("../support/topology.json")).unwrap() else { panic!() };
    for (name, value) in &mut vars {
        if let ("REGIONS" | "DATASETS", Raw::Table(entries)) = (name.as_str(), value) {
            entries.reverse();
        }
    }
    let topology = parse(&Raw::Table(vars), &KeyPath::default().key("vars")).unwrap().0;
    let settings = support::settings();
    let names = |topology: &homing_core::testing::topology::Topology| {
        topology.regions().map(|(_, region)| region.name.clone()).collect::<Vec<_>>()
    };
    assert_ne!(names(&topology), names(&settings.topology), "nothing is reordered");
    Rc::new(Settings { topology, ..(*settings).clone() })
}

/// Each order, and another one that the version before would take for it once all is reversed: of three regions the first is the last.
fn orders() -> Vec<(Value, Value)> {
    let ada = SubjectId::of(homing_core::testing::model::subject::SubjectKind::User, "ada");
    let moving = |to: &str| json!({ "command": "move", "kind": "user", "subject": ada.as_str(), "to": to });
    let state = |region: &str| json!({ "command": "state", "region": region, "state": "draining", "for": "1h" });
    let promote = |dataset: &str, to: &str| json!({ "command": "promote", "dataset": dataset, "to": to });
    let all = |region: &str, to: &str| json!({ "command": "promote-region", "region": region, "to": to });
    let drill = |region: &str, dry: bool| json!({ "command": "drill", "kind": "lose", "region": region, "percent": "5", "for": "90s", "dry_run": dry });
    vec![
        (state("ap"), state("us")),
        // catalog is the first of seven datasets and orders the fourth, which it stays when they are reversed.
        (promote("orders", "ap"), promote("orders", "us")),
        (promote("orders", "ap"), promote("catalog", "ap")),
        (promote("orders", "us"), promote("orders", "ap")),
        (all("us", "eu"), all("ap", "eu")),
        (moving("us"), moving("eu")),
        (drill("ap", false), drill("us", false)),
        (drill("ap", true), drill("us", true)),
        (json!({ "command": "abort", "change": "change-1" }), json!({ "command": "abort", "change": "change-2" })),
        (json!({ "command": "stop-drill", "drill": "all" }), json!({ "command": "stop-drill", "drill": "drill-1" })),
    ]
}

fn with_id(mut order: Value) -> Value {
    order["request"] = json!("one");
    order
}

/// As the version before has kept it: without names. Returns the body of the last reply, as that version said it.
fn forget_names(world: &mut World) -> Value {
    let mut ledger: Value = serde_json::from_str(&world.ledger).unwrap();
    for reply in ledger["replies"].as_array_mut().unwrap() {
        let what = reply.as_object_mut().unwrap().remove("what");
        assert!(what.is_some_and(|what| what != ""), "{reply}");
        // That one said it in other words.
        if let Some(to) = reply["body"]["says"].as_str().and_then(|says| says.split_once(" is already the home of ")) {
            let (of, epoch) = to.1.split_once(',').unwrap();
            reply["body"]["says"] = json!(format!("{} is the home of {of} already,{epoch}", to.0));
        }
    }
    world.ledger = ledger.to_string();
    ledger["replies"].as_array().unwrap().last().unwrap()["body"].clone()
}

#[test]
fn reordering_regions_changes_no_meaning() {
    for (order, other) in orders() {
        for by_the_version_before in [false, true] {
            for reorder in [false, true] {
                let mut world = World::new();
                if order["command"] == "abort" {
                    world.order(json!({ "command": "promote", "dataset": "catalog", "to": "eu" }));
                }
                let mut first = world.order(with_id(order.clone()));
                assert!(first.0 < 300, "{order}: {first:?}");
                if by_the_version_before {
                    first.1 = forget_names(&mut world);
                }
                if reorder {
                    world.settings = reversed();
                }
                let ledger = world.ledger.clone();
                let case =
                    format!("{order}, kept by the version before: {by_the_version_before}, reordered: {reorder}");
                assert_eq!(world.order(with_id(order.clone())), first, "{case}");
                let (status, body) = world.order(with_id(other.clone()));
                let something_else = "The request id \"one\" was already used for another order. Choose a new id.";
                assert_eq!((status, body["detail"].as_str()), (409, Some(something_else)), "{other} after {case}");
                let same: Value = serde_json::from_str(&ledger).unwrap();
                let now: Value = serde_json::from_str(&world.ledger).unwrap();
                assert_eq!(now["changes"], same["changes"], "nothing is carried out twice: {case}");
            }
        }
    }
}

/// Options belong to what was asked for, in both ways of keeping it.
#[test]
fn the_same_request_with_other_options_is_another_order() {
    for by_the_version_before in [false, true] {
        for option in [json!({ "dry_run": true }), json!({ "accept_loss": true }), json!({ "max_pause": "9s" })] {
            let mut world = World::new();
            let order = json!({ "request": "one", "command": "promote", "dataset": "orders", "to": "eu" });
            assert_eq!(world.order(order.clone()).0, 202);
            if by_the_version_before {
                forget_names(&mut world);
            }
            let mut other = order;
            for (key, value) in option.as_object().unwrap() {
                other[key] = value.clone();
            }
            assert_eq!(world.order(other).0, 409, "{option}");
        }
    }
}

/// The version before compares by this field, and may be put back.
#[test]
fn the_version_before_finds_its_own_text() {
    let mut world = World::new();
    world.order(json!({ "request": "one", "command": "promote", "dataset": "orders", "to": "eu", "max_pause": "9s" }));
    let ledger: Value = serde_json::from_str(&world.ledger).unwrap();
    let kept = &ledger["replies"][0];
    assert_eq!(kept["order"], "Promote(DatasetId(3), RegionId(1)) false false 9000");
    assert_eq!(kept["what"], "promote orders to eu max_pause=9000ms");
}
