//! The authority's words for people.

use std::fmt::Write;

use serde_json::Value;

use homing_core::{Timestamp, http_date};

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

pub(crate) fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}

pub(super) fn entries<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Unix milliseconds as people write a time.
pub(super) fn time(millis: Option<u64>) -> String {
    http_date::written(Timestamp(millis.unwrap_or(0)))
}

/// Whether nothing follows.
pub(super) fn is_over(change: &Value) -> bool {
    change.get("ended").is_some_and(Value::is_u64)
}

/// Whether it came to what was wanted.
pub(super) fn is_done(change: &Value) -> bool {
    match change.get("phase") {
        Some(phase) => phase == "done",
        None => number(change, "failed") == Some(0) && change.get("stopped") != Some(&Value::Bool(true)),
    }
}

/// Whether it was given up, or is being undone because it was too late for that.
pub(super) fn is_given_up(change: &Value) -> bool {
    match change.get("phase") {
        Some(phase) => phase == "aborted" || change.get("back") == Some(&Value::Bool(true)) || is_forced_back(change),
        None => change.get("stopped") == Some(&Value::Bool(true)),
    }
}

/// Whether it was given up by word, after which it comes to its end in another way.
fn is_forced_back(change: &Value) -> bool {
    change.get("forced") == Some(&Value::Bool(true)) && change.get("committed") == Some(&Value::Bool(true))
}

/// Where a change is, in a line.
pub(super) fn progress(change: &Value) -> String {
    let phase = match text(change, "phase") {
        "" if is_over(change) => "over",
        "" => "sweeping",
        phase => phase,
    };
    format!("{} {phase}: {}", text(change, "id"), text(change, "says"))
}

/// What an order came to that began nothing.
pub(super) fn said(reply: &Value) -> String {
    let dry = if reply.get("dry_run") == Some(&Value::Bool(true)) { "would be: " } else { "" };
    let until = number(reply, "until").filter(|_| !text(reply, "says").ends_with("active"));
    let until = until.map_or_else(String::new, |until| format!(" until {}", time(Some(until))));
    format!("{dry}{}{until}\n", text(reply, "says"))
}

/// A change, whole.
pub(super) fn change(change: &Value) -> String {
    let mut out = format!("{}\n", progress(change));
    let _ = writeln!(
        out,
        "  {} -> {}   by {}: {}",
        text(change, "from"),
        text(change, "to"),
        text(change, "actor"),
        text(change, "reason")
    );
    if let Some(subjects) = number(change, "subjects") {
        let _ = writeln!(out, "  subjects with that home: {subjects}");
    }
    if let Some(at) = number(change, "looks_again") {
        let _ = writeln!(out, "  it checks again at {} for subjects that got the old region meanwhile", time(Some(at)));
    }
    if let Some(found) = change.get("found").and_then(|found| found.get("estimate")) {
        for (dataset, behind) in entries(found, "writes_behind") {
            let _ = writeln!(out, "  {dataset}: the new home's replica was {behind} writes behind");
        }
        if let Some(millis) = number(found, "milliseconds_behind") {
            let _ = writeln!(out, "  the new home's replica was {millis} ms behind");
        }
        if let Some(wait) = number(found, "longest_wait_ms") {
            let _ = writeln!(out, "  the change waits for it at most {wait} ms");
        }
    }
    let said = |name: &str| change.get("found")?.get("estimate").and_then(|found| number(found, name));
    if let Some((about, most)) = said("expected_pause_ms").zip(said("max_pause_ms")) {
        let _ = writeln!(out, "  expected: writers are refused for about {about} ms, and {most} ms at most");
    }
    if let Some(paused) = number(change, "paused_for") {
        let _ = writeln!(out, "  writers were refused for {paused} ms at most");
    }
    out
}

