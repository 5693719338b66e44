//! `Homing-Conflict`: which conflicts an answer says were resolved. Only datasets and rules are read: keys and values of the application
//! are nobody's business here, and what is counted cannot outgrow the topology, whatever an origin says.

use crate::{
    http::{answer::Answer, headers::MOST_MEMBERS},
    model::ids::DatasetId,
    topology::{Topology, dataset::ConflictRule},
};

/// The most conflicts that one member of the list may stand for (`more=N`): a figure that nobody can mistype far.
const MOST_MORE: u64 = 10_000;

/// Conflicts of a dataset that were resolved by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictCount {
    /// The dataset; several regions write it.
    pub dataset: DatasetId,
    /// One of [`ConflictRule::WORDS`].
    pub rule: &'static str,
    /// How many.
    pub times: u64,
}

/// Adds conflicts to those that are counted already.
pub(crate) fn add_to(counts: &mut Vec<ConflictCount>, more: ConflictCount) {
    match counts.iter_mut().find(|held| (held.dataset, held.rule) == (more.dataset, more.rule)) {
        Some(held) => held.times = held.times.saturating_add(more.times),
        None => counts.push(more),
    }
}

/// What the answer says. A member is `dataset=likes; rule=set; kept=…; lost=…; over=…`, or, of the dataset that was asked for, a bare rule;
/// `more=N` alone stands for N further ones like the member before it.
pub(super) fn told(answer: &Answer<'_>, asked: Option<DatasetId>, topology: &Topology) -> Vec<ConflictCount> {
    let mut counts: Vec<ConflictCount> = Vec::new();
    let mut last: Option<ConflictCount> = None;
    for member in answer.headers.list("homing-conflict").take(MOST_MEMBERS) {
        let (mut dataset, mut rule, mut more) = (asked, "", None);
        for part in member.split(';').map(str::trim) {
            match part.split_once('=').unwrap_or(("rule", part)) {
                ("rule", name) => rule = name,
                ("dataset", name) => dataset = topology.dataset_named(name),
                ("more", number) => more = Some(number.parse().unwrap_or(1).min(MOST_MORE)),
                _ => {}
            }
        }
        let is_of_many = |id: &DatasetId| topology.dataset(*id).is_some_and(|dataset| dataset.rule.is_multi_writer());
        if !(rule.is_empty() && more.is_some()) {
            let known = dataset.filter(is_of_many).zip(ConflictRule::known(rule));
            last = known.map(|(dataset, rule)| ConflictCount { dataset, rule, times: 1 });
        }
        let times = more.unwrap_or(1);
        last.into_iter().for_each(|count| add_to(&mut counts, ConflictCount { times, ..count }));
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        http::{answer::Framing, headers::Headers},
        topology::{error::KeyPath, parse, raw},
    };

    fn topology() -> Topology {
        let several =
            r#""ownership": "multi-writer", "conflicts": { "rule": "merge", "merge": "set", "explain": "All stay." }"#;
        let vars = format!(
            r#"{{ "REGIONS": {{ "us": {{ "origin": "https://us.example.com" }} }},
            "DATASETS": {{ "catalog": {{ "ownership": "single-writer", "home": "us" }}, "likes": {{ {several} }}, "tags": {{ {several} }} }} }}"#
        );
        parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    /// What these lines of the field say of a request for `likes`: dataset, rule and number of each.
    fn said(lines: &[&str]) -> Vec<(String, &'static str, u64)> {
        let topology = topology();
        let headers = Headers(lines.iter().map(|line| ("homing-conflict", *line)).collect());
        let answer = Answer { status: 200, headers, framing: Framing::Delimited };
        let counts = told(&answer, topology.dataset_named("likes"), &topology);
        let name = |id| topology.dataset(id).unwrap().name.clone();
        counts.iter().map(|count| (name(count.dataset), count.rule, count.times)).collect()
    }

    fn likes(rule: &'static str, times: u64) -> (String, &'static str, u64) {
        ("likes".to_owned(), rule, times)
    }

    #[test]
    fn each_member_counts_and_so_does_each_line() {
        let one = "dataset=likes; rule=set; kept=us/019b0e5a8000-0001-0000000a; lost=eu/019b0e5a7000-0000-0000000b; over=a%2Cb";
        assert_eq!(said(&[one]), [likes("set", 1)]);
        let tags = "dataset=tags;rule=counter";
        assert_eq!(said(&[&format!("{one}, {one}"), tags]), [likes("set", 2), ("tags".to_owned(), "counter", 1)]);
        assert_eq!(said(&["rule=register"]), [likes("register", 1)], "the dataset is the request's");
        assert_eq!(said(&[]), []);
    }

    #[test]
    fn a_bare_rule_is_of_the_dataset_that_was_asked_for() {
        assert_eq!(said(&["last-write-wins"]), [likes("last-write-wins", 1)]);
        assert_eq!(said(&["last-write-wins, merge"]), [likes("last-write-wins", 1), likes("merge", 1)]);
    }

    #[test]
    fn more_stands_for_further_ones_of_those_before() {
        assert_eq!(said(&["dataset=likes; rule=set, more=4"]), [likes("set", 5)]);
        assert_eq!(said(&["dataset=likes; rule=set; more=4"]), [likes("set", 4)]);
        assert_eq!(said(&["set, more=99999999"]), [likes("set", 1 + MOST_MORE)]);
        assert_eq!(said(&["set, more=-4"]), [likes("set", 2)]);
        assert_eq!(said(&["more=4"]), []);
        let tags = |times| ("tags".to_owned(), "counter", times);
        let all = "set, dataset=tags; rule=counter, set, more=4";
        assert_eq!(said(&[all]), [likes("set", 6), tags(1)], "of the member before it, whichever row that is in");
        assert_eq!(said(&["set, dataset=catalog; rule=set, more=4"]), [likes("set", 1)], "that one is not counted");
        assert_eq!(said(&["set, dataset=tags"]), [likes("set", 1)], "a member without a rule says nothing");
        assert_eq!(said(&["set, more=2, more=3"]), [likes("set", 6)]);
    }

    #[test]
    fn what_the_topology_does_not_know_is_not_counted() {
        for lie in [
            "dataset=nothing; rule=set",
            "dataset=catalog; rule=set",
            "dataset=likes; rule=Set",
            "dataset=likes",
            "x",
            "=",
        ] {
            assert_eq!(said(&[lie]), [], "{lie}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_the_counts_are_of_known_names_and_bounded(
            lines in prop::collection::vec("((dataset=(likes|tags|catalog|x)|rule=(set|map|y)|more=[0-9]{1,22}|set|kept=us/0|over=%2C|.{0,9})[;,] ?){0,40}", 0..4)
        ) {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let counts = said(&lines);
            prop_assert!(counts.len() <= 2 * ConflictRule::WORDS.len());
            for (dataset, rule, times) in counts {
                prop_assert!(["likes", "tags"].contains(&dataset.as_str()) && ConflictRule::WORDS.contains(&rule));
                prop_assert!(times <= MOST_MORE * MOST_MEMBERS as u64);
            }
        }
    }
}
