//! The protocol as a model: the real authority, the real edges, and regions that keep the contract, over a network that may do
//! anything. Nothing is bounded but what operators and clients do: commands are lost, late and repeated as often as they like.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use crate::{
    action::Action,
    authority::{Authority, Deed, Id, Input, Turned},
    calm::Calm,
    edge::{Edges, read_owned},
    ledger::Doing,
    regions::Regions,
    scope::{Scope, Unit},
    state::{Flight, State},
    support::region::Owned,
};

/// Regions have a clock of their own, and a pause ends when it likes; so that clock stands still.
pub const CLOCK: u64 = 0;

pub struct Model {
    pub scope: Scope,
    pub authority: Authority,
    pub edges: Edges,
    pub regions: Regions,
    pub calm: Calm,
    /// How often what has happened.
    pub seen: RefCell<BTreeMap<&'static str, u64>>,
    pub names: Vec<String>,
    /// Outcomes: no answer, that time is over, and a yes to everything.
    no_answer: Id,
    elapsed: Id,
    yes: Id,
}

impl Model {
    pub fn new(scope: Scope) -> Self {
        let settings = scope.settings();
        let authority = Authority::new(Rc::clone(&settings), &scope);
        let outcome = |outcome: Value| authority.outcomes.of(&outcome.to_string());
        Self {
            no_answer: outcome(json!({ "failed": "no answer" })),
            elapsed: outcome(json!({})),
            yes: outcome(json!({ "status": 200, "body": { "reached": true } })),
            authority,
            edges: Edges::new(settings),
            regions: Regions::default(),
            calm: Calm::default(),
            seen: RefCell::default(),
            names: scope.units.iter().map(|unit| unit.name()).collect(),
            scope,
        }
    }

    pub fn name(&self, unit: usize) -> &str {
        &self.names[unit]
    }

    pub fn sees(&self, what: &'static str) {
        *self.seen.borrow_mut().entry(what).or_default() += 1;
    }

    pub fn region(&self, name: &str) -> usize {
        self.scope.regions.iter().position(|region| *region == name).unwrap()
    }

    /// What happens then.
    pub fn act(&self, state: &State, action: &Action) -> Result<Option<State>, String> {
        if self.is_in_vain(state, action) {
            return Ok(None);
        }
        let mut next = state.clone();
        match action {
            Action::Orders(order) => self.orders(&mut next, *order)?,
            Action::Arrives(effect) => self.arrives(&mut next, *effect)?,
            Action::Heard(effect, outcome) => {
                next.flights.remove(&Flight::Answered(*effect, *outcome));
                self.hears(&mut next, *effect, *outcome);
            }
            Action::Lost(flight) => {
                next.flights.remove(flight);
                self.hears(&mut next, flight.effect(), self.no_answer);
            }
            Action::Late(deed) => _ = self.does(&mut next, *deed)?,
            Action::Dies => {
                self.sees(self.dies_in(state));
                next.flights.clear();
            }
            Action::DiesUnstored(action) => {
                let Some(did) = self.act(state, action)? else { return Ok(None) };
                next = State {
                    ledger: state.ledger,
                    ordered: state.ordered.clone(),
                    carried_out: state.carried_out.clone(),
                    ..did
                };
                next.flights.clear();
            }
            Action::Ticks => {
                let turned = self.authority.turn(state.ledger, Input::Tick);
                self.takes(&mut next, &turned);
            }
            Action::Passes(passes) => next.ledger = self.authority.later(state.ledger, *passes),
            Action::Expires(region, unit) => {
                self.sees("a pause that ended by itself");
                next.regions[*region] = self.regions.expired(state.regions[*region], &self.names[*unit]);
            }
            Action::Follows(region, source, unit) => self.follows(&mut next, (*region, *source), *unit)?,
            Action::Writes(unit, near, belief) => self.writes(&mut next, *unit, *near, belief.as_ref())?,
            Action::WritesBare(unit, near) => self.writes_bare(&mut next, *unit, *near)?,
            Action::Reads(unit, belief, mark) => self.reads(&mut next, *unit, belief.as_ref(), mark)?,
        }
        Ok((next != *state).then_some(next))
    }

    /// Whether a region stays as it is: most of what comes late or again is refused, or was done before.
    fn is_in_vain(&self, state: &State, action: &Action) -> bool {
        match action {
            Action::Late(deed) => {
                let Deed::Call(command) = &*self.authority.deeds.get(*deed) else { return false };
                let before = state.regions[self.region(&command.region)];
                let (after, outcome) = self.regions.commanded(before, *deed, command, &self.authority.outcomes);
                if after == before {
                    self.sees_refusal(command, &self.authority.outcomes.get(outcome));
                }
                after == before
            }
            Action::Follows(region, source, unit) => {
                let (before, source) = (state.regions[*region], state.regions[*source]);
                self.regions.followed(before, source, *unit, &self.names[*unit]) == before
            }
            _ => false,
        }
    }

    fn orders(&self, state: &mut State, order: usize) -> Result<(), String> {
        state.ordered[order] += 1;
        let turned = self.authority.turn(state.ledger, Input::Order(order));
        if state.carried_out[order] {
            self.sees("an order that came again");
            if turned.ledger != state.ledger {
                return Err(format!("twice: the order {} was carried out again", self.scope.orders[order]));
            }
        }
        state.carried_out[order] |= turned.status < 300;
        self.takes(state, &turned);
        Ok(())
    }

