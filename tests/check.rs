//! `homing check`, run as it is built: what it prints, and its exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use command::*;
use serde_json::Value;

#[test]
fn a_sound_configuration_passes_and_says_how_full_its_vars_are() {
    let run = check(&sound());
    let expected = "wrangler.toml (top level): 2 regions, 2 datasets, 2 routes; \
                    REGIONS 0.1 KB of 5, DATASETS 0.1 KB of 5, ROUTES 0.1 KB of 5, IDENTITY 0.0 KB of 5\n";
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, expected, ""));
}

#[test]
fn the_configuration_that_ships_passes_with_all_its_expectations() {
    let run = homing(&homing_tests::at(""), &["check"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let held = run.out.lines().find_map(|line| line.strip_prefix("wrangler.tests.toml: ")).unwrap();
    let (hold, all) = held.strip_suffix(" expectations hold").unwrap().split_once(" of ").unwrap();
    assert!(hold == all && hold != "0", "{held}");
}

#[test]
fn an_unknown_key_is_pointed_at_and_the_right_one_is_guessed() {
    let run = check(&small("default_home = true", "defualt_home = true"));
    assert_eq!(run.status, 1);
    let expected = r#"error: vars.REGIONS.us.defualt_home: found the unknown key "defualt_home", expected one of "origin", "service", "location", "health", "deadline", "ceiling", "default_home"
  --> wrangler.toml:10:1
   |
10 | defualt_home = true
   | ^^^^^^^^^^^^
  = help: did you mean "default_home"?

1 error: do not deploy
"#;
    assert_eq!(run.err, expected);
}

#[test]
fn a_multi_writer_dataset_without_conflicts_is_pointed_at_by_its_name() {
    let run = check(&small("conflicts = { rule = \"last-write-wins\", explain = \"The later click counts.\" }\n", ""));
    assert_eq!(run.status, 1);
    let expected = r#"error: vars.DATASETS.likes: found no "conflicts", expected a rule and an explanation of how conflicts end
  --> wrangler.toml:20:16
   |
20 | [vars.DATASETS.likes]
   |                ^^^^^
  = help: add [conflicts] with rule and explain: a conflict that cannot be explained to users is not accepted

1 error: do not deploy
"#;
    assert_eq!(run.err, expected);
}

/// What users are told must be a sentence. What it says is for people to judge.
#[test]
fn an_explanation_that_is_no_sentence_does_not_ship() {
    for short in ["Merged.", "last write wins always", "The later click"] {
        let run = check(&small("The later click counts.", short));
        let expected = format!(
            "error: vars.DATASETS.likes.conflicts.explain: found {short:?}, expected a sentence for users: at least four words \
             and a full stop; write what a user sees when two changes meet, such as \"The later click counts.\""
        );
        assert_eq!((run.status, sentences(&run)), (1, vec![expected]), "{}", run.err);
    }
    for long in ["後のクリックが有効です。", "We ask you: which of the two stays?"] {
        assert_eq!(check(&small("The later click counts.", long)).status, 0, "{long}");
    }
}

/// A client's own repeat may reach an owner that does not know its key.
#[test]
fn a_repeat_that_would_count_twice_is_refused_where_it_is_promised() {
    let with = |conflicts: &str, route: &str| {
        let text = small("rule = \"last-write-wins\"", conflicts);
        check(&text.replace("dataset = \"likes\"\n", &format!("dataset = \"likes\"\n{route}\n")))
    };
    let counter = "rule = \"merge\", merge = \"counter\"";
    let run = with(counter, "idempotent = true");
    let expected = "error: vars.ROUTES[1].idempotent: found true for the counter \"likes\", expected no idempotent route: a repeat \
                    may reach another owner, which does not know the Idempotency-Key and counts again; remove idempotent; or count \
                    the members of a set (merge = \"set\"), where a repeat adds none";
    assert_eq!((run.status, sentences(&run)), (1, vec![expected.to_owned()]), "{}", run.err);
    assert_eq!(sentences(&with(counter, "idempotent = false")), [""; 0]);
    // There is one like, however often it is repeated; but somebody may have taken it away in between.
    for later in
        ["rule = \"last-write-wins\"", "rule = \"merge\", merge = \"set\"", "rule = \"merge\", merge = \"register\""]
    {
        let run = with(later, "idempotent = true");
        let expected = "warning: vars.ROUTES[1].idempotent: found true for the multi-writer dataset \"likes\", expected writes of which a \
                        repeat may bring back what was replaced in between: another owner does not know the Idempotency-Key yet, and takes a \
                        repeat for a later write; keep it if that does no harm; otherwise remove idempotent, or let one home take these writes";
        assert_eq!((run.status, sentences(&run)), (0, vec![expected.to_owned()]), "{later}");
    }
    for unknown in ["rule = \"application\"", "rule = \"merge\", merge = \"map\""] {
        let run = with(unknown, "idempotent = true");
        let said = sentences(&run);
        assert!(
            said.len() == 1 && said[0].starts_with("warning: vars.ROUTES[1].idempotent: found true for the "),
            "{}",
            run.err
        );
        assert_eq!(run.status, 0, "{unknown}");
    }
}

#[test]
fn a_minimum_that_no_merge_can_keep_is_warned_of() {
    let run = check(&small("rule = \"last-write-wins\"", "rule = \"merge\", merge = \"counter\", minimum = 0"));
    let expected = "warning: vars.DATASETS.likes.conflicts.minimum: found 0, expected no minimum: two regions may both take the \
                    last one, and no merge can undo that; let one home take these writes (single-writer, or geo-partitioned), or \
                    give each region a share of its own";
    assert_eq!((run.status, sentences(&run)), (0, vec![expected.to_owned()]));
}

/// `UPDATE_GOLDEN=1 cargo test --test check pages` writes them down as they are now.
#[test]
fn the_pages_of_all_datasets_are_their_golden_case() {
    let run = homing(&golden("page"), &["check", "--explain"]);
    is_golden("page/pages.txt", &run.whole());
    let run = homing(&golden("page"), &["check", "--explain", "--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    let pages = said["explain"].as_array().unwrap();
    assert_eq!(
        (pages.len(), &pages[2]["dataset"], &pages[2]["ownership"]),
        (8, &"likes".into(), &"multi-writer".into())
    );
    let asked: Vec<_> =
        pages[2]["sections"].as_array().unwrap().iter().map(|section| section["asked"].as_str()).collect();
    assert!(asked.contains(&Some("What happens to two writes at once")), "{asked:?}");
    let plain: Value = serde_json::from_str(&homing(&golden("page"), &["check", "--json"]).out).unwrap();
    assert_eq!(plain.get("explain"), None, "only where it is asked for");
}

#[test]
fn a_member_of_a_list_and_a_key_of_an_inline_table_have_their_own_carets() {
    let text = small("[\"us\", \"eu\"]", "[\"us\", \"mars\"]")
        .replace("explain = \"The later click counts.\"", "explain = ''");
    let run = check(&text);
    let expected = r#"error: vars.DATASETS.cart.regions[1]: found "mars", expected a region: "us", "eu"
  --> wrangler.toml:18:18
   |
18 | regions = ["us", "mars"]
   |                  ^^^^^^
  = help: name one of them, or add the region to REGIONS

error: vars.DATASETS.likes.conflicts.explain: found an empty text, expected a sentence that explains the rule to users
  --> wrangler.toml:22:51
   |
22 | conflicts = { rule = "last-write-wins", explain = '' }
   |                                                   ^^
  = help: write what a user sees when two changes meet

2 errors: do not deploy
"#;
    assert_eq!((run.status, run.err.as_str()), (1, expected));
}

#[test]
fn a_warning_is_shown_and_ships() {
    let run = check(&small("/api/likes/*", "GET /api/cart/old"));
    let expected = r#"warning: vars.ROUTES[1].match: found a route that vars.ROUTES[0] hides: it takes every request first, expected a route that at least one request reaches
  --> wrangler.toml:30:9
   |
30 | match = "GET /api/cart/old"
   |         ^^^^^^^^^^^^^^^^^^^
  = help: move it up, or remove it

"#;
    assert_eq!((run.status, run.err.as_str()), (0, expected));
    assert!(run.out.contains("2 routes"), "{}", run.out);
}

#[test]
fn what_is_no_toml_is_pointed_at() {
    let run = check("name = \"small\"\nmain = build\n");
    let expected = r#"error: wrangler.toml is not TOML: string values must be quoted, expected literal string
 --> wrangler.toml:2:8
  |
2 | main = build
  |        ^^^^^
"#;
    assert_eq!((run.status, run.err.as_str(), run.out.as_str()), (1, expected, ""));
}

#[test]
fn json_names_path_line_and_column() {
    let text = small("default_home = true", "defualt_home = true");
    let run = homing(&directory(&[("wrangler.toml", &text)]), &["check", "--json"]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(said["ok"], false);
    let expected = serde_json::json!([{
        "severity": "error", "path": "vars.REGIONS.us.defualt_home",
        "found": "the unknown key \"defualt_home\"",
        "expected": "one of \"origin\", \"service\", \"location\", \"health\", \"deadline\", \"ceiling\", \"default_home\"",
        "remedy": "did you mean \"default_home\"?",
        "file": "wrangler.toml", "line": 10, "column": 1,
    }]);
    assert_eq!(said["complaints"], expected);
}

#[test]
fn json_of_a_sound_configuration_is_ok_and_has_the_expectations() {
    let tests = "[[test]]\nrequest = \"GET /\"\nnear = \"eu\"\nexpect = { to = \"eu\" }\n";
    let files = [("wrangler.toml", sound()), ("wrangler.tests.toml", tests.to_owned())];
    let run = homing(&directory(&files.each_ref().map(|(name, text)| (*name, text.as_str()))), &["check", "--json"]);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    let expectations = [serde_json::json!({ "request": "GET /", "failure": null })];
    assert_eq!(said, serde_json::json!({ "ok": true, "complaints": [], "expectations": expectations }));
    assert_eq!(run.status, 0);
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_of_the_caller() {
    let run = homing(&directory(&[]), &["check"]);
    let expected = "error: wrangler.toml cannot be read: No such file or directory (os error 2). \
                    Name the file, or run this command in its folder\n";
    assert_eq!((run.status, run.err.as_str()), (2, expected));
    assert_eq!(homing(&directory(&[]), &["check", "elsewhere/router.toml"]).status, 2);
}

#[test]
fn an_environment_inherits_nothing_and_must_stand_on_its_own() {
    let run = check(&(sound() + "\n[env.prod]\nname = \"small-prod\"\n"));
    let expected = r#"error: env.prod.kv_namespaces: found no binding "HOMES", expected a KV namespace bound as HOMES, which stores the subjects' homes
  --> wrangler.toml:47:6
   |
47 | [env.prod]
   |      ^^^^
  = help: add [[kv_namespaces]] with binding = "HOMES"

error: env.prod.durable_objects.bindings: found no binding "DIRECTORY" of the class "Directory", expected the Durable Object which assigns subjects their homes
  --> wrangler.toml:47:6
   |
47 | [env.prod]
   |      ^^^^
  = help: add [[durable_objects.bindings]] with name = "DIRECTORY" and class_name = "Directory"

error: env.prod.durable_objects.bindings: found no binding "AUTHORITY" of the class "Authority", expected the Durable Object which takes the operators' orders
  --> wrangler.toml:47:6
   |
47 | [env.prod]
   |      ^^^^
  = help: add [[durable_objects.bindings]] with name = "AUTHORITY" and class_name = "Authority"

error: env.prod.vars: found nothing, expected [vars] with REGIONS, DATASETS, ROUTES and IDENTITY, because an environment inherits none
  --> wrangler.toml:47:6
   |
47 | [env.prod]
   |      ^^^^
  = help: add the topology to this environment

4 errors: do not deploy
"#;
    assert_eq!((run.status, run.err.as_str()), (1, expected));
}

#[test]
fn one_environment_may_be_checked_alone() {
    let broken = small("home = true", "home = 1") + &environment("https://us.example.com");
    let here = directory(&[("wrangler.toml", &broken)]);
    let run = homing(&here, &["check", "--env", "prod"]);
    let expected = "wrangler.toml (prod): 1 region, 0 datasets, 0 routes; REGIONS 0.0 KB of 5\n";
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, expected, ""));
    assert_eq!(homing(&here, &["check"]).status, 1);
    let run = homing(&here, &["check", "--env", "production"]);
    let expected = "error: wrangler.toml has no environment \"production\"; it has \"top level\", \"prod\"\n";
    assert_eq!((run.status, run.err.as_str()), (2, expected));
}

#[test]
fn settings_that_undo_what_the_router_promises_are_errors() {
    let kv = "[[kv_namespaces]]\nbinding = \"HOMES\"\n";
    let top = "name = \"small\"\n";
    let placement = "error: placement: found a placement, expected none: placement moves the Worker, and with it \"nearest\", away from the users; remove it, or write mode = \"off\"";
    let assets = "error: assets: found assets that are served before the Worker, expected run_worker_first = true, because a file otherwise hides a path of the application; add run_worker_first = true";
    let cases = [
        (
            small(kv, &format!("{kv}[cache]\nenabled = true\n")),
            "error: cache.enabled: found true, expected no cache before the Worker: it answers without the router \
             and ignores pins; remove it: the router has its own cache",
        ),
        (small(kv, &format!("{kv}[placement]\nmode = \"smart\"\n")), placement),
        (small(top, &format!("{top}placement = {{ region = \"aws:us-east-1\" }}\n")), placement),
        (
            small(kv, ""),
            "error: kv_namespaces: found no binding \"HOMES\", expected a KV namespace bound as HOMES, which stores the subjects' homes; add [[kv_namespaces]] with binding = \"HOMES\"",
        ),
        (
            small("class_name = \"Directory\"", "class_name = \"Homes\""),
            "error: durable_objects.bindings: found no binding \"DIRECTORY\" of the class \"Directory\", expected the \
             Durable Object which assigns subjects their homes; add [[durable_objects.bindings]] with name = \
             \"DIRECTORY\" and class_name = \"Directory\"",
        ),
        (small(kv, &format!("{kv}[assets]\ndirectory = \"./www\"\n")), assets),
        (
            small("name = \"small\"\n", "name = \"small\"\nvars.PROBES = \"often\"\n"),
            "error: vars.PROBES: found \"often\", expected \"off\" or a time from a second to 45 s, such as \"10s\"; \
             write one of them, or remove it to get 10s",
        ),
        (
            small("name = \"small\"\n", "name = \"small\"\nvars.VIEW = \"1m\"\n"),
            "error: vars.VIEW: found \"1m\", expected a time from a second to 30 s, such as \"15s\"; write a time, or remove it to get 30s",
        ),
        (
            small("name = \"small\"\n", "name = \"small\"\nvars.JURISDICTION = \"europe\"\n"),
            "error: vars.JURISDICTION: found \"europe\", expected \"eu\" or \"fedramp\"; write one of them, or remove it. It must be chosen before the first deployment",
        ),
        // Only some paths through the Worker are not enough: the others are the application's too.
        (small(kv, &format!("{kv}[assets]\ndirectory = \"./www\"\nrun_worker_first = [\"/api/*\"]\n")), assets),
        (
            small("origin = \"https://eu.example.com\"", "service = \"REGION_EU\""),
            "error: vars.REGIONS.eu.service: found \"REGION_EU\", expected a binding \"REGION_EU\" in [[services]]; \
             add it, with the service's name",
        ),
        (
            small("The later click counts.", &"The later click counts. ".repeat(220)),
            "error: vars.DATASETS: found 5448 bytes, expected at most 5120 bytes, the limit of a var; \
             shorten names and explanations",
        ),
        (
            small("[vars.IDENTITY]", &format!("{}[vars.IDENTITY]", many_routes(220))),
            "error: vars.ROUTES: found 5174 bytes, expected at most 5120 bytes, the limit of a var; \
             move the last routes to ROUTES_2, ROUTES_3 and so on: together they form one list",
        ),
        (
            small("[vars.IDENTITY]", &format!("[vars]\nNOTE = \"{}\"\n[vars.IDENTITY]", "x".repeat(5121))),
            "error: vars.NOTE: found 5121 bytes, expected at most 5120 bytes, the limit of a var; \
             shorten names and explanations",
        ),
    ];
    for (text, expected) in cases {
        let run = check(&text);
        assert_eq!(sentences(&run), [expected], "{}", run.err);
        assert_eq!(run.status, 1, "{expected}");
    }
}

/// What `DEV` opens must not be open to anybody but whoever sits at this machine.
#[test]
fn development_beside_a_region_that_may_be_elsewhere_does_not_ship() {
    let here = |us: &str, eu: &str| {
        let text = small("name = \"small\"\n", "name = \"small\"\nvars.DEV = true\n");
        let text = text.replace("origin = \"https://us.example.com\"", us);
        text.replace("origin = \"https://eu.example.com\"", eu)
            + "\n[[services]]\nbinding = \"REGION_EU\"\nservice = \"shop-eu\"\n"
    };
    let local = "origin = \"http://127.0.0.1:9101\"";
    let said = |at: &str, found: &str| {
        format!(
            "error: {at}: found true, but the region {found}, expected DEV only with regions on this machine (localhost, 127.0.0.0/8, [::1]): it opens the operators' API here, lets clients choose their region and generates a SESSION_KEY; remove it; for `wrangler dev` write DEV=true into .dev.vars"
        )
    };
    for fine in ["http://localhost:9102", "http://eu.localhost", "http://127.0.0.2", "http://[::1]:9102"] {
        let run = check(&here(local, &format!("origin = \"{fine}\"")));
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{fine}");
    }
    for elsewhere in [
        "https://eu.example.com",
        "http://127.evil.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com:80",
        "http://127.1",
    ] {
        let run = check(&here(local, &format!("origin = \"{elsewhere}\"")));
        let expected = said("vars.DEV", "\"eu\" is not on this machine");
        assert!(run.status == 1 && sentences(&run).contains(&expected), "{elsewhere}: {}", run.err);
    }
    let worker = here(local, "service = \"REGION_EU\"");
    let run = check(&worker);
    let expected = said("vars.DEV", "\"eu\" is another Worker, which may be anywhere");
    assert_eq!((run.status, sentences(&run)), (1, vec![expected.clone()]), "{}", run.err);
    // Every environment for itself.
    let (top, env) = (sound(), in_environment(&worker));
    let run = check(&(top + &env));
    assert_eq!(
        (run.status, sentences(&run)),
        (1, vec![expected.replace("vars.DEV", "env.prod.vars.DEV")]),
        "{}",
        run.err
    );
}

/// The tables of a configuration as those of `[env.prod]`.
fn in_environment(text: &str) -> String {
    let inside = text.lines().map(|line| match line.strip_prefix("[[") {
        Some(rest) => format!("[[env.prod.{rest}\n"),
        None => match line.strip_prefix('[') {
            Some(rest) => format!("[env.prod.{rest}\n"),
            None => format!("{line}\n"),
        },
    });
    format!("\n[env.prod]\n{}", inside.collect::<String>())
}

#[test]
fn an_admin_host_is_the_bare_name_of_one() {
    let with =
        |said: &str| check(&small("name = \"small\"\n", &format!("name = \"small\"\nvars.ADMIN_HOST = {said}\n")));
    assert_eq!(with("\"homing.example.com\"").status, 0);
    for wrong in ["\"\"", "\"https://homing.example.com\"", "\"homing.example.com:443\"", "\"*.example.com\"", "true"] {
        let expected = format!(
            "error: vars.ADMIN_HOST: found {wrong}, expected a host name without scheme, port or path; write a host name such as \"homing.example.com\", or remove it"
        );
        let run = with(wrong);
        assert_eq!((run.status, sentences(&run)), (1, vec![expected]), "{}", run.err);
    }
}

#[test]
fn without_probers_it_ships_and_says_so() {
    let run = check(&small("{ name = \"PROBERS\", class_name = \"Prober\" }", ""));
    let expected = "warning: durable_objects.bindings: found no binding \"PROBERS\" of the class \"Prober\", expected the Durable Objects that ask the regions for their health; add [[durable_objects.bindings]] with name = \
                    \"PROBERS\" and class_name = \"Prober\", or write PROBES = \"off\"";
    assert_eq!((run.status, sentences(&run)), (0, vec![expected.to_owned()]), "{}", run.err);
}

#[test]
fn a_jurisdiction_is_one_in_which_every_region_lies() {
    let with = |us: &str, eu: &str| {
        let text = small("name = \"small\"\n", "name = \"small\"\nvars.JURISDICTION = \"eu\"\n");
        let text = text.replace("default_home = true", &format!("default_home = true\n{us}"));
        check(
            &text.replace("origin = \"https://eu.example.com\"", &format!("origin = \"https://eu.example.com\"\n{eu}")),
        )
    };
    let (frankfurt, dublin) = ("location = { lat = 50.1, lon = 8.7 }", "location = { lat = 53.3, lon = -6.3 }");
    assert_eq!(with(frankfurt, dublin).status, 0);
    let run = with("location = { lat = 39.0, lon = -77.5 }", "");
    let sentence = |found: &str| {
        format!(
            "error: vars.JURISDICTION: found \"eu\", but the region {found}, expected a jurisdiction in which every region \
             lies; remove it, or set the region's location to where it is"
        )
    };
    assert_eq!(sentences(&run), [sentence("\"us\" is elsewhere"), sentence("\"eu\" has no location")], "{}", run.err);
}

fn many_routes(count: usize) -> String {
    (100..100 + count).map(|n| format!("[[vars.ROUTES]]\nmatch = \"/route/{n}\"\n")).collect()
}

#[test]
fn settings_that_leave_the_promises_alone_pass() {
    let kv = "[[kv_namespaces]]\nbinding = \"HOMES\"\n";
    for (old, new) in [
        (kv, format!("{kv}[cache]\nenabled = false\n")),
        (kv, format!("{kv}[placement]\nmode = \"off\"\n")),
        (kv, format!("{kv}[assets]\ndirectory = \"./www\"\nrun_worker_first = true\n")),
        (kv, format!("{kv}id = \"00000000000000000000000000000000\"\n")),
        (
            "origin = \"https://eu.example.com\"\n",
            "service = \"EU\"\n[[services]]\nbinding = \"EU\"\nservice = \"shop-eu\"\n".to_owned(),
        ),
        ("[vars.IDENTITY]", format!("{}[vars.IDENTITY]", many_routes(150))),
        ("name = \"small\"\n", format!("name = \"small\"\nvars.NOTE = \"{}\"\n", "x".repeat(5120))),
    ] {
        let run = check(&small(old, &new));
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{new}");
    }
}
