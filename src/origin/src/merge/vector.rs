//! Version vectors: one number for each owner.

use std::collections::BTreeMap;

use crdts::{CmRDT, CvRDT, Dot, VClock};
use serde::{Deserialize, Serialize};

/// How far something is in each owner's log; in those that it does not name, nowhere. (Parker et al., "Detection of Mutual Inconsistency
/// in Distributed Systems", 1983.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct Vector(VClock<String>);

impl Vector {
    /// The number in that owner's log; 0 is before its first operation.
    #[must_use]
    pub fn get(&self, owner: &str) -> u64 {
        self.0.dots.get(owner).copied().unwrap_or(0)
    }

    /// Whether it has that operation.
    #[must_use]
    pub fn has(&self, owner: &str, number: u64) -> bool {
        self.get(owner) >= number
    }

    /// Whether it has all that the other has.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        other.iter().all(|(owner, number)| self.has(owner, number))
    }

    /// It also has that operation, and those before it in that log.
    pub fn add(&mut self, owner: &str, number: u64) {
        if number > 0 {
            self.0.apply(Dot::new(owner.to_owned(), number));
        }
    }

    /// It also has all that the other has.
    pub fn join(&mut self, other: &Self) {
        self.0.merge(other.0.clone());
    }

    /// Both, joined.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        self.join(other);
        self
    }

    /// Owners and numbers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.dots.iter().map(|(owner, number)| (owner.as_str(), *number))
    }

    /// Whether it has nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, u64>> for Vector {
    fn from(numbers: BTreeMap<String, u64>) -> Self {
        numbers.into_iter().collect()
    }
}

impl From<Vector> for BTreeMap<String, u64> {
    fn from(vector: Vector) -> Self {
        vector.0.dots
    }
}

impl<T: AsRef<str>> FromIterator<(T, u64)> for Vector {
    fn from_iter<I: IntoIterator<Item = (T, u64)>>(numbers: I) -> Self {
        let mut vector = Self::default();
        numbers.into_iter().for_each(|(owner, number)| vector.add(owner.as_ref(), number));
        vector
    }
}
