//! Small histories, each with one planted violation that must be found and nothing else, and their clean twins.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use history::{Guarantee, History, check};

/// Builds recordings in short form: `a w x 1` (session a writes 1 to key x), `a d x 1` (removes it), `a r x 1,2` (reads), one a line,
/// each operation beginning when the one before it ends. More words: `fail`, `unknown`, `stale`, and `at=START..END`.
fn history(script: &str) -> History {
    let mut text = String::new();
    for (at, line) in script.trim().lines().enumerate() {
        let words: Vec<_> = line.split_whitespace().collect();
        let list =
            |words: &str| -> Vec<String> { words.split(',').filter(|id| *id != "-").map(str::to_owned).collect() };
        let line = match words[0] {
            "final" => {
                serde_json::json!({"kind": "final", "region": words[1], "key": words[2], "list": list(words[3])})
            }
            "lost" => serde_json::json!({"kind": "lost", "key": words[1], "ids": list(words[2])}),
            "multi" => serde_json::json!({"kind": "multi-writer", "key": words[1]}),
            session => operation(at, session, &words, &list),
        };
        text.push_str(&format!("{line}\n"));
    }
    History::read(&text).unwrap_or_else(|complaint| panic!("{complaint}"))
}

fn operation(at: usize, session: &str, words: &[&str], list: &dyn Fn(&str) -> Vec<String>) -> serde_json::Value {
    let time = words.iter().find_map(|word| word.strip_prefix("at=")?.split_once(".."));
    let (start, end) = time.map_or((at as f64 * 10.0, at as f64 * 10.0 + 10.0), |(start, end)| {
        (start.parse().unwrap(), end.parse().unwrap())
    });
    let status = ["fail", "unknown"].into_iter().find(|status| words.contains(status)).unwrap_or("ok");
    let mut line = serde_json::json!({
        "session": session, "seq": at, "key": words[2], "status": status, "start": start, "end": end, "region": "eu",
    });
    if words[1] == "w" {
        line["kind"] = "write".into();
        line["id"] = words[3].into();
    } else if words[1] == "d" {
        line["kind"] = "remove".into();
        line["ids"] = list(words[3]).into();
    } else {
        line["kind"] = "read".into();
        line["list"] = list(words[3]).into();
        line["stale"] = words.contains(&"stale").into();
    }
    line
}

fn found(script: &str) -> Vec<(Guarantee, Vec<usize>)> {
    check(&history(script)).violations.into_iter().map(|one| (one.guarantee, one.operations)).collect()
}

#[track_caller]
fn finds(script: &str, guarantee: Guarantee, lines: &[usize]) {
    assert_eq!(found(script), [(guarantee, lines.to_vec())], "{script}");
}

#[track_caller]
fn is_clean(script: &str) {
    assert_eq!(found(script), [], "{script}");
}

#[test]
fn a_session_reads_what_it_wrote() {
    finds("a w x 1\n b r x 1\n a r x -", Guarantee::ReadYourWrites, &[3, 1]);
    is_clean("a w x 1\n b r x 1\n a r x 1");
    is_clean("a w x 1\n b r x -");
    is_clean("a w x 1 unknown\n a r x -\n b r x 1");
    is_clean("a w x 1 fail\n a r x -");
    is_clean("a w x 1\n a w y 2\n a r y 2\n a r x 1");
    is_clean("a w x 1\n b r x 1\n a r x - stale");
    is_clean("a w x 1\n a r x 1\n lost x 1\n a r x -");
    finds("a w x 1\n a w x 2\n a r x 1", Guarantee::ReadYourWrites, &[3, 2]);
    finds("multi x\n a w x 1\n b w x 2\n a r x 2", Guarantee::ReadYourWrites, &[4, 2]);
}

#[test]
fn what_a_session_has_read_never_goes_back() {
    finds("a w x 1\n b r x 1\n b r x -", Guarantee::MonotonicReads, &[3, 2]);
    is_clean("a w x 1\n b r x 1\n c r x -");
    is_clean("a w x 1\n b r x -\n b r x 1");
    is_clean("a w x 1\n b r x 1\n b r x - stale");
    // What a stale answer showed was seen all the same.
    finds("a w x 1\n b r x 1 stale\n b r x -", Guarantee::MonotonicReads, &[3, 2]);
    // Going back once does not lower what comes after.
    assert_eq!(found("a w x 1\n b r x 1\n b r x -\n b r x -").len(), 2);
    finds("multi x\n a w x 1\n c w x 2\n b r x 1\n b r x 2", Guarantee::MonotonicReads, &[5, 4]);
    is_clean("multi x\n a w x 1\n c w x 2\n b r x 1\n b r x 2,1");
}

