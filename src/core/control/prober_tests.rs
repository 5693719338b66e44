//! Rounds of a prober, played by hand.

use super::*;
use crate::{
    state::matrix::{LinkState, ProbeReport},
    topology::{error::KeyPath, parse, raw},
};

const US: RegionId = RegionId(0);
const EU: RegionId = RegionId(1);
const SECOND: u64 = 1000;

fn topology() -> Topology {
    let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
        "DATASETS":{"catalog":{"ownership":"single-writer","home":"us","position":"counter"}}}"#;
    parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
}

/// Plays rounds: at which second, what us and eu say; the last report and how often one was put.
struct Play {
    prober: Prober,
    topology: Topology,
    puts: u32,
}

impl Play {
    fn new() -> Self {
        Self { prober: Prober::default(), topology: topology(), puts: 0 }
    }

    fn round(&mut self, at: u64, us: &str, eu: &str) -> ProbeReport {
        let answers = [("us", us), ("eu", eu)].map(|(name, text)| {
            let health = (!text.is_empty()).then(|| serde_json::from_str(text).unwrap());
            (name.to_owned(), Answered { ms: 4, health })
        });
        let published = Published::default();
        let world = World { topology: &self.topology, published: &published, every: ROUND };
        let round = self.prober.round("eu", &BTreeMap::from(answers), world, Timestamp(at * SECOND));
        self.puts += u32::from(round.put);
        // The state survives being stored as text.
        self.prober = serde_json::from_str(&serde_json::to_string(&self.prober).unwrap()).unwrap();
        ProbeReport::read(&round.report, &self.topology).unwrap()
    }
}

fn us(position: u64) -> String {
    format!(
        r#"{{"region":"us","position":{{"catalog":{position}}},"epochs":{{"catalog":1}},"lag_ms":{{"eu":3}},"reachable":{{"eu":true}}}}"#
    )
}

fn eu(position: u64, lag: u64, reachable: bool) -> String {
    format!(
        r#"{{"region":"eu","position":{{"catalog":{position}}},"epochs":{{"catalog":1}},"lag_ms":{{"us":{lag}}},"reachable":{{"us":{reachable}}}}}"#
    )
}

fn pair(report: &ProbeReport) -> LinkState {
    report.of(EU).unwrap().peers.iter().find(|(peer, _)| *peer == US).unwrap().1
}

#[test]
fn one_answer_that_is_missing_is_no_region_lost_and_two_are() {
    let mut play = Play::new();
    assert!(play.round(0, "", "{}").of(US).unwrap().ok);
    assert!(!play.round(10, "", "{}").of(US).unwrap().ok);
    let back = play.round(20, "{}", "{}");
    assert_eq!((back.of(US).unwrap().ok, back.of(US).unwrap().took), (true, Some(4)));
}

#[test]
fn a_copy_that_says_nothing_of_lag_while_writes_flow_past_it_is_stalled() {
    let mut play = Play::new();
    play.round(0, &us(5), &eu(5, 0, true));
    play.round(10, &us(6), &eu(5, 0, true));
    assert!(!pair(&play.round(20, &us(7), &eu(5, 0, true))).stalled, "it may be under way");
    let report = play.round(40, &us(9), &eu(5, 0, true));
    assert!(pair(&report).stalled);
    assert_eq!(pair(&report).lag, Some(Duration::from_secs(30)), "since it lacks six");
    let caught_up = pair(&play.round(50, &us(9), &eu(9, 0, true)));
    assert_eq!((caught_up.stalled, caught_up.lag), (false, Some(Duration::ZERO)));
}

#[test]
fn a_copy_that_owns_up_to_its_lag_is_not_stalled_and_neither_is_one_without_writes() {
    let mut play = Play::new();
    for n in 0..6 {
        assert!(!pair(&play.round(n * 10, &us(5), &eu(5, 0, true))).stalled);
    }
    play.round(60, &us(6), &eu(5, 0, true));
    let behind = pair(&play.round(100, &us(7), &eu(5, 39_000, true)));
    assert_eq!((behind.stalled, behind.lag), (false, Some(Duration::from_secs(40))));
}

#[test]
fn a_copy_that_is_cut_off_ages_with_the_clock() {
    let mut play = Play::new();
    play.round(0, &us(5), &eu(5, 7, true));
    play.round(10, &us(5), &eu(5, 7, false));
    let cut = pair(&play.round(80, &us(5), &eu(5, 7, false)));
    assert_eq!((cut.reachable, cut.lag), (Some(false), Some(Duration::from_secs(70))));
    let whole = pair(&play.round(90, &us(5), &eu(5, 7, true)));
    assert_eq!((whole.reachable, whole.lag), (Some(true), Some(Duration::from_millis(7))));
}

