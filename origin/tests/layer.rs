//! The layer: the fence, the signature, positions, and what handlers are told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use homing_origin::{EpochStore, Intent, Settings, Unit};
use http::Method;
use serde_json::json;
use support::{KEY, read, region, region_with, request, signed, write};

#[tokio::test]
async fn a_write_goes_through_at_the_owner_by_its_own_epoch_alone() {
    let region = region();
    assert_eq!(region.write("us", 3).await.status, 200);
    for (home, epoch) in [("us", 2), ("eu", 2), ("eu", 3)] {
        let refused = region.write(home, epoch).await;
        assert_eq!(refused.owner(), (421, Some("us"), Some("3")), "{home} {epoch}");
        assert_eq!(refused.header("homing-wrote"), Some("0"));
        assert_eq!((&refused.body["home"], &refused.body["epoch"]), (&json!("us"), &json!(3)));
    }
    assert_eq!(region.app.position(), 1, "the application was asked once");
}

#[tokio::test]
async fn a_later_epoch_is_believed_and_makes_an_owner_know_itself_deposed() {
    let region = region();
    assert_eq!(region.write("eu", 4).await.owner(), (421, Some("eu"), Some("4")));
    assert_eq!(region.write("us", 3).await.owner(), (421, Some("eu"), Some("4")));
    assert_eq!(region.app.told(), ["deposed catalog eu 4"]);
    assert_eq!(region.write("us", 5).await.status, 200);
    assert_eq!(region.write("us", 5).await.status, 200);
    assert_eq!(region.app.told(), ["announced catalog us 5"], "once, as it got here");
}

#[tokio::test]
async fn a_first_assignment_gets_here_with_the_first_write_and_is_of_the_subject() {
    let region = region();
    let of = |dataset: &str, home: &str| {
        let headers = [
            ("homing-home", home),
            ("homing-epoch", "1"),
            ("homing-dataset", dataset),
            ("homing-subject", "ada"),
            ("homing-intent", "write"),
        ];
        request(Method::POST, "/api/cart", &headers)
    };
    assert_eq!(region.send(of("cart", "us")).await.status, 200);
    assert_eq!(region.app.told(), ["announced ~ada us 1"]);
    assert_eq!(region.send(of("notes", "us")).await.status, 200, "one home for all that is the subject's");
    assert_eq!(region.send(of("notes", "eu")).await.owner(), (421, Some("us"), Some("1")));
}

#[tokio::test]
async fn what_has_no_owner_or_several_is_not_fenced() {
    let send = async |region: &support::Region, method, fields: &[(&str, &str)]| {
        region.send(request(method, "/x", fields)).await.status
    };
    assert_eq!(send(&region(), Method::PUT, &[]).await, 200, "no dataset");
    let region = support::region_over(Settings::new("eu"), homing_origin::store::Memory::of(support::known()));
    let (dataset, write) = (("homing-dataset", "catalog"), ("homing-intent", "write"));
    assert_eq!(send(&region, Method::PUT, &[dataset, write]).await, 421, "an owner is known, though none is claimed");
    assert_eq!(send(&region, Method::GET, &[dataset, write]).await, 421, "a GET that writes");
    assert_eq!(send(&region, Method::POST, &[dataset, ("homing-intent", "read")]).await, 200, "a POST that reads");
    let clock = ("homing-clock", "0195f0000000-0000-00000000");
    let several = [dataset, write, clock, ("homing-home", "eu"), ("homing-epoch", "9")];
    assert_eq!(send(&region, Method::PUT, &several).await, 200, "multi-writer");
    assert_eq!(region.write("eu", 3).await.owner(), (421, Some("us"), Some("3")), "which claims nothing");
}

#[tokio::test]
async fn with_a_key_only_the_routers_own_word_counts() {
    let region = region_with(Settings::new("us").with_key("the new key, not in use at the router").with_key(KEY));
    assert_eq!(region.send(signed(write("us", 3), KEY, 0)).await.status, 200);
    assert_eq!(region.send(signed(write("us", 3), KEY, 59_000)).await.status, 200);
    for forged in [
        write("us", 3),
        signed(write("us", 3), "another key", 0),
        signed(write("us", 3), KEY, 61_000),
        request(Method::DELETE, "/x", &[]),
        request(Method::GET, "/x", &[("homing-intent", "write"), ("homing-dataset", "catalog")]),
        request(Method::POST, "/x", &[("homing-intent", "read")]),
    ] {
        let refused = region.send(forged).await;
        assert_eq!((refused.status, refused.header("homing-wrote")), (403, Some("0")));
    }
    let mut raised = signed(write("us", 3), KEY, 0);
    raised.headers_mut().insert("homing-epoch", "9".parse().unwrap());
    assert_eq!(region.send(raised).await.status, 403);
    let standing = region.homing.store().standing(&Unit::dataset("catalog")).await.unwrap();
    assert_eq!(standing.owner.unwrap().epoch, 3);

    let unsigned = region.send(read(&[("homing-min-position", "catalog=999")])).await;
    assert_eq!((unsigned.status, unsigned.header("homing-position")), (200, None), "answered like anybody's");
    assert_eq!(region.send(signed(read(&[]), KEY, 0)).await.header("homing-position"), Some("catalog=2; least=2"));
}

