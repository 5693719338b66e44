//! How far each region's copy was when it last said so.

use super::super::{
    position::Mark,
    time::Timestamp,
    topology::{DatasetId, RegionId},
};

/// What was said of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// How far it was.
    pub mark: Mark,
    /// When it was said.
    pub at: Timestamp,
}

/// Whose copy of which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyOf {
    /// The region that holds the copy.
    pub region: RegionId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The owner whose log is copied.
    pub home: RegionId,
}

/// How far each copy is known to be. Copies only move on, so a mark that was once reached stays reached, unless the copy
/// itself says that it is behind: a region may have several.
#[derive(Clone, Debug, Default)]
pub struct Reached(Vec<(CopyOf, Known)>);

impl Reached {
    /// How far a copy is known to be.
    #[must_use]
    pub fn of(&self, copy: CopyOf) -> Option<Known> {
        self.0.iter().find(|(of, _)| *of == copy).map(|(_, known)| *known)
    }

    /// Takes in what a copy said of itself.
    pub fn learn(&mut self, copy: CopyOf, mark: Mark, now: Timestamp) {
        match self.entry(copy) {
            Some(known) if mark.is_after(&known.mark) || mark == known.mark => *known = Known { mark, at: now },
            Some(_) => {}
            None => self.0.push((copy, Known { mark, at: now })),
        }
    }

    /// Takes in that a copy could not satisfy a reader: it is no further than it says, whatever was said before.
    pub fn behind(&mut self, copy: CopyOf, mark: Mark, now: Timestamp) {
        match self.entry(copy) {
            Some(known) => *known = Known { mark, at: now },
            None => self.0.push((copy, Known { mark, at: now })),
        }
    }

    fn entry(&mut self, copy: CopyOf) -> Option<&mut Known> {
        self.0.iter_mut().find(|(of, _)| *of == copy).map(|(_, known)| known)
    }
}
