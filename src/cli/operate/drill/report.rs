//! A drill's report for people: a table, a sentence for each route, and a verdict.

use std::fmt::Write;

use serde_json::Value;

use super::super::show::{entries, list, number, text, time};

const COLUMNS: [&str; 5] = ["alone", "cache", "stale", "refused", "failed"];

/// The latest of all drills.
pub(super) fn latest(shown: &Value) -> String {
    match list(shown, "drills") {
        [] => "There has been no drill. Begin one: homing drill isolate REGION --percent 1 --for 10m\n".to_owned(),
        [latest, earlier @ ..] => {
            let mut out = one(latest);
            let names = earlier.iter().map(|drill| text(drill, "id")).collect::<Vec<_>>().join(", ");
            if !names.is_empty() {
                let _ = writeln!(out, "Earlier drills: {names}.");
            }
            out
        }
    }
}

/// One drill.
pub(super) fn one(drill: &Value) -> String {
    let mut out = format!("{}: {}\n", text(drill, "id"), heading(drill));
    let _ = writeln!(out, "  by {}: {}", text(drill, "actor"), text(drill, "reason"));
    let when = match number(drill, "ended") {
        Some(ended) => format!("{}, {}", time(Some(ended)), text(drill, "says")),
        None => format!("on until {}", time(number(drill, "until"))),
    };
    let _ = writeln!(out, "  from {}; {when}", time(number(drill, "began")));
    let rows = list(drill, "routes");
    if rows.is_empty() {
        out.push_str(
            "\nNo participating subject has sent a request yet. Figures arrive some seconds after the requests.\n",
        );
        return out;
    }
    out.push('\n');
    table(&mut out, rows);
    out.push('\n');
    for row in rows {
        let _ = writeln!(out, "  {} {}: {}", text(row, "access"), text(row, "route"), sentence(row));
    }
    let _ = writeln!(out, "\n{}", verdict(drill));
    out
}

fn heading(drill: &Value) -> String {
    let (region, percent) = (text(drill, "region"), drill.get("percent").map_or_else(String::new, Value::to_string));
    let percent = percent.strip_suffix(".0").unwrap_or(&percent);
    match text(drill, "kind") {
        "isolate" => format!("{region} without the others, for {percent}% of its subjects"),
        _ => format!("the others without {region}, for {percent}% of all subjects"),
    }
}

fn table(out: &mut String, rows: &[Value]) {
    let longest = |key: &str| rows.iter().map(|row| text(row, key).chars().count()).max().unwrap_or(0);
    let (route, dataset) = (longest("route").max(5), longest("dataset").max(7));
    let _ = write!(out, "  {:<route$}  {:<dataset$}  access  requests", "route", "dataset");
    for name in COLUMNS {
        let _ = write!(out, "  {name:>8}");
    }
    out.push('\n');
    for row in rows {
        let (path, of, access) = (text(row, "route"), text(row, "dataset"), text(row, "access"));
        let all = count(row, "requests");
        let _ = write!(out, "  {path:<route$}  {of:<dataset$}  {access:<6}  {all:>8}");
        for key in COLUMNS {
            let _ = write!(out, "  {:>8}", share(count(row, key), all));
        }
        out.push('\n');
    }
}

fn count(row: &Value, key: &str) -> u64 {
    number(row, key).unwrap_or(0)
}

/// `93.1%`.
fn share(part: u64, whole: u64) -> String {
    // Rounded down: all but one is not all.
    let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// Whom the route needs, and what became of it without them.
fn sentence(row: &Value) -> String {
    let needs = |key: &str| -> String {
        entries(row, key)
            .map(|(region, n)| format!("{region} ({})", times(n.as_u64().unwrap_or(0))))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let all = count(row, "requests");
    let (home, copy, mut says) = (needs("home"), needs("copy"), Vec::new());
    if !home.is_empty() {
        says.push(format!("needs {home}: its home"));
    }
    if !copy.is_empty() {
        says.push(format!("would have read {copy} first"));
    }
    for (key, what) in [("refused", "were refused"), ("stale", "were answered stale"), ("failed", "failed")] {
        let part = count(row, key);
        if part > 0 {
            says.push(format!("{part} of {all} {what}"));
        }
    }
    if says.is_empty() { "needs no other region".to_owned() } else { says.join("; ") }
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

fn verdict(drill: &Value) -> String {
    let total = drill.get("total").unwrap_or(&Value::Null);
    let all = count(total, "requests");
    let of = |key: &str| share(count(total, key), all);
    let region = text(drill, "region");
    let who = match text(drill, "kind") {
        "isolate" => format!("{region} served {} alone", of("alone")),
        _ => format!("Without {region} the others served {}", of("alone")),
    };
    let figures = format!(
        "{who}, and {} came from the edge cache; {} were stale, {} refused, {} failed, of {all} request{}.",
        of("cache"),
        of("stale"),
        of("refused"),
        of("failed"),
        if all == 1 { "" } else { "s" },
    );
    let in_trouble = |row: &&Value| ["stale", "refused", "failed"].iter().any(|key| count(row, key) > 0);
    let troubled = list(drill, "routes").iter().filter(in_trouble).count();
    let can = if troubled == 0 {
        "All requests succeeded. By these figures it could run like this for good.".to_owned()
    } else {
        format!(
            "Some requests did not succeed. See the {troubled} of {} lines above that say so.",
            list(drill, "routes").len()
        )
    };
    format!("{figures}\n{can}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_says_who_was_needed_and_comes_to_a_verdict() {
        let drill = json!({
            "id": "drill-3", "kind": "isolate", "region": "eu", "percent": 5.0, "began": 0, "until": 600_000, "ended": 600_000,
            "says": "ended: its time was up", "actor": "ada", "reason": "first drill",
            "total": { "requests": 1000, "alone": 931, "cache": 40, "refused": 29 },
            "routes": [
                { "route": "/api/catalog/*", "access": "read", "dataset": "catalog", "requests": 971, "alone": 931, "cache": 40 },
                { "route": "/api/catalog/*", "access": "write", "dataset": "catalog", "requests": 29, "refused": 29, "home": { "us": 29 } },
            ],
        });
        let expected = "\
drill-3: eu without the others, for 5% of its subjects
  by ada: first drill
  from Thu, 01 Jan 1970 00:00:00 GMT; Thu, 01 Jan 1970 00:10:00 GMT, ended: its time was up

  route           dataset  access  requests     alone     cache     stale   refused    failed
  /api/catalog/*  catalog  read         971     95.8%      4.1%      0.0%      0.0%      0.0%
  /api/catalog/*  catalog  write         29      0.0%      0.0%      0.0%    100.0%      0.0%

  read /api/catalog/*: needs no other region
  write /api/catalog/*: needs us (29 times): its home; 29 of 29 were refused

eu served 93.1% alone, and 4.0% came from the edge cache; 0.0% were stale, 2.9% refused, 0.0% failed, of 1000 requests.
Some requests did not succeed. See the 1 of 2 lines above that say so.
";
        assert_eq!(one(&drill), expected);
        assert!(latest(&json!({ "drills": [drill, { "id": "drill-1" }] })).ends_with("Earlier drills: drill-1.\n"));
        assert!(latest(&json!({ "drills": [] })).starts_with("There has been no drill."));
    }
}
