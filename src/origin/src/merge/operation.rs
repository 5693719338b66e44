//! Operations: what the log holds, and what goes in and comes out of a store.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Conflict, Stamp, Vector};
use crate::{Kept, say};

/// A row of an owner's log. It never changes, and is replicated as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The region that took it.
    pub owner: String,
    /// Its number in that owner's log of the dataset, from 1, without gaps: the order in which they were committed.
    pub number: u64,
    /// The dataset.
    pub dataset: String,
    /// The key; empty where the owner only says how far it is ([`seen`](Self::seen) is exactly what it has applied then).
    pub key: String,
    /// By which the later write is told.
    pub stamp: Stamp,
    /// Its context: what its author had seen, without itself.
    pub seen: Vector,
    /// When the owner took it, by its own clock: Unix time in milliseconds.
    pub at: u64,
    /// Who wrote it, as the application says it in a story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What they did, in a word of the application's: `like`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// What it does to the key.
    pub change: Change,
    /// By what a repeat of it is known ([`Kept::to_json`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
}

impl Operation {
    /// Whether the owner only says how far it is.
    #[must_use]
    pub fn is_beat(&self) -> bool {
        self.key.is_empty()
    }

    /// What it counts as having seen: of its owner's own log exactly what was before it, whatever it says. So one owner's operations overrule
    /// each other in their order, and none overrules one that is yet to come.
    pub(crate) fn context(&self) -> Vector {
        let others = self.seen.iter().filter(|(owner, _)| *owner != self.owner);
        others.chain([(self.owner.as_str(), self.number.saturating_sub(1))]).collect()
    }
}

/// A write, as a handler gives it to a store's `append`.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// The dataset.
    pub dataset: &'a str,
    /// The key; not empty.
    pub key: &'a str,
    /// What it does to the key.
    pub change: Change,
    /// Who writes, for the story of a conflict; left out, the request's subject.
    pub who: Option<&'a str>,
    /// What they do, in a word: `like`.
    pub what: Option<&'a str>,
    /// By what a repeat is known in other regions too, once this operation has come there. Make it with [`Key::keep`](crate::Key::keep).
    pub repeat: Option<&'a Kept>,
}

impl<'a> Write<'a> {
    /// A write of that change.
    #[must_use]
    pub fn new(dataset: &'a str, key: &'a str, change: Change) -> Self {
        Self { dataset, key, change, who: None, what: None, repeat: None }
    }

    /// By whom, and what they do, for the story of a conflict.
    #[must_use]
    pub fn told(self, who: Option<&'a str>, what: &'a str) -> Self {
        Self { who, what: Some(what), ..self }
    }
}

/// What a write came to. Add [`fields`](Self::fields) to its answer.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its number in this region's log.
    pub number: u64,
    /// Its stamp: the request's, or this region's own.
    pub stamp: Stamp,
    /// What the key shows now.
    pub shown: Shown,
    /// The conflicts that the answer tells: those that this write resolved, and those of earlier writes here that this region has learned
    /// of since its last answer.
    pub conflicts: Vec<Conflict>,
    /// How many more there are.
    pub more: u64,
}

impl Written {
    /// `Homing-Wrote`, `Homing-Conflict`, what the answer shows, and its stamp.
    #[must_use]
    pub fn fields(&self) -> Vec<say::Field> {
        let conflict = say::conflicts(&self.conflicts, self.more);
        let known = [say::shows_of(&self.shown.shows), say::clock(&self.stamp)];
        [Some(say::wrote(true)), conflict].into_iter().flatten().chain(known).collect()
    }
}

/// What a key shows. Add [`fields`](Self::fields) to an answer that shows it alone; for several, join their [`shows`](Self::shows).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The value by its rule: a record's value or null, its fields, a number, a list of members by name, a list of values with the latest
    /// first, or a map's fields. Null if nothing was written.
    pub value: Value,
    /// The newest operation of each owner that had a part in it, removals included.
    pub shows: Vector,
}

impl Shown {
    /// What the answer shows, and that nothing was written.
    #[must_use]
    pub fn fields(&self) -> Vec<say::Field> {
        vec![say::wrote(false), say::shows_of(&self.shows)]
    }
}
