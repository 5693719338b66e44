//! What is told about requests: the log line, and the snapshot that the dashboard shows.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    health::Health,
    locality::{Alarm, Locality},
    problem::Problem,
    reason::Reason,
    settle::Record,
    suggest::Suggestions,
    time::Timestamp,
    topology::{Origin, RegionId, Rule as Ownership, Topology},
    trace::Rule,
    view::View,
    warnings::warnings,
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
    locality: Locality,
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

    /// Counts whether the request stayed in its nearest region. Said is what has to be told of it: a route that has gone over
    /// its budget, or has come back.
    pub fn weigh(&mut self, record: &Record, topology: &Topology) -> Option<Alarm> {
        self.locality.learn(record, topology)
    }

    /// Takes in a settled request that was weighed.
    pub fn add(&mut self, record: Record) {
        self.requests += 1;
        self.hits += u64::from(record.cache.token() == "hit");
        self.refused += u64::from(record.region.is_none());
        if let Some(region) = record.region.filter(|_| record.attempts > 0) {
            self.tally(region).requests += 1;
        }
        for rule in record.trace.rules() {
            self.unreadable_positions += u64::from(rule.reason == Reason::PositionMalformed);
        }
        for (region, reason) in failures(record.trace.rules()) {
            let tally = self.tally(region);
            tally.failures += 1;
            tally.last_failure = Some((record.at, reason.token()));
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
            "warnings": warnings(view.settings()),
            "view": view.version(),
            "drill": view.drill().map(|drill| drill.show(topology)),
            "regions": regions,
            "datasets": datasets(view),
            "matrix": view.matrix().show(topology, view.taken()),
            "locality": self.locality.json(topology),
            "totals": {
                "requests": self.requests, "cross_region": self.locality.total().crossed, "cache_hits": self.hits, "refused": self.refused,
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

/// Which regions failed. The rule behind a failure tells why the next region is asked, by the same reason: no failure of its.
fn failures(rules: &[Rule]) -> impl Iterator<Item = (RegionId, Reason)> {
    let before = std::iter::once(None).chain(rules.iter().map(Some));
    before.zip(rules).filter_map(|(before, rule)| {
        let why_asked = before.is_some_and(|before| before.reason == rule.reason && before.region != rule.region);
        rule.region.filter(|_| rule.reason.is_failure() && !why_asked).map(|region| (region, rule.reason))
    })
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
            Ownership::SingleWriter { .. } => (Vec::new(), None),
            Ownership::GeoPartitioned { regions, .. } => (names(*regions), None),
            Ownership::MultiWriter { regions, conflicts } => {
                (names(*regions), Some(json!({ "rule": conflicts.rule.token(), "explain": conflicts.explain })))
            }
        };
        json!({
            "name": dataset.name,
            "ownership": dataset.rule.token(),
            "home": owned.map(|owned| topology.region(owned.home()).name.clone()),
            "epoch": owned.map(|owned| owned.epoch().0),
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
    let round = |lag: &mut Value| *lag = json!(lag.as_f64().map(|lag| (lag / LAG_STEP).round()));
    lags.flat_map(serde_json::Map::values_mut).for_each(round);
    if let Some(matrix) = calm.get_mut("matrix") {
        calm_down(matrix);
    }
    calm.to_string()
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
        "crossed": record.crossed.is_some(),
        "ms": record.took,
        "trace": record.trace.lines(topology).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_is_asked_because_another_one_failed_has_not_failed() {
        let (eu, us) = (RegionId(1), RegionId(0));
        let rule = |reason, region| Rule { reason, region: Some(region) };
        let answered = [rule(Reason::FailoverTimeout, eu), rule(Reason::FailoverTimeout, us)];
        assert_eq!(failures(&answered).collect::<Vec<_>>(), [(eu, Reason::FailoverTimeout)]);
        let both = [answered[0], answered[1], answered[1]];
        assert_eq!(failures(&both).map(|(region, _)| region).collect::<Vec<_>>(), [eu, us]);
    }
}
