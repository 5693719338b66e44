//! `homing check --access-log`, run as it is built: what it estimates from a log, and what it says of a log that is none.
//!
//! `UPDATE_GOLDEN=1 cargo test --test locality` writes down what it says now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use command::*;
use serde_json::{Value, json};

/// The command in the directory of the golden cases.
fn estimate(arguments: &str) -> Run {
    homing(&golden("locality"), &[&["check"][..], &arguments.split(' ').collect::<Vec<_>>()].concat())
}

/// The estimate of a log of that text by the topology of the golden cases.
fn estimate_of(log: &str, arguments: &[&str]) -> Run {
    let topology = fs::read_to_string(golden("locality/wrangler.toml")).unwrap();
    let here = directory(&[("wrangler.toml", &topology), ("access.log", log)]);
    homing(&here, &[&["check", "--access-log", "access.log"], arguments].concat())
}

fn locality(run: &Run) -> Value {
    serde_json::from_str::<Value>(&run.out).unwrap()["locality"].clone()
}

#[test]
fn what_is_said_of_a_log_is_its_golden_case() {
    for name in ["combined", "json", "timeless"] {
        let run = estimate(&format!("--access-log {name}.log --near us=1,eu=3"));
        is_golden(&format!("locality/{name}.txt"), &run.whole());
    }
}

#[test]
fn a_log_that_keeps_every_budget_passes() {
    let line = "203.0.113.7 - - [10/Oct/2026:13:55:36 +0000] \"GET /api/catalog/1 HTTP/1.1\" 200 5\n";
    let run = estimate_of(&line.repeat(20), &[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    assert!(run.out.contains("/api/catalog/*        20   100%  -         25%, kept\n"), "{}", run.out);
}

#[test]
fn exactly_the_budget_is_kept_and_one_more_is_not() {
    let ask = |method: &str| format!("{{\"method\":\"{method}\",\"path\":\"/api/catalog/1\",\"near\":\"eu\"}}\n");
    let (read, write) = (ask("GET"), ask("PUT"));
    assert_eq!(estimate_of(&(read.repeat(3) + &write), &[]).status, 0);
    assert_eq!(estimate_of(&(read.repeat(2) + &write), &[]).status, 1);
}

#[test]
fn json_has_the_same_figures_and_is_ok_or_not() {
    let run = estimate("--access-log json.log --json");
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.status, run.err.as_str(), &said["ok"]), (1, "", &json!(false)));
    let row = json!({
        "match": "/api/cart/*", "requests": 7, "crossed": 3, "local": "57.14%", "budget": "20%", "over": true,
        "regions": { "eu": { "requests": 7, "crossed": 3 } },
        "reasons": { "home": 1, "pinned-home": 1, "unidentified": 1 },
    });
    let expected = json!({
        "lines": 7, "requests": 7, "crossed": 3, "local": "57.14%", "routes": [row], "refused": {}, "unrouted": [],
        "without_time": 0, "unreadable": { "lines": 0, "examples": [] },
    });
    assert_eq!(said["locality"], expected);
    let sound = homing(&golden("locality"), &["check", "--json"]);
    assert!(serde_json::from_str::<Value>(&sound.out).unwrap().get("locality").is_none());
}

