//! The record of an evacuation: a region's whole share on its way to another one. The ledger and operators call it a sweep.

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

/// How often it lists from the start at once: where new subjects keep coming, no evacuation comes to its end.
const MOST_LISTS: u32 = 20;

/// A region's share on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evacuation {
    /// Its name.
    pub id: String,
    /// Whose share.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// Without the old owner's help.
    pub forced: bool,
    /// Only the preflight.
    pub dry_run: bool,
    /// How long writers of each part may be refused, in milliseconds, where it is not as configured.
    pub max_pause: Option<u64>,
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub began: Timestamp,
    /// Whether the directory has yet to answer.
    pub asking: bool,
    /// When it was asked last.
    pub asked: Timestamp,
    /// Counts what was asked for.
    pub step: u32,
    /// How many subjects live in the region: the preflight.
    pub subjects: Option<u64>,
    /// The subject after which the directory is asked for more.
    pub after: String,
    /// Whether the directory has named them all.
    pub listed: bool,
    /// How often it has begun to list.
    pub lists: u32,
    /// How many subjects have moved since it did so last, and how many of those it named were given up.
    pub moved: u64,
    /// See `moved`.
    pub kept: u64,
    /// Whether the old region took no new subjects when it began.
    pub drained: bool,
    /// Whether this is the look for those who came late.
    pub late: bool,
    /// When it looks for them.
    pub looks_again: Option<Timestamp>,
    /// Subjects that are known and wait for their turn: id and kind.
    pub waiting: Vec<(String, String)>,
    /// Changes that are under way.
    pub running: Vec<String>,
    /// How many changes are done.
    pub done: u64,
    /// How many were given up: those stay where they were.
    pub failed: u64,
    /// How many subjects may not live in the new region.
    pub stays: u64,
    /// No more changes begin.
    pub stopped: bool,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// What it came to.
    pub says: String,
}

impl Evacuation {
    /// Whether it is still going on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.ended.is_none()
    }

    /// One of its parts stays where it was. Of a subject the next list says so anew.
    pub(crate) fn given_up(&mut self, is_subject: bool) {
        self.failed += 1;
        self.kept += u64::from(is_subject);
    }

    /// Whether somebody new may have come behind the place where it is: the list that has just ended had somebody to move.
    pub(crate) fn is_worth_another_list(&self) -> bool {
        self.listed && !self.stopped && self.moved > 0 && self.lists < MOST_LISTS
    }

    /// Lists from the start: who could not be moved, and who may not live there, is counted again.
    pub(crate) fn list_again(&mut self) {
        self.failed = self.failed.saturating_sub(self.kept);
        (self.moved, self.kept, self.stays, self.listed) = (0, 0, 0, false);
        self.after.clear();
        self.lists += 1;
    }
}
