//! `DATASETS.NAME.conflicts`: how conflicts of a multi-writer dataset end, and how that is told.

use crate::topology::parse::table::KeyTable;
use crate::topology::{
    dataset::{ConflictRule, Conflicts, MergeKind, WinsPer},
    error::Complaints,
    raw::Raw,
};

/// The largest whole number that JSON, TOML and JavaScript read alike (RFC 8259 section 6).
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;

/// Makes a rule whole by the keys that say more of it.
pub(in crate::topology::parse) type MoreOfRule = fn(ConflictRule, &KeyTable<'_>, &mut Complaints) -> ConflictRule;

pub(super) fn read(table: &KeyTable<'_>, more: MoreOfRule, log: &mut Complaints) -> Option<Conflicts> {
    table.only(&["rule", "merge", "per", "minimum", "explain"], log);
    if !table.has("rule") {
        table.missing("rule", "\"last-write-wins\", \"merge\" or \"application\"", "say how conflicts end", log);
    }
    let rules = [
        ("last-write-wins", ConflictRule::LastWriteWins(WinsPer::Record)),
        ("merge", ConflictRule::Merge(None)),
        ("application", ConflictRule::Application),
    ];
    let rule = table.choice("rule", &rules, log).map(|rule| more(rule, table, log));
    let explain = explanation(table, log);
    Some(Conflicts { rule: rule?, explain: explain? })
}

/// Reads no more of it: by what serves requests. Only origins carry a rule out, so whether its kind is well written changes no request, and none
/// is refused for it. `homing check` asks before each deploy.
pub(in crate::topology::parse) fn as_it_is(rule: ConflictRule, _: &KeyTable<'_>, _: &mut Complaints) -> ConflictRule {
    rule
}

/// Reads all of it: by what operators and tools see.
pub(in crate::topology::parse) fn in_full(
    rule: ConflictRule,
    table: &KeyTable<'_>,
    log: &mut Complaints,
) -> ConflictRule {
    let minimum = minimum(table, log);
    let kinds = [
        ("counter", MergeKind::Counter { minimum }),
        ("set", MergeKind::Set),
        ("register", MergeKind::Register),
        ("map", MergeKind::Map),
    ];
    let merge = table.choice("merge", &kinds, log);
    let per = table.choice("per", &[("record", WinsPer::Record), ("field", WinsPer::Field)], log);
    if !matches!(merge, Some(MergeKind::Counter { .. })) {
        table.out_of_place("minimum", "it goes with merge = \"counter\"", log);
    }
    if !matches!(rule, ConflictRule::LastWriteWins(_)) {
        table.out_of_place("per", "it goes with rule = \"last-write-wins\"", log);
    }
    if !matches!(rule, ConflictRule::Merge(_)) {
        table.out_of_place("merge", "it goes with rule = \"merge\"", log);
    } else if !table.has("merge") {
        let expected = "the kind of merge beside it: merge = \"counter\", \"set\", \"register\" or \"map\"";
        let remedy = "add merge: the kind says what becomes of two writes at once";
        log.warn(&table.path.key("rule"), "\"merge\" alone", expected, remedy);
    }
    match rule {
        ConflictRule::LastWriteWins(_) => ConflictRule::LastWriteWins(per.unwrap_or_default()),
        ConflictRule::Merge(_) => ConflictRule::Merge(merge),
        ConflictRule::Application => rule,
    }
}

fn minimum(table: &KeyTable<'_>, log: &mut Complaints) -> Option<i64> {
    let number = table.number("minimum", log)?;
    if number.fract() != 0.0 || number.abs() > MOST_EXACT {
        let found = table.get("minimum").map_or_else(String::new, Raw::describe);
        let remedy = "write the number that the counter should not fall below";
        log.error(&table.path.key("minimum"), found, "a whole number of at most 2^53 - 1", remedy);
        return None;
    }
    // It is whole, and within what both types hold exactly.
    #[allow(clippy::cast_possible_truncation)]
    Some(number as i64)
}

fn explanation(table: &KeyTable<'_>, log: &mut Complaints) -> Option<String> {
    let (expected, remedy) =
        ("a sentence that explains the rule to users", "write what a user sees when two changes meet");
    if !table.has("explain") {
        table.missing("explain", expected, remedy, log);
    }
    let text = table.text("explain", log)?.trim();
    if text.is_empty() {
        log.error(&table.path.key("explain"), "an empty text", expected, remedy);
    }
    Some(text.to_owned())
}
