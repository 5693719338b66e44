//! What is told about requests: the log line, and the snapshot that the dashboard shows.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    health::Health,
    problem::Problem,
    reason::Reason,
    settle::Record,
    suggest::Suggestions,
    time::Timestamp,
    topology::{Origin, RegionId, Rule, Topology},
    view::View,
};

/// The most decisions that the isolate keeps for the dashboard.
const MOST_RECORDS: usize = 64;

#[derive(Clone, Debug, Default)]
struct Tally {
    requests: u64,
    failures: u64,
    last_failure: Option<(Timestamp, &'static str)>,
}

/// What one isolate has seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    records: VecDeque<Record>,
    requests: u64,
    crossed: u64,
    hits: u64,
    refused: u64,
    regions: Vec<Tally>,
    suggestions: Suggestions,
    unreadable_positions: u64,
}

impl Report {
    /// Takes in a request that was refused before it became a flow.
    pub fn refused(&mut self) {
        self.requests += 1;
        self.refused += 1;
    }

    /// Takes in a settled request.
    pub fn add(&mut self, record: Record) {
        self.requests += 1;
        self.crossed += u64::from(record.crossed);
        self.hits += u64::from(record.cache.token() == "hit");
        self.refused += u64::from(record.region.is_none());
        if let Some(region) = record.region.filter(|_| record.attempts > 0) {
            self.tally(region).requests += 1;
        }
        for rule in record.trace.rules() {
            self.unreadable_positions += u64::from(rule.reason == Reason::PositionMalformed);
            if let (true, Some(region)) = (rule.reason.is_failure(), rule.region) {
                let tally = self.tally(region);
                tally.failures += 1;
                tally.last_failure = Some((record.at, rule.reason.token()));
            }
        }
        self.suggestions.learn(&record);
        self.records.truncate(MOST_RECORDS - 1);
        self.records.push_front(record);
    }

    /// Route lines that the origins' `Homing-Wrote` suggest.
    #[must_use]
    pub fn suggestions(&self) -> &Suggestions {
        &self.suggestions
    }

    fn tally(&mut self, region: RegionId) -> &mut Tally {
        if self.regions.len() <= region.index() {
            self.regions.resize_with(region.index() + 1, Tally::default);
        }
        let last = self.regions.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "the index is at most the last one")]
        &mut self.regions[region.index().min(last)]
    }

    /// The snapshot for the dashboard. `health` is what each region's health address said, in the regions' order.
    #[must_use]
    pub fn snapshot(&self, view: &View, seen: &Health, health: &[Option<Value>]) -> Value {
        let topology = view.topology();
        let regions: Vec<Value> = topology.regions().map(|(id, _)| self.region(id, view, seen, health)).collect();
        let records: Vec<Value> = self.records.iter().map(|record| record_json(record, topology)).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "view": view.version(),
            "drill": view.drill().map(|drill| drill.show(topology)),
            "regions": regions,
            "datasets": datasets(view),
            "totals": {
                "requests": self.requests, "cross_region": self.crossed, "cache_hits": self.hits, "refused": self.refused,
                "unreadable_positions": self.unreadable_positions,
            },
            "decisions": records,
        })
    }

    fn region(&self, id: RegionId, view: &View, seen: &Health, health: &[Option<Value>]) -> Value {
        let topology = view.topology();
        let region = topology.region(id);
        let none = Tally::default();
        let tally = self.regions.get(id.index()).unwrap_or(&none);
        let health = health.get(id.index());
        json!({
            "name": region.name,
            "origin": match &region.origin { Origin::Url(url) => url.clone(), Origin::Service(name) => format!("service {name}") },
            "location": region.location.map(|place| json!({ "lat": place.lat, "lon": place.lon })),
            "default_home": topology.default_home() == id,
            "state": view.state(id).token(),
            "state_ends": view.state_ends(id).map(|until| until.0),
            "circuit": seen.show(id, topology, view.taken()),
            "requests": tally.requests,
            "failures": tally.failures,
            "last_failure": tally.last_failure.map(|(at, reason)| json!({ "at": at.0, "reason": reason })),
            "reachable": health.map(Option::is_some),
            "health": health.cloned().flatten(),
        })
    }
}

fn datasets(view: &View) -> Vec<Value> {
    let topology = view.topology();
    let names = |set: super::topology::RegionSet| -> Vec<&str> {
        set.iter()
            .filter(|id| topology.all_regions().contains(*id))
            .map(|id| topology.region(id).name.as_str())
            .collect()
    };
    let describe = |(id, dataset): (_, &super::topology::Dataset)| {
        let owned = view.dataset_ownership(id);
        let (regions, conflicts) = match &dataset.rule {
            Rule::SingleWriter { .. } => (Vec::new(), None),
            Rule::GeoPartitioned { regions, .. } => (names(*regions), None),
            Rule::MultiWriter { regions, conflicts } => {
                (names(*regions), Some(json!({ "rule": conflicts.rule.token(), "explain": conflicts.explain })))
            }
        };
        json!({
            "name": dataset.name,
            "ownership": dataset.rule.token(),
            "home": owned.map(|owned| topology.region(owned.home).name.clone()),
            "epoch": owned.map(|owned| owned.epoch.0),
            "regions": regions,
            "conflicts": conflicts,
        })
    };
    topology.datasets().map(describe).collect()
}

/// How much a lag must change before a page that polls is told, in milliseconds.
const LAG_STEP: f64 = 250.0;

/// The snapshot as text, but for what changes while nothing happens: small differences of lag.
#[must_use]
pub fn fingerprint(snapshot: &Value) -> String {
    let mut calm = snapshot.clone();
    let regions = calm.get_mut("regions").and_then(Value::as_array_mut);
    let lags = regions.into_iter().flatten().filter_map(|region| region.pointer_mut("/health/lag_ms")?.as_object_mut());
    for lag in lags.flat_map(serde_json::Map::values_mut) {
        *lag = json!(lag.as_f64().map(|lag| (lag / LAG_STEP).round()));
    }
    calm.to_string()
}

/// A request that was refused at the door, as one line of the log: nothing of it but the method is worth trusting.
#[must_use]
pub fn refusal_json(problem: &Problem, method: &str, now: Timestamp) -> Value {
    let method: String = method.chars().take(16).collect();
    json!({ "at": now.0, "method": method, "reason": problem.reason.token(), "status": problem.status })
}

/// One request as one line of the log or one row of the dashboard. Every field is on this list; none holds a header or a query.
#[must_use]
pub fn record_json(record: &Record, topology: &Topology) -> Value {
    let dataset = record.dataset.and_then(|id| topology.dataset(id)).map(|dataset| dataset.name.as_str());
    json!({
        "at": record.at.0,
        "method": record.method,
        "path": record.path,
        "dataset": dataset,
        "access": record.access.token(),
        "region": record.region.map(|id| topology.region(id).name.as_str()),
        "reason": record.reason.token(),
        "status": record.status,
        "attempts": record.attempts,
        "cache": record.cache.token(),
        "crossed": record.crossed,
        "ms": record.took,
        "trace": record.trace.lines(topology).collect::<Vec<_>>(),
    })
}
