//! What a version of the router is, as operators see it: its number, the formats that it writes, and what it was configured with. While
//! one is deployed the edge that answers and the authority may be of two.

use serde_json::{Value, json};

use crate::{
    model::formats,
    topology::{digest::digests, raw},
};

/// That of this build with these vars (JSON).
#[must_use]
pub fn of(vars: &str) -> Value {
    let vars = raw::from_json(vars).unwrap_or(raw::Raw::Null);
    let configuration: serde_json::Map<_, _> =
        digests(&vars).into_iter().map(|(name, digest)| (name, digest.into())).collect();
    json!({ "version": env!("CARGO_PKG_VERSION"), "formats": formats::show(), "configuration": configuration })
}
