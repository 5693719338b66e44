//! What is set once per isolate.

use crate::{
    model::keys::{Key, SessionKeys},
    topology::Topology,
};

/// What is set once per isolate: the topology and the secrets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `wrangler.toml` says.
    pub topology: Topology,
    /// What sessions are signed with.
    pub session_keys: SessionKeys,
    /// What requests to origins are signed with, if they are.
    pub origin_key: Option<Key>,
    /// Whether this is a development set-up: `Homing-Dev-Near` is obeyed.
    pub dev: bool,
}
