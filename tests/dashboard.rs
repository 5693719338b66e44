//! The dashboard says of each reason what the core says, and leaves nothing where another page could find it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use homing_core::model::token::Token;

#[test]
fn the_dashboard_knows_every_reason_and_no_other() {
    let path = homing_tests::at("www/_homing/reasons.js");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = |reason: Token| format!("  {:?}: {:?},", reason.as_str(), reason.sentence());
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("  \"")).collect();
    let known: Vec<_> = Token::ALL.iter().map(|reason| line(*reason)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let (head, _) = text.split_once("  \"").unwrap();
        let (_, tail) = text.rsplit_once(",\n}").unwrap();
        std::fs::write(path, format!("{head}{}\n}}{tail}", known.join("\n"))).unwrap();
        return;
    }
    assert_eq!(told, known, "UPDATE_GOLDEN=1 cargo test --test dashboard writes them anew");
}

/// The application, or whoever can put a page or a script into it, may share the dashboard's origin: what is stored there, it reads,
/// and what the dashboard takes for markup, it is made to run.
#[test]
fn the_dashboard_stores_nothing_and_makes_no_markup_of_data() {
    let directory = homing_tests::at("www/_homing");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for never in [
            "sessionStorage",
            "localStorage",
            "indexedDB",
            "document.cookie",
            "caches.",
            "serviceWorker",
            "window.name",
            "history.",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "postMessage",
            " style=",
            "<style",
            "onclick=",
            "javascript:",
        ] {
            assert!(!text.contains(never), "{never} in {}", path.display());
        }
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("<script type=\"module\" src=\"").count(), "a script in {}", path.display());
    }
}
