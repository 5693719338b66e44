//! What an operator may ask of the authority.

use std::time::Duration;

use serde_json::Value;

use crate::{
    http::problem_details::ProblemDetails,
    model::{
        ids::{DatasetId, RegionId},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    state::{drill::DrillKind, published::RegionState},
    topology::units::Share,
};

/// One order of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The id of the request: the same one again is the same order, and is carried out once.
    pub request: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Carry it out only if the ledger still has this version: nothing has changed since it was looked at.
    pub version: Option<u64>,
    /// How long writers may be refused, in milliseconds, where it is not as configured.
    pub max_pause: Option<u64>,
    /// Go on although acknowledged writes may be lost, or a home be without writes.
    pub accept_loss: bool,
    /// What.
    pub command: Command,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A region takes part in another way for some time.
    State(RegionId, RegionState, Timestamp),
    /// A dataset gets another home.
    Promote(DatasetId, RegionId),
    /// All that has its home in one region gets it in another.
    PromoteRegion(RegionId, RegionId),
    /// A subject gets another home.
    Move(SubjectKind, SubjectId, RegionId),
    /// A change that is under way is given up.
    Abort(String),
    /// An isolation drill begins.
    Drill(DrillOrder),
    /// The drill of that name ends, or whichever is on (`all`).
    StopDrill(String),
}

/// Why an order is not carried out: status, and what was found, what was expected and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRefusal {
    /// The HTTP status.
    pub status: u16,
    /// The sentence.
    pub detail: String,
}

impl OrderRefusal {
    /// It as problem details (RFC 9457).
    #[must_use]
    pub fn body(&self) -> Value {
        ProblemDetails::new(self.status, &*self.detail).value()
    }

    /// The order itself cannot be understood.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self { status: 400, detail: detail.into() }
    }

    /// It is understood and goes against a rule, or what is the case.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self { status: 409, detail: detail.into() }
    }
}

/// A drill as it is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DrillOrder {
    pub(crate) kind: DrillKind,
    pub(crate) region: RegionId,
    pub(crate) share: Share,
    pub(crate) span: Duration,
    pub(crate) limit: Option<Share>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_as_problem_details() {
        for (refusal, status) in
            [(OrderRefusal::malformed("Say what."), 400), (OrderRefusal::conflict("Say what."), 409)]
        {
            let body = refusal.body();
            assert_eq!((body["status"].as_u64(), body["detail"].as_str()), (Some(status), Some("Say what.")), "{body}");
        }
    }
}
