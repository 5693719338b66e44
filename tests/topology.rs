//! The configuration: every complaint to its exact sentence, and what holds for whatever is accepted.
//!
//! `tests/golden/topology/*.txt` are tables of cases. A case is a comment that names it, the changes that it makes to
//! `base.json`, a line `---`, and what is said of it then. `UPDATE_GOLDEN=1 cargo test --test topology` writes down what
//! is said now; look at the difference before you keep it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/config.rs"]
mod config;

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf, rc::Rc};

use config::*;
use homing_core::testing::{
    http::headers::Headers,
    model::{
        clock::StampClock,
        entropy::Entropy,
        ids::MAX_REGIONS,
        keys::{Key, SessionKeys},
        subject::SubjectKind,
        time::Timestamp,
    },
    request::{
        admit::admit,
        incoming::{Client, Content, IncomingRequest},
    },
    topology::{
        Topology,
        error::Severity,
        raw::{self, Raw},
        settings::Settings,
    },
};

/// What is said of the vars, a line each.
fn sentences(vars: &Raw) -> String {
    let (shipped, complaints) = match check(vars) {
        Ok((_, warnings)) => (true, warnings),
        Err(errors) => (false, errors),
    };
    assert_eq!(shipped, !complaints.has_errors(), "a topology ships if, and only if, it has no error");
    let mut said = String::new();
    for complaint in &complaints.0 {
        let word = if complaint.severity == Severity::Error { "error" } else { "warning" };
        writeln!(said, "{word}: {complaint}").unwrap();
    }
    if complaints.0.is_empty() { "fine\n".to_owned() } else { said }
}

/// One line of a case: `PATH = JSON` or `remove PATH`, the path with dots between keys and places of lists.
fn change(vars: &mut Raw, line: &str) {
    if let Some(path) = line.strip_prefix("remove ") {
        let (above, last) = walk(vars, path);
        let Raw::Table(entries) = above else { panic!("{line}: nothing to remove it from") };
        let before = entries.len();
        entries.retain(|(name, _)| *name != last);
        assert_eq!(entries.len() + 1, before, "{line}: it is not there");
        return;
    }
    let (path, json) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}: neither PATH = JSON nor remove PATH"));
    let value = raw::from_json(json).unwrap_or_else(|error| panic!("{line}: {error}"));
    match walk(vars, path) {
        (Raw::Table(entries), last) => match entries.iter_mut().find(|(name, _)| *name == last) {
            Some((_, old)) => *old = value,
            None => entries.push((last, value)),
        },
        (Raw::List(members), last) => match members.get_mut(last.parse::<usize>().unwrap()) {
            Some(old) => *old = value,
            None => members.push(value),
        },
        (other, last) => panic!("{line}: {} has no {last}", other.describe()),
    }
}

fn walk<'a>(mut here: &'a mut Raw, path: &str) -> (&'a mut Raw, String) {
    // A name with a dot stands in quotes, but only at the end.
    let quoted = path.strip_suffix('"').and_then(|path| path.rsplit_once(".\""));
    let (above, last) = quoted.unwrap_or_else(|| path.rsplit_once('.').unwrap_or(("", path)));
    for key in above.split('.').filter(|key| !key.is_empty()) {
        here = match here {
            Raw::Table(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            Raw::List(members) => members.get_mut(key.parse::<usize>().unwrap()),
            _ => None,
        }
        .unwrap_or_else(|| panic!("{path}: there is no {key}"));
    }
    (here, last.to_owned())
}

/// The case with what is said of it now.
fn play(case: &str) -> String {
    let (head, _) = case.split_once("---\n").unwrap_or_else(|| panic!("no line --- in\n{case}"));
    let mut vars = base();
    head.lines().filter(|line| !line.starts_with('#')).for_each(|line| change(&mut vars, line));
    format!("{head}---\n{}", sentences(&vars))
}

/// Cases begin with a comment; empty lines between them are of no meaning.
fn cases(text: &str) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("# ") {
            cases.push(String::new());
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{line} stands before the first comment"));
        writeln!(case, "{line}").unwrap();
    }
    cases
}

