//! What was heard, as it is: nothing in here is judged. A deployment of another version may leave things out, or say more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a deployment tells of itself at `/_homing/api/doctor`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Heard {
    /// The router's version.
    pub version: String,
    /// When it looked, by its own clock, in Unix milliseconds.
    pub at: u64,
    /// The host that it was asked at.
    pub host: String,
    /// The data centre that it ran in; nothing off the platform.
    pub colo: Option<String>,
    /// Whether the request came through Cloudflare Access.
    pub access: bool,
    /// What is wrong with the configuration; then it serves nothing, and the rest is empty.
    pub configuration: String,
    /// What it says to its log about settings that it serves all the same.
    pub warnings: Vec<String>,
    /// Whether `DEV` is on.
    pub dev: bool,
    /// How often probers ask, in milliseconds; 0 is never.
    pub probes_every: u64,
    /// Bindings that a router may have, and whether this one has them.
    pub bindings: BTreeMap<String, bool>,
    /// Secrets that a router may have, and whether this one has them: never what they are.
    pub secrets: BTreeMap<String, Secret>,
    /// The edge cache of this data centre.
    pub cache: Option<Cache>,
    /// The home store.
    pub store: Option<Store>,
    /// The authority.
    pub authority: Option<Object>,
    /// The directory.
    pub directory: Option<Directory>,
    /// The probers, by region.
    pub probers: BTreeMap<String, Object>,
    /// The regions, by name, and what they said to each of the questions of [`homing_core::operate::doctor`].
    pub regions: BTreeMap<String, BTreeMap<String, HeardAnswer>>,
}

/// What is known of a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// It is not set.
    #[default]
    None,
    /// It is shorter than 32 characters.
    Short,
    /// It is set.
    Set,
}

/// The edge cache, as it was tried with entries of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cache {
    /// What went wrong; nothing if nothing did.
    pub failed: Option<String>,
    /// Whether what was stored came back.
    pub hit: bool,
    /// Whether it came back under another query: then keys are not what the router takes them for.
    pub query_ignored: bool,
    /// Whether it was gone when it was deleted.
    pub deleted: bool,
    /// The most bytes of header fields with which an entry came back, of those that were tried.
    pub fields: u64,
}

/// The home store (KV).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Store {
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What went wrong.
    pub failed: Option<String>,
    /// The view that lies there, as text.
    pub view: Option<String>,
    /// The probers' reports that lie there, by region, as text.
    pub reports: BTreeMap<String, Option<String>>,
}

/// The authority, or a prober.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    /// How long it took to answer, in milliseconds.
    pub ms: u64,
    /// What went wrong.
    pub failed: Option<String>,
    /// The data centre that it stands in.
    pub colo: Option<String>,
    /// When it looks after itself the next time, in Unix milliseconds.
    pub alarm: Option<u64>,
    /// Of the authority: the version of its view.
    pub version: Option<u64>,
    /// Of the authority: what came of the last time that it published its view.
    pub published: Option<Published>,
}

/// What came of publishing the view.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Published {
    /// When that was, in Unix milliseconds.
    pub at: u64,
    /// What went wrong.
    pub failed: Option<String>,
}

/// The directory's shards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Directory {
    /// How many there are.
    pub shards: u64,
    /// How long the slowest took to answer, in milliseconds.
    pub ms: u64,
    /// Those that did not answer, and why.
    pub failed: BTreeMap<String, String>,
    /// In which data centres they stand, and how many in each.
    pub colos: BTreeMap<String, u64>,
}

/// What came of a question to an origin. Times are the asker's own, in Unix milliseconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct HeardAnswer {
    /// Its status; nothing if there was no answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub failed: Option<String>,
    /// Whether it came through a service binding.
    pub service: bool,
    /// Whether the asker's own patience ended it.
    pub timed_out: bool,
    /// When it was sent.
    pub began: u64,
    /// When its head was there, or nobody waited any more.
    pub ended: u64,
    /// Its header fields, names in lower case.
    pub fields: BTreeMap<String, String>,
    /// Its body, if that is JSON.
    pub json: Value,
    /// What its body begins with, if it is not.
    pub text: String,
}

impl HeardAnswer {
    /// How long it took, in milliseconds.
    #[must_use]
    pub fn ms(&self) -> u64 {
        self.ended.saturating_sub(self.began)
    }

    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Whether it says that a cache made it. `cf-cache-status`: what the platform's own cache did.
    pub(super) fn cached(&self) -> Option<&str> {
        Some(self.field("cf-cache-status")).filter(|said| matches!(*said, "HIT" | "STALE" | "UPDATING" | "REVALIDATED"))
    }
}
