//! How far each region's copy was when it last said so.

use crate::model::{
    epoch::Epoch,
    ids::{DatasetId, RegionId},
    position::Position,
    time::Timestamp,
};

/// What was said of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How far it was; none if it had nothing of that log.
    pub place: Option<Position>,
    /// When it last said that it was short of what a session had seen.
    pub short: Option<Timestamp>,
}

/// Whose copy of which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaId {
    /// The region that holds the copy.
    pub region: RegionId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The owner whose log is copied.
    pub home: RegionId,
    /// Since when; none where one log holds what was written by several epochs.
    pub epoch: Epoch,
}

/// How far each copy is known to be. Copies only move on, so a place that was once reached stays reached, unless the copy
/// itself says that it is behind: a region may have several.
#[derive(Clone, Debug, Default)]
pub struct AppliedPositions(Vec<(ReplicaId, Known)>);

impl AppliedPositions {
    /// How far a copy is known to be.
    #[must_use]
    pub fn of(&self, copy: ReplicaId) -> Option<Known> {
        self.0.iter().find(|(of, _)| *of == copy).map(|(_, known)| *known)
    }

    /// Whether that region has ever said how far its copy of the dataset is, by whose log whatever.
    #[must_use]
    pub fn says(&self, region: RegionId, dataset: DatasetId) -> bool {
        self.0.iter().any(|(of, _)| (of.region, of.dataset) == (region, dataset))
    }

    /// Takes in what a copy said of itself.
    pub fn observe(&mut self, copy: ReplicaId, place: Position) {
        match self.entry(copy) {
            Some(known) => known.place = known.place.max(Some(place)),
            None => self.0.push((copy, Known { place: Some(place), short: None })),
        }
    }

    /// Takes in that a copy could not satisfy a reader: it is no further than it says, whatever was said before.
    pub fn behind(&mut self, copy: ReplicaId, place: Option<Position>, now: Timestamp) {
        let said = Known { place, short: Some(now) };
        match self.entry(copy) {
            Some(known) => *known = said,
            None => self.0.push((copy, said)),
        }
    }

    /// What is known of a copy. Of a log that is new here the earlier ones of the same data say nothing any more.
    fn entry(&mut self, copy: ReplicaId) -> Option<&mut Known> {
        if !self.0.iter().any(|(of, _)| *of == copy) {
            let same = |of: &ReplicaId| (of.region, of.dataset) == (copy.region, copy.dataset);
            self.0.retain(|(of, _)| !(same(of) && of.epoch < copy.epoch));
        }
        self.0.iter_mut().find(|(of, _)| *of == copy).map(|(_, known)| known)
    }
}
