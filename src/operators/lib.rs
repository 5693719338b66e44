//! The operators' side: all that is rare. `/_homing/*`, in async Rust, and the turns of the authority.
#![cfg(target_arch = "wasm32")]
#![warn(unreachable_pub)]

mod api;
mod authority;
pub mod exports;

use homing_core::model::time::Timestamp;

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970, from Date.now()")]
fn time(now: f64) -> Timestamp {
    Timestamp(now as u64)
}
