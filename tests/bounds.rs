//! What lies exactly on a bound, and what nobody has: the places in which a mutated comparison shows (docs/mutants.md).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use homing_core::testing::{
    http::{
        answer::{Answer, Framing},
        headers::Headers,
    },
    model::{
        epoch::Epoch,
        position::{Position, PositionKind},
        subject::{SubjectId, SubjectKind},
    },
    ownership::{Evidence, Keeper, Ownership, stated::stated},
    session::Session,
    topology::{Topology, error::KeyPath, parse::parse, raw},
};
use support::{World, region, settings, topology};

fn answer<'a>(fields: &[(&'a str, &'a str)]) -> Answer<'a> {
    Answer { status: 421, headers: Headers(fields.to_vec()), framing: Framing::Delimited }
}

fn of(datasets: &str) -> Topology {
    let regions = ["us", "eu", "ap"].map(|name| format!(r#""{name}":{{"origin":"https://{name}.example"}}"#)).join(",");
    let identity = r#""IDENTITY":{"user":{"cookie":"uid"}}"#;
    let text = format!(r#"{{"REGIONS":{{{regions}}},"DATASETS":{{{datasets}}},{identity}}}"#);
    parse(&raw::from_json(&text).unwrap(), &KeyPath::default()).unwrap().0
}

/// No authority gives an epoch twice. If it did, nobody would change their mind by it.
#[test]
fn of_two_ownerships_of_one_epoch_the_first_stays() {
    let (topology, said) = (topology(), r#"{"home":"eu","epoch":3}"#);
    let of = |keeper| Ownership::kept(said, keeper, &topology, topology.all_regions()).unwrap().ownership;
    let (store, directory) = (of(Keeper::Store), of(Keeper::Directory));
    assert_eq!(store.or_later(directory).said_by(), Evidence::HomeStore);
    assert_eq!(directory.or_later(store).said_by(), Evidence::Directory);
}

#[test]
fn epoch_0_is_no_ownership() {
    let topology = topology();
    let all = topology.all_regions();
    let kept =
        |epoch: u64| Ownership::kept(&format!(r#"{{"home":"eu","epoch":{epoch}}}"#), Keeper::Store, &topology, all);
    assert!(kept(0).is_none() && kept(1).is_some());
    let named = |epoch| Ownership::named(&answer(&[("homing-home", "eu"), ("homing-epoch", epoch)]), &topology, all);
    assert!(named("0").is_none() && named("1").is_some());
    let mut session = Session::default();
    let user = SubjectId::named(SubjectKind::User, "ada").unwrap();
    session.subjects.sign(SubjectKind::User, Some(user));
    let unclaimed = Ownership::unclaimed(&topology, None);
    assert_eq!(unclaimed.epoch(), Epoch::NONE);
    assert!(!session.subjects.settle(SubjectKind::User, unclaimed, &topology), "a session keeps no home of no epoch");
    assert_eq!(session.subjects.home(SubjectKind::User), None);
}

#[test]
fn a_region_that_is_not_named_is_no_owner_of_several() {
    let topology = topology();
    let tags = topology.dataset_named("tags").unwrap();
    let owner = |name| Ownership::among_several(&topology, tags, region(name)).map(|owner| owner.home());
    assert_eq!((owner("eu"), owner("ap")), (Some(region("eu")), None));
    let orders = topology.dataset_named("orders").unwrap();
    assert_eq!(Ownership::among_several(&topology, orders, region("us")), None, "one owner is not several");
}

/// The part of a split dataset that belongs to nobody has its home among the dataset's regions.
#[test]
fn what_nobody_claims_lives_where_its_dataset_may() {
    let split =
        |regions: &str| format!(r#""cart":{{"ownership":"geo-partitioned","subject":"user","regions":[{regions}]}}"#);
    for (regions, home) in [(r#""eu","ap""#, "eu"), (r#""ap""#, "ap"), (r#""us","eu""#, "us"), (r#""eu","us""#, "us")] {
        let topology = of(&split(regions));
        let cart = topology.dataset_named("cart").unwrap();
        let unclaimed = Ownership::unclaimed(&topology, Some(cart));
        assert_eq!(topology.region(unclaimed.home()).name, home, "{regions}");
        assert_eq!(Ownership::unclaimed(&topology, None).home(), topology.default_home());
    }
    let regions = r#""us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example","default_home":true}"#;
    let text = format!(
        r#"{{"REGIONS":{{{regions}}},"DATASETS":{{{}}},"IDENTITY":{{"user":{{"cookie":"uid"}}}}}}"#,
        split(r#""us","eu""#)
    );
    let topology = parse(&raw::from_json(&text).unwrap(), &KeyPath::default()).unwrap().0;
    assert_eq!(Ownership::unclaimed(&topology, topology.dataset_named("cart")).home(), topology.default_home());
    assert_eq!(topology.region(topology.default_home()).name, "eu");
}

#[test]
fn a_copy_may_show_exactly_as_much_as_it_has() {
    let topology = topology();
    let said = |position| {
        let fields = [("homing-position", position), ("homing-home", "us"), ("homing-epoch", "2")];
        let orders = topology.dataset(topology.dataset_named("orders").unwrap()).unwrap();
        stated(&answer(&fields), (orders, PositionKind::Counter), None, &topology).map(|stated| stated[0])
    };
    assert_eq!(said("orders=42; least=42").unwrap().least, Some(Position::new(42)));
    assert!(said("orders=42; least=43").is_err());
}

/// RFC 9110 sections 15.5.15 and 15.5.22 (RFC 6585 section 5): what is refused for its size is more than the bound, not at it.
#[test]
fn a_request_of_exactly_the_largest_size_is_taken() {
    let refused = |world: World| world.play(&settings()).err().map(|problem| problem.status());
    let url = |length: usize| {
        let path = "/about?".len() + "https://example.com".len();
        World::new(&format!("GET /about?{}", "a".repeat(length - path)))
    };
    assert_eq!([8_192, 8_193, 8_194].map(|length| refused(url(length))), [None, Some(414), Some(414)]);
    // Encoded, a quote takes three bytes.
    assert_eq!(refused(World::new(&format!("GET /about?{}", "\"".repeat(3_000)))), Some(414));
    let many =
        |count: usize| (0..count).fold(World::new("GET /about"), |world, at| world.field(&format!("x-{at}"), "1"));
    assert_eq!([128, 129, 130].map(|count| refused(many(count))), [None, Some(431), Some(431)]);
    let large = |bytes: usize| World::new("GET /about").field("x", &"a".repeat(bytes - 1));
    assert_eq!([32_768, 32_769, 32_770].map(|bytes| refused(large(bytes))), [None, Some(431), Some(431)]);
}
