//! `homing plan OLD.toml NEW.toml`: what a change of the topology means, before it ships. The difference is pure, the steps are made from
//! it, and only then is anything printed.

mod between;
mod change;
mod deployed;
mod difference;
mod meaning;
mod refuse;
mod requests;
mod show;
mod steps;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use self::{
    change::Change,
    deployed::Deployed,
    difference::Difference,
    refuse::Refusal,
    steps::{Between, Drafting, Files, Plan, Step},
};
use super::{
    access_log::compare::{Comparison, compare},
    document::{Source, Unreadable},
    error::CliError,
    words::quoted,
};
use homing_core::config::{Topology, error::KeyPath, parse::parse, raw::Raw};

/// Which two files, and what else is asked.
#[derive(clap::Args)]
pub(super) struct PlanArgs {
    /// The configuration file that is deployed.
    old: PathBuf,
    /// The configuration file that is to be deployed.
    new: PathBuf,
    /// The environment of both files. The default is the top level.
    #[arg(long)]
    env: Option<String>,
    /// Play this access log through both (- is standard input), and print which requests would be decided otherwise. Repeatable.
    #[arg(long, value_name = "FILE")]
    access_log: Vec<PathBuf>,
    /// How clients are spread over the regions if the log does not say, such as us=60,eu=30,ap=10. The default is evenly.
    #[arg(long, value_name = "SHARES", requires = "access_log")]
    near: Option<String>,
    /// Ask the deployed router at this address which homes are recorded, and whether OLD is what runs. The token is read from
    /// HOMING_TOKEN.
    #[cfg(feature = "net")]
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// Write the files between beside NEW.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A change with its sentence.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    change: Change,
    says: String,
}

/// All that is printed.
#[derive(Serialize)]
struct Report<'a> {
    old: &'a str,
    new: &'a str,
    environment: &'a str,
    /// `nothing`, `plan` or `refused`.
    verdict: &'static str,
    changes: Vec<Shown>,
    /// What sessions and stored responses lose.
    loses: Vec<String>,
    #[serde(rename = "changes_no_ownership")]
    others: Vec<String>,
    refusals: Vec<Refusal>,
    between: Vec<Between>,
    steps: Vec<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Comparison>,
    #[serde(skip)]
    written: bool,
}

pub(super) fn run(args: &PlanArgs) -> ExitCode {
    match report(args) {
        Ok(status) => status,
        Err(error) => error.exit(),
    }
}

/// A file with its topology.
struct File {
    name: String,
    text: String,
    vars: Raw,
    topology: Topology,
}

impl File {
    fn read(path: &Path, env: Option<&str>) -> Result<Self, CliError> {
        let name = path.display().to_string();
        let source = Source::read(path).map_err(|unreadable| match unreadable {
            Unreadable::Missing(message) => CliError::Usage(message),
            Unreadable::Syntax { message, .. } => CliError::Usage(format!("{name} is not TOML: {message}")),
        })?;
        Self::parse(name, source.text.clone(), &source.raw(), env)
    }

    fn parse(name: String, text: String, raw: &Raw, env: Option<&str>) -> Result<Self, CliError> {
        let table = match env {
            None => Some(raw),
            Some(env) => raw.get("env").and_then(|all| all.get(env)),
        };
        let missing = || CliError::Usage(format!("{name} has no environment {:?}", env.unwrap_or_default()));
        let nothing = Raw::Null;
        let vars = table.ok_or_else(missing)?.get("vars").unwrap_or(&nothing);
        let wrong = |complaints: homing_core::config::Complaints| {
            let first = complaints.0.first().map(ToString::to_string).unwrap_or_default();
            let file = quoted(&name);
            CliError::Usage(format!("{name} has errors. Run `homing check {file}` to list them. The first: {first}"))
        };
        let (topology, _) = parse(vars, &KeyPath::default().key("vars")).map_err(wrong)?;
        Ok(Self { name, text, vars: vars.clone(), topology })
    }
}

