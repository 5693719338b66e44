use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    cache::state::CacheState,
    model::{
        access::Access,
        reasons::{Choice, Crossing, Exclusion, Failure},
        time::millis,
    },
    settle::ConflictCount,
    state::trace::{Decision, Trace},
    topology::{error::KeyPath, parse, raw},
};

const START: u64 = 1_767_225_600_000;

fn topology() -> Topology {
    let vars = r#"{
        "REGIONS": { "us": { "origin": "https://us.example.com" }, "eu": { "origin": "https://eu.example.com" } },
        "DATASETS": { "likes": { "ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "set", "explain": "All stay." } } },
        "ROUTES": [
            { "match": "GET /free/*" },
            { "match": "GET,HEAD shop.example.com/{item}", "max_cross_region": "5%" },
            { "match": "/likes/*", "dataset": "likes", "max_conflict_rate": "1%" }
        ]
    }"#;
    parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
}

fn record(route: Option<usize>, at: u64, near: &str, crossed: Option<Crossing>) -> Record {
    Record {
        at: Timestamp(at),
        method: "GET".into(),
        path: "/".to_owned(),
        route,
        dataset: None,
        access: Access::Read,
        region: None,
        nearest: topology().region_named(near),
        crossed,
        decision: Decision::Chosen(Choice::Nearest),
        stale: false,
        failures: Vec::new(),
        position_unreadable: false,
        told: crate::settle::StampTold::default(),
        conflicts: Vec::new(),
        status: 200,
        attempts: 1,
        cache: CacheState::Bypass,
        wrote: None,
        pinned: None,
        took: 1,
        drilled: None,
        trace: Trace::default(),
    }
}

/// Requests of the route with a budget, so many at that time, of which so many cross; the alarms in their order.
fn play(table: &mut Locality, at: u64, requests: u64, crossing: u64) -> Vec<BudgetAlert> {
    let topology = topology();
    let one = |number| record(Some(1), at, "us", (number < crossing).then_some(Crossing::Chosen(Choice::Home)));
    (0..requests).filter_map(|number| table.observe(&one(number), &topology)).collect()
}

#[test]
fn a_route_is_over_its_budget_from_the_hundredth_request_on_and_says_it_once() {
    let mut table = Locality::default();
    assert_eq!(play(&mut table, START, 99, 50), []);
    let alarms = play(&mut table, START, 50, 0);
    assert_eq!(alarms.len(), 1);
    assert_eq!((alarms[0].standing, alarms[0].count), (BudgetState::Over, Count { requests: 100, crossed: 50 }));
    let expected = json!({
        "level": "warn", "message": "more requests cross regions than the route's max_cross_region allows", "at": START,
        "route": "GET,HEAD shop.example.com/{item}", "share": "50%", "budget": "5%", "requests": 100, "crossed": 50,
        "reasons": { "home": 50 },
    });
    assert_eq!(json!(alarms[0].show(&topology())), expected);
}

#[test]
fn exactly_the_budget_keeps_it() {
    let mut table = Locality::default();
    assert_eq!(play(&mut table, START, 100, 5), []);
    assert_eq!(play(&mut table, START, 1, 1).len(), 1);
}

#[test]
fn a_route_comes_back_at_four_fifths_of_its_budget() {
    let mut table = Locality::default();
    assert_eq!(play(&mut table, START, 100, 10).len(), 1);
    // 10 of 249 is more than 4 percent, 10 of 250 is not.
    assert_eq!(play(&mut table, START, 149, 0), []);
    let alarms = play(&mut table, START, 1, 0);
    assert_eq!((alarms.len(), alarms[0].standing), (1, BudgetState::Within));
    assert_eq!(json!(alarms[0].show(&topology()))["level"], "info");
}

#[test]
fn what_is_older_than_two_halves_counts_no_more_and_a_quiet_route_comes_back() {
    let half = millis(HALF);
    let mut table = Locality::default();
    assert_eq!(play(&mut table, START, 100, 10).len(), 1);
    assert_eq!(play(&mut table, START + half, 30, 0), [], "the half before still counts");
    assert_eq!(play(&mut table, START + 4 * half, 19, 0), [], "so few say nothing");
    assert_eq!(play(&mut table, START + 4 * half, 1, 0).len(), 1);
}

#[test]
fn a_slow_request_of_the_half_before_and_a_clock_that_is_set_back_do_no_harm() {
    let half = millis(HALF);
    let mut table = Locality::default();
    play(&mut table, START + half, 60, 0);
    play(&mut table, START, 39, 30);
    assert_eq!(play(&mut table, START + half, 1, 0).len(), 1, "all of them are in one window");
    play(&mut table, START - 100 * half, 20, 0);
    let row = json!(table.rows().next().unwrap().1.show(Some(1), &topology()));
    assert_eq!((&row["window"]["requests"], &row["over"]), (&json!(20), &json!(false)));
}

#[test]
fn the_snapshot_has_a_row_for_each_route_that_was_used() {
    let mut table = Locality::default();
    let topology = topology();
    for record in [
        record(Some(1), START, "eu", Some(Crossing::Chosen(Choice::PinnedHome))),
        record(Some(1), START, "us", None),
        record(None, START, "us", None),
        record(Some(7), START, "us", None),
    ] {
        assert_eq!(table.observe(&record, &topology), None);
    }
    let unrouted = json!({
        "match": null, "requests": 2, "crossed": 0, "local": "100%", "budget": null, "over": false, "window": null,
        "regions": { "us": { "requests": 2, "crossed": 0 } }, "reasons": {},
    });
    let routed = json!({
        "match": "GET,HEAD shop.example.com/{item}", "requests": 2, "crossed": 1, "local": "50%", "budget": "5%",
        "over": false, "window": { "requests": 2, "crossed": 1 }, "reasons": { "pinned-home": 1 },
        "regions": { "us": { "requests": 1, "crossed": 0 }, "eu": { "requests": 1, "crossed": 1 } },
    });
    let expected = json!({ "requests": 4, "crossed": 1, "local": "75%", "routes": [routed, unrouted] });
    assert_eq!(json!(table.show(&topology)), expected);
}

/// A write of the route with a budget for conflicts, that a region has answered.
fn write(at: u64, conflicts: &[(&'static str, u64)]) -> Record {
    let dataset = topology().dataset_named("likes").unwrap();
    let conflicts = conflicts.iter().map(|(rule, times)| ConflictCount { dataset, rule, times: *times }).collect();
    Record {
        access: Access::Write,
        region: topology().region_named("us"),
        conflicts,
        ..record(Some(2), at, "us", None)
    }
}

fn conflicts_of(table: &Locality) -> serde_json::Value {
    conflicts::expanded(&json!(table.conflict_lines(&topology())), &topology())
}

/// Both counts of each request, as the report takes them.
fn take(table: &mut Locality, record: &Record) -> Option<BudgetAlert> {
    assert_eq!(table.observe(record, &topology()), None);
    table.observe_conflicts(record, &topology())
}

#[test]
fn conflicts_are_counted_by_route_dataset_and_rule_and_their_budget_is_of_writes() {
    let mut table = Locality::default();
    assert_eq!(take(&mut table, &write(START, &[("set", 2), ("map", 1)])), None);
    for _ in 0..98 {
        assert_eq!(take(&mut table, &write(START, &[])), None);
    }
    let likes = |set: u64| json!({ "likes": { "set": set, "map": 1 } });
    let line = |writes: u64, conflicting: u64, share: &str, over: bool, set: u64| {
        json!([{
            "match": "/likes/*", "writes": writes, "conflicting": conflicting, "share": share, "budget": "1%", "over": over,
            "window": { "writes": writes, "conflicting": conflicting }, "datasets": likes(set),
        }])
    };
    assert_eq!(conflicts_of(&table), line(99, 1, "1.02%", false, 2));
    // Reads, and writes that no region has answered, are no part of it.
    take(&mut table, &Record { access: Access::Read, ..write(START, &[]) });
    take(&mut table, &Record { region: None, ..write(START, &[]) });
    assert_eq!(conflicts_of(&table), line(99, 1, "1.02%", false, 2));
    assert_eq!(take(&mut table, &write(START, &[])), None, "one of a hundred is the budget");
    let alert = take(&mut table, &write(START, &[("set", 1)])).unwrap();
    let expected = json!({
        "level": "warn", "message": "more writes meet a conflict than the route's max_conflict_rate allows", "at": START,
        "route": "/likes/*", "share": "1.99%", "budget": "1%", "requests": 101, "conflicting": 2, "reasons": {},
    });
    assert_eq!(json!(alert.show(&topology())), expected);
    assert_eq!(conflicts_of(&table), line(101, 2, "1.99%", true, 3));
    let back = (0..400).find_map(|_| take(&mut table, &write(START, &[]))).unwrap();
    assert_eq!(json!(back.show(&topology()))["message"], "the route is back within its max_conflict_rate");
}

#[test]
fn what_a_read_reports_is_told_and_is_no_part_of_the_rate_of_writes() {
    let mut table = Locality::default();
    let read = Record { access: Access::Read, ..write(START, &[("set", 1)]) };
    for _ in 0..200 {
        assert_eq!(take(&mut table, &read), None);
        take(&mut table, &write(START, &[]));
    }
    let line = json!([{
        "match": "/likes/*", "writes": 200, "conflicting": 0, "share": "0%", "budget": "1%", "over": false,
        "window": { "writes": 200, "conflicting": 0 }, "datasets": { "likes": { "set": 200 } },
    }]);
    assert_eq!(conflicts_of(&table), line);
    let mut table = Locality::default();
    take(&mut table, &Record { route: Some(0), ..read });
    assert_eq!(conflicts_of(&table)[0]["datasets"], json!({ "likes": { "set": 1 } }), "without a write, too");
}

#[test]
fn a_route_without_a_budget_for_conflicts_alarms_nobody() {
    let mut table = Locality::default();
    let unbudgeted = Record { route: Some(0), ..write(START, &[("merge", 1)]) };
    for _ in 0..200 {
        assert_eq!(take(&mut table, &unbudgeted), None);
    }
    let line = json!([{
        "match": "GET /free/*", "writes": 200, "conflicting": 200, "share": "100%", "budget": null, "over": false, "window": null,
        "datasets": { "likes": { "merge": 200 } },
    }]);
    assert_eq!(conflicts_of(&table), line);
}

fn crossings() -> Vec<Crossing> {
    let exclusions = Exclusion::ALL.iter().map(|exclusion| Crossing::Against(*exclusion));
    let failures = Failure::ALL.iter().map(|failure| Crossing::Failed(*failure));
    exclusions.chain(failures).chain([Crossing::Residency, Crossing::Chosen(Choice::Home)]).collect()
}

proptest! {
    #[test]
    fn the_counts_add_up_and_the_table_grows_no_further_than_the_topology(
        requests in prop::collection::vec((0..2000usize, 0..40_000_000u64, any::<bool>(), any::<prop::sample::Index>()), 0..400)
    ) {
        let topology = topology();
        let mut table = Locality::default();
        for (route, at, near_us, reason) in &requests {
            // Every third stays where it came in.
            let crossed = Some(*reason.get(&crossings())).filter(|_| route % 3 > 0);
            let near = if *near_us { "us" } else { "eu" };
            table.observe(&record(Some(*route), START + at, near, crossed), &topology);
        }
        prop_assert_eq!(table.total().requests, requests.len() as u64);
        prop_assert_eq!(table.total().crossed, requests.iter().filter(|(route, ..)| route % 3 > 0).count() as u64);
        prop_assert!(table.rows().count() <= 4);
        for (_, row) in table.rows() {
            let by_region = row.regions.iter().fold(Count::default(), |sum, count| sum.and(*count));
            let by_reason: u64 = row.reasons.sorted().iter().map(|(_, times)| times).sum();
            let (window, why) = row.window.sum();
            prop_assert_eq!((by_region, by_reason), (row.total, row.total.crossed));
            prop_assert_eq!(why.sorted().iter().map(|(_, times)| times).sum::<u64>(), window.crossed);
            prop_assert!(window.requests <= row.total.requests && row.regions.iter().count() <= 2);
        }
    }
}
