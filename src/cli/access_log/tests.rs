//! Laws of the estimate, and what the lines of a log say.

use proptest::prelude::*;

use super::{clients::Spread, line::Line, play::Player, *};
use homing_core::{
    Timestamp,
    config::{error::KeyPath, parse, raw},
    operate::locality::count::Count,
};

/// Catalog is written at us; who a cart belongs to is said by a header, whose notes by a cookie.
fn topology() -> Topology {
    let vars = r#"{
        "REGIONS": {
            "us": { "origin": "https://us.example.com", "location": { "lat": 39.0, "lon": -77.5 } },
            "eu": { "origin": "https://eu.example.com", "location": { "lat": 50.1, "lon": 8.7 } },
            "ap": { "origin": "https://ap.example.com", "location": { "lat": 1.35, "lon": 103.8 } }
        },
        "DATASETS": {
            "catalog": { "ownership": "single-writer", "home": "us" },
            "cart": { "ownership": "geo-partitioned", "subject": "user", "regions": ["us", "eu"] },
            "notes": { "ownership": "geo-partitioned", "subject": "tenant", "regions": ["us", "eu", "ap"] }
        },
        "ROUTES": [
            { "match": "GET /plain/*" },
            { "match": "/catalog/*", "dataset": "catalog", "read_after_write": "session" },
            { "match": "/cart/*", "dataset": "cart", "read_after_write": "session" },
            { "match": "/notes/*", "dataset": "notes", "read_after_write": "home" }
        ],
        "IDENTITY": { "user": { "header": "X-User" }, "tenant": { "cookie": "tenant" } }
    }"#;
    parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
}

fn played(log: &str) -> Estimate {
    let topology = topology();
    let player = Player::new(&topology, Spread::even(&topology)).unwrap_or_else(|why| panic!("{why}"));
    Estimate::default().read(log.as_bytes(), player, &topology).unwrap()
}

/// Why each of the requests crosses, in their order; nothing for one that does not.
fn why(log: &[&str]) -> Vec<Option<&'static str>> {
    let topology = topology();
    let mut player = Player::new(&topology, Spread::even(&topology)).unwrap_or_else(|why| panic!("{why}"));
    let play = |(number, text): (usize, &&str)| {
        let line = Line::read(text, &topology).unwrap();
        let settlement =
            player.play(&line, number as u64).unwrap_or_else(|problem| panic!("{}", problem.refusal.token()));
        settlement.record.crossed.map(|crossing| crossing.token().as_str())
    };
    log.iter().enumerate().map(play).collect()
}

#[test]
fn reads_after_a_write_go_home_for_as_long_as_its_window_lasts_and_for_its_writer_alone() {
    let log = [
        r#"{"request":"GET /catalog/1","client":"a","near":"eu","time":100}"#,
        r#"{"request":"PUT /catalog/1","client":"a","near":"eu","time":100}"#,
        r#"{"request":"GET /catalog/1","client":"a","near":"eu","time":104.9}"#,
        r#"{"request":"GET /catalog/1","client":"b","near":"eu","time":104.9}"#,
        r#"{"request":"GET /catalog/1","client":"a","user":"ada","near":"eu","time":104.9}"#,
        r#"{"request":"GET /catalog/1","client":"a","near":"eu","time":105}"#,
    ];
    assert_eq!(why(&log), [None, Some("home"), Some("pinned-home"), None, None, None]);
}

#[test]
fn a_write_that_failed_pins_nothing_and_a_gateway_that_failed_then_is_well_now() {
    let log = [
        r#"{"request":"PUT /catalog/1","client":"a","near":"eu","time":100,"status":403}"#,
        r#"{"request":"GET /catalog/1","client":"a","near":"eu","time":101,"status":503}"#,
    ];
    assert_eq!(why(&log), [Some("home"), None]);
}

#[test]
fn a_subject_lives_where_the_log_says_or_where_it_was_seen_first() {
    let log = [
        r#"{"request":"PUT /cart/1","user":"ada","near":"eu","time":100}"#,
        r#"{"request":"PUT /cart/1","user":"ada","near":"us","time":200}"#,
        r#"{"request":"PUT /cart/1","user":"bob","near":"eu","home":"us","time":300}"#,
        r#"{"request":"PUT /cart/1","user":"bob","near":"us","time":400}"#,
        // ap may hold no cart, so its users live in the next nearest.
        r#"{"request":"PUT /cart/1","user":"cyd","near":"ap","time":500}"#,
        r#"{"request":"GET /cart/1","user":"dan","near":"ap","time":600}"#,
        r#"{"request":"GET /notes/1","tenant":"acme","near":"ap","time":700}"#,
        r#"{"request":"GET /notes/1","tenant":"acme","near":"eu","time":800}"#,
    ];
    let expected = [None, Some("home"), Some("home"), None, Some("home"), Some("residency"), None, Some("route-home")];
    assert_eq!(why(&log), expected);
}

