//! The edge: platform types in, effects out. No decision lives here.
//!
//! The hot path is synchronous: `entry.mjs` calls [`begin`], does what the returned step says, and reports back through
//! [`resume`] until the step says finish. JavaScript owns whatever is asynchronous, so a client that disconnects leaves no
//! future behind, and a panic in one request is caught there without touching the others. Only `/_homing/*` is async Rust.

mod api;
mod authority;
mod isolate;
mod wire;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::routing::Timestamp;

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970, from Date.now()")]
fn time(now: f64) -> Timestamp {
    Timestamp(now as u64)
}

/// Sets the isolate up, once. Returns an empty text, or what is wrong with the configuration.
#[wasm_bindgen]
pub fn configure(vars: &str, session_key: &str, session_key_old: &str, origin_key: &str, flags: &str) -> String {
    console_error_panic_hook::set_once();
    let secrets = isolate::Secrets { session_key, session_key_old, origin_key };
    isolate::configure(vars, &secrets, flags).err().unwrap_or_default()
}

/// Admits a request and begins its flow: facts in, the first step out (see [`wire`]).
#[wasm_bindgen]
pub fn begin(now: f64, facts: &str) -> String {
    isolate::begin(time(now), facts)
}

/// Goes on with a flow: what came of its step in, the next step out.
#[wasm_bindgen]
pub fn resume(id: u32, now: f64, event: &str) -> String {
    isolate::resume(id, time(now), event)
}

/// Learns what the authority has published.
#[wasm_bindgen]
pub fn published(text: &str, now: f64) {
    isolate::published(text, time(now));
}

/// One turn of the authority: its ledger and what comes in, and what it comes to as JSON.
///
/// # Errors
/// If the ledger or the input cannot be read; then nothing may be stored or done.
#[wasm_bindgen]
pub fn authority(ledger: &str, input: &str, now: f64) -> Result<String, String> {
    let settings = isolate::settings().ok_or("not configured")?;
    crate::routing::authority::turn(ledger, input, &settings, time(now))
}

/// Forgets a flow whose client has gone.
#[wasm_bindgen]
pub fn abandon(id: u32) {
    isolate::abandon(id);
}
