//! Whichever region dies for good, and whenever: operators have a way out, by word.

use serde_json::Value;

use crate::{
    action::Action,
    authority::{Deed, Input},
    checker,
    ledger::Passes,
    model::Model,
    scope::{Scope, abort_by_word, forced, numbered},
    state::{Flight, State},
};

/// After so many steps an operator acts.
const PATIENCE: usize = 60;
/// More than so many orders nobody gives.
const ROUNDS: usize = 4;

/// The same protocol, where each state is left by a region that dies.
pub struct Mortal(Model);

impl Mortal {
    pub fn new(scope: Scope) -> Self {
        Self(Model::new(Scope { gives_up: true, ..scope }))
    }

    /// # Errors
    /// If nobody accepts writes in the end.
    fn without(&self, state: &State, dead: &str) -> Result<(), String> {
        let model = &self.0;
        let mut state = self.waits(state.clone(), dead)?;
        for round in 0..ROUNDS {
            let incoming = model.authority.incoming(state.ledger);
            let (stuck, owner) = (incoming.under_way().next(), &incoming.owners[0].1);
            let heir = model.scope.regions.iter().find(|region| **region != dead).unwrap();
            let order = match stuck {
                Some(change) => abort_by_word(&change.id),
                None if owner.home == dead => forced(heir),
                None => return self.serves(state, owner.home.as_str(), owner.epoch),
            };
            let turned = model.authority.turn(state.ledger, Input::Order(self.order(round, order)));
            model.takes(&mut state, &turned);
            state = self.waits(state, dead)?;
        }
        let ledger = model.authority.ledgers.get(state.ledger);
        Err(format!("no way out: without {dead} nobody gets the unit: {ledger}"))
    }

    /// The place of an operator's way out, which is a request of its own.
    fn order(&self, round: usize, order: Value) -> usize {
        let order = numbered(order, &format!("out-{round}"));
        self.0.authority.place(&order)
    }

    /// All that can happen without that region happens, for some time.
    fn waits(&self, mut state: State, dead: &str) -> Result<State, String> {
        let model = &self.0;
        for _ in 0..PATIENCE {
            let Some(flight) = state.flights.first().copied() else { break };
            let deed = model.authority.deed(flight.effect());
            let action = match flight {
                Flight::Answered(effect, outcome) => Action::Heard(effect, outcome),
                Flight::Asked(_) if matches!(&*deed, Deed::Call(command) if command.region == dead) => {
                    Action::Lost(flight)
                }
                Flight::Asked(effect) => Action::Arrives(effect),
            };
            if *deed == Deed::After {
                state.ledger = model.authority.later(state.ledger, Passes::Long);
            }
            state = model.act(&state, &action)?.unwrap_or(state);
        }
        state.ledger = model.authority.later(state.ledger, Passes::Long);
        let ticked = model.act(&state, &Action::Ticks)?;
        Ok(ticked.unwrap_or(state))
    }

    fn serves(&self, mut state: State, home: &str, epoch: u64) -> Result<(), String> {
        let model = &self.0;
        let at = model.region(home);
        state = model.act(&state, &Action::Expires(at, 0))?.unwrap_or(state);
        let before = state.writes;
        model.writes(&mut state, 0, 0, Some(&(home.to_owned(), epoch)))?;
        if state.writes == before { Err(format!("no way out: {home} does not accept writes")) } else { Ok(()) }
    }
}

impl checker::Model for Mortal {
    type State = State;
    type Action = Action;

    fn first(&self) -> State {
        self.0.first()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        self.0.actions(state)
    }

    fn next(&self, state: &State, action: &Action) -> Result<Option<State>, String> {
        self.0.next(state, action)
    }

    fn judge(&self, state: &State) -> Result<(), String> {
        self.0.scope.regions.iter().try_for_each(|dead| self.without(state, dead))
    }

    fn tell(&self, action: &Action) -> String {
        self.0.tell(action)
    }
}
