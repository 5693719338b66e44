//! Bugs that are planted on purpose: each is one that an edge or an origin could have, and each must be found.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The client never gets the session that a write leaves.
    NoPin,
    /// What a read shows does not change the session.
    ReadsDoNotMove,
    /// Once a copy elsewhere has answered, the session's positions are dropped (rule 12).
    ClearedOnceReached,
    /// The session's positions count by whatever owner and epoch the edge believes in.
    TokenWithoutEpoch,
    /// Stored copies are shown without a look at what the session has seen.
    CopiesForEverybody,
    /// Origins compare positions without their epochs (rule 4).
    BarePositions,
    /// Origins say the epoch that they have heard of, and not the one in their data (rule 4).
    LabelAheadOfData,
    /// A read hands out the position from before its snapshot (rule 3).
    PositionBeforeRead,
    /// A write hands out the position from before its commit (rule 1).
    PositionBeforeCommit,
    /// A read is checked after its snapshot (rule 2).
    CheckedAfterSnapshot,
    /// Origins say that an answer shows at least what it can show at most.
    LeastIsMost,
    /// Origins never say that they are behind.
    NeverBehind,
    /// A region that comes back believes in its old ownership (rule 9).
    Zombie,
}
