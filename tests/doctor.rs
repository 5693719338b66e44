//! `homing doctor`: what is said of what was heard, case by case.
//!
//! `tests/golden/doctor/heard.txt` and `probed.txt` are tables of cases: a comment that names it, the changes that it makes to the JSON file
//! of the same name, a line `---`, and the lines that are said then and not of the base. `UPDATE_GOLDEN=1 cargo test --test doctor` writes
//! down what is said now; look at the difference before you keep it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use command::{Run, directory, homing};
use homing_cli::doctor::judge::{
    door, examine,
    finding::{Finding, Severity},
    heard::Heard,
    platform::{CASES, Probed, findings},
};
use serde_json::{Value, json};

type Says = fn(Value) -> Vec<Finding>;

const HEARD: Says = |heard| examine(&serde_json::from_value::<Heard>(heard).unwrap());
const PROBED: Says = |probed| findings(&serde_json::from_value::<Probed>(probed).unwrap());

fn golden(name: &str) -> std::path::PathBuf {
    homing_tests::at("tests/golden/doctor").join(name)
}

fn base(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(golden(&format!("{name}.json"))).unwrap()).unwrap()
}

/// One line of a case: `PATH = JSON` or `remove PATH`.
fn change(heard: &mut Value, line: &str) {
    let (path, json) = match line.strip_prefix("remove ") {
        Some(path) => (path, None),
        None => {
            let (path, json) =
                line.split_once(" = ").unwrap_or_else(|| panic!("{line}: neither PATH = JSON nor remove PATH"));
            (path, Some(serde_json::from_str::<Value>(json).unwrap_or_else(|error| panic!("{line}: {error}"))))
        }
    };
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer = if above.is_empty() { String::new() } else { format!("/{}", above.replace('.', "/")) };
    let table =
        heard.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("{line}: no {above}"));
    match json {
        Some(json) => drop(table.insert(last.to_owned(), json)),
        None => drop(table.remove(last).unwrap_or_else(|| panic!("{line}: it is not there"))),
    }
}

fn text(found: &[Finding]) -> Vec<String> {
    found.iter().map(Finding::text).collect()
}

fn play(case: &str, name: &str, says: Says) -> String {
    let (head, _) = case.split_once("---\n").unwrap_or_else(|| panic!("no line --- in\n{case}"));
    let mut heard = base(name);
    let ordinary = text(&says(heard.clone()));
    head.lines().filter(|line| !line.starts_with('#')).for_each(|line| change(&mut heard, line));
    let said: String = text(&says(heard)).into_iter().filter(|line| !ordinary.contains(line)).collect();
    format!("{head}---\n{said}")
}

fn cases(text: &str) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("# ") {
            cases.push(String::new());
        }
        *cases.last_mut().unwrap() += &format!("{line}\n");
    }
    cases
}

fn hold(name: &str, says: Says) {
    let file = golden(&format!("{name}.txt"));
    let written = cases(&fs::read_to_string(&file).unwrap());
    let played: Vec<String> = written.iter().map(|case| play(case, name, says)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&file, played.join("\n")).unwrap();
    }
    for (written, played) in written.iter().zip(&played) {
        assert_eq!(written, played, "UPDATE_GOLDEN=1 writes down what is said now");
    }
}

#[test]
fn what_a_deployment_tells_of_itself_is_said_as_in_its_golden_case() {
    hold("heard", HEARD);
}

#[test]
fn what_a_probe_tells_of_the_platform_is_said_as_in_its_golden_case() {
    hold("probed", PROBED);
}

#[test]
fn where_all_is_well_every_line_passes_and_nothing_is_to_be_done() {
    for found in [HEARD(base("heard")), PROBED(base("probed"))] {
        assert!(found.len() > 8);
        for finding in found {
            assert_eq!((finding.severity, finding.remedy.as_str()), (Severity::Pass, ""), "{}", finding.text());
        }
    }
}

/// Every line that does not pass says what to do, and no check is said of twice.
#[test]
fn whatever_is_wrong_comes_with_what_to_do() {
    for (name, says) in [("heard", HEARD), ("probed", PROBED)] {
        for case in cases(&fs::read_to_string(golden(&format!("{name}.txt"))).unwrap()) {
            let mut heard = base(name);
            case.split_once("---\n")
                .unwrap()
                .0
                .lines()
                .filter(|line| !line.starts_with('#'))
                .for_each(|line| change(&mut heard, line));
            let found = says(heard);
            for finding in &found {
                assert_eq!(finding.severity == Severity::Pass, finding.remedy.is_empty(), "{}", finding.text());
            }
            let about: BTreeSet<_> =
                found.iter().map(|finding| (finding.check, &finding.about, finding.severity, &finding.says)).collect();
            assert_eq!(about.len(), found.len(), "{case}");
        }
    }
}

/// A deployment of another version leaves things out, and says more.
#[test]
fn what_is_not_told_is_no_error() {
    let found = HEARD(json!({ "at": 1, "something": "new" }));
    assert!(found.iter().all(|finding| finding.severity < Severity::Fail), "{:?}", text(&found));
    assert_eq!(PROBED(json!({})), []);
}

