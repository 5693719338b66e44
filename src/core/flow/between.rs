//! A cache between here and a region that answers in its place: what it says is of some time before, whatever the region knows by now.

use super::{Flow, context::Context, read::Reading, step::Step};
use crate::{
    decide::plan::Freshness,
    http::answer::Answer,
    model::{reasons::Refusal, time::Timestamp, token::Token},
    ownership::stated::{Shows, stated},
    topology::route::OnHomeDown,
};

impl Context {
    /// Whether the answer itself says that all up to the session's mark is in it: whoever gave it, that stays true.
    pub(super) fn certainly_shows(&self, answer: &Answer<'_>) -> bool {
        let Freshness::AtLeast(pin, mark) = &self.freshness else { return false };
        let topology = self.view.topology();
        let dataset = self.request.dataset.and_then(|id| topology.dataset(id));
        let stated = dataset
            .and_then(|dataset| Some((dataset.name.as_str(), dataset.position?)))
            .and_then(|dataset| stated(answer, dataset, None, topology).ok());
        // What the origin was told to show at least says nothing here: it was not asked.
        stated
            .map(|stated| Shows::of(&stated, None, topology))
            .is_some_and(|shows| shows.home == pin.region && shows.covers(mark))
    }
}

impl Flow {
    /// What becomes of an answer that a cache gave where the region's own word was promised: the next one is asked, home as a rule. Where
    /// that was home, what its route says is done, as if home were down. None if nothing was promised that it could break.
    pub(super) fn given_by_a_cache(&mut self, reading: &Reading, answer: &Answer<'_>, now: Timestamp) -> Option<Step> {
        let harmless = reading.is_stale() || !self.cx.freshness.is_promised() || !answer.is_from_a_cache();
        if harmless || self.cx.certainly_shows(answer) {
            return None;
        }
        self.cx.trace.note(Token::GivenByCache, reading.ended().region);
        Some(match reading.next().filter(|next| !next.is_stale()) {
            Some(next) if self.cx.can_repeat() && self.cx.has_time(now) => self.ask(next, now),
            _ if self.cx.request.promise.on_home_down == OnHomeDown::Stale => {
                self.read_answered(&reading.stale(), answer, now)
            }
            _ => self.stale_copy(now).unwrap_or_else(|| self.refuse(Refusal::GivenByCache, now)),
        })
    }
}
