//! Who may accept writes: epochs, ownership with the evidence for it, and the owner of one write.

pub mod evidence;
pub(crate) mod own;
pub mod record;
pub mod stated;

pub use crate::ownership::evidence::{Keeper, KeptHome, lives_in};

use crate::{
    model::{epoch::Epoch, ids::RegionId},
    ownership::stated::Log,
};

/// Whose word an ownership is. There is no other: above all a position is none, for it says how far somebody has read, and
/// whoever carries it may have got it of another subject's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// `wrangler.toml`: where a dataset begins, the owners of one that has several, and who has what nobody claims.
    Topology,
    /// The view that the authority publishes.
    View,
    /// The directory, whose word on subjects is the last.
    Directory,
    /// The directory, for now: nobody but a client has named the subject, and no origin has said yes to it. It counts for this
    /// request like any other, and is kept nowhere that outlives the directory's own row.
    Tentative,
    /// The home store, a cache of the directory.
    HomeStore,
    /// A session, about its own subject of the same kind.
    Session,
    /// An origin, about what it was asked: its 421, or `Homing-Home` with `Homing-Epoch` in its answer.
    Origin,
}

/// The region that may now accept writes, since which epoch, and who said so.
///
/// Each constructor reads the medium in which that source speaks (see `evidence.rs`), and none takes a region and an epoch, so that
/// nothing else can pass for an ownership:
///
/// ```compile_fail,E0451
/// use homing_core::testing::{model::{ids::RegionId, position::Mark}, ownership::{Evidence, Ownership}};
/// fn a_mark_is_no_ownership(home: RegionId, mark: Mark) -> Ownership {
///     Ownership { home, epoch: mark.epoch, said_by: Evidence::Origin }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    home: RegionId,
    epoch: Epoch,
    said_by: Evidence,
}

impl Ownership {
    /// That region.
    #[must_use]
    pub fn home(&self) -> RegionId {
        self.home
    }

    /// The generation.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The log by which positions of this ownership count.
    #[must_use]
    pub fn log(self) -> Log {
        Log { home: self.home, epoch: self.epoch }
    }

    /// Whose word it is.
    #[must_use]
    pub fn said_by(&self) -> Evidence {
        self.said_by
    }

    /// Whether the directory forgets it again unless an origin says yes.
    #[must_use]
    pub fn is_tentative(&self) -> bool {
        self.said_by == Evidence::Tentative
    }

    /// The later of the two; of one epoch, which no authority gives twice, the first.
    #[must_use]
    pub fn or_later(self, other: Self) -> Self {
        if other.epoch > self.epoch { other } else { self }
    }
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