#[test]
fn every_kind_of_origin_has_its_line() {
    let found = PROBED(base("probed"));
    for case in CASES {
        assert!(found.iter().any(|finding| finding.check == "origin" && finding.about == case.name), "{}", case.name);
    }
}

#[test]
fn a_deployment_that_does_not_say_how_it_is_says_why() {
    let says = |status: u16, body: &str| door::turned_away(status, body).text();
    let problem = |detail: &str| json!({ "detail": detail }).to_string();
    let closed = "No ADMIN_TOKEN is set. Set one: `openssl`. Without one it is closed.";
    assert_eq!(
        says(403, &problem(closed)),
        "FAIL  token                    No ADMIN_TOKEN is set\n\
         \x20                              do: Set one: `openssl`. Without one it is closed.\n"
    );
    assert!(says(401, "{}").contains("do: set HOMING_TOKEN to the ADMIN_TOKEN"));
    assert!(says(404, &problem("There is no /_homing/api/doctor.")).contains("version is too old for `homing doctor`"));
    assert!(says(404, &problem("There is nothing here.")).contains("do: run this against the host in ADMIN_HOST"));
    assert!(says(429, "{}").contains("too many wrong tokens"));
    assert!(says(500, "{}").contains("npx wrangler tail"));
    assert!(says(302, "<html>").contains("it answers 302"));
    let answers = |answer: Result<(u16, String), String>| {
        door::answers("https://app.example.com", &answer, Duration::from_millis(7)).text()
    };
    assert!(
        answers(Ok((200, r#"{"status":"ok"}"#.into())))
            .starts_with("pass  router                   https://app.example.com answers in 7 ms\n")
    );
    assert!(answers(Ok((500, r#"{"reason":"internal"}"#.into()))).contains("serves no requests"));
    assert!(answers(Ok((404, problem("There is nothing here.")))).contains("its operators use another host"));
    assert!(answers(Ok((200, "<html>".into()))).contains("answers 200, but not like a Homing router"));
    assert!(answers(Err("nobody".into())).contains("FAIL  router                   nobody\n"));
    assert_eq!(door::stranger(200).severity, Severity::Fail);
    assert_eq!(door::stranger(401).severity, Severity::Pass);
    assert_eq!(door::versions("0.0.9", "0.1.0").severity, Severity::Warn);
    assert_eq!(door::unreadable("x").severity, Severity::Fail);
    assert_eq!(door::silent("x").severity, Severity::Fail);
}

// The command.

/// A server that answers each path with that status and body, once or more, until the test ends.
fn serve(answers: &'static [(&'static str, u16, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap_or(0);
            let head = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("").to_owned();
            let (status, body) =
                answers.iter().find(|(of, ..)| *of == path).map_or((404, "{}"), |(_, status, body)| (*status, *body));
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

fn doctor(arguments: &[&str]) -> Run {
    homing(&directory(&[]), &[&["doctor"], arguments].concat())
}

#[test]
fn nobody_there_is_a_failure_and_a_wrong_call_is_another() {
    let run = doctor(&["http://127.0.0.1:9"]);
    assert_eq!(run.status, 1);
    assert!(
        run.out.starts_with("FAIL  router                   http://127.0.0.1:9/_homing/healthz does not answer"),
        "{}",
        run.out
    );
    assert!(run.out.ends_with("0 pass, 0 warn, 1 fail\n"), "{}", run.out);
    assert_eq!(doctor(&["example.com"]).status, 2);
    assert_eq!(doctor(&["--origin", "refused=http://a"]).status, 2, "an origin without a probe");
    let run = doctor(&["--deploy-probe", "--origin", "hanging=http://a"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("there is no kind \"hanging\". The kinds are refused, nameless"), "{}", run.err);
    assert_eq!(doctor(&["--deploy-probe", "--origin", "refused=a"]).status, 2);
}

#[test]
fn a_router_that_keeps_to_itself_is_a_failure_and_json_says_the_same() {
    let url = serve(&[
        ("/_homing/healthz", 200, r#"{"status":"ok"}"#),
        ("/_homing/api/doctor", 401, r#"{"detail":"Send a token."}"#),
    ]);
    let run = doctor(&[&url, "--json"]);
    assert_eq!(run.status, 1);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&said["healthy"], &said["url"]), (&json!(false), &json!(url)));
    let lines: Vec<_> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["check"].as_str(), line["severity"].as_str()))
        .collect();
    assert_eq!(lines, [(Some("router"), Some("pass")), (Some("token"), Some("fail")), (Some("cost"), Some("pass"))]);
    assert!(said["findings"][1]["remedy"].as_str().unwrap().contains("HOMING_TOKEN"));
}

#[test]
fn warnings_alone_are_no_failure() {
    let url = serve(&[
        ("/_homing/healthz", 200, r#"{"status":"ok"}"#),
        ("/_homing/api/doctor", 200, r#"{"version":"0.0.1"}"#),
    ]);
    let run = doctor(&[&url]);
    assert_eq!(run.status, 0, "{}", run.out);
    assert!(run.out.contains("warn  version                  0.0.1 is deployed"), "{}", run.out);
}
