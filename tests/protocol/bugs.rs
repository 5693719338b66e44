//! Planted bugs: each is a way to get the protocol wrong, and must be found.

use crate::{
    scope::{self, Scope},
    support::region::Flaw,
};

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
    /// It takes the view for stored when it has set out.
    PutsTrusted,
    /// The edges are told of the new owner before it is one.
    PublishedEarly,
    /// Nobody tells regions of what was decided without them.
    NeverTold,
    /// Edges take what a session has seen for an ownership.
    MarksBelieved,
}

impl Bug {
    pub fn flaw(self) -> Option<Flaw> {
        match self {
            Self::Region(flaw) => Some(flaw),
            _ => None,
        }
    }
}

/// A bug, where to look for it, and what is said when it is found.
pub struct Planted {
    pub bug: Bug,
    pub scope: Scope,
    pub breaks: &'static str,
}

/// Every bug.
pub fn all() -> Vec<Planted> {
    let planted = |bug, scope, breaks| Planted { bug, scope, breaks };
    let region = |flaw, scope, breaks| planted(Bug::Region(flaw), scope, breaks);
    vec![
        region(Flaw::NoFence, scope::promotion(), "lost: us has accepted"),
        region(Flaw::DeposedUnpaused, scope::promotion(), "lost: eu owns it"),
        region(Flaw::NotDrained, scope::promotion(), "lost: eu owns it"),
        region(Flaw::PausesTwice, scope::promotion(), "lost: eu owns it"),
        region(Flaw::AlwaysReached, scope::promotion(), "lost: eu owns it"),
        region(Flaw::WordsForTheLog, scope::forced_and_back(), "lost: us owns it"),
        region(Flaw::BarePositions, scope::forced_and_back(), "lost: us owns it"),
        region(Flaw::GrantedAnyway, scope::by_word(), "back:"),
        planted(Bug::TrustsAMiss, scope::assignment(), "two owners:"),
        planted(Bug::EffectsFirst, scope::aborted(), "ownerless:"),
        planted(Bug::RepliesForgotten, scope::promotion(), "twice:"),
        planted(Bug::PutsTrusted, scope::promotion(), "unpublished:"),
        planted(Bug::PublishedEarly, scope::promotion(), "ownerless:"),
        planted(Bug::NeverTold, scope::forced_one(), "zombie:"),
        planted(Bug::MarksBelieved, scope::hostile(), "two owners:"),
        region(Flaw::Unclaimed, scope::hostile(), "lost: eu has accepted"),
    ]
}
