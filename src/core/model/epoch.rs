//! The generation of an ownership.

/// The generation of an ownership. The first is 1; 0 stands before any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before any ownership: what a write carries that nobody has claimed yet.
    pub const NONE: Self = Self(0);
    /// The first ownership.
    pub const FIRST: Self = Self(1);
    /// By which positions of a multi-writer dataset count that are of one owner's own log. Its owners never change, so no epoch tells of
    /// that; by the first, positions are of the clock that all owners share. No promotion ever counts so far ([`Self::MOST`]), so a mark of
    /// a time when the dataset had one owner is never taken for such a one, nor the other way round.
    pub const OF_EACH_OWNER: Self = Self(1 << 53);
    /// The last one that every part of the router can count (JavaScript's numbers), and behind which there are others.
    pub const MOST: Self = Self((1 << 53) - 1);

    /// What somebody else says that an epoch is: none beyond [`Self::MOST`]. A promotion counts on from what it has heard, and
    /// behind the last number there would be none that any region takes.
    #[must_use]
    pub const fn said(epoch: u64) -> Option<Self> {
        if epoch <= Self::MOST.0 { Some(Self(epoch)) } else { None }
    }
}
