//! The record of what a region has yet to be told.

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

/// A region that has yet to hear of an ownership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingNotice {
    /// The region.
    pub region: String,
    /// What is owned.
    pub unit: String,
    /// Who owns it.
    pub home: String,
    /// By which epoch.
    pub epoch: u64,
    /// When it was told last, 0 while it never was, and until when it is told.
    pub told: Timestamp,
    /// See `told`.
    pub until: Timestamp,
    /// It is told nothing, and asked whom it takes for the owner: another region has named it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
}
