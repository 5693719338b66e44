//! What is counted of requests that cross, and why they did.

use crate::{
    model::{ranked::ranked, token::Token},
    topology::units::Share,
};
use serde::Serialize;
use std::cmp::Ordering;

/// How many requests, and how many of them crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All of them.
    pub requests: u64,
    /// Those that touched a region other than the nearest.
    pub crossed: u64,
}

impl Count {
    pub(super) fn add(&mut self, crossed: bool) {
        self.requests += 1;
        self.crossed += u64::from(crossed);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, crossed: self.crossed + other.crossed }
    }

    /// The share that crossed; none where nothing was counted.
    #[must_use]
    pub fn crossing(self) -> Option<Share> {
        Share::of(self.crossed, self.requests)
    }

    /// The share that did not cross.
    #[must_use]
    pub fn local(self) -> Option<Share> {
        self.crossing().map(Share::rest)
    }
}

/// How often requests crossed for each reason. There are not many, so a list is quicker than a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(Vec<(Token, u64)>);

impl Reasons {
    pub(super) fn add(&mut self, reason: Token, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += times,
            None => self.0.push((reason, times)),
        }
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        other.0.iter().for_each(|(reason, times)| sum.add(*reason, *times));
        sum
    }

    /// The reasons, the most frequent first; of equals the one whose token comes first.
    #[must_use]
    pub fn sorted(&self) -> Vec<(Token, u64)> {
        ranked(self.0.iter().copied(), |(reason, times), (other, others)| match times.cmp(others) {
            Ordering::Equal => reason.as_str() < other.as_str(),
            order => order.is_gt(),
        })
    }
}

/// Whether a route keeps its budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BudgetState {
    /// It does, or has none.
    #[default]
    Within,
    /// More crosses than it allows.
    Over,
}
