//! The documents say what there is: their paths, links and anchors lead somewhere, and every token has its row.
//!
//! Each test counts what it has looked at: a walk that finds nothing would find no mistake either.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use homing_core::testing::{
    http::problem::Problem,
    model::{
        reasons::{Failure, Refusal},
        token::Token,
    },
};
use homing_tests::at;

/// Where nothing of ours is.
const NOT_OURS: [&str; 4] = ["node_modules", "target", "build", ".git"];
/// The kinds of file that a document can name.
const KINDS: [&str; 13] = ["rs", "mjs", "js", "md", "toml", "sh", "txt", "json", "html", "css", "yml", "sql", "http"];
/// Files that documents name and the repository does not have: a command makes them, or the reader has them.
const MADE: [&str; 11] = [
    "OLD.toml",
    "NEW.toml",
    "between-1.toml",
    "users.txt",
    "access.log",
    "Cargo.lock",
    "suggestions.toml",
    "bench.json",
    "worker.mjs",
    ".dev.vars",
    "homes.txt",
];
/// The documents that name tests.
const OF_TESTS: [&str; 3] = ["CONTRIBUTING.md", "invariants.md", "testing.md"];
/// The most lines of the README: what it lacks stands in `docs/`.
const MOST_OF_THE_README: usize = 180;

/// Every file of the repository, from its root.
fn files() -> Vec<PathBuf> {
    let (root, mut found, mut folders) = (at(""), Vec::new(), vec![at("")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let kind = entry.file_type().unwrap();
            // The core has folders of such names too.
            let is_ours = !NOT_OURS.contains(&name.as_str()) || folder.starts_with(at("src"));
            if kind.is_dir() && is_ours {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path().strip_prefix(&root).unwrap().to_path_buf());
            }
        }
    }
    found
}

/// A document: its path from the root, its prose without the blocks of code, and the anchors of its headings.
struct Document {
    path: PathBuf,
    prose: String,
    anchors: BTreeSet<String>,
}

fn documents(files: &[PathBuf]) -> Vec<Document> {
    let documents = files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    documents.map(|path| document(path, &fs::read_to_string(at("").join(path)).unwrap())).collect()
}

