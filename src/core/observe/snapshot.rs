//! The snapshot that the dashboard shows: what one isolate goes by and what it has seen. The isolate writes its part; what the regions
//! say of themselves is added where the operators ask.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::ids::{RegionId, RegionSet},
    observe::{
        locality,
        report::{IsolateReport, LogLine, RegionTally},
    },
    ownership::Ownership,
    state::{drill, health, matrix, view::View},
    topology::{
        self, Origin, Topology,
        dataset::{ConflictRule, Rule},
        warnings::warnings,
    },
};

/// An isolate's part of the snapshot.
#[derive(Serialize)]
pub struct Snapshot<'a> {
    version: &'static str,
    warnings: Vec<String>,
    view: u64,
    drill: Option<drill::DrillShown<'a>>,
    regions: Vec<RegionShown<'a>>,
    datasets: Vec<DatasetShown<'a>>,
    matrix: matrix::MatrixShown<'a>,
    locality: locality::LocalityTable<'a>,
    conflicts: Vec<String>,
    totals: Totals,
    decisions: Vec<LogLine<'a>>,
    now: u64,
    isolate: String,
    in_flight: usize,
    memory_bytes: usize,
}

/// The isolate that makes the snapshot.
pub struct Isolate {
    /// What it is told from others by.
    pub node: u32,
    /// The requests under way.
    pub in_flight: usize,
    /// The memory that it has taken.
    pub memory_bytes: usize,
}

#[derive(Serialize)]
struct RegionShown<'a> {
    name: &'a str,
    origin: String,
    location: Option<PlaceShown>,
    default_home: bool,
    state: &'static str,
    state_ends: Option<u64>,
    circuit: health::Circuit,
    requests: u64,
    failures: u64,
    last_failure: Option<FailureShown>,
}

#[derive(Serialize)]
struct PlaceShown {
    lat: f64,
    lon: f64,
}

#[derive(Serialize)]
struct FailureShown {
    at: u64,
    reason: &'static str,
}

#[derive(Serialize)]
struct DatasetShown<'a> {
    name: &'a str,
    ownership: &'static str,
    home: Option<&'a str>,
    epoch: Option<u64>,
    regions: Vec<&'a str>,
    conflicts: Option<ConflictsShown<'a>>,
}

#[derive(Serialize)]
struct ConflictsShown<'a> {
    rule: &'static str,
    explain: &'a str,
}

#[derive(Serialize)]
struct Totals {
    requests: u64,
    cross_region: u64,
    cache_hits: u64,
    refused: u64,
    unreadable_positions: u64,
    clocks_ahead: u64,
}

impl<'a> Snapshot<'a> {
    /// What an isolate has seen, and what it goes by.
    #[must_use]
    pub fn of(report: &'a IsolateReport, view: &'a View, seen: &health::Health, isolate: &Isolate) -> Self {
        let topology = view.topology();
        let decisions = report.records.iter().map(|record| LogLine::of(record, topology)).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            warnings: warnings(view.settings()),
            view: view.version(),
            drill: view.drill().map(|drill| drill.show(topology)),
            regions: topology.regions().map(|(id, _)| region(id, report, view, seen)).collect(),
            datasets: topology.datasets().map(|(id, it)| dataset(it, view.dataset_ownership(id), topology)).collect(),
            matrix: view.matrix().show(topology, view.taken()),
            locality: report.locality.show(topology),
            conflicts: report.locality.conflict_lines(topology),
            totals: Totals {
                requests: report.requests,
                cross_region: report.locality.total().crossed,
                cache_hits: report.hits,
                refused: report.refused,
                unreadable_positions: report.unreadable_positions,
                clocks_ahead: report.clocks_ahead,
            },
            decisions,
            now: view.taken().0,
            isolate: format!("{:08x}", isolate.node),
            in_flight: isolate.in_flight,
            memory_bytes: isolate.memory_bytes,
        }
    }
}

