//! A short day: the same seed makes the same bytes, the router's promise holds where others' absence of one shows, and what stands in the
//! repository was made by this code.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{fs, sync::LazyLock};

use planet::{
    chance::mix,
    earth::{CITIES, EU, US},
    figure,
    runs::{DAY, Runs, SEED, Way, play},
    table,
    trace::{PERSONAL, Size, Trace, user_of},
    trouble::Trouble,
    written::{FIGURE, PAGE, at, between},
};

const SHORT: Size = Size { clients: 400, visits: 1200 };

/// What tells the short day's tables and figure from others. If they change: `make planet`, commit what it writes, hold the prose of
/// `docs/planet.md` and README against it, and write here the digest that the failed test names.
const DIGEST: u64 = 1_521_666_845_972_430_265;

static TRACE: LazyLock<Trace> = LazyLock::new(|| Trace::new(7, SHORT));
static RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::all(&TRACE));

#[test]
fn a_seed_makes_the_same_bytes() {
    let again = Trace::new(7, SHORT);
    assert_eq!((TRACE.digest(), TRACE.requests()), (again.digest(), again.requests()));
    let runs = Runs::all(&again);
    assert_eq!(table::plain(&TRACE, &RUNS), table::plain(&again, &runs));
    assert_eq!(table::markdown(&TRACE, &RUNS), table::markdown(&again, &runs));
    assert_eq!(figure::svg(&TRACE, &RUNS), figure::svg(&again, &runs));
    assert_ne!(TRACE.digest(), Trace::new(8, SHORT).digest());
}

#[test]
fn with_positions_no_session_sees_anything_stale() {
    for trouble in Trouble::ALL {
        let tally = RUNS.of(Way::Positions, trouble);
        assert_eq!((tally.own_writes_missing, tally.went_back), (0, 0), "{}", trouble.name());
        assert!(tally.all_reads > 50, "{}: {} reads", trouble.name(), tally.all_reads);
    }
}

/// Or the judge would not see what is stale.
#[test]
fn what_promises_nothing_shows_stale_reads() {
    let lagging = |way| RUNS.of(way, Trouble::LaggingLink).stale();
    assert!(lagging(Way::Dns) > 5, "{}", lagging(Way::Dns));
    assert_eq!(lagging(Way::OneRegion), 0, "there is one replica");
    assert_eq!(lagging(Way::Txid), 0, "the replica waits, or the read fails");
    assert!(RUNS.of(Way::Txid, Trouble::LaggingLink).reads_failed > 0);
}

/// A cookie that lives for ten seconds is too short for a lag of thirty.
#[test]
fn a_longer_day_shows_what_ten_seconds_do_not_cover() {
    let trace = Trace::new(7, Size { clients: 2000, visits: 6000 });
    let stale = |way| play(&trace, way, Trouble::LaggingLink).stale();
    assert!(stale(Way::Cookie) > 0);
    assert_eq!([Way::Windows, Way::Positions].map(stale), [0, 0]);
}

#[test]
fn who_loses_what_they_depend_on_fails() {
    let failed = |way, region| {
        let tally = RUNS.of(way, Trouble::Lost(region));
        (tally.reads_failed, tally.writes_failed, tally.all_writes)
    };
    let (reads, writes, all) = failed(Way::OneRegion, US);
    assert!(reads > 0 && writes == all);
    assert_eq!(failed(Way::OneRegion, EU).0, 0);
    let (_, writes, all) = failed(Way::Positions, US);
    assert!(0 < writes && writes < all, "users who live elsewhere go on writing: {writes} of {all}");
}

#[test]
fn the_nearest_is_the_same_by_time_and_by_the_core() {
    use homing_core::Location;
    let near = |city: &planet::earth::City| {
        let from = Location::new(city.lat, city.lon).unwrap().unit();
        let closeness = |at: usize| {
            let (_, lat, lon) = planet::earth::PLACES.get(at).copied().unwrap();
            from.closeness(&Location::new(lat, lon).unwrap().unit())
        };
        (0..3).max_by(|one, other| closeness(*one).total_cmp(&closeness(*other))).unwrap()
    };
    let differ: Vec<_> = CITIES.iter().filter(|city| near(city) != city.nearest()).map(|city| city.name).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn the_trace_is_what_the_page_says() {
    let steps = || TRACE.visits.iter().flat_map(|visit| &visit.steps);
    let share = |part: usize| table::percent(part, steps().count());
    let personal = share(steps().filter(|step| user_of(step.key).is_some()).count());
    let writes = share(steps().filter(|step| step.write).count());
    assert!((personal - 100.0 * PERSONAL).abs() < 5.0, "{personal}");
    assert!((10.0..16.0).contains(&writes), "{writes}");
}

/// A text without its numbers and bars.
fn form(text: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '/' | ' ' | '%' | '(' | ')');
    let lines = text.lines().filter(|line| !line.contains("<rect") && !line.starts_with("|---"));
    lines.map(|line| line.chars().filter(|c| !is_number(*c)).collect::<String>() + "\n").collect()
}

/// Numbers of a short day differ from those of a whole one, and a cell may have a word in one and a number in the other: of tables the
/// columns and the rows' names count.
fn shape(markdown: &str) -> String {
    let lines = markdown.lines().map(|line| match line.strip_prefix("| ") {
        Some(row) if Way::ALL.iter().any(|way| row.starts_with(way.name())) => {
            format!("{} {}\n", row.split(" | ").next().unwrap(), row.matches(" | ").count())
        }
        _ => form(line),
    });
    lines.collect()
}

/// The committed figures are of a whole day, which takes a minute to play. Whatever changes them changes those of a short day.
#[test]
fn the_figures_are_those_that_were_written_last() {
    let shown = table::markdown(&TRACE, &RUNS) + &figure::svg(&TRACE, &RUNS);
    let digest = shown.bytes().fold(0, |sum, byte| mix(sum, byte.into()));
    assert_eq!(digest, DIGEST, "the figures have changed: run `make planet`, then renew the constant");
}

#[test]
fn what_is_committed_was_made_by_this_code() {
    let page = fs::read_to_string(at(PAGE)).unwrap();
    let stands = between(&page);
    assert_eq!(shape(stands), shape(table::markdown(&TRACE, &RUNS).trim()), "run `make planet`");
    let played = table::played(&Trace::new(SEED, DAY));
    assert!(stands.starts_with(&played), "the trace has changed: run `make planet`; expected {played:?}");
    let drawn = fs::read_to_string(at(FIGURE)).unwrap();
    let words = |svg: &str| form(&svg.replace(" class=\"bad\"", "").replace(" class=\"own\"", ""));
    assert_eq!(words(&drawn), words(&figure::svg(&TRACE, &RUNS)), "run `make planet`");
}
