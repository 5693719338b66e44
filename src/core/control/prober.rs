//! A prober: what it makes of the regions' answers, round by round. It is pure; a Durable Object asks and keeps its state.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::state::matrix::{ALL_LEAVE, SESSIONS_LEAVE};
use crate::{
    model::{
        epoch::Epoch,
        formats,
        ids::{DatasetId, RegionId},
        position::{Position, PositionKind},
        time::{Timestamp, millis},
    },
    state::published::Published,
    topology::{
        Topology,
        dataset::Rule,
        pace::{LONGEST_ROUND, ROUND, is_repeated},
        units,
    },
};

/// So many rounds in a row must fail: one packet lost is no region lost.
const FAILS: u32 = 2;
/// Lags that a percentile is made of, and how many make one.
const SAMPLES: usize = 60;
/// See [`SAMPLES`].
const ENOUGH: usize = 20;
/// Positions of a home that are remembered.
const STEPS: usize = 64;

/// What a prober remembers between rounds. Losing it costs a round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prober {
    regions: BTreeMap<String, Past>,
    /// When it last put a report into the store, and what that said in rough words.
    put: u64,
    said: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Past {
    failed: u32,
    peers: BTreeMap<String, PastPair>,
    /// By dataset: when the region was first seen at a position, the latest last.
    steps: BTreeMap<String, VecDeque<ProbeStep>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct PastPair {
    lags: VecDeque<u64>,
    cut_since: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ProbeStep {
    at: u64,
    epoch: u64,
    position: String,
}

/// What came of asking a region: how long its answer took and what it says, or nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answered {
    ms: u64,
    health: Option<Value>,
}

/// What a round comes to.
#[derive(Clone, Debug)]
pub struct Round {
    /// The report, as [`crate::state::matrix::ProbeReport::read`] reads it.
    pub report: String,
    /// Whether it should be put into the store now.
    pub put: bool,
}

/// Where a prober asks: name, URL, and the service binding if it is one.
#[must_use]
pub fn targets(topology: &Topology) -> Value {
    let target = |(_, region): (_, &crate::topology::Region)| {
        let (service, url) = region.origin.url(&region.health);
        json!({ "region": region.name, "service": service.unwrap_or_default(), "url": url })
    };
    topology.regions().map(target).collect()
}

/// How often to ask: nothing means never.
///
/// # Errors
/// If the text is neither "off" nor a time from a second to [`LONGEST_ROUND`].
pub fn every(said: &str) -> Result<Option<Duration>, WrongPace> {
    match said {
        "" => Ok(Some(ROUND)),
        "off" => Ok(None),
        text => units::duration(text)
            .filter(|span| (Duration::from_secs(1)..=LONGEST_ROUND).contains(span))
            .map(Some)
            .ok_or_else(|| WrongPace { found: text.to_owned() }),
    }
}

/// `PROBES` says no pace at which probers can go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "PROBES: found {found:?}, expected \"off\" or a time from a second to {} s, such as \"10s\"",
    LONGEST_ROUND.as_secs()
)]
pub struct WrongPace {
    /// What it says.
    pub found: String,
}

/// What is stored, as [`crate::state::matrix::ProbeReport::read`] reads it.
fn report(from: &str, regions: &Map<String, Value>, now: Timestamp) -> String {
    json!({ "format": formats::REPORT, "from": from, "at": now.0, "regions": regions }).to_string()
}

impl Prober {
    /// Takes in the answers of one round.
    pub fn round(
        &mut self,
        from: &str,
        answers: &BTreeMap<String, Answered>,
        world: World<'_>,
        now: Timestamp,
    ) -> Round {
        for (name, answer) in answers {
            self.remember(name, answer, &world, now);
        }
        let regions: Map<String, Value> =
            answers.iter().map(|(name, answer)| (name.clone(), self.seen(name, answer, &world, now))).collect();
        let said = rough(&regions);
        let put = said != self.said || is_repeated(now.since(Timestamp(self.put)), world.every);
        if put {
            (self.said, self.put) = (said, now.0);
        }
        Round { report: report(from, &regions, now), put }
    }

    fn remember(&mut self, name: &str, answer: &Answered, world: &World<'_>, now: Timestamp) {
        let past = self.regions.entry(name.to_owned()).or_default();
        past.failed = if answer.health.is_some() { 0 } else { past.failed.saturating_add(1) };
        let Some(health) = &answer.health else { return };
        for (dataset, step) in positions(health, world.topology, now) {
            let steps = past.steps.entry(dataset).or_default();
            let last = steps.back();
            if last.is_none_or(|last| (&last.position, last.epoch) != (&step.position, step.epoch)) {
                // Of another epoch, earlier positions say nothing any more.
                steps.retain(|old| old.epoch == step.epoch);
                if steps.len() >= STEPS {
                    steps.pop_front();
                }
                steps.push_back(step);
            }
        }
    }

    fn seen(&mut self, name: &str, answer: &Answered, world: &World<'_>, now: Timestamp) -> Value {
        let ok = self.regions.get(name).is_none_or(|past| past.failed < FAILS);
        let Some(health) = &answer.health else { return json!({ "ok": ok, "peers": {} }) };
        let others = world.topology.regions().filter(|(_, region)| region.name != name);
        let peers: Map<String, Value> = others
            .filter_map(|(id, peer)| Some((peer.name.clone(), self.pair(name, (id, &peer.name), health, world, now)?)))
            .collect();
        json!({ "ok": ok, "ms": answer.ms, "peers": peers })
    }

