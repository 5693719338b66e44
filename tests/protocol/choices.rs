//! What may happen next.

use crate::{
    action::Action,
    authority::Deed,
    bugs::Bug,
    ledger::Passes,
    model::{CLOCK, Model},
    scope::Unit,
    state::{Flight, State},
};

impl Model {
    /// Everything that may happen in a state.
    pub fn choices(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        self.network(state, &mut actions);
        self.operators(state, &mut actions);
        self.regions(state, &mut actions);
        self.clients(state, &mut actions);
        if self.scope.bug == Some(Bug::EffectsFirst) {
            let turns = |action: &&Action| matches!(action, Action::Orders(_) | Action::Heard(..) | Action::Ticks);
            let unstored: Vec<_> =
                actions.iter().filter(turns).map(|action| Action::DiesUnstored(Box::new(action.clone()))).collect();
            actions.extend(unstored);
        }
        actions
    }

    fn network(&self, state: &State, actions: &mut Vec<Action>) {
        // The four questions of a preflight change nothing, so that their order does not matter.
        let mut asks = false;
        for flight in &state.flights {
            let preflight = self.authority.effects.get(flight.effect()).is_preflight;
            if preflight && asks {
                continue;
            }
            asks |= preflight;
            actions.push(match flight {
                Flight::Asked(effect) => Action::Arrives(*effect),
                Flight::Answered(effect, outcome) => Action::Heard(*effect, *outcome),
            });
            // An answer that is lost is a command that was given up before it came.
            if matches!(flight, Flight::Asked(effect) if *self.authority.deed(*effect) != Deed::After) {
                actions.push(Action::Lost(*flight));
            }
        }
        actions.extend(state.sent.iter().map(|deed| Action::Late(*deed)));
    }

    fn operators(&self, state: &State, actions: &mut Vec<Action>) {
        let may_come = |order: &usize| state.ordered[*order] < self.scope.repeats;
        actions.extend((0..self.scope.orders.len()).filter(may_come).map(Action::Orders));
        let incoming = self.authority.incoming(state.ledger);
        if !state.flights.is_empty() {
            actions.push(Action::Dies);
        }
        if incoming.wakes {
            actions.push(Action::Ticks);
            actions.push(Action::Passes(Passes::AMoment));
            actions.push(Action::Passes(Passes::Long));
        }
    }

    fn regions(&self, state: &State, actions: &mut Vec<Action>) {
        let regions = 0..state.regions.len();
        for unit in 0..self.scope.units.len() {
            for at in regions.clone() {
                if self.regions.get(state.regions[at]).unit(self.name(unit)).paused(CLOCK).is_some() {
                    actions.push(Action::Expires(at, unit));
                }
                let others = regions.clone().filter(|source| *source != at);
                actions.extend(others.map(|source| Action::Follows(at, source, unit)));
            }
        }
    }

    fn clients(&self, state: &State, actions: &mut Vec<Action>) {
        if self.scope.hostile {
            // The first is the victim; what the others have come to know can be slipped into its session.
            let marks = state.beliefs.iter().skip(1).flat_map(|beliefs| beliefs.iter());
            for mark in marks.filter(|mark| !state.beliefs[0].contains(mark)) {
                let sessions = state.beliefs[0].iter().cloned().map(Some).chain([None]);
                actions.extend(sessions.map(|belief| Action::Reads(0, belief, mark.clone())));
            }
        }
        if state.writes >= self.scope.writes {
            return;
        }
        for (at, unit) in self.scope.units.iter().enumerate() {
            for belief in state.beliefs[at].iter() {
                actions.push(Action::Writes(at, 0, Some(belief.clone())));
            }
            // A home that nobody has heard of is proposed by who is near.
            let near = if matches!(unit, Unit::Tenant(_) | Unit::User(_)) { state.regions.len() } else { 1 };
            actions.extend((0..near).map(|near| Action::Writes(at, near, None)));
            if self.scope.hostile {
                actions.extend((0..near).map(|near| Action::WritesBare(at, near)));
            }
        }
    }
}
