//! What a flow asks of whoever drives it, and what comes back.

use crate::routing::{answer::Answer, attempt::Attempt, cache::CacheKey, settle::Settlement, subject::SubjectId};

/// What to do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Look whether the edge holds a copy.
    ProbeCache(CacheKey),
    /// Ask the home store where the subject lives.
    LookUpHome(SubjectId),
    /// Send to a region.
    Send(Box<Attempt>),
    /// Answer the client; the flow is over.
    Finish(Box<Settlement>),
}

/// What came of a step.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Of a probe: the stored response, if there is one.
    Cache(Option<Answer<'a>>),
    /// Of a look-up.
    Home(Found<'a>),
    /// Of a send.
    Origin(Outcome<'a>),
}

/// What the home store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This text.
    Value(&'a str),
    /// Nothing is stored.
    Absent,
    /// It failed, or took longer than a look-up may.
    Failed,
}

/// What came of a send.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// An answer.
    Answered(Answer<'a>),
    /// No headers in time.
    TimedOut,
    /// No connection came about, and the driver knows that nothing was sent. workerd never knows: it reports a refused
    /// connection like a broken one. Cloudflare's network answers 521 in its place.
    Refused,
    /// The connection broke after something may have been sent, or before a small answer was whole.
    Broken,
    /// The client's own body stood still or broke off.
    Unsent,
}

impl Outcome<'_> {
    /// The same, where the platform answers in the place of an origin that it could not speak with: its statuses say what
    /// came of the send, and its pages are of no use to a client.
    pub(super) fn unmasked(self) -> Self {
        match self {
            // Refused, unreachable, no TLS: nothing was sent.
            Self::Answered(Answer { status: 521 | 523 | 525 | 526, .. }) => Self::Refused,
            Self::Answered(Answer { status: 522 | 524, .. }) => Self::TimedOut,
            // No status at all (RFC 9110 section 15): nobody could make an answer of it.
            Self::Answered(Answer { status: 0..=100 | 102..=199 | 600.., .. }) => Self::Broken,
            other => other,
        }
    }
}
