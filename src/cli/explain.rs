//! `homing explain`.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use super::{
    document::Source,
    words::quoted,
    world::{Story, World},
    writers,
};
use homing_core::{
    Access, Edit, Settlement,
    config::{Rule, Topology, error::KeyPath, parse::parse},
    operate::report::LogLine,
};

/// Which request, in which world.
#[derive(clap::Args)]
pub(super) struct ExplainArgs {
    /// The method.
    method: String,
    /// The path, with a host before it if routes ask for one.
    path: String,
    /// The region nearest to the client.
    #[arg(long)]
    near: Option<String>,
    /// The subject's home in the home store. Without it the store has no home for the subject.
    #[arg(long)]
    home: Option<String>,
    /// A region that refuses connections. Repeatable.
    #[arg(long)]
    down: Vec<String>,
    /// A region's lag, such as `eu=800ms`. Repeatable.
    #[arg(long)]
    lag: Vec<String>,
    /// The applied position of a region's replica of the dataset, such as `eu=42`. Repeatable.
    #[arg(long)]
    reached: Vec<String>,
    /// The session: claims such as `user=ada,home=eu,pin=cart,pin=catalog@42`, or a real session. A real one needs
    /// `SESSION_KEY` in the environment.
    #[arg(long)]
    session: Option<String>,
    /// A header field, as `Name: value`. Repeatable.
    #[arg(long)]
    header: Vec<String>,
    /// The configuration file.
    #[arg(long, default_value = "wrangler.toml")]
    config: PathBuf,
    /// The environment. The default is the top level.
    #[arg(long)]
    env: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let Ok(source) = Source::read(&args.config) else {
        let name = args.config.display().to_string();
        return super::usage(&format!("{name} cannot be read. Run `homing check {}` to see why", quoted(&name)));
    };
    let raw = source.raw();
    let table = match &args.env {
        None => Some(&raw),
        Some(env) => raw.get("env").and_then(|all| all.get(env)),
    };
    let Some(table) = table else {
        return super::usage(&format!(
            "{} has no environment {:?}",
            source.name,
            args.env.as_deref().unwrap_or_default()
        ));
    };
    let topology = table.get("vars").and_then(|vars| parse(vars, &KeyPath::default().key("vars")).ok());
    let Some((topology, _)) = topology else {
        let name = &source.name;
        return super::usage(&format!("{name} has errors. Run `homing check {}` to list them", quoted(name)));
    };
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.trim().to_ascii_lowercase(), value.trim().to_owned())
    };
    let world = World {
        request: format!("{} {}", args.method, args.path),
        near: args.near.clone(),
        home: args.home.clone(),
        down: args.down.clone(),
        lag: args.lag.clone(),
        reached: args.reached.clone(),
        session: args.session.clone(),
        headers: args.header.iter().map(header).collect(),
    };
    match world.play(&topology) {
        Err(message) => super::usage(&message),
        Ok(story) => {
            if args.json {
                print_json(&story, &topology)
            } else {
                print(&world, &story, &topology)
            }
            ExitCode::SUCCESS
        }
    }
}

/// The rule of the data that it has written, or may have.
fn kept_by<'t>(settlement: &Settlement, topology: &'t Topology) -> Option<&'t Rule> {
    let id = settlement.record.dataset.filter(|_| settlement.record.access == Access::Write)?;
    topology.dataset(id).map(|dataset| &dataset.rule)
}

fn print(World { request, headers, .. }: &World, story: &Story, topology: &Topology) {
    println!("{request}");
    let settlement = match &story.end {
        Err(problem) => {
            println!("refused: {} {}: {}", problem.status(), problem.refusal.token(), problem.refusal.sentence());
            return;
        }
        Ok(settlement) => settlement,
    };
    println!("\nRules, in the order in which they decided:");
    for (token, region) in settlement.record.trace.tokens() {
        let region = region.map_or("", |region| topology.region(region).name.as_str());
        println!("  {:<22} {region:<8} {}", token.as_str(), token.sentence());
    }
    for (at, line) in story.mark.iter().enumerate() {
        let head = if at == 0 { "\nThe session has seen: " } else { "  " };
        println!("{head}{line}");
    }
    println!("\nSteps:");
    for (at, step) in story.steps.iter().enumerate() {
        println!("  {}. {step}", at + 1);
    }
    let region = settlement.record.region.map_or("the router itself", |region| topology.region(region).name.as_str());
    println!("\nAnswer: {} from {region}, because {}", settlement.status, settlement.record.decision.token());
    if let Some(rule) = kept_by(settlement, topology)
        && let Some(warning) = writers::cannot_keep(rule, headers)
    {
        println!("Warning: {warning}");
    }
    if let Some(pinned) = &settlement.record.pinned {
        println!("The session gets a pin: {pinned}");
    }
    for edit in settlement.edits.iter() {
        // It would only be this moment's.
        if let Edit::Set(name, value) | Edit::Add(name, value) = edit
            && name != "date"
        {
            println!("  {name}: {value}");
        }
    }
}

fn print_json(story: &Story, topology: &Topology) {
    let end = match &story.end {
        Ok(settlement) => json!(LogLine::of(&settlement.record, topology)),
        Err(problem) => {
            json!({ "status": problem.status(), "reason": problem.refusal.token().as_str(), "region": null })
        }
    };
    println!("{}", json!({ "mark": story.mark, "steps": story.steps, "answer": end }));
}
