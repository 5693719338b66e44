//! What `homing check` asks of multi-writer datasets beyond their form: that a conflict can be explained, that a repeat does no harm, and
//! that no merge is asked for what none can keep. The router serves all of it, so none of it stands in the core.

use homing_core::config::{
    ConflictRule, Conflicts, Dataset, MergeKind, Rule, Topology,
    error::{Complaints, KeyPath},
    raw::Raw,
};

/// The least words of a sentence; of a script that puts no space between words, the least characters.
const LEAST: (usize, usize) = (4, 8);
/// What ends a sentence, by script.
const ENDS: [char; 8] = ['.', '!', '?', '…', '。', '！', '？', '।'];
/// What may stand behind the end.
const CLOSES: [char; 6] = ['"', '\'', ')', '”', '’', '»'];

/// Looks at every multi-writer dataset and at its routes.
pub(super) fn lint(vars: &Raw, topology: &Topology, path: &KeyPath, log: &mut Complaints) {
    for (_, dataset) in topology.datasets() {
        if let Some(conflicts) = dataset.rule.conflicts() {
            let path = path.key("DATASETS").key(&dataset.name).key("conflicts");
            explanation(conflicts, &path.key("explain"), log);
            minimum(conflicts, &path.key("minimum"), log);
        }
    }
    for (route, path) in topology.routes().iter().zip(places(vars, path)) {
        if route.idempotent
            && let Some(dataset) = route.dataset.and_then(|id| topology.dataset(id))
            && let Some(conflicts) = dataset.rule.conflicts()
        {
            repeats(dataset, conflicts, &path.key("idempotent"), log);
        }
    }
}

/// Where each route stands: all have been read, so the lists are sound.
fn places(vars: &Raw, path: &KeyPath) -> Vec<KeyPath> {
    let names = std::iter::once("ROUTES".to_owned()).chain((2..).map(|number| format!("ROUTES_{number}")));
    let lists = names.map_while(|name| match vars.get(&name)? {
        Raw::List(members) => Some((name, members.len())),
        _ => None,
    });
    lists.flat_map(|(name, length)| (0..length).map(move |at| path.key(&name).at(at))).collect()
}

/// Whether a user could be told this. What it says is for people to judge; what is too short says nothing.
fn is_sentence(text: &str) -> bool {
    let text = text.trim().trim_end_matches(CLOSES);
    let Some(end) = text.chars().next_back().filter(|end| ENDS.contains(end)) else { return false };
    let (words, characters) = LEAST;
    let parts_words = end.is_ascii() || end == '…' || end == '।';
    if parts_words { text.split_whitespace().count() >= words } else { text.chars().count() >= characters }
}

fn explanation(conflicts: &Conflicts, path: &KeyPath, log: &mut Complaints) {
    if !is_sentence(&conflicts.explain) {
        let expected = "a sentence for users: at least four words and a full stop";
        let remedy = "write what a user sees when two changes meet, such as \"The later click counts.\"";
        log.error(path, format!("{:?}", conflicts.explain), expected, remedy);
    }
}

fn minimum(conflicts: &Conflicts, path: &KeyPath, log: &mut Complaints) {
    if let ConflictRule::Merge(Some(MergeKind::Counter { minimum: Some(least) })) = conflicts.rule {
        let expected = "no minimum: two regions may both take the last one, and no merge can undo that";
        let remedy = "let one home take these writes (single-writer, or geo-partitioned), or give each region a share of its own";
        log.warn(path, least.to_string(), expected, remedy);
    }
}

/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) names a write for the owner that took it. The client's own repeat may
/// reach another owner, which does not know the key yet, and no epoch fences it. So the rule itself must make a repeat harmless.
fn repeats(dataset: &Dataset, conflicts: &Conflicts, path: &KeyPath, log: &mut Complaints) {
    let name = &dataset.name;
    let found = || format!("true for the multi-writer dataset {name:?}");
    match conflicts.rule {
        // At another owner a repeat is a write of its own with a later stamp, and without what was written in between
        // (docs/multi-writer.md).
        ConflictRule::LastWriteWins(_) | ConflictRule::Merge(Some(MergeKind::Set | MergeKind::Register)) => {
            let expected = "writes of which a repeat may bring back what was replaced in between: another owner does not know the Idempotency-Key yet, and takes a repeat for a later write";
            let remedy = "keep it if that does no harm; otherwise remove idempotent, or let one home take these writes";
            log.warn(path, found(), expected, remedy);
        }
        ConflictRule::Merge(Some(MergeKind::Counter { .. })) => {
            let expected = "no idempotent route: a repeat may reach another owner, which does not know the Idempotency-Key and counts again";
            let remedy = "remove idempotent; or count the members of a set (merge = \"set\"), where a repeat adds none";
            log.error(path, format!("true for the counter {name:?}"), expected, remedy);
        }
        ConflictRule::Merge(Some(MergeKind::Map) | None) | ConflictRule::Application => {
            let expected = "a rule by which the same write again changes nothing: a repeat may reach another owner, which does not know the Idempotency-Key yet";
            let remedy = "make sure that the application merges a repeat without effect, or remove idempotent";
            log.warn(path, found(), expected, remedy);
        }
    }
}

/// A write to data with several owners that asks for what none of them can keep alone: a condition (RFC 9110 section 13.1).
pub(super) fn cannot_keep(rule: &Rule, fields: &[(String, String)]) -> Option<String> {
    if !rule.is_multi_writer() {
        return None;
    }
    let asks = |name: &str| matches!(name, "if-match" | "if-unmodified-since" | "if-none-match");
    let (name, _) = fields.iter().find(|(name, _)| asks(name))?;
    Some(format!(
        "{name} holds only at the owner that takes the write: another owner may accept a write with the same condition at the same \
         time. Let one home take writes that depend on it."
    ))
}

#[cfg(test)]
mod tests {
    use super::is_sentence;

    #[test]
    fn a_sentence_has_four_words_and_an_end_in_any_script() {
        for text in [
            "The later click counts.",
            "Who was last? The later click counts!",
            "(The later click counts.)",
            "後のクリックが有効です。",
            "अंतिम क्लिक मान्य होता है।",
        ] {
            assert!(is_sentence(text), "{text}");
        }
        for text in
            ["", ".", "Merged.", "Both stay.", "The later click counts", "last write wins always", "後。", "a b c"]
        {
            assert!(!is_sentence(text), "{text}");
        }
    }
}
