//! `homing check --cost`, run as it is built: what it prints, and its exit status. The arithmetic is tested in `src/cli/cost/tests.rs`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test cost` writes down what it says now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use std::fs;

use command::*;
use serde_json::Value;
use toml_edit::{DocumentMut, Item};

/// The command at the top of the repository.
fn here(arguments: &str) -> Run {
    homing(&homing_tests::at(""), &arguments.split(' ').collect::<Vec<_>>())
}

/// The command beside the topology of the golden cases.
fn beside(arguments: &str) -> Run {
    homing(&golden("cost"), &arguments.split(' ').collect::<Vec<_>>())
}

fn cost(run: &Run) -> Value {
    serde_json::from_str::<Value>(&run.out).unwrap_or_else(|_| panic!("{}", run.err))["cost"].clone()
}

fn product<'v>(cost: &'v Value, name: &str) -> &'v Value {
    cost["products"].as_array().unwrap().iter().find(|line| line["product"] == name).unwrap()
}

#[test]
fn what_is_said_of_a_load_is_its_golden_case() {
    let cases = [
        ("paid", "--requests-per-second 100 --isolates 50"),
        ("problems", "--requests-per-second 100 --isolates 50 --env problems"),
        ("held", "--requests-per-second 1 --load new-subjects=100,writes=20% --plan free"),
        ("logged", "--access-log access.log"),
    ];
    for (name, arguments) in cases {
        let run = beside(&format!("check --cost {arguments}"));
        is_golden(&format!("cost/{name}.txt"), &run.whole());
    }
}

/// The file that people on the Free plan copy does what it says there.
#[test]
fn the_profile_of_the_free_plan_stays_within_every_quota_on_however_many_isolates() {
    for isolates in [1, 50, 10_000] {
        let load = format!("--cost --requests-per-second 1 --isolates {isolates} --plan free");
        let run = here(&format!("check docs/free-plan.toml {load} --json"));
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
        let said: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(said["complaints"], Value::Array(Vec::new()), "it is a sound topology");
        let said = &said["cost"];
        assert_eq!((&said["plan"], &said["supposed"]["probes_ms"]), (&Value::from("free"), &Value::Null));
        for line in said["products"].as_array().unwrap() {
            assert!(line["free_ends"].is_null(), "{line}");
        }
    }
    // What is on the edge is really said: a little more is too much.
    assert_eq!(here("check docs/free-plan.toml --cost --requests-per-second 1.2 --plan free").status, 1);
    // And the same with probers is not to be had for nothing.
    let text = fs::read_to_string(homing_tests::at("docs/free-plan.toml")).unwrap();
    let probed = text.replace("PROBES = \"off\"", "PROBES = \"45s\"");
    assert_ne!(probed, text);
    let run = homing(
        &directory(&[("wrangler.toml", &probed)]),
        &["check", "--cost", "--requests-per-second", "0", "--plan", "free"],
    );
    assert!(run.err.starts_with("error: KV writes: found 5,760 a day, expected at most 1,000"), "{}", run.err);
}

/// A part of a TOML file without its remarks.
fn plain(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        return table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect();
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| plain(&Item::Table(table.clone()))).collect();
    }
    if let Some(members) = item.as_array() {
        return members.iter().map(|member| plain(&Item::Value(member.clone()))).collect();
    }
    let flag = item.as_bool().map(Value::from).or_else(|| item.as_integer().map(Value::from));
    flag.or_else(|| item.as_str().map(Value::from)).unwrap()
}

/// What both files say alike is said alike: a new binding or flag of the one is needed in the other.
#[test]
fn the_profile_of_the_free_plan_is_the_shipped_file_but_for_what_costs() {
    let read = |name: &str| -> DocumentMut { fs::read_to_string(homing_tests::at(name)).unwrap().parse().unwrap() };
    let (shipped, free) = (read("wrangler.toml"), read("docs/free-plan.toml"));
    for (key, _) in shipped.iter().filter(|(key, _)| !["vars", "observability", "routes"].contains(key)) {
        assert!(free.contains_key(key), "docs/free-plan.toml lacks {key}");
        assert_eq!(plain(&free[key]), plain(&shipped[key]), "{key}");
    }
}

#[test]
fn without_a_load_it_says_what_it_needs() {
    let wrong = [
        ("check --cost", "error: --cost does not know the load. Add --requests-per-second 100\n"),
        ("check --cost --requests-per-second -1", "error: unexpected argument '-1' found"),
        (
            "check --cost --requests-per-second NaN",
            "error: --requests-per-second is NaN, expected a number from 0 to 1000000000\n",
        ),
        (
            "check --cost --requests-per-second 1 --load writes=10",
            "error: --load has \"writes=10\", expected a share of at most 100%, such as 12.5%\n",
        ),
        (
            "check --cost --requests-per-second 1 --load hits=10%",
            "error: --load has \"hits=10%\", expected writes=10%, lookups=5%, problems=1% or new-subjects=1000\n",
        ),
        (
            "check --cost --requests-per-second 1 --load new-subjects=many",
            "error: --load has \"new-subjects=many\", expected a whole number of subjects a day\n",
        ),
        ("check --isolates 0 --cost", "error: invalid value '0' for '--isolates <NUMBER>'"),
        ("check --isolates 5", "error: the following required arguments were not provided"),
        ("check --cost --plan paid", "error: invalid value 'paid' for '--plan <PLAN>'"),
    ];
    for (arguments, expected) in wrong {
        let run = beside(arguments);
        assert!(run.err.starts_with(expected), "{arguments}: {}", run.err);
        assert_eq!(run.status, 2, "{arguments}");
    }
    let brief = directory(&[
        ("wrangler.toml", &fs::read_to_string(golden("cost/wrangler.toml")).unwrap()),
        (
            "access.log",
            "{\"method\":\"GET\",\"path\":\"/\",\"time\":1}\n{\"method\":\"GET\",\"path\":\"/\",\"time\":2}\n",
        ),
    ]);
    let run = homing(&brief, &["check", "--cost", "--access-log", "access.log"]);
    let expected = "error: --cost does not know the load, and the access log covers less than a minute by its times. \
                    Add --requests-per-second 100\n";
    assert_eq!((run.status, run.err.as_str()), (2, expected));
}

#[test]
fn json_has_the_same_and_where_each_price_is_from() {
    let run = beside("check --cost --requests-per-second 100 --json");
    assert_eq!(run.status, 0, "{}", run.err);
    let said = cost(&run);
    assert_eq!((&said["plan"], &said["subscription"]), (&Value::from("paid"), &Value::from(5.0)));
    let reads = product(&said, "KV reads");
    assert_eq!(reads["a_day"], 1_033_920.0);
    assert_eq!((&reads["cost"], &reads["free_ends"]), (&Value::from(10.51), &Value::from("02:19")));
    for line in said["products"].as_array().unwrap() {
        assert!(line["price"]["source"].as_str().unwrap().starts_with("https://developers.cloudflare.com/"), "{line}");
    }
    let costs = said["products"].as_array().unwrap().iter().map(|line| line["cost"].as_f64().unwrap());
    let sum = costs.sum::<f64>() + 5.0;
    assert!((said["a_month"].as_f64().unwrap() - sum).abs() < 0.05, "{sum}");
    // Nothing of it where nobody asks.
    let run = beside("check --json");
    assert_eq!(cost(&run), Value::Null);
}
