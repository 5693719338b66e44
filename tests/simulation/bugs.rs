//! Bugs that are planted on purpose: each is one that an edge or an origin could have, and each must be found. What is not
//! found is not tested. The rules are those of replication across promotions: positions only count within their epoch, are
//! read after a commit, before a check and after a read, and are never forgotten because one copy has reached them.

use history::Guarantee;

use crate::{
    origin::{Habits, Shows},
    scripted::Script,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The client never gets the session that a write leaves.
    NoPin,
    /// What a read shows does not change the session.
    ReadsDoNotMove,
    /// Once a copy elsewhere has answered, the session's positions are dropped.
    ClearedOnceReached,
    /// The session's positions count by whatever owner and epoch the edge believes in.
    TokenWithoutEpoch,
    /// Stored copies are shown without a look at what the session has seen.
    CopiesForEverybody,
    /// Origins compare positions without their epochs.
    BarePositions,
    /// Origins say the epoch that they have heard of, and not the one in their data.
    LabelAheadOfData,
    /// A read hands out the position from before its snapshot.
    PositionBeforeRead,
    /// A write hands out the position from before its commit.
    PositionBeforeCommit,
    /// A read is checked after its snapshot.
    CheckedAfterSnapshot,
    /// Origins say that an answer shows at least what it can show at most.
    LeastIsMost,
    /// Origins say that an answer shows one write less than it does.
    ShowsTooLow,
    /// Origins never say that they are behind.
    NeverBehind,
    /// A region that comes back believes in its old ownership.
    Zombie,
    /// A planned move does not wait for the new home to have everything.
    MovesTooEarly,
    /// What a link brings of another's session is added to the own one.
    LinksBelieved,
    /// A blank that is none ends the name of a cookie all the same.
    BlanksTrimmed,
    /// Whatever an application answers with 502 counts against its region, as if nobody had answered.
    FailuresBelieved,
}

/// A bug, where to look for it, and what it must be found to violate within so many seeds.
pub struct Planted {
    pub bug: Bug,
    /// Races that chance alone meets too rarely have a script.
    pub script: Option<Script>,
    pub violates: Guarantee,
    pub within: u64,
}

/// Every bug.
pub const ALL: [Planted; 15] = {
    use Guarantee::{Durability, MonotonicReads, ReadYourWrites};
    const fn by_chance(bug: Bug, violates: Guarantee, within: u64) -> Planted {
        Planted { bug, script: None, violates, within }
    }
    const fn by_script(bug: Bug, script: Script, within: u64) -> Planted {
        Planted { bug, script: Some(script), violates: ReadYourWrites, within }
    }
    [
        by_chance(Bug::NoPin, ReadYourWrites, 20),
        by_chance(Bug::ReadsDoNotMove, MonotonicReads, 100),
        by_chance(Bug::ClearedOnceReached, MonotonicReads, 50),
        by_script(Bug::TokenWithoutEpoch, Script::Promotion, 20),
        by_chance(Bug::CopiesForEverybody, ReadYourWrites, 50),
        by_script(Bug::BarePositions, Script::Promotion, 20),
        by_script(Bug::LabelAheadOfData, Script::Promotion, 20),
        by_chance(Bug::PositionBeforeRead, MonotonicReads, 400),
        by_chance(Bug::PositionBeforeCommit, ReadYourWrites, 50),
        by_script(Bug::CheckedAfterSnapshot, Script::SlowCopy, 200),
        by_chance(Bug::LeastIsMost, ReadYourWrites, 400),
        by_chance(Bug::ShowsTooLow, MonotonicReads, 400),
        by_chance(Bug::NeverBehind, ReadYourWrites, 200),
        by_chance(Bug::Zombie, Durability, 300),
        by_chance(Bug::MovesTooEarly, Durability, 300),
    ]
};

impl Bug {
    /// Habits with which it shows; without a bug, each of them is kept to in some worlds.
    pub fn suits(self, habits: Habits) -> Habits {
        match self {
            // The edge holds what reads say against what was asked, which hides much that an origin does wrong.
            Self::NeverBehind | Self::BarePositions => Habits { reads_say: false, ..habits },
            // A position that is wrong harms nobody where what is shown is said beside it.
            Self::PositionBeforeRead => Habits { shows: Shows::Nothing, ..habits },
            Self::ShowsTooLow => Habits { shows: Shows::OfKey, reads_say: true, ..habits },
            _ => habits,
        }
    }
}
