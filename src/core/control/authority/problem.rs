//! Problem details, as the body of a reply.

use serde_json::Value;

use crate::http::problem_details::ProblemDetails;

/// What went wrong, and what to do.
pub(crate) fn problem(status: u16, detail: &str) -> Value {
    serde_json::to_value(ProblemDetails::new(status, detail)).unwrap_or_default()
}
