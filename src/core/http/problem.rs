//! The router's own errors: problem details (RFC 9457), one mapping from reason to status and words.

use std::time::Duration;

use serde::Serialize;

use crate::model::reason::Reason;

/// An error of the router's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// When to try again, if trying again can help.
    pub retry_after: Option<Duration>,
    /// What went wrong with the last send, if one did.
    failure: Option<Reason>,
}

const TIMED_OUT: &str = "http_response_timeout";
/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Problem {
    /// The problem that this reason is.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        let status = match reason {
            // No error: who asks gets the router's own word (RFC 9110 section 9.3.7).
            Reason::MaxForwards => 200,
            Reason::BodyOnGet | Reason::BadRequest | Reason::AmbiguousPath | Reason::RequestBroken => 400,
            Reason::NotForClients => 404,
            Reason::MethodNotAllowed => 405,
            Reason::RequestIncomplete => 408,
            Reason::UrlTooLong => 414,
            Reason::TooManySubjects => 429,
            Reason::HeadersTooLarge => 431,
            Reason::Internal => 500,
            Reason::NotFinal => 502,
            Reason::OnlyIfCached | Reason::DeadlineExceeded => 504,
            Reason::Loop => 508,
            _ => 503,
        };
        let wait = if reason == Reason::RegionFull { Duration::from_secs(1) } else { RETRY_AFTER };
        let may_help = matches!(status, 429 | 503) || reason == Reason::DeadlineExceeded;
        Self { status, reason, retry_after: may_help.then_some(wait), failure: None }
    }

    /// The same, after a send that failed in that way: a region that did not answer in time is no region that said no.
    #[must_use]
    pub fn because(self, failure: Option<Reason>) -> Self {
        let problem = Self { failure, ..self };
        let status = if problem.error() == Some(TIMED_OUT) { 504 } else { problem.status };
        Self { status, ..problem }
    }

    /// The error type of `Proxy-Status` (RFC 9209 section 2.3) that fits best, if one does.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        Some(match self.reason {
            Reason::WriteNotSent
            | Reason::WriteUnknown
            | Reason::HomeDown
            | Reason::AllRegionsFailed
            | Reason::DeadlineExceeded => match self.failure {
                Some(Reason::FailoverTimeout) => TIMED_OUT,
                Some(Reason::FailoverBroken) => "connection_terminated",
                Some(Reason::FailoverConnect) => "connection_refused",
                None if self.reason == Reason::DeadlineExceeded => TIMED_OUT,
                _ => "destination_unavailable",
            },
            Reason::BreakerOpen | Reason::DrillUnreachable | Reason::RegionDown => "destination_unavailable",
            Reason::RegionFull => "connection_limit_reached",
            Reason::Loop => "proxy_loop_detected",
            Reason::Internal => "proxy_internal_error",
            Reason::NotFinal => "http_protocol_error",
            Reason::BodyOnGet
            | Reason::BadRequest
            | Reason::AmbiguousPath
            | Reason::MethodNotAllowed
            | Reason::RequestIncomplete
            | Reason::RequestBroken
            | Reason::UrlTooLong
            | Reason::HeadersTooLarge => "http_request_error",
            _ => return None,
        })
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
            Reason::MaxForwards => "Allow says what passes it; what the application allows is for it to say.",
            Reason::RequestIncomplete => "Send the whole of the content without long pauses.",
            Reason::RequestBroken => {
                "Send all of the content, either as long as Content-Length says or in whole chunks without extensions, and never \
                 both."
            }
            Reason::NotForClients => "Ask the region itself, or the dashboard, how it is.",
            Reason::UrlTooLong => "Shorten the URL, or send the data as content.",
            Reason::HeadersTooLarge => "Send fewer or smaller header fields; often one cookie has grown too large.",
            Reason::Loop => "An origin of the topology points back at this router; correct its `origin`.",
            Reason::OnlyIfCached => "Leave out `only-if-cached`, or ask again once a copy is stored.",
            Reason::Internal => "Try again; the operator finds the cause in the log under this reason.",
            Reason::NotFinal => "Have the application send neither; if this was a write, look whether it was done.",
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
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        508 => "Loop Detected",
        _ => "Service Unavailable",
    }
}