fn updates() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn golden_files() -> Vec<PathBuf> {
    let all = fs::read_dir(at("tests/golden/topology")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    files
}

#[test]
fn every_complaint_is_the_sentence_of_its_golden_case() {
    let mut wrong = String::new();
    for file in golden_files() {
        let written = cases(&fs::read_to_string(&file).unwrap());
        let played: Vec<String> = written.iter().map(|case| play(case)).collect();
        if updates() {
            fs::write(&file, played.join("\n")).unwrap();
            continue;
        }
        for (written, played) in written.iter().zip(&played).filter(|(written, played)| written != played) {
            writeln!(wrong, "{}\n{}", file.display(), difference(written, played)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nUPDATE_GOLDEN=1 writes down what is said now");
}

/// The lines of both, marked where they stand in one only.
fn difference(written: &str, played: &str) -> String {
    let line = |mark: &str, line: &str| format!("{mark} {line}\n");
    let gone = written.lines().map(|text| line(if played.lines().any(|new| new == text) { " " } else { "-" }, text));
    let new = played.lines().filter(|text| !written.lines().any(|old| old == *text)).map(|text| line("+", text));
    gone.chain(new).collect()
}

/// Texts of the source that are words for people: string literals with a space, cut at what is filled in.
fn words_of(source: &str) -> Vec<String> {
    let code: String = source
        .split("#[cfg(test)]")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n");
    let code = code.replace("\\\\", "\u{2}").replace("\\\"", "\u{1}");
    let literals = code.split('"').skip(1).step_by(2).map(|text| text.replace('\u{1}', "\"").replace('\u{2}', "\\"));
    literals
        // What stands in a format string between braces is filled in; a pattern's clause holds its braces as they are.
        .flat_map(|text| text.split(['{', '}']).map(str::to_owned).collect::<Vec<_>>())
        .map(|text| text.trim().to_owned())
        .filter(|text| text.contains(' ') && text.len() > 8)
        .collect()
}

#[test]
fn no_sentence_of_the_parser_is_without_a_golden_case() {
    if updates() {
        return; // The files are being written.
    }
    let golden: String = golden_files().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let said: String = golden.lines().filter(|line| line.contains(": found ")).collect::<Vec<_>>().join("\n");
    let said = said.replace("\\\"", "\"") + ONE_TOO_MANY;
    let below = fs::read_dir(at("src/core/topology/parse")).unwrap().map(|entry| entry.unwrap().path());
    let sources = below.chain([at("src/core/topology/parse.rs"), at("src/core/topology/pattern.rs")]);
    let words: BTreeSet<String> = sources.flat_map(|file| words_of(&fs::read_to_string(file).unwrap())).collect();
    assert!(words.len() > 60, "the sentences are no longer found in the source: {words:?}");
    let missing: Vec<_> = words.iter().filter(|words| !said.contains(words.as_str())).collect();
    assert!(missing.is_empty(), "no case of tests/golden/topology has these words: {missing:#?}");
}

#[test]
fn names_are_resolved_in_the_order_of_the_configuration() {
    let topology = accept(&base());
    let regions: Vec<_> = topology.regions().map(|(id, region)| (id.index(), region.name.as_str())).collect();
    assert_eq!(regions, [(0, "us"), (1, "eu")]);
    assert_eq!(topology.default_home(), topology.region_named("us").unwrap());
    let datasets: Vec<_> = topology.datasets().map(|(_, dataset)| dataset.name.as_str()).collect();
    assert_eq!(datasets, ["catalog", "cart", "likes"]);
    let claimed: Vec<_> = topology.routes().iter().map(|route| route.dataset.unwrap().index()).collect();
    assert_eq!(claimed, [0, 1, 2]);
    assert_eq!(topology.residency(SubjectKind::User), topology.all_regions());
}

#[test]
fn a_default_home_may_be_any_region_and_is_the_first_where_it_is_not_said() {
    let mut vars = base();
    change(&mut vars, "REGIONS.us.default_home = false");
    assert_eq!(accept(&vars).default_home().index(), 0);
    change(&mut vars, "REGIONS.eu.default_home = true");
    assert_eq!(accept(&vars).default_home().index(), 1);
}

/// The one sentence that is not in a golden file, for its case would be long.
const ONE_TOO_MANY: &str =
    "error: vars.REGIONS: found 33 regions, expected 1 to 32 regions; join regions that fail together\n";

fn regions(count: usize) -> Raw {
    let region = |n| (format!("r{n}"), raw::from_json(r#"{ "origin": "https://r.example.com" }"#).unwrap());
    Raw::Table(vec![("REGIONS".to_owned(), Raw::Table((1..=count).map(region).collect()))])
}

#[test]
fn thirty_two_regions_are_the_most() {
    let topology = accept(&regions(MAX_REGIONS));
    assert_eq!((topology.regions().count(), topology.all_regions().iter().count()), (32, 32));
    assert_eq!(sentences(&regions(MAX_REGIONS + 1)), ONE_TOO_MANY);
    // A dataset may name the 33rd: that it is one too many has been said.
    let mut vars = regions(MAX_REGIONS + 1);
    change(&mut vars, r#"DATASETS = { "catalog": { "ownership": "single-writer", "home": "r33" } }"#);
    assert_eq!(sentences(&vars), ONE_TOO_MANY);
}

/// `count` routes over lists of 40, each of a path of its own, then one that takes all that is left.
fn many_routes(count: usize) -> Raw {
    let text = |text: String| Raw::Text(text);
    let route = |pattern: String, dataset: &str| {
        Raw::Table(vec![("match".to_owned(), text(pattern)), ("dataset".to_owned(), text(dataset.to_owned()))])
    };
    let own = (1..count).map(|n| route(format!("/route/{n}/*"), if n % 2 == 0 { "catalog" } else { "likes" }));
    let routes: Vec<Raw> = own.chain([route("/*".to_owned(), "cart")]).collect();
    let mut vars = base();
    change(&mut vars, "remove ROUTES");
    let Raw::Table(entries) = &mut vars else { panic!("the base is a table") };
    for (list, routes) in routes.chunks(40).enumerate() {
        let name = if list == 0 { "ROUTES".to_owned() } else { format!("ROUTES_{}", list + 1) };
        // The order in which the vars stand is of no meaning; their numbers are.
        entries.insert(0, (name, Raw::List(routes.to_vec())));
    }
    vars
}

/// The name of the dataset that the core finds for a path.
fn claimed(topology: &Topology, path: &str) -> String {
    let key = Key::new("a key for a world that is made up").unwrap();
    let session_keys = SessionKeys::new(key, None);
    let settings = Rc::new(Settings { topology: topology.clone(), session_keys, origin_key: None, dev: false });
    let incoming = IncomingRequest {
        now: Timestamp(1_767_225_600_000),
        method: "GET",
        url: &format!("https://example.com{path}"),
        headers: Headers(Vec::new()),
        content: Content::Empty,
        client: Client::default(),
    };
    let request = admit(&incoming, &settings, &mut StampClock::new(1), &mut Entropy::Fixed(1))
        .unwrap_or_else(|problem| panic!("{}", problem.refusal.token()));
    topology.dataset(request.dataset.unwrap()).unwrap().name.clone()
}

#[test]
fn a_thousand_routes_over_numbered_vars_are_one_list_in_which_the_first_match_wins() {
    let vars = many_routes(1_000);
    assert_eq!(sentences(&vars), "fine\n");
    let topology = accept(&vars);
    assert_eq!(topology.routes().len(), 1_000);
    assert_eq!(claimed(&topology, "/route/1/x"), "likes");
    assert_eq!(claimed(&topology, "/route/998"), "catalog");
    assert_eq!(claimed(&topology, "/route/999/x/y"), "likes");
    assert_eq!(claimed(&topology, "/route/1000"), "cart");
}

#[test]
fn a_key_that_stands_twice_is_no_json_of_a_topology() {
    let error = raw::from_json(r#"{ "REGIONS": {}, "REGIONS": {} }"#).unwrap_err();
    assert_eq!(error.to_string(), r#"the key "REGIONS" stands twice at line 1 column 32"#);
}

#[test]
fn json_that_is_nested_without_end_is_refused() {
    let error = raw::from_json(&"[".repeat(100_000)).unwrap_err();
    assert_eq!(error.to_string(), "recursion limit exceeded at line 1 column 128");
}
