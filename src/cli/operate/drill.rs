//! `homing drill`: isolation drills, and what they show.

mod report;

use std::process::ExitCode;

use serde_json::json;

use super::{At, Saying, look, order_it, wait::Wanted};

/// Drills, and their reports.
#[derive(clap::Subcommand)]
pub(crate) enum Drill {
    /// Can a region run without the others? All others count as unreachable for a share of its subjects.
    Isolate(Beginning),
    /// Can the others run without a region? It counts as unreachable for a share of all subjects.
    Lose(Beginning),
    /// End a drill at once. Edges hear of it with their next figures, or as the home store (KV) does.
    Stop {
        /// The drill, such as drill-7, or `all`.
        id: String,
        #[command(flatten)]
        saying: Saying,
    },
    /// Say, route by route, how much was served alone, from the cache, stale or refused, and which regions were needed.
    Report {
        /// The drill; without it the latest.
        id: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

#[derive(clap::Args)]
pub(crate) struct Beginning {
    /// The region.
    region: String,
    /// How many percent of the subjects take part, from 0.1 to 100. It is always the same ones in one drill.
    #[arg(long)]
    percent: String,
    /// For how long, such as 10m; 72h at most. It ends by itself.
    #[arg(long = "for")]
    span: String,
    /// End it when more than that are refused or fail, of 50 requests at least; in quotes, since a shell takes > for a file.
    /// `none`: go on whatever happens.
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
