//! The ownership address: how an ownership moves, and what a lease is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use homing_origin::{Settings, Unit};
use http::Method;
use serde_json::json;
use support::{KEY, authority, read, region, region_with, signed};
use tokio::{
    sync::Semaphore,
    time::{advance, sleep},
};

#[tokio::test(start_paused = true)]
async fn an_ownership_moves_without_losing_a_write() {
    let region = region();
    region.write("us", 3).await;
    let paused = region.post("op=pause&id=1&for_ms=5000&unit=catalog@3").await;
    assert_eq!(paused, (200, json!({ "positions": { "catalog": "1" } })));
    let held = region.write("us", 3).await;
    assert_eq!((held.status, held.header("retry-after"), held.header("homing-wrote")), (503, Some("1"), Some("0")));
    assert_eq!(region.send(read(&[])).await.status, 200, "reads go on");
    let unit = json!({ "unit": "catalog", "home": "us", "epoch": 3, "pause": 1, "lease_ms": null });
    assert_eq!(region.get("unit=catalog").await, (200, json!({ "region": "us", "units": [unit] })));

    let given = (200, json!({ "home": "eu", "epoch": 4 }));
    for _ in 0..2 {
        assert_eq!(region.post("op=depose&id=1&to=eu&unit=catalog@3").await, given);
    }
    assert_eq!(region.app.told()[..2], ["announced catalog eu 4", "deposed catalog eu 4"]);
    assert_eq!(region.write("us", 3).await.owner(), (421, Some("eu"), Some("4")));
    for _ in 0..2 {
        assert_eq!(region.post("op=resume&id=1").await, (200, json!({})));
    }
    let not_owner = (409, json!({ "state": "not-owner", "home": "eu", "epoch": 4 }));
    for query in [
        "op=pause&id=2&for_ms=9&unit=catalog@3",
        "op=depose&id=1&to=ap&unit=catalog@3",
        "op=renew&for_ms=9&unit=catalog@3",
    ] {
        assert_eq!(region.post(query).await, not_owner, "{query}");
    }
}

