//! `homing drill`: isolation drills, and what they show.

mod report;

use std::process::ExitCode;

use serde_json::json;

use super::{At, Saying, look, order_it, wait::Wanted};

/// Drills, and their reports.
#[derive(clap::Subcommand)]
pub(crate) enum Drill {
    /// Test that a region can run alone: all others count as unreachable for a share of its subjects.
    Isolate(Beginning),
    /// Test that the others can run without a region: it counts as unreachable for a share of all subjects.
    Lose(Beginning),
    /// End a drill at once. Each edge learns of it when it next reports figures or reads the home store (KV).
    Stop {
        /// The drill, such as drill-7, or `all`.
        id: String,
        #[command(flatten)]
        saying: Saying,
    },
    /// Report for each route the share served alone, from the cache, stale or refused, and the regions that were needed.
    Report {
        /// The drill. The default is the latest.
        id: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

#[derive(clap::Args)]
pub(crate) struct Beginning {
    /// The region.
    region: String,
    /// The percentage of subjects that take part, from 0.1 to 100. They stay the same throughout a drill.
    #[arg(long)]
    percent: String,
    /// The duration, such as 10m; at most 72h. The drill ends by itself.
    #[arg(long = "for")]
    span: String,
    /// End the drill when more than this share is refused or fails, after at least 50 requests. Quote it, because > redirects in
    /// a shell. `none` never ends the drill early.
    #[arg(long, default_value = "errors>1%")]
    abort_if: String,
    #[command(flatten)]
    saying: Saying,
}

pub(super) fn run(drill: &Drill) -> ExitCode {
    match drill {
        Drill::Isolate(beginning) => begin("isolate", beginning),
        Drill::Lose(beginning) => begin("lose", beginning),
        Drill::Stop { id, saying } => {
            order_it(json!({ "command": "stop-drill", "drill": id }), saying, false, Wanted::Done)
        }
        Drill::Report { id: Some(id), at } => look(&format!("drills/{id}"), at, report::one),
        Drill::Report { id: None, at } => look("drills", at, report::latest),
    }
}

fn begin(kind: &str, beginning: &Beginning) -> ExitCode {
    let Beginning { region, percent, span, abort_if, saying } = beginning;
    let order = json!({
        "command": "drill", "kind": kind, "region": region, "percent": percent, "for": span, "abort_if": abort_if,
    });
    order_it(order, saying, false, Wanted::Done)
}
