//! What a turn of the authority comes to.

use std::{error::Error, fmt};

use serde::Serialize;
use serde_json::Value;

use super::{effect::Effect, orders::command::OrderRefusal};
use crate::http::problem_details::ProblemDetails;

/// What a turn comes to. The driver of the authority stores the ledger before it does any effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TurnOutcome {
    /// The ledger, to be stored as it is.
    pub ledger: String,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// What the caller is answered; nothing where nobody has.
    pub reply: Option<Reply>,
    /// After how many milliseconds a tick is due; none if nothing is under way.
    pub wake: Option<u64>,
}

impl TurnOutcome {
    /// The same as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the caller is answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reply {
    /// The HTTP status: 200 done, 202 begun, else a problem.
    pub status: u16,
    /// The body: problem details (RFC 9457) from 400 on.
    pub body: Value,
}

impl Reply {
    /// It is done, or there is nothing to do.
    pub(crate) fn done(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// It has begun.
    pub(crate) fn begun(body: Value) -> Self {
        Self { status: 202, body }
    }

    /// It cannot be done.
    pub(crate) fn problem(status: u16, detail: &str) -> Self {
        Self { status, body: ProblemDetails::new(status, detail).value() }
    }
}

impl From<&OrderRefusal> for Reply {
    fn from(refusal: &OrderRefusal) -> Self {
        Self::problem(refusal.status, &refusal.detail)
    }
}

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnError {
    /// The ledger cannot be read.
    Ledger(String),
    /// The input cannot be read.
    Input(String),
    /// The new ledger cannot be written.
    Unwritable(String),
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(error) => write!(f, "the ledger cannot be read: {error}"),
            Self::Input(error) => write!(f, "the input cannot be read: {error}"),
            Self::Unwritable(error) => write!(f, "the ledger cannot be written: {error}"),
        }
    }
}

impl Error for TurnError {}
