//! The command as it is built.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    fmt::Write as _,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Exit status, output, errors.
fn run(input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_history"));
    let mut child =
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const WRITE: &str = r#"{"kind":"write","session":"a","seq":1,"key":"k","id":"1","status":"ok","start":0,"end":5,"region":"us","epoch":1}"#;

#[test]
fn a_clean_recording_ends_with_no_violations() {
    let (status, out, err) = run(&format!("{WRITE}\n\n{}\n", READ.replace("[]", r#"["1"]"#)));
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "reads:  1 ok, 0 fail, 0 unknown; 0 said to be stale\n\
         writes: 1 ok, 0 fail, 0 unknown; 0 declared lost\n\
         1 sessions, 1 keys, 0 final states\n\
         staleness: p50 0 ms, p99 0 ms, max 0 ms; 0 of 1 reads miss something\n\
         violations: 0\n"
    );
}

const READ: &str = r#"{"kind":"read","session":"a","seq":2,"key":"k","list":[],"status":"ok","start":6,"end":9}"#;

#[test]
fn a_violation_is_told_and_shows_in_the_exit_status() {
    let (status, out, _) = run(&format!("{WRITE}\n{READ}\n"));
    assert_eq!(status, 1);
    assert!(
        out.contains("\nread-your-writes: 1\n  read-your-writes on \"k\": a#2 (read, 6 to 9 ms) lacks \"1\""),
        "{out}"
    );
    assert!(out.ends_with("\nviolations: 1\n"), "{out}");
}

#[test]
fn what_cannot_be_judged_is_met_with_line_and_field() {
    let told = |input: &str| {
        let (status, out, err) = run(input);
        assert_eq!((status, out.as_str()), (2, ""));
        err
    };
    assert_eq!(
        told(&format!("{WRITE}\n{}", READ.replace("\"seq\":2,", ""))),
        "error: -: line 2, field `seq`: is missing, expected a whole number from 0\n"
    );
    assert_eq!(
        told(&format!("{WRITE}\n{}", WRITE.replace("\"seq\":1", "\"seq\":2"))),
        "error: -: line 2, field `id`: \"1\" was written in line 1 already; ids of a key are unique\n"
    );
    assert_eq!(
        told(&format!("{WRITE}\n{}", READ.replace("\"seq\":2", "\"seq\":1"))),
        "error: -: line 2, field `seq`: session \"a\" has 1 in line 1 too; number its operations in their order\n"
    );
    assert_eq!(
        told(&format!("{WRITE}\n{}", READ.replace("\"start\":6", "\"start\":4"))),
        "error: -: line 2, field `start`: found 4, before the session's operation in line 1 ended (5); the operations of \
         a session follow each other, concurrent ones belong to sessions of their own\n"
    );
    assert_eq!(
        told(r#"{"kind":"lost","key":"k","ids":["1"]}"#),
        "error: -: line 1, field `ids`: found \"1\", which no write of this key has; losses are of writes\n"
    );
    let told_twice = r#"{"kind":"final","region":"us","key":"k","list":[]}"#;
    assert_eq!(
        told(&format!("{told_twice}\n{told_twice}")),
        "error: -: line 2, field `region`: the final state of this key at us was told before; tell it once\n"
    );
    let (status, _, err) = {
        let output = Command::new(env!("CARGO_BIN_EXE_history")).arg("no-such-file").output().unwrap();
        (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(status, 2);
    assert!(err.starts_with("error: no-such-file cannot be read: "), "{err}");
}

/// 100,000 operations of 100 sessions on 500 keys, lists up to 100 ids long.
#[test]
fn a_hundred_thousand_operations_take_seconds() {
    let mut text = String::new();
    let mut lists: Vec<Vec<String>> = vec![Vec::new(); 500];
    for at in 0..100_000usize {
        let (session, key, time) = (at % 100, at * 7919 % 499, at / 100 * 20);
        let rest = format!(
            r#""session":"s{session}","seq":{at},"key":"k{key}","status":"ok","start":{time},"end":{}"#,
            time + 9
        );
        if at % 2 == 0 {
            lists[key].push(format!("{at}"));
            writeln!(text, r#"{{"kind":"write","id":"{at}",{rest}}}"#).unwrap();
        } else {
            writeln!(text, r#"{{"kind":"read","list":{:?},{rest}}}"#, lists[key]).unwrap();
        }
    }
    let began = Instant::now();
    let (status, out, err) = run(&text);
    let took = began.elapsed();
    assert_eq!(status, 0, "{out}{err}");
    println!("{took:?}");
    // A hundredth of a quadratic check; far above what it takes even unoptimised on a busy machine.
    assert!(took < Duration::from_secs(30), "{took:?}");
}
