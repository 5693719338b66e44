//! What a flow asks of its driver, and what comes back.

use std::time::Duration;

use super::platform_page::PlatformPage;
use crate::{
    cache::{Probed, key::CacheKey},
    decide::attempt::Attempt,
    http::answer::{Answer, is_gateway_failure},
    model::subject::{SubjectId, SubjectKind},
    request::incoming::Unsent,
    settle::Settlement,
    state::health::SendResult,
};

/// The longest that a look-up in the home store may take.
pub(super) const LOOK_UP: Duration = Duration::from_millis(250);
/// The longest that the directory may take: it is asked once for each subject, and may be on another continent.
pub(super) const ASSIGN: Duration = Duration::from_millis(1000);

/// What to do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Look whether the edge has a stored response.
    ProbeCache(Probe),
    /// Ask the home store where the subject lives.
    LookUpHome(LookUp),
    /// Ask the directory, which assigns the proposed region, if one is, unless the subject has a home.
    AssignHome(Assignment),
    /// Send to a region.
    Send(Box<Attempt>),
    /// Answer the client, then go on without it (RFC 5861 section 3); once at a time for each key.
    Answer(Box<Settlement>, CacheKey),
    /// Answer the client, if it has no answer yet; the flow is over.
    Finish(Box<Settlement>),
}

impl Step {
    /// Whether it is the first look for what lies under that key.
    #[must_use]
    pub fn looks_for(&self, key: &str) -> bool {
        matches!(self, Self::ProbeCache(probe) if probe.expired.is_none() && probe.key.as_str() == key)
    }
}

/// What the home store is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Whose home.
    pub subject: SubjectId,
    /// How long to wait for it; then it has failed.
    pub timeout: Duration,
}

/// What the directory is asked: it alone may say that a subject has no home yet, and then gives it one, once, if one is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whose home.
    pub subject: SubjectId,
    /// What kind of subject that is; its id does not tell.
    pub kind: SubjectKind,
    /// The name of the region that it should be if there is none. None: it is only asked, and nobody gets a home by that; a visitor
    /// who has named too many subjects is told of those that exist.
    pub proposed: Option<String>,
    /// Whether an origin has named the subject. What only clients have named is assigned for some minutes, until an origin says
    /// yes: anybody can make names up.
    pub named: bool,
    /// The home, and its epoch, by which that very region was asked, and said that the data is in the proposed one. That the
    /// directory corrects, unless it knows better by now.
    pub instead_of: Option<(String, u64)>,
    /// How long to wait for its word; then it has failed.
    pub timeout: Duration,
}

/// A look into the edge cache.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where.
    pub key: CacheKey,
    /// Where nothing is found and another request of this isolate is about to fill the place: how long to wait for it at
    /// most, and then look again. Where there is none, others wait for this one. None: neither.
    pub wait: Option<Duration>,
    /// What selects the variant in the driver's hands, where that has expired: who is about to make it new is waited for, and nobody else.
    pub expired: Option<String>,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Of a probe.
    Cache(Probed<'a>),
    /// The client has its answer.
    GoOn,
    /// Of a look-up, in the home store or the directory.
    Home(Found<'a>),
    /// Of a send.
    Origin(Outcome<'a>),
}

/// What the home store or the directory said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This text.
    Value(&'a str),
    /// Nothing is stored.
    Absent,
    /// It failed, or took longer than it may.
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
    /// The connection was lost before an answer came. One that was kept alive its origin may have closed just as it was used again (RFC
    /// 9112 section 9.3.1), but that looks the same as one that was refused, or that broke while the request was at work.
    Lost,
    /// The connection broke after an answer had begun and before a small one was whole; or the platform says so.
    Broken,
    /// No final answer (RFC 9110 section 15): an interim one (1xx), which workerd hands out as if it were all, or a status beyond 599.
    /// What the region has made of the request nobody knows, and it would be the same again.
    NotFinal,
    /// The client's own body did not come, or not as it says.
    Unsent(Unsent),
    /// It has confirmed the stored response in hand, whose body could not be read.
    Unreadable,
}

impl Outcome<'_> {
    /// What it says of the region's health; `page`: what the platform said in its place. An answer of the contract comes from no
    /// broken gateway: writes wait there while the data moves, and reads while it comes.
    pub(super) fn heard(&self, page: Option<PlatformPage>) -> SendResult {
        match (self, page) {
            (_, Some(PlatformPage::TurnedAway)) => SendResult::Nothing,
            // A refused connection too: a page that fetches other pages passes on what they say.
            (_, Some(PlatformPage::NotConnected | PlatformPage::TimedOut | PlatformPage::Broken)) => {
                SendResult::Silence
            }
            (Self::Answered(answer), None) => match answer.status {
                _ if answer.speaks_of_the_contract() => SendResult::Answer,
                status if is_gateway_failure(status) => SendResult::Gateway,
                // The application's fault, for any client; the region lives.
                _ if !answer.is_final() => SendResult::Nothing,
                _ => SendResult::Answer,
            },
            (Self::Refused, _) => SendResult::Unreached,
            (Self::TimedOut | Self::Lost | Self::Broken, _) => SendResult::Silence,
            (Self::Unreadable, _) => SendResult::Answer,
            (Self::Unsent(_) | Self::NotFinal, _) => SendResult::Nothing,
        }
    }

    /// The same, where the platform answers in the place of an origin that it could not speak with: what it says came of the
    /// send, and its pages are of no use to a client; but for the one that turns this very client away.
    pub(super) fn unmasked(self, page: Option<PlatformPage>) -> Self {
        match (self, page) {
            (_, Some(PlatformPage::NotConnected)) => Self::Refused,
            (_, Some(PlatformPage::TimedOut)) => Self::TimedOut,
            (_, Some(PlatformPage::Broken)) => Self::Broken,
            (Self::Answered(answer), None) if !answer.is_final() => Self::NotFinal,
            (other, _) => other,
        }
    }
}
