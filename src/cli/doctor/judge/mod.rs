//! `homing doctor`: what a deployment shows of itself, judged. What was heard goes in, findings come out, one for each thing that can be
//! wrong: how it is, and what to do.
//!
//! A deployment is asked from within (`homing_core::operate::doctor`: bindings, secrets, cache, home store, objects, regions) and, where its operator lets a
//! probe be deployed, what the platform makes of origins that cannot be reached ([`platform`]) and of header fields ([`fields`]).
//! What is asked here is harmless: nothing is written but entries of the cache that go again.

pub mod door;
pub mod fields;
pub mod finding;
pub mod heard;
mod itself;
mod objects;
pub mod platform;
mod regions;
mod store;

pub use finding::Finding;
pub use heard::Heard;

/// What is to be said of a deployment by what it has told of itself. The order is that of the report.
#[must_use]
pub fn examine(heard: &Heard) -> Vec<Finding> {
    let mut found = itself::findings(heard);
    // Without a configuration nothing else was looked at.
    if heard.configuration.is_empty() {
        found.extend(store::findings(heard));
        found.extend(objects::findings(heard));
        found.extend(regions::findings(heard));
    }
    found
}
