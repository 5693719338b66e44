//! `history FILE`: judges a recording, `-` being standard input.

use std::{
    fmt::Write,
    io::{Read, Write as _},
    process::ExitCode,
};

use history::{Guarantee, History, Status, Verdict, check};

const USAGE: &str = "usage: history FILE   (- reads standard input)\n\
    Judges a recorded history, one JSON object a line; tests/history/README.md says what is in it.\n\
    Exit status: 0 nothing found, 1 violations, 2 the recording cannot be judged.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if file == "--help" || file == "-h" {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match judge(file) {
        Ok((report, clean)) => {
            // Whoever closes the pipe has read enough.
            let _ = std::io::stdout().write_all(report.as_bytes());
            if clean { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(complaint) => {
            eprintln!("error: {complaint}");
            ExitCode::from(2)
        }
    }
}

fn judge(file: &str) -> Result<(String, bool), String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        file => std::fs::read_to_string(file).map(|all| text = all),
    };
    read.map_err(|error| format!("{file} cannot be read: {error}"))?;
    let history = History::read(&text).map_err(|complaint| format!("{file}: {complaint}"))?;
    let verdict = check(&history);
    Ok((report(&history, &verdict), verdict.violations.is_empty()))
}

fn report(history: &History, verdict: &Verdict) -> String {
    let mut text = String::new();
    let count = |writes, status| history.count(writes, status);
    let counts = |writes| {
        let [ok, fail, unknown] = [Status::Ok, Status::Fail, Status::Unknown].map(|status| count(writes, status));
        format!("{ok} ok, {fail} fail, {unknown} unknown")
    };
    let [sessions, keys, finals] = history.extent();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "reads:  {}; {} said to be stale", counts(false), history.declared_stale());
    let _ = writeln!(text, "writes: {}; {} declared lost", counts(true), history.declared_lost());
    let _ = writeln!(text, "{sessions} sessions, {keys} keys, {finals} final states");
    if let Some(stale) = verdict.staleness {
        let _ = writeln!(
            text,
            "staleness: p50 {} ms, p99 {} ms, max {} ms; {} of {} reads miss something",
            stale.p50, stale.p99, stale.max, stale.stale, stale.reads
        );
    }
    for guarantee in Guarantee::ALL {
        let of: Vec<_> = verdict.violations.iter().filter(|violation| violation.guarantee == guarantee).collect();
        if !of.is_empty() {
            let _ = writeln!(text, "\n{}: {}", guarantee.token(), of.len());
        }
        for violation in of {
            let _ = writeln!(text, "  {violation}");
        }
    }
    let _ = writeln!(text, "violations: {}", verdict.violations.len());
    text
}
