//! The edge: platform types in, effects out. No decision lives here.
//!
//! It is built twice, into two Wasm modules that know nothing of each other. `router` is the hot path and synchronous:
//! `drive.mjs` calls `begin`, does what the returned step says, and reports back through `resume` until the step says finish.
//! JavaScript owns whatever is asynchronous, so a client that disconnects leaves no future behind, and a panic in one request is
//! caught there without touching the others. `operators` is all that is rare: `/_homing/*`, in async Rust, and the authority.

#[cfg(target_arch = "wasm32")]
mod settings;

#[cfg(all(target_arch = "wasm32", not(feature = "operators")))]
mod isolate;
#[cfg(all(target_arch = "wasm32", not(feature = "operators")))]
pub mod router;
// Text and nothing of the platform, so that the host can try what it makes of any text (`tests/fuzz`).
#[cfg(not(feature = "operators"))]
pub mod wire;

#[cfg(all(target_arch = "wasm32", feature = "operators"))]
mod api;
#[cfg(all(target_arch = "wasm32", feature = "operators"))]
mod authority;
#[cfg(all(target_arch = "wasm32", feature = "operators"))]
pub mod operators;

#[cfg(target_arch = "wasm32")]
use crate::routing::Timestamp;

#[cfg(target_arch = "wasm32")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970, from Date.now()")]
fn time(now: f64) -> Timestamp {
    Timestamp(now as u64)
}
