//! Isolation drills at the authority: they begin, end and are reported.

use serde_json::{Value, json};

use crate::{with, world::World};

fn isolate(more: Value) -> Value {
    with(json!({ "command": "drill", "kind": "isolate", "region": "eu", "percent": 5, "for": "10m" }), more)
}

fn begin(world: &mut World, more: Value) -> String {
    let (status, body) = world.order(isolate(more));
    assert_eq!(status, 200, "{body}");
    world.settle();
    body["drill"]["id"].as_str().unwrap().to_owned()
}

fn published(world: &World) -> Value {
    serde_json::from_str(&world.published["view"]).unwrap()
}

/// So many reads that were served and so many writes that were refused, each to another visitor, as an edge tells of them.
fn told(world: &mut World, id: &str, served: u64, refused: u64) -> bool {
    let rows = json!([
        { "route": "/catalog/*", "access": "read", "dataset": "catalog", "requests": served, "alone": served },
        { "route": "/catalog/*", "access": "write", "dataset": "catalog", "requests": refused, "refused": refused, "wrong": refused, "home": { "us": refused } },
    ]);
    let reply = world.turn(&json!({ "do": "drilled", "drill": id, "rows": rows }));
    world.settle();
    reply["body"]["over"].as_bool().unwrap()
}

fn report(world: &mut World, id: &str) -> Value {
    let reply = world.turn(&json!({ "do": "drills", "id": id }));
    assert_eq!(reply["status"], 200, "{reply}");
    reply["body"].clone()
}

fn what(world: &World) -> Vec<&str> {
    world.audit.iter().filter_map(|line| line["what"].as_str()).collect()
}

#[test]
fn a_drill_is_published_and_ends_when_its_time_is_up() {
    let mut world = World::noted();
    let before = world.show()["version"].as_u64().unwrap();
    let id = begin(&mut world, json!({}));
    let view = published(&world);
    let until = world.now + 600_000;
    let expected = json!({ "id": id, "kind": "isolate", "region": "eu", "share": 500, "limit": 100, "until": until });
    assert_eq!((view["version"].as_u64(), &view["drill"]), (Some(before + 1), &expected));
    assert_eq!(world.show()["drill"]["percent"], 5.0);
    world.turn(&json!({ "do": "tick" }));
    assert_eq!(world.wake, Some(until - world.now), "it is looked at when it ends");

    world.now = until;
    world.turn(&json!({ "do": "tick" }));
    world.settle();
    assert_eq!((&published(&world)["drill"], &world.show()["drill"]), (&Value::Null, &Value::Null));
    let shown = report(&mut world, &id);
    assert_eq!((shown["ended"].as_u64(), shown["says"].as_str()), (Some(until), Some("ended: its time was up")));
    let begun = "drill-1: all regions but eu count as unreachable for 5% of eu's subjects, for 600 s";
    assert_eq!(what(&world), [begun, "drill-1 ended: its time was up"]);
    begin(&mut world, json!({}));
}

#[test]
fn there_is_one_at_a_time_and_it_can_be_stopped() {
    let mut world = World::new();
    let id = begin(&mut world, json!({}));
    let (status, body) = world.order(isolate(json!({ "region": "us" })));
    assert_eq!(status, 409);
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.starts_with("drill-1 is running: ") && detail.ends_with("homing drill stop drill-1."), "{detail}");

    let stop = |drill: &str| json!({ "command": "stop-drill", "drill": drill });
    assert_eq!(world.order(stop("drill-9")).0, 404);
    let dry = world.order(json!({ "command": "stop-drill", "drill": "all", "dry_run": true })).1;
    assert_eq!((dry["says"].as_str(), world.show()["drill"].is_null()), (Some("drill-1 is stopped"), false));
    assert_eq!(world.order(stop(&id)).0, 200);
    world.settle();
    assert_eq!(published(&world)["drill"], Value::Null);
    assert_eq!(report(&mut world, &id)["says"], "stopped by ada");
    assert!(told(&mut world, &id, 1, 0), "an edge that has not heard is told");
    assert_eq!(report(&mut world, &id)["total"]["requests"], 1, "what comes late counts");
    assert_eq!(world.order(stop(&id)).1["says"], "drill-1 has already ended: stopped by ada");
    assert_eq!(world.order(stop("all")).1["says"], "no drill is running");
}

