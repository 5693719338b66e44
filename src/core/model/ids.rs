//! Names that were resolved: small indices, and sets of them.

/// The most regions a topology may name; [`RegionSet`] is one machine word.
pub const MAX_REGIONS: usize = 32;

/// A region's place in the configured order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RegionId(pub(crate) u8);

impl RegionId {
    /// The region's place in the configured order, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A dataset's place in the configured order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct DatasetId(pub(crate) u16);

impl DatasetId {
    /// The dataset's place in the configured order, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RegionSet(u32);

impl RegionSet {
    /// No region.
    pub const EMPTY: Self = Self(0);

    /// This set and one region more.
    #[must_use]
    pub fn with(self, region: RegionId) -> Self {
        Self(self.0 | (1 << u32::from(region.0).min(31)))
    }

    /// Whether the region is in the set.
    #[must_use]
    pub fn contains(self, region: RegionId) -> bool {
        self.0 & (1 << u32::from(region.0).min(31)) != 0
    }

    /// The regions of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no region is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The regions of the set, in configured order.
    pub fn iter(self) -> impl Iterator<Item = RegionId> {
        (0..32u8).map(RegionId).filter(move |region| self.contains(*region))
    }
}
