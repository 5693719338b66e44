//! Expectations and `homing explain`, run as they are built.
//!
//! `UPDATE_GOLDEN=1 cargo test --test explain` writes down what `homing explain` says now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use command::*;
use serde_json::Value;

/// What is said of these expectations.
fn expect(tests: &str) -> Run {
    homing(&directory(&[("wrangler.toml", &sound()), ("wrangler.tests.toml", tests)]), &["check"])
}

#[test]
fn expectations_that_fail_are_reported_with_the_rules_that_decided() {
    let run = expect(
        "[[test]]\nrequest = \"POST /api/cart\"\nnear = \"us\"\nhome = \"eu\"\n\
         expect = { to = \"us\", reason = \"nearest\", status = 201 }\n\
         [[test]]\nrequest = \"GET /\"\nnear = \"us\"\nexpect = { to = \"us\" }\n",
    );
    let expected = "error: expectation \"POST /api/cart\": to is \"eu\", expected \"us\"; \
                    reason is \"home\", expected \"nearest\"; status is \"200\", expected \"201\"; \
                    the rules were: session-valid, home-from-store eu, home eu\n1 error: do not deploy\n";
    assert_eq!((run.status, run.err.as_str()), (1, expected));
    assert!(run.out.ends_with("\nwrangler.tests.toml: 1 of 2 expectations hold\n"), "{}", run.out);
}

#[test]
fn an_expectation_that_asks_nothing_or_is_misspelt_does_not_hold() {
    let head = "[[test]]\nrequest = \"GET /\"\nnear = \"us\"\n";
    for (tests, expected) in [
        (
            format!("{head}expects = {{ to = \"us\" }}\n"),
            "\"GET /\": found the unknown key \"expects\", expected one of request, near, home, down, lag, reached, session, expect",
        ),
        (head.to_owned(), "\"GET /\": found no \"expect\", expected { to, reason, status }"),
        (
            format!("{head}expect = {{}}\n"),
            "\"GET /\": \"expect\" is empty, expected { to, reason, status } or some of them",
        ),
        (
            format!("{head}expect = {{ region = \"us\" }}\n"),
            "\"GET /\": found the unknown key \"region\", expected one of to, reason, status",
        ),
        (format!("{head}expect = \"us\"\n"), "\"GET /\": found \"us\", expected a table"),
        (format!("{head}expect = {{ to = 1 }}\n"), "\"GET /\": \"to\" is 1, expected text in quotes"),
        (format!("{head}expect = {{ status = \"200\" }}\n"), "\"GET /\": \"status\" is \"200\", expected a number"),
        (
            format!("{head}down = [\"eu\", 2]\nexpect = {{ to = \"us\" }}\n"),
            "\"GET /\": \"down\" has 2 in its list, expected text in quotes",
        ),
        (
            format!("{head}down = \"mars\"\nexpect = {{ to = \"us\" }}\n"),
            "\"GET /\": there is no region \"mars\". The topology has us, eu",
        ),
        (
            "[[test]]\nrequest = \"/\"\nexpect = { to = \"us\" }\n".to_owned(),
            "\"/\": the request is \"/\", expected a method and a path, such as \"GET /api/cart\"",
        ),
        (
            format!("{head}session = \"name=ada\"\nexpect = {{ to = \"us\" }}\n"),
            "\"GET /\": the session says \"name=ada\", expected user=NAME, tenant=NAME, home=REGION, pin=DATASET, pin=DATASET@POSITION or pin=DATASET@OWNER=POSITION",
        ),
        ("# nothing\n".to_owned(), "\"wrangler.tests.toml\": found no [[test]], expected at least one"),
        ("test = []\n".to_owned(), "\"wrangler.tests.toml\": found no [[test]], expected at least one"),
    ] {
        let run = expect(&tests);
        let expected = format!("error: expectation {expected}\n1 error: do not deploy\n");
        assert_eq!((run.status, run.err), (1, expected), "{tests}");
    }
}

#[test]
fn expectations_that_are_no_toml_are_pointed_at_in_their_own_file() {
    let run = expect("[[test]\n");
    assert_eq!(run.status, 1);
    assert!(run.err.starts_with("error: wrangler.tests.toml is not TOML: "), "{}", run.err);
    assert!(run.err.contains(" --> wrangler.tests.toml:1:"), "{}", run.err);
}

