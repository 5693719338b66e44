//! The story of a request, as `docs/architecture.md` tells it, is the code's: its files and functions are there, and no phase calls another.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;

use homing_tests::at;

/// The files of `flow` that are no phases: what phases share.
const SHARED: [&str; 14] = [
    "mod",
    "context",
    "next",
    "step",
    "known",
    "reading",
    "misdirected",
    "passed",
    "send",
    "again",
    "freshness",
    "drill",
    "platform_page",
    "tests",
];

/// What is in backticks, piece by piece.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn core(file: &str) -> String {
    fs::read_to_string(at("src/core").join(file)).unwrap_or_else(|_| panic!("src/core/{file} is not there"))
}

fn section() -> String {
    let text = fs::read_to_string(at("docs/architecture.md")).unwrap();
    let (_, story) = text.split_once("## One request, in four files\n").unwrap();
    story.split("\n## ").next().unwrap().to_owned()
}

/// Whether that file of the core has the function.
fn has(file: &str, function: &str) -> bool {
    let code = core(file);
    ["(", "<"].iter().any(|end| code.contains(&format!("fn {function}{end}")))
}

/// A row's functions, as `phase::function`.
fn calls(text: &str) -> Vec<(&str, &str)> {
    quoted(text).filter_map(|word| word.split_once("::")).collect()
}

#[test]
fn the_story_names_what_there_is() {
    let section = section();
    let files: Vec<_> = quoted(&section).filter(|word| word.ends_with(".rs") && !word.starts_with("tests/")).collect();
    files.iter().for_each(|file| drop(core(file)));
    let calls = calls(&section);
    for (phase, function) in &calls {
        assert!(*phase == "phase" || has(&format!("flow/{phase}.rs"), function), "there is no {phase}::{function}");
    }
    for function in ["run", "handle", "route"] {
        assert!(section.contains(&format!("`{function}`")) && has("flow/mod.rs", function), "the table's {function}");
    }
    assert!(files.len() >= 8 && calls.len() >= 15, "the test reads the story: {files:?}, {calls:?}");
}

/// Each kind of request is told by the functions of the phase that it is read in, and of few others.
#[test]
fn four_files_tell_of_a_request() {
    let section = section();
    for file in ["request/admit/mod.rs", "flow/mod.rs", "settle/answer.rs"] {
        assert!(section.contains(&format!("`{file}`")), "{file}");
    }
    for (request, phase) in [("a hit", "probe"), ("a read miss", "read"), ("a write", "write"), ("a 421", "write")] {
        let row = section.lines().find(|line| line.starts_with(&format!("| **{request}**")));
        let calls = calls(row.unwrap_or_else(|| panic!("no row tells of {request}")));
        assert!(calls.iter().any(|(named, _)| *named == phase), "{request} is told without {phase}: {calls:?}");
    }
}

/// A phase takes the context and returns what comes next: it is no method, and names no other phase.
#[test]
fn no_phase_calls_another() {
    let files = fs::read_dir(at("src/core/flow")).unwrap().map(|entry| entry.unwrap().path());
    let names: Vec<_> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let (shared, phases): (Vec<_>, Vec<_>) = names.iter().partition(|name| SHARED.contains(&name.as_str()));
    assert!(phases.len() >= 9, "the test sees the phases: {phases:?}");
    let named =
        |code: &str, phase: &str| code.contains(&format!("{phase}::")) || code.contains(&format!("super::{phase}"));
    for phase in &phases {
        let code = core(&format!("flow/{phase}.rs"));
        assert!(!code.contains("impl Flow") && !code.contains("impl Context"), "{phase} is a function of the context");
        for other in phases.iter().filter(|other| *other != phase) {
            let own = code.split("#[cfg(test)]").next().unwrap().replace(&format!("settle::{other}"), "");
            assert!(!named(&own, other), "{phase} names {other}");
        }
    }
    for file in shared.iter().filter(|file| **file != "mod") {
        let code = core(&format!("flow/{file}.rs"));
        for phase in &phases {
            let names = code.lines().any(|line| !line.starts_with("//") && line.contains(&format!(" {phase}::first")));
            assert!(!names, "{file} calls {phase}");
        }
    }
}
