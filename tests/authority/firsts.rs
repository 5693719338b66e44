//! Two versions at once: what is configured counts once, and what a later version has stored is left alone.

use serde_json::{Value, json};

use crate::world::World;

fn ask(world: &mut World) -> Value {
    let reply = world.turn(&json!({ "do": "view" }));
    assert_eq!(reply["status"], 200, "{reply}");
    serde_json::from_str(reply["body"]["view"].as_str().unwrap()).unwrap()
}

fn edited(text: String) -> String {
    text.replace(r#""home": "us", "position": "counter" }"#, r#""home": "eu", "position": "counter" }"#)
}

#[test]
fn the_first_configured_home_is_noted_and_editing_it_moves_nothing() {
    let mut world = World::new();
    let first = ask(&mut world);
    assert_eq!(first["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }), "at once, without the home store");
    world.settle();
    assert_eq!(serde_json::from_str::<Value>(&world.published["view"]).unwrap(), first);
    assert_eq!(ask(&mut world), first, "asked again, nothing is new");

    world.deploy(edited);
    assert_eq!(ask(&mut world), first, "another version, with another home: two of one epoch would be two owners");
    let shown = world.show();
    assert_eq!((&shown["datasets"]["orders"]["home"], &shown["configured"]["orders"]), (&json!("us"), &json!("eu")));

    world.replicate("orders", "us", "eu");
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }), "an order does");
}

#[test]
fn a_dataset_that_is_new_gets_its_first_home_then_and_keeps_it_while_it_is_away() {
    let mut world = World::new();
    let without = |text: String| {
        text.lines()
            .filter(|line| !line.contains(r#""orders": {"#) && !line.contains(r#""dataset": "orders""#))
            .collect()
    };
    world.deploy(without);
    assert_eq!(ask(&mut world)["datasets"]["orders"], Value::Null);
    world.deploy(|text| text);
    assert_eq!(ask(&mut world)["datasets"]["orders"]["home"], "us");
    world.deploy(without);
    ask(&mut world);
    let shown = world.show();
    assert_eq!((&shown["datasets"]["orders"], &shown["recorded"]["orders"]["home"]), (&Value::Null, &json!("us")));
    world.deploy(edited);
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }), "its data is still there");
}

#[test]
fn what_an_order_has_begun_with_is_the_first_home_whatever_is_configured_when_it_is_noted() {
    let mut world = World::new();
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "ap" }));
    world.deploy(edited);
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
}

/// A rollback to format 1 writes the ledger back by what it knows. What it drops must be no loss.
#[test]
fn a_version_that_knows_no_formats_loses_nothing_that_counts() {
    let mut world = World::noted();
    world.order(json!({ "command": "state", "region": "ap", "state": "draining", "for": "1h" }));
    world.replicate("catalog", "us", "eu");
    world.order(json!({ "command": "promote", "dataset": "catalog", "to": "eu" }));
    let mut ledger: Value = serde_json::from_str(&world.ledger).unwrap();
    let known = [
        "version", "stored", "regions", "datasets", "changes", "counted", "numbered", "replies", "sweeps", "untold",
        "drills", "renewed",
    ];
    let fields = ledger.as_object_mut().unwrap();
    fields.retain(|name, _| known.contains(&name.as_str()));
    assert!(!fields.contains_key("format"));
    let before = world.show();
    world.ledger = ledger.to_string();
    world.deploy(edited);
    let after = world.show();
    for what in ["version", "regions", "datasets", "changes", "sweeps"] {
        assert_eq!(before[what], after[what], "{what}");
    }
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["catalog"], json!({ "home": "eu", "epoch": 2 }), "and the order goes on");
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
}

#[test]
fn the_ledger_of_a_later_version_is_left_alone_and_the_reason_is_said() {
    let mut world = World::noted();
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    let mut ledger: Value = serde_json::from_str(&world.ledger).unwrap();
    ledger["format"] = json!(3);
    ledger["what this version has never heard of"] = json!([1]);
    world.ledger = ledger.to_string();
    let (held, under_way) = (world.ledger.clone(), world.effects.clone());
    for input in [json!({ "do": "tick" }), json!({ "do": "show" }), json!({ "do": "view" })] {
        let reply = world.turn(&input);
        assert_eq!(reply["status"], 503);
        assert_eq!(
            reply["body"]["detail"],
            "The authority's ledger has format 3; this version knows only up to 2, so it changes nothing. Requests continue with the \
             last view. Deploy the version that wrote it, or a later one, for all traffic; then order again."
        );
    }
    assert_eq!(world.order(json!({ "command": "promote", "dataset": "catalog", "to": "eu" })).0, 503);
    world.do_effect(0, false);
    assert_eq!(world.ledger, held, "not even what came of its own calls is written into it");
    assert!(world.effects.len() < under_way.len(), "and nothing is asked of anybody");
    assert_eq!(
        world.wake,
        Some(30_000),
        "it looks again, or what is under way would stand still when the later version is back"
    );
}

