//! Whether a request reads or writes, and how often its body can be sent.

use serde::{Deserialize, Serialize};

/// Whether a request changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It does not.
    Read,
    /// It may.
    Write,
}

impl Access {
    /// The word used in headers and logs.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How often a request's body can be sent. Only a small body that a second attempt could need is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// There is none: as often as need be.
    Empty,
    /// It is held: as often as need be.
    Buffered,
    /// It is as small, and nothing could need it twice: once.
    Once,
    /// It streams through: once, and its client says how long that takes.
    Stream,
}
