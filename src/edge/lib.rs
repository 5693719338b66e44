//! The edge: platform types in, effects out. No decision lives here.
//!
//! The hot path is synchronous: `drive.mjs` calls `exports`' `begin`, does what the returned step says, and reports back through
//! `resume` until the step says finish. JavaScript owns whatever is asynchronous, so a client that disconnects leaves no future behind,
//! and a panic in one request is caught there without touching the others. All that is rare (`/_homing/*`, the authority) is another
//! Wasm module, `homing-operators`.
#![warn(unreachable_pub)]

#[cfg(target_arch = "wasm32")]
pub mod exports;

/// A fifth of the Wasm of the default one (dlmalloc), and quicker: a request has some fifty allocations that live shortly.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

// Text and nothing of the platform, so that the host can try what it makes of any text (`tests/fuzz`).
pub mod wire;
