//! The arithmetic of what is asked how often.

use super::*;
use crate::{
    control::prober::{Answered, Prober, World},
    model::time::Timestamp,
    topology::{error::KeyPath, parse, raw},
};

fn topology(regions: usize, dataset: &str) -> Topology {
    let regions: Vec<String> = (0..regions).map(|n| format!(r#""r{n}":{{"origin":"https://r{n}.example"}}"#)).collect();
    let vars = format!(r#"{{"REGIONS":{{{}}},"DATASETS":{{{dataset}}}}}"#, regions.join(","));
    parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
}

const WITH_POSITIONS: &str = r#""catalog":{"ownership":"single-writer","home":"r0","position":"counter"}"#;

#[test]
fn a_report_counts_for_longer_than_the_next_one_takes_to_be_known_everywhere() {
    // Nine to eleven seconds between two rounds make of thirty up to 35; then two for the slowest answer; KV's 30; the isolate's 30.
    assert_eq!(worst_age(ROUND, VIEW), Duration::from_secs(97));
    for seconds in 1..=LONGEST_ROUND.as_secs() {
        let every = Duration::from_secs(seconds);
        assert!(worst_age(every, VIEW) + Duration::from_secs(5) < REPORT_COUNTS, "PROBES = \"{seconds}s\"");
        assert!(repeats(every) <= worst_age(every, VIEW) - KV_KEEPS - VIEW - PATIENCE, "PROBES = \"{seconds}s\"");
    }
    assert!(REPORT_EXPIRES > REPORT_COUNTS && WAKE_AGAIN >= REPORT_COUNTS);
    assert!(VIEW >= KV_KEEPS, "more often KV has nothing newer");
}

#[test]
fn an_hour_of_a_prober_puts_as_many_reports_as_are_reckoned_with() {
    let topology = topology(3, WITH_POSITIONS);
    for seconds in [1, 7, 10, 20, 29, 30, 45] {
        let every = Duration::from_secs(seconds);
        let published = crate::state::published::Published::default();
        let mut prober = Prober::default();
        let rounds = 3600 / seconds;
        let answers: std::collections::BTreeMap<String, Answered> =
            (0..3).map(|n| (format!("r{n}"), serde_json::from_str(r#"{"ms":5,"health":{}}"#).unwrap())).collect();
        let puts = (1..=rounds).filter(|round| {
            let world = World { topology: &topology, published: &published, every };
            prober.round("r0", &answers, world, Timestamp(1_000_000 + round * seconds * 1000)).put
        });
        let (puts, reckoned) = (puts.count() as u64, probers(&topology, Some(every)).kv_writes / 3);
        assert!(puts.abs_diff(reckoned) <= 1, "PROBES = \"{seconds}s\": {puts} puts, {reckoned} reckoned");
    }
}

#[test]
fn an_hour_of_the_shipped_topology_uses_what_the_documents_say() {
    let shipped = topology(3, WITH_POSITIONS);
    let hour = Hour { kv_reads: 1080, kv_writes: 360, object_requests: 1080, rows_written: 2160, fetches: 3240 };
    assert_eq!(probers(&shipped, Some(ROUND)), hour);
    assert_eq!(reader(&shipped, Some(ROUND), VIEW), Hour { kv_reads: 480, ..Hour::default() });
    assert_eq!(leases(&shipped), Hour::default());
    // Four regions, a day: under the hundred thousand rows that the free plan allows; it was 103,680.
    assert!(probers(&topology(4, WITH_POSITIONS), Some(ROUND)).rows_written * 24 < 100_000);
}

#[test]
fn what_is_switched_off_uses_nothing() {
    let shipped = topology(3, WITH_POSITIONS);
    assert_eq!(probers(&shipped, None), Hour::default());
    assert_eq!(reader(&shipped, None, VIEW), Hour { kv_reads: 120, ..Hour::default() }, "the view alone");
    let plain = topology(3, r#""catalog":{"ownership":"single-writer","home":"r0"}"#);
    assert_eq!(probers(&plain, Some(ROUND)).kv_reads, 0, "nobody's writes are followed by position");
}

#[test]
fn a_lease_is_renewed_three_times_while_it_lasts() {
    let leased = topology(2, r#""catalog":{"ownership":"single-writer","home":"r0","lease":"60s"}"#);
    assert_eq!(leases(&leased), Hour { object_requests: 180, rows_written: 360, fetches: 180, ..Hour::default() });
}

#[test]
fn how_often_the_view_is_read_is_said_in_words_that_people_use() {
    assert_eq!((view(""), view("15s")), (Some(VIEW), Some(Duration::from_secs(15))));
    for wrong in ["10", "0s", "200ms", "31s", "off"] {
        assert_eq!(view(wrong), None, "{wrong}");
    }
}

#[test]
fn the_edge_goes_by_the_same_figures() {
    let said = format!(
        "export const KV_KEEPS_S = {};\nexport const DOUBTED_MS = {};\nexport const PATIENCE_MS = {};\n\
         export const REPORT_EXPIRES_S = {};\nexport const WAKE_AGAIN_MS = {};\nexport const AT_ONCE = {AT_ONCE};\n",
        KV_KEEPS.as_secs(),
        millis(DOUBTED),
        millis(PATIENCE),
        REPORT_EXPIRES.as_secs(),
        millis(WAKE_AGAIN),
    );
    let (_, edge) = include_str!("../../edge/pace.mjs").split_once('\n').unwrap();
    assert_eq!(edge, said);
}
