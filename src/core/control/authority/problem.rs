//! What operators are told when something cannot be done.

use serde_json::{Value, json};

/// Problem details (RFC 9457).
pub(crate) fn problem(status: u16, detail: &str) -> Value {
    let title = match status {
        400 => "Bad Request",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Conflict",
    };
    json!({ "type": "about:blank", "title": title, "status": status, "detail": detail })
}
