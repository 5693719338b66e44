//! `homing check`.

use std::{path::Path, process::ExitCode};

use serde_json::json;

#[cfg(feature = "net")]
use super::against;
use super::{
    access_log::{self, Estimate},
    cost::{self, Bill},
    diagnose::{Diagnosis, syntax},
    document::{Source, Unreadable},
    error::CliError,
    expectations, page, placement, platform, writers,
};
use homing_core::config::{
    Topology,
    error::{Complaint, Complaints, KeyPath, Severity, quoted},
    parse::parse,
    raw::Raw,
};

/// One environment of the file: the top level, or an `[env.NAME]`.
struct Environment {
    name: String,
    complaints: Vec<Complaint>,
    topology: Option<Topology>,
    fill: Vec<(String, usize)>,
}

/// What is asked besides.
pub(super) struct Besides<'a> {
    pub(super) locality: &'a access_log::AccessLogArgs,
    pub(super) cost: &'a cost::CostArgs,
    /// The address of a router, if the file is to be held against that.
    pub(super) deployed: Option<&'a str>,
    /// Whether each dataset gets a page that can be signed.
    pub(super) explain: bool,
}

pub(super) fn run(file: &Path, only: Option<&str>, asked: &Besides<'_>, as_json: bool) -> ExitCode {
    let source = match Source::read(file) {
        Ok(source) => source,
        Err(unreadable) => return complain(unreadable),
    };
    let raw = source.raw();
    let known = list(&raw);
    let mut environments: Vec<Environment> = known
        .iter()
        .filter(|(name, ..)| only.is_none_or(|only| only == name))
        .map(|(name, table, at)| check(name.clone(), (&raw, table), at))
        .collect();
    if environments.is_empty() {
        let known = quoted(known.iter().map(|(name, ..)| name.as_str()));
        let wanted = only.unwrap_or_default();
        return super::usage(&format!("{} has no environment {wanted:?}; it has {known}", source.name));
    }
    let first = known.iter().find(|(name, ..)| environments.first().is_some_and(|first| first.name == *name));
    let notes =
        match first.zip(asked.deployed).map(|(first, url)| hold_against(url, first, &mut environments)).transpose() {
            Ok(notes) => notes,
            Err(error) => return error.exit(),
        };
    let tests = expectations::beside(file);
    let tests = match (tests, environments.first().and_then(|first| first.topology.as_ref())) {
        (Some(Ok(tests)), Some(topology)) => Some(Ok((expectations::run(&tests, topology), tests.name))),
        (Some(Err(unreadable)), _) => Some(Err(unreadable)),
        _ => None,
    };
    // By the topology of the first environment, as the expectations.
    let topology = environments.first().and_then(|first| first.topology.as_ref());
    let estimate = match topology.and_then(|topology| asked.locality.estimate(topology)).transpose() {
        Ok(estimate) => topology.zip(estimate),
        Err(error) => return error.exit(),
    };
    let observed = estimate.as_ref().map(|(_, estimate)| estimate.observed());
    let bill = topology.zip(first).map(|(topology, (_, table, _))| {
        let setup = cost::Setup::of(&raw, table);
        asked.cost.bill(topology, setup, observed.as_ref())
    });
    let bill = match bill.transpose() {
        Ok(bill) => bill.flatten(),
        Err(error) => return error.exit(),
    };
    let pages = topology.filter(|_| asked.explain).map(page::pages);
    let told = Extras { estimate, bill, notes, pages };
    if as_json { report_json(&source, &environments, tests, told) } else { report(&source, &environments, tests, told) }
}

/// Adds what is wrong beside the deployed router to the first environment's complaints; what else differs, as notes.
#[cfg(feature = "net")]
fn hold_against(
    url: &str,
    (_, table, at): &(String, &Raw, KeyPath),
    environments: &mut [Environment],
) -> Result<Vec<String>, CliError> {
    let Some(Environment { complaints, topology: Some(topology), .. }) = environments.first_mut() else {
        return Ok(Vec::new());
    };
    let found = against::compare(url, table.get("vars").unwrap_or(&Raw::Null), &at.key("vars"), topology)?;
    complaints.extend(found.complaints.0);
    Ok(found.notes)
}

/// Without the network nothing is deployed that could be asked.
#[cfg(not(feature = "net"))]
fn hold_against(_: &str, _: &(String, &Raw, KeyPath), _: &mut [Environment]) -> Result<Vec<String>, CliError> {
    Ok(Vec::new())
}

fn complain(unreadable: Unreadable) -> ExitCode {
    match unreadable {
        Unreadable::Missing(message) => super::usage(&message),
        Unreadable::Syntax { name, text, message, span } => {
            eprint!("{}", syntax(&name, &text, &message, &span));
            ExitCode::FAILURE
        }
    }
}

/// The top level and every environment. Environments do not inherit vars, so each must stand on its own.
fn list(raw: &Raw) -> Vec<(String, &Raw, KeyPath)> {
    let mut found = vec![("top level".to_owned(), raw, KeyPath::default())];
    if let Some(Raw::Table(environments)) = raw.get("env") {
        let at = KeyPath::default().key("env");
        found.extend(environments.iter().map(|(name, table)| (name.clone(), table, at.key(name))));
    }
    found
}

