//! From any state, once nothing goes wrong any more, everything must come to its end.

use std::{cell::RefCell, collections::HashSet};

use crate::{
    action::Action,
    authority::Deed,
    checker::fingerprint,
    ledger::Passes,
    model::{CLOCK, Model},
    scope::Unit,
    state::{Flight, State},
};

/// More steps than that nothing takes.
const MOST_STEPS: usize = 1000;

/// States that are known to come to a good end.
#[derive(Default)]
pub struct Calm {
    good: RefCell<HashSet<u64>>,
}

impl Model {
    /// Lets everything that is on its way arrive, in order, and time pass.
    ///
    /// # Errors
    /// If something does not end, or not well.
    pub fn calms(&self, state: &State) -> Result<(), String> {
        let mut state = state.clone();
        let mut way = Vec::new();
        for _ in 0..MOST_STEPS {
            let seen = fingerprint(&(state.ledger, &state.flights, &state.regions, &state.directory, &state.stored));
            if self.calm.good.borrow().contains(&seen) {
                self.calm.good.borrow_mut().extend(way);
                return Ok(());
            }
            way.push(seen);
            match self.calm_step(&state)? {
                Some(next) => state = next,
                None => {
                    self.is_well(state)?;
                    self.calm.good.borrow_mut().extend(way);
                    return Ok(());
                }
            }
        }
        let ledger = self.authority.ledgers.get(state.ledger);
        Err(format!("endless: with nothing wrong any more it does not come to an end: {ledger}"))
    }

    fn calm_step(&self, state: &State) -> Result<Option<State>, String> {
        let regions = 0..self.scope.regions.len();
        for unit in 0..self.scope.units.len() {
            for at in regions.clone() {
                for source in regions.clone().filter(|source| *source != at) {
                    if let Some(next) = self.act(state, &Action::Follows(at, source, unit))? {
                        return Ok(Some(next));
                    }
                }
            }
        }
        if let Some(flight) = state.flights.first() {
            let action = match flight {
                Flight::Asked(effect) if *self.authority.deed(*effect) == Deed::After => {
                    let later = self.act(state, &Action::Passes(Passes::AMoment))?.unwrap_or_else(|| state.clone());
                    return self.act(&later, &Action::Arrives(*effect));
                }
                Flight::Asked(effect) => Action::Arrives(*effect),
                Flight::Answered(effect, outcome) => Action::Heard(*effect, *outcome),
            };
            return self.act(state, &action);
        }
        for unit in 0..self.scope.units.len() {
            for at in regions.clone() {
                if self.regions.get(state.regions[at]).unit(self.name(unit)).paused(CLOCK).is_some() {
                    return self.act(state, &Action::Expires(at, unit));
                }
            }
        }
        if !self.authority.incoming(state.ledger).wakes {
            return Ok(None);
        }
        let later = self.act(state, &Action::Passes(Passes::Long))?.unwrap_or_else(|| state.clone());
        Ok(Some(self.act(&later, &Action::Ticks)?.unwrap_or(later)))
    }

    /// Whether all is well at the end: nothing is under way, everybody knows the same owner, and it accepts writes.
    fn is_well(&self, mut state: State) -> Result<(), String> {
        let incoming = self.authority.incoming(state.ledger);
        if incoming.sweeping || incoming.under_way().next().is_some() {
            return Err(format!("endless: nothing happens any more, and this is under way: {:?}", incoming.changes));
        }
        if incoming.published.is_some() && incoming.published.as_ref() != state.stored.get("view") {
            return Err(format!(
                "unpublished: the edges read {:?}, not {:?}",
                state.stored.get("view"),
                incoming.published
            ));
        }
        for (at, unit) in self.scope.units.iter().enumerate() {
            let name = self.name(at);
            let said = match unit {
                Unit::Dataset(_) => incoming
                    .owners
                    .iter()
                    .find(|(dataset, _)| dataset == name)
                    .map(|(_, owned)| (owned.home.clone(), owned.epoch)),
                Unit::Tenant(_) | Unit::User(_) => {
                    state.directory.0.get(unit.id().as_str()).map(|(_, owned)| owned.clone())
                }
            };
            let Some(said) = said else { continue };
            let owned = state.truth[at].owned.clone();
            // Who has a first home is its owner with the first write.
            if owned != said && owned.1 > 0 {
                return Err(format!("ownerless: {name} belongs to {owned:?}, and the authority says {said:?}"));
            }
            for region in state.regions.iter().map(|region| self.regions.get(*region)) {
                let knows = region.unit(name).owned;
                let believes = knows.0 == region.name && knows != said;
                if believes {
                    return Err(format!(
                        "zombie: {} knows {knows:?} of {name}, which belongs to {said:?}",
                        region.name
                    ));
                }
            }
            let before = state.writes;
            self.writes(&mut state, at, 0, Some(&said))?;
            if state.writes == before {
                return Err(format!("ownerless: nobody accepts a write of {name}, which belongs to {said:?}"));
            }
        }
        Ok(())
    }
}
