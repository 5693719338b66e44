//! What the hot path calls.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::{isolate, time};
use homing_core::{
    model::{geo::Location, time::millis},
    topology::{pace, secrets::Secrets},
};

/// Sets the isolate up, once. Returns an empty text, or what is wrong with the configuration.
#[wasm_bindgen]
pub fn configure(vars: &str, session_key: &str, session_key_old: &str, origin_key: &str, flags: &str) -> String {
    console_error_panic_hook::set_once();
    let secrets = Secrets { session_key, session_key_old, origin_key };
    isolate::configure(vars, &secrets, flags).err().unwrap_or_default()
}

/// What an operator should know of the settings that are served; a line each.
#[wasm_bindgen]
pub fn warnings() -> String {
    isolate::warnings()
}

/// Admits a request and begins its flow: incoming in, the first step out (see [`super::wire`]). The client's coordinates are no numbers
/// where they are unknown.
#[wasm_bindgen]
pub fn begin(now: f64, latitude: f64, longitude: f64, incoming: &str) -> String {
    isolate::begin(time(now), Location::new(latitude, longitude), incoming)
}

/// Goes on with a flow: what came of its step in, the next step out.
#[wasm_bindgen]
pub fn resume(id: u32, now: f64, event: &str) -> String {
    isolate::resume(id, time(now), event)
}

/// Forgets a flow whose client has gone.
#[wasm_bindgen]
pub fn abandon(id: u32, now: f64) {
    isolate::abandon(id, time(now));
}

/// Learns what the authority has published. 0 if it is well. 1 more if neither that nor what was known before names every dataset that
/// needs an owner: the authority itself is to be asked. 2 more if it cannot be read: a later version may have written it.
#[wasm_bindgen]
pub fn published(text: &str, now: f64) -> u8 {
    isolate::published(text, time(now))
}

/// What the authority is to be told of a drill, as an input of it; empty if there is nothing new.
#[wasm_bindgen]
pub fn drilled() -> String {
    isolate::drilled()
}

/// Learns that the drill of that name is over.
#[wasm_bindgen]
pub fn drill_over(id: &str, now: f64) {
    isolate::drill_over(id, time(now));
}

/// Learns that the store did not take what was to lie under that key.
#[wasm_bindgen]
pub fn not_stored(key: &str, now: f64) {
    isolate::not_stored(key, time(now));
}

/// Learns what a vantage point has found.
#[wasm_bindgen]
pub fn measured(text: &str, now: f64) {
    isolate::measured(text, time(now));
}

/// The regions, a line each: name, where the object should be that looks from there, and 1 if nothing was heard from there lately.
#[wasm_bindgen]
pub fn vantages(now: f64) -> String {
    isolate::vantages(time(now))
}

/// Where objects should be that stand beside no region; empty where nothing says so.
#[wasm_bindgen]
pub fn home_hint() -> String {
    isolate::home_hint()
}

/// How often the view is read, in milliseconds, as `VIEW` says it; 0 if it says nothing that can be meant.
#[wasm_bindgen]
pub fn view_every(said: &str) -> u32 {
    pace::view(said).map_or(0, |every| u32::try_from(millis(every)).unwrap_or(0))
}

/// This isolate's part of the snapshot for operators, as JSON.
#[wasm_bindgen]
pub fn snapshot(now: f64) -> String {
    isolate::snapshot(time(now))
}

/// Route lines that the origins' `Homing-Wrote` suggest, as JSON or as TOML.
#[wasm_bindgen]
pub fn suggestions(as_toml: bool) -> String {
    isolate::suggestions(as_toml)
}
