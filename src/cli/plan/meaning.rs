//! What sessions and stored responses that are there already mean under the new file. A pin names a dataset, perhaps a subject, and a
//! region; a mark also an epoch and a position; the key of a stored response the dataset, its epoch, and the subject of personal data.

use super::{change::Change, difference::Difference};

/// What loses its meaning, a sentence or two each.
pub(super) fn lost(difference: &Difference) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in difference.changes.iter().filter_map(of) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn of(change: &Change) -> Option<String> {
    Some(match change {
        Change::HomeMoved { dataset, .. } => format!(
            "{dataset}: every session's promise is kept, by the new epoch. Stored responses of the old epoch are not found any more, so the \
             edge asks the regions again."
        ),
        Change::OwnershipChanged { dataset, .. } => format!(
            "{dataset}: promises of the old ownership end with the deployment. A session may miss its own last write until replication \
             has brought it. Stored responses are not found any more, so the edge asks the regions again."
        ),
        Change::SubjectChanged { dataset, .. } | Change::DatasetRemoved { dataset, .. } => {
            format!("{dataset}: pins and stored responses of it count for nothing any more.")
        }
        Change::RegionRemoved { region } => format!(
            "Pins that name {region} count for nothing any more. A session that wrote there last may miss that write until replication has \
             brought it."
        ),
        Change::PositionChanged { dataset, from: Some(from), to: Some(to) } => format!(
            "{dataset}: marks in sessions are numbers of the kind {from}, and are compared as {to} until the session writes again. A session \
             may miss its own write of the last seconds during the first deployment, or read at home more often."
        ),
        Change::PositionChanged { dataset, from: Some(_), to: None } => {
            format!("{dataset}: marks in sessions count for nothing any more. New promises go by time.")
        }
        Change::RouteMoved { request, from, .. } => {
            let from = from.as_deref().unwrap_or("no dataset");
            format!("{request}: pins and stored responses of {from} do not count for it any more.")
        }
        Change::PromiseChanged { request, key: "read_after_write", to, .. } if to == "none" => {
            format!("{request}: sessions are promised nothing any more.")
        }
        Change::IdentityChanged { subject, .. } => format!(
            "A session keeps the {subject} that it carries only while IDENTITY reads the {subject} from answers. Pins are about a \
             {subject}'s id, and hold if the id stays."
        ),
        _ => return None,
    })
}
