//! Who may accept writes: epochs, ownership, and the owner of one write.

use super::topology::RegionId;

/// The generation of an ownership. The first is 1; 0 stands before any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before any ownership: what a write carries that nobody has claimed yet.
    pub const NONE: Self = Self(0);
    /// The first ownership.
    pub const FIRST: Self = Self(1);
}

/// The region that may now accept writes, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// That region.
    pub home: RegionId,
    /// The generation.
    pub epoch: Epoch,
}

/// The one target of a write. It is made from an ownership, and moves only to a strictly higher epoch, so that failing a
/// write over to a region that does not own it cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(Ownership);

impl Owner {
    /// The owner by that ownership.
    #[must_use]
    pub fn of(ownership: Ownership) -> Self {
        Self(ownership)
    }

    /// The ownership that it is made from.
    #[must_use]
    pub fn ownership(self) -> Ownership {
        self.0
    }

    /// Where the write goes.
    #[must_use]
    pub fn region(self) -> RegionId {
        self.0.home
    }

    /// The fencing token that it carries.
    #[must_use]
    pub fn epoch(self) -> Epoch {
        self.0.epoch
    }

    /// The owner that a misdirected answer names, if it is a later one.
    #[must_use]
    pub fn succeeded_by(self, named: Ownership) -> Option<Self> {
        (named.epoch > self.0.epoch).then_some(Self(named))
    }
}