fn document(path: &Path, text: &str) -> Document {
    let (mut prose, mut anchors, mut seen) = (String::new(), BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            if line.starts_with('#') {
                let slug = slug(line.trim_start_matches('#').trim());
                let times = seen.entry(slug.clone()).or_default();
                anchors.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
                *times += 1;
            }
            prose.push_str(line);
            prose.push('\n');
        }
    }
    Document { path: path.to_path_buf(), prose, anchors }
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Every second piece of what backticks part: the code in a line of prose.
fn code(prose: &str) -> impl Iterator<Item = &str> {
    prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn without_code(prose: &str) -> String {
    let lines = prose.lines().map(|line| line.split('`').step_by(2).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

/// A span of code that is the path of a file: it ends as one, and nothing in it is anything else.
fn is_path(span: &str) -> bool {
    let kind = span.rsplit_once('.').map(|(name, kind)| (!name.is_empty() && !name.ends_with('/'), kind));
    kind.is_some_and(|(is_named, kind)| is_named && KINDS.contains(&kind))
        && !span.starts_with(['/', '-', '*'])
        && span.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'))
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let files = files();
    let (mut looked, mut lost) = (0, Vec::new());
    for document in documents(&files) {
        // What has changed once was somewhere else then.
        if document.path.ends_with("CHANGELOG.md") {
            continue;
        }
        for span in code(&document.prose).filter(|span| is_path(span)) {
            looked += 1;
            let path = span.trim_start_matches("../").trim_start_matches("./");
            let is_made = path.starts_with("build/") || path.starts_with("target/");
            let is_there = || files.iter().any(|file| file.ends_with(path));
            if !is_made && !MADE.iter().any(|made| path.ends_with(made)) && !is_there() {
                lost.push(format!("{}: `{span}`", document.path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{} files that are nowhere:\n{}", lost.len(), lost.join("\n"));
    assert!(looked >= 150, "{looked} names of files were looked at");
}

/// A test that a document names: several words, and perhaps an ellipsis for the rest of them.
fn is_test(span: &str) -> bool {
    let name = span.trim_end_matches('…');
    name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let files = files();
    let is_rust = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "rs");
    let code: String =
        files.iter().filter(is_rust).map(|path| fs::read_to_string(at("").join(path)).unwrap()).collect();
    let (mut looked, mut lost) = (0, Vec::new());
    for document in
        documents(&files).iter().filter(|document| OF_TESTS.iter().any(|page| document.path.ends_with(page)))
    {
        for span in self::code(&document.prose).filter(|span| is_test(span)) {
            looked += 1;
            let (name, is_whole) = (span.trim_end_matches('…'), !span.ends_with('…'));
            if !code.contains(&format!("fn {name}{}", if is_whole { "(" } else { "" })) {
                lost.push(format!("{}: `{span}`", document.path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{} tests that are nowhere:\n{}", lost.len(), lost.join("\n"));
    assert!(looked >= 30, "{looked} names of tests were looked at");
}

/// A survivor that is judged by file and function is a survivor no more once they are gone.
#[test]
fn every_mutant_that_is_judged_still_stands() {
    let text = fs::read_to_string(at("docs/mutants.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut spans = line.strip_prefix("| `")?.split('`');
        let (file, function) = (spans.next()?, spans.nth(1)?);
        (file.ends_with(".rs") && !file.starts_with("src/")).then_some((file, function))
    });
    let mut looked = 0;
    for (file, function) in rows {
        looked += 1;
        assert!(has(file, function), "src/core/{file} has no function {function}: take its row out of docs/mutants.md");
    }
    assert!(looked >= 15, "{looked} judgements were looked at");
}

/// The story of a request, as `docs/architecture.md` tells it.
fn story() -> String {
    let text = fs::read_to_string(at("docs/architecture.md")).unwrap();
    let (_, story) = text.split_once("## One request, in four files\n").unwrap();
    story.split("\n## ").next().unwrap().to_owned()
}

/// What is named as `phase::function`.
fn calls(text: &str) -> Vec<(&str, &str)> {
    code(text).filter_map(|span| span.split_once("::")).collect()
}

/// Whether that file of the core has the function.
fn has(file: &str, function: &str) -> bool {
    let text = fs::read_to_string(at("src/core").join(file)).unwrap_or_else(|_| panic!("src/core/{file} is not there"));
    ["(", "<"].iter().any(|end| text.contains(&format!("fn {function}{end}")))
}

/// `phase::function`, in the documents, is a function of a file in `src/core/flow`; in the story everything that is named is there.
#[test]
fn the_story_of_a_request_names_what_there_is() {
    let (mut looked, mut lost) = (0, Vec::new());
    for document in documents(&files()) {
        for (phase, name) in calls(&document.prose) {
            let file = format!("flow/{phase}.rs");
            if at("src/core").join(&file).exists() {
                looked += 1;
                if !has(&file, name) {
                    lost.push(format!("{}: `{phase}::{name}`", document.path.display()));
                }
            }
        }
    }
    assert!(lost.is_empty(), "functions that are nowhere:\n{}", lost.join("\n"));
    assert!(looked >= 15, "{looked} functions were looked at");
    let story = story();
    let named: Vec<_> = code(&story).filter(|span| span.ends_with(".rs") && !span.starts_with("tests/")).collect();
    named.iter().for_each(|file| assert!(at("src/core").join(file).exists(), "src/core/{file} is not there"));
    let calls = calls(&story);
    for (phase, function) in &calls {
        assert!(*phase == "phase" || has(&format!("flow/{phase}.rs"), function), "there is no {phase}::{function}");
    }
    for function in ["run", "handle", "route"] {
        assert!(story.contains(&format!("`{function}`")) && has("flow/mod.rs", function), "the table's {function}");
    }
    assert!(named.len() >= 8 && calls.len() >= 15, "the test reads the story: {named:?}, {calls:?}");
}

/// Each kind of request is told by the functions of the phase that it is read in, and of few others.
#[test]
fn four_files_tell_of_a_request() {
    let section = story();
    for file in ["request/admit/mod.rs", "flow/mod.rs", "settle/answer.rs"] {
        assert!(section.contains(&format!("`{file}`")), "{file}");
    }
    for (request, phase) in [("a hit", "probe"), ("a read miss", "read"), ("a write", "write"), ("a 421", "write")] {
        let row = section.lines().find(|line| line.starts_with(&format!("| **{request}**")));
        let calls = calls(row.unwrap_or_else(|| panic!("no row tells of {request}")));
        assert!(calls.iter().any(|(named, _)| *named == phase), "{request} is told without {phase}: {calls:?}");
    }
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let files = files();
    let documents = documents(&files);
    let (mut links, mut anchors, mut lost) = (0, 0, Vec::new());
    for document in &documents {
        for target in without_code(&document.prose).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let folder = document.path.parent().unwrap();
            let place = if path.is_empty() { document.path.clone() } else { normal(&folder.join(path)) };
            let is_there = at("").join(&place).exists();
            let other = documents.iter().find(|other| other.path == place);
            let has_anchor = anchor.is_none_or(|anchor| {
                anchors += 1;
                other.is_some_and(|other| other.anchors.contains(anchor))
            });
            if !is_there || !has_anchor {
                lost.push(format!("{}: {target}", document.path.display()));
            }
        }
    }
    assert!(lost.is_empty(), "{} links that lead nowhere:\n{}", lost.len(), lost.join("\n"));
    assert!(links >= 120 && anchors >= 50, "{links} links and {anchors} anchors were looked at");
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
        normal
    })
}

/// Messages and comments send readers to pages: the page is there, and so is the heading that some name behind it.
#[test]
fn every_page_that_the_code_names_is_there() {
    let files = files();
    let documents = documents(&files);
    let (mut pages, mut headings, mut lost) = (0, 0, Vec::new());
    let ours = |path: &&PathBuf| {
        let is_code =
            path.extension().is_some_and(|kind| ["rs", "mjs", "js", "toml", "sh"].iter().any(|of| kind == *of));
        is_code && !path.ends_with("tests/docs.rs")
    };
    for path in files.iter().filter(ours) {
        let text = fs::read_to_string(at("").join(path)).unwrap();
        for rest in text.split("docs/").skip(1) {
            let length =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-'))).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(length);
            let Some(name) = name.trim_end_matches('.').strip_suffix(".md") else { continue };
            pages += 1;
            let page = documents.iter().find(|page| page.path == Path::new("docs").join(format!("{name}.md")));
            let heading = behind.strip_prefix(", ").and_then(|rest| rest.split_once(',')).map(|(heading, _)| heading);
            let heading = heading.filter(|heading| heading.starts_with(char::is_uppercase) && !heading.contains('.'));
            headings += usize::from(heading.is_some());
            let has = |page: &Document| heading.is_none_or(|heading| page.anchors.contains(&slug(heading)));
            if !page.is_some_and(has) {
                lost.push(format!("{}: docs/{name}.md {}", path.display(), heading.unwrap_or_default()));
            }
        }
    }
    assert!(lost.is_empty(), "pages that are nowhere:\n{}", lost.join("\n"));
    assert!(pages >= 15 && headings >= 2, "{pages} pages and {headings} headings were looked at");
}

/// `UPDATE_GOLDEN=1` writes the sentences of the catalogue into their rows; a row that is missing is for a person to write.
#[test]
fn every_token_has_its_row_with_its_sentence() {
    let place = at("docs/observability.md");
    let text = fs::read_to_string(&place).unwrap();
    let (_, table) = text.split_once("\n## Tokens\n").unwrap();
    let rows: BTreeMap<&str, Vec<&str>> = table.lines().filter_map(row).collect();
    let mut now = text.clone();
    for token in Token::ALL {
        let sentence = token.sentence();
        let cells = rows.get(token.as_str()).unwrap_or_else(|| panic!("docs/observability.md has no row of {token}"));
        assert!(!cells.last().unwrap().is_empty(), "the row of {token} does not say what to do");
        let of = |says: &str| format!("\n| `{token}` | {says} |");
        now = now.replace(&of(cells[0]), &of(&sentence.replace('|', "\\|")));
    }
    assert_eq!(rows.len(), Token::ALL.len(), "a row of a token that is none");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(place, now).unwrap();
    } else {
        assert!(now == text, "UPDATE_GOLDEN=1 cargo test -p homing-tests --test docs writes the sentences");
    }
}

/// The token of a row, and the cells behind it.
fn row(line: &str) -> Option<(&str, Vec<&str>)> {
    let (token, rest) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
    Some((token, rest.split(" | ").collect()))
}

/// A refusal's row has its status, and the one after a region that did not answer in time.
#[test]
fn the_status_of_a_refusal_is_what_its_row_says() {
    let text = fs::read_to_string(at("docs/observability.md")).unwrap();
    let (_, tables) = text.split_once("\n## Tokens\n").unwrap();
    let (mut has_status, mut looked) = (false, 0);
    for line in tables.lines() {
        if line.starts_with("| token |") {
            has_status = line.contains("| status |");
        }
        let Some((token, cells)) = row(line).filter(|_| has_status) else { continue };
        let Some(refusal) = Refusal::ALL.iter().find(|refusal| refusal.token().as_str() == token) else { continue };
        let problem = Problem::of(*refusal);
        // A write that got no answer in time may have been done, so it is never this one.
        let after_silence = (token != "write-not-sent").then(|| problem.because(Some(Failure::Timeout)).status());
        let statuses: BTreeSet<_> = std::iter::once(problem.status()).chain(after_silence).collect();
        let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
        assert_eq!(cells[1], statuses.join(", "), "the row of {token}");
        looked += 1;
    }
    assert!(looked >= 18, "{looked} refusals were looked at");
}

/// Habits that the lexicon's rules for sentences forbid. Code, quotations and the catalogue's own sentences are not prose of a page.
#[test]
fn no_page_falls_back_into_old_habits() {
    const NEVER: [&str; 10] = [
        "anew",
        "in vain",
        "whoever",
        "whomever",
        "whom nobody",
        "must be said",
        "serves on",
        "a copy",
        "the copy",
        "copies",
    ];
    let pages = documents(&files());
    let ours = |page: &&Document| {
        let name = page.path.file_name().unwrap();
        let is_ours = page.path.starts_with("docs") || page.path.parent() == Some(Path::new(""));
        is_ours && name != "lexicon.md" && name != "CHANGELOG.md"
    };
    let (mut lines, mut found) = (0, Vec::new());
    for page in pages.iter().filter(ours) {
        let is_row = |line: &&str| page.path.ends_with("observability.md") && line.starts_with("| `");
        for line in page.prose.lines().filter(|line| !is_row(line)) {
            lines += 1;
            let said = format!(" {} ", without_code(line).to_lowercase().replace(|c: char| !c.is_alphabetic(), " "));
            let habits = NEVER.iter().filter(|words| said.contains(&format!(" {words} ")));
            found.extend(habits.map(|words| format!("{}: {words:?} in {line}", page.path.display())));
        }
    }
    assert!(found.is_empty(), "docs/lexicon.md has the better words:\n{}", found.join("\n"));
    assert!(lines >= 1500, "{lines} lines were looked at");
}

#[test]
fn the_readme_is_short_and_the_lists_are_whole() {
    let lines = fs::read_to_string(at("README.md")).unwrap().lines().count();
    assert!(
        (120..=MOST_OF_THE_README).contains(&lines),
        "README.md has {lines} lines, expected at most {MOST_OF_THE_README}"
    );
    let contents = fs::read_to_string(at("docs/README.md")).unwrap();
    let pages = fs::read_dir(at("docs")).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: Vec<_> = pages.filter(|page| page.ends_with(".md") && page != "README.md").collect();
    for page in &pages {
        assert!(contents.contains(&format!("({page}")), "docs/README.md does not link to {page}");
    }
    assert!(pages.len() >= 20, "{} pages", pages.len());
    let (testing, architecture) =
        (fs::read_to_string(at("docs/testing.md")).unwrap(), fs::read_to_string(at("docs/architecture.md")).unwrap());
    let tests = fs::read_dir(at("tests")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    for test in tests.filter(|name| name.ends_with(".rs") && name != "lib.rs") {
        assert!(testing.contains(&format!("`tests/{test}`")), "docs/testing.md does not name tests/{test}");
    }
    let folders: Vec<_> =
        fs::read_dir(at("src/core")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()).collect();
    for folder in &folders {
        let name = folder.file_name().into_string().unwrap();
        assert!(architecture.contains(&format!("\n| `{name}` |")), "docs/architecture.md has no row of {name}");
    }
    assert!(folders.len() >= 13, "{} folders", folders.len());
}

/// `autotests` is off: a file that no manifest names would never run.
#[test]
fn every_test_file_is_named_by_one_manifest() {
    let read = |path: &str| fs::read_to_string(at(path)).unwrap();
    let manifests = [read("tests/Cargo.toml"), read("src/cli/Cargo.toml").replace("../../tests/", "")];
    let files = fs::read_dir(at("tests")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<_> = files.filter(|name| name.ends_with(".rs") && name != "lib.rs").collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let line = format!("path = \"{file}\"");
        let times: usize = manifests.iter().map(|text| text.lines().filter(|found| *found == line).count()).sum();
        assert_eq!(times, 1, "{file} stands {times} times in tests/Cargo.toml and src/cli/Cargo.toml");
    }
}
