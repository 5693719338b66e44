//! Problem details as JSON (RFC 9457): the one form of every error that the router or its authority answers with.

use serde::Serialize;
use serde_json::Value;

/// Their media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The members of section 3.1, and one of our own. Of the type `about:blank` the title is the status's name (section 4.2.1).
#[derive(Clone, Debug, Serialize)]
pub struct ProblemDetails {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl ProblemDetails {
    /// An error of that status: what happened, and what to do.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { r#type: "about:blank", title: title(status), status, detail: detail.into(), reason: None }
    }

    /// The same with the stable token of its reason.
    #[must_use]
    pub fn with_reason(self, token: &'static str) -> Self {
        Self { reason: Some(token), ..self }
    }

    /// The same as a JSON value, for a body that travels in another message.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What the IANA registry of HTTP status codes calls it; of those that nobody here answers with, their class.
#[must_use]
pub fn title(status: u16) -> &'static str {
    match status {
        200 => "OK",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        ..500 => "Bad Request",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        508 => "Loop Detected",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IANA, "Hypertext Transfer Protocol (HTTP) Status Code Registry".
    #[test]
    fn a_title_is_the_registered_name_of_its_status() {
        for (status, name) in [
            (200, "OK"),
            (400, "Bad Request"),
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (404, "Not Found"),
            (405, "Method Not Allowed"),
            (408, "Request Timeout"),
            (409, "Conflict"),
            (414, "URI Too Long"),
            (415, "Unsupported Media Type"),
            (429, "Too Many Requests"),
            (431, "Request Header Fields Too Large"),
            (500, "Internal Server Error"),
            (502, "Bad Gateway"),
            (503, "Service Unavailable"),
            (504, "Gateway Timeout"),
            (508, "Loop Detected"),
        ] {
            assert_eq!(title(status), name);
        }
    }
}
