//! The trace of one request: every rule that decided something, in order.

use crate::{
    model::{ids::RegionId, token::Token},
    topology::Topology,
};

/// One rule that decided something, and about which region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What was decided, and why.
    pub reason: Token,
    /// The region it was decided about.
    pub region: Option<RegionId>,
}

/// The rules in the order in which they were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(Vec<Rule>);

impl Trace {
    /// Notes a rule.
    pub fn note(&mut self, reason: Token, region: impl Into<Option<RegionId>>) {
        self.0.push(Rule { reason, region: region.into() });
    }

    /// Adds what another part of the same request noted.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// A line for each rule: the token, and the region's name.
    pub fn lines<'a>(&'a self, topology: &'a Topology) -> impl Iterator<Item = String> + 'a {
        self.0.iter().map(|rule| match rule.region {
            Some(region) => format!("{} {}", rule.reason, topology.region(region).name),
            None => rule.reason.to_string(),
        })
    }
}
