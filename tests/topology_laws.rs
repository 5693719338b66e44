//! What holds for whatever configuration is read: nothing makes the reader panic, and what it accepts is whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/config.rs"]
mod config;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;

use std::collections::HashSet;

use config::{base, check};
use counted::{assert_met, met};
use homing_core::testing::{
    model::ids::{MAX_REGIONS, RegionId, RegionSet},
    topology::{
        RoutePattern, Topology,
        dataset::Rule,
        raw::{self, Raw},
    },
};
use proptest::prelude::*;

/// Words that the parser knows, so that what is made up gets past its first questions.
const KEYS: &str = "REGIONS DATASETS ROUTES ROUTES_2 ROUTES_3 IDENTITY us eu cart likes origin service location lat lon \
    health deadline default_home ownership home subject regions staleness conflicts rule merge per minimum max_conflict_rate explain match dataset \
    read_after_write on_home_down access idempotent cache user tenant response_header header cookie path host";
const TEXTS: &str = "us|eu|cart|likes|user|tenant|single-writer|geo-partitioned|multi-writer|merge|last-write-wins|counter|set|field|5%|session|home|stale|read|\
    write|30s|https://eu.example.com|REGION_EU|GET /api/*|*.example.com/{id}|/t/{tenant}/*|{user}.example.com|\
    Homing-Subject| ";

fn key() -> impl Strategy<Value = String> {
    prop_oneof![8 => prop::sample::select(KEYS.split(' ').map(str::to_owned).collect::<Vec<_>>()), 1 => ".{0,12}", 1 => "ROUTES_[0-9]{0,22}"]
}

fn tree() -> impl Strategy<Value = Raw> {
    let leaf = prop_oneof![
        1 => Just(Raw::Null),
        2 => any::<bool>().prop_map(Raw::Bool),
        2 => any::<f64>().prop_map(Raw::Number),
        8 => prop::sample::select(TEXTS.split('|').collect::<Vec<_>>()).prop_map(|text| Raw::Text(text.to_owned())),
        2 => "\\PC{0,80}".prop_map(Raw::Text),
        1 => "[/{}a-zé%.*? ]{0,12}".prop_map(Raw::Text),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Raw::List),
            3 => prop::collection::vec((key(), inner), 0..6).prop_map(Raw::Table),
        ]
    })
}

