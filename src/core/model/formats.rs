//! The numbers of what is stored, or told between objects of two versions. During a deployment two versions run side by side, and a
//! rollback puts an older one over what a newer one has stored (gradual deployments: a Durable Object has one version at a time,
//! isolates have whichever they were started with). What has no number is of format 1: so was everything up to version 0.1.0.
//!
//! Nobody writes over what a later format has stored. CONTRIBUTING.md ("Changing a format") says how a number rises, and
//! `tests/formats.rs` fails where a text changes and its number does not.

use serde_json::Value;

/// The authority's ledger. 2: it has its number, and the first homes of datasets stand among `datasets`, by epoch 1. An authority of
/// format 1 goes by them, and keeps them when it writes the ledger back.
pub const LEDGER: u64 = 2;
/// The view, under `view` in KV. 2: it has its number, and names each single-writer dataset. Edges of format 1 read past both.
pub const VIEW: u64 = 2;
/// What a prober reports, under `probe:REGION` in KV. 2: it has its number.
pub const REPORT: u64 = 2;
/// The session (`session/codec.rs`); 1 is read by `session/former.rs`.
pub const SESSION: u64 = 2;
/// The inputs of the authority and the methods of all objects. 2: the authority is asked for the view (`{"do":"view"}`), which one of
/// format 1 takes for a tick and answers with nothing.
pub const RPC: u64 = 2;

/// The format of a text that was stored as JSON.
#[must_use]
pub fn of(stored: &Value) -> u64 {
    stored.get("format").map_or(1, |format| format.as_u64().unwrap_or(u64::MAX))
}

/// All of them, by name, for operators.
#[must_use]
pub fn show() -> Value {
    serde_json::json!({ "ledger": LEDGER, "view": VIEW, "report": REPORT, "session": SESSION, "rpc": RPC })
}
