//! Golden cases that were reckoned by hand, and laws.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    load::{ISOLATES, Load},
    tariff::Meter,
    usage::Lines,
    *,
};
use homing_core::config::{error::KeyPath, pace, parse, raw, units::Share};

const CATALOG: &str = r#""catalog":{"ownership":"single-writer","home":"r0","position":"counter"}"#;
const CART: &str = r#""cart":{"ownership":"geo-partitioned","subject":"user","regions":["r0"]}"#;

fn topology(regions: usize, datasets: &[&str]) -> Topology {
    let regions: Vec<String> = (0..regions).map(|n| format!(r#""r{n}":{{"origin":"https://r{n}.example"}}"#)).collect();
    let vars = format!(
        r#"{{"REGIONS":{{{}}},"DATASETS":{{{}}},"IDENTITY":{{"user":{{"response_header":"Homing-Subject"}}}}}}"#,
        regions.join(","),
        datasets.join(",")
    );
    parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap_or_else(|wrong| panic!("{wrong:?}")).0
}

fn setup() -> Setup {
    let (probes, view) = (Some(pace::ROUND), pace::VIEW);
    Setup { probes, view, shared: true, lines: Lines::All, invocations: false, sampled: 1.0 }
}

fn bill(topology: &Topology, setup: Setup, (requests, isolates): (f64, u32)) -> Bill {
    Bill::of(topology, setup, Load::new(requests, isolates, topology, None), false)
}

/// How much is used of it in a day.
fn used(bill: &Bill, meter: Meter) -> f64 {
    let of = |(price, a_day, _): (&Price, f64, f64)| (price.meter == meter).then_some(a_day);
    bill.lines().find_map(of).unwrap()
}

fn is_near(number: f64, expected: f64) -> bool {
    (number - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}

/// When the quota ends, as people read it.
fn ends(bill: &Bill, meter: Meter) -> Option<String> {
    let json = bill.json();
    let name = TARIFF.iter().find(|price| price.meter == meter).unwrap().name;
    let line = json["products"].as_array().unwrap().iter().find(|line| line["product"] == name).unwrap();
    line["free_ends"].as_str().map(str::to_owned)
}

/// 100 requests a second to three regions, 50 isolates, everything else as it is supposed.
#[test]
fn a_month_of_three_regions_comes_to_what_was_reckoned_by_hand() {
    let bill = bill(&topology(3, &[CATALOG, CART]), setup(), (100.0, 50));
    let by_hand = [
        (Meter::WorkersRequests, 8_640_000.0, 74.76),
        // A tenth are writes: 864,000 of 0.5 ms, 7,776,000 of 0.25.
        (Meter::WorkersCpu, 2_376_000.0, 0.8256),
        // 50 isolates read 4 keys 2,880 times; 5 % of the requests look a home up; 3 probers read the view 8,640 times.
        (Meter::KvReads, 576_000.0 + 432_000.0 + 25_920.0, 10.5088),
        // 3 probers put 2,880 reports; 8,640 subjects are new.
        (Meter::KvWrites, 8_640.0 + 8_640.0, 0.0),
        // The probers' alarms; three for each new subject.
        (Meter::ObjectRequests, 25_920.0 + 25_920.0, 0.08328),
        // A second for each round, a twentieth for each question, of 128 MB.
        (Meter::ObjectDuration, (25_920.0 + 1_296.0) * 0.128, 0.0),
        (Meter::ObjectRowsRead, 77_760.0 + 172_800.0, 0.0),
        // Two a round, seven a new subject.
        (Meter::ObjectRowsWritten, 51_840.0 + 60_480.0, 0.0),
        // 8,640,000 lines of 4.84 KB: 1,254.528 GB a month.
        (Meter::LogIngestion, 41.8176, 301.132),
        // Seven days of them lie there.
        (Meter::LogStorage, 41.8176 * 7.0 / 30.0, 28.072_32),
    ];
    for (meter, a_day, cost) in by_hand {
        let (_, found, costs) = bill.lines().find(|(price, ..)| price.meter == meter).unwrap();
        assert!(is_near(found, a_day), "{meter:?}: {found} a day");
        assert!(is_near(costs, cost), "{meter:?}: ${costs}");
    }
    assert!(is_near(bill.total(), 420.382), "{}", bill.total());
}

/// The examples of Cloudflare's own pages.
#[test]
fn the_prices_give_what_the_platforms_own_examples_give() {
    let cost = |meter, a_month| TARIFF.iter().find(|price| price.meter == meter).unwrap().cost(a_month);
    // Workers, Pricing, example 4: 100 million requests of 7 ms.
    assert!(is_near(cost(Meter::WorkersRequests, 100e6), 27.0));
    assert!(is_near(cost(Meter::WorkersCpu, 700e6), 13.4));
    // Durable Objects, Pricing, example 3, of which it rounds 32.8 to 33 million GB-s.
    assert!(is_near(cost(Meter::ObjectDuration, 33_400_000.0), 412.5));
    // Observability, Pricing: 75 GB, and 20 GB-months.
    assert!(is_near(cost(Meter::LogIngestion, 75.0), 6.25));
    assert!(is_near(cost(Meter::LogStorage, 20.0), 0.8));
}

#[test]
fn on_free_the_probers_alone_use_up_the_writes_of_kv() {
    let idle = |regions| bill(&topology(regions, &[CATALOG]), setup(), (0.0, ISOLATES));
    // 1,000 writes of 2,880 a day and region: 8 h 20 for one, 2 h 46 min 40 s for three.
    let writes = [1, 2, 3, 8].map(|regions| ends(&idle(regions), Meter::KvWrites).unwrap());
    assert_eq!(writes, ["08:20", "04:10", "02:46", "01:02"]);
    // Two rows a round: five regions stay within 100,000, six do not.
    let rows = [4, 5, 6, 8].map(|regions| ends(&idle(regions), Meter::ObjectRowsWritten));
    assert_eq!(rows, [None, None, Some("23:08".to_owned()), Some("17:21".to_owned())]);
    let off = bill(&topology(3, &[CATALOG]), Setup { probes: None, ..setup() }, (0.0, ISOLATES));
    assert!(off.lines().all(|(_, a_day, _)| a_day == 0.0), "who asks nobody pays for nothing");
    assert!(is_near(off.total(), 5.0));
}

#[test]
fn a_short_lease_uses_up_what_free_allows_of_objects() {
    let leased = r#""catalog":{"ownership":"single-writer","home":"r0","lease":"3s"}"#;
    let bill = bill(&topology(2, &[leased]), Setup { probes: None, ..setup() }, (0.0, ISOLATES));
    assert!(is_near(used(&bill, Meter::ObjectRequests), 86_400.0));
    assert!(is_near(used(&bill, Meter::ObjectRowsWritten), 172_800.0));
    assert_eq!(ends(&bill, Meter::ObjectRowsWritten).as_deref(), Some("13:53"));
    assert_eq!(ends(&bill, Meter::ObjectRequests), None);
}

#[test]
fn what_is_logged_follows_the_switches() {
    let topology = topology(1, &[]);
    let events = |lines, invocations, sampled| {
        let setup = Setup { probes: None, lines, invocations, sampled, ..setup() };
        used(&bill(&topology, setup, (1.0, 1)), Meter::LogIngestion) / tariff::EVENT_GB
    };
    let cases = [
        (Lines::All, false, 1.0, 86_400.0),
        (Lines::All, true, 1.0, 172_800.0),
        (Lines::Problems, false, 1.0, 864.0),
        (Lines::Off, true, 0.1, 8_640.0),
        (Lines::Off, false, 1.0, 0.0),
        (Lines::All, true, 0.0, 0.0),
    ];
    for (lines, invocations, sampled, expected) in cases {
        assert!(is_near(events(lines, invocations, sampled), expected), "{lines:?} {invocations} {sampled}");
    }
    // An alarm is an invocation too.
    let setup = Setup { lines: Lines::Off, invocations: true, ..setup() };
    let bill = bill(&topology, setup, (0.0, 1));
    assert!(
        bill.text().contains("0 requests a second, 1 isolate, 1 region, PROBES 10 s, LOG off and each invocation:")
    );
    assert!(is_near(used(&bill, Meter::LogIngestion), 8_640.0 * tariff::EVENT_GB));
}

#[test]
fn what_wrangler_toml_says_is_read() {
    let read = |text: &str| raw::from_json(text).unwrap();
    let setup = |text: &str| Setup::of(&read("{}"), &read(text));
    let bound = r#""durable_objects":{"bindings":[{"name":"PROBERS","class_name":"Prober"}]}"#;
    let said = setup(&format!(
        r#"{{{bound},"vars":{{"PROBES":"20s","VIEW":"15s","LOG":"problems"}},
            "observability":{{"enabled":true,"logs":{{"enabled":true,"invocation_logs":false,"head_sampling_rate":0.5}}}}}}"#
    ));
    let expected = Setup {
        probes: Some(Duration::from_secs(20)),
        view: Duration::from_secs(15),
        shared: false,
        lines: Lines::Problems,
        invocations: false,
        sampled: 0.5,
    };
    assert_eq!(said, expected);
    let plain = setup(r#"{"observability":{"enabled":true}}"#);
    let expected =
        Setup { probes: None, view: pace::VIEW, shared: false, lines: Lines::All, invocations: true, sampled: 1.0 };
    assert_eq!(plain, expected);
    let rate = setup(r#"{"observability":{"enabled":true,"head_sampling_rate":0.1}}"#).sampled;
    assert!(is_near(rate, 0.1));
    // Logs may be switched off, or on, by themselves.
    for (text, sampled) in [
        (r#"{}"#, 0.0),
        (r#"{"observability":{"enabled":true,"logs":{"enabled":false}}}"#, 0.0),
        (r#"{"observability":{"logs":{"enabled":true}}}"#, 1.0),
    ] {
        assert!(is_near(setup(text).sampled, sampled), "{text}");
    }
    // An address in a zone makes the cache work, and with it what isolates share.
    let zone = read(r#"{"routes":[{"pattern":"app.example.com","custom_domain":true}]}"#);
    assert!(setup(r#"{"route":"example.com/*"}"#).shared && Setup::of(&zone, &read("{}")).shared);
    // An environment inherits it, unless it has its own.
    let top = read(r#"{"observability":{"enabled":true,"head_sampling_rate":0.5}}"#);
    assert!(is_near(Setup::of(&top, &read("{}")).sampled, 0.5));
    assert!(is_near(Setup::of(&top, &read(r#"{"observability":{"enabled":false}}"#)).sampled, 0.0));
    let off = setup(&format!(r#"{{{bound},"vars":{{"PROBES":"off"}}}}"#));
    assert_eq!(off.probes, None);
    assert_eq!(setup(&format!("{{{bound}}}")).probes, Some(pace::ROUND));
}

/// What stands in docs/cost.md is what comes out here.
#[test]
fn the_tables_of_the_documents_are_what_comes_out() {
    let documents = include_str!("../../../docs/cost.md");
    let holds = |row: String| assert!(documents.contains(&row), "docs/cost.md has no row\n{row}");
    for price in &TARIFF {
        let quota = price.free_a_day.map_or_else(|| "-".to_owned(), show::amount);
        let per = if price.per > 1.0 { " a million" } else { "" };
        let dollars = format!("{:.3}", price.dollars);
        let dollars = dollars.strip_suffix('0').unwrap_or(&dollars);
        holds(format!("| {} | {quota} | {} | ${dollars}{per} |", price.name, show::amount(price.included)));
        assert!(documents.contains(price.source), "{}", price.source);
    }
    assert!(documents.contains(tariff::TAKEN));
    let after = |bill: &Bill, meter| ends(bill, meter).unwrap_or_else(|| "-".to_owned());
    for regions in [1, 2, 3, 4, 8] {
        let bill = bill(&topology(regions, &[CATALOG]), setup(), (0.0, ISOLATES));
        let number = |meter| show::amount(used(&bill, meter));
        let (writes, requests) = (number(Meter::KvWrites), number(Meter::ObjectRequests));
        let (rows, reads) = (number(Meter::ObjectRowsWritten), number(Meter::KvReads));
        let (writes_end, rows_end) = (after(&bill, Meter::KvWrites), after(&bill, Meter::ObjectRowsWritten));
        holds(format!("| {regions} | {writes} | {writes_end} | {rows} | {rows_end} | {requests} | {reads} |"));
    }
    // Isolates that are always busy, and nobody looks a home up.
    for regions in [3, 8, 32] {
        let topology = topology(regions, &[]);
        let reads = |isolates, shared| {
            let bill = bill(&topology, Setup { shared, ..setup() }, (1e6, isolates));
            let cost = bill.lines().find(|(price, ..)| price.meter == Meter::KvReads).map(|(.., cost)| cost);
            let month = used(&bill, Meter::KvReads) * DAYS / 1e6;
            format!("{} M, ${:.0}", show::amount(month), cost.unwrap_or_default())
        };
        let alone = [1, 100, 10_000].map(|isolates| reads(isolates, false)).join(" | ");
        holds(format!("| {regions} ({}) | {alone} | {} |", regions + 1, reads(10_000, true)));
    }
    for requests in [1.0, 10.0, 100.0, 1000.0] {
        let logs = |lines, invocations| {
            let bill = bill(&topology(3, &[]), Setup { lines, invocations, ..setup() }, (requests, ISOLATES));
            let is_log = |meter| matches!(meter, Meter::LogIngestion | Meter::LogStorage);
            let cost: f64 = bill.lines().filter(|(price, ..)| is_log(price.meter)).map(|(.., cost)| cost).sum();
            format!("${cost:.0}, {}", after(&bill, Meter::LogIngestion))
        };
        let (all, both) = (logs(Lines::All, false), logs(Lines::All, true));
        let (problems, off) = (logs(Lines::Problems, false), logs(Lines::Off, false));
        holds(format!("| {requests} | {both} | {all} | {problems} | {off} |"));
    }
}

fn loads() -> impl Strategy<Value = (Load, Setup)> {
    let share = || (0u64..=10_000).prop_map(|hundredths| Share::new(hundredths).unwrap_or(Share::WHOLE));
    let lines = prop_oneof![Just(Lines::All), Just(Lines::Problems), Just(Lines::Off)];
    let setup = (proptest::option::of(1u64..=45), 1u64..=30, any::<bool>(), lines, any::<bool>(), 0.0..=1.0f64);
    let load = (0.0..1e4f64, 1u32..10_000, share(), share(), share(), 0.0..1e6f64);
    (load, setup).prop_map(|(load, (probes, view, shared, lines, invocations, sampled))| {
        let (requests_per_second, isolates, writes, lookups, problems, new_subjects) = load;
        let (probes, view) = (probes.map(Duration::from_secs), Duration::from_secs(view));
        let setup = Setup { probes, view, shared, lines, invocations, sampled };
        (Load { requests_per_second, isolates, writes, lookups, problems, new_subjects }, setup)
    })
}

/// Nothing of the one is more than of the other, and no quota of it ends sooner.
fn is_at_most(less: &Bill, more: &Bill) -> bool {
    let dust = 1.0 + 1e-9;
    let ended = |bill: &Bill| bill.ended().len();
    let each = less
        .lines()
        .zip(more.lines())
        .all(|((_, less, cheap), (_, more, dear))| less <= more * dust && cheap <= dear * dust);
    let first = |bill: &Bill| bill.ended().first().map_or(DAY, |(.., at)| *at);
    each && less.total() <= more.total() * dust && ended(less) <= ended(more) && first(less) * dust >= first(more)
}

proptest! {
    #[test]
    fn more_requests_isolates_and_regions_never_cost_less((load, setup) in loads(), regions in 1usize..31, more in 1.0..10.0f64) {
        let base = topology(regions, &[CATALOG, CART]);
        let of = |topology: &Topology, load: &Load| Bill::of(topology, setup, load.clone(), false);
        let bill = of(&base, &load);
        let requests = Load { requests_per_second: load.requests_per_second * more, ..load.clone() };
        prop_assert!(is_at_most(&bill, &of(&base, &requests)), "requests");
        let isolates = Load { isolates: load.isolates * 2, ..load.clone() };
        prop_assert!(is_at_most(&bill, &of(&base, &isolates)), "isolates");
        prop_assert!(is_at_most(&bill, &of(&topology(regions + 1, &[CATALOG, CART]), &load)), "regions");
    }

    #[test]
    fn a_quota_ends_within_the_day_and_only_what_goes_beyond_is_paid((load, setup) in loads(), regions in 1usize..32) {
        let bill = Bill::of(&topology(regions, &[CATALOG, CART]), setup, load, false);
        for (price, a_day, cost) in bill.lines() {
            prop_assert!(a_day.is_finite() && a_day >= 0.0 && cost >= 0.0);
            prop_assert_eq!(cost > 0.0, a_day * DAYS > price.included);
            if let Some(at) = price.ends(a_day) {
                prop_assert!((0.0..DAY).contains(&at));
                prop_assert!(is_near(a_day * at / DAY, price.free_a_day.unwrap_or_default()));
            }
        }
        prop_assert!(bill.total() >= SUBSCRIPTION);
        prop_assert_eq!(bill.complaints().len(), 0, "nobody asked for the free plan");
    }

    #[test]
    fn switching_something_off_never_costs_more((load, setup) in loads(), regions in 1usize..32) {
        let topology = topology(regions, &[CATALOG, CART]);
        let of = |setup| Bill::of(&topology, setup, load.clone(), false);
        let bill = of(setup);
        for less in [
            Setup { probes: None, ..setup },
            Setup { lines: Lines::Off, ..setup },
            Setup { invocations: false, ..setup },
            Setup { sampled: 0.0, ..setup },
            Setup { view: pace::VIEW, ..setup },
            Setup { shared: true, ..setup },
        ] {
            prop_assert!(is_at_most(&of(less), &bill), "{:?}", less);
        }
    }

    #[test]
    fn what_is_printed_of_a_load_is_read_as_the_same_load((load, _) in loads()) {
        let topology = topology(1, &[CART]);
        let load = Load { new_subjects: load.new_subjects.floor(), ..load };
        let mut read = Load::new(load.requests_per_second, load.isolates, &topology, None);
        prop_assert_eq!(read.take(&load.text()), Ok(()));
        prop_assert_eq!(read, load);
    }
}
