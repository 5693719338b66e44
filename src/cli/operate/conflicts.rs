//! `homing conflicts`: what became of writes at two regions at once, told as stories.

use std::{fmt::Write, process::ExitCode};

use serde_json::Value;

use super::{
    At, Client, failed,
    show::{entries, list, number, text, time},
};
use homing_core::operate::conflicts::{clean, query};

/// A dataset, and which of its conflicts.
#[derive(clap::Args)]
pub(crate) struct ConflictArgs {
    /// The multi-writer dataset.
    dataset: String,
    /// Show the conflicts of this key only.
    key: Option<String>,
    /// The most stories to show, from 1 to 1000. The latest come first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    at: At,
}

/// The exit status is 1 if no region has answered.
pub(super) fn run(args: &ConflictArgs) -> ExitCode {
    let client = match Client::new(args.at.url.as_deref()) {
        Ok(client) => client,
        Err(message) => return crate::usage(&message),
    };
    let query = query(&args.dataset, args.limit.into(), args.key.as_deref());
    match client.get(&format!("conflicts?{query}")) {
        Ok(told) => {
            print!("{}", if args.at.json { format!("{told}\n") } else { stories(&told, args.key.is_some()) });
            let answered = entries(&told, "regions").any(|(_, said)| said.get("answered") == Some(&Value::Bool(true)));
            if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => failed(&message),
    }
}

/// The stories for people. What is told is others' text, and this is a terminal: the router has cleaned it, and so does this.
fn stories(told: &Value, of_one_key: bool) -> String {
    let line = |text: &str| clean(text, 4096);
    let mut out =
        format!("{} ({}): {}\n", line(text(told, "dataset")), line(text(told, "rule")), line(text(told, "explain")));
    for (region, said) in entries(told, "regions") {
        let region = line(region);
        let _ = match (number(said, "total"), text(said, "why")) {
            (Some(total), _) => writeln!(out, "  {region:<12} conflicts resolved so far: {total}"),
            (None, "") => writeln!(out, "  {region:<12} it does not say how many conflicts it has resolved"),
            (None, why) => writeln!(out, "  {region:<12} no answer: {}", line(why)),
        };
    }
    out.push('\n');
    let all = list(told, "stories");
    if all.is_empty() {
        out.push_str(if of_one_key { "No conflicts of this key.\n" } else { "No conflicts.\n" });
    }
    for story in all {
        let key = Some(text(story, "key")).filter(|key| !of_one_key && !key.is_empty());
        let key = key.map_or_else(String::new, |key| format!("  {}", line(key)));
        let field = Some(text(story, "field")).filter(|field| !field.is_empty());
        let field = field.map_or_else(String::new, |field| format!(" ({})", line(field)));
        let _ = writeln!(out, "{}{key}{field}  {}", time(number(story, "at")), line(text(story, "sentence")));
        if let Some(who) = who(story) {
            let _ = writeln!(out, "  {}", line(&who));
        }
        let disputed: Vec<_> = list(story, "disputed_by").iter().filter_map(Value::as_str).collect();
        if !disputed.is_empty() {
            let _ =
                writeln!(out, "  {} kept the other one: compare the data of these regions", line(&disputed.join(", ")));
        }
    }
    out
}

/// Who made both writes, where that is known.
fn who(story: &Value) -> Option<String> {
    let of = |side: &str| Some(text(story.get(side)?, "who")).filter(|who| !who.is_empty());
    match (of("lost"), of("kept")) {
        (Some(lost), Some(kept)) if lost == kept => Some(format!("both by {lost}")),
        (Some(lost), Some(kept)) => Some(format!("by {lost} and by {kept}")),
        (Some(one), None) | (None, Some(one)) => Some(format!("one of them by {one}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stories_are_told_with_time_key_and_who_and_regions_without_an_answer_are_named() {
        let told = json!({
            "dataset": "likes", "rule": "set", "explain": "The later click counts.",
            "regions": { "us": { "answered": true, "total": 12 }, "eu": { "answered": false, "why": "It answers 502." } },
            "stories": [{
                "at": 1_767_268_803_999u64, "key": "7\u{1b}[2J", "field": "city", "sentence": "The like … counts.", "kept": { "who": "~A" }, "lost": { "who": "~B" },
                "disputed_by": ["ap"],
            }],
        });
        let expected = "likes (set): The later click counts.\n\
                        \x20 eu           no answer: It answers 502.\n\
                        \x20 us           conflicts resolved so far: 12\n\
                        \n\
                        Thu, 01 Jan 2026 12:00:03 GMT  7\u{fffd}[2J (city)  The like … counts.\n\
                        \x20 by ~B and by ~A\n\
                        \x20 ap kept the other one: compare the data of these regions\n";
        assert_eq!(stories(&told, false), expected);
        assert!(stories(&told, true).contains("GMT (city)  The like"));
        assert!(stories(&json!({}), false).ends_with("No conflicts.\n"));
        let told = json!({ "regions": { "us": { "answered": true, "total": 1 } } });
        assert!(
            stories(&told, true)
                .ends_with("  us           conflicts resolved so far: 1\n\nNo conflicts of this key.\n")
        );
    }

    #[test]
    fn a_key_means_nothing_else_in_a_query() {
        let asked = query("likes", 20, Some("a&limit=1 é#~"));
        assert_eq!(asked, "dataset=likes&limit=20&key=a%26limit%3D1%20%C3%A9%23~");
    }
}