/// Positions may be told as texts, and by another epoch none of the earlier ones counts.
#[test]
fn a_replica_of_an_earlier_epoch_lacks_what_the_later_one_has() {
    let told = |position: &str, epoch: u64| {
        format!(r#"{{"position":{{"catalog":"{position}"}},"epochs":{{"catalog":{epoch}}}}}"#)
    };
    let mut play = Play::new();
    play.round(0, &told("5", 1), &told("5", 1));
    assert_eq!(pair(&play.round(10, &told("6", 1), &told("5", 1))).lag, None, "it may be under way");
    play.round(20, &told("2", 2), &told("5", 1));
    let behind = pair(&play.round(50, &told("2", 2), &told("5", 1)));
    assert_eq!((behind.stalled, behind.lag), (true, Some(Duration::from_secs(30))), "since there is a later epoch");
    let ahead = pair(&play.round(60, &told("2", 2), &told("1", 3)));
    assert_eq!((ahead.stalled, ahead.lag), (false, None), "it is the other one that lacks something");
}

/// Each of the three says something of the pair by itself.
#[test]
fn a_pair_is_told_of_as_soon_as_anything_is_known_of_it() {
    let pairs = |eu: &str| Play::new().round(0, "{}", eu).of(EU).unwrap().peers.len();
    assert_eq!(pairs("{}"), 0);
    assert_eq!(pairs(r#"{"reachable":{"us":true}}"#), 1);
    assert_eq!(pairs(r#"{"lag_ms":{"us":7}}"#), 1);
    assert_eq!(Play::new().round(0, &us(5), r#"{"position":{"catalog":5}}"#).of(EU).unwrap().peers.len(), 1);
}

/// Two rounds and a second: what has been lacking for less may be under way. A replica that owns up to half of it is not stalled.
#[test]
fn what_a_replica_lacks_counts_after_two_rounds_and_a_second() {
    let lacking = |seconds: u64, lag: u64| {
        let mut play = Play::new();
        play.round(0, &us(5), &eu(5, 0, true));
        play.round(10, &us(6), &eu(5, 0, true));
        let pair = pair(&play.round(10 + seconds, &us(6), &eu(5, lag, true)));
        (pair.stalled, pair.lag)
    };
    let two_rounds = 2 * ROUND.as_secs() + 1;
    assert_eq!(lacking(two_rounds, 0), (false, Some(Duration::ZERO)));
    let later = Duration::from_secs(two_rounds + 1);
    assert_eq!(lacking(two_rounds + 1, 0), (true, Some(later)));
    let half = u64::try_from(later.as_millis()).unwrap() / 2;
    assert_eq!(lacking(two_rounds + 1, half - 1), (true, Some(later)));
    assert_eq!(lacking(two_rounds + 1, half), (false, Some(later)));
}

/// At exactly so much lag nobody decides otherwise yet.
#[test]
fn a_report_is_put_at_once_when_lag_goes_over_a_bound_and_not_on_it() {
    for bound in [1_000, millis(SESSIONS_LEAVE), millis(ALL_LEAVE)] {
        let mut play = Play::new();
        play.round(0, &us(5), &eu(5, bound - 1, true));
        play.round(1, &us(5), &eu(5, bound, true));
        assert_eq!(play.puts, 1, "{bound}");
        play.round(2, &us(5), &eu(5, bound + 1, true));
        assert_eq!(play.puts, 2, "{bound}");
    }
}

#[test]
fn a_percentile_needs_twenty_samples() {
    let mut play = Play::new();
    for n in 0..19 {
        assert_eq!(pair(&play.round(n, "{}", &eu(5, n, true))).p99, None);
    }
    let pair = pair(&play.round(19, "{}", &eu(5, 19, true)));
    assert_eq!((pair.p50, pair.p99), (Some(Duration::from_millis(9)), Some(Duration::from_millis(19))));
}

#[test]
fn a_report_is_put_when_it_says_something_new_and_every_half_minute() {
    let mut play = Play::new();
    (0..3).for_each(|n| drop(play.round(n * 10, &us(5), &eu(5, n, true))));
    assert_eq!(play.puts, 1);
    play.round(30, &us(5), &eu(5, 4, true));
    assert_eq!(play.puts, 2, "half a minute has gone by");
    play.round(31, &us(5), &eu(5, 11_000, true));
    assert_eq!(play.puts, 3, "sessions leave");
    play.round(32, &us(5), "");
    assert_eq!(play.puts, 4, "the region says nothing of its peers any more");
}

#[test]
fn how_often_is_said_in_words_that_people_use() {
    assert_eq!(every(""), Ok(Some(ROUND)));
    assert_eq!(every("off"), Ok(None));
    assert_eq!(every("2s"), Ok(Some(Duration::from_secs(2))));
    assert_eq!(every("45s"), Ok(Some(LONGEST_ROUND)));
    for wrong in ["10", "0s", "200ms", "often", "46s", "5m"] {
        assert!(every(wrong).unwrap_err().to_string().contains("expected \"off\" or a time"), "{wrong}");
    }
}

#[test]
fn it_asks_where_the_topology_says() {
    let said = targets(&topology());
    assert_eq!(said[1], json!({ "region": "eu", "service": "", "url": "https://eu.example/.well-known/homing" }));
}
