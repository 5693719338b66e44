//! Locality: which requests touched a region other than the nearest, and why; and the budgets that routes set for it
//! (`max_cross_region`).

pub mod show;
pub mod window;

use std::cmp::Ordering;

use serde::Serialize;

pub use crate::observe::locality::show::{LocalityLine, LocalityTable, Notice};
use crate::observe::locality::window::BudgetWindow;
pub use crate::observe::locality::window::{ENOUGH, ENOUGH_BACK, HALF};
use crate::{
    model::{ids::RegionId, per_region::PerRegion, ranked::ranked, time::Timestamp, token::Token},
    settle::record::Record,
    state::trace::Trace,
    topology::{Topology, units::Share},
};

/// Why a request is about to touch a region other than the nearest: the rule that sends it there (the last one noted); or,
/// where any copy would do, what speaks against the nearest.
#[must_use]
pub fn crossing(trace: &Trace, nearest: Option<RegionId>) -> Token {
    let rules = trace.rules();
    let sent = rules.last().map_or(Token::Internal, |rule| rule.reason);
    if sent != Token::Nearest {
        return sent;
    }
    let against = rules.iter().rfind(|rule| rule.region.is_some() && rule.region == nearest);
    against.map(|rule| rule.reason).filter(|reason| !tells_a_home(*reason)).unwrap_or(Token::Residency)
}

/// Whether the reason says how a home was found, which speaks against no region.
fn tells_a_home(reason: Token) -> bool {
    use Token::{
        HomeAssigned, HomeFromDirectory, HomeFromMemory, HomeFromSession, HomeFromStore, HomeLastKnown, Nearest,
    };
    matches!(
        reason,
        HomeAssigned | HomeFromDirectory | HomeFromMemory | HomeFromSession | HomeFromStore | HomeLastKnown | Nearest
    )
}

/// How many requests, and how many of them crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All of them.
    pub requests: u64,
    /// Those that touched a region other than the nearest.
    pub crossed: u64,
}

impl Count {
    fn add(&mut self, crossed: Option<Token>) {
        self.requests += 1;
        self.crossed += u64::from(crossed.is_some());
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
    fn add(&mut self, reason: Token, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += times,
            None => self.0.push((reason, times)),
        }
    }

    fn and(&self, other: &Self) -> Self {
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

/// What is counted of one route.
#[derive(Clone, Debug, Default)]
pub struct RouteCounts {
    /// All of its requests.
    pub total: Count,
    /// Why they crossed.
    pub reasons: Reasons,
    /// Whether it keeps its budget.
    pub standing: BudgetState,
    /// By nearest region, in the regions' order.
    regions: PerRegion<Count>,
    window: BudgetWindow,
}

/// The table. It has a row for each route and one for what no route takes, and in each row a place for each region and each
/// reason: it cannot grow beyond the topology.
#[derive(Clone, Debug, Default)]
pub struct Locality {
    unrouted: RouteCounts,
    routed: Vec<RouteCounts>,
}

impl Locality {
    /// Takes in a settled request. Says so if its route has just gone over its budget, or has come back.
    pub fn observe(&mut self, record: &Record, topology: &Topology) -> Option<BudgetAlert> {
        let route = record.route.and_then(|at| Some((at, topology.routes().get(at)?)));
        let row = self.row(route.map(|(at, _)| at));
        row.count(record);
        let (at, budget) = (route?.0, route?.1.max_cross_region?);
        row.window.count(record.at, record.crossed);
        let standing = row.window.judge(budget, row.standing);
        if standing == row.standing {
            return None;
        }
        row.standing = standing;
        let (count, reasons) = row.window.sum();
        Some(BudgetAlert { at: record.at, route: at, budget, standing, count, reasons })
    }

    fn row(&mut self, route: Option<usize>) -> &mut RouteCounts {
        let Some(at) = route else { return &mut self.unrouted };
        if self.routed.len() <= at {
            self.routed.resize_with(at + 1, RouteCounts::default);
        }
        // The lines above made room, so what no route takes is never taken for one.
        self.routed.get_mut(at).unwrap_or(&mut self.unrouted)
    }

    /// The rows in which something was counted, in the order of the routes; what no route takes comes last.
    pub fn rows(&self) -> impl Iterator<Item = (Option<usize>, &RouteCounts)> {
        let routed = self.routed.iter().enumerate().map(|(at, row)| (Some(at), row));
        routed.chain([(None, &self.unrouted)]).filter(|(_, row)| row.total.requests > 0)
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Count {
        self.rows().fold(Count::default(), |sum, (_, row)| sum.and(row.total))
    }
}

impl RouteCounts {
    fn count(&mut self, record: &Record) {
        self.total.add(record.crossed);
        if let Some(reason) = record.crossed {
            self.reasons.add(reason, 1);
        }
        if let Some(nearest) = record.nearest {
            self.regions.entry(nearest).add(record.crossed);
        }
    }
}

/// A route has gone over its budget, or has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAlert {
    /// When.
    pub at: Timestamp,
    /// The index of the route.
    pub route: usize,
    /// What it allows.
    pub budget: Share,
    /// What it does now.
    pub standing: BudgetState,
    /// The requests of the window.
    pub count: Count,
    /// Why they crossed.
    pub reasons: Reasons,
}

#[cfg(test)]
mod tests;
