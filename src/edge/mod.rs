//! The edge: platform types in, effects out. No decision lives here.
//!
//! It is built twice, into two Wasm modules that know nothing of each other. [`router`] is the hot path and synchronous:
//! `drive.mjs` calls `begin`, does what the returned step says, and reports back through `resume` until the step says finish.
//! JavaScript owns whatever is asynchronous, so a client that disconnects leaves no future behind, and a panic in one request is
//! caught there without touching the others. [`operators`] is all that is rare: `/_homing/*`, in async Rust, and the authority.

mod settings;

#[cfg(not(feature = "operators"))]
mod isolate;
#[cfg(not(feature = "operators"))]
pub mod router;
#[cfg(not(feature = "operators"))]
mod wire;

#[cfg(feature = "operators")]
mod api;
#[cfg(feature = "operators")]
mod authority;
#[cfg(feature = "operators")]
pub mod operators;

use crate::routing::Timestamp;

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970, from Date.now()")]
fn time(now: f64) -> Timestamp {
    Timestamp(now as u64)
}
