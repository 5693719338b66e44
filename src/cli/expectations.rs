//! Expectations: `wrangler.tests.toml`, run by `homing check` on the same core.

use std::path::Path;

use super::{
    document::{Source, Unreadable},
    world::World,
};
use crate::routing::topology::{Topology, raw::Raw};

/// What came of one expectation.
pub(super) struct Verdict {
    pub(super) request: String,
    pub(super) failure: Option<String>,
}

/// The expectations beside a configuration, if there are any.
pub(super) fn beside(file: &Path) -> Option<Result<Source, Unreadable>> {
    let name = file.file_stem()?.to_str()?;
    let path = file.with_file_name(format!("{name}.tests.toml"));
    path.exists().then(|| Source::read(&path))
}

/// Runs them all.
pub(super) fn run(source: &Source, topology: &Topology) -> Vec<Verdict> {
    let raw = source.raw();
    let Some(Raw::List(tests)) = raw.get("test") else {
        let failure = Some("found no [[test]], expected at least one".to_owned());
        return vec![Verdict { request: source.name.clone(), failure }];
    };
    tests.iter().map(|test| verdict(test, topology)).collect()
}

fn verdict(test: &Raw, topology: &Topology) -> Verdict {
    let request = text(test, "request").unwrap_or_default();
    let failure = judge(test, &request, topology).err();
    Verdict { request, failure }
}

fn text(table: &Raw, key: &str) -> Option<String> {
    match table.get(key)? {
        Raw::Text(text) => Some(text.clone()),
        _ => None,
    }
}

const KEYS: [&str; 6] = ["request", "near", "home", "down", "session", "expect"];
const EXPECTED: [&str; 3] = ["to", "reason", "status"];

fn only(table: &Raw, known: &[&str]) -> Result<(), String> {
    let Raw::Table(entries) = table else { return Err(format!("found {}, expected a table", table.describe())) };
    match entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(format!("found the unknown key {name:?}, expected one of {}", known.join(", "))),
        None => Ok(()),
    }
}

fn judge(test: &Raw, request: &str, topology: &Topology) -> Result<(), String> {
    only(test, &KEYS)?;
    let expect = test.get("expect").ok_or("found no \"expect\", expected { to, reason, status }")?;
    only(expect, &EXPECTED)?;
    let down = match test.get("down") {
        Some(Raw::Text(one)) => vec![one.clone()],
        Some(Raw::List(names)) => {
            names.iter().filter_map(|name| if let Raw::Text(name) = name { Some(name.clone()) } else { None }).collect()
        }
        _ => Vec::new(),
    };
    let world = World {
        request: request.to_owned(),
        near: text(test, "near"),
        home: text(test, "home"),
        session: text(test, "session"),
        down,
        headers: Vec::new(),
    };
    let story = world.play(topology)?;
    let (region, reason, status) = match &story.end {
        Ok(settlement) => (settlement.record.region, settlement.record.reason, settlement.status),
        Err(problem) => (None, problem.reason, problem.status),
    };
    let region = region.map_or("nobody", |id| topology.region(id).name.as_str());
    let mut wrong = Vec::new();
    let mut hold = |what: &str, found: &str, expected: Option<String>| {
        if let Some(expected) = expected.filter(|expected| expected != found) {
            wrong.push(format!("{what} is {found:?}, expected {expected:?}"));
        }
    };
    hold("to", region, text(expect, "to"));
    hold("reason", reason.token(), text(expect, "reason"));
    let expected_status = match expect.get("status") {
        Some(Raw::Number(status)) => Some(status.to_string()),
        _ => None,
    };
    hold("status", &status.to_string(), expected_status);
    if wrong.is_empty() {
        Ok(())
    } else {
        let rule = story.end.map(|settlement| settlement.record.trace.lines(topology).collect::<Vec<_>>().join(", "));
        Err(format!("{}; the rules were: {}", wrong.join("; "), rule.unwrap_or_default()))
    }
}
