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
    /// Of what a session has seen of several owners only the last is kept.
    OneMarkOnly,
    /// Once a copy elsewhere has answered, the session's positions are dropped.
    ClearedOnceReached,
    /// The session's positions count by whatever owner and epoch the edge believes in.
    TokenWithoutEpoch,
    /// Stored copies are shown without a look at what the session has seen.
    CopiesForEverybody,
    /// Origins compare positions without their epochs.
    BarePositions,
    /// V3: origins say the epoch that they have heard of, and not the one in their data.
    LabelAheadOfData,
    /// A read hands out the position from before its snapshot.
    PositionBeforeRead,
    /// A write hands out the position from before its commit.
    PositionBeforeCommit,
    /// A read is checked after its snapshot.
    CheckedAfterSnapshot,
    /// Origins say that an answer shows at least what it can show at most.
    LeastIsMost,
    /// Origins never say that they are behind.
    NeverBehind,
    /// A region that comes back believes in its old ownership.
    Zombie,
    /// A new home says that it has everything before it has.
    MovesTooEarly,
    /// A pause holds nobody back.
    PausesNobody,
    /// V1: an application takes a subject's write on nobody's word.
    Unclaimed,
    /// V2: an application names the owner of a subject whom the request was not about.
    NamesAnOwner,
    /// V4: a new owner's copy counts only once it has what has nothing to do with it.
    DemandsAllLogs,
    /// V5: when a session has too many pins, windows give way to marks.
    WindowsGiveWay,
    /// V6: a repeated write says that nothing was written.
    RepeatsWroteNothing,
    /// V7: what is known of repeated writes stays at the region where they were done.
    KeysStayBehind,
    /// Origins say that an answer shows one write less than it does.
    ShowsTooLow,
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
    pub world: Made,
    pub sign: Sign,
    pub within: u64,
}

/// In what worlds a bug is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    ByChance,
    /// On the day of adoption.
    ByAdoption,
    /// Races that chance alone meets too rarely have a script.
    By(Script),
}

/// By what a bug is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A promise is broken.
    Breaks(Guarantee),
    /// Somebody is not answered although all is well.
    LockedOut,
}

/// Every bug.
pub const ALL: [Planted; 23] = {
    use Guarantee::{Durability, MonotonicReads, NoDuplicates, ReadYourWrites};
    const fn by_chance(bug: Bug, violates: Guarantee, within: u64) -> Planted {
        Planted { bug, world: Made::ByChance, sign: Sign::Breaks(violates), within }
    }
    const fn by_script(bug: Bug, script: Script, within: u64) -> Planted {
        Planted { bug, world: Made::By(script), sign: Sign::Breaks(ReadYourWrites), within }
    }
    [
        by_chance(Bug::NoPin, ReadYourWrites, 20),
        by_chance(Bug::ReadsDoNotMove, MonotonicReads, 100),
        by_chance(Bug::OneMarkOnly, ReadYourWrites, 200),
        by_chance(Bug::ClearedOnceReached, MonotonicReads, 50),
        by_script(Bug::TokenWithoutEpoch, Script::Unheard, 20),
        by_chance(Bug::CopiesForEverybody, ReadYourWrites, 50),
        by_script(Bug::BarePositions, Script::Promotion, 20),
        by_script(Bug::LabelAheadOfData, Script::ThirdRegion, 20),
        by_chance(Bug::PositionBeforeRead, MonotonicReads, 400),
        by_chance(Bug::PositionBeforeCommit, ReadYourWrites, 50),
        by_script(Bug::CheckedAfterSnapshot, Script::SlowCopy, 200),
        by_chance(Bug::LeastIsMost, ReadYourWrites, 400),
        by_chance(Bug::NeverBehind, ReadYourWrites, 200),
        by_chance(Bug::Zombie, Durability, 300),
        by_chance(Bug::MovesTooEarly, Durability, 300),
        by_chance(Bug::PausesNobody, Durability, 300),
        Planted { world: Made::ByAdoption, ..by_chance(Bug::Unclaimed, Durability, 500) },
        Planted { bug: Bug::NamesAnOwner, world: Made::ByChance, sign: Sign::LockedOut, within: 300 },
        by_script(Bug::DemandsAllLogs, Script::Unrelated, 20),
        by_script(Bug::WindowsGiveWay, Script::ManyPins, 20),
        by_chance(Bug::RepeatsWroteNothing, ReadYourWrites, 300),
        by_chance(Bug::KeysStayBehind, NoDuplicates, 300),
        by_chance(Bug::ShowsTooLow, MonotonicReads, 400),
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
            Self::DemandsAllLogs => Habits { reads_say: true, ..habits },
            _ => habits,
        }
    }
}
