//! One of a kind for each region.

use crate::model::ids::RegionId;

/// A `T` for each region that one was asked for. It grows with the highest index, and indices come from a topology only, which has at
/// most [`MAX_REGIONS`](crate::model::ids::MAX_REGIONS).
#[derive(Clone, Debug, Default)]
pub(crate) struct PerRegion<T> {
    known: Vec<T>,
    /// Makes [`Self::entry`] total without an index that could be out of bounds. It is never given out.
    spare: T,
}

impl<T: Default> PerRegion<T> {
    /// The region's, if it or that of a later region was ever asked for with [`Self::entry`].
    #[must_use]
    pub(crate) fn get(&self, region: RegionId) -> Option<&T> {
        self.known.get(region.index())
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, region: RegionId) -> Option<&mut T> {
        self.known.get_mut(region.index())
    }

    /// The region's, to be changed; a default one if there was none.
    pub(crate) fn entry(&mut self, region: RegionId) -> &mut T {
        if self.known.len() <= region.index() {
            self.known.resize_with(region.index() + 1, T::default);
        }
        self.known.get_mut(region.index()).unwrap_or(&mut self.spare)
    }

    /// All that there are, in the order of the regions.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.known.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_its_own() {
        let mut counts = PerRegion::<u32>::default();
        assert_eq!(counts.get(RegionId(0)), None);
        assert_eq!(counts.get_mut(RegionId(2)), None);
        *counts.entry(RegionId(2)) += 1;
        *counts.entry(RegionId(0)) += 5;
        *counts.entry(RegionId(2)) += 1;
        assert_eq!(counts.iter().copied().collect::<Vec<_>>(), [5, 0, 2]);
        assert_eq!((counts.get(RegionId(2)), counts.get(RegionId(3))), (Some(&2), None));
    }
}
