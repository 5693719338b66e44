//! The matrix: what the vantage points have measured of the regions, and what the regions say of each other.
//!
//! A prober beside each region (`prober`) asks every region how it is, and puts what it found into the home store; every isolate
//! reads all of them behind a request and draws the same conclusions. What one vantage point sees moves nothing: it may be cut off
//! itself. "The edge cannot reach it" and "its peers cannot replicate from it" are two facts and stay two.

pub mod hint;
pub(crate) mod show;

use std::time::Duration;

use serde_json::Value;

pub use crate::state::matrix::hint::{location_hint, may_lie_in};
pub use crate::state::matrix::show::MatrixShown;

use crate::{
    model::{
        formats,
        ids::{RegionId, RegionSet},
        time::Timestamp,
    },
    topology::{Topology, pace::REPORT_COUNTS},
};

/// The key in KV of what the prober beside that region has found.
#[must_use]
pub fn key(region: &str) -> String {
    format!("probe:{region}")
}

/// From this lag on, a replica is not expected to have what a session has written or seen.
pub const SESSIONS_LEAVE: Duration = Duration::from_secs(10);
/// From this lag on, a replica is read only if there is no other.
pub const ALL_LEAVE: Duration = Duration::from_secs(60);

/// What one vantage point has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    from: RegionId,
    at: Timestamp,
    regions: Vec<ProbedRegion>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbedRegion {
    pub(crate) region: RegionId,
    /// Whether its health address has answered lately.
    pub(crate) ok: bool,
    /// How long that took, in milliseconds.
    pub(crate) took: Option<u64>,
    pub(crate) peers: Vec<(RegionId, LinkState)>,
}

/// What a region's replica is to a peer's writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Whether it reaches the peer, by its own word.
    pub reachable: Option<bool>,
    /// How far it is behind, at least.
    pub lag: Option<Duration>,
    /// The median of that.
    pub p50: Option<Duration>,
    /// The 99th percentile.
    pub p99: Option<Duration>,
    /// It says that it is not behind, and lacks what the peer wrote a while ago.
    pub stalled: bool,
}

impl ProbeReport {
    /// Reads what a prober has written. What this topology does not know is left out: another deployment may be older. One of a later
    /// format is none: a vantage point less, as if its prober were silent.
    #[must_use]
    pub fn read(text: &str, topology: &Topology) -> Option<Self> {
        let report: Value = serde_json::from_str(text).ok()?;
        if formats::of(&report) > formats::REPORT {
            return None;
        }
        let regions = entries(&report, "regions", topology).map(|(region, said)| ProbedRegion {
            region,
            ok: said.get("ok").and_then(Value::as_bool).unwrap_or(true),
            took: said.get("ms").and_then(Value::as_u64),
            peers: entries(said, "peers", topology).map(|(peer, pair)| (peer, LinkState::read(pair))).collect(),
        });
        Some(Self {
            from: topology.region_named(report.get("from")?.as_str()?)?,
            at: Timestamp(report.get("at")?.as_u64()?),
            regions: regions.collect(),
        })
    }

    /// When that was.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The regions that have answered in this very round.
    pub fn answered(&self) -> impl Iterator<Item = RegionId> {
        self.regions.iter().filter(|seen| seen.ok && seen.took.is_some()).map(|seen| seen.region)
    }

    pub(crate) fn of(&self, region: RegionId) -> Option<&ProbedRegion> {
        self.regions.iter().find(|seen| seen.region == region)
    }
}

impl LinkState {
    fn read(said: &Value) -> Self {
        let span = |name| said.get(name).and_then(Value::as_u64).map(Duration::from_millis);
        Self {
            reachable: said.get("reachable").and_then(Value::as_bool),
            lag: span("lag_ms"),
            p50: span("p50_ms"),
            p99: span("p99_ms"),
            stalled: said.get("stalled").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

fn entries<'v>(of: &'v Value, key: &str, topology: &Topology) -> impl Iterator<Item = (RegionId, &'v Value)> {
    let entries = of.get(key).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, said)| Some((topology.region_named(name)?, said)))
}

/// What all vantage points have found.
#[derive(Clone, Debug, Default)]
pub struct Matrix(Vec<ProbeReport>);

impl Matrix {
    /// Takes in a report; KV may show an older one after a newer.
    pub fn observe(&mut self, report: ProbeReport) {
        match self.0.iter_mut().find(|known| known.from == report.from) {
            Some(known) if known.at >= report.at => {}
            Some(known) => *known = report,
            None => self.0.push(report),
        }
    }

    /// The regions of which the vantage points agree that they do not answer; none if that were all: where nothing seems to be
    /// there, the measuring is more likely at fault.
    #[must_use]
    pub fn unreachable(&self, topology: &Topology, now: Timestamp) -> RegionSet {
        if self.0.is_empty() {
            return RegionSet::EMPTY;
        }
        let regions = topology.regions().map(|(id, _)| id);
        let gone = regions.filter(|id| self.is_unreachable(*id, now)).fold(RegionSet::EMPTY, RegionSet::with);
        if gone == topology.all_regions() { RegionSet::EMPTY } else { gone }
    }