/// A write says where the log is after it, and that must not be beyond what the pause answers.
#[tokio::test(start_paused = true)]
async fn a_write_is_in_flight_until_it_has_said_its_position() {
    let region = region();
    let hold = Arc::new(Semaphore::new(0));
    *region.app.0.hold_looks.lock().unwrap() = Some(Arc::clone(&hold));
    let writing = region.write("us", 3);
    let pausing = region.post("op=pause&id=1&for_ms=60000&unit=catalog@3");
    let releasing = async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(region.app.0.looks.load(Ordering::SeqCst), 1, "the pause looks after the write has");
        hold.add_permits(2);
    };
    let (wrote, paused, ()) = tokio::join!(writing, pausing, releasing);
    assert_eq!((wrote.status, paused.0), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn a_pause_waits_for_writes_in_flight_and_answers_with_what_they_wrote() {
    let region = region();
    let hold = region.app.hold();
    let write = region.write("us", 3);
    tokio::pin!(write);
    let pause = region.post("op=pause&id=1&for_ms=60000&unit=catalog@3");
    tokio::pin!(pause);
    tokio::select! {
        biased;
        _ = &mut write => panic!("it is held"),
        _ = &mut pause => panic!("a write is in flight"),
        () = sleep(Duration::from_secs(9)) => hold.add_permits(1),
    }
    assert_eq!(region.write("us", 3).await.status, 503, "no other write begins meanwhile");
    let (wrote, paused) = tokio::join!(write, pause);
    assert_eq!((wrote.status, paused), (200, (200, json!({ "positions": { "catalog": "1" } }))));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_does_not_end_keeps_a_pause_waiting_no_longer_than_it_may() {
    let region = region();
    let hold = region.app.hold();
    let write = region.write("us", 3);
    tokio::pin!(write);
    let (status, body) = tokio::select! {
        biased;
        _ = &mut write => panic!("it is held"),
        answer = region.post("op=pause&id=1&for_ms=60000&unit=catalog@3") => answer,
    };
    assert_eq!((status, &body["state"]), (503, &json!("busy")));
    assert_eq!(region.write("us", 3).await.status, 503, "the pause holds");
    hold.add_permits(1);
    write.await;
    let again = region.post("op=pause&id=1&for_ms=60000&unit=catalog@3").await;
    assert_eq!(again, (200, json!({ "positions": { "catalog": "1" } })), "asked again, it waits on");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_one_at_a_time_and_ends_by_itself() {
    let region = region();
    let pause = |id: u64, ms: u64| region.post_owned(format!("op=pause&id={id}&for_ms={ms}&unit=catalog@3"));
    assert_eq!(pause(1, 1000).await.0, 200);
    assert_eq!(pause(2, 1000).await, (409, json!({ "state": "paused", "id": 1 })));
    advance(Duration::from_millis(900)).await;
    assert_eq!(pause(1, 1000).await.0, 200, "for longer");
    advance(Duration::from_millis(900)).await;
    assert_eq!(region.write("us", 3).await.status, 503);
    advance(Duration::from_millis(200)).await;
    assert_eq!(region.post("op=depose&id=1&to=eu&unit=catalog@3").await, (409, json!({ "state": "not-paused" })));
    assert_eq!(region.write("us", 3).await.status, 200);
    assert_eq!(pause(2, 1000).await.0, 200);
    assert_eq!(region.post("op=resume&id=2").await.0, 200);
    assert_eq!(region.write("us", 3).await.status, 200);
    assert_eq!(pause(2, 1000).await, (409, json!({ "state": "over" })), "what is late on its way pauses nobody anew");
    assert_eq!(pause(3, 0).await.0, 400);
    assert_eq!(pause(3, 600_001).await.0, 400);
}

/// Either a unit is given away, or a write goes through after its pause has run out; never both, whichever comes first.
#[tokio::test(start_paused = true)]
async fn a_pause_that_runs_out_races_with_giving_the_unit_away() {
    for late in [999, 1000, 1001] {
        for write_first in [true, false] {
            let region = region();
            region.post("op=pause&id=1&for_ms=1000&unit=catalog@3").await;
            advance(Duration::from_millis(late)).await;
            let depose = region.post("op=depose&id=1&to=eu&unit=catalog@3");
            let ((given, _), wrote) = if write_first {
                let wrote = region.write("us", 3).await.status;
                (depose.await, wrote)
            } else {
                (depose.await, region.write("us", 3).await.status)
            };
            assert!(!(given == 200 && wrote == 200), "{late} {write_first}: {given} {wrote}");
            assert!(given == 200 || region.write("us", 3).await.status != 421, "{late} {write_first}");
        }
    }
}

#[tokio::test]
async fn a_grant_is_believed_once_the_application_can_take_writes() {
    let region = region_with(Settings::unsigned("us"));
    region.write("eu", 4).await;
    region.app.told();
    for query in ["op=grant&unit=catalog@3", "op=grant&unit=catalog@4"] {
        assert_eq!(region.post(query).await, (409, json!({ "state": "later", "home": "eu", "epoch": 4 })), "{query}");
    }
    assert!(region.app.told().is_empty(), "nobody was promoted");
    region.app.0.cannot_be_granted.store(true, Ordering::SeqCst);
    let (status, body) = region.post("op=grant&unit=catalog@5").await;
    assert_eq!((status, &body["error"]), (503, &json!("the standby will not be promoted")));
    assert_eq!(region.write("us", 4).await.owner(), (421, Some("eu"), Some("4")));
    region.app.0.cannot_be_granted.store(false, Ordering::SeqCst);
    region.app.told();
    for _ in 0..2 {
        assert_eq!(region.post("op=grant&unit=catalog@5").await, (200, json!({ "home": "us", "epoch": 5 })));
        assert_eq!(region.app.told(), ["granted catalog us 5", "announced catalog us 5"], "again, it does no harm");
    }
    assert_eq!(region.write("us", 5).await.status, 200);
    assert_eq!(region.post("op=grant&unit=~ada@1").await.0, 200, "a subject that nobody has heard of");
    let positions = region.post("op=pause&id=1&for_ms=1000&unit=~ada@1").await.1;
    assert_eq!(positions, json!({ "positions": { "cart": "1", "notes": "1" } }));
}

#[tokio::test]
async fn reached_is_a_matter_of_the_epoch_and_then_of_the_length() {
    let region = region();
    region.write("us", 3).await;
    for (query, expected) in [
        ("reached=catalog&of=us&epoch=3&position=1", true),
        ("reached=catalog&of=us&epoch=3&position=2", false),
        ("reached=catalog&of=us&epoch=2&position=1", false),
        ("reached=catalog&of=us&epoch=4&position=0", false),
        ("reached=catalog&of=eu&epoch=3&position=0", false),
    ] {
        assert_eq!(region.get(query).await, (200, json!({ "reached": expected, "position": "1" })), "{query}");
    }
    let of_nobody = region.get("reached=cart&unit=~ada&of=us&epoch=1&position=0").await;
    assert_eq!(
        of_nobody,
        (200, json!({ "reached": false, "position": null })),
        "nobody knows in whose log it would be"
    );
    region.post("op=grant&unit=~ada@1").await;
    assert_eq!(region.get("reached=cart&unit=%7Eada&of=us&epoch=1&position=0").await.1["reached"], true);
    assert_eq!(region.get("reached=catalog&of=us&epoch=3").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn with_a_lease_an_owner_that_hears_nothing_stops_writing() {
    let settings = || Settings::unsigned("us").with_lease(|unit| unit.as_dataset() == Some("catalog"));
    let region = region_with(settings());
    let renew = "op=renew&unit=catalog@3&for_ms=10000";
    let held = region.write("us", 3).await;
    assert_eq!(
        (held.status, held.header("homing-wrote"), held.header("retry-after")),
        (503, Some("0"), Some("1")),
        "after a start"
    );
    assert_eq!(region.post(renew).await.0, 200);
    assert_eq!(region.write("us", 3).await.status, 200);
    advance(Duration::from_secs(9)).await;
    assert_eq!(region.get("unit=catalog").await.1["units"][0]["lease_ms"], 1000);
    assert_eq!(region.post(renew).await.0, 200);
    advance(Duration::from_secs(9)).await;
    assert_eq!(region.write("us", 3).await.status, 200);
    advance(Duration::from_secs(1)).await;
    assert_eq!(region.write("us", 3).await.status, 503);
    assert_eq!(region.get("unit=catalog").await.1["units"][0]["lease_ms"], 0);
    assert_eq!(region.post(renew).await.0, 200);
    assert_eq!(region.write("us", 3).await.status, 200, "it goes on");
    assert_eq!(
        region.write("eu", 4).await.owner(),
        (421, Some("eu"), Some("4")),
        "and hears what was decided without it"
    );
    assert_eq!(region.post("op=grant&unit=catalog@5").await.0, 200);
    assert_eq!(region.write("us", 5).await.status, 503, "a lease is of one epoch");
    assert_eq!(region.post("op=renew&unit=catalog@5&for_ms=10000&at=1").await.0, 200);
    assert_eq!(region.write("us", 5).await.status, 503, "one that was late on its way is over already");
    assert_eq!(region.post("op=grant&unit=catalog@5&for_ms=10000").await.0, 200);
    assert_eq!(region.write("us", 5).await.status, 200, "a grant brings the first one");
    assert_eq!(region.post("op=renew&unit=catalog@5&for_ms=10000&at=1").await.0, 200);
    assert_eq!(region.write("us", 5).await.status, 200, "and one that was overtaken does not shorten it");
    assert_eq!(region.post("op=grant&unit=~ada@1").await.0, 200);
    assert_eq!(region.get("unit=~ada").await.1["units"][0]["lease_ms"], json!(null), "not leased");
}

#[tokio::test(start_paused = true)]
async fn a_fence_in_a_transaction_sees_that_the_lease_has_run_out() {
    let region = region_with(Settings::unsigned("us").with_lease(|_| true));
    region.post("op=renew&unit=catalog@3&for_ms=1000").await;
    region.write("us", 3).await;
    let asked = region.app.0.asked.lock().unwrap().take().unwrap();
    let unit = Unit::dataset("catalog");
    let standing = homing_origin::EpochStore::standing(region.homing.store(), &unit).await.unwrap();
    assert_eq!(asked.admit(&unit, &standing), Ok(()));
    advance(Duration::from_secs(1)).await;
    assert_eq!(asked.admit(&unit, &standing), Err(homing_origin::Refusal::NoLease));
}

#[tokio::test]
async fn the_address_answers_the_authority_and_nobody_else() {
    let region = region_with(Settings::with_key("us", KEY).unwrap());
    let ask = || authority(Method::POST, "op=resume&id=1");
    assert_eq!(region.send(signed(ask(), KEY, 0)).await.status, 200);
    assert_eq!(region.send(ask()).await.status, 403);
    assert_eq!(region.send(signed(ask(), "another key", 0)).await.status, 403);
    assert_eq!(region.send(authority(Method::GET, "unit=catalog")).await.status, 403);
    // A client may send this through the router, which signs it.
    for (name, value) in
        [("homing-region", "us"), ("homing-intent", "write"), ("cdn-loop", "cloudflare; loops=1, homing")]
    {
        let mut forwarded = ask();
        forwarded.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(region.send(signed(forwarded, KEY, 0)).await.status, 404, "{name}");
    }
    let mut beside = ask();
    beside.headers_mut().insert("cdn-loop", "cloudflare; loops=1".parse().unwrap());
    assert_eq!(region.send(signed(beside, KEY, 0)).await.status, 200);
}

#[tokio::test]
async fn a_region_hears_of_its_subject_by_the_pause_and_of_others_in_its_absence() {
    let region = region();
    assert_eq!(region.post("op=pause&id=1&for_ms=1000&unit=~ada@1").await.0, 200);
    assert_eq!(region.app.told(), ["announced ~ada us 1"]);
    for _ in 0..2 {
        let heard = (200, json!({ "home": "ap", "epoch": 7 }));
        assert_eq!(region.post("op=learn&home=ap&unit=catalog@7").await, heard);
        assert_eq!(region.post("op=learn&home=eu&unit=catalog@5").await, heard, "forward only");
    }
    assert_eq!(region.app.told(), ["deposed catalog ap 7"]);
    assert_eq!(region.write("us", 3).await.owner(), (421, Some("ap"), Some("7")));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let region = region();
    for query in [
        "",
        "op=pause",
        "op=promote&unit=catalog@3",
        "op=pause&id=1&for_ms=x&unit=catalog@3",
        "op=pause&id=&for_ms=9&unit=catalog@3",
        "op=pause&id=1&for_ms=9&unit=catalog",
        "op=grant&unit=a%20b@1",
        "op=grant&unit=catalog@-1",
        "op=grant&unit=catalog@9223372036854775808",
        "op=depose&id=1&unit=catalog@3",
        "op=resume",
        "op=resume&id=a",
        "op=learn&unit=catalog@9",
    ] {
        let (status, body) = region.post(query).await;
        assert_eq!((status, &body["state"]), (400, &json!("malformed")), "{query:?}");
    }
    assert_eq!(region.authority(Method::DELETE, "unit=catalog").await.0, 405);
    assert_eq!(region.write("us", 3).await.status, 200);
    let nobody = json!({ "unit": "~ada", "home": null, "epoch": 0, "pause": null, "lease_ms": null });
    assert_eq!(region.get("unit=~ada").await.1["units"], json!([nobody]));
}

/// The router has guessed that this region is the home of somebody whose data is elsewhere: by a guess nothing is paused and given away.
#[tokio::test(start_paused = true)]
async fn nobody_is_given_away_from_where_the_data_is_not() {
    let region = region_with(Settings::unsigned("us").with_first_home("eu"));
    let elsewhere = (409, json!({ "state": "not-owner", "home": "eu", "epoch": 0 }));
    assert_eq!(region.post("op=pause&id=1&for_ms=5000&unit=~grace@1").await, elsewhere);
    assert_eq!(region.post("op=resume&id=1&unit=~grace@1").await.0, 200);
    let known = region.get("unit=~grace").await.1;
    assert_eq!(known["units"][0]["epoch"], 0, "and it takes itself for the owner by neither");
}