#[test]
fn explain_prints_the_rules_and_the_steps() {
    let here = golden("");
    for (name, arguments) in [
        ("explain-read.txt", "explain GET /api/cart --near us --home eu"),
        ("explain-write-while-home-is-down.txt", "explain POST /api/cart --near us --home eu --down eu"),
    ] {
        let run = homing(&here, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{arguments}");
        is_golden(name, &run.out);
    }
}

#[test]
fn explain_says_what_a_session_has_seen_and_how_each_copy_stands_to_that() {
    let catalog = "[vars.DATASETS.catalog]\nownership = \"single-writer\"\nhome = \"us\"\nposition = \"counter\"\n\n\
        [[vars.ROUTES]]\nmatch = \"/api/catalog/*\"\ndataset = \"catalog\"\nread_after_write = \"session\"\nwait = \"50ms\"\n\n\
        [vars.IDENTITY]";
    let here = directory(&[("wrangler.toml", &sound().replace("[vars.IDENTITY]", catalog))]);
    let explained = |more: &str| {
        let line = format!("explain GET /api/catalog/1 --near eu --session pin=catalog@42 {more}");
        let run = homing(&here, &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{more}");
        let seen = run.out.split("The session has seen: ").nth(1).and_then(|rest| rest.split("\n\n").next());
        seen.unwrap_or_default().to_owned()
    };
    let seen = "catalog 42 of us, epoch 1; 0 ms ago\n";
    for (more, of_eu) in [
        ("--reached eu=42", "eu: has it, by its reported position"),
        ("--reached eu=41", "eu: should not have it for another 5000 ms; a write usually takes 5000 ms to arrive"),
        ("--lag eu=800ms", "eu: should not have it for another 800 ms; a write usually takes 800 ms to arrive"),
        (
            "--lag eu=40ms",
            "eu: should have it in 40 ms, and the route waits that long; a write usually takes 40 ms to arrive",
        ),
        (
            "--lag eu=11s",
            "eu: The replica lags by more than 10 s, so it is not expected to have what the session has seen.",
        ),
    ] {
        assert_eq!(explained(more), format!("{seen}  {of_eu}\n  us: the home, which has it"), "{more}");
    }
}

#[test]
fn explain_as_json_has_the_steps_and_the_answer() {
    let arguments = ["explain", "POST", "/api/cart", "--near", "us", "--home", "eu", "--json"];
    let run = homing(&golden(""), &arguments);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(said["steps"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!((said["answer"]["region"].as_str(), said["answer"]["reason"].as_str()), (Some("eu"), Some("home")));
}

#[test]
fn explain_says_what_it_cannot_explain() {
    for (arguments, expected) in [
        ("GET /api/cart --near mars", "there is no region \"mars\". The topology has us, eu"),
        ("GET /api/cart --home mars", "there is no region \"mars\". The topology has us, eu"),
        ("GET / --config gone.toml", "gone.toml cannot be read. Run `homing check gone.toml` to see why"),
        ("GET / --config broken.toml", "broken.toml has errors. Run `homing check broken.toml` to list them"),
        ("GET / --session 1.a.b", "a real session needs its key. Set SESSION_KEY in the environment"),
    ] {
        let here = directory(&[("wrangler.toml", &sound()), ("broken.toml", "[vars]\n")]);
        let run = homing(&here, &[&["explain"][..], &arguments.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!((run.status, run.err), (2, format!("error: {expected}\n")), "{arguments}");
    }
}

#[test]
fn help_lists_what_there_is() {
    let lists = |text: &str, name: &str, says: &str| {
        text.lines().filter_map(|line| line.trim().strip_prefix(name)).any(|rest| rest.trim().starts_with(says))
    };
    let run = homing(&golden(""), &["--help"]);
    assert_eq!(run.status, 0);
    for (name, says) in [
        ("check ", "Check wrangler.toml"),
        ("explain ", "Explain what the router would do"),
        ("conformance ", "Test an origin"),
    ] {
        assert!(lists(&run.out, name, says), "{}", run.out);
    }
    // Called with nothing it says the same, but as a mistake.
    let run = homing(&golden(""), &[]);
    assert_eq!(run.status, 2);
    assert!(lists(&run.err, "explain ", "Explain"), "{}", run.err);
}

/// One owner compares with what it has; the other does the same.
#[test]
fn a_condition_on_data_with_several_owners_is_warned_of() {
    let here = directory(&[("wrangler.toml", &sound())]);
    let explain = |request: &[&str]| homing(&here, &[&["explain"], request].concat()).out;
    let condition = ["--header", "If-Match: \"1\""];
    let warned = explain(&[&["PUT", "/api/likes/7"][..], &condition].concat());
    assert!(warned.contains("\nWarning: if-match holds only at the owner that takes the write: "), "{warned}");
    for fine in [&["PUT", "/api/cart"][..], &["GET", "/api/likes/7"]] {
        let said = explain(&[fine, &condition].concat());
        assert!(said.contains("\nAnswer: ") && !said.contains("Warning"), "{said}");
    }
    assert!(!explain(&["PUT", "/api/likes/7"]).contains("Warning"));
}
