//! Planted bugs: each is a way to get the protocol wrong, and must be found.

use crate::support::region::Flaw;

/// A way to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A region does.
    Region(Flaw),
    /// Edges take a miss in the home store for proof that a subject has no home, and do not ask the directory.
    TrustsAMiss,
    /// The authority does what it has decided before that is stored.
    EffectsFirst,
    /// The authority does not remember what it has replied to whom.
    RepliesForgotten,
    /// The edges are told of the new owner before it is one.
    PublishedEarly,
    /// Nobody tells regions of what was decided without them.
    NeverTold,
}

impl Bug {
    pub fn flaw(self) -> Option<Flaw> {
        match self {
            Self::Region(flaw) => Some(flaw),
            _ => None,
        }
    }
}
