//! The kernel of sets and registers: those operations of an element that no other one has seen.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Operation, Side, Stamp, Vector};

/// An operation's part in an element, with what a story tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "o")]
    pub(crate) owner: String,
    #[serde(rename = "n")]
    pub(crate) number: u64,
    #[serde(rename = "s")]
    pub(crate) stamp: Stamp,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(crate) who: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<String>,
    /// The value that it puts; of a set's member whether it is added.
    #[serde(rename = "v")]
    pub(crate) value: Value,
    /// What it had seen.
    #[serde(rename = "c", default, skip_serializing_if = "Vector::is_empty")]
    pub(crate) seen: Vector,
}

impl Entry {
    pub(crate) fn of(op: &Operation, value: Value) -> Self {
        Self {
            owner: op.owner.clone(),
            number: op.number,
            stamp: op.stamp.clone(),
            who: op.who.clone(),
            what: op.what.clone(),
            value,
            seen: op.context(),
        }
    }

    /// By which the later one is told: equal stamps do not make replicas differ.
    pub(crate) fn order(&self) -> (&Stamp, &str, u64) {
        (&self.stamp, &self.owner, self.number)
    }

    /// Whether its author had seen the other.
    pub(crate) fn has_seen(&self, other: &Self) -> bool {
        self.seen.has(&other.owner, other.number)
    }

    pub(crate) fn is_in(&self, vector: &Vector) -> bool {
        vector.has(&self.owner, self.number)
    }

    pub(crate) fn side(&self) -> Side {
        Side {
            region: self.owner.clone(),
            number: self.number,
            stamp: self.stamp.clone(),
            who: self.who.clone(),
            what: self.what.clone(),
        }
    }
}

/// The operations of one element that no other one of it has seen, and what all of them had seen.
///
/// An operation stands if its dot is in no other's context. Whether it is in any context is the same as whether it is in their join, since
/// vectors count per owner. So one vector replaces all tombstones, and the order in which operations come does not matter. An owner's
/// operation has seen that owner's earlier ones, so at most one of each owner stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dots {
    #[serde(rename = "l")]
    pub(crate) live: Vec<Entry>,
    #[serde(rename = "c")]
    covered: Vector,
}

impl Dots {
    /// Takes an operation in, and says which of those that stand are concurrent with it.
    pub(crate) fn apply(&mut self, entry: Entry) -> Vec<Entry> {
        self.live.retain(|held| !entry.has_seen(held));
        let stands = !entry.is_in(&self.covered);
        self.covered.join(&entry.seen);
        if !stands {
            return Vec::new();
        }
        let concurrent = self.live.clone();
        // In one order, so that equal sets of operations are equal states.
        let at = self.live.partition_point(|held| held.order() > entry.order());
        self.live.insert(at, Entry { seen: Vector::default(), ..entry });
        concurrent
    }

    /// Whether nothing that is still on its way can be concerned by this element: all that it has covered has come here, and every owner
    /// has seen what stands.
    pub(crate) fn is_settled(&self, here: &Vector, everywhere: &Vector) -> bool {
        here.reaches(&self.covered) && self.live.iter().all(|entry| entry.is_in(everywhere))
    }
}
