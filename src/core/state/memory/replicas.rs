//! How far each region's replica was when it last said so.

use crate::model::{
    epoch::Epoch,
    ids::{DatasetId, MAX_REGIONS, RegionId},
    position::Position,
    time::Timestamp,
};

/// Of the most logs of a dataset it is known how far a region's replica is: one of each owner, and as many of earlier epochs. An origin can
/// name any epoch.
const MOST_LOGS: usize = 2 * MAX_REGIONS;

/// What was said of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How far it was; none if it had nothing of that log.
    pub place: Option<Position>,
    /// When it last said that it was short of what a session had seen.
    pub short: Option<Timestamp>,
}

/// Whose replica of which log. Of a multi-writer dataset whose owners each have a log, a region has a replica of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaId {
    /// The region that holds the replica.
    pub region: RegionId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The owner whose log is copied.
    pub home: RegionId,
    /// Since when; none where one log holds what was written by several epochs.
    pub epoch: Epoch,
}

/// How far each replica is known to be. Replicas only move on, so a place that was once reached stays reached, unless the replica
/// itself says that it is behind: a region may have several.
#[derive(Clone, Debug, Default)]
pub struct AppliedPositions(Vec<(ReplicaId, Known)>);

impl AppliedPositions {
    /// How far a replica is known to be.
    #[must_use]
    pub fn of(&self, replica: ReplicaId) -> Option<Known> {
        self.0.iter().find(|(of, _)| *of == replica).map(|(_, known)| *known)
    }

    /// Whether that region has ever said how far its replica of the dataset is, by whose log whatever.
    #[must_use]
    pub fn says(&self, region: RegionId, dataset: DatasetId) -> bool {
        self.0.iter().any(|(of, _)| (of.region, of.dataset) == (region, dataset))
    }

    /// Takes in what a replica said of itself.
    pub fn observe(&mut self, replica: ReplicaId, place: Position) {
        match self.entry(replica) {
            Some(known) => known.place = known.place.max(Some(place)),
            None => self.add(replica, Known { place: Some(place), short: None }),
        }
    }

    /// Takes in that a replica could not satisfy a reader: it is no further than it says, whatever was said before.
    pub fn behind(&mut self, replica: ReplicaId, place: Option<Position>, now: Timestamp) {
        let said = Known { place, short: Some(now) };
        match self.entry(replica) {
            Some(known) => *known = said,
            None => self.add(replica, said),
        }
    }

    /// Begins to know a replica; of too many of the same region and dataset the one that is known longest goes.
    fn add(&mut self, replica: ReplicaId, known: Known) {
        let same = |(of, _): &(ReplicaId, Known)| (of.region, of.dataset) == (replica.region, replica.dataset);
        if self.0.iter().filter(|held| same(held)).count() >= MOST_LOGS
            && let Some(oldest) = self.0.iter().position(same)
        {
            self.0.remove(oldest);
        }
        self.0.push((replica, known));
    }

    /// What is known of a replica. Of a log that is new here the earlier ones of the same data say nothing any more.
    fn entry(&mut self, replica: ReplicaId) -> Option<&mut Known> {
        if !self.0.iter().any(|(of, _)| *of == replica) {
            let same = |of: &ReplicaId| (of.region, of.dataset) == (replica.region, replica.dataset);
            self.0.retain(|(of, _)| !(same(of) && of.epoch < replica.epoch));
        }
        self.0.iter_mut().find(|(of, _)| *of == replica).map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_epochs_an_origin_names_few_are_remembered() {
        let replica =
            |epoch| ReplicaId { region: RegionId(0), dataset: DatasetId(0), home: RegionId(1), epoch: Epoch(epoch) };
        let mut known = AppliedPositions::default();
        let elsewhere = ReplicaId { region: RegionId(2), ..replica(1) };
        known.observe(elsewhere, Position::new(3));
        for epoch in (1..10_000).rev() {
            known.observe(replica(epoch), Position::new(epoch.into()));
        }
        assert_eq!(known.0.len(), MOST_LOGS + 1);
        assert!(known.of(elsewhere).is_some(), "others keep theirs");
        assert_eq!(known.of(replica(1)).and_then(|known| known.place), Some(Position::new(1)), "the last is known");
    }
}
