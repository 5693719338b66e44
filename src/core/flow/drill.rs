//! A request in an isolation drill: whether it takes part, and what it shows.

use std::rc::Rc;

use super::context::Context;
use crate::{
    decide::plan::undrilled_owner,
    model::{
        access::Access,
        ids::RegionId,
        reasons::{Choice, Exclusion, Note, Refusal},
    },
    ownership::{Owner, own::Own},
    settle::Settlement,
    state::{
        drill::{DrillOutcome, Drilled, Need, Part},
        trace::{Decision, TraceEvent},
    },
};

impl Context {
    /// Whether it takes part, as far as that is known before anybody was asked where its subject lives.
    pub(super) fn begin_drill(&mut self) {
        let Some(drill) = self.view.drill() else { return };
        if !self.request.sampling_key().is_some_and(|visitor| drill.picks(visitor)) {
            return;
        }
        self.part = Part::Open;
        if self.request.subject.is_none() {
            return self.join_drill(self.home_of_session());
        }
        if let Some((owned, _)) = self.known_home() {
            self.join_drill(Some(owned.home()));
        }
    }

    /// Decides whether it takes part by where its subject lives, or, where nobody knows and nobody need be asked, by whom it is near.
    pub(super) fn join_drill(&mut self, home: Option<RegionId>) {
        let Some(drill) = self.view.drill().filter(|_| self.part == Part::Open) else { return };
        if !drill.concerns(home, self.request.near.first().copied()) {
            self.part = Part::Out;
            return;
        }
        let away = drill.away(self.view.topology());
        self.part = Part::In;
        Rc::make_mut(&mut self.view).exclude(away);
        self.note(TraceEvent::Noted(Note::Drill, None));
    }

    /// Where the session's own subject lives; whatever the request itself concerns is of nobody in particular.
    fn home_of_session(&self) -> Option<RegionId> {
        let homes = || self.request.session.session.subjects.all().filter_map(Own::home);
        self.view.topology().region_named(homes().next()?.name())
    }

    /// Whether the directory may be asked, which gives a subject without a home that one, for good. A drill must not move it
    /// elsewhere, so where that one counts as unreachable the directory does too.
    pub(super) fn may_propose(&mut self, proposed: RegionId) -> bool {
        if let (Part::Open, Some(drill)) = (self.part, self.view.drill())
            && drill.away(self.view.topology()).contains(proposed)
        {
            self.join_drill(None);
        }
        let away = self.view.is_excluded(proposed);
        if away {
            self.note_against(proposed, Exclusion::Drill);
        }
        !away
    }

    /// Notes that another owner would have been nearer, but for the drill.
    pub(super) fn note_missed_owner(&mut self, owner: Owner) {
        if self.part != Part::In {
            return;
        }
        let missed = undrilled_owner(&self.request, &self.view);
        if let Some(missed) = missed.filter(|missed| *missed != owner.region() && self.view.is_excluded(*missed)) {
            self.note_against(missed, Exclusion::Drill);
        }
    }

    /// Counts what the client's answer shows of the drill that the request takes part in.
    pub(super) fn count_drill(&mut self, settlement: &mut Settlement) {
        if self.part == Part::In {
            settlement.record_mut().drilled = self.drilled(settlement);
            // What goes on behind an answer stays within the drill, and is not counted.
            self.part = Part::Out;
        }
    }

    fn drilled(&self, settlement: &Settlement) -> Option<Drilled> {
        let record = &settlement.record;
        let missed = self.passed.missed;
        let is_its_end =
            matches!(record.decision, Decision::Refused(Refusal::DrillUnreachable) | Decision::Chosen(Choice::Drill));
        let refused = missed.is_some() && (record.attempts == 0 || is_its_end);
        let ending = DrillOutcome::of(record, refused)?;
        let of_home = self.request.access == Access::Write || self.freshness.is_promised();
        let need = if of_home { Need::Home } else { Need::Copy };
        let by = self.request.visitor.or_else(|| self.request.sampling_key())?;
        Some(Drilled { ending, needed: missed.map(|region| (region, need)), by })
    }
}
