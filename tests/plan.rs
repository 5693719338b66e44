//! `homing plan`, run as it is built: what each kind of change means, its steps in their order, and what is refused, with the sentence.
//!
//! `UPDATE_GOLDEN=1 cargo test --test plan` writes down what it says now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use command::*;
use serde_json::Value;

/// A text of a file and what it becomes.
type Edit<'a> = (&'a str, &'a str);
/// What a case is called, and what is done to the old file before, and for the new one.
type Case = (&'static str, Vec<Edit<'static>>, Vec<Edit<'static>>);

const AP: &str = "\n[vars.REGIONS.ap]\norigin = \"https://ap.example.com\"\nlocation = { lat = 1.35, lon = 103.8 }\n";
const CATALOG: &str = "ownership = \"single-writer\"\nhome = \"us\"\nstaleness = \"30s\"\nposition = \"counter\"\n";
const CART: &str = "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\", \"ap\"]\n";
const CONFLICTS: &str =
    "conflicts = { rule = \"last-write-wins\", explain = \"The later price counts, wherever it was entered.\" }\n";
const USER: &str = "user = { response_header = \"Homing-Subject\" }";

fn old() -> String {
    fs::read_to_string(golden("plan/old.toml")).unwrap()
}

fn edited(text: &str, edits: &[Edit<'_>]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the file:\n{text}");
        text.replace(from, to)
    })
}

/// The plan from one text to another.
fn between(old: &str, new: &str, arguments: &[&str]) -> Run {
    let here = directory(&[("OLD.toml", old), ("NEW.toml", new)]);
    homing(&here, &[&["plan", "OLD.toml", "NEW.toml"], arguments].concat())
}

/// The plan from the file of the golden cases to the same with these edits.
fn plan(edits: &[Edit<'_>]) -> Run {
    between(&old(), &edited(&old(), edits), &[])
}

/// The kinds of changes; a name that begins with `to-` is the way from what the one before it leads to.
fn kinds() -> Vec<Case> {
    let many = format!("ownership = \"multi-writer\"\n{CONFLICTS}").leak();
    let split = "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\", \"ap\"]\n";
    let alone = edited_cart_out();
    let named = "user = { response_header = \"Homing-Subject\", first_home = \"us\" }";
    vec![
        ("home-moved", vec![], vec![("home = \"us\"", "home = \"eu\"")]),
        ("region-added", without_ap(), vec![]),
        ("region-removed", vec![], without_ap()),
        ("origin-changed", vec![], vec![("https://eu.example.com", "https://eu2.example.com")]),
        ("single-to-multi", vec![], vec![(CATALOG, many)]),
        ("multi-to-single", vec![(CATALOG, many)], vec![]),
        ("single-to-split", alone.clone(), [alone.clone(), vec![(CATALOG, split)]].concat()),
        ("single-to-split-at-home", alone.clone(), [alone.clone(), vec![(CATALOG, split), (USER, named)]].concat()),
        ("split-to-single", vec![], vec![(CART, "ownership = \"single-writer\"\nhome = \"us\"\n")]),
        ("split-to-multi", vec![], vec![(CART, many)]),
        ("multi-to-split", vec![(CART, many)], vec![]),
        ("residency-narrowed", vec![], vec![("\"us\", \"eu\", \"ap\"", "\"us\", \"eu\"")]),
        ("residency-widened", vec![("\"us\", \"eu\", \"ap\"", "\"us\", \"eu\"")], vec![]),
        (
            "owner-left",
            vec![],
            vec![("ownership = \"multi-writer\"", "ownership = \"multi-writer\"\nregions = [\"us\", \"eu\"]")],
        ),
        ("conflicts-changed", vec![], vec![("last-write-wins", "merge")]),
        ("position-changed", vec![], vec![("position = \"counter\"", "position = \"lsn\"")]),
        ("lease-begins", vec![], vec![("home = \"us\"", "home = \"us\"\nlease = \"60s\"")]),
        ("lease-ends", vec![("home = \"us\"", "home = \"us\"\nlease = \"60s\"")], vec![]),
        ("identity-changed", vec![], vec![(USER, "user = { header = \"X-User\" }")]),
        ("first-home-ends", vec![(USER, named)], vec![]),
        (
            "routes",
            vec![],
            vec![
                ("idempotent = true", "deadline = \"3s\""),
                (
                    "match = \"/api/likes/*\"\ndataset = \"likes\"\nread_after_write = \"session\"",
                    "match = \"/api/likes/*\"\ndataset = \"likes\"\nread_after_write = \"none\"",
                ),
            ],
        ),
        ("nothing", vec![], vec![]),
        ("two-things", vec![], vec![("home = \"us\"", "home = \"eu\""), ("\"us\", \"eu\", \"ap\"", "\"us\", \"eu\"")]),
    ]
}

fn without_ap() -> Vec<Edit<'static>> {
    vec![(AP, ""), ("\"us\", \"eu\", \"ap\"", "\"us\", \"eu\"")]
}

