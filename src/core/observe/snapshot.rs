//! The snapshot that the dashboard shows: what one isolate goes by and what it has seen. The isolate writes what it alone knows, in short; what
//! the configuration says, and what the regions say of themselves, is added where the operators ask.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    model::ids::{RegionId, RegionSet},
    observe::{
        locality,
        report::{IsolateReport, LogLine, RegionTally},
    },
    state::{drill, health, matrix, view::View},
    topology::{
        Origin, Region, Topology,
        dataset::{ConflictRule, Dataset, Rule},
        settings::Settings,
        units::Share,
        warnings::warnings,
    },
};

/// An isolate's part of the snapshot. Regions and datasets are in the order of the topology.
#[derive(Serialize)]
pub struct Snapshot<'a> {
    view: u64,
    drill: Option<drill::DrillShown<'a>>,
    regions: Vec<RegionSeen>,
    datasets: Vec<DatasetSeen<'a>>,
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
struct RegionSeen {
    state: &'static str,
    state_ends: Option<u64>,
    circuit: health::Circuit,
    requests: u64,
    failures: u64,
    last_failure: Option<FailureShown>,
}

#[derive(Serialize)]
struct FailureShown {
    at: u64,
    reason: &'static str,
}

#[derive(Serialize)]
struct DatasetSeen<'a> {
    home: Option<&'a str>,
    epoch: Option<u64>,
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
        let dataset = |id| {
            let owned = view.dataset_ownership(id);
            let home = owned.map(|owned| topology.region(owned.home()).name.as_str());
            DatasetSeen { home, epoch: owned.map(|owned| owned.epoch().0) }
        };
        Self {
            view: view.version(),
            drill: view.drill().map(|drill| drill.show(topology)),
            regions: topology.regions().map(|(id, _)| region(id, report, view, seen)).collect(),
            datasets: topology.datasets().map(|(id, _)| dataset(id)).collect(),
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

fn region(id: RegionId, report: &IsolateReport, view: &View, seen: &health::Health) -> RegionSeen {
    let none = RegionTally::default();
    let tally = report.regions.get(id).unwrap_or(&none);
    RegionSeen {
        state: view.state(id).token(),
        state_ends: view.state_ends(id).map(|until| until.0),
        circuit: seen.show(id, view.topology(), view.taken()),
        requests: tally.requests,
        failures: tally.failures,
        last_failure: tally.last_failure.map(|(at, reason)| FailureShown { at: at.0, reason }),
    }
}

/// Makes an isolate's part whole: adds what is configured, what each region's health address says, in their order, nothing where it says
/// nothing; and what is known of the platform's cache.
pub fn complete(snapshot: &mut Value, settings: &Settings, said: Vec<Option<Value>>, cache: Value) {
    let topology = &settings.topology;
    let conflicts = locality::conflicts::expanded(&snapshot["conflicts"], topology);
    if let Some(fields) = snapshot.as_object_mut() {
        fields.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        fields.insert("warnings".to_owned(), warnings(settings).into());
        fields.insert("cache".to_owned(), cache);
        fields.insert("conflicts".to_owned(), conflicts);
    }
    if let Some(drill) = snapshot.get_mut("drill").and_then(Value::as_object_mut) {
        let share = drill.remove("hundredths").as_ref().and_then(Value::as_u64).and_then(Share::new);
        drill.insert("percent".to_owned(), share.map(Share::percent).into());
    }
    for (fields, (_, dataset)) in objects(snapshot, "datasets").zip(topology.datasets()) {
        add_dataset(fields, dataset, topology, &said);
    }
    let regions = topology.regions().zip(said);
    for (fields, ((id, region), said)) in objects(snapshot, "regions").zip(regions) {
        add_region(fields, region);
        fields.insert("default_home".to_owned(), (topology.default_home() == id).into());
        fields.insert("reachable".to_owned(), said.is_some().into());
        fields.insert("health".to_owned(), said.unwrap_or_default());
    }
}

fn objects<'s>(snapshot: &'s mut Value, list: &str) -> impl Iterator<Item = &'s mut Map<String, Value>> {
    let members = snapshot.get_mut(list).and_then(Value::as_array_mut);
    members.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn add_region(fields: &mut Map<String, Value>, region: &Region) {
    let origin = match &region.origin {
        Origin::Url(url) => url.clone(),
        Origin::Service(name) => format!("service {name}"),
    };
    fields.insert("name".to_owned(), region.name.as_str().into());
    fields.insert("origin".to_owned(), origin.into());
    let place = region.location.as_ref().map(|place| json!({ "lat": place.lat, "lon": place.lon }));
    fields.insert("location".to_owned(), place.into());
}

