//! What a client's fields may and may not do: speak for the router, choose its subject twice, pass by a copy's key.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::rc::Rc;

use homing_core::testing::{
    http::edits::Edit,
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use support::{Story, World, keys, told};

const TOPOLOGY: &str = r#"{
    "REGIONS": { "us": { "origin": "https://us.example.com" }, "eu": { "origin": "https://eu.example.com" } },
    "DATASETS": {
        "catalog": { "ownership": "single-writer", "home": "us" },
        "cart": { "ownership": "geo-partitioned", "subject": "user", "regions": ["us", "eu"] },
        "notes": { "ownership": "geo-partitioned", "subject": "tenant", "regions": ["us", "eu"] }
    },
    "ROUTES": [
        { "match": "GET /api/catalog/*", "dataset": "catalog", "allow_request_fields": ["x-forwarded-prefix"] },
        { "match": "POST /api/cart", "dataset": "cart", "allow_request_fields": ["x-http-method-override"] },
        { "match": "/api/cart", "dataset": "cart" },
        { "match": "/api/notes", "dataset": "notes" }
    ],
    "IDENTITY": { "user": { "cookie": "uid" }, "tenant": { "header": "X-Forwarded-Tenant" } }
}"#;

fn play(request: &str, fields: &[(&str, &str)]) -> Story {
    let raw = raw::from_json(TOPOLOGY).unwrap();
    let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
    let settings = Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true });
    let world = fields.iter().fold(World::new(request).near("eu"), |world, (name, value)| world.field(name, value));
    world.play(&settings).unwrap_or_else(|problem| panic!("{}", problem.refusal.token()))
}

/// The field that the region gets; none if the client's was taken out.
fn sent(story: &Story, name: &str) -> Option<String> {
    let attempt = story.sent.first().unwrap();
    let edit = attempt.common.iter().rev().find(|edit| match edit {
        Edit::Remove(edited) | Edit::Set(edited, _) | Edit::Add(edited, _) => *edited == name,
    });
    match edit {
        None => Some("as it came".to_owned()),
        Some(Edit::Remove(_)) => None,
        Some(Edit::Set(_, value) | Edit::Add(_, value)) => Some(value.to_owned()),
    }
}

#[test]
fn two_cookies_that_name_different_subjects_name_nobody() {
    // The router would take the first, the application perhaps the last: one user, two homes, by a client's choice.
    let subject = |cookie: &str| {
        told(play("POST /api/cart", &[("cookie", cookie)]).sent.first().unwrap(), "homing-subject").map(str::to_owned)
    };
    assert!(subject("uid=ada").is_some());
    assert_eq!(subject("uid=ada; a=1; uid=ada"), subject("uid=ada"));
    assert_eq!(subject("uid=ada; uid=bob"), None);
    assert_eq!(subject("a=1, uid=ada"), subject("uid=ada"), "workerd has joined two lines");
}

#[test]
fn who_is_named_by_bytes_that_text_cannot_hold_is_nobody() {
    // To the router all of them look like U+FFFD, and the application tells them apart: two users would share a home.
    let subject = |cookie: &str| {
        told(play("POST /api/cart", &[("cookie", cookie)]).sent.first().unwrap(), "homing-subject").map(str::to_owned)
    };
    assert_eq!(subject("uid=\u{fffd}"), None);
    assert!(subject("uid=\u{e9}").is_some(), "UTF-8 is text");
}

#[test]
fn a_route_lets_a_field_through_by_name_and_others_do_not() {
    let with = |request| {
        play(request, &[("x-http-method-override", "DELETE"), ("x_http_method_override", "PUT"), ("x-host", "evil")])
    };
    assert_eq!(sent(&with("POST /api/cart"), "x-http-method-override").as_deref(), Some("as it came"));
    assert_eq!(sent(&with("POST /api/cart"), "x_http_method_override"), None);
    assert_eq!(sent(&with("POST /api/cart"), "x-host"), None);
    assert_eq!(sent(&with("GET /api/cart"), "x-http-method-override"), None, "a read that would delete");
}

#[test]
fn a_field_that_is_let_through_is_in_no_copy_for_others() {
    // It stands in no key: what it makes of a page would be everybody's page.
    let cache = |fields: &[(&str, &str)]| play("GET /api/catalog/1", fields).says("cache-status").unwrap().to_owned();
    assert!(cache(&[("x-forwarded-prefix", "/evil")]).contains("fwd=bypass"));
    assert!(cache(&[("x-forwarded-for", "1.1.1.1")]).contains("fwd=uri-miss"), "it is taken out, so it does no harm");
}

#[test]
fn the_field_that_names_a_tenant_reaches_the_application_under_its_own_name_only() {
    let fields = [("x-forwarded-tenant", "acme"), ("x_forwarded_tenant", "evil"), ("x-forwarded_tenant", "evil")];
    let story = play("POST /api/notes", &fields);
    assert!(told(story.sent.first().unwrap(), "homing-subject").is_some());
    assert_eq!(sent(&story, "x-forwarded-tenant").as_deref(), Some("as it came"));
    assert_eq!((sent(&story, "x_forwarded_tenant"), sent(&story, "x-forwarded_tenant")), (None, None));
}

#[test]
fn every_session_is_taken_out_of_what_the_origin_gets() {
    let story =
        play("GET /about", &[("cookie", "a=1; __Host-homing=x; __Host-homing=y"), ("cookie", "__Host-homing=z; b=2")]);
    assert_eq!(sent(&story, "cookie").as_deref(), Some("a=1; b=2"));
}

/// A client that says another address than its own: an application, or the platform in the region's zone (`CF-Connecting-IP` is made
/// of it there), would take it for whom it says.
#[test]
fn the_real_address_is_the_platforms_word_in_every_field_that_tells_it() {
    let came = [("cf-connecting-ip", "192.0.2.1"), ("x-real-ip", "203.0.113.9"), ("x_real_ip", "203.0.113.9")];
    let story = play("POST /api/cart", &came);
    assert_eq!(sent(&story, "x-real-ip").as_deref(), Some("192.0.2.1"));
    assert_eq!(sent(&story, "x-forwarded-for").as_deref(), Some("192.0.2.1"));
    assert_eq!(sent(&story, "x_real_ip"), None, "another spelling of it");
    let nobody_knows = play("POST /api/cart", &[("x-real-ip", "203.0.113.9"), ("cf-connecting-ip", "evil")]);
    assert_eq!(sent(&nobody_knows, "x-real-ip"), None);
}