    /// What the authority has asked for is done. What only tells how things are, or that time is over, is heard at once.
    fn arrives(&self, state: &mut State, effect: Id) -> Result<(), String> {
        state.flights.remove(&Flight::Asked(effect));
        let outcome = self.does(state, self.authority.effects.get(effect).deed)?;
        if self.is_heard_at_once(&self.authority.deed(effect), effect) {
            self.hears(state, effect, outcome);
        } else {
            state.flights.insert(Flight::Answered(effect, outcome));
        }
        Ok(())
    }

    fn is_heard_at_once(&self, deed: &Deed, effect: Id) -> bool {
        match deed {
            Deed::Call(command) => command.get("op") == "learn" || self.authority.effects.get(effect).is_preflight,
            Deed::Ask(effect) => effect.contains(r#""do":"list""#) || effect.contains(r#""do":"count""#),
            Deed::After | Deed::Put { .. } => true,
        }
    }

    /// Does something, whoever waits for it; its outcome.
    fn does(&self, state: &mut State, deed: Id) -> Result<Id, String> {
        let said = |body: Value| self.authority.outcomes.of(&json!({ "status": 200, "body": body }).to_string());
        Ok(match &*self.authority.deeds.get(deed) {
            Deed::Call(command) => {
                let at = self.region(&command.region);
                let (after, outcome) =
                    self.regions.commanded(state.regions[at], deed, command, &self.authority.outcomes);
                self.becomes(state, at, after)?;
                outcome
            }
            Deed::Ask(ask) => {
                let ask = serde_json::from_str(ask).unwrap();
                said(Rc::make_mut(&mut state.directory).answer(&ask).unwrap())
            }
            Deed::After => self.elapsed,
            Deed::Put { key, value } => {
                Rc::make_mut(&mut state.stored).insert(key.clone(), value.clone());
                self.believe_stored(state, key, value);
                said(Value::Null)
            }
        })
    }

    /// Edges may believe what is published.
    fn believe_stored(&self, state: &mut State, key: &str, value: &str) {
        for (at, unit) in self.scope.units.iter().enumerate() {
            let owned = match unit {
                Unit::Dataset(name) if key == "view" => {
                    let view: Value = serde_json::from_str(value).unwrap();
                    read_owned(&view["datasets"][name].to_string())
                }
                Unit::Tenant(_) | Unit::User(_) if key == format!("home:{}", unit.id().as_str()) => read_owned(value),
                _ => None,
            };
            if let Some(owned) = owned {
                Rc::make_mut(&mut state.beliefs[at]).insert(owned);
            }
        }
    }

    /// A region is another one now, which is held against what is true.
    pub fn becomes(&self, state: &mut State, at: usize, after: Id) -> Result<(), String> {
        if after == state.regions[at] {
            return Ok(());
        }
        let (before, region) = (self.regions.get(state.regions[at]), self.regions.get(after));
        state.regions[at] = after;
        for (unit, name) in self.names.iter().enumerate() {
            let (was, is) = (before.unit(name).owned, region.unit(name).owned);
            if is.1 < was.1 || (is.1 == was.1 && is.0 != was.0) {
                return Err(format!("back: {} knew {was:?} and now {is:?}", region.name));
            }
            if is != was && is.0 == region.name {
                let planned = self.is_planned(state, name, &is);
                Rc::make_mut(&mut state.truth[unit]).taken_over(&is, &region.unit(name).log, planned)?;
            }
        }
        Ok(())
    }

    /// Whether nothing may be lost when that ownership begins: by the latest change that it may be of.
    fn is_planned(&self, state: &State, unit: &str, owned: &Owned) -> bool {
        let incoming = self.authority.incoming(state.ledger);
        let of = |change: &&Doing| change.unit == unit && (change.to.as_str(), change.next) == (&owned.0, owned.1);
        !self.scope.may_lose() || incoming.changes.iter().rfind(of).is_some_and(|change| !change.forced)
    }

    fn hears(&self, state: &mut State, effect: Id, outcome: Id) {
        let turned = self.authority.turn(state.ledger, Input::Heard(effect, outcome));
        self.takes(state, &turned);
    }

    /// The ledger is stored, and effects set out; what nobody waits for any more is forgotten.
    pub fn takes(&self, state: &mut State, turned: &Turned) {
        if turned.ledger != state.ledger {
            self.sees_changes(state.ledger, turned.ledger);
        }
        state.ledger = turned.ledger;
        for effect in turned.effects.iter() {
            state.flights.insert(Flight::Asked(*effect));
            let deed = self.authority.effects.get(*effect).deed;
            if self.authority.deeds.get(deed).changes_something() {
                state.sent.insert(deed);
            }
        }
        let incoming = self.authority.incoming(state.ledger);
        state.flights.retain(|flight| {
            let effect = self.authority.effects.get(flight.effect());
            let Some((change, step)) = &effect.step else { return true };
            let waits = incoming.waits_for(change, *step);
            if !waits {
                let ignored = self.authority.turn(turned.ledger, Input::Heard(flight.effect(), self.yes));
                assert_eq!(
                    (ignored.ledger, ignored.effects.len()),
                    (turned.ledger, 0),
                    "an outcome of an earlier step"
                );
            }
            waits
        });
    }

    fn follows(&self, state: &mut State, (at, source): (usize, usize), unit: usize) -> Result<(), String> {
        let after = self.regions.followed(state.regions[at], state.regions[source], unit, &self.names[unit]);
        self.becomes(state, at, after)
    }
}
