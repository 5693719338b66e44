//! `make planet`: plays the day, prints the tables, and writes them into `docs/planet.md` and the figure beside it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, time::Instant};

use planet::{
    figure,
    runs::{DAY, Runs, SEED},
    table,
    trace::Trace,
    written::{FIGURE, PAGE, at, replaced},
};

fn main() {
    let seed = std::env::var("SEED").map_or(SEED, |seed| seed.parse().unwrap_or(SEED));
    let began = Instant::now();
    let trace = Trace::new(seed, DAY);
    let runs = Runs::all(&trace);
    println!("{}", table::plain(&trace, &runs));
    eprintln!("{:.0} s", began.elapsed().as_secs_f64());
    if seed != SEED {
        return eprintln!("Nothing is written: the page shows seed {SEED}.");
    }
    let page = fs::read_to_string(at(PAGE)).unwrap();
    fs::write(at(PAGE), replaced(&page, &table::markdown(&trace, &runs))).unwrap();
    fs::write(at(FIGURE), figure::svg(&trace, &runs)).unwrap();
    eprintln!("Written: {PAGE}, {FIGURE}");
}
