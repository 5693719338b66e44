//! The router's own errors: problem details (RFC 9457), one mapping from reason to status and words.

use std::time::Duration;

use serde::Serialize;

use super::reason::Reason;

/// An error of the router's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// When to try again, if trying again can help.
    pub retry_after: Option<Duration>,
}

/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Problem {
    /// The problem that this reason is.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        let status = match reason {
            Reason::BodyOnGet | Reason::BadRequest | Reason::AmbiguousPath => 400,
            Reason::NotForClients => 404,
            Reason::MethodNotAllowed => 405,
            Reason::RequestIncomplete => 408,
            Reason::UrlTooLong => 414,
            Reason::TooManySubjects => 429,
            Reason::HeadersTooLarge => 431,
            Reason::Internal => 500,
            Reason::OnlyIfCached => 504,
            Reason::Loop => 508,
            _ => 503,
        };
        let wait = if reason == Reason::RegionFull { Duration::from_secs(1) } else { RETRY_AFTER };
        Self { status, reason, retry_after: matches!(status, 429 | 503).then_some(wait) }
    }

    /// The same, but with another time after which to try again; whole seconds travel, and none is too soon.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait.max(Duration::from_secs(1))), ..self }
    }

    /// What happened and what to do, for the person who reads it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.reason {
            Reason::BodyOnGet => "Send the content with POST or QUERY, or leave it out.",
            Reason::BadRequest => {
                "Send an http or https URL: a host of letters, digits, hyphens and dots, a port up to 65535, no user, no NUL in \
                 the path."
            }
            Reason::AmbiguousPath => {
                "Spell the path plainly: in the case of its route, and without \"//\", \";\" and encoded \"/\", \"\\\", \"?\", \"#\", \
                 \"%\". Where the application reads it as it stands, its route can say spelling = \"exact\"."
            }
            Reason::MethodNotAllowed => {
                "Use another method; TRACE would show fields that are the router's and the origin's."
            }
            Reason::RequestIncomplete => "Send the whole of the content without long pauses.",
            Reason::NotForClients => "Ask the region itself, or the dashboard, how it is.",
            Reason::UrlTooLong => "Shorten the URL, or send the data as content.",
            Reason::HeadersTooLarge => "Send fewer or smaller header fields; often one cookie has grown too large.",
            Reason::Loop => "An origin of the topology points back at this router; correct its `origin`.",
            Reason::OnlyIfCached => "Leave out `only-if-cached`, or ask again once a copy is stored.",
            Reason::Internal => "Try again; the operator finds the cause in the log under this reason.",
            Reason::WriteUnknown => "Look whether the change is there before you repeat it.",
            _ => "Try again after the time in Retry-After.",
        }
    }

    /// The body, as `application/problem+json`.
    #[must_use]
    pub fn body(&self) -> String {
        let details = Details {
            r#type: "about:blank",
            title: title(self.status),
            status: self.status,
            detail: format!("{} {}", self.reason.sentence().trim(), self.remedy()),
            reason: self.reason.token(),
        };
        serde_json::to_string(&details).unwrap_or_default()
    }
}

/// The members (RFC 9457 section 3.1), and one of our own.
#[derive(Serialize)]
struct Details {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    reason: &'static str,
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        504 => "Gateway Timeout",
        508 => "Loop Detected",
        _ => "Service Unavailable",
    }
}