#[test]
fn the_other_regions_are_told_of_a_first_home_so_that_their_fence_holds() {
    let mut world = World::new();
    world.region("eu").units.clear();
    ask(&mut world);
    let told = world.calls("op=learn&home=us&unit=orders@1");
    assert!(told.len() == 2 && !told.iter().any(|url| url.contains("//us.")), "all but the home: {told:?}");
    world.settle();
    assert_eq!(world.owner_at("eu", "orders"), ("us".to_owned(), 1));
    assert!(
        !world.write("orders", "eu", &("eu".to_owned(), 1)),
        "an edge that goes by an edited file, and has no view yet"
    );
    ask(&mut world);
    assert!(world.calls("op=learn").is_empty(), "once");
    assert_eq!(world.show()["untold"], json!([]));
}

#[test]
fn a_ledger_that_begins_after_the_regions_learns_later_owners_from_them() {
    let mut world = World::noted();
    world.replicate("orders", "us", "eu");
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    world.settle();
    world.ledger.clear();
    ask(&mut world);
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }), "eu says so itself");
    assert!(
        world
            .audit
            .iter()
            .any(|line| line["what"].as_str().unwrap().ends_with("by epoch 2; the authority has adopted that"))
    );
}

fn takes(world: &mut World, region: &str, owner: (&str, u64)) {
    world.region(region).units.entry("orders".to_owned()).or_default().owned = (owner.0.to_owned(), owner.1);
}

fn said(world: &World, what: &str) -> usize {
    world.audit.iter().filter(|line| line["what"].as_str().unwrap().contains(what)).count()
}

/// A region may have been restored from a backup, or be another deployment's, or hostile: its word alone made another one the home
/// for all, at once.
#[test]
fn a_region_that_names_another_as_a_later_owner_is_not_believed_unless_that_one_says_so() {
    let mut world = World::new();
    takes(&mut world, "ap", ("eu", 7));
    ask(&mut world);
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
    assert_eq!(
        said(&world, "ap reports that eu is the home of orders by epoch 7; the authority is asking that region itself"),
        1
    );
    assert_eq!(world.show()["untold"], json!([]), "nobody is asked for ever");

    // The noted home itself is told nothing, so that it is asked is the only way to hear it.
    let mut world = World::new();
    takes(&mut world, "ap", ("us", 3));
    takes(&mut world, "us", ("us", 3));
    ask(&mut world);
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 3 }));
    assert_eq!(said(&world, "us reports that us is the home of orders by epoch 3; the authority has adopted that"), 1);
}

/// Each names the other, by one epoch more each time: the authority must not be sent to and fro.
#[test]
fn two_that_name_each_other_are_asked_once_each() {
    let mut world = World::new();
    takes(&mut world, "ap", ("eu", 7));
    takes(&mut world, "eu", ("ap", 8));
    ask(&mut world);
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "us", "epoch": 1 }));
    assert_eq!(said(&world, "is asking that region itself"), 2);
    assert_eq!(world.show()["untold"], json!([]));
}

/// Behind the last number there is none: the next promotion would give an epoch that no region takes, for ever.
#[test]
fn an_epoch_that_nobody_can_count_on_from_is_none() {
    for (epoch, taken) in [(u64::MAX, false), (1 << 53, false), ((1 << 53) - 1, true)] {
        let mut world = World::new();
        takes(&mut world, "eu", ("eu", epoch));
        ask(&mut world);
        world.settle();
        assert_eq!(ask(&mut world)["datasets"]["orders"]["home"] == "eu", taken, "{epoch}");
        world.replicate("orders", "us", "eu");
        world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
        world.settle();
        assert!(ask(&mut world)["datasets"]["orders"]["epoch"].as_u64().unwrap() < 1 << 53);
    }
}

/// A grant that was heard may yet be undone, and then the ledger would hold what never counted.
#[test]
fn who_names_itself_while_the_owner_changes_is_heard_when_that_is_over() {
    let mut world = World::new();
    world.turn(&json!({ "do": "view" }));
    let told =
        world.effects.iter().position(|effect| effect["tag"]["told"] == "eu" && effect["tag"]["unit"] == "orders");
    let told = world.effects.remove(told.unwrap());
    world.settle();
    let before = ask(&mut world);
    world.replicate("orders", "us", "eu");
    world.order(json!({ "command": "promote", "dataset": "orders", "to": "eu" }));
    let body = json!({ "home": "eu", "epoch": 2 });
    let early = json!({ "do": "heard", "tag": told["tag"], "status": 200, "body": body });
    world.turn(&early);
    assert_eq!(ask(&mut world), before, "the change is open");
    assert_eq!(world.show()["untold"][0]["region"], "eu", "so it is told again");
    world.settle();
    assert_eq!(ask(&mut world)["datasets"]["orders"], json!({ "home": "eu", "epoch": 2 }));
    world.now += 30_000;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!((world.show()["untold"].clone(), said(&world, "taken in")), (json!([]), 0));
}

/// Before first homes were noted, two versions could send writes to two regions by epoch 1.
#[test]
fn two_regions_that_each_take_themselves_for_the_first_home_are_told_of() {
    let mut world = World::new();
    world.region("eu").units.clear();
    assert!(world.write("orders", "eu", &("eu".to_owned(), 1)));
    ask(&mut world);
    world.settle();
    let said = world.audit.iter().filter_map(|line| line["what"].as_str()).find(|what| what.starts_with("eu takes"));
    assert!(
        said.unwrap().starts_with("eu takes eu for the first home of orders, but the authority has noted us"),
        "{:?}",
        world.audit
    );
}
