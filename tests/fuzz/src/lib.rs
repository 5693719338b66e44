//! What must hold for whatever comes in. A target is a function of bytes: it makes structured input of them
//! ([`arbitrary`]), hands it to the core, and panics where a promise is broken. libFuzzer chooses the bytes by what they reach
//! (`make fuzz`); `cargo test -p fuzz` takes the committed corpus and a seeded generator.
//!
//! Each law is written against a small trait or function, so that `tests/planted.rs` can put something broken in its place:
//! a law that finds nothing there would find nothing anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is what a target is for"
)]

pub mod entry;
pub mod fields;
pub mod flow;
pub mod made;
pub mod session;
pub mod target;
pub mod topology;
pub mod wire;

/// A target: what it does with bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus and of its program.
pub const TARGETS: [(&str, Target); 7] = [
    ("session", session::whatever),
    ("entry", entry::whatever),
    ("fields", fields::whatever),
    ("target", target::whatever),
    ("topology", topology::whatever),
    ("wire", wire::whatever),
    ("flow", flow::whatever),
];
