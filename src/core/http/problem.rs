//! The router's own errors: problem details (RFC 9457). Each refusal has its status, its remedy and its `Proxy-Status` here.

use std::time::Duration;

use crate::{
    http::problem_details::ProblemDetails,
    model::reasons::{Failure, Refusal},
};

/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// What it says of a region at its ceiling: places there become free all the time.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);

const TIMED_OUT: &str = "http_response_timeout";

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            // No error: who asks gets the router's own word (RFC 9110 section 9.3.7).
            Self::MaxForwards => 200,
            Self::BodyOnGet | Self::BadRequest | Self::AmbiguousPath | Self::RequestBroken => 400,
            Self::NotForClients => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestIncomplete => 408,
            Self::UrlTooLong => 414,
            Self::TooManySubjects => 429,
            Self::HeadersTooLarge => 431,
            Self::Internal => 500,
            Self::NotFinal => 502,
            Self::OnlyIfCached | Self::DeadlineExceeded => 504,
            Self::Loop => 508,
            Self::HomeUnknown
            | Self::HomeDown
            | Self::RegionDown
            | Self::RegionReadOnly
            | Self::RegionFull
            | Self::BreakerOpen
            | Self::LagOverBound
            | Self::PositionNotReached
            | Self::GivenByCache
            | Self::AllRegionsFailed
            | Self::WriteNotSent
            | Self::WriteUnknown
            | Self::MisdirectedInVain
            | Self::SubjectNamedInVain
            | Self::DrillUnreachable => 503,
        }
    }

    /// When to try again, if trying again can help.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match (self, self.status()) {
            (Self::RegionFull, _) => Some(RETRY_WHEN_FULL),
            (Self::DeadlineExceeded, _) | (_, 429 | 503) => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 section 2.3) that fits best, if one does; `failure` is how the last send failed.
    const fn error_type(self, failure: Option<Failure>) -> Option<&'static str> {
        match self {
            Self::WriteNotSent
            | Self::WriteUnknown
            | Self::HomeDown
            | Self::AllRegionsFailed
            | Self::DeadlineExceeded => Some(match (failure, self) {
                (Some(Failure::Timeout), _) | (None, Self::DeadlineExceeded) => TIMED_OUT,
                (Some(Failure::Broken), _) => "connection_terminated",
                (Some(Failure::Connect), _) => "connection_refused",
                (Some(Failure::Status) | None, _) => "destination_unavailable",
            }),
            Self::BreakerOpen | Self::DrillUnreachable | Self::RegionDown => Some("destination_unavailable"),
            Self::RegionFull => Some("connection_limit_reached"),
            Self::Loop => Some("proxy_loop_detected"),
            Self::Internal => Some("proxy_internal_error"),
            Self::NotFinal => Some("http_protocol_error"),
            Self::BodyOnGet
            | Self::BadRequest
            | Self::AmbiguousPath
            | Self::MethodNotAllowed
            | Self::RequestIncomplete
            | Self::RequestBroken
            | Self::UrlTooLong
            | Self::HeadersTooLarge => Some("http_request_error"),
            Self::MaxForwards
            | Self::NotForClients
            | Self::OnlyIfCached
            | Self::TooManySubjects
            | Self::HomeUnknown
            | Self::RegionReadOnly
            | Self::LagOverBound
            | Self::PositionNotReached
            | Self::GivenByCache
            | Self::MisdirectedInVain
            | Self::SubjectNamedInVain => None,
        }
    }

    /// What to do, for the person who reads it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::BodyOnGet => "Send the body with POST or QUERY, or leave it out.",
            Self::BadRequest => {
                "Send an http or https URL without a user name and without NUL. Its host has letters, digits, hyphens and dots; \
                 its port is at most 65535."
            }
            Self::AmbiguousPath => {
                "Write the path plainly: in the case of its route, without \"//\", \";\" and encoded \"/\", \"\\\", \"?\", \"#\", \
                 \"%\". If the application reads it exactly as it is, set spelling = \"exact\" on its route."
            }
            Self::MethodNotAllowed => {
                "Use another method. TRACE would show header fields of the router and of the origin."
            }
            Self::MaxForwards => "Allow lists the methods that the router forwards. The application may allow fewer.",
            Self::RequestIncomplete => "Send the whole body without long pauses.",
            Self::RequestBroken => {
                "Send the whole body: either as long as Content-Length says, or in whole chunks without extensions, but never both."
            }
            Self::NotForClients => "Ask the region itself, or open the dashboard.",
            Self::UrlTooLong => "Shorten the URL, or send the data in the body.",
            Self::HeadersTooLarge => "Send fewer or smaller header fields. Often one cookie has grown too large.",
            Self::Loop => "An origin of the topology points back at this router. Correct its `origin`.",
            Self::OnlyIfCached => "Leave out `only-if-cached`, or ask again once a response is stored.",
            Self::Internal => "Try again. The operator finds the cause under this reason.",
            Self::NotFinal => "Stop the application from sending it. If this was a write, check whether it was done.",
            Self::WriteUnknown => "Check whether the change is there before you repeat the write.",
            Self::TooManySubjects
            | Self::HomeUnknown
            | Self::HomeDown
            | Self::RegionDown
            | Self::RegionReadOnly
            | Self::RegionFull
            | Self::BreakerOpen
            | Self::LagOverBound
            | Self::PositionNotReached
            | Self::GivenByCache
            | Self::AllRegionsFailed
            | Self::DeadlineExceeded
            | Self::WriteNotSent
            | Self::MisdirectedInVain
            | Self::SubjectNamedInVain
            | Self::DrillUnreachable => "Try again after the time in Retry-After.",
        }
    }
}

/// An error of the router's own: a refusal, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is refused.
    pub refusal: Refusal,
    /// When to try again, if trying again can help.
    pub retry_after: Option<Duration>,
    /// How the last send failed, if one did.
    failure: Option<Failure>,
}

impl Problem {
    /// The problem that this refusal is.
    #[must_use]
    pub const fn of(refusal: Refusal) -> Self {
        Self { refusal, retry_after: refusal.retry_after(), failure: None }
    }

    /// The same, after a send that failed in that way.
    #[must_use]
    pub const fn because(self, failure: Option<Failure>) -> Self {
        Self { failure, ..self }
    }

    /// The same, but with another time after which to try again; whole seconds travel, and none is too soon.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait.max(Duration::from_secs(1))), ..self }
    }

    /// The HTTP status: the refusal's; but a region that did not answer in time is no region that said no.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.failure.is_some() && self.error_type() == Some(TIMED_OUT) { 504 } else { self.refusal.status() }
    }

    /// The error type of `Proxy-Status` (RFC 9209 section 2.3) that fits best, if one does.
    #[must_use]
    pub const fn error_type(&self) -> Option<&'static str> {
        self.refusal.error_type(self.failure)
    }

    /// The body, as `application/problem+json`.
    #[must_use]
    pub fn body(&self) -> String {
        let Self { refusal, .. } = self;
        let detail = [refusal.sentence(), refusal.remedy()].join(" ");
        ProblemDetails::new(self.status(), detail).with_reason(refusal.token().as_str()).body()
    }
}