#[test]
fn a_hyphen_is_standard_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    command.args(["check", "--access-log", "-", "--json"]).current_dir(golden("locality"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let log = fs::read(golden("locality/json.log")).unwrap();
    child.stdin.take().unwrap().write_all(&log).unwrap();
    let said: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(said["locality"], locality(&estimate("--access-log json.log --json")));
}

#[test]
fn what_cannot_be_estimated_is_said() {
    for (arguments, expected) in [
        (
            "--access-log gone.log",
            "gone.log cannot be read: No such file or directory (os error 2). Name an access log, or - for standard input",
        ),
        ("--access-log json.log --near mars=1", "there is no region \"mars\". The topology has us, eu"),
        ("--access-log json.log --near us", "--near is \"us\", expected a value such as us=60,eu=30,ap=10"),
        (
            "--access-log json.log --near us=many",
            "--near is \"us=many\", expected whole numbers, such as us=60,eu=30,ap=10",
        ),
        (
            "--access-log json.log --near us=0,eu=0",
            "--near is \"us=0,eu=0\", which gives every region 0 shares; expected a value such as us=60,eu=30,ap=10",
        ),
    ] {
        let run = estimate(arguments);
        assert_eq!((run.status, run.err), (2, format!("error: {expected}\n")), "{arguments}");
    }
    let run = estimate("--near us=1");
    assert_eq!(run.status, 2);
    assert!(run.err.contains("--access-log <FILE>"), "{}", run.err);
}

const FORMATS: &str = "the Common or Combined Log Format of nginx and Apache (ADDRESS - USER [TIME] \"GET /path HTTP/1.1\" \
                       STATUS …), or an object of JSON with \"method\" and \"path\" (or \"request\") in each line";

#[test]
fn a_log_without_one_readable_line_is_an_error_that_says_what_is_understood() {
    let run = estimate_of("\n", &[]);
    let expected = format!("error: access.log: found no lines, expected {FORMATS}\n");
    assert_eq!((run.status, run.err), (1, expected));
    let run = estimate_of("#Version: 1.0\n#Fields: date time\n", &[]);
    let line = |number, text| {
        format!("  line {number}: found {text:?}, expected a line of the Common Log Format or an object of JSON\n")
    };
    let found = "found no readable line among 2";
    let lines = line(1, "#Version: 1.0") + &line(2, "#Fields: date time");
    assert_eq!((run.status, run.err), (1, format!("error: access.log: {found}, expected {FORMATS}\n{lines}")));
}

#[test]
fn a_line_without_end_is_passed_over_and_the_next_one_is_read() {
    let run = estimate_of(&format!("{}\n{{\"request\":\"GET /\"}}", "x".repeat(1_000_000)), &["--json"]);
    let said = locality(&run);
    assert_eq!((&said["requests"], &said["lines"], &said["unreadable"]["lines"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(
        said["unreadable"]["examples"][0]["why"],
        "found a line of more than 65536 bytes, expected a shorter one"
    );
}

#[test]
fn a_request_that_is_refused_at_the_door_is_no_request_of_a_route() {
    let long = format!("{{\"request\":\"GET /{}\"}}\n{{\"request\":\"GET /\"}}\n", "x".repeat(9000));
    let run = estimate_of(&long, &[]);
    assert_eq!(run.status, 0);
    assert!(run.out.contains("\nRefused before routing, and not counted: url-too-long (1)\n"), "{}", run.out);
}

#[test]
fn a_topology_with_errors_is_not_estimated() {
    let here =
        directory(&[("wrangler.toml", &small("default_home = true", "defualt_home = true")), ("access.log", "{}\n")]);
    let run = homing(&here, &["check", "--access-log", "access.log"]);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("did you mean") && !run.err.contains("access.log"), "{}", run.err);
}

/// A 412 or 409 is the evidence that an application relies on what several owners cannot keep.
#[test]
fn writes_that_were_refused_for_what_was_there_are_told_of_data_with_several_owners() {
    let line = |method: &str, path: &str, status: u16| {
        format!("{{\"method\":\"{method}\",\"path\":\"{path}\",\"status\":{status}}}\n")
    };
    let likes = [("PUT", 412), ("PUT", 412), ("POST", 409), ("PUT", 200), ("GET", 412)];
    let log: String = likes.iter().map(|(method, status)| line(method, "/api/likes/1", *status)).collect();
    let said = estimate_of(&log, &[]).out;
    let expected = "\n/api/likes/*: 3 of its writes were refused, 2 with 412 (a condition such as If-Match) and 1 with 409 (such as a \
                    value that must be unique). Its dataset has several owners, ";
    assert!(said.contains(expected), "{said}");
    let one_home = estimate_of(&line("PUT", "/api/catalog/1", 412), &[]).out;
    assert!(one_home.contains("1 requests") && !one_home.contains("412"), "{one_home}");
}
