//! The ledger: all that the authority remembers, and what it answers to orders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) mod change;
pub(crate) mod drill_record;
pub(crate) mod evacuation;
mod former;
pub(crate) mod notice;
pub(crate) mod replies;

use self::{
    change::Change, drill_record::DrillRecord, evacuation::Evacuation, notice::PendingNotice, replies::Replies,
};
use crate::state::published::{self, RegionState};
use crate::{
    model::{
        formats,
        ids::DatasetId,
        time::{Timestamp, millis},
    },
    ownership::Ownership,
    topology::{Topology, dataset::Rule},
};

/// How soon what is under way is looked at again, and how soon who has not heard yet is told again, in milliseconds.
const TICK: u64 = 5_000;
pub(super) const SLOW_TICK: u64 = 30_000;
/// The most changes that are over and are kept.
const MOST_KEPT: usize = 100;

/// The latest renewal of a lease. One that may have arrived counts, heard of or not; so does one by a configuration that is not any
/// more. Stored as `[at, until]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal(pub Timestamp, pub Timestamp);

impl Renewal {
    /// When it was sent.
    pub(crate) fn at(self) -> Timestamp {
        self.0
    }

    /// Until when the owner may write by it, or by an earlier one.
    pub(crate) fn until(self) -> Timestamp {
        self.1
    }
}

/// What the authority remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// In which format it is written: always that of this version.
    pub format: u64,
    /// The version of the view; it only grows.
    pub version: u64,
    /// The version that the home store is known to hold.
    pub stored: u64,
    /// What was said of regions, by name.
    pub regions: BTreeMap<String, RegionRecord>,
    /// Owners of single-writer datasets, by name: from the first one on, as `firsts.rs` has found it, whatever is configured later.
    pub datasets: BTreeMap<String, Owned>,
    /// Changes, the latest last.
    pub changes: Vec<Change>,
    /// How many changes there ever were.
    pub counted: u64,
    /// The last number of a pause: the time, but that it never goes back.
    pub numbered: u64,
    /// What was replied to which request.
    pub replies: Replies,
    /// Regions whose share goes elsewhere, the latest last.
    pub sweeps: Vec<Evacuation>,
    /// Regions that have yet to hear of an ownership.
    pub untold: Vec<PendingNotice>,
    /// Isolation drills, the latest last.
    pub drills: Vec<DrillRecord>,
    /// When the leases of datasets were renewed last, by dataset.
    pub renewed: BTreeMap<String, Renewal>,
    /// Datasets of whose first owner the other regions were told. Told twice, it does no harm.
    pub firsts_told: Vec<String>,
}

/// What an operator has said of a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// The state's token.
    pub state: String,
    /// When it ends.
    pub until: Timestamp,
    /// Who has said it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// An ownership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The region's name.
    pub home: String,
    /// The generation.
    pub epoch: u64,
}

/// Why a ledger is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A later version has written it, in this format: written back by this one it could lose what that one relies on.
    Later(u64),
    /// It is no ledger.
    Broken(String),
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            format: formats::LEDGER,
            version: 0,
            stored: 0,
            regions: BTreeMap::new(),
            datasets: BTreeMap::new(),
            changes: Vec::new(),
            counted: 0,
            numbered: 0,
            replies: Replies::default(),
            sweeps: Vec::new(),
            untold: Vec::new(),
            drills: Vec::new(),
            renewed: BTreeMap::new(),
            firsts_told: Vec::new(),
        }
    }
}

