//! What phases hand over: what a request waits in, and what a phase comes to.

use std::time::Duration;

use super::{
    misdirected::{Declined, NamedSubject},
    reading::{Reading, Wants},
    send::Ended,
    step::Step,
};
use crate::{
    cache::key::CacheKey,
    decide::plan::ReadPlan,
    http::{answer::Answer, problem::Problem},
    model::reasons::{Choice, Refusal},
    ownership::{Owner, Ownership, evidence::Keeper},
    settle::{Settlement, record::WriteOutcome, session::SignIn},
};

/// What a request waits in: the phase that takes the event which comes next.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The edge cache is looked into.
    Probing(Look),
    /// The client has its answer, and the stored response is made new.
    Answered,
    /// The home is looked up there.
    FindingHome(Keeper),
    /// The directory is asked to correct the home by which a region was asked that declines it.
    Correcting(Ownership),
    /// A region is asked to read.
    Reading(Reading),
    /// The owner is asked to write.
    Writing(Writing),
    /// The homes of those who have signed in are looked up there, behind an answer.
    SigningIn(Box<Settlement>, Box<SignIn>, Keeper),
    /// Nothing is waited for.
    Over,
}

/// What a phase comes to. A phase calls no other: the table in [`super`] knows what follows.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// The driver does that, and what comes of it is for that phase.
    Wait(Step, Phase),
    /// The edge cache has not answered: it is to be decided who is asked.
    Route,
    /// Any replica near enough may be read.
    ReadNear,
    /// It depends on the subject's home, which is not known.
    FindHome,
    /// Nobody can say who owns what the request concerns.
    Homeless,
    /// This is the owner, found in that way.
    Owned(Owner, Choice),
    /// A read by that plan.
    Read(ReadPlan, Wants),
    /// A read that is sent after that delay.
    Ask(Duration, Reading),
    /// A region has answered a read that looks for a later owner.
    Sought(Reading, Answer<'a>),
    /// A region's answer to a read will do, as far as the session is concerned.
    Heard(Reading, Answer<'a>),
    /// The request is another subject's.
    Rename(NamedSubject),
    /// A region declines the home that it was given.
    Correct(Declined),
    /// The stored response, if it may be shown when all else fails; if not, that.
    StaleOr(Box<Next<'a>>),
    /// A region's answer is the client's.
    Answer(Ended, Answer<'a>),
    /// A region's answer is about the stored response, which is the client's: with the fields that the answer brings, if that is true.
    Confirmed(Ended, Answer<'a>, bool),
    /// The router's own error; of a write, with what is known of it.
    Refuse(Refusal),
    /// The driver has done what was not asked for: its error, and no region's.
    Misdriven,
    /// The router's own error, of which the trace tells already.
    Fail(Refusal),
    /// A write has failed.
    NotWritten(NotWritten),
    /// The answer names somebody whose home must be found before the session can begin.
    SignIn(Box<Settlement>, Box<SignIn>),
    /// The client gets its answer, and the request goes on without it.
    AnswerAndGoOn(Box<Settlement>, CacheKey),
    /// The end.
    Finish(Box<Settlement>),
}

impl Next<'_> {
    /// The same, unless the stored response may be shown.
    pub(super) fn or_stale(self) -> Self {
        Self::StaleOr(Box::new(self))
    }
}

impl From<(Settlement, Option<SignIn>)> for Next<'_> {
    fn from((settlement, sign_in): (Settlement, Option<SignIn>)) -> Self {
        match sign_in {
            Some(sign_in) => Self::SignIn(Box::new(settlement), Box::new(sign_in)),
            None => Self::Finish(Box::new(settlement)),
        }
    }
}

/// Which look into the edge cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The first.
    First,
    /// What lies there has expired, and another request may be about to make it new.
    Again,
}

/// A write that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    /// Who is asked.
    pub(super) owner: Owner,
    /// Why there.
    pub(super) choice: Choice,
}

/// How a write failed.
#[derive(Debug)]
pub(super) struct NotWritten {
    /// What the client is told.
    pub(super) problem: Problem,
    /// What became of it.
    pub(super) outcome: WriteOutcome,
    /// The owner who may have done it.
    pub(super) owned: Option<Ownership>,
}