#[tokio::test]
async fn answers_say_how_far_the_copy_is_and_by_which_ownership() {
    let region = region();
    let wrote = region.write("us", 3).await;
    assert_eq!(wrote.header("homing-position"), Some("catalog=1"), "where it committed");
    assert_eq!(wrote.owner(), (200, Some("us"), Some("3")));
    let seen = region.send(read(&[])).await;
    assert_eq!(seen.header("homing-position"), Some("catalog=1; least=1"));
    assert_eq!(seen.header("homing-lag"), Some("eu=12"));
    assert_eq!(region.send(request(Method::GET, "/x", &[])).await.header("homing-position"), None, "of no dataset");
}

#[tokio::test]
async fn a_copy_that_is_behind_does_not_answer() {
    let region = region();
    region.write("us", 3).await;
    let asks = |home, epoch, least| {
        let headers = [("homing-home", home), ("homing-epoch", epoch), ("homing-min-position", least)];
        region.send(read(&headers))
    };
    assert_eq!(asks("us", "3", "catalog=1").await.status, 200);
    for (home, epoch, least) in
        [("us", "3", "catalog=2"), ("us", "2", "catalog=1"), ("us", "4", "catalog=1"), ("eu", "3", "catalog=1")]
    {
        let behind = asks(home, epoch, least).await;
        assert_eq!((behind.status, behind.header("homing-behind")), (503, Some("1")), "{home} {epoch} {least}");
        assert_eq!(behind.header("homing-position"), Some("catalog=1"), "and says how far it is");
    }
    assert_eq!(asks("us", "3", "notes=9").await.status, 200, "of another dataset");
    assert_eq!(asks("us", "3", "nonsense").await.status, 200);
}

#[tokio::test]
async fn a_read_that_was_sent_to_the_home_is_not_answered_by_one_that_is_none() {
    let region = region();
    let by = |home, epoch| region.send(read(&[("homing-home", home), ("homing-epoch", epoch)]));
    assert_eq!(by("us", "3").await.status, 200);
    assert_eq!(region.write("eu", 4).await.status, 421, "it hears of the new home");
    assert_eq!(by("us", "3").await.owner(), (421, Some("eu"), Some("4")));
    assert_eq!(by("eu", "4").await.status, 200, "sent to it as to any copy");
    assert_eq!(region.send(read(&[])).await.status, 200);
}

#[tokio::test]
async fn handlers_find_what_was_asked() {
    let region = region();
    let headers =
        [("homing-dataset", "cart"), ("homing-subject", "ada"), ("homing-intent", "write"), ("homing-clock", "1")];
    region.send(request(Method::POST, "/x", &headers)).await;
    let asked = region.app.0.asked.lock().unwrap().take().unwrap();
    assert_eq!((asked.intent, asked.unit(), &*asked.here), (Intent::Write, Some(Unit::subject("ada")), "us"));
    assert_eq!((asked.clock.as_deref(), asked.claim), (Some("1"), None));
}

#[tokio::test]
async fn the_health_address_says_how_the_region_is() {
    let answer = region().send(request(Method::GET, "/.well-known/homing", &[])).await;
    let expected = json!({
        "region": "us", "epochs": { "catalog": 3 }, "position": { "catalog": 0 },
        "lag_ms": { "eu": 12, "ap": null }, "reachable": { "eu": true, "ap": false },
    });
    assert_eq!((answer.status, answer.body), (200, expected));
}

#[test]
fn the_example_of_the_readme_is_the_one_that_is_compiled() {
    let example = include_str!("../examples/minimal.rs");
    let code = &example[example.find("use std").unwrap()..];
    assert!(include_str!("../README.md").contains(code), "copy examples/minimal.rs into README.md");
    let example = include_str!("../examples/postgres.rs");
    let (from, to) = (example.find("impl Application").unwrap(), example.find("\nasync fn show").unwrap());
    assert!(
        include_str!("../README.md").contains(&example[from..to]),
        "copy it from examples/postgres.rs into README.md"
    );
}
