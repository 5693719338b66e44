//! The ownership protocol, tried whole: every order of every event in small worlds, over the real authority and the real edges.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

#[path = "protocol/action.rs"]
mod action;
#[path = "protocol/authority.rs"]
mod authority;
#[path = "protocol/bugs.rs"]
mod bugs;
#[path = "protocol/calm.rs"]
mod calm;
#[path = "protocol/checker.rs"]
mod checker;
#[path = "protocol/choices.rs"]
mod choices;
#[path = "protocol/edge.rs"]
mod edge;
#[path = "protocol/hostile.rs"]
mod hostile;
#[path = "protocol/ledger.rs"]
mod ledger;
#[path = "protocol/model.rs"]
mod model;
#[path = "protocol/mortal.rs"]
mod mortal;
#[path = "protocol/regions.rs"]
mod regions;
#[path = "protocol/scope.rs"]
mod scope;
#[path = "protocol/sees.rs"]
mod sees;
#[path = "protocol/state.rs"]
mod state;
#[path = "protocol/whole.rs"]
mod whole;
#[path = "protocol/write.rs"]
mod write;

use std::time::Instant;

use bugs::Planted;
use checker::{Searched, search, wander};
use model::Model;
use mortal::Mortal;
use scope::Scope;

/// How many states of a scope are tried where nobody says it; of most scopes that is all of them.
const MOST: usize = 150_000;

/// What is not tried whole is also wandered through: so many ways of so many steps.
const WAYS: u64 = 1500;
const STEPS: usize = 150;
/// Of how many states each region dies.
const MOST_MORTAL: usize = 15_000;

fn most() -> usize {
    std::env::var("STATES").map_or(MOST, |most| most.parse().unwrap())
}

fn tried(model: &Model, most: usize) -> Searched {
    let began = Instant::now();
    let searched = search(model, most);
    let Searched { states, steps, depth, whole, .. } = searched;
    let (name, how) = (model.scope.name, if whole { "all" } else { "the first" });
    println!("{name}: {how} {states} states by {steps} steps, {depth} deep, {:?}", began.elapsed());
    tell(&searched);
    searched
}

fn tell(searched: &Searched) {
    if let Some(found) = &searched.counterexample {
        found.actions.iter().for_each(|action| println!("  {action}"));
        println!("{}", found.why);
    }
}

fn holds(scope: Scope) {
    let model = Model::new(scope);
    let mut searched = tried(&model, most() / model.scope.weight);
    if !searched.whole {
        let began = Instant::now();
        searched = wander(&model, WAYS, STEPS);
        println!("and {} steps on {WAYS} ways by chance, {:?}", searched.steps, began.elapsed());
        tell(&searched);
    }
    assert!(searched.counterexample.is_none(), "{}: the steps to it are above", model.scope.name);
    let seen = model.seen.borrow();
    println!("{seen:#?}");
    let never: Vec<_> = model.scope.sometimes.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(never.is_empty(), "{}: never tried: {never:?}", model.scope.name);
}

#[test]
fn a_promotion() {
    holds(scope::promotion());
}

#[test]
fn a_promotion_that_is_aborted() {
    holds(scope::aborted());
}

#[test]
fn a_promotion_there_and_back() {
    holds(scope::there_and_back());
}

#[test]
fn a_forced_promotion() {
    holds(scope::forced_one());
}

#[test]
fn a_forced_promotion_and_back() {
    holds(scope::forced_and_back());
}

#[test]
fn a_promotion_taken_back_by_word() {
    holds(scope::by_word());
}

#[test]
fn two_promotions_at_once() {
    holds(scope::two_orders());
}

#[test]
fn a_first_home() {
    holds(scope::assignment());
}

#[test]
fn a_move() {
    holds(scope::moving());
}

#[test]
fn a_forced_move() {
    holds(scope::forced_move());
}

#[test]
fn a_regions_share() {
    holds(scope::whole_region());
}

#[test]
fn somebody_hostile() {
    holds(scope::hostile());
}

#[test]
fn whoever_dies_there_is_a_way_out() {
    for scope in [scope::promotion(), scope::aborted(), scope::forced_one(), scope::by_word()] {
        let (name, mortal) = (scope.name, Mortal::new(scope));
        let searched = search(&mortal, MOST_MORTAL);
        tell(&searched);
        assert!(searched.counterexample.is_none(), "{name}: the steps to it are above");
        println!("{name}: {} states, whole: {}", searched.states, searched.whole);
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for Planted { bug, scope, breaks } in bugs::all() {
        println!("{bug:?}");
        let searched = tried(&Model::new(scope.with(bug)), MOST);
        let found = searched.counterexample.is_some_and(|found| found.why.starts_with(breaks));
        missed.extend((!found).then_some(bug));
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn what_the_model_leaves_out_of_a_ledger_decides_nothing() {
    for scope in [scope::there_and_back(), scope::forced_and_back(), scope::moving(), scope::whole_region()] {
        let mut model = Model::new(scope);
        model.authority.doubts = true;
        assert!(wander(&model, 300, STEPS).counterexample.is_none());
    }
}
