//! Expectations: `wrangler.tests.toml`, run by `homing check` on the same core.

use std::path::Path;

use super::{
    document::{Source, Unreadable},
    world::{Story, World},
};
use homing_core::config::{Topology, raw::Raw};

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
    let tests = match raw.get("test") {
        Some(Raw::List(tests)) => tests.as_slice(),
        _ => &[],
    };
    if tests.is_empty() {
        let failure = Some("found no [[test]], expected at least one".to_owned());
        return vec![Verdict { request: source.name.clone(), failure }];
    }
    tests.iter().map(|test| verdict(test, topology)).collect()
}

fn verdict(test: &Raw, topology: &Topology) -> Verdict {
    let request = text(test, "request").map(Option::unwrap_or_default);
    let failure = request.clone().and_then(|request| judge(test, &request, topology)).err();
    Verdict { request: request.unwrap_or_default(), failure }
}

/// The text of that key. What is of another kind is an error, else the expectation would hold without having asked.
fn text(table: &Raw, key: &str) -> Result<Option<String>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Raw::Text(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key:?} is {}, expected text in quotes", other.describe())),
    }
}

/// The text of that key, or the texts of its list.
fn texts(table: &Raw, key: &str) -> Result<Vec<String>, String> {
    let Some(Raw::List(members)) = table.get(key) else { return Ok(text(table, key)?.into_iter().collect()) };
    let read = |member: &Raw| match member {
        Raw::Text(text) => Ok(text.clone()),
        other => Err(format!("{key:?} has {} in its list, expected text in quotes", other.describe())),
    };
    members.iter().map(read).collect()
}

fn status(table: &Raw) -> Result<Option<String>, String> {
    match table.get("status") {
        None => Ok(None),
        Some(Raw::Number(status)) => Ok(Some(status.to_string())),
        Some(other) => Err(format!("\"status\" is {}, expected a number", other.describe())),
    }
}

const KEYS: [&str; 8] = ["request", "near", "home", "down", "lag", "reached", "session", "expect"];
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
    let (to, reason, status) = (text(expect, "to")?, text(expect, "reason")?, status(expect)?);
    if to.is_none() && reason.is_none() && status.is_none() {
        return Err("\"expect\" is empty, expected { to, reason, status } or some of them".to_owned());
    }
    let world = World {
        request: request.to_owned(),
        near: text(test, "near")?,
        home: text(test, "home")?,
        session: text(test, "session")?,
        down: texts(test, "down")?,
        lag: texts(test, "lag")?,
        reached: texts(test, "reached")?,
        headers: Vec::new(),
    };
    hold(&world.play(topology)?, topology, to, reason, status)
}

fn hold(
    story: &Story,
    topology: &Topology,
    to: Option<String>,
    reason: Option<String>,
    status: Option<String>,
) -> Result<(), String> {
    let (region, because, answered) = match &story.end {
        Ok(settlement) => (settlement.record.region, settlement.record.decision.token(), settlement.status),
        Err(problem) => (None, problem.refusal.token(), problem.status()),
    };
    let region = region.map_or("nobody", |id| topology.region(id).name.as_str());
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: &str, expected: Option<String>| {
        if let Some(expected) = expected.filter(|expected| expected != found) {
            wrong.push(format!("{what} is {found:?}, expected {expected:?}"));
        }
    };
    compare("to", region, to);
    compare("reason", because.as_str(), reason);
    compare("status", &answered.to_string(), status);
    if wrong.is_empty() {
        Ok(())
    } else {
        let rules = match &story.end {
            Ok(settlement) => settlement.record.trace.lines(topology).collect::<Vec<_>>().join(", "),
            Err(_) => "none, because it was refused before routing".to_owned(),
        };
        Err(format!("{}; the rules were: {rules}", wrong.join("; ")))
    }
}