#[test]
fn a_sessions_writes_are_applied_in_their_order() {
    finds("a w x 1\n a w x 2\n b r x 2,1", Guarantee::MonotonicWrites, &[2, 1]);
    finds("a w x 1\n a w x 2\n b r x 2", Guarantee::MonotonicWrites, &[2, 1]);
    finds("a w x 1\n a w x 2 unknown\n b r x 2,1", Guarantee::MonotonicWrites, &[2, 1]);
    is_clean("a w x 1\n a w x 2\n b r x 1,2");
    is_clean("a w x 1\n b w x 2\n b r x 2,1\n a r x 2,1");
    // What its client gave up on may come late.
    is_clean("a w x 1 unknown\n a w x 2\n b r x 2,1");
    finds("multi x\n a w x 1\n a w x 2\n b r x 2", Guarantee::MonotonicWrites, &[3, 2]);
    is_clean("multi x\n a w x 1\n a w x 2\n b r x 2,1");
    is_clean("multi x\n a w x 1\n a w x 2\n b r x 1");
}

#[test]
fn a_write_follows_what_its_session_had_read() {
    let forked = |first: usize, write: usize| {
        vec![(Guarantee::WritesFollowReads, vec![write, first]), (Guarantee::OneOrder, vec![write - 1])]
    };
    assert_eq!(found("a w x 1\n b r x 1\n b w x 2\n c r x 2,1"), forked(1, 3));
    assert_eq!(found("a w x 1\n c w x 3\n b r x 3,1\n b w x 2\n d r x 3,2,1"), forked(1, 4));
    is_clean("a w x 1\n b r x 1\n b w x 2\n c r x 1,2");
    // Not even its read tells: over another key, from session to session.
    let closed = "a w x 1\n a w y 5\n b r y 5\n b w x 2\n";
    finds(&format!("{closed} c r x 2,1"), Guarantee::WritesFollowReads, &[4, 1]);
    finds(&format!("{closed} c r x 2"), Guarantee::WritesFollowReads, &[4, 1]);
    is_clean(&format!("{closed} c r x 1,2"));
    let long = "a w x 1\n a w y 5\n b r y 5\n b w z 7\n d r z 7\n d w x 2\n";
    finds(&format!("{long} c r x 2,1"), Guarantee::WritesFollowReads, &[6, 1]);
    is_clean(&format!("{long} c r x 1,2"));
    // Without having read, nothing follows.
    is_clean("a w x 1\n a w y 5\n b r y -\n b w x 2\n c r x 2,1");
    // A write of unknown outcome is followed only by those who have read it.
    is_clean("a w x 1 unknown\n a w y 5\n b r y 5\n b w x 2\n c r x 2,1");
    let read = "a w x 1 unknown\n b r x 1\n b w y 5\n d r y 5\n d w x 2\n c r x 2,1\n";
    assert_eq!(found(read)[0], (Guarantee::WritesFollowReads, vec![5, 1]));
    let sets = "multi x\n a w x 1\n b r x 1\n b w x 2\n";
    finds(&format!("{sets} c r x 2"), Guarantee::WritesFollowReads, &[4, 2]);
    is_clean(&format!("{sets} c r x 2,1"));
    is_clean(&format!("{sets} c r x 1"));
    finds(&format!("multi x\n {closed} c r x 2"), Guarantee::WritesFollowReads, &[5, 2]);
}

#[test]
fn lists_are_prefixes_of_one_order() {
    let forked = "a w x 1\n b w x 2\n d w x 3\n c r x 1,2,3\n c r x 1,2,3\n e r x 1,3";
    finds(forked, Guarantee::OneOrder, &[6]);
    is_clean(&forked.replace("e r x 1,3", "e r x 1,2"));
    is_clean(&format!("multi x\n {forked}"));
    finds("a w x 1\n b w x 2\n c r x 1,2\n final us x 2,1\n final eu x 1,2", Guarantee::OneOrder, &[]);
    // Two lines of history, one of which was declared lost.
    is_clean("a w x 1\n b w x 2\n c r x 1\n d w x 3\n lost x 1\n d r x 2,3\n final eu x 2,3");
}

