//! Sending: what goes out, what the isolate hears of it, and whether there may be another.

use std::{rc::Rc, time::Duration};

use super::{Flow, MOST_ATTEMPTS, context::Context, step::Step};
use crate::{
    decide::attempt::{self, Attempt},
    model::{
        access::{Access, Replay},
        ids::RegionId,
        position::Mark,
        time::Timestamp,
    },
    observe::locality::crossing,
    ownership::Owner,
    state::{
        health::{SendResult, Sending},
        memory::Observation,
    },
};

/// Of so many small bodies of a region that does well one is read whole.
const SAMPLE: u64 = 64;

impl Context {
    pub(super) fn can_repeat(&self) -> bool {
        self.tries() < MOST_ATTEMPTS && matches!(self.request.replay, Replay::Empty | Replay::Buffered)
    }

    pub(super) fn has_time(&self, now: Timestamp) -> bool {
        self.ends.since(now) >= attempt::SHORTEST
    }

    /// Whether a small body from there is read whole before it is answered: where the route says so; of reads also where the region
    /// has been silent or broken off lately, and now and then elsewhere, since else nobody would find out that it breaks bodies.
    fn reads_whole(&self, region: RegionId) -> bool {
        let samples = || self.request.entropy.is_multiple_of(SAMPLE);
        self.request.promise.repair || (self.is_read() && (self.view.condition(region).breaks || samples()))
    }

    /// How long a look-up in the home store or the directory may take: as long as such things take, and no longer than the request
    /// has.
    pub(super) fn patience(&self, usual: Duration, now: Timestamp) -> Duration {
        usual.min(self.ends.since(now))
    }

    /// The next send. Its time ends with the attempt's deadline or the request's, whichever is sooner.
    pub(super) fn send(
        &mut self,
        region: RegionId,
        owner: Option<Owner>,
        least: Option<Mark>,
        delay: Duration,
        now: Timestamp,
    ) -> Step {
        self.attempts += 1;
        let nearest = self.request.near.first().copied();
        if nearest != Some(region) {
            self.crossed = self.crossed.or_else(|| Some(crossing(&self.trace, nearest)));
        }
        self.asked = now;
        let left = self.ends.since(now).saturating_sub(delay);
        let conditions = self.conditions();
        let request = &self.request;
        let (service, url) = self.view.topology().region(region).origin.url_of(&request.target);
        let service = service.map(str::to_owned);
        let deadline = attempt::attempt_deadline(request, region, &self.view);
        let resort = request.access == Access::Read && self.view.is_open(region, Access::Read);
        let patience = if resort { deadline.min(attempt::LAST_RESORT) } else { deadline };
        let (access, asking) = (request.access, request.asking());
        let sending = Sending { region, access, at: now.after(delay), again: self.attempts > 1, asking };
        self.observations.push(Observation::Sent(sending));
        self.sending = Some(sending);
        Step::Send(Box::new(Attempt {
            region,
            service,
            url,
            method: request.method.clone(),
            target: Rc::clone(&request.target),
            timeout: patience.min(left),
            idle: request.promise.body_idle,
            whole: self.reads_whole(region),
            delay,
            replay: request.replay,
            upgrade: request.upgrade,
            common: Rc::clone(&request.edits),
            own: attempt::contract(request, &self.view, region, owner, least, now)
                .into_iter()
                .chain(conditions)
                .collect(),
        }))
    }
}

impl Flow {
    /// What the isolate should learn before anything else happens.
    #[must_use]
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.cx.observations)
    }

    /// Ends without an answer, since nobody waits for one; what the isolate should learn of it.
    #[must_use]
    pub fn abandon(mut self) -> Vec<Observation> {
        let sending = self.cx.sending.take();
        self.cx.observations.extend(sending.map(|sending| Observation::Heard(sending, SendResult::Nothing)));
        self.cx.observations
    }
}
