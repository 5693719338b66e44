//! What is counted of each route: which requests touched a region other than the nearest, and why; which conflicts its writes met; and
//! the budgets that routes set for both (`max_cross_region`, `max_conflict_rate`).

pub(crate) mod conflicts;
pub mod count;
pub(crate) mod show;
pub(crate) mod window;

pub use crate::observe::locality::show::{LocalityLine, LocalityTable, Notice};
pub use crate::observe::locality::window::{ENOUGH, ENOUGH_BACK, HALF};
use crate::observe::locality::{
    conflicts::RouteConflicts,
    count::{BudgetState, Count, Reasons},
    window::BudgetWindow,
};
use crate::{
    model::{access::Access, per_region::PerRegion, reasons::Crossing, time::Timestamp},
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
    /// By nearest region, in the regions' order.
    regions: PerRegion<Count>,
    window: BudgetWindow,
    /// What its writes say of conflicts.
    pub(crate) conflicts: RouteConflicts,
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
        let reason = record.crossed.map(Crossing::token);
        let is_news = row.window.observe(record.at, (reason.is_some(), reason), budget);
        is_news.then(|| BudgetAlert::new(record.at, (at, Budgeted::Crossings), budget, &row.window))
    }

    /// The same for what the request's answer says of conflicts, and for the budget of these (`max_conflict_rate`).
    pub(crate) fn observe_conflicts(&mut self, record: &Record, topology: &Topology) -> Option<BudgetAlert> {
        let against = !record.conflicts.is_empty();
        // A write that no region has answered can have met no other.
        let is_write = record.access == Access::Write && record.region.is_some();
        if !against && !is_write {
            return None;
        }
        let route = record.route.and_then(|at| Some((at, topology.routes().get(at)?)));
        let row = &mut self.row(route.map(|(at, _)| at)).conflicts;
        row.count(is_write, &record.conflicts);
        // The rate is of writes; a read may tell of conflicts that were resolved elsewhere.
        let (at, budget) = route.filter(|_| is_write).and_then(|(at, route)| Some((at, route.max_conflict_rate?)))?;
        let is_news = row.window.observe(record.at, (against, None), budget);
        is_news.then(|| BudgetAlert::new(record.at, (at, Budgeted::Conflicts), budget, &row.window))
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
    /// Of what the budget is.
    pub of: Budgeted,
    /// What it allows.
    pub budget: Share,
    /// What it does now.
    pub standing: BudgetState,
    /// The requests of the window.
    pub count: Count,
    /// Why they crossed.
    pub reasons: Reasons,
}

/// Of what a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgeted {
    /// Of requests that cross regions.
    Crossings,
    /// Of writes whose answers report conflicts.
    Conflicts,
}

impl BudgetAlert {
    fn new(at: Timestamp, (route, of): (usize, Budgeted), budget: Share, window: &BudgetWindow) -> Self {
        let (count, reasons) = window.sum();
        Self { at, route, of, budget, standing: window.standing, count, reasons }
    }
}

#[cfg(test)]
mod tests;
