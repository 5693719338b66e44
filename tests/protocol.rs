//! The ownership protocol, tried whole: every order of every event in small worlds, over the real authority and the real edges.

mod support;

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
#[path = "protocol/ledger.rs"]
mod ledger;
#[path = "protocol/model.rs"]
mod model;
#[path = "protocol/regions.rs"]
mod regions;
#[path = "protocol/scope.rs"]
mod scope;
#[path = "protocol/sees.rs"]
mod sees;
#[path = "protocol/state.rs"]
mod state;

use serde_json::json;

use checker::{Searched, search};
use model::Model;
use scope::{Scope, Unit};

const TWO: &[&str] = &["us", "eu"];

fn tried(scope: Scope, most: usize) -> (Model, Searched) {
    let began = std::time::Instant::now();
    let model = Model::new(scope);
    let searched = search(&model, most);
    let Searched { states, steps, depth, whole, .. } = searched;
    println!(
        "{}: {states} states, {steps} steps, {depth} deep, whole: {whole}, {:?}",
        model.scope.name,
        began.elapsed()
    );
    println!("{:#?}", model.seen.borrow());
    if let Some(found) = &searched.counterexample {
        found.actions.iter().for_each(|action| println!("  {action}"));
        println!("{}", found.why);
    }
    (model, searched)
}

const THREE: &[&str] = &["us", "eu", "ap"];
const ORDERS: Unit = Unit::Dataset("orders");
const ADA: Unit = Unit::Tenant("ada");

fn scopes() -> Vec<Scope> {
    let promote = |to: &str| json!({ "command": "promote", "dataset": "orders", "to": to });
    let forced = |to: &str| json!({ "command": "promote", "dataset": "orders", "to": to, "accept_loss": true });
    let abort = |id: &str| json!({ "command": "abort", "change": id });
    let by_word = json!({ "command": "abort", "change": "change-1", "accept_loss": true });
    let ada = ADA.id().as_str().to_owned();
    let moves = |to: &str| json!({ "command": "move", "kind": "tenant", "subject": ada, "to": to });
    vec![
        Scope::new("a promotion", TWO, &[ORDERS]).order(promote("eu")).repeats(2),
        Scope::new("aborted", TWO, &[ORDERS]).order(promote("eu")).order(abort("change-1")).repeats(2).writes(1),
        Scope::new("back", TWO, &[ORDERS]).order(promote("eu")).order(promote("us")).writes(1),
        Scope::new("forced", THREE, &[ORDERS]).order(forced("eu")).writes(2),
        Scope::new("forced and back", TWO, &[ORDERS]).order(forced("eu")).order(promote("us")).writes(2),
        Scope::new("by word", TWO, &[ORDERS]).order(promote("eu")).order(by_word).writes(2),
        Scope::new("two orders", THREE, &[ORDERS]).order(promote("eu")).order(promote("ap")).writes(1),
        Scope::new("a subject", TWO, &[ADA]).writes(3),
        Scope::new("a move", TWO, &[ADA]).order(moves("eu")).writes(2),
        Scope::new("a region", TWO, &[ORDERS, ADA])
            .order(json!({ "command": "promote-region", "region": "us", "to": "eu" }))
            .writes(1),
    ]
}

#[test]
fn all() {
    let only = std::env::var("ONLY").ok();
    let mut bad = 0;
    for scope in scopes() {
        if only.as_ref().is_none_or(|only| only == scope.name) {
            bad += usize::from(
                tried(scope, std::env::var("MOST").map_or(400_000, |most| most.parse().unwrap()))
                    .1
                    .counterexample
                    .is_some(),
            );
        }
    }
    assert_eq!(bad, 0);
}
