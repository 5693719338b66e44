//! What the hot path calls: one router, and the text that goes in and out of it. `drive.mjs` keeps the protocol of calls that
//! [`Router`] states.

use std::{cell::RefCell, rc::Rc};

use wasm_bindgen::prelude::wasm_bindgen;

use crate::wire;
use homing_core::{
    Entropy, FlowId, Location, Logging, MemoId, Rejection, Router, Secrets, Timestamp, Turn,
    config::{pace, secrets},
    millis, timestamp,
};

thread_local! {
    static ROUTER: RefCell<Option<Rc<Router>>> = const { RefCell::new(None) };
}

/// The router, which no borrow holds while it works.
fn router() -> Option<Rc<Router>> {
    ROUTER.with_borrow(Clone::clone)
}

fn made(compiled: &str, secrets: &Secrets<'_>, flags: &str) -> Result<Router, String> {
    let settings = secrets::of_compiled(compiled, secrets, flags, || getrandom::u64().ok());
    let settings = settings.map_err(|error| error.to_string())?;
    let logging = Logging::parse(flags.split(',').next_back().unwrap_or_default());
    let random = || getrandom::u64().map_err(|error| format!("no randomness: {error}"));
    // Drawn by itself: every origin and operator sees it.
    let node = getrandom::u32().map_err(|error| format!("no randomness: {error}"))?;
    Ok(Router::new(Rc::new(settings), logging, node, Entropy::of([random()?, random()?])))
}

fn written(turn: Result<Turn, Box<Rejection>>) -> String {
    turn.map_or_else(|rejection| wire::rejection(&rejection), |turn| wire::turn(&turn))
}

fn internal(now: Timestamp) -> String {
    wire::rejection(&Rejection::internal(now))
}

/// Sets the isolate up, once, by vars that the operators' side has checked and compiled. Returns an empty text, or what is wrong with the
/// secrets.
#[wasm_bindgen]
pub fn configure(compiled: &str, session_key: &str, session_key_old: &str, origin_key: &str, flags: &str) -> String {
    console_error_panic_hook::set_once();
    match made(compiled, &Secrets { session_key, session_key_old, origin_key }, flags) {
        Ok(router) => {
            ROUTER.replace(Some(Rc::new(router)));
            String::new()
        }
        Err(wrong) => wrong,
    }
}

/// What an operator should know of the settings that are served; a line each.
#[wasm_bindgen]
pub fn warnings() -> String {
    router().map(|router| router.warnings().join("\n")).unwrap_or_default()
}

/// Admits a request and begins its flow: what came in and what the isolate remembers of it, the first step out (see [`super::wire`]). The
/// client's coordinates are no numbers where they are unknown.
#[wasm_bindgen]
pub fn begin(now: f64, latitude: f64, longitude: f64, incoming: &str, offered: &str) -> String {
    let (now, location) = (timestamp(now), Location::new(latitude, longitude));
    match (router(), wire::incoming(incoming, location, now)) {
        (Some(router), Some(incoming)) => written(router.begin_offered(&incoming, wire::offered(offered).as_ref())),
        _ => internal(now),
    }
}

/// Whether the answer of that memo may be given once more, to a client with these coordinates who asks alike; it counts as given then.
#[wasm_bindgen]
pub fn again(id: u32, now: f64, latitude: f64, longitude: f64) -> bool {
    router().is_some_and(|router| router.again(MemoId(id), Location::new(latitude, longitude), timestamp(now)))
}

/// Whether the body of a variant of that entry is coded: then who asks must be known to decode that.
#[wasm_bindgen]
pub fn is_coded(entry: &str) -> bool {
    homing_core::is_coded(entry)
}

/// The header fields in which those who ask alike may differ: [`wire::names`].
#[wasm_bindgen]
pub fn passed_over() -> String {
    router().map(|router| wire::names(router.passed_over())).unwrap_or_default()
}

/// The cookies that are read, which those who differ in `Cookie` must not have to ask alike: [`wire::names`].
#[wasm_bindgen]
pub fn cookies_read() -> String {
    router().map(|router| wire::names(router.cookies_read())).unwrap_or_default()
}

/// Goes on with a flow: what came of its step in, the next step out.
#[wasm_bindgen]
pub fn resume(id: u32, now: f64, event: &str) -> String {
    let now = timestamp(now);
    match (router(), wire::event(event)) {
        (Some(router), Some(event)) => written(router.resume(FlowId(id), event, now)),
        _ => internal(now),
    }
}

/// Forgets a flow whose client has gone.
#[wasm_bindgen]
pub fn abandon(id: u32, now: f64) {
    if let Some(router) = router() {
        router.abandon(FlowId(id), timestamp(now));
    }
}

/// Learns what the authority has published: [`wire::view_taken`].
#[wasm_bindgen]
pub fn published(text: &str, now: f64) -> u8 {
    router().map_or(0, |router| wire::view_taken(router.observe_view(text, timestamp(now))))
}

/// What the authority is to be told of a drill, as an input of it; empty if there is nothing new.
#[wasm_bindgen]
pub fn drilled() -> String {
    router().map(|router| router.take_drill_rows()).unwrap_or_default()
}

/// Learns that the drill of that name is over.
#[wasm_bindgen]
pub fn drill_over(id: &str, now: f64) {
    if let Some(router) = router() {
        router.observe_drill_over(id, timestamp(now));
    }
}

/// Learns that the store did not take what was to lie under that key.
#[wasm_bindgen]
pub fn not_stored(key: &str, now: f64) {
    if let Some(router) = router() {
        router.observe_not_stored(key, timestamp(now));
    }
}

/// Learns what a vantage point has found.
#[wasm_bindgen]
pub fn measured(text: &str, now: f64) {
    if let Some(router) = router() {
        router.observe_probes(text, timestamp(now));
    }
}

/// The regions to look from: [`wire::vantages`].
#[wasm_bindgen]
pub fn vantages(now: f64) -> String {
    router().map(|router| wire::vantages(&router.vantages(timestamp(now)))).unwrap_or_default()
}

/// Where objects should be that stand beside no region; empty where nothing says so.
#[wasm_bindgen]
pub fn home_hint() -> String {
    router().map_or("", |router| router.home_hint()).to_owned()
}

/// How often the view is read, in milliseconds, as `VIEW` says it; 0 if it says nothing that can be meant.
#[wasm_bindgen]
pub fn view_every(said: &str) -> u32 {
    pace::view(said).map_or(0, |every| u32::try_from(millis(every)).unwrap_or(0))
}

/// This isolate's part of the snapshot for operators, as JSON.
#[wasm_bindgen]
pub fn snapshot(now: f64) -> String {
    let memory_bytes = core::arch::wasm32::memory_size(0) * 65536;
    router().map(|router| router.snapshot(memory_bytes, timestamp(now))).unwrap_or_default()
}

/// What the origins' `Homing-Wrote` says of their requests, as JSON.
#[wasm_bindgen]
pub fn suggestions() -> String {
    router().map(|router| router.suggestions()).unwrap_or_default()
}
