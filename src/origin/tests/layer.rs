//! The layer: the fence, the signature, positions, and what handlers are told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use homing_origin::{Asked, EpochStore, Intent, Mark, Ownership, Refusal, Settings, Unit, say, subject_id};
use http::Method;
use http_body_util::Full;
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

/// What this region writes may reach a third one ahead of the old owner's log, which alone would say whose it is.
#[tokio::test]
async fn an_owner_that_hears_of_itself_in_anothers_log_says_so_in_its_own_before_it_writes() {
    let region = region();
    let (catalog, [moved, back]) =
        (Unit::dataset("catalog"), [("eu", 4), ("us", 5)].map(|(home, epoch)| Ownership::new(home, epoch)));
    region.homing.announced(&catalog, &moved).await.unwrap();
    assert_eq!(region.app.told(), [""; 0], "another's it need not tell");
    region.homing.announced(&catalog, &back).await.unwrap();
    assert_eq!(region.app.told(), ["announced catalog us 5"]);
    region.homing.announced(&catalog, &back).await.unwrap();
    assert_eq!(region.write("us", 5).await.status, 200);
    assert_eq!(region.app.told(), [""; 0], "once is enough");
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
    let region = support::region_over(Settings::unsigned("eu"), homing_origin::store::Memory::of(support::known()));
    let (dataset, write) = (("homing-dataset", "catalog"), ("homing-intent", "write"));
    assert_eq!(send(&region, Method::PUT, &[dataset, write]).await, 421, "an owner is known, though none is claimed");
    assert_eq!(send(&region, Method::GET, &[dataset, write]).await, 421, "a GET that writes");
    assert_eq!(send(&region, Method::POST, &[dataset, ("homing-intent", "read")]).await, 200, "a POST that reads");
    let clock = ("homing-clock", "0195f0000000-0000-00000000");
    let several = [dataset, write, clock, ("homing-home", "eu"), ("homing-epoch", "9")];
    assert_eq!(send(&region, Method::PUT, &several).await, 200, "multi-writer");
    assert_eq!(region.write("eu", 3).await.owner(), (421, Some("us"), Some("3")), "which claims nothing");
}

/// A client keeps its login and leaves the session out, so the router asks about nobody: the region may have heard nothing of the
/// user, whom another region owns.
#[tokio::test]
async fn a_write_that_names_no_subject_needs_a_region_that_was_told_of_its_owner() {
    let region = region();
    let asked = region.asked(&[("homing-dataset", "cart")]).await;
    let ada = asked.about("user", "ada").unwrap();
    assert_eq!(ada, Unit::subject("GdAZGkoHV5U4-Bo_P4T8RX"));
    let refused = region.homing.enter(&asked, &ada).await.unwrap_err();
    assert_eq!(refused, Refusal::OfSubject(ada.clone()));
    let answer = refused.into_response::<Full<Bytes>>();
    let said = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!((answer.status().as_u16(), said("homing-wrote")), (421, Some("0")));
    assert_eq!((said("homing-subject"), said("homing-home")), (Some("~GdAZGkoHV5U4-Bo_P4T8RX"), None));

    region.homing.learn(&ada, &Ownership::new("us", 1)).await.unwrap();
    assert!(region.homing.enter(&asked, &ada).await.is_ok(), "it is at home");
    region.homing.learn(&ada, &Ownership::new("eu", 2)).await.unwrap();
    let refused = region.homing.enter(&asked, &ada).await.unwrap_err();
    // An owner alone would be taken for that of what was asked about.
    assert_eq!(refused, Refusal::OfSubjectIn(ada, Ownership::new("eu", 2)));
    let answer = refused.into_response::<Full<Bytes>>();
    let said = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!((said("homing-subject"), said("homing-home")), (Some("~GdAZGkoHV5U4-Bo_P4T8RX"), Some("eu")));
}