/// Pieces of JSON, one behind another: now and then they are some.
fn almost_json() -> impl Strategy<Value = String> {
    let pieces = vec![
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "\"a\"",
        "\"a\":",
        "1",
        "1e9",
        "-",
        "true",
        "null",
        " ",
        "[1]",
        "{}",
        "\"\\u00e9\"",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

/// What is done to a sound topology: the place is a walk of choices, each taken modulo what there is to choose from.
#[derive(Clone, Debug)]
enum Blow {
    Replace(Raw),
    Remove,
    Add(String, Raw),
}

fn blow() -> impl Strategy<Value = (Vec<usize>, Blow)> {
    let kind = prop_oneof![
        tree().prop_map(Blow::Replace),
        Just(Blow::Remove),
        (key(), tree()).prop_map(|(key, value)| Blow::Add(key, value)),
    ];
    (prop::collection::vec(any::<usize>(), 1..5), kind)
}

fn strike(here: &mut Raw, place: &[usize], blow: Blow) {
    let Some((choice, further)) = place.split_first() else { return };
    let next = match here {
        Raw::Table(entries) if !entries.is_empty() => choice % entries.len(),
        Raw::List(members) if !members.is_empty() => choice % members.len(),
        _ => return,
    };
    if !further.is_empty() {
        match here {
            Raw::Table(entries) => strike(&mut entries[next].1, further, blow),
            Raw::List(members) => strike(&mut members[next], further, blow),
            _ => {}
        }
        return;
    }
    match (here, blow) {
        (Raw::Table(entries), Blow::Replace(value)) => entries[next].1 = value,
        (Raw::Table(entries), Blow::Add(key, value)) => entries.insert(next, (key, value)),
        (Raw::List(members), Blow::Replace(value)) => members[next] = value,
        (Raw::List(members), Blow::Add(_, value)) => members.insert(next, value),
        (Raw::Table(entries), Blow::Remove) => drop(entries.remove(next)),
        (Raw::List(members), Blow::Remove) => drop(members.remove(next)),
        _ => {}
    }
}

/// What the core relies on for every topology that was accepted.
fn hold_invariants(topology: &Topology) {
    let all: HashSet<RegionId> = topology.regions().map(|(id, _)| id).collect();
    assert!((1..=MAX_REGIONS).contains(&all.len()), "one region at least, and no more than a word holds");
    assert!(all.contains(&topology.default_home()));
    for (_, region) in topology.regions() {
        assert!(!region.name.is_empty() && region.name.len() <= 32 && region.health.starts_with('/'));
    }
    let known = |set: RegionSet| !set.is_empty() && set.iter().all(|id| all.contains(&id));
    for (_, dataset) in topology.datasets() {
        match &dataset.rule {
            Rule::SingleWriter { home } => assert!(all.contains(home)),
            Rule::GeoPartitioned { subject, regions } => {
                assert!(known(*regions));
                assert!(known(topology.residency(*subject)), "a subject must be able to live somewhere");
                assert!(topology.identity().source(*subject).is_some(), "somebody must say who the subject is");
            }
            Rule::MultiWriter { regions, conflicts } => {
                assert!(known(*regions));
                assert!(!conflicts.explain.trim().is_empty(), "conflicts must be explained to users");
            }
        }
    }
    for route in topology.routes() {
        assert!(route.dataset.is_none_or(|id| topology.dataset(id).is_some()), "a route's dataset exists");
    }
}

/// Complaints come from anything; each must be a whole sentence, and the topology ships only if none is an error.
fn survive(vars: &Raw) -> bool {
    match check(vars) {
        Ok((topology, warnings)) => {
            assert!(!warnings.has_errors());
            hold_invariants(&topology);
            true
        }
        Err(complaints) => {
            assert!(complaints.has_errors());
            for complaint in &complaints.0 {
                let parts = [&complaint.found, &complaint.expected, &complaint.remedy];
                assert!(parts.iter().all(|part| !part.is_empty()), "{complaint}");
            }
            false
        }
    }
}

/// Segments of patterns and of paths: the same data in several spellings, and other data that looks much the same.
const SEGMENTS: &str = "a|A|%41|%61|b|ab|a%2Fb|@|%40|é|%C3%A9|%c3%89|%FF|%ff|{x}|";

fn path(most: usize) -> impl Strategy<Value = String> {
    let segment = prop::sample::select(SEGMENTS.split('|').collect::<Vec<_>>());
    prop::collection::vec(segment, 0..most).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(vec!["", "GET ", "PUT "]);
    let end = prop::sample::select(vec!["", "/*"]);
    (methods, path(4), end)
        .prop_map(|(methods, path, end)| format!("{methods}{}{end}", path.trim_end_matches('/')))
        .prop_filter("it is a pattern", |pattern| RoutePattern::parse(pattern).is_ok())
}

laws! { ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    fn the_parser_survives_whatever_stands_in_the_vars(vars in tree()) meets ["a table": 1500] {
        met("a table", matches!(vars, Raw::Table(_)));
        survive(&vars);
    }

    fn the_parser_survives_whatever_stands_under_the_names_it_knows(
        regions in tree(), datasets in tree(), routes in prop::collection::vec(tree(), 0..4), identity in tree(),
    ) meets ["regions in a table": 1500, "a route in a table": 1400] {
        met("regions in a table", matches!(regions, Raw::Table(_)));
        met("a route in a table", routes.iter().any(|route| matches!(route, Raw::Table(_))));
        let vars = [("REGIONS", regions), ("DATASETS", datasets), ("ROUTES", Raw::List(routes)), ("IDENTITY", identity)];
        survive(&Raw::Table(vars.map(|(name, value)| (name.to_owned(), value)).into()));
    }

    fn what_is_accepted_keeps_its_promises(blows in prop::collection::vec(blow(), 0..4)) meets ["it is accepted": 800, "it is refused": 800] {
        let mut vars = base();
        blows.into_iter().for_each(|(place, blow)| strike(&mut vars, &place, blow));
        met("it is refused", !met("it is accepted", survive(&vars)));
    }

    fn the_first_route_that_takes_a_request_is_found(
        patterns in prop::collection::vec(pattern(), 1..12), paths in prop::collection::vec(path(10), 20),
    ) meets ["a route takes it": 8000, "one takes it only in another case": 150, "none takes it": 8000, "a later one takes it too": 800] {
        let routes = patterns.into_iter().map(|pattern| Raw::Table(vec![("match".to_owned(), Raw::Text(pattern))])).collect();
        let regions = raw::from_json(r#"{"eu":{"origin":"https://eu.example.com"}}"#).unwrap();
        let vars = Raw::Table(vec![("REGIONS".to_owned(), regions), ("ROUTES".to_owned(), Raw::List(routes))]);
        let Ok((topology, _)) = check(&vars) else { return Ok(()) };
        for path in paths {
            let takes = |at: &usize| topology.routes()[*at].pattern.matches("GET", "h", &path);
            let takes_in_any_case = |at: &usize| topology.routes()[*at].pattern.matches_in_any_case("GET", "h", &path);
            let all = || 0..topology.routes().len();
            let found = topology.route("GET", "h", &path).map(|(at, _)| at);
            assert_eq!(found, all().find(takes), "{path}");
            let in_any_case = topology.route_in_any_case("GET", "h", &path).map(|route| &route.pattern);
            let expected = all().find(takes_in_any_case);
            assert_eq!(in_any_case, expected.map(|at| &topology.routes()[at].pattern), "{path}");
            met("none takes it", !met("a route takes it", found.is_some()));
            met("one takes it only in another case", found.is_none() && expected.is_some());
            met("a later one takes it too", all().filter(takes).count() > 1);
        }
    }

    fn reading_json_survives_any_text(text in "\\PC*") meets ["it is no JSON": 3000] {
        met("it is no JSON", raw::from_json(&text).is_err());
    }

    fn reading_json_survives_what_is_almost_json(text in almost_json()) meets ["it is JSON": 150] {
        if let Ok(vars) = raw::from_json(&text) {
            met("it is JSON", true);
            survive(&vars);
        }
    }
}