    /// What the region's replica is to the peer's writes. A replica that does not reach its source ages with the clock; one that lacks
    /// what the source had a while ago is as far behind as that, whatever it says.
    fn pair(
        &mut self,
        name: &str,
        peer: (RegionId, &str),
        health: &Value,
        world: &World<'_>,
        now: Timestamp,
    ) -> Option<Value> {
        let reachable = health.get("reachable").and_then(|all| all.get(peer.1)).and_then(Value::as_bool);
        let said = health.get("lag_ms").and_then(|all| all.get(peer.1)).and_then(Value::as_u64);
        let lacks = self.lacks(name, peer, world, now);
        if reachable.is_none() && said.is_none() && lacks.is_none() {
            return None;
        }
        let past = self.regions.entry(name.to_owned()).or_default().peers.entry(peer.1.to_owned()).or_default();
        past.cut_since = if reachable == Some(false) { Some(past.cut_since.unwrap_or(now.0)) } else { None };
        let cut = past.cut_since.map(|since| now.0.saturating_sub(since));
        let late = lacks.filter(|late| *late > 2 * millis(world.every) + 1000);
        let stalled = late.is_some_and(|late| reachable != Some(false) && said.is_none_or(|said| said < late / 2));
        let lag = [said, cut, late].into_iter().flatten().max();
        if let Some(lag) = lag {
            if past.lags.len() >= SAMPLES {
                past.lags.pop_front();
            }
            past.lags.push_back(lag);
        }
        let (p50, p99) = (percentile(&past.lags, 50), percentile(&past.lags, 99));
        Some(json!({ "reachable": reachable, "lag_ms": lag, "p50_ms": p50, "p99_ms": p99, "stalled": stalled }))
    }

    /// For how many milliseconds, at least, the region has lacked something that the peer has: of datasets that the peer owns, by
    /// positions of the same epoch.
    fn lacks(&self, name: &str, (id, peer): (RegionId, &str), world: &World<'_>, now: Timestamp) -> Option<u64> {
        let (copy, source) = (self.regions.get(name)?, self.regions.get(peer)?);
        let owned = world.topology.datasets().filter(|(dataset, _)| world.owner(*dataset) == Some(id));
        let late = owned.filter_map(|(_, dataset)| {
            let kind = dataset.position?;
            let here = copy.steps.get(&dataset.name)?.back()?;
            let reached = kind.read(&here.position)?;
            let missing = |step: &&ProbeStep| {
                step.epoch > here.epoch || (step.epoch == here.epoch && is_beyond(kind, &step.position, reached))
            };
            let first = source.steps.get(&dataset.name)?.iter().find(missing);
            Some(first.map_or(0, |step| now.0.saturating_sub(step.at)))
        });
        late.max()
    }
}

/// By what a round is judged.
#[derive(Clone, Copy, Debug)]
pub struct World<'w> {
    /// The topology.
    pub topology: &'w Topology,
    /// What the authority has published.
    pub published: &'w Published,
    /// How often the prober asks.
    pub every: Duration,
}

impl World<'_> {
    fn owner(&self, dataset: DatasetId) -> Option<RegionId> {
        let Rule::SingleWriter { home } = self.topology.dataset(dataset)?.rule else { return None };
        Some(self.published.ownership(dataset).map_or(home, |owned| owned.home()))
    }
}

fn is_beyond(kind: PositionKind, text: &str, reached: Position) -> bool {
    kind.read(text).is_some_and(|position| position > reached)
}

/// The positions that a region tells of, of single-writer datasets that have any.
fn positions(health: &Value, topology: &Topology, now: Timestamp) -> Vec<(String, ProbeStep)> {
    let told = topology.datasets().filter(|(_, dataset)| dataset.position.is_some()).filter_map(|(_, dataset)| {
        let position = match health.get("position")?.get(&dataset.name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let epoch = health.get("epochs").and_then(|epochs| epochs.get(&dataset.name)).and_then(Value::as_u64);
        let epoch = epoch.and_then(Epoch::said).unwrap_or(Epoch::FIRST).0;
        Some((dataset.name.clone(), ProbeStep { at: now.0, epoch, position }))
    });
    told.collect()
}

fn percentile(lags: &VecDeque<u64>, of: usize) -> Option<u64> {
    let mut sorted: Vec<u64> = lags.iter().copied().collect();
    sorted.sort_unstable();
    let enough = sorted.len() >= ENOUGH;
    enough.then(|| sorted.get((sorted.len() * of).div_ceil(100).saturating_sub(1)).copied())?
}

/// What a report says, as far as anybody would decide otherwise by it.
fn rough(regions: &Map<String, Value>) -> String {
    let class =
        |lag: u64| [1000, millis(SESSIONS_LEAVE), millis(ALL_LEAVE)].into_iter().filter(|step| lag > *step).count();
    let mut said = String::new();
    for (name, seen) in regions {
        said += &format!("{name} {} ", seen["ok"]);
        for (peer, pair) in seen["peers"].as_object().into_iter().flatten() {
            let lag = pair["lag_ms"].as_u64().map(class);
            said += &format!("{peer} {} {} {lag:?} ", pair["reachable"], pair["stalled"]);
        }
    }
    said
}

#[cfg(test)]
#[path = "prober_tests.rs"]
mod tests;
