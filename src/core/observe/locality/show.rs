//! Locality for machines: the snapshot's table, and the line of the log that an alarm is.

use serde::Serialize;

use super::{BudgetAlert, Budgeted, Locality, RouteCounts, conflicts::told};
use crate::observe::locality::count::{BudgetState, Count, Reasons};
use crate::{
    model::{ids::RegionId, object::Object, text},
    topology::{Topology, units::Share},
};

/// The most reasons that an alarm and the snapshot name; the table itself has room for all there are.
const MOST_REASONS: usize = 5;

/// How often requests crossed for each of the most frequent reasons.
type Why = Object<&'static str, u64>;

/// What the snapshot says of all routes.
#[derive(Serialize)]
pub struct LocalityTable<'a> {
    requests: u64,
    crossed: u64,
    local: Option<String>,
    routes: Vec<LocalityLine<'a>>,
}

/// What it says of one of them: the counts since the beginning, and of the window by which the budget is judged.
#[derive(Serialize)]
pub struct LocalityLine<'a> {
    r#match: Option<String>,
    requests: u64,
    crossed: u64,
    local: Option<String>,
    budget: Option<String>,
    over: bool,
    window: Option<Count>,
    regions: Object<&'a str, Count>,
    reasons: Why,
}

/// What the log says when a route goes over its budget, or comes back.
#[derive(Serialize)]
pub struct Notice {
    level: &'static str,
    message: &'static str,
    at: u64,
    route: Option<String>,
    share: Option<String>,
    budget: String,
    requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    crossed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicting: Option<u64>,
    reasons: Why,
}

impl Locality {
    /// What the snapshot says of it.
    #[must_use]
    pub fn show<'a>(&self, topology: &'a Topology) -> LocalityTable<'a> {
        let total = self.total();
        let routes = self.rows().map(|(route, row)| row.show(route, topology)).collect();
        LocalityTable { requests: total.requests, crossed: total.crossed, local: shown(total.local()), routes }
    }
}

impl RouteCounts {
    /// The row for machines.
    #[must_use]
    pub fn show<'a>(&self, route: Option<usize>, topology: &'a Topology) -> LocalityLine<'a> {
        let route = route.and_then(|at| topology.routes().get(at));
        let budget = route.and_then(|route| route.max_cross_region);
        LocalityLine {
            r#match: route.map(|route| route.pattern.to_string()),
            requests: self.total.requests,
            crossed: self.total.crossed,
            local: shown(self.total.local()),
            budget: shown(budget),
            over: self.window.standing == BudgetState::Over,
            window: budget.map(|_| self.window.sum().0),
            regions: self.regions(topology),
            reasons: self.reasons.show(),
        }
    }

    /// The counts by nearest region, by name; without regions that were the nearest to nobody.
    fn regions<'a>(&self, topology: &'a Topology) -> Object<&'a str, Count> {
        let count = |id: RegionId| self.regions.get(id).copied().filter(|count| count.requests > 0);
        topology.regions().filter_map(|(id, region)| Some((region.name.as_str(), count(id)?))).collect()
    }
}

impl BudgetAlert {
    /// The line of the log.
    #[must_use]
    pub fn show(&self, topology: &Topology) -> Notice {
        let (level, message) = match (self.standing, self.of) {
            (BudgetState::Over, Budgeted::Crossings) => {
                ("warn", "more requests cross regions than the route's max_cross_region allows")
            }
            (BudgetState::Over, Budgeted::Conflicts) => {
                ("warn", "more writes meet a conflict than the route's max_conflict_rate allows")
            }
            (BudgetState::Within, Budgeted::Crossings) => ("info", "the route is back within its max_cross_region"),
            (BudgetState::Within, Budgeted::Conflicts) => ("info", "the route is back within its max_conflict_rate"),
        };
        let part = |of| (self.of == of).then_some(self.count.crossed);
        Notice {
            level,
            message,
            at: self.at.0,
            route: topology.routes().get(self.route).map(|route| route.pattern.to_string()),
            share: shown(self.count.crossing()),
            budget: self.budget.to_string(),
            requests: self.count.requests,
            crossed: part(Budgeted::Crossings),
            conflicting: part(Budgeted::Conflicts),
            reasons: self.reasons.show(),
        }
    }
}

impl Reasons {
    fn show(&self) -> Why {
        self.sorted().into_iter().take(MOST_REASONS).map(|(reason, times)| (reason.as_str(), times)).collect()
    }
}

fn shown(share: Option<Share>) -> Option<String> {
    share.map(|share| share.to_string())
}

impl Locality {
    /// What is counted of conflicts, as short as the hot Wasm writes it: for each route a line of numbers (its index, from 1, or 0 for what no
    /// route takes; its writes and those with a conflict; whether it is over its budget; the same two of the window), then its counts.
    pub(crate) fn conflict_lines(&self, topology: &Topology) -> Vec<String> {
        let mut lines = Vec::new();
        for (route, row) in self.rows() {
            let (row, window) = (&row.conflicts, row.conflicts.window.sum().0);
            let over = u64::from(row.window.standing == BudgetState::Over);
            let route = route.map_or(0, |at| at as u64 + 1);
            let mut line = String::new();
            for number in [route, row.writes.requests, row.writes.crossed, over, window.requests, window.crossed] {
                text::number(&mut line, number);
                line.push(' ');
            }
            lines.push(line);
            lines.extend(told(&row.counts, topology));
        }
        lines
    }
}
