//! A plan as text: what changes, then each step with all that must be known to carry it out.

use std::fmt::Write;

use super::{
    Report,
    steps::{Between, Edit, Step, listed},
};
use crate::{access_log::compare::Comparison, words::folded};

/// How wide a line is.
const WIDTH: usize = 110;

/// The text of a report.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "{} -> {} ({})", report.old, report.new, report.environment);
    if report.changes.is_empty() && report.others.is_empty() {
        text.push_str("Nothing differs in the topology.\n");
    }
    if !report.changes.is_empty() {
        text.push_str("\nWhat changes:\n");
        report.changes.iter().for_each(|change| item(&mut text, "  - ", &change.says));
    }
    if !report.loses.is_empty() {
        text.push_str("\nSessions and stored responses:\n");
        report.loses.iter().for_each(|line| item(&mut text, "  - ", line));
    }
    if !report.others.is_empty() {
        text.push_str("\nChanges no ownership:\n");
        item(&mut text, "  ", &report.others.join("; "));
    }
    for refusal in &report.refusals {
        let _ = writeln!(text, "\nRefused: {}", refusal.about);
        item(&mut text, "  why:    ", &refusal.why);
        item(&mut text, "  remedy: ", &refusal.remedy);
    }
    if report.refusals.is_empty() {
        report.between.iter().for_each(|between| file(&mut text, between, report.written));
        let all = report.steps.len();
        for (at, step) in report.steps.iter().enumerate() {
            let _ = writeln!(text, "\nStep {} of {all}: {} ({})", at + 1, step.title, step.by.word());
            show(&mut text, step);
        }
    }
    if let Some(requests) = &report.requests {
        compared(&mut text, requests);
    }
    text
}

fn show(text: &mut String, step: &Step) {
    for command in &step.commands {
        let _ = writeln!(text, "    {command}");
    }
    item(text, "  why:     ", &step.why);
    if !step.router.is_empty() {
        item(text, "  router:  ", &step.router);
    }
    item(text, "  done:    ", &step.done);
    for command in
        step.check.iter().filter(|command| !step.commands.contains(command) && !step.done.contains(command.as_str()))
    {
        let _ = writeln!(text, "           {command}");
    }
    item(text, "  repeat:  ", &step.repeat);
    item(text, if step.one_way { "  back (!): " } else { "  back:    " }, &step.back);
}

fn file(text: &mut String, between: &Between, written: bool) {
    let Between { name, base, edits } = between;
    let how = if written { "is written" } else { "--write writes it" };
    let _ = writeln!(text, "\n{name}: {base}, but ({how})");
    for Edit { key, value } in edits {
        let _ = match value {
            Some(value) => writeln!(text, "    {key} = {}", toml(value)),
            None => writeln!(text, "    {key} is taken out"),
        };
    }
}

/// A value as it stands in TOML.
fn toml(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(members) => format!("[{}]", members.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn compared(text: &mut String, found: &Comparison) {
    let Comparison { requests, otherwise, region, reason, cacheability, unreadable, .. } = found;
    let _ = writeln!(
        text,
        "\nThe access log: {otherwise} of {requests} requests are decided otherwise ({region} by region, {reason} by reason, \
         {cacheability} by what the edge cache does)."
    );
    for row in &found.most_frequent {
        let _ = writeln!(text, "  {:>8}  {}: {} -> {}", row.times, row.route, row.was, row.becomes);
    }
    if found.more_kinds > 0 {
        let least = if found.is_capped { "at least " } else { "" };
        let _ = writeln!(text, "            and {least}{} more kinds", found.more_kinds);
    }
    if *unreadable > 0 {
        let _ = writeln!(text, "  Unreadable lines: {unreadable}.");
    }
    text.push_str("  All regions count as healthy, the edge cache as empty, and subjects keep the homes that the old file gave them.\n");
}

/// A text behind a head, broken into lines that stand below each other.
fn item(text: &mut String, head: &str, said: &str) {
    text.push_str(&folded(head, said, WIDTH));
}

/// The last line, on standard error, if the plan is refused.
pub(super) fn refused(report: &Report<'_>) -> String {
    let about: Vec<&str> = report.refusals.iter().map(|refusal| refusal.about.as_str()).collect();
    format!("refused, because of {}: do not deploy", listed(&about))
}
