//! The operators' side: all that is rare. `/_homing/*`, in async Rust, and the turns of the authority.
#![cfg(target_arch = "wasm32")]
#![warn(unreachable_pub)]

mod api;
mod authority;
pub mod exports;
