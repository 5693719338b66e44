//! Sending: what goes out, what the isolate hears of it, and whether there may be another.

use std::{rc::Rc, time::Duration};

use super::{
    context::Context,
    platform_page::PlatformPage,
    step::{Outcome, Step},
};
use crate::{
    cache::{
        lookup::{Lookup, Method},
        policy::revalidate,
        stored::StoredEntry,
    },
    decide::{
        attempt::{self, Attempt},
        reach::Least,
    },
    http::{answer::Answer, edits::RequestEdits},
    model::{
        access::{Access, Replay},
        backoff::Backoff,
        ids::RegionId,
        reasons::Note,
        time::Timestamp,
    },
    ownership::Owner,
    request::CacheUse,
    settle::Asked,
    state::{
        health::{Condition, Health, Sending},
        memory::Observation,
        trace::{Decision, TraceEvent},
    },
};

/// At most this many sends, so at most two regions see one request; but for those that were in vain and go to the same region once more
/// (`again.rs`).
pub const MOST_ATTEMPTS: u8 = 2;
/// Before something is sent again.
const BACKOFF: Backoff = Backoff { least: Duration::from_millis(25), most: Duration::from_millis(250) };
/// Of so many small bodies of a region that does well one is read whole.
const SAMPLE: u64 = 64;

/// How a send ended that is answered to the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Who has answered.
    pub(super) region: RegionId,
    /// What that decides.
    pub(super) decision: Decision,
    /// The owner, if it was asked as that.
    pub(super) owner: Option<Owner>,
    /// What the region was told that its answer must show at least.
    pub(super) least: Least,
    /// Whether the answer may be older than what was promised.
    pub(super) stale: bool,
}

impl Ended {
    /// What its answer stands for.
    pub(super) fn asked(&self) -> Asked {
        Asked { owned: self.owner.map(|owner| owner.ownership()), least: self.least, stale: self.stale }
    }
}

impl Context {
    /// Whether the request can be sent once more, and may be.
    pub(super) fn can_repeat(&self) -> bool {
        self.tries() < MOST_ATTEMPTS && matches!(self.request.replay, Replay::Empty | Replay::Buffered)
    }

    /// Whether one more send from now on may come to anything before the request's deadline.
    pub(super) fn has_time(&self) -> bool {
        self.has_time_at(self.now)
    }

    /// The same, of a send at that time.
    pub(super) fn has_time_at(&self, at: Timestamp) -> bool {
        self.ends.since(at) >= attempt::SHORTEST
    }

    /// Whether the request may be sent once more now.
    pub(super) fn may_send_again(&self) -> bool {
        self.can_repeat() && self.has_time()
    }

    /// Whether the budget allows to send a write again.
    pub(super) fn may_repeat(&mut self, health: &Health) -> bool {
        let may = health.may_repeat(Access::Write);
        if !may {
            self.note(TraceEvent::Noted(Note::RetryBudgetSpent, None));
        }
        may
    }

    /// How long to wait before it is sent again.
    pub(super) fn backoff(&self) -> Duration {
        BACKOFF.jittered(self.request.entropy)
    }

    /// The conditions of the next send: it asks about the stored response that the request selects, if there is one.
    fn add_conditions(&mut self, edits: &mut RequestEdits) {
        let CacheUse::Use(lookup @ Lookup { method: Method::Get, .. }) = &self.request.cache else { return };
        let Some((_, variant)) = self.held.as_ref().and_then(StoredEntry::selected) else { return };
        self.conditional = !self.unconditional && revalidate(&variant, lookup, &mut edits.own);
    }

    /// What came of the send that is on its way: learned of the region, and taken for what it is where the platform answers in its place.
    pub(super) fn hear<'a>(&mut self, outcome: Outcome<'a>) -> Outcome<'a> {
        let sending = self.sending.take();
        let region = sending.map(|sending| self.view.topology().region(sending.region));
        let page = match (&outcome, region) {
            (Outcome::Answered(answer), Some(region)) => PlatformPage::of(answer, &region.origin),
            _ => None,
        };
        self.observations.extend(sending.map(|sending| Observation::Heard(sending, outcome.heard(page))));
        let outcome = match outcome.unmasked(page) {
            // Nobody has asked for another protocol.
            Outcome::Answered(Answer { status: 101, .. }) if !self.request.upgrade => Outcome::NotFinal,
            other => other,
        };
        self.heard = if let Outcome::Answered(answer) = &outcome { Some(answer.status) } else { None };
        outcome
    }

    /// Whether a small body from there is read whole before it is answered: where the route says so; of reads also where the region
    /// has been silent or broken off lately, and now and then elsewhere, since else nobody would find out that it breaks bodies.
    fn reads_whole(&self, region: RegionId) -> bool {
        let samples = || self.request.entropy.is_multiple_of(SAMPLE);
        self.request.promise.repair || (self.is_read() && (self.view.condition(region).breaks || samples()))
    }

    /// Whether somebody else may have to wait, or to go elsewhere, until this send is over: a ceiling counts it, or the budget of what is sent again; a
    /// breaker lets no second one through beside it; or it takes in a body, which is long.
    fn holds_a_place(&self, region: RegionId) -> bool {
        let has_ceiling = self.view.topology().region(region).ceiling.is_some();
        let is_watched = self.view.condition(region) != Condition::default();
        has_ceiling || is_watched || self.attempts > 1 || self.request.replay == Replay::Stream
    }

    /// How long a look-up in the home store or the directory may take: as long as such things take, and no longer than the request
    /// has.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        usual.min(self.ends.since(self.now))
    }

    /// The next send. Its time ends with the attempt's deadline or the request's, whichever is sooner.
    pub(super) fn send(&mut self, region: RegionId, owner: Option<Owner>, least: Least, delay: Duration) -> Step {
        self.attempts += 1;
        self.asked = self.now;
        let left = self.ends.since(self.now).saturating_sub(delay);
        let mut own = attempt::contract(&self.request, &self.view, region, owner, least, self.now);
        self.add_conditions(&mut own);
        let request = &self.request;
        let (service, url) = self.view.topology().region(region).origin.url_of(&request.target);
        let service = service.map(str::to_owned);
        let deadline = attempt::attempt_deadline(request, region, &self.view);
        let resort = request.access == Access::Read && self.view.is_open(region, Access::Read);
        let patience = if resort { deadline.min(attempt::LAST_RESORT) } else { deadline };
        let (access, asking) = (request.access, request.asking());
        let sending = Sending { region, access, at: self.now.after(delay), again: self.attempts > 1, asking };
        self.observations.push(Observation::Sent(sending));
        self.sending = Some(sending);
        Step::Send(Box::new(Attempt {
            region,
            service,
            url,
            access,
            method: request.method.clone(),
            target: Rc::clone(&request.target),
            timeout: patience.min(left),
            idle: request.promise.body_idle,
            whole: self.reads_whole(region),
            delay,
            replay: request.replay,
            upgrade: request.upgrade,
            listen: self.holds_a_place(region),
            common: Rc::clone(&request.edits),
            own,
        }))
    }
}
