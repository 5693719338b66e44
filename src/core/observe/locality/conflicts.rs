//! What a route's answers say of conflicts, and the snapshot's table of it.

use serde_json::{Value, json};

use super::{count::Count, window::BudgetWindow};
use crate::{
    model::text,
    settle::{ConflictCount, conflicts::add_to},
    topology::{Topology, units::Share},
};

/// Conflicts of one route. What is counted is of datasets that several regions write, and of known rules: it cannot grow beyond the topology.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteConflicts {
    /// The writes that a region has answered, and those of them that met a conflict.
    pub(super) writes: Count,
    pub(super) counts: Vec<ConflictCount>,
    pub(super) window: BudgetWindow,
}

impl RouteConflicts {
    /// Takes in an answer with the conflicts that it reports, and whether it is to a write.
    pub(super) fn count(&mut self, is_write: bool, conflicts: &[ConflictCount]) {
        if is_write {
            self.writes.add(!conflicts.is_empty());
        }
        conflicts.iter().for_each(|more| add_to(&mut self.counts, *more));
    }
}

/// These counts, a line each: `likes set 12`.
pub(crate) fn told(counts: &[ConflictCount], topology: &Topology) -> Vec<String> {
    let line = |count: &ConflictCount| {
        let mut line = topology.dataset(count.dataset)?.name.clone();
        text::all(&mut line, &[" ", count.rule, " "]);
        text::number(&mut line, count.times);
        Some(line)
    };
    counts.iter().filter_map(line).collect()
}

/// The snapshot's table of these lines, made where operators ask: a row for each route that has met a conflict, or has a budget for them.
#[must_use]
pub(crate) fn expanded(lines: &Value, topology: &Topology) -> Value {
    let mut rows: Vec<Value> = Vec::new();
    let mut budgets = Vec::new();
    for line in lines.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [dataset, rule, times] = words[..] {
            let times = times.parse::<u64>().unwrap_or_default();
            let datasets = rows.last_mut().and_then(|row| row.get_mut("datasets")?.as_object_mut());
            let rules =
                datasets.and_then(|datasets| datasets.entry(dataset).or_insert_with(|| json!({})).as_object_mut());
            if let Some(rules) = rules {
                rules.insert(rule.to_owned(), json!(times));
            }
            continue;
        }
        let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let [route, writes, conflicting, over, of_window, conflicting_of_window] = numbers[..] else { continue };
        let route = usize::try_from(route).ok().and_then(|at| topology.routes().get(at.checked_sub(1)?));
        let budget = route.and_then(|route| route.max_conflict_rate);
        let shown = |share: Option<Share>| share.map(|share| share.to_string());
        budgets.push(budget);
        rows.push(json!({
            "match": route.map(|route| route.pattern.to_string()), "writes": writes, "conflicting": conflicting,
            "share": shown(Share::of(conflicting, writes)), "budget": shown(budget), "over": over == 1, "datasets": {},
            "window": budget.map(|_| json!({ "writes": of_window, "conflicting": conflicting_of_window })),
        }));
    }
    let is_told = |row: &Value, budget: &Option<Share>| row.get("datasets") != Some(&json!({})) || budget.is_some();
    rows.into_iter().zip(budgets).filter(|(row, budget)| is_told(row, budget)).map(|(row, _)| row).collect()
}
