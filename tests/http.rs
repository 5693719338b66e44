//! What an intermediary owes to clients and origins by HTTP's own rules, whoever they are: addresses, dates, who says what of the cache.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::rc::Rc;

use homing_core::testing::{
    http::{
        edits::{Edit, Edits},
        http_date,
    },
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use support::{NOW, Reply, Story, World, keys};

const TOPOLOGY: &str = r#"{
    "REGIONS": { "us": { "origin": "https://us.internal" }, "eu": { "origin": "http://eu.internal:8080" } },
    "ROUTES": [{ "match": "GET /raw/*", "rewrite_location": false }],
    "EDGE_NAME": "shop.example"
}"#;

fn play(world: World, status: u16, fields: &[(&str, &str)]) -> Story {
    let raw = raw::from_json(TOPOLOGY).unwrap();
    let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
    let settings = Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true });
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let world = World { deeds: vec![Reply::Answers(status, fields)], ..world.near("eu") };
    world.play(&settings).unwrap_or_else(|problem| panic!("{}", problem.refusal.token()))
}

/// Every line of a field as these edits leave it; none if they leave it alone.
fn lines(edits: &Edits, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for edit in edits.iter() {
        match edit {
            Edit::Remove(gone) if gone == name => lines.clear(),
            Edit::Set(set, value) if set == name => lines = vec![value.to_owned()],
            Edit::Add(added, value) if added == name => lines.push(value.to_owned()),
            _ => {}
        }
    }
    lines
}

const OWN: [(&str, &str); 6] = [
    ("location", "http://eu.internal:8080/new"),
    ("content-location", "http://eu.internal:8080/new"),
    ("link", "<http://eu.internal:8080/a>; rel=next"),
    ("cache-control", "max-age=60"),
    ("set-cookie", "a=1; Domain=eu.internal"),
    ("set-cookie", "b=2"),
];

#[test]
fn a_regions_own_address_is_put_right_for_the_client_and_in_the_copy() {
    // Whoever follows it goes past the router, or nowhere: the host is no public one.
    let story = play(World::new("GET /old"), 301, &OWN);
    let end = story.end();
    assert_eq!(lines(&end.edits, "location"), ["https://example.com/new"]);
    assert_eq!(lines(&end.edits, "content-location"), ["https://example.com/new"]);
    assert_eq!(lines(&end.edits, "link"), ["<https://example.com/a>; rel=next"]);
    assert_eq!(lines(&end.edits, "set-cookie"), ["a=1; Domain=example.com", "b=2"]);
    assert!(end.store.is_none(), "it sets a cookie");

    let story = play(World::new("GET /old"), 301, &OWN[..4]);
    let store = story.end().store.as_ref().unwrap();
    assert_eq!(lines(&store.edits, "location"), ["https://example.com/new"]);
    assert_eq!(lines(&store.edits, "link"), ["<https://example.com/a>; rel=next"]);
}

#[test]
fn what_a_write_names_by_its_regions_address_loses_its_copies() {
    let count = |fields: &[(&str, &str)]| play(World::new("POST /old"), 201, fields).end().invalidate.len();
    assert_eq!(count(&[]), 1);
    // It goes to the default home, us.
    assert_eq!(count(&[("location", "https://us.internal/new")]), 2);
    assert_eq!(count(&OWN[..1]), 1, "another region's is not this one's to name");
}

#[test]
fn a_route_may_mean_its_regions_address() {
    let story = play(World::new("GET /raw/old"), 301, &OWN);
    let end = story.end();
    for name in ["location", "content-location", "link", "set-cookie"] {
        assert!(lines(&end.edits, name).is_empty(), "{name}");
    }
}

#[test]
fn an_answer_without_a_date_gets_the_time_at_which_it_came_and_so_does_its_copy() {
    // RFC 9110 section 6.6.1.
    let now = http_date::written(NOW.after(std::time::Duration::from_millis(World::new("GET /").takes)));
    let story = play(World::new("GET /dateless"), 200, &[("cache-control", "max-age=60")]);
    assert_eq!(lines(&story.end().edits, "date").first(), Some(&now));
    assert_eq!(lines(&story.end().store.as_ref().unwrap().edits, "date"), [now]);
    let dated = [("cache-control", "max-age=60"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let story = play(World::new("GET /dated"), 200, &dated);
    assert!(lines(&story.end().edits, "date").is_empty());
}

#[test]
fn the_deployment_says_what_it_is_called() {
    // RFC 9211 section 2 and RFC 9209 section 2: the name is of the deployment, so that of two in a row each can be told.
    let story = play(World::new("GET /named"), 200, &[("cache-control", "max-age=60")]);
    assert_eq!(story.says("cache-status"), Some("shop.example; fwd=uri-miss; fwd-status=200; stored"));
    let failed = World { deeds: vec![Reply::Breaks], ..World::new("POST /failed") };
    let raw = raw::from_json(TOPOLOGY).unwrap();
    let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
    let settings = Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true });
    let story = failed.play(&settings).unwrap();
    assert_eq!(story.says("proxy-status"), Some("shop.example; error=connection_terminated"));
    assert_eq!(story.says("cache-status"), None, "nobody's cache has made it");
}