fn region<'a>(id: RegionId, report: &IsolateReport, view: &'a View, seen: &health::Health) -> RegionShown<'a> {
    let topology = view.topology();
    let region = topology.region(id);
    let none = RegionTally::default();
    let tally = report.regions.get(id).unwrap_or(&none);
    RegionShown {
        name: &region.name,
        origin: match &region.origin {
            Origin::Url(url) => url.clone(),
            Origin::Service(name) => format!("service {name}"),
        },
        location: region.location.as_ref().map(|place| PlaceShown { lat: place.lat, lon: place.lon }),
        default_home: topology.default_home() == id,
        state: view.state(id).token(),
        state_ends: view.state_ends(id).map(|until| until.0),
        circuit: seen.show(id, topology, view.taken()),
        requests: tally.requests,
        failures: tally.failures,
        last_failure: tally.last_failure.map(|(at, reason)| FailureShown { at: at.0, reason }),
    }
}

fn dataset<'a>(dataset: &'a topology::Dataset, owned: Option<Ownership>, topology: &'a Topology) -> DatasetShown<'a> {
    let names = |set: RegionSet| -> Vec<&str> {
        let known = set.iter().filter(|id| topology.all_regions().contains(*id));
        known.map(|id| topology.region(id).name.as_str()).collect()
    };
    let (regions, conflicts) = match &dataset.rule {
        Rule::SingleWriter { .. } => (Vec::new(), None),
        Rule::GeoPartitioned { regions, .. } => (names(*regions), None),
        Rule::MultiWriter { regions, conflicts } => {
            (names(*regions), Some(ConflictsShown { rule: conflicts.rule.token(), explain: &conflicts.explain }))
        }
    };
    DatasetShown {
        name: &dataset.name,
        ownership: dataset.rule.token(),
        home: owned.map(|owned| topology.region(owned.home()).name.as_str()),
        epoch: owned.map(|owned| owned.epoch().0),
        regions,
        conflicts,
    }
}

/// Adds what each region's health address says, in their order, nothing where it says nothing; and what is known of the platform's cache.
pub fn complete(snapshot: &mut Value, topology: &Topology, said: Vec<Option<Value>>, cache: Value) {
    let conflicts = locality::conflicts::expanded(&snapshot["conflicts"], topology);
    if let Some(fields) = snapshot.as_object_mut() {
        fields.insert("cache".to_owned(), cache);
        fields.insert("conflicts".to_owned(), conflicts);
    }
    for dataset in snapshot.get_mut("datasets").and_then(Value::as_array_mut).into_iter().flatten() {
        add_totals(dataset, topology, &said);
    }
    let regions = snapshot.get_mut("regions").and_then(Value::as_array_mut).into_iter().flatten();
    for (fields, said) in regions.filter_map(Value::as_object_mut).zip(said) {
        fields.insert("reachable".to_owned(), said.is_some().into());
        fields.insert("health".to_owned(), said.unwrap_or_default());
    }
}

/// Adds to what is shown of a dataset: the word for its rule, and how many conflicts each region says that it has resolved since it began,
/// by rule. That is a list in the order of the regions, with nothing for a region that says nothing of this dataset.
fn add_totals(dataset: &mut Value, topology: &Topology, said: &[Option<Value>]) {
    let name = dataset.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(shown) = dataset.get_mut("conflicts").and_then(Value::as_object_mut) else { return };
    let known = topology.dataset_named(&name).and_then(|id| topology.dataset(id));
    if let Some(conflicts) = known.and_then(|dataset| dataset.rule.conflicts()) {
        shown.insert("word".to_owned(), conflicts.rule.word().into());
    }
    let counts = |health: &Option<Value>| -> Option<Value> {
        let told = health.as_ref()?.get("conflicts")?.get(&name)?;
        let known = ConflictRule::WORDS
            .into_iter()
            .filter_map(|rule| Some((rule.to_owned(), told.get(rule)?.as_u64()?.into())));
        Some(Value::Object(known.collect()))
    };
    shown.insert("totals".to_owned(), said.iter().map(counts).collect());
}

