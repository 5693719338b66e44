//! `make bench-core`: what a request costs in the core, in instructions and allocations; `README.md` says how to read it.
//!
//! Instructions are counted by valgrind, which runs this program again for each row; without it the column is empty.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{cell::Cell, env, hint::black_box, process::Command, time::Instant};

use allocation_counter::{AllocationInfo, measure};
use bench::{Row, rows};
use homing_core::FlowId;

/// So many requests are counted.
const REQUESTS: u32 = 500;
const BATCHES: usize = 21;

/// What valgrind looks at: these two, and nothing else of the program.
#[inline(never)]
fn measured_begin(row: &Row, incoming: &str) -> String {
    black_box(row.begin(black_box(incoming)))
}

#[inline(never)]
fn measured_resume(row: &Row, id: FlowId, event: &str) -> String {
    black_box(row.resume(id, black_box(event)))
}

fn main() {
    let only = env::var("ROW").unwrap_or_default();
    let asked = rows().into_iter().filter(|row| only.is_empty() || only.split(',').any(|name| name.trim() == row.name));
    if env::var_os("COUNTED").is_some() {
        asked.for_each(|row| (0..REQUESTS).for_each(|_| drop(row.play_with(measured_begin, measured_resume))));
        return;
    }
    println!("{:16}{:^36}{:^36}", "", "begin", "resume (all of them)");
    println!("{:16}{}{}  time", "", HEAD, HEAD);
    for row in asked {
        row.check();
        let [begun, resumed] = allocations(&row);
        let cells = [("measured_begin", begun), ("measured_resume", resumed)].map(|(function, info)| {
            format!("{:>12}{:>12}{:>12}", instructions(row.name, function), info.count_total, info.bytes_total)
        });
        println!("{:16}{}{}  {:.1} us", row.name, cells[0], cells[1], time(&row));
    }
}

const HEAD: &str = "instructions allocations       bytes";

/// What one request allocates, in `begin` and in all of its `resume`s.
fn allocations(row: &Row) -> [AllocationInfo; 2] {
    let (begun, resumed) = (Cell::default(), Cell::default());
    let add = |sum: &Cell<AllocationInfo>, info: AllocationInfo| {
        let mut all = sum.take();
        all.count_total += info.count_total;
        all.bytes_total += info.bytes_total;
        sum.set(all);
    };
    let begin = |row: &Row, incoming: &str| {
        let mut text = String::new();
        add(&begun, measure(|| text = row.begin(incoming)));
        text
    };
    let resume = |row: &Row, id, event: &str| {
        let mut text = String::new();
        add(&resumed, measure(|| text = row.resume(id, event)));
        text
    };
    row.play_with(begin, resume);
    [begun.take(), resumed.take()]
}

/// Instructions of that function for a request, as valgrind counts them; empty where there is none.
fn instructions(row: &str, function: &str) -> String {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*{function}*"))
        .arg(env::current_exe().unwrap())
        .env("COUNTED", "1")
        .env("ROW", row)
        .output();
    let told = run.map(|run| String::from_utf8_lossy(&run.stderr).into_owned()).unwrap_or_default();
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    collected.map_or_else(String::new, |all| (all / u64::from(REQUESTS)).to_string())
}

/// Microseconds of a request: the median of some batches.
fn time(row: &Row) -> f64 {
    let batch = |_| {
        let began = Instant::now();
        (0..REQUESTS).for_each(|_| drop(black_box(row.play())));
        began.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
    };
    let mut times: Vec<f64> = (0..BATCHES).map(batch).collect();
    times.sort_by(f64::total_cmp);
    *times.get(BATCHES / 2).unwrap()
}