    /// Whether the vantage points agree that the region does not answer: two at least, and more than half of those that have
    /// told of it lately.
    fn is_unreachable(&self, region: RegionId, now: Timestamp) -> bool {
        let told = || self.fresh(now).filter_map(|report| report.of(region));
        let against = told().filter(|seen| !seen.ok).count();
        against >= 2 && against * 2 > told().count()
    }

    /// What the region's replica is to the peer's writes, by the latest report in which the region said anything.
    #[must_use]
    pub fn pair(&self, region: RegionId, peer: RegionId, now: Timestamp) -> Option<LinkState> {
        let told = self.fresh(now).filter_map(|report| {
            let pair = report.of(region)?.peers.iter().find(|(id, _)| *id == peer)?;
            Some((report.at, pair.1))
        });
        told.max_by_key(|(at, _)| *at).map(|(_, pair)| pair)
    }

    /// How long the prober beside that region waits for the other one's answer.
    #[must_use]
    pub fn took(&self, from: RegionId, region: RegionId, now: Timestamp) -> Option<Duration> {
        let seen = self.fresh(now).find(|report| report.from == from)?.of(region).filter(|seen| seen.ok)?;
        seen.took.map(Duration::from_millis)
    }

    /// Whether the vantage point beside that region has told anything lately.
    #[must_use]
    pub fn has_told(&self, from: RegionId, now: Timestamp) -> bool {
        self.fresh(now).any(|report| report.from == from)
    }

    fn fresh(&self, now: Timestamp) -> impl Iterator<Item = &ProbeReport> {
        self.0.iter().filter(move |report| now.since(report.at) < REPORT_COUNTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{error::KeyPath, parse, raw};

    const US: RegionId = RegionId(0);
    const EU: RegionId = RegionId(1);

    fn topology() -> Topology {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"},
            "ap":{"origin":"https://ap.example"}}}"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn report(from: &str, at: u64, eu: &str) -> ProbeReport {
        let text =
            format!(r#"{{"from":"{from}","at":{at},"regions":{{"us":{{"ok":true,"ms":3}},"eu":{eu},"mars":{{}}}}}}"#);
        ProbeReport::read(&text, &topology()).unwrap()
    }

    fn matrix(reports: &[ProbeReport]) -> Matrix {
        let mut matrix = Matrix::default();
        reports.iter().cloned().for_each(|report| matrix.observe(report));
        matrix
    }

    #[test]
    fn only_agreement_says_that_a_region_is_gone() {
        let (gone, there) = (r#"{"ok":false}"#, r#"{"ok":true}"#);
        let says = |matrix: Matrix| matrix.is_unreachable(EU, Timestamp(1000));
        assert!(!says(matrix(&[report("us", 9, gone)])), "one may be cut off itself");
        assert!(says(matrix(&[report("us", 9, gone), report("ap", 9, gone)])));
        assert!(says(matrix(&[report("us", 9, gone), report("ap", 9, gone), report("eu", 9, there)])));
        assert!(!says(matrix(&[
            report("us", 9, gone),
            report("ap", 9, there),
            report("eu", 9, gone),
            report("us", 10, there)
        ])));
        let old = matrix(&[report("us", 9, gone), report("ap", 9, gone)]);
        assert!(!old.is_unreachable(EU, Timestamp(120_009)), "what was long ago counts no more");
        assert!(!old.is_unreachable(US, Timestamp(1000)));
    }

    #[test]
    fn a_vantage_point_is_silent_without_a_report_or_with_an_old_one() {
        let matrix = matrix(&[report("us", 9, "{}"), report("ap", 30, "{}")]);
        let told = |now| [US, EU, RegionId(2)].map(|id| matrix.has_told(id, Timestamp(now)));
        assert_eq!(told(40), [true, false, true]);
        assert_eq!(told(120_009), [false, false, true], "the prober beside us has died, or nobody hears it");
    }

    #[test]
    fn the_latest_word_of_a_region_counts() {
        let said =
            |lag: u64| format!(r#"{{"ok":true,"peers":{{"us":{{"reachable":true,"lag_ms":{lag},"p99_ms":9}}}}}}"#);
        let matrix = matrix(&[
            report("us", 20, &said(7)),
            report("ap", 30, &said(8)),
            report("ap", 25, &said(9)),
            report("eu", 40, "{}"),
        ]);
        let pair = matrix.pair(EU, US, Timestamp(50)).unwrap();
        assert_eq!((pair.lag, pair.p99), (Some(Duration::from_millis(8)), Some(Duration::from_millis(9))));
        assert_eq!(matrix.pair(US, EU, Timestamp(50)), None);
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        for broken in ["", "[]", "{}", r#"{"from":"mars","at":1}"#, r#"{"from":"us","at":"1"}"#] {
            assert_eq!(ProbeReport::read(broken, &topology()), None, "{broken}");
        }
    }
}
