//! A change of owner under way: what it has come to, and what it does next.
//!
//! The order of a planned one is what makes it safe, and no clock is: the old owner is paused and says how far its log is; the new
//! one reaches that; the old one is deposed, which it accepts only while that very pause holds; the new one is granted the
//! next epoch. If the pause runs out first, the old one refuses to be deposed and serves on, and nothing was granted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::time::{Timestamp, millis};

/// Where a change is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangePhase {
    /// The directory is asked where the subject lives.
    Locating,
    /// The preflight: both regions are asked how things are.
    #[default]
    Checking,
    /// The old owner is asked to pause writes.
    Pausing,
    /// The new owner is waited for.
    Waiting,
    /// The old owner is told that it is none.
    #[serde(rename = "deposing")]
    Revoking,
    /// The old owner is gone, and the lease by which it may still write is waited for.
    #[serde(rename = "lapsing")]
    AwaitingLeaseExpiry,
    /// The new owner is told that it is one.
    Granting,
    /// The directory is told, where a subject moves.
    Recording,
    /// The old owner is told to go on: the change is given up.
    Resuming,
    /// It is done.
    Done,
    /// It was given up, and the old owner serves.
    Aborted,
}

impl ChangePhase {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Aborted)
    }

    /// Whether writers may be refused in it.
    pub(crate) fn is_paused(self) -> bool {
        matches!(self, Self::Pausing | Self::Waiting | Self::Revoking | Self::Resuming)
    }

    /// What is being done in it, for a sentence that says how that went.
    pub(crate) fn activity(self) -> &'static str {
        match self {
            Self::Locating => "finding the subject's home",
            Self::Checking => "the preflight",
            Self::Pausing => "pausing writes",
            Self::Waiting => "comparing positions",
            Self::Revoking => "revoking the old owner",
            Self::AwaitingLeaseExpiry => "waiting for the lease",
            Self::Granting => "granting ownership",
            Self::Recording => "recording the new home",
            Self::Resuming => "resuming writes",
            Self::Done | Self::Aborted => "ending",
        }
    }

    /// Whether the old owner can still go on as if nothing had been.
    #[must_use]
    pub fn is_revocable(self) -> bool {
        matches!(self, Self::Locating | Self::Checking | Self::Pausing | Self::Waiting)
    }
}

/// A change of owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// Its name.
    pub id: String,
    /// The number of its pause, which only grows from change to change. Regions take no earlier one after a later one, and
    /// none that is over: a request that was late on its way must not pause anew, and let the unit be given away by a position
    /// that is not the last any more.
    pub number: u64,
    /// What changes its owner: a dataset's name, or `~` and a subject's id.
    pub unit: String,
    /// What kind of subject it is about, if it is about one.
    pub kind: String,
    /// The datasets that it has a part of.
    pub datasets: Vec<String>,
    /// The old owner; empty while it is not known.
    pub from: String,
    /// The new one.
    pub to: String,
    /// The epoch by which the old one owns; 0 while it is not known.
    pub epoch: u64,
    /// Without the old owner's help: it is gone, and what it had not handed on is lost.
    pub forced: bool,
    /// Only the preflight.
    pub dry_run: bool,
    /// Whether it is to be undone once it is done.
    pub back: bool,
    /// The sweep that it is a part of; empty if it is on its own.
    pub sweep: String,
    /// Whether the old owner may have been deposed, or a new one been granted: from then on nobody can say that nothing happened.
    pub committed: bool,
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Where it is.
    pub phase: ChangePhase,
    /// Counts what was asked for; outcomes of earlier steps are of no interest.
    pub step: u32,
    /// When it began, and when its phase did.
    pub began: Timestamp,
    /// See `began`.
    pub since: Timestamp,
    /// When somebody was last asked for something.
    pub asked: Timestamp,
    /// What the preflight has brought, by who was asked.
    pub found: BTreeMap<String, Value>,
    /// How far the new owner's replica is behind the old one's, in milliseconds.
    pub lag: Option<u64>,
    /// Positions of the old owner's log that the new one has yet to reach: dataset and position.
    pub waiting: Vec<(String, String)>,
    /// Whether the old owner reports no position of some dataset: of that one, time must do.
    pub silent: bool,
    /// Where the new owner's replica was seen while it was waited for.
    pub seen: Option<CaughtUp>,
    /// How long writers may be refused, in milliseconds; 0 where nobody has said it.
    pub max_pause: u64,
    /// When the pause was asked for.
    pub paused: Option<Timestamp>,
    /// How long writers were refused at most, in milliseconds.
    pub paused_for: Option<u64>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// What it came to, or what it waits for, in words.
    pub says: String,
}

impl Change {
    /// The subject's id, if it is about one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.unit.strip_prefix('~')
    }

    /// Goes on to another phase.
    pub(crate) fn enter(&mut self, phase: ChangePhase, says: impl Into<String>, now: Timestamp) {
        self.phase = phase;
        self.committed |= matches!(phase, ChangePhase::Revoking | ChangePhase::Granting);
        self.step += 1;
        self.since = now;
        self.says = says.into();
        if phase.is_over() || phase == ChangePhase::Recording {
            let paused_for = self.paused.map(|paused| millis(now.since(paused)));
            self.paused_for = self.paused_for.or(paused_for);
        }
        if phase.is_over() {
            self.ended = Some(now);
        }
    }
}

/// Where the new owner's replica was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    pub(crate) position: String,
    /// Since when it has been there.
    pub(crate) since: Timestamp,
    /// Where it was seen first, and when.
    pub(crate) first: (String, Timestamp),
}