#[test]
fn a_write_is_applied_once() {
    finds("a w x 1\n b r x 1,1", Guarantee::NoDuplicates, &[2]);
    finds("a w x 1\n b w x 2\n c r x 1,2,1\n c r x 1,2,1", Guarantee::NoDuplicates, &[3]);
    finds("a w x 1\n final eu x 1,1", Guarantee::NoDuplicates, &[]);
}

#[test]
fn what_is_read_was_written() {
    finds("a r x 9", Guarantee::NoPhantoms, &[1]);
    finds("a w x 1 fail\n b r x 1", Guarantee::NoPhantoms, &[2]);
    finds("a w x 1 fail\n final eu x 1", Guarantee::NoPhantoms, &[]);
    is_clean("a w x 1 unknown\n b r x 1");
    finds("b r x 1 at=0..5\n a w x 1 at=6..9\n c r x 1", Guarantee::NoPhantoms, &[1, 2]);
    is_clean("b r x 1 at=0..6\n a w x 1 at=6..9\n c r x 1");
    // Clocks of whole milliseconds: what follows the very read that shows it.
    finds("a r x 1 at=5..5\n a w x 1 at=5..5\n b r x 1", Guarantee::NoPhantoms, &[1, 2]);
    finds(
        "a r x 1 at=5..5\n a w y 2 at=5..5\n b r y 2 at=5..5\n b w x 1 at=5..5\n c r x 1",
        Guarantee::NoPhantoms,
        &[1, 4],
    );
}

#[test]
fn an_acknowledged_write_is_everywhere_in_the_end() {
    let gone: Vec<_> =
        found("a w x 1\n final us x 1\n final eu x -").into_iter().map(|(guarantee, _)| guarantee).collect();
    assert_eq!(gone, [Guarantee::Durability, Guarantee::Convergence]);
    finds("a w x 1\n final us x -\n final eu x -", Guarantee::Durability, &[1]);
    is_clean("a w x 1\n final us x 1\n final eu x 1");
    is_clean("a w x 1 unknown\n final us x -\n final eu x -");
    is_clean("a w x 1 unknown\n final us x 1\n final eu x 1");
    is_clean("a w x 1\n lost x 1\n final us x -\n final eu x -");
    is_clean("a w x 1\n final us y -");
}

#[test]
fn in_the_end_all_regions_hold_the_same() {
    finds("multi x\n a w x 1\n b w x 2 unknown\n final us x 1,2\n final eu x 1", Guarantee::Convergence, &[3]);
    is_clean("multi x\n a w x 1\n b w x 2 unknown\n final us x 1,2\n final eu x 2,1");
    finds("a w x 1 unknown\n final us x 1\n final eu x -\n final ap x 1", Guarantee::Convergence, &[1]);
}

#[test]
fn what_a_session_has_removed_it_sees_no_more() {
    let removed = "multi x\n a w x 1\n a d x 1\n";
    finds(&format!("{removed} a r x 1"), Guarantee::ReadYourWrites, &[4, 3]);
    is_clean(&format!("{removed} a r x -"));
    is_clean(&format!("{removed} b r x 1"));
    is_clean(&format!("{removed} a r x 1 stale"));
    is_clean("multi x\n a w x 1\n a d x 1 fail\n a r x 1");
    is_clean("multi x\n a w x 1\n a d x 1 unknown\n a r x 1");
    // The element once more is a new id.
    is_clean(&format!("{removed} b w x 2\n a r x 2"));
}

#[test]
fn what_somebody_has_removed_may_be_missing_and_stays_away() {
    let other = "multi x\n a w x 1\n b r x 1\n b d x 1\n";
    is_clean(&format!("{other} a r x -"));
    is_clean(&format!("{other} a r x 1"));
    is_clean("multi x\n a w x 1\n b r x 1\n b d x 1 unknown\n a r x -");
    finds("multi x\n a w x 1\n b r x 1\n b d x 1 fail\n a r x -", Guarantee::ReadYourWrites, &[5, 2]);
    finds(&format!("{other} a r x -\n a r x 1"), Guarantee::MonotonicReads, &[6, 5]);
    is_clean(&format!("{other} a r x - stale\n a r x 1"));
    // Before anybody had begun to remove it, it is missed.
    let early = "multi x\n a w x 1\n a r x - at=20..22\n b r x 1\n b d x 1 at=40..50";
    finds(early, Guarantee::ReadYourWrites, &[3, 2]);
}