/// How much a lag must change before a page that polls is told, in milliseconds.
const LAG_STEP: f64 = 250.0;

/// What is the same for two snapshots between which nothing has happened: what changes all the same is left out, small differences
/// of lag too.
#[must_use]
pub fn fingerprint(snapshot: &Value) -> u64 {
    let mut calm = snapshot.clone();
    if let Some(fields) = calm.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "now" | "isolate" | "in_flight" | "memory_bytes"));
    }
    let regions = calm.get_mut("regions").and_then(Value::as_array_mut);
    let lags = regions.into_iter().flatten().filter_map(|region| region.pointer_mut("/health/lag_ms")?.as_object_mut());
    let round = |lag: &mut Value| *lag = json!(lag.as_f64().map(|lag| (lag / LAG_STEP).round()));
    lags.flat_map(serde_json::Map::values_mut).for_each(round);
    if let Some(matrix) = calm.get_mut("matrix") {
        calm_down(matrix);
    }
    let mut hasher = DefaultHasher::new();
    calm.to_string().hash(&mut hasher);
    hasher.finish()
}

/// Leaves out of the matrix what every round measures anew.
fn calm_down(matrix: &mut Value) {
    match matrix {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "at" => *value = Value::Null,
                    "ms" | "lag_ms" | "p50_ms" | "p99_ms" => {
                        *value = json!(value.as_f64().map(|span| (span / LAG_STEP).round()))
                    }
                    _ => calm_down(value),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(calm_down),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{error::KeyPath, parse, raw};

    fn topology() -> Topology {
        let vars = r#"{
            "REGIONS": { "us": { "origin": "https://us.example.com" } },
            "DATASETS": { "likes": { "ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "set", "explain": "All stay." } } }
        }"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    #[test]
    fn totals_of_conflicts_are_shown_by_dataset_region_and_rule_and_nothing_else_of_them() {
        let mut snapshot = json!({
            "datasets": [{ "name": "catalog", "conflicts": null }, { "name": "likes", "conflicts": { "rule": "merge" } }],
            "regions": [{}, {}, {}, {}],
        });
        let said = [
            json!({ "conflicts": { "likes": { "set": 12, "<b>": 1, "map": "many", "merge": -1 }, "catalog": { "set": 1 } } }),
            json!({ "conflicts": 7 }),
            json!({ "conflicts": { "likes": [] } }),
        ];
        complete(&mut snapshot, &topology(), said.map(Some).into_iter().chain([None]).collect(), Value::Null);
        assert_eq!(snapshot["datasets"][0]["conflicts"], Value::Null);
        assert_eq!(
            snapshot["datasets"][1]["conflicts"],
            json!({ "rule": "merge", "word": "set", "totals": [{ "set": 12 }, null, {}, null] })
        );
    }

    #[test]
    fn only_what_happens_changes_the_fingerprint() {
        let snapshot = |now: u64, lag: u64, requests: u64| {
            let mut snapshot = json!({ "now": now, "totals": { "requests": requests }, "regions": [{ "name": "us" }, { "name": "eu" }] });
            complete(
                &mut snapshot,
                &topology(),
                vec![Some(json!({ "lag_ms": { "eu": lag } })), None],
                json!({ "effective": true }),
            );
            snapshot
        };
        let before = snapshot(1, 10, 5);
        assert_eq!(
            (&before["regions"][0]["reachable"], &before["regions"][1]["reachable"]),
            (&json!(true), &json!(false))
        );
        assert_eq!((&before["regions"][1]["health"], &before["cache"]["effective"]), (&Value::Null, &json!(true)));
        assert_eq!(fingerprint(&before), fingerprint(&snapshot(2, 12, 5)));
        assert_ne!(fingerprint(&before), fingerprint(&snapshot(1, 400, 5)));
        assert_ne!(fingerprint(&before), fingerprint(&snapshot(1, 10, 6)));
    }
}
