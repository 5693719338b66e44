//! Replies that the version before has kept. It wrote what was asked for by the places of regions and datasets in the configuration,
//! so that text alone means something else once REGIONS or DATASETS are in another order. The reply's body has the names.

use serde_json::Value;

use super::super::orders::{
    command::{Command, DrillOrder, Order},
    text::dataset,
};
use crate::{state::drill::DrillKind, topology::Topology};

/// Whether a reply that the version before has kept is that order's: its text, places aside, and the names in its body are.
pub(crate) fn is_same((text, body): (&str, &Value), order: &Order, topology: &Topology) -> bool {
    let now = order.former_text();
    match has_its_names(body, &order.command, topology) {
        Some(has_names) => has_names && without_places(text) == without_places(&now),
        None => text == now,
    }
}

/// Whether the body has the names of the command's region and dataset; none where it has no names.
fn has_its_names(body: &Value, command: &Command, topology: &Topology) -> Option<bool> {
    let field = |of: &str, name: &str| body.get(of)?.get(name)?.as_str();
    let says = body.get("says").and_then(Value::as_str);
    match command {
        Command::State(region, state, _) => {
            says.map(|says| says == format!("{} is {}", topology.region(*region).name, state.token()))
        }
        Command::Promote(of, to) => {
            let (of, to) = (dataset(*of, topology), topology.region(*to).name.as_str());
            let begun = field("change", "unit").zip(field("change", "to"));
            let has_begun = begun.map(|begun| begun == (of, to));
            has_begun.or_else(|| Some(says?.starts_with(&format!("{to} is the home of {of} already"))))
        }
        Command::PromoteRegion(from, to) => {
            let (from, to) = (topology.region(*from).name.as_str(), topology.region(*to).name.as_str());
            Some(field("sweep", "from").zip(field("sweep", "to"))? == (from, to))
        }
        Command::Move(_, _, to) => Some(field("change", "to")? == topology.region(*to).name),
        Command::Drill(DrillOrder { kind, region, share, .. }) => {
            let region = topology.region(*region).name.as_str();
            let dry_run = match kind {
                DrillKind::Isolate => {
                    format!("all regions but {region} count as unreachable for {share} of {region}'s subjects")
                }
                DrillKind::Lose => format!("{region} counts as unreachable for {share} of all subjects"),
            };
            field("drill", "region").map(|begun| begun == region).or_else(|| Some(says? == dry_run))
        }
        Command::Abort(_) | Command::StopDrill(_) => None,
    }
}

/// The text without the places of regions and datasets.
fn without_places(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = ["RegionId(", "DatasetId("].iter().filter_map(|id| Some(rest.find(id)? + id.len())).min() {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    out + rest
}
