//! What one isolate has seen, and the lines of the log.

use std::{collections::VecDeque, rc::Rc};

use serde::Serialize;

use crate::{
    http::problem::Problem,
    model::{per_region::PerRegion, time::Timestamp},
    observe::{
        locality::{BudgetAlert, Locality, conflicts::told},
        suggest::Suggestions,
    },
    settle::record::Record,
    topology::Topology,
};

/// The most decisions that the isolate keeps for the dashboard.
const MOST_RECORDS: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct RegionTally {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) last_failure: Option<(Timestamp, &'static str)>,
}

/// What one isolate has seen.
#[derive(Clone, Debug, Default)]
pub struct IsolateReport {
    pub(crate) records: VecDeque<Rc<Record>>,
    pub(crate) requests: u64,
    pub(crate) locality: Locality,
    pub(crate) hits: u64,
    pub(crate) refused: u64,
    pub(crate) regions: PerRegion<RegionTally>,
    suggestions: Suggestions,
    pub(crate) unreadable_positions: u64,
    pub(crate) clocks_ahead: u64,
}

impl IsolateReport {
    /// Takes in a request that was refused before it became a flow.
    pub fn refused(&mut self) {
        self.requests += 1;
        self.refused += 1;
    }

    /// Counts whether the request stayed in its nearest region, and which conflicts its answer reports. Returns an alert for each budget
    /// that its route exceeds from now on, or keeps again.
    pub fn observe(&mut self, record: &Record, topology: &Topology) -> [Option<BudgetAlert>; 2] {
        [self.locality.observe(record, topology), self.locality.observe_conflicts(record, topology)]
    }

    /// Takes in a settled request that was observed.
    pub fn add(&mut self, record: Rc<Record>) {
        self.requests += 1;
        self.hits += u64::from(record.cache.is_hit());
        self.refused += u64::from(record.region.is_none());
        if let Some(region) = record.region.filter(|_| record.attempts > 0) {
            self.regions.entry(region).requests += 1;
        }
        self.unreadable_positions += u64::from(record.position_unreadable);
        self.clocks_ahead += u64::from(record.told.is_ahead);
        for (region, failure) in &record.failures {
            let tally = self.regions.entry(*region);
            tally.failures += 1;
            tally.last_failure = Some((record.at, failure.token().as_str()));
        }
        self.suggestions.observe(&record);
        self.records.truncate(MOST_RECORDS - 1);
        self.records.push_front(record);
    }

    /// Route lines that the origins' `Homing-Wrote` suggest.
    #[must_use]
    pub fn suggestions(&self) -> &Suggestions {
        &self.suggestions
    }
}

/// A request that was refused at the door, as one line of the log: nothing of it but the method is worth trusting.
#[derive(Serialize)]
pub struct Refused {
    at: u64,
    method: String,
    reason: &'static str,
    status: u16,
}

impl Refused {
    /// The request by that method, refused for that.
    #[must_use]
    pub fn new(problem: &Problem, method: &str, now: Timestamp) -> Self {
        let method = method.chars().take(16).collect();
        Self { at: now.0, method, reason: problem.refusal.token().as_str(), status: problem.status() }
    }
}

/// One request as one line of the log or one row of the dashboard. Every field is on this list; none holds a header or a query.
#[derive(Serialize)]
pub struct LogLine<'a> {
    at: u64,
    method: &'a str,
    path: &'a str,
    dataset: Option<&'a str>,
    access: &'static str,
    region: Option<&'a str>,
    reason: &'static str,
    status: u16,
    attempts: u8,
    cache: &'static str,
    crossed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<String>,
    ms: u64,
    trace: Vec<String>,
}

impl<'a> LogLine<'a> {
    /// The request of that record.
    #[must_use]
    pub fn of(record: &'a Record, topology: &'a Topology) -> Self {
        let dataset = record.dataset.and_then(|id| topology.dataset(id));
        Self {
            at: record.at.0,
            method: &record.method,
            path: &record.path,
            dataset: dataset.map(|dataset| dataset.name.as_str()),
            access: record.access.token(),
            region: record.region.map(|id| topology.region(id).name.as_str()),
            reason: record.decision.token().as_str(),
            status: record.status,
            attempts: record.attempts,
            cache: record.cache.word(),
            crossed: record.crossed.is_some(),
            conflicts: told(&record.conflicts, topology),
            ms: record.took,
            trace: record.trace.lines(topology).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::state::CacheState,
        model::{
            access::Access,
            ids::RegionId,
            reasons::{Choice, Failure},
        },
        settle::StampTold,
        state::trace::{Decision, Trace},
    };

    fn record(region: RegionId, failures: Vec<(RegionId, Failure)>) -> Record {
        Record {
            at: Timestamp(1),
            method: "GET".into(),
            path: "/".to_owned(),
            route: None,
            dataset: None,
            access: Access::Read,
            region: Some(region),
            nearest: None,
            crossed: None,
            decision: Decision::Chosen(Choice::After(Failure::Timeout)),
            stale: false,
            status: 200,
            attempts: 2,
            cache: CacheState::Bypass,
            wrote: None,
            pinned: None,
            took: 1,
            failures,
            position_unreadable: false,
            told: StampTold::default(),
            conflicts: Vec::new(),
            trace: Trace::default(),
            drilled: None,
        }
    }

    #[test]
    fn a_region_that_is_asked_because_another_one_failed_has_not_failed() {
        let (eu, us) = (RegionId(1), RegionId(0));
        let mut report = IsolateReport::default();
        report.add(Rc::new(record(us, vec![(eu, Failure::Timeout)])));
        let failed = |report: &IsolateReport| {
            [us, eu].map(|region| report.regions.get(region).map_or(0, |tally| tally.failures))
        };
        assert_eq!(failed(&report), [0, 1]);
        report.add(Rc::new(record(us, vec![(eu, Failure::Timeout), (us, Failure::Timeout)])));
        assert_eq!(failed(&report), [1, 2]);
        assert_eq!(
            report.regions.get(eu).and_then(|tally| tally.last_failure),
            Some((Timestamp(1), "failover-timeout"))
        );
    }
}
