//! The model as the checker takes it, with the state in which everything begins.

use std::{collections::BTreeSet, rc::Rc};

use crate::{
    action::Action,
    bugs::Bug,
    checker,
    model::Model,
    scope::Unit,
    state::{State, Truth},
    support::region::Region,
};

impl checker::Model for Model {
    type State = State;
    type Action = Action;

    fn first(&self) -> State {
        let datasets = self.scope.units.iter().filter_map(|unit| match unit {
            Unit::Dataset(name) => Some((*name, "us")),
            Unit::Tenant(_) | Unit::User(_) => None,
        });
        let datasets: Vec<_> = datasets.collect();
        let flaw = self.scope.bug.and_then(Bug::flaw);
        let region = |name: &&str| self.regions.of(&Region { flaw, ..Region::new(name, &datasets) });
        let first = |unit: &Unit| match unit {
            Unit::Dataset(_) => ("us".to_owned(), 1),
            Unit::Tenant(_) | Unit::User(_) => (String::new(), 0),
        };
        State {
            ledger: self.authority.empty(),
            flights: BTreeSet::new(),
            sent: BTreeSet::new(),
            regions: self.scope.regions.iter().map(region).collect(),
            directory: Rc::default(),
            stored: Rc::default(),
            beliefs: self.scope.units.iter().map(|_| Rc::default()).collect(),
            ordered: vec![0; self.scope.orders.len()],
            carried_out: vec![false; self.scope.orders.len()],
            writes: 0,
            truth: self
                .scope
                .units
                .iter()
                .map(|unit| Rc::new(Truth { owned: first(unit), ..Truth::default() }))
                .collect(),
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        self.choices(state)
    }

    fn next(&self, state: &State, action: &Action) -> Result<Option<State>, String> {
        self.act(state, action)
    }

    fn judge(&self, state: &State) -> Result<(), String> {
        self.calms(state)
    }

    fn tell(&self, action: &Action) -> String {
        self.tells(action)
    }
}