/// Regions, owners, and what is under way.
pub(super) fn status(shown: &Value) -> String {
    let mut out = format!("view version {}\n\nregions\n", number(shown, "version").unwrap_or(0));
    for (name, said) in entries(shown, "regions") {
        let _ = write!(out, "  {name:<12} {:<10}", text(said, "state"));
        if let Some(until) = number(said, "until") {
            let _ = write!(out, " until {} by {}: {}", time(Some(until)), text(said, "actor"), text(said, "reason"));
        }
        out.push('\n');
    }
    out.push_str("\nhomes of single-writer datasets\n");
    let mut edited = false;
    for (name, owned) in entries(shown, "datasets") {
        let home = text(owned, "home");
        let configured = shown.get("configured").map_or(home, |configured| text(configured, name));
        let differs = if configured == home { String::new() } else { format!(" (wrangler.toml: {configured})") };
        let _ = writeln!(out, "  {name:<12} {home} by epoch {}{differs}", number(owned, "epoch").unwrap_or(0));
        edited |= configured != home;
    }
    if edited {
        out.push_str(
            "  Editing `home` in wrangler.toml moves nothing. Run `homing promote DATASET --to REGION` to move it.\n",
        );
    }
    if is_mixed(shown) {
        out.push_str(
            "\ntwo versions are deployed at once: the edge that answered and the authority differ in version or vars\n",
        );
    }
    let under_way = list(shown, "changes").iter().chain(list(shown, "sweeps")).filter(|each| !is_over(each));
    out.push_str("\nunder way\n");
    let before = out.len();
    if let Some(drill) = shown.get("drill").filter(|drill| drill.is_object()) {
        let (id, says) = (text(drill, "id"), text(drill, "says"));
        let _ = writeln!(out, "  {id} drill: {says} until {}", time(number(drill, "until")));
    }
    for each in under_way {
        let _ = writeln!(out, "  {}", progress(each));
    }
    for untold in list(shown, "untold") {
        let (unit, home) = (text(untold, "unit"), text(untold, "home"));
        let _ = writeln!(out, "  {} has not yet been told that {home} is the home of {unit}", text(untold, "region"));
    }
    if out.len() == before {
        out.push_str("  nothing\n");
    }
    out
}

/// Whether the edge that has answered is of another version than the authority, which may be of one that does not say which it is.
fn is_mixed(shown: &Value) -> bool {
    shown.get("edge").is_some_and(|edge| shown.get("build") != Some(edge))
}

/// The audit log, the oldest line first.
pub(super) fn audit(log: &Value) -> String {
    let lines = log.as_array().map_or(&[][..], Vec::as_slice);
    let line = |line: &Value| {
        let reason = Some(text(line, "reason")).filter(|reason| !reason.is_empty());
        let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("{}  {}: {}{reason}\n", time(number(line, "at")), text(line, "actor"), text(line, "what"))
    };
    lines.iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::status;

    #[test]
    fn a_home_that_was_edited_and_not_promoted_is_shown() {
        let mut shown = json!({
            "version": 1, "regions": {}, "datasets": { "catalog": { "home": "us", "epoch": 1 }, "orders": { "home": "us", "epoch": 1 } },
            "configured": { "catalog": "eu", "orders": "us" },
        });
        let expected = "homes of single-writer datasets\n\
                        \x20 catalog      us by epoch 1 (wrangler.toml: eu)\n\
                        \x20 orders       us by epoch 1\n\
                        \x20 Editing `home` in wrangler.toml moves nothing. Run `homing promote DATASET --to REGION` to move it.\n";
        assert!(status(&shown).contains(expected), "{}", status(&shown));
        shown["configured"] = json!({ "catalog": "us", "orders": "us" });
        let said = "two versions are deployed at once";
        (shown["edge"], shown["build"]) = (json!({ "version": "1" }), json!({ "version": "1" }));
        assert!(!status(&shown).contains(said));
        shown["build"] = Value::Null;
        assert!(status(&shown).contains(said), "{}", status(&shown));
        assert!(!status(&shown).contains("wrangler.toml"), "{}", status(&shown));
    }
}
