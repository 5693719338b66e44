//! What can be wrong with a history.

use std::fmt;

/// What a history may violate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// A session's read shows what the session wrote before.
    ReadYourWrites,
    /// A session's read shows what the session has read before.
    MonotonicReads,
    /// A session's writes are applied in their order.
    MonotonicWrites,
    /// A session's write is applied after all that the session had read, and whatever that followed in its turn.
    WritesFollowReads,
    /// The lists of a key with one writer at a time are prefixes of one order.
    OneOrder,
    /// A write is applied once.
    NoDuplicates,
    /// What is read was written: by somebody, not refused, and before it was read.
    NoPhantoms,
    /// An acknowledged write is in every region at the end.
    Durability,
    /// At the end every region holds the same.
    Convergence,
}

impl Guarantee {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
        Self::OneOrder,
        Self::NoDuplicates,
        Self::NoPhantoms,
        Self::Durability,
        Self::Convergence,
    ];

    /// The word for its violation.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
            Self::OneOrder => "fork",
            Self::NoDuplicates => "duplicate",
            Self::NoPhantoms => "phantom",
            Self::Durability => "durability",
            Self::Convergence => "convergence",
        }
    }
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is violated.
    pub guarantee: Guarantee,
    /// The key on which it shows.
    pub key: String,
    /// The lines of the operations that prove it, the one that shows it first; none where only final states do.
    pub operations: Vec<usize>,
    /// What happened.
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {:?}: {}", self.guarantee.token(), self.key, self.sentence)?;
        let lines: Vec<_> = self.operations.iter().map(usize::to_string).collect();
        match lines.len() {
            0 => Ok(()),
            1 => write!(f, " [line {}]", lines.concat()),
            _ => write!(f, " [lines {}]", lines.join(", ")),
        }
    }
}
