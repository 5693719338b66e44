//! Reads of a session that has seen the writes of a later owner than anybody here has heard of.
//!
//! A mark is no ownership (see `ownership`): the home has been looked up by now, and is what it was. So the home that is known is
//! asked first. If it knows a later owner it says so, and the read goes on there. Else the region that the mark names is asked,
//! still by the ownership that is known: if it calls itself the owner, since the epoch of the mark or later, then that is an origin's
//! own word, and its answer is the home's. If nobody says anything of the kind, the answer says that it may be stale: the promise is
//! not broken in silence. A route that refuses stale reads refuses these, too, but no longer than half a minute after the session
//! saw that: by then whoever is to know of a change of owner does, and nobody is locked out of their data by a mark.

use super::{
    Flow,
    context::Context,
    read::{Reading, SoughtEpoch},
    step::Step,
};
use crate::{
    decide::{
        plan::{PlannedRegion, ReadPlan},
        rank::candidates,
    },
    http::answer::Answer,
    model::{epoch::Epoch, ids::RegionId, reasons::Refusal, time::Timestamp, token::Token},
    ownership::{Owner, Ownership},
    session::LONGEST_PIN,
    state::trace::Trace,
    topology::{dataset::Rule, route::OnHomeDown},
};

impl Context {
    /// Whether the session has seen what was written under a later owner than that one, of the data that it is promised to see.
    pub(super) fn has_seen_later(&self, known: Ownership) -> bool {
        let dataset = self.request.dataset.and_then(|id| self.view.topology().dataset(id));
        // What several own has one epoch for ever, and what nobody claims has none.
        let changes_hands = dataset.is_some_and(|dataset| !matches!(dataset.rule, Rule::MultiWriter { .. }));
        let promised = self.is_read() && self.freshness.is_promised();
        promised
            && changes_hands
            && known.epoch() > Epoch::NONE
            && self.session_mark().is_some_and(|(_, mark)| mark.epoch > known.epoch())
    }
}

impl Flow {
    /// Asks the home that is known, then the region that the mark names.
    pub(super) fn read_later(&mut self, owner: Owner, now: Timestamp) -> Step {
        let Some((pin, mark)) = self.cx.session_mark() else { return self.refuse(Refusal::Internal, now) };
        let overdue = now.since(pin.since) >= LONGEST_PIN;
        let named = self.cx.log_of(pin, mark).map(|log| log.home);
        let may_be_stale = overdue || self.cx.request.promise.on_home_down == OnHomeDown::Stale;
        let home = owner.region();
        self.cx.join_drill(Some(home));
        let reason = Token::PositionOfLaterEpoch;
        // After so long whoever is to know of a change of owner does, and home is the best there is.
        let named = named.filter(|named| !overdue && *named != home && self.may_be_read(*named));
        let named = named.map(|region| PlannedRegion { region, reason, stale: false });
        let ReadPlan { first, fallback, .. } =
            ReadPlan::home(&self.cx.request, &self.cx.view, home, reason, &mut self.cx.trace);
        let plan = match first {
            Some(first) if first.region == home => {
                ReadPlan { first: Some(first), fallback: named.or(fallback), ..ReadPlan::default() }
            }
            elsewhere => {
                let fallback = elsewhere.filter(|_| named.is_some());
                ReadPlan { first: named.or(elsewhere), fallback, ..ReadPlan::default() }
            }
        };
        self.begin_seeking(plan, owner, SoughtEpoch { mark, may_be_stale }, now)
    }

    fn may_be_read(&self, region: RegionId) -> bool {
        let mut readable = candidates(&self.cx.request, &self.cx.view, (None, Some(region)), &mut Trace::default());
        readable.any(|readable| readable == region) && !self.cx.view.is_excluded(region)
    }

    /// What a region answers that was asked for the later owner.
    pub(super) fn sought(
        &mut self,
        reading: &Reading,
        seeks: SoughtEpoch,
        answer: &Answer<'_>,
        now: Timestamp,
    ) -> Step {
        let later = self.later_owner(reading, answer).filter(|later| later.epoch() >= seeks.mark.epoch);
        if let Some(later) = later {
            if let Some(step) = self.ask_later(reading, later, Token::PositionOfLaterEpoch, now) {
                return step;
            }
            let own = reading.by(later);
            if own.is_at_home() && answer.status != 421 && !self.is_short_of(seeks.mark, later, answer) {
                return self.read_answered(&own, answer, now);
            }
        }
        match reading.next().filter(|next| !next.is_stale()) {
            Some(next) if self.cx.can_repeat() && self.cx.has_time(now) => self.ask(next, now),
            _ if seeks.may_be_stale && answer.status != 421 => self.read_answered(&reading.stale(), answer, now),
            _ => self.stale_copy(now).unwrap_or_else(|| self.refuse(Refusal::PositionNotReached, now)),
        }
    }
}
