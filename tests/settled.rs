//! What an answer leaves behind: in the record, in what the isolate has observed, and in fields for caches in front of the client.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use homing_core::testing::{http::headers::Edit, state::memory::Observation};
use support::{Reply, Story, World, region, settings};

fn play(world: World, fields: &[(&str, &str)]) -> Story {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.deeds(&[Reply::Answers(200, fields)]).play(&settings()).unwrap()
}

#[test]
fn the_record_says_what_the_origin_says_of_a_write() {
    for (said, wrote) in
        [(&[("homing-wrote", "1")][..], Some(true)), (&[("homing-wrote", "0")], Some(false)), (&[], None)]
    {
        let story = play(World::new("PUT /orders/1"), said);
        assert_eq!(story.end().record.wrote, wrote, "{said:?}");
    }
}

#[test]
fn lags_are_learned_of_a_region_and_not_of_a_cache_before_it() {
    let lags = |fields: &[(&str, &str)]| -> Vec<_> {
        let observed = play(World::new("GET /catalog/1").near("eu"), fields).observations.into_iter();
        let of = |one| match one {
            Observation::Lag { region, source, lag } => Some((region, source, lag)),
            _ => None,
        };
        observed.filter_map(of).collect()
    };
    let told = ("homing-lag", "us=12, eu=7, xx=1, ap=x");
    assert_eq!(lags(&[told]), [(region("eu"), region("us"), Duration::from_millis(12))], "none of itself");
    assert_eq!(lags(&[told, ("cf-cache-status", "HIT")]), [], "what a cache repeats was true at some time before");
}

/// RFC 9111 section 5.2.2.7: a session is one client's.
#[test]
fn an_answer_with_a_session_is_kept_from_shared_caches_and_another_is_as_the_origin_has_said() {
    let public = ("cache-control", "public, max-age=60");
    let written = play(World::new("PUT /orders/1"), &[public]);
    assert!(written.says("set-cookie").is_some(), "{:?}", written.end().edits);
    assert_eq!(written.says("cache-control"), Some("max-age=60, private"));
    let removes =
        |story: &Story, name: &str| story.end().edits.iter().any(|edit| *edit == Edit::Remove(name.to_owned()));
    assert!(removes(&written, "cdn-cache-control") && removes(&written, "surrogate-control"));
    let read = play(World::new("GET /catalog/none/1"), &[public]);
    assert_eq!((read.says("set-cookie"), read.says("cache-control")), (None, None));
    assert!(!removes(&read, "cdn-cache-control"));
}