impl Ledger {
    /// Reads a ledger back; an empty text is that of a new deployment.
    ///
    /// # Errors
    /// If it cannot be read: nothing may then be decided by it.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
        let ledger: Value = serde_json::from_str(text).map_err(broken)?;
        match formats::of(&ledger) {
            later if later > formats::LEDGER => Err(Unreadable::Later(later)),
            _ => Ok(Self { format: formats::LEDGER, ..serde_json::from_value(ledger).map_err(broken)? }),
        }
    }

    /// Who owns a single-writer dataset; before its first owner is noted that is the configured one.
    #[must_use]
    pub fn owner(&self, id: DatasetId, topology: &Topology) -> Option<Owned> {
        let dataset = topology.dataset(id)?;
        let Rule::SingleWriter { home } = dataset.rule else { return None };
        let configured = || Owned { home: topology.region(home).name.clone(), epoch: 1 };
        Some(self.datasets.get(&dataset.name).cloned().unwrap_or_else(configured))
    }

    /// The state of a region.
    #[must_use]
    pub fn state(&self, region: &str, now: Timestamp) -> RegionState {
        let said = self.regions.get(region).filter(|said| said.until > now);
        said.and_then(|said| RegionState::parse(&said.state)).unwrap_or_default()
    }

    /// The text for the edges.
    #[must_use]
    pub fn published(&self) -> String {
        let regions = self
            .regions
            .iter()
            .filter_map(|(name, said)| Some((name.as_str(), RegionState::parse(&said.state)?, said.until)));
        let datasets = self.datasets.iter().map(|(name, owned)| (name.as_str(), owned.home.as_str(), owned.epoch));
        published::write(self.version, regions, datasets, self.drill().map(DrillRecord::published).as_ref())
    }

    /// The change or sweep of that name, for operators.
    #[must_use]
    pub fn shown(&self, id: &str) -> Option<Value> {
        let change = self.changes.iter().find(|change| change.id == id).map(|change| json!(change));
        change.or_else(|| self.sweeps.iter().find(|sweep| sweep.id == id).map(|sweep| json!(sweep)))
    }

    /// After how many milliseconds something should be looked at again, if anything is under way.
    #[must_use]
    pub fn wake(&self) -> Option<u64> {
        let busy =
            self.changes.iter().any(|change| !change.phase.is_over()) || self.sweeps.iter().any(Evacuation::is_on);
        let looks_again = self.sweeps.iter().any(|sweep| sweep.looks_again.is_some());
        let is_open = !self.untold.is_empty() || self.stored != self.version || looks_again;
        if busy { Some(TICK) } else { is_open.then_some(SLOW_TICK) }
    }

    /// The next name of that kind.
    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.counted += 1;
        format!("{kind}-{}", self.counted)
    }

    /// All of it for operators.
    #[must_use]
    pub fn show(&self, topology: &Topology, now: Timestamp) -> Value {
        let regions: serde_json::Map<_, _> = topology
            .regions()
            .map(|(_, region)| {
                let said = self.regions.get(&region.name).filter(|said| said.until > now);
                let state = self.state(&region.name, now).token();
                (region.name.clone(), said.map_or_else(|| json!({ "state": state }), |said| json!(said)))
            })
            .collect();
        let datasets: serde_json::Map<_, _> = topology
            .datasets()
            .filter_map(|(id, dataset)| Some((dataset.name.clone(), json!(self.owner(id, topology)?))))
            .collect();
        let configured: serde_json::Map<_, _> = topology
            .datasets()
            .filter_map(|(id, dataset)| {
                let home = Ownership::configured(topology, id)?.home();
                Some((dataset.name.clone(), json!(topology.region(home).name)))
            })
            .collect();
        json!({
            "version": self.version, "regions": regions, "datasets": datasets, "configured": configured,
            // Of datasets that have no single home now, too: this one counts again if they get one.
            "recorded": self.datasets,
            "changes": self.changes, "sweeps": self.sweeps, "untold": self.untold, "drill": self.drill_briefly(),
        })
    }

    /// Whether the owner of that unit is changing.
    pub(crate) fn is_moving(&self, unit: &str) -> bool {
        self.changes.iter().any(|change| change.unit == unit && !change.phase.is_over())
    }

    /// Takes a change in; of those that are over, only the latest stay.
    pub(crate) fn add(&mut self, change: Change, now: Timestamp) -> String {
        let over = self.changes.iter().filter(|change| change.phase.is_over()).count();
        if over >= MOST_KEPT
            && let Some(oldest) = self.changes.iter().position(|change| change.phase.is_over())
        {
            self.changes.remove(oldest);
        }
        let id = self.name("change");
        // By time, so that a ledger that begins anew does not begin with numbers that regions have had.
        self.numbered = now.0.max(self.numbered + 1);
        self.changes.push(Change {
            id: id.clone(),
            number: self.numbered,
            began: now,
            since: now,
            says: "begins".to_owned(),
            ..change
        });
        id
    }

    /// The drill that is on.
    pub(crate) fn drill(&self) -> Option<&DrillRecord> {
        self.drills.iter().find(|drill| drill.ended.is_none())
    }

    /// The same for operators, without its figures.
    pub(crate) fn drill_briefly(&self) -> Option<Value> {
        self.drill().map(DrillRecord::briefly)
    }

    /// After how many milliseconds the drill that is on ends.
    pub(crate) fn drill_ends(&self, now: Timestamp) -> Option<u64> {
        self.drill().map(|drill| millis(drill.until.since(now)).max(1))
    }

    /// Ends the drill that is on.
    pub(crate) fn end_drill(&mut self, now: Timestamp, says: String) -> Option<DrillRecord> {
        let drill = self.drills.iter_mut().find(|drill| drill.ended.is_none())?;
        (drill.ended, drill.says) = (Some(now.min(drill.until)), says);
        self.version += 1;
        Some(drill.clone())
    }
}
