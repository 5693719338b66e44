//! Locality: which requests touched a region other than the nearest, and why; and the budgets that routes set for it
//! (`max_cross_region`).

pub mod count;
pub(crate) mod show;
pub(crate) mod window;

pub use crate::observe::locality::show::{LocalityLine, LocalityTable, Notice};
pub use crate::observe::locality::window::{ENOUGH, ENOUGH_BACK, HALF};
use crate::observe::locality::{
    count::{BudgetState, Count, Reasons},
    window::BudgetWindow,
};
use crate::{
    model::{per_region::PerRegion, time::Timestamp},
    settle::record::Record,
    topology::{Topology, units::Share},
};

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
        self.total.add(record.crossed.is_some());
        if let Some(crossing) = record.crossed {
            self.reasons.add(crossing.token(), 1);
        }
        if let Some(nearest) = record.nearest {
            self.regions.entry(nearest).add(record.crossed.is_some());
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
