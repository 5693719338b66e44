//! The native command `homing`, on the same core as the edge.
#![warn(unreachable_pub)]

mod access_log;
#[cfg(feature = "net")]
mod against;
mod check;
#[cfg(feature = "net")]
mod conformance;
mod cost;
mod diagnose;
#[cfg(feature = "net")]
pub mod doctor;
mod document;
mod drive;
mod error;
mod expectations;
mod explain;
#[cfg(feature = "net")]
mod operate;
mod page;
mod placement;
mod plan;
mod platform;
mod words;
mod world;
mod writers;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Homing: an active-active edge router for Cloudflare Workers.
#[derive(Parser)]
#[command(name = "homing", version, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum What {
    /// Check wrangler.toml, and run the expectations in wrangler.tests.toml beside it. The exit status is 1 if anything is wrong.
    /// With --cost, estimate the monthly bill.
    Check {
        /// The configuration file.
        #[arg(default_value = "wrangler.toml")]
        file: PathBuf,
        /// Check only this environment.
        #[arg(long)]
        env: Option<String>,
        #[command(flatten)]
        locality: access_log::AccessLogArgs,
        #[command(flatten)]
        cost: cost::CostArgs,
        /// Print one page for each dataset that a product manager can sign: who may write where, what a user sees after a write, what
        /// happens to two writes at once.
        #[arg(long)]
        explain: bool,
        /// Compare with the deployed router at this address: print what differs and what to do. The token is read from HOMING_TOKEN.
        #[cfg(feature = "net")]
        #[arg(long, value_name = "URL")]
        against: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Explain what the router would do with a request: the rules that decided, the steps, the answer.
    Explain(explain::ExplainArgs),
    /// Plan a change of the configuration: what it means for owners, subjects and sessions, and the steps in their order. The exit status
    /// is 1 if the change would make two owners.
    Plan(plan::PlanArgs),
    /// Test an origin, in any language, against the contract. Prints one line for each rule. The exit status is 1 if a rule is broken.
    #[cfg(feature = "net")]
    Conformance(conformance::ConformanceArgs),
    /// Examine a deployment: cache, view, objects, secrets, regions and, with a probe, the platform. Prints one line for each check:
    /// pass, warn or fail, and what to do.
    #[cfg(feature = "net")]
    Doctor(doctor::DoctorArgs),
    #[cfg(feature = "net")]
    #[command(flatten)]
    Operation(operate::Operation),
}

/// Runs the command.
#[must_use]
pub fn run() -> ExitCode {
    error::end_when_nobody_reads();
    match Command::parse().what {
        What::Check {
            file,
            env,
            locality,
            cost,
            explain,
            #[cfg(feature = "net")]
            against,
            json,
        } => {
            #[cfg(not(feature = "net"))]
            let against = None::<String>;
            let asked = check::Besides { locality: &locality, cost: &cost, deployed: against.as_deref(), explain };
            check::run(&file, env.as_deref(), &asked, json)
        }
        What::Explain(args) => explain::run(&args),
        What::Plan(args) => plan::run(&args),
        #[cfg(feature = "net")]
        What::Conformance(args) => conformance::run(&args),
        #[cfg(feature = "net")]
        What::Doctor(args) => doctor::run(&args),
        #[cfg(feature = "net")]
        What::Operation(operation) => operate::run(&operation),
    }
}

/// Says what is wrong with how the command was called; exit status 2.
fn usage(message: &str) -> ExitCode {
    error::CliError::Usage(message.to_owned()).exit()
}
