//! The figure: one row for each strategy, readable on light and on dark ground.

use std::fmt::Write;

use crate::{
    earth::{Continent, EU, US},
    runs::{Runs, Way},
    table::{grouped, percent},
    trace::Trace,
    trouble::Trouble,
};

const WIDTH: u64 = 1000;
const TOP: u64 = 112;
const ROW: u64 = 40;
/// Where the columns of continents begin, and how wide each is.
const LEFT: u64 = 212;
const COLUMN: u64 = 85;
/// The longest bar, and how many milliseconds that is.
const BAR: (u64, u64) = (54, 460);
/// Where the last columns end.
const COUNTS: [u64; 4] = [708, 800, 896, 992];

/// GitHub shows an SVG as an image, and that follows the reader's colours by this question.
const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.head { font-size: 15px; font-weight: 600 }
.small { font-size: 12px; fill: #59636e }
.own { font-weight: 600 }
.bad { fill: #b3261e; font-weight: 600 }
.bar { fill: #9aa4b2 }
.bar.own { fill: #d9631e }
.half { fill: #1f2328 }
.line { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .bad { fill: #ff8a80 }
  .bar { fill: #6e7681 }
  .bar.own { fill: #f0883e }
  .half { fill: #e6edf3 }
  .line { stroke: #3d444d }
}";

/// The figure as SVG.
#[must_use]
pub fn svg(trace: &Trace, runs: &Runs) -> String {
    let height = TOP + ROW * Way::ALL.len() as u64 + 40;
    let mut text = String::new();
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="planet-title">"#
    )
    .unwrap();
    writeln!(text, "<title id=\"planet-title\">How long answers take by continent, and what goes wrong</title>")
        .unwrap();
    writeln!(text, "<style>\n{STYLE}\n</style>").unwrap();
    head(&mut text, trace);
    for (at, way) in (0..).zip(Way::ALL) {
        row(&mut text, runs, way, TOP + ROW * at);
    }
    let last = TOP + ROW * Way::ALL.len() as u64;
    line(&mut text, last);
    say(
        &mut text,
        8,
        last + 24,
        "small",
        "start",
        "Bar and number: p95, all being well. Mark: p50. The edge cache is left out for all. Simulated: docs/planet.md says how.",
    );
    text + "</svg>\n"
}

fn head(text: &mut String, trace: &Trace) {
    let requests = grouped(trace.requests() / 1000);
    let title = format!("One day, {requests},000 requests from five continents, three regions: six ways to serve them");
    say(text, 8, 26, "head", "start", &title);
    say(text, LEFT, 58, "small", "start", "95 % of requests are answered within … ms");
    for (at, continent) in (0..).zip(Continent::ALL) {
        let x = LEFT + COLUMN * at;
        match continent.name().split_once(' ') {
            Some((first, second)) => {
                say(text, x, 82, "small", "start", first);
                say(text, x, 98, "small", "start", second);
            }
            None => say(text, x, 98, "small", "start", continent.name()),
        }
    }
    let columns = [
        ["answered by", "the nearest", "region"],
        ["stale or", "failed reads,", "hour of lag"],
        ["requests failed", "in 10 minutes,", "us lost"],
        ["requests failed", "in 10 minutes,", "eu lost"],
    ];
    for (x, lines) in COUNTS.into_iter().zip(columns) {
        for (y, said) in [66, 82, 98].into_iter().zip(lines) {
            say(text, x, y, "small", "end", said);
        }
    }
}

fn row(text: &mut String, runs: &Runs, way: Way, y: u64) {
    let own = if way.is_homing() { " own" } else { "" };
    line(text, y);
    let middle = y + ROW / 2 + 5;
    say(text, 8, middle, own.trim(), "start", way.name());
    let healthy = runs.of(way, Trouble::Healthy);
    for (at, continent) in (0..).zip(Continent::ALL) {
        let x = LEFT + COLUMN * at;
        let [half, most] = [50, 95].map(|of| healthy.percentile(of, Some(continent)));
        let [to_half, width] = [half, most].map(|millis| (millis * BAR.0 / BAR.1).clamp(2, BAR.0));
        writeln!(text, r#"<rect class="bar{own}" x="{x}" y="{}" width="{width}" height="12" rx="2"/>"#, y + 14)
            .unwrap();
        writeln!(text, r#"<rect class="half" x="{}" y="{}" width="2" height="16"/>"#, x + to_half - 1, y + 12).unwrap();
        say(text, x + width + 5, middle, own.trim(), "start", &most.to_string());
    }
    let lagging = runs.of(way, Trouble::LaggingLink);
    let lagging = lagging.stale() + lagging.reads_failed;
    let failed = |region| {
        let tally = runs.of(way, Trouble::Lost(region));
        percent(tally.reads_failed + tally.writes_failed, tally.requests)
    };
    let counts = [
        (format!("{:.0} %", percent(healthy.local, healthy.requests)), false),
        (grouped(lagging), lagging > 0),
        (format!("{:.1} %", failed(US)), failed(US) > 1.0),
        (format!("{:.1} %", failed(EU)), failed(EU) > 1.0),
    ];
    for (x, (said, is_bad)) in COUNTS.into_iter().zip(counts) {
        say(text, x, middle, if is_bad { "bad" } else { own.trim() }, "end", &said);
    }
}

fn line(text: &mut String, y: u64) {
    writeln!(text, r#"<line class="line" x1="0" y1="{y}" x2="{WIDTH}" y2="{y}"/>"#).unwrap();
}

fn say(text: &mut String, x: u64, y: u64, class: &str, anchor: &str, said: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
    writeln!(text, r#"<text{class} x="{x}" y="{y}" text-anchor="{anchor}">{said}</text>"#).unwrap();
}
