//! An estimate as a table for people and as JSON for machines.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Estimate, SHOWN};
use homing_core::{
    Token,
    config::{Topology, route::Route},
    operate::locality::{RouteCounts, count::Count},
};

const COLUMNS: [&str; 5] = ["Route", "Requests", "Local", "Crossing", "Budget"];

impl Estimate {
    /// The table, and what must be known to read it.
    pub(crate) fn text(&self, topology: &Topology) -> String {
        let Count { requests, crossed } = self.locality.total();
        let mut text = format!(
            "\n{}: {requests} requests, {} local, {crossed} crossing\n\n",
            self.name,
            local(self.locality.total())
        );
        let rows = self.locality.rows().map(|(route, row)| cells(route.and_then(|at| topology.routes().get(at)), row));
        text.push_str(&table(&[COLUMNS.map(str::to_owned)].into_iter().chain(rows).collect::<Vec<_>>()));
        for note in self.notes(topology) {
            text.push_str(&format!("\n{note}"));
        }
        text.push('\n');
        text
    }

    fn notes(&self, topology: &Topology) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.unrouted.is_empty() {
            notes.push(format!("Requests that match no route, most frequent first: {}", frequent(&self.unrouted)));
        }
        if !self.refused.is_empty() {
            notes.push(format!("Refused before routing, and not counted: {}", frequent(&self.refused)));
        }
        for (route, counts) in &self.refused_writes {
            notes.extend(topology.routes().get(*route).map(|route| several_owners(route, *counts)));
        }
        if self.unreadable > 0 {
            notes.push(format!("Unreadable lines: {} of {}, such as", self.unreadable, self.lines));
            notes.extend(self.examples.iter().map(|(number, why)| format!("  line {number}: {why}")));
        }
        notes.push(
            "This estimate assumes that all regions are healthy and the edge cache is empty. Stored responses cross less, \
             failures more."
                .to_owned(),
        );
        if self.timeless > 0 {
            notes.push(format!(
                "Without a time: {}. Their clients are assumed to send one request a second, which decides what a write pins.",
                self.timeless
            ));
        }
        let wants_host = topology.routes().iter().any(|route| route.pattern.host().is_some());
        if wants_host && self.hostless > 0 {
            notes.push(format!(
                "Without a host: {}. They match no route with a host. Log it as \"host\" in JSON.",
                self.hostless
            ));
        }
        let unidentified = self.crossed_for(Token::Unidentified);
        if unidentified > 0 {
            notes.push(format!(
                "Crossing because the log does not name their user or tenant: {unidentified}. Log \"user\" or \"tenant\" in JSON."
            ));
        }
        notes
    }

    /// What exceeds its budget, a complaint each.
    pub(crate) fn complaints(&self, topology: &Topology) -> Vec<String> {
        let complain = |(route, row): (&Route, &RouteCounts)| {
            let Count { requests, crossed } = row.total;
            let budget = route.max_cross_region.map(|budget| budget.to_string()).unwrap_or_default();
            format!(
                "route {:?}: found {crossed} of {requests} requests crossing regions ({}), expected at most {budget} \
                 (max_cross_region). See docs/observability.md, Locality, for each reason",
                route.pattern.to_string(),
                reasons(row)
            )
        };
        self.exceeded(topology).map(complain).collect()
    }

    /// The same for machines.
    pub(crate) fn json(&self, topology: &Topology) -> Value {
        let exceeded: Vec<_> = self.exceeded(topology).map(|(route, _)| route.pattern.to_string()).collect();
        let examples: Vec<_> = self.examples.iter().map(|(line, why)| json!({ "line": line, "why": why })).collect();
        let mut said = json!(self.locality.show(topology));
        for row in said.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
            // The whole log is judged here, not the end of it as by the router.
            let over =
                row.get("match").and_then(Value::as_str).is_some_and(|name| exceeded.iter().any(|one| one == name));
            if let Some(fields) = row.as_object_mut() {
                fields.remove("window");
                fields.insert("over".to_owned(), json!(over));
            }
        }
        if let Some(fields) = said.as_object_mut() {
            fields.insert("lines".to_owned(), json!(self.lines));
            fields.insert("unreadable".to_owned(), json!({ "lines": self.unreadable, "examples": examples }));
            fields.insert("refused".to_owned(), json!(self.refused));
            fields
                .insert("unrouted".to_owned(), json!(sorted(&self.unrouted).into_iter().take(20).collect::<Vec<_>>()));
            fields.insert("without_time".to_owned(), json!(self.timeless));
        }
        said
    }
}

/// What one owner refuses because of what it has, another may accept at the same time.
fn several_owners(route: &Route, [failed, conflicting]: [u64; 2]) -> String {
    format!(
        "{}: {} of its writes were refused, {failed} with 412 (a condition such as If-Match) and {conflicting} with 409 (such as \
         a value that must be unique). Its dataset has several owners, and each compares with what it has: two may accept what \
         one would refuse. Let one home take these writes.",
        route.pattern,
        failed + conflicting
    )
}

fn cells(route: Option<&Route>, row: &RouteCounts) -> [String; 5] {
    let budget = route.and_then(|route| route.max_cross_region);
    let kept = budget.map(|budget| match budget.is_exceeded(row.total.crossed, row.total.requests) {
        true => format!("{budget}, EXCEEDED"),
        false => format!("{budget}, kept"),
    });
    [
        route.map_or_else(|| "(no route)".to_owned(), |route| route.pattern.to_string()),
        row.total.requests.to_string(),
        local(row.total),
        if row.total.crossed == 0 { "-".to_owned() } else { reasons(row) },
        kept.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn local(count: Count) -> String {
    count.local().map_or_else(|| "-".to_owned(), |share| share.to_string())
}

fn reasons(row: &RouteCounts) -> String {
    let all = row.reasons.sorted();
    all.iter().map(|(reason, times)| format!("{reason} {times}")).collect::<Vec<_>>().join(", ")
}

/// The most frequent first; of equals in the order of the alphabet.
fn sorted<T: AsRef<str>>(counts: &HashMap<T, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<_> = counts.iter().map(|(what, times)| (what.as_ref(), *times)).collect();
    all.sort_by_key(|(what, times)| (std::cmp::Reverse(*times), *what));
    all
}

fn frequent<T: AsRef<str>>(counts: &HashMap<T, u64>) -> String {
    let shown = sorted(counts);
    let first =
        shown.iter().take(SHOWN).map(|(what, times)| format!("{what} ({times})")).collect::<Vec<_>>().join(", ");
    let more = shown.len().saturating_sub(SHOWN);
    if more == 0 { first } else { format!("{first}, and {more} more") }
}

/// Columns as wide as what stands in them; numbers to the right.
fn table(rows: &[[String; 5]]) -> String {
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            if matches!(at, 1 | 2) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