#[test]
fn too_many_errors_abort_it_once_fifty_requests_have_been_made() {
    let mut world = World::new();
    let id = begin(&mut world, json!({ "abort_if": "errors > 10%" }));
    assert!(!told(&mut world, &id, 0, 9) && !told(&mut world, &id, 40, 0), "49 decide nothing");
    assert!(told(&mut world, &id, 1, 0), "9 of 50 are more than a tenth");
    assert_eq!(published(&world)["drill"], Value::Null);
    let says = "aborted: 9 of 50 requests were refused or failed; the limit is 10%";
    assert_eq!(report(&mut world, &id)["says"], says);
    assert_eq!(what(&world).last().copied(), Some(format!("{id} {says}").as_str()));

    let id = begin(&mut world, json!({ "abort_if": "none" }));
    assert!(!told(&mut world, &id, 0, 5_000));
}

#[test]
fn what_the_edges_tell_is_added_up_route_by_route() {
    let mut world = World::new();
    let id = begin(&mut world, json!({ "abort_if": "none" }));
    told(&mut world, &id, 90, 3);
    told(&mut world, &id, 3, 4);
    assert!(told(&mut world, "drill-99", 1, 0), "of one that is not known nothing is kept");
    let shown = report(&mut world, &id);
    let rows = shown["routes"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["alone"], &rows[1]["home"]["us"]), (2, &json!(93), &json!(7)));
    assert_eq!(shown["total"]["requests"], 100);
    let all = world.turn(&json!({ "do": "drills" }))["body"]["drills"].clone();
    assert_eq!(all, json!([shown]));
    assert_eq!(world.turn(&json!({ "do": "drills", "id": "drill-7" }))["status"], 404);
}

#[test]
fn the_same_request_is_one_drill_whenever_it_comes_and_a_dry_run_is_none() {
    let mut world = World::new();
    let (status, body) = world.order(isolate(json!({ "dry_run": true })));
    assert_eq!((status, &body["drill"]), (200, &Value::Null));
    assert_eq!(body["says"], "all regions but eu count as unreachable for 5% of eu's subjects");
    assert_eq!(world.show()["drill"], Value::Null);
    let first = world.order(isolate(json!({ "request": "once" })));
    world.now += 60_000;
    assert_eq!(world.order(isolate(json!({ "request": "once" }))), first);
    assert_eq!(world.order(isolate(json!({ "request": "once", "percent": 6 }))).0, 409);
}

#[test]
fn orders_that_make_no_sense_are_refused_with_what_was_expected() {
    let mut world = World::new();
    let wrong = [
        (
            json!({ "percent": 0.05 }),
            "percent is \"0.05\"; expected a number from 0.1 to 100, with two decimals at most.",
        ),
        (
            json!({ "percent": null }),
            "percent is \"null\"; expected a number from 0.1 to 100, with two decimals at most.",
        ),
        (json!({ "for": "73h" }), "for is \"73h\"; expected a time such as \"10m\", 72h at most."),
        (json!({ "kind": "chaos" }), "kind is \"chaos\"; expected \"isolate\" or \"lose\"."),
        (
            json!({ "abort_if": "errors" }),
            "abort_if is \"errors\"; expected \"errors>1%\", in quotes since a shell takes > for a file, or \"none\".",
        ),
    ];
    for (more, detail) in wrong {
        let (status, body) = world.order(isolate(more));
        assert_eq!((status, body["detail"].as_str()), (400, Some(detail)));
    }
    let state = |region: &str| json!({ "command": "state", "region": region, "state": "draining", "for": "1h" });
    assert_eq!(world.order(state("eu")).0, 200);
    let (status, body) = world.order(isolate(json!({})));
    let detail = "\"eu\" is draining and cannot serve alone. Make it active first.";
    assert_eq!((status, body["detail"].as_str()), (409, Some(detail)));
    assert_eq!(world.order(state("ap")).0, 200);
    let (status, body) = world.order(isolate(json!({ "kind": "lose", "region": "us" })));
    let detail = "\"us\" is the only active region. Make another one active first.";
    assert_eq!((status, body["detail"].as_str()), (409, Some(detail)));
}