/// No dataset is split by users yet.
fn edited_cart_out() -> Vec<Edit<'static>> {
    vec![
        (
            "\n[vars.DATASETS.cart]\nownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\", \"ap\"]\n",
            "",
        ),
        ("\n[[vars.ROUTES]]\nmatch = \"/api/cart/*\"\ndataset = \"cart\"\nread_after_write = \"session\"\n", ""),
    ]
}

#[test]
fn what_is_said_of_each_kind_of_change_is_its_golden_case() {
    for (name, before, after) in kinds() {
        let run = between(&edited(&old(), &before), &edited(&old(), &after), &[]);
        assert_eq!(run.status, 0, "{name}: {}", run.whole());
        is_golden(&format!("plan/{name}.txt"), &run.whole());
    }
}

/// What refuses a plan: about what, why, and the remedy; with the end of the sentence on standard error.
fn refused(before: &[Edit<'_>], after: &[Edit<'_>]) -> Vec<String> {
    let run = between(&edited(&old(), before), &edited(&old(), after), &["--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    assert_eq!(
        (run.status, &said["verdict"], &said["steps"]),
        (1, &"refused".into(), &Value::Array(vec![])),
        "{}",
        run.whole()
    );
    let text = |refusal: &Value, key: &str| refusal[key].as_str().unwrap().to_owned();
    let all = said["refusals"].as_array().unwrap().iter();
    all.map(|refusal| format!("{}: {} {}", text(refusal, "about"), text(refusal, "why"), text(refusal, "remedy")))
        .collect()
}

/// What begins: other subjects, another region in the place of one, users who get homes.
fn refused_beginnings() -> Vec<Case> {
    let tenant = "user = { response_header = \"Homing-Subject\" }\ntenant = { path = \"/t/{tenant}/*\" }";
    vec![
        ("subject kind", vec![(USER, tenant)], vec![(USER, tenant), ("subject = \"user\"", "subject = \"tenant\"")]),
        (
            "default home",
            vec![],
            vec![("default_home = true\n", ""), ("[vars.REGIONS.eu]\n", "[vars.REGIONS.eu]\ndefault_home = true\n")],
        ),
        (
            "renamed region",
            vec![],
            vec![
                ("https://eu.example.com", "https://ap.example.com"),
                (
                    "origin = \"https://ap.example.com\"\nlocation = { lat = 1.35",
                    "origin = \"https://eu.example.com\"\nlocation = { lat = 1.35",
                ),
            ],
        ),
        (
            "split outside of home",
            edited_cart_out(),
            [
                edited_cart_out(),
                vec![(CATALOG, "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"eu\"]\n")],
            ]
            .concat(),
        ),
        (
            "split while others live",
            vec![],
            vec![(CATALOG, "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\"]\n")],
        ),
        (
            "split from two homes",
            vec![(CART, "ownership = \"single-writer\"\nhome = \"eu\"\n")],
            vec![(CATALOG, "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\"]\n")],
        ),
        (
            "split where other data of the users may not be",
            vec![(
                CART,
                "ownership = \"multi-writer\"\nconflicts = { rule = \"last-write-wins\", explain = \"The later one counts, wherever it was made.\" }\n",
            )],
            vec![
                (CATALOG, "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\"]\n"),
                ("\"us\", \"eu\", \"ap\"", "\"eu\""),
            ],
        ),
    ]
}

/// What ends: homes of users, owners, regions.
fn refused_ends() -> Vec<Case> {
    vec![
        (
            "joined where none may live",
            vec![("\"us\", \"eu\", \"ap\"", "\"eu\", \"ap\"")],
            vec![(CART, "ownership = \"single-writer\"\nhome = \"us\"\n")],
        ),
        (
            "joined while unknown ones live elsewhere",
            vec![(USER, "user = { response_header = \"Homing-Subject\", first_home = \"eu\" }")],
            vec![(CART, "ownership = \"single-writer\"\nhome = \"us\"\n")],
        ),
        (
            "one of no owners",
            vec![("ownership = \"multi-writer\"", "ownership = \"multi-writer\"\nregions = [\"eu\", \"ap\"]")],
            vec![
                ("ownership = \"multi-writer\"", "ownership = \"single-writer\"\nhome = \"us\""),
                (
                    "\n[vars.DATASETS.likes.conflicts]\nrule = \"last-write-wins\"\nexplain = \"If you like and unlike within a second from two places, the later click counts.\"\n",
                    "",
                ),
            ],
        ),
        (
            "no owner stays",
            vec![("ownership = \"multi-writer\"", "ownership = \"multi-writer\"\nregions = [\"us\"]")],
            vec![("ownership = \"multi-writer\"", "ownership = \"multi-writer\"\nregions = [\"eu\"]")],
        ),
        (
            "residency without overlap",
            vec![("\"us\", \"eu\", \"ap\"", "\"us\"")],
            vec![("\"us\", \"eu\", \"ap\"", "\"eu\"")],
        ),
        (
            "first home moved",
            vec![(USER, "user = { response_header = \"Homing-Subject\", first_home = \"us\" }")],
            vec![(USER, "user = { response_header = \"Homing-Subject\", first_home = \"eu\" }")],
        ),
        (
            "route to another owner",
            vec![],
            vec![(
                "match = \"/api/catalog/*\"\ndataset = \"catalog\"",
                "match = \"/api/catalog/*\"\ndataset = \"likes\"",
            )],
        ),
        (
            "region whose subjects cannot go",
            vec![("\"us\", \"eu\", \"ap\"", "\"ap\"")],
            vec![(AP, ""), ("\"us\", \"eu\", \"ap\"", "\"us\", \"eu\"")],
        ),
    ]
}

#[test]
fn plans_that_would_make_two_owners_are_refused_with_the_way_around() {
    let mut said = String::new();
    for (name, before, after) in refused_beginnings().into_iter().chain(refused_ends()) {
        said.push_str(&format!("{name}\n"));
        refused(&before, &after).iter().for_each(|line| said.push_str(&format!("  {line}\n")));
    }
    is_golden("plan/refused.txt", &said);
}

#[test]
fn a_path_from_no_dataset_to_one_at_the_default_home_is_a_plan() {
    let dataset = "\n[vars.DATASETS.pages]\nownership = \"single-writer\"\nhome = \"us\"\n\n[[vars.ROUTES]]\nmatch = \"/api/pages/*\"\ndataset = \"pages\"\n\n[vars.IDENTITY]\n";
    let run = plan(&[("\n[vars.IDENTITY]\n", dataset)]);
    assert_eq!(run.status, 0, "{}", run.whole());
    assert!(run.out.contains("PUT /api/pages/*: belongs to pages, and did to none"), "{}", run.out);
    let elsewhere = dataset.replace("home = \"us\"", "home = \"eu\"");
    assert_eq!(plan(&[("\n[vars.IDENTITY]\n", &elsewhere)]).status, 1);
}

#[test]
fn the_command_is_called_rightly_or_says_how() {
    let here = directory(&[
        ("OLD.toml", &old()),
        ("NEW.toml", &edited(&old(), &[("home = \"us\"", "home = \"uk\"")])),
        ("BAD.toml", "a = "),
    ]);
    let run = |arguments: &[&str]| homing(&here, &[&["plan"], arguments].concat());
    let said = run(&["OLD.toml", "NEW.toml"]);
    assert_eq!(said.status, 2);
    assert!(said.err.starts_with("error: NEW.toml has errors. Run `homing check NEW.toml` to list them. The first: vars.DATASETS.catalog.home: found \"uk\""), "{}", said.err);
    assert_eq!(run(&["OLD.toml", "BAD.toml"]).status, 2);
    assert_eq!(run(&["OLD.toml", "MISSING.toml"]).status, 2);
    let said = run(&["OLD.toml", "OLD.toml", "--env", "prod"]);
    assert_eq!((said.status, said.err.as_str()), (2, "error: OLD.toml has no environment \"prod\"\n"));
}

/// An environment has its own topology, its own commands and its own place in the files between.
#[test]
fn an_environment_is_planned_by_its_own_vars() {
    let env = |text: &str| text.replace("[vars.", "[env.prod.vars.").replace("[[vars.", "[[env.prod.vars.");
    let new = edited(&old(), &without_ap());
    let here = directory(&[("OLD.toml", &env(&old())), ("wrangler.toml", &env(&new))]);
    let run = homing(&here, &["plan", "OLD.toml", "wrangler.toml", "--env", "prod", "--write", "--json"]);
    assert_eq!(run.status, 0, "{}", run.whole());
    let said: Value = serde_json::from_str(&run.out).unwrap();
    let deployed: Vec<_> =
        said["steps"].as_array().unwrap().iter().filter(|step| step["deploys"].is_string()).collect();
    assert_eq!(deployed.last().unwrap()["commands"][1], "npx wrangler deploy --env prod");
    let made = fs::read_to_string(here.join("between-1.toml")).unwrap();
    assert!(made.contains("[env.prod.vars.REGIONS.ap]") && made.contains("regions = [\"us\", \"eu\"]"), "{made}");
    assert_eq!(homing(&here, &["plan", "between-1.toml", "wrangler.toml", "--env", "prod"]).status, 0);
}

#[test]
fn an_access_log_is_played_through_both() {
    let new = edited(&old(), &[("home = \"us\"", "home = \"eu\"")]);
    let line = |method: &str, path: &str, near: &str, user: &str| {
        format!("{{\"method\":\"{method}\",\"path\":\"{path}\",\"near\":\"{near}\",\"user\":\"{user}\"}}\n")
    };
    let log = line("PUT", "/api/catalog/1", "eu", "ada").repeat(3)
        + &line("GET", "/api/catalog/1", "ap", "bob").repeat(2)
        + &line("POST", "/api/cart", "ap", "bob")
        + "nonsense\n";
    let here = directory(&[("OLD.toml", &old()), ("NEW.toml", &new), ("access.log", &log)]);
    let run = homing(&here, &["plan", "OLD.toml", "NEW.toml", "--access-log", "access.log"]);
    let tail = run.out.split_once("\nThe access log: ").unwrap().1;
    assert_eq!(
        tail,
        "3 of 6 requests are decided otherwise (3 by region, 0 by reason, 0 by what the edge cache does).\n         \
         3  PUT /api/catalog/*: us, home -> eu, home\n  Unreadable lines: 1.\n  \
         All regions count as healthy, the edge cache as empty, and subjects keep the homes that the old file gave them.\n"
    );
    let added = between_logs(
        &edited(&old(), &without_ap()),
        &old(),
        &line("GET", "/api/likes/1", "us", "ada"),
        &["--near", "ap=1"],
    );
    assert_eq!(added["otherwise"], 0, "the log says where the client is");
    let anywhere = "{\"method\":\"GET\",\"path\":\"/api/likes/1\"}\n";
    let added = between_logs(&edited(&old(), &without_ap()), &old(), anywhere, &["--near", "ap=1"]);
    assert_eq!(added["most_frequent"][0]["becomes"]["region"], "ap");
    assert_eq!(added["most_frequent"][0]["was"]["region"], "eu", "the nearest of those that there were");
}

fn between_logs(old: &str, new: &str, log: &str, arguments: &[&str]) -> Value {
    let here = directory(&[("OLD.toml", old), ("NEW.toml", new), ("access.log", log)]);
    let run =
        homing(&here, &[&["plan", "OLD.toml", "NEW.toml", "--access-log", "access.log", "--json"], arguments].concat());
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    said["requests"].clone()
}

/// What a route says of access counts, and not the method alone.
#[test]
fn a_read_moves_to_another_owner_and_a_write_does_not_whatever_its_method() {
    let route = |methods: &str, more: &str, dataset: &str| {
        format!(
            "[[vars.ROUTES]]\nmatch = \"{methods} /api/search/*\"\ndataset = \"{dataset}\"\n{more}\n[vars.IDENTITY]\n"
        )
    };
    let moved = |methods: &str, more: &str| {
        let with = |dataset: &str| edited(&old(), &[("[vars.IDENTITY]\n", &route(methods, more, dataset))]);
        between(&with("catalog"), &with("likes"), &[])
    };
    for (methods, more) in [
        ("POST", "access = \"read\""),
        ("PROPFIND,REPORT,SEARCH,TRACE", ""),
        ("GET,HEAD,QUERY", ""),
        ("OPTIONS", "access = \"write\""),
    ] {
        let run = moved(methods, more);
        assert_eq!(run.status, 0, "{methods} {more}: {}", run.whole());
        assert!(run.out.contains("/api/search/*: belongs to likes, and did to catalog"), "{}", run.out);
    }
    for (methods, more) in [("GET", "access = \"write\""), ("POST", ""), ("LOCK", ""), ("GET,PUT", "")] {
        let run = moved(methods, more);
        assert_eq!(run.status, 1, "{methods} {more}: {}", run.whole());
        assert!(run.out.contains("and no epoch connects the two"), "{}", run.out);
    }
}

/// A request that is sent as a read from now on goes past the fence, so its application must know.
#[test]
fn what_becomes_a_read_must_write_nothing() {
    let route = |more: &str| {
        format!("[[vars.ROUTES]]\nmatch = \"POST /api/search\"\ndataset = \"catalog\"\n{more}\n[vars.IDENTITY]\n")
    };
    let with = |more: &str| edited(&old(), &[("[vars.IDENTITY]\n", &route(more))]);
    let said = |before: &str, after: &str| between(&with(before), &with(after), &[]);
    let run = said("", "access = \"read\"");
    assert!(
        run.status == 0
            && run.out.contains("Step 1 of 2: Make sure that POST /api/search writes nothing (application)\n"),
        "{}",
        run.whole()
    );
    let run = said("access = \"read\"", "");
    assert!(run.status == 0 && run.out.contains("Step 1 of 1: Deploy NEW.toml for all traffic"), "{}", run.whole());
}

/// The router decides by the method where a route does not say it, so a GET that was a write becomes a read by what is taken away.
#[test]
fn what_is_a_read_again_by_its_method_must_write_nothing() {
    let route = |more: &str| {
        let route =
            format!("[[vars.ROUTES]]\nmatch = \"GET /api/visit\"\ndataset = \"catalog\"\n{more}\n[vars.IDENTITY]\n");
        edited(&old(), &[("[vars.IDENTITY]\n", &route)])
    };
    let steps = |before: &str, after: &str| {
        let run = between(&route(before), &route(after), &[]);
        assert_eq!(run.status, 0, "{}", run.whole());
        run.out.contains("Make sure that GET /api/visit writes nothing")
    };
    assert!(steps("access = \"write\"", ""), "a write by its route becomes a read by its method");
    assert!(steps("access = \"write\"", "access = \"read\""));
    assert!(!steps("", "access = \"read\""), "it was a read before");
    assert!(!steps("", "access = \"write\""));
}

/// What the commands and the text say of a subject's id, from that source to another.
fn asked_whose(route: &str, before: &str, after: &str) -> (Vec<String>, String) {
    let with = |source: &str| {
        edited(
            &old(),
            &[("match = \"/api/cart/*\"\ndataset = \"cart\"\n", route), (USER, &format!("user = {{ {source} }}"))],
        )
    };
    let run = between(&with(before), &with(after), &["--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    let step = &said["steps"][0];
    let check = step["check"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    (check, step["done"].as_str().unwrap().to_owned())
}

#[test]
fn the_commands_about_an_identity_ask_the_route_with_its_host_and_the_subject_in_its_place() {
    let cart = |pattern: &str| format!("match = \"{pattern}\"\ndataset = \"cart\"\n");
    let (header, named) = ("header = \"X-User\"", "--header 'x-user: NAME'");
    let both = "Both commands show the same id after \"look up home:\". Write some of your users for NAME, and a path of yours.";
    let whose = |pattern: &str, before: &str| asked_whose(&cart(pattern), before, header);
    let asks = |old: &str, new: &str| {
        (
            vec![
                format!("homing explain PUT {old} --config OLD.toml"),
                format!("homing explain PUT {new} --config NEW.toml {named}"),
            ],
            both.to_owned(),
        )
    };
    let asked = whose("*.shop.example/api/cart/*", "cookie = \"user\"");
    let old = "x.shop.example/api/cart/x --config OLD.toml --header 'cookie: user=NAME'";
    assert_eq!(asked.0[0], format!("homing explain PUT {old}"));
    assert_eq!(asked.0[1], format!("homing explain PUT x.shop.example/api/cart/x --config NEW.toml {named}"));
    assert_eq!(
        whose("/api/cart/*", "host = \"{user}.shop.example\""),
        asks("NAME.shop.example/api/cart/x", "/api/cart/x")
    );
    assert_eq!(whose("/u/{user}/cart", "path = \"/u/{user}/*\""), asks("/u/NAME/cart", "/u/x/cart"));
}

#[test]
fn without_a_route_to_the_split_data_no_commands_are_spoken_of() {
    let (check, done) =
        asked_whose("match = \"/api/cart/*\"\ndataset = \"likes\"\n", "header = \"X-Old\"", "header = \"X-User\"");
    assert!(check.is_empty(), "{check:?}");
    assert_eq!(
        done,
        "The text of some of your users is the same in both. No two commands show it, because a file has no route to cart."
    );
}

#[test]
fn a_budget_of_conflicts_that_changes_is_told() {
    let route = "match = \"/api/likes/*\"\ndataset = \"likes\"\n";
    let run = plan(&[(route, &format!("{route}max_conflict_rate = \"1%\"\n"))]);
    assert_eq!(run.status, 0, "{}", run.whole());
    assert!(run.out.contains("Changes no ownership:\n  /api/likes/*: max_conflict_rate\n"), "{}", run.out);
}

/// The words of a command line, as a shell parts them.
fn words(line: &str) -> Vec<String> {
    let told = Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
    assert!(told.status.success(), "{line}");
    String::from_utf8(told.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_commands_can_be_pasted_whatever_the_files_are_called() {
    let (was, is) = ("it's \"old\" $HOME.toml", "new `id`; #1.toml");
    let alone = [edited_cart_out(), vec![(CATALOG, CART)]].concat();
    let here = directory(&[(was, &edited(&old(), &edited_cart_out())), (is, &edited(&old(), &alone))]);
    let run = homing(&here, &["plan", was, is, "--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    let (mut lines, mut back) = (Vec::new(), Vec::new());
    for step in said["steps"].as_array().unwrap() {
        let of = |key: &str| {
            step[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        lines.extend(of("commands").into_iter().chain(of("check")).map(|line| words(&line)));
        let text = step["back"].as_str().unwrap();
        back.extend(text.split_once("`homing plan ").map(|(_, plan)| words(plan.rsplit_once('`').unwrap().0)));
    }
    assert!(lines.contains(&["npx", "wrangler", "deploy", "--config", is].map(str::to_owned).to_vec()), "{lines:?}");
    assert!(lines.iter().any(|line| line[..3] == ["homing", "check", is]), "{lines:?}");
    assert_eq!(back, [[is, was]]);
}

/// A leg of a plan begins at a file between; the next leg's files must not be written over it.
#[test]
fn a_file_between_is_never_the_old_or_the_new_one() {
    let new = edited(&old(), &without_ap());
    let here = directory(&[("between-1.toml", &old()), ("between-2.toml", &new)]);
    let run = homing(&here, &["plan", "./between-1.toml", "between-2.toml", "--write", "--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.whole()));
    assert_eq!(said["between"][0]["name"], "between-3.toml");
    assert_eq!(fs::read_to_string(here.join("between-1.toml")).unwrap(), old());
    assert_eq!(fs::read_to_string(here.join("between-2.toml")).unwrap(), new);
}

/// Answers every request with these bytes.
fn answers(bytes: impl Into<Vec<u8>>) -> String {
    let (listener, bytes) = (TcpListener::bind("127.0.0.1:0").unwrap(), bytes.into());
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // A client that is gone has had its answer.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(&bytes));
        }
    });
    url
}

#[test]
fn a_deployment_that_answers_nothing_of_use_is_no_plan() {
    let json = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let gone = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let here = directory(&[("OLD.toml", &old()), ("NEW.toml", &edited(&old(), &[("home = \"us\"", "home = \"eu\"")]))]);
    for (url, expected) in [
        (gone, " does not answer: "),
        (answers(""), " does not answer: "),
        (answers(vec![0xff; 9000]), " does not answer: "),
        (answers(json("200 OK", "<html>")), " answered 200 OK without JSON. Is it a Homing router?"),
        (answers(json("200 OK", "\u{1b}[2J")), " answered 200 OK without JSON. Is it a Homing router?"),
        (answers(json("301 Moved", "")), " answered 301 Moved Permanently without JSON. Is it a Homing router?"),
        (
            answers(json("401 Unauthorized", r#"{"detail":"No token."}"#)),
            "error: No token. The command reads it from HOMING_TOKEN.",
        ),
        (answers(json("500 Oh", "[]")), "error: []"),
        (answers(json("200 OK", "{}")), " answered with JSON that names no homes of datasets. Is it a Homing router?"),
        (answers(json("200 OK", &"[".repeat(100_000))), " answered 200 OK without JSON."),
        ("ftp://x".to_owned(), "expected http://… or https://…"),
    ] {
        let run = homing(&here, &["plan", "OLD.toml", "NEW.toml", "--against", &url]);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{}", run.whole());
        assert!(run.err.starts_with("error: ") && run.err.contains(expected), "{}", run.whole());
    }
}

#[test]
fn files_that_are_no_topology_are_an_error_of_the_call() {
    let here = directory(&[
        ("OLD.toml", &old()),
        ("EMPTY.toml", ""),
        ("BARE.toml", "[vars]\n"),
        ("LIST.toml", "vars = [1]\n"),
    ]);
    fs::write(here.join("BYTES.toml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::create_dir(here.join("FOLDER.toml")).unwrap();
    for file in ["EMPTY.toml", "BARE.toml", "LIST.toml", "BYTES.toml", "FOLDER.toml"] {
        for files in [[file, "OLD.toml"], ["OLD.toml", file], [file, file]] {
            let run = homing(&here, &[&["plan"], &files[..]].concat());
            assert_eq!((run.status, run.out.as_str()), (2, ""), "{files:?}: {}", run.whole());
            assert!(run.err.starts_with(&format!("error: {file} ")), "{files:?}: {}", run.err);
        }
    }
    let run = homing(&here, &["plan", "OLD.toml", "./OLD.toml"]);
    assert_eq!(
        (run.status, run.out.as_str()),
        (0, "OLD.toml -> ./OLD.toml (top level)\nNothing differs in the topology.\n")
    );
}

/// Lines of clients that mean harm: each is played or counted as unreadable, and none of them acts on whoever reads the result.
#[test]
fn hostile_lines_of_an_access_log_are_counted_and_do_no_harm() {
    let new = edited(&old(), &[("home = \"us\"", "home = \"eu\"")]);
    let lines = [
        "{\"method\":\"PUT\",\"path\":\"/api/catalog/1\",\"host\":\"a b\\u001b[31m\"}",
        "{\"method\":\"\\u001b[2J\",\"path\":\"/api/catalog/1\"}",
        "{\"method\":\"PUT\",\"path\":\"/api/catalog/\\u0000\\n\",\"time\":18446744073709551615}",
        "{\"method\":\"PUT\",\"path\":\"/api/catalog/x\",\"user\":\"\\u0000\\r\\n\",\"time\":1e300}",
        "{\"method\":\"GET\",\"path\":\"//..%2f%00/api/likes/1;x\",\"time\":99999999999999999999}",
        "{\"request\":\"GET http://evil:99999/ HTTP/1.1\",\"status\":-1}",
        "{\"method\":\"PUT\",\"path\":\"/api/catalog/1\",\"near\":\"mars\"}",
        "1.2.3.4 - ada [31/Dec/9999:23:59:59 -2359] \"PUT /api/catalog/1 HTTP/1.1\" 99999999 5",
        "1.2.3.4 - ada [10/Oct/2026:13:55:36 -0700] \"PUT /api/catalog/\\x16\\x03 HTTP/1.1\" 200 5",
    ]
    .join("\n");
    let many: String =
        (0..20_000).map(|at| format!("{{\"method\":\"M{at}\",\"path\":\"/api/catalog/{at}\"}}\n")).collect();
    let here = directory(&[("OLD.toml", &old()), ("NEW.toml", &new)]);
    let bytes =
        [lines.as_bytes(), b"\n", &[0xc3, 0x28, b'\n'], &[b'x'; 70_000], b"\n", many.as_bytes(), b"{\"method\":"]
            .concat();
    fs::write(here.join("access.log"), bytes).unwrap();
    let run = homing(&here, &["plan", "OLD.toml", "NEW.toml", "--access-log", "access.log"]);
    assert_eq!(run.status, 0, "{}", run.whole());
    assert!(run.out.contains("            and at least 9990 more kinds\n"), "{}", run.out);
    let run_json = homing(&here, &["plan", "OLD.toml", "NEW.toml", "--access-log", "access.log", "--json"]);
    let said: Value = serde_json::from_str(&run_json.out).unwrap();
    assert_eq!((&said["requests"]["more_kinds"], &said["requests"]["kinds_capped"]), (&9990.into(), &true.into()));
    assert!(run.out.chars().all(|letter| letter == '\n' || !letter.is_control()), "{:?}", run.out);
    fs::write(here.join("access.log"), "nonsense\n").unwrap();
    for (arguments, status, expected) in [
        (["--access-log", "access.log"], 1, "error: found no readable line in the access log, expected "),
        (["--access-log", "MISSING"], 2, "error: MISSING cannot be read: "),
        (["--access-log", "."], 1, "error: . cannot be read to the end: "),
    ] {
        let run = homing(&here, &[&["plan", "OLD.toml", "NEW.toml"], &arguments[..]].concat());
        assert_eq!((run.status, run.out.as_str()), (status, ""), "{}", run.whole());
        assert!(run.err.starts_with(expected), "{}", run.err);
    }
    for near in ["us=18446744073709551615,eu=1", "us=0", "us", "us=1,mars=1", "us=-1", "", "us=4294967296"] {
        let run = homing(&here, &["plan", "OLD.toml", "NEW.toml", "--access-log", "access.log", "--near", near]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{near}: {}", run.whole());
        assert!(run.err.starts_with("error: --near "), "{near}: {}", run.err);
    }
}

/// `homing plan … | head` ends like any other command whose reader has enough.
#[test]
fn a_reader_that_has_enough_ends_the_command_and_sees_no_panic() {
    let here = directory(&[("OLD.toml", &old()), ("NEW.toml", &edited(&old(), &without_ap()))]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    let ended = command.args(["plan", "OLD.toml", "NEW.toml"]).current_dir(&*here).stdout(writer).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(141), ""));
}

/// What cannot be written for another reason is said: the output is not whole.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_no_reader_that_has_enough() {
    let here = directory(&[("OLD.toml", &old()), ("NEW.toml", &edited(&old(), &without_ap()))]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    let ended = command.args(["plan", "OLD.toml", "NEW.toml"]).current_dir(&*here).stdout(full).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: failed printing to stdout: "), "{said}");
}
