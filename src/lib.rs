//! Homing: an active-active edge router.
//!
//! The map of the program, in the order of a request:
//!
//! 1. [`routing::topology`] is what `wrangler.toml` says, validated once per isolate.
//! 2. [`routing::facts`] is what the edge knows of a request before anything is decided.
//! 3. [`mod@routing::admit`] turns facts into an [`routing::Intent`], or refuses.
//! 4. [`routing::Flow`] decides step by step: probe the cache, look up the home, send, finish. The edge does what a step
//!    says and reports back; so do the simulator and `homing explain`.
//! 5. [`routing::Settlement`] is the end: status, header edits, session, cache write, what the isolate learns, the record.
//!
//! `routing` is pure: no async, no clock, no randomness, no platform types. `edge` (Wasm, but for its text format) converts and drives.
//! `cli` (native only) is the `homing` command over the same core.

pub mod routing;

pub mod edge;

#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