#[test]
fn a_line_is_read_in_whatever_form_it_has() {
    let topology = topology();
    let read = |text: &str| Line::read(text, &topology);
    let line = read(
        r#"2001:db8::1 - ada lovelace [10/Oct/2026:13:55:36 -0700] "GET http://shop.example.com/a?q=\"x\" HTTP/1.1" - 5"#,
    );
    let expected = Line {
        method: "GET".to_owned(),
        target: r#"/a?q=\"x\""#.to_owned(),
        host: Some("shop.example.com".to_owned()),
        time: Some(Timestamp(1_791_665_736_000)),
        client: Some("2001:db8::1".to_owned()),
        user: Some("ada lovelace".to_owned()),
        ..Line::default()
    };
    assert_eq!(line, Ok(expected));
    let line = read(
        r#"{"request":"POST /a HTTP/2.0","status":"201","time":"-","remote_addr":"::1","user":"","near":"eu","home":"-"}"#,
    );
    let expected = Line {
        method: "POST".to_owned(),
        target: "/a".to_owned(),
        status: Some(201),
        client: Some("::1".to_owned()),
        near: topology.region_named("eu"),
        ..Line::default()
    };
    assert_eq!(line, Ok(expected));
    for (wrong, why) in [
        (r#"{"method":"GET"}"#, r#"found no "method" and "path", and no "request"; expected one of the two"#),
        (r#"{"method":"GET","path":"a"}"#, r#"found the path "a", expected one that begins with a slash"#),
        (r#"{"method":"G T","path":"/"}"#, r#"found the method "G T", expected a value such as GET"#),
        (r#"{"request":"GET"}"#, r#"found the request "GET", expected a value such as "GET /path HTTP/1.1""#),
        (r#"{"request":"GET /","status":99}"#, r#"found the status "99", expected a number from 100 to 599"#),
        (r#"{"request":"GET /","home":"mars"}"#, r#"found home "mars", expected a region: us, eu, ap"#),
        (
            r#"{"request":"GET /","time":"soon"}"#,
            r#"found the time "soon", expected Unix time in seconds or milliseconds, or ISO 8601"#,
        ),
        (r#"a - - [x] "-" 400 0"#, r#"found the request "-", expected a value such as "GET /path HTTP/1.1""#),
    ] {
        assert_eq!(read(wrong), Err(why.to_owned()), "{wrong}");
    }
}

/// A line of a log: who asks where for what, with and without its time and status.
fn a_line() -> impl Strategy<Value = String> {
    let request = prop::sample::select(vec![
        "GET /plain/1",
        "GET /catalog/1",
        "PUT /catalog/1",
        "POST /cart/1",
        "GET /cart/1",
        "GET /notes/1",
        "GET /x",
    ]);
    let near = prop::sample::select(vec!["", r#","near":"us""#, r#","near":"ap""#]);
    let who = prop::sample::select(vec!["", r#","user":"ada""#, r#","tenant":"acme","user":"bob""#]);
    let rest = prop::sample::select(vec!["", r#","home":"eu""#, r#","status":500"#, r#","status":502"#]);
    (request, near, who, rest, 0..4u8, prop::option::of(0..60u32)).prop_map(
        |(request, near, who, rest, client, time)| {
            let time = time.map(|time| format!(r#","time":{}"#, 1_791_665_736 + time)).unwrap_or_default();
            format!("{{\"request\":\"{request}\",\"client\":\"c{client}\"{near}{who}{rest}{time}}}\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_counted_once_and_the_same_log_gives_the_same_estimate(
        lines in prop::collection::vec(prop_oneof![9 => a_line(), 1 => "[a-z\\[\"{}]{0,12}\n"], 0..60)
    ) {
        let log = lines.concat();
        let (first, again) = (played(&log), played(&log));
        let topology = topology();
        prop_assert_eq!(first.text(&topology), again.text(&topology));
        prop_assert_eq!(first.json(&topology), again.json(&topology));
        let empty = log.lines().filter(|line| line.trim().is_empty()).count() as u64;
        let Count { requests, crossed } = first.locality.total();
        prop_assert_eq!(requests + first.unreadable + empty, first.lines);
        prop_assert_eq!(first.lines, log.lines().count() as u64);
        for (_, row) in first.locality.rows() {
            prop_assert_eq!(row.reasons.sorted().iter().map(|(_, times)| times).sum::<u64>(), row.total.crossed);
        }
        prop_assert!(crossed <= requests);
    }

    #[test]
    fn a_route_that_promises_nothing_and_only_reads_never_crosses_where_all_is_well(
        lines in prop::collection::vec(a_line(), 0..60)
    ) {
        let estimate = played(&lines.concat());
        let crossed = estimate.locality.rows().filter(|(route, _)| matches!(route, Some(0) | None)).map(|(_, row)| row.total.crossed);
        prop_assert_eq!(crossed.sum::<u64>(), 0);
    }

    #[test]
    fn no_line_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), line in a_line(), cut in 0..80usize) {
        let topology = topology();
        let _ = Line::read(&String::from_utf8_lossy(&bytes), &topology);
        let _ = Line::read(line.get(cut.min(line.len())..).unwrap_or(""), &topology);
        let _ = Line::read(line.get(..cut.min(line.len())).unwrap_or(""), &topology);
        let common = format!("a - - [10/Oct/2026:13:55:36 -0700] \"{}\" 200", String::from_utf8_lossy(&bytes));
        let _ = Line::read(&common, &topology);
    }
}