fn check(name: String, (top, table): (&Raw, &Raw), at: &KeyPath) -> Environment {
    let mut log = Complaints::default();
    platform::lint(top, table, at, &mut log);
    let Some(vars) = table.get("vars") else {
        let expected = "[vars] with REGIONS, DATASETS, ROUTES and IDENTITY, because an environment inherits none";
        log.error(&at.key("vars"), "nothing", expected, "add the topology to this environment");
        return Environment { name, complaints: log.0, topology: None, fill: Vec::new() };
    };
    let fill = match vars {
        Raw::Table(entries) => entries
            .iter()
            .filter(|(_, value)| matches!(value, Raw::Table(_) | Raw::List(_)))
            .map(|(name, value)| (name.clone(), platform::size(value)))
            .collect(),
        _ => Vec::new(),
    };
    let (topology, complaints) = match parse(vars, &at.key("vars")) {
        Ok((topology, warnings)) => (Some(topology), warnings),
        Err(errors) => (None, errors),
    };
    log.0.extend(complaints.0);
    placement::lint(vars, topology.as_ref(), &at.key("vars"), &mut log);
    if let Some(topology) = &topology {
        writers::lint(vars, topology, &at.key("vars"), &mut log);
    }
    Environment { name, complaints: log.0, topology, fill }
}

/// What came of the expectations, and the file that holds them.
type Tests = Option<Result<(Vec<expectations::Verdict>, String), Unreadable>>;

/// What is told besides: what an access log says of a topology, what that costs, how the deployed router differs, and what is promised.
struct Extras<'a> {
    estimate: Option<(&'a Topology, Estimate)>,
    bill: Option<Bill>,
    notes: Option<Vec<String>>,
    pages: Option<Vec<page::Page<'a>>>,
}

fn report(source: &Source, environments: &[Environment], tests: Tests, told: Extras<'_>) -> ExitCode {
    let Extras { estimate, bill, notes, pages } = told;
    let mut errors = 0;
    for environment in environments {
        for complaint in &environment.complaints {
            errors += usize::from(complaint.severity == Severity::Error);
            eprintln!("{}", Diagnosis::of(complaint, source).text());
        }
        if let Some(topology) = &environment.topology {
            let fill: Vec<_> =
                environment.fill.iter().map(|(name, bytes)| format!("{name} {}", filled(*bytes))).collect();
            let (regions, datasets, routes) =
                (topology.regions().count(), topology.datasets().count(), topology.routes().len());
            let name = &environment.name;
            println!(
                "{} ({name}): {}, {}, {}; {}",
                source.name,
                counted(regions, "region"),
                counted(datasets, "dataset"),
                counted(routes, "route"),
                fill.join(", ")
            );
        }
    }
    for note in notes.into_iter().flatten() {
        println!("against the deployed router: {note}");
    }
    match tests {
        None => {}
        Some(Err(unreadable)) => return complain(unreadable),
        Some(Ok((verdicts, name))) => {
            let failed: Vec<_> = verdicts
                .iter()
                .filter_map(|verdict| verdict.failure.as_ref().map(|why| (&verdict.request, why)))
                .collect();
            for (request, why) in &failed {
                eprintln!("error: expectation {request:?}: {why}");
            }
            println!("{name}: {} of {} expectations hold", verdicts.len() - failed.len(), verdicts.len());
            errors += failed.len();
        }
    }
    if let Some((topology, estimate)) = estimate {
        print!("{}", estimate.text(topology));
        let exceeded = estimate.complaints(topology);
        exceeded.iter().for_each(|complaint| eprintln!("error: {complaint}"));
        errors += exceeded.len();
    }
    if let Some(bill) = bill {
        print!("{}", bill.text());
        let ended = bill.complaints();
        ended.iter().for_each(|complaint| eprintln!("error: {complaint}"));
        errors += ended.len();
    }
    pages.iter().flatten().for_each(|page| print!("{}", page.text()));
    if errors == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{}: do not deploy", counted(errors, "error"));
        ExitCode::FAILURE
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn filled(bytes: usize) -> String {
    let tenths = bytes * 10 / 1024;
    format!("{}.{} KB of 5", tenths / 10, tenths % 10)
}

fn report_json(
    source: &Source,
    environments: &[Environment],
    tests: Tests,
    Extras { estimate, bill, notes, pages }: Extras<'_>,
) -> ExitCode {
    let complaints: Vec<_> = environments
        .iter()
        .flat_map(|environment| &environment.complaints)
        .map(|complaint| Diagnosis::of(complaint, source).json())
        .collect();
    let verdicts = match tests {
        Some(Err(unreadable)) => return complain(unreadable),
        Some(Ok((verdicts, _))) => verdicts,
        None => Vec::new(),
    };
    let wrong = environments
        .iter()
        .flat_map(|environment| &environment.complaints)
        .any(|complaint| complaint.severity == Severity::Error)
        || verdicts.iter().any(|verdict| verdict.failure.is_some())
        || estimate.as_ref().is_some_and(|(topology, estimate)| estimate.exceeded(topology).next().is_some())
        || bill.as_ref().is_some_and(|bill| !bill.complaints().is_empty());
    let verdicts: Vec<_> =
        verdicts.iter().map(|verdict| json!({ "request": verdict.request, "failure": verdict.failure })).collect();
    let mut said = json!({ "ok": !wrong, "complaints": complaints, "expectations": verdicts });
    if let (Some((topology, estimate)), Some(fields)) = (estimate, said.as_object_mut()) {
        fields.insert("locality".to_owned(), estimate.json(topology));
    }
    if let (Some(notes), Some(fields)) = (notes, said.as_object_mut()) {
        fields.insert("against".to_owned(), json!(notes));
    }
    if let (Some(bill), Some(fields)) = (bill, said.as_object_mut()) {
        fields.insert("cost".to_owned(), bill.json());
    }
    if let (Some(pages), Some(fields)) = (pages, said.as_object_mut()) {
        fields.insert("explain".to_owned(), pages.iter().map(page::Page::json).collect());
    }
    println!("{said}");
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