/// With how many conflicts each region says that it has resolved since it began, by rule: a list in the order of the regions, with nothing
/// for a region that says nothing of this dataset.
fn add_dataset(fields: &mut Map<String, Value>, dataset: &Dataset, topology: &Topology, said: &[Option<Value>]) {
    let names = |set: RegionSet| -> Value {
        let known = set.iter().filter(|id| topology.all_regions().contains(*id));
        known.map(|id| topology.region(id).name.as_str()).collect()
    };
    let totals = |health: &Option<Value>| -> Option<Value> {
        let told = health.as_ref()?.get("conflicts")?.get(&dataset.name)?;
        let known = ConflictRule::WORDS
            .into_iter()
            .filter_map(|rule| Some((rule.to_owned(), told.get(rule)?.as_u64()?.into())));
        Some(Value::Object(known.collect()))
    };
    let (regions, conflicts) = match &dataset.rule {
        Rule::SingleWriter { .. } => (json!([]), None),
        Rule::GeoPartitioned { regions, .. } => (names(*regions), None),
        Rule::MultiWriter { regions, conflicts } => {
            let (rule, word, explain) = (conflicts.rule.token(), conflicts.rule.word(), &conflicts.explain);
            let totals: Value = said.iter().map(totals).collect();
            (names(*regions), Some(json!({ "rule": rule, "word": word, "explain": explain, "totals": totals })))
        }
    };
    fields.insert("name".to_owned(), dataset.name.as_str().into());
    fields.insert("ownership".to_owned(), dataset.rule.token().into());
    fields.insert("regions".to_owned(), regions);
    fields.insert("conflicts".to_owned(), conflicts.into());
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
    use crate::topology::secrets::{self, Secrets};

    fn settings() -> Settings {
        let vars = r#"{
            "REGIONS": {
                "us": { "origin": "https://us.example.com", "location": { "lat": 39.1, "lon": -77.5 } }, "eu": { "service": "EU" },
                "ap": { "origin": "https://ap.example.com", "default_home": true }, "sa": { "origin": "https://sa.example.com" }
            },
            "DATASETS": {
                "catalog": { "ownership": "single-writer", "home": "us" },
                "likes": { "ownership": "multi-writer", "regions": ["eu", "us"], "conflicts": { "rule": "merge", "merge": "set", "explain": "All stay." } }
            }
        }"#;
        let secrets = Secrets { session_key: "", session_key_old: "", origin_key: "" };
        secrets::read(vars, &secrets, "dev", || Some(7)).unwrap()
    }

    #[test]
    fn what_is_configured_is_added_to_what_was_seen() {
        let mut snapshot = json!({
            "drill": { "id": "drill-1", "hundredths": 525 }, "datasets": [{ "home": "us" }, { "home": null }],
            "regions": [{ "requests": 7 }, {}, {}, {}],
        });
        complete(&mut snapshot, &settings(), vec![None, None, None, None], Value::Null);
        let us = json!({ "name": "us", "origin": "https://us.example.com", "location": { "lat": 39.1, "lon": -77.5 }, "default_home": false,
            "requests": 7, "reachable": false, "health": null });
        assert_eq!(snapshot["regions"][0], us);
        assert_eq!(
            (&snapshot["regions"][1]["origin"], &snapshot["regions"][1]["location"]),
            (&json!("service EU"), &Value::Null)
        );
        assert_eq!(snapshot["regions"][2]["default_home"], json!(true));
        let catalog =
            json!({ "name": "catalog", "ownership": "single-writer", "home": "us", "regions": [], "conflicts": null });
        assert_eq!(snapshot["datasets"][0], catalog);
        assert_eq!(snapshot["datasets"][1]["regions"], json!(["us", "eu"]));
        assert_eq!(snapshot["drill"], json!({ "id": "drill-1", "percent": 5.25 }));
        assert!(snapshot["warnings"].as_array().is_some_and(|said| said.len() == 1));
    }

    #[test]
    fn totals_of_conflicts_are_shown_by_dataset_region_and_rule_and_nothing_else_of_them() {
        let mut snapshot = json!({ "datasets": [{}, {}], "regions": [{}, {}, {}, {}] });
        let said = [
            json!({ "conflicts": { "likes": { "set": 12, "<b>": 1, "map": "many", "merge": -1 }, "catalog": { "set": 1 } } }),
            json!({ "conflicts": 7 }),
            json!({ "conflicts": { "likes": [] } }),
        ];
        complete(&mut snapshot, &settings(), said.map(Some).into_iter().chain([None]).collect(), Value::Null);
        assert_eq!(snapshot["datasets"][0]["conflicts"], Value::Null);
        assert_eq!(
            snapshot["datasets"][1]["conflicts"],
            json!({ "rule": "merge", "word": "set", "explain": "All stay.", "totals": [{ "set": 12 }, null, {}, null] })
        );
    }

    #[test]
    fn only_what_happens_changes_the_fingerprint() {
        let snapshot = |now: u64, lag: u64, requests: u64| {
            let mut snapshot = json!({ "now": now, "totals": { "requests": requests }, "regions": [{}, {}] });
            complete(
                &mut snapshot,
                &settings(),
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