/// The session is of one user and the login of another; or a request writes what it is not about.
#[tokio::test]
async fn a_request_about_one_subject_writes_no_other() {
    let (region, of_bob) = (region(), subject_id("user", "bob"));
    let claim = [("homing-home", "us"), ("homing-epoch", "1")];
    let about_bob = [("homing-dataset", "cart"), ("homing-subject", &*of_bob), claim[0], claim[1]];
    let asked = region.asked(&about_bob).await;
    let (ada, bob) = (Unit::subject(&subject_id("user", "ada")), Unit::subject(&of_bob));
    assert_eq!(asked.about("user", "bob"), Ok(bob.clone()));
    assert_eq!(asked.about("user", "ada"), Err(Refusal::OfSubject(ada.clone())));
    assert!(asked.about("tenant", "bob").is_err(), "another kind is another subject");

    let enter = async |asked: &Asked, unit: &Unit| region.homing.enter(asked, unit).await.err();
    assert_eq!(enter(&asked, &ada).await, Some(Refusal::NotAbout(ada.clone())));
    region.homing.learn(&ada, &Ownership::new("eu", 7)).await.unwrap();
    let refused = enter(&asked, &ada).await.unwrap();
    let answer = refused.into_response::<Full<Bytes>>();
    let names = ["homing-home", "homing-epoch", "homing-subject"];
    assert!(
        names.iter().all(|name| !answer.headers().contains_key(*name)),
        "the router would take ada's home for bob's"
    );
    region.homing.learn(&Unit::dataset("catalog"), &Ownership::new("eu", 4)).await.unwrap();
    let catalog = Unit::dataset("catalog");
    assert_eq!(enter(&asked, &catalog).await, Some(Refusal::NotAbout(catalog)));
    assert!(enter(&asked, &bob).await.is_none());
}

/// An edge that follows a 421 of one user's for the dataset makes somebody the owner of everybody's carts.
#[tokio::test]
async fn a_dataset_that_is_split_has_no_owner_as_a_whole() {
    let (region, cart) = (region(), Unit::dataset("cart"));
    let asked = region.asked(&[("homing-dataset", "cart"), ("homing-home", "us"), ("homing-epoch", "5")]).await;
    let refused = region.homing.enter(&asked, &cart).await.unwrap_err();
    assert_eq!(refused, Refusal::Split(cart.clone()));
    assert!(region.homing.learn(&cart, &Ownership::new("us", 5)).await.is_err());
    for op in ["grant", "learn&home=us", "pause&id=1&for_ms=9", "depose&id=1&to=eu", "renew&for_ms=9"] {
        assert_eq!(region.post(&format!("op={op}&unit=cart@5")).await.0, 400, "{op}");
    }
    assert_eq!(region.homing.store().standing(&cart).await.unwrap(), homing_origin::Standing::default());
    assert_eq!(region.app.told(), [""; 0]);
}

/// An application that forgot to say that its carts are split.
#[tokio::test]
async fn a_dataset_of_which_the_router_names_no_owner_is_split_whoever_forgot_to_say_so() {
    let region = region();
    let (about, claim) = (("homing-dataset", "wishes"), [("homing-home", "us"), ("homing-epoch", "1")]);
    let nobodys = [("homing-intent", "write"), ("homing-region", "us"), about];
    assert_eq!(region.send(request(Method::POST, "/api/wishes", &nobodys)).await.status, 421);
    assert!(region.app.0.asked.lock().unwrap().is_none(), "before anything was done");
    region.asked(&[about, claim[0], claim[1]]).await;
}

#[tokio::test]
async fn the_contracts_addresses_are_for_no_client_and_for_no_cache() {
    let region = region();
    for path in ["/.well-known/homing", "/.well-known/homing/ownership?unit=catalog"] {
        let own = region.send(request(Method::GET, path, &[])).await;
        assert_eq!((own.status, own.header("cache-control")), (200, Some("no-store")), "{path}");
        for field in [("cdn-loop", "homing"), ("cdn-loop", "other; hops=1, homing"), ("homing-region", "us")] {
            let forwarded = region.send(request(Method::GET, path, &[field])).await;
            assert_eq!(forwarded.status, 404, "{path} {field:?}: a client asks through the router");
        }
    }
}

