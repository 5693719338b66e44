//! The router's own errors: problem details (RFC 9457), one mapping from reason to status and words.

use std::time::Duration;

use serde::Serialize;

use crate::model::token::Token;

/// An error of the router's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Token,
    /// When to try again, if trying again can help.
    pub retry_after: Option<Duration>,
    /// What went wrong with the last send, if one did.
    failure: Option<Token>,
}

const TIMED_OUT: &str = "http_response_timeout";
/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Problem {
    /// The problem that this reason is.
    #[must_use]
    pub fn of(reason: Token) -> Self {
        let status = match reason {
            // No error: who asks gets the router's own word (RFC 9110 section 9.3.7).
            Token::MaxForwards => 200,
            Token::BodyOnGet | Token::BadRequest | Token::AmbiguousPath | Token::RequestBroken => 400,
            Token::NotForClients => 404,
            Token::MethodNotAllowed => 405,
            Token::RequestIncomplete => 408,
            Token::UrlTooLong => 414,
            Token::TooManySubjects => 429,
            Token::HeadersTooLarge => 431,
            Token::Internal => 500,
            Token::NotFinal => 502,
            Token::OnlyIfCached | Token::DeadlineExceeded => 504,
            Token::Loop => 508,
            _ => 503,
        };
        let wait = if reason == Token::RegionFull { Duration::from_secs(1) } else { RETRY_AFTER };
        let may_help = matches!(status, 429 | 503) || reason == Token::DeadlineExceeded;
        Self { status, reason, retry_after: may_help.then_some(wait), failure: None }
    }

    /// The same, after a send that failed in that way: a region that did not answer in time is no region that said no.
    #[must_use]
    pub fn because(self, failure: Option<Token>) -> Self {
        let problem = Self { failure, ..self };
        let status = if problem.error() == Some(TIMED_OUT) { 504 } else { problem.status };
        Self { status, ..problem }
    }

    /// The error type of `Proxy-Status` (RFC 9209 section 2.3) that fits best, if one does.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        Some(match self.reason {
            Token::WriteNotSent
            | Token::WriteUnknown
            | Token::HomeDown
            | Token::AllRegionsFailed
            | Token::DeadlineExceeded => match self.failure {
                Some(Token::FailoverTimeout) => TIMED_OUT,
                Some(Token::FailoverBroken) => "connection_terminated",
                Some(Token::FailoverConnect) => "connection_refused",
                None if self.reason == Token::DeadlineExceeded => TIMED_OUT,
                _ => "destination_unavailable",
            },
            Token::BreakerOpen | Token::DrillUnreachable | Token::RegionDown => "destination_unavailable",
            Token::RegionFull => "connection_limit_reached",
            Token::Loop => "proxy_loop_detected",
            Token::Internal => "proxy_internal_error",
            Token::NotFinal => "http_protocol_error",
            Token::BodyOnGet
            | Token::BadRequest
            | Token::AmbiguousPath
            | Token::MethodNotAllowed
            | Token::RequestIncomplete
            | Token::RequestBroken
            | Token::UrlTooLong
            | Token::HeadersTooLarge => "http_request_error",
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
            Token::BodyOnGet => "Send the content with POST or QUERY, or leave it out.",
            Token::BadRequest => {
                "Send an http or https URL: a host of letters, digits, hyphens and dots, a port up to 65535, no user, no NUL in \
                 the path."
            }
            Token::AmbiguousPath => {
                "Spell the path plainly: in the case of its route, and without \"//\", \";\" and encoded \"/\", \"\\\", \"?\", \"#\", \
                 \"%\". Where the application reads it as it stands, its route can say spelling = \"exact\"."
            }
            Token::MethodNotAllowed => {
                "Use another method; TRACE would show fields that are the router's and the origin's."
            }
            Token::MaxForwards => "Allow says what passes it; what the application allows is for it to say.",
            Token::RequestIncomplete => "Send the whole of the content without long pauses.",
            Token::RequestBroken => {
                "Send all of the content, either as long as Content-Length says or in whole chunks without extensions, and never \
                 both."
            }
            Token::NotForClients => "Ask the region itself, or the dashboard, how it is.",
            Token::UrlTooLong => "Shorten the URL, or send the data as content.",
            Token::HeadersTooLarge => "Send fewer or smaller header fields; often one cookie has grown too large.",
            Token::Loop => "An origin of the topology points back at this router; correct its `origin`.",
            Token::OnlyIfCached => "Leave out `only-if-cached`, or ask again once a copy is stored.",
            Token::Internal => "Try again; the operator finds the cause in the log under this reason.",
            Token::NotFinal => "Have the application send neither; if this was a write, look whether it was done.",
            Token::WriteUnknown => "Look whether the change is there before you repeat it.",
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
            detail: format!("{} {}", self.reason.sentence(), self.remedy()),
            reason: self.reason.as_str(),
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