fn report(args: &PlanArgs) -> Result<ExitCode, CliError> {
    let env = args.env.as_deref();
    let (old, new) = (File::read(&args.old, env)?, File::read(&args.new, env)?);
    let deployed = ask(args, &old)?;
    let (difference, mut refusals, plan) = plan(&old, &new, env, deployed.as_ref());
    let files = match written(&plan.between, (&old, &new), env) {
        Ok(files) => files,
        // What is refused already needs no file.
        Err(refusal) => {
            refusals.extend(Some(refusal).filter(|_| refusals.is_empty()));
            Vec::new()
        }
    };
    let requests = (!args.access_log.is_empty())
        .then(|| compare(&args.access_log, args.near.as_deref(), (&old.topology, &new.topology)))
        .transpose()?;
    let writes = args.write && refusals.is_empty();
    for (name, text) in files.iter().filter(|_| writes) {
        let cannot = |error| CliError::Failed(format!("{name} cannot be written: {error}"));
        std::fs::write(name, text).map_err(cannot)?;
    }
    let is_refused = !refusals.is_empty();
    let verdict = match (is_refused, plan.steps.is_empty()) {
        (true, _) => "refused",
        (false, true) => "nothing",
        (false, false) => "plan",
    };
    let shown = |change: &Change| Shown { change: change.clone(), says: change.says() };
    let report = Report {
        old: &old.name,
        new: &new.name,
        environment: env.unwrap_or("top level"),
        verdict,
        changes: difference.changes.iter().map(shown).collect(),
        loses: meaning::lost(&difference),
        others: difference.others,
        refusals,
        between: if is_refused { Vec::new() } else { plan.between },
        steps: if is_refused { Vec::new() } else { plan.steps },
        requests,
        written: writes,
    };
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        print!("{}", show::text(&report));
    }
    if is_refused {
        eprintln!("{}", show::refused(&report));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The difference, what refuses it, and the steps.
fn plan(old: &File, new: &File, env: Option<&str>, deployed: Option<&Deployed>) -> (Difference, Vec<Refusal>, Plan) {
    let difference = difference::of(&old.topology, &new.topology);
    let refusals = refuse::all(&old.topology, &new.topology, &difference, deployed);
    let region = |name: &str| new.vars.get("REGIONS").and_then(|regions| regions.get(name)).map(crate::platform::json);
    // The files between lie beside the new one.
    let folder = new.name.rfind('/').and_then(|slash| new.name.get(..=slash)).unwrap_or_default();
    let files = Files { old: &old.name, new: &new.name, env, folder };
    let plan = steps::of(&Drafting {
        old: &old.topology,
        new: &new.topology,
        files: &files,
        difference: &difference,
        region: &region,
        recorded: deployed.map(|deployed| deployed.homes.as_slice()),
    });
    (difference, refusals, plan)
}

/// The text of each file between, which is a topology like any other, or the plan is none.
fn written(all: &[Between], (old, new): (&File, &File), env: Option<&str>) -> Result<Vec<(String, String)>, Refusal> {
    let write = |between: &Between| {
        let base = if between.base == new.name { new } else { old };
        let refuse = |why: String| Refusal {
            about: between.name.clone(),
            why: format!("These changes need a file between that is no valid topology: {why}"),
            remedy: "Plan them one after the other, each with a file of its own.".to_owned(),
        };
        let text = between::text(&base.text, env, &between.edits).map_err(&refuse)?;
        let source = Source::parse(between.name.clone(), text).map_err(|_| refuse("it is not TOML".to_owned()))?;
        let side = File::parse(between.name.clone(), source.text.clone(), &source.raw(), env);
        side.map(|side| (side.name, side.text)).map_err(|error| refuse(error.to_string()))
    };
    all.iter().map(write).collect()
}

#[cfg(feature = "net")]
fn ask(args: &PlanArgs, old: &File) -> Result<Option<Deployed>, CliError> {
    let asked = args.against.as_ref().map(|url| deployed::ask::the(url, &old.vars));
    asked.transpose().map_err(CliError::Failed)
}

/// Without the network nothing is deployed that could be asked.
#[cfg(not(feature = "net"))]
fn ask(_: &PlanArgs, _: &File) -> Result<Option<Deployed>, CliError> {
    Ok(None)
}