#[tokio::test]
async fn with_a_key_only_the_routers_own_word_counts() {
    let region =
        region_with(Settings::with_key("us", "the new key, not in use at the router").unwrap().and_key(KEY).unwrap());
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

fn mark(home: &str, epoch: u64, position: &str) -> Mark {
    Mark { owner: Ownership::new(home, epoch), position: position.to_owned() }
}

#[tokio::test]
async fn an_answer_says_what_it_shows_asked_behind_the_handler_and_before_the_position() {
    let region = region();
    *region.app.0.shows.lock().unwrap() = Some(mark("us", 3, "1"));
    for _ in 0..3 {
        region.write("us", 3).await;
    }
    region.app.0.order.lock().unwrap().clear();
    assert_eq!(region.send(read(&[])).await.header("homing-position"), Some("catalog=3; least=3; shows=1"));
    // Before the handler it would miss what is applied between the two; behind the position it could lie beyond that.
    assert_eq!(*region.app.0.order.lock().unwrap(), ["position", "handler", "shows", "position"]);
    assert_eq!(region.write("us", 3).await.header("homing-position"), Some("catalog=4; shows=1"));
}

#[tokio::test]
async fn what_a_handler_says_that_it_shows_stands_and_nobody_else_is_asked() {
    let region = region();
    *region.app.0.shows.lock().unwrap() = Some(mark("us", 3, "9"));
    for _ in 0..12 {
        region.write("us", 3).await;
    }
    let says = async |fields: Vec<say::Field>| {
        *region.app.0.says.lock().unwrap() = fields;
        region.app.0.order.lock().unwrap().clear();
        let answer = region.send(read(&[])).await;
        assert_eq!(answer.header("homing-shows"), None, "it is between handler and layer");
        (answer.header("homing-position").map(str::to_owned), region.app.0.order.lock().unwrap().contains(&"shows"))
    };
    let shows = |position: &str| say::shows(&mark("us", 3, position));
    let answered = |text: &str| (Some(text.to_owned()), false);
    assert_eq!(says(vec![shows("2")]).await, answered("catalog=12; least=12; shows=2"));
    assert_eq!(says(vec![shows("2"), shows("10")]).await, answered("catalog=12; least=12; shows=10"), "the latest");
    let own = vec![say::position("catalog", "7", Some("6"), Some("5"))];
    assert_eq!(says(own).await, answered("catalog=7; least=6; shows=5"));
    // What cannot be believed leaves the position, which is never too low; it is not made up from elsewhere.
    let useless = [mark("us", 2, "2"), mark("eu", 3, "2"), mark("us", 3, "13"), mark("us", 3, "0/2")];
    for useless in useless {
        let expected = answered("catalog=12; least=12");
        assert_eq!(says(vec![say::shows(&useless)]).await, expected, "{useless:?}");
        assert_eq!(says(vec![shows("2"), say::shows(&useless)]).await, expected, "{useless:?}");
    }
}

#[tokio::test]
async fn what_an_application_says_of_another_epoch_or_beyond_its_copy_is_left_out() {
    let region = region();
    for (said, expected) in [
        (mark("us", 3, "0"), "catalog=0; least=0; shows=0"),
        (mark("us", 3, "1"), "catalog=0; least=0"),
        (mark("us", 2, "0"), "catalog=0; least=0"),
        (mark("us", 4, "0"), "catalog=0; least=0"),
    ] {
        *region.app.0.shows.lock().unwrap() = Some(said.clone());
        assert_eq!(region.send(read(&[])).await.header("homing-position"), Some(expected), "{said:?}");
    }
}

/// Without a position the session would not know what it has seen, and another copy could show it less.
#[tokio::test]
async fn a_read_whose_position_cannot_be_read_any_more_is_not_answered_unless_the_copy_had_all_that_it_shows() {
    let region = region();
    for _ in 0..3 {
        region.write("us", 3).await;
    }
    let answers = async |request, looks: u64, says: Vec<say::Field>| {
        *region.app.0.says.lock().unwrap() = says;
        *region.app.0.dies_after.lock().unwrap() = Some(region.app.0.looks.load(Ordering::SeqCst) + looks);
        let said = region.send(request).await;
        (said.status, said.header("homing-position").map(str::to_owned), said.header("homing-wrote").map(str::to_owned))
    };
    let refused = (503, None, Some("0".to_owned()));
    let answered =
        |position: Option<&str>, wrote: Option<&str>| (200, position.map(str::to_owned), wrote.map(str::to_owned));
    let shows = |position: &str| vec![say::shows(&mark("us", 3, position))];
    assert_eq!(answers(read(&[]), 1, Vec::new()).await, refused, "it may show all that there is by now");
    assert_eq!(answers(read(&[]), 1, shows("4")).await, refused, "that came between");
    assert_eq!(answers(read(&[]), 1, vec![say::shows(&mark("us", 2, "2"))]).await, refused, "of another log");
    assert_eq!(answers(read(&[]), 1, shows("2")).await, answered(Some("catalog=3; least=3; shows=2"), None));
    assert_eq!(answers(read(&[]), 0, shows("2")).await, answered(None, None), "it has never said how far it is");
    let sign_in = vec![say::subject("ann")];
    assert_eq!(
        answers(read(&[]), 1, sign_in).await,
        answered(None, None),
        "a sign-in shows nothing, and is not repeated"
    );
    let own = vec![say::position("catalog", "3", None, None)];
    assert_eq!(answers(read(&[]), 1, own).await, answered(Some("catalog=3"), None), "the handler knows");
    // What was written stays written. The router opens a window for what tells no position.
    assert_eq!(answers(read(&[]), 1, vec![say::wrote(true)]).await, answered(None, Some("1")));
    assert_eq!(answers(write("us", 3), 0, Vec::new()).await, answered(None, None));
    // An application that says nothing of positions, or cannot at any time, is promised nothing and answers what it likes.
    assert_eq!(answers(read(&[]), 0, Vec::new()).await, answered(None, None));
    assert_eq!(answers(request(Method::GET, "/x", &[]), 0, Vec::new()).await, answered(None, None), "of no dataset");
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

/// The authority, or a claim, tells this region of a new owner, and of that one's log nothing is here yet. Whoever took the label for
/// the data would show a session less than it has seen, and call it enough.
#[tokio::test]
async fn a_copy_that_was_told_of_an_owner_is_none_of_its_epoch_before_the_log_says_so() {
    let asks = async |region: &support::Region, home, epoch, least| {
        let headers = [("homing-home", home), ("homing-epoch", epoch), ("homing-min-position", least)];
        region.send(read(&headers)).await.status
    };
    for told in ["by the authority", "by a claim"] {
        let region = region();
        region.write("us", 3).await;
        if told == "by a claim" {
            assert_eq!(region.write("eu", 4).await.owner(), (421, Some("eu"), Some("4")));
        } else {
            assert_eq!(region.post("op=learn&home=eu&unit=catalog@4").await.0, 200);
        }
        assert_eq!(
            region.write("us", 3).await.owner(),
            (421, Some("eu"), Some("4")),
            "{told}: writes go by it at once"
        );
        let seen = region.send(read(&[])).await;
        assert_eq!(
            (seen.header("homing-position"), seen.owner()),
            (Some("catalog=1; least=1"), (200, Some("us"), Some("3")))
        );
        assert_eq!(asks(&region, "eu", "4", "catalog=0").await, 503, "{told}: nothing of eu's log is here");
        assert_eq!(asks(&region, "eu", "3", "catalog=1").await, 503);
        assert_eq!(region.get("reached=catalog&of=eu&epoch=4&position=0").await.1["reached"], false, "{told}");
        assert_eq!(
            region.get("reached=catalog&of=us&epoch=3&position=1").await.1["reached"],
            true,
            "it has all of us's"
        );
        let health = region.send(request(Method::GET, "/.well-known/homing", &[])).await.body;
        assert_eq!((&health["epochs"]["catalog"], &health["position"]["catalog"]), (&json!(4), &json!(null)));

        region.homing.announced(&Unit::dataset("catalog"), &Ownership::new("eu", 4)).await.unwrap();
        assert_eq!(asks(&region, "eu", "4", "catalog=1").await, 200, "{told}: now the log has said so");
        assert_eq!(region.send(read(&[])).await.owner(), (200, Some("eu"), Some("4")));
    }
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