#[test]
fn a_removal_excuses_nothing_but_what_it_removes() {
    is_clean("multi x\n a w x 1\n a w x 2\n c d x 1\n b r x 2");
    finds("multi x\n a w x 1\n a w x 2\n a w x 3\n c d x 1\n b r x 3", Guarantee::MonotonicWrites, &[4, 3]);
    let followed = "multi x\n a w x 1\n b r x 1\n b w x 2\n";
    is_clean(&format!("{followed} d d x 1\n c r x 2"));
    finds(&format!("{followed} d d x 2\n c r x 2"), Guarantee::WritesFollowReads, &[4, 2]);
}

#[test]
fn an_acknowledged_removal_is_everywhere_in_the_end() {
    is_clean("multi x\n a w x 1\n a d x 1\n final us x -\n final eu x -");
    finds("multi x\n a w x 1\n a d x 1\n final us x 1", Guarantee::Durability, &[3]);
    is_clean("multi x\n a w x 1\n a d x 1 unknown\n final us x 1\n final eu x 1");
    is_clean("multi x\n a w x 1\n a d x 1 unknown\n final us x -\n final eu x -");
    finds("multi x\n a w x 1\n a d x 1 unknown\n final us x 1\n final eu x -", Guarantee::Convergence, &[2]);
    finds("multi x\n a w x 1\n a d x 1 fail\n final us x -\n final eu x -", Guarantee::Durability, &[2]);
}

#[test]
fn only_writes_of_many_writers_keys_are_removed() {
    let complaint = |script: &str| {
        let text: String = script.lines().map(|line| format!("{line}\n")).collect();
        History::read(&text).unwrap_err().to_string()
    };
    let write = r#"{"kind":"write","session":"a","seq":1,"key":"x","id":"1","status":"ok","start":1,"end":2}"#;
    let remove = r#"{"kind":"remove","session":"a","seq":2,"key":"x","ids":["1"],"status":"ok","start":3,"end":4}"#;
    assert_eq!(
        complaint(&format!("{write}\n{remove}")),
        "line 2, field `key`: \"x\" is not said to be multi-writer; only from such a key can be removed"
    );
    let many = r#"{"kind":"multi-writer","key":"x"}"#;
    assert_eq!(
        complaint(&format!("{write}\n{}\n{many}", remove.replace(r#"["1"]"#, r#"["9"]"#))),
        "line 2, field `ids`: found \"9\", which no write of this key has; removals are of writes"
    );
}

#[test]
fn staleness_counts_from_the_oldest_write_that_is_missed() {
    let script =
        "a w x 1 at=0..10\n a w x 2 at=20..30\n b r x - at=110..120\n b r x 1 at=130..140\n c r x 1,2 at=130..140";
    let staleness = check(&history(script)).staleness.unwrap();
    assert_eq!((staleness.p50, staleness.p99, staleness.max), (100.0, 100.0, 100.0));
    assert_eq!((staleness.stale, staleness.reads), (2, 3));
    assert_eq!(check(&history("a w x 1")).staleness, None);
    let removed = "multi x\n a w x 1\n b d x 1\n c r x -";
    assert_eq!(check(&history(removed)).staleness.unwrap().max, 0.0);
    // A write that was acknowledged only after the read began is not missed by it.
    let overlapping = "a w x 1 at=0..10\n b r x - at=5..20";
    assert_eq!(check(&history(overlapping)).staleness.unwrap().max, 0.0);
}

#[test]
fn a_sentence_names_both_operations() {
    let verdict = check(&history("a w x 1\n a r x -"));
    assert_eq!(
        verdict.violations[0].to_string(),
        "read-your-writes on \"x\": a#1 (read at eu, 10 to 20 ms) lacks \"1\"; its session had written it in \
         a#0 (write of \"1\" at eu, 0 to 10 ms) [lines 2, 1]"
    );
}
