//! The tables: as plain text for a terminal, and as Markdown for `docs/planet.md`.

use std::fmt::Write;

use crate::{
    earth::Continent,
    runs::{Runs, Way},
    tally::Tally,
    trace::Trace,
    trouble::Trouble,
};

/// CPU of the edge for a read and for a write in milliseconds: what `docs/cost.md` reckons with, which is `make bench` and half as much
/// again.
const CPU: (f64, f64) = (0.25, 0.5);
/// Workers Paid beyond what is included, in dollars: a million requests, and a million milliseconds of CPU
/// (<https://developers.cloudflare.com/workers/platform/pricing/>, as stored on 2026-11-28; `src/cli/cost/tariff.rs`).
const PRICES: (f64, f64) = (0.30, 0.02);

/// A table: what stands above it, its columns, its rows.
pub struct Table {
    pub title: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A number with commas.
#[must_use]
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of so many, in hundredths.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "small")]
pub fn percent(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 }
}

/// What has been played.
#[must_use]
pub fn played(trace: &Trace) -> String {
    format!(
        "Seed {}: {} requests of {} visits by {} clients in a day.",
        trace.seed,
        grouped(trace.requests()),
        grouped(trace.visits.len()),
        grouped(trace.clients.len())
    )
}

/// All tables.
#[must_use]
pub fn tables(runs: &Runs) -> Vec<Table> {
    Trouble::ALL.into_iter().flat_map(|trouble| [times(runs, trouble), counts(runs, trouble)]).collect()
}

fn title(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Healthy => "All is well, for a day",
        Trouble::LaggingLink => "The link from us to eu lags by up to 30 s, for an hour",
        Trouble::Lost(crate::earth::US) => "us is lost, for ten minutes",
        Trouble::Lost(_) => "eu is lost, for ten minutes",
    }
}

/// How long answers take, by continent.
fn times(runs: &Runs, trouble: Trouble) -> Table {
    let head = ["p50 / p95 / p99 ms".to_owned()];
    let continents = Continent::ALL.iter().map(|continent| continent.name().to_owned());
    let rows = Way::ALL.into_iter().map(|way| {
        let tally = runs.of(way, trouble);
        let places = Continent::ALL.into_iter().map(Some).chain([None]);
        let cell = |place| {
            let [p50, p95, p99] = [50, 95, 99].map(|of| tally.percentile(of, place));
            if p99 == 0 { "none".to_owned() } else { format!("{p50} / {p95} / {p99}") }
        };
        [way.name().to_owned()].into_iter().chain(places.map(cell)).collect()
    });
    Table {
        title: title(trouble).to_owned(),
        head: head.into_iter().chain(continents).chain(["everybody".to_owned()]).collect(),
        rows: rows.collect(),
    }
}

/// What is counted besides.
fn counts(runs: &Runs, trouble: Trouble) -> Table {
    let is_lost = matches!(trouble, Trouble::Lost(_));
    let mut head = vec!["", "local", "cross-region calls per 1,000", "stale reads", "answers marked stale"];
    match trouble {
        Trouble::Healthy => head.extend(["edge CPU, ms per 1,000", "edge, $ per million"]),
        _ => head.extend(["reads failed", "writes refused"]),
    }
    if is_lost {
        head.extend(["writes lost", "reads recover after"]);
    }
    let rows = Way::ALL.into_iter().map(|way| {
        let tally = runs.of(way, trouble);
        let mut row = vec![
            way.name().to_owned(),
            format!("{:.1} %", percent(tally.local, tally.requests)),
            per_thousand(tally),
            stale(tally),
            grouped(tally.said_stale),
        ];
        match trouble {
            Trouble::Healthy => row.extend(edge(way, tally)),
            _ => row.extend([share(tally.reads_failed, tally.all_reads), share(tally.writes_failed, tally.all_writes)]),
        }
        if is_lost {
            row.push(grouped(tally.lost));
            row.push(tally.recovers().map_or("not at all".to_owned(), |seconds| format!("{seconds} s")));
        }
        row
    });
    Table { title: String::new(), head: head.into_iter().map(str::to_owned).collect(), rows: rows.collect() }
}

#[allow(clippy::cast_precision_loss, reason = "small")]
fn per_thousand(tally: &Tally) -> String {
    format!("{:.0}", 1000.0 * tally.calls as f64 / tally.requests.max(1) as f64)
}

/// How many, and which of them are not the session's own write.
fn stale(tally: &Tally) -> String {
    match tally.went_back {
        0 => grouped(tally.stale()),
        back => format!("{} ({} of others' writes)", grouped(tally.stale()), grouped(back)),
    }
}

fn share(part: usize, of: usize) -> String {
    format!("{} of {}", grouped(part), grouped(of))
}

/// What the edge costs: CPU and money.
#[allow(clippy::cast_precision_loss, reason = "small")]
fn edge(way: Way, tally: &Tally) -> [String; 2] {
    match way {
        Way::OneRegion | Way::Dns => ["none", "0.00"].map(str::to_owned),
        Way::Cookie => ["not modelled", "own servers"].map(str::to_owned),
        Way::Txid => ["not modelled", "Fly.io's"].map(str::to_owned),
        Way::Windows | Way::Positions => {
            let (reads, writes) = (tally.all_reads as f64, tally.all_writes as f64);
            let each = (reads * CPU.0 + writes * CPU.1) / (reads + writes);
            [format!("{:.0}", 1000.0 * each), format!("{:.2}", PRICES.0 + each * PRICES.1)]
        }
    }
}

impl Table {
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        if !self.title.is_empty() {
            write!(text, "### {}\n\n", self.title).unwrap();
        }
        text += &line(&self.head);
        text += &format!("|{}\n", "---|".repeat(self.head.len()));
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }

    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        if !self.title.is_empty() {
            writeln!(text, "{}\n", self.title).unwrap();
        }
        let all = || [&self.head].into_iter().chain(&self.rows);
        let widths: Vec<usize> =
            (0..self.head.len()).map(|at| all().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
        for row in all() {
            let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
                let gap = " ".repeat(width - cell.chars().count());
                if at == 0 { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
            });
            writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).unwrap();
        }
        text
    }
}

/// The part of `docs/planet.md` between its markers.
#[must_use]
pub fn markdown(trace: &Trace, runs: &Runs) -> String {
    let tables: Vec<String> = tables(runs).iter().map(Table::markdown).collect();
    format!("{}\n\n{}", played(trace), tables.join("\n"))
}

/// The same for a terminal.
#[must_use]
pub fn plain(trace: &Trace, runs: &Runs) -> String {
    let tables: Vec<String> = tables(runs).iter().map(Table::plain).collect();
    format!("{}\n\n{}", played(trace), tables.join("\n"))
}
